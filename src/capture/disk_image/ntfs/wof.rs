//! The data of a file that the Windows Overlay Filter compresses ("Compact OS"): they lie in its stream
//! `WofCompressedData`, laid out as a resource of a WIM is: a table of the offsets of all chunks but the first, then the
//! chunks, each compressed on its own, or stored as it is where that saves nothing. After ntfs-3g-system-compression.

use std::rc::Rc;

use super::ntfs_stream::Content;
use crate::allowance::Allowance;
use crate::capture::disk_image::recently_used::RecentlyUsed;
use crate::error::{Error, Position};
use crate::wim::compression::{lzx, xpress};

/// Decompressed data.
pub(super) struct WofStream {
    stored: Box<Content>,
    method: Method,
    /// Size of the data in bytes.
    size: u64,
    allowance: Allowance,
    chunks: RecentlyUsed<u64, Rc<[u8]>>,
}

#[derive(Debug, Clone, Copy)]
struct Method {
    is_lzx: bool,
    chunk_size: u32,
}

impl Method {
    /// `FILE_PROVIDER_COMPRESSION_*` of wofapi.h.
    fn of(algorithm: u32) -> Option<Method> {
        let (is_lzx, chunk_size) = match algorithm {
            0 => (false, 4 << 10),
            1 => (true, 32 << 10),
            2 => (false, 8 << 10),
            3 => (false, 16 << 10),
            _ => return None,
        };
        Some(Method { is_lzx, chunk_size })
    }
}

impl WofStream {
    /// The stream that holds the compressed data.
    pub(super) const STREAM_NAME: &'static str = "WofCompressedData";
    const KEPT_CHUNKS: usize = 8;
    /// The table has entries of 8 bytes for data that are larger than this.
    const LARGEST_WITH_SHORT_ENTRIES: u64 = u32::MAX as u64;

    /// Takes the compressed data of a file of `size` bytes.
    pub(super) fn new(stored: Content, algorithm: u32, size: u64) -> Result<Self, Error> {
        let Some(method) = Method::of(algorithm) else {
            return Err(Error::unsupported(
                format!("compression {algorithm} of the Windows Overlay Filter"),
                "decompress the file on the captured machine with `compact /u /exe`",
            ));
        };
        Ok(WofStream {
            allowance: stored.allowance(),
            stored: Box::new(stored),
            method,
            size,
            chunks: RecentlyUsed::new(Self::KEPT_CHUNKS),
        })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The stream that holds the compressed data.
    pub(super) fn stored(&self) -> &Content {
        &self.stored
    }

    /// Fills `bytes` from `offset` on, which the caller keeps within the size.
    pub(super) fn read_at(&self, mut offset: u64, mut bytes: &mut [u8]) -> Result<(), Error> {
        let chunk_size = u64::from(self.method.chunk_size);
        while !bytes.is_empty() {
            let number = offset / chunk_size;
            let chunk = self.chunks.get_or_read(number, || self.chunk(number))?;
            let from = chunk
                .get((offset % chunk_size) as usize..)
                .unwrap_or_default();
            let length = from.len().min(bytes.len());
            if length == 0 {
                let expected = format!("{} bytes of data", self.size);
                return Err(Error::malformed(expected, format!("the end at {offset}")));
            }
            bytes[..length].copy_from_slice(&from[..length]);
            bytes = &mut bytes[length..];
            offset += length as u64;
        }
        Ok(())
    }

    fn chunk(&self, number: u64) -> Result<Rc<[u8]>, Error> {
        let chunk_size = u64::from(self.method.chunk_size);
        let count = self.size.div_ceil(chunk_size).max(1);
        let length = chunk_size.min(self.size.saturating_sub(number * chunk_size));
        let (start, end) = self.chunk_span(number, count)?;
        let is_possible = |stored: &u64| (1..=length).contains(stored) && end <= self.stored.size();
        let Some(stored_length) = end.checked_sub(start).filter(is_possible) else {
            let expected = format!("a chunk of at most {length} bytes in the stream");
            let found = format!("bytes {start} to {end} of {}", self.stored.size());
            return Err(Error::malformed(expected, found).at(self.stored.place_of(start)));
        };
        // At most a chunk's size each.
        let mut stored = vec![0; stored_length as usize];
        self.stored.read_at(start, &mut stored)?;
        if stored_length == length {
            return Ok(stored.into());
        }
        self.allowance.decompress(length as usize)?;
        let mut chunk = vec![0; length as usize];
        match self.method.is_lzx {
            true => lzx::decompress(&stored, self.method.chunk_size, &mut chunk),
            false => xpress::decompress(&stored, &mut chunk),
        }
        .map_err(|error| self.stored.placed(error, start))?;
        Ok(chunk.into())
    }

    /// Where a chunk starts and ends in the stream.
    fn chunk_span(&self, number: u64, count: u64) -> Result<(u64, u64), Error> {
        let entry_size = match self.size {
            ..=Self::LARGEST_WITH_SHORT_ENTRIES => 4,
            _ => 8,
        };
        let table_size = (count - 1) * entry_size;
        // The table has no entry for the first chunk.
        let start = match number.checked_sub(1) {
            Some(entry) => self.table_entry(entry * entry_size, entry_size)?,
            None => 0,
        };
        let end = match number + 1 < count {
            true => self
                .table_entry(number * entry_size, entry_size)?
                .checked_add(table_size),
            false => Some(self.stored.size()),
        };
        let start = start.checked_add(table_size);
        start.zip(end).ok_or_else(|| {
            let place = self.stored.place_of(number * entry_size);
            Error::malformed("an offset in the stream", "a larger one").at(place)
        })
    }

    fn table_entry(&self, offset: u64, size: u64) -> Result<u64, Error> {
        if offset.saturating_add(size) > self.stored.size() {
            let expected = format!("a table of the chunks of {} bytes of data", self.size);
            let found = format!("a stream of {} bytes", self.stored.size());
            return Err(Error::malformed(expected, found).at(self.stored.place_of(0)));
        }
        let mut entry = [0; 8];
        self.stored.read_at(offset, &mut entry[..size as usize])?;
        Ok(u64::from_le_bytes(entry))
    }

    /// Where the first byte of the stored data lies on the volume.
    pub(super) fn place_of(&self, offset: u64) -> Position {
        let start = offset / u64::from(self.method.chunk_size);
        let count = self.size.div_ceil(self.method.chunk_size.into()).max(1);
        let span = self.chunk_span(start, count);
        self.stored.place_of(span.map_or(0, |(start, _)| start))
    }
}
