//! Finds the keys of the mount registry in a `.reg` file of any size without decoding what lies between.
//!
//! A full export of `HKLM\SOFTWARE` has hundreds of megabytes of which a kilobyte matters. So the raw bytes are searched for a
//! few characters of the key's name; only the line in which they stand is looked at.

use std::io::Read;

use aho_corasick::{AhoCorasick, packed};
use memchr::memmem;

use super::syntax;
use crate::error::Error;
use crate::registry::line_source::{Line, LineSource, TextEncoding};

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
    /// The last line passed that has a quote, as text (WTF-8): it tells whether a string is open.
    last_quote_line: Vec<u8>,
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
            last_quote_line: Vec::new(),
        }
    }

    /// Passes lines up to the next key line that may be wanted; `false` at the end of the file.
    ///
    /// The reading must stand at the beginning of a line that is not inside a quoted string.
    pub(super) fn go_to_next_key<R: Read>(
        &mut self,
        lines: &mut LineSource<R>,
    ) -> Result<bool, Error> {
        self.last_quote_line.clear();
        let unit = lines.encoding().unit_size();
        let mut searched = 0;
        loop {
            while let Some(found) = self.find(lines.unread(), searched, unit) {
                searched = found + unit;
                let start = lines.line_start(found);
                if !begins_with_bracket(&lines.text(start..found + unit)) {
                    continue;
                }
                match self.end_of_string(lines, start)? {
                    Some(end) => searched = end,
                    None => {
                        lines.pass(start);
                        return Ok(true);
                    }
                }
            }
            let length = lines.unread().len() / unit * unit;
            let line_start = lines.line_start(length);
            if length - line_start > LineSource::<R>::MAX_LINE {
                self.pass(lines, line_start);
                lines.pass_line()?;
                searched = 0;
                continue;
            }
            // A line break at the very end may be half of a pair: it stays.
            let passed = if line_start == length {
                lines.line_start(length.saturating_sub(unit))
            } else {
                line_start
            };
            self.pass(lines, passed);
            let overlap = (PROBE.len() - 1) * unit;
            searched = searched.max(length.saturating_sub(overlap)) - passed;
            if !lines.fill()? {
                lines.pass(lines.unread().len());
                return Ok(false);
            }
        }
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

    /// Passes whole lines, keeping the last one that has a quote.
    fn pass<R: Read>(&mut self, lines: &mut LineSource<R>, bytes: usize) {
        if let Some(text) = last_quote_line(lines, bytes) {
            self.last_quote_line = text;
        }
        lines.pass(bytes);
    }

    /// Where the string ends inside which the line at `start` lies; `None` when it lies outside of any.
    ///
    /// A string may hold line breaks and so anything that looks like a key. As quotes inside strings are escaped, the last quote
    /// before tells whether a string is open there, and the next one whether it is closed properly; if not, it is the string that
    /// is broken, and the key is real.
    fn end_of_string<R: Read>(
        &self,
        lines: &mut LineSource<R>,
        start: usize,
    ) -> Result<Option<usize>, Error> {
        let before = last_quote_line(lines, start);
        let Some(open) = syntax::open_string(before.as_ref().unwrap_or(&self.last_quote_line))
        else {
            return Ok(None);
        };
        let mark = lines.mark();
        let origin = lines.byte();
        lines.pass(start);
        let mut line = Line::default();
        let mut end = None;
        while lines.byte() - origin <= LineSource::<R>::MAX_LINE as u64
            && lines.next_line(&mut line)?
            && !line.too_long
        {
            if syntax::has_quote(&line.text) {
                let is_closed = syntax::closes(open, &line.text);
                end = is_closed.then(|| (line.byte - origin) as usize);
                break;
            }
        }
        lines.go_back(mark);
        Ok(end)
    }
}

fn begins_with_bracket(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"[")
}

/// The last line with a quote among the next bytes to read.
fn last_quote_line<R: Read>(lines: &LineSource<R>, bytes: usize) -> Option<Vec<u8>> {
    let quote = lines.last_quote(bytes)?;
    let start = lines.line_start(quote);
    let end = lines.line_end(quote).min(bytes);
    Some(lines.text(start..end))
}
