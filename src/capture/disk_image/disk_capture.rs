//! The volumes of a disk image, and the Windows installations on them.

use std::fs::Metadata;
use std::path::Path;

use super::ntfs::NtfsVolume;
use super::{Disk, FileSystem, Partition, PartitionTable, container};
#[cfg(feature = "collection")]
use crate::capture::collection::Collection;
use crate::capture::volume::Volume;
use crate::capture::{CapturedMachine, DriveName, Drives, Scope};
use crate::error::Error;
use crate::registry::mounted_devices::{MountedDevice, MountedDevices, PartitionIdentity};
use crate::warning::{Warning, WarningCode, Warnings};

/// A disk image of this host, or a block device, that is looked into.
#[derive(Debug)]
pub struct DiskCapture {
    volumes: Vec<DiskVolume>,
    /// The volumes that are not read, in the order of the disk, and what they are.
    others: Vec<OtherVolume>,
    /// NTFS volumes that were more than are looked into.
    left_out: usize,
    /// Whether there may be a Windows on one of those.
    hides_windows: bool,
    warnings: Warnings,
}

/// An NTFS volume of a disk.
#[derive(Debug)]
struct DiskVolume {
    /// The number of its partition, unless the disk has none.
    number: Option<u32>,
    identity: Option<PartitionIdentity>,
    volume: Result<NtfsVolume, Error>,
}

impl DiskVolume {
    /// What reports call it: `partition 2: Windows`, by its number and its label.
    fn name(&self) -> Option<String> {
        let number = self.number?;
        let volume = self.volume.as_ref().ok();
        let label = volume.map(|volume| volume.information().label.to_string());
        Some(match label {
            Some(label) if !label.is_empty() => format!("partition {number}: {label}"),
            _ => format!("partition {number}"),
        })
    }
}

/// A part of a disk image that is a capture of its own.
#[derive(Debug)]
#[non_exhaustive]
pub struct DiskPart {
    /// The partition; none on a disk that is one volume.
    pub name: Option<String>,
    /// The Windows on it, with all drives; or the volume alone.
    pub machine: Result<CapturedMachine, Error>,
}

impl DiskCapture {
    /// How many NTFS volumes of a disk are looked into. Windows' own GPTs have room for as many partitions.
    pub const MOST_VOLUMES: usize = 128;

    /// Whether a file of this host is a disk or a part of one.
    pub fn is_block_device(metadata: &Metadata) -> bool {
        container::is_block_device(metadata)
    }

    /// Opens a disk image and finds its volumes.
    ///
    /// # Errors
    /// When the image cannot be read, and when no volume of it is NTFS.
    pub fn open(path: &Path) -> Result<DiskCapture, Error> {
        let (disk, warnings) = Disk::open(path)?;
        Self::of_disk(&disk, warnings)
    }

