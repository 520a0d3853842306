//! Triage collections in the layouts of their collectors, and what they are judged by.
#![cfg(feature = "collection")]

#[path = "support/archive_writer.rs"]
mod archive_writer;
#[path = "support/captured_tree.rs"]
mod captured_tree;
#[path = "support/hive_writer.rs"]
mod hive_writer;

use std::fs;
use std::path::PathBuf;

use archive_writer::{TarNames, TarWriter, ZipMember, gzip, zip};
use captured_tree::{MOUNT_ID, Registered, Tree, mount_data, software};
use dism_mount_status::capture::CapturedMachine;
use dism_mount_status::capture::collection::{Collected, Collection};
use dism_mount_status::{Error, Evidence, Liveness, Observation, Warnings};
use tempfile::TempDir;

/// An archive in a file of this host.
struct Archived {
    _folder: TempDir,
    path: PathBuf,
}

fn archived(bytes: &[u8]) -> Archived {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evidence");
    fs::write(&path, bytes).unwrap();
    Archived {
        _folder: folder,
        path,
    }
}

fn open(bytes: &[u8]) -> Result<Collection, Error> {
    Collection::open(&archived(bytes).path)
}

/// Files by their paths.
type Files = Vec<(String, Vec<u8>)>;

fn zipped(files: &Files) -> Vec<u8> {
    let members: Vec<_> = files
        .iter()
        .map(|(name, data)| ZipMember::deflated(name, data))
        .collect();
    zip(&members)
}

fn tarred(files: &Files) -> Vec<u8> {
    let tar = TarWriter::new(TarNames::Pax);
    let tar = files
        .iter()
        .fold(tar, |tar, (name, data)| tar.file(name, data));
    tar.finish()
}

fn unpacked(files: &Files) -> Tree {
    let tree = Tree::new();
    files
        .iter()
        .fold(tree, |tree, (name, data)| tree.file(name, data))
}

const MOUNT: &str = r"C:\Users\x\mount";
const WIM: &str = r"D:\images\a.wim";

fn registered() -> Registered {
    Registered::new(MOUNT, WIM)
}

fn stream() -> Vec<u8> {
    mount_data(MOUNT_ID, MOUNT, WIM)
}

/// What a collector takes of one machine, its drives' folders and streams named in its own way.
fn collected(c: &str, d: &str, stream_name: &str) -> Files {
    vec![
        (
            format!("{c}/Windows/System32/config/SOFTWARE"),
            software(&[registered()]),
        ),
        (format!("{c}/Users/x/{stream_name}"), stream()),
        (format!("{d}/images/b.wim"), b"MSWIM\0\0\0".to_vec()),
    ]
}

fn machine(collection: &Collection, part: usize) -> CapturedMachine {
    match collection.read(part, None).unwrap() {
        Collected::Machine(machine) => *machine,
        Collected::Export { name, .. } => panic!("{name} is an export"),
    }
}

/// The evidence of the registered mount, as the collection has it.
fn observed(machine: &mut CapturedMachine) -> (Evidence, Warnings) {
    let mut evidence = registered().evidence();
    let mut warnings = Warnings::default();
    let registrations = [registered().registration()];
    machine.drives().look_for_streams(&registrations);
    machine.drives().observe(&mut evidence, &mut warnings);
    (evidence, warnings)
}

/// That the registry of a part, its mount directory and its drives are found.
fn assert_found(collection: &Collection, part: usize) {
    let mut machine = machine(collection, part);
    let mut hive = machine.take_software().unwrap().open().unwrap();
    assert!(hive.find(&["Microsoft", "WIMMount"]).unwrap().is_some());
    let (evidence, warnings) = observed(&mut machine);
    let directory = evidence.mount_directory.present().unwrap();
    let found = directory.mount_data.present().unwrap();
    assert_eq!(found.mount_id, MOUNT_ID);
    // Another file is in the folder that should hold it.
    assert_eq!(evidence.image_file, Observation::Absent);
    assert_eq!(warnings, Warnings::default());
}

#[test]
fn every_collectors_layout_is_found_in_archives_and_folders() {
    for (collector, files) in [
        (
            "Velociraptor",
            collected(
                "uploads/ntfs/%5C%5C.%5CC%3A",
                "uploads/auto/D%3A",
                "mount%3A$WIMMOUNTDATA",
            ),
        ),
        ("KAPE", collected("out/C", "out/D", "mount_$WIMMOUNTDATA")),
        (
            "UAC",
            collected("[root]/mnt/c", "[root]/mnt/d", "mount.$WIMMOUNTDATA"),
        ),
    ] {
        for archive in [zipped(&files), tarred(&files), gzip(&tarred(&files))] {
            let collection = open(&archive).unwrap();
            assert_eq!(
                collection.take_warnings(),
                Warnings::default(),
                "{collector}"
            );
            let [part] = collection.parts() else {
                panic!("{collector}: {:?}", collection.parts());
            };
            assert_eq!(
                (part.name.as_deref(), part.liveness),
                (None, Liveness::Running)
            );
            assert_found(&collection, 0);
        }
        let tree = unpacked(&files);
        if collector != "KAPE" {
            assert!(Collection::is_collection_folder(tree.path()), "{collector}");
            let collection = Collection::in_directory(tree.path()).unwrap();
            assert_eq!(collection.parts().len(), 1);
            assert_found(&collection, 0);
        }
    }
}
