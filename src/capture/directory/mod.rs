//! A directory of this host that holds a captured machine's files.

mod extended_attribute;
mod host_link;
pub(super) mod host_name;
mod named_stream;
mod search;
mod volume_folder;

use std::fs;
use std::path::{Path, PathBuf};

pub(super) use self::volume_folder::VolumeFolder;
use super::Scope;
use super::drive_name::DriveName;
use super::drives::Drives;
use super::machine::{CapturedMachine, Hives, assumed_drive};
use crate::error::Error;
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::WideString;

impl CapturedMachine {
    /// Finds the drives and hives in a directory of this host.
    ///
    /// It is the root of a Windows volume (`Windows/System32/config/SOFTWARE` is in it), a folder of drive folders
    /// (`C`, `C:` or `C%3A`), one of which is such a root, or the folder of the hives alone. Letter case does not
    /// matter. `scope` says what it means that a path is missing, otherwise that is found out for each drive.
    ///
    /// # Errors
    /// When the directory or a drive's folder cannot be read, or holds no SOFTWARE hive where one is looked for.
    pub fn in_directory(directory: &Path, scope: Option<Scope>) -> Result<CapturedMachine, Error> {
        if let Some(machine) = volume_root(directory, scope)? {
            return Ok(machine);
        }
        match drive_folders(directory, scope)? {
            Some(machine) => Ok(machine),
            None => config_folder(directory, scope)?.ok_or_else(|| nothing_found(directory)),
        }
    }
}

fn volume_root(directory: &Path, scope: Option<Scope>) -> Result<Option<CapturedMachine>, Error> {
    let volume = VolumeFolder::open(directory)
        .map_err(|error| error.in_evidence(directory.display().to_string()))?;
    let machine = CapturedMachine::on_volume(Box::new(volume), scope)?;
    Ok(machine.software().is_some().then_some(machine))
}

fn drive_folders(directory: &Path, scope: Option<Scope>) -> Result<Option<CapturedMachine>, Error> {
    let mut drives = Drives::new(scope);
    let mut warnings = Warnings::default();
    for folder in folders(directory)? {
        let name = folder.file_name().map(host_name::to_windows);
        let Some(drive) = name.and_then(|name| drive_of_folder(&name)) else {
            continue;
        };
        if drives.scope_of(&drive).is_some() {
            let text = format!("another folder holds the drive {drive}: this one is not used");
            warnings.push(
                Warning::new(WarningCode::DuplicateDrive, text)
                    .in_evidence(folder.display().to_string()),
            );
            continue;
        }
        drives.add(drive, &folder)?;
    }
    let machine = CapturedMachine::on_drives(drives, warnings)?;
    Ok(machine.software().is_some().then_some(machine))
}

fn config_folder(directory: &Path, scope: Option<Scope>) -> Result<Option<CapturedMachine>, Error> {
    let drive = assumed_drive();
    let mut folder = Drives::new(scope);
    folder.add(drive.clone(), directory)?;
    let mut warnings = Warnings::default();
    let hives = Hives::find(&folder, &drive, r"\", &mut warnings)?;
    // The folder is no drive: none was captured.
    Ok(hives.map(|hives| hives.into_machine(Drives::new(scope), warnings)))
}

fn nothing_found(directory: &Path) -> Error {
    Error::malformed(
        "Windows/System32/config/SOFTWARE, a drive folder (C, C%3A) that holds it, or SOFTWARE itself",
        "a directory without them",
    )
    .in_evidence(directory.display().to_string())
}

/// The folders in a directory, in the order of their names. Links are none of them.
fn folders(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

/// The drive that a folder is named after: `C`, `C:`, or `C%3A` as Velociraptor spells it.
fn drive_of_folder(name: &WideString) -> Option<DriveName> {
    let name = name.to_utf8()?;
    let mut letters = name.chars();
    let drive = DriveName::letter(letters.next()?)?;
    let rest = letters.as_str();
    (matches!(rest, "" | ":") || rest.eq_ignore_ascii_case("%3A")).then_some(drive)
}
