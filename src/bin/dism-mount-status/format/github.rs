//! `--format github`: workflow commands, by which GitHub Actions shows annotations.
//!
//! The escaping is that of GitHub's own toolkit: `%`, CR and LF in messages, and `:` and `,` as well in properties.

use std::io::{self, Write};

use dism_mount_status::visible::{visible, visible_wide};
use dism_mount_status::{Capture, DismMountStatus, MountedImage, NextStep};

use super::{ReportWriter, wording};
use crate::arguments::FailOn;
use crate::exit::Outcome;
use crate::layout::{MOST, left_out};

/// An annotation per mounted image, orphaned mount directory, warning and capture that could not be read.
#[derive(Debug)]
pub(crate) struct Annotations {
    fail_on: FailOn,
}

impl Annotations {
    /// Annotations that are errors where the exit code is 1 for them.
    pub(crate) fn new(fail_on: FailOn) -> Self {
        Annotations { fail_on }
    }

    /// What fails the job is an error, and so is what is broken. An image that is mounted and whole is worth a notice.
    fn level(&self, status: DismMountStatus) -> &'static str {
        match status {
            _ if Outcome::of_status(status, self.fail_on) == Outcome::Found => "error",
            DismMountStatus::Invalid => "error",
            DismMountStatus::NeedsRemount => "warning",
            DismMountStatus::Ok => "notice",
        }
    }
}

impl ReportWriter for Annotations {
    fn capture(&mut self, capture: &Capture, out: &mut dyn Write) -> io::Result<()> {
        if let Some(error) = &capture.error {
            let reason = wording::reason(capture, error);
            annotate("error", capture, "Evidence could not be read", &reason, out)?;
        }
        for image in &capture.mounted_images {
            let status = wording::either(&wording::statuses(image));
            let title = format!("Mounted image: {status}");
            annotate(
                self.level(image.mount_status),
                capture,
                &title,
                &message(image),
                out,
            )?;
        }
        for orphan in &capture.orphaned_mounts {
            let path = visible_wide(&orphan.mount_path);
            let basis = wording::basis(orphan.basis);
            let next_step = next_step(&orphan.next_step);
            let message = format!(
                "{path}: {} ({basis})\n{next_step}",
                wording::orphaned(orphan)
            );
            annotate(
                "warning",
                capture,
                "Orphaned mount directory",
                &message,
                out,
            )?;
        }
        // GitHub shows ten annotations of a kind.
        for warning in capture.warnings.iter().take(MOST) {
            let title = format!("Evidence not used: {}", warning.code());
            let message = visible(&warning.message());
            annotate("warning", capture, &title, &message, out)?;
        }
        match left_out(capture.warnings.len()) {
            Some(more) => annotate("warning", capture, "Evidence not used", &more, out),
            None => Ok(()),
        }
    }
}

/// What is mounted, why it has its status, and what to do next, each on a line.
fn message(image: &MountedImage) -> String {
    let mut lines = vec![format!(
        "{}, image {} of {}",
        wording::recorded(image.mount_path.as_ref()),
        wording::index(image),
        wording::recorded(image.image_file_path.as_ref())
    )];
    lines.extend(image.findings.iter().map(|finding| {
        let basis = wording::basis(finding.basis);
        format!("{} ({basis})", visible(&finding.message))
    }));
    if image.findings.is_empty() {
        lines.push(wording::NO_FINDINGS.to_owned());
    }
    lines.extend(image.next_step.as_ref().map(next_step));
    lines.join("\n")
}

fn next_step(step: &NextStep) -> String {
    let warning = match step.destroys_changes {
        true => format!(" ({})", wording::DESTROYS_CHANGES),
        false => String::new(),
    };
    format!(
        "Next: {}{warning}\n{}",
        visible(&step.command),
        visible(&step.note)
    )
}

fn annotate(
    level: &str,
    capture: &Capture,
    title: &str,
    message: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let title = match &capture.part {
        Some(part) => format!("{title} ({})", visible(part)),
        None => title.to_owned(),
    };
    // Standard input is no file that an annotation could stand at.
    let file = match capture.evidence.as_str() {
        "-" => String::new(),
        evidence => format!("file={},", property(&visible(evidence))),
    };
    writeln!(
        out,
        "::{level} {file}title={}::{}",
        property(&title),
        data(message)
    )
}

/// A message.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property's value.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_the_toolkit() {
        assert_eq!(data("50%, C:\\a\r\nb"), "50%25, C:\\a%0D%0Ab");
        assert_eq!(property("50%, C:\\a\n"), "50%25%2C C%3A\\a%0A");
    }
}
