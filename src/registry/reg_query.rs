//! What `reg query KEY /s` prints, on Windows and on Wine.
//!
//! ```text
//!
//! HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\WIMMount\Mounted Images\{…}
//!     Mount Path    REG_SZ    C:\mount
//!     Status    REG_DWORD    0x2
//! ```
//!
//! The format has no quotes and no escapes, so a string with line breaks can look like other values. A line is taken for a
//! value where it is indented by four blanks and names a type, for a key where it begins with a root key and follows a blank
//! line, and for the rest of the string before it otherwise. Characters that the console's code page lacks were printed as `?`.

use std::collections::VecDeque;
use std::io::Read;

use memchr::memmem;

use crate::error::{Error, Position};
use crate::registry::code_page::CodePage;
use crate::registry::line_source::{Line, LineSource};
use crate::registry::text_encoding::TextEncoding;
use crate::registry::{RegistryEntry, RegistryKey, RegistryValue, ValueType, key_path};
use crate::signature::{self, excerpt};
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::WideString;

/// What stands before a name, between name and type, and between type and data.
const GAP: &[u8] = b"    ";
/// How every key line begins.
const ROOT: &[u8] = b"HKEY_";
/// The most text one value may have, in bytes.
const MAX_TEXT: usize = 4 << 20;

/// Reads the keys and values that `reg query` printed, from any stream, in memory that does not grow with it.
#[derive(Debug)]
pub struct RegQuery<R> {
    lines: LineSource<R>,
    line: Line,
    /// The string that may go on on the next line.
    string: Option<StringText>,
    after_blank_line: bool,
    ready: VecDeque<RegistryEntry>,
    warnings: Warnings,
}

/// A string value whose end is not known yet.
#[derive(Debug)]
struct StringText {
    position: Position,
    name: WideString,
    value_type: ValueType,
    text: Vec<u8>,
    last_line_break: &'static str,
}

/// Whether the first bytes of a file are what `reg query` prints.
pub(crate) fn is_reg_query(start: &[u8]) -> bool {
    let (encoding, mark) = TextEncoding::sniff(start);
    let units = start[mark..].chunks_exact(encoding.unit_size());
    let text: Vec<u8> = units
        .map(|unit| u8::try_from(encoding.unit(unit)).unwrap_or(b'?'))
        .skip_while(u8::is_ascii_whitespace)
        .take(ROOT.len())
        .collect();
    is_key_line(&text)
}

fn is_key_line(line: &[u8]) -> bool {
    line.starts_with(ROOT)
}

impl<R: Read> RegQuery<R> {
    /// Takes a stream. The code page is that of the console: text without a byte order mark that is not UTF-16 is in it. Where
    /// none is known, lines that are UTF-8 are taken for that, others for [the default](CodePage::default), with a warning.
    ///
    /// # Errors
    /// When the stream cannot be read, or does not begin with a key line.
    pub fn new(source: R, code_page: Option<CodePage>) -> Result<Self, Error> {
        let mut lines = LineSource::new(source, code_page.unwrap_or_default())?;
        if code_page.is_some() {
            lines.read_as_code_page();
        }
        let mut query = RegQuery {
            lines,
            line: Line::default(),
            string: None,
            after_blank_line: true,
            ready: VecDeque::new(),
            warnings: Warnings::default(),
        };
        let start = query.lines.start().to_vec();
        while query.lines.next_line(&mut query.line)? && query.line.text.trim_ascii().is_empty() {}
        if !is_key_line(&query.line.text) {
            let found = signature::instead(&start, query.line.text.trim_ascii());
            return Err(
                Error::malformed("a key line that begins with `HKEY_`", found)
                    .at(query.line.position()),
            );
        }
        query.entry();
        Ok(query)
    }

    /// What could not be used so far.
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// What could not be used, at the end of the reading.
    pub fn into_warnings(self) -> Warnings {
        self.warnings
    }

