//! A virtual disk that is put together from pieces.

use std::io;
use std::rc::Rc;

use super::container_file::ContainerFile;
use crate::capture::read_at::ReadAt;
use crate::error::Error;

/// Where a piece of a virtual disk comes from.
pub(super) enum Place {
    /// It was never written, or was discarded.
    Zeros,
    /// It stands in a file as it is.
    File { file: ContainerFile, offset: u64 },
    /// It is the parent's, and zeros behind the parent's end.
    Parent { disk: Rc<dyn ReadAt>, offset: u64 },
    /// It was decompressed.
    Memory { bytes: Rc<Vec<u8>>, start: usize },
}

/// A piece of a virtual disk.
pub(super) struct Piece {
    pub(super) place: Place,
    /// How long it is, in bytes. More than was asked for does no harm.
    pub(super) length: u64,
}

/// A virtual disk that tells where its pieces are.
pub(super) trait Pieces {
    /// The size of the virtual disk.
    fn disk_size(&self) -> u64;

    /// At most how much of it the files can hold.
    fn stored_size(&self) -> u64;

    /// The piece with the byte at `offset`, which lies before the end, from that byte on. `length` bytes are wanted.
    fn piece(&self, offset: u64, length: u64) -> Result<Piece, Error>;
}

/// At most how much of a parent its files can hold.
pub(super) fn stored_size_of(parent: Option<&Rc<dyn ReadAt>>) -> u64 {
    parent.map_or(0, |parent| parent.stored_size())
}

/// The bytes of a virtual disk that tells where its pieces are.
pub(super) struct Assembled<D>(pub(super) D);

impl<D: Pieces> ReadAt for Assembled<D> {
    fn size(&self) -> u64 {
        self.0.disk_size()
    }

    fn stored_size(&self) -> u64 {
        self.0.stored_size().min(self.0.disk_size())
    }

    fn read_exact_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.size()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while !buffer.is_empty() {
            let wanted = buffer.len() as u64;
            let Piece { place, length } = self.0.piece(offset, wanted)?;
            debug_assert!(length > 0);
            let length = length.clamp(1, wanted);
            let (part, rest) = buffer.split_at_mut(length as usize);
            match place {
                Place::Zeros => part.fill(0),
                Place::File { file, offset } => file.read("data of the disk", offset, part)?,
                Place::Parent { disk, offset } => read_or_zeros(&*disk, offset, part)?,
                Place::Memory { bytes, start } => bytes.read_exact_at(start as u64, part)?,
            }
            offset += length;
            buffer = rest;
        }
        Ok(())
    }
}

/// Fills `buffer` from a disk that may end before.
fn read_or_zeros(disk: &dyn ReadAt, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    let left = disk.size().saturating_sub(offset).min(buffer.len() as u64);
    let (there, behind) = buffer.split_at_mut(left as usize);
    behind.fill(0);
    match there.is_empty() {
        true => Ok(()),
        false => disk.read_exact_at(offset, there),
    }
}
