//! How disks are divided, and what their volumes are.
#![cfg(feature = "disk-image")]

#[path = "support/disk_writer.rs"]
mod disk_writer;

use disk_writer::{GptEntry, ntfs_boot_sector, put_gpt, put_mbr};
use dism_mount_status::capture::disk_image::{
    FileSystem, PartitionKind, PartitionScheme, PartitionTable,
};
use dism_mount_status::capture::read_at::ReadAt;
use dism_mount_status::registry::mounted_devices::PartitionIdentity;
use dism_mount_status::{WarningCode, Warnings};
use proptest::prelude::*;
use uuid::Uuid;

const DISK: Uuid = Uuid::from_u128(0xD15C);
const BASIC_DATA: Uuid = Uuid::from_u128(0xEBD0A0A2_B9E5_4433_87C0_68B6B72699C7);

fn read(disk: &[u8]) -> (PartitionTable, Warnings) {
    let disk = disk.to_vec();
    PartitionTable::read(&disk, None).unwrap()
}

fn codes(warnings: &Warnings) -> Vec<WarningCode> {
    warnings.as_slice().iter().map(|one| one.code()).collect()
}

fn ranges(table: &PartitionTable) -> Vec<(u32, u64, u64)> {
    let partitions = table.partitions.iter();
    partitions
        .map(|one| (one.number, one.start, one.size))
        .collect()
}

fn gpt_entry(first: u64, last: u64, name: &str) -> GptEntry {
    GptEntry {
        kind: BASIC_DATA,
        own: Uuid::from_u128(first.into()),
        first,
        last,
        name: name.to_owned(),
    }
}

fn gpt_disk(sector_size: usize) -> Vec<u8> {
    let mut disk = vec![0; 256 * sector_size];
    let entries = [gpt_entry(40, 79, "Größe"), gpt_entry(80, 99, "")];
    put_gpt(&mut disk, sector_size, DISK, &entries);
    disk
}

#[test]
fn a_disk_without_a_table_is_one_volume() {
    let (table, warnings) = read(&[7; 8192]);
    assert_eq!(table.scheme, PartitionScheme::None);
    assert_eq!(ranges(&table), [(0, 0, 8192)]);
    assert_eq!(table.partitions[0].kind, PartitionKind::WholeDisk);
    assert_eq!(table.partitions[0].identity, None);
    assert_eq!(warnings, Warnings::default());
    assert_eq!(ranges(&read(b"short").0), [(0, 0, 5)]);
    assert_eq!(ranges(&read(b"").0), [(0, 0, 0)]);
}

#[test]
fn an_mbr_has_its_logical_partitions() {
    let mut disk = vec![0; 512 * 400];
    put_mbr(
        &mut disk,
        0,
        0xCAFE,
        &[(7, 10, 20), (0x0F, 100, 300), (0x27, 40, 5)],
    );
    // Each record counts its own partition from itself, the next record from the start of the extended partition.
    put_mbr(&mut disk, 100 * 512, 0, &[(7, 2, 30), (5, 50, 40)]);
    put_mbr(&mut disk, 150 * 512, 0, &[(0x83, 1, 39), (5, 100, 40)]);
    put_mbr(&mut disk, 200 * 512, 0, &[(7, 3, 9)]);
    let (table, warnings) = read(&disk);
    assert_eq!(warnings, Warnings::default());
    assert_eq!(table.scheme, PartitionScheme::Mbr { signature: 0xCAFE });
    let sectors = [
        (1, 10, 20),
        (3, 40, 5),
        (5, 102, 30),
        (6, 151, 39),
        (7, 203, 9),
    ];
    assert_eq!(
        ranges(&table),
        sectors.map(|(number, start, size)| (number, start * 512, size * 512))
    );
    let identity = PartitionIdentity::Mbr {
        signature: 0xCAFE,
        offset: 102 * 512,
    };
    assert_eq!(table.partitions[2].identity, Some(identity));
    assert_eq!(table.partitions[3].kind, PartitionKind::Mbr(0x83));
}

