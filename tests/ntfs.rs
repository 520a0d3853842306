//! NTFS volumes: what was written is read back.
#![cfg(all(feature = "captured-wim", feature = "disk-image"))]

#[path = "support/ntfs/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other tests use the rest")]
mod ntfs;

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};

use dism_mount_status::capture::disk_image::ntfs::{MountTrace, NtfsFile, NtfsVolume};
use dism_mount_status::{WarningCode, WideString};
use proptest::prelude::*;
use proptest::sample::select;

use ntfs::{
    File, Journal, Layout, Storage, Stream, data, everything, noise, small_layout, units,
    usual_upcase, wof, write_volume,
};

/// The most that is read of a stream, in bytes.
const LIMIT: u64 = 4 << 20;

fn wide(name: &[u16]) -> WideString {
    WideString::from_units(name.to_vec())
}

fn open(bytes: Vec<u8>) -> NtfsVolume {
    let volume = NtfsVolume::open(bytes).unwrap();
    assert_eq!(volume.take_warnings().as_slice(), []);
    volume
}

/// Checks that a directory holds what was written, and nothing else.
fn check_directory(directory: &NtfsFile, written: &[File]) {
    let there: Vec<_> = written.iter().filter(|file| !file.is_deleted).collect();
    let entries: Result<Vec<_>, _> = directory.entries().unwrap().collect();
    let found: BTreeSet<_> = entries
        .unwrap()
        .into_iter()
        .map(|entry| entry.file_name.name.as_units().to_vec())
        .collect();
    let names: BTreeSet<_> = there.iter().map(|file| file.name.clone()).collect();
    assert_eq!(found, names);
    for file in there {
        let child = directory.child(&wide(&file.name)).unwrap().unwrap();
        check_file(&child, file);
        if let Some(name) = &file.dos_name {
            let same = directory.child(&wide(name)).unwrap().unwrap();
            assert_eq!(same.reference(), child.reference());
            assert_eq!(child.dos_name().unwrap(), Some(wide(name)));
        }
        let expected: Vec<_> = directory
            .path()
            .unwrap()
            .into_iter()
            .chain([wide(&file.name)])
            .collect();
        assert_eq!(child.path().unwrap(), expected);
    }
    assert!(directory.child(&"no such name".into()).unwrap().is_none());
}

fn check_file(file: &NtfsFile, written: &File) {
    let information = file.standard_information().unwrap();
    assert_eq!(information.modification_time.ticks(), written.modified);
    assert_eq!(file.is_directory(), written.children.is_some());
    assert_eq!(file.reparse_data().unwrap(), written.reparse_data);
    let streams = file.streams().unwrap();
    let sizes: BTreeSet<_> = streams
        .into_iter()
        .map(|stream| (stream.name.as_units().to_vec(), stream.size))
        .collect();
    let expected: BTreeSet<_> = written
        .streams
        .iter()
        .map(|stream| (stream.name.clone(), stream.data.len() as u64))
        .collect();
    assert_eq!(sizes, expected);
    for stream in &written.streams {
        check_stream(file, stream);
    }
    if let Some(children) = &written.children {
        check_directory(file, children);
    }
}

fn check_stream(file: &NtfsFile, written: &Stream) {
    let name = wide(&written.name);
    if written.storage == Storage::Encrypted {
        assert!(file.open_stream(&name).unwrap_err().is_unsupported());
        return;
    }
    let mut expected = written.data.clone();
    if !matches!(written.storage, Storage::Resident) {
        let written = written.initialized_size as usize;
        expected[written..].fill(0);
    }
    let mut stream = file.open_stream(&name).unwrap().unwrap();
    assert!(
        stream.read_whole(LIMIT).unwrap() == expected,
        "{file:?}:{name}"
    );
    // From the middle on, over boundaries of clusters, units and chunks.
    let start = expected.len() / 3;
    stream.seek(SeekFrom::Start(start as u64)).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest == expected[start..], "{file:?}:{name}");
}

#[test]
fn one_of_everything_is_read_back() {
    let volume = open(write_volume(&small_layout(), &everything()));
    check_directory(&volume.root().unwrap(), &everything());
    assert_eq!(volume.information().label, "Synthetic");
    assert_eq!(volume.information().version, Some((3, 1)));
    let mut traces = Vec::new();
    let mut files = 0;
    volume.search_mounts(|trace| {
        files += 1;
        traces.extend(trace.map(|trace| match trace {
            MountTrace::Directory(file) => (true, file.path().unwrap().last().unwrap().to_string()),
            MountTrace::File(file) => (false, file.path().unwrap().last().unwrap().to_string()),
            _ => panic!("a trace of another kind"),
        }));
    });
    let expected = [
        (true, "Mount"),
        (false, "stub.dll"),
        (false, "another.dll"),
        (true, "Replaced"),
    ];
    let found: Vec<_> = traces
        .iter()
        .map(|(is_directory, name)| (*is_directory, &name[..]))
        .collect();
    assert_eq!(found, expected);
    assert!(files > 100, "{files} files");
    assert_eq!(volume.take_warnings().as_slice(), []);
}

