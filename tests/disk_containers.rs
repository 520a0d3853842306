//! Disks come out of their containers as they were packed in.
#![cfg(feature = "disk-image")]

#[path = "support/disk_image_files.rs"]
mod disk_image_files;
#[path = "support/disk_writer.rs"]
mod disk_writer;
#[path = "support/vhd_writer.rs"]
mod vhd_writer;
#[path = "support/vhdx_writer.rs"]
mod vhdx_writer;

use dism_mount_status::capture::disk_image::ContainerFormat;
use dism_mount_status::capture::read_at::ReadAt;
use dism_mount_status::{Error, WarningCode};
use proptest::prelude::*;

use disk_image_files::{codes, contents, disks, open, open_sound, try_all};
use uuid::Uuid;
use vhd_writer::{DIFFERENCING, DYNAMIC, FIXED, Vhd};
use vhdx_writer::{
    Change, FULLY_PRESENT, LOG_AT, LOG_GUID, LOG_SIZE, NOT_PRESENT, PARTIALLY_PRESENT, Vhdx, ZERO,
    log_entry, put_log_entry,
};

fn is_written(disk: &[u8], sector: usize) -> bool {
    disk[sector * 512..][..512].iter().any(|byte| *byte != 0)
}

#[test]
fn a_file_that_is_no_container_is_the_disk_itself() {
    let disk = open_sound(&[("disk.img", b"anything".to_vec())]);
    assert_eq!(disk.format(), ContainerFormat::Raw);
    assert_eq!(contents(&disk), b"anything");
    assert_eq!(open_sound(&[("disk.img", vec![])]).size(), 0);
}

#[test]
fn a_split_disk_is_put_together() {
    let parts: Vec<(String, Vec<u8>)> = (1..120)
        .map(|number: u8| (format!("disk.{number:03}"), vec![number; 1000]))
        .chain([("disk.120".to_owned(), vec![7; 10])])
        .collect();
    let files: Vec<(&str, Vec<u8>)> = parts
        .iter()
        .map(|(name, bytes)| (&**name, bytes.clone()))
        .collect();
    let disk = open_sound(&files);
    assert_eq!(disk.format(), ContainerFormat::SplitRaw);
    assert_eq!(
        contents(&disk),
        files
            .iter()
            .flat_map(|(_, bytes)| bytes.clone())
            .collect::<Vec<_>>()
    );
    // A lone part is a disk by itself.
    assert_eq!(open_sound(&files[..1]).format(), ContainerFormat::Raw);
    // A part from the middle is none.
    let error = open(&[files[1].clone(), files[0].clone()]).err().unwrap();
    assert!(error.is_unsupported());
    assert!(error.to_string().contains("disk.001"), "{error}");
    // Where bytes are missing all that follows is in the wrong place.
    let mut short = files.clone();
    short[3].1.pop();
    let (_, warnings) = open(&short).unwrap();
    assert_eq!(codes(&warnings), [WarningCode::Truncated]);
    assert!(warnings.as_slice()[0].message().starts_with("disk.004: "));
}

#[test]
fn formats_that_are_not_read_are_named() {
    for (start, name) in [
        (&b"QED\0"[..], "QED"),
        (b"QFI\xFB\0\0\0\x01", "QCOW"),
        (b"WithoutFreeSpace", "Parallels"),
        (b"EVF2\r\n\x81\0", "Ex01"),
        (b"LVF\x09\r\n\xFF\0", "L01"),
        (b"ADSEGMENTEDFILE\0", "AD1"),
        (b"\x18\0\0\0SignedImage ", "FFU"),
        (b"AFF10\r\n\0", "AFF"),
        (b"COWD", "COWD"),
    ] {
        let mut file = start.to_vec();
        file.resize(4096, 0);
        let error = open(&[("disk", file)]).err().unwrap();
        assert!(error.is_unsupported());
        assert!(error.to_string().contains(name), "{error}");
    }
    let mut dmg = vec![0; 4096];
    dmg[4096 - 512..][..4].copy_from_slice(b"koly");
    assert!(
        open(&[("disk", dmg)])
            .err()
            .unwrap()
            .to_string()
            .contains("DMG")
    );
}

