//! The judgement: from the evidence of one mounted image to its status, with the reasons.
//!
//! [`derive`] is a pure function over the ladder of evidence below. Each step adds flags, reasons, or doubts; none takes
//! anything back, so more evidence of damage never makes a status better.
//!
//! | evidence | flags | status | rests on |
//! |---|---|---|---|
//! | mount directory absent | INVALID, NO_MOUNTDIR | Invalid | flags documented, status inferred |
//! | `$WIMMOUNTDATA` absent | INVALID, NO_MOUNTDIR | Invalid | documented error 0xC142011C, status inferred |
//! | `$WIMMOUNTDATA` of another mount | INVALID, MOUNTDIR_REPLACED | Invalid | flags documented, status inferred |
//! | `$WIMMOUNTDATA` unreadable | INVALID | Invalid | documented error 0xC1420120, status inferred |
//! | image file absent | INVALID, NO_WIM | Invalid | flags documented, status inferred |
//! | `Status` 3 | INVALID | Invalid | observed |
//! | `Status` 1, not known to be running | INVALID | Invalid | claimed |
//! | `Status` 1, running | MOUNTING | Invalid | claimed |
//! | `Status` 2, stopped or restarted since | REMOUNTABLE | NeedsRemount | documented |
//! | `Status` 2, running and not restarted since | MOUNTED | Ok | documented |
//! | `Status` 2, not known | MOUNTED | Ok or NeedsRemount | documented |
//! | another `Status`, or a value missing | INVALID | Invalid, others possible | inferred |

mod image_file;
mod next_step;

pub(crate) use self::next_step::next_step_for_orphan;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::evidence::{Evidence, Liveness, MountDirectory, Rival};
use crate::finding::{Basis, Finding, FindingCode as Code, Severity};
use crate::mount_point::WimMountData;
use crate::observation::{NotCaptured, Observation};
use crate::registry::MountRegistration;
use crate::registry::system_hive::FilterDriver;
use crate::report::NextStep;
use crate::status::{DismMountMode, DismMountStatus, WimMountFlags};
use crate::wide_string::WideString;
use crate::windows_path::WindowsPath;

/// The values of `Status` of which something is known.
mod progress {
    /// The image is being mounted.
    pub(super) const MOUNTING: u32 = 1;
    /// The image is mounted.
    pub(super) const MOUNTED: u32 = 2;
    /// The image is being unmounted, or is partly unmounted.
    pub(super) const UNMOUNTING: u32 = 3;
}

/// The judgement of one mounted image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// The status.
    pub mount_status: DismMountStatus,
    /// All statuses that the evidence allows, from good to bad; the status is always among them.
    pub possible_statuses: Vec<DismMountStatus>,
    /// wimgapi's flags.
    pub mount_flags: WimMountFlags,
    /// The reasons, in the order of the ladder.
    pub findings: Vec<Finding>,
    /// What to do next.
    pub next_step: Option<NextStep>,
}

/// Judges the evidence of one mounted image.
pub fn derive(evidence: &Evidence) -> Verdict {
    let mut judgement = Judgement::default();
    judgement.registration(evidence);
    judgement.mount_directory(evidence);
    judgement.image_file(evidence);
    judgement.rivals(evidence);
    judgement.progress(evidence);
    judgement.obstacles(evidence);
    judgement.verdict(evidence)
}

#[derive(Debug, Default)]
struct Judgement {
    flags: WimMountFlags,
    /// Something makes the mount invalid for sure, as far as the ladder is right.
    is_invalid: bool,
    /// Something may make the mount invalid.
    may_be_invalid: bool,
    /// What the status may be where nothing makes the mount invalid.
    otherwise: BTreeSet<DismMountStatus>,
    findings: Vec<Finding>,
}

impl Judgement {
    fn find(&mut self, code: Code, severity: Severity, basis: Basis, message: impl Into<String>) {
        self.findings
            .push(Finding::new(code, severity, basis, message));
    }

    /// A reason for Invalid.
    fn invalid(
        &mut self,
        flags: WimMountFlags,
        code: Code,
        basis: Basis,
        message: impl Into<String>,
    ) {
        self.flags |= WimMountFlags::INVALID | flags;
        self.is_invalid = true;
        self.find(code, Severity::Error, basis, message);
    }

    /// A reason for which the mount may be Invalid, though nothing says that it is.
    fn doubt(&mut self, code: Code, basis: Basis, message: impl Into<String>) {
        self.may_be_invalid = true;
        self.find(code, Severity::Warning, basis, message);
    }

