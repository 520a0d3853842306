//! `--format json` and `--format jsonl`: the report for programs.
//!
//! Nothing here goes through `serde_json::Value`: it cannot hold lone surrogates, which the report carries exactly.

use std::io::{self, Write};

use dism_mount_status::{Capture, CaptureError, Liveness, MountedImage, Report};
use schemars::JsonSchema;
use serde::Serialize;

use super::ReportWriter;

/// The whole report as one document.
#[derive(Debug, Default)]
pub(crate) struct Document {
    has_captures: bool,
}

/// What closes a report without captures, from the end of its list of captures on.
const CLOSING: &str = "]\n}";
/// What stands before each line of a capture in the document.
const INDENT: &str = "    ";

impl ReportWriter for Document {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let empty = serde_json::to_string_pretty(&Report::new(Vec::new()))?;
        out.write_all(empty.strip_suffix(CLOSING).unwrap_or(&empty).as_bytes())
    }

    fn capture(&mut self, capture: &Capture, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(if self.has_captures { b",\n" } else { b"\n" })?;
        self.has_captures = true;
        out.write_all(INDENT.as_bytes())?;
        Ok(serde_json::to_writer_pretty(
            Indented::new(out, INDENT),
            capture,
        )?)
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.has_captures {
            out.write_all(b"\n  ")?;
        }
        writeln!(out, "{CLOSING}")
    }
}

/// Indents every line but the first. Line feeds in the text are not there: JSON escapes them.
pub(super) struct Indented<'a> {
    out: &'a mut dyn Write,
    indent: &'static str,
}

impl<'a> Indented<'a> {
    /// Writes to `out`, with this before each line.
    pub(super) fn new(out: &'a mut dyn Write, indent: &'static str) -> Self {
        Indented { out, indent }
    }
}

impl Write for Indented<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.out.write_all(line)?;
            if line.ends_with(b"\n") {
                self.out.write_all(self.indent.as_bytes())?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A line per mounted image, and one per capture that could not be read.
#[derive(Debug)]
pub(crate) struct Lines;

impl ReportWriter for Lines {
    fn capture(&mut self, capture: &Capture, out: &mut dyn Write) -> io::Result<()> {
        let evidence = &capture.evidence;
        let part = capture.part.as_deref();
        for image in &capture.mounted_images {
            let line = Line::Image {
                evidence,
                part,
                captured: capture.captured,
                image,
            };
            write_line(&line, out)?;
        }
        match &capture.error {
            Some(error) => {
                let line = Line::Error {
                    evidence,
                    part,
                    error,
                };
                write_line(&line, out)
            }
            None => Ok(()),
        }
    }
}

/// Writes one object on a line of its own.
pub(super) fn write_line(line: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    writeln!(out)
}

/// A line: a mounted image, or evidence that could not be read.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(deny_unknown_fields)]
pub(crate) enum Line<'a> {
    /// A mounted image.
    Image {
        /// The evidence, as it was named.
        evidence: &'a str,
        /// Which part of the evidence; missing for the whole.
        #[serde(skip_serializing_if = "Option::is_none")]
        part: Option<&'a str>,
        /// Whether the machine was running when it was captured.
        captured: Liveness,
        #[serde(flatten)]
        image: &'a MountedImage,
    },
    /// Evidence that could not be read.
    Error {
        /// The evidence, as it was named.
        evidence: &'a str,
        /// Which part of the evidence; missing for the whole.
        #[serde(skip_serializing_if = "Option::is_none")]
        part: Option<&'a str>,
        /// Why.
        error: &'a CaptureError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_what_serde_makes_of_the_whole_report() {
        let unreadable = |name: &str| {
            let error = "a\nb".parse::<dism_mount_status::DismMountStatus>();
            Capture::unreadable(name, &error.unwrap_err())
        };
        for count in 0..3 {
            let captures: Vec<Capture> = (0..count).map(|n| unreadable(&n.to_string())).collect();
            let report = Report::new(captures);
            let mut out = Vec::new();
            let mut document = Document::default();
            document.begin(&mut out).unwrap();
            for capture in &report.captures {
                document.capture(capture, &mut out).unwrap();
            }
            document.end(&mut out).unwrap();
            let whole = serde_json::to_string_pretty(&report).unwrap() + "\n";
            assert_eq!(String::from_utf8(out).unwrap(), whole);
        }
    }
}
