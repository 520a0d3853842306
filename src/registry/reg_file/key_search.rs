//! Finds the keys of the mount registry in a `.reg` file of any size without decoding what lies between.
//!
//! A full export of `HKLM\SOFTWARE` has hundreds of megabytes of which a kilobyte matters. So the raw bytes are searched for a
//! few characters of the key's name; only the line in which they stand is looked at.

use std::io::Read;

use aho_corasick::{AhoCorasick, packed};
use memchr::memmem;

use super::syntax;
use crate::error::Error;
use crate::registry::line_source::{LineSource, TextEncoding};

/// The level of a key's path that makes it interesting, in lower case.
const WANTED: &[u8] = b"wimmount";
/// The part of it that is searched for: its first two letters are rare in registry text.
const PROBE: &[u8] = b"mmou";
/// How a deletion begins: that of any level above the mount registry matters too.
const DELETION: &[u8] = b"[-";

/// Whether a key's path (WTF-8) leads to the mount registry, or near it.
pub(super) fn is_wanted(path: &[u8]) -> bool {
    memmem::find(&path.to_ascii_lowercase(), WANTED).is_some()
}

/// Goes from one key of the mount registry to the next.
#[derive(Debug)]
pub(super) struct KeySearch {
    finder: Finder,
    /// Up to this byte of the file, lines are read one by one.
    read_until: u64,
}

#[derive(Debug)]
enum Finder {
    Packed(packed::Searcher),
    /// For processors without the vector instructions that the other needs.
    Automaton(AhoCorasick),
}

impl KeySearch {
    pub(super) fn new(encoding: TextEncoding) -> Self {
        let mut patterns = vec![encoding.encode_ascii(DELETION)];
        for upper in 0..1u32 << PROBE.len() {
            let letters = PROBE.iter().enumerate();
            let variant: Vec<u8> = letters
                .map(|(i, c)| {
                    if upper >> i & 1 == 1 {
                        c.to_ascii_uppercase()
                    } else {
                        *c
                    }
                })
                .collect();
            patterns.push(encoding.encode_ascii(&variant));
        }
        let finder = match packed::Searcher::new(&patterns) {
            Some(searcher) => Finder::Packed(searcher),
            None => Finder::Automaton(
                AhoCorasick::new(&patterns).expect("seventeen short patterns make an automaton"),
            ),
        };
        KeySearch {
            finder,
            read_until: 0,
        }
    }

    /// Passes lines that do not matter; `false` at the end of the file.
    ///
    /// The reading must stand at the beginning of a line that is not inside a quoted string, and so it does afterwards: before a
    /// key line that may be wanted, or before lines that must be read to tell whether that key line lies inside a string.
    pub(super) fn pass_lines<R: Read>(&mut self, lines: &mut LineSource<R>) -> Result<bool, Error> {
        if lines.byte() < self.read_until {
            return Ok(true);
        }
        let unit = lines.encoding().unit_size();
        let mut searched = 0;
        loop {
            while let Some(found) = self.find(lines.unread(), searched, unit) {
                searched = found + unit;
                let start = lines.line_start(found);
                if begins_with_bracket(&lines.text(start..found + unit)) {
                    self.pass_to_certain_line(lines, start);
                    return Ok(true);
                }
            }
            let length = lines.unread().len() / unit * unit;
            let mut line_start = lines.line_start(length);
            if length - line_start > LineSource::<R>::MAX_LINE {
                lines.pass(line_start);
                lines.pass_line()?;
                searched = 0;
                continue;
            }
            // A line break at the very end may be half of a pair: it stays.
            if line_start == length {
                line_start = lines.line_start(length.saturating_sub(unit));
            }
            let certain = certain_line(lines, line_start);
            if line_start - certain > LineSource::<R>::MAX_LINE {
                self.pass_to_certain_line(lines, line_start);
                return Ok(true);
            }
            lines.pass(certain);
            let overlap = (PROBE.len() - 1) * unit;
            searched = searched
                .max(length.saturating_sub(overlap))
                .saturating_sub(certain);
            if !lines.fill()? {
                lines.pass(lines.unread().len());
                return Ok(false);
            }
        }
    }

    /// Passes the lines before the one at `start` that are certain to lie outside of strings.
    fn pass_to_certain_line<R: Read>(&mut self, lines: &mut LineSource<R>, start: usize) {
        self.read_until = lines.byte() + start as u64;
        lines.pass(certain_line(lines, start));
    }

    fn find(&self, bytes: &[u8], from: usize, unit: usize) -> Option<usize> {
        let mut from = from;
        loop {
            let rest = bytes.get(from..)?;
            let found = match &self.finder {
                Finder::Packed(searcher) => searcher.find(rest),
                Finder::Automaton(automaton) => automaton.find(rest),
            }?;
            let found = from + found.start();
            if found.is_multiple_of(unit) {
                return Some(found);
            }
            from = found + 1;
        }
    }
}

fn begins_with_bracket(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"[")
}

/// Where the last line at or before the one at `start` begins that is certain to lie outside of strings.
///
/// A string may hold line breaks, and so anything that looks like a key. Quotes inside of strings are escaped: so none is open
/// behind a line that has quotes and is a statement of its own. Where the last such line before `start` is followed by lines with
/// quotes that are not, these must be read.
fn certain_line<R: Read>(lines: &LineSource<R>, start: usize) -> usize {
    let mut certain = start;
    while let Some(quote) = lines.last_quote(certain) {
        let line_start = lines.line_start(quote);
        let line_end = lines.line_end(quote).min(certain);
        if syntax::statement(&lines.text(line_start..line_end)).is_ok() {
            break;
        }
        certain = line_start;
    }
    certain
}