#[test]
fn a_circle_of_logical_partitions_ends() {
    let mut disk = vec![0; 512 * 400];
    put_mbr(&mut disk, 0, 1, &[(0x05, 100, 300)]);
    put_mbr(&mut disk, 100 * 512, 0, &[(7, 1, 30), (5, 50, 40)]);
    put_mbr(&mut disk, 150 * 512, 0, &[(7, 1, 30), (5, 50, 40)]);
    let (table, warnings) = read(&disk);
    assert_eq!(table.partitions.len(), 2);
    assert_eq!(codes(&warnings), [WarningCode::PartitionTableDamaged]);
    put_mbr(&mut disk, 150 * 512, 0, &[(7, 1, 30), (5, 90_000, 40)]);
    assert_eq!(codes(&read(&disk).1), [WarningCode::PartitionTableDamaged]);
}

#[test]
fn a_long_chain_of_logical_partitions_is_cut() {
    let mut disk = vec![0; 512 * 1000];
    put_mbr(&mut disk, 0, 1, &[(0x05, 1, 999)]);
    for record in 0..400 {
        let at = 512 * (1 + 2 * record as usize);
        put_mbr(&mut disk, at, 0, &[(7, 1, 1), (5, 2 * record + 2, 2)]);
    }
    let (table, warnings) = read(&disk);
    assert_eq!(table.partitions.len(), 256);
    assert_eq!(codes(&warnings), [WarningCode::LimitReached]);
}

#[test]
fn sectors_of_4096_bytes_are_found_by_what_lies_there() {
    let mut disk = vec![0; 4096 * 64];
    put_mbr(&mut disk, 0, 1, &[(7, 8, 16), (7, 24, 16)]);
    disk[8 * 4096..][..512].copy_from_slice(&ntfs_boot_sector());
    let (table, _) = read(&disk);
    assert_eq!(table.sector_size, 4096);
    assert_eq!(ranges(&table)[1], (2, 24 * 4096, 16 * 4096));
    // What the container says counts where nothing else tells.
    disk[8 * 4096..][..512].fill(0);
    assert_eq!(read(&disk).0.sector_size, 512);
    let table = PartitionTable::read(&disk, Some(4096)).unwrap().0;
    assert_eq!(table.sector_size, 4096);
}

#[test]
fn a_gpt_is_read_in_sectors_of_either_size() {
    for sector_size in [512, 4096] {
        let (table, warnings) = read(&gpt_disk(sector_size));
        assert_eq!(warnings, Warnings::default());
        assert_eq!(table.scheme, PartitionScheme::Gpt { disk: DISK });
        assert_eq!(table.sector_size as usize, sector_size);
        let size = sector_size as u64;
        assert_eq!(
            ranges(&table),
            [(1, 40 * size, 40 * size), (2, 80 * size, 20 * size)]
        );
        let first = &table.partitions[0];
        assert_eq!(first.name, Some("Größe".into()));
        assert_eq!(first.kind.to_string(), "basic data partition");
        assert_eq!(
            first.identity,
            Some(PartitionIdentity::Gpt(Uuid::from_u128(40)))
        );
        assert_eq!(table.partitions[1].name, None);
    }
}

#[test]
fn the_backup_of_a_gpt_is_used_where_the_first_is_damaged() {
    for sector_size in [512, 4096] {
        let whole = gpt_disk(sector_size);
        let expected = read(&whole).0;
        // The signature, a field of the header, an entry.
        for at in [sector_size, sector_size + 40, 2 * sector_size + 33] {
            let mut disk = whole.clone();
            disk[at] ^= 1;
            let (table, warnings) = read(&disk);
            assert_eq!(table, expected);
            assert_eq!(
                codes(&warnings),
                [WarningCode::PartitionTableDamaged],
                "{at}"
            );
        }
    }
}

#[test]
fn a_gpt_that_is_damaged_twice_is_used_as_it_is() {
    let mut disk = gpt_disk(512);
    disk[2 * 512 + 56] = b'?';
    let end = disk.len();
    disk[end - 512] = 0;
    let (table, warnings) = read(&disk);
    assert_eq!(table.partitions[0].name, Some("?röße".into()));
    assert_eq!(codes(&warnings), [WarningCode::PartitionTableDamaged]);
}

