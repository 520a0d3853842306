//! Lines of registry text, read as a stream: from files and pipes, in any encoding, in bounded memory.

use std::io::{self, Read};
use std::ops::Range;

use crate::error::{Error, Position};
use crate::registry::code_page::CodePage;
use crate::registry::text_encoding::TextEncoding;
use crate::wide_string::push_wtf8;

/// One line of text.
#[derive(Debug, Default, Clone)]
pub(crate) struct Line {
    /// Line number, counted from 1.
    pub(crate) number: u64,
    /// Offset in bytes of the line's first byte.
    pub(crate) byte: u64,
    /// The text as WTF-8, without its line break.
    pub(crate) text: Vec<u8>,
    /// The line break as it stands: CRLF, LF, CR, or nothing at the end of the file.
    pub(crate) line_break: &'static str,
    /// The line holds bytes that are not text in the encoding.
    pub(crate) damaged: bool,
    /// The line is longer than [`LineSource::MAX_LINE`]; only its beginning is in `text`.
    pub(crate) too_long: bool,
}

impl Line {
    pub(crate) fn position(&self) -> Position {
        Position::Line {
            line: self.number,
            byte: self.byte,
        }
    }
}

/// A place to which the reading can go back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    byte: u64,
    number: u64,
}

/// Reads lines from a stream. What is passed is let go, except behind a [`Mark`].
#[derive(Debug)]
pub(crate) struct LineSource<R> {
    source: R,
    encoding: TextEncoding,
    has_byte_order_mark: bool,
    code_page: CodePage,
    buffer: Vec<u8>,
    /// How much of the buffer is filled.
    end: usize,
    /// Offset in the evidence of the buffer's first byte.
    base: u64,
    /// Index in the buffer of the next byte to read.
    at: usize,
    /// Number of the line that begins at `at`.
    number: u64,
    /// What is counted as the end of a line: a line feed, unless the first line ends in a carriage return alone.
    line_end: u8,
    kept_from: Option<u64>,
    ended: bool,
}

impl<R: Read> LineSource<R> {
    /// The longest line that is kept, in bytes: ample for the 1 MiB that Windows advises as the most for a value.
    pub(crate) const MAX_LINE: usize = 4 << 20;
    const CHUNK: usize = 256 << 10;
    /// How much of a line is passed, in bytes: a sparse file can go on with zeros for petabytes.
    const MAX_PASSED: u64 = 256 << 20;

    pub(crate) fn new(source: R, code_page: CodePage) -> Result<Self, Error> {
        let mut lines = LineSource {
            source,
            encoding: TextEncoding::Utf8,
            has_byte_order_mark: false,
            code_page,
            buffer: vec![0; 2 * Self::CHUNK],
            end: 0,
            base: 0,
            at: 0,
            number: 1,
            line_end: b'\n',
            kept_from: None,
            ended: false,
        };
        while lines.end < 4 && lines.fill()? {}
        let (encoding, mark) = TextEncoding::sniff(lines.unread());
        lines.encoding = encoding;
        lines.has_byte_order_mark = mark > 0;
        lines.at = mark;
        Ok(lines)
    }

    pub(crate) fn encoding(&self) -> TextEncoding {
        self.encoding
    }

    pub(crate) fn code_page(&self) -> CodePage {
        self.code_page
    }

    /// The encoding, in words for a message.
    pub(crate) fn encoding_name(&self) -> String {
        match self.encoding {
            TextEncoding::Utf16Le => "UTF-16LE text".to_owned(),
            TextEncoding::Utf16Be => "UTF-16BE text".to_owned(),
            TextEncoding::Utf8 => format!("UTF-8 text (read as {} instead)", self.code_page),
            TextEncoding::CodePage => format!("{} text", self.code_page),
        }
    }

    /// Reads text without a byte order mark in the code page, unless it is UTF-16.
    pub(crate) fn read_as_code_page(&mut self) {
        if self.encoding == TextEncoding::Utf8 && !self.has_byte_order_mark {
            self.encoding = TextEncoding::CodePage;
        }
    }

    /// The first bytes, as many as a signature needs; only before the first line is read.
    pub(crate) fn start(&self) -> &[u8] {
        &self.buffer[..self.end.min(4096)]
    }

    /// Offset in the evidence of the next byte to read.
    pub(crate) fn byte(&self) -> u64 {
        self.base + self.at as u64
    }

