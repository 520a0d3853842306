//! Finds the keys of the mount registry in a `.reg` file of any size without decoding what lies between.
//!
//! A full export of `HKLM\SOFTWARE` has hundreds of megabytes of which a kilobyte matters. So the raw bytes are searched for a
//! few characters of the key's name; only the line in which they stand is looked at.

use std::io::Read;

use aho_corasick::{AhoCorasick, packed};
use memchr::memmem;

use super::syntax;
use crate::error::Error;
use crate::registry::line_source::LineSource;

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
    /// What is searched, one byte for each code unit.
    ascii: Vec<u8>,
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
    pub(super) fn new() -> Self {
        let variants = (0..1u32 << PROBE.len()).map(|upper| {
            let letters = PROBE.iter().enumerate();
            let letters = letters.map(|(i, c)| match upper >> i & 1 {
                1 => c.to_ascii_uppercase(),
                _ => *c,
            });
            letters.collect()
        });
        let patterns: Vec<Vec<u8>> = variants.chain([DELETION.to_vec()]).collect();
        let finder = match packed::Searcher::new(&patterns) {
            Some(searcher) => Finder::Packed(searcher),
            None => Finder::Automaton(
                AhoCorasick::new(&patterns).expect("seventeen short patterns make an automaton"),
            ),
        };
        KeySearch {
            finder,
            ascii: Vec::new(),
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
            let length = lines.unread().len() / unit * unit;
            if let Some(start) = self.find_key_line(lines, searched, length) {
                self.pass_to_certain_line(lines, start);
                return Ok(true);
            }
            let line_start = lines.line_start(length);
            let certain = certain_line(lines, line_start);
            if length - line_start > LineSource::<R>::MAX_LINE {
                lines.pass(line_start);
                lines.pass_line()?;
                searched = 0;
                continue;
            }
            if line_start - certain > LineSource::<R>::MAX_LINE {
                self.pass_to_certain_line(lines, line_start);
                return Ok(true);
            }
            lines.pass(certain);
            let overlap = (PROBE.len() - 1) * unit;
            searched = length.saturating_sub(overlap).saturating_sub(certain);
            if !lines.fill()? {
                lines.pass(lines.unread().len());
                return Ok(false);
            }
        }
    }

    /// Where the first key line begins that has what is searched for between two offsets from the next byte to read.
    fn find_key_line<R: Read>(
        &mut self,
        lines: &LineSource<R>,
        from: usize,
        to: usize,
    ) -> Option<usize> {
        let unit = lines.encoding().unit_size();
        let from = from / unit * unit;
        lines.ascii(from..to, &mut self.ascii);
        let mut rest = 0;
        while let Some(found) = self.finder.find(self.ascii.get(rest..)?) {
            let in_line = from + (rest + found) * unit;
            let start = lines.line_start(in_line);
            if begins_with_bracket(&lines.text(start..in_line + unit)) {
                return Some(start);
            }
            // What else is on the line makes no key of it.
            rest = (lines.line_end(in_line) - from) / unit;
        }
        None
    }

    /// Passes the lines before the one at `start` that are certain to lie outside of strings.
    fn pass_to_certain_line<R: Read>(&mut self, lines: &mut LineSource<R>, start: usize) {
        self.read_until = lines.byte() + start as u64;
        lines.pass(certain_line(lines, start));
    }
}

impl Finder {
    fn find(&self, bytes: &[u8]) -> Option<usize> {
        let found = match self {
            Finder::Packed(searcher) => searcher.find(bytes),
            Finder::Automaton(automaton) => automaton.find(bytes),
        }?;
        Some(found.start())
    }
}

fn begins_with_bracket(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"[")
}

/// Where the last line at or before the one at `start` begins that is certain to lie outside of strings.
///
/// A string may hold line breaks, and so anything that looks like a key. Where the last line with quotes before `start` does not
/// tell that none is open, it must be read, and so on backwards.
fn certain_line<R: Read>(lines: &LineSource<R>, start: usize) -> usize {
    let mut certain = start;
    while let Some(quote) = lines.last_quote(certain) {
        let line_start = lines.line_start(quote);
        let line_end = lines.line_end(quote).min(certain);
        if syntax::is_complete_value(&lines.text(line_start..line_end)) {
            break;
        }
        certain = line_start;
    }
    certain
}
