//! `--format csv`: a row per mounted image, orphaned mount directory, and capture that has neither or could not be read.
//!
//! RFC 4180: commas, CRLF, quotes doubled, a header. UTF-8 without a byte order mark. The columns are fixed.

use std::io::{self, Write};

use dism_mount_status::visible::{visible, visible_wide};
use dism_mount_status::{Capture, DismMountMode, MountedImage, OrphanedMount, WideString};
use serde::Serialize;

use super::ReportWriter;

/// The columns, in their order.
const COLUMNS: [&str; 21] = [
    "record",
    "evidence",
    "part",
    "kind",
    "captured",
    "mount_id",
    "registry_key",
    "registered_at",
    "mount_path",
    "image_file_path",
    "image_index",
    "mount_mode",
    "mount_status",
    "possible_statuses",
    "mount_flags",
    "progress_value",
    "findings",
    "next_step",
    "destroys_changes",
    "warnings",
    "error",
];

/// The table.
#[derive(Debug)]
pub(crate) struct Csv;

/// A row: a cell for every column, empty where there is nothing to say.
#[derive(Default)]
struct Row<'a> {
    record: &'a str,
    mount_id: String,
    registry_key: String,
    registered_at: String,
    mount_path: String,
    image_file_path: String,
    image_index: String,
    mount_mode: &'a str,
    mount_status: &'a str,
    possible_statuses: String,
    mount_flags: String,
    progress_value: String,
    findings: String,
    next_step: String,
    destroys_changes: String,
    error: String,
}

impl ReportWriter for Csv {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        write_row(COLUMNS, out)
    }

    fn capture(&mut self, capture: &Capture, out: &mut dyn Write) -> io::Result<()> {
        for image in &capture.mounted_images {
            write_record(capture, Row::of_image(image), out)?;
        }
        for orphan in &capture.orphaned_mounts {
            write_record(capture, Row::of_orphan(orphan), out)?;
        }
        if let Some(error) = &capture.error {
            let row = Row {
                record: "unreadable",
                error: visible(&error.message),
                ..Row::default()
            };
            write_record(capture, row, out)?;
        } else if capture.mounted_images.is_empty() && capture.orphaned_mounts.is_empty() {
            let row = Row {
                record: "no-mounts-found",
                ..Row::default()
            };
            write_record(capture, row, out)?;
        }
        Ok(())
    }
}

impl<'a> Row<'a> {
    fn of_image(image: &'a MountedImage) -> Self {
        let mut findings = Vec::with_capacity(image.findings.len());
        for finding in &image.findings {
            let code = finding.code.as_str();
            if !findings.contains(&code) {
                findings.push(code);
            }
        }
        let statuses = image.possible_statuses.iter();
        let step = image.next_step.as_ref();
        Row {
            record: "mounted-image",
            mount_id: cell(image.mount_id),
            registry_key: visible_wide(&image.registry_key),
            registered_at: cell(image.registered_at.and_then(|time| time.to_rfc3339())),
            mount_path: text(image.mount_path.as_ref()),
            image_file_path: text(image.image_file_path.as_ref()),
            image_index: cell(image.image_index),
            mount_mode: image.mount_mode.map_or("", DismMountMode::powershell_text),
            mount_status: image.mount_status.powershell_text(),
            possible_statuses: list(statuses.map(|status| status.powershell_text())),
            mount_flags: list(image.mount_flags.names()),
            progress_value: cell(image.progress_value),
            findings: list(findings),
            next_step: step.map_or(String::new(), |step| visible(&step.command)),
            destroys_changes: cell(step.map(|step| step.destroys_changes)),
            error: String::new(),
        }
    }

    fn of_orphan(orphan: &OrphanedMount) -> Self {
        Row {
            record: "orphaned-mount",
            mount_id: cell(orphan.mount_id),
            mount_path: visible_wide(&orphan.mount_path),
            image_file_path: text(orphan.image_file_path.as_ref()),
            next_step: visible(&orphan.next_step.command),
            destroys_changes: orphan.next_step.destroys_changes.to_string(),
            ..Row::default()
        }
    }
}