    /// The values of the registration: without one of them DISM cannot service the image.
    fn registration(&mut self, evidence: &Evidence) {
        let registration = &evidence.registration;
        let faults = [
            path_fault(&registration.mount_path),
            path_fault(&registration.image_file_path),
            fault(&registration.image_index),
            fault(&registration.progress_value),
        ];
        for (name, fault) in MountRegistration::VALUE_NAMES.into_iter().zip(faults) {
            if let Some(fault) = fault {
                self.flags |= WimMountFlags::INVALID;
                self.may_be_invalid = true;
                let message = format!("the registration's value `{name}` {fault}");
                self.find(
                    Code::RegistrationIncomplete,
                    Severity::Error,
                    Basis::Inferred,
                    message,
                );
            }
        }
    }

    fn mount_directory(&mut self, evidence: &Evidence) {
        let path = shown(&evidence.registration.mount_path);
        match &evidence.mount_directory {
            Observation::Present(MountDirectory { mount_data }) => {
                self.mount_data(evidence, mount_data, &path);
            }
            Observation::Absent => self.invalid(
                WimMountFlags::NO_MOUNTDIR,
                Code::MountDirectoryMissing,
                Basis::Inferred,
                format!("the mount directory {path} is not there"),
            ),
            Observation::NotCaptured(reason) => self.not_captured(
                *reason,
                Code::MountPathNotCaptured,
                &format!("the mount directory {path}"),
            ),
            Observation::Unreadable(error) => self.doubt(
                Code::MountDirectoryUnreadable,
                Basis::Inferred,
                format!("the mount directory {path} could not be read: {error}"),
            ),
        }
    }

    fn mount_data(&mut self, evidence: &Evidence, data: &Observation<WimMountData>, path: &str) {
        match data {
            Observation::Present(data) => {
                let registered = evidence.registration.mount_id;
                if let Some(id) = registered
                    && id != data.mount_id
                {
                    let other = data.mount_id;
                    self.invalid(
                        WimMountFlags::MOUNTDIR_REPLACED,
                        Code::MountDirectoryReplaced,
                        Basis::Inferred,
                        format!("the mount directory {path} holds the mount {other}, not {id}"),
                    );
                } else {
                    self.disagreement(evidence, data);
                }
            }
            Observation::Absent => self.invalid(
                WimMountFlags::NO_MOUNTDIR,
                Code::MountDataMissing,
                Basis::Inferred,
                format!("{path} has no $WIMMOUNTDATA stream: it is not a mount directory any more (0xC142011C)"),
            ),
            Observation::NotCaptured(_) => self.find(
                Code::StreamsNotCaptured,
                Severity::Note,
                Basis::Observed,
                format!("the capture does not show streams, so whether {path} still is a mount directory was not checked"),
            ),
            Observation::Unreadable(error) => self.invalid(
                WimMountFlags::empty(),
                Code::MountDataUnreadable,
                Basis::Inferred,
                format!("the $WIMMOUNTDATA stream of {path} cannot be read (0xC1420120): {error}"),
            ),
        }
    }

    /// The registry and the directory's own record can differ after tampering: neither is preferred.
    fn disagreement(&mut self, evidence: &Evidence, data: &WimMountData) {
        let registration = &evidence.registration;
        let pairs = [
            ("image file", &registration.image_file_path, &data.wim_path),
            (
                "mount directory",
                &registration.mount_path,
                &data.mount_path,
            ),
        ];
        for (what, registered, recorded) in pairs {
            if let (Some(registered), Some(recorded)) = (registered.present(), recorded)
                && !registered.is_blank()
                && !may_be_same(registered, recorded)
            {
                self.find(
                    Code::RegistryAndMountDataDisagree,
                    Severity::Warning,
                    Basis::Observed,
                    format!("the registry says that the {what} is {registered}, the mount directory itself says {recorded}"),
                );
            }
        }
    }

    fn not_captured(&mut self, reason: NotCaptured, code: Code, what: &str) {
        let (code, why) = match reason {
            // Registry evidence has no files: that goes without saying.
            NotCaptured::KindOfEvidence => return,
            NotCaptured::Volume => (
                Code::VolumeNotCaptured,
                "lies on a volume or share that is not in the capture",
            ),
            NotCaptured::UnresolvedPath => (
                code,
                "has a path that is relative, or a short name in it (PROGRA~1) that the capture does not keep",
            ),
            NotCaptured::Path | NotCaptured::Streams => {
                (code, "is not in the capture, which is partial")
            }
        };
        self.find(
            code,
            Severity::Note,
            Basis::Observed,
            format!("{what} {why}, so it was not checked"),
        );
    }

