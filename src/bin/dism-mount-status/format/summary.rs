//! `--format summary`: counts alone, for many captures.

use std::io::{self, Write};

use dism_mount_status::Capture;

use super::ReportWriter;
use super::totals::Totals;
use super::wording::either;

/// What all captures come to, a count a line.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    totals: Totals,
}

impl ReportWriter for Summary {
    fn capture(&mut self, capture: &Capture, _out: &mut dyn Write) -> io::Result<()> {
        self.totals.add(capture);
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let totals = &self.totals;
        let mut rows = vec![
            ("captures".to_owned(), totals.captures),
            ("  could not be read".to_owned(), totals.unread),
            ("mounted images".to_owned(), totals.images()),
        ];
        let by_status = totals.images_by_status();
        rows.extend(by_status.map(|(statuses, count)| (format!("  {}", either(&statuses)), count)));
        rows.push(("orphaned mount directories".to_owned(), totals.orphans));
        rows.push(("warnings".to_owned(), totals.warnings));
        let names = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let counts = rows.iter().map(|(_, count)| count.to_string().len());
        let counts = counts.max().unwrap_or(0);
        for (name, count) in &rows {
            writeln!(out, "{name:<names$}  {count:>counts$}")?;
        }
        Ok(())
    }
}
