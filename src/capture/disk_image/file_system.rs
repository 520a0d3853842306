//! What a volume is formatted with, by its content: the ones that are not read are named for what they are.

use std::fmt;

use uuid::Uuid;

use crate::capture::read_at::ReadAt;
use crate::error::{Error, Position};

/// What a volume is formatted with, or encrypted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileSystem {
    /// NTFS, by its boot sector, or by the copy of it in the volume's last sector.
    Ntfs,
    /// Encrypted by BitLocker.
    BitLocker,
    /// ReFS.
    Refs,
    /// FAT12, FAT16 or FAT32.
    Fat,
    /// exFAT.
    ExFat,
    /// A member of a pool of Storage Spaces.
    StorageSpaces,
    /// Part of a Windows dynamic disk (Logical Disk Manager).
    DynamicDisk,
    /// ext2.
    Ext2,
    /// ext3.
    Ext3,
    /// ext4.
    Ext4,
    /// XFS.
    Xfs,
    /// Btrfs.
    Btrfs,
    /// F2FS.
    F2fs,
    /// A physical volume of Linux's LVM.
    Lvm,
    /// A member of a Linux RAID.
    LinuxRaid,
    /// Encrypted by LUKS.
    Luks,
    /// Swap space of Linux.
    LinuxSwap,
    /// SquashFS.
    SquashFs,
    /// ISO 9660.
    Iso9660,
    /// HFS+.
    HfsPlus,
    /// A container of APFS.
    Apfs,
    /// VMFS, of VMware.
    Vmfs,
    /// Zeros where every known file system has something.
    Empty,
    /// Something else.
    Unknown,
}

/// Where the signature of a file system stands: those that fill the first sector come first.
const SIGNATURES: [(u64, &[u8], FileSystem); 23] = [
    (3, b"NTFS    ", FileSystem::Ntfs),
    (3, b"-FVE-FS-", FileSystem::BitLocker),
    (3, b"EXFAT   ", FileSystem::ExFat),
    (3, b"ReFS\0\0\0\0", FileSystem::Refs),
    (0, b"LUKS\xBA\xBE", FileSystem::Luks),
    (0, b"SKUL\xBA\xBE", FileSystem::Luks),
    (0, b"XFSB", FileSystem::Xfs),
    (0, b"hsqs", FileSystem::SquashFs),
    (0, b"SPACEDB ", FileSystem::StorageSpaces),
    (0, b"SPACEDB\0", FileSystem::StorageSpaces),
    (32, b"NXSB", FileSystem::Apfs),
    (536, b"LVM2 001", FileSystem::Lvm),
    (24, b"LVM2 001", FileSystem::Lvm),
    (1024, &0xF2F5_2010_u32.to_le_bytes(), FileSystem::F2fs),
    (1024, b"H+\0\x04", FileSystem::HfsPlus),
    (1024, b"HX\0\x05", FileSystem::HfsPlus),
    // Version 1.1, then 1.2 of its superblock.
    (0, &0xA92B_4EFC_u32.to_le_bytes(), FileSystem::LinuxRaid),
    (4096, &0xA92B_4EFC_u32.to_le_bytes(), FileSystem::LinuxRaid),
    (4086, b"SWAPSPACE2", FileSystem::LinuxSwap),
    (32_769, b"CD001", FileSystem::Iso9660),
    (65_600, b"_BHRfS_M", FileSystem::Btrfs),
    (1 << 20, &0xC001_D00D_u32.to_le_bytes(), FileSystem::Vmfs),
    // The first sector of the database's partition on a GPT disk.
    (512 * 1856, b"PRIVHEAD", FileSystem::DynamicDisk),
];

/// Of BitLocker on a FAT volume ("BitLocker To Go"), at byte 424.
const BITLOCKER_TO_GO: Uuid = Uuid::from_u128(0x4967D63B_2E29_4AD8_8399_F6A339E3D001);

/// How much of the front is looked at to call a volume empty.
const FRONT: usize = 4096;

impl FileSystem {
    /// Whether there may be a Windows in what is not looked into: on a file system that it starts from, or in one that
    /// hides what it holds.
    pub(super) fn may_hold_windows(self) -> bool {
        use FileSystem as Is;
        match self {
            Is::Ntfs | Is::Refs | Is::BitLocker | Is::Luks | Is::Unknown => true,
            Is::StorageSpaces | Is::DynamicDisk | Is::Lvm | Is::LinuxRaid | Is::Vmfs => true,
            Is::Fat | Is::ExFat | Is::Ext2 | Is::Ext3 | Is::Ext4 | Is::Xfs | Is::Btrfs => false,
            Is::F2fs | Is::LinuxSwap | Is::SquashFs | Is::Iso9660 | Is::HfsPlus => false,
            Is::Apfs | Is::Empty => false,
        }
    }

