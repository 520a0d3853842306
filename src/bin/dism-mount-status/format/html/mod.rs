//! `--format html`: one file for people, that needs nothing else.
//!
//! It can be read without its script, which only filters; it loads nothing, and its content security policy lets nothing run or
//! load but its own style and script, by their hashes. The summary stands first, so what is written for each capture is kept
//! until the end.

mod card;
mod markup;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use dism_mount_status::{Capture, Report};

use self::card::Entry;
use self::markup::{evidence, message, text};
use super::totals::Totals;
use super::{ReportWriter, wording};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// `sha256-` and the digest in Base64, as a content security policy names what may run. A test holds them.
const STYLE_HASH: &str = "sha256-Xswh43yk2posUji8cA0LtLFLyCn8RIRtAhnnERtV1ls=";
const SCRIPT_HASH: &str = "sha256-AvkJRzDXMk1AubyUqnEWNHdbSKOmCnyK2iJJNRsQ0RY=";

/// How many warnings of a capture are shown; the JSON form has them all.
const MOST_WARNINGS: usize = 100;

/// What the filter can leave out, in the order of its boxes.
const KINDS: [(&str, &str); 6] = [
    ("invalid", "Invalid"),
    ("needs-remount", "NeedsRemount"),
    ("ok", "Ok"),
    ("orphaned", "Orphaned"),
    ("unreadable", "Not readable"),
    ("nothing", "No mounts found"),
];

/// The report.
#[derive(Debug, Default)]
pub(crate) struct Page {
    totals: Totals,
    /// How many entries there are of each kind.
    kinds: BTreeMap<&'static str, usize>,
    entries: usize,
    rows: String,
    sections: String,
}

impl ReportWriter for Page {
    fn capture(&mut self, capture: &Capture, _out: &mut dyn Write) -> io::Result<()> {
        self.totals.add(capture);
        self.open_section(capture);
        if let Some(error) = &capture.error {
            self.entry(capture, card::unreadable(&wording::reason(capture, error)));
        }
        for (number, image) in capture.mounted_images.iter().enumerate() {
            self.entry(capture, card::image(image, number + 1));
        }
        for orphan in &capture.orphaned_mounts {
            self.entry(capture, card::orphan(orphan));
        }
        if capture.mounted_images.is_empty() && capture.error.is_none() {
            self.entry(capture, card::nothing(capture));
        }
        self.close_section(capture);
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.write_head(out)?;
        writeln!(out, "<main>")?;
        self.write_table(out)?;
        out.write_all(self.sections.as_bytes())?;
        writeln!(
            out,
            "</main>\n{FOOTER}<script>{SCRIPT}</script>\n</body>\n</html>"
        )
    }
}

const FOOTER: &str = "<footer>
<h2>How to read this</h2>
<p><b>Ok</b>: mounted, ready for servicing. <b>NeedsRemount</b>: has to be remounted before servicing. <b>Invalid</b>: the mount is broken. \
Where evidence cannot tell, the statuses that it leaves possible are named. <b>Orphaned</b>: a mount directory that DISM does not list.</p>
<p>Each reason says on what it rests: <b>documented</b> by Microsoft; <b>observed</b> for real, or relied on by working code; \
<b>claimed</b> by one party; <b>inferred</b> by this tool.</p>
<p>Times are in UTC. Characters of evidence that are not seen, or act on the text around them, are shown as code points, such as \\u{202e}.</p>
</footer>
";

impl Page {
    fn open_section(&mut self, capture: &Capture) {
        let title = evidence(&wording::title(capture));
        let _ = writeln!(
            self.sections,
            "<section class=\"capture\">\n<h2>{title}</h2>"
        );
        if capture.error.is_none() {
            let description = message(&wording::description(capture));
            let shutdown = capture.last_shutdown.map_or(String::new(), |time| {
                format!(" Last clean shutdown: {}.", text(&time.to_string()))
            });
            let _ = writeln!(
                self.sections,
                "<p class=\"description\">{description}{shutdown}</p>"
            );
        }
    }

    fn close_section(&mut self, capture: &Capture) {
        let warnings = wording::warnings(capture);
        if !warnings.is_empty() {
            self.sections.push_str(
                "<div class=\"card\"><h3>What could not be used</h3>\n<ul class=\"warnings\">\n",
            );
            for warning in warnings.iter().take(MOST_WARNINGS) {
                let _ = writeln!(
                    self.sections,
                    "<li>{} <small><code>{}</code></small></li>",
                    message(&warning.message()),
                    warning.code()
                );
            }
            if let Some(more) = warnings.len().checked_sub(MOST_WARNINGS).filter(|n| *n > 0) {
                let _ = writeln!(
                    self.sections,
                    "<li>and {more} more, which <code>--format json</code> shows</li>"
                );
            }
            self.sections.push_str("</ul></div>\n");
        }
        self.sections.push_str("</section>\n");
    }

