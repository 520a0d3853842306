//! Damaged and hostile NTFS volumes, and what reading a sound one costs.
#![cfg(all(feature = "captured-wim", feature = "disk-image"))]

#[path = "support/ntfs/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other tests use the rest")]
mod ntfs;
#[path = "support/ntfs/source.rs"]
mod ntfs_source;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;

use dism_mount_status::capture::disk_image::ntfs::{MountTrace, NtfsFile, NtfsVolume};
use dism_mount_status::capture::read_at::ReadAt;
use dism_mount_status::{Error, WarningCode, WideString};
use proptest::prelude::*;
use proptest::sample::Index;

use ntfs::{
    File, Layout, Storage, data, everything, noise, protect, repeated_names, small_layout,
    write_volume,
};
use ntfs_source::Counted;

/// The most that is read of a damaged stream, in bytes.
const LIMIT: u64 = 4 << 20;

fn open(bytes: Vec<u8>) -> NtfsVolume {
    let volume = NtfsVolume::open(bytes).unwrap();
    assert_eq!(volume.take_warnings().as_slice(), []);
    volume
}

fn read(file: &NtfsFile, name: &WideString) -> Result<Option<Vec<u8>>, Error> {
    let stream = file.open_stream(name)?;
    stream.map(|stream| stream.read_whole(LIMIT)).transpose()
}

