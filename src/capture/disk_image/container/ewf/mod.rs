//! E01, the Expert Witness Format of EnCase and SMART, in one segment or many, after libewf's description of it. All
//! numbers are little-endian.

mod adler32;
mod segment;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::rc::Rc;

use nom::Parser;
use nom::multi::count;
use nom::number::complete::le_u32;

use self::adler32::adler32;
use self::segment::{
    SegmentEnd, SegmentSections, TABLE, TABLE_HEADER_SIZE, Table, TableHeader, Volume,
};
use super::container_file::ContainerFile;
use super::decompression::Compression;
use super::format::starts_with;
use super::neighbours::Opening;
use super::pieces::{Piece, Pieces, Place};
use crate::binary::structure;
use crate::capture::disk_image::recently_used::RecentlyUsed;
use crate::capture::read_at::ReadAt;
use crate::error::Error;
use crate::warning::{Warning, WarningCode, Warnings};

const CHUNK: &str = "a chunk";
/// EnCase allows for chunks of 32,768 sectors of 512 bytes.
const LARGEST_CHUNK: u64 = 16 << 20;
/// EnCase writes up to 65,534 entries, other tools at most four times as many.
const LARGEST_TABLE: u32 = 1 << 20;
/// How many segments are held open at a time.
const OPEN_SEGMENTS: usize = 64;
/// How many bytes of chunks, and how many entries of tables are kept.
const KEPT_CHUNKS: usize = 4 << 20;
const KEPT_ENTRIES: usize = 1 << 18;

/// Whether the bytes are a segment of an E01.
pub(super) fn is_ewf(bytes: &dyn ReadAt) -> bool {
    starts_with(bytes, 0, segment::SIGNATURE)
}

/// An E01.
pub(super) struct Ewf {
    segments: Vec<OsString>,
    /// By their first chunks.
    tables: Vec<(u64, PlacedTable)>,
    chunk_count: u64,
    size: u64,
    chunk_size: u64,
    sector_size: u32,
    /// Of all segments.
    file_size: u64,
    opening: Opening,
    opened: RecentlyUsed<usize, ContainerFile>,
    read_tables: RecentlyUsed<u64, Rc<[StoredChunk]>>,
    chunks: RecentlyUsed<u64, Rc<Vec<u8>>>,
}

struct PlacedTable {
    segment: usize,
    table: Table,
}

/// Where a chunk lies in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StoredChunk {
    offset: u64,
    length: u64,
    is_compressed: bool,
}

/// How the segments of an image are named: by the extension of the first one.
struct SegmentNames<'a> {
    first: &'a OsStr,
    /// `E`, `e`, `S` and so on.
    letter: u8,
}

impl<'a> SegmentNames<'a> {
    /// From `.E01` on; `None` where the name is not such a one.
    fn new(first: &'a OsStr) -> Option<Self> {
        let extension = Path::new(first).extension()?.to_str()?;
        let &[letter, b'0', b'1'] = extension.as_bytes() else {
            return None;
        };
        letter
            .is_ascii_alphabetic()
            .then_some(SegmentNames { first, letter })
    }

    /// The name of a segment by its number: after 99 come `EAA` to `EZZ`, `FAA` and so on up to `ZZZ`.
    fn name(&self, number: u32) -> Option<OsString> {
        let extension = match number {
            ..100 => format!("{}{number:02}", char::from(self.letter)),
            _ => {
                let index = number - 100;
                let a = if self.letter.is_ascii_lowercase() {
                    b'a'
                } else {
                    b'A'
                };
                let letter = |from: u8, by: u32| {
                    let letter = from.checked_add(u8::try_from(by).ok()?)?;
                    (letter <= a + 25).then_some(char::from(letter))
                };
                let first = letter(self.letter, index / 676)?;
                let second = letter(a, index / 26 % 26)?;
                format!("{first}{second}{}", letter(a, index % 26)?)
            }
        };
        Some(Path::new(self.first).with_extension(extension).into())
    }
}

