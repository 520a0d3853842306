//! The mount registry in a SOFTWARE hive.

use std::io::{Read, Seek};
use std::ops::ControlFlow;

use super::hive::{Hive, KeyNode};
use super::registration::{MountRegistration, MountRegistry, MountRegistryCollector};
use super::{RegistryEntry, RegistryKey};
use crate::error::{Error, Position};
use crate::observation::{NotCaptured, Observation};
use crate::warning::{Warning, WarningCode};
use crate::wide_string::WideString;

const WIM_MOUNT: [&str; 2] = ["Microsoft", "WIMMount"];
const MOUNTED_IMAGES: &str = "Mounted Images";

impl MountRegistry {
    /// Reads the mount registry from a SOFTWARE hive, or from a hive in which someone saved `SOFTWARE` as a key.
    ///
    /// Only the keys on the way and the registrations are read. The hive's own warnings stay with it.
    ///
    /// # Errors
    /// When a key on the way to the registrations, or their list, cannot be read: then nobody can tell what is mounted.
    pub fn read_from_hive<R: Read + Seek>(hive: &mut Hive<R>) -> Result<MountRegistry, Error> {
        let mut collector = MountRegistryCollector::default();
        let mut unreadable_registrations = 0;
        let software = software_key(hive)?;
        if let Some(software) = software {
            let microsoft = [software, &WIM_MOUNT[..1]].concat();
            if let Some(key) = hive.find(&microsoft)? {
                unreadable_registrations = read_images(hive, &key, &microsoft, &mut collector)?;
            }
            let wow64 = [software, &["WOW6432Node"], &WIM_MOUNT[..1]].concat();
            // The twin is not judged: where it cannot be read, nothing is lost.
            if let Ok(Some(microsoft)) = hive.find(&wow64) {
                let _ = read_images(hive, &microsoft, &wow64, &mut collector);
            }
        }
        let mut registry = collector.into_registry();
        registry.unreadable_registrations = unreadable_registrations;
        registry.lists_all = software.is_some();
        if !registry.mounted_images.is_present() {
            registry.mounted_images = match software {
                Some(_) => Observation::Absent,
                None => {
                    let text = "the hive has no `Microsoft` key at its root, as SOFTWARE has: it is another hive";
                    let warning = Warning::new(WarningCode::MountRegistryNotInEvidence, text);
                    registry.warnings.push(warning);
                    Observation::NotCaptured(NotCaptured::Path)
                }
            };
        }
        Ok(registry)
    }
}

/// Where a hive holds what the machine calls `HKLM\SOFTWARE`: as a whole, or below a key that someone saved it as. `None` for
/// another hive: those of users have a `SOFTWARE\Microsoft` of their own, and nothing about mounts in it.
///
/// # Errors
/// When that cannot be told.
pub(crate) fn software_key<R: Read + Seek>(
    hive: &mut Hive<R>,
) -> Result<Option<&'static [&'static str]>, Error> {
    const SAVED: &[&str] = &["SOFTWARE"];
    /// Of the machine, never of a user.
    const PROFILES: &[&str] = &["Microsoft", "Windows NT", "CurrentVersion", "ProfileList"];
    let microsoft = hive.find(&WIM_MOUNT[..1]);
    if let Ok(Some(_)) = microsoft {
        return Ok(Some(&[]));
    }
    for of_machine in [&WIM_MOUNT[..], PROFILES] {
        if hive.find(&[SAVED, of_machine].concat())?.is_some() {
            return Ok(Some(SAVED));
        }
    }
    microsoft.map(|_| None)
}

/// Hands the registrations below a `Microsoft` key to the collector. Gives how many cannot be read.
fn read_images<R: Read + Seek>(
    hive: &mut Hive<R>,
    microsoft: &KeyNode,
    path: &[&str],
    collector: &mut MountRegistryCollector,
) -> Result<u64, Error> {
    let Some(wim_mount) = hive.subkey(microsoft, &WIM_MOUNT[1].into())? else {
        return Ok(0);
    };
    let Some(images) = hive.subkey(&wim_mount, &MOUNTED_IMAGES.into())? else {
        return Ok(0);
    };
    let path = [path, &[WIM_MOUNT[1], MOUNTED_IMAGES]].concat().join("\\");
    collector.push(key_entry(path.as_str().into(), &images));
    hive.each_subkey(&images, |hive, image| {
        let mut units = WideString::from(path.as_str()).as_units().to_vec();
        units.push(b'\\'.into());
        units.extend(image.name().as_units());
        collector.push(key_entry(WideString::from_units(units), &image));
        match hive.values(&image) {
            Ok(values) => {
                let is_there =
                    |name: &WideString| values.iter().any(|value| value.name.eq_ignore_case(name));
                let names = MountRegistration::VALUE_NAMES.map(WideString::from);
                for name in names.into_iter().filter(|name| !is_there(name)) {
                    // One that may be in a damaged part is not absent.
                    if let Err(error) = hive.value(&image, &name) {
                        collector.push(unreadable(name, image.position(), error));
                    }
                }
                for value in values {
                    collector.push(value_entry(value));
                }
            }
            // What cannot be read is not absent.
            Err(error) => {
                for name in MountRegistration::VALUE_NAMES {
                    collector.push(unreadable(name.into(), image.position(), error.clone()));
                }
            }
        }
        match collector.is_full() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })
}

fn key_entry(path: WideString, key: &KeyNode) -> RegistryEntry {
    RegistryEntry::Key(RegistryKey {
        path,
        last_written: Some(key.last_written()),
        position: key.position(),
    })
}

fn value_entry(value: super::hive::KeyValue) -> RegistryEntry {
    let (name, position) = (value.name.clone(), value.position);
    match value.into_registry_value() {
        Ok(value) => RegistryEntry::Value(value),
        Err(error) => unreadable(name, position, error),
    }
}

fn unreadable(name: WideString, position: Position, error: Error) -> RegistryEntry {
    RegistryEntry::UnreadableValue {
        name,
        position,
        error,
    }
}
