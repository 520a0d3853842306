//! Reads what the registry of one machine says, and judges it by all the evidence there is.

use std::path::Path;

use super::{InspectOptions, Inspection};
use crate::binary::hexadecimal;
use crate::capture::{Drives, HiveFiles, OrphanedMountDirectory, ReadSeek};
use crate::derive::{derive, next_step_for_orphan};
use crate::error::Error;
use crate::evidence::{Evidence, Liveness};
use crate::finding::Basis;
use crate::observation::{NotCaptured, Observation};
use crate::registry::MountRegistry;
use crate::registry::hive::{Hive, Recovery};
use crate::registry::mounted_devices::MountedDevices;
use crate::registry::system_hive::SystemFacts;
use crate::report::{
    Capture, EvidenceKind, ImageDescription, MountedImage, OrphanedMount, OtherValue,
};
use crate::rivals::Rivals;
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::WideString;
use crate::windows_path::WindowsPath;

/// What the registry of one machine says, and how it was captured.
pub(super) struct RegistryEvidence {
    kind: EvidenceKind,
    /// What the kind of evidence tells about liveness.
    liveness: Liveness,
    is_earlier_state: bool,
    registry: MountRegistry,
    recovery: Option<Recovery>,
    system: SystemEvidence,
}

impl RegistryEvidence {
    pub(super) fn of_export(
        kind: EvidenceKind,
        registry: MountRegistry,
        system: SystemEvidence,
    ) -> Self {
        RegistryEvidence {
            kind,
            liveness: Liveness::Unknown,
            is_earlier_state: false,
            registry,
            recovery: None,
            system,
        }
    }

    pub(super) fn read(
        kind: EvidenceKind,
        liveness: Liveness,
        mut hive: Hive<Box<dyn ReadSeek>>,
        system: SystemEvidence,
    ) -> Result<Self, Error> {
        let mut registry = MountRegistry::read_from_hive(&mut hive)?;
        let recovery = Some(hive.recovery().clone());
        registry.warnings.extend(hive.into_warnings());
        Ok(RegistryEvidence {
            kind,
            liveness,
            is_earlier_state: false,
            registry,
            recovery,
            system,
        })
    }

    /// There is no SOFTWARE hive: nobody can tell what is mounted.
    pub(super) fn none(kind: EvidenceKind, liveness: Liveness) -> Self {
        let mut warnings = Warnings::default();
        let text = "there is no Windows\\System32\\config\\SOFTWARE: what is mounted is not known";
        warnings.push(Warning::new(WarningCode::MountRegistryNotInEvidence, text));
        RegistryEvidence {
            kind,
            liveness,
            is_earlier_state: false,
            registry: MountRegistry {
                mounted_images: Observation::NotCaptured(NotCaptured::Path),
                registrations: Vec::new(),
                unreadable_registrations: 0,
                lists_all: false,
                warnings,
            },
            recovery: None,
            system: SystemEvidence::not_captured(),
        }
    }

    /// Says whether it is of an earlier state of the machine.
    pub(super) fn set_earlier_state(&mut self, is_earlier_state: bool) {
        self.is_earlier_state = is_earlier_state;
    }

    /// Adds what could not be used of the capture.
    pub(super) fn warn(&mut self, warnings: Warnings) {
        self.registry.warnings.extend(warnings);
    }

