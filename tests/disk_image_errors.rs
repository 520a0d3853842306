//! What a user meets who hands over a disk image that cannot be read, or not whole: each message says what to do.
#![cfg(all(feature = "captured-wim", feature = "disk-image"))]

#[path = "support/disk_fixtures.rs"]
mod disk_fixtures;
#[path = "support/disk_writer.rs"]
mod disk_writer;
#[path = "support/hive_writer.rs"]
mod hive_writer;
#[path = "support/ntfs/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other tests use the rest")]
mod ntfs;

use std::fs;
use std::path::Path;

use disk_fixtures::disk_fixture;
use disk_writer::{GptEntry, put_gpt};
use dism_mount_status::{Capture, DismMountStatus, InspectOptions, Warning, WarningCode, inspect};
use hive_writer::{HiveWriter, Key};
use ntfs::{File, Journal, Layout, Storage, write_volume};
use tempfile::TempDir;
use uuid::Uuid;

fn captures(image: &Path) -> Vec<Capture> {
    let report = inspect(image, &InspectOptions::default());
    report.map_or_else(|error| panic!("{error}"), |report| report.captures)
}

/// Why an image cannot be read.
fn refusal(image: &Path) -> String {
    match inspect(image, &InspectOptions::default()) {
        Err(error) => error.to_string(),
        Ok(report) => match &report.captures[..] {
            [capture] => capture.error.as_ref().expect("it was read").message.clone(),
            captures => panic!("{captures:?}"),
        },
    }
}

fn warnings(capture: &Capture) -> Vec<(WarningCode, String)> {
    let warnings = capture.warnings.iter();
    let told = |warning: &Warning| (warning.code(), warning.message());
    warnings.map(told).collect()
}

fn image_of(folder: &TempDir, bytes: &[u8]) -> std::path::PathBuf {
    let image = folder.path().join("disk.img");
    fs::write(&image, bytes).unwrap();
    image
}

/// The SOFTWARE hive of three mounts, where Windows has it.
fn windows() -> Vec<File> {
    let path = "fixtures/captures/three-mounts/tree/Windows/System32/config/SOFTWARE";
    windows_with(File::with_data(
        "SOFTWARE",
        &fs::read(path).unwrap(),
        Storage::Clusters,
    ))
}

fn windows_with(hive: File) -> Vec<File> {
    let system = File::directory("System32", vec![File::directory("config", vec![hive])]);
    vec![File::directory("Windows", vec![system])]
}

/// A partition from sector 256 on that is as large as a volume.
fn whole(number: u128, volume: &[u8]) -> GptEntry {
    GptEntry {
        kind: Uuid::from_u128(0xEBD0A0A2_B9E5_4433_87C0_68B6B72699C7),
        own: Uuid::from_u128(number),
        first: 256,
        last: 256 + volume.len() as u64 / 512 - 1,
        name: String::new(),
    }
}

#[test]
fn an_encrypted_volume_is_to_be_unlocked() {
    let folder = TempDir::new().unwrap();
    let mut volume = vec![0; 1 << 20];
    volume[..11].copy_from_slice(b"\xEB\x58\x90-FVE-FS-");
    volume[510..512].copy_from_slice(&[0x55, 0xAA]);
    let message = refusal(&image_of(&folder, &volume));
    assert!(message.contains("BitLocker"), "{message}");
    assert!(message.contains("unlock it"), "{message}");

    // Beside a volume that can be read it is a warning: here in the place of the FAT volume.
    let (_folder, image) = disk_fixture("mbr");
    let sound = captures(&image);
    let mut disk = fs::read(&image).unwrap();
    disk[1 << 20..][..512].copy_from_slice(&volume[..512]);
    fs::write(&image, &disk).unwrap();
    let captures = captures(&image);
    let [(WarningCode::VolumeNotRead, message)] = &warnings(&captures[0])[..] else {
        panic!("{:?}", captures[0].warnings)
    };
    assert!(message.contains("partition 1"), "{message}");
    assert!(message.contains("BitLocker"), "{message}");
    assert!(message.contains("unlock it"), "{message}");
    assert_eq!(captures[0].mounted_images, sound[0].mounted_images);
}

#[test]
fn more_volumes_than_a_disk_has_are_left_out() {
    let folder = TempDir::new().unwrap();
    let volume = write_volume(&Layout::default(), &windows());
    // All of them are the same place.
    let entries: Vec<GptEntry> = (1..=300).map(|number| whole(number, &volume)).collect();
    let mut disk = vec![0; 1 << 20];
    disk[256 * 512..][..volume.len()].copy_from_slice(&volume);
    put_gpt(&mut disk, 512, Uuid::from_u128(7), &entries);
    let captures = captures(&image_of(&folder, &disk));
    assert_eq!(captures.len(), 128);
    let [(WarningCode::LimitReached, message)] = &warnings(&captures[0])[..] else {
        panic!("{:?}", captures[0].warnings)
    };
    assert!(
        message.starts_with("172 more NTFS volumes are left out"),
        "{message}"
    );
}