#[test]
fn all_sizes_of_sectors_clusters_and_records_are_read() {
    for (sector_size, cluster_size, record_size) in [
        (512, 512, 1024),
        (512, 1024, 1024),
        (512, 4096, 1024),
        (1024, 1024, 1024),
        (2048, 8192, 2048),
        (4096, 4096, 4096),
        (4096, 65_536, 4096),
        (512, 65_536, 1024),
        (512, 131_072, 1024),
        (512, 2 << 20, 1024),
        (4096, 2 << 20, 4096),
    ] {
        let layout = Layout {
            sector_size,
            cluster_size,
            record_size,
            names_in_node: 10,
            table_pieces: 2,
            ..Layout::default()
        };
        let files = match cluster_size > 65_536 {
            false => everything(),
            true => vec![
                File::directory(
                    "Many",
                    (0..30).map(|i| File::new(&format!("file {i}"))).collect(),
                ),
                File::with_data("plain", &data(20_000, 1), Storage::Clusters),
                wof("overlay.dll", &data(50_000, 2), 1),
            ],
        };
        let volume = open(write_volume(&layout, &files));
        let boot_sector = volume.boot_sector();
        assert_eq!(u64::from(boot_sector.sector_size), sector_size);
        assert_eq!(u64::from(boot_sector.cluster_size), cluster_size);
        assert_eq!(u64::from(boot_sector.record_size), record_size);
        check_directory(&volume.root().unwrap(), &files);
        assert_eq!(volume.take_warnings().as_slice(), []);
    }
}

#[test]
fn all_methods_of_the_overlay_filter_are_read() {
    let files: Vec<_> = (0..4)
        .flat_map(|method| {
            [0, 1, 4095, 4096, 4097, 70_000].map(|size| {
                let mut data = data(size, 0);
                if size > 50_000 {
                    data[10_000..40_000].copy_from_slice(&noise(30_000));
                }
                wof(&format!("{method} {size}"), &data, method)
            })
        })
        .filter(|file| !file.streams[0].data.is_empty())
        .collect();
    let volume = open(write_volume(&Layout::default(), &files));
    check_directory(&volume.root().unwrap(), &files);
}

#[test]
fn names_are_compared_by_the_table_of_the_volume() {
    fn upcase(unit: u16) -> u16 {
        match unit {
            0x4E00 => 0x4E01,
            0x0451 => 0x0451,
            unit => usual_upcase(unit),
        }
    }
    let layout = Layout {
        upcase,
        ..Layout::default()
    };
    let files = [
        File::new("Größe"),
        File::new("\u{4E01}"),
        File::new("ёлка"),
        File::new("образ"),
    ];
    let volume = open(write_volume(&layout, &files));
    let root = volume.root().unwrap();
    let is_found = |name: &str| root.child(&name.into()).unwrap().is_some();
    for name in ["GRÖßE", "größE", "\u{4E00}", "ёЛКА", "ОБРАЗ"] {
        assert!(is_found(name), "{name}");
    }
    for name in ["Grösse", "ЁЛКА", "\u{4E02}"] {
        assert!(!is_found(name), "{name}");
    }
}

#[test]
fn letter_case_matters_in_directories_that_are_marked_so() {
    let names = || vec![File::new("Name"), File::new("NAME")];
    let mut sensitive = File::directory("sensitive", names());
    sensitive.is_case_sensitive = true;
    let files = [sensitive, File::directory("usual", names())];
    let volume = open(write_volume(&Layout::default(), &files));
    let name_of = |directory: &str, name: &str| {
        let directory = volume
            .root()
            .unwrap()
            .child(&directory.into())
            .unwrap()
            .unwrap();
        let child = directory.child(&name.into()).unwrap();
        child.map(|child| child.name().unwrap().name.to_string())
    };
    for name in ["Name", "NAME"] {
        assert_eq!(name_of("sensitive", name).as_deref(), Some(name));
        assert_eq!(name_of("usual", name).as_deref(), Some(name));
    }
    assert_eq!(name_of("sensitive", "name"), None);
    assert!(name_of("usual", "name").is_some());
}

#[test]
fn a_volume_that_was_not_left_in_order_is_told() {
    for (journal, is_dirty, is_told) in [
        (Journal::Empty, false, false),
        (Journal::Closed, false, false),
        (Journal::Open, false, true),
        (Journal::Closed, true, true),
    ] {
        let layout = Layout {
            journal,
            is_dirty,
            ..Layout::default()
        };
        let volume = NtfsVolume::open(write_volume(&layout, &[])).unwrap();
        let warnings = volume.take_warnings();
        let codes: Vec<_> = warnings
            .as_slice()
            .iter()
            .map(|warning| warning.code())
            .collect();
        let expected: &[_] = if is_told {
            &[WarningCode::VolumeNotClean]
        } else {
            &[]
        };
        assert_eq!(codes, expected, "{journal:?} {is_dirty}");
    }
}

