//! Gathers the evidence of a capture and judges it.

use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use crate::capture::{
    DirectoryCapture, DriveName, Drives, HiveFiles, OrphanedMountDirectory, Scope,
};
use crate::derive::derive;
use crate::error::{Error, Warning, WarningCode, Warnings};
use crate::evidence::{Evidence, Liveness};
use crate::observation::Observation;
use crate::registry::hive::{Hive, Recovery};
use crate::registry::system_hive::SystemFacts;
use crate::registry::{CodePage, MountRegistry, RegistryExport, system_root};
use crate::report::{
    Capture, EvidenceKind, ImageDescription, MountedImage, OrphanedMount, OtherValue, Report,
};
use crate::rivals::Rivals;

/// What the caller knows about the evidence, and wants to know.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct InspectOptions {
    /// Whether the machine was running when it was captured; overrides what the evidence tells.
    pub captured: Option<Liveness>,
    /// The code page of `REGEDIT4` files and of `reg query` text.
    pub code_page: CodePage,
    /// The transaction logs of a hive, in any order. Without any, those that lie beside the hive are taken.
    pub logs: Vec<PathBuf>,
    /// The SYSTEM hive of the machine. Without one, that which lies beside a SOFTWARE hive is taken.
    pub system: Option<PathBuf>,
    /// Folders of this host that hold drives of the captured machine: they add to those of a captured tree, or replace them, and
    /// join files to a registry export or a lone hive.
    pub drives: Vec<(DriveName, PathBuf)>,
    /// What it means that a file is not in the evidence; overrides what the evidence tells.
    pub scope: Option<Scope>,
    /// Whether to search all drives for mount directories that no registration names.
    pub find_orphans: bool,
    /// Told now and then, during that search, how many files and directories were seen.
    pub progress: Option<fn(u64)>,
}

/// Inspects one piece of evidence: finds out what it is, reads it, and judges every mounted image in it.
///
/// # Errors
/// When the evidence cannot be read as a whole. What is lost of readable evidence becomes a warning in the report.
pub fn inspect(path: impl AsRef<Path>, options: &InspectOptions) -> Result<Report, Error> {
    let path = path.as_ref();
    let name = path.display().to_string();
    inspect_path(path, &name, options).map_err(|error| error.in_evidence(name))
}

fn inspect_path(path: &Path, name: &str, options: &InspectOptions) -> Result<Report, Error> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return inspect_directory(path, name, options);
    }
    if !metadata.is_file() {
        return inspect_stream(name, file, options);
    }
    let start = read_start(&mut file)?;
    file.rewind()?;
    if !Hive::<File>::is_hive(&start) {
        return inspect_stream(name, file, options);
    }
    let files = with_logs(HiveFiles::beside(path), options);
    let system = HiveFiles::system_beside(path);
    inspect_hive(name, files.open()?, system.as_ref(), options)
}

/// Inspects evidence that comes as a stream, such as standard input; `name` is what the report calls it.
///
/// A registry export is read as it comes. A hive is kept in memory, as its parts lie in no order.
///
/// # Errors
/// When the evidence cannot be read as a whole.
pub fn inspect_stream(
    name: &str,
    mut source: impl Read,
    options: &InspectOptions,
) -> Result<Report, Error> {
    let mut inspect = || {
        let mut start = read_start(&mut source)?;
        if Hive::<File>::is_hive(&start) {
            source.read_to_end(&mut start)?;
            let mut logs = Vec::with_capacity(options.logs.len());
            for log in &options.logs {
                let read = std::fs::read(log)
                    .map_err(|error| Error::io(&error).in_evidence(log.display().to_string()))?;
                logs.push((log.display().to_string(), Cursor::new(read)));
            }
            let hive = Hive::open_with_logs(Cursor::new(start), logs)?;
            return inspect_hive(name, hive, None, options);
        }
        let source = Cursor::new(start).chain(source.by_ref());
        let export = RegistryExport::open(source, options.code_page)?;
        let machine = Machine {
            kind: EvidenceKind::RegistryExport,
            liveness: Liveness::Unknown,
            registry: export.read_mount_registry()?,
            recovery: None,
            system: System::read(None, options)?,
        };
        machine.report(name, given_drives(options)?.as_ref(), options)
    };
    inspect().map_err(|error: Error| error.in_evidence(name))
}