    /// Tells what a volume is formatted with. A volume may be shorter than where a signature would stand.
    ///
    /// # Errors
    /// When its front cannot be read.
    pub fn identify(volume: &dyn ReadAt) -> Result<FileSystem, Error> {
        let mut front = [0; FRONT];
        let front = &mut front[..FRONT.min(usize::try_from(volume.size()).unwrap_or(FRONT))];
        let read = volume.read_exact_at(0, front);
        read.map_err(|error| Error::io(&error).at(Position::Byte(0)))?;
        let is = |offset: u64, signature: &[u8]| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            match front
                .get(start..)
                .and_then(|rest| rest.get(..signature.len()))
            {
                Some(there) => there == signature,
                None => {
                    let mut there = [0; 16];
                    let there = &mut there[..signature.len()];
                    volume.read_exact_at(offset, there).is_ok() && there == signature
                }
            }
        };
        if is(424, &BITLOCKER_TO_GO.to_bytes_le()) && is(510, &[0x55, 0xAA]) {
            return Ok(FileSystem::BitLocker);
        }
        let known = SIGNATURES
            .iter()
            .find(|(offset, signature, _)| is(*offset, signature));
        if let Some((_, _, file_system)) = known {
            return Ok(*file_system);
        }
        if is_fat(front) {
            return Ok(FileSystem::Fat);
        }
        if let Some(ext) = ext(front) {
            return Ok(ext);
        }
        let copy = |sector: u64| {
            let at = volume.size().checked_sub(sector);
            at.is_some_and(|at| is(at + 3, b"NTFS    "))
        };
        if copy(512) || copy(4096) {
            return Ok(FileSystem::Ntfs);
        }
        Ok(match front.iter().all(|&byte| byte == 0) {
            true => FileSystem::Empty,
            false => FileSystem::Unknown,
        })
    }
}

/// Whether the first sector is that of a FAT volume: by its parameters, for many tools write the text in other words.
fn is_fat(front: &[u8]) -> bool {
    let Some(sector) = front.get(..512) else {
        return false;
    };
    let sector_size = u16::from_le_bytes([sector[11], sector[12]]);
    let cluster = sector[13];
    let reserved = u16::from_le_bytes([sector[14], sector[15]]);
    let media = sector[21];
    sector[510..] == [0x55, 0xAA]
        && matches!(sector[0], 0xEB | 0xE9)
        && matches!(sector_size, 512 | 1024 | 2048 | 4096)
        && cluster.is_power_of_two()
        && reserved != 0
        // The number of FATs; NTFS, exFAT and ReFS have zero there.
        && matches!(sector[16], 1 | 2)
        && (media == 0xF0 || media >= 0xF8)
}

/// Which ext it is, if any, by the features in its superblock: a journal, and what only ext4 can read. Its signature alone
/// may be two letters of a text.
fn ext(front: &[u8]) -> Option<FileSystem> {
    const SIGNATURE: u32 = 0xEF53;
    /// `s_log_block_size` of blocks of 64 KiB.
    const LARGEST_BLOCK: u32 = 6;
    const HAS_JOURNAL: u32 = 0x4;
    /// Compression, file types, recovery, journal device, meta block groups: ext3 knows these.
    const INCOMPATIBLE_OF_EXT3: u32 = 0x1F;
    /// Sparse superblocks, large files, B-tree directories.
    const READ_ONLY_OF_EXT3: u32 = 0x7;
    let field = |offset: usize| {
        let bytes = front.get(1024 + offset..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    };
    if field(0x38) & 0xFFFF != SIGNATURE || field(0x18) > LARGEST_BLOCK {
        return None;
    }
    let is_ext4 = field(0x60) & !INCOMPATIBLE_OF_EXT3 != 0 || field(0x64) & !READ_ONLY_OF_EXT3 != 0;
    Some(match field(0x5C) & HAS_JOURNAL != 0 {
        _ if is_ext4 => FileSystem::Ext4,
        true => FileSystem::Ext3,
        false => FileSystem::Ext2,
    })
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            FileSystem::Ntfs => "NTFS",
            FileSystem::BitLocker => "a BitLocker-encrypted volume",
            FileSystem::Refs => "ReFS",
            FileSystem::Fat => "FAT",
            FileSystem::ExFat => "exFAT",
            FileSystem::StorageSpaces => "a member of a Storage Spaces pool",
            FileSystem::DynamicDisk => "part of a Windows dynamic disk",
            FileSystem::Ext2 => "ext2",
            FileSystem::Ext3 => "ext3",
            FileSystem::Ext4 => "ext4",
            FileSystem::Xfs => "XFS",
            FileSystem::Btrfs => "Btrfs",
            FileSystem::F2fs => "F2FS",
            FileSystem::Lvm => "an LVM physical volume",
            FileSystem::LinuxRaid => "a member of a Linux RAID",
            FileSystem::Luks => "a LUKS-encrypted volume",
            FileSystem::LinuxSwap => "Linux swap space",
            FileSystem::SquashFs => "SquashFS",
            FileSystem::Iso9660 => "ISO 9660",
            FileSystem::HfsPlus => "HFS+",
            FileSystem::Apfs => "APFS",
            FileSystem::Vmfs => "VMFS",
            FileSystem::Empty => "empty",
            FileSystem::Unknown => "of an unknown format",
        })
    }
}
