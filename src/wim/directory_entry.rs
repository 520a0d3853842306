//! `DIRENTRY`: a file or directory of a captured image, with its `STREAMENTRY`s, after Microsoft's paper "Windows
//! Imaging File Format" (2007) and, for reparse points and the order of streams, wimlib.

use bitflags::bitflags;
use nom::number::complete::{i32, le_u16, le_u32, le_u64};
use nom::{IResult, Parser};

use super::lookup_table::{NO_DATA, Sha1Digest};
use crate::binary::{byte_array, structure};
use crate::error::{Error, Position};
use crate::file_time::FileTime;
use crate::mount_point::ReparseTag;
use crate::wide_string::WideString;

bitflags! {
    /// `dwAttributes`: the `FILE_ATTRIBUTE_*` of \[MS-FSCC\] 2.6. Bits without a name here are kept.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct FileAttributes: u32 {
        /// The file is not to be changed.
        const READONLY = 0x0000_0001;
        /// The file is not shown as a rule.
        const HIDDEN = 0x0000_0002;
        /// The file belongs to the system.
        const SYSTEM = 0x0000_0004;
        /// It is a directory.
        const DIRECTORY = 0x0000_0010;
        /// It has a reparse point.
        const REPARSE_POINT = 0x0000_0400;
        /// The file system kept it compressed.
        const COMPRESSED = 0x0000_0800;
        /// Its data are encrypted (EFS): what the image holds is the export of the encrypted file.
        const ENCRYPTED = 0x0000_4000;

        const _ = !0;
    }
}

/// A file or directory of a captured image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// Offset of the entry in the image's metadata, in bytes.
    pub position: u64,
    /// `dwAttributes`
    pub attributes: FileAttributes,
    /// `dwSecurityId`: the number of its security descriptor, or -1.
    pub security_id: i32,
    /// `liCreationTime`
    pub creation_time: FileTime,
    /// `liLastAccessTime`
    pub last_access_time: FileTime,
    /// `liLastWriteTime`
    pub last_write_time: FileTime,
    /// `dwReparseTag`, where the file has a reparse point.
    pub reparse_tag: Option<ReparseTag>,
    /// `liHardLink`: files with the same number, other than 0, are one. A file with a reparse point has none.
    pub hard_link_group: u64,
    /// The long name; empty for the root.
    pub name: WideString,
    /// The short name; empty where there is none.
    pub dos_name: WideString,
    /// Its data, its named streams, its reparse point's data. A directory as a rule has an unnamed one of no data.
    pub streams: Vec<StreamEntry>,
    /// `liSubdirOffset`: where the entries of the directory start in the metadata; 0 for none.
    pub(super) children: u64,
}

/// A stream of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEntry {
    /// What it holds.
    pub kind: StreamKind,
    /// The stream's name, without the colon; empty for the file's own data.
    pub name: WideString,
    /// SHA-1 of the data, by which they are found; `None` for no data.
    pub sha1: Option<Sha1Digest>,
}

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamKind {
    /// Data of the file, or of a named stream.
    Data,
    /// The data of the file's reparse point, without the buffer's head of tag and length.
    ReparsePoint,
    /// One unnamed stream more than a file can have.
    Surplus,
}

impl DirectoryEntry {
    /// Whether it is a directory, which a junction is as well.
    pub fn is_directory(&self) -> bool {
        self.attributes.contains(FileAttributes::DIRECTORY)
    }

    /// The file's own data; `None` when the image tells of none, which is the same as empty.
    pub fn data(&self) -> Option<&StreamEntry> {
        let mut streams = self.streams.iter();
        streams.find(|stream| stream.kind == StreamKind::Data && stream.name.is_empty())
    }

    /// A named stream. Letter case is ignored, but an exact match goes first.
    pub fn named_stream(&self, name: &WideString) -> Option<&StreamEntry> {
        let named = || self.streams.iter().filter(|stream| !stream.name.is_empty());
        named()
            .find(|stream| stream.name == *name)
            .or_else(|| named().find(|stream| stream.name.eq_ignore_case(name)))
    }

