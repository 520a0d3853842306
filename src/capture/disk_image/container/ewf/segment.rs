//! One segment of an E01: its sections, one after the other.

use nom::Parser;
use nom::number::complete::{le_u8, le_u16, le_u32, le_u64};

use super::adler32::adler32;
use crate::binary::{byte_array, structure};
use crate::capture::disk_image::container::container_file::ContainerFile;
use crate::error::Error;
use crate::warning::{WarningCode, Warnings};

pub(super) const SIGNATURE: &[u8; 8] = b"EVF\x09\r\n\xFF\0";
const FILE_HEADER_SIZE: u64 = 13;
const SECTION_SIZE: u64 = 76;
const SECTION: &str = "the descriptor of a section";
const VOLUME: &str = "the description of the volume";
pub(super) const TABLE: &str = "a table of chunks";
pub(super) const TABLE_HEADER_SIZE: u64 = 24;
/// EnCase writes some hundred into a segment of 2 GiB.
const MOST_SECTIONS: usize = 100_000;

/// What is read of a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SegmentSections {
    pub(super) volume: Option<Volume>,
    pub(super) tables: Vec<Table>,
    pub(super) end: SegmentEnd,
}

/// How a segment ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum SegmentEnd {
    /// It is the last one.
    Done,
    /// Another one follows.
    Next,
    /// It does not say.
    #[default]
    CutOff,
}

/// The section `volume` or `disk`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) chunk_count: u32,
    pub(super) sectors_per_chunk: u32,
    pub(super) bytes_per_sector: u32,
    pub(super) sector_count: u64,
}

/// The section `table`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Table {
    /// Where its own header starts.
    pub(super) at: u64,
    /// Where it ends: its entries cannot go further.
    pub(super) end: u64,
    /// `table2`, its copy.
    pub(super) copy: Option<(u64, u64)>,
    pub(super) entries: u32,
    /// Where the data of its last chunk end.
    pub(super) data_end: u64,
}

/// The number of a segment, which its header tells.
pub(super) fn segment_number(file: &ContainerFile) -> Result<u16, Error> {
    const HEADER: &str = "the header of an E01 segment";
    let bytes: [u8; FILE_HEADER_SIZE as usize] = file.array(HEADER, 0)?;
    if !bytes.starts_with(SIGNATURE) {
        let found = bytes[..8].escape_ascii().to_string();
        return Err(file.malformed(0, "the signature of an E01 segment", found));
    }
    let (_, number) = structure(HEADER, 8, &bytes[9..], le_u16)?;
    Ok(number)
}

/// `Section descriptor`
struct Section {
    kind: String,
    /// Where the next one starts; the last one points to itself.
    next: u64,
    end: u64,
    is_sealed: bool,
}

impl Section {
    fn read(file: &ContainerFile, at: u64) -> Result<Section, Error> {
        let bytes: [u8; SECTION_SIZE as usize] = file.array(SECTION, at)?;
        let parsed = structure(SECTION, at, &bytes, |bytes| {
            let (rest, (kind, next, size)) = (byte_array::<16>, le_u64, le_u64).parse(bytes)?;
            let (rest, (_, checksum)) = (byte_array::<40>, le_u32).parse(rest)?;
            Ok((rest, (kind, next, size, checksum)))
        });
        let (_, (kind, next, size, checksum)) = parsed.map_err(|error| file.name_in(error))?;
        let length = kind.iter().position(|&byte| byte == 0).unwrap_or(16);
        Ok(Section {
            kind: kind[..length].escape_ascii().to_string(),
            next,
            // Some writers leave the size of the last ones out.
            end: at.saturating_add(size.max(SECTION_SIZE)),
            is_sealed: checksum == adler32(&bytes[..SECTION_SIZE as usize - 4]),
        })
    }
}

impl SegmentSections {
    /// Reads the sections of a segment. Where the chain of them breaks, what came before counts.
    pub(super) fn read(
        file: &ContainerFile,
        warnings: &mut Warnings,
    ) -> Result<SegmentSections, Error> {
        let mut sections = SegmentSections::default();
        let mut at = FILE_HEADER_SIZE;
        // Where the section `sectors` before a table ends.
        let mut sectors_end = None;
        for _ in 0..MOST_SECTIONS {
            let Ok(section) = Section::read(file, at) else {
                file.warn_truncated(warnings, "the next section");
                return Ok(sections);
            };
            let data_at = at + SECTION_SIZE;
            if !section.is_sealed {
                let text = "the checksum of the descriptor of a section is wrong: nothing behind it is read";
                file.warn(warnings, WarningCode::ContainerDamaged, at, text);
                return Ok(sections);
            }
            match section.kind.as_str() {
                "volume" | "disk" if sections.volume.is_none() => {
                    sections.volume = Some(Volume::read(file, data_at, section.end)?);
                }
                "sectors" => sectors_end = Some(section.end.min(section.next.max(data_at))),
                "table" => {
                    let data_end = sectors_end.take().unwrap_or(section.end);
                    sections.add_table(file, data_at, section.end, data_end, warnings)?;
                }
                "table2" => match sections.tables.last_mut() {
                    Some(table) if table.copy.is_none() => {
                        table.copy = Some((data_at, section.end));
                    }
                    _ => {}
                },
                "error2" => warn_of_errors(file, data_at, warnings)?,
                "next" => {
                    sections.end = SegmentEnd::Next;
                    return Ok(sections);
                }
                "done" => {
                    sections.end = SegmentEnd::Done;
                    return Ok(sections);
                }
                _ => {}
            }
            if section.next < data_at {
                let text = "the chain of sections ends without one that says so";
                file.warn(warnings, WarningCode::ContainerDamaged, at, text);
                return Ok(sections);
            }
            at = section.next;
        }
        Err(file.malformed(at, "at most 100,000 sections", "more"))
    }

