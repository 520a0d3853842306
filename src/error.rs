//! What went wrong, where, what was expected and what was found instead.
//!
//! [`Error`] ends the reading of one piece of evidence; [`Warning`] records something that could
//! not be used while the rest was read.

use std::borrow::Cow;
use std::fmt;
use std::io;

use serde::{Serialize, Serializer};

/// A place in a piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Position {
    /// Offset in bytes from the start of a binary file.
    Byte(u64),
    /// A line of a text file, counted from 1, and the offset in bytes of the line's first byte.
    Line {
        /// Line number, counted from 1.
        line: u64,
        /// Offset in bytes of the line's first byte.
        byte: u64,
    },
}

impl Position {
    /// Offset in bytes from the start of the evidence.
    pub fn byte(self) -> u64 {
        match self {
            Position::Byte(byte) | Position::Line { byte, .. } => byte,
        }
    }

    /// Line number counted from 1, for text evidence.
    pub fn line(self) -> Option<u64> {
        match self {
            Position::Byte(_) => None,
            Position::Line { line, .. } => Some(line),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Byte(byte) => write!(f, "byte {byte:#x}"),
            Position::Line { line, byte } => write!(f, "line {line} (byte {byte})"),
        }
    }
}

/// Why a piece of evidence could not be read.
///
/// The type is opaque so that it can grow; the accessors tell its parts. Two errors are equal when
/// they say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    evidence: Option<String>,
    position: Option<Position>,
    kind: Kind,
    remedy: Option<Cow<'static, str>>,
    holds_no_capture: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("expected {expected}, found {found}")]
    Malformed {
        expected: Cow<'static, str>,
        found: Cow<'static, str>,
    },
    #[error("{what} is not supported")]
    Unsupported { what: Cow<'static, str> },
    #[error("cannot read: {message}")]
    Io {
        kind: io::ErrorKind,
        message: String,
    },
}

impl Error {
    fn new(kind: Kind) -> Self {
        Error(Box::new(Inner {
            evidence: None,
            position: None,
            kind,
            remedy: None,
            holds_no_capture: false,
        }))
    }

    /// The bytes are not what the format demands.
    pub(crate) fn malformed(
        expected: impl Into<Cow<'static, str>>,
        found: impl Into<Cow<'static, str>>,
    ) -> Self {
        Error::new(Kind::Malformed {
            expected: expected.into(),
            found: found.into(),
        })
    }

