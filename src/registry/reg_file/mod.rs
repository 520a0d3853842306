//! `.reg` files: what regedit, `reg export`, Samba and Wine write, and what people write by hand.
//!
//! Sources: the examples Microsoft documents for `.reg` files, and exports by Windows, Wine and Samba. Where a
//! malformed statement could mean several things, what Windows' importer makes of it is followed, but for two
//! cases: a quoted string may hold raw line breaks, because regedit writes them so; and a key line ends a
//! hexadecimal value that was to continue, so that a damaged value never takes a key with it.

mod key_search;
mod syntax;

use std::io::Read;

use self::key_search::KeySearch;
use self::syntax::{Data, HexBytes, Quoted, Statement};
use crate::error::{Error, Position};
use crate::registry::code_page::CodePage;
use crate::registry::line_source::{Line, LineSource};
use crate::registry::{RegistryEntry, RegistryKey, RegistryValue, ValueType, key_path};
use crate::signature::{self, excerpt};
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::WideString;

/// The first line of a file with UTF-16 strings in its hexadecimal data.
const HEADER_5: &[u8] = b"Windows Registry Editor Version 5.00";
/// The first line of a file with ANSI strings in its hexadecimal data.
const HEADER_4: &[u8] = b"REGEDIT4";
/// The most bytes a value may have.
const MAX_DATA: usize = 8 << 20;

/// Reads the keys and values of a `.reg` file, in the order in which they stand, from any stream.
///
/// Memory does not grow with the file. What cannot be understood costs one statement and leaves a warning.
#[derive(Debug)]
pub struct RegFile<R> {
    lines: LineSource<R>,
    line: Line,
    /// `hex(2)` and `hex(7)` hold bytes of the code page.
    has_ansi_strings: bool,
    /// Only keys that the search finds are wanted.
    search: Option<KeySearch>,
    section: Section,
    has_read_key: bool,
    warnings: Warnings,
}

/// What the values being read belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    /// No key, or a malformed one.
    None,
    /// A key that was handed out.
    Wanted,
    /// A key that was not asked for, or is deleted.
    Unwanted,
}

impl<R: Read> RegFile<R> {
    /// Reads the header. The code page is that of `REGEDIT4` files, and of lines that should be UTF-8 and are not.
    ///
    /// # Errors
    /// When the stream cannot be read, or is something else than a `.reg` file: the error says what, where that is easy to tell.
    pub fn new(source: R, code_page: CodePage) -> Result<Self, Error> {
        let mut file = RegFile {
            lines: LineSource::new(source, code_page)?,
            line: Line::default(),
            has_ansi_strings: false,
            search: None,
            section: Section::None,
            has_read_key: false,
            warnings: Warnings::default(),
        };
        file.read_header()?;
        Ok(file)
    }

    /// Hands out only the first key, the keys below a `WIMMount` key, and deletions. The rest is passed without being decoded.
    #[must_use]
    pub fn only_mount_registry(mut self) -> Self {
        self.search = Some(KeySearch::new());
        self
    }

    /// What could not be used so far.
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// What could not be used, at the end of the reading.
    pub fn into_warnings(self) -> Warnings {
        self.warnings
    }

    fn read_header(&mut self) -> Result<(), Error> {
        let start = self.lines.start().to_vec();
        // Behind a mark an over-long line is not passed: of what is no export no more is read than tells that.
        self.lines.mark();
        self.lines.next_line(&mut self.line)?;
        self.lines.forget_mark();
        let header = self.line.text.trim_ascii();
        self.has_ansi_strings = match header {
            HEADER_4 => true,
            HEADER_5 => false,
            _ => {
                return Err(Error::malformed(
                    "the first line `Windows Registry Editor Version 5.00` or `REGEDIT4`",
                    signature::instead(&start, header),
                )
                .at(self.line.position()));
            }
        };
        if self.has_ansi_strings {
            self.lines.read_as_code_page();
        }
        Ok(())
    }

    /// The next key, value or deletion; `None` at the end of the file.
    ///
    /// # Errors
    /// When the stream cannot be read further.
    pub fn next_entry(&mut self) -> Result<Option<RegistryEntry>, Error> {
        loop {
            if self.section == Section::Unwanted
                && self.has_read_key
                && let Some(search) = &mut self.search
                && !search.pass_lines(&mut self.lines)?
            {
                return Ok(None);
            }
            if !self.lines.next_line(&mut self.line)? {
                return Ok(None);
            }
            if let Some(entry) = self.entry()? {
                return Ok(Some(entry));
            }
        }
    }