    /// The next key or value; `None` at the end.
    ///
    /// # Errors
    /// When the stream cannot be read further.
    pub fn next_entry(&mut self) -> Result<Option<RegistryEntry>, Error> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Ok(Some(entry));
            }
            if !self.lines.next_line(&mut self.line)? {
                self.end_string(true);
                return Ok(self.ready.pop_front());
            }
            self.entry();
        }
    }

    /// Takes the line just read for what it is.
    fn entry(&mut self) {
        let position = self.line.position();
        if self.line.too_long {
            self.warn(
                position,
                WarningCode::LineNotUnderstood,
                "a line of at most 4 MiB",
                "a longer one",
            );
            return;
        }
        if self.line.damaged {
            let expected = self.lines.encoding_name();
            let found = excerpt(&self.line.text);
            self.warn(position, WarningCode::EncodingDamaged, &expected, &found);
        }
        let line = std::mem::take(&mut self.line.text);
        let can_be_key = self.string.is_none() || self.after_blank_line;
        self.after_blank_line = line.is_empty();
        if can_be_key && is_key_line(&line) {
            self.end_string(true);
            self.ready.push_back(RegistryEntry::Key(RegistryKey {
                path: key_path(&line),
                last_written: None,
                position,
            }));
        } else if let Some((name, value_type, data)) = split_value(&line) {
            self.end_string(false);
            self.value(position, name, value_type, data);
        } else if let Some(string) = &mut self.string {
            if string.text.len() + line.len() > MAX_TEXT {
                let (position, name) = (string.position, string.name.clone());
                self.string = None;
                let found = "a longer one".to_owned();
                self.unreadable(position, name, "a string of at most 4 MiB", found);
            } else {
                string
                    .text
                    .extend_from_slice(string.last_line_break.as_bytes());
                string.text.extend_from_slice(&line);
                string.last_line_break = self.line.line_break;
            }
        } else if !line.is_empty() {
            let found = excerpt(&line);
            self.warn(
                position,
                WarningCode::LineNotUnderstood,
                "a key or a value",
                &found,
            );
        }
        self.line.text = line;
    }

    fn value(&mut self, position: Position, name: &[u8], type_name: &str, data: &[u8]) {
        let name = value_name(name);
        let Some(value_type) = ValueType::from_name(type_name) else {
            let found = format!("`{type_name}` as the type of {name:?}");
            self.unreadable(position, name, "the name of a registry type", found);
            return;
        };
        if matches!(
            value_type,
            ValueType::SZ | ValueType::EXPAND_SZ | ValueType::LINK
        ) {
            self.string = Some(StringText {
                position,
                name,
                value_type,
                text: data.to_vec(),
                last_line_break: self.line.line_break,
            });
            return;
        }
        match data_as_stored(value_type, data.trim_ascii_end()) {
            Ok(data) => self.ready.push_back(RegistryEntry::Value(RegistryValue {
                name,
                value_type,
                data,
                position,
            })),
            Err(expected) => self.unreadable(position, name, expected, excerpt(data)),
        }
    }

    /// A value of which the name can be read, and not the data.
    fn unreadable(
        &mut self,
        position: Position,
        name: WideString,
        expected: &'static str,
        found: String,
    ) {
        self.warn(position, WarningCode::ValueMalformed, expected, &found);
        self.ready.push_back(RegistryEntry::UnreadableValue {
            name,
            position,
            error: Error::malformed(expected, found).at(position),
        });
    }

    /// The string before this line is complete. Before a key and at the end one blank line is printed, which is not part of it.
    fn end_string(&mut self, before_blank_line: bool) {
        let Some(mut string) = self.string.take() else {
            return;
        };
        if before_blank_line {
            let end = [&b"\r\n"[..], b"\n", b"\r"]
                .iter()
                .find_map(|end| string.text.strip_suffix(*end));
            string
                .text
                .truncate(end.map_or(string.text.len(), <[u8]>::len));
        }
        let mut data = WideString::from_wtf8(&string.text).to_utf16le();
        data.extend([0, 0]);
        self.ready.push_back(RegistryEntry::Value(RegistryValue {
            name: string.name,
            value_type: string.value_type,
            data,
            position: string.position,
        }));
    }

    fn warn(&mut self, position: Position, code: WarningCode, expected: &str, found: &str) {
        self.warnings
            .push(Warning::malformed(code, position, expected, found));
    }
}

/// Name, type and data of a value line: the first type that stands between gaps parts them.
fn split_value(line: &[u8]) -> Option<(&[u8], &str, &[u8])> {
    let line = line.strip_prefix(GAP)?;
    for gap in memmem::find_iter(line, GAP) {
        let rest = &line[gap + GAP.len()..];
        let type_end = memmem::find(rest, GAP).unwrap_or(rest.len());
        let type_name = str::from_utf8(rest[..type_end].trim_ascii_end()).ok();
        if let Some(type_name) = type_name
            && (type_name.starts_with("REG_") || type_name == "(null)")
        {
            let data = rest.get(type_end + GAP.len()..).unwrap_or_default();
            return Some((&line[..gap], type_name, data));
        }
    }
    None
}

/// A name in parentheses is what the default value is called in the language of the system: `(Default)`, `(Standard)`.
fn value_name(name: &[u8]) -> WideString {
    if name.starts_with(b"(") && name.ends_with(b")") {
        return WideString::default();
    }
    WideString::from_wtf8(name)
}

/// Data other than strings as the registry stores it; the error says what the type's data looks like.
fn data_as_stored(value_type: ValueType, text: &[u8]) -> Result<Vec<u8>, &'static str> {
    let number = || {
        let digits = str::from_utf8(text).ok()?;
        u64::from_str_radix(digits.strip_prefix("0x")?, 16).ok()
    };
    match value_type {
        ValueType::DWORD | ValueType::DWORD_BIG_ENDIAN => number()
            .and_then(|number| u32::try_from(number).ok())
            .map(|number| number.to_le_bytes().to_vec())
            .ok_or("0x and one to eight hexadecimal digits"),
        ValueType::QWORD => number()
            .map(|number| number.to_le_bytes().to_vec())
            .ok_or("0x and one to sixteen hexadecimal digits"),
        ValueType::MULTI_SZ => {
            // The strings are printed with `\0` between them.
            let separated = String::from_utf8_lossy(text).replace("\\0", "\0");
            let mut data = WideString::from(separated).to_utf16le();
            data.extend([0, 0, 0, 0]);
            Ok(data)
        }
        _ => hex_bytes(text).ok_or("pairs of hexadecimal digits"),
    }
}

fn hex_bytes(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_chunks::<2>();
    let digit = |c: u8| char::from(c).to_digit(16);
    let byte = |&[high, low]: &[u8; 2]| Some((digit(high)? << 4 | digit(low)?) as u8);
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}