    /// The evidence was read as far as needed, and there is nothing in it to judge.
    #[cfg(any(
        feature = "captured-wim",
        feature = "collection",
        feature = "disk-image"
    ))]
    pub(crate) fn no_capture(
        expected: impl Into<Cow<'static, str>>,
        found: impl Into<Cow<'static, str>>,
    ) -> Self {
        let mut error = Error::malformed(expected, found);
        error.0.holds_no_capture = true;
        error
    }

    /// The evidence is understood for what it is, and is not read; `remedy` says what to do instead.
    pub(crate) fn unsupported(
        what: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Self {
        Error::new(Kind::Unsupported { what: what.into() }).or_remedy(remedy)
    }

    /// The operating system could not deliver the bytes, or a reader below that had an error of ours.
    pub(crate) fn io(error: &io::Error) -> Self {
        if let Some(ours) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return Self::clone(ours);
        }
        Error::new(Kind::Io {
            kind: error.kind(),
            message: error.to_string(),
        })
    }

    /// Adds the place, unless one is known already.
    #[must_use]
    pub(crate) fn at(mut self, position: Position) -> Self {
        self.0.position.get_or_insert(position);
        self
    }

    /// Tells the place in a whole where it was known in a part that stands at `base`.
    #[cfg(any(feature = "captured-wim", feature = "disk-image"))]
    #[must_use]
    pub(crate) fn moved_by(mut self, base: u64) -> Self {
        if let Some(Position::Byte(byte)) = &mut self.0.position {
            *byte = byte.saturating_add(base);
        }
        self
    }

    /// Tells the place in a whole instead of that in a part, whose bytes may lie apart.
    #[cfg(feature = "disk-image")]
    #[must_use]
    pub(crate) fn moved_to(mut self, position: Position) -> Self {
        self.0.position = Some(position);
        self
    }

    /// Adds the name of the evidence, unless one is known already.
    #[must_use]
    pub(crate) fn in_evidence(mut self, evidence: impl Into<String>) -> Self {
        self.0.evidence.get_or_insert_with(|| evidence.into());
        self
    }

    /// Says what to do about it, unless that is said already.
    #[must_use]
    pub(crate) fn or_remedy(mut self, remedy: impl Into<Cow<'static, str>>) -> Self {
        self.0.remedy.get_or_insert_with(|| remedy.into());
        self
    }

    /// Says what to do about evidence that cannot be read, where nothing better is known.
    #[must_use]
    pub(crate) fn or_usual_remedy(self) -> Self {
        use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound, PermissionDenied};
        let remedy = match &self.0.kind {
            Kind::Io { kind, .. } => match kind {
                NotFound | NotADirectory | InvalidFilename => "check the path",
                PermissionDenied => {
                    "run this as a user who may read it, or take a copy that you may read"
                }
                _ => "copy it to another disk first, and read the copy",
            },
            Kind::Malformed { .. } => "if its origin is whole, copy it from there again",
            Kind::Unsupported { .. } => return self,
        };
        self.or_remedy(remedy)
    }

    /// Tells what the evidence could have been as well.
    #[must_use]
    pub(crate) fn expecting(mut self, evidence: impl Into<Cow<'static, str>>) -> Self {
        if let Kind::Malformed { expected, .. } = &mut self.0.kind {
            *expected = evidence.into();
        }
        self
    }

    /// The piece of evidence that could not be read, as it was named by the caller.
    pub fn evidence(&self) -> Option<&str> {
        self.0.evidence.as_deref()
    }

    /// Where in the evidence the error lies.
    pub fn position(&self) -> Option<Position> {
        self.0.position
    }

    /// What is wrong and what to do about it, without evidence and place.
    pub(crate) fn without_position(&self) -> String {
        Text(&self.0).to_string()
    }

    /// What to do about it, in words for whoever handed over the evidence; `None` where nothing is known to help.
    pub fn remedy(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }

    /// What the format demands at that place.
    pub fn expected(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Malformed { expected, .. } => Some(expected),
            _ => None,
        }
    }

    /// What stands there instead.
    pub fn found(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Malformed { found, .. } => Some(found),
            Kind::Unsupported { what } => Some(what),
            Kind::Io { .. } => None,
        }
    }

    /// The operating system's kind of error, when it could not deliver the bytes.
    pub fn io_error_kind(&self) -> Option<io::ErrorKind> {
        match &self.0.kind {
            Kind::Io { kind, .. } => Some(*kind),
            _ => None,
        }
    }

    /// Whether the evidence could be read and holds nothing to judge: an archive, a WIM file or a disk image without a
    /// Windows and without a registry export. What could not be looked into may hold one, and is another error.
    pub fn holds_no_capture(&self) -> bool {
        self.0.holds_no_capture
    }

    /// Whether the evidence was recognised as something this version does not read.
    pub fn is_unsupported(&self) -> bool {
        matches!(self.0.kind, Kind::Unsupported { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(evidence) = &self.0.evidence {
            write!(f, "{evidence}: ")?;
        }
        if let Some(position) = self.0.position {
            write!(f, "{position}: ")?;
        }
        Text(&self.0).fmt(f)
    }
}

/// What is wrong and what to do about it.
struct Text<'a>(&'a Inner);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.kind.fmt(f)?;
        match (&self.0.remedy, &self.0.kind) {
            (Some(remedy), Kind::Unsupported { .. }) => write!(f, ": {remedy}"),
            (Some(remedy), _) => write!(f, "; {remedy}"),
            (None, _) => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::io(&error)
    }
}

#[cfg(any(
    feature = "captured-wim",
    feature = "collection",
    feature = "disk-image"
))]
impl From<Error> for io::Error {
    /// For readers that are `Read` themselves: what reads from them has the error back as it was.
    fn from(error: Error) -> Self {
        let kind = error.io_error_kind().unwrap_or(io::ErrorKind::InvalidData);
        io::Error::new(kind, error)
    }
}

