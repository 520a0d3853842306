//! `$FILE_NAME`: a name of a file, and the directory that it is in. `FILE_NAME` of Microsoft's developer notes.

use nom::bytes::complete::take;
use nom::number::complete::{le_u8, le_u32, le_u64};
use nom::{IResult, Parser};

use super::file_reference::FileReference;
use crate::binary::structure;
use crate::error::Error;
use crate::file_time::FileTime;
use crate::wide_string::WideString;

/// One of a file's names. Times and sizes are as they were when the name was last changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileName {
    /// The directory.
    pub parent: FileReference,
    /// When the file was made.
    pub creation_time: FileTime,
    /// When its data were last written.
    pub modification_time: FileTime,
    /// When its record was last changed.
    pub record_modification_time: FileTime,
    /// When it was last read.
    pub access_time: FileTime,
    /// What its data take of the volume, in bytes.
    pub allocated_size: u64,
    /// The size of its data in bytes.
    pub data_size: u64,
    /// `FILE_ATTRIBUTE_*`.
    pub file_attributes: u32,
    /// The name.
    pub name: WideString,
    /// Who uses the name.
    pub namespace: Namespace,
}

/// Who uses a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// Programs that tell upper and lower case apart, and links that were made to a file.
    Posix,
    /// Windows; another name of the file is for DOS.
    Win32,
    /// DOS: the short name beside a long one.
    Dos,
    /// Both: the name is short itself.
    Win32AndDos,
}

impl Namespace {
    fn of(number: u8) -> Namespace {
        match number & 3 {
            0 => Namespace::Posix,
            1 => Namespace::Win32,
            2 => Namespace::Dos,
            _ => Namespace::Win32AndDos,
        }
    }
}

impl FileName {
    /// Reads a name that stands at `position` of the volume.
    pub(super) fn parse(bytes: &[u8], position: u64) -> Result<FileName, Error> {
        let (_, file_name) = structure("a file name", position, bytes, file_name)?;
        Ok(file_name)
    }
}

fn file_name(bytes: &[u8]) -> IResult<&[u8], FileName> {
    let (rest, parent) = le_u64(bytes)?;
    let (rest, times) = (le_u64, le_u64, le_u64, le_u64).parse(rest)?;
    let (rest, (allocated_size, data_size)) = (le_u64, le_u64).parse(rest)?;
    let (rest, (file_attributes, _reparse_tag)) = (le_u32, le_u32).parse(rest)?;
    let (rest, (length, namespace)) = (le_u8, le_u8).parse(rest)?;
    let (rest, name) = take(2 * usize::from(length))(rest)?;
    let file_name = FileName {
        parent: FileReference::from_raw(parent),
        creation_time: FileTime::from_ticks(times.0),
        modification_time: FileTime::from_ticks(times.1),
        record_modification_time: FileTime::from_ticks(times.2),
        access_time: FileTime::from_ticks(times.3),
        allocated_size,
        data_size,
        file_attributes,
        name: WideString::from_utf16le(name),
        namespace: Namespace::of(namespace),
    };
    Ok((rest, file_name))
}
