//! `--format table`: for reading. Each image with its status, the reasons, and what to do next.

use std::io::{self, Write};

use anstyle::Style;
use dism_mount_status::registry::ValueType;
use dism_mount_status::registry::hive::Recovery;
use dism_mount_status::{
    Basis, Capture, DismMountMode, DismMountStatus, EvidenceKind, Finding, ImageDescription,
    Liveness, MountedImage, NextStep, OrphanedMount, OtherValue, Severity, Warning, WarningCode,
    WideString,
};

use super::ReportWriter;
use super::totals::{Totals, counted, statuses};
use crate::layout::{BAD, COMMAND, DOUBTFUL, FAINT, GOOD, HEADING, Layout, MOST, left_out};
use dism_mount_status::visible::{visible, visible_wide};

/// How many bytes of an unknown value are shown.
const MOST_BYTES: usize = 64;
/// What stands for a value that the evidence does not hold.
const NOT_RECORDED: &str = "(not recorded)";

/// Every capture, then the sum of them.
#[derive(Debug)]
pub(crate) struct Table {
    layout: Layout,
    totals: Totals,
}

impl Table {
    /// A table that looks like this.
    pub(crate) fn new(layout: Layout) -> Self {
        Table {
            layout,
            totals: Totals::default(),
        }
    }
}

impl ReportWriter for Table {
    fn capture(&mut self, capture: &Capture, out: &mut dyn Write) -> io::Result<()> {
        if self.totals.captures > 0 {
            writeln!(out)?;
        }
        self.totals.add(capture);
        let layout = self.layout;
        Page { layout, out }.capture(capture)
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let layout = self.layout;
        Page { layout, out }.summary(&self.totals)
    }
}

/// Where a table is written to.
struct Page<'a> {
    layout: Layout,
    out: &'a mut dyn Write,
}

