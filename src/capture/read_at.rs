//! Bytes that can be read from any place: a disk, a partition of it, a file on that.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use crate::seek::position_after;

/// Bytes that can be read from any place, by several readers in turn.
pub trait ReadAt {
    /// How many bytes there are.
    fn size(&self) -> u64;

    /// At most how many of them the evidence can hold. A disk can be much larger than the files that it is packed in, and who
    /// goes through all of something on it goes no further than this.
    fn stored_size(&self) -> u64 {
        self.size()
    }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) where there are fewer. Damage that a reader of ours finds has the
    /// kind [`InvalidData`](io::ErrorKind::InvalidData) and carries an [`Error`](crate::Error).
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn stored_size(&self) -> u64 {
        (**self).stored_size()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_exact_at(offset, buffer)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Rc<T> {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn stored_size(&self) -> u64 {
        (**self).stored_size()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_exact_at(offset, buffer)
    }
}

impl ReadAt for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).ok();
        let bytes = start.and_then(|start| self.get(start..)?.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> u64 {
        self.as_slice().size()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_exact_at(offset, buffer)
    }
}

/// A file of this host, or anything else that seeks. Its size is that which it has when it is taken.
#[derive(Debug)]
pub struct Seekable<R> {
    source: RefCell<R>,
    size: u64,
}

impl<R: Read + Seek> Seekable<R> {
    /// Takes a source. A block device tells its size by its end, too.
    ///
    /// # Errors
    /// When its end cannot be found.
    pub fn new(mut source: R) -> io::Result<Self> {
        let size = source.seek(SeekFrom::End(0))?;
        Ok(Seekable {
            source: RefCell::new(source),
            size,
        })
    }
}

impl Seekable<File> {
    /// Opens a file or block device of this host.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: impl AsRef<std::path::Path>) -> io::Result<Self> {
        Seekable::new(File::open(path)?)
    }
}

impl<R: Read + Seek> ReadAt for Seekable<R> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut source = self.source.borrow_mut();
        source.seek(SeekFrom::Start(offset))?;
        source.read_exact(buffer)
    }
}

/// A part of other bytes, such as a partition.
#[derive(Debug, Clone)]
pub struct Section<S> {
    source: S,
    start: u64,
    size: u64,
}

impl<S: ReadAt> Section<S> {
    /// The `size` bytes from `start` on, or fewer where the source ends before.
    pub fn new(source: S, start: u64, size: u64) -> Self {
        let size = size.min(source.size().saturating_sub(start));
        Section {
            source,
            start,
            size,
        }
    }
}

impl<S: ReadAt> ReadAt for Section<S> {
    fn size(&self) -> u64 {
        self.size
    }

    fn stored_size(&self) -> u64 {
        self.source.stored_size().min(self.size)
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        match end.is_some_and(|end| end <= self.size) {
            true => self.source.read_exact_at(self.start + offset, buffer),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Reads bytes one after the other, for readers that take [`Read`] and [`Seek`].
#[derive(Debug, Clone)]
pub struct ReadAtCursor<S> {
    source: S,
    position: u64,
}

impl<S: ReadAt> ReadAtCursor<S> {
    /// Starts at the first byte.
    pub fn new(source: S) -> Self {
        ReadAtCursor {
            source,
            position: 0,
        }
    }
}

impl<S: ReadAt> Read for ReadAtCursor<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.source.size().saturating_sub(self.position);
        let length = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        if length == 0 {
            return Ok(0);
        }
        self.source
            .read_exact_at(self.position, &mut buffer[..length])?;
        self.position += length as u64;
        Ok(length)
    }
}

impl<S: ReadAt> Seek for ReadAtCursor<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = position_after(to, self.position, self.source.size())?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_where_it_is_said_to() {
        let section = Section::new(vec![0, 1, 2, 3, 4, 5], 2, 3);
        let mut bytes = [0; 2];
        section.read_exact_at(1, &mut bytes).unwrap();
        assert_eq!(bytes, [3, 4]);
        assert!(section.read_exact_at(2, &mut bytes).is_err());
        assert!(section.read_exact_at(u64::MAX, &mut bytes).is_err());
        assert_eq!(Section::new(vec![0; 4], 3, 9).size(), 1);
        assert_eq!(Section::new(vec![0; 4], 9, 9).size(), 0);
    }

    #[test]
    fn a_cursor_reads_up_to_the_end_and_nothing_behind() {
        let mut cursor = ReadAtCursor::new(Section::new(vec![0, 1, 2, 3, 4, 5], 1, 4));
        assert_eq!(cursor.seek(SeekFrom::End(-3)).unwrap(), 1);
        let mut bytes = Vec::new();
        cursor.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, [2, 3, 4]);
        cursor.seek(SeekFrom::Start(u64::MAX)).unwrap();
        assert_eq!(cursor.read(&mut [0; 2]).unwrap(), 0);
        assert!(cursor.seek(SeekFrom::Current(-1)).is_ok());
        assert!(cursor.seek(SeekFrom::Start(0)).is_ok());
        assert!(cursor.seek(SeekFrom::Current(-1)).is_err());
    }
}
