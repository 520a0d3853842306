//! Registry hives: files in the `regf` format, versions 1.3 to 1.6, and their transaction logs.
//!
//! [`Hive::open`] or [`Hive::open_with_logs`] brings a hive up to date without changing it, [`Hive::find`] goes to a
//! key, [`Hive::subkeys`] and [`Hive::values`] read what it holds; [`Hive::walk`] goes over everything. Only the
//! pages on the way are read.
//!
//! The structures are those of Maxim Suhanov's "Windows registry file format specification"
//! (<https://github.com/msuhanov/regf>); each file here names the section it follows.

use std::collections::HashSet;
use std::fmt;
use std::io::{Read, Seek, SeekFrom};

use crate::error::{Error, Position};
use crate::file_time::FileTime;
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::WideString;

mod base_block;
mod cell;
mod key_node;
mod key_value;
mod marvin32;
mod pages;
mod recovery;
mod subkey_list;
mod transaction_log;
mod walk;

pub use key_node::KeyNode;
pub use key_value::KeyValue;
pub use recovery::{LogReplay, Recovery};
pub use transaction_log::{LeftOut, LeftOutReason, LogFormat};
pub use walk::{Walk, WalkedKey};

use base_block::{BASE_BLOCK_LEN, BASE_BLOCK_SECTOR, BaseBlock};
use pages::{Pages, read_at};

/// How many bytes from a file's start tell whether it is a hive.
pub const START: usize = BASE_BLOCK_LEN as usize + 4;

/// Whether a file is a hive, by its first [`START`] bytes: they begin with a base block, or, where that is damaged, the
/// first hive bin stands behind it.
pub fn is_hive(start: &[u8]) -> bool {
    start.starts_with(b"regf") || start.get(BASE_BLOCK_LEN as usize..) == Some(b"hbin")
}

/// A registry hive.
///
/// `R` is where the bytes are: a file, or bytes in memory in a [`Cursor`](std::io::Cursor). The hive and its logs
/// have the same type; a boxed trait object over `Read + Seek` serves where they differ.
pub struct Hive<R> {
    pages: Pages<R>,
    base_block: BaseBlock,
    recovery: Recovery,
    warnings: Warnings,
    /// What was warned of already: a loss is one loss, however often it is met.
    warned: HashSet<(WarningCode, Position)>,
}

impl<R> fmt::Debug for Hive<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hive")
            .field("base_block", &self.base_block)
            .field("recovery", &self.recovery)
            .finish_non_exhaustive()
    }
}

impl<R: Read + Seek> Hive<R> {
    /// Opens a hive without transaction logs.
    ///
    /// # Errors
    /// When it cannot be read or is not a hive.
    pub fn open(hive: R) -> Result<Self, Error> {
        Self::open_with_logs(hive, Vec::new())
    }

    /// Opens a hive and applies its transaction logs, whatever order they come in.
    ///
    /// Each log comes with the name that messages call it by.
    ///
    /// # Errors
    /// When the hive or a log cannot be read, or the hive is not one. A damaged log is no error: see
    /// [`recovery`](Self::recovery).
    pub fn open_with_logs(mut hive: R, logs: Vec<(String, R)>) -> Result<Self, Error> {
        let file_len = hive.seek(SeekFrom::End(0))?;
        if file_len < BASE_BLOCK_SECTOR as u64 {
            return Err(Error::malformed(
                format!("a base block of {BASE_BLOCK_LEN} bytes"),
                format!("a file of {file_len} bytes"),
            )
            .at(Position::Byte(0)));
        }
        let mut sector = [0; BASE_BLOCK_SECTOR];
        read_at(&mut hive, 0, &mut sector)
            .map_err(|error| Error::io(&error).at(Position::Byte(0)))?;
        let on_disk = BaseBlock::parse(&sector);
        let (names, mut logs): (Vec<String>, Vec<R>) = logs.into_iter().unzip();
        let mut warnings = Warnings::default();
        let recovered = recovery::recover(&mut hive, on_disk, &names, &mut logs, &mut warnings)?;
        let base_block = recovered.base_block;
        if !base_block.has_signature() {
            return Err(Error::malformed(
                "signature regf",
                format!("\"{}\"", base_block.signature.escape_ascii()),
            )
            .at(Position::Byte(0)));
        }
        if base_block.is_sound() && base_block.log_format().is_some() {
            return Err(Error::unsupported(
                "a transaction log instead of its hive",
                "name the hive, and the log as its log",
            ));
        }
        let mut hive = Hive {
            pages: Pages::new(
                hive,
                file_len,
                logs,
                recovered.overlay,
                recovered.hive_bins_len,
            ),
            base_block,
            recovery: recovered.recovery,
            warnings,
            warned: HashSet::new(),
        };
        hive.check_base_block(file_len);
        Ok(hive)
    }

