//! Resources: the pieces of data that a WIM is made of, stored as they are or compressed in chunks.
//!
//! The layout is that of Microsoft's paper "Windows Imaging File Format" (2007): the chunks follow a table of their
//! offsets. In a pipable WIM, after wimlib, the table follows the chunks, each of which has its size in front.

use std::io::{self, Read, Seek, SeekFrom};

use super::compression::{lzx, xpress};
use super::header::{Compression, ResourceHeader, WimHeader};
use crate::error::{Error, Position};

/// Sizes of an XPRESS chunk, in bytes, that are known.
const XPRESS_CHUNK_SIZES: std::ops::RangeInclusive<u32> = 1 << 12..=1 << 16;
/// A chunk table has entries of 8 bytes for a resource that is larger than this.
const LARGEST_WITH_SHORT_ENTRIES: u64 = u32::MAX as u64;
/// Size in front of each chunk of a pipable WIM.
const PIPABLE_CHUNK_HEADER_SIZE: u64 = 4;
/// Decompressed chunks that a reader keeps: a hive is read here and there.
const KEPT_CHUNKS: usize = 8;
/// Offsets of the chunk table that are read at once.
const TABLE_BLOCK_LENGTH: u64 = 1024;

/// Where and how a resource is stored in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// Where it lies.
    pub header: ResourceHeader,
    /// How its chunks are compressed, if it is.
    pub compression: Compression,
    /// The size of all chunks but the last, in bytes when decompressed.
    pub chunk_size: u32,
    /// Whether it has the layout of a pipable WIM.
    pub is_pipable: bool,
}

impl Resource {
    /// A resource of the WIM with this header.
    pub fn of(wim: &WimHeader, header: ResourceHeader) -> Resource {
        Resource {
            header,
            compression: wim.compression(),
            chunk_size: wim.chunk_size,
            is_pipable: wim.is_pipable,
        }
    }

    /// The resource's size when decompressed, in bytes.
    pub fn original_size(&self) -> u64 {
        self.header.original_size
    }
}

/// Reads a resource, from any place on, decompressing only the chunks that are asked for.
///
/// What is not read whole is not held against the resource's SHA-1. Damaged chunks are errors of kind
/// [`InvalidData`](io::ErrorKind::InvalidData) that carry an [`Error`] with the place in the file.
#[derive(Debug, Clone)]
pub struct ResourceReader<R> {
    source: R,
    resource: Resource,
    layout: Layout,
    position: u64,
    /// The chunks read last, the newest one at the end.
    kept: Vec<Chunk>,
    /// A run of offsets from the chunk table.
    offsets: OffsetBlock,
}

#[derive(Debug, Clone, Copy)]
enum Layout {
    AsIs,
    Chunks(ChunkLayout),
}

#[derive(Debug, Clone, Copy)]
struct ChunkLayout {
    method: Method,
    /// The number of chunks, at least 1.
    count: u64,
    /// Offset of the chunk table in the file.
    table: u64,
    entry_size: u64,
    /// Offset in the file from which the table's offsets are counted.
    base: u64,
    /// What the chunks take of the file together, without their headers.
    total_size: u64,
    /// Size of what stands in front of each chunk.
    chunk_header_size: u64,
}

#[derive(Debug, Clone, Copy)]
enum Method {
    Xpress,
    Lzx,
}

#[derive(Debug, Clone)]
struct Chunk {
    number: u64,
    bytes: Vec<u8>,
}

/// Offsets of chunks from `first` on.
#[derive(Debug, Clone, Default)]
struct OffsetBlock {
    first: u64,
    offsets: Vec<u64>,
}

impl<R: Read + Seek> ResourceReader<R> {
    /// Makes a reader of a resource that lies in `source`, without reading anything.
    ///
    /// # Errors
    ///
    /// The resource is compressed in a way that is not known or not read, or is too small for its chunk table.
    pub fn new(source: R, resource: Resource) -> Result<ResourceReader<R>, Error> {
        Ok(ResourceReader {
            source,
            resource,
            layout: Layout::of(&resource)
                .map_err(|error| error.at(Position::Byte(resource.header.offset)))?,
            position: 0,
            kept: Vec::new(),
            offsets: OffsetBlock::default(),
        })
    }

