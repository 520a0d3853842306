//! The GUID partition table, after the UEFI specification (5.3). All numbers are little-endian.

use nom::Parser;
use nom::number::complete::{le_u32, le_u64};
use uuid::Uuid;

use super::{Partition, PartitionKind, PartitionScheme, PartitionTable, damaged, sector_sizes};
use crate::binary::{byte_array, guid, structure};
use crate::capture::read_at::ReadAt;
use crate::error::{Error, Position};
use crate::registry::mounted_devices::PartitionIdentity;
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::WideString;

const SIGNATURE: &[u8; 8] = b"EFI PART";
const ENTRY_SIZE: u32 = 128;
/// 128 entries are usual; no tool was seen to write more than this.
const MOST_ENTRIES: u32 = 4096;
const LARGEST_ENTRY: u32 = 4096;

/// The header, which stands in the second and in the last sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// `HeaderSize`
    size: u32,
    /// `MyLBA`
    own: u64,
    /// `AlternateLBA`
    other: u64,
    /// `DiskGUID`
    disk: Uuid,
    /// `PartitionEntryLBA`
    entries_at: u64,
    /// `NumberOfPartitionEntries`
    count: u32,
    /// `SizeOfPartitionEntry`
    entry_size: u32,
    /// `PartitionEntryArrayCRC32`
    entries_checksum: u32,
    /// Whether its checksum is right.
    is_sealed: bool,
}

impl Header {
    /// The fields that are defined.
    const SIZE: usize = 92;

    /// Reads the header in a sector; `None` where there is none.
    fn read(disk: &dyn ReadAt, at: u64) -> Option<Header> {
        let mut sector = [0; 512];
        disk.read_exact_at(at, &mut sector).ok()?;
        let (_, header) = structure("a GPT header", at, &sector, |bytes| {
            let (rest, signature) = byte_array::<8>(bytes)?;
            let (rest, (_revision, size, checksum)) = (le_u32, le_u32, le_u32).parse(rest)?;
            let (rest, (_reserved, own, other)) = (le_u32, le_u64, le_u64).parse(rest)?;
            let (rest, (_first_usable, _last_usable, disk)) = (le_u64, le_u64, guid).parse(rest)?;
            let (rest, (entries_at, count, entry_size)) = (le_u64, le_u32, le_u32).parse(rest)?;
            let (rest, entries_checksum) = le_u32(rest)?;
            let header = Header {
                size,
                own,
                other,
                disk,
                entries_at,
                count,
                entry_size,
                entries_checksum,
                is_sealed: checksum_of(bytes, size) == Some(checksum),
            };
            Ok((rest, (signature == *SIGNATURE).then_some(header)))
        })
        .ok()?;
        header
    }
}

/// The CRC-32 of a header, its own field taken as zero. `None` where it cannot have that size.
fn checksum_of(sector: &[u8], size: u32) -> Option<u32> {
    let size = usize::try_from(size).ok()?;
    let mut header = sector
        .get(..size)
        .filter(|_| size >= Header::SIZE)?
        .to_vec();
    header[16..20].fill(0);
    Some(crc32fast::hash(&header))
}

/// A header whose entries were read.
struct Candidate {
    header: Header,
    sector_size: u32,
    at: u64,
    entries: Vec<u8>,
    /// Whether both checksums are right.
    is_sealed: bool,
}

/// Reads the table; `None` where there is none. `is_expected` says that the MBR tells of one.
pub(super) fn read(
    disk: &dyn ReadAt,
    sector_size: Option<u32>,
    is_expected: bool,
    warnings: &mut Warnings,
) -> Result<Option<PartitionTable>, Error> {
    let mut best: Option<Candidate> = None;
    let mut problems = Vec::new();
    let mut has_primary = false;
    for sector_size in sector_sizes(sector_size) {
        let primary_at = u64::from(sector_size);
        let primary = Header::read(disk, primary_at);
        has_primary |= primary.is_some();
        let last = disk.size().checked_sub(u64::from(sector_size));
        let told = primary.and_then(|header| header.other.checked_mul(u64::from(sector_size)));
        for at in [Some(primary_at), last, told].into_iter().flatten() {
            let Some(header) = Header::read(disk, at) else {
                continue;
            };
            // A sector that holds a copy of the header in a place of its own, such as in a disk image that is a file here.
            if header.own.checked_mul(u64::from(sector_size)) != Some(at) {
                continue;
            }
            match candidate(disk, header, sector_size, at) {
                Ok(candidate) if candidate.is_sealed => {
                    if at != primary_at {
                        let text = "the GPT in the second sector is damaged or missing: its backup is used";
                        warnings.push(damaged(primary_at, text));
                    }
                    if !is_expected {
                        let text = "the first sector does not tell of the GPT that follows it";
                        warnings.push(damaged(0, text));
                    }
                    return Ok(Some(table(candidate, warnings)));
                }
                Ok(candidate) => best = best.or(Some(candidate)),
                Err(problem) => problems.push(problem),
            }
        }
    }
    // Without the word of the MBR, what is damaged or has no primary header is a remnant of an earlier use.
    if !is_expected {
        return Ok(None);
    }
    for problem in problems {
        warnings.push(problem);
    }
    if let Some(candidate) = best {
        let text =
            "the checksum of the GPT is wrong, and it has no sound backup: it is used as it is";
        warnings.push(damaged(candidate.at, text));
        return Ok(Some(table(candidate, warnings)));
    }
    if !has_primary {
        let text = "the first sector tells of a GPT, and there is neither one in the second sector nor a backup in the last";
        warnings.push(damaged(512, text));
    }
    Ok(None)
}

