//! How keys are found in the lists of their parents, whatever kind these are of, and what is said of lists that are not sound.

#[path = "support/hive_writer.rs"]
mod hive_writer;

use std::io::Cursor;

use dism_mount_status::WarningCode;
use dism_mount_status::registry::hive::Hive;
use hive_writer::{HiveWriter, Key, List, name_hash};

use WarningCode::{DuplicateSubkey, KeyUnreadable, SubkeysUnreadable, UnsoundSubkeyList};

type MemoryHive = Hive<Cursor<Vec<u8>>>;

/// A hive whose root has these subkeys, in a list of this kind.
fn with_subkeys(list: List, names: &[String]) -> Vec<u8> {
    let keys = names.iter().map(|name| Key::new(name.as_str()));
    let writer = HiveWriter {
        list,
        ..HiveWriter::default()
    };
    writer.write(&keys.fold(Key::new("root"), Key::key))
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("k{number:02}")).collect()
}

fn open(hive: &[u8]) -> MemoryHive {
    Hive::open(Cursor::new(hive.to_vec())).unwrap()
}

fn codes(hive: &MemoryHive) -> Vec<WarningCode> {
    let warnings = hive.warnings().as_slice().iter();
    warnings.map(|warning| warning.code()).collect()
}

/// Where the elements of the only list of such a hive begin, and how long each is.
fn elements(hive: &[u8], list: List, count: usize) -> (usize, usize) {
    let (signature, length) = match list {
        List::Lf => (b"lf", 8),
        List::Lh => (b"lh", 8),
        List::Li => (b"li", 4),
    };
    let head = [&signature[..], &(count as u16).to_le_bytes()].concat();
    let at = hive.windows(4).position(|bytes| bytes == head).unwrap();
    (at + 4, length)
}

/// Overwrites one element of the list with another one, hints and all, or exchanges them.
fn edit(hive: &mut [u8], (start, length): (usize, usize), from: usize, to: usize, exchange: bool) {
    let element = |index: usize| start + length * index..start + length * (index + 1);
    let (first, second) = (hive[element(from)].to_vec(), hive[element(to)].to_vec());
    hive[element(to)].copy_from_slice(&first);
    if exchange {
        hive[element(from)].copy_from_slice(&second);
    }
}

const KINDS: [List; 3] = [List::Lf, List::Lh, List::Li];

#[test]
fn every_key_of_a_sound_list_is_found_without_a_warning() {
    for list in KINDS {
        for count in [1, 15, 16, 17, 18, 40] {
            let mut names = numbered(count);
            names.extend(["ab", "Ünicode", "映像"].map(str::to_owned));
            let mut hive = open(&with_subkeys(list, &names));
            for name in &names {
                let found = hive.find(&[&name.to_uppercase()]).unwrap();
                assert_eq!(*found.unwrap().name(), name.as_str(), "{list:?}");
            }
            for other in ["", "a", "k", "k000", "k99", "zz", "ü"] {
                assert_eq!(hive.find(&[other]), Ok(None), "{list:?} {other}");
            }
            assert_eq!(codes(&hive), [], "{list:?} of {count}");
        }
    }
}

#[test]
fn a_list_out_of_order_is_compared_name_by_name() {
    for list in KINDS {
        // What the search for the first key comes to lies above what it has seen, for the last key below.
        for (from, to, sought) in [(5, 15, "k00"), (15, 5, "k19")] {
            let names = numbered(20);
            let mut bytes = with_subkeys(list, &names);
            let place = elements(&bytes, list, 20);
            edit(&mut bytes, place, from, to, true);
            let mut hive = open(&bytes);
            assert!(hive.find(&[sought]).unwrap().is_some(), "{list:?}");
            let hashes_tell = list == List::Lh;
            assert_eq!(codes(&hive).is_empty(), hashes_tell, "{list:?} {sought}");
            let absent = format!("{sought}x");
            let absent = if sought == "k00" { "a" } else { &absent };
            assert_eq!(hive.find(&[absent]), Ok(None), "{list:?}");
            assert_eq!(codes(&hive), [UnsoundSubkeyList], "{list:?} {sought}");
        }
    }
}

