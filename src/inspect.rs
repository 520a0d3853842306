//! Gathers the evidence of a capture and judges it.

use std::collections::HashMap;
use std::fs::File;
use std::hash::Hash;
use std::io::{Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use crate::derive::derive;
use crate::error::{Error, Warning, WarningCode, Warnings};
use crate::evidence::{Evidence, Liveness, Rival};
use crate::hive_files::{self, HiveSource};
use crate::observation::Observation;
use crate::registry::system_hive::SystemFacts;
use crate::registry::{CodePage, MountRegistration, MountRegistry, RegistryExport};
use crate::report::{Capture, EvidenceKind, MountedImage, OtherValue, Report};
use crate::wide_string::WideString;
use crate::windows_path::WindowsPath;

/// What the caller knows about the evidence.
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
        return Err(Error::unsupported(
            "a directory",
            "give the registry export or the hive that lies in it",
        ));
    }
    if !metadata.is_file() {
        return inspect_stream(name, file, options);
    }
    let mut start = Vec::new();
    file.by_ref()
        .take(hive_files::START as u64)
        .read_to_end(&mut start)?;
    file.rewind()?;
    if !hive_files::is_hive(&start) {
        return inspect_stream(name, file, options);
    }
    let logs = match options.logs.is_empty() {
        true => hive_files::logs_beside(path),
        false => options.logs.clone(),
    };
    inspect_hive(
        name,
        Box::new(file),
        &logs,
        hive_files::system_beside(path),
        options,
    )
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
        let mut start = Vec::new();
        source
            .by_ref()
            .take(hive_files::START as u64)
            .read_to_end(&mut start)?;
        if hive_files::is_hive(&start) {
            source.read_to_end(&mut start)?;
            return inspect_hive(
                name,
                Box::new(Cursor::new(start)),
                &options.logs,
                None,
                options,
            );
        }
        let source = Cursor::new(start).chain(source.by_ref());
        let registry = RegistryExport::open(source, options.code_page)?.read_mount_registry()?;
        let system = System::read(None, options)?;
        let kind = EvidenceKind::RegistryExport;
        Ok(Report::new(vec![capture(
            name, kind, registry, &system, options,
        )]))
    };
    inspect().map_err(|error: Error| error.in_evidence(name))
}

fn inspect_hive(
    name: &str,
    hive: Box<dyn HiveSource>,
    logs: &[PathBuf],
    system_beside: Option<PathBuf>,
    options: &InspectOptions,
) -> Result<Report, Error> {
    let mut hive = hive_files::open(hive, logs)?;
    let mut registry = MountRegistry::read_from_hive(&mut hive)?;
    let recovery = hive.recovery().clone();
    registry.warnings.extend(hive.into_warnings());
    let system = System::read(system_beside, options)?;
    let mut capture = capture(name, EvidenceKind::Hive, registry, &system, options);
    capture.recovery = Some(recovery);
    Ok(Report::new(vec![capture]))
}

/// What the SYSTEM hive says, and what of it could not be used.
struct System {
    facts: SystemFacts,
    warnings: Warnings,
}

impl System {
    /// Reads the SYSTEM hive that the caller names, or that which was found beside the evidence.
    ///
    /// # Errors
    /// When the one that the caller names cannot be read. That of one that was found is a warning.
    fn read(beside: Option<PathBuf>, options: &InspectOptions) -> Result<System, Error> {
        let mut system = System {
            facts: SystemFacts::not_captured(),
            warnings: Warnings::default(),
        };
        let Some(path) = options.system.as_ref().or(beside.as_ref()) else {
            return Ok(system);
        };
        let name = path.display().to_string();
        let opened = hive_files::open_file(path)
            .and_then(|hive| hive_files::open(hive, &hive_files::logs_beside(path)))
            .map_err(|error| error.in_evidence(name.as_str()));
        match opened {
            Ok(mut hive) => {
                system.facts = SystemFacts::read(&mut hive);
                system.warnings.extend_from(hive.into_warnings(), &name);
                if !system.facts.current_control_set.is_present() {
                    let text = "names no current control set: nothing of it is used";
                    let warning = Warning::new(WarningCode::SystemHiveNotUsed, text);
                    system.warnings.push(warning.in_evidence(name));
                }
                Ok(system)
            }
            Err(error) if options.system.is_some() => Err(error),
            Err(error) => {
                let warning = Warning::new(WarningCode::SystemHiveNotUsed, error.to_string());
                system.warnings.push(warning);
                Ok(system)
            }
        }
    }
}

