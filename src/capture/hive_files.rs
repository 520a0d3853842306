//! A hive in a capture, and the transaction logs that lie beside it.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::directory::host_name;
use super::drives::{Drives, unreadable_reparse_point};
use super::volume::{FileKind, ReadSeek};
use crate::error::Error;
use crate::observation::Observation;
use crate::registry::hive::Hive;
use crate::warning::{Warning, WarningCode, Warnings};
use crate::windows_path::{PathComponent, WindowsPath};

/// A hive in a capture, and the transaction logs that lie beside it, opened for reading.
#[derive(Debug)]
pub struct HiveFiles {
    hive: HiveFile,
    logs: Vec<HiveFile>,
}

/// A hive or a log, and what messages call it.
struct HiveFile {
    name: String,
    /// Where it lies on this host, free of links, where it does.
    place: Option<PathBuf>,
    /// Whether the caller named it: then its path tells it from those that were found.
    is_named: bool,
    data: Box<dyn ReadSeek>,
}

impl fmt::Debug for HiveFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

/// What Windows appends to the hive's name.
const LOG_SUFFIXES: [&str; 3] = [".LOG", ".LOG1", ".LOG2"];

impl HiveFiles {
    /// A hive that lies anywhere on this host, with these logs and those that lie beside it.
    ///
    /// # Errors
    /// When the hive or a log cannot be opened.
    pub fn on_host(hive: &Path, logs: &[PathBuf]) -> Result<Self, Error> {
        let mut files = HiveFiles {
            hive: HiveFile::on_host(hive)?,
            logs: Vec::new(),
        };
        for log in logs_beside(hive) {
            files.add_log(HiveFile::on_host(&log)?);
        }
        files.add_logs(logs)?;
        Ok(files)
    }

    /// A hive and its logs by what messages call them, and their data.
    pub(crate) fn of_data(
        (name, data): (String, Box<dyn ReadSeek>),
        logs: Vec<(String, Box<dyn ReadSeek>)>,
    ) -> Self {
        let logs = logs.into_iter();
        HiveFiles {
            hive: HiveFile::elsewhere(name, data),
            logs: logs
                .map(|(name, data)| HiveFile::elsewhere(name, data))
                .collect(),
        }
    }

    /// The SYSTEM hive that lies beside a SOFTWARE hive of this host. A hive of another name may be of another machine
    /// than its neighbours.
    pub fn system_beside(software: &Path) -> Option<PathBuf> {
        let name = host_name::to_windows(software.file_name()?);
        if !name.eq_ignore_case(&"SOFTWARE".into()) {
            return None;
        }
        file_beside(software, ["SYSTEM", "system", "System"])
    }

    /// Adds logs of this host to those that were found. They come first; one of them that was found, too, is one log.
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub fn add_logs(&mut self, logs: &[PathBuf]) -> Result<(), Error> {
        let found = std::mem::take(&mut self.logs);
        for log in logs {
            let log = HiveFile::on_host(log)?;
            self.add_log(HiveFile {
                is_named: true,
                ..log
            });
        }
        found.into_iter().for_each(|log| self.add_log(log));
        Ok(())
    }

    /// Adds a log, unless it is one that is there already.
    fn add_log(&mut self, log: HiveFile) {
        let mut known = self.logs.iter();
        if log.place.is_none() || known.all(|known| known.place != log.place) {
            self.logs.push(log);
        }
    }

    /// What messages call the hive: its path on this host, or on the captured machine.
    pub fn hive_name(&self) -> &str {
        &self.hive.name
    }

    /// What messages call the hive where it lies in an archive or an image: on this host the evidence tells.
    pub(crate) fn name_in_capture(&self) -> Option<&str> {
        let is_elsewhere = self.hive.place.is_none();
        is_elsewhere.then_some(&self.hive.name)
    }

    /// What messages call the logs.
    pub fn log_names(&self) -> impl Iterator<Item = &str> {
        self.logs.iter().map(|log| &*log.name)
    }

