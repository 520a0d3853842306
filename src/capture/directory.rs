//! A directory of this host that holds a captured machine's files.

use std::fs;
use std::path::{Path, PathBuf};

use super::drive_name::DriveName;
use super::drives::Drives;
use super::hive_files::HiveFiles;
use super::{Scope, host_name};
use crate::error::{Error, Warning, WarningCode, Warnings};
use crate::wide_string::WideString;
use crate::windows_path::WindowsPath;

/// A directory of this host that holds a captured machine's files.
///
/// It is the root of a Windows volume (`Windows/System32/config/SOFTWARE` is in it), a folder of drive folders (`C`,
/// `C:` or `C%3A`), one of which is such a root, or the folder of the hives alone. Letter case does not matter.
#[derive(Debug)]
pub struct DirectoryCapture {
    drives: Drives,
    software: HiveFiles,
    system: Option<HiveFiles>,
    /// The drive whose letter nothing tells.
    assumed: Option<DriveName>,
    warnings: Warnings,
}

/// The folder of the hives on the drive of Windows.
const CONFIG_FOLDER: &str = r"\Windows\System32\config";
/// The letter of a volume that says none: Windows nearly always calls its own drive so.
const ASSUMED_LETTER: char = 'C';

impl DirectoryCapture {
    /// Finds the drives and hives in a directory. `drives` adds others, or replaces those that are found; `scope` says
    /// what it means that a path is missing, otherwise that is found out for each drive.
    ///
    /// # Errors
    /// When the directory or a drive's folder cannot be read, or holds no SOFTWARE hive where one is looked for.
    pub fn open(
        directory: &Path,
        drives: &[(DriveName, PathBuf)],
        scope: Option<Scope>,
    ) -> Result<Self, Error> {
        let mut capture = match volume_root(directory, scope)? {
            Some(capture) => capture,
            None => match drive_folders(directory, scope)? {
                Some(capture) => capture,
                None => config_folder(directory, scope)?.ok_or_else(|| nothing_found(directory))?,
            },
        };
        for (name, folder) in drives {
            capture.drives.add(name.clone(), folder)?;
        }
        Ok(capture)
    }

    /// Where the drives lie.
    pub fn drives(&self) -> &Drives {
        &self.drives
    }

    /// The SOFTWARE hive.
    pub fn software(&self) -> &HiveFiles {
        &self.software
    }

    /// The SYSTEM hive beside it.
    pub fn system(&self) -> Option<&HiveFiles> {
        self.system.as_ref()
    }

    /// What of the directory is not used.
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// Says where the machine kept Windows, as its SOFTWARE hive tells
    /// ([`system_root`](crate::registry::system_root)): that gives a single volume its letter, and
    /// `%SystemRoot%` its value.
    pub fn set_system_root(&mut self, system_root: WideString) {
        if let Some(assumed) = self.assumed.take()
            && let Some(name) = DriveName::of(&WindowsPath::parse(&system_root))
            && name != assumed
        {
            self.drives.rename(&assumed, name);
        }
        self.drives.set_system_root(system_root);
    }
}

/// The SOFTWARE hive of a Windows, and the SYSTEM hive beside it.
struct Hives {
    software: HiveFiles,
    system: Option<HiveFiles>,
}

impl Hives {
    /// The hives in a folder of a drive, if there is a SOFTWARE hive.
    fn find(
        drives: &Drives,
        drive: &DriveName,
        folder: &str,
        warnings: &mut Warnings,
    ) -> Result<Option<Self>, Error> {
        let mut folder = WindowsPath::from(folder);
        folder.root = drive.root().clone();
        let Some(software) = HiveFiles::find(drives, &folder, "SOFTWARE", warnings)? else {
            return Ok(None);
        };
        let system = HiveFiles::find(drives, &folder, "SYSTEM", warnings).unwrap_or_else(|error| {
            let code = WarningCode::FileUnreadable;
            warnings.push(Warning::new(code, error.to_string()));
            None
        });
        Ok(Some(Hives { software, system }))
    }

    fn into_capture(self, drives: Drives, warnings: Warnings) -> DirectoryCapture {
        DirectoryCapture {
            drives,
            software: self.software,
            system: self.system,
            assumed: None,
            warnings,
        }
    }
}

fn volume_root(directory: &Path, scope: Option<Scope>) -> Result<Option<DirectoryCapture>, Error> {
    let drive = assumed_drive();
    let mut drives = Drives::new(scope);
    drives.add(drive.clone(), directory)?;
    let mut warnings = Warnings::default();
    let hives = Hives::find(&drives, &drive, CONFIG_FOLDER, &mut warnings)?;
    Ok(hives.map(|hives| DirectoryCapture {
        assumed: Some(drive),
        ..hives.into_capture(drives, warnings)
    }))
}

fn drive_folders(
    directory: &Path,
    scope: Option<Scope>,
) -> Result<Option<DirectoryCapture>, Error> {
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
    let mut letters: Vec<DriveName> = drives.names().cloned().collect();
    letters.sort_by_key(ToString::to_string);
    let mut machine = None;
    for drive in letters {
        let hives = Hives::find(&drives, &drive, CONFIG_FOLDER, &mut warnings)?;
        if machine.is_none() {
            machine = hives;
        } else if hives.is_some() {
            // Which letters it gives to the drives is not known.
            let text = format!("another Windows lies on the drive {drive}: inspect it by itself");
            warnings.push(Warning::new(WarningCode::AnotherWindows, text));
        }
    }
    Ok(machine.map(|hives| hives.into_capture(drives, warnings)))
}

fn config_folder(
    directory: &Path,
    scope: Option<Scope>,
) -> Result<Option<DirectoryCapture>, Error> {
    let drive = assumed_drive();
    let mut folder = Drives::new(scope);
    folder.add(drive.clone(), directory)?;
    let mut warnings = Warnings::default();
    let hives = Hives::find(&folder, &drive, r"\", &mut warnings)?;
    // The folder is no drive: none was captured.
    Ok(hives.map(|hives| hives.into_capture(Drives::new(scope), warnings)))
}

fn nothing_found(directory: &Path) -> Error {
    Error::malformed(
        "Windows/System32/config/SOFTWARE, a drive folder (C, C%3A) that holds it, or SOFTWARE itself",
        "a directory without them",
    )
    .in_evidence(directory.display().to_string())
}

fn assumed_drive() -> DriveName {
    DriveName::letter(ASSUMED_LETTER).expect("a letter")
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