    /// The resource's size when decompressed, in bytes.
    pub fn size(&self) -> u64 {
        self.resource.original_size()
    }

    /// Reads what a resource holds as it is.
    fn read_as_is(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size().saturating_sub(self.position);
        let wanted = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let Some(start) = self.resource.header.offset.checked_add(self.position) else {
            return Err(self.cut_off(0).into());
        };
        self.source.seek(SeekFrom::Start(start))?;
        let read = self.source.read(&mut buffer[..wanted])?;
        match read {
            0 if wanted > 0 => Err(self.cut_off(start).into()),
            read => Ok(read),
        }
    }

    fn read_chunks(&mut self, layout: &ChunkLayout, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.size() {
            return Ok(0);
        }
        let chunk_size = u64::from(self.resource.chunk_size);
        let (number, start) = (self.position / chunk_size, self.position % chunk_size);
        let chunk = self.chunk(layout, number)?;
        let rest = chunk.bytes.get(start as usize..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    /// A decompressed chunk, which exists by its number.
    fn chunk(&mut self, layout: &ChunkLayout, number: u64) -> Result<&Chunk, Error> {
        match self.kept.iter().position(|chunk| chunk.number == number) {
            Some(kept) => self.kept[kept..].rotate_left(1),
            None => {
                let mut bytes = match self.kept.len() {
                    KEPT_CHUNKS.. => self.kept.remove(0).bytes,
                    _ => Vec::new(),
                };
                self.decompress(layout, number, &mut bytes)?;
                self.kept.push(Chunk { number, bytes });
            }
        }
        Ok(&self.kept[self.kept.len() - 1])
    }

    fn decompress(
        &mut self,
        layout: &ChunkLayout,
        number: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let chunk_size = self.resource.chunk_size;
        let left = self.size() - number * u64::from(chunk_size);
        let size = u64::from(chunk_size).min(left);
        let start = self.chunk_offset(layout, number)?;
        let end = match number + 1 {
            next if next < layout.count => self.chunk_offset(layout, next)?,
            _ => layout.total_size,
        };
        let headers = (number + 1).saturating_mul(layout.chunk_header_size);
        let position = layout.base.saturating_add(start).saturating_add(headers);
        let stored_size = end
            .checked_sub(start)
            .filter(|&stored| (1..=size).contains(&stored));
        let Some(stored_size) = stored_size.filter(|_| end <= layout.total_size) else {
            let expected = format!("a chunk of at most {size} bytes in the resource");
            let found = format!("bytes {start} to {end} of {}", layout.total_size);
            return Err(Error::malformed(expected, found).at(Position::Byte(position)));
        };
        // Bounded by the chunk's size, which is one that the format allows.
        let mut stored = vec![0; stored_size as usize];
        self.read_exact_at(position, &mut stored)?;
        out.clear();
        if stored_size == size {
            out.extend(stored);
            return Ok(());
        }
        out.resize(size as usize, 0);
        match layout.method {
            Method::Xpress => xpress::decompress(&stored, out),
            Method::Lzx => lzx::decompress(&stored, chunk_size, out),
        }
        .map_err(|error| error.moved_by(position))
    }

    /// Where a chunk starts, counted from the first one's start.
    fn chunk_offset(&mut self, layout: &ChunkLayout, number: u64) -> Result<u64, Error> {
        // The table has no entry for the first chunk.
        let Some(entry) = number.checked_sub(1) else {
            return Ok(0);
        };
        let first = entry - entry % TABLE_BLOCK_LENGTH;
        if self.offsets.first != first || self.offsets.offsets.is_empty() {
            let count = (layout.count - 1 - first).min(TABLE_BLOCK_LENGTH);
            let mut bytes = vec![0; (count * layout.entry_size) as usize];
            self.read_exact_at(layout.table + first * layout.entry_size, &mut bytes)?;
            let entries = bytes.chunks_exact(layout.entry_size as usize);
            let offsets = entries.map(|entry| {
                let mut offset = [0; 8];
                offset[..entry.len()].copy_from_slice(entry);
                u64::from_le_bytes(offset)
            });
            self.offsets = OffsetBlock {
                first,
                offsets: offsets.collect(),
            };
        }
        Ok(self.offsets.offsets[(entry - first) as usize])
    }

    fn read_exact_at(&mut self, position: u64, bytes: &mut [u8]) -> Result<(), Error> {
        self.source.seek(SeekFrom::Start(position))?;
        match self.source.read_exact(bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.cut_off(position))
            }
            result => Ok(result?),
        }
    }