fn inspect_hive<R: Read + Seek>(
    name: &str,
    mut hive: Hive<R>,
    system: Option<&HiveFiles>,
    options: &InspectOptions,
) -> Result<Report, Error> {
    let mut drives = given_drives(options)?;
    if let (Some(drives), Observation::Present(root)) = (&mut drives, system_root(&mut hive)) {
        drives.set_system_root(root);
    }
    let machine = Machine::read(EvidenceKind::Hive, Liveness::Unknown, hive, system, options)?;
    machine.report(name, drives.as_ref(), options)
}

fn inspect_directory(path: &Path, name: &str, options: &InspectOptions) -> Result<Report, Error> {
    let mut tree = DirectoryCapture::open(path, &options.drives, options.scope)?;
    let mut hive = with_logs(tree.software().clone(), options).open()?;
    if let Observation::Present(root) = system_root(&mut hive) {
        tree.set_system_root(root);
    }
    let kind = EvidenceKind::Directory;
    let mut machine = Machine::read(kind, Liveness::Stopped, hive, tree.system(), options)?;
    machine.registry.warnings.extend(tree.warnings().clone());
    machine.report(name, Some(tree.drives()), options)
}

/// As much of a file as tells whether it is a hive.
fn read_start(source: &mut impl Read) -> Result<Vec<u8>, Error> {
    let mut start = Vec::new();
    let length = Hive::<File>::START as u64;
    source.by_ref().take(length).read_to_end(&mut start)?;
    Ok(start)
}

/// The hive with the logs that the caller names, if any.
fn with_logs(mut files: HiveFiles, options: &InspectOptions) -> HiveFiles {
    if !options.logs.is_empty() {
        files.logs.clone_from(&options.logs);
    }
    files
}

/// The drives that the caller joins to registry evidence, if any.
fn given_drives(options: &InspectOptions) -> Result<Option<Drives>, Error> {
    if options.drives.is_empty() {
        return Ok(None);
    }
    let mut drives = Drives::new(options.scope);
    for (name, folder) in &options.drives {
        drives.add(name.clone(), folder)?;
    }
    Ok(Some(drives))
}

/// What the registry of one machine says, and how it was captured.
struct Machine {
    kind: EvidenceKind,
    /// What the kind of evidence tells about liveness.
    liveness: Liveness,
    registry: MountRegistry,
    recovery: Option<Recovery>,
    system: System,
}

impl Machine {
    fn read<R: Read + Seek>(
        kind: EvidenceKind,
        liveness: Liveness,
        mut hive: Hive<R>,
        system: Option<&HiveFiles>,
        options: &InspectOptions,
    ) -> Result<Machine, Error> {
        let mut registry = MountRegistry::read_from_hive(&mut hive)?;
        let recovery = Some(hive.recovery().clone());
        registry.warnings.extend(hive.into_warnings());
        Ok(Machine {
            kind,
            liveness,
            registry,
            recovery,
            system: System::read(system, options)?,
        })
    }

    /// Judges every registration by all the evidence there is.
    fn report(
        mut self,
        name: &str,
        drives: Option<&Drives>,
        options: &InspectOptions,
    ) -> Result<Report, Error> {
        let registrations = self.registry.registrations;
        let mut warnings = self.registry.warnings;
        let liveness = options.captured.unwrap_or(self.liveness);
        let rivals = Rivals::among(&registrations);
        if let Some(drives) = drives {
            drives.look_for_streams(&registrations);
        }
        let mut mounted_images = Vec::with_capacity(registrations.len());
        for registration in &registrations {
            let mut evidence = Evidence::from_registration(registration.clone());
            evidence.liveness = liveness;
            evidence.last_shutdown = self.system.facts.last_shutdown.clone();
            evidence.filter_driver = self.system.facts.filter_driver.clone();
            (evidence.mount_path_rivals, evidence.image_rivals) = rivals.of(registration);
            if let Some(drives) = drives {
                drives.observe(&mut evidence, &mut warnings);
            }
            mounted_images.push(mounted_image(&evidence));
        }
        let mut orphaned_mounts = Vec::new();
        if let Some(drives) = drives.filter(|_| options.find_orphans) {
            let progress = |seen| {
                if let Some(progress) = options.progress {
                    progress(seen);
                }
            };
            let orphans = drives.find_orphans(&registrations, &mut warnings, progress);
            orphaned_mounts.extend(orphans.into_iter().map(orphaned_mount));
        }
        warnings.extend(std::mem::take(&mut self.system.warnings));
        Ok(Report::new(vec![Capture {
            evidence: name.to_owned(),
            kind: Some(self.kind),
            captured: liveness,
            part: None,
            files_examined: drives.is_some(),
            mounted_images,
            orphaned_mounts,
            recovery: self.recovery,
            warnings: warnings.into_vec(),
            error: None,
        }]))
    }
}