    /// Warns of what is odd about the base block: none of it keeps a key from being read.
    fn check_base_block(&mut self, file_len: u64) {
        const VERSION: Position = Position::Byte(20);
        const FILE_TYPE: Position = Position::Byte(28);
        const HIVE_BINS_LEN: Position = Position::Byte(40);
        const CHECKSUM: Position = Position::Byte(508);
        let block = self.base_block.clone();
        if !block.is_sound() && self.recovery.base_block_from.is_none() {
            let text = format!(
                "expected checksum {:#010x}, found {:#010x}: the base block is damaged",
                block.computed_checksum, block.checksum
            );
            self.warn(WarningCode::BaseBlockDamaged, CHECKSUM, text);
        }
        if block.major_version != 1 || !(3..=6).contains(&block.minor_version) {
            let text = format!(
                "expected version 1.3 to 1.6, found {}.{}",
                block.major_version, block.minor_version
            );
            self.warn(WarningCode::BaseBlockDamaged, VERSION, text);
        }
        if block.file_type != BaseBlock::PRIMARY || block.file_format != 1 {
            let text = format!(
                "expected file type 0 in format 1, found type {} in format {}",
                block.file_type, block.file_format
            );
            self.warn(WarningCode::BaseBlockDamaged, FILE_TYPE, text);
        }
        let whole = BASE_BLOCK_LEN + u64::from(block.hive_bins_len);
        if BASE_BLOCK_LEN.saturating_add(self.pages.len()) < whole {
            let text = format!("expected {whole} bytes, found {file_len}");
            self.warn(WarningCode::Truncated, HIVE_BINS_LEN, text);
        } else if !file_len.is_multiple_of(4096) {
            let end = Position::Byte(file_len - file_len % 4096);
            self.warn(
                WarningCode::TrailingBytes,
                end,
                "the file does not end with a whole page",
            );
        }
    }

    /// What was done to bring the hive up to date.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// What could not be used so far. Reading adds to it.
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// Ends the reading and gives what could not be used.
    pub fn into_warnings(self) -> Warnings {
        self.warnings
    }

    /// The time in the base block. Windows has not kept it up to date since 8.1.
    pub fn last_written(&self) -> FileTime {
        self.base_block.last_written
    }

    /// The root key. Its name is not part of any path.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn root(&mut self) -> Result<KeyNode, Error> {
        self.key_node(self.base_block.root_cell)
    }

    /// The key at a path below the root, upper and lower case being the same.
    ///
    /// `None` says that there is no such key.
    ///
    /// # Errors
    /// When a key or list on the way cannot be read, so that nobody can tell.
    pub fn find(&mut self, path: &[&str]) -> Result<Option<KeyNode>, Error> {
        let mut key = self.root()?;
        for &name in path {
            match self.subkey(&key, &WideString::from(name))? {
                Some(subkey) => key = subkey,
                None => return Ok(None),
            }
        }
        Ok(Some(key))
    }

    /// Adds a warning about what was given along with the hive.
    pub(crate) fn add_warning(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }

    fn warn(&mut self, code: WarningCode, position: Position, text: impl Into<String>) {
        // Past the limit warnings are only counted, and what was warned of does not grow either.
        if self.warnings.as_slice().len() == Warnings::LIMIT || self.warned.insert((code, position))
        {
            self.warnings.push(Warning::new(code, text).at(position));
        }
    }

    /// Warns of an error that lost only a part.
    fn warn_of(&mut self, code: WarningCode, position: Position, error: &Error) {
        self.warn(
            code,
            error.position().unwrap_or(position),
            error.without_position(),
        );
    }
}

/// How many bytes may still be read of lists, values and data.
///
/// In a sound hive nothing belongs to two owners, so that reading all of it takes no more than its length. A hostile
/// hive can name the same large cell over and over.
struct ReadBudget {
    whole: u64,
    left: u64,
}

impl ReadBudget {
    /// Small hives may share some cells before it matters.
    const LEAST: u64 = 1024 * 1024;

    /// No key is known to have as many bytes of values: more that are read at once could fill the memory.
    const MOST_OF_KEY: u64 = 32 * 1024 * 1024;

    fn of(stored: u64) -> Self {
        let whole = stored.saturating_mul(2).max(Self::LEAST);
        ReadBudget { whole, left: whole }
    }

    /// For the values of one key.
    fn of_key(stored: u64) -> Self {
        let whole = Self::of(stored).whole.min(Self::MOST_OF_KEY);
        ReadBudget { whole, left: whole }
    }

    fn take(&mut self, bytes: u64, position: Position) -> Result<(), Error> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Error::malformed(
                format!("no more than {} bytes of lists and data in all", self.whole),
                format!("{bytes} bytes beyond"),
            )
            .at(position)),
        }
    }

    /// As [`take`](Self::take), for what was read already: when it is too much, nothing more is allowed.
    fn take_or_end(&mut self, bytes: u64, position: Position) -> Result<(), Error> {
        let taken = self.take(bytes, position);
        if taken.is_err() {
            self.left = 0;
        }
        taken
    }
}