    /// Judges every registration by all the evidence there is.
    pub(super) fn judge(
        mut self,
        inspection: &Inspection<'_>,
        part: Option<String>,
        drives: Option<&Drives>,
    ) -> Capture {
        let options = inspection.options;
        let registrations = self.registry.registrations;
        let mut warnings = self.registry.warnings;
        let liveness = options.captured.unwrap_or(self.liveness);
        // Else a mount directory that seems to be nobody's may be that of a registration.
        let is_registry_known = self.registry.unreadable_registrations == 0
            && self.registry.lists_all
            && registrations.iter().all(|registration| {
                let path = registration.mount_path.present();
                path.is_some_and(|path| !path.is_blank())
            });
        let resolve = |path: &WideString| match drives {
            Some(drives) => drives.recorded_path(path),
            None => WindowsPath::parse(path),
        };
        let rivals = Rivals::among(&registrations, &resolve);
        if let Some(drives) = drives {
            drives.look_for_streams(&registrations);
        }
        let mut mounted_images = Vec::new();
        let mut left_out = 0_u64;
        for registration in &registrations {
            let mut evidence = Evidence::from_registration(registration.clone());
            evidence.liveness = liveness;
            evidence.is_earlier_state = self.is_earlier_state;
            evidence.last_shutdown = self.system.facts.last_shutdown.clone();
            evidence.filter_driver = self.system.facts.filter_driver.clone();
            (evidence.mount_path_rivals, evidence.image_rivals) = rivals.of(registration);
            if let Some(drives) = drives {
                drives.observe(&mut evidence, &mut warnings);
            }
            let image = mounted_image(&evidence);
            match inspection.room.take(image.weight()) {
                true => mounted_images.push(image),
                false => left_out += 1,
            }
        }
        let mut orphaned_mounts = Vec::new();
        if let Some(drives) = drives.filter(|_| options.find_orphans) {
            let progress = |seen| {
                if let Some(listener) = &options.search_progress {
                    listener.tell(seen);
                }
            };
            let orphans = drives.find_orphans(&registrations, &mut warnings, progress);
            for orphan in orphans {
                let orphan = orphaned_mount(orphan, self.is_earlier_state, !is_registry_known);
                match inspection.room.take(orphan.weight()) {
                    true => orphaned_mounts.push(orphan),
                    false => left_out += 1,
                }
            }
        }
        if left_out > 0 {
            let text = format!(
                "{left_out} mounted images and orphaned mount directories are left out: no more than {} MiB of them are reported of one piece of evidence",
                Inspection::MOST_ROOM >> 20
            );
            warnings.push(Warning::new(WarningCode::LimitReached, text));
        }
        warnings.extend(drives.map(Drives::take_warnings).unwrap_or_default());
        warnings.extend(std::mem::take(&mut self.system.warnings));
        Capture {
            evidence: inspection.name.to_owned(),
            kind: Some(self.kind),
            captured: liveness,
            last_shutdown: self.system.facts.last_shutdown.present().copied(),
            part,
            files_examined: drives.is_some_and(|drives| drives.names().next().is_some()),
            mounted_images,
            unreadable_registrations: self.registry.unreadable_registrations,
            orphaned_mounts,
            recovery: self.recovery,
            warnings: warnings.into_vec(),
            error: None,
        }
    }
}

/// What the SYSTEM hive says, and what of it could not be used.
pub(super) struct SystemEvidence {
    facts: SystemFacts,
    mounted_devices: Option<MountedDevices>,
    warnings: Warnings,
}

impl SystemEvidence {
    fn not_captured() -> Self {
        SystemEvidence {
            facts: SystemFacts::not_captured(),
            mounted_devices: None,
            warnings: Warnings::default(),
        }
    }

    /// Which partitions have which letters, if that was asked for.
    pub(super) fn take_mounted_devices(&mut self) -> Option<MountedDevices> {
        self.mounted_devices.take()
    }

    /// Reads the SYSTEM hive that the caller names, or that which lies beside a SOFTWARE hive of this host.
    ///
    /// # Errors
    /// When the one that the caller names cannot be read. That of one that was found is a warning.
    pub(super) fn read_beside(
        found: Option<&Path>,
        options: &InspectOptions,
    ) -> Result<Self, Error> {
        // Only a disk image needs to be told which volume is which drive.
        let with_devices = !options.drives.is_empty();
        match (&options.system, found) {
            (Some(given), _) => Self::read_given(given, with_devices),
            (None, Some(found)) => Ok(HiveFiles::on_host(found, &[])
                .and_then(|files| Self::read(files, with_devices))
                .unwrap_or_else(Self::not_used)),
            (None, None) => Ok(Self::not_captured()),
        }
    }

    /// Reads the SYSTEM hive that the caller names, or that which was found with the evidence.
    ///
    /// # Errors
    /// As for [`read_beside`](Self::read_beside).
    pub(super) fn read_captured(
        found: Option<HiveFiles>,
        options: &InspectOptions,
        with_devices: bool,
    ) -> Result<Self, Error> {
        let found = match &options.system {
            Some(given) => return Self::read_given(given, with_devices),
            None => found,
        };
        Ok(match found {
            Some(found) => Self::read(found, with_devices).unwrap_or_else(Self::not_used),
            None => Self::not_captured(),
        })
    }

    fn read_given(given: &Path, with_devices: bool) -> Result<Self, Error> {
        let files = HiveFiles::on_host(given, &[]);
        let read = files.and_then(|files| Self::read(files, with_devices));
        read.map_err(|error| match error.io_error_kind() {
            None => error.or_remedy("name the machine's SYSTEM hive, or leave it out"),
            Some(_) => error,
        })
    }

