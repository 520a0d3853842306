//! The output formats, one file each.
//!
//! Every format takes captures one at a time, as they become ready, and keeps of them no more than it needs for what follows:
//! counts, mostly. So a hundred thousand captures take no more memory than the largest of them.

mod csv;
mod dism;
mod github;
mod html;
mod json;
mod powershell;
mod sarif;
mod summary;
mod table;
mod timeline;
mod totals;
mod wording;

use std::io::{self, Write};

use dism_mount_status::Capture;

use crate::arguments::{Arguments, Format};
use crate::layout::Layout;
pub(crate) use json::Line as JsonLine;

/// Writes captures in one format: `begin`, then `capture` for each, then `end`, all to the same place.
pub(crate) trait ReportWriter {
    /// Writes what stands before the first capture.
    fn begin(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    /// Writes one capture.
    fn capture(&mut self, capture: &Capture, out: &mut dyn Write) -> io::Result<()>;

    /// Writes what stands after the last capture.
    fn end(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// The writer of the format that was asked for; `layout` is for those made for reading.
pub(crate) fn writer(arguments: &Arguments, layout: Layout) -> Box<dyn ReportWriter> {
    match arguments.format {
        Format::Table => Box::new(table::Table::new(layout)),
        Format::Dism => Box::new(dism::Listing::default()),
        Format::Powershell => Box::new(powershell::Listing::default()),
        Format::Json => Box::new(json::Document::default()),
        Format::Jsonl => Box::new(json::Lines),
        Format::Csv => Box::new(csv::Csv),
        Format::Sarif => Box::new(sarif::Sarif::default()),
        Format::Github => Box::new(github::Annotations::new(arguments.fail_on)),
        Format::Timeline => Box::new(timeline::Timeline),
        Format::Html => Box::new(html::Page::default()),
        Format::Summary => Box::new(summary::Summary::default()),
    }
}
