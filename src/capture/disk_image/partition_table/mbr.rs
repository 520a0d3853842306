//! The master boot record and the chain of extended boot records, after the UEFI specification (5.2) and Linux's
//! `block/partitions/msdos.c`.

use nom::Parser;
use nom::number::complete::{le_u8, le_u32};

use super::{Partition, PartitionKind, PartitionScheme, PartitionTable};
use super::{damaged, has_file_system, sector_sizes};
use crate::binary::{byte_array, structure};
use crate::capture::read_at::ReadAt;
use crate::error::{Error, Position};
use crate::registry::mounted_devices::PartitionIdentity;
use crate::warning::{Warning, WarningCode, Warnings};

const SIGNATURE_AT: usize = 440;
const ENTRIES_AT: usize = 446;
const FIRST_LOGICAL: u32 = 5;
/// Windows and Linux have no use for more.
const MOST_LOGICAL: usize = 256;
/// The type of the entry that stands for a GPT.
const PROTECTIVE: u8 = 0xEE;

/// An entry of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    status: u8,
    kind: u8,
    /// In sectors; of an extended boot record counted from elsewhere.
    start: u32,
    sectors: u32,
}

impl Entry {
    fn is_empty(&self) -> bool {
        self.kind == 0 || self.sectors == 0
    }

    fn is_extended(&self) -> bool {
        matches!(self.kind, 0x05 | 0x0F | 0x85)
    }

    /// Whether it can be an entry of a first sector: empty ones are zeros.
    fn is_sound(&self) -> bool {
        match self.kind {
            0 => self.start == 0 && self.sectors == 0 && self.status == 0,
            _ => matches!(self.status, 0 | 0x80) && self.start > 0 && self.sectors > 0,
        }
    }

    fn end(&self) -> u64 {
        u64::from(self.start) + u64::from(self.sectors)
    }
}

/// A master boot record, or an extended one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mbr {
    signature: u32,
    entries: [Entry; 4],
}

impl Mbr {
    /// Reads a first sector; `None` where it does not end like one.
    pub(super) fn parse(sector: &[u8; 512]) -> Option<Mbr> {
        if sector[510..] != [0x55, 0xAA] {
            return None;
        }
        let (_, signature) = structure("an MBR", 0, &sector[SIGNATURE_AT..], le_u32).ok()?;
        let mut entries = [Entry {
            status: 0,
            kind: 0,
            start: 0,
            sectors: 0,
        }; 4];
        let mut rest = &sector[ENTRIES_AT..];
        for entry in &mut entries {
            (rest, *entry) = structure("an entry of an MBR", 0, rest, |bytes| {
                let (rest, (status, _first)) = (le_u8, byte_array::<3>).parse(bytes)?;
                let (rest, (kind, _last)) = (le_u8, byte_array::<3>).parse(rest)?;
                let (rest, (start, sectors)) = (le_u32, le_u32).parse(rest)?;
                let entry = Entry {
                    status,
                    kind,
                    start,
                    sectors,
                };
                Ok((rest, entry))
            })
            .ok()?;
        }
        Some(Mbr { signature, entries })
    }

    /// Whether it says that the disk has a GPT.
    pub(super) fn is_protective(&self) -> bool {
        self.entries.iter().any(|entry| entry.kind == PROTECTIVE)
    }

    fn is_empty(&self) -> bool {
        self.entries.iter().all(Entry::is_empty)
    }

    /// Whether this is a table, and not the code or text that other boot sectors have in its place.
    fn is_sound(&self) -> bool {
        let used: Vec<&Entry> = self.entries.iter().filter(|one| !one.is_empty()).collect();
        let overlap = used.iter().enumerate().any(|(index, one)| {
            let mut others = used[index + 1..].iter();
            others.any(|other| one.end() > other.start.into() && other.end() > one.start.into())
        });
        self.entries.iter().all(Entry::is_sound) && !overlap
    }