    /// What is in memory of the bytes to read.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.buffer[self.at..self.end]
    }

    /// Reads the next line; `false` at the end.
    ///
    /// An over-long line is passed, but not behind a mark: there the reading stays before it.
    pub(crate) fn next_line(&mut self, line: &mut Line) -> Result<bool, Error> {
        line.number = self.number;
        line.byte = self.byte();
        let (length, line_break) = self.line_length()?;
        self.decode(&self.unread()[..length], line);
        line.line_break = line_break;
        line.too_long = line_break.is_empty() && length >= Self::MAX_LINE;
        if !line.too_long {
            self.at += length + line_break.len() * self.encoding.unit_size();
        } else if self.kept_from.is_none() {
            self.pass_line()?;
        }
        if !line.too_long {
            self.end_line(line_break);
        }
        Ok(line.too_long || self.byte() > line.byte)
    }

    /// Counts a line that ended so.
    fn end_line(&mut self, line_break: &str) {
        if self.number == 1 && line_break == "\r" {
            self.line_end = b'\r';
        }
        self.number += u64::from(line_break.contains(char::from(self.line_end)));
    }

    /// Bytes up to the next line break, and that line break; at most [`Self::MAX_LINE`] and none for a longer line.
    fn line_length(&mut self) -> Result<(usize, &'static str), Error> {
        const LF: u16 = 0x0A;
        let unit = self.encoding.unit_size();
        let mut searched = 0;
        loop {
            match self.find_line_break(searched) {
                Some(length) => match (self.unit_at(length), self.unit_at(length + unit)) {
                    (Some(LF), _) => return Ok((length, "\n")),
                    (_, Some(LF)) => return Ok((length, "\r\n")),
                    (_, Some(_)) => return Ok((length, "\r")),
                    // A carriage return at the end of what is in memory may be half of a pair.
                    (_, None) if !self.fill()? => return Ok((length, "\r")),
                    (_, None) => searched = length,
                },
                None => {
                    let available = self.unread().len();
                    if available >= Self::MAX_LINE {
                        return Ok((Self::MAX_LINE, ""));
                    }
                    searched = available / unit * unit;
                    if !self.fill()? {
                        return Ok((available, ""));
                    }
                }
            }
        }
    }

    /// Where, counted from the next byte to read, the first line feed or carriage return stands at or after `from`.
    fn find_line_break(&self, from: usize) -> Option<usize> {
        let unread = self.unread();
        let unit = self.encoding.unit_size();
        let mut from = from;
        loop {
            let index = from + memchr::memchr2(b'\r', b'\n', unread.get(from..)?)?;
            let start = index / unit * unit;
            if matches!(self.unit_at(start), Some(0x0A | 0x0D)) {
                return Some(start);
            }
            from = index + 1;
        }
    }

    /// The code unit at an offset from the next byte to read.
    fn unit_at(&self, offset: usize) -> Option<u16> {
        let end = offset.checked_add(self.encoding.unit_size())?;
        let bytes = self.unread().get(offset..end)?;
        Some(self.encoding.unit(bytes))
    }

    /// Passes an over-long line without keeping it.
    ///
    /// # Errors
    /// When it does not seem to end.
    pub(crate) fn pass_line(&mut self) -> Result<(), Error> {
        let unit = self.encoding.unit_size();
        let start = self.byte();
        loop {
            if self.byte() - start > Self::MAX_PASSED {
                let error = Error::malformed("a line of at most 256 MiB", "one without an end");
                return Err(error.at(Position::Byte(start)));
            }
            if let Some(length) = self.find_line_break(0) {
                self.at += length;
                let (_, line_break) = self.line_length()?;
                self.at += line_break.len() * unit;
                self.end_line(line_break);
                return Ok(());
            }
            self.at += self.unread().len() / unit * unit;
            if !self.fill()? {
                self.at = self.end;
                return Ok(());
            }
        }
    }

    /// Where, counted from the next byte to read, the line begins in which this offset lies.
    pub(crate) fn line_start(&self, offset: usize) -> usize {
        let is_line_break = |unit| matches!(unit, 0x0A | 0x0D);
        match self.last_unit(
            offset,
            |before| memchr::memrchr2(b'\r', b'\n', before),
            is_line_break,
        ) {
            Some(found) => found + self.encoding.unit_size(),
            None => 0,
        }
    }

    /// Where, counted from the next byte to read, the line ends in which this offset lies, as far as it is in memory.
    pub(crate) fn line_end(&self, offset: usize) -> usize {
        self.find_line_break(offset).unwrap_or(self.unread().len())
    }

    /// Where, counted from the next byte to read, the last quote before an offset stands.
    pub(crate) fn last_quote(&self, offset: usize) -> Option<usize> {
        let is_quote = |unit| unit == u16::from(b'"');
        self.last_unit(offset, |before| memchr::memrchr(b'"', before), is_quote)
    }

    /// Where the last code unit before `offset` stands that is what `is_it` says; `find` leads to its bytes.
    fn last_unit(
        &self,
        offset: usize,
        find: impl Fn(&[u8]) -> Option<usize>,
        is_it: impl Fn(u16) -> bool,
    ) -> Option<usize> {
        let unit = self.encoding.unit_size();
        let mut before = &self.unread()[..offset];
        loop {
            let index = find(before)?;
            let start = index / unit * unit;
            if self.unit_at(start).is_some_and(&is_it) {
                return Some(start);
            }
            before = &before[..index];
        }
    }

    /// The text (WTF-8) between two offsets from the next byte to read.
    pub(crate) fn text(&self, range: Range<usize>) -> Vec<u8> {
        let mut line = Line::default();
        self.decode(&self.unread()[range], &mut line);
        line.text
    }

    /// One byte for each code unit between two offsets from the next byte to read: ASCII letters are themselves, and nothing else
    /// is taken for one.
    pub(crate) fn ascii(&self, range: Range<usize>, ascii: &mut Vec<u8>) {
        let bytes = &self.unread()[range];
        let narrow = |unit: u16| if unit < 0x80 { unit as u8 } else { 0xFF };
        let pairs = bytes.as_chunks().0;
        ascii.clear();
        match self.encoding {
            TextEncoding::Utf16Le => {
                ascii.extend(pairs.iter().map(|&pair| narrow(u16::from_le_bytes(pair))))
            }
            TextEncoding::Utf16Be => {
                ascii.extend(pairs.iter().map(|&pair| narrow(u16::from_be_bytes(pair))))
            }
            TextEncoding::Utf8 | TextEncoding::CodePage => ascii.extend_from_slice(bytes),
        }
    }

    /// How many lines end within the next bytes to read.
    fn count_line_ends(&self, bytes: usize) -> u64 {
        let bytes = &self.unread()[..bytes];
        let line_end = u16::from(self.line_end);
        let count = |unit: fn([u8; 2]) -> u16| -> u64 {
            // Blocks so short that a `u16` holds their sum let the compiler compare many units at once.
            let blocks = bytes.as_chunks().0.chunks(4096);
            let sums = blocks.map(|block| -> u16 {
                block
                    .iter()
                    .map(|&pair| u16::from(unit(pair) == line_end))
                    .sum()
            });
            sums.map(u64::from).sum()
        };
        match self.encoding {
            TextEncoding::Utf16Le => count(u16::from_le_bytes),
            TextEncoding::Utf16Be => count(u16::from_be_bytes),
            TextEncoding::Utf8 | TextEncoding::CodePage => {
                memchr::memchr_iter(self.line_end, bytes).count() as u64
            }
        }
    }

    fn decode(&self, bytes: &[u8], line: &mut Line) {
        line.text.clear();
        line.damaged = false;
        match self.encoding {
            TextEncoding::Utf16Le => decode_utf16(bytes, u16::from_le_bytes, line),
            TextEncoding::Utf16Be => decode_utf16(bytes, u16::from_be_bytes, line),
            TextEncoding::Utf8 if str::from_utf8(bytes).is_ok() => line.text.extend(bytes),
            TextEncoding::Utf8 | TextEncoding::CodePage => {
                let text = self.code_page.decode(bytes);
                line.damaged = self.encoding == TextEncoding::Utf8 || text.contains('\u{FFFD}');
                line.text.extend(text.as_bytes());
            }
        }
    }

    /// Keeps everything from here on until [`Self::go_back`] or [`Self::forget_mark`].
    pub(crate) fn mark(&mut self) -> Mark {
        self.kept_from = Some(self.byte());
        Mark {
            byte: self.byte(),
            number: self.number,
        }
    }

    /// Goes back to the mark, and lets go of it.
    pub(crate) fn go_back(&mut self, mark: Mark) {
        debug_assert_eq!(self.kept_from, Some(mark.byte));
        self.kept_from = None;
        self.at = (mark.byte - self.base) as usize;
        self.number = mark.number;
    }

    /// Goes on from here; the mark is no longer needed.
    pub(crate) fn forget_mark(&mut self) {
        self.kept_from = None;
    }

    /// Passes whole lines that are in memory.
    pub(crate) fn pass(&mut self, bytes: usize) {
        self.number += self.count_line_ends(bytes);
        self.at += bytes;
    }

    /// Reads more bytes, letting go of what is passed and not marked; `false` at the end.
    pub(crate) fn fill(&mut self) -> Result<bool, Error> {
        if self.ended {
            return Ok(false);
        }
        let keep = match self.kept_from {
            Some(kept) => (kept - self.base) as usize,
            None => self.at,
        };
        if self.buffer.len() - self.end < Self::CHUNK && keep > 0 {
            self.buffer.copy_within(keep..self.end, 0);
            self.base += keep as u64;
            self.at -= keep;
            self.end -= keep;
        }
        if self.buffer.len() - self.end < Self::CHUNK {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        let read = loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let byte = self.base + self.end as u64;
                    return Err(Error::io(&error).at(Position::Byte(byte)));
                }
                Ok(read) => break read,
            }
        };
        self.end += read;
        self.ended = read == 0;
        Ok(read > 0)
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16, line: &mut Line) {
    let pairs = bytes.chunks_exact(2);
    line.damaged = !pairs.remainder().is_empty();
    push_wtf8(&mut line.text, pairs.map(|pair| unit([pair[0], pair[1]])));
}

