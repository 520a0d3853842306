//! A whole disk with any of its bytes replaced: partitions, a Windows volume with its hive, mount directories and image
//! file, and a data volume are found and judged, without a panic and in bounded time.
//!
//! An input is patches: one byte that chooses a structure, two of place in it, one of length, and as many bytes as its lower
//! five bits say. A structure is an MBR, a boot sector, a record of files, an index, the base block of a hive or a bin.

#![no_main]

#[path = "../../tests/support/disk_writer.rs"]
mod disk_writer;
#[path = "../../tests/support/hive_writer.rs"]
mod hive_writer;
#[path = "../../tests/support/ntfs/mod.rs"]
#[allow(dead_code, unused_imports)]
mod ntfs;

use std::cell::RefCell;
use std::io::Write;
use std::os::unix::fs::FileExt;

use disk_writer::put_mbr;
use dism_mount_status::{InspectOptions, inspect};
use hive_writer::{HiveWriter, Key, REG_BINARY};
use libfuzzer_sys::fuzz_target;
use ntfs::{File, Layout, MOUNT_DATA, Storage, small_layout, stub, write_volume};
use tempfile::NamedTempFile;

const SECTOR: usize = 512;
const FIRST_SECTOR: usize = 63;
const DISK_SIGNATURE: u32 = 0x1234_5678;
const NTFS: u8 = 7;

const MOUNT_DATA_STREAM: &[u8] = include_bytes!("../../fixtures/mount-data/read-write.bin");
const IMAGE_FILE: &[u8] = include_bytes!("../../fixtures/wim/two-images.wim");

/// The disk as it is, and a file that is patched for each input and mended behind it.
struct Disk {
    bytes: Vec<u8>,
    structures: Vec<usize>,
    file: NamedTempFile,
}

thread_local!(static DISK: RefCell<Disk> = RefCell::new(Disk::new()));

fn registration(mount_id: &str, mount_path: &str, wim_path: &str) -> Key {
    Key::new(mount_id)
        .sz("WIM Path", wim_path)
        .sz("Mount Path", mount_path)
        .dword("Image Index", 1)
        .dword("Status", 2)
}

fn software() -> Vec<u8> {
    let images = Key::new("Mounted Images")
        .key(registration(
            "{e242237c-66ed-4958-b9ec-c49b07eaeeb5}",
            r"C:\testmountwim",
            r"C:\foo.wim",
        ))
        .key(registration(
            "{00000000-0000-0000-0000-000000000002}",
            r"D:\mount",
            r"D:\foo.wim",
        ));
    let root = Key::new("ROOT")
        .key_at(&["Microsoft", "WIMMount"], images)
        .key_at(
            &["Microsoft", "Windows NT"],
            Key::new("CurrentVersion").sz("SystemRoot", r"C:\Windows"),
        );
    HiveWriter::default().write(&root)
}

/// A SYSTEM hive that gives both partitions their letters.
fn system(second_sector: usize) -> Vec<u8> {
    let device = |sector: usize| {
        let mut device = DISK_SIGNATURE.to_le_bytes().to_vec();
        device.extend((sector as u64 * SECTOR as u64).to_le_bytes());
        device
    };
    let devices = Key::new("MountedDevices")
        .value(r"\DosDevices\C:", REG_BINARY, &device(FIRST_SECTOR))
        .value(r"\DosDevices\D:", REG_BINARY, &device(second_sector));
    let windows = Key::new("Windows").value("ShutdownTime", REG_BINARY, &[0; 8]);
    let root = Key::new("ROOT")
        .key(Key::new("Select").dword("Current", 1))
        .key_at(&["ControlSet001", "Control"], windows)
        .key(devices);
    HiveWriter::default().write(&root)
}