    /// Finds the volumes of a disk. `warnings` are those of opening it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn of_disk(disk: &Disk, mut warnings: Warnings) -> Result<DiskCapture, Error> {
        let (table, found) = PartitionTable::read(disk, disk.sector_size())?;
        warnings.extend(found);
        let mut capture = DiskCapture {
            volumes: Vec::new(),
            others: Vec::new(),
            left_out: 0,
            // What is damaged may not show all that it holds.
            hides_windows: !warnings.as_slice().is_empty(),
            warnings,
        };
        for partition in &table.partitions {
            capture.add(disk, partition);
        }
        if capture.volumes.is_empty() {
            return Err(capture.without_ntfs());
        }
        if capture.left_out > 0 {
            let text = format!(
                "{} more NTFS volumes are left out: {} of a disk are looked into at most",
                capture.left_out,
                Self::MOST_VOLUMES
            );
            let warning = Warning::new(WarningCode::LimitReached, text);
            capture.warnings.push(warning);
        }
        for OtherVolume { text, remedy } in std::mem::take(&mut capture.others) {
            let remedy = remedy.map_or(String::new(), |remedy| format!("; {remedy}"));
            let warning = Warning::new(WarningCode::VolumeNotRead, format!("{text}{remedy}"));
            capture.warnings.push(warning);
        }
        Ok(capture)
    }

    fn add(&mut self, disk: &Disk, partition: &Partition) {
        let number = (partition.number > 0).then_some(partition.number);
        let volume = partition.volume(disk.clone());
        let file_system = match FileSystem::identify(&volume) {
            Ok(FileSystem::Empty) => return,
            Ok(file_system) => file_system,
            Err(error) => {
                let place = number.map_or("the disk".to_owned(), |n| format!("partition {n}"));
                self.others.push(OtherVolume {
                    text: format!("{place} cannot be read: {error}"),
                    remedy: None,
                });
                self.hides_windows = true;
                return;
            }
        };
        if file_system != FileSystem::Ntfs {
            self.others.push(OtherVolume::new(partition, file_system));
            self.hides_windows |= file_system.may_hold_windows() && !partition.kind.is_reserved();
            return;
        }
        if self.volumes.len() == Self::MOST_VOLUMES {
            self.left_out += 1;
            self.hides_windows = true;
            return;
        }
        self.volumes.push(DiskVolume {
            number,
            identity: partition.identity,
            volume: NtfsVolume::open(volume),
        });
    }

    /// What could not be used of the disk. What is found on a volume later, the
    /// [`drives`](CapturedMachine::drives) tell.
    pub fn take_warnings(&mut self) -> Warnings {
        std::mem::take(&mut self.warnings)
    }

    /// Each Windows on the disk, with the other volumes at hand for the
    /// [letters](CapturedMachine::set_mounted_devices) that it gave them, and each volume that cannot be read.
    pub fn installations(&self, scope: Option<Scope>) -> Vec<DiskPart> {
        let mut parts = self.parts(scope, |_| true);
        parts.retain(|part| {
            let machine = part.machine.as_ref();
            machine.map_or(true, |machine| machine.software().is_some())
        });
        parts
    }

    /// The collections that were written onto volumes of the disk, with the names of those.
    #[cfg(feature = "collection")]
    pub fn collections(&self) -> Vec<(Option<String>, Result<Collection, Error>)> {
        let collections = self.volumes.iter().filter_map(|volume| {
            let collection = Collection::on_volume(volume.volume.as_ref().ok()?)?;
            Some((volume.name(), collection))
        });
        collections.collect()
    }

    /// Each volume without a Windows by itself, but for those on `partitions`.
    pub fn data_volumes(
        &self,
        scope: Option<Scope>,
        partitions: &[PartitionIdentity],
    ) -> Vec<DiskPart> {
        let mut parts = self.parts(scope, |volume| {
            let identity = volume.identity;
            identity.is_none_or(|identity| !partitions.contains(&identity))
        });
        parts.retain(|part| {
            let machine = part.machine.as_ref();
            machine.is_ok_and(|machine| machine.software().is_none())
        });
        parts
    }

    /// The error of a disk without any [installation](Self::installations).
    pub fn without_windows(&self) -> Error {
        let names: Vec<_> = self.volumes.iter().filter_map(DiskVolume::name).collect();
        let found = match names.is_empty() {
            true => "an NTFS volume without it".to_owned(),
            false => format!("NTFS volumes without it: {}", names.join(", ")),
        };
        self.nothing_to_judge("a volume with Windows\\System32\\config\\SOFTWARE", found)
    }

    fn without_ntfs(&self) -> Error {
        let texts: Vec<_> = self.others.iter().map(|other| &*other.text).collect();
        let found = match texts.is_empty() {
            true => "none".to_owned(),
            false => texts.join("; "),
        };
        let error = self.nothing_to_judge("an NTFS volume", found);
        match self.others.iter().find_map(|other| other.remedy) {
            Some(remedy) => error.or_remedy(remedy),
            None if error.holds_no_capture() => error.or_remedy("name the disk that Windows is on"),
            None => error,
        }
    }

    fn nothing_to_judge(&self, expected: &'static str, found: String) -> Error {
        match self.hides_windows {
            true => Error::malformed(expected, found),
            false => Error::no_capture(expected, found),
        }
    }

    fn parts(&self, scope: Option<Scope>, is_asked: impl Fn(&DiskVolume) -> bool) -> Vec<DiskPart> {
        let volumes = self.volumes.iter().enumerate();
        let volumes = volumes.filter(|(_, volume)| is_asked(volume));
        let parts = volumes.map(|(index, volume)| DiskPart {
            name: volume.name(),
            machine: volume.volume.clone().and_then(|opened| {
                let mut machine = CapturedMachine::on_volume(Box::new(opened), scope)?;
                machine.set_partitions(volume.identity, self.partitions_beside(index));
                Ok(machine)
            }),
        });
        parts.collect()
    }

    fn partitions_beside(&self, own: usize) -> Vec<(PartitionIdentity, Box<dyn Volume>)> {
        let volumes = self.volumes.iter().enumerate();
        let others = volumes.filter(|(index, _)| *index != own);
        let others = others.filter_map(|(_, other)| {
            let volume: Box<dyn Volume> = Box::new(other.volume.clone().ok()?);
            Some((other.identity?, volume))
        });
        others.collect()
    }

    /// The volume that was a drive of a machine: the one to which it gave the letter, if it knows the disk, else the only one.
    fn drive(
        &self,
        name: &DriveName,
        devices: Option<&MountedDevices>,
    ) -> Result<NtfsVolume, Error> {
        let device = devices.zip(name.as_letter());
        let device = device.and_then(|(devices, letter)| devices.device_of(letter));
        let mut volumes = self.volumes.iter();
        let known = volumes.find(|volume| {
            let identity = volume.identity.map(MountedDevice::Partition);
            identity.is_some() && identity.as_ref() == device
        });
        match (known, &self.volumes[..]) {
            (Some(volume), _) | (None, [volume]) => volume.volume.clone(),
            (None, volumes) => {
                let names: Vec<_> = volumes.iter().filter_map(DiskVolume::name).collect();
                Err(Error::malformed(
                    "a disk with one NTFS volume, or one of which the SYSTEM hive tells the letter",
                    names.join(", "),
                ))
            }
        }
    }
}

