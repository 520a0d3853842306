//! A Windows in a capture: its drives and its hives.

use super::Scope;
use super::drive_name::DriveName;
use super::drives::Drives;
use super::hive_files::HiveFiles;
use super::volume::Volume;
use crate::error::Error;
use crate::registry::mounted_devices::{MountedDevices, PartitionIdentity};
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::WideString;
use crate::windows_path::{PathRoot, WindowsPath};

/// A Windows in a capture: its drives and its hives.
#[derive(Debug)]
pub struct CapturedMachine {
    drives: Drives,
    software: Option<HiveFiles>,
    system: Option<HiveFiles>,
    /// What the drive of Windows is called, where only the registry tells its letter.
    own: Option<DriveName>,
    /// Its partition, if it is one.
    own_partition: Option<PartitionIdentity>,
    /// The other volumes of its disk.
    partitions: Vec<(PartitionIdentity, Box<dyn Volume>)>,
    /// The drives of which it cannot be told whether they hold a Windows.
    failures: Vec<(DriveName, Error)>,
    /// Whether this is what the machine was when a shadow copy was made.
    is_earlier_state: bool,
    warnings: Warnings,
}

/// The folder of the hives on the drive of Windows.
pub(super) const CONFIG_FOLDER: &str = r"\Windows\System32\config";
/// The letter of a volume that says none: Windows nearly always calls its own drive so.
const ASSUMED_LETTER: char = 'C';

impl CapturedMachine {
    /// The machine of which this is the only volume known, that of Windows if there is one on it.
    ///
    /// # Errors
    /// When it cannot be told whether there is.
    pub(crate) fn on_volume(volume: Box<dyn Volume>, scope: Option<Scope>) -> Result<Self, Error> {
        let drive = assumed_drive();
        let mut drives = Drives::new(scope);
        drives.add_volume(drive.clone(), volume);
        let mut warnings = Warnings::default();
        let hives = Hives::find(&drives, &drive, CONFIG_FOLDER, &mut warnings)?;
        let mut machine = Hives::into_machine(hives.unwrap_or_default(), drives, warnings);
        machine.own = Some(drive);
        Ok(machine)
    }

    /// The machine of these drives, and the Windows on the first of them, by its name, that has a SOFTWARE hive. `failures` are of
    /// drives that cannot be read at all.
    pub(crate) fn on_drives(
        drives: Drives,
        mut failures: Vec<(DriveName, Error)>,
        mut warnings: Warnings,
    ) -> Self {
        let mut names: Vec<DriveName> = drives.names().cloned().collect();
        names.sort_by_key(ToString::to_string);
        let mut found = None;
        for drive in names {
            let hives = match Hives::find(&drives, &drive, CONFIG_FOLDER, &mut warnings) {
                Ok(hives) => hives,
                Err(error) => {
                    failures.push((drive, error));
                    continue;
                }
            };
            if found.is_none() {
                found = hives.map(|hives| (hives, drive));
            } else if hives.is_some() {
                // Which letters it gives to the drives is not known.
                let text =
                    format!("another Windows lies on the drive {drive}: inspect it by itself");
                warnings.push(Warning::new(WarningCode::AnotherWindows, text));
            }
        }
        let (hives, drive) = found.unzip();
        let mut machine = hives.unwrap_or_default().into_machine(drives, warnings);
        // A volume can be known by its GUID only.
        machine.own = drive.filter(|drive| !matches!(drive.root(), PathRoot::Drive(_)));
        machine.failures = failures;
        machine
    }

    /// Why it cannot be told whether the first of the drives holds a Windows for which that is so.
    pub(crate) fn first_failure(&self) -> Option<&Error> {
        self.failures.first().map(|(_, error)| error)
    }

    /// Hands out the drives of which it cannot be told whether they hold a Windows, and why.
    pub(crate) fn take_failures(&mut self) -> Vec<(DriveName, Error)> {
        std::mem::take(&mut self.failures)
    }

    /// The machine of which the hives are there, and no drive.
    #[cfg(feature = "collection")]
    pub(crate) fn of_hives(
        software: HiveFiles,
        system: Option<HiveFiles>,
        warnings: Warnings,
    ) -> Self {
        let hives = Hives {
            software: Some(software),
            system,
        };
        hives.into_machine(Drives::new(None), warnings)
    }

