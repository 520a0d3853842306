//! What is said in the same words in every format made for people.

use dism_mount_status::registry::ValueType;
use dism_mount_status::registry::hive::Recovery;
use dism_mount_status::visible::{visible, visible_wide};
use dism_mount_status::{
    Basis, Capture, CaptureError, DismMountMode, DismMountStatus, EvidenceKind, ImageDescription,
    Liveness, MountedImage, OrphanedMount, OtherValue, Warning, WarningCode, WideString,
};

/// How many bytes of an unknown value are shown.
const MOST_BYTES: usize = 64;
/// What stands for a value that the evidence does not hold.
pub(crate) const NOT_RECORDED: &str = "(not recorded)";
/// Why an image is Ok of which there is nothing to say.
pub(crate) const NO_FINDINGS: &str = "the mount was completed, the machine is taken to have been running since, and nothing speaks against it";
/// What an orphaned mount directory is.
pub(crate) fn orphaned(orphan: &OrphanedMount) -> &'static str {
    match orphan.may_be_registered {
        false => "no registration names this mount directory, so DISM lists nothing",
        true => "none of the registrations that could be read names this mount directory",
    }
}
/// What is said of a step that cannot be undone.
pub(crate) const DESTROYS_CHANGES: &str = "This destroys changes that were not committed.";

/// The capture's evidence and the part of it.
pub(crate) fn title(capture: &Capture) -> String {
    let name = evidence(capture);
    match &capture.part {
        Some(part) => format!("{name}, {}", visible(part)),
        None => name,
    }
}

/// The evidence's name.
pub(crate) fn evidence(capture: &Capture) -> String {
    match capture.evidence.as_str() {
        "-" => "standard input".to_owned(),
        evidence => visible(evidence),
    }
}

/// Why a capture could not be read, without its name before it.
pub(crate) fn reason(capture: &Capture, error: &CaptureError) -> String {
    let name = match &capture.part {
        Some(part) => format!("{}, {part}: ", capture.evidence),
        None => format!("{}: ", capture.evidence),
    };
    let reason = error.message.strip_prefix(&name);
    visible(reason.unwrap_or(&error.message))
}

/// What a capture is; where it has mounted images also what was taken for granted about the machine, and what was not examined.
pub(crate) fn description(capture: &Capture) -> String {
    let kind = match capture.kind {
        Some(EvidenceKind::RegistryExport) => "Registry export",
        Some(EvidenceKind::Hive) => "Registry hive",
        Some(EvidenceKind::Directory) => "Tree of files",
        Some(EvidenceKind::CapturedWim) => "Image in a WIM file",
        Some(EvidenceKind::DiskImage) => "Disk image",
        Some(EvidenceKind::Collection) => "Triage collection",
        _ => "Evidence",
    };
    let log_entries = capture
        .recovery
        .as_ref()
        .map_or(0, Recovery::entries_applied);
    let kind = match log_entries {
        0 => kind.to_owned(),
        1 => format!("{kind} with one entry of its transaction logs"),
        _ => format!("{kind} with {log_entries} entries of its transaction logs"),
    };
    if capture.mounted_images.is_empty() {
        return format!("{kind}.");
    }
    let machine = match capture.captured {
        // A collection may be of a machine that was off, a tree or a disk image a copy of one that was running.
        Liveness::Running if capture.kind == Some(EvidenceKind::Collection) => {
            "The machine is taken to have been running when it was captured; `--captured` says it where you know better."
        }
        Liveness::Running => "The machine is taken to have been running when it was captured.",
        Liveness::Stopped
            if matches!(
                capture.kind,
                Some(EvidenceKind::Directory | EvidenceKind::DiskImage)
            ) =>
        {
            "The machine is taken to have been off when it was captured; `--captured` says it where you know better."
        }
        Liveness::Stopped => "The machine is taken to have been off when it was captured.",
        Liveness::Unknown => {
            "Whether the machine was running is not known; `--captured` says it where you know."
        }
    };
    let scope = match capture.files_examined {
        true => "",
        false => " Only the registry was examined, not the mount directories and image files.",
    };
    format!("{kind}. {machine}{scope}")
}

