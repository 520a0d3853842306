//! Gathers the evidence of a capture and judges it.
//!
//! Here it is found out what the evidence is, and each capture in it is read; `machine` reads the registry of each captured machine and judges what it
//! says.

#[cfg(any(feature = "captured-wim", feature = "disk-image"))]
mod companions;
mod identify;
mod listener;
mod machine;
mod piped;
mod remedy;

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
#[cfg(feature = "collection")]
use std::rc::Rc;

#[cfg(any(feature = "captured-wim", feature = "disk-image"))]
pub use self::companions::companions;
pub use self::identify::identify;
pub use self::listener::Listener;
use self::machine::{RegistryEvidence, SystemEvidence, doubt_orphans};
use self::remedy::no_evidence;
use crate::allowance::Allowance;
#[cfg(feature = "collection")]
use crate::capture::collection::{Collected, Collection};
#[cfg(feature = "disk-image")]
use crate::capture::disk_image::{Disk, DiskCapture};
#[cfg(feature = "collection")]
use crate::capture::read_at::ReadAt;
#[cfg(any(feature = "collection", feature = "disk-image"))]
use crate::capture::read_at::Seekable;
use crate::capture::{
    CapturedMachine, DirectoryLayout, DriveName, Drives, HiveFiles, ReadSeek, Scope,
};
#[cfg(feature = "captured-wim")]
use crate::capture::{WimCapture, WimDamage};
use crate::error::Error;
use crate::evidence::Liveness;
use crate::observation::Observation;
use crate::registry::hive::{self, Hive};
use crate::registry::mounted_devices::{MountedDevices, PartitionIdentity};
use crate::registry::{CodePage, RegistryExport, system_root};
use crate::report::{Capture, EvidenceKind, Report};
#[cfg(feature = "collection")]
use crate::warning::Warnings;
use crate::warning::{Warning, WarningCode};
#[cfg(feature = "captured-wim")]
use crate::wim::VerificationProgress;

/// What to do where a directory is no evidence.
const ROOT: &str = "name the root of the volume or of the collection, or each file in it that is evidence, or search it for orphaned mounts (--find-orphans)";
/// What to do where an archive is no evidence, or cannot be read.
#[cfg(feature = "collection")]
const REPACKED: &str = "copy it again if it was cut off, or unpack it and name what comes out";

/// What the caller knows about the evidence, and wants to know.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct InspectOptions {
    /// Whether the machine was running when it was captured; overrides what the evidence tells.
    pub captured: Option<Liveness>,
    /// The code page of `REGEDIT4` files and of `reg query` text; see [`RegistryExport::open`] for what holds without one.
    pub code_page: Option<CodePage>,
    /// Transaction logs of a hive that lie elsewhere, in any order; those beside the hive are taken, too.
    pub logs: Vec<PathBuf>,
    /// The SYSTEM hive of the machine. Without one, that which lies beside a SOFTWARE hive is taken.
    pub system: Option<PathBuf>,
    /// Where drives of the captured machine lie on this host, folders or disk images: they add to those of the capture, or replace them, and
    /// join files to a registry export or a lone hive.
    pub drives: Vec<(DriveName, PathBuf)>,
    /// What it means that a file is not in the evidence; overrides what the evidence tells.
    pub scope: Option<Scope>,
    /// Of a WIM file only the image of this index, counted from 1. With the feature `captured-wim`, as the next two.
    #[cfg(feature = "captured-wim")]
    pub image: Option<u32>,
    /// Whether to read the whole WIM file, and to hold it against its integrity table, or where it has none, all its data
    /// against their SHA-1. Damage becomes a capture with an error.
    #[cfg(feature = "captured-wim")]
    pub verify: bool,
    /// Told now and then how far the verification has come.
    #[cfg(feature = "captured-wim")]
    pub verification_progress: Option<Listener<VerificationProgress>>,
    /// Whether to search all drives for mount directories that no registration names.
    pub find_orphans: bool,
    /// Told now and then, during that search, how many files and directories were seen.
    pub search_progress: Option<Listener<u64>>,
}

/// Inspects one piece of evidence: finds out what it is, reads it, and judges every mounted image in it.
///
/// # Errors
/// When the evidence cannot be read as a whole. What is lost of readable evidence becomes a warning in the report, and a
/// part of it that cannot be read (an image of a WIM, a volume) a capture with an error.
pub fn inspect(path: impl AsRef<Path>, options: &InspectOptions) -> Result<Report, Error> {
    let path = path.as_ref();
    let name = path.display().to_string();
    let inspection = Inspection::new(&name, options);
    let captures = inspection.path(path);
    captures
        .map(|captures| report(captures, options))
        .map_err(|error| error.in_evidence(&*name).or_usual_remedy())
}

