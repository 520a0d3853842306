//! What is said of hives that are damaged or odd: which warning or error, and where it stands.

#[path = "support/hive_writer.rs"]
mod hive_writer;

use std::io::Cursor;

use dism_mount_status::registry::hive::{Hive, KeyNode, START, is_hive};
use dism_mount_status::{Error, WarningCode};
use hive_writer::{HiveWriter, Key, REG_BINARY, seal};

use WarningCode::{
    BaseBlockDamaged, CountMismatch, DuplicateSubkey, NewestChangesMissing, SubkeysUnreadable,
    TrailingBytes, Truncated, ValueUnreadable,
};

type MemoryHive = Hive<Cursor<Vec<u8>>>;

fn open(hive: &[u8]) -> Result<MemoryHive, Error> {
    Hive::open(Cursor::new(hive.to_vec()))
}

fn root(hive: &mut MemoryHive) -> KeyNode {
    hive.root().unwrap()
}

/// Codes and places of all warnings.
fn warnings(hive: &MemoryHive) -> Vec<(WarningCode, u64)> {
    let warnings = hive.warnings().as_slice().iter();
    let places = warnings.map(|warning| {
        let byte = warning.position().map_or(0, |position| position.byte());
        (warning.code(), byte)
    });
    places.collect()
}

/// A number at an offset of the file.
fn number(hive: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(hive[at..at + 4].try_into().unwrap())
}

