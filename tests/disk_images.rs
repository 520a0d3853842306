//! Disk images in all containers and partition schemes: judged as the trees that lie on them.
#![cfg(feature = "disk-image")]

#[path = "support/hive_writer.rs"]
#[allow(dead_code, reason = "sound hives only")]
mod hive_writer;

use std::fs;
use std::path::{Path, PathBuf};

use hive_writer::{HiveWriter, Key, REG_BINARY};
use uuid::Uuid;

const FIXTURES: &str = "fixtures/disk-images";
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
    let root = Key::new("SYSTEM")
        .key(devices)
        .key(Key::new("Select").dword("Current", 1))
        .key(Key::new("ControlSet001"));
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
        let file = Path::new(FIXTURES).join(name);
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(&file, &hive).unwrap();
        }
        assert!(
            fs::read(&file).unwrap() == hive,
            "{name}: UPDATE_FIXTURES=1 writes it anew"
        );
    }
}