/// Inspects evidence that comes as a stream, such as standard input; `name` is what the report calls it.
///
/// A registry export is read as it comes. A hive is kept in memory, as its parts lie in no order, and can have 1 GiB at most;
/// an archive or image is kept in a temporary file, and can have 16 GiB.
///
/// # Errors
/// When the evidence cannot be read as a whole.
pub fn inspect_stream(
    name: &str,
    source: impl Read,
    options: &InspectOptions,
) -> Result<Report, Error> {
    let inspection = Inspection::new(name, options);
    let captures = inspection.piped(source);
    captures
        .map(|captures| report(captures, options))
        .map_err(|error| error.in_evidence(name).or_usual_remedy())
}

/// The captures, each followed by what could not be read in it.
fn report(mut captures: Vec<Capture>, options: &InspectOptions) -> Report {
    let has_hive = |capture: &Capture| capture.recovery.is_some() || capture.error.is_some();
    let is_any_hive = captures.iter().any(has_hive);
    if !options.logs.is_empty()
        && !is_any_hive
        && let Some(first) = captures.first_mut()
    {
        let text = "there is no hive to which the logs that were named could belong";
        let warning = Warning::new(WarningCode::LogNotUsed, text);
        first.warnings.push(warning);
    }
    let captures = captures.into_iter().flat_map(|mut capture| {
        doubt_orphans(&mut capture);
        let unreadable = capture.unreadable_registrations();
        [Some(capture), unreadable]
    });
    Report::new(captures.flatten().collect())
}

/// One piece of evidence, by its name, and what is to be done with it.
struct Inspection<'a> {
    name: &'a str,
    options: &'a InspectOptions,
    /// How much memory the report may still take: in hostile evidence the same registry can be that of many machines.
    room: Allowance,
}

impl<'a> Inspection<'a> {
    /// The most memory that the mounts in a report take, in bytes: a registry of some ten thousand has room.
    const MOST_ROOM: u64 = 128 << 20;

    fn new(name: &'a str, options: &'a InspectOptions) -> Self {
        Inspection {
            name,
            options,
            room: Allowance::new(Self::MOST_ROOM),
        }
    }

    /// Finds out what lies at a path of this host.
    fn path(&self, path: &Path) -> Result<Vec<Capture>, Error> {
        // Not every system opens a directory as a file.
        let metadata = path.metadata()?;
        if metadata.is_dir() {
            return self.directory(path);
        }
        let mut file = File::open(path)?;
        #[cfg(feature = "disk-image")]
        if DiskCapture::is_block_device(&metadata) {
            return self.disk(DiskCapture::open(path)?);
        }
        if !metadata.is_file() {
            return self.piped(file);
        }
        let start = read_start(&mut file)?;
        #[cfg(feature = "captured-wim")]
        if crate::wim::Wim::is_wim(&start) {
            return self.wim(WimCapture::open(path)?);
        }
        if hive::is_hive(&start) {
            return self.hive_file(path).map(|capture| vec![capture]);
        }
        #[cfg(feature = "collection")]
        if Collection::is_collection(&start) {
            return self.archive(Rc::new(Seekable::open(path)?));
        }
        #[cfg(feature = "disk-image")]
        if Disk::is_disk_image(&Seekable::new(&file)?)? {
            return self.disk(DiskCapture::open(path)?);
        }
        file.rewind()?;
        let capture = self.export(EvidenceKind::RegistryExport, None, file);
        let capture = capture.map_err(no_evidence);
        capture.map(|capture| vec![capture])
    }

    fn hive_file(&self, path: &Path) -> Result<Capture, Error> {
        let hive = HiveFiles::on_host(path, &self.options.logs)?.open()?;
        let system = HiveFiles::system_beside(path);
        let system = SystemEvidence::read_beside(system.as_deref(), self.options)?;
        self.hive(hive, system)
    }

