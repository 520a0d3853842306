//! The header section of a VHDX: two headers of which the newer one counts, and two copies of the table of regions.
//! MS-VHDX 2.2.

use nom::Parser;
use nom::number::complete::{le_u16, le_u32, le_u64};
use uuid::Uuid;

use super::crc32c::is_sealed;
use crate::binary::{byte_array, guid, structure};
use crate::capture::disk_image::container::container_file::ContainerFile;
use crate::error::Error;
use crate::warning::{WarningCode, Warnings};

const HEADERS_AT: [u64; 2] = [0x1_0000, 0x2_0000];
const REGIONS_AT: [u64; 2] = [0x3_0000, 0x4_0000];
const BAT: Uuid = Uuid::from_u128(0x2DC27766_F623_4200_9D64_115E9BFD4A08);
const METADATA: Uuid = Uuid::from_u128(0x8B7CA206_4790_4B9A_B8FE_575F050F886E);
/// `EntryCount` of the table of regions.
const MOST_REGIONS: u32 = 2047;

/// `VHDX_HEADER`, the one with the higher sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    sequence_number: u64,
    /// `DataWriteGuid`: changes whenever the data of the disk do.
    pub(super) data_write_guid: Uuid,
    /// `LogGuid`: nil where no log is to be replayed.
    pub(super) log_guid: Uuid,
    log_version: u16,
    version: u16,
    pub(super) log_length: u32,
    pub(super) log_offset: u64,
}

impl Header {
    const SIZE: usize = 4096;

    pub(super) fn read(file: &ContainerFile, warnings: &mut Warnings) -> Result<Header, Error> {
        let mut current: Option<(u64, Header)> = None;
        let mut damaged = None;
        for at in HEADERS_AT {
            // The second may lie behind the end of a file that was cut off: then the first does.
            let header = file.array::<{ Self::SIZE }>("a VHDX header", at);
            match header.ok().and_then(|bytes| Header::parse(&bytes)) {
                Some(header)
                    if current.is_none_or(|(_, other)| {
                        other.sequence_number < header.sequence_number
                    }) =>
                {
                    current = Some((at, header));
                }
                Some(_) => {}
                None => damaged = Some(at),
            }
        }
        let Some((at, header)) = current else {
            let expected = "a VHDX header with the right checksum";
            return Err(file.malformed(HEADERS_AT[0], expected, "none, and no sound copy"));
        };
        if let Some(damaged) = damaged {
            let text = "one of the two VHDX headers is damaged: the other one is used";
            file.warn(warnings, WarningCode::ContainerDamaged, damaged, text);
        }
        if header.version != 1 {
            let what = format!("version {} of VHDX", header.version);
            let remedy = "convert it to a fixed VHD (Convert-VHD), or to a raw image";
            return Err(file.here(at + 66, Error::unsupported(what, remedy)));
        }
        if header.log_version != 0 && !header.log_guid.is_nil() {
            let what = format!("version {} of the log of a VHDX", header.log_version);
            let remedy = "attach the disk to Windows once, which replays its log, and detach it";
            return Err(file.here(at + 64, Error::unsupported(what, remedy)));
        }
        Ok(header)
    }

    fn parse(bytes: &[u8; Self::SIZE]) -> Option<Header> {
        if !bytes.starts_with(b"head") || !is_sealed(bytes) {
            return None;
        }
        let (_, header) = structure("a VHDX header", 0, bytes, |bytes| {
            // Signature, checksum.
            let (rest, (_, sequence_number)) = (byte_array::<8>, le_u64).parse(bytes)?;
            let (rest, (_file_write_guid, data_write_guid, log_guid)) =
                (guid, guid, guid).parse(rest)?;
            let (rest, (log_version, version)) = (le_u16, le_u16).parse(rest)?;
            let (rest, (log_length, log_offset)) = (le_u32, le_u64).parse(rest)?;
            let header = Header {
                sequence_number,
                data_write_guid,
                log_guid,
                log_version,
                version,
                log_length,
                log_offset,
            };
            Ok((rest, header))
        })
        .ok()?;
        Some(header)
    }
}

/// Where a region lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// `VHDX_REGION_TABLE_HEADER` and its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Regions {
    /// The block allocation table.
    pub(super) bat: Region,
    pub(super) metadata: Region,
}

impl Regions {
    const SIZE: usize = 0x1_0000;

    pub(super) fn read(file: &ContainerFile, warnings: &mut Warnings) -> Result<Regions, Error> {
        let read = |at| {
            let table = file.vec("the table of regions of a VHDX", at, Self::SIZE)?;
            if !table.starts_with(b"regi") || !is_sealed(&table) {
                let expected = "a table of regions with the right checksum";
                return Err(file.malformed(at, expected, "none"));
            }
            Ok(table)
        };
        let (at, table) = match read(REGIONS_AT[0]) {
            Ok(table) => (REGIONS_AT[0], table),
            Err(error) => {
                let table = read(REGIONS_AT[1]).map_err(|_| error)?;
                let text = "the first table of regions is damaged: its copy is used";
                file.warn(warnings, WarningCode::ContainerDamaged, REGIONS_AT[0], text);
                (REGIONS_AT[1], table)
            }
        };
        Self::parse(file, at, &table)
    }

    fn parse(file: &ContainerFile, at: u64, table: &[u8]) -> Result<Regions, Error> {
        let here = |error| file.name_in(error);
        let (mut rest, count) = structure("the table of regions", at, table, |bytes| {
            let (rest, (_, count, _)) = (byte_array::<8>, le_u32, le_u32).parse(bytes)?;
            Ok((rest, count))
        })
        .map_err(here)?;
        if count > MOST_REGIONS {
            return Err(file.malformed(at + 8, "at most 2,047 regions", count.to_string()));
        }
        let (mut bat, mut metadata) = (None, None);
        for index in 0..u64::from(count) {
            let entry_at = at + 16 + 32 * index;
            let (behind, (id, offset, length, required)) =
                structure("a region", entry_at, rest, |bytes| {
                    (guid, le_u64, le_u32, le_u32).parse(bytes)
                })
                .map_err(here)?;
            rest = behind;
            let region = Region { offset, length };
            match id {
                BAT => bat = Some(region),
                METADATA => metadata = Some(region),
                id if required & 1 != 0 => {
                    let what = format!("a VHDX with the region {id}, which it says is required,");
                    let remedy = "convert it to a fixed VHD (Convert-VHD), or to a raw image";
                    return Err(file.here(entry_at, Error::unsupported(what, remedy)));
                }
                _ => {}
            }
        }
        let missing = |what| file.malformed(at, what, "a table of regions without it");
        Ok(Regions {
            bat: bat.ok_or_else(|| missing("the block allocation table"))?,
            metadata: metadata.ok_or_else(|| missing("the region of metadata"))?,
        })
    }
}
