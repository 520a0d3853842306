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
use super::volume::Volume;
use crate::error::Error;
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::WideString;

/// How a directory of this host holds a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DirectoryLayout {
    /// It is the root of a volume, or holds mounted volumes.
    Volumes,
    /// It holds folders that are named after drives, as a collector leaves them.
    DriveFolders,
    /// It holds the hives, and no files beside them.
    Hives,
}

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
        CapturedMachine::laid_out(directory, scope).map(|(machine, _)| machine)
    }

    /// A directory of this host without a Windows: drive folders, or one volume, such as a mount directory by itself.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn without_windows(
        directory: &Path,
        scope: Option<Scope>,
    ) -> Result<(CapturedMachine, DirectoryLayout), Error> {
        let (machine, layout) = drive_folders(directory, scope)?;
        if machine.drives().names().next().is_some() {
            return Ok((machine, layout));
        }
        let machine = CapturedMachine::on_volume(Box::new(open(directory)?), scope)?;
        Ok((machine, DirectoryLayout::Volumes))
    }

    /// As [`in_directory`](Self::in_directory), and tells how it lies there.
    pub(crate) fn laid_out(
        directory: &Path,
        scope: Option<Scope>,
    ) -> Result<(CapturedMachine, DirectoryLayout), Error> {
        if let Some(machine) = volume_root(directory, scope)? {
            return Ok((machine, DirectoryLayout::Volumes));
        }
        let (machine, layout) = drive_folders(directory, scope)?;
        match (machine.software(), machine.first_failure()) {
            (Some(_), _) => return Ok((machine, layout)),
            (None, Some(failure)) => return Err(failure.clone()),
            (None, None) => {}
        }
        let machine = config_folder(directory, scope)?.ok_or_else(|| nothing_found(directory))?;
        Ok((machine, DirectoryLayout::Hives))
    }
}

fn volume_root(directory: &Path, scope: Option<Scope>) -> Result<Option<CapturedMachine>, Error> {
    let machine = CapturedMachine::on_volume(Box::new(open(directory)?), scope)?;
    Ok(machine.software().is_some().then_some(machine))
}

fn open(folder: &Path) -> Result<VolumeFolder, Error> {
    VolumeFolder::open(folder).map_err(|error| error.in_evidence(folder.display().to_string()))
}

/// The machine of the folders that are named after drives, with a Windows or without.
fn drive_folders(
    directory: &Path,
    scope: Option<Scope>,
) -> Result<(CapturedMachine, DirectoryLayout), Error> {
    let mut layout = DirectoryLayout::DriveFolders;
    let mut drives = Drives::new(scope);
    let mut warnings = Warnings::default();
    let mut failures = Vec::new();
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
        let volume = match VolumeFolder::open_collected(&folder) {
            Ok(volume) => volume,
            // The other drives can be read all the same.
            Err(error) => {
                failures.push((drive, error.in_evidence(folder.display().to_string())));
                continue;
            }
        };
        match volume.scope() {
            // It is mounted: whether streams are seen on it says nothing of another file system.
            Scope::Complete => {
                layout = DirectoryLayout::Volumes;
                drives.add_apart(drive, Box::new(volume));
            }
            Scope::Partial => drives.add_volume(drive, Box::new(volume)),
        }
    }
    Ok((
        CapturedMachine::on_drives(drives, failures, warnings),
        layout,
    ))
}

fn config_folder(directory: &Path, scope: Option<Scope>) -> Result<Option<CapturedMachine>, Error> {
    let drive = assumed_drive();
    let mut folder = Drives::new(scope);
    folder.add_volume(drive.clone(), Box::new(open(directory)?));
    let mut warnings = Warnings::default();
    let hives = Hives::find(&folder, &drive, r"\", &mut warnings)?;
    // The folder is no drive: none was captured.
    Ok(hives.map(|hives| hives.into_machine(Drives::new(scope), warnings)))
}

fn nothing_found(directory: &Path) -> Error {
    Error::no_capture(
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
