//! The table that tells where the chunks of a compressed resource lie.

use super::compression::{lzms, lzx};
use super::header::Compression;
use super::resource::Resource;
use crate::error::{Error, Position};

/// Sizes of an XPRESS chunk, in bytes, that are known.
const XPRESS_CHUNK_SIZES: std::ops::RangeInclusive<u32> = 1 << 12..=1 << 16;
/// A chunk table has entries of 8 bytes for a resource that is larger than this; a solid one never has.
const LARGEST_WITH_SHORT_ENTRIES: u64 = u32::MAX as u64;
/// Size in front of each chunk of a pipable WIM.
const PIPABLE_CHUNK_HEADER_SIZE: u64 = 4;
/// Entries that are read at once.
const BLOCK_LENGTH: u64 = 1024;

/// How chunks are compressed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Method {
    Xpress,
    Lzx,
    Lzms,
}

/// Where a chunk lies in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredChunk {
    pub(super) position: u64,
    /// At least 1, and at most what the chunk has when decompressed: then it is not compressed.
    pub(super) size: u64,
}

/// A table, of which a run of entries is kept.
#[derive(Debug, Clone)]
pub(super) struct ChunkTable {
    pub(super) method: Method,
    entries: Entries,
    /// The number of chunks, at least 1.
    count: u64,
    /// Offset of the table in the file.
    position: u64,
    entry_size: u64,
    /// Offset in the file from which the chunks are counted.
    base: u64,
    /// What the chunks take of the file together, without their headers.
    total_size: u64,
    /// Size of what stands in front of each chunk.
    chunk_header_size: u64,
    /// Where the first chunk of each block starts, as far as sizes were added up.
    block_starts: Vec<u64>,
    block: Block,
}

#[derive(Debug, Clone, Copy)]
enum Entries {
    /// Where each chunk but the first starts.
    Offsets,
    /// The size of each chunk.
    Sizes,
}

/// Where the chunks from `first` on start, and where the last of them ends.
#[derive(Debug, Clone, Default)]
struct Block {
    first: u64,
    starts: Vec<u64>,
}

impl ChunkTable {
    pub(super) fn of(resource: &Resource) -> Result<ChunkTable, Error> {
        let method = method(resource)?;
        let header = &resource.header;
        let is_solid = header.is_solid();
        if is_solid && resource.is_pipable {
            return Err(Error::unsupported(
                "a solid resource in a pipable WIM",
                "export the image to a WIM that is not pipable",
            ));
        }
        let count = header
            .original_size
            .div_ceil(resource.chunk_size.into())
            .max(1);
        let entry_size = match header.original_size {
            ..=LARGEST_WITH_SHORT_ENTRIES => 4,
            _ if is_solid => 4,
            _ => 8,
        };
        let (solid_header_size, entry_count) = match is_solid {
            true => (Resource::SOLID_HEADER_SIZE as u64, count),
            false => (0, count - 1),
        };
        let chunk_header_size = match resource.is_pipable {
            true => PIPABLE_CHUNK_HEADER_SIZE,
            false => 0,
        };
        let table_size = entry_count
            .saturating_mul(entry_size)
            .saturating_add(solid_header_size);
        let headers_size = count.saturating_mul(chunk_header_size);
        let end = header.offset.checked_add(header.size);
        let chunks_size = header.size.checked_sub(table_size);
        let total_size = chunks_size.and_then(|size| size.checked_sub(headers_size));
        let (Some(chunks_size), Some(total_size), Some(_)) = (chunks_size, total_size, end) else {
            let expected = format!("{count} chunks and their table");
            let found = format!("a resource of {} bytes", header.size);
            return Err(Error::malformed(expected, found));
        };
        let (position, base) = match resource.is_pipable {
            true => (header.offset + chunks_size, header.offset),
            false => (
                header.offset + solid_header_size,
                header.offset + table_size,
            ),
        };
        Ok(ChunkTable {
            method,
            entries: match is_solid {
                true => Entries::Sizes,
                false => Entries::Offsets,
            },
            count,
            position,
            entry_size,
            base,
            total_size,
            chunk_header_size,
            block_starts: vec![0],
            block: Block::default(),
        })
    }