impl Page<'_> {
    fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    fn paragraph(&mut self, first: &str, text: &str) -> io::Result<()> {
        self.layout.paragraph(first, text, self.out)
    }

    fn styled(&self, style: Style, text: &str) -> String {
        self.layout.styled(style, text)
    }

    fn capture(&mut self, capture: &Capture) -> io::Result<()> {
        let mut name = match capture.evidence.as_str() {
            "-" => "standard input".to_owned(),
            evidence => visible(evidence),
        };
        if let Some(part) = &capture.part {
            name = format!("{name}, {}", visible(part));
        }
        let name = self.styled(HEADING, &name);
        self.line(&name)?;
        if let Some(error) = &capture.error {
            let reason = error
                .message
                .strip_prefix(&format!("{}: ", capture.evidence));
            let text = visible(reason.unwrap_or(&error.message));
            let what = self.styled(BAD, "Error:");
            return self.paragraph("  ", &format!("{what} {text}"));
        }
        self.paragraph("  ", &description(capture))?;
        let digits = capture.mounted_images.len().to_string().len();
        for (number, image) in capture.mounted_images.iter().enumerate() {
            writeln!(self.out)?;
            let label = format!("  {:>digits$}. ", number + 1);
            self.image(&label, image)?;
        }
        for orphan in &capture.orphaned_mounts {
            writeln!(self.out)?;
            self.orphan(orphan)?;
        }
        if capture.mounted_images.is_empty() {
            writeln!(self.out)?;
            self.nothing_mounted(capture)?;
        }
        self.warnings(capture)
    }

    fn image(&mut self, label: &str, image: &MountedImage) -> io::Result<()> {
        let margin = " ".repeat(label.len());
        let mount_path = self.styled(HEADING, &recorded(image.mount_path.as_ref()));
        let statuses = self.statuses(&statuses(image));
        self.line(&format!("{label}{statuses}  {mount_path}"))?;
        let index = image
            .image_index
            .map_or_else(not_recorded, |index| index.to_string());
        let mode = match image.mount_mode {
            Some(DismMountMode::ReadWrite) => "read and write",
            Some(DismMountMode::ReadOnly) => "read only",
            None => NOT_RECORDED,
        };
        let file = recorded(image.image_file_path.as_ref());
        self.field(&margin, "Image file", &file)?;
        self.field(&margin, "Image index", &index)?;
        if let Some(description) = image.image.as_ref().and_then(image_description) {
            self.field(&margin, "Image", &description)?;
        }
        self.field(&margin, "Mode", mode)?;
        match image.mount_id {
            Some(id) => self.field(&margin, "Mount id", &id.to_string())?,
            None => self.field(&margin, "Key", &visible_wide(&image.registry_key))?,
        }
        if let Some(time) = image.registered_at {
            self.field(&margin, "Registered", &time.to_string())?;
        }
        for value in image.other_values.iter().take(MOST) {
            self.field(&margin, "Other value", &other_value(value))?;
        }
        if let Some(more) = left_out(image.other_values.len()) {
            self.field(&margin, "", &more)?;
        }
        for finding in &image.findings {
            self.finding(&margin, finding)?;
        }
        if image.findings.is_empty() {
            let why =
                "the mount was completed, the machine was running, and nothing speaks against it";
            self.paragraph(&format!("{margin}- "), why)?;
        }
        match &image.next_step {
            Some(step) => self.next_step(&margin, step),
            None => Ok(()),
        }
    }

    /// A fact on one line, however long: paths are there to be copied.
    fn field(&mut self, margin: &str, name: &str, value: &str) -> io::Result<()> {
        let name = self.styled(FAINT, &format!("{name:<11}"));
        self.line(&format!("{margin}{name}  {value}"))
    }

    fn finding(&mut self, margin: &str, finding: &Finding) -> io::Result<()> {
        let (mark, style) = match finding.severity {
            Severity::Error => ("!", BAD),
            Severity::Warning => ("!", DOUBTFUL),
            Severity::Note => ("-", FAINT),
        };
        let mark = self.styled(style, mark);
        let basis = match finding.basis {
            Basis::Documented => "(documented)",
            Basis::Observed => "(observed)",
            Basis::Claimed => "(claimed)",
            Basis::Inferred => "(inferred)",
        };
        let basis = self.styled(FAINT, basis);
        let text = format!("{} {basis}", visible(&finding.message));
        self.paragraph(&format!("{margin}{mark} "), &text)
    }

    /// The command has a line of its own, so that it can be copied as it is.
    fn next_step(&mut self, margin: &str, step: &NextStep) -> io::Result<()> {
        let title = self.styled(FAINT, "> next:");
        self.line(&format!("{margin}{title}"))?;
        let margin = format!("{margin}  ");
        let command = self.styled(COMMAND, &visible(&step.command));
        self.line(&format!("{margin}{command}"))?;
        if step.destroys_changes {
            let warning = self.styled(BAD, "This destroys changes that were not committed.");
            self.paragraph(&margin, &warning)?;
        }
        self.paragraph(&margin, &visible(&step.note))
    }

    fn orphan(&mut self, orphan: &OrphanedMount) -> io::Result<()> {
        let margin = "     ";
        let what = self.styled(DOUBTFUL, "Orphaned");
        let path = self.styled(HEADING, &visible_wide(&orphan.mount_path));
        self.line(&format!("  {what}  {path}"))?;
        if let Some(file) = &orphan.image_file_path {
            self.field(margin, "Image file", &visible_wide(file))?;
        }
        if let Some(id) = orphan.mount_id {
            self.field(margin, "Mount id", &id.to_string())?;
        }
        let why = "no registration names this mount directory, so DISM lists nothing";
        self.paragraph(&format!("{margin}- "), why)
    }

    /// Nothing mounted is a result only where the evidence covers the place at which mounts are registered.
    fn nothing_mounted(&mut self, capture: &Capture) -> io::Result<()> {
        let mut warnings = capture.warnings.iter();
        let (style, what, why) = if let Some(warning) = warnings.clone().find(|w| is_elsewhere(w)) {
            let what = "Not known whether anything is mounted:";
            (DOUBTFUL, what, visible(&warning.message()))
        } else if warnings.any(may_hide_mounts) {
            let why = "but not all of the evidence could be used.";
            (DOUBTFUL, "No mounted image was found,", why.to_owned())
        } else {
            let why = r"the evidence covers the key `Microsoft\WIMMount`, and no mount is registered there.";
            (GOOD, "Nothing is mounted:", why.to_owned())
        };
        let what = self.styled(style, what);
        self.paragraph("  ", &format!("{what} {why}"))
    }

    fn warnings(&mut self, capture: &Capture) -> io::Result<()> {
        let warnings = capture.warnings.iter();
        let warnings: Vec<&Warning> = warnings.filter(|warning| !is_elsewhere(warning)).collect();
        if warnings.is_empty() {
            return Ok(());
        }
        writeln!(self.out)?;
        let title = self.styled(DOUBTFUL, "Warnings:");
        self.line(&format!("  {title}"))?;
        for warning in warnings.iter().take(MOST) {
            self.paragraph("  ! ", &visible(&warning.message()))?;
        }
        match left_out(warnings.len()) {
            Some(more) => self.paragraph("  ! ", &more),
            None => Ok(()),
        }
    }

    /// What all captures come to. One capture in which nothing is mounted has said so already.
    fn summary(&mut self, totals: &Totals) -> io::Result<()> {
        let images = totals.images();
        if totals.captures == 1 && images + totals.orphans == 0 {
            return Ok(());
        }
        let mut facts = vec![match images {
            0 => "No mounted images found.".to_owned(),
            _ => {
                let images = counted(images, "mounted image", "mounted images");
                let images = self.styled(HEADING, &images);
                let by_status = totals.images_by_status();
                let by_status = by_status
                    .map(|(statuses, count)| format!("{count} {}", self.statuses(&statuses)));
                format!("{images}: {}.", by_status.collect::<Vec<_>>().join(", "))
            }
        }];
        if totals.orphans > 0 {
            let orphans = counted(
                totals.orphans,
                "orphaned mount directory",
                "orphaned mount directories",
            );
            facts.push(format!("{orphans}."));
        }
        if totals.unread > 0 {
            let text = format!(
                "{} of {} pieces of evidence could not be read.",
                totals.unread, totals.captures
            );
            facts.push(self.styled(BAD, &text));
        }
        writeln!(self.out)?;
        self.paragraph("", &facts.join(" "))
    }

    /// The status, and what else it may be: `Ok or NeedsRemount`.
    fn statuses(&self, statuses: &[DismMountStatus]) -> String {
        let names = statuses
            .iter()
            .map(|status| self.styled(style(*status), status.powershell_text()));
        names.collect::<Vec<_>>().join(" or ")
    }
}