    /// The partitions; `None` where the sector is no table but that of a volume, or of nothing that is known.
    pub(super) fn table(
        &self,
        disk: &dyn ReadAt,
        sector_size: Option<u32>,
        warnings: &mut Warnings,
    ) -> Result<Option<PartitionTable>, Error> {
        let is_sound = self.is_sound();
        if self.is_empty() || !is_sound {
            // Every boot sector of a volume ends like an MBR, and has code or zeros where this has its table.
            if has_file_system(disk, 0) {
                return Ok(None);
            }
            if !is_sound {
                let usable = self.entries.iter().any(|entry| {
                    !entry.is_empty() && entry.is_sound() && entry.end() * 512 <= disk.size()
                });
                let text = "the first sector ends like a master boot record, but its entries are not sound";
                warnings.push(damaged(ENTRIES_AT as u64, text));
                if !usable {
                    return Ok(None);
                }
            }
        }
        let sector_size = self.sector_size(disk, sector_size);
        let mut partitions = Vec::new();
        for (number, entry) in (1..).zip(&self.entries) {
            if entry.is_empty() || !entry.is_sound() {
                continue;
            }
            if !entry.is_extended() {
                partitions.push(self.partition(number, *entry, 0, sector_size));
            }
        }
        let extended = self
            .entries
            .iter()
            .filter(|entry| entry.is_extended() && !entry.is_empty());
        for entry in extended {
            self.logical(disk, *entry, sector_size, &mut partitions, warnings);
        }
        Ok(Some(PartitionTable {
            scheme: PartitionScheme::Mbr {
                signature: self.signature,
            },
            sector_size,
            partitions,
        }))
    }

    /// The size of sector with which the entries make sense: what they point to must be there.
    fn sector_size(&self, disk: &dyn ReadAt, told: Option<u32>) -> u32 {
        let fits = |size: u32| {
            let mut used = self.entries.iter().filter(|entry| !entry.is_empty());
            used.any(|entry| {
                let at = u64::from(entry.start) * u64::from(size);
                match entry.is_extended() {
                    true => read_record(disk, at).is_some_and(|record| !record.is_empty()),
                    false => has_file_system(disk, at),
                }
            })
        };
        let found = sector_sizes(told).find(|&size| fits(size));
        found.or(told).unwrap_or(512)
    }

    fn partition(&self, number: u32, entry: Entry, base: u64, sector_size: u32) -> Partition {
        let sector_size = u64::from(sector_size);
        let start = (base + u64::from(entry.start)) * sector_size;
        Partition {
            number,
            start,
            size: u64::from(entry.sectors) * sector_size,
            kind: PartitionKind::Mbr(entry.kind),
            identity: Some(PartitionIdentity::Mbr {
                signature: self.signature,
                offset: start,
            }),
            name: None,
        }
    }

    /// Follows the chain in an extended partition: each record has one logical partition and the way to the next record.
    fn logical(
        &self,
        disk: &dyn ReadAt,
        extended: Entry,
        sector_size: u32,
        partitions: &mut Vec<Partition>,
        warnings: &mut Warnings,
    ) {
        let base = u64::from(extended.start);
        let mut visited: Vec<u64> = Vec::new();
        let mut sector = base;
        loop {
            let at = sector * u64::from(sector_size);
            if visited.contains(&sector) {
                warnings.push(damaged(at, "the chain of logical partitions is a circle"));
                return;
            }
            if visited.len() == MOST_LOGICAL {
                let text = format!("more than {MOST_LOGICAL} logical partitions");
                let code = WarningCode::LimitReached;
                warnings.push(Warning::new(code, text).at(Position::Byte(at)));
                return;
            }
            visited.push(sector);
            let Some(record) = read_record(disk, at) else {
                let text = "expected the boot record of a logical partition, found other bytes or the end of the disk";
                warnings.push(damaged(at, text));
                return;
            };
            let logical = record.entries.iter();
            for entry in logical.filter(|entry| !entry.is_empty() && !entry.is_extended()) {
                let last = partitions.last().map_or(0, |last| last.number);
                let number = last.saturating_add(1).max(FIRST_LOGICAL);
                partitions.push(self.partition(number, *entry, sector, sector_size));
            }
            let mut next = record.entries.iter().filter(|entry| entry.is_extended());
            match next.find(|entry| !entry.is_empty()) {
                Some(next) => sector = base + u64::from(next.start),
                None => return,
            }
        }
    }
}

fn read_record(disk: &dyn ReadAt, at: u64) -> Option<Mbr> {
    let mut sector = [0; 512];
    disk.read_exact_at(at, &mut sector).ok()?;
    Mbr::parse(&sector)
}