    fn hive(
        &self,
        mut hive: Hive<Box<dyn ReadSeek>>,
        mut system: SystemEvidence,
    ) -> Result<Capture, Error> {
        let mut drives = self.given_drives(system.take_mounted_devices().as_ref())?;
        if let (Some(drives), Observation::Present(root)) = (&mut drives, system_root(&mut hive)) {
            drives.set_system_root(root);
        }
        let evidence = RegistryEvidence::read(EvidenceKind::Hive, Liveness::Unknown, hive, system)?;
        Ok(evidence.judge(self, None, drives.as_ref()))
    }

    fn directory(&self, path: &Path) -> Result<Vec<Capture>, Error> {
        #[cfg(feature = "collection")]
        if Collection::is_collectors_own(path)
            && let Ok(collection) = Collection::in_directory(path)
        {
            return self.collection(&collection);
        }
        let machine = CapturedMachine::laid_out(path, self.options.scope);
        // What is no tree of drives may still be a collector's folder, or one of renamed hives.
        #[cfg(feature = "collection")]
        if machine.is_err()
            && let Ok(collection) = Collection::in_directory(path)
        {
            return self.collection(&collection);
        }
        let (mut machine, layout) = match machine {
            // There may be mount directories all the same.
            Err(error) if self.options.find_orphans && error.holds_no_capture() => {
                CapturedMachine::without_windows(path, self.options.scope)?
            }
            machine => machine.map_err(|error| match error.io_error_kind() {
                None => error.or_remedy(ROOT),
                Some(_) => error,
            })?,
        };
        let (kind, liveness) = directory_kind(layout);
        let unreadable = self.unreadable_drives(kind, &mut machine);
        #[cfg_attr(not(feature = "collection"), expect(unused_mut))]
        let (mut capture, _) = self.machine(kind, liveness, None, machine)?;
        #[cfg(feature = "collection")]
        capture.add_warnings(Collection::warn_of_empty_shadow_copies(path));
        Ok([vec![capture], unreadable].concat())
    }

    #[cfg(feature = "collection")]
    fn archive(&self, archive: Rc<dyn ReadAt>) -> Result<Vec<Capture>, Error> {
        let collection = Collection::of_archive(archive);
        self.collection(&collection.map_err(|error| error.or_remedy(REPACKED))?)
    }

    /// Each machine and each shadow copy of a collection is a capture of its own; in one without, each hive, export and
    /// Windows on a disk image.
    #[cfg(feature = "collection")]
    fn collection(&self, collection: &Collection) -> Result<Vec<Capture>, Error> {
        let kind = EvidenceKind::Collection;
        let mut captures = Vec::new();
        let mut warnings = Warnings::default();
        let mut nothing = None;
        for (index, part) in collection.parts().iter().enumerate() {
            let (liveness, name) = (part.liveness, part.name.clone());
            let found = match collection.read(index, self.options.scope) {
                Ok(Collected::Machine(mut machine)) => {
                    let unreadable = self.unreadable_drives(kind, &mut machine);
                    let (capture, _) = self.part(kind, liveness, name.clone(), Ok(*machine));
                    Ok([vec![capture], unreadable].concat())
                }
                Ok(Collected::Export { name: export, data }) => self
                    .export(kind, name.clone(), data)
                    .map(|capture| vec![capture])
                    .map_err(|error| error.in_evidence(export)),
                #[cfg(feature = "disk-image")]
                Ok(Collected::Disk(disk)) => self.disk(*disk).map(|mut captures| {
                    captures
                        .iter_mut()
                        .for_each(|it| it.add_part(name.as_deref()));
                    captures
                }),
                Err(error) => Err(error),
            };
            match found {
                Ok(found) => captures.extend(found),
                Err(error) if error.holds_no_capture() => {
                    let warning = Warning::new(WarningCode::FileNotUsed, error.to_string());
                    warnings.push(warning.in_evidence(name.unwrap_or_default()));
                    nothing = Some(error);
                }
                Err(error) => {
                    captures.push(Capture::unreadable_part(self.name, kind, name, &error))
                }
            }
        }
        match (captures.first_mut(), nothing) {
            (Some(first), _) => {
                first.add_warnings(warnings);
                first.add_warnings(collection.take_warnings());
            }
            (None, Some(nothing)) => return Err(nothing),
            (None, None) => {}
        }
        Ok(captures)
    }

    fn export(
        &self,
        kind: EvidenceKind,
        part: Option<String>,
        source: impl Read,
    ) -> Result<Capture, Error> {
        let export = RegistryExport::open(source, self.options.code_page)?;
        let registry = export.read_mount_registry()?;
        let mut system = SystemEvidence::read_beside(None, self.options)?;
        let drives = self.given_drives(system.take_mounted_devices().as_ref())?;
        let evidence = RegistryEvidence::of_export(kind, registry, system);
        Ok(evidence.judge(self, part, drives.as_ref()))
    }