    /// Says which partition of a disk the machine's volume is, and which others there are.
    #[cfg(feature = "disk-image")]
    pub(super) fn set_partitions(
        &mut self,
        own: Option<PartitionIdentity>,
        others: Vec<(PartitionIdentity, Box<dyn Volume>)>,
    ) {
        self.own_partition = own;
        self.partitions = others;
    }

    /// Says that this is a shadow copy of the machine.
    #[cfg(feature = "collection")]
    pub(super) fn set_earlier_state(&mut self) {
        self.is_earlier_state = true;
    }

    /// Whether this is what the machine was at an earlier time, when a shadow copy was made.
    pub fn is_earlier_state(&self) -> bool {
        self.is_earlier_state
    }

    /// The drives.
    pub fn drives(&self) -> &Drives {
        &self.drives
    }

    /// The drives, to add others or replace some.
    pub fn drives_mut(&mut self) -> &mut Drives {
        &mut self.drives
    }

    /// The SOFTWARE hive, which says what is mounted.
    pub fn software(&self) -> Option<&HiveFiles> {
        self.software.as_ref()
    }

    /// The SYSTEM hive beside it.
    pub fn system(&self) -> Option<&HiveFiles> {
        self.system.as_ref()
    }

    /// Hands out the SOFTWARE hive, which can be read once.
    pub fn take_software(&mut self) -> Option<HiveFiles> {
        self.software.take()
    }

    /// Hands out the SYSTEM hive.
    pub fn take_system(&mut self) -> Option<HiveFiles> {
        self.system.take()
    }

    /// What of the capture is not used.
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// Says where the machine kept Windows, as its SOFTWARE hive tells
    /// ([`system_root`](crate::registry::system_root)): that gives a single volume its letter, and
    /// `%SystemRoot%` its value.
    pub fn set_system_root(&mut self, system_root: WideString) {
        self.rename_own(DriveName::of(&WindowsPath::parse(&system_root)));
        self.drives.set_system_root(system_root);
    }

    /// Whether the machine lies on a disk, so that [`set_mounted_devices`](Self::set_mounted_devices) tells more.
    pub fn has_partitions(&self) -> bool {
        self.own_partition.is_some() || !self.partitions.is_empty()
    }

    /// Says which letters the machine gave to the partitions of its disk, as its SYSTEM hive tells: the drive of Windows
    /// gets its letter, and the other volumes become drives. Gives the partitions of those that did.
    ///
    /// To be called after [`set_system_root`](Self::set_system_root), which knows less.
    pub fn set_mounted_devices(&mut self, devices: &MountedDevices) -> Vec<PartitionIdentity> {
        let letter = |partition| devices.letters_of(partition).find_map(DriveName::letter);
        self.rename_own(self.own_partition.and_then(letter));
        let mut named = Vec::new();
        for (partition, volume) in std::mem::take(&mut self.partitions) {
            let volume_name = || devices.volumes_of(partition).next().map(DriveName::volume);
            // A letter that is taken belongs to Windows' own drive, whose registry says so twice.
            if let Some(name) = letter(partition).or_else(volume_name)
                && self.drives.scope_of(&name).is_none()
            {
                self.drives.add_volume(name, volume);
                named.push(partition);
            }
        }
        named
    }

    fn rename_own(&mut self, to: Option<DriveName>) {
        if let (Some(own), Some(to)) = (&mut self.own, to)
            && *own != to
        {
            self.drives.rename(own, to.clone());
            *own = to;
        }
    }
}

/// The SOFTWARE hive of a Windows, and the SYSTEM hive beside it.
#[derive(Debug, Default)]
pub(super) struct Hives {
    software: Option<HiveFiles>,
    system: Option<HiveFiles>,
}

impl Hives {
    /// The hives in a folder of a drive, if there is a SOFTWARE hive.
    pub(super) fn find(
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
        Ok(Some(Hives {
            software: Some(software),
            system,
        }))
    }

    pub(super) fn into_machine(self, drives: Drives, warnings: Warnings) -> CapturedMachine {
        CapturedMachine {
            drives,
            software: self.software,
            system: self.system,
            own: None,
            own_partition: None,
            partitions: Vec::new(),
            failures: Vec::new(),
            is_earlier_state: false,
            warnings,
        }
    }
}

pub(super) fn assumed_drive() -> DriveName {
    DriveName::letter(ASSUMED_LETTER).expect("a letter")
}