    /// Adds a row to the table and a card below.
    fn entry(&mut self, capture: &Capture, entry: Entry) {
        self.entries += 1;
        let number = self.entries;
        for kind in &entry.kinds {
            *self.kinds.entry(kind).or_default() += 1;
        }
        let [mut directory, file, index] = entry.cells;
        let mut evidence = evidence(&wording::title(capture));
        let link = match directory.is_empty() {
            true => &mut evidence,
            false => &mut directory,
        };
        *link = format!("<a href=\"#entry-{number}\">{link}</a>");
        let _ = writeln!(
            self.rows,
            "<tr data-kinds=\"{}\" data-card=\"entry-{number}\"><td>{}</td><td>{directory}</td>\
             <td data-label=\"Image file\">{file}</td><td data-label=\"Index\">{index}</td><td data-label=\"Evidence\">{evidence}</td></tr>",
            entry.kinds.join(" "),
            entry.pills,
        );
        let _ = writeln!(
            self.sections,
            "<article class=\"{}\" id=\"entry-{number}\">\n{}</article>",
            entry.class, entry.body
        );
    }

    fn write_head(&self, out: &mut dyn Write) -> io::Result<()> {
        let tool = Report::new(Vec::new()).tool;
        let images = wording::counted(self.totals.images(), "mounted image", "mounted images");
        let captures = wording::counted(self.totals.captures, "capture", "captures");
        write!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{STYLE_HASH}'; script-src '{SCRIPT_HASH}'; base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
             <meta name=\"generator\" content=\"{name} {version}\">\n\
             <title>DISM mount state: {images} in {captures}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n\
             <h1>DISM mount state</h1>\n<p class=\"meta\">{images} in {captures}, examined offline by {name} {version}</p>\n<ul class=\"totals\">\n",
            name = tool.name,
            version = tool.version,
        )?;
        // What wants attention first.
        let by_status: Vec<_> = self.totals.images_by_status().collect();
        for (statuses, count) in by_status.into_iter().rev() {
            let class = match statuses[..] {
                [status] => card::status_kind(status),
                _ => "",
            };
            tile(class, count, &wording::either(&statuses), out)?;
        }
        for (class, count, one, more) in [
            (
                "orphaned",
                self.totals.orphans,
                "orphaned directory",
                "orphaned directories",
            ),
            (
                "unreadable",
                self.totals.unread,
                "capture not readable",
                "captures not readable",
            ),
            (
                "",
                self.totals.warnings,
                "warning about evidence",
                "warnings about evidence",
            ),
        ] {
            match count {
                0 => (),
                1 => tile(class, count, one, out)?,
                _ => tile(class, count, more, out)?,
            }
        }
        if self.totals.images() + self.totals.orphans == 0 {
            tile("", 0, "mounted images", out)?;
        }
        writeln!(out, "</ul>\n</header>")
    }

    fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "<h2 id=\"overview\">Overview</h2>\n<form id=\"filter\" hidden>\n\
             <input type=\"search\" placeholder=\"Filter by any text\" aria-label=\"Filter by any text\">"
        )?;
        for (kind, label) in KINDS {
            if let Some(count) = self.kinds.get(kind) {
                writeln!(
                    out,
                    "<label><input type=\"checkbox\" value=\"{kind}\" checked> {label} ({count})</label>"
                )?;
            }
        }
        write!(
            out,
            "</form>\n<p id=\"shown\" role=\"status\" hidden></p>\n<table aria-labelledby=\"overview\">\n<thead><tr>\
             <th scope=\"col\" class=\"status\">Status</th><th scope=\"col\" class=\"directory\">Mount directory</th><th scope=\"col\" class=\"file\">Image file</th>\
             <th scope=\"col\" class=\"index\">Index</th><th scope=\"col\">Evidence</th></tr></thead>\n<tbody>\n{}</tbody>\n</table>\n",
            self.rows
        )
    }
}

fn tile(class: &str, count: usize, label: &str, out: &mut dyn Write) -> io::Result<()> {
    match class {
        "" => writeln!(out, "<li><b>{count}</b> {label}</li>"),
        _ => writeln!(out, "<li class=\"{class}\"><b>{count}</b> {label}</li>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn hash(text: &str) -> String {
        let digest = Sha256::digest(text);
        format!("sha256-{}", data_encoding::BASE64.encode(&digest))
    }

    #[test]
    fn the_policy_names_the_style_and_the_script() {
        assert_eq!(STYLE_HASH, hash(STYLE));
        assert_eq!(SCRIPT_HASH, hash(SCRIPT));
    }
}