    /// Reads the base block of the hive and applies the logs.
    ///
    /// # Errors
    /// When the hive or a log cannot be read, or the hive is not one.
    pub fn open(self) -> Result<Hive<Box<dyn ReadSeek>>, Error> {
        let is_named: Vec<bool> = self.logs.iter().map(|log| log.is_named).collect();
        let logs = self.logs.into_iter();
        let logs = logs.map(|log| match log.is_named {
            true => (log.name, log.data),
            false => (base_name(&log.name).to_owned(), log.data),
        });
        let mut hive = Hive::open_with_logs(self.hive.data, logs.collect())
            .map_err(|error| error.in_evidence(self.hive.name))?;
        // A hive that needs no log says nothing of those that are none: beside a hive they may be empty.
        if !hive.recovery().dirty {
            let logs = hive.recovery().logs.iter().zip(is_named);
            let none = logs.filter(|(log, is_named)| *is_named && log.format.is_none());
            let text = "is no transaction log, or a damaged one: nothing of it is used";
            let warnings: Vec<_> = none
                .map(|(log, _)| Warning::new(WarningCode::LogNotUsed, text).in_evidence(&log.name))
                .collect();
            warnings.into_iter().for_each(|it| hive.add_warning(it));
        }
        Ok(hive)
    }

    /// The hive of this name in a folder of the captured machine.
    pub(super) fn find(
        drives: &Drives,
        folder: &WindowsPath,
        name: &str,
        warnings: &mut Warnings,
    ) -> Result<Option<Self>, Error> {
        let Some(hive) = HiveFile::find(drives, folder, name)? else {
            return Ok(None);
        };
        let mut logs = Vec::new();
        for suffix in LOG_SUFFIXES {
            let log = format!("{name}{suffix}");
            match HiveFile::find(drives, folder, &log) {
                Ok(log) => logs.extend(log),
                Err(error) => warnings.push(
                    Warning::new(WarningCode::LogEntryLeftOut, error.to_string()).in_evidence(log),
                ),
            }
        }
        Ok(Some(HiveFiles { hive, logs }))
    }
}

impl HiveFile {
    fn elsewhere(name: String, data: Box<dyn ReadSeek>) -> Self {
        HiveFile {
            name,
            place: None,
            is_named: false,
            data,
        }
    }

    fn on_host(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Ok(HiveFile {
                name,
                place: path.canonicalize().ok(),
                is_named: false,
                data: Box::new(file),
            }),
            Err(error) => Err(Error::io(&error).in_evidence(name)),
        }
    }

    fn find(drives: &Drives, folder: &WindowsPath, name: &str) -> Result<Option<Self>, Error> {
        let mut path = folder.clone();
        path.components.push(PathComponent::from(name));
        let located = match drives.locate(&path) {
            Observation::Present(located) => located,
            Observation::Unreadable(error) => return Err(error.in_evidence(path.to_string())),
            _ => return Ok(None),
        };
        let name = located.name();
        let data = match located.kind {
            FileKind::File => located.file.open(),
            FileKind::ReparsePoint(tag) => Err(unreadable_reparse_point(tag)),
            FileKind::Special => Err(Error::malformed("a file", located.kind.name())),
            // Something else that has such a name.
            _ => return Ok(None),
        };
        match data {
            Ok(data) => Ok(Some(HiveFile {
                name,
                place: located
                    .file
                    .host_path()
                    .and_then(|path| path.canonicalize().ok()),
                is_named: false,
                data,
            })),
            Err(error) => Err(error.in_evidence(name)),
        }
    }
}

/// The last name of a path, whichever way it is spelt.
fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn logs_beside(hive: &Path) -> Vec<PathBuf> {
    let Some(name) = hive.file_name() else {
        return Vec::new();
    };
    let logs = LOG_SUFFIXES.map(|suffix| {
        let log = |name: &OsStr, suffix: &str| {
            let mut log = name.to_owned();
            log.push(suffix);
            log
        };
        let lower_case = suffix.to_lowercase();
        let names = [
            log(name, suffix),
            log(name, &lower_case),
            log(&name.to_ascii_uppercase(), suffix),
            log(&name.to_ascii_lowercase(), &lower_case),
        ];
        file_beside(hive, names)
    });
    logs.into_iter().flatten().collect()
}

/// The first of these names that is a file in the same folder; a link only beside a hive that is one itself, as it could lead to
/// any file of this host. The folder is not listed: it may hold hives by the thousand.
fn file_beside<N: AsRef<Path>>(hive: &Path, names: impl IntoIterator<Item = N>) -> Option<PathBuf> {
    let mut files = names
        .into_iter()
        .map(|name| hive.with_file_name(name.as_ref()));
    let is_of_links = hive.is_symlink();
    files.find(|file| file.is_file() && (is_of_links || !file.is_symlink()))
}
