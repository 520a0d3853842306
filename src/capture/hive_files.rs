//! A hive in a capture, and the transaction logs that lie beside it.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::drives::Drives;
use super::host_name;
use super::volume_folder::{Child, VolumeFolder};
use crate::error::{Error, Warning, WarningCode, Warnings};
use crate::observation::Observation;
use crate::registry::hive::Hive;
use crate::wide_string::WideString;
use crate::windows_path::{PathComponent, WindowsPath};

/// A hive in a capture, and the transaction logs that lie beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiveFiles {
    /// The hive.
    pub hive: PathBuf,
    /// Its logs, as far as there are any.
    pub logs: Vec<PathBuf>,
}

/// What Windows appends to the hive's name.
const LOG_SUFFIXES: [&str; 3] = [".LOG", ".LOG1", ".LOG2"];

impl HiveFiles {
    /// A hive that lies anywhere on this host, and the logs beside it, whatever their letter case.
    pub fn beside(hive: impl Into<PathBuf>) -> Self {
        let hive = hive.into();
        let logs = logs_beside(&hive).unwrap_or_default();
        HiveFiles { hive, logs }
    }

    /// The SYSTEM hive beside a SOFTWARE hive. A hive of another name may be of another machine than its neighbours.
    pub fn system_beside(software: &Path) -> Option<Self> {
        let name = host_name::to_windows(software.file_name()?);
        if !name.eq_ignore_case(&"SOFTWARE".into()) {
            return None;
        }
        let system = file_beside(&folder_of(software)?, &"SYSTEM".into())?;
        Some(HiveFiles::beside(system))
    }

    /// Opens the hive and applies the logs.
    ///
    /// # Errors
    /// When the hive or a log cannot be read, or the hive is not one.
    pub fn open(&self) -> Result<Hive<File>, Error> {
        let open = |path: &Path| {
            File::open(path)
                .map_err(|error| Error::io(&error).in_evidence(path.display().to_string()))
        };
        let logs = self.logs.iter().map(|log| {
            let name = log.file_name().unwrap_or(log.as_os_str());
            Ok((name.display().to_string(), open(log)?))
        });
        let logs = logs.collect::<Result<_, Error>>()?;
        Hive::open_with_logs(open(&self.hive)?, logs)
            .map_err(|error| error.in_evidence(self.hive.display().to_string()))
    }

    /// The hive of this name in a folder of the captured machine.
    pub(super) fn find(
        drives: &Drives,
        folder: &WindowsPath,
        name: &str,
        warnings: &mut Warnings,
    ) -> Result<Option<Self>, Error> {
        let Some(hive) = file(drives, folder, name)? else {
            return Ok(None);
        };
        let mut logs = Vec::new();
        for suffix in LOG_SUFFIXES {
            let log = format!("{name}{suffix}");
            match file(drives, folder, &log) {
                Ok(log) => logs.extend(log),
                Err(error) => warnings.push(
                    Warning::new(WarningCode::LogEntryLeftOut, error.to_string()).in_evidence(log),
                ),
            }
        }
        Ok(Some(HiveFiles { hive, logs }))
    }
}

fn file(drives: &Drives, folder: &WindowsPath, name: &str) -> Result<Option<PathBuf>, Error> {
    let mut path = folder.clone();
    path.components.push(PathComponent::from(name));
    match drives.locate(&path) {
        Observation::Present(located) if located.metadata.is_file() => Ok(Some(located.path)),
        Observation::Unreadable(error) => Err(error.in_evidence(path.to_string())),
        _ => Ok(None),
    }
}

fn logs_beside(hive: &Path) -> Option<Vec<PathBuf>> {
    let name = host_name::to_windows(hive.file_name()?);
    let folder = folder_of(hive)?;
    let logs = LOG_SUFFIXES.into_iter().filter_map(|suffix| {
        let log = format!("{}{suffix}", name.to_utf8()?);
        file_beside(&folder, &log.into())
    });
    Some(logs.collect())
}

/// The folder of this host that a file lies in.
fn folder_of(file: &Path) -> Option<VolumeFolder> {
    let folder = match file.parent()? {
        here if here.as_os_str().is_empty() => Path::new("."),
        parent => parent,
    };
    VolumeFolder::open(folder, None).ok()
}

fn file_beside(folder: &VolumeFolder, name: &WideString) -> Option<PathBuf> {
    match folder.child(folder.root(), name) {
        Ok(Child::Found(file)) => file.is_file().then_some(file),
        _ => None,
    }
}
