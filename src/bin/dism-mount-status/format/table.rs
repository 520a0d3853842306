//! `--format table`: for reading. Each image with its status, the reasons, and what to do next.

use std::io::{self, Write};

use anstyle::Style;
use dism_mount_status::visible::{visible, visible_wide};
use dism_mount_status::{
    Capture, DismMountStatus, Finding, MountedImage, NextStep, OrphanedMount, Severity,
};

use super::ReportWriter;
use super::totals::Totals;
use super::wording::{self, counted};
use crate::layout::{BAD, COMMAND, DOUBTFUL, FAINT, GOOD, HEADING, Layout, MOST, left_out};

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
        let name = self.styled(HEADING, &wording::title(capture));
        self.line(&name)?;
        if let Some(error) = &capture.error {
            let text = wording::reason(capture, error);
            let what = self.styled(BAD, "Error:");
            return self.paragraph("  ", &format!("{what} {text}"));
        }
        self.paragraph("  ", &wording::description(capture))?;
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
        let mount_path = self.styled(HEADING, &wording::recorded(image.mount_path.as_ref()));
        let statuses = self.statuses(&wording::statuses(image));
        self.line(&format!("{label}{statuses}  {mount_path}"))?;
        let file = wording::recorded(image.image_file_path.as_ref());
        self.field(&margin, "Image file", &file)?;
        self.field(&margin, "Image index", &wording::index(image))?;
        if let Some(description) = image.image.as_ref().and_then(wording::image_description) {
            self.field(&margin, "Image", &description)?;
        }
        self.field(&margin, "Mode", wording::mode(image))?;
        match image.mount_id {
            Some(id) => self.field(&margin, "Mount id", &id.to_string())?,
            None => self.field(&margin, "Key", &visible_wide(&image.registry_key))?,
        }
        if let Some(time) = image.registered_at {
            self.field(&margin, "Key written", &time.to_string())?;
        }
        for value in image.other_values.iter().take(MOST) {
            self.field(&margin, "Other value", &wording::other_value(value))?;
        }
        if let Some(more) = left_out(image.other_values.len()) {
            self.field(&margin, "", &more)?;
        }
        for finding in &image.findings {
            self.finding(&margin, finding)?;
        }
        if image.findings.is_empty() {
            self.paragraph(&format!("{margin}- "), wording::NO_FINDINGS)?;
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
        let basis = format!("({})", wording::basis(finding.basis));
        let basis = self.styled(FAINT, &basis);
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
            let warning = self.styled(BAD, wording::DESTROYS_CHANGES);
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
        let basis = format!("({})", wording::basis(orphan.basis));
        let basis = self.styled(FAINT, &basis);
        let why = format!("{} {basis}", wording::orphaned(orphan));
        self.paragraph(&format!("{margin}- "), &why)?;
        self.next_step(margin, &orphan.next_step)
    }

    fn nothing_mounted(&mut self, capture: &Capture) -> io::Result<()> {
        let nothing = wording::nothing_mounted(capture);
        let style = if nothing.is_certain { GOOD } else { DOUBTFUL };
        let what = self.styled(style, nothing.what);
        self.paragraph("  ", &format!("{what} {}", nothing.why))
    }

    fn warnings(&mut self, capture: &Capture) -> io::Result<()> {
        let warnings = wording::warnings(capture);
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
        let mut facts = Vec::new();
        if totals.captures > 1 {
            facts.push(format!("{} captures.", totals.captures));
        }
        facts.push(match images {
            0 => "No mounted images found.".to_owned(),
            _ => {
                let images = counted(images, "mounted image", "mounted images");
                let images = self.styled(HEADING, &images);
                let by_status = totals.images_by_status();
                let by_status = by_status
                    .map(|(statuses, count)| format!("{count} {}", self.statuses(&statuses)));
                format!("{images}: {}.", by_status.collect::<Vec<_>>().join(", "))
            }
        });
        if totals.orphans > 0 {
            let orphans = counted(
                totals.orphans,
                "orphaned mount directory",
                "orphaned mount directories",
            );
            facts.push(format!("{orphans}."));
        }
        if totals.unread > 0 {
            let text = match totals.captures {
                1 => "The evidence could not be read.".to_owned(),
                _ => format!("{} could not be read.", totals.unread),
            };
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

fn style(status: DismMountStatus) -> Style {
    match status {
        DismMountStatus::Ok => GOOD,
        DismMountStatus::NeedsRemount => DOUBTFUL,
        DismMountStatus::Invalid => BAD,
    }
}
