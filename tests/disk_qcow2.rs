//! Disks come out of QCOW2s as they were packed in.
#![cfg(feature = "disk-image")]

#[path = "support/disk_image_files.rs"]
mod disk_image_files;
#[path = "support/qcow2_writer.rs"]
mod qcow2_writer;

use dism_mount_status::capture::disk_image::{ContainerFormat, Disk};
use dism_mount_status::capture::read_at::ReadAt;
use dism_mount_status::{WarningCode, Warnings};
use proptest::prelude::*;

use disk_image_files::{
    codes, contents, disks, is_noticed_or_the_same, open, open_sound, refusal, try_all,
};
use qcow2_writer::{Cluster, Qcow2};

const CLUSTER_BITS: u32 = 10;

/// One with clusters of 1 KiB in all states that suit their data.
fn qcow2(disk: &[u8], version: u32, is_zstd: bool) -> Vec<u8> {
    Qcow2 {
        disk,
        version,
        cluster_bits: CLUSTER_BITS,
        cluster: &|index| {
            let end = disk.len().min((index + 1) << CLUSTER_BITS);
            let is_empty = disk[index << CLUSTER_BITS..end]
                .iter()
                .all(|&byte| byte == 0);
            match (is_empty, index % 3) {
                (true, 0) => Cluster::Absent,
                (true, 1) if version >= 3 => Cluster::Zeros,
                (_, 2) => Cluster::Stored,
                _ => Cluster::Compressed,
            }
        },
        is_zstd,
        backing: None,
    }
    .to_bytes()
}

/// What differs from `base`, over a file of that name.
fn overlay(disk: &[u8], base: &[u8], name: &str, format: Option<&str>) -> Vec<u8> {
    Qcow2 {
        disk,
        version: 3,
        cluster_bits: CLUSTER_BITS,
        cluster: &|index| {
            let (start, end) = (
                index << CLUSTER_BITS,
                disk.len().min((index + 1) << CLUSTER_BITS),
            );
            let mut below = base[start.min(base.len())..end.min(base.len())].to_vec();
            below.resize(end - start, 0);
            let over = &disk[start..end];
            match (over == below, over.iter().all(|&byte| byte == 0)) {
                (true, _) => Cluster::Absent,
                (false, true) => Cluster::Zeros,
                (false, false) => Cluster::Stored,
            }
        },
        is_zstd: false,
        backing: Some((name, format)),
    }
    .to_bytes()
}

/// Three L2 tables' worth of clusters, the second of which is empty.
fn long_disk() -> Vec<u8> {
    let mut disk = vec![0; 300 << CLUSTER_BITS];
    for (index, byte) in disk.iter_mut().enumerate() {
        if index / 1024 % 5 != 0 && !(128..256).contains(&(index >> CLUSTER_BITS)) {
            *byte = (index / 7 % 251) as u8;
        }
    }
    disk.truncate(disk.len() - 512);
    disk
}

#[test]
fn a_qcow2_gives_its_disk() {
    let data = long_disk();
    for (version, is_zstd, variant) in [
        (2, false, "version 2"),
        (3, false, "version 3"),
        (3, true, "version 3"),
    ] {
        let file = qcow2(&data, version, is_zstd);
        assert!(Disk::is_disk_image(&file).unwrap());
        let disk = open_sound(&[("a", file)]);
        assert_eq!(
            (disk.format(), disk.variant(), disk.sector_size()),
            (ContainerFormat::Qcow2, variant, None)
        );
        assert!(contents(&disk) == data);
    }
}

#[test]
fn a_backing_file_is_read_by_the_format_that_is_told() {
    let base = long_disk();
    let mut top = base.clone();
    top.resize(base.len() + 5000, 0);
    top[3000..9000].fill(0);
    top[200 << CLUSTER_BITS..][..100].fill(7);
    let below = qcow2(&base, 3, false);
    for (name, format) in [
        ("base.qcow2", Some("qcow2")),
        ("/images/base.qcow2", None),
        (
            r#"json:{"driver":"qcow2","file":{"driver":"file","filename":"/x/base.qcow2"}}"#,
            None,
        ),
    ] {
        let child = overlay(&top, &base, name, format);
        let disk = open_sound(&[("top", child.clone()), ("base.qcow2", below.clone())]);
        assert_eq!(disk.variant(), "with a backing file");
        assert!(contents(&disk) == top);
        let error = refusal(&[("top", child)]);
        assert!(
            error
                .to_string()
                .contains("put base.qcow2 into the same folder"),
            "{error}"
        );
    }
    // A raw disk that looks like a QCOW2 is one all the same.
    let top = [&below[..], &[0; 512]].concat();
    let child = overlay(&top, &below, "base.img", Some("raw"));
    let disk = open_sound(&[("top", child), ("base.img", below)]);
    assert!(contents(&disk) == top);
}