fn vhd(disk: &[u8], kind: u32) -> Vec<u8> {
    Vhd {
        disk,
        kind,
        id: [7; 16],
        block_size: 4096,
        is_written: &|sector| is_written(disk, sector),
        parent: None,
    }
    .to_bytes()
}

/// A differencing VHD over one of `base`.
fn vhd_child(disk: &[u8], base: &[u8], name: &str) -> Vec<u8> {
    Vhd {
        disk,
        kind: DIFFERENCING,
        id: [8; 16],
        block_size: 4096,
        is_written: &|sector| {
            base.get(sector * 512..sector * 512 + 512) != Some(&disk[sector * 512..][..512])
        },
        parent: Some(([7; 16], name)),
    }
    .to_bytes()
}

#[test]
fn a_disk_can_be_larger_than_what_its_files_hold() {
    let base = sparse_disk(4 << 20, &[(5, 1)]);
    let mut top = base.clone();
    top[1 << 20] = 2;
    let (child, parent) = (vhd_child(&top, &base, "base.vhd"), vhd(&base, DYNAMIC));
    let stored = (child.len() + parent.len()) as u64;
    let disk = open_sound(&[("child.vhd", child), ("base.vhd", parent.clone())]);
    assert_eq!((disk.size(), disk.stored_size()), (4 << 20, stored));
    // Of an image with all of the disk in it no more than that counts.
    let whole = open_sound(&[("a", vhd(&[5; 2048], FIXED))]);
    assert_eq!((whole.size(), whole.stored_size()), (2048, 2048));

    let base = sparse_disk(20 << 20, &[(5, 1)]);
    let mut top = base.clone();
    top[9 << 20] = 2;
    let (child, parent) = (vhdx_child(&top, &base, 512), vhdx(&base, Uuid::nil()));
    let stored = (child.len() + parent.len()) as u64;
    let disk = open_sound(&[("child.avhdx", child), ("base.vhdx", parent)]);
    assert_eq!((disk.size(), disk.stored_size()), (20 << 20, stored));
}

#[test]
fn a_fixed_vhd_is_known_by_its_footer() {
    let disk = open_sound(&[("a", vhd(&[5; 2048], FIXED))]);
    assert_eq!(
        (disk.format(), disk.variant()),
        (ContainerFormat::Vhd, "fixed")
    );
    assert_eq!(disk.sector_size(), Some(512));
    assert_eq!(contents(&disk), [5; 2048]);
    // Old ones have a footer that is a byte shorter.
    let mut old = vhd(&[5; 2048], FIXED);
    old.pop();
    assert_eq!(contents(&open_sound(&[("a", old)])), [5; 2048]);
}

#[test]
fn a_vhd_with_a_damaged_footer_is_read_by_its_copy() {
    let data = [5; 9000 / 512 * 512];
    let whole = vhd(&data, DYNAMIC);
    let end = whole.len() - 512;
    for (at, code) in [
        (end + 70, WarningCode::ContainerDamaged),
        (end, WarningCode::Truncated),
        (70, WarningCode::ContainerDamaged),
    ] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        let (disk, warnings) = open(&[("a", damaged)]).unwrap();
        assert_eq!(codes(&warnings), [code]);
        assert_eq!(contents(&disk), data);
    }
}

#[test]
fn a_vhd_that_was_cut_off_is_read_up_to_there() {
    let data: Vec<u8> = (0..64 * 512_usize)
        .map(|index| (index / 512) as u8 + 1)
        .collect();
    let mut file = vhd(&data, DYNAMIC);
    let cut = file.len() - 8000;
    file.truncate(cut);
    let (disk, warnings) = open(&[("a", file)]).unwrap();
    assert_eq!(codes(&warnings), [WarningCode::Truncated]);
    let mut part = vec![0; 24 * 1024];
    disk.read_exact_at(0, &mut part).unwrap();
    assert_eq!(part, data[..part.len()]);
    let error = Error::from(disk.read_exact_at(31 * 1024, &mut [0; 1024]).unwrap_err());
    assert!(error.position().unwrap().byte() + 1024 > cut as u64);
    assert!(error.to_string().contains("cut off"), "{error}");
}