/// Reads the entries of a header.
fn candidate(
    disk: &dyn ReadAt,
    header: Header,
    sector_size: u32,
    at: u64,
) -> Result<Candidate, Warning> {
    let entry_size = header.entry_size;
    if !(ENTRY_SIZE..=LARGEST_ENTRY).contains(&entry_size) || !entry_size.is_multiple_of(8) {
        let text = format!("expected GPT entries of 128 bytes or more, found {entry_size}");
        return Err(damaged(at + 84, text));
    }
    if header.count > MOST_ENTRIES {
        let text = format!(
            "expected at most {MOST_ENTRIES} GPT entries, found {}",
            header.count
        );
        return Err(damaged(at + 80, text));
    }
    let start = header.entries_at.checked_mul(u64::from(sector_size));
    let length = u64::from(header.count) * u64::from(entry_size);
    let end = start.and_then(|start| start.checked_add(length));
    let Some(start) = start.filter(|_| end.is_some_and(|end| end <= disk.size())) else {
        let text = format!(
            "the entries of the GPT, from sector {}, lie behind the end of the disk",
            header.entries_at
        );
        return Err(damaged(at + 72, text));
    };
    let mut entries = vec![0; length as usize];
    disk.read_exact_at(start, &mut entries).map_err(|error| {
        let text = format!("the entries of the GPT: {error}");
        damaged(start, text)
    })?;
    let is_sealed = header.is_sealed && crc32fast::hash(&entries) == header.entries_checksum;
    Ok(Candidate {
        header,
        sector_size,
        at,
        entries,
        is_sealed,
    })
}

fn table(candidate: Candidate, warnings: &mut Warnings) -> PartitionTable {
    let Candidate {
        header,
        sector_size,
        entries,
        ..
    } = candidate;
    let mut partitions = Vec::new();
    let start = header.entries_at * u64::from(sector_size);
    let chunks = entries.chunks_exact(header.entry_size as usize);
    for (number, entry) in (1..).zip(chunks) {
        let at = start + u64::from(number - 1) * u64::from(header.entry_size);
        match partition(number, entry, at, sector_size) {
            Ok(partition) => partitions.extend(partition),
            Err(warning) => warnings.push(warning),
        }
    }
    PartitionTable {
        scheme: PartitionScheme::Gpt { disk: header.disk },
        sector_size,
        partitions,
    }
}

/// Reads an entry; `None` where it is not in use.
fn partition(
    number: u32,
    entry: &[u8],
    at: u64,
    sector_size: u32,
) -> Result<Option<Partition>, Warning> {
    let malformed = |text: String| {
        Warning::new(WarningCode::PartitionTableDamaged, text).at(Position::Byte(at))
    };
    let parsed = structure("a GPT entry", at, entry, |bytes| {
        let (rest, (kind, own)) = (guid, guid).parse(bytes)?;
        let (rest, (first, last, _attributes)) = (le_u64, le_u64, le_u64).parse(rest)?;
        let (rest, name) = byte_array::<72>(rest)?;
        Ok((rest, (kind, own, first, last, name)))
    });
    let (_, (kind, own, first, last, name)) =
        parsed.map_err(|error| malformed(error.to_string()))?;
    if kind.is_nil() {
        return Ok(None);
    }
    let sector_size = u64::from(sector_size);
    let start = first.checked_mul(sector_size);
    let sectors = last
        .checked_sub(first)
        .and_then(|sectors| sectors.checked_add(1));
    let size = sectors.and_then(|sectors| sectors.checked_mul(sector_size));
    let (Some(start), Some(size)) = (start, size) else {
        let text = format!(
            "partition {number}: expected its first and last sector, found {first} and {last}"
        );
        return Err(malformed(text));
    };
    Ok(Some(Partition {
        number,
        start,
        size,
        kind: PartitionKind::Gpt(kind),
        identity: Some(PartitionIdentity::Gpt(own)),
        name: Some(WideString::from_utf16le_until_nul(&name)).filter(|name| !name.is_empty()),
    }))
}
