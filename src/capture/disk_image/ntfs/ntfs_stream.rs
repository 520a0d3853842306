//! The data of a file, or of a named stream of it, as programs see them.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use super::attribute::{Attribute, AttributeType, Form};
use super::attribute_set::{AttributeSet, Found};
use super::attribute_stream::AttributeStream;
use super::compressed_stream::CompressedStream;
use super::wof::WofStream;
use crate::allowance::Allowance;
use crate::capture::read_at::ReadAt;
use crate::error::{Error, Position};
use crate::mount_point::{ReparseData, WofProvider};
use crate::seek::position_after;
use crate::wide_string::WideString;

/// Reads the data of a stream from any place. Compressed data are decompressed where they are read; what was never
/// written is 0.
///
/// Damage is an error of kind [`InvalidData`](io::ErrorKind::InvalidData) that carries an [`Error`] with the place on the
/// volume. Clones share what they keep, and have positions of their own.
#[derive(Clone)]
pub struct NtfsStream {
    content: Rc<Content>,
    position: u64,
}

pub(super) enum Content {
    Plain(AttributeStream),
    Lznt1(CompressedStream),
    Wof(WofStream),
}

impl Content {
    /// What the attribute of a stream holds.
    fn of(found: &Found) -> Result<Content, Error> {
        let attribute = found.attribute();
        if attribute.flags & Attribute::ENCRYPTED != 0 {
            return Err(Error::unsupported(
                "a file encrypted by NTFS (EFS)",
                "decrypt it on the captured machine with `cipher /d`",
            )
            .at(found.place()));
        }
        let stored = found.open();
        let compression = attribute.flags & Attribute::COMPRESSION_MASK;
        match &attribute.form {
            Form::NonResident(part) if compression == Attribute::LZNT1 => {
                CompressedStream::new(stored, part.compression_unit).map(Content::Lznt1)
            }
            Form::NonResident(_) if compression != 0 => {
                let found_method = compression.to_string();
                Err(
                    Error::malformed("compression method 1 (LZNT1)", found_method)
                        .at(found.place()),
                )
            }
            _ => Ok(Content::Plain(stored)),
        }
    }

    pub(super) fn size(&self) -> u64 {
        match self {
            Content::Plain(stored) => stored.size(),
            Content::Lznt1(stream) => stream.size(),
            Content::Wof(stream) => stream.size(),
        }
    }

    /// What may come out of it where it holds what is compressed once more.
    pub(super) fn allowance(&self) -> Allowance {
        match self {
            Content::Plain(stored) => stored.allowance(),
            Content::Lznt1(stream) => stream.stored().allowance(),
            Content::Wof(stream) => stream.stored().allowance(),
        }
    }

    pub(super) fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
        match self {
            Content::Plain(stored) => stored.read_at(offset, bytes),
            Content::Lznt1(stream) => stream.read_at(offset, bytes),
            Content::Wof(stream) => stream.read_at(offset, bytes),
        }
    }

    pub(super) fn place_of(&self, offset: u64) -> Position {
        match self {
            Content::Plain(stored) => stored.place_of(offset),
            Content::Lznt1(stream) => stream.place_of(offset),
            Content::Wof(stream) => stream.place_of(offset),
        }
    }

    /// Tells the place on the volume of an error whose place was told within the data from `offset` on.
    pub(super) fn placed(&self, error: Error, offset: u64) -> Error {
        match self {
            Content::Plain(stored) => stored.placed(error, offset),
            _ => error.moved_to(self.place_of(offset)),
        }
    }
}

impl NtfsStream {
    /// Opens a stream of a file, the nameless one being its data; `None` where the file has no such stream.
    pub(super) fn open(
        attributes: &AttributeSet,
        name: &WideString,
        reparse_data: impl FnOnce() -> Result<Option<ReparseData>, Error>,
    ) -> Result<Option<NtfsStream>, Error> {
        let Some(found) = attributes.find(AttributeType::DATA, name)? else {
            return Ok(None);
        };
        let content = match name.is_empty() {
            true => match reparse_data()? {
                Some(ReparseData::Wof(provider)) => wof_content(attributes, &found, &provider)?,
                _ => Content::of(&found)?,
            },
            false => Content::of(&found)?,
        };
        Ok(Some(NtfsStream {
            content: Rc::new(content),
            position: 0,
        }))
    }

    /// The size of the data in bytes.
    pub fn size(&self) -> u64 {
        self.content.size()
    }

    /// Where a byte of the data lies on the volume; of compressed data, what it is decompressed from.
    pub fn volume_position(&self, offset: u64) -> Position {
        self.content.place_of(offset)
    }

    /// The data as a whole.
    ///
    /// # Errors
    ///
    /// They cannot be read, or are more than `limit` bytes.
    pub fn read_whole(&self, limit: u64) -> Result<Vec<u8>, Error> {
        let size = self.size();
        if size > limit {
            let expected = format!("a stream of at most {limit} bytes");
            return Err(Error::malformed(expected, size.to_string()).at(self.content.place_of(0)));
        }
        let mut bytes = vec![0; size as usize];
        self.content.read_at(0, &mut bytes)?;
        Ok(bytes)
    }
}

fn wof_content(
    attributes: &AttributeSet,
    data: &Found,
    provider: &WofProvider,
) -> Result<Content, Error> {
    let algorithm = match provider {
        WofProvider::File { algorithm } => *algorithm,
        WofProvider::Wim(_) => {
            return Err(Error::unsupported(
                "a file whose data lie in a WIM (WIMBoot)",
                "read them from that WIM, which the captured machine has on a partition of its own",
            )
            .at(data.place()));
        }
        WofProvider::Other { provider, .. } => {
            return Err(Error::unsupported(
                format!("provider {provider} of the Windows Overlay Filter"),
                "copy the file on the captured machine",
            )
            .at(data.place()));
        }
    };
    let name = WideString::from(WofStream::STREAM_NAME);
    let Some(compressed) = attributes.find(AttributeType::DATA, &name)? else {
        let expected = format!("a stream {}", WofStream::STREAM_NAME);
        return Err(Error::malformed(expected, "none").at(data.place()));
    };
    let size = data.size();
    WofStream::new(Content::of(&compressed)?, algorithm, size).map(Content::Wof)
}

impl ReadAt for NtfsStream {
    fn size(&self) -> u64 {
        self.content.size()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        match end.is_some_and(|end| end <= self.content.size()) {
            true => Ok(self.content.read_at(offset, buffer)?),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Read for NtfsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size().saturating_sub(self.position);
        let length = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        self.content.read_at(self.position, &mut buffer[..length])?;
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for NtfsStream {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = position_after(to, self.position, self.size())?;
        Ok(self.position)
    }
}

impl fmt::Debug for NtfsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NtfsStream")
            .field("size", &self.size())
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