    fn read(files: HiveFiles, with_devices: bool) -> Result<Self, Error> {
        let name = files.hive_name().to_owned();
        let mut hive = files.open()?;
        let mut system = Self::not_captured();
        system.facts = SystemFacts::read(&mut hive);
        if with_devices {
            system.read_mounted_devices(&mut hive, &name);
        }
        system.warnings.extend_from(hive.into_warnings(), &name);
        if !system.facts.current_control_set.is_present() {
            let text = match unreadable(&system.facts.current_control_set) {
                Some(error) => error.to_string(),
                None => "names no current control set: nothing of it is used".to_owned(),
            };
            let warning = Warning::new(WarningCode::SystemHiveNotUsed, text);
            system.warnings.push(warning.in_evidence(name));
            return Ok(system);
        }
        let facts = &system.facts;
        let faults = [
            unreadable(&facts.last_shutdown),
            unreadable(&facts.filter_driver),
        ];
        let mut faults: Vec<&Error> = faults.into_iter().flatten().collect();
        faults.dedup();
        for error in faults {
            let warning = Warning::new(WarningCode::ValueUnreadable, error.to_string());
            system.warnings.push(warning.in_evidence(name.as_str()));
        }
        Ok(system)
    }

    fn read_mounted_devices(&mut self, hive: &mut Hive<Box<dyn ReadSeek>>, name: &str) {
        match MountedDevices::read(hive) {
            Ok((devices, warnings)) => {
                self.mounted_devices = devices;
                self.warnings.extend_from(warnings, name);
            }
            Err(error) => {
                let warning = Warning::new(WarningCode::KeyUnreadable, error.to_string());
                self.warnings.push(warning.in_evidence(name));
            }
        }
    }

    fn not_used(error: Error) -> Self {
        let mut system = Self::not_captured();
        let warning = Warning::new(WarningCode::SystemHiveNotUsed, error.to_string());
        system.warnings.push(warning);
        system
    }
}

fn unreadable<T>(observation: &Observation<T>) -> Option<&Error> {
    match observation {
        Observation::Unreadable(error) => Some(error),
        _ => None,
    }
}

/// Where not all of a capture could be used, a registration that is not known may name what seems to be nobody's mount.
pub(super) fn doubt_orphans(capture: &mut Capture) {
    let mut codes = capture.warnings.iter().map(Warning::code);
    if codes.any(WarningCode::may_hide_mounts) {
        for orphan in &mut capture.orphaned_mounts {
            orphan.may_be_registered = true;
            if orphan.next_step.destroys_changes {
                orphan.next_step = next_step_for_orphan(false, true);
            }
        }
    }
}

/// A row of the report.
fn mounted_image(evidence: &Evidence) -> MountedImage {
    let verdict = derive(evidence);
    let registration = &evidence.registration;
    let other_values = registration.other_values.iter().map(|value| OtherValue {
        name: value.name.clone(),
        value_type: value.value_type,
        data_hex: hexadecimal(&value.data[..value.data.len().min(OtherValue::MAX_BYTES)]),
    });
    MountedImage {
        mount_id: registration.mount_id,
        registry_key: registration.registry_key.clone(),
        registered_at: registration.registered_at,
        mount_path: registration.mount_path.present().cloned(),
        image_file_path: registration.image_file_path.present().cloned(),
        image_index: registration.image_index.present().copied(),
        image_file_modified: evidence.image_file.present().and_then(|file| file.modified),
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
        created: image.creation_time,
        modified: image.last_modification_time,
    })
}

fn orphaned_mount(
    orphan: OrphanedMountDirectory,
    is_earlier_state: bool,
    may_be_registered: bool,
) -> OrphanedMount {
    let mount_data = orphan.mount_data.present();
    OrphanedMount {
        may_be_registered,
        basis: match orphan.inferred_mount_id {
            Some(_) => Basis::Inferred,
            None => Basis::Observed,
        },
        next_step: next_step_for_orphan(is_earlier_state, may_be_registered),
        mount_id: mount_data.map_or(orphan.inferred_mount_id, |data| Some(data.mount_id)),
        image_file_path: mount_data.and_then(|data| data.wim_path.clone()),
        mount_path: orphan.mount_path,
    }
}