#[test]
fn kinds_that_are_not_read_are_named() {
    let whole = qcow2(&long_disk(), 3, false);
    let with = |at: usize, byte: u8| {
        let mut file = whole.clone();
        file[at] = byte;
        refusal(&[("a", file)])
    };
    for (at, byte, name) in [
        (7, 4, "version 4"),
        (35, 1, "AES"),
        (35, 2, "LUKS"),
        (79, 4, "external data file"),
        (79, 16, "extended L2"),
        (79, 32, "features 0x20"),
        (104, 2, "method 2"),
    ] {
        let error = with(at, byte);
        assert!(
            error.is_unsupported() && error.to_string().contains(name),
            "{error}"
        );
    }
    // Clusters of 256 bytes and 4 MiB; an L1 table that is too short.
    for (at, byte) in [(23, 8), (23, 22), (39, 2)] {
        assert!(with(at, byte).expected().is_some());
    }
}

#[test]
fn an_image_that_was_in_use_or_has_snapshots_is_read_with_a_warning() {
    let data = long_disk();
    for (at, byte) in [(79, 1), (79, 2), (63, 2)] {
        let mut file = qcow2(&data, 3, false);
        file[at] = byte;
        let (disk, warnings) = open(&[("a", file)]).unwrap();
        assert_eq!(codes(&warnings), [WarningCode::ContainerDamaged]);
        assert!(contents(&disk) == data);
    }
}

#[test]
fn an_image_that_was_cut_off_is_read_up_to_there() {
    let data = long_disk();
    let mut file = qcow2(&data, 3, false);
    file.truncate(file.len() - 20_000);
    let (disk, warnings) = open(&[("a", file.clone())]).unwrap();
    assert_eq!(codes(&warnings), [WarningCode::Truncated]);
    let mut start = vec![0; 100_000];
    disk.read_exact_at(0, &mut start).unwrap();
    assert!(start == data[..100_000]);
    let error = disk.read_exact_at(0, &mut vec![0; data.len()]).unwrap_err();
    assert!(error.to_string().contains("cut off"), "{error}");
}

#[test]
fn a_disk_of_many_terabytes_costs_what_is_read_of_it() {
    let mut file = qcow2(&[1; 4096], 3, false);
    // 256 TiB, by an L1 table of 16 GiB that is not there.
    let l1_entries = (1_u64 << 48 >> 17) as u32;
    file[24..32].copy_from_slice(&(1_u64 << 48).to_be_bytes());
    file[36..40].copy_from_slice(&l1_entries.to_be_bytes());
    let (disk, _) = open(&[("a", file)]).unwrap();
    assert_eq!(disk.size(), 1 << 48);
    let mut start = [0; 4096];
    disk.read_exact_at(0, &mut start).unwrap();
    assert_eq!(start, [1; 4096]);
    assert!(disk.read_exact_at(1 << 47, &mut start).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_packed_into_a_qcow2_comes_out(
        base in disks(60),
        top in disks(60),
        version in 2..=3_u32,
        is_zstd: bool,
    ) {
        let below = qcow2(&base, version, is_zstd && version == 3);
        prop_assert_eq!(contents(&open_sound(&[("a", below.clone())])), &base[..]);
        let child = overlay(&top, &base, "base", None);
        prop_assert_eq!(contents(&open_sound(&[("top", child), ("base", below)])), top);
    }

    #[test]
    fn a_damaged_qcow2_ends_without_a_panic(
        disk in disks(40),
        is_zstd: bool,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = qcow2(&disk, 3, is_zstd);
        let whole = file.len();
        file.truncate(cut.index(whole));
        prop_assert!(is_noticed_or_the_same(&[("a", file)], &disk));
        let mut file = qcow2(&disk, 3, is_zstd);
        for (place, byte) in &flips {
            file[place.index(whole)] = *byte;
        }
        try_all(&[("a", file)]);
        let mut file = overlay(&disk, &[], "a", None);
        for (place, byte) in &flips {
            let headers = file.len().min(3072);
            file[place.index(headers)] = *byte;
        }
        try_all(&[("a", file)]);
    }
}

#[test]
fn what_is_no_image_is_none() {
    for bytes in [&b""[..], b"QFI", b"# not a descriptor", &[0; 4096]] {
        assert!(!Disk::is_disk_image(&bytes).unwrap());
    }
    assert_eq!(open(&[("a", vec![0; 512])]).unwrap().1, Warnings::default());
}