    /// Each image of a WIM is a capture of its own.
    #[cfg(feature = "captured-wim")]
    fn wim(&self, mut wim: WimCapture) -> Result<Vec<Capture>, Error> {
        let indexes = match self.options.image {
            Some(index) => index..=index,
            None => 1..=wim.image_count().min(WimCapture::MOST_IMAGES),
        };
        let mut captures = Vec::new();
        let mut is_windows_found = false;
        for index in indexes {
            let part = wim.image_name(index);
            let machine = wim.machine(index, self.options.scope);
            let is_windows = |machine: &CapturedMachine| machine.software().is_some();
            is_windows_found |= machine.as_ref().map_or(true, is_windows);
            let kind = EvidenceKind::CapturedWim;
            let (capture, _) = self.part(kind, Liveness::Stopped, Some(part), machine);
            captures.push(capture);
        }
        if !is_windows_found && !self.options.find_orphans {
            return Err(Error::no_capture(
                "an image with Windows\\System32\\config\\SOFTWARE",
                match captures.len() {
                    1 => "an image without it".to_owned(),
                    count => format!("{count} images without it"),
                },
            )
            .or_remedy(
                "Windows was not captured into it: name the WIM file into which it was, or search this one for orphaned mounts (--find-orphans)",
            ));
        }
        if let Some(first) = captures.first_mut() {
            first.add_warnings(wim.take_warnings());
        }
        if self.options.verify {
            let damage = wim.verify(|progress| {
                if let Some(listener) = &self.options.verification_progress {
                    listener.tell(progress);
                }
            });
            captures.extend(damage.into_iter().map(|WimDamage { place, error, .. }| {
                Capture::unreadable_part(self.name, EvidenceKind::CapturedWim, Some(place), &error)
            }));
        }
        Ok(captures)
    }

    /// The captures of the collections that were written onto volumes of a disk, as KAPE does with a VHDX.
    #[cfg(all(feature = "collection", feature = "disk-image"))]
    fn collections_on(&self, disk: &DiskCapture) -> Vec<Capture> {
        let collections = disk.collections();
        let is_only_one = collections.len() == 1;
        let mut captures = Vec::new();
        for (volume, collection) in collections {
            let volume = volume.filter(|_| !is_only_one);
            let found = collection.and_then(|collection| self.collection(&collection));
            let found = found.unwrap_or_else(|error| {
                let kind = EvidenceKind::Collection;
                vec![Capture::unreadable_part(self.name, kind, None, &error)]
            });
            captures.extend(found.into_iter().map(|mut capture| {
                capture.add_part(volume.as_deref());
                capture
            }));
        }
        captures
    }

    /// Each Windows of a disk is a capture of its own; without one, so is each machine of a collection on it. Where all files
    /// are searched, so is each volume that is a drive of none of them.
    #[cfg(feature = "disk-image")]
    fn disk(&self, mut disk: DiskCapture) -> Result<Vec<Capture>, Error> {
        let (kind, stopped) = (EvidenceKind::DiskImage, Liveness::Stopped);
        let mut captures = Vec::new();
        let mut drives = Vec::new();
        for part in disk.installations(self.options.scope) {
            let (capture, named) = self.part(kind, stopped, part.name, part.machine);
            captures.push(capture);
            drives.extend(named);
        }
        #[cfg(feature = "collection")]
        if captures.is_empty() {
            captures = self.collections_on(&disk);
        }
        let is_collection = captures
            .iter()
            .any(|capture| capture.kind == Some(EvidenceKind::Collection));
        if self.options.find_orphans && !is_collection {
            for part in disk.data_volumes(self.options.scope, &drives) {
                captures.push(self.part(kind, stopped, part.name, part.machine).0);
            }
        }
        match captures.first_mut() {
            Some(first) => first.add_warnings(disk.take_warnings()),
            None => {
                let remedy = "name the disk that Windows is on, and this one as a drive of it";
                return Err(disk.without_windows().or_remedy(remedy));
            }
        }
        Ok(captures)
    }