fn capture(
    name: &str,
    kind: EvidenceKind,
    mut registry: MountRegistry,
    system: &System,
    options: &InspectOptions,
) -> Capture {
    let liveness = options.captured.unwrap_or(Liveness::Unknown);
    let rivals = Rivals::among(&registry.registrations);
    let mounted_images = registry.registrations.iter().map(|registration| {
        let mut evidence = Evidence::from_registration(registration.clone());
        evidence.liveness = liveness;
        evidence.last_shutdown = system.facts.last_shutdown.clone();
        evidence.filter_driver = system.facts.filter_driver.clone();
        (evidence.mount_path_rivals, evidence.image_rivals) = rivals.of(registration);
        mounted_image(&evidence)
    });
    let mounted_images = mounted_images.collect();
    registry.warnings.extend(system.warnings.clone());
    Capture {
        evidence: name.to_owned(),
        kind: Some(kind),
        captured: liveness,
        part: None,
        mounted_images,
        orphaned_mounts: Vec::new(),
        recovery: None,
        warnings: registry.warnings.into_vec(),
        error: None,
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

fn hex(data: &[u8]) -> String {
    let shown = &data[..data.len().min(OtherValue::MAX_BYTES)];
    shown.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Registrations of one machine that claim the same mount directory, or the same image.
///
/// One piece of evidence can hold several machines' registries: the running one and offline hives loaded into it. They are
/// told apart by where their `Mounted Images` key lies.
struct Rivals<'a> {
    by_mount_path: HashMap<(Machine, WindowsPath), Vec<&'a MountRegistration>>,
    by_image: HashMap<(Machine, WindowsPath, u32), Vec<&'a MountRegistration>>,
}

/// The path of the `Mounted Images` key, in upper case.
type Machine = Vec<u16>;

impl<'a> Rivals<'a> {
    /// How many rivals one registration is told: a hostile file can have a hundred thousand.
    const MOST: usize = 4;

    fn among(registrations: &'a [MountRegistration]) -> Self {
        let mut rivals = Rivals {
            by_mount_path: HashMap::new(),
            by_image: HashMap::new(),
        };
        for registration in registrations {
            if let Some(claim) = mount_path_claim(registration) {
                rivals
                    .by_mount_path
                    .entry(claim)
                    .or_default()
                    .push(registration);
            }
            if let Some(claim) = image_claim(registration) {
                rivals.by_image.entry(claim).or_default().push(registration);
            }
        }
        // The latest first: it is the one that counts.
        for claimants in rivals
            .by_mount_path
            .values_mut()
            .chain(rivals.by_image.values_mut())
        {
            claimants.sort_by_key(|registration| std::cmp::Reverse(registration.registered_at));
        }
        rivals
    }

    /// The rivals for the mount directory, and those for the image.
    fn of(&self, registration: &MountRegistration) -> (Vec<Rival>, Vec<Rival>) {
        (
            others(
                &self.by_mount_path,
                mount_path_claim(registration),
                registration,
            ),
            others(&self.by_image, image_claim(registration), registration),
        )
    }
}

fn others<K: Eq + Hash>(
    claimants: &HashMap<K, Vec<&MountRegistration>>,
    claim: Option<K>,
    own: &MountRegistration,
) -> Vec<Rival> {
    let claimants = claim.and_then(|claim| claimants.get(&claim));
    let others = claimants
        .into_iter()
        .flatten()
        .filter(|other| !std::ptr::eq(**other, own));
    others
        .take(Rivals::MOST)
        .map(|other| Rival {
            registration: last_level(&other.registry_key).to_string_lossy(),
            mount_path: other
                .mount_path
                .present()
                .map_or_else(|| "(not recorded)".to_owned(), ToString::to_string),
            registered_at: other.registered_at,
        })
        .collect()
}

fn mount_path_claim(registration: &MountRegistration) -> Option<(Machine, WindowsPath)> {
    let path = recorded_path(&registration.mount_path)?;
    Some((machine(registration), path))
}

fn image_claim(registration: &MountRegistration) -> Option<(Machine, WindowsPath, u32)> {
    let path = recorded_path(&registration.image_file_path)?;
    let index = *registration.image_index.present()?;
    Some((machine(registration), path, index))
}

fn recorded_path(path: &Observation<WideString>) -> Option<WindowsPath> {
    let path = path.present().filter(|path| !path.is_empty())?;
    Some(WindowsPath::parse(path))
}

fn machine(registration: &MountRegistration) -> Machine {
    let key = registration.registry_key.to_upcase();
    let name = last_level(&key).as_units().len();
    key.as_units()[..key.as_units().len() - name].to_vec()
}

/// The name of a key, without the path to it.
fn last_level(key: &WideString) -> WideString {
    let units = key.as_units();
    let start = units
        .iter()
        .rposition(|&unit| unit == u16::from(b'\\'))
        .map_or(0, |at| at + 1);
    WideString::from_units(units[start..].to_vec())
}
