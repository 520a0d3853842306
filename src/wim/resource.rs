//! Resources: the pieces of data that a WIM is made of, stored as they are or compressed in chunks.
//!
//! The layout is that of Microsoft's paper "Windows Imaging File Format" (2007): the chunks follow a table of their
//! offsets. After wimlib are pipable WIMs, where the table follows the chunks, each of which has its size in front, and
//! solid resources, which start with their own size, chunk size and format and have a table of their chunks' sizes.

use std::io::{self, Read, Seek, SeekFrom};

use nom::Parser;
use nom::number::complete::{le_u32, le_u64};

use super::chunk_cache::{ChunkCache, ChunkKey};
use super::chunk_table::{ChunkTable, Method, StoredChunk};
use super::compression::{lzms, lzx, xpress};
use super::header::{Compression, ResourceHeader, WimHeader};
use crate::binary::structure;
use crate::error::{Error, Position};
use crate::seek::position_after;

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
    /// Size of what a solid resource starts with, in bytes.
    pub const SOLID_HEADER_SIZE: usize = 16;

    /// A resource of the WIM with this header, which is no solid one.
    pub fn of(wim: &WimHeader, header: ResourceHeader) -> Resource {
        Resource {
            header,
            compression: wim.compression(),
            chunk_size: wim.chunk_size,
            is_pipable: wim.is_pipable,
        }
    }

    /// A solid resource, which starts with these bytes.
    ///
    /// # Errors
    ///
    /// The bytes are too few.
    pub fn solid(header: ResourceHeader, bytes: &[u8]) -> Result<Resource, Error> {
        const NAME: &str = "16 bytes of a solid resource";
        let fields = (le_u64, le_u32, le_u32);
        let (_, (original_size, chunk_size, format)) =
            structure(NAME, header.offset, bytes, |bytes| {
                fields.clone().parse(bytes)
            })?;
        Ok(Resource {
            header: ResourceHeader {
                original_size,
                ..header
            },
            compression: match format {
                1 => Compression::Xpress,
                2 => Compression::Lzx,
                3 => Compression::Lzms,
                _ => Compression::Unknown,
            },
            chunk_size,
            is_pipable: false,
        })
    }

    /// The resource's size when decompressed, in bytes.
    pub fn original_size(&self) -> u64 {
        self.header.original_size
    }
}

/// Reads a resource, or a part of one, from any place on, decompressing only the chunks that are asked for.
///
/// **Nothing is held against a SHA-1 here**: that is known for whole data only. Whoever reads all of them can do so, as
/// [`CapturedWim::read_stream`](super::CapturedWim::read_stream) does. Damaged chunks are errors of kind
/// [`InvalidData`](io::ErrorKind::InvalidData) that carry an [`Error`] with the place in the file.
///
/// Decompressed chunks are kept, at most 64 MiB of them; clones share them.
#[derive(Debug, Clone)]
pub struct ResourceReader<R> {
    source: R,
    resource: Resource,
    layout: Layout,
    position: u64,
    /// Where the part of the resource that is read starts and ends.
    start: u64,
    end: u64,
    part_number: u16,
    cache: ChunkCache,
}

#[derive(Debug, Clone)]
enum Layout {
    AsIs,
    Chunks(ChunkTable),
}

impl<R: Read + Seek> ResourceReader<R> {
    /// Makes a reader of a resource that lies in `source`, without reading anything.
    ///
    /// # Errors
    ///
    /// The resource is compressed in a way that is not known or not read, or is too small for its chunk table.
    pub fn new(source: R, resource: Resource) -> Result<ResourceReader<R>, Error> {
        ResourceReader::with_cache(source, resource, 1, ChunkCache::default())
    }

    /// Makes a reader that shares the chunks of a cache.
    pub(super) fn with_cache(
        source: R,
        resource: Resource,
        part_number: u16,
        cache: ChunkCache,
    ) -> Result<ResourceReader<R>, Error> {
        Ok(ResourceReader {
            source,
            resource,
            layout: Layout::of(&resource)
                .map_err(|error| error.at(Position::Byte(resource.header.offset)))?,
            position: 0,
            start: 0,
            end: resource.original_size(),
            part_number,
            cache,
        })
    }

    /// Restricts the reader to `size` bytes of the resource from `start` on, which the caller knows to lie in it.
    pub(super) fn section(self, start: u64, size: u64) -> ResourceReader<R> {
        ResourceReader {
            start,
            end: start + size,
            ..self
        }
    }