    /// The data of the reparse point.
    pub fn reparse_stream(&self) -> Option<&StreamEntry> {
        let mut streams = self.streams.iter();
        streams.find(|stream| stream.kind == StreamKind::ReparsePoint)
    }
}

/// What stands at a place where a directory entry is to be.
pub(super) enum Listed {
    /// The end of the directory.
    End,
    /// An entry, which can be unusable, and where the next one is.
    Entry {
        entry: Result<DirectoryEntry, Error>,
        next: u64,
    },
}

/// Size of the fixed part of `DIRENTRY`.
const ENTRY_SIZE: u64 = 102;
/// Size of the fixed part of `STREAMENTRY`.
const STREAM_SIZE: u64 = 38;
/// What entries of both kinds are aligned to.
pub(super) const ALIGNMENT: u64 = 8;

/// Reads the entry at `position` of the metadata.
///
/// # Errors
///
/// The metadata end within the entry, or its length is none: where the next one is cannot be told.
pub(super) fn read_entry(metadata: &[u8], position: u64) -> Result<Listed, Error> {
    let at = Position::Byte(position);
    let ahead = from(metadata, position);
    let (_, length) = structure("a directory entry's length", position, ahead, le_u64)?;
    if length <= 8 {
        return Ok(Listed::End);
    }
    let bytes = usize::try_from(length)
        .ok()
        .and_then(|length| ahead.get(..length));
    let Some(bytes) = bytes.filter(|_| length >= ENTRY_SIZE) else {
        let expected = format!("a length of 102 to {}", ahead.len());
        return Err(Error::malformed(expected, length.to_string()).at(at));
    };
    let (names, fixed) = structure("a directory entry", position, bytes, fixed_part)?;
    let mut streams = Vec::new();
    let mut next = position.saturating_add(length.next_multiple_of(ALIGNMENT));
    for _ in 0..fixed.stream_count {
        let stream;
        (stream, next) = read_stream(metadata, next)?;
        streams.push(stream);
    }
    let entry = entry(fixed, names, streams, position).map_err(|error| error.at(at));
    Ok(Listed::Entry { entry, next })
}

fn from(metadata: &[u8], position: u64) -> &[u8] {
    let position = usize::try_from(position).ok();
    position
        .and_then(|position| metadata.get(position..))
        .unwrap_or_default()
}

struct FixedPart {
    attributes: u32,
    security_id: i32,
    children: u64,
    times: [FileTime; 3],
    default_sha1: Sha1Digest,
    /// A reparse tag with what belongs to it, or a number of hard links.
    reparse_or_hard_link: u64,
    stream_count: u16,
    dos_name_size: u16,
    name_size: u16,
}

fn fixed_part(bytes: &[u8]) -> IResult<&[u8], FixedPart> {
    let file_time = || le_u64.map(FileTime::from_ticks);
    let (rest, (_length, attributes, security_id, children)) =
        (le_u64, le_u32, i32(nom::number::Endianness::Little), le_u64).parse(bytes)?;
    let (rest, (_unused1, _unused2)) = (le_u64, le_u64).parse(rest)?;
    let (rest, (creation_time, last_access_time, last_write_time)) =
        (file_time(), file_time(), file_time()).parse(rest)?;
    let (rest, (default_sha1, _reserved, reparse_or_hard_link)) =
        (byte_array, le_u32, le_u64).parse(rest)?;
    let (rest, (stream_count, dos_name_size, name_size)) = (le_u16, le_u16, le_u16).parse(rest)?;
    let fixed = FixedPart {
        attributes,
        security_id,
        children,
        times: [creation_time, last_access_time, last_write_time],
        default_sha1,
        reparse_or_hard_link,
        stream_count,
        dos_name_size,
        name_size,
    };
    Ok((rest, fixed))
}

