//! How a disk is divided: not at all, by an MBR with its logical partitions, or by a GPT.

mod gpt;
mod mbr;

use std::fmt;

use uuid::Uuid;

use super::file_system::FileSystem;
use crate::capture::read_at::{ReadAt, Section};
use crate::error::{Error, Position};
use crate::registry::mounted_devices::PartitionIdentity;
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::WideString;

/// Sector sizes in bytes that disks have.
const SECTOR_SIZES: [u32; 2] = [512, 4096];

/// How a disk is divided.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionTable {
    /// By which kind of table.
    pub scheme: PartitionScheme,
    /// The size of the sectors in which the table counts, in bytes.
    pub sector_size: u32,
    /// The partitions in the order of their numbers. A disk without a table is one of number 0.
    pub partitions: Vec<Partition>,
}

/// The kind of a partition table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PartitionScheme {
    /// None: the whole disk is one volume, or nothing that is known.
    None,
    /// A master boot record, with the disk's signature.
    Mbr {
        /// At byte 440 of the first sector.
        signature: u32,
    },
    /// A GUID partition table, with the disk's GUID.
    Gpt {
        /// `DiskGUID` of its header.
        disk: Uuid,
    },
}

/// A part of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Partition {
    /// Its number as `sfdisk` and Linux count: from 1 by its place in the table, logical ones from 5. 0 is a whole disk.
    pub number: u32,
    /// Where it starts, in bytes from the start of the disk.
    pub start: u64,
    /// Its size in bytes, as the table tells it.
    pub size: u64,
    /// What the table says it is for.
    pub kind: PartitionKind,
    /// How Windows tells it from all others; a whole disk has no such identity.
    pub identity: Option<PartitionIdentity>,
    /// Its name in a GPT.
    pub name: Option<WideString>,
}

/// What a partition table says a partition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PartitionKind {
    /// There is no table.
    WholeDisk,
    /// The type byte of an MBR.
    Mbr(u8),
    /// The type GUID of a GPT.
    Gpt(Uuid),
}

/// Types of a GPT's partitions that have a name here.
const KINDS: [(Uuid, &str); 9] = [
    (
        Uuid::from_u128(0xC12A7328_F81F_11D2_BA4B_00A0C93EC93B),
        "EFI system partition",
    ),
    (PartitionKind::RESERVED, "Microsoft reserved partition"),
    (PartitionKind::BIOS_BOOT, "BIOS boot partition"),
    (
        Uuid::from_u128(0xEBD0A0A2_B9E5_4433_87C0_68B6B72699C7),
        "basic data partition",
    ),
    (
        Uuid::from_u128(0xDE94BBA4_06D1_4D40_A16A_BFD50179D6AC),
        "Windows recovery partition",
    ),
    (PartitionKind::LDM_METADATA, "dynamic disk database"),
    (PartitionKind::LDM_DATA, "dynamic disk"),
    (
        Uuid::from_u128(0xE75CAF8F_F680_4CEE_AFA3_B001E56EFC2D),
        "Storage Spaces partition",
    ),
    (
        Uuid::from_u128(0x0FC63DAF_8483_4772_8E79_3D69D8477DE4),
        "Linux partition",
    ),
];

impl PartitionKind {
    const RESERVED: Uuid = Uuid::from_u128(0xE3C9E316_0B5C_4DB8_817D_F92DF00215AE);
    const BIOS_BOOT: Uuid = Uuid::from_u128(0x21686148_6449_6E6F_744E_656564454649);
    const LDM_METADATA: Uuid = Uuid::from_u128(0x5808C8AA_7E8F_42E0_85D2_E1E90434CFB3);
    const LDM_DATA: Uuid = Uuid::from_u128(0xAF9B60A0_1431_4F62_BC68_3311714A69AD);
    const LDM_MBR: u8 = 0x42;

    /// Whether it is set aside for the starting of the machine or for later use, without a file system.
    pub fn is_reserved(self) -> bool {
        matches!(self, PartitionKind::Gpt(kind) if [Self::RESERVED, Self::BIOS_BOOT].contains(&kind))
    }