#[test]
fn a_parent_is_looked_for_beside_its_child_only() {
    let base = vec![1; 8192];
    let top = [&[2; 512][..], &[1; 8192 - 512]].concat();
    let child = vhd_child(&top, &base, r"C:\elsewhere\Base.vhd");
    let files = [
        ("child.vhd", child.clone()),
        ("Base.vhd", vhd(&base, FIXED)),
    ];
    let disk = open_sound(&files);
    assert_eq!(disk.variant(), "differencing");
    assert_eq!(contents(&disk), top);
    let error = open(&files[..1]).err().unwrap();
    assert_eq!(error.io_error_kind(), Some(std::io::ErrorKind::NotFound));
    assert!(
        error
            .to_string()
            .contains("put Base.vhd into the same folder"),
        "{error}"
    );
    // Another disk of that name is not taken for it.
    let mut other = vhd(&base, FIXED);
    let end = other.len();
    other[end - 512 + 68] ^= 1;
    vhd_writer::seal(&mut other[end - 512..], 64);
    let error = open(&[files[0].clone(), ("Base.vhd", other)])
        .err()
        .unwrap();
    assert_eq!(error.evidence(), Some("Base.vhd"));
    assert!(error.expected().unwrap().contains("07070707-"), "{error}");
}

#[test]
fn a_disk_that_is_its_own_parent_is_refused() {
    let disk = [9; 1024];
    let child = Vhd {
        disk: &disk,
        kind: DIFFERENCING,
        id: [7; 16],
        block_size: 4096,
        is_written: &|_| true,
        parent: Some(([7; 16], "self.vhd")),
    };
    let error = open(&[("self.vhd", child.to_bytes())]).err().unwrap();
    assert!(error.expected().unwrap().contains("32 disks"), "{error}");
}

#[test]
fn a_child_may_be_larger_than_its_parent() {
    let base = vec![1; 8192];
    let top = [&[1; 8192][..], &[0; 8192], &[3; 512]].concat();
    let child = vhd_child(&top, &[&base[..], &[0; 8192]].concat(), "base.vhd");
    let disk = open_sound(&[("child.vhd", child), ("base.vhd", vhd(&base, DYNAMIC))]);
    assert_eq!(contents(&disk), top);
}

const PARENT_GUID: Uuid = Uuid::from_u128(0xDA7A);

fn vhdx(disk: &[u8], log_guid: Uuid) -> Vec<u8> {
    Vhdx {
        disk,
        sector_size: 512,
        block_size: vhdx_writer::MIB,
        data_write_guid: PARENT_GUID,
        state: &|block| {
            let block = disk.chunks(vhdx_writer::MIB).nth(block).unwrap();
            match *block == vec![0; block.len()] {
                true => [NOT_PRESENT, 1, ZERO, 3][block.len() / 512 % 4],
                false => FULLY_PRESENT,
            }
        },
        is_here: &|_| true,
        parent: None,
        log_guid,
    }
    .to_bytes()
}

/// A differencing VHDX over one of `base`, with sectors of 4,096 bytes or of 512.
fn vhdx_child(disk: &[u8], base: &[u8], sector_size: usize) -> Vec<u8> {
    let differs = |start: usize, size: usize| {
        let (start, end) = (start.min(disk.len()), disk.len().min(start + size));
        let below = &base[start.min(base.len())..end.min(base.len())];
        let (over, behind) = disk[start..end].split_at(below.len());
        over != below || *behind != vec![0; behind.len()]
    };
    Vhdx {
        disk,
        sector_size,
        block_size: 2 * vhdx_writer::MIB,
        data_write_guid: Uuid::from_u128(0xC41D),
        state: &|block| match differs(2 * block * vhdx_writer::MIB, 2 * vhdx_writer::MIB) {
            true => PARTIALLY_PRESENT,
            false => NOT_PRESENT,
        },
        is_here: &|sector| differs(sector * sector_size, sector_size),
        parent: Some((PARENT_GUID, r".\base.vhdx")),
        log_guid: Uuid::nil(),
    }
    .to_bytes()
}