    fn cut_off(&self, position: u64) -> Error {
        let header = &self.resource.header;
        let expected = format!(
            "a resource of {} bytes at {:#x}",
            header.size, header.offset
        );
        Error::malformed(expected, "the end of the file").at(Position::Byte(position))
    }
}

impl Layout {
    fn of(resource: &Resource) -> Result<Layout, Error> {
        let header = &resource.header;
        if header.flags & ResourceHeader::SOLID != 0 {
            return Err(Error::unsupported(
                "a solid resource",
                "export the image from the ESD to a WIM with LZX or XPRESS compression",
            ));
        }
        if !header.is_compressed() {
            return match header.size == header.original_size {
                true => Ok(Layout::AsIs),
                false => Err(Error::malformed(
                    format!("{} bytes of uncompressed data", header.original_size),
                    format!("{} bytes", header.size),
                )),
            };
        }
        let (method, sizes) = match resource.compression {
            Compression::Xpress => (Method::Xpress, XPRESS_CHUNK_SIZES),
            Compression::Lzx => (Method::Lzx, lzx::WINDOW_SIZES),
            Compression::Lzms => {
                return Err(Error::unsupported(
                    "LZMS compression",
                    "export the image to a WIM with LZX or XPRESS compression",
                ));
            }
            Compression::None | Compression::Unknown => {
                return Err(Error::malformed(
                    "a compression format for a compressed resource",
                    "none that is known in the file's header",
                ));
            }
        };
        let chunk_size = resource.chunk_size;
        if !chunk_size.is_power_of_two() || !sizes.contains(&chunk_size) {
            let expected = format!("a chunk size of {} to {}", sizes.start(), sizes.end());
            return Err(Error::malformed(expected, chunk_size.to_string()));
        }
        ChunkLayout::of(resource, method).map(Layout::Chunks)
    }
}

impl ChunkLayout {
    fn of(resource: &Resource, method: Method) -> Result<ChunkLayout, Error> {
        let header = &resource.header;
        let count = header
            .original_size
            .div_ceil(resource.chunk_size.into())
            .max(1);
        let entry_size = match header.original_size {
            ..=LARGEST_WITH_SHORT_ENTRIES => 4,
            _ => 8,
        };
        let chunk_header_size = match resource.is_pipable {
            true => PIPABLE_CHUNK_HEADER_SIZE,
            false => 0,
        };
        let table_size = (count - 1).saturating_mul(entry_size);
        let headers_size = count.saturating_mul(chunk_header_size);
        let end = header.offset.checked_add(header.size);
        let chunks_size = header.size.checked_sub(table_size);
        let total_size = chunks_size.and_then(|size| size.checked_sub(headers_size));
        let (Some(chunks_size), Some(total_size), Some(_)) = (chunks_size, total_size, end) else {
            let expected = format!("{count} chunks and their table");
            let found = format!("a resource of {} bytes", header.size);
            return Err(Error::malformed(expected, found));
        };
        let (table, base) = match resource.is_pipable {
            true => (header.offset + chunks_size, header.offset),
            false => (header.offset, header.offset + table_size),
        };
        Ok(ChunkLayout {
            method,
            count,
            table,
            entry_size,
            base,
            total_size,
            chunk_header_size,
        })
    }
}

impl<R: Read + Seek> Read for ResourceReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.layout {
            Layout::AsIs => self.read_as_is(buffer)?,
            Layout::Chunks(layout) => self.read_chunks(&layout, buffer)?,
        };
        self.position += read as u64;
        Ok(read)
    }
}

impl<R: Read + Seek> Seek for ResourceReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.size().checked_add_signed(by),
        };
        let Some(position) = position else {
            let kind = io::ErrorKind::InvalidInput;
            return Err(io::Error::new(
                kind,
                "a position before the resource's start",
            ));
        };
        self.position = position;
        Ok(position)
    }
}