    /// The size of the data when decompressed, in bytes.
    pub fn size(&self) -> u64 {
        self.end - self.start
    }

    /// The resource that is read, or of which a part is.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Reads what a resource holds as it is.
    fn read_as_is(&mut self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(start) = self.resource.header.offset.checked_add(position) else {
            return Err(cut_off(&self.resource, 0).into());
        };
        self.cache.spend(buffer.len() as u64)?;
        self.source.seek(SeekFrom::Start(start))?;
        match self.source.read(buffer)? {
            0 if !buffer.is_empty() => Err(cut_off(&self.resource, start).into()),
            read => Ok(read),
        }
    }

    fn read_chunk(&mut self, position: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let (resource, source) = (&self.resource, &mut self.source);
        let Layout::Chunks(table) = &mut self.layout else {
            return Ok(0);
        };
        let chunk_size = u64::from(resource.chunk_size);
        let (chunk, start) = (position / chunk_size, position % chunk_size);
        let size = chunk_size.min(resource.original_size() - chunk * chunk_size);
        let key = ChunkKey {
            part_number: self.part_number,
            resource_offset: resource.header.offset,
            chunk,
        };
        self.cache.read(
            key,
            // Bounded by the chunk's size, which is one that the format allows.
            size as usize,
            |out| {
                let stored = table.find(chunk, size, |at, bytes| {
                    read_exact_at(source, resource, at, bytes)
                })?;
                decompress(source, resource, table.method, stored, out)
            },
            |bytes| {
                let rest = bytes.get(start as usize..).unwrap_or_default();
                let read = rest.len().min(buffer.len());
                buffer[..read].copy_from_slice(&rest[..read]);
                read
            },
        )
    }
}

/// Stored chunks larger than this, in bytes, are looked for at their end before memory is taken for them.
const LARGE_CHUNK: u64 = 1 << 20;

fn decompress(
    source: &mut (impl Read + Seek),
    resource: &Resource,
    method: Method,
    chunk: StoredChunk,
    out: &mut [u8],
) -> Result<(), Error> {
    let StoredChunk { position, size } = chunk;
    if size == out.len() as u64 {
        return read_exact_at(source, resource, position, out);
    }
    if size > LARGE_CHUNK {
        read_exact_at(source, resource, position + size - 1, &mut [0])?;
    }
    // Less than the chunk has when decompressed.
    let mut stored = vec![0; size as usize];
    read_exact_at(source, resource, position, &mut stored)?;
    match method {
        Method::Xpress => xpress::decompress(&stored, out),
        Method::Lzx => lzx::decompress(&stored, resource.chunk_size, out),
        Method::Lzms => lzms::decompress(&stored, out),
    }
    .map_err(|error| error.moved_by(position))
}

fn read_exact_at(
    source: &mut (impl Read + Seek),
    resource: &Resource,
    position: u64,
    bytes: &mut [u8],
) -> Result<(), Error> {
    source.seek(SeekFrom::Start(position))?;
    match source.read_exact(bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(cut_off(resource, position))
        }
        result => Ok(result?),
    }
}

fn cut_off(resource: &Resource, position: u64) -> Error {
    let header = &resource.header;
    let expected = format!(
        "a resource of {} bytes at {:#x}",
        header.size, header.offset
    );
    Error::malformed(expected, "the end of the file").at(Position::Byte(position))
}

impl Layout {
    fn of(resource: &Resource) -> Result<Layout, Error> {
        let header = &resource.header;
        if header.is_compressed() || header.is_solid() {
            return ChunkTable::of(resource).map(Layout::Chunks);
        }
        match header.size == header.original_size {
            true => Ok(Layout::AsIs),
            false => Err(Error::malformed(
                format!("{} bytes of uncompressed data", header.original_size),
                format!("{} bytes", header.size),
            )),
        }
    }
}

impl<R: Read + Seek> Read for ResourceReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size().saturating_sub(self.position);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX);
        let wanted = wanted.min(buffer.len());
        let buffer = &mut buffer[..wanted];
        if buffer.is_empty() {
            return Ok(0);
        }
        let position = self.start + self.position;
        let read = match self.layout {
            Layout::AsIs => self.read_as_is(position, buffer)?,
            Layout::Chunks(_) => self.read_chunk(position, buffer)?,
        };
        self.position += read as u64;
        Ok(read)
    }
}

impl<R: Read + Seek> Seek for ResourceReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = position_after(to, self.position, self.size())?;
        Ok(self.position)
    }
}