impl Ewf {
    /// Opens an E01 by its first segment, and the others beside it.
    pub(super) fn open(
        file: ContainerFile,
        name: &OsStr,
        opening: &Opening,
        warnings: &mut Warnings,
    ) -> Result<Ewf, Error> {
        let number = segment::segment_number(&file)?;
        if number != 1 {
            return Err(file.name_in(refusal_of_middle(name, number)));
        }
        let first = SegmentSections::read(&file, warnings)?;
        let Some(volume) = first.volume else {
            return Err(file.malformed(file.size(), "the description of the volume", "none"));
        };
        let (chunk_size, size) = sizes(&file, &volume)?;
        let mut ewf = Ewf {
            segments: vec![name.to_owned()],
            tables: Vec::new(),
            chunk_count: 0,
            size,
            chunk_size,
            sector_size: volume.bytes_per_sector,
            file_size: file.stored_size(),
            opening: opening.clone(),
            opened: RecentlyUsed::new(OPEN_SEGMENTS),
            read_tables: RecentlyUsed::new(KEPT_ENTRIES),
            chunks: RecentlyUsed::new(KEPT_CHUNKS),
        };
        ewf.opened.get_or_read(0, || Ok(file.clone()))?;
        let mut end = first.end;
        ewf.add_tables(first.tables);
        while end == SegmentEnd::Next {
            match ewf.open_next(warnings)? {
                Some(next) => end = next,
                None => break,
            }
        }
        if ewf.chunk_count < size.div_ceil(chunk_size) {
            let text = format!(
                "the tables tell of {} chunks, the disk has {}: what is there is read",
                ewf.chunk_count,
                size.div_ceil(chunk_size)
            );
            let code = match end {
                SegmentEnd::Next => WarningCode::PartMissing,
                _ => WarningCode::Truncated,
            };
            warnings.push(Warning::new(code, text));
        }
        Ok(ewf)
    }

    pub(super) fn sector_size(&self) -> u32 {
        self.sector_size
    }

    fn add_tables(&mut self, tables: Vec<Table>) {
        let segment = self.segments.len() - 1;
        for table in tables {
            let entries = u64::from(table.entries);
            self.tables
                .push((self.chunk_count, PlacedTable { segment, table }));
            self.chunk_count += entries;
        }
    }

    /// Opens the segment behind the last one; `None` where it is missing.
    fn open_next(&mut self, warnings: &mut Warnings) -> Result<Option<SegmentEnd>, Error> {
        let number = self.segments.len() as u32 + 1;
        let names = SegmentNames::new(&self.segments[0]);
        let name = names.and_then(|names| names.name(number));
        let bytes = match &name {
            Some(name) => self.opening.open(name)?,
            None => None,
        };
        let (Some(name), Some(bytes)) = (name.as_deref(), bytes) else {
            let text = match name {
                Some(name) => format!(
                    "segment {number} of the image is missing: put {} into the same folder",
                    name.to_string_lossy()
                ),
                None => format!(
                    "segment {number} of the image cannot be looked for: the first one is not named .E01"
                ),
            };
            warnings.push(Warning::new(WarningCode::PartMissing, text));
            return Ok(None);
        };
        let file = ContainerFile::new(bytes, Some(&name.to_string_lossy()));
        let told = segment::segment_number(&file)?;
        if u32::from(told) != number {
            let expected = format!("segment {number} of the image");
            let found = format!("segment {told}");
            return Err(file.name_in(Error::malformed(expected, found)));
        }
        let sections = SegmentSections::read(&file, warnings)?;
        self.file_size = self.file_size.saturating_add(file.stored_size());
        self.segments.push(name.to_owned());
        self.add_tables(sections.tables);
        Ok(Some(sections.end))
    }

    fn segment(&self, index: usize) -> Result<ContainerFile, Error> {
        self.opened.get_or_read(index, || {
            let name = self.segments[index].to_string_lossy();
            let Some(bytes) = self.opening.open(&self.segments[index])? else {
                let found = "no such file any more";
                return Err(Error::malformed("a segment of the image", found).in_evidence(name));
            };
            // The first one is the evidence itself.
            let name = (index > 0).then_some(&*name);
            Ok(ContainerFile::new(bytes, name))
        })
    }

    /// Where the chunks of a table lie, by the table or by its copy.
    fn read_table(&self, file: &ContainerFile, table: &Table) -> Result<Vec<StoredChunk>, Error> {
        let entries = match (read_entries(file, table, table.at, table.end), table.copy) {
            (Err(error), Some((at, end))) => {
                read_entries(file, table, at, end).map_err(|_| error)?
            }
            (entries, _) => entries?,
        };
        Ok(stored_chunks(&entries, table.data_end))
    }