    /// Whether it belongs to a Windows dynamic disk: what volumes lie there, the table does not tell.
    pub fn is_dynamic_disk(self) -> bool {
        match self {
            PartitionKind::WholeDisk => false,
            PartitionKind::Mbr(kind) => kind == Self::LDM_MBR,
            PartitionKind::Gpt(kind) => [Self::LDM_METADATA, Self::LDM_DATA].contains(&kind),
        }
    }
}

impl fmt::Display for PartitionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartitionKind::WholeDisk => f.pad("whole disk"),
            PartitionKind::Mbr(kind) => write!(f, "type {kind:#04x}"),
            PartitionKind::Gpt(kind) => match KINDS.iter().find(|(known, _)| known == kind) {
                Some((_, name)) => f.pad(name),
                None => write!(f, "type {kind}"),
            },
        }
    }
}

impl Partition {
    /// The bytes of the partition, or as many of them as the disk has.
    pub fn volume<D: ReadAt>(&self, disk: D) -> Section<D> {
        Section::new(disk, self.start, self.size)
    }
}

impl PartitionTable {
    /// Finds how a disk is divided. `sector_size` is what its container says, if anything.
    ///
    /// A GPT counts where the MBR points to it or is missing. A boot sector ends like an MBR: where the first sector starts a
    /// file system, it is an MBR only if its four entries are sound and not all empty. What cannot be used is in the
    /// warnings; partitions that reach behind the end of the disk are kept.
    ///
    /// # Errors
    /// When the first sector cannot be read.
    pub fn read(
        disk: &dyn ReadAt,
        sector_size: Option<u32>,
    ) -> Result<(PartitionTable, Warnings), Error> {
        let mut warnings = Warnings::default();
        let mut first = [0; 512];
        if disk.size() >= 512 {
            let read = disk.read_exact_at(0, &mut first);
            read.map_err(|error| Error::io(&error).at(Position::Byte(0)))?;
        }
        let mbr = mbr::Mbr::parse(&first);
        if mbr.as_ref().is_none_or(mbr::Mbr::is_protective) {
            let is_expected = mbr.is_some();
            if let Some(table) = gpt::read(disk, sector_size, is_expected, &mut warnings)? {
                warn_of_ends(disk, &table, &mut warnings);
                return Ok((table, warnings));
            }
        }
        if let Some(mbr) = mbr
            && let Some(table) = mbr.table(disk, sector_size, &mut warnings)?
        {
            warn_of_ends(disk, &table, &mut warnings);
            return Ok((table, warnings));
        }
        let whole = Partition {
            number: 0,
            start: 0,
            size: disk.size(),
            kind: PartitionKind::WholeDisk,
            identity: None,
            name: None,
        };
        let table = PartitionTable {
            scheme: PartitionScheme::None,
            sector_size: sector_size.unwrap_or(512),
            partitions: vec![whole],
        };
        Ok((table, warnings))
    }
}

/// The sector sizes to be tried: the one that the container tells comes first.
fn sector_sizes(told: Option<u32>) -> impl Iterator<Item = u32> {
    let told = told.filter(|size| SECTOR_SIZES.contains(size));
    let others = SECTOR_SIZES
        .into_iter()
        .filter(move |size| Some(*size) != told);
    told.into_iter().chain(others)
}

/// Says which partitions lie behind the end of the disk, at least in part.
fn warn_of_ends(disk: &dyn ReadAt, table: &PartitionTable, warnings: &mut Warnings) {
    for partition in &table.partitions {
        let end = partition.start.saturating_add(partition.size);
        if end > disk.size() {
            let text = format!(
                "partition {} ends at byte {end:#x}, the disk at {:#x}: the image may have been cut off when it was copied; what is there is read",
                partition.number,
                disk.size()
            );
            let at = Position::Byte(partition.start);
            warnings.push(Warning::new(WarningCode::Truncated, text).at(at));
        }
    }
}

fn damaged(at: u64, text: impl Into<String>) -> Warning {
    Warning::new(WarningCode::PartitionTableDamaged, text).at(Position::Byte(at))
}

/// Whether a file system that is known starts at an offset.
fn has_file_system(disk: &dyn ReadAt, offset: u64) -> bool {
    let volume = Section::new(disk, offset, disk.size());
    let known = FileSystem::identify(&volume);
    !matches!(known, Ok(FileSystem::Unknown | FileSystem::Empty) | Err(_))
}