impl Drives {
    /// Adds a drive that lies in a disk image of this host, or replaces the one of that name. `devices` tell which of
    /// several volumes it is.
    ///
    /// # Errors
    /// When the image cannot be read, and when it is not known which volume it is.
    pub fn add_disk_image(
        &mut self,
        name: DriveName,
        image: &Path,
        devices: Option<&MountedDevices>,
    ) -> Result<(), Error> {
        let add = || {
            let mut disk = DiskCapture::open(image)?;
            Ok((disk.drive(&name, devices)?, disk.take_warnings()))
        };
        let place = image.display().to_string();
        let (volume, warnings) = add().map_err(|error: Error| error.in_evidence(place.clone()))?;
        self.warn(warnings, &place);
        self.add_apart(name, Box::new(volume));
        Ok(())
    }
}

/// A volume that is not read.
#[derive(Debug)]
struct OtherVolume {
    text: String,
    remedy: Option<&'static str>,
}

impl OtherVolume {
    fn new(partition: &Partition, file_system: FileSystem) -> Self {
        use FileSystem as Is;
        let place = match partition.number {
            0 => "the whole disk".to_owned(),
            number => format!("partition {number} ({})", partition.kind),
        };
        let remedy = match file_system {
            Is::BitLocker | Is::Luks => {
                Some("decrypt it, or unlock it and take an image of the unlocked volume")
            }
            Is::DynamicDisk | Is::StorageSpaces | Is::LinuxRaid | Is::Lvm => {
                Some("assemble it, and take an image of the volume in it")
            }
            Is::Iso9660 => Some("unpack it, and name the WIM file in it (sources\\install.wim)"),
            _ => None,
        };
        OtherVolume {
            text: format!("{place} is {file_system}: only NTFS is looked into"),
            remedy,
        }
    }
}
