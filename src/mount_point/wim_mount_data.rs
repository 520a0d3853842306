//! The `$WIMMOUNTDATA` named stream, by which wimgapi recognises a mount directory.
//!
//! Microsoft does not document the stream. The layout is that of one sample, published on hexacorn.com (2024-12-28 to
//! 2025-01-01): a header of 0x28 bytes, then records of id, length and payload, each padded to eight bytes. Bytes whose
//! meaning the sample does not show are kept as they are and not interpreted; the image index, the read/write mode, a
//! format version and a stamp of the image should be among them.

use nom::number::complete::le_u32;
use nom::{IResult, Parser};
use uuid::Uuid;

use crate::binary::{byte_array, guid, structure};
use crate::error::{Error, Position};
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::WideString;

/// The contents of a `$WIMMOUNTDATA` stream.
///
/// A path is `None` when the stream has no record for it, which no sample shows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WimMountData {
    /// The mount's GUID: the name of its registry key, and "Mount Guid" in `dism.log`.
    pub mount_id: Uuid,
    /// The image file (record 1), as wimgapi recorded it.
    pub wim_path: Option<WideString>,
    /// The mount directory (record 2), as wimgapi recorded it.
    pub mount_path: Option<WideString>,
    /// The directory for temporary files (record 3).
    pub temp_path: Option<WideString>,
    /// The log file (record 5).
    pub log_path: Option<WideString>,
    /// Bytes 0x04 to 0x10, of unknown meaning.
    pub unknown_04: [u8; 12],
    /// Bytes 0x20 to 0x28, of unknown meaning.
    pub unknown_20: [u8; 8],
    /// Every record, understood or not, in the order of the stream.
    pub records: Vec<MountDataRecord>,
}

/// One record of a `$WIMMOUNTDATA` stream, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountDataRecord {
    /// What the record holds, see the constants.
    pub id: u32,
    /// Offset in bytes of the record's head from the start of the stream.
    pub offset: u64,
    /// The record's bytes without head and padding.
    pub payload: Vec<u8>,
}

impl MountDataRecord {
    /// The path of the image file.
    pub const WIM_PATH: u32 = 1;
    /// The path of the mount directory.
    pub const MOUNT_PATH: u32 = 2;
    /// The path of the directory for temporary files.
    pub const TEMP_PATH: u32 = 3;
    /// Twelve bytes of unknown meaning, then the path of the log file. Record 4 is unknown altogether.
    pub const LOG_PATH: u32 = 5;
}

impl WimMountData {
    /// The stream of a mount of which nothing but its GUID is known.
    pub fn new(mount_id: Uuid) -> Self {
        WimMountData {
            mount_id,
            wim_path: None,
            mount_path: None,
            temp_path: None,
            log_path: None,
            unknown_04: [0; 12],
            unknown_20: [0; 8],
            records: Vec::new(),
        }
    }

    /// Reads a `$WIMMOUNTDATA` stream.
    ///
    /// Records may come in any order, be unknown or be missing. Of a record that comes twice the first counts.
    ///
    /// # Errors
    ///
    /// The stream is shorter than its header, or a length in it reaches beyond its end.
    pub fn parse(bytes: &[u8]) -> Result<(WimMountData, Warnings), Error> {
        let mut warnings = Warnings::default();
        let (_, header) = structure("a $WIMMOUNTDATA header of 0x28 bytes", 0, bytes, header)?;
        let stream = stream_proper(bytes, header.total_length, &mut warnings)?;
        let records = records(stream, &mut warnings)?;
        let mut path = |id, text_offset| path(&records, id, text_offset, &mut warnings);
        let mount_data = WimMountData {
            mount_id: header.mount_id,
            wim_path: path(MountDataRecord::WIM_PATH, 0),
            mount_path: path(MountDataRecord::MOUNT_PATH, 0),
            temp_path: path(MountDataRecord::TEMP_PATH, 0),
            log_path: path(MountDataRecord::LOG_PATH, LOG_PATH_TEXT_OFFSET),
            unknown_04: header.unknown_04,
            unknown_20: header.unknown_20,
            records,
        };
        Ok((mount_data, warnings))
    }
}