#[test]
fn a_registry_that_many_machines_share_does_not_fill_the_memory() {
    let folder = TempDir::new().unwrap();
    let path = ["Microsoft", "WIMMount", "Mounted Images"];
    let mut mount = Key::new("{e242237c-66ed-4958-b9ec-c49b07eaeeb5}");
    for number in 0..900 {
        mount = mount.value(format!("v{number}").as_str(), 3, &[7; 4096]);
    }
    let hive = HiveWriter::default().write(&Key::new("root").key_at(&path, mount));
    let hive = File::with_data("SOFTWARE", &hive, Storage::Clusters);
    let layout = Layout {
        cluster_size: 4096,
        ..Layout::default()
    };
    let volume = write_volume(&layout, &windows_with(hive));
    let entries: Vec<GptEntry> = (1..=24).map(|number| whole(number, &volume)).collect();
    let mut disk = vec![0; volume.len() + (1 << 20)];
    disk[256 * 512..][..volume.len()].copy_from_slice(&volume);
    put_gpt(&mut disk, 512, Uuid::from_u128(7), &entries);
    let captures = captures(&image_of(&folder, &disk));
    assert_eq!(captures.len(), 24);
    let is_reported = |capture: &Capture| capture.mounted_images.len() == 1;
    let reported = captures
        .iter()
        .filter(|capture| is_reported(capture))
        .count();
    // Each takes 7 MiB for the values alone.
    assert!((10..=18).contains(&reported), "{reported}");
    for capture in captures.iter().filter(|capture| !is_reported(capture)) {
        let warnings = warnings(capture);
        let is_limit = |(code, _): &(WarningCode, String)| *code == WarningCode::LimitReached;
        assert!(warnings.iter().any(is_limit), "{warnings:?}");
    }
}

#[test]
fn a_missing_parent_is_to_be_put_beside_its_child() {
    let (folder, image) = disk_fixture("qcow2-backing");
    fs::remove_file(folder.path().join("parent.qcow2")).unwrap();
    let message = refusal(&image);
    assert!(message.contains("parent disk is missing"), "{message}");
    assert!(
        message.contains("put parent.qcow2 into the same folder"),
        "{message}"
    );
}

#[test]
fn of_an_image_that_was_cut_off_what_is_there_is_read() {
    let (_folder, image) = disk_fixture("vhdx");
    let whole = captures(&image);
    let length = fs::metadata(&image).unwrap().len();
    // The second Windows lies at the end of the disk.
    let file = fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.set_len(length - (3 << 20)).unwrap();
    let cut_off = captures(&image);
    let (code, message) = warnings(&cut_off[0]).swap_remove(0);
    assert_eq!(code, WarningCode::Truncated);
    assert!(message.contains("cut off when it was copied"), "{message}");
    assert_eq!(cut_off[0].mounted_images, whole[0].mounted_images);
}

#[test]
fn a_journal_that_was_not_replayed_is_told() {
    let folder = TempDir::new().unwrap();
    for (journal, is_dirty) in [(Journal::Open, false), (Journal::Closed, true)] {
        let layout = Layout {
            journal,
            is_dirty,
            ..Layout::default()
        };
        let image = image_of(&folder, &write_volume(&layout, &windows()));
        let captures = captures(&image);
        let [(WarningCode::VolumeNotClean, message)] = &warnings(&captures[0])[..] else {
            panic!("{:?}", captures[0].warnings)
        };
        assert!(message.contains("not replayed"), "{message}");
        assert!(
            message.contains("attach a copy of the disk to Windows"),
            "{message}"
        );
        assert_eq!(captures[0].mounted_images.len(), 3);
        let statuses = captures[0]
            .mounted_images
            .iter()
            .map(|one| one.mount_status);
        assert!(
            statuses
                .into_iter()
                .all(|status| status == DismMountStatus::Invalid)
        );
    }
}

#[cfg(unix)]
#[test]
fn an_image_that_may_not_be_read_says_who_may() {
    use std::os::unix::fs::PermissionsExt;

    let (_folder, image) = disk_fixture("mbr");
    fs::set_permissions(&image, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&image).is_ok() {
        // Root may: that the message is there, a test beside it shows.
        return;
    }
    let message = refusal(&image);
    assert!(message.contains("permission denied"), "{message}");
    assert!(message.contains("as a user who may read it"), "{message}");
}