#[test]
fn a_disk_that_was_cut_off_keeps_its_partitions() {
    let mut disk = gpt_disk(512);
    disk.truncate(90 * 512);
    let (table, warnings) = read(&disk);
    assert_eq!(table.partitions.len(), 2);
    assert_eq!(codes(&warnings), [WarningCode::Truncated]);
    assert_eq!(table.partitions[1].volume(&disk).size(), 10 * 512);
}

#[test]
fn a_remnant_of_a_gpt_does_not_count() {
    let mut disk = gpt_disk(512);
    put_mbr(&mut disk, 0, 5, &[(7, 40, 40)]);
    let (table, _) = read(&disk);
    assert_eq!(table.scheme, PartitionScheme::Mbr { signature: 5 });
}

#[test]
fn a_gpt_whose_mbr_was_erased_counts() {
    let mut disk = gpt_disk(512);
    disk[..512].fill(0);
    let (table, warnings) = read(&disk);
    assert_eq!(table.partitions.len(), 2);
    assert_eq!(codes(&warnings), [WarningCode::PartitionTableDamaged]);
}

#[test]
fn an_mbr_that_tells_of_a_gpt_which_is_not_there_is_warned_of() {
    let mut disk = vec![0; 512 * 100];
    put_mbr(&mut disk, 0, 5, &[(0xEE, 1, 99)]);
    let (table, warnings) = read(&disk);
    assert_eq!(table.partitions[0].kind, PartitionKind::Mbr(0xEE));
    assert_eq!(codes(&warnings), [WarningCode::PartitionTableDamaged]);
}

#[test]
fn a_boot_sector_of_a_volume_is_no_table() {
    let mut sector = ntfs_boot_sector();
    for filling in [0, b'A', 0xFF] {
        sector[446..510].fill(filling);
        let disk = [&sector[..], &[0; 4096]].concat();
        let (table, warnings) = read(&disk);
        assert_eq!(table.scheme, PartitionScheme::None);
        assert_eq!(warnings, Warnings::default());
        let volume = table.partitions[0].volume(&disk);
        assert_eq!(FileSystem::identify(&volume), Ok(FileSystem::Ntfs));
    }
}

#[test]
fn a_table_in_a_sector_with_the_text_of_a_volume_counts() {
    let mut disk = vec![0; 512 * 100];
    disk[..512].copy_from_slice(&ntfs_boot_sector());
    put_mbr(&mut disk, 0, 5, &[(7, 10, 20)]);
    assert_eq!(read(&disk).0.scheme, PartitionScheme::Mbr { signature: 5 });
}

#[test]
fn an_entry_that_is_not_sound_is_left_out_with_a_warning() {
    let mut disk = vec![0; 512 * 100];
    put_mbr(&mut disk, 0, 5, &[(7, 10, 20), (7, 40, 20)]);
    disk[446 + 16] = 0x33;
    let (table, warnings) = read(&disk);
    assert_eq!(table.partitions.len(), 1);
    assert_eq!(codes(&warnings), [WarningCode::PartitionTableDamaged]);
    // Where nothing is sound it is no table at all.
    disk[446..510].fill(0x33);
    let (table, warnings) = read(&disk);
    assert_eq!(table.scheme, PartitionScheme::None);
    assert_eq!(codes(&warnings), [WarningCode::PartitionTableDamaged]);
}

