//! What of readable evidence could not be used.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::codes::codes;
use crate::error::Position;

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
        /// A transaction log that was named, and is none or belongs to nothing in the evidence.
        LogNotUsed = "log-not-used",
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
        /// A list whose length is not the one that its owner states.
        CountMismatch = "count-mismatch",
        /// A list of subkeys whose order or hashes are not those of its names.
        UnsoundSubkeyList = "unsound-subkey-list",
        /// A SYSTEM hive of which nothing could be used.
        SystemHiveNotUsed = "system-hive-not-used",
        /// A folder for a drive that another folder holds already.
        DuplicateDrive = "duplicate-drive",
        /// Mount directories were searched for where streams cannot be seen: that none was found says little.
        StreamsNotShown = "streams-not-shown",
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
        /// Data of an archive's member that do not have the checksum that the archive records.
        ChecksumMismatch = "checksum-mismatch",
        /// A member of an archive whose name is no path on a drive.
        MemberNameRefused = "member-name-refused",
        /// Two members of a collection that are the same file.
        DuplicateMember = "duplicate-member",
        /// A file of a collection that is not used, such as a transaction log that belongs to no hive.
        FileNotUsed = "file-not-used",
    }
}

impl WarningCode {
    /// Whether mounted images may be missing from a report for what such a warning tells: that none is there is then not certain.
    pub fn may_hide_mounts(self) -> bool {
        use WarningCode::{
            ImageXmlMalformed, LogNotUsed, MountDataMalformed, StreamsNotShown, SystemHiveNotUsed,
            TrailingBytes, Wow64Twin,
        };
        !matches!(
            self,
            ImageXmlMalformed
                | LogNotUsed
                | MountDataMalformed
                | StreamsNotShown
                | SystemHiveNotUsed
                | TrailingBytes
                | Wow64Twin
        )
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

    /// A warning of an error that was passed by, at the place of it.
    #[cfg(any(feature = "captured-wim", feature = "disk-image"))]
    pub(crate) fn of(code: WarningCode, error: &crate::Error) -> Self {
        Warning {
            position: error.position(),
            ..Warning::new(code, error.without_position())
        }
    }

    /// The same, with what comes of the error in front.
    #[cfg(feature = "disk-image")]
    pub(crate) fn with_consequence(
        code: WarningCode,
        consequence: &str,
        error: &crate::Error,
    ) -> Self {
        let mut warning = Warning::of(code, error);
        warning.text.insert_str(0, &format!("{consequence}: "));
        warning
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

    /// The place and what is wrong there, in plain words. What is quoted of the evidence stands in it as recorded, so it is shown
    /// through [`visible`](crate::visible::visible()).
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