fn windows_volume(second_sector: usize) -> Vec<u8> {
    let config = vec![
        File::with_data("SOFTWARE", &software(), Storage::Clusters),
        File::with_data("SYSTEM", &system(second_sector), Storage::Compressed),
    ];
    let system32 = File::directory("System32", vec![File::directory("config", config)]);
    let files = vec![
        File::directory("Windows", vec![system32]),
        File::directory("Users", vec![]),
        File::directory("Program Files", vec![]),
        File::directory("testmountwim", vec![stub("stub.dll")]).and_stream(
            MOUNT_DATA,
            MOUNT_DATA_STREAM,
            Storage::Resident,
        ),
        File::with_data("foo.wim", IMAGE_FILE, Storage::Sparse),
    ];
    let layout = Layout {
        stored_upcase: 1 << 11,
        ..Layout::default()
    };
    write_volume(&layout, &files)
}

fn data_volume() -> Vec<u8> {
    let mount = File::directory("mount", vec![stub("stub.dll")]);
    let files = vec![
        mount.and_stream(MOUNT_DATA, MOUNT_DATA_STREAM, Storage::Clusters),
        File::with_data("foo.wim", IMAGE_FILE, Storage::Clusters),
    ];
    write_volume(&small_layout(), &files)
}

impl Disk {
    fn new() -> Disk {
        // The length of the first volume does not depend on where the second begins.
        let second_sector = FIRST_SECTOR + windows_volume(0).len().div_ceil(SECTOR);
        let volumes = [
            (FIRST_SECTOR, windows_volume(second_sector)),
            (second_sector, data_volume()),
        ];
        let mut bytes = vec![0; FIRST_SECTOR * SECTOR];
        let mut entries = Vec::new();
        for (sector, volume) in volumes {
            assert_eq!(bytes.len(), sector * SECTOR);
            let sectors = volume.len().div_ceil(SECTOR);
            entries.push((NTFS, sector as u32, sectors as u32));
            bytes.extend(volume);
            bytes.resize((sector + sectors) * SECTOR, 0);
        }
        put_mbr(&mut bytes, 0, DISK_SIGNATURE, &entries);
        let signatures: [&[u8]; 6] = [b"FILE", b"INDX", b"RSTR", b"regf", b"hbin", b"MSWIM"];
        let (sectors, _) = bytes.as_chunks::<SECTOR>();
        let starts = sectors.iter().enumerate().filter(|(number, sector)| {
            *number == 0
                || sector[3..].starts_with(b"NTFS")
                || signatures.iter().any(|s| sector.starts_with(s))
        });
        let structures = starts.map(|(number, _)| number * SECTOR).collect();
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        Disk {
            bytes,
            structures,
            file,
        }
    }

    /// Puts the patches of an input into the file, and returns where they are.
    fn patch(&self, mut input: &[u8]) -> Vec<(usize, usize)> {
        let mut places = Vec::new();
        while let Some((&[structure, low, high, length], rest)) = input.split_first_chunk() {
            // There are more structures than a byte counts.
            let number = usize::from(structure) + 256 * usize::from(high >> 4);
            let start = self.structures[number % self.structures.len()];
            let place = start + usize::from(low) + 256 * usize::from(high & 15);
            let place = place.min(self.bytes.len());
            let (patch, rest) = rest.split_at(rest.len().min(usize::from(length & 0x1F)));
            let length = patch.len().min(self.bytes.len() - place);
            self.write(&patch[..length], place);
            places.push((place, length));
            input = rest;
        }
        places
    }

    fn write(&self, bytes: &[u8], place: usize) {
        let file = self.file.as_file();
        file.write_all_at(bytes, place as u64).unwrap();
    }
}

fuzz_target!(|input: &[u8]| DISK.with_borrow(|disk| {
    let places = disk.patch(input);
    let mut options = InspectOptions::default();
    options.find_orphans = true;
    if let Ok(report) = inspect(disk.file.path(), &options) {
        assert!(!report.captures.is_empty());
        if places.is_empty() {
            // So that the target does not fuzz a disk on which nothing is found.
            assert_eq!(report.mounted_images().count(), 2);
            assert!(
                report
                    .captures
                    .iter()
                    .all(|capture| capture.error.is_none())
            );
        }
    }
    for (place, length) in places {
        disk.write(&disk.bytes[place..place + length], place);
    }
}));