    /// What the statement that begins on the line just read says.
    fn entry(&mut self) -> Result<Option<RegistryEntry>, Error> {
        let position = self.line.position();
        if self.line.too_long {
            self.warn(
                position,
                WarningCode::LineNotUnderstood,
                "a line of at most 4 MiB",
                "a longer one",
            );
            return Ok(None);
        }
        self.warn_of_damaged_text();
        match syntax::statement(&self.line.text) {
            Ok(Statement::Nothing) => Ok(None),
            Ok(Statement::Key(path)) => {
                let is_wanted =
                    !self.has_read_key || self.search.is_none() || key_search::is_wanted(path);
                let key = is_wanted.then(|| RegistryKey {
                    path: key_path(path),
                    last_written: None,
                    position,
                });
                self.has_read_key = true;
                // A key's name may hold brackets: one that was cut behind one looks whole.
                if self.line.line_break.is_empty() {
                    self.warn_of_cut_end(position);
                }
                self.section = if is_wanted {
                    Section::Wanted
                } else {
                    Section::Unwanted
                };
                Ok(key.map(RegistryEntry::Key))
            }
            Ok(Statement::KeyDeletion(path)) => {
                let path = key_path(path);
                self.section = Section::Unwanted;
                Ok(Some(RegistryEntry::KeyDeletion { path, position }))
            }
            Ok(Statement::Value { name, data }) => self.value(position, name, data),
            Err(fault) if fault.in_string => self.value_over_several_lines(),
            Err(fault) => {
                let (expected, found) = (fault.expected, excerpt(fault.at));
                let code = match self.line.text.trim_ascii_start().first() {
                    Some(b'[') => WarningCode::KeyMalformed,
                    Some(b'"' | b'@') => WarningCode::ValueMalformed,
                    _ => WarningCode::LineNotUnderstood,
                };
                if code == WarningCode::KeyMalformed {
                    self.section = Section::None;
                }
                let name = syntax::value_name(&self.line.text);
                self.warn(position, code, expected, &found);
                Ok(name.and_then(|name| self.unreadable(position, &name, expected, &found)))
            }
        }
    }

    /// A value of which the name can be read, and not the data.
    fn unreadable(
        &self,
        position: Position,
        name: &Quoted,
        expected: &'static str,
        found: &str,
    ) -> Option<RegistryEntry> {
        (self.section == Section::Wanted).then(|| RegistryEntry::UnreadableValue {
            name: WideString::from_wtf8(&name.text),
            position,
            error: Error::malformed(expected, found.to_owned()).at(position),
        })
    }

    /// A value statement with raw line breaks in its name or its string.
    ///
    /// An unescaped quote always ends a string, so the next one tells whether the string was to go on or lost its closing
    /// quote: in the latter case the grammar breaks there, and only the first line is given up.
    fn value_over_several_lines(&mut self) -> Result<Option<RegistryEntry>, Error> {
        let position = self.line.position();
        let mut text = self.line.text.clone();
        let mark = self.lines.mark();
        loop {
            text.extend_from_slice(self.line.line_break.as_bytes());
            let is_line = self.lines.next_line(&mut self.line)? && !self.line.too_long;
            if !is_line || text.len() + self.line.text.len() > LineSource::<R>::MAX_LINE {
                break;
            }
            text.extend_from_slice(&self.line.text);
            if !syntax::has_quote(&self.line.text) {
                continue;
            }
            match syntax::statement(&text) {
                Ok(Statement::Value { name, data }) => {
                    self.lines.forget_mark();
                    return self.value(position, name, data);
                }
                Err(fault) if fault.in_string => {}
                _ => break,
            }
        }
        self.lines.go_back(mark);
        let expected = "a closing quote at the end of the value";
        let (name, found) = (syntax::value_name(&text), excerpt(&text));
        self.warn(position, WarningCode::StringNotClosed, expected, &found);
        Ok(name.and_then(|name| self.unreadable(position, &name, expected, &found)))
    }