    fn rivals(&mut self, evidence: &Evidence) {
        let path = shown(&evidence.registration.mount_path);
        for rival in &evidence.mount_path_rivals {
            let message = format!("{path} is also registered by {}", rival.key_name);
            let (code, basis) = (Code::DuplicateMountPath, Basis::Inferred);
            match Holder::of(evidence, rival) {
                Holder::NamedByStream => self.find(code, Severity::Warning, basis, message),
                Holder::Rival => self.invalid(
                    WimMountFlags::MOUNTDIR_REPLACED,
                    code,
                    basis,
                    format!("{message}, later: that mount has the directory"),
                ),
                Holder::ThisMount => self.find(
                    code,
                    Severity::Warning,
                    basis,
                    format!("{message}, earlier: this mount has the directory"),
                ),
                Holder::Unknown => self.doubt(
                    code,
                    basis,
                    format!(
                        "{message}: only one of them can have the directory, and which is not known"
                    ),
                ),
            }
        }
        for rival in &evidence.image_rivals {
            let other = match &rival.mount_path {
                Some(path) => format!("mounted on {path}"),
                None => format!("registered by {}", rival.key_name),
            };
            self.find(
                Code::WritableMountConflict,
                Severity::Warning,
                Basis::Documented,
                format!("the same image is also {other}: only one of the mounts can be committed, and two writable ones are refused (0xC1420127)"),
            );
        }
    }

    /// How far the mount had come, and whether the machine can have kept it since.
    fn progress(&mut self, evidence: &Evidence) {
        let restarted = evidence.has_restarted_since_mount();
        let is_live = evidence.liveness == Liveness::Running && !restarted;
        match evidence.registration.progress_value.present() {
            Some(&progress::UNMOUNTING) => self.invalid(
                WimMountFlags::empty(),
                Code::PartiallyUnmounted,
                Basis::Observed,
                "unmounting began and did not end (Status 3): a commit is refused (0xC142011D)",
            ),
            Some(&progress::MOUNTING) if is_live => {
                self.flags |= WimMountFlags::MOUNTING;
                self.is_invalid = true;
                self.find(
                    Code::MountingInProgress,
                    Severity::Note,
                    Basis::Claimed,
                    "the image was being mounted when the machine was captured (Status 1)",
                );
            }
            Some(&progress::MOUNTING) => self.invalid(
                WimMountFlags::empty(),
                Code::MountInterrupted,
                Basis::Claimed,
                "mounting began, and nothing shows that it finished (Status 1)",
            ),
            Some(&progress::MOUNTED) => self.liveness(evidence, restarted),
            Some(&other) => {
                self.flags |= WimMountFlags::INVALID;
                self.may_be_invalid = true;
                self.find(
                    Code::UnknownProgressValue,
                    Severity::Error,
                    Basis::Inferred,
                    format!("Status is {other}, and only 1, 2 and 3 are known"),
                );
                self.otherwise = statuses_by_liveness(evidence.liveness, restarted);
            }
            None => self.otherwise = statuses_by_liveness(evidence.liveness, restarted),
        }
    }

    /// A mount needs a running server process: a shutdown ends it, and leaves it to be remounted.
    fn liveness(&mut self, evidence: &Evidence, restarted: bool) {
        self.otherwise = statuses_by_liveness(evidence.liveness, restarted);
        let is_invalid = self.flags.contains(WimMountFlags::INVALID);
        let may_be_ok = self.otherwise.contains(&DismMountStatus::Ok);
        if !is_invalid {
            self.flags |= match may_be_ok {
                true => WimMountFlags::MOUNTED,
                false => WimMountFlags::REMOUNTABLE,
            };
        }
        if self.is_invalid {
            return;
        }
        if restarted && let Some(shutdown) = evidence.last_shutdown.present() {
            // Whether remounting writes the registration anew is not known.
            let remounted = match evidence.liveness {
                Liveness::Stopped => "",
                Liveness::Running | Liveness::Unknown => {
                    "; whether it was remounted since is not known"
                }
            };
            self.find(
                Code::RestartedSinceMount,
                Severity::Note,
                Basis::Documented,
                format!("the machine shut down at {shutdown}, after the registration was last written: the mount did not outlast that{remounted}"),
            );
        } else if evidence.liveness == Liveness::Stopped {
            self.find(
                Code::SystemStopped,
                Severity::Note,
                Basis::Documented,
                "the machine is taken to have been off: no mount outlasts a shutdown",
            );
        } else if evidence.liveness == Liveness::Unknown {
            self.find(
                Code::LivenessUnknown,
                Severity::Note,
                Basis::Documented,
                "whether the machine was running, and had not restarted since the mount, is not known: Ok if so, NeedsRemount if not",
            );
        }
    }

