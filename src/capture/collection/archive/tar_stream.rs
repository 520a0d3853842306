//! The bytes of a tar archive, which may be compressed as a whole.

use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use super::compression::{Compression, Decompressed};
use super::tar_header::BLOCK;
use crate::allowance::Allowance;
use crate::capture::read_at::{ReadAt, ReadAtCursor};
use crate::error::{Error, Position};

/// The bytes of an archive, one after the other.
pub(super) enum Stream {
    Plain(ReadAtCursor<Rc<dyn ReadAt>>),
    Packed(Decompressed),
}

impl Stream {
    pub(super) fn new(
        source: &Rc<dyn ReadAt>,
        compression: Option<Compression>,
        allowance: &Rc<Allowance>,
    ) -> Result<Self, Error> {
        let source = Rc::clone(source);
        let end = source.size();
        Ok(match compression {
            None => Stream::Plain(ReadAtCursor::new(source)),
            Some(compression) => {
                let allowance = Rc::clone(allowance);
                Stream::Packed(Decompressed::new(
                    compression,
                    source,
                    0,
                    end,
                    None,
                    allowance,
                )?)
            }
        })
    }

    /// The first block, or as much of it as there is.
    pub(super) fn start(&mut self) -> Result<Vec<u8>, Error> {
        let mut start = Vec::new();
        let read = self.by_ref().take(BLOCK as u64).read_to_end(&mut start);
        read.map_err(|error| Error::io(&error).at(Position::Byte(0)))?;
        Ok(start)
    }

    /// Leaves bytes out; fewer may be there.
    pub(super) fn skip(&mut self, length: u64) -> io::Result<()> {
        match self {
            Stream::Plain(cursor) => {
                let position = cursor.stream_position()?.saturating_add(length);
                cursor.seek(SeekFrom::Start(position))?;
            }
            Stream::Packed(stream) => {
                stream.skip(length)?;
            }
        }
        Ok(())
    }

    /// Whether bytes left out were there.
    pub(super) fn has_reached(&mut self, position: u64) -> io::Result<bool> {
        Ok(match self {
            Stream::Plain(cursor) => {
                let size = cursor.seek(SeekFrom::End(0))?;
                cursor.seek(SeekFrom::Start(position))?;
                position <= size
            }
            Stream::Packed(stream) => stream.produced() == position,
        })
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(cursor) => cursor.read(buffer),
            Stream::Packed(stream) => stream.read(buffer),
        }
    }
}