/// A disk of some MiB: where bytes other than zero stand.
fn sparse_disk(size: usize, places: &[(usize, u8)]) -> Vec<u8> {
    let mut disk = vec![0; size];
    for (at, byte) in places {
        disk[at % size] = *byte;
    }
    disk
}

#[test]
fn a_vhdx_gives_its_disk() {
    let data = sparse_disk(5 * vhdx_writer::MIB + 512, &[(7, 1), (5 << 20, 2)]);
    let disk = open_sound(&[("a", vhdx(&data, Uuid::nil()))]);
    assert_eq!(
        (disk.format(), disk.variant()),
        (ContainerFormat::Vhdx, "dynamic")
    );
    assert_eq!(disk.sector_size(), Some(512));
    assert!(contents(&disk) == data);
}

#[test]
fn a_vhdx_over_a_parent_has_what_differs() {
    let base = sparse_disk(4 << 20, &[(5, 1), (1 << 20, 2), (3 << 20, 3)]);
    let mut top = base.clone();
    top.resize(5 << 20, 0);
    top[5..5000].fill(9);
    top[(4 << 20) + 5] = 7;
    for sector_size in [512, 4096] {
        let mut parent = vhdx(&base, Uuid::nil());
        if sector_size == 4096 {
            parent = Vhdx {
                disk: &base,
                sector_size,
                block_size: 4 << 20,
                data_write_guid: PARENT_GUID,
                state: &|_| FULLY_PRESENT,
                is_here: &|_| true,
                parent: None,
                log_guid: Uuid::nil(),
            }
            .to_bytes();
        }
        let files = [
            ("child.avhdx", vhdx_child(&top, &base, sector_size)),
            ("base.vhdx", parent),
        ];
        let disk = open_sound(&files);
        assert_eq!(disk.variant(), "differencing");
        assert!(contents(&disk) == top);
        let error = open(&files[..1]).err().unwrap();
        assert!(error.to_string().contains("base.vhdx"), "{error}");
    }
}

#[test]
fn a_vhdx_whose_parent_was_written_to_is_refused() {
    let base = sparse_disk(1 << 20, &[(5, 1)]);
    let child = vhdx_child(&sparse_disk(1 << 20, &[(9, 9)]), &base, 512);
    let parent = Vhdx {
        disk: &base,
        sector_size: 512,
        block_size: 1 << 20,
        data_write_guid: Uuid::from_u128(1),
        state: &|_| FULLY_PRESENT,
        is_here: &|_| true,
        parent: None,
        log_guid: Uuid::nil(),
    };
    let error = open(&[("child", child), ("base.vhdx", parent.to_bytes())])
        .err()
        .unwrap();
    assert_eq!(error.evidence(), Some("base.vhdx"));
    assert!(error.found().unwrap().contains("later state"), "{error}");
}

#[test]
fn the_newer_header_of_a_vhdx_counts_and_the_older_one_is_enough() {
    let data = sparse_disk(1 << 20, &[(7, 1)]);
    let whole = vhdx(&data, Uuid::nil());
    for at in [0x1_0000, 0x2_0000, 0x3_0000] {
        let mut file = whole.clone();
        file[at + 8] ^= 1;
        let (disk, warnings) = open(&[("a", file)]).unwrap();
        assert_eq!(codes(&warnings), [WarningCode::ContainerDamaged]);
        assert!(contents(&disk) == data);
    }
    let mut file = whole;
    file[0x1_0008] ^= 1;
    file[0x2_0008] ^= 1;
    assert!(open(&[("a", file)]).is_err());
}

#[test]
fn a_vhdx_that_was_cut_off_is_read_up_to_there() {
    let data = sparse_disk(3 << 20, &[(7, 1), (1 << 20, 2), (2 << 20, 3)]);
    let mut file = vhdx(&data, Uuid::nil());
    file.truncate(6 << 20);
    let (disk, warnings) = open(&[("a", file)]).unwrap();
    assert_eq!(codes(&warnings), [WarningCode::Truncated]);
    disk.read_exact_at(0, &mut vec![0; 2 << 20]).unwrap();
    let error = Error::from(disk.read_exact_at(2 << 20, &mut [0; 512]).unwrap_err());
    assert_eq!(error.position().unwrap().byte(), 6 << 20);
}

