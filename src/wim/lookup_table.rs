//! The lookup table: where the data with a SHA-1 lie. `RESHDR_DISK` of Microsoft's paper "Windows Imaging File Format"
//! (2007).

use nom::number::complete::{le_u16, le_u32};
use nom::{IResult, Parser};

use super::header::{ResourceHeader, resource_header};
use crate::binary::byte_array;
use crate::error::Position;
use crate::warning::{Warning, WarningCode, Warnings};

/// A SHA-1.
pub type Sha1Digest = [u8; 20];

/// An entry of the lookup table: `RESHDR_DISK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LookupEntry {
    /// `resHdr`: where the resource lies. In a solid resource its size is that of the data, and the offset counts from
    /// the start of the first resource of the run when decompressed.
    pub header: ResourceHeader,
    /// The run of solid resources in which the data lie, a place in [`LookupTable::solid_runs`].
    pub solid_run: Option<usize>,
    /// `usPartNumber`: the part of a split WIM in which it lies, counted from 1.
    pub part_number: u16,
    /// `dwRefCount`: how often the data are used.
    pub reference_count: u32,
    /// `bHash`: of the data when decompressed.
    pub sha1: Sha1Digest,
}

impl LookupEntry {
    /// Size of an entry in bytes.
    pub const SIZE: usize = 50;
    /// `liOriginalSize` of an entry that stands for a solid resource itself (after wimlib).
    const SOLID_RESOURCE: u64 = 1 << 32;

    /// The size of the data, in bytes.
    pub fn data_size(&self) -> u64 {
        match self.header.is_solid() {
            true => self.header.size,
            false => self.header.original_size,
        }
    }

    fn is_solid_resource(&self) -> bool {
        self.header.is_solid() && self.header.original_size == Self::SOLID_RESOURCE
    }
}

/// What the lookup table of one file tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookupTable {
    /// In the order of their SHA-1, none twice.
    data: Vec<LookupEntry>,
    metadata: Vec<LookupEntry>,
    solid_runs: Vec<Vec<ResourceHeader>>,
}

impl LookupTable {
    /// Reads the entries, the first of which stands at `base` of the file.
    ///
    /// Free entries are left out. Entries of solid resources and of data in them that follow each other are a run (after
    /// wimlib): the offsets of all its data count through its resources as if these were one.
    pub fn parse(bytes: &[u8], base: u64) -> (LookupTable, Warnings) {
        let mut warnings = Warnings::default();
        let mut table = LookupTable::default();
        let mut position = base;
        let mut rest = bytes;
        let mut is_in_run = false;
        while let Ok((behind, mut entry)) = lookup_entry(rest) {
            if entry.header.is_solid() {
                if !is_in_run {
                    table.solid_runs.push(Vec::new());
                }
                entry.solid_run = Some(table.solid_runs.len() - 1);
            }
            is_in_run = entry.header.is_solid();
            if entry.is_solid_resource() {
                if let Some(run) = table.solid_runs.last_mut() {
                    run.push(entry.header);
                }
            } else if entry.header.flags & ResourceHeader::METADATA != 0 {
                table.metadata.push(entry);
            } else if entry.header.flags & ResourceHeader::FREE == 0 {
                match entry.sha1 {
                    NO_DATA => warnings.push(malformed(position, "a SHA-1", "zeros")),
                    _ => table.data.push(entry),
                }
            }
            position += LookupEntry::SIZE as u64;
            rest = behind;
        }
        if !rest.is_empty() {
            let found = format!("{} bytes", rest.len());
            warnings.push(malformed(position, "an entry of 50 bytes", &found));
        }
        // Stable: of two entries with one SHA-1 the first counts.
        table.data.sort_by_key(|entry| entry.sha1);
        table.data.dedup_by_key(|entry| entry.sha1);
        (table, warnings)
    }

    /// Where the data with a SHA-1 lie.
    pub fn find(&self, sha1: &Sha1Digest) -> Option<&LookupEntry> {
        let found = self.data.binary_search_by_key(sha1, |entry| entry.sha1);
        self.data.get(found.ok()?)
    }

    /// The metadata of the images, in their order.
    pub fn metadata(&self) -> &[LookupEntry] {
        &self.metadata
    }

    /// The solid resources, in runs of such that follow each other.
    pub fn solid_runs(&self) -> &[Vec<ResourceHeader>] {
        &self.solid_runs
    }

    /// The data of files and streams, in the order of their SHA-1.
    pub fn data(&self) -> &[LookupEntry] {
        &self.data
    }
}

/// What stands for a SHA-1 where there are no data.
pub(super) const NO_DATA: Sha1Digest = [0; 20];

fn lookup_entry(bytes: &[u8]) -> IResult<&[u8], LookupEntry> {
    let (rest, header) = resource_header(bytes)?;
    let (rest, (part_number, reference_count, sha1)) = (le_u16, le_u32, byte_array).parse(rest)?;
    let entry = LookupEntry {
        header,
        solid_run: None,
        part_number,
        reference_count,
        sha1,
    };
    Ok((rest, entry))
}

fn malformed(position: u64, expected: &str, found: &str) -> Warning {
    let position = Position::Byte(position);
    Warning::malformed(WarningCode::LookupTableMalformed, position, expected, found)
}