    /// What DISM's status does not show, and servicing or remounting will meet.
    fn obstacles(&mut self, evidence: &Evidence) {
        let driver = match &evidence.filter_driver {
            Observation::Absent => Some((Basis::Documented, "is not registered")),
            Observation::Present(FilterDriver::NoImagePath) => {
                Some((Basis::Documented, "is registered without its file"))
            }
            Observation::Present(FilterDriver::Disabled) => Some((Basis::Inferred, "is disabled")),
            _ => None,
        };
        if let Some((basis, fault)) = driver {
            self.find(
                Code::FilterDriverMissing,
                Severity::Warning,
                basis,
                format!("the filter driver wimmount.sys {fault}: mounting and remounting fail (0xC1420121)"),
            );
        }
        if evidence.registration.image_index.present() == Some(&0) {
            self.find(
                Code::ImageIndexOutOfRange,
                Severity::Warning,
                Basis::Documented,
                "the registration names image 0, and images count from 1 (0xC1510113)",
            );
        }
        if let Some(path) = evidence.registration.mount_path.present()
            && WindowsPath::parse(path).is_volume_root()
        {
            self.find(
                Code::MountPathOnVolumeRoot,
                Severity::Warning,
                Basis::Documented,
                format!(
                    "{path} is the root of a volume, on which nothing can be mounted (0xC1420131)"
                ),
            );
        }
    }

    fn verdict(mut self, evidence: &Evidence) -> Verdict {
        if evidence.mount_mode == Some(DismMountMode::ReadWrite) {
            self.flags |= WimMountFlags::READWRITE;
        }
        let mount_status = self.flags.inferred_status();
        let mut possible = match self.is_invalid {
            true => BTreeSet::new(),
            false => self.otherwise,
        };
        if self.is_invalid || self.may_be_invalid {
            possible.insert(DismMountStatus::Invalid);
        }
        possible.insert(mount_status);
        let mut verdict = Verdict {
            mount_status,
            possible_statuses: possible.into_iter().collect(),
            mount_flags: self.flags,
            findings: self.findings,
            next_step: None,
        };
        verdict.next_step = Some(next_step::next_step(evidence, &verdict));
        verdict
    }
}

/// Which of two mounts has the directory that both of them name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// That which the directory's stream names: it was read, and compared with the registration.
    NamedByStream,
    /// The mount that is judged, as it was registered later.
    ThisMount,
    /// The other one, as it was registered later.
    Rival,
    Unknown,
}

impl Holder {
    fn of(evidence: &Evidence, rival: &Rival) -> Holder {
        let directory = evidence.mount_directory.present();
        let is_stream_read = directory.is_some_and(|it| it.mount_data.is_present());
        if is_stream_read && evidence.registration.mount_id.is_some() {
            return Holder::NamedByStream;
        }
        match (evidence.registration.registered_at, rival.registered_at) {
            (Some(own), Some(other)) if own < other => Holder::Rival,
            (Some(own), Some(other)) if own > other => Holder::ThisMount,
            _ => Holder::Unknown,
        }
    }
}

/// The statuses of a completed mount (`Status` 2), by whether the machine can have kept it.
fn statuses_by_liveness(liveness: Liveness, restarted: bool) -> BTreeSet<DismMountStatus> {
    let (ok, needs_remount) = (DismMountStatus::Ok, DismMountStatus::NeedsRemount);
    match liveness {
        _ if restarted => BTreeSet::from([needs_remount]),
        Liveness::Running => BTreeSet::from([ok]),
        Liveness::Stopped => BTreeSet::from([needs_remount]),
        Liveness::Unknown => BTreeSet::from([ok, needs_remount]),
    }
}

/// Why a value of the registration cannot be used.
fn fault<T>(value: &Observation<T>) -> Option<String> {
    match value {
        Observation::Present(_) => None,
        Observation::Absent => Some("is missing".to_owned()),
        Observation::NotCaptured(_) => Some("was not captured".to_owned()),
        Observation::Unreadable(error) => Some(format!("cannot be used: {error}")),
    }
}

/// Why a path of the registration cannot be used.
fn path_fault(path: &Observation<WideString>) -> Option<String> {
    match path {
        Observation::Present(path) if path.is_blank() => Some("is empty".to_owned()),
        path => fault(path),
    }
}

/// Whether two paths lead to the same place, as far as can be told: of one with variables only the names behind them are known.
fn may_be_same(registered: &WideString, recorded: &WideString) -> bool {
    let recorded = WindowsPath::parse(recorded);
    let is_percent = |unit: &u16| *unit == u16::from(b'%');
    let units = registered.as_units();
    match units.iter().rposition(is_percent) {
        Some(last) if units[..last].iter().any(is_percent) => {
            let behind = WideString::from_units(units[last + 1..].to_vec());
            let known = WindowsPath::parse(&behind).components;
            recorded.components.ends_with(&known)
        }
        _ => WindowsPath::parse(registered) == recorded,
    }
}

/// A recorded path for a message.
fn shown(path: &Observation<WideString>) -> String {
    path.present()
        .map_or_else(|| "(not recorded)".to_owned(), ToString::to_string)
}