    fn chunk(&self, index: u64) -> Result<Vec<u8>, Error> {
        let (first, placed) = match self.tables.partition_point(|(first, _)| *first <= index) {
            0 => return Err(self.missing_chunk(index)),
            behind => &self.tables[behind - 1],
        };
        let file = self.segment(placed.segment)?;
        let chunks = self.read_tables.get_or_read_weighed(*first, || {
            let chunks = self.read_table(&file, &placed.table)?;
            Ok((chunks.into(), placed.table.entries as usize))
        })?;
        let in_table = usize::try_from(index - first).ok();
        let stored = in_table.and_then(|index| chunks.get(index));
        let stored = stored.ok_or_else(|| self.missing_chunk(index))?;
        let wanted = self.chunk_size.min(self.size - index * self.chunk_size) as usize;
        self.opening
            .allowance
            .decompress(self.chunk_size as usize)?;
        let mut data = read_chunk(&file, stored, self.chunk_size)?;
        if data.len() < wanted {
            let found = format!("{} bytes of {wanted}", data.len());
            return Err(file.malformed(stored.offset, CHUNK, found));
        }
        data.truncate(wanted);
        Ok(data)
    }

    fn missing_chunk(&self, index: u64) -> Error {
        let expected = format!("chunk {index} of the image");
        let found = format!(
            "the end after {} chunks: segments may be missing",
            self.chunk_count
        );
        Error::malformed(expected, found)
    }
}

/// The size of a chunk and that of the disk.
fn sizes(file: &ContainerFile, volume: &Volume) -> Result<(u64, u64), Error> {
    let chunk_size =
        u64::from(volume.sectors_per_chunk).saturating_mul(volume.bytes_per_sector.into());
    if !(1..=LARGEST_CHUNK).contains(&chunk_size) {
        let found = format!(
            "{} sectors of {} bytes",
            volume.sectors_per_chunk, volume.bytes_per_sector
        );
        let error = Error::malformed("chunks of at most 16 MiB", found);
        return Err(file.name_in(error));
    }
    let size = match volume.sector_count {
        0 => u64::from(volume.chunk_count).checked_mul(chunk_size),
        sectors => sectors.checked_mul(volume.bytes_per_sector.into()),
    };
    let size = size.ok_or_else(|| {
        let found = format!("{} sectors", volume.sector_count);
        file.name_in(Error::malformed("the size of a disk", found))
    })?;
    Ok((chunk_size, size))
}

/// A segment from the middle is no disk of its own.
fn refusal_of_middle(name: &OsStr, number: u16) -> Error {
    let letter = Path::new(name)
        .extension()
        .and_then(|extension| extension.as_encoded_bytes().first().copied())
        .filter(u8::is_ascii_alphabetic);
    let remedy = match letter {
        Some(letter) if number < 100 => {
            let extension = format!("{}01", char::from(letter));
            let first = Path::new(name).with_extension(extension);
            format!("name its first segment, {}", first.display())
        }
        _ => "name its first segment, the one that ends in .E01".to_owned(),
    };
    let what = format!("segment {number} of an E01 image by itself");
    Error::unsupported(what, remedy)
}

/// The entries of a table, which must have its checksum.
fn read_entries(file: &ContainerFile, table: &Table, at: u64, end: u64) -> Result<Entries, Error> {
    let header = TableHeader::read(file, at)?;
    if !header.is_sealed || header.entries != table.entries || header.entries > LARGEST_TABLE {
        let expected = "the header of a table of chunks with the right checksum";
        return Err(file.malformed(at, expected, "another"));
    }
    let entries_at = at + TABLE_HEADER_SIZE;
    let length = 4 * header.entries as usize;
    let bytes = file.vec(TABLE, entries_at, length)?;
    // The first version of EnCase had no checksum here, but chunks.
    let has_checksum = table.data_end <= at || end == entries_at + length as u64 + 4;
    if has_checksum {
        let told = u32::from_le_bytes(file.array(TABLE, entries_at + length as u64)?);
        if told != adler32(&bytes) {
            let expected = "a table of chunks with the right checksum";
            return Err(file.malformed(entries_at, expected, "another"));
        }
    }
    let parsed = structure(TABLE, entries_at, &bytes, |bytes| {
        count(le_u32, header.entries as usize).parse(bytes)
    });
    let (_, offsets) = parsed.map_err(|error| file.name_in(error))?;
    Ok(Entries {
        base: header.base,
        offsets,
    })
}

/// The entries of a table as they stand there.
struct Entries {
    base: u64,
    offsets: Vec<u32>,
}