/// What the image file says of the image, on one line.
pub(crate) fn image_description(image: &ImageDescription) -> Option<String> {
    let parts = [
        &image.name,
        &image.edition,
        &image.version,
        &image.architecture,
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .flatten()
        .map(|part| visible(part))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// What is said where a capture has no mounted image.
pub(crate) struct NothingMounted {
    /// Whether the evidence bears it out.
    pub(crate) is_certain: bool,
    /// How far nothing is mounted.
    pub(crate) what: &'static str,
    /// The rest of the sentence.
    pub(crate) why: String,
}

/// Nothing mounted is a result only where the evidence covers the place at which mounts are registered.
pub(crate) fn nothing_mounted(capture: &Capture) -> NothingMounted {
    let mut warnings = capture.warnings.iter();
    let (is_certain, what, why) = if let Some(warning) =
        warnings.clone().find(|warning| is_elsewhere(warning))
    {
        let what = "Not known whether anything is mounted:";
        (false, what, visible(&warning.message()))
    } else if warnings.any(|warning| warning.code().may_hide_mounts()) {
        let why = "but not all of the evidence could be used.";
        (false, "No mounted image was found,", why.to_owned())
    } else {
        let why =
            r"the evidence covers the key `Microsoft\WIMMount`, and no mount is registered there.";
        (true, "Nothing is mounted:", why.to_owned())
    };
    NothingMounted {
        is_certain,
        what,
        why,
    }
}

/// The warnings of a capture, but for what is told where the mounted images would stand.
pub(crate) fn warnings(capture: &Capture) -> Vec<&Warning> {
    let is_told = |warning: &&Warning| is_elsewhere(warning) && capture.mounted_images.is_empty();
    let warnings = capture.warnings.iter();
    warnings.filter(|warning| !is_told(warning)).collect()
}

/// Whether mounts are registered elsewhere: that is told where the mounted images would stand.
fn is_elsewhere(warning: &Warning) -> bool {
    warning.code() == WarningCode::MountRegistryNotInEvidence
}

/// A text of the registration.
pub(crate) fn recorded(text: Option<&WideString>) -> String {
    match text {
        None => NOT_RECORDED.to_owned(),
        Some(text) if text.to_string_lossy().trim().is_empty() => "(empty)".to_owned(),
        Some(text) => visible_wide(text),
    }
}

/// The image's index.
pub(crate) fn index(image: &MountedImage) -> String {
    image
        .image_index
        .map_or(NOT_RECORDED.to_owned(), |index| index.to_string())
}

/// Whether the image can be written to.
pub(crate) fn mode(image: &MountedImage) -> &'static str {
    match image.mount_mode {
        Some(DismMountMode::ReadWrite) => "read and write",
        Some(DismMountMode::ReadOnly) => "read only",
        None => NOT_RECORDED,
    }
}

/// On what a finding rests.
pub(crate) fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Documented => "documented",
        Basis::Observed => "observed",
        Basis::Claimed => "claimed",
        Basis::Inferred => "inferred",
    }
}

/// The statuses of an image: the judgement first, then what else it may be.
pub(crate) fn statuses(image: &MountedImage) -> Vec<DismMountStatus> {
    likely_first(image.mount_status, &image.possible_statuses)
}

/// A status, then what else it may be.
pub(crate) fn likely_first(
    status: DismMountStatus,
    possible: &[DismMountStatus],
) -> Vec<DismMountStatus> {
    let others = possible.iter().copied().filter(|other| *other != status);
    std::iter::once(status).chain(others).collect()
}

/// Statuses in words: `Ok or NeedsRemount`.
pub(crate) fn either(statuses: &[DismMountStatus]) -> String {
    let names = statuses.iter().map(|status| status.powershell_text());
    names.collect::<Vec<_>>().join(" or ")
}

/// A count with its noun.
pub(crate) fn counted(count: usize, one: &str, more: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {more}"),
    }
}

/// A value of which nothing is known: text as text, everything else as bytes.
pub(crate) fn other_value(value: &OtherValue) -> String {
    let name = match value.name.is_empty() {
        true => "(default)".to_owned(),
        false => visible_wide(&value.name),
    };
    let mut bytes = bytes(&value.data_hex);
    let more = if bytes.len() > MOST_BYTES { " ..." } else { "" };
    bytes.truncate(MOST_BYTES);
    let data = match value.value_type {
        ValueType::SZ | ValueType::EXPAND_SZ => {
            let text = bytes.strip_suffix(&[0, 0]).unwrap_or(&bytes);
            format!("\"{}\"", visible_wide(&WideString::from_utf16le(text)))
        }
        _ if bytes.is_empty() => "(empty)".to_owned(),
        _ => {
            let bytes = bytes.iter().map(|byte| format!("{byte:02x}"));
            bytes.collect::<Vec<_>>().join(" ")
        }
    };
    format!("{name} = {} {data}{more}", value.value_type)
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len() / 2).filter_map(|at| hex.get(2 * at..2 * at + 2));
    pairs
        .filter_map(|pair| u8::from_str_radix(pair, 16).ok())
        .collect()
}