#[test]
fn copies_of_boot_sector_and_table_stand_in_where_the_first_is_damaged() {
    let sound = write_volume(&Layout::default(), &everything());
    let table = open(sound.clone()).boot_sector().mft_cluster as usize * 512;
    for (place, code) in [
        (3, WarningCode::BootSectorDamaged),
        (table, WarningCode::FileTableDamaged),
        (table + 1022, WarningCode::FileTableDamaged),
    ] {
        let mut bytes = sound.clone();
        bytes[place] ^= 0x20;
        let volume = NtfsVolume::open(bytes).unwrap();
        let warnings = volume.take_warnings();
        assert_eq!(warnings.as_slice()[0].code(), code);
        check_directory(&volume.root().unwrap(), &everything());
    }
}

/// Names in several scripts, of which no two of one directory are the same but for letter case.
fn file_name() -> impl Strategy<Value = String> {
    "[a-cA-C0-2äÖßёЖ映 .$~-]{1,6}[a-z映]"
}

fn storage() -> impl Strategy<Value = Storage> {
    select(vec![
        Storage::Resident,
        Storage::Clusters,
        Storage::Sparse,
        Storage::Compressed,
        Storage::Encrypted,
    ])
}

fn file() -> impl Strategy<Value = File> {
    let streams = prop::collection::vec(
        (
            select(vec!["", "a", "映"]),
            0_usize..20_000,
            0_usize..3,
            storage(),
        ),
        0..3,
    );
    (streams, any::<bool>(), any::<bool>(), 0_u64..1 << 60).prop_map(
        |(streams, has_list, has_list_in_clusters, modified)| {
            let mut file = File::new("");
            for (name, size, seed, storage) in streams {
                if file.streams.iter().all(|stream| stream.name != units(name)) {
                    let size = if storage == Storage::Resident {
                        size % 300
                    } else {
                        size
                    };
                    file = file.and_stream(name, &data(size, seed), storage);
                }
            }
            file.has_list = has_list;
            file.has_list_in_clusters = has_list_in_clusters;
            file.modified = modified;
            file
        },
    )
}

fn named(names: Vec<String>, mut files: Vec<File>) -> Vec<File> {
    let mut taken = BTreeSet::new();
    let mut named = Vec::new();
    for name in names {
        let upper: Vec<_> = units(&name).into_iter().map(usual_upcase).collect();
        if taken.insert(upper) {
            let mut file = files.pop().unwrap_or_default();
            file.name = units(&name);
            named.push(file);
        }
    }
    named
}

fn directory() -> impl Strategy<Value = Vec<File>> {
    let leaf = (
        prop::collection::vec(file_name(), 0..40),
        prop::collection::vec(file(), 0..4),
    )
        .prop_map(|(names, files)| named(names, files));
    leaf.prop_recursive(2, 60, 3, |inner| {
        let directories = prop::collection::vec((inner, any::<bool>()), 0..3);
        (prop::collection::vec(file_name(), 0..10), directories).prop_map(|(names, directories)| {
            let directories = directories.into_iter().map(|(children, has_list)| {
                let directory = File::directory("", children);
                if has_list {
                    directory.and_list()
                } else {
                    directory
                }
            });
            named(names, directories.collect())
        })
    })
}

prop_compose! {
    fn layout()(
        (sector_size, cluster_size, record_size) in select(vec![
            (512, 512, 1024), (512, 1024, 1024), (512, 4096, 1024), (1024, 2048, 1024), (512, 4096, 4096), (4096, 4096, 4096),
        ]),
        index_block_size in select(vec![1024, 2048, 4096]),
        pieces in 1_u64..6,
        table_pieces in 1_u64..6,
        has_table_list in any::<bool>(),
        runs_in_part in 1_usize..4,
        names_in_node in 2_usize..20,
    ) -> Layout {
        Layout {
            sector_size, cluster_size, record_size, index_block_size, pieces, table_pieces, has_table_list, runs_in_part,
            names_in_node, ..Layout::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_written_is_read_back(layout in layout(), files in directory()) {
        let volume = open(write_volume(&layout, &files));
        check_directory(&volume.root().unwrap(), &files);
        prop_assert!(volume.take_warnings().as_slice().is_empty());
    }

    #[test]
    fn letter_case_does_not_matter(layout in layout(), files in directory()) {
        let volume = open(write_volume(&layout, &files));
        let root = volume.root().unwrap();
        for file in &files {
            let upper: Vec<_> = file.name.iter().map(|&unit| usual_upcase(unit)).collect();
            let found = root.child(&wide(&upper)).unwrap().unwrap();
            prop_assert_eq!(found.name().unwrap().name, wide(&file.name));
        }
    }
}