/// Defines an enum whose variants have stable kebab-case codes, each with its documentation.
macro_rules! codes {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[doc = $doc:literal])+ $variant:ident = $code:literal ),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name { $( $(#[doc = $doc])+ $variant ),+ }

        impl $name {
            /// Every code, in the order of their documentation.
            pub const ALL: &'static [$name] = &[ $( $name::$variant ),+ ];

            /// The stable kebab-case code.
            pub const fn as_str(self) -> &'static str {
                match self { $( $name::$variant => $code ),+ }
            }

            /// What the code means, in a sentence: that of its documentation.
            pub const fn description(self) -> &'static str {
                match self { $( $name::$variant => concat!($($doc),+).trim_ascii() ),+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}
pub(crate) use codes;

codes! {
    /// What kind of thing could not be used.
    pub enum WarningCode {
        /// A line is neither a key, a value, a comment nor blank.
        LineNotUnderstood = "line-not-understood",
        /// A key line that lacks its closing bracket, or is too long.
        KeyMalformed = "key-malformed",
        /// A value whose data does not follow its type's syntax.
        ValueMalformed = "value-malformed",
        /// A quoted string without its closing quote.
        StringNotClosed = "string-not-closed",
        /// Bytes that are not text in the file's encoding.
        EncodingDamaged = "encoding-damaged",
        /// The evidence ends in the middle of something.
        Truncated = "truncated",
        /// A `WOW6432Node` twin of the mount registry: Windows does not use it.
        Wow64Twin = "wow64-twin",
        /// The evidence has no `Microsoft\WIMMount` key: it may not be the part that holds the mount registry.
        MountRegistryNotInEvidence = "mount-registry-not-in-evidence",
        /// A key where none is known to belong.
        UnknownKey = "unknown-key",
        /// There is more than this version keeps.
        LimitReached = "limit-reached",
        /// Bytes follow where the evidence says it ends.
        TrailingBytes = "trailing-bytes",
        /// A record of a `$WIMMOUNTDATA` stream does not hold what its id says.
        MountDataMalformed = "mount-data-malformed",
        /// The data of a reparse point do not have the layout of its tag.
        ReparseDataMalformed = "reparse-data-malformed",
        /// The XML data of an image file are missing, damaged, or disagree with its header.
        ImageXmlMalformed = "image-xml-malformed",
        /// The base block of a hive is damaged or unusual.
        BaseBlockDamaged = "base-block-damaged",
        /// A hive was being written when it was left, and no transaction log completes it.
        NewestChangesMissing = "newest-changes-missing",
        /// A transaction log, or entries of it, could not be applied.
        LogEntryLeftOut = "log-entry-left-out",
        /// A structure of a hive that was read although the size of its cell is wrong.
        CellDamaged = "cell-damaged",
        /// A key that cannot be read.
        KeyUnreadable = "key-unreadable",
        /// A list of subkeys, or a part of it, that cannot be read.
        SubkeysUnreadable = "subkeys-unreadable",
        /// A value, or its data, that cannot be read.
        ValueUnreadable = "value-unreadable",
        /// A key that is listed more than once, or has the name of another in the same place.
        DuplicateSubkey = "duplicate-subkey",
        /// A list whose length is not the one that its owner tells.
        CountMismatch = "count-mismatch",
        /// A list of subkeys whose order or hashes are not those of its names.
        UnsoundSubkeyList = "unsound-subkey-list",
        /// A SYSTEM hive of which nothing could be used.
        SystemHiveNotUsed = "system-hive-not-used",
        /// A folder for a drive that another folder holds already.
        DuplicateDrive = "duplicate-drive",
        /// A second Windows in one capture, which is not judged.
        AnotherWindows = "another-windows",
        /// A file or directory of the capture that cannot be read.
        FileUnreadable = "file-unreadable",
        /// A resource of a WIM whose data do not have their SHA-1.
        ResourceDamaged = "resource-damaged",
        /// An entry of a WIM's lookup table that cannot be used.
        LookupTableMalformed = "lookup-table-malformed",
        /// A part of a split file that is not there.
        PartMissing = "part-missing",
        /// A directory of a captured image, or a part of it, that cannot be used.
        ImageTreeMalformed = "image-tree-malformed",
        /// The container of a disk image is damaged or unusual, and was read nevertheless.
        ContainerDamaged = "container-damaged",
        /// The partition table of a disk, or an entry of it, is damaged or cannot be used.
        PartitionTableDamaged = "partition-table-damaged",
        /// The boot sector of an NTFS volume is damaged, and its backup is used.
        BootSectorDamaged = "boot-sector-damaged",
        /// A volume of a disk that is not NTFS, and is not looked into.
        VolumeNotRead = "volume-not-read",
        /// A record of an NTFS volume's master file table cannot be read, or a copy of it is used.
        FileTableDamaged = "file-table-damaged",
        /// The index of a directory on an NTFS volume is damaged.
        DirectoryIndexDamaged = "directory-index-damaged",
        /// The table by which an NTFS volume compares names is damaged, and a usual one is used.
        UpcaseTableDamaged = "upcase-table-damaged",
        /// An NTFS volume was not left in order: its newest changes may be in its journal only, which is not replayed.
        VolumeNotClean = "volume-not-clean",
        /// An archive that is damaged, or whose members overlap.
        ArchiveDamaged = "archive-damaged",
        /// Data of an archive's member that do not have the checksum that the archive tells.
        ChecksumMismatch = "checksum-mismatch",
        /// A member of an archive whose name is no path on a drive.
        MemberNameRefused = "member-name-refused",
        /// Two members of a collection that are the same file.
        DuplicateMember = "duplicate-member",
        /// A file of a collection that is not used, such as a transaction log that belongs to no hive.
        FileNotUsed = "file-not-used",
    }
}

/// Something in the evidence that could not be used, while the rest was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    code: WarningCode,
    evidence: Option<String>,
    position: Option<Position>,
    text: String,
}

impl Warning {
    pub(crate) fn new(code: WarningCode, text: impl Into<String>) -> Self {
        Warning {
            code,
            evidence: None,
            position: None,
            text: text.into(),
        }
    }

    /// A warning about something that is not what the format demands.
    pub(crate) fn malformed(
        code: WarningCode,
        position: Position,
        expected: &str,
        found: &str,
    ) -> Self {
        Warning::new(code, format!("expected {expected}, found {found}")).at(position)
    }

    #[must_use]
    pub(crate) fn at(mut self, position: Position) -> Self {
        self.position.get_or_insert(position);
        self
    }

    /// Adds the name of the file it lies in, where that is not the evidence itself (a log beside a hive).
    #[must_use]
    pub(crate) fn in_evidence(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.get_or_insert_with(|| evidence.into());
        self
    }

    /// The stable code.
    pub fn code(&self) -> WarningCode {
        self.code
    }

    /// The file it lies in, where that is not the evidence itself.
    pub fn evidence(&self) -> Option<&str> {
        self.evidence.as_deref()
    }

    /// Where in the evidence it lies.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// The place and what is wrong there, in plain words.
    pub fn message(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(evidence) = &self.evidence {
            write!(f, "{evidence}: ")?;
        }
        if let Some(position) = self.position {
            write!(f, "{position}: ")?;
        }
        f.write_str(&self.text)
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("Warning", 2)?;
        fields.serialize_field("code", &self.code)?;
        fields.serialize_field("message", &self.message())?;
        fields.end()
    }
}

/// Warnings of one reader, at most [`Warnings::LIMIT`] of them: a hostile file must not grow the report without bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Warnings {
    kept: Vec<Warning>,
    left_out: u64,
}

impl Warnings {
    /// How many warnings one piece of evidence may leave in a report.
    pub const LIMIT: usize = 1_000;

    pub(crate) fn push(&mut self, warning: Warning) {
        if self.kept.len() < Self::LIMIT {
            self.kept.push(warning);
        } else {
            self.left_out += 1;
        }
    }

    pub(crate) fn extend(&mut self, other: Warnings) {
        self.left_out += other.left_out;
        for warning in other.kept {
            self.push(warning);
        }
    }

    /// Takes over the warnings about another file than the evidence itself.
    pub(crate) fn extend_from(&mut self, other: Warnings, evidence: &str) {
        self.left_out += other.left_out;
        for warning in other.kept {
            self.push(warning.in_evidence(evidence));
        }
    }

    /// The warnings, in the order in which they arose.
    pub fn as_slice(&self) -> &[Warning] {
        &self.kept
    }

    /// The warnings as a list, the last of which says how many more there were.
    pub(crate) fn into_vec(mut self) -> Vec<Warning> {
        if self.left_out > 0 {
            let text = format!("{} more warnings are left out", self.left_out);
            self.kept
                .push(Warning::new(WarningCode::LimitReached, text));
        }
        self.kept
    }

    /// How many more there were.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}
