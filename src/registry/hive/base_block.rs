//! The base block: the first 4096 bytes of a hive, of which a transaction log carries the first sector.

use nom::bytes::complete::take;
use nom::number::complete::{le_u32, le_u64};
use nom::{IResult, Parser};

use super::transaction_log::LogFormat;
use crate::file_time::FileTime;

/// `HBASE_BLOCK` is 4096 bytes long; the hive bins follow it.
pub(super) const BASE_BLOCK_LEN: u64 = 4096;

/// All that is read of it lies in the first sector.
pub(super) const BASE_BLOCK_SECTOR: usize = 512;

const SIGNATURE: &[u8] = b"regf";

/// Where the checksum stands; it covers what is before it.
const CHECKSUM_OFFSET: usize = 508;

/// What the base block says ("Windows registry file format specification", "Base block").
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BaseBlock {
    pub(super) signature: [u8; 4],
    pub(super) primary_sequence: u32,
    pub(super) secondary_sequence: u32,
    pub(super) last_written: FileTime,
    pub(super) major_version: u32,
    pub(super) minor_version: u32,
    pub(super) file_type: u32,
    pub(super) file_format: u32,
    pub(super) root_cell: u32,
    pub(super) hive_bins_len: u32,
    pub(super) clustering_factor: u32,
    pub(super) checksum: u32,
    /// The checksum of the bytes as they are.
    pub(super) computed_checksum: u32,
}

impl BaseBlock {
    /// File type of a hive.
    pub(super) const PRIMARY: u32 = 0;

    pub(super) fn parse(sector: &[u8; BASE_BLOCK_SECTOR]) -> Self {
        match Self::fields(sector) {
            Ok((_, base_block)) => base_block,
            Err(_) => unreachable!("the fields of a base block are shorter than its sector"),
        }
    }

    fn fields(sector: &[u8]) -> IResult<&[u8], BaseBlock> {
        let (rest, (signature, primary_sequence, secondary_sequence, last_written)) =
            (take(4usize), le_u32, le_u32, le_u64).parse(sector)?;
        let (rest, (major_version, minor_version, file_type, file_format)) =
            (le_u32, le_u32, le_u32, le_u32).parse(rest)?;
        let (rest, (root_cell, hive_bins_len, clustering_factor)) =
            (le_u32, le_u32, le_u32).parse(rest)?;
        let (at_checksum, covered) = take(CHECKSUM_OFFSET)(sector)?;
        let (_, checksum) = le_u32(at_checksum)?;
        let base_block = BaseBlock {
            signature: [signature[0], signature[1], signature[2], signature[3]],
            primary_sequence,
            secondary_sequence,
            last_written: FileTime::from_ticks(last_written),
            major_version,
            minor_version,
            file_type,
            file_format,
            root_cell,
            hive_bins_len,
            clustering_factor,
            checksum,
            computed_checksum: xor32(covered),
        };
        Ok((rest, base_block))
    }

    pub(super) fn has_signature(&self) -> bool {
        self.signature == SIGNATURE
    }

    /// The format of the transaction log that it is the base block of, if it is one's.
    pub(super) fn log_format(&self) -> Option<LogFormat> {
        match self.file_type {
            // In Windows 2000, and since Windows XP.
            2 | 1 => Some(LogFormat::DirtyVector),
            6 => Some(LogFormat::Entries),
            _ => None,
        }
    }

    /// Whether the fields can be trusted.
    pub(super) fn is_sound(&self) -> bool {
        self.has_signature() && self.checksum == self.computed_checksum
    }

    /// Whether no write was under way when the hive was left.
    pub(super) fn is_clean(&self) -> bool {
        self.is_sound() && self.primary_sequence == self.secondary_sequence
    }
}

/// XOR of the 127 words before the checksum; 0 and all ones are kept for "none" (note 2 of the specification).
fn xor32(bytes: &[u8]) -> u32 {
    let (words, _) = bytes.as_chunks::<4>();
    match words
        .iter()
        .fold(0, |sum, word| sum ^ u32::from_le_bytes(*word))
    {
        0 => 1,
        u32::MAX => u32::MAX - 1,
        sum => sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_never_zero_or_all_ones() {
        let sum = |words: &[u32]| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            xor32(&bytes)
        };
        assert_eq!(sum(&[0x1234, 0x1000_0001]), 0x1000_1235);
        assert_eq!(sum(&[7, 7]), 1);
        assert_eq!(sum(&[0xFFFF_FF00, 0xFF]), 0xFFFF_FFFE);
    }
}