/// A VHDX with a log: the first block of its disk is behind the first 4 MiB of the file.
fn logged(data: &[u8]) -> (Vec<u8>, u64) {
    let file = vhdx(data, LOG_GUID);
    let size = file.len() as u64;
    (file, size)
}

#[test]
fn a_log_is_replayed_in_memory() {
    let data = sparse_disk(1 << 20, &[(7, 1), (9000, 2)]);
    let (mut file, size) = logged(&data);
    // Three entries, the second of which reaches around the end of the log; stale ones stand there too.
    let start = LOG_SIZE - 3 * 4096;
    let page = |byte: u8| [vec![byte; 8], vec![byte ^ 0xFF; 4096 - 12], vec![byte; 4]].concat();
    put_log_entry(
        &mut file,
        0x5_0000,
        &log_entry(6, 0x5_0000, size, &[Change::Data(4 << 20, page(66))]),
    );
    let first = log_entry(
        7,
        start,
        size,
        &[
            Change::Data(4 << 20, page(5)),
            Change::Zeros((4 << 20) + 8192, (4 << 20) + 12288),
        ],
    );
    put_log_entry(&mut file, start, &first);
    // A block that was added: the entry of the table, and data behind what was the end of the file.
    let mut table = vec![0; 4096];
    table[..8].copy_from_slice(&(4_u64 << 20 | FULLY_PRESENT).to_le_bytes());
    let second = log_entry(
        8,
        start,
        size,
        &[Change::Data(3 << 20, table), Change::Data(4 << 20, page(6))],
    );
    put_log_entry(&mut file, start + first.len(), &second);
    let third_at = (start + first.len() + second.len()) % LOG_SIZE;
    let third = log_entry(
        9,
        start,
        size,
        &[
            Change::Zeros((4 << 20) + 16384, (4 << 20) + 20480),
            Change::Data((4 << 20) + 16384, page(8)),
        ],
    );
    put_log_entry(&mut file, third_at, &third);
    let expected = {
        let mut data = data.clone();
        data[..4096].copy_from_slice(&page(6));
        data[8192..12288].fill(0);
        data[16384..20480].copy_from_slice(&page(8));
        data
    };
    assert!(contents(&open_sound(&[("a", file.clone())])) == expected);
    // A last entry that was not written to its end is as if it were not there.
    file[LOG_AT + third_at + third.len() - 1] ^= 1;
    let before = [&expected[..16384], &data[16384..]].concat();
    assert!(contents(&open_sound(&[("a", file.clone())])) == before);
    // Where one from the middle is damaged, what was before it counts.
    file[LOG_AT + third_at + third.len() - 1] ^= 1;
    file[LOG_AT + start + first.len() + 70] ^= 1;
    let mut first_only = data.clone();
    first_only[..4096].copy_from_slice(&page(5));
    first_only[8192..12288].fill(0);
    assert!(contents(&open_sound(&[("a", file)])) == first_only);
}

#[test]
fn a_log_whose_start_is_damaged_is_refused() {
    let (mut file, size) = logged(&sparse_disk(1 << 20, &[(7, 1)]));
    put_log_entry(&mut file, 0, &log_entry(7, 0, size, &[]));
    put_log_entry(&mut file, 4096, &log_entry(8, 0, size, &[]));
    file[LOG_AT + 70] ^= 1;
    let error = open(&[("a", file)]).err().unwrap();
    assert!(error.found().unwrap().contains("gap"), "{error}");
}

#[test]
fn a_log_in_which_nothing_was_written_changes_nothing() {
    let data = sparse_disk(1 << 20, &[(7, 1)]);
    let (mut file, size) = logged(&data);
    assert!(contents(&open_sound(&[("a", file.clone())])) == data);
    // Entries of an earlier use have another GUID.
    let mut stale = log_entry(7, 0, size, &[Change::Zeros(4 << 20, 5 << 20)]);
    stale[32] ^= 1;
    vhdx_writer::seal(&mut stale);
    put_log_entry(&mut file, 0, &stale);
    assert!(contents(&open_sound(&[("a", file)])) == data);
}

