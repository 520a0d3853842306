//! Zip archives, by their central directory (PKWARE's APPNOTE.TXT).

use std::fmt;
use std::io;
use std::rc::Rc;

use rawzip::time::ZipDateTimeKind;
use rawzip::{
    CompressionMethod, MAX_CENTRAL_DIRECTORY_RECORD_SIZE, ReaderAt, ZipArchive,
    ZipArchiveEntryWayfinder, ZipFileHeaderRecord, ZipLocator,
};

use super::compression::{Compression, Decompressed};
use super::member::{MemberKind, MemberList, NewMember, Obstacle};
use super::unpacked::{MemberData, Shared, Unpacked};
use crate::capture::read_at::{ReadAt, Section};
use crate::error::{Error, Position};
use crate::file_time::FileTime;
use crate::registry::CodePage;
use crate::warning::{Warning, WarningCode, Warnings};

/// The code page of names that are not said to be UTF-8 (APPNOTE.TXT, appendix D).
const NAMES_CODE_PAGE: u16 = 437;
/// Length of a local file header without names.
const LOCAL_HEADER_LENGTH: u64 = 30;
/// The most data that a link has: its target.
const MAX_LINK_LENGTH: u64 = 32 << 10;

/// The bytes of an archive, for the reader of its directory.
struct Bytes(Rc<dyn ReadAt>);

impl ReaderAt for Bytes {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = self.0.size().saturating_sub(offset);
        let length = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        self.0.read_exact_at(offset, &mut buffer[..length])?;
        Ok(length)
    }
}

/// A zip archive.
pub(super) struct Zip {
    archive: ZipArchive<Bytes>,
    places: Vec<Place>,
}

/// Where the data of a member are.
#[derive(Debug, Clone, Copy)]
struct Place {
    wayfinder: ZipArchiveEntryWayfinder,
    local_header: u64,
    crc32: u32,
    /// None where they are stored as they are.
    compression: Option<Compression>,
}

impl fmt::Debug for Zip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zip of {} members", self.places.len())
    }
}

impl Zip {
    /// Whether a file is a zip archive, by its first bytes: a member, the end of an archive without any, the mark of one
    /// that was meant to be split.
    pub(super) fn is_zip(start: &[u8]) -> bool {
        [&b"PK\x03\x04"[..], b"PK\x05\x06", b"PK\x07\x08"]
            .iter()
            .any(|signature| start.starts_with(signature))
    }

    /// Reads the central directory. Tells whether that was all of it.
    pub(super) fn open(
        source: Rc<dyn ReadAt>,
        members: &mut MemberList,
        warnings: &mut Warnings,
    ) -> Result<(Self, bool), Error> {
        let size = source.size();
        let mut buffer = vec![0; MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
        let located = ZipLocator::new().locate_in_reader(Bytes(source), &mut buffer, size);
        let archive = located.map_err(|(_, error)| structure_error(error))?;
        MemberList::check_count(archive.entries_hint())?;
        let mut places = Vec::new();
        let mut extents = Vec::new();
        let mut is_whole = true;
        let mut entries = archive.entries(&mut buffer);
        loop {
            let record = match entries.next_entry() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(error) => {
                    is_whole = false;
                    let text = format!(
                        "the directory of the archive is damaged behind its member {}, what follows is not known: {}",
                        places.len(),
                        structure_error(error)
                    );
                    warnings.push(Warning::new(WarningCode::ArchiveDamaged, text));
                    break;
                }
            };
            add(&record, members)?;
            let start = record.local_header_offset();
            let length = LOCAL_HEADER_LENGTH + record.file_path().len() as u64;
            let end = start.saturating_add(length);
            extents.push((start, end.saturating_add(record.compressed_size_hint())));
            places.push(Place {
                wayfinder: record.wayfinder(),
                local_header: start,
                crc32: record.crc32(),
                compression: compression(record.compression_method()).unwrap_or_default(),
            });
        }
        let count = places.len() as u64;
        // Without zip64 the count has 16 bits, and writers let it wrap around.
        if is_whole && archive.entries_hint() & 0xFFFF != count & 0xFFFF {
            warnings.push(Warning::malformed(
                WarningCode::CountMismatch,
                Position::Byte(archive.eocd_offset()),
                &format!("a directory of {} members", archive.entries_hint()),
                &format!("one of {count}"),
            ));
        }
        mark_overlaps(&extents, members, warnings);
        Ok((Zip { archive, places }, is_whole))
    }

    /// The data of a member.
    pub(super) fn open_member(
        &self,
        index: u32,
        name: String,
        shared: &Rc<Shared>,
    ) -> Result<Rc<dyn ReadAt>, Error> {
        let place = self.places.get(index as usize).copied();
        let place = place.ok_or_else(|| Error::malformed("a member", "none"))?;
        let entry = self.archive.get_entry(place.wayfinder);
        let entry =
            entry.map_err(|error| structure_error(error).at(Position::Byte(place.local_header)))?;
        let (start, end) = entry.compressed_data_range();
        let source = Rc::clone(&self.archive.get_ref().0);
        if end > source.size() {
            return Err(Error::malformed(
                format!("{} bytes of data", end - start),
                format!(
                    "the end of the archive after {}",
                    source.size().saturating_sub(start)
                ),
            )
            .at(Position::Byte(start)));
        }
        let size = place.wayfinder.uncompressed_size_hint();
        let Some(compression) = place.compression else {
            if size != end - start {
                return Err(Error::malformed(
                    format!("{size} bytes of data that are not compressed"),
                    format!("{}", end - start),
                )
                .at(Position::Byte(start)));
            }
            return Ok(Rc::new(Section::new(source, start, size)));
        };
        let member = MemberData {
            name,
            size,
            most: Decompressed::most_out_of(end - start),
            crc32: Some(place.crc32),
        };
        let allowance = Rc::clone(&shared.allowance);
        let stream = move || {
            let (source, allowance) = (Rc::clone(&source), Rc::clone(&allowance));
            Decompressed::new(compression, source, start, end, Some(size), allowance)
        };
        Ok(Rc::new(Unpacked::new(
            member,
            Box::new(stream),
            Rc::clone(shared),
        )))
    }

