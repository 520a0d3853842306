//! `--format json` and `--format jsonl`: the report for programs.
//!
//! Nothing here goes through `serde_json::Value`: it cannot hold lone surrogates, which the report carries exactly.

use std::io::{self, Write};

use dism_mount_status::{CaptureError, Liveness, MountedImage, Report};
use serde::Serialize;

/// Writes the whole report as one document.
pub(crate) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

/// Writes a line per mounted image, and one per capture that could not be read.
pub(crate) fn write_lines(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for capture in &report.captures {
        let evidence = &capture.evidence;
        for image in &capture.mounted_images {
            let captured = capture.captured;
            write_line(
                &ImageLine {
                    evidence,
                    captured,
                    image,
                },
                out,
            )?;
        }
        if let Some(error) = &capture.error {
            write_line(&ErrorLine { evidence, error }, out)?;
        }
    }
    Ok(())
}

fn write_line(line: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    writeln!(out)
}

#[derive(Serialize)]
struct ImageLine<'a> {
    evidence: &'a str,
    captured: Liveness,
    #[serde(flatten)]
    image: &'a MountedImage,
}

#[derive(Serialize)]
struct ErrorLine<'a> {
    evidence: &'a str,
    error: &'a CaptureError,
}