#[test]
fn a_log_that_tells_of_a_larger_file_says_that_it_was_cut_off() {
    let (mut file, size) = logged(&sparse_disk(1 << 20, &[(7, 1)]));
    put_log_entry(&mut file, 0, &log_entry(7, 0, size + 4096, &[]));
    let (_, warnings) = open(&[("a", file)]).unwrap();
    assert_eq!(codes(&warnings), [WarningCode::Truncated]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_packed_into_a_vhd_comes_out(base in disks(60), top in disks(60)) {
        prop_assert_eq!(contents(&open_sound(&[("a", vhd(&base, FIXED))])), &base[..]);
        let dynamic = vhd(&base, DYNAMIC);
        prop_assert_eq!(contents(&open_sound(&[("a", dynamic.clone())])), &base[..]);
        let mut larger = base.clone();
        larger.resize(base.len().max(top.len()), 0);
        let child = vhd_child(&top, &larger, r"..\base.vhd");
        prop_assert_eq!(contents(&open_sound(&[("child", child), ("base.vhd", dynamic)])), top);
    }

    #[test]
    fn a_damaged_vhd_ends_without_a_panic(
        disk in disks(40),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for mut file in [vhd(&disk, FIXED), vhd(&disk, DYNAMIC), vhd_child(&disk, &[], "child")] {
            for (place, byte) in &flips {
                let headers = file.len().min(2100);
                file[place.index(headers)] = *byte;
            }
            try_all(&[("child", file.clone())]);
            file.truncate(cut.index(file.len()));
            try_all(&[("child", file)]);
        }
    }

}

proptest! {
    // Each of them writes some MiB.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_was_packed_into_a_vhdx_comes_out(
        places in prop::collection::vec((0..5_usize << 20, any::<u8>()), 0..6),
        changes in prop::collection::vec((0..5_usize << 20, any::<u8>()), 0..6),
        sectors in 1..=10_240_usize,
    ) {
        let base = sparse_disk(512 * sectors, &places);
        let parent = vhdx(&base, Uuid::nil());
        prop_assert!(contents(&open_sound(&[("a", parent.clone())])) == base);
        let mut top = base.clone();
        for (at, byte) in changes {
            top[at % base.len()] = byte;
        }
        let child = vhdx_child(&top, &base, 512);
        prop_assert!(contents(&open_sound(&[("child", child), ("base.vhdx", parent)])) == top);
    }

    #[test]
    fn a_damaged_vhdx_ends_without_a_panic(
        flips in prop::collection::vec((0..6_usize, 0..400_usize, any::<u8>()), 1..4),
        is_child: bool,
        cut in 0..6_usize << 20,
    ) {
        let base = sparse_disk(1 << 20, &[(7, 1)]);
        let mut file = match is_child {
            true => vhdx_child(&sparse_disk(1 << 20, &[(9, 1)]), &base, 512),
            false => logged(&base).0,
        };
        let size = file.len() as u64;
        let page = vec![5; 4096];
        put_log_entry(&mut file, 0, &log_entry(7, 0, size, &[Change::Data(4 << 20, page), Change::Zeros(8192, 12288)]));
        for (part, at, byte) in flips {
            // Headers, regions, log, metadata and its items, table of blocks.
            let start = [0x1_0000, 0x3_0000, 1 << 20, 2 << 20, (2 << 20) + 0x1_0000, 3 << 20][part];
            file[start + at] = byte;
        }
        vhdx_writer::seal(&mut file[0x1_0000..0x1_1000]);
        vhdx_writer::seal(&mut file[0x2_0000..0x2_1000]);
        vhdx_writer::seal(&mut file[0x3_0000..0x4_0000]);
        vhdx_writer::seal(&mut file[1 << 20..(1 << 20) + 8192]);
        let files = |file: &Vec<u8>| [("child", file.clone()), ("base.vhdx", vhdx(&base, Uuid::nil()))];
        try_all(&files(&file));
        file.truncate(cut);
        try_all(&files(&file));
    }
}