/// All facts of a volume and all that was wrong, in as many bytes as the volume at most.
fn explore(volume: &NtfsVolume) -> (usize, Vec<Error>) {
    let mut errors = Vec::new();
    let mut count = 0;
    let mut pending = Vec::new();
    match volume.root() {
        Ok(root) => pending.push(root),
        Err(error) => errors.push(error),
    }
    let mut seen = BTreeSet::new();
    while let Some(file) = pending.pop() {
        count += 1;
        errors.extend(file.standard_information().err());
        errors.extend(file.names().err());
        errors.extend(file.path().err());
        errors.extend(file.reparse_point().err());
        match file.streams() {
            Ok(streams) => {
                for stream in streams {
                    errors.extend(read(&file, &stream.name).err());
                }
            }
            Err(error) => errors.push(error),
        }
        if !file.is_directory() || !seen.insert(file.reference()) {
            continue;
        }
        let entries = match file.entries() {
            Ok(entries) => entries,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        for entry in entries {
            match entry {
                Ok(entry) => {
                    errors.extend(file.child(&entry.file_name.name).err());
                    match volume.file(entry.file) {
                        Ok(file) => pending.push(file),
                        Err(error) => errors.push(error),
                    }
                }
                Err(error) => errors.push(error),
            }
        }
    }
    volume.search_mounts(|trace| {
        if let Some(MountTrace::Directory(file) | MountTrace::File(file)) = trace {
            errors.extend(file.path().err());
        }
    });
    (count, errors)
}

/// The places of all records, or of all blocks of indexes.
fn places(bytes: &[u8], signature: &[u8; 4]) -> Vec<usize> {
    let (sectors, _) = bytes.as_chunks::<512>();
    let starting = sectors
        .iter()
        .enumerate()
        .filter(|(_, sector)| sector.starts_with(signature));
    starting.map(|(number, _)| number * 512).collect()
}

#[test]
fn a_record_that_was_written_in_part_is_told_with_its_place() {
    let sound = write_volume(&small_layout(), &everything());
    let mut told = 0;
    let whole = places(&sound, b"FILE")
        .into_iter()
        .chain(places(&sound, b"INDX"));
    for place in whole {
        let mut bytes = sound.clone();
        bytes[place + 510] ^= 1;
        let (errors, warnings) = match NtfsVolume::open(bytes) {
            Ok(volume) => (explore(&volume).1, volume.take_warnings()),
            Err(error) => (vec![error], Default::default()),
        };
        let positions = errors.iter().filter_map(Error::position);
        let positions = positions.chain(warnings.as_slice().iter().filter_map(|w| w.position()));
        told += usize::from(
            positions
                .into_iter()
                .any(|p| p.byte() == place as u64 + 510),
        );
        let in_use = sound[place + 0x16] & 1 != 0 || sound[place..].starts_with(b"INDX");
        assert!(
            !in_use || !errors.is_empty() || !warnings.as_slice().is_empty(),
            "{place:#x}"
        );
    }
    assert!(told > 100, "{told} told");
}

#[test]
fn a_name_is_found_in_a_directory_whose_tree_is_damaged() {
    let names = (0..60).map(|i| File::new(&format!("file {i}"))).collect();
    let layout = Layout {
        names_in_node: 3,
        index_block_size: 1024,
        ..Layout::default()
    };
    let sound = write_volume(&layout, &[File::directory("d", names)]);
    for place in places(&sound, b"INDX") {
        // The last entry leads back to this node.
        let mut bytes = sound.clone();
        let header = place + 0x18;
        let number = |at: usize| u32::from_le_bytes(sound[at..at + 4].try_into().unwrap()) as usize;
        if number(header + 12) == 0 {
            continue;
        }
        let child = header + number(header + 4) - 8;
        bytes.copy_within(place + 0x10..place + 0x18, child);
        let volume = open(bytes);
        let directory = volume.root().unwrap().child(&"d".into()).unwrap().unwrap();
        for i in 0..60 {
            let name = format!("FILE {i}");
            assert!(
                directory.child(&name[..].into()).unwrap().is_some(),
                "{name}"
            );
        }
        assert!(directory.child(&"zzz".into()).is_err() || directory.child(&"aaa".into()).is_ok());
        assert!(directory.entries().unwrap().any(|entry| entry.is_err()));
        let warnings = volume.take_warnings();
        let codes = warnings.as_slice().iter().map(|warning| warning.code());
        assert!(
            codes
                .into_iter()
                .all(|code| code == WarningCode::DirectoryIndexDamaged)
        );
        assert!(!warnings.as_slice().is_empty());
    }
}

/// A disk of 64 TiB of which little was ever written.
struct Sparse {
    bytes: Vec<u8>,
    read: Rc<Cell<u64>>,
}

impl ReadAt for Sparse {
    fn size(&self) -> u64 {
        1 << 46
    }

    fn stored_size(&self) -> u64 {
        self.bytes.size()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read.set(self.read.get() + buffer.len() as u64);
        assert!(self.read.get() < 1 << 30, "it goes on and on");
        let start = usize::try_from(offset).unwrap().min(self.bytes.len());
        let end = (start + buffer.len()).min(self.bytes.len());
        buffer.fill(0);
        buffer[..end - start].copy_from_slice(&self.bytes[start..end]);
        Ok(())
    }
}

#[test]
fn a_table_as_large_as_the_disk_is_searched_as_far_as_it_can_be_stored() {
    let layout = Layout {
        table_behind_end: 1 << 36,
        ..Layout::default()
    };
    let bytes = write_volume(&layout, &everything());
    let (length, read) = (bytes.len() as u64, Rc::new(Cell::new(0)));
    let sparse = Sparse {
        bytes,
        read: read.clone(),
    };
    let volume = NtfsVolume::open(sparse).unwrap();
    assert!(volume.record_count() > 1 << 34);
    read.set(0);
    let mut traces = 0;
    volume.search_mounts(|trace| traces += usize::from(trace.is_some()));
    assert_eq!(traces, 4);
    assert!(read.get() < 2 * length, "{} bytes", read.get());
}

#[test]
fn an_attribute_that_a_list_tells_of_again_is_one() {
    let volume = open(write_volume(&Layout::default(), &[repeated_names()]));
    let file = volume.root().unwrap().child(&"repeated".into()).unwrap();
    assert_eq!(file.unwrap().names().unwrap().len(), 1);
}

#[test]
fn a_damaged_index_is_not_searched_without_end() {
    let names = (0..1000).map(|i| File::new(&format!("file {i}"))).collect();
    let layout = Layout {
        names_in_node: 3,
        ..Layout::default()
    };
    let mut bytes = write_volume(&layout, &[File::directory("d", names)]);
    // A node in the middle: its number is another.
    let nodes = places(&bytes, b"INDX");
    let index_length = nodes.len() as u64 * 4096;
    bytes[nodes[nodes.len() / 2] + 0x10] ^= 0x80;
    let whole = (256 << 20) + 8 * bytes.len() as u64;
    let volume = NtfsVolume::open(bytes).unwrap();
    let directory = volume.root().unwrap().child(&"d".into()).unwrap().unwrap();
    let mut missing = (0..1000).map(|i| WideString::from(&format!("file {i} not")[..]));
    let behind = missing.find(|name| {
        assert_eq!(directory.child(name).unwrap().map(|_| ()), None);
        !volume.take_warnings().as_slice().is_empty()
    });
    let behind = behind.unwrap();
    let mut errors = (2..1000).map(|searches| (searches, directory.child(&behind).err()));
    let (searches, error) = errors.find(|(_, error)| error.is_some()).unwrap();
    assert!(error.unwrap().to_string().contains("again and again"));
    assert!(
        (100..=whole / index_length + 1).contains(&searches),
        "{searches} searches"
    );
    // What is not damaged is found.
    let names = (0..1000).map(|i| directory.child(&format!("file {i}")[..].into()));
    assert!(names.filter(|found| matches!(found, Ok(Some(_)))).count() > 100);
}

#[test]
fn attribute_lists_that_lead_back_end() {
    // The list of a file names its own record for parts that other records hold, and those hold lists too.
    let file = File::with_data("listed", &data(9000, 1), Storage::Clusters).and_list();
    let layout = Layout {
        pieces: 5,
        runs_in_part: 1,
        ..Layout::default()
    };
    let sound = write_volume(&layout, &[file]);
    let records = places(&sound, b"FILE");
    let list = |place: usize| {
        let mut at = place + usize::from(sound[place + 0x14]);
        while sound[at] != 0x20 && sound[at] != 0xFF {
            at += usize::from(sound[at + 4]);
        }
        (sound[at] == 0x20).then_some(at)
    };
    let (place, at) = records
        .iter()
        .find_map(|&place| Some((place, list(place)?)))
        .unwrap();
    let value = at + usize::from(sound[at + 0x14]);
    let length = usize::from(sound[at + 0x10]) + 256 * usize::from(sound[at + 0x11]);
    let own = u64::from_le_bytes(sound[value + 0x10..value + 0x18].try_into().unwrap());
    assert_eq!(own & 0xFFFF, u64::from(sound[place + 0x2C]));
    let mut entry = value;
    let mut tried = 0;
    while entry < value + length {
        let mut bytes = sound.clone();
        bytes[entry + 0x10..entry + 0x18].copy_from_slice(&own.to_le_bytes());
        let source = Rc::new(Counted::new(bytes));
        let volume = NtfsVolume::open(source.clone()).unwrap();
        let (_, errors) = explore(&volume);
        assert_eq!(errors.is_empty(), entry == value, "entry at {entry:#x}");
        assert!(source.bytes_read() < 1 << 20);
        entry += usize::from(sound[entry + 4]);
        tried += 1;
    }
    assert!(tried > 5, "{tried} entries");
}

#[test]
fn sizes_beyond_the_volume_take_neither_time_nor_memory() {
    let sound = write_volume(&small_layout(), &everything());
    let records = places(&sound, b"FILE");
    for &place in &records {
        let mut at = place + usize::from(sound[place + 0x14]);
        while sound[at..at + 4] != [0xFF; 4] {
            let is_non_resident = sound[at + 8] == 1;
            let mut bytes = sound.clone();
            if is_non_resident {
                bytes[at + 0x30..at + 0x36].copy_from_slice(&[0xFF; 6]);
                bytes[at + 0x38..at + 0x3E].copy_from_slice(&[0xFF; 6]);
                let source = Rc::new(Counted::new(bytes));
                if let Ok(volume) = NtfsVolume::open(source.clone()) {
                    explore(&volume);
                }
                assert!(
                    source.bytes_read() < 64 << 20,
                    "{} at {at:#x}",
                    source.bytes_read()
                );
            }
            let length = usize::from(sound[at + 4]) + 256 * usize::from(sound[at + 5]);
            if length == 0 || at + length > place + 500 {
                break;
            }
            at += length;
        }
    }
}

#[test]
fn a_look_up_reads_each_place_once_and_no_more_for_a_larger_volume() {
    let cost = |others: usize| {
        let others =
            (0..others).map(|i| File::with_data(&format!("o{i}"), &noise(2000), Storage::Clusters));
        let many = (0..3000)
            .map(|i| File::new(&format!("file {i:05}")))
            .collect();
        let mut target = File::directory("Target", many);
        target.children.as_mut().unwrap().push(File::with_data(
            "hive",
            &data(100_000, 1),
            Storage::Clusters,
        ));
        let files = [target, File::directory("Others", others.collect())];
        let layout = Layout {
            cluster_size: 4096,
            pieces: 4,
            ..Layout::default()
        };
        let source = Rc::new(Counted::new(write_volume(&layout, &files)));
        let volume = NtfsVolume::open(source.clone()).unwrap();
        let directory = volume
            .root()
            .unwrap()
            .child(&"TARGET".into())
            .unwrap()
            .unwrap();
        let file = directory.child(&"HIVE".into()).unwrap().unwrap();
        let stream = file.open().unwrap().unwrap();
        stream.read_exact_at(50_000, &mut [0; 4096]).unwrap();
        for i in [1, 700, 2999] {
            assert!(
                directory
                    .child(&format!("FILE {i:05}")[..].into())
                    .unwrap()
                    .is_some()
            );
        }
        assert_eq!(source.read_twice(), None);
        source.bytes_read()
    };
    let (small, large) = (cost(10), cost(3000));
    assert!(small < 128 << 10, "{small} bytes");
    assert!(large <= small + 4096, "{small} and {large} bytes");
}

#[test]
fn a_volume_that_ends_early_is_told_and_what_is_there_is_read() {
    let sound = write_volume(&small_layout(), &everything());
    for size in (0..sound.len() - 512)
        .step_by(1499)
        .chain([sound.len() - 513])
    {
        let Ok(volume) = NtfsVolume::open(sound[..size].to_vec()) else {
            continue;
        };
        let warnings = volume.take_warnings();
        let codes: Vec<_> = warnings
            .as_slice()
            .iter()
            .map(|warning| warning.code())
            .collect();
        assert!(codes.contains(&WarningCode::Truncated), "{size}: {codes:?}");
        explore(&volume);
    }
    // Without the backup's sector nothing is missing.
    open(sound[..sound.len() - 512].to_vec());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn damage_ends_in_bounds(
        damage in prop::collection::vec((any::<Index>(), any::<Index>(), any::<u8>(), any::<bool>()), 1..4),
    ) {
        let mut bytes = write_volume(&small_layout(), &everything());
        let structures = [places(&bytes, b"FILE"), places(&bytes, b"INDX")].concat();
        for (place, offset, value, is_in_structure) in damage {
            let at = match is_in_structure {
                true => structures[place.index(structures.len())] + offset.index(1024),
                false => place.index(bytes.len()),
            };
            bytes[at] = value;
        }
        let source = Rc::new(Counted::new(bytes));
        if let Ok(volume) = NtfsVolume::open(source.clone()) {
            let (count, _) = explore(&volume);
            prop_assert!(count < 100_000);
        }
        prop_assert!(source.bytes_read() < 64 << 20, "{} bytes", source.bytes_read());
    }
}

#[test]
fn update_sequences_cover_records() {
    // The writer itself: what it protects is what stands in the record.
    let mut record = vec![1; 1024];
    record[4..6].copy_from_slice(&0x30_u16.to_le_bytes());
    protect(&mut record, 0x0203);
    assert_eq!((record[510], record[511], record[0x32]), (3, 2, 1));
}