/// What a capture is; where it has mounted images also what was taken for granted about the machine, and what was not examined.
fn description(capture: &Capture) -> String {
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
        Liveness::Running => "The machine is taken to have been running when it was captured.",
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
fn image_description(image: &ImageDescription) -> Option<String> {
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

/// Whether mounts are registered elsewhere: that is told where the mounted images would stand.
fn is_elsewhere(warning: &Warning) -> bool {
    warning.code() == WarningCode::MountRegistryNotInEvidence
}

/// Whether registrations may be missing for what a warning tells.
fn may_hide_mounts(warning: &Warning) -> bool {
    use WarningCode::{SystemHiveNotUsed, TrailingBytes, Wow64Twin};
    !matches!(
        warning.code(),
        Wow64Twin | SystemHiveNotUsed | TrailingBytes
    )
}

fn recorded(text: Option<&WideString>) -> String {
    match text {
        None => not_recorded(),
        Some(text) if text.is_empty() => "(empty)".to_owned(),
        Some(text) => visible_wide(text),
    }
}

fn not_recorded() -> String {
    NOT_RECORDED.to_owned()
}

fn style(status: DismMountStatus) -> Style {
    match status {
        DismMountStatus::Ok => GOOD,
        DismMountStatus::NeedsRemount => DOUBTFUL,
        DismMountStatus::Invalid => BAD,
    }
}

/// A value of which nothing is known: text as text, everything else as bytes.
fn other_value(value: &OtherValue) -> String {
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