/// Writes a row with what it has from its capture.
fn write_record(capture: &Capture, row: Row<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut warnings: Vec<&str> = capture.warnings.iter().map(|w| w.code().as_str()).collect();
    warnings.sort_unstable();
    warnings.dedup();
    let cells: [&str; COLUMNS.len()] = [
        row.record,
        &visible(&capture.evidence),
        &capture.part.as_deref().map_or(String::new(), visible),
        &name(capture.kind)?,
        &name(capture.captured)?,
        &row.mount_id,
        &row.registry_key,
        &row.registered_at,
        &row.mount_path,
        &row.image_file_path,
        &row.image_index,
        row.mount_mode,
        row.mount_status,
        &row.possible_statuses,
        &row.mount_flags,
        &row.progress_value,
        &row.findings,
        &row.next_step,
        &row.destroys_changes,
        &list(warnings),
        &row.error,
    ];
    write_row(cells, out)
}

fn write_row(cells: [&str; COLUMNS.len()], out: &mut dyn Write) -> io::Result<()> {
    for (number, cell) in cells.into_iter().enumerate() {
        if number > 0 {
            write!(out, ",")?;
        }
        write!(out, "{}", quoted(&without_formulas(cell)))?;
    }
    write!(out, "\r\n")
}

/// A value that may be missing.
fn cell(value: Option<impl ToString>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// A text that may be missing, in which everything is seen.
fn text(text: Option<&WideString>) -> String {
    text.map_or(String::new(), visible_wide)
}

/// Names that have no blanks, with blanks between them.
fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(" ")
}

/// The name that a unit variant has in JSON; nothing for null.
fn name(variant: impl Serialize) -> serde_json::Result<String> {
    let name = serde_json::to_string(&variant)?;
    Ok(
        match name
            .strip_prefix('"')
            .and_then(|name| name.strip_suffix('"'))
        {
            Some(name) => name.to_owned(),
            None => String::new(),
        },
    )
}

/// Puts an apostrophe before what a spreadsheet would take for a formula: at the start, and behind a semicolon, at which some
/// spreadsheets part the cells of a file however it is quoted.
///
/// Control characters, which some skip before a formula, do not get here: they are shown as code points.
fn without_formulas(cell: &str) -> String {
    if cell == "-" {
        return cell.to_owned();
    }
    let mut safe = String::with_capacity(cell.len() + 1);
    for (number, part) in cell.split(';').enumerate() {
        if number > 0 {
            safe.push(';');
        }
        // The wide forms are taken for the narrow ones in East Asian settings; a quote may stand before a formula's sign.
        let start = part.trim_start_matches([' ', '\u{3000}', '"']);
        if start.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) {
            safe.push('\'');
        }
        safe.push_str(part);
    }
    safe
}

/// A cell in quotes, where it has to be.
fn quoted(cell: &str) -> String {
    let is_plain = !cell.contains(['"', ',', ';', '\r', '\n', '\t'])
        && !cell.starts_with(' ')
        && !cell.ends_with(' ');
    match is_plain {
        true => cell.to_owned(),
        false => format!("\"{}\"", cell.replace('"', "\"\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_get_an_apostrophe_wherever_a_cell_may_begin() {
        for (cell, safe) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(1)", "'@SUM(1)"),
            (" =1", "' =1"),
            ("\"=1", "'\"=1"),
            ("＝1", "'＝1"),
            ("C:\\a;=1", "C:\\a;'=1"),
            ("C:\\a=1", "C:\\a=1"),
            ("-", "-"),
            ("", ""),
        ] {
            assert_eq!(without_formulas(cell), safe);
        }
    }

    #[test]
    fn quotes_stand_only_where_they_must() {
        for (cell, written) in [
            ("C:\\mount", "C:\\mount"),
            ("a \"b\"", "\"a \"\"b\"\"\""),
            ("a,b", "\"a,b\""),
            ("a;b", "\"a;b\""),
            (" a", "\" a\""),
            ("", ""),
        ] {
            assert_eq!(quoted(cell), written);
        }
    }
}