    /// Adds a table, whose header tells the number of its chunks.
    fn add_table(
        &mut self,
        file: &ContainerFile,
        at: u64,
        end: u64,
        data_end: u64,
        warnings: &mut Warnings,
    ) -> Result<(), Error> {
        let Ok(header) = TableHeader::read(file, at) else {
            file.warn_truncated(warnings, TABLE);
            return Ok(());
        };
        // Its entries are read where they are needed; their number decides about the places of all that follow.
        if !header.is_sealed {
            let expected = "the header of a table of chunks with the right checksum";
            return Err(file.malformed(at, expected, "another"));
        }
        let room = end.saturating_sub(at + TABLE_HEADER_SIZE) / 4;
        if u64::from(header.entries) > room {
            let found = format!("{} in the room for {room}", header.entries);
            return Err(file.malformed(at, "the number of chunks of a table", found));
        }
        self.tables.push(Table {
            at,
            end,
            copy: None,
            entries: header.entries,
            data_end,
        });
        Ok(())
    }
}

/// The header of a table of chunks.
pub(super) struct TableHeader {
    pub(super) entries: u32,
    /// What the offsets of the chunks are counted from.
    pub(super) base: u64,
    pub(super) is_sealed: bool,
}

impl TableHeader {
    pub(super) fn read(file: &ContainerFile, at: u64) -> Result<TableHeader, Error> {
        let bytes: [u8; TABLE_HEADER_SIZE as usize] = file.array(TABLE, at)?;
        let parsed = structure(TABLE, at, &bytes, |bytes| {
            let (rest, (entries, _, base)) = (le_u32, le_u32, le_u64).parse(bytes)?;
            let (rest, (_, checksum)) = (le_u32, le_u32).parse(rest)?;
            Ok((rest, (entries, base, checksum)))
        });
        let (_, (entries, base, checksum)) = parsed.map_err(|error| file.name_in(error))?;
        Ok(TableHeader {
            entries,
            base,
            is_sealed: checksum == adler32(&bytes[..20]),
        })
    }
}

impl Volume {
    /// EnCase's form, and the shorter one of SMART.
    const SIZE: u64 = 1052;
    const SIZE_OF_SMART: u64 = 94;

    fn read(file: &ContainerFile, at: u64, end: u64) -> Result<Volume, Error> {
        let is_smart = end.saturating_sub(at) < Self::SIZE;
        let size = if is_smart {
            Self::SIZE_OF_SMART
        } else {
            Self::SIZE
        };
        let bytes = file.vec(VOLUME, at, size as usize)?;
        let parsed = structure(VOLUME, at, &bytes, |bytes| {
            // The kind of medium.
            let (rest, (_, chunk_count)) = (le_u32, le_u32).parse(bytes)?;
            let (rest, (sectors_per_chunk, bytes_per_sector)) = (le_u32, le_u32).parse(rest)?;
            let (rest, sector_count) = match is_smart {
                true => le_u32.map(u64::from).parse(rest)?,
                false => le_u64.parse(rest)?,
            };
            let volume = Volume {
                chunk_count,
                sectors_per_chunk,
                bytes_per_sector,
                sector_count,
            };
            Ok((rest, volume))
        });
        let (_, volume) = parsed.map_err(|error| file.name_in(error))?;
        let (sealed, checksum) = bytes.split_at(bytes.len() - 4);
        let (_, checksum) = structure(VOLUME, at, checksum, le_u32)?;
        if checksum != adler32(sealed) {
            let expected = "the description of the volume with the right checksum";
            return Err(file.malformed(at, expected, "another"));
        }
        let (_, medium) = structure(VOLUME, at, &bytes, le_u8)?;
        if medium == Self::LOGICAL_FILES && !is_smart {
            let what = "an E01 of single files";
            let remedy = "extract them, and name the folder";
            return Err(file.here(at, Error::unsupported(what, remedy)));
        }
        Ok(volume)
    }

    const LOGICAL_FILES: u8 = 0x0E;
}

/// Says how much of the disk could not be read when it was acquired.
fn warn_of_errors(file: &ContainerFile, at: u64, warnings: &mut Warnings) -> Result<(), Error> {
    let count = u32::from_le_bytes(file.array("the table of read errors", at)?);
    if count > 0 {
        let text = format!(
            "{count} ranges of sectors could not be read when the disk was acquired: zeros stand there"
        );
        file.warn(warnings, WarningCode::ContainerDamaged, at, text);
    }
    Ok(())
}
