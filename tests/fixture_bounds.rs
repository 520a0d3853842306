//! Every fixture, evidence or not, is done with in little memory and little time, and so is evidence that was made to take
//! more: the system ends what does.
#![cfg(all(feature = "cli", target_os = "linux"))]

#[path = "support/disk_fixtures.rs"]
mod disk_fixtures;
#[path = "support/hive_writer.rs"]
mod hive_writer;
#[path = "support/ntfs/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other tests use the rest")]
mod ntfs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assert_cmd::cargo::cargo_bin;
use disk_fixtures::{DISK_FIXTURES, disk_fixture};
use hive_writer::{HiveWriter, Key};
use ntfs::{File, Layout, Storage, repeated_names, write_volume};
use walkdir::WalkDir;

/// The most address space, in KiB, program and stacks included.
const MEMORY: u32 = 64 << 10;
/// The most seconds of a processor, without optimisation.
const SECONDS: u32 = 5;

/// Looks at something within the bounds, and returns the exit code: none where it was ended.
fn exit_code(evidence: &Path, memory: u32) -> Option<i32> {
    let limited = format!(r#"ulimit -v {memory}; ulimit -t {SECONDS}; exec "$@""#);
    let output = Command::new("sh")
        .args(["-c", &limited, "sh"])
        .arg(cargo_bin!("dism-mount-status"))
        .args(["--find-orphans", "--verify", "--fail-on=never", "--jobs=1"])
        .arg(evidence)
        .output();
    output.unwrap().status.code()
}

/// Files, and the captured trees, each as one.
fn fixtures() -> Vec<PathBuf> {
    let is_other =
        |path: &Path| path.starts_with("fixtures/captures") || path.starts_with(DISK_FIXTURES);
    let files = WalkDir::new("fixtures")
        .into_iter()
        .map(|entry| entry.unwrap());
    let files = files.filter(|entry| entry.file_type().is_file() && !is_other(entry.path()));
    let trees = WalkDir::new("fixtures/captures").max_depth(2).into_iter();
    let trees = trees
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name() == "tree");
    files.chain(trees).map(|entry| entry.into_path()).collect()
}

#[test]
fn every_fixture_is_done_with_in_little_memory_and_time() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 150, "{} fixtures", fixtures.len());
    let look_at = |evidence: &Path, name: &Path| {
        let code = exit_code(evidence, MEMORY);
        // 2 is for what is no evidence, or is broken.
        assert!(
            matches!(code, Some(0 | 2)),
            "{name:?}: {code:?} with {MEMORY} KiB and {SECONDS} s"
        );
    };
    for fixture in &fixtures {
        look_at(fixture, fixture);
    }
    let kinds = WalkDir::new(DISK_FIXTURES)
        .min_depth(1)
        .max_depth(1)
        .into_iter();
    for kind in kinds
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_dir())
    {
        let (_folder, image) = disk_fixture(kind.file_name().to_str().unwrap());
        look_at(&image, kind.path());
    }
}

#[test]
fn what_a_list_of_attributes_tells_again_and_again_takes_no_memory() {
    let path = "fixtures/captures/three-mounts/tree/Windows/System32/config/SOFTWARE";
    let hive = File::with_data("SOFTWARE", &fs::read(path).unwrap(), Storage::Clusters);
    let windows = ["config", "System32", "Windows"]
        .iter()
        .fold(hive, |file, name| File::directory(name, vec![file]));
    let volume = write_volume(&Layout::default(), &[windows, repeated_names()]);
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    fs::write(&image, volume).unwrap();
    assert_eq!(exit_code(&image, MEMORY), Some(0));
}

#[test]
fn data_that_many_values_share_are_not_kept_for_each() {
    const LARGEST: u32 = 16 << 20;
    let mut mount = Key::new("{e242237c-66ed-4958-b9ec-c49b07eaeeb5}");
    for number in 0..200 {
        mount = mount.dword(&format!("v{number}"), number);
    }
    let path = ["Microsoft", "WIMMount", "Mounted Images"];
    // So old a version has no data in segments.
    let writer = HiveWriter {
        minor_version: 3,
        ..HiveWriter::default()
    };
    let mut hive = writer.write(&Key::new("root").key_at(&path, mount));
    // Behind the rest stands a cell of which a sparse file stores nothing but the size.
    let cell = hive.len() as u32 - 4096;
    let mut values = 0;
    for at in (4100..hive.len() - 20).step_by(8) {
        if hive[at..].starts_with(b"vk") {
            hive[at + 4..at + 8].copy_from_slice(&LARGEST.to_le_bytes());
            hive[at + 8..at + 12].copy_from_slice(&cell.to_le_bytes());
            values += 1;
        }
    }
    assert_eq!(values, 200);
    hive.extend((LARGEST + 8).wrapping_neg().to_le_bytes());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("SOFTWARE");
    fs::write(&file, &hive).unwrap();
    let sparse = fs::OpenOptions::new().write(true).open(&file).unwrap();
    sparse.set_len(1 << 30).unwrap();
    assert_eq!(exit_code(&file, MEMORY), Some(0));
}

#[test]
fn the_bound_of_memory_is_one() {
    assert_ne!(
        exit_code("fixtures/registry/one-mounted.reg".as_ref(), 4 << 10),
        Some(0)
    );
}