fn put(hive: &mut [u8], at: usize, number: u32) {
    hive[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

/// Where the data of the cell begin that an offset field of the file names.
fn cell_at(hive: &[u8], field: usize) -> usize {
    4096 + number(hive, field) as usize + 4
}

/// The field of the base block that names the root key, and those of a key that name its lists.
const ROOT: usize = 36;
const SUBKEY_COUNT: usize = 20;
const SUBKEY_LIST: usize = 28;
const VALUE_COUNT: usize = 36;
const VALUE_LIST: usize = 40;

fn small() -> Vec<u8> {
    HiveWriter::default().write(&Key::new("root").key(Key::new("sub").dword("v", 7)))
}

#[test]
fn hives_are_known_by_their_base_block_or_their_first_bin() {
    assert_eq!(START, 4100);
    let mut hive = small();
    assert!(is_hive(&hive[..4]));
    hive[..512].fill(0);
    assert!(is_hive(&hive[..START]));
    assert!(!is_hive(&hive[..START - 1]));
    assert!(!is_hive(b""));
    assert!(!is_hive(&[0; 5000]));
}

#[test]
fn a_hive_shows_what_was_done_to_it_and_a_key_how_many_it_says_it_has() {
    let mut hive = open(&small()).unwrap();
    assert!(format!("{hive:?}").contains("recovery: Recovery"));
    let root = hive.root().unwrap();
    let subkey = hive.find(&["sub"]).unwrap().unwrap();
    assert_eq!((root.subkey_count(), subkey.subkey_count()), (1, 0));
    let two = Key::new("root").key(Key::new("a")).key(Key::new("b"));
    let mut hive = open(&HiveWriter::default().write(&two)).unwrap();
    assert_eq!(hive.root().unwrap().subkey_count(), 2);
}

#[test]
fn a_file_shorter_than_a_base_block_is_no_hive() {
    let error = open(&small()[..511]).err().unwrap();
    assert_eq!(error.found(), Some("a file of 511 bytes"));
    let error = open(&[0; 512]).err().unwrap();
    assert_eq!(error.expected(), Some("signature regf"));
    assert_eq!(
        warnings(&open(&small()[..512]).unwrap()),
        [(Truncated, 40)],
        "the base block alone is a hive that was cut off"
    );
}

#[test]
fn an_odd_base_block_is_warned_of_where_it_is_odd() {
    let with = |at: usize, number: u32| {
        let mut hive = small();
        put(&mut hive, at, number);
        seal(&mut hive);
        hive
    };
    for (what, hive, places) in [
        ("version 1.3", with(24, 3), &[][..]),
        ("version 1.6", with(24, 6), &[]),
        ("version 1.2", with(24, 2), &[(BaseBlockDamaged, 20)]),
        ("version 1.7", with(24, 7), &[(BaseBlockDamaged, 20)]),
        ("version 2.5", with(20, 2), &[(BaseBlockDamaged, 20)]),
        ("type 3", with(28, 3), &[(BaseBlockDamaged, 28)]),
        ("format 2", with(32, 2), &[(BaseBlockDamaged, 28)]),
        ("a longer length", with(40, 0x2000), &[(Truncated, 40)]),
        (
            "half a page more",
            [small(), vec![0; 100]].concat(),
            &[(TrailingBytes, 8192)],
        ),
        ("a page more", [small(), vec![0; 4096]].concat(), &[]),
    ] {
        let mut hive = open(&hive).unwrap();
        assert_eq!(warnings(&hive), places, "{what}");
        assert!(hive.find(&["sub"]).unwrap().is_some(), "{what}");
        let found = hive.warnings().clone();
        assert_eq!(hive.into_warnings(), found);
    }
    let mut hive = small();
    hive[508] ^= 1;
    assert_eq!(
        warnings(&open(&hive).unwrap()),
        [(NewestChangesMissing, 0), (BaseBlockDamaged, 508)]
    );
    for log in [1, 2, 6] {
        assert!(
            open(&with(28, log)).err().unwrap().is_unsupported(),
            "{log}"
        );
    }
}

#[test]
fn a_cell_named_by_many_values_is_read_as_often_as_a_sound_hive_could_need() {
    let mut key = Key::new("root").value("large", REG_BINARY, &[7; 16_096]);
    for index in 0..199 {
        key = key.dword(&format!("v{index}"), index);
    }
    let mut hive = HiveWriter::default().write(&key);
    let list = cell_at(&hive, cell_at(&hive, ROOT) + VALUE_LIST);
    let large = number(&hive, list);
    for value in 0..200 {
        put(&mut hive, list + 4 * value, large);
    }
    let mut hive = open(&hive).unwrap();
    let root = root(&mut hive);
    let values = hive.values(&root).unwrap();
    let whole = values.iter().filter(|value| value.data.is_ok()).count();
    // A mebibyte, of which the list takes 800 bytes and each value 24 besides its data.
    assert_eq!(whole, (1024 * 1024 - 800) / (16_096 + 24));
    let refused = values.into_iter().find_map(|value| value.data.err());
    assert_eq!(
        refused.unwrap().expected(),
        Some("no more than 1048576 bytes of lists and data in all")
    );
    assert_eq!(warnings(&hive).len(), 1, "one loss is told once");
}

#[test]
fn a_list_named_by_many_keys_is_walked_as_often_as_a_sound_hive_could_need() {
    let mut key = Key::new("root");
    for index in 0..200 {
        key = key.key(Key::new(format!("key{index}").as_str()));
    }
    let mut hive = HiveWriter::default().write(&key);
    let top = cell_at(&hive, ROOT);
    let shared = number(&hive, top + SUBKEY_LIST);
    let list = cell_at(&hive, top + SUBKEY_LIST);
    for element in 0..200 {
        let node = cell_at(&hive, list + 4 + 8 * element);
        put(&mut hive, node + SUBKEY_COUNT, 200);
        put(&mut hive, node + SUBKEY_LIST, shared);
    }
    let mut hive = open(&hive).unwrap();
    assert_eq!(hive.walk().unwrap().count(), 201);
    let codes: Vec<_> = warnings(&hive).into_iter().map(|(code, _)| code).collect();
    let refused = codes.iter().filter(|code| **code == SubkeysUnreadable);
    assert_eq!(
        refused.count(),
        200 - (1024 * 1024 / (200 * 80 + 4) - 1),
        "the lists that were not followed"
    );
    assert!(codes.contains(&DuplicateSubkey));
}

#[test]
fn of_a_name_that_reaches_beyond_the_hive_what_is_there_is_read() {
    let mut hive = small();
    let offset = number(&hive, ROOT) as usize;
    let node = cell_at(&hive, ROOT);
    put(&mut hive, node - 4, (-0x2_0000_i32).cast_unsigned());
    hive[node + 72..node + 74].fill(0xFF);
    let held = hive.len() - node - 76;
    let mut hive = open(&hive).unwrap();
    assert_eq!(root(&mut hive).name().as_units().len(), held);
    assert_eq!(warnings(&hive), [(Truncated, 4096 + offset as u64)]);
}

#[test]
fn counts_beyond_their_lists_are_warned_of() {
    let mut values = HiveWriter::default().write(&Key::new("root").dword("v", 7));
    let node = cell_at(&values, ROOT);
    put(&mut values, node + VALUE_COUNT, 100);
    let list = number(&values, node + VALUE_LIST);
    let mut hive = open(&values).unwrap();
    let key = root(&mut hive);
    assert_eq!(hive.values(&key).unwrap()[0].data, Ok(vec![7, 0, 0, 0]));
    assert!(hive.value(&key, &"v".into()).unwrap().is_some());
    assert!(
        hive.value(&key, &"w".into()).is_err(),
        "it may stand in what is missing"
    );
    assert_eq!(
        warnings(&hive)[0],
        (CountMismatch, 4096 + u64::from(list)),
        "{:?}",
        hive.warnings()
    );

    let mut subkeys = small();
    let node = cell_at(&subkeys, ROOT);
    put(&mut subkeys, node + SUBKEY_COUNT, 2);
    let list = number(&subkeys, node + SUBKEY_LIST);
    let mut hive = open(&subkeys).unwrap();
    let key = root(&mut hive);
    assert_eq!(hive.subkeys(&key).unwrap().len(), 1);
    assert_eq!(warnings(&hive), [(CountMismatch, 4096 + u64::from(list))]);
}

#[test]
fn a_list_of_more_values_than_a_hive_can_hold_is_cut_short() {
    let tree = Key::new("root")
        .dword("v", 7)
        .value("list", REG_BINARY, &[0; 3_600]);
    let mut hive = HiveWriter::default().write(&tree);
    let node = cell_at(&hive, ROOT);
    let values = cell_at(&hive, node + VALUE_LIST);
    let (first, second) = (number(&hive, values), cell_at(&hive, values + 4));
    let list = number(&hive, second + 8);
    let elements = cell_at(&hive, second + 8);
    for element in 0..900 {
        put(&mut hive, elements + 4 * element, first);
    }
    put(&mut hive, node + VALUE_COUNT, 900);
    put(&mut hive, node + VALUE_LIST, list);
    let stored = hive.len() - 4096;
    let mut hive = open(&hive).unwrap();
    let key = root(&mut hive);
    assert_eq!(hive.values(&key).unwrap().len(), stored / 24);
    assert_eq!(warnings(&hive), [(CountMismatch, 4096 + u64::from(list))]);
}

#[test]
fn data_that_a_value_cannot_have_are_an_error_of_that_value_alone() {
    let tree = Key::new("root")
        .dword("inline", 7)
        .value("apart", REG_BINARY, &[7; 100])
        .dword("sound", 9);
    let sound = HiveWriter::default().write(&tree);
    let list = cell_at(&sound, cell_at(&sound, ROOT) + VALUE_LIST);
    let value = |index: usize| cell_at(&sound, list + 4 * index);
    const DATA_LEN: usize = 4;
    for (what, index, len, expected) in [
        (
            "inline",
            0,
            0x8000_0005,
            "at most 4 bytes of data in the value itself",
        ),
        (
            "too long",
            1,
            (16 << 20) + 1,
            "at most 16777216 bytes of data",
        ),
        ("as long as is read", 1, 16 << 20, "16777216 bytes of data"),
        ("beyond its cell", 1, 105, "105 bytes of data"),
    ] {
        let mut hive = sound.clone();
        put(&mut hive, value(index) + DATA_LEN, len);
        let mut hive = open(&hive).unwrap();
        let key = root(&mut hive);
        let values = hive.values(&key).unwrap();
        let error = values[index].data.as_ref().unwrap_err();
        assert_eq!(error.expected(), Some(expected), "{what}");
        assert_eq!(values[2].data, Ok(vec![9, 0, 0, 0]), "{what}");
        assert_eq!(warnings(&hive).len(), 1, "{what}");
        assert_eq!(warnings(&hive)[0].0, ValueUnreadable, "{what}");
    }
    for (len, data) in [(0x8000_0004, 4), (0x8000_0000, 0), (0, 0)] {
        let mut hive = sound.clone();
        put(&mut hive, value(0) + DATA_LEN, len);
        let mut hive = open(&hive).unwrap();
        let key = root(&mut hive);
        let values = hive.values(&key).unwrap();
        assert_eq!(values[0].data.as_ref().unwrap().len(), data);
    }
}

#[test]
fn data_that_only_look_like_big_data_are_read_as_they_are() {
    for (minor_version, length) in [(5, 100), (5, 16_344), (3, 17_000)] {
        let data = [&b"db"[..], &vec![7; length - 2]].concat();
        let writer = HiveWriter {
            minor_version,
            ..HiveWriter::default()
        };
        let hive = writer.write(&Key::new("root").value("v", REG_BINARY, &data));
        let mut hive = open(&hive).unwrap();
        let key = root(&mut hive);
        let value = hive.value(&key, &"v".into()).unwrap().unwrap();
        assert_eq!(value.data, Ok(data), "{length} bytes");
        assert_eq!(warnings(&hive), []);
    }
}

#[test]
fn big_data_need_a_segment_for_each_part_of_them() {
    let write = |length: usize| {
        let key = Key::new("root").value("v", REG_BINARY, &vec![7; length]);
        HiveWriter::default().write(&key)
    };
    let read = |hive: &[u8]| {
        let mut hive = open(hive).unwrap();
        let key = root(&mut hive);
        hive.value(&key, &"v".into()).unwrap().unwrap().data
    };
    for length in [16_345, 2 * 16_344, 2 * 16_344 + 1] {
        assert_eq!(read(&write(length)), Ok(vec![7; length]));
    }
    let mut hive = write(40_000);
    let header = hive
        .windows(4)
        .position(|bytes| bytes == b"db\x03\0")
        .unwrap();
    hive[header + 2] = 2;
    let error = read(&hive).unwrap_err();
    assert_eq!(error.expected(), Some("segments for 40000 bytes of data"));
    assert_eq!(error.position().unwrap().byte(), header as u64 - 4);
    hive[header + 2] = 3;
    let list = cell_at(&hive, header + 4);
    let last = cell_at(&hive, list + 8) - 4;
    put(&mut hive, last, (-16_i32).cast_unsigned());
    let error = read(&hive).unwrap_err();
    assert_eq!(error.expected(), Some("7312 bytes of data"));
    assert_eq!(error.position().unwrap().byte(), last as u64);
}
