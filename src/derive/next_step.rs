//! What to do next with a mounted image, on the machine that was captured.

use super::{Holder, Verdict, progress};
use crate::evidence::{Evidence, Liveness};
use crate::finding::FindingCode;
use crate::observation::Observation;
use crate::report::NextStep;
use crate::status::{DismMountMode, DismMountStatus};
use crate::visible::deceives;
use crate::wide_string::WideString;

const CLEANUP: &str = "dism /Cleanup-Mountpoints";
const LIST: &str = "dism /Get-MountedImageInfo";

/// The next step for a verdict, with what has to be minded about the command.
pub(super) fn next_step(evidence: &Evidence, verdict: &Verdict) -> NextStep {
    let mut step = unguarded_step(evidence, verdict);
    let findings = verdict.findings.iter();
    let is_interrupted = findings
        .map(|finding| finding.code)
        .any(|code| code == FindingCode::MountInterrupted);
    let may_be_mounting = is_interrupted
        && evidence.liveness == Liveness::Unknown
        && !evidence.has_restarted_since_mount();
    if may_be_mounting && step.destroys_changes {
        step.note = format!(
            "If mounting may still be going on, wait for its end. {}",
            step.note
        );
    }
    if step.command.contains('$') {
        step.note = format!(
            "{} In PowerShell, write a backtick before each `$`.",
            step.note
        );
    }
    step
}

/// The next step for a mount directory that no registration names, or none of those that could be read.
pub(crate) fn next_step_for_orphan(is_earlier_state: bool, may_be_registered: bool) -> NextStep {
    match (is_earlier_state, may_be_registered) {
        (true, _) => look_up_now(),
        (false, true) => step(
            LIST,
            false,
            "Look up whether it is mounted: its registration may be among what could not be read here. If it is not listed, `dism /Cleanup-Mountpoints`, which destroys uncommitted changes.",
        ),
        (false, false) => step(
            CLEANUP,
            true,
            "It removes what is left of mounts, and leaves alone what is mounted or can be remounted. If the directory stays, empty it by hand.",
        ),
    }
}

fn look_up_now() -> NextStep {
    step(
        LIST,
        false,
        "This is an earlier state of the machine: look up what is mounted now before you change anything.",
    )
}

fn unguarded_step(evidence: &Evidence, verdict: &Verdict) -> NextStep {
    if evidence.is_earlier_state {
        return look_up_now();
    }
    let Some(directory) = evidence
        .registration
        .mount_path
        .present()
        .and_then(argument)
    else {
        return without_path(verdict);
    };
    let unmount = |how: &str| format!("dism /Unmount-Image /MountDir:{directory} {how}");
    let remount = format!("dism /Remount-Image /MountDir:{directory}");
    let has = |code| verdict.findings.iter().any(|finding| finding.code == code);
    let rivals = evidence.mount_path_rivals.iter();
    let holders: Vec<Holder> = rivals.map(|rival| Holder::of(evidence, rival)).collect();
    let is_mounting = has(FindingCode::MountingInProgress);
    let has_lost_directory =
        has(FindingCode::MountDirectoryReplaced) || holders.contains(&Holder::Rival);
    let may_have_lost_directory = has_lost_directory || holders.contains(&Holder::Unknown);
    match verdict.mount_status {
        DismMountStatus::Ok | DismMountStatus::NeedsRemount if may_have_lost_directory => step(
            LIST,
            false,
            "Look it up before you unmount or remount the directory: another registration claims it, and which of them has it the evidence does not tell.",
        ),
        DismMountStatus::Ok => ok(evidence, verdict, &remount, unmount),
        DismMountStatus::NeedsRemount => step(
            remount,
            false,
            "Then unmount it. The remount fails if the image file changed (0xC1420124) or the directory cannot be remounted (0xC1420123, 0xC1420125).",
        ),
        // Nothing that destroys changes is advised on a mere doubt.
        DismMountStatus::Invalid if verdict.possible_statuses.len() > 1 => {
            let cure = match may_have_lost_directory {
                true => format!("`{CLEANUP}`, which destroys"),
                false => format!("`{}` and `{CLEANUP}`, which destroy", unmount("/Discard")),
            };
            let note = "Look the status up: the evidence does not settle it. If it is Invalid,";
            step(LIST, false, format!("{note} {cure} uncommitted changes."))
        }
        DismMountStatus::Invalid
            if has_lost_directory || (may_have_lost_directory && !is_mounting) =>
        {
            step(
                CLEANUP,
                true,
                "Do not unmount the directory: another mount has it, or may have it, which the cleanup leaves alone.",
            )
        }
        DismMountStatus::Invalid if is_mounting => wait(),
        DismMountStatus::Invalid
            if evidence.registration.progress_value.present() == Some(&progress::UNMOUNTING) =>
        {
            step(
                unmount("/Discard"),
                true,
                "First check whether the image file already has the changes. Afterwards `dism /Cleanup-Mountpoints`.",
            )
        }
        DismMountStatus::Invalid if evidence.mount_directory == Observation::Absent => step(
            CLEANUP,
            true,
            "It removes what is left of the mount, and leaves alone what is mounted or can be remounted.",
        ),
        DismMountStatus::Invalid
            if has(FindingCode::ImageFileMissing)
                && !has(FindingCode::MountDataMissing)
                && !has(FindingCode::MountDataUnreadable) =>
        {
            step(
                remount,
                false,
                "First bring the image file back to the same path and inspect again. Only if it is gone for good: `dism /Cleanup-Mountpoints`, which destroys uncommitted changes.",
            )
        }
        DismMountStatus::Invalid => step(
            unmount("/Discard"),
            true,
            "Then `dism /Cleanup-Mountpoints`, which leaves alone what is mounted or can be remounted.",
        ),
    }
}