    /// Where a chunk lies, which exists by its number and has `original_size` bytes when decompressed. Reads the table
    /// by `read_exact_at`.
    pub(super) fn find(
        &mut self,
        chunk: u64,
        original_size: u64,
        mut read_exact_at: impl FnMut(u64, &mut [u8]) -> Result<(), Error>,
    ) -> Result<StoredChunk, Error> {
        let first = chunk - chunk % BLOCK_LENGTH;
        if self.block.first != first || self.block.starts.is_empty() {
            self.block = self.read_block(first, &mut read_exact_at)?;
        }
        let place = (chunk - first) as usize;
        let (start, end) = (self.block.starts[place], self.block.starts[place + 1]);
        let headers = (chunk + 1).saturating_mul(self.chunk_header_size);
        let position = self.base.saturating_add(start).saturating_add(headers);
        let size = end
            .checked_sub(start)
            .filter(|size| (1..=original_size).contains(size) && end <= self.total_size);
        size.map(|size| StoredChunk { position, size })
            .ok_or_else(|| {
                let expected = format!("a chunk of at most {original_size} bytes in the resource");
                let found = format!("bytes {start} to {end} of {}", self.total_size);
                Error::malformed(expected, found).at(Position::Byte(position))
            })
    }

    fn read_block(
        &mut self,
        first: u64,
        read_exact_at: &mut ReadExactAt<'_>,
    ) -> Result<Block, Error> {
        match self.entries {
            Entries::Offsets => self.read_offsets(first, read_exact_at),
            Entries::Sizes => self.read_sizes(first, read_exact_at),
        }
    }

    fn read_offsets(
        &self,
        first: u64,
        read_exact_at: &mut ReadExactAt<'_>,
    ) -> Result<Block, Error> {
        let behind = (first + BLOCK_LENGTH).min(self.count);
        let mut starts = Vec::new();
        if first == 0 {
            starts.push(0);
        }
        // The table has no entry for the first chunk, and none behind the last one.
        let entries = first.max(1) - 1..behind.min(self.count - 1);
        starts.extend(self.read_entries(entries, read_exact_at)?);
        if behind == self.count {
            starts.push(self.total_size);
        }
        Ok(Block { first, starts })
    }

    /// Adds the sizes up, from the last block on of which the start is known.
    fn read_sizes(
        &mut self,
        wanted: u64,
        read_exact_at: &mut ReadExactAt<'_>,
    ) -> Result<Block, Error> {
        loop {
            let known = self.block_starts.len() as u64 - 1;
            let number = known.min(wanted / BLOCK_LENGTH);
            let mut end = self.block_starts[number as usize];
            let first = number * BLOCK_LENGTH;
            let behind = (first + BLOCK_LENGTH).min(self.count);
            let mut starts = vec![end];
            for size in self.read_entries(first..behind, read_exact_at)? {
                end = end.saturating_add(size);
                starts.push(end);
            }
            if first == wanted {
                return Ok(Block { first, starts });
            }
            self.block_starts.push(end);
        }
    }

    fn read_entries(
        &self,
        entries: std::ops::Range<u64>,
        read_exact_at: &mut ReadExactAt<'_>,
    ) -> Result<Vec<u64>, Error> {
        let count = entries.end - entries.start;
        let mut bytes = vec![0; (count * self.entry_size) as usize];
        if !bytes.is_empty() {
            read_exact_at(self.position + entries.start * self.entry_size, &mut bytes)?;
        }
        let numbers = bytes.chunks_exact(self.entry_size as usize).map(|entry| {
            let mut number = [0; 8];
            number[..entry.len()].copy_from_slice(entry);
            u64::from_le_bytes(number)
        });
        Ok(numbers.collect())
    }
}

/// Fills a buffer from an offset in the file on.
type ReadExactAt<'a> = dyn FnMut(u64, &mut [u8]) -> Result<(), Error> + 'a;

fn method(resource: &Resource) -> Result<Method, Error> {
    let (method, sizes) = match resource.compression {
        Compression::Xpress => (Method::Xpress, XPRESS_CHUNK_SIZES),
        Compression::Lzx => (Method::Lzx, lzx::WINDOW_SIZES),
        Compression::Lzms => (Method::Lzms, lzms::CHUNK_SIZES),
        Compression::None | Compression::Unknown => {
            return Err(Error::malformed(
                "a compression format for a compressed resource",
                "none that is known",
            ));
        }
    };
    let chunk_size = resource.chunk_size;
    if !chunk_size.is_power_of_two() || !sizes.contains(&chunk_size) {
        let expected = format!("a chunk size of {} to {}", sizes.start(), sizes.end());
        return Err(Error::malformed(expected, chunk_size.to_string()));
    }
    Ok(method)
}
