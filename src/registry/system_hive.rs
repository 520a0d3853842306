//! What the SYSTEM hive adds: when the machine was last shut down, and whether the filter driver can be started.

use std::io::{Read, Seek};

use super::hive::{Hive, KeyValue};
use crate::error::Error;
use crate::file_time::FileTime;
use crate::observation::{NotCaptured, Observation};
use crate::wide_string::WideString;

/// `SERVICE_DISABLED` of a service's `Start` value.
const SERVICE_DISABLED: u32 = 4;

/// What a SYSTEM hive says about the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemFacts {
    /// The number of the control set in use, from `Select\Current`.
    pub current_control_set: Observation<u32>,
    /// The last clean shutdown, from `Control\Windows` `ShutdownTime`.
    pub last_shutdown: Observation<FileTime>,
    /// The service key of `wimmount.sys`, from `Services\WIMMount`.
    pub filter_driver: Observation<FilterDriver>,
}

/// The service key of the filter driver `wimmount.sys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FilterDriver {
    /// It can be started.
    Startable,
    /// Its start type is "disabled" (4).
    Disabled,
    /// The key does not name the driver's file.
    NoImagePath,
}

impl SystemFacts {
    /// What is known without a SYSTEM hive.
    pub fn not_captured() -> SystemFacts {
        SystemFacts {
            current_control_set: Observation::NotCaptured(NotCaptured::KindOfEvidence),
            last_shutdown: Observation::NotCaptured(NotCaptured::KindOfEvidence),
            filter_driver: Observation::NotCaptured(NotCaptured::KindOfEvidence),
        }
    }

    fn unreadable(error: &Error) -> SystemFacts {
        SystemFacts {
            current_control_set: Observation::Unreadable(error.clone()),
            last_shutdown: Observation::Unreadable(error.clone()),
            filter_driver: Observation::Unreadable(error.clone()),
        }
    }

    /// Reads them from a SYSTEM hive, or from a hive in which someone saved `SYSTEM` as a key.
    ///
    /// A hive that names no current control set is no SYSTEM hive: then it says nothing about the rest. Where the one that it
    /// names is not there, the rest is unreadable.
    pub fn read<R: Read + Seek>(hive: &mut Hive<R>) -> SystemFacts {
        let system = match system_key(hive) {
            Ok(system) => system.unwrap_or_default(),
            Err(error) => return SystemFacts::unreadable(&error),
        };
        let current_control_set = dword(hive, &[system, &["Select"]].concat(), "Current");
        let (last_shutdown, filter_driver) = match &current_control_set {
            Observation::Present(number) => {
                let name = format!("ControlSet{number:03}");
                let control_set = [system, &[&*name]].concat();
                match find_control_set(hive, &control_set) {
                    Ok(()) => {
                        let shutdown = last_shutdown(hive, &control_set);
                        (shutdown, filter_driver(hive, &control_set))
                    }
                    Err(error) => (
                        Observation::Unreadable(error.clone()),
                        Observation::Unreadable(error),
                    ),
                }
            }
            Observation::Unreadable(error) => return SystemFacts::unreadable(error),
            Observation::Absent | Observation::NotCaptured(_) => (
                Observation::NotCaptured(NotCaptured::KindOfEvidence),
                Observation::NotCaptured(NotCaptured::KindOfEvidence),
            ),
        };
        SystemFacts {
            current_control_set,
            last_shutdown,
            filter_driver,
        }
    }
}

/// Where a hive holds what the machine calls `HKLM\SYSTEM`: as a whole, or below a key that someone saved it as. `None` for
/// another hive.
///
/// # Errors
/// When that cannot be told.
pub(crate) fn system_key<R: Read + Seek>(
    hive: &mut Hive<R>,
) -> Result<Option<&'static [&'static str]>, Error> {
    const SAVED: &[&str] = &["SYSTEM"];
    const SELECT: &[&str] = &["Select"];
    if hive.find(SELECT)?.is_some() {
        return Ok(Some(&[]));
    }
    let is_saved = hive.find(&[SAVED, SELECT].concat())?.is_some();
    Ok(is_saved.then_some(SAVED))
}

fn find_control_set<R: Read + Seek>(hive: &mut Hive<R>, path: &[&str]) -> Result<(), Error> {
    match hive.find(path)? {
        Some(_) => Ok(()),
        None => {
            let expected = format!("the key {}, which `Select` names", path.join("\\"));
            Err(Error::malformed(expected, "no such key"))
        }
    }
}

fn last_shutdown<R: Read + Seek>(
    hive: &mut Hive<R>,
    control_set: &[&str],
) -> Observation<FileTime> {
    let path = [control_set, &["Control", "Windows"]].concat();
    let shutdown = read(hive, &path, "ShutdownTime", |value, data| {
        let ticks = data.try_into().map_err(|_| {
            let found = format!("{} bytes", data.len());
            Error::malformed("a FILETIME of 8 bytes", found).at(value.position)
        })?;
        Ok(FileTime::from_ticks(u64::from_le_bytes(ticks)))
    });
    match shutdown {
        // Nothing was recorded yet.
        Observation::Present(time) if time.ticks() == 0 => Observation::Absent,
        shutdown => shutdown,
    }
}

fn filter_driver<R: Read + Seek>(
    hive: &mut Hive<R>,
    control_set: &[&str],
) -> Observation<FilterDriver> {
    let path = [control_set, &["Services", "WIMMount"]].concat();
    match hive.find(&path) {
        Ok(Some(_)) => {}
        Ok(None) => return Observation::Absent,
        Err(error) => return Observation::Unreadable(error),
    }
    match dword(hive, &path, "Start") {
        Observation::Present(SERVICE_DISABLED) => {
            return Observation::Present(FilterDriver::Disabled);
        }
        Observation::Unreadable(error) => return Observation::Unreadable(error),
        _ => {}
    }
    let image_path = read(hive, &path, "ImagePath", |_, data| {
        Ok(WideString::from_utf16le_until_nul(data))
    });
    match image_path {
        Observation::Present(path) if !path.is_empty() => {
            Observation::Present(FilterDriver::Startable)
        }
        Observation::Unreadable(error) => Observation::Unreadable(error),
        _ => Observation::Present(FilterDriver::NoImagePath),
    }
}

fn dword<R: Read + Seek>(hive: &mut Hive<R>, path: &[&str], name: &str) -> Observation<u32> {
    read(hive, path, name, |value, data| {
        let number = value.value_type.dword(data);
        number.map_err(|error| error.at(value.position))
    })
}

/// Reads a value of a key and decodes its data.
pub(super) fn read<R: Read + Seek, T>(
    hive: &mut Hive<R>,
    path: &[&str],
    name: &str,
    decode: impl FnOnce(&KeyValue, &[u8]) -> Result<T, Error>,
) -> Observation<T> {
    let read = || {
        let Some(key) = hive.find(path)? else {
            return Ok(None);
        };
        let Some(value) = hive.value(&key, &name.into())? else {
            return Ok(None);
        };
        let data = value.data.as_deref().map_err(Error::clone)?;
        decode(&value, data).map(Some)
    };
    match read() {
        Ok(Some(thing)) => Observation::Present(thing),
        Ok(None) => Observation::Absent,
        Err(error) => Observation::Unreadable(error),
    }
}