#[test]
fn a_list_that_names_a_key_twice_is_not_in_order() {
    // The search comes to the tenth key first, then to the fifth or the fifteenth.
    for (twin, sought) in [(5, "a"), (15, "z")] {
        let mut bytes = with_subkeys(List::Li, &numbered(20));
        let place = elements(&bytes, List::Li, 20);
        edit(&mut bytes, place, 10, twin, false);
        let mut hive = open(&bytes);
        assert_eq!(hive.find(&[sought]), Ok(None));
        assert_eq!(codes(&hive), [UnsoundSubkeyList], "{sought}");
    }
}

#[test]
fn hints_that_lie_make_a_list_unsound() {
    for list in [List::Lf, List::Lh] {
        let mut bytes = with_subkeys(list, &numbered(20));
        let (start, length) = elements(&bytes, list, 20);
        bytes[start + 10 * length + 4] ^= 3;
        let mut hive = open(&bytes);
        assert_eq!(hive.find(&["a"]), Ok(None));
        assert_eq!(codes(&hive), [UnsoundSubkeyList], "{list:?}");
    }
}

#[test]
fn keys_with_the_same_hash_are_told_apart_by_name() {
    let mut bytes = with_subkeys(List::Lh, &numbered(3));
    let (start, length) = elements(&bytes, List::Lh, 3);
    let hash = name_hash(&"OTHER".into()).to_le_bytes();
    bytes[start + length + 4..start + length + 8].copy_from_slice(&hash);
    let mut hive = open(&bytes);
    assert_eq!(hive.find(&["other"]), Ok(None));
    assert!(hive.find(&["k01"]).unwrap().is_some());
}

#[test]
fn a_key_that_cannot_be_read_may_be_the_one_that_is_sought_unless_its_hint_says_otherwise() {
    for (list, sought, may_be_it) in [
        (List::Li, "another", true),
        (List::Lf, "hereabouts", true),
        (List::Lf, "HERE", true),
        (List::Lf, "her", false),
        (List::Lf, "there", false),
        (List::Lh, "here", true),
        (List::Lh, "hereabouts", false),
    ] {
        let mut bytes = with_subkeys(list, &["here".to_owned()]);
        let name = bytes.windows(4).position(|bytes| bytes == b"here");
        bytes[name.unwrap() - 76] = b'x';
        let mut hive = open(&bytes);
        assert_eq!(
            hive.find(&[sought]).is_err(),
            may_be_it,
            "{list:?} {sought}"
        );
        if !may_be_it {
            assert_eq!(hive.find(&[sought]), Ok(None));
            assert_eq!(codes(&hive), [KeyUnreadable], "{list:?} {sought}");
        }
    }
}

#[test]
fn a_list_of_lists_that_names_one_twice_is_followed_once() {
    let writer = HiveWriter {
        leaf_len: 2,
        ..HiveWriter::default()
    };
    let keys = numbered(4);
    let keys = keys.iter().map(|name| Key::new(name.as_str()));
    let mut bytes = writer.write(&keys.fold(Key::new("root"), Key::key));
    let index = bytes
        .windows(4)
        .position(|bytes| bytes == b"ri\x02\0")
        .unwrap();
    bytes.copy_within(index + 4..index + 8, index + 8);
    let mut hive = open(&bytes);
    let root = hive.root().unwrap();
    assert_eq!(hive.subkeys(&root).unwrap().len(), 2);
    let codes = codes(&hive);
    assert!(codes.contains(&SubkeysUnreadable), "{codes:?}");
    assert!(!codes.contains(&DuplicateSubkey), "{codes:?}");
    assert!(hive.find(&["k00"]).unwrap().is_some());
    assert!(hive.find(&["k03"]).is_err(), "it may be in the lost list");
}

#[test]
fn a_list_that_claims_more_than_its_cell_holds_gives_what_is_there() {
    for list in KINDS {
        let mut bytes = with_subkeys(list, &numbered(3));
        let (start, length) = elements(&bytes, list, 3);
        let held = (i32::from_le_bytes(bytes[start - 8..start - 4].try_into().unwrap())
            .unsigned_abs() as usize
            - 8)
            / length;
        bytes[start - 2] = 200;
        let mut hive = open(&bytes);
        assert!(hive.find(&["k02"]).unwrap().is_some(), "{list:?}");
        let error = hive.find(&["k03"]).unwrap_err();
        assert_eq!(error.expected(), Some("a list of 200 elements"));
        assert_eq!(error.found(), Some(&*format!("room for {held}")));
        assert!(codes(&hive).contains(&SubkeysUnreadable), "{list:?}");
    }
}