#[cfg(test)]
mod tests {
    use super::*;

    type Bytes<'a> = LineSource<ShortReads<'a>>;

    /// Gives few bytes at a time, as a pipe does.
    struct ShortReads<'a>(&'a [u8], usize);

    impl Read for ShortReads<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(self.1);
            (&mut self.0).take(length as u64).read(buffer)
        }
    }

    fn encoded(text: &str) -> [Vec<u8>; 3] {
        let utf16 = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect();
        [
            text.as_bytes().to_vec(),
            utf16(u16::to_le_bytes),
            utf16(u16::to_be_bytes),
        ]
    }

    fn open(bytes: &[u8], most: usize) -> Bytes<'_> {
        LineSource::new(ShortReads(bytes, most), CodePage::default()).unwrap()
    }

    /// Lines, all of the same length, that together are larger than the buffer.
    fn numbered_lines() -> String {
        (0..80_000)
            .map(|number| format!("line {number:09}\r\n"))
            .collect()
    }

    fn next(lines: &mut Bytes<'_>) -> Option<(u64, u64, String)> {
        let mut line = Line::default();
        let is_line = lines.next_line(&mut line).unwrap();
        is_line.then(|| {
            (
                line.number,
                line.byte,
                String::from_utf8(line.text).unwrap(),
            )
        })
    }

    #[test]
    fn short_lines_are_read_in_a_buffer_that_does_not_grow() {
        for bytes in encoded(&numbered_lines()) {
            for most in [999, usize::MAX] {
                let mut lines = open(&bytes, most);
                for number in 0..80_000 {
                    let byte = number * bytes.len() as u64 / 80_000;
                    let text = format!("line {number:09}");
                    assert_eq!(next(&mut lines), Some((number + 1, byte, text)));
                }
                assert_eq!(next(&mut lines), None);
                assert_eq!(lines.buffer.len(), 2 * Bytes::CHUNK);
            }
        }
    }

    #[test]
    fn the_buffer_holds_a_long_line_and_what_is_behind_a_mark() {
        let text = format!("{}\r\nshort\r\n{}", "x".repeat(1_200_000), numbered_lines());
        let bytes = text.as_bytes();
        let mut lines = open(bytes, 999);
        assert_eq!(next(&mut lines).unwrap().2.len(), 1_200_000);
        assert_eq!(lines.buffer.len(), 8 * Bytes::CHUNK);
        let mark = lines.mark();
        for _ in 0..70_000 {
            next(&mut lines).unwrap();
        }
        lines.go_back(mark);
        let (number, byte, text) = next(&mut lines).unwrap();
        assert_eq!((number, byte, &*text), (2, 1_200_002, "short"));
        let grown = lines.buffer.len();
        lines.mark();
        lines.forget_mark();
        while next(&mut lines).is_some() {}
        assert_eq!(lines.buffer.len(), grown);
    }

    #[test]
    fn what_is_passed_is_counted() {
        for bytes in encoded(&numbered_lines()) {
            let mut lines = open(&bytes, usize::MAX);
            let line = bytes.len() / 80_000;
            lines.pass(10_000 * line);
            let (number, byte, text) = next(&mut lines).unwrap();
            assert_eq!((number, byte), (10_001, 10_000 * line as u64));
            assert_eq!(text, "line 000010000");
        }
    }

    #[test]
    fn a_read_that_was_interrupted_is_repeated_and_an_error_is_told_by_its_place() {
        struct Faulty<'a>(&'a [u8], u32);
        impl Read for Faulty<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.1 += 1;
                match self.1 % 2 {
                    1 => Err(io::ErrorKind::Interrupted.into()),
                    _ if self.0.is_empty() => Err(io::Error::other("a bad sector")),
                    _ => (&mut self.0).take(100_000).read(buffer),
                }
            }
        }
        let text = numbered_lines();
        let source = Faulty(text.as_bytes(), 0);
        let mut lines = LineSource::new(source, CodePage::default()).unwrap();
        let mut line = Line::default();
        let error = loop {
            match lines.next_line(&mut line) {
                Ok(is_line) => assert!(is_line),
                Err(error) => break error,
            }
        };
        assert_eq!(line.number, 80_001);
        assert_eq!(error.position(), Some(Position::Byte(text.len() as u64)));
    }
}