fn ok(
    evidence: &Evidence,
    verdict: &Verdict,
    remount: &str,
    unmount: impl Fn(&str) -> String,
) -> NextStep {
    let first = match verdict
        .possible_statuses
        .contains(&DismMountStatus::NeedsRemount)
    {
        true => format!("If the machine restarted since, `{remount}` first. "),
        false => String::new(),
    };
    match evidence.mount_mode {
        Some(DismMountMode::ReadOnly) => step(
            unmount("/Discard"),
            false,
            format!("{first}Carry on, and unmount in the end. A commit would fail (0xC142010C)."),
        ),
        Some(DismMountMode::ReadWrite) => step(
            unmount("/Commit"),
            false,
            format!(
                "{first}Carry on, and unmount in the end. `/Discard` instead of `/Commit` drops the changes."
            ),
        ),
        None => step(
            unmount("/Commit"),
            false,
            format!(
                "{first}Carry on, and unmount in the end. `/Discard` instead of `/Commit` drops the changes, and is the way for a read-only mount (0xC142010C)."
            ),
        ),
    }
}

/// The mount directory is not known, or cannot stand in a command.
fn without_path(verdict: &Verdict) -> NextStep {
    let mut findings = verdict.findings.iter();
    if findings.any(|finding| finding.code == FindingCode::MountingInProgress) {
        return wait();
    }
    match verdict.mount_status {
        DismMountStatus::Invalid if verdict.possible_statuses.len() == 1 => step(
            CLEANUP,
            true,
            "The recorded mount directory is missing or cannot stand in a command. The cleanup leaves alone what is mounted or can be remounted.",
        ),
        _ => step(
            LIST,
            false,
            "The recorded mount directory is missing or cannot stand in a command: look it up.",
        ),
    }
}

fn wait() -> NextStep {
    let note = "Wait until mounting has ended, then inspect again.";
    step(LIST, false, note)
}

fn step(command: impl Into<String>, destroys_changes: bool, note: impl Into<String>) -> NextStep {
    NextStep {
        command: command.into(),
        destroys_changes,
        note: note.into(),
    }
}

/// A path as an argument that a command line takes as one: quoted, and without a backslash before the closing quote.
///
/// No Windows path holds quotes or control characters; evidence can, and must not become a second command, neither in cmd nor
/// in PowerShell. Characters that are not seen, or turn the direction of the text, could make a reader take it for another path.
fn argument(path: &WideString) -> Option<String> {
    let path = path.to_utf8()?;
    // A question mark stands for a letter that a console's code page lacked; only the `\\?\` before a path holds one itself.
    let name = path.strip_prefix(r"\\?\").unwrap_or(&path);
    // PowerShell takes typographic double quotes for the plain one.
    let is_plain = |c: char| !"\"\u{201C}\u{201D}\u{201E}<>|*%`".contains(c) && !deceives(c);
    if name.contains('?') || path.contains("$(") || !path.chars().all(is_plain) {
        return None;
    }
    let bare = path.trim_end_matches(['\\', '/']);
    if bare.trim().is_empty() {
        return None;
    }
    // `C:` alone would name the current directory of the drive.
    Some(match bare.as_bytes() {
        [letter, b':'] if letter.is_ascii_alphabetic() => format!(r"{bare}\"),
        _ => format!("\"{bare}\""),
    })
}