    fn value(
        &mut self,
        position: Position,
        name: Quoted,
        data: Data,
    ) -> Result<Option<RegistryEntry>, Error> {
        if name.has_bare_backslash || matches!(&data, Data::Text(text) if text.has_bare_backslash) {
            let found = "one before another character, read as itself";
            self.warn(
                position,
                WarningCode::ValueMalformed,
                r#"`\\` or `\"` for each backslash"#,
                found,
            );
        }
        let is_last = self.line.line_break.is_empty();
        let (value_type, data) = match data {
            Data::Deletion => (None, Vec::new()),
            Data::Text(text) => (
                Some(ValueType::SZ),
                with_nul(WideString::from_wtf8(&text.text)),
            ),
            Data::Dword(number) => {
                if is_last {
                    self.warn_of_cut_end(position);
                }
                (Some(ValueType::DWORD), number.to_le_bytes().to_vec())
            }
            Data::Hex(value_type, bytes) => match self.hex_data(position, bytes)? {
                Ok(bytes) => (Some(value_type), self.as_stored(value_type, bytes)),
                Err(found) => {
                    let expected = "bytes as two hexadecimal digits parted by commas";
                    self.warn(position, WarningCode::ValueMalformed, expected, &found);
                    return Ok(self.unreadable(position, &name, expected, &found));
                }
            },
        };
        let name = WideString::from_wtf8(&name.text);
        if self.section != Section::Wanted {
            let found = format!("the value {name:?} below a deleted, malformed or missing key");
            self.warn(
                position,
                WarningCode::ValueMalformed,
                "a key above the value",
                &found,
            );
            return Ok(None);
        }
        Ok(Some(match value_type {
            None => RegistryEntry::ValueDeletion { name, position },
            Some(value_type) => RegistryEntry::Value(RegistryValue {
                name,
                value_type,
                data,
                position,
            }),
        }))
    }

    /// The bytes of a hexadecimal value, with the lines on which it goes on; or what stands there instead.
    fn hex_data(
        &mut self,
        position: Position,
        first: HexBytes,
    ) -> Result<Result<Vec<u8>, String>, Error> {
        let mut data = first.bytes;
        let mut continues = first.continues;
        while continues {
            let mark = self.lines.mark();
            if !self.lines.next_line(&mut self.line)? {
                break;
            }
            let is_key = self.line.text.trim_ascii_start().starts_with(b"[");
            let more = syntax::hex_continuation(&self.line.text);
            if let Ok(Some(more)) = &more
                && data.len() + more.bytes.len() <= MAX_DATA
            {
                data.extend_from_slice(&more.bytes);
                continues = more.continues;
            } else if !matches!(more, Ok(None)) || self.line.too_long {
                let found = match more {
                    Err(fault) => format!("{} on {}", excerpt(fault.at), self.line.position()),
                    Ok(_) => "more than 8 MiB".to_owned(),
                };
                if is_key || self.line.too_long {
                    self.lines.go_back(mark);
                }
                self.lines.forget_mark();
                return Ok(Err(found));
            }
        }
        self.lines.forget_mark();
        if self.line.line_break.is_empty() || continues {
            self.warn_of_cut_end(position);
        }
        Ok(Ok(data))
    }

    /// Strings as the registry stores them: UTF-16LE that ends in NUL.
    fn as_stored(&self, value_type: ValueType, bytes: Vec<u8>) -> Vec<u8> {
        if bytes.is_empty() || !matches!(value_type, ValueType::EXPAND_SZ | ValueType::MULTI_SZ) {
            return bytes;
        }
        let string = match self.has_ansi_strings {
            true => WideString::from(self.lines.code_page().decode(&bytes)),
            false => WideString::from_utf16le(&bytes),
        };
        match string.as_units().last() {
            Some(0) => string.to_utf16le(),
            _ => with_nul(string),
        }
    }

    fn warn_of_damaged_text(&mut self) {
        if self.line.damaged {
            let expected = self.lines.encoding_name();
            let found = excerpt(&self.line.text);
            self.warn(
                self.line.position(),
                WarningCode::EncodingDamaged,
                &expected,
                &found,
            );
        }
    }

    fn warn_of_cut_end(&mut self, position: Position) {
        let expected = "a line break behind it";
        self.warn(
            position,
            WarningCode::Truncated,
            expected,
            "the end of the file",
        );
    }

    /// Warns of what the statement at `position` lacks, unless it belongs to a key that was not asked for.
    fn warn(&mut self, position: Position, code: WarningCode, expected: &str, found: &str) {
        let is_passing = self.section == Section::Unwanted && self.search.is_some();
        if !is_passing {
            self.warnings
                .push(Warning::malformed(code, position, expected, found));
        }
    }
}

fn with_nul(string: WideString) -> Vec<u8> {
    let mut bytes = string.to_utf16le();
    bytes.extend([0, 0]);
    bytes
}
