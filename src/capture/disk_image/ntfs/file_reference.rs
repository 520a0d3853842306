//! How files name each other.

use std::fmt;

/// `MFT_SEGMENT_REFERENCE`: the number of a record, and how often that record had been used for a file when the
/// reference was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileReference(u64);

impl FileReference {
    /// Bits of the record number.
    const NUMBER_BITS: u32 = 48;

    /// Takes a reference as it stands on the volume.
    pub const fn from_raw(raw: u64) -> Self {
        FileReference(raw)
    }

    /// A reference to whatever file the record holds.
    pub const fn to_record(number: u64) -> Self {
        FileReference(number & ((1 << Self::NUMBER_BITS) - 1))
    }

    /// The reference as it stands on the volume.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The record's number.
    pub const fn record_number(self) -> u64 {
        self.0 & ((1 << Self::NUMBER_BITS) - 1)
    }

    /// The record's sequence number; 0 where the reference does not say.
    pub const fn sequence_number(self) -> u16 {
        (self.0 >> Self::NUMBER_BITS) as u16
    }

    /// Whether it names a record that has this sequence number.
    pub(super) const fn is_met_by(self, sequence_number: u16) -> bool {
        self.sequence_number() == 0 || self.sequence_number() == sequence_number
    }
}

impl fmt::Display for FileReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.record_number(), self.sequence_number())
    }
}