/// Tells where each chunk lies: it ends where the next one starts, the last one at `data_end`.
///
/// The highest bit says that a chunk is compressed. Some versions of EnCase wrote segments so large that the offsets grow
/// into it: then they fall from one to the next, and all chunks behind are not compressed.
fn stored_chunks(entries: &Entries, data_end: u64) -> Vec<StoredChunk> {
    const IS_COMPRESSED: u32 = 1 << 31;
    let mut is_overflown = false;
    let mut chunks = Vec::with_capacity(entries.offsets.len());
    for (index, &entry) in entries.offsets.iter().enumerate() {
        let plain = |entry: u32| match is_overflown {
            true => entry,
            false => entry & !IS_COMPRESSED,
        };
        let offset = entries.base.saturating_add(plain(entry).into());
        let is_compressed = !is_overflown && entry & IS_COMPRESSED != 0;
        let end = match entries.offsets.get(index + 1) {
            Some(&next) if plain(next) < plain(entry) => {
                is_overflown = true;
                entries.base.saturating_add(next.into())
            }
            Some(&next) => entries.base.saturating_add(plain(next).into()),
            None => data_end,
        };
        chunks.push(StoredChunk {
            offset,
            length: end.saturating_sub(offset),
            is_compressed,
        });
    }
    chunks
}

fn read_chunk(
    file: &ContainerFile,
    stored: &StoredChunk,
    chunk_size: u64,
) -> Result<Vec<u8>, Error> {
    // What does not compress becomes a little longer, and a checksum follows.
    if stored.length > 2 * chunk_size + 1024 || stored.length < 4 {
        let found = format!("{} bytes for one of {chunk_size}", stored.length);
        return Err(file.malformed(stored.offset, CHUNK, found));
    }
    let mut bytes = file.vec(CHUNK, stored.offset, stored.length as usize)?;
    if stored.is_compressed {
        let out = Compression::Zlib.decompress(&bytes, chunk_size as usize);
        return out.map_err(|error| file.malformed(stored.offset, CHUNK, error));
    }
    let checksum = bytes.split_off(bytes.len() - 4);
    let (_, told) = structure(CHUNK, stored.offset, &checksum, le_u32)?;
    if told != adler32(&bytes) {
        let expected = "a chunk with the right checksum";
        return Err(file.malformed(stored.offset, expected, "another"));
    }
    Ok(bytes)
}

impl Pieces for Ewf {
    fn disk_size(&self) -> u64 {
        self.size
    }

    fn stored_size(&self) -> u64 {
        Compression::most_out_of(self.file_size)
    }

    fn piece(&self, offset: u64, length: u64) -> Result<Piece, Error> {
        let (index, within) = (offset / self.chunk_size, offset % self.chunk_size);
        let bytes = self.chunks.get_or_read_weighed(index, || {
            let chunk = self.chunk(index)?;
            let weight = chunk.len();
            Ok((Rc::new(chunk), weight))
        })?;
        Ok(Piece {
            length: length.min(bytes.len() as u64 - within),
            place: Place::Memory {
                bytes,
                start: within as usize,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_counted_by_numbers_and_then_by_letters() {
        let names = SegmentNames::new("a.E01".as_ref()).unwrap();
        let extension = |number| {
            let name = names.name(number)?;
            Some(name.to_str()?.strip_prefix("a.")?.to_owned())
        };
        let known = [
            (2, Some("E02")),
            (99, Some("E99")),
            (100, Some("EAA")),
            (125, Some("EAZ")),
            (126, Some("EBA")),
            (775, Some("EZZ")),
            (776, Some("FAA")),
            (14_971, Some("ZZZ")),
            (14_972, None),
        ];
        for (number, name) in known {
            assert_eq!(extension(number).as_deref(), name);
        }
        let names = SegmentNames::new("a.s01".as_ref()).unwrap();
        assert_eq!(names.name(100).unwrap(), "a.saa");
        assert!(SegmentNames::new("a.E02".as_ref()).is_none());
        assert!(SegmentNames::new("a".as_ref()).is_none());
    }

    /// The quirk of large segments: offsets of 2 GiB and above, without the bit of compression.
    #[test]
    fn offsets_that_grow_into_the_bit_of_compression_are_told_by_their_fall() {
        let entries = Entries {
            base: 100,
            offsets: vec![0x8000_0010, 0x7FFF_FF00, 0x8000_0800, 0x8000_1000],
        };
        let chunk = |offset, length, is_compressed| StoredChunk {
            offset,
            length,
            is_compressed,
        };
        assert_eq!(
            stored_chunks(&entries, 100 + 0x8000_1004),
            [
                chunk(100 + 0x10, 0x7FFF_FEF0, true),
                chunk(100 + 0x7FFF_FF00, 0x900, false),
                chunk(100 + 0x8000_0800, 0x800, false),
                chunk(100 + 0x8000_1000, 4, false),
            ]
        );
    }
}