/// What the SYSTEM hive says, and what of it could not be used.
struct System {
    facts: SystemFacts,
    warnings: Warnings,
}

impl System {
    /// Reads the SYSTEM hive that the caller names, or that which was found with the evidence.
    ///
    /// # Errors
    /// When the one that the caller names cannot be read. That of one that was found is a warning.
    fn read(found: Option<&HiveFiles>, options: &InspectOptions) -> Result<System, Error> {
        let mut system = System {
            facts: SystemFacts::not_captured(),
            warnings: Warnings::default(),
        };
        let given = options.system.as_ref().map(HiveFiles::beside);
        let Some(files) = given.as_ref().or(found) else {
            return Ok(system);
        };
        match files.open() {
            Ok(mut hive) => {
                let name = files.hive.display().to_string();
                system.facts = SystemFacts::read(&mut hive);
                system.warnings.extend_from(hive.into_warnings(), &name);
                if !system.facts.current_control_set.is_present() {
                    let text = "names no current control set: nothing of it is used";
                    let warning = Warning::new(WarningCode::SystemHiveNotUsed, text);
                    system.warnings.push(warning.in_evidence(name));
                }
            }
            Err(error) if given.is_some() => return Err(error),
            Err(error) => {
                let warning = Warning::new(WarningCode::SystemHiveNotUsed, error.to_string());
                system.warnings.push(warning);
            }
        }
        Ok(system)
    }
}

/// A row of the report.
fn mounted_image(evidence: &Evidence) -> MountedImage {
    let verdict = derive(evidence);
    let registration = &evidence.registration;
    let other_values = registration.other_values.iter().map(|value| OtherValue {
        name: value.name.clone(),
        value_type: value.value_type,
        data_hex: hex(&value.data),
    });
    MountedImage {
        mount_id: registration.mount_id,
        registry_key: registration.registry_key.clone(),
        registered_at: registration.registered_at,
        mount_path: registration.mount_path.present().cloned(),
        image_file_path: registration.image_file_path.present().cloned(),
        image_index: registration.image_index.present().copied(),
        image: described_image(evidence),
        mount_mode: evidence.mount_mode,
        mount_status: verdict.mount_status,
        possible_statuses: verdict.possible_statuses,
        mount_flags: verdict.mount_flags,
        progress_value: registration.progress_value.present().copied(),
        other_values: other_values.collect(),
        findings: verdict.findings,
        next_step: verdict.next_step,
    }
}

/// What the image file says of the image that the registration names.
fn described_image(evidence: &Evidence) -> Option<ImageDescription> {
    let wim = evidence.image_file.present()?.wim.as_ref().ok()?;
    let index = *evidence.registration.image_index.present()?;
    let image = wim.xml.as_ref()?.image(index)?;
    Some(ImageDescription {
        name: image.name.clone(),
        edition: image.edition_id.clone(),
        version: image.version.as_ref().map(ToString::to_string),
        architecture: image.architecture.as_ref().map(ToString::to_string),
    })
}

fn orphaned_mount(orphan: OrphanedMountDirectory) -> OrphanedMount {
    let mount_data = orphan.mount_data.present();
    OrphanedMount {
        mount_id: mount_data.map_or(orphan.inferred_mount_id, |data| Some(data.mount_id)),
        image_file_path: mount_data.and_then(|data| data.wim_path.clone()),
        mount_path: orphan.mount_path,
    }
}

fn hex(data: &[u8]) -> String {
    let shown = &data[..data.len().min(OtherValue::MAX_BYTES)];
    shown.iter().map(|byte| format!("{byte:02x}")).collect()
}
