//! Disk images in all containers and partition schemes: judged as the trees that lie on them.
#![cfg(feature = "disk-image")]

#[path = "support/disk_fixtures.rs"]
mod disk_fixtures;
#[path = "support/hive_writer.rs"]
mod hive_writer;

use std::fs;
use std::path::Path;

use disk_fixtures::{DISK_FIXTURES, disk_fixture};
use dism_mount_status::{
    Capture, DismMountStatus, EvidenceKind, FindingCode, InspectOptions, Liveness, Warning,
    WarningCode, WideString, inspect,
};
use hive_writer::{HiveWriter, Key, REG_BINARY};
use uuid::Uuid;

/// Of the MBR in fixtures/disk-images/make.sh.
const SIGNATURE: u32 = 0x4D4F_554E;
const MIB: u64 = 1 << 20;

/// `SYSTEM` of the machine with the drives C and D, by the places or GUIDs of their partitions.
fn system(drives: [Vec<u8>; 2]) -> Vec<u8> {
    let mut devices = Key::new("MountedDevices");
    for (letter, partition) in ["D", "C"].into_iter().zip(drives) {
        devices = devices.value(
            format!(r"\DosDevices\{letter}:").as_str(),
            REG_BINARY,
            &partition,
        );
    }
    let driver = Key::new("WIMMount")
        .dword("Start", 3)
        .sz("ImagePath", r"system32\drivers\wimmount.sys");
    let root = Key::new("SYSTEM")
        .key(devices)
        .key(Key::new("Select").dword("Current", 1))
        .key_at(&["ControlSet001", "Services"], driver);
    HiveWriter::default().write(&root)
}

fn mbr_partition(offset: u64) -> Vec<u8> {
    [&SIGNATURE.to_le_bytes()[..], &offset.to_le_bytes()].concat()
}

fn gpt_partition(number: u128) -> Vec<u8> {
    let guid = Uuid::from_u128(0x6D6F756E_7400_4000_8000_000000000000 + number);
    [&b"DMIO:ID:"[..], &guid.to_bytes_le()].concat()
}

#[test]
fn the_hives_on_the_disks_are_those_that_this_writes() {
    let hives = [
        (
            "SYSTEM.mbr",
            system([mbr_partition(13 * MIB), mbr_partition(2 * MIB)]),
        ),
        ("SYSTEM.gpt", system([gpt_partition(3), gpt_partition(2)])),
    ];
    for (name, hive) in hives {
        let file = Path::new(DISK_FIXTURES).join(name);
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(&file, &hive).unwrap();
        }
        assert!(
            fs::read(&file).unwrap() == hive,
            "{name}: UPDATE_FIXTURES=1 writes it anew"
        );
    }
}

fn options() -> InspectOptions {
    let mut options = InspectOptions::default();
    options.find_orphans = true;
    options
}

/// The judgement of a mounted image: where it is mounted, its status, the reasons, the image's name.
type Judged = (
    Option<WideString>,
    DismMountStatus,
    Vec<FindingCode>,
    Option<String>,
);

fn judged(capture: &Capture) -> Vec<Judged> {
    assert!(capture.error.is_none(), "{capture:?}");
    let images = capture.mounted_images.iter().map(|image| {
        let codes = image.findings.iter().map(|finding| finding.code).collect();
        let name = image.image.as_ref().and_then(|image| image.name.clone());
        (image.mount_path.clone(), image.mount_status, codes, name)
    });
    images.collect()
}

fn judged_tree(case: &str) -> Vec<Judged> {
    let tree = format!("fixtures/captures/{case}/tree");
    let mut options = options();
    // That of a disk, whatever a folder of drive folders may be.
    options.captured = Some(Liveness::Stopped);
    judged(&inspect(tree, &options).unwrap().captures[0])
}

fn orphans(capture: &Capture) -> Vec<String> {
    let orphans = capture.orphaned_mounts.iter();
    orphans
        .map(|orphan| orphan.mount_path.to_string())
        .collect()
}

#[test]
fn one_volume_is_judged_as_the_tree_on_it_whatever_its_sectors_and_clusters() {
    let expected = judged_tree("three-mounts");
    for kind in [
        "volume-512",
        "volume-1024",
        "volume-4096",
        "volume-4096-4096",
        "volume-65536",
        "volume-2097152",
    ] {
        let (_folder, image) = disk_fixture(kind);
        let captures = inspect(&image, &options()).unwrap().captures;
        let [capture] = &captures[..] else {
            panic!("{kind}: {captures:?}")
        };
        assert_eq!(judged(capture), expected, "{kind}");
        assert_eq!(capture.kind, Some(EvidenceKind::DiskImage));
        assert_eq!(
            (capture.captured, &capture.part),
            (Liveness::Stopped, &None)
        );
        assert_eq!(orphans(capture), [r"C:\SafeOS.Mount"], "{kind}");
        assert_eq!(capture.warnings, [], "{kind}");
    }
}

#[test]
fn a_disk_is_judged_the_same_in_every_container_and_partition_scheme() {
    let expected = [judged_tree("two-drives"), judged_tree("three-mounts")];
    for kind in [
        "mbr",
        "gpt",
        "gpt-4096",
        "split",
        "vhd-fixed",
        "vhd-dynamic",
        "vhdx",
        "qcow2",
        "qcow2-v2",
        "qcow2-backing",
        "vmdk-sparse",
        "vmdk-stream",
        "vmdk-flat",
        "vmdk-split",
        "ewf",
    ] {
        let (_folder, image) = disk_fixture(kind);
        let captures =
            inspect(&image, &options()).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let captures = captures.captures;
        let judged: Vec<_> = captures.iter().map(judged).collect();
        assert_eq!(judged, expected, "{kind}");
        let numbers = match kind.starts_with("gpt") {
            true => ["partition 2: WIN", "partition 4: WIN"],
            false => ["partition 2: WIN", "partition 6: WIN"],
        };
        let parts: Vec<_> = captures
            .iter()
            .map(|capture| capture.part.clone().unwrap())
            .collect();
        assert_eq!(parts, numbers, "{kind}");
        assert_eq!(orphans(&captures[1]), [r"C:\SafeOS.Mount"], "{kind}");
        let warnings: Vec<_> = captures[0].warnings.iter().map(Warning::code).collect();
        assert_eq!(
            warnings,
            [WarningCode::VolumeNotRead],
            "{kind}: {:?}",
            captures[0].warnings
        );
        assert!(
            captures[0].warnings[0].message().contains("is FAT"),
            "{kind}"
        );
    }
}