#[test]
fn volumes_are_named_for_what_they_are() {
    let signed = |at: usize, signature: &[u8]| {
        let mut volume = vec![0; 1 << 20 | 4096];
        volume[at..at + signature.len()].copy_from_slice(signature);
        volume
    };
    let superblock = |incompatible: u32, journal: u32| {
        let mut volume = signed(1080, &[0x53, 0xEF]);
        volume[1024 + 0x5C..][..4].copy_from_slice(&journal.to_le_bytes());
        volume[1024 + 0x60..][..4].copy_from_slice(&incompatible.to_le_bytes());
        volume
    };
    let mut fat = signed(0, &[0xEB, 0x3C, 0x90]);
    fat[11..22].copy_from_slice(&[0, 2, 4, 1, 0, 2, 0, 2, 0, 0, 0xF8]);
    fat[510..512].copy_from_slice(&[0x55, 0xAA]);
    let mut to_go = fat.clone();
    let guid = Uuid::from_u128(0x4967D63B_2E29_4AD8_8399_F6A339E3D001);
    to_go[424..440].copy_from_slice(&guid.to_bytes_le());
    let mut letters = vec![b'x'; 4096];
    letters[1080..1083].copy_from_slice("S\u{fb01}".as_bytes().first_chunk::<3>().unwrap());
    let end = (1 << 20 | 4096) - 512;
    for (volume, expected) in [
        (signed(3, b"NTFS    "), FileSystem::Ntfs),
        (signed(end + 3, b"NTFS    "), FileSystem::Ntfs),
        (signed(3, b"-FVE-FS-"), FileSystem::BitLocker),
        (to_go, FileSystem::BitLocker),
        (signed(3, b"ReFS\0\0\0\0"), FileSystem::Refs),
        (fat, FileSystem::Fat),
        (signed(3, b"EXFAT   "), FileSystem::ExFat),
        (superblock(0x2, 0), FileSystem::Ext2),
        (superblock(0x2, 4), FileSystem::Ext3),
        (superblock(0x42, 4), FileSystem::Ext4),
        (signed(536, b"LVM2 001"), FileSystem::Lvm),
        (signed(0, b"LUKS\xBA\xBE"), FileSystem::Luks),
        (signed(65_600, b"_BHRfS_M"), FileSystem::Btrfs),
        (signed(0, b"XFSB"), FileSystem::Xfs),
        (signed(1 << 20, &[0x0D, 0xD0, 0x01, 0xC0]), FileSystem::Vmfs),
        (signed(9, b"x"), FileSystem::Unknown),
        // Text in UTF-8 has these two bytes, too.
        (letters, FileSystem::Unknown),
        (vec![0; 4096], FileSystem::Empty),
        (vec![], FileSystem::Empty),
    ] {
        assert_eq!(FileSystem::identify(&volume), Ok(expected));
    }
}

/// Partitions that do not overlap, in sectors.
fn partitions() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0..9_u64, 1..9_u64), 1..9).prop_map(|gaps| {
        let mut end = 40;
        gaps.into_iter()
            .map(|(gap, size)| {
                let first = end + gap;
                end = first + size;
                (first, end - 1)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn what_was_written_into_a_gpt_is_read(
        partitions in partitions(),
        sector_size in prop::sample::select(vec![512, 4096]),
        damage in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let mut disk = vec![0; 256 * sector_size];
        let entries: Vec<_> = partitions.iter().map(|&(first, last)| gpt_entry(first, last, "x")).collect();
        put_gpt(&mut disk, sector_size, DISK, &entries);
        let (table, warnings) = read(&disk);
        prop_assert_eq!(warnings, Warnings::default());
        let size = sector_size as u64;
        let expected: Vec<_> = (1..).zip(&partitions)
            .map(|(number, &(first, last))| (number, first * size, (last - first + 1) * size))
            .collect();
        prop_assert_eq!(ranges(&table), &expected[..]);
        // Any one byte of the first header or its entries may be wrong.
        let place = sector_size + damage.index(sector_size + 128 * 128);
        disk[place] ^= flip;
        let (table, warnings) = read(&disk);
        prop_assert_eq!(ranges(&table), expected);
        prop_assert_eq!(warnings.as_slice().len(), usize::from(place < sector_size + 92 || place >= 2 * sector_size));
    }

    #[test]
    fn damaged_tables_end_without_a_panic(
        flips in prop::collection::vec((0..512 * 60_usize, any::<u8>()), 0..20),
        cut in 0..512 * 256_usize,
        is_gpt: bool,
    ) {
        let mut disk = gpt_disk(512);
        if !is_gpt {
            put_mbr(&mut disk, 0, 5, &[(7, 3, 5), (5, 20, 200)]);
            put_mbr(&mut disk, 20 * 512, 0, &[(7, 1, 3), (5, 5, 3)]);
            put_mbr(&mut disk, 25 * 512, 0, &[(7, 1, 3), (5, 0, 3)]);
        }
        for (place, byte) in flips {
            disk[place] = byte;
        }
        disk.truncate(cut);
        let (table, _) = read(&disk);
        for partition in &table.partitions {
            let _ = FileSystem::identify(&partition.volume(&disk));
        }
    }
}
