//! How the program ends.

use std::process::ExitCode;

use dism_mount_status::{Capture, DismMountStatus};

use crate::arguments::FailOn;

/// What the exit code tells. Of several, the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Nothing to report: 0.
    Clear = 0,
    /// A mounted image is in a state that was asked for, or a mount is left over without a registration: 1.
    Found = 1,
    /// Wrong usage, or something could not be read or written: 2.
    Failed = 2,
}

impl Outcome {
    /// The outcome of one capture.
    pub(crate) fn of(capture: &Capture, fail_on: FailOn) -> Outcome {
        let images = capture.mounted_images.iter();
        let outcomes = images.map(|image| Outcome::of_status(image.mount_status, fail_on));
        outcomes
            .chain([
                Outcome::of_reading(capture),
                Outcome::of_orphans(capture, fail_on),
            ])
            .max()
            .unwrap_or(Outcome::Clear)
    }

    fn of_reading(capture: &Capture) -> Outcome {
        match capture.error {
            Some(_) => Outcome::Failed,
            None => Outcome::Clear,
        }
    }

    /// They have no state, and are a mount all the same.
    fn of_orphans(capture: &Capture, fail_on: FailOn) -> Outcome {
        match fail_on {
            FailOn::Any if !capture.orphaned_mounts.is_empty() => Outcome::Found,
            _ => Outcome::Clear,
        }
    }

    /// What one image in this state leads to.
    pub(crate) fn of_status(status: DismMountStatus, fail_on: FailOn) -> Outcome {
        let found = match fail_on {
            FailOn::Invalid => status >= DismMountStatus::Invalid,
            FailOn::NeedsRemount => status >= DismMountStatus::NeedsRemount,
            FailOn::Any => true,
            FailOn::Never => false,
        };
        match found {
            true => Outcome::Found,
            false => Outcome::Clear,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(outcome as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dism_mount_status::{InspectOptions, Liveness, inspect, inspect_stream};

    /// One mounted image whose `Status` value is `progress`.
    fn capture(progress: u32, captured: Liveness) -> Capture {
        let text = format!(
            "Windows Registry Editor Version 5.00\n\n\
             [HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\WIMMount\\Mounted Images\\{{e242237c-66ed-4958-b9ec-c49b07eaeeb5}}]\n\
             \"WIM Path\"=\"C:\\\\a.wim\"\n\"Mount Path\"=\"C:\\\\m\"\n\"Image Index\"=dword:1\n\"Status\"=dword:{progress:x}\n"
        );
        let mut options = InspectOptions::default();
        options.captured = Some(captured);
        let mut report = inspect_stream("a.reg", text.as_bytes(), &options).unwrap();
        report.captures.remove(0)
    }

    fn unreadable() -> Capture {
        let error = inspect("/no/such/evidence", &InspectOptions::default()).unwrap_err();
        Capture::unreadable("/no/such/evidence", &error)
    }

    #[test]
    fn each_state_counts_from_its_limit_on() {
        let ok = || capture(2, Liveness::Running);
        let needs_remount = || capture(2, Liveness::Stopped);
        let invalid = || capture(3, Liveness::Running);
        let exit = |capture, fail_on| Outcome::of(&capture, fail_on) as u8;
        for (fail_on, codes) in [
            (FailOn::Any, [1, 1, 1]),
            (FailOn::NeedsRemount, [0, 1, 1]),
            (FailOn::Invalid, [0, 0, 1]),
            (FailOn::Never, [0, 0, 0]),
        ] {
            let found = [ok(), needs_remount(), invalid()].map(|capture| exit(capture, fail_on));
            assert_eq!(found, codes, "{fail_on:?}");
        }
    }

    #[test]
    fn unreadable_evidence_outweighs_what_the_rest_says() {
        for fail_on in [FailOn::Never, FailOn::Any] {
            let found = Outcome::of(&capture(3, Liveness::Unknown), fail_on);
            let failed = Outcome::of(&unreadable(), fail_on);
            assert_eq!(failed, Outcome::Failed);
            assert_eq!(found.max(failed), Outcome::Failed);
        }
    }
}