    /// The target of a link, which is its data.
    pub(super) fn link_target(data: &dyn ReadAt) -> Result<Vec<u8>, Error> {
        if data.size() > MAX_LINK_LENGTH {
            return Err(Error::malformed(
                format!("a link to a path of at most {MAX_LINK_LENGTH} bytes"),
                format!("one of {}", data.size()),
            ));
        }
        let mut target = vec![0; data.size() as usize];
        data.read_exact_at(0, &mut target)?;
        Ok(target)
    }
}

fn add(record: &ZipFileHeaderRecord<'_>, members: &mut MemberList) -> Result<(), Error> {
    let stored = record.file_path();
    let stored = stored.as_bytes();
    let decoded;
    let name = match std::str::from_utf8(stored) {
        Ok(_) => stored,
        // Some that write UTF-8 do not say so, so the flag does not count.
        Err(_) if record.flags().is_utf8() => stored,
        Err(_) => {
            let code_page = CodePage::from_number(NAMES_CODE_PAGE);
            decoded =
                code_page.map_or_else(Vec::new, |code_page| code_page.decode(stored).into_bytes());
            &decoded
        }
    };
    let kind = match record.mode().value() & 0o170_000 {
        _ if name.ends_with(b"/") || name.ends_with(b"\\") => MemberKind::Directory,
        0o040_000 => MemberKind::Directory,
        0o120_000 => MemberKind::Link,
        0 | 0o100_000 => MemberKind::File,
        _ => MemberKind::Special,
    };
    let obstacle =
        if record.flags().is_encrypted() || record.compression_method() == CompressionMethod::AES {
            Some(Obstacle::Encrypted)
        } else {
            compression(record.compression_method()).err()
        };
    members.add(NewMember {
        name,
        kind,
        size: record.uncompressed_size_hint(),
        modified: modified(record),
        obstacle,
    })?;
    Ok(())
}

/// Times without a zone tell nothing that could be compared.
fn modified(record: &ZipFileHeaderRecord<'_>) -> Option<FileTime> {
    let ZipDateTimeKind::Utc(time) = record.last_modified() else {
        return None;
    };
    FileTime::from_unix(time.to_unix(), time.nanosecond())
}

/// How a member is compressed; none where it is stored.
fn compression(method: CompressionMethod) -> Result<Option<Compression>, Obstacle> {
    Ok(Some(match method {
        CompressionMethod::STORE => return Ok(None),
        CompressionMethod::DEFLATE => Compression::Deflate,
        CompressionMethod::DEFLATE64 => Compression::Deflate64,
        CompressionMethod::BZIP2 => Compression::Bzip2,
        CompressionMethod::LZMA => Compression::ZipLzma,
        CompressionMethod::XZ => Compression::Xz,
        CompressionMethod::ZSTD | CompressionMethod::ZSTD_DEPRECATED => Compression::Zstandard,
        other => return Err(Obstacle::Method(other.as_u16())),
    }))
}

/// Members that share data are how small archives unpack to huge ones: none of them is read.
fn mark_overlaps(extents: &[(u64, u64)], members: &mut MemberList, warnings: &mut Warnings) {
    let mut order: Vec<u32> = (0..extents.len() as u32).collect();
    order.sort_unstable_by_key(|&index| extents[index as usize]);
    let mut overlapping = 0_u64;
    let mut first = None;
    // The member that reaches farthest so far.
    let mut farthest: Option<u32> = None;
    for &index in &order {
        let (start, end) = extents[index as usize];
        if let Some(before) = farthest.filter(|&before| extents[before as usize].1 > start) {
            for index in [before, index] {
                if let Some(entry) = members.entry_mut(index)
                    && entry.obstacle != Some(Obstacle::Overlap)
                {
                    entry.obstacle = Some(Obstacle::Overlap);
                    overlapping += 1;
                }
            }
            first.get_or_insert(before);
        }
        if farthest.is_none_or(|before| extents[before as usize].1 <= end) {
            farthest = Some(index);
        }
    }
    if let Some(name) = first.and_then(|index| members.member(index)) {
        let text = format!(
            "{overlapping} members of the archive overlap others, {} among them: they are not read",
            name.display_name()
        );
        warnings.push(Warning::new(WarningCode::ArchiveDamaged, text));
    }
}

fn structure_error(error: rawzip::Error) -> Error {
    use rawzip::ErrorKind;
    match error.into_kind() {
        ErrorKind::IO(error) => Error::io(&error),
        ErrorKind::MissingEndOfCentralDirectory => Error::malformed(
            "a zip archive that ends with its central directory",
            "none: it was cut off, or is a part of a split one",
        ),
        ErrorKind::InvalidSignature { expected, actual } => Error::malformed(
            format!("the signature {expected:#010x}"),
            format!("{actual:#010x}"),
        ),
        ErrorKind::Eof => Error::malformed("a record of a zip archive", "the end of the archive"),
        other => Error::malformed("a zip archive", other.to_string()),
    }
}
