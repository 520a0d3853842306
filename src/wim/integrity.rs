//! The integrity table: SHA-1 hashes of a WIM file chunk by chunk, which `/CheckIntegrity` of DISM and `--check` of
//! wimlib write. Microsoft's paper leaves its layout out; it is told after wimlib.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::{ControlFlow, Range};

use nom::Parser;
use nom::number::complete::le_u32;
use sha1::{Digest, Sha1};

use super::header::WimHeader;
use super::lookup_table::Sha1Digest;
use crate::binary::structure;
use crate::error::{Error, Position};

/// The hashes of a file's chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrityTable {
    /// What the table covers of the file: all from behind the header to the end of the lookup table. XML data and header
    /// are not in it.
    pub covered: Range<u64>,
    /// Size of all chunks but the last, in bytes: 10 MiB as a rule.
    pub chunk_size: u32,
    /// The hash of each chunk.
    pub hashes: Vec<Sha1Digest>,
}

/// A chunk whose bytes do not have the hash that the integrity table tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedChunk {
    /// Its number, counted from 0.
    pub number: u64,
    /// Offsets of its bytes in the file.
    pub range: Range<u64>,
    /// The hash in the table.
    pub expected: Sha1Digest,
    /// The hash of the bytes.
    pub found: Sha1Digest,
}

/// What came of holding a file against its integrity table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integrity {
    /// The file has no integrity table: nothing was verified.
    NoTable,
    /// Every chunk was hashed.
    Verified {
        /// The part of the file that the table covers, as offsets in bytes.
        covered: Range<u64>,
        /// How many chunks there are.
        chunk_count: u64,
        /// Those that are wrong, in their order.
        damaged: Vec<DamagedChunk>,
    },
}

/// The integrity of one part of a WIM; one that is not split has only this one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartIntegrity {
    /// The part's number, counted from 1.
    pub part_number: u16,
    /// What came of it; an error where the table is no such table or the file cannot be read.
    pub integrity: Result<Integrity, Error>,
}

/// How far a verification came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerificationProgress {
    /// Bytes that were hashed.
    pub verified: u64,
    /// Bytes that are to be hashed in all.
    pub total: u64,
}

impl IntegrityTable {
    /// Size of what stands in front of the hashes, in bytes.
    const HEAD_SIZE: u64 = 12;
    /// A table of more chunks is not read: of the usual ones that would be a file of 10 TB.
    const MAX_COUNT: u64 = 1 << 20;
    /// The largest table that is read, in bytes.
    pub(super) const MAX_SIZE: u64 =
        Self::HEAD_SIZE + Self::MAX_COUNT * size_of::<Sha1Digest>() as u64;

    /// Reads a table of a WIM with this header, the first byte of which stands at `base` of the file.
    ///
    /// # Errors
    ///
    /// The table does not have the size or the number of entries that it must have, or its chunks have no size.
    pub fn parse(bytes: &[u8], base: u64, header: &WimHeader) -> Result<IntegrityTable, Error> {
        const HASH_SIZE: u64 = size_of::<Sha1Digest>() as u64;
        const NAME: &str = "the 12 bytes that an integrity table starts with";
        let position = |offset: u64| Position::Byte(base.saturating_add(offset));
        let covered = covered(header).map_err(|error| error.at(position(0)))?;
        let (hashes, (size, count, chunk_size)) = structure(NAME, base, bytes, |bytes| {
            (le_u32, le_u32, le_u32).parse(bytes)
        })?;
        let expected_size = Self::HEAD_SIZE + u64::from(count) * HASH_SIZE;
        if u64::from(size) != expected_size || bytes.len() as u64 != expected_size {
            let expected =
                format!("an integrity table of {expected_size} bytes for {count} chunks");
            let found = format!("{size} bytes told and {} there", bytes.len());
            return Err(Error::malformed(expected, found).at(position(0)));
        }
        if chunk_size == 0 {
            return Err(Error::malformed("a chunk size of at least 1", "0").at(position(8)));
        }
        let length = covered.end - covered.start;
        let expected_count = length.div_ceil(chunk_size.into());
        if u64::from(count) != expected_count {
            let expected = format!(
                "{expected_count} chunks of {chunk_size} bytes for the {length} that are covered"
            );
            return Err(Error::malformed(expected, count.to_string()).at(position(4)));
        }
        let (hashes, _) = hashes.as_chunks();
        Ok(IntegrityTable {
            covered,
            chunk_size,
            hashes: hashes.to_vec(),
        })
    }

    /// How many bytes the table covers.
    pub fn covered_size(&self) -> u64 {
        self.covered.end - self.covered.start
    }

    /// Where each chunk lies in the file, and the hash of its bytes.
    pub fn chunks(&self) -> impl Iterator<Item = (Range<u64>, &Sha1Digest)> {
        let size = u64::from(self.chunk_size);
        let starts = (0..).map(move |number: u64| self.covered.start + number * size);
        starts.zip(&self.hashes).map(move |(start, hash)| {
            let end = start.saturating_add(size).min(self.covered.end);
            (start..end, hash)
        })
    }

    /// Hashes the chunks of a file, and tells `progress` the number of bytes each time some were hashed; `None` when it
    /// breaks off.
    pub(super) fn verify(
        &self,
        source: &mut (impl Read + Seek),
        mut progress: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<Integrity>, Error> {
        let mut damaged = Vec::new();
        source.seek(SeekFrom::Start(self.covered.start))?;
        for (number, (range, &expected)) in (0..).zip(self.chunks()) {
            let mut chunk = source.by_ref().take(range.end - range.start);
            let found = hash(&mut chunk, &mut progress);
            let found = found.map_err(|error| error.at(Position::Byte(range.start)))?;
            let Some((size, found)) = found else {
                return Ok(None);
            };
            if size < range.end - range.start {
                let expected = format!("a chunk up to {:#x}", range.end);
                let end = Position::Byte(range.start + size);
                return Err(Error::malformed(expected, "the end of the file").at(end));
            }
            if found != expected {
                damaged.push(DamagedChunk {
                    number,
                    range,
                    expected,
                    found,
                });
            }
        }
        Ok(Some(Integrity::Verified {
            covered: self.covered.clone(),
            chunk_count: self.hashes.len() as u64,
            damaged,
        }))
    }
}

/// What an integrity table covers.
fn covered(header: &WimHeader) -> Result<Range<u64>, Error> {
    let start = WimHeader::SIZE as u64;
    let table = header.lookup_table;
    match table.offset.checked_add(table.size) {
        Some(end) if end >= start => Ok(start..end),
        _ => Err(Error::malformed(
            "a lookup table behind the header",
            format!("{} bytes at {:#x}", table.size, table.offset),
        )),
    }
}

/// Reads to the end, and returns the number of bytes and their hash; `None` when `progress` breaks off.
pub(super) fn hash(
    reader: &mut impl Read,
    mut progress: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<Option<(u64, Sha1Digest)>, Error> {
    const BUFFER_SIZE: usize = 1 << 16;
    let mut buffer = vec![0; BUFFER_SIZE];
    let mut hash = Sha1::new();
    let mut size = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(Some((size, hash.finalize().into()))),
            Ok(read) => {
                hash.update(&buffer[..read]);
                size += read as u64;
                if progress(read as u64).is_break() {
                    return Ok(None);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io(&error)),
        }
    }
}
