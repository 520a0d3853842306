//! What is said on standard error, beside the output.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use dism_mount_status::Capture;

use crate::arguments::{Arguments, Format};
use crate::layout::{MOST, left_out};
use crate::output::Destination;
use dism_mount_status::visible::visible;

/// Says what the format leaves out: errors always, unless they were just seen in the table, and warnings.
pub(crate) fn about(capture: &Capture, arguments: &Arguments, destination: &Destination) {
    let seen = arguments.format == Format::Table && destination.is_terminal();
    if !arguments.quiet && !carries_warnings(arguments.format) {
        let name = match &capture.part {
            Some(part) => format!("{}, {part}", capture.evidence),
            None => capture.evidence.clone(),
        };
        let texts = capture.warnings.iter().map(|warning| warning.message());
        for text in texts.take(MOST).chain(left_out(capture.warnings.len())) {
            warning(&format!("{name}: {text}"));
        }
    }
    if let Some(reason) = &capture.error
        && !seen
    {
        error(&reason.message);
    }
}

/// Says which options were of no use for the only piece of evidence.
pub(crate) fn about_options(capture: &Capture, arguments: &Arguments) {
    if let Some(kind) = capture.kind {
        for text in arguments.unused_for(kind) {
            warning(&text);
        }
    }
}

/// Says how many of the files that were found hold nothing to judge.
pub(crate) fn passed_over(count: u64) {
    let text = format!(
        "archives, WIM files and disk images passed over, as there is no Windows and no registry export in them: {count}"
    );
    say(AnsiColor::Cyan, "note", &text);
}

fn carries_warnings(format: Format) -> bool {
    match format {
        Format::Table | Format::Json | Format::Sarif | Format::Github | Format::Html => true,
        // CSV has their codes only.
        Format::Dism
        | Format::Powershell
        | Format::Jsonl
        | Format::Csv
        | Format::Timeline
        | Format::Summary => false,
    }
}

/// Says what went wrong.
pub(crate) fn error(text: &str) {
    say(AnsiColor::Red, "error", text);
}

fn warning(text: &str) {
    say(AnsiColor::Yellow, "warning", text);
}

fn say(color: AnsiColor, kind: &str, text: &str) {
    let style = Style::new().bold().fg_color(Some(color.into()));
    // Standard error may be closed: then there is nobody to tell.
    let _ = writeln!(
        anstream::stderr(),
        "{style}{kind}{style:#}: {}",
        visible(text)
    );
}
