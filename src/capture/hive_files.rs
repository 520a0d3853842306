//! A hive in a capture, and the transaction logs that lie beside it.

use std::path::PathBuf;

use super::drives::Drives;
use crate::error::{Error, Warning, WarningCode, Warnings};
use crate::observation::Observation;
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