/// Size of the stream's header in bytes.
const HEADER_SIZE: usize = 0x28;
/// Size in bytes of a record's id and length.
const RECORD_HEAD_SIZE: usize = 8;
/// Records start at multiples of this many bytes.
const RECORD_ALIGNMENT: usize = 8;
/// Where the text of the log path starts in its record.
const LOG_PATH_TEXT_OFFSET: usize = 12;

struct Header {
    total_length: u32,
    unknown_04: [u8; 12],
    mount_id: Uuid,
    unknown_20: [u8; 8],
}

fn header(bytes: &[u8]) -> IResult<&[u8], Header> {
    let (rest, (total_length, unknown_04, mount_id, unknown_20)) =
        (le_u32, byte_array, guid, byte_array).parse(bytes)?;
    let header = Header {
        total_length,
        unknown_04,
        mount_id,
        unknown_20,
    };
    Ok((rest, header))
}

/// The bytes that the stream's own length covers. Samba may append one NUL to a stream: that is no finding.
fn stream_proper<'a>(
    bytes: &'a [u8],
    total_length: u32,
    warnings: &mut Warnings,
) -> Result<&'a [u8], Error> {
    let length = usize::try_from(total_length)
        .ok()
        .filter(|length| (HEADER_SIZE..=bytes.len()).contains(length))
        .ok_or_else(|| {
            let expected = format!("a total length of {HEADER_SIZE} to {} bytes", bytes.len());
            Error::malformed(expected, total_length.to_string()).at(Position::Byte(0))
        })?;
    let (stream, trailing) = bytes.split_at(length);
    if !matches!(trailing, [] | [0]) {
        warnings.push(trailing_bytes(length, trailing));
    }
    Ok(stream)
}

fn records(stream: &[u8], warnings: &mut Warnings) -> Result<Vec<MountDataRecord>, Error> {
    let mut records = Vec::new();
    let mut offset = HEADER_SIZE;
    loop {
        let rest = stream.get(offset..).unwrap_or_default();
        if rest.len() < RECORD_HEAD_SIZE {
            if rest.iter().any(|&byte| byte != 0) {
                warnings.push(trailing_bytes(offset, rest));
            }
            return Ok(records);
        }
        let record = record(rest, offset)?;
        offset += (RECORD_HEAD_SIZE + record.payload.len()).next_multiple_of(RECORD_ALIGNMENT);
        records.push(record);
    }
}

/// Reads the record at the front of `bytes`, which stand at `offset`.
fn record(bytes: &[u8], offset: usize) -> Result<MountDataRecord, Error> {
    let base = offset as u64;
    let (rest, (id, length)) = structure("a record's head", base, bytes, (le_u32, le_u32))?;
    let payload = usize::try_from(length)
        .ok()
        .and_then(|length| rest.get(..length))
        .ok_or_else(|| {
            let expected = format!("a record length of at most {} bytes", rest.len());
            Error::malformed(expected, length.to_string()).at(Position::Byte(base + 4))
        })?;
    Ok(MountDataRecord {
        id,
        offset: base,
        payload: payload.to_vec(),
    })
}

/// The path in the first record with this id, whose text starts `text_offset` bytes into the payload.
fn path(
    records: &[MountDataRecord],
    id: u32,
    text_offset: usize,
    warnings: &mut Warnings,
) -> Option<WideString> {
    let mut with_id = records.iter().filter(|record| record.id == id);
    let record = with_id.next()?;
    let mut warn = |record: &MountDataRecord, expected: &str, found: &str| {
        warnings.push(Warning::malformed(
            WarningCode::MountDataMalformed,
            Position::Byte(record.offset),
            expected,
            found,
        ));
    };
    for again in with_id {
        warn(again, &format!("one record {id}"), "another one");
    }
    let Some(text) = record.payload.get(text_offset..) else {
        warn(
            record,
            &format!("a path {text_offset} bytes into record {id}"),
            &format!("{} bytes", record.payload.len()),
        );
        return None;
    };
    if text.len() % 2 != 0 {
        warn(
            record,
            "UTF-16LE",
            &format!("an odd number of bytes ({})", text.len()),
        );
    }
    Some(WideString::from_utf16le_until_nul(text))
}

fn trailing_bytes(offset: usize, trailing: &[u8]) -> Warning {
    Warning::malformed(
        WarningCode::TrailingBytes,
        Position::Byte(offset as u64),
        "the end of the stream",
        &format!("{} more bytes", trailing.len()),
    )
}