    /// One of several captures in a piece of evidence, and which partitions are drives of it.
    #[cfg(any(
        feature = "captured-wim",
        feature = "collection",
        feature = "disk-image"
    ))]
    fn part(
        &self,
        kind: EvidenceKind,
        liveness: Liveness,
        part: Option<String>,
        machine: Result<CapturedMachine, Error>,
    ) -> (Capture, Vec<PartitionIdentity>) {
        let judged =
            machine.and_then(|machine| self.machine(kind, liveness, part.clone(), machine));
        judged.unwrap_or_else(|error| {
            let capture = Capture::unreadable_part(self.name, kind, part, &error);
            (capture, Vec::new())
        })
    }

    /// A machine that was captured with its files, and which partitions are drives of it beside that of Windows.
    fn machine(
        &self,
        kind: EvidenceKind,
        liveness: Liveness,
        part: Option<String>,
        mut machine: CapturedMachine,
    ) -> Result<(Capture, Vec<PartitionIdentity>), Error> {
        let mut named = Vec::new();
        let mut devices = None;
        let mut evidence = match machine.take_software() {
            Some(mut software) => {
                software.add_logs(&self.options.logs)?;
                let name = software.name_in_capture().map(str::to_owned);
                let mut hive = software.open()?;
                if let Observation::Present(root) = system_root(&mut hive) {
                    machine.set_system_root(root);
                }
                let with_devices = machine.has_partitions() || !self.options.drives.is_empty();
                let system = machine.take_system();
                let mut system = SystemEvidence::read_captured(system, self.options, with_devices)?;
                devices = system.take_mounted_devices();
                if let Some(devices) = &devices {
                    named = machine.set_mounted_devices(devices);
                }
                let evidence = RegistryEvidence::read(kind, liveness, hive, system);
                evidence.map_err(|error| match name {
                    Some(name) if part.as_deref() != Some(&*name) => error.in_evidence(name),
                    _ => error,
                })?
            }
            None => RegistryEvidence::none(kind, liveness),
        };
        self.add_given(machine.drives_mut(), devices.as_ref())?;
        evidence.set_earlier_state(machine.is_earlier_state());
        evidence.warn(machine.warnings().clone());
        Ok((evidence.judge(self, part, Some(machine.drives())), named))
    }

    /// The drives of a machine that may hold another Windows, and cannot be read.
    fn unreadable_drives(&self, kind: EvidenceKind, machine: &mut CapturedMachine) -> Vec<Capture> {
        let failures = machine.take_failures().into_iter();
        let captures = failures.map(|(drive, error)| {
            Capture::unreadable_part(self.name, kind, Some(drive.to_string()), &error)
        });
        captures.collect()
    }

    /// The drives that the caller joins to registry evidence, if any.
    fn given_drives(&self, devices: Option<&MountedDevices>) -> Result<Option<Drives>, Error> {
        if self.options.drives.is_empty() {
            return Ok(None);
        }
        let mut drives = Drives::new(self.options.scope);
        self.add_given(&mut drives, devices)?;
        Ok(Some(drives))
    }

    /// Adds the drives that the caller names: folders, or disk images.
    fn add_given(
        &self,
        drives: &mut Drives,
        devices: Option<&MountedDevices>,
    ) -> Result<(), Error> {
        #[cfg(not(feature = "disk-image"))]
        let _ = devices;
        for (name, place) in &self.options.drives {
            #[cfg(feature = "disk-image")]
            if !place.is_dir() {
                drives
                    .add_disk_image(name.clone(), place, devices)
                    .map_err(|error| match error.io_error_kind() {
                        None => error.or_remedy("name a folder, or a disk image with that drive"),
                        Some(_) => error,
                    })?;
                continue;
            }
            drives.add(name.clone(), place)?;
        }
        Ok(())
    }
}

/// What a directory of this host is, and what that tells of the machine.
fn directory_kind(layout: DirectoryLayout) -> (EvidenceKind, Liveness) {
    match layout {
        DirectoryLayout::Volumes => (EvidenceKind::Directory, Liveness::Stopped),
        // Collectors usually run on the machine.
        DirectoryLayout::DriveFolders => (EvidenceKind::Collection, Liveness::Running),
        DirectoryLayout::Hives => (EvidenceKind::Directory, Liveness::Unknown),
    }
}

/// As much of a file as tells whether it is a hive.
fn read_start(source: &mut impl Read) -> Result<Vec<u8>, Error> {
    let mut start = Vec::new();
    let length = hive::START as u64;
    source.by_ref().take(length).read_to_end(&mut start)?;
    Ok(start)
}