fn entry(
    fixed: FixedPart,
    names: &[u8],
    streams: Vec<(WideString, Sha1Digest)>,
    position: u64,
) -> Result<DirectoryEntry, Error> {
    let (name, behind) = take_name(names, fixed.name_size)?;
    let (dos_name, _) = take_name(behind, fixed.dos_name_size)?;
    let attributes = FileAttributes::from_bits_retain(fixed.attributes);
    let has_reparse_point = attributes.contains(FileAttributes::REPARSE_POINT);
    let [creation_time, last_access_time, last_write_time] = fixed.times;
    Ok(DirectoryEntry {
        position,
        attributes,
        security_id: fixed.security_id,
        creation_time,
        last_access_time,
        last_write_time,
        reparse_tag: has_reparse_point.then_some(ReparseTag(fixed.reparse_or_hard_link as u32)),
        hard_link_group: match has_reparse_point {
            true => 0,
            false => fixed.reparse_or_hard_link,
        },
        name,
        dos_name,
        streams: tell_kinds(fixed.default_sha1, streams, has_reparse_point),
        children: fixed.children,
    })
}

/// A name of a size in bytes, and what is behind it and its terminator. No name has no terminator.
fn take_name(bytes: &[u8], size: u16) -> Result<(WideString, &[u8]), Error> {
    if size == 0 {
        return Ok((WideString::default(), bytes));
    }
    let Some((name, behind)) = bytes
        .split_at_checked(size.into())
        .filter(|_| size.is_multiple_of(2))
    else {
        let expected = format!("a name of an even size of at most {} bytes", bytes.len());
        return Err(Error::malformed(expected, size.to_string()));
    };
    Ok((
        WideString::from_utf16le(name),
        behind.get(2..).unwrap_or_default(),
    ))
}

/// A `STREAMENTRY`, as name and SHA-1, and where the next one is.
fn read_stream(metadata: &[u8], position: u64) -> Result<((WideString, Sha1Digest), u64), Error> {
    let ahead = from(metadata, position);
    let (names, (length, _reserved, sha1, name_size)) = structure(
        "a stream entry",
        position,
        ahead,
        (le_u64, le_u64, byte_array, le_u16),
    )?;
    let at = Position::Byte(position);
    if !(STREAM_SIZE..=ahead.len() as u64).contains(&length) {
        let expected = format!("a length of 38 to {}", ahead.len());
        return Err(Error::malformed(expected, length.to_string()).at(at));
    }
    let names = &names[..(length - STREAM_SIZE) as usize];
    let (name, _) = take_name(names, name_size).map_err(|error| error.at(at))?;
    let next = position.saturating_add(length.next_multiple_of(ALIGNMENT));
    Ok(((name, sha1), next))
}

/// Which stream is what. The SHA-1 of the entry itself belongs to an unnamed stream that comes first, and the stream
/// entries can bring further unnamed ones: of a file with a reparse point the first with data is the reparse point's,
/// the next one is the file's.
fn tell_kinds(
    default_sha1: Sha1Digest,
    entries: Vec<(WideString, Sha1Digest)>,
    has_reparse_point: bool,
) -> Vec<StreamEntry> {
    let mut reparse_point_is_open = has_reparse_point;
    let mut data_are_open = true;
    let mut unnamed_kind = || {
        if std::mem::take(&mut reparse_point_is_open) {
            StreamKind::ReparsePoint
        } else if std::mem::take(&mut data_are_open) {
            StreamKind::Data
        } else {
            StreamKind::Surplus
        }
    };
    let stream = |kind, name, sha1| StreamEntry {
        kind,
        name,
        sha1: (sha1 != NO_DATA).then_some(sha1),
    };
    let mut streams = Vec::with_capacity(entries.len() + 1);
    if default_sha1 != NO_DATA {
        streams.push(stream(unnamed_kind(), WideString::default(), default_sha1));
    }
    for (name, sha1) in entries {
        let kind = match name.is_empty() {
            true => unnamed_kind(),
            false => StreamKind::Data,
        };
        streams.push(stream(kind, name, sha1));
    }
    // No data in the entry itself say something only where nothing else does.
    if default_sha1 == NO_DATA {
        match unnamed_kind() {
            StreamKind::Surplus => {}
            kind => streams.insert(0, stream(kind, WideString::default(), NO_DATA)),
        }
    }
    streams
}
