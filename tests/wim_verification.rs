//! Verifying WIM files: by their integrity table, and by the SHA-1 of all data.
#![cfg(feature = "captured-wim")]

#[path = "support/wim_compressor.rs"]
#[allow(dead_code, reason = "used through the writer")]
mod wim_compressor;
#[path = "support/wim_file.rs"]
#[allow(dead_code, reason = "only headers are written")]
mod wim_file;
#[path = "support/wim_lzms.rs"]
#[allow(dead_code, reason = "used through the writer")]
mod wim_lzms;
#[path = "support/wim_writer.rs"]
#[allow(dead_code, reason = "images of empty directories only")]
mod wim_writer;

use std::cell::Cell;
use std::io::Cursor;
use std::ops::ControlFlow::{Break, Continue};

use dism_mount_status::wim::{
    CapturedWim, Compression, DamagedChunk, DataVerification, Integrity, IntegrityTable,
    ResourceHeader, VerificationProgress, WimFlags, WimHeader,
};
use dism_mount_status::{Error, WarningCode};
use proptest::prelude::*;
use sha1::{Digest, Sha1};
use wim_file::write_header;
use wim_writer::{File, Storage, WimWriter, write_metadata};

const LZX: Storage = Storage::new(Compression::Lzx, 0x8000);
const LZMS: Storage = Storage::new(Compression::Lzms, 0x8000);
const HEADER_SIZE: usize = WimHeader::SIZE;

fn data(size: usize) -> Vec<u8> {
    let noise = |i: usize| (i.wrapping_mul(0x9E37_79B1) >> 13) as u8;
    (0..size)
        .map(|i| if i % 300 < 40 { noise(i) } else { b'x' })
        .collect()
}

/// A WIM with data in solid resources and others, and one image.
fn wim() -> Vec<u8> {
    let mut writer = WimWriter::new(LZX);
    writer.add_data(&data(70_000));
    writer.add_data(b"alone");
    writer.add_solid(LZMS, &[&[b"first", &data(5000)], &[b"last"]]);
    writer.add_image(&write_metadata(&File::directory("", Vec::new())));
    writer.finish()
}

/// Appends an integrity table, and tells it in the header.
fn with_table(mut bytes: Vec<u8>, chunk_size: u32) -> Vec<u8> {
    let mut header = WimHeader::parse(&bytes).unwrap();
    let end = (header.lookup_table.offset + header.lookup_table.size) as usize;
    let hashes: Vec<[u8; 20]> = bytes[HEADER_SIZE..end]
        .chunks(chunk_size as usize)
        .map(|chunk| Sha1::digest(chunk).into())
        .collect();
    let size = 12 + 20 * hashes.len() as u32;
    header.integrity_table = ResourceHeader {
        size: size.into(),
        flags: 0,
        offset: bytes.len() as u64,
        original_size: size.into(),
    };
    for number in [size, hashes.len() as u32, chunk_size] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(hashes.concat());
    bytes[..HEADER_SIZE].copy_from_slice(&write_header(&header));
    bytes
}

fn open(bytes: &[u8]) -> CapturedWim<Cursor<&[u8]>> {
    CapturedWim::open(Cursor::new(bytes)).unwrap().0
}

fn verify(bytes: &[u8]) -> Result<Integrity, Error> {
    let mut parts = open(bytes).verify(|_| Continue(())).unwrap();
    assert_eq!(parts.len(), 1);
    parts.remove(0).integrity
}

fn damaged_chunks(bytes: &[u8]) -> Vec<DamagedChunk> {
    match verify(bytes).unwrap() {
        Integrity::Verified { damaged, .. } => damaged,
        Integrity::NoTable => panic!("no table"),
    }
}

fn verify_data(bytes: &[u8]) -> DataVerification {
    open(bytes).verify_data(|_| Continue(())).unwrap().remove(0)
}

#[test]
fn a_sound_file_has_no_damaged_chunks() {
    for chunk_size in [1, 20, 1000, 1 << 20, u32::MAX] {
        let bytes = with_table(wim(), chunk_size);
        let table_start = WimHeader::parse(&bytes).unwrap().integrity_table.offset;
        let expected = Integrity::Verified {
            covered: HEADER_SIZE as u64..table_start,
            chunk_count: (table_start - HEADER_SIZE as u64).div_ceil(chunk_size.into()),
            damaged: Vec::new(),
        };
        assert_eq!(verify(&bytes).unwrap(), expected);
    }
}

#[test]
fn without_a_table_nothing_is_verified() {
    assert_eq!(verify(&wim()).unwrap(), Integrity::NoTable);
}

#[test]
fn damaged_chunks_are_told_with_their_place() {
    let mut bytes = with_table(wim(), 100);
    let sound = bytes.clone();
    for place in [HEADER_SIZE, HEADER_SIZE + 299, HEADER_SIZE + 300] {
        bytes[place] ^= 1;
    }
    let damaged = damaged_chunks(&bytes);
    let numbers: Vec<_> = damaged.iter().map(|chunk| chunk.number).collect();
    assert_eq!(numbers, [0, 2, 3]);
    for chunk in damaged {
        let start = HEADER_SIZE as u64 + 100 * chunk.number;
        assert_eq!(chunk.range, start..start + 100);
        let range = start as usize..start as usize + 100;
        assert_eq!(chunk.expected, *Sha1::digest(&sound[range.clone()]));
        assert_eq!(chunk.found, *Sha1::digest(&bytes[range]));
    }
}

#[test]
fn a_table_that_cannot_be_is_an_error_at_its_place() {
    let sound = with_table(wim(), 1000);
    let header = WimHeader::parse(&sound).unwrap();
    let base = header.integrity_table.offset as usize;
    let count = u32::from_le_bytes(sound[base + 4..base + 8].try_into().unwrap());
    // Field, its value, where and what the error is about.
    let wrong = [
        (0, 11, 0, "an integrity table of"),
        (0, u32::MAX, 0, "an integrity table of"),
        (4, count + 1, 0, "an integrity table of"),
        (4, u32::MAX, 0, "an integrity table of"),
        (8, 0, 8, "a chunk size of at least 1"),
        (8, 1, 4, "chunks of 1 bytes"),
        (8, 1 << 20, 4, "1 chunks of 1048576 bytes"),
    ];
    for (field, value, place, expected) in wrong {
        let mut bytes = sound.clone();
        bytes[base + field..][..4].copy_from_slice(&u32::to_le_bytes(value));
        let error = verify(&bytes).unwrap_err();
        assert!(error.expected().unwrap().contains(expected), "{error}");
        assert_eq!(error.position().unwrap().byte(), (base + place) as u64);
    }
    // One that is too large, one that lies behind the file's end, and one of nearly nothing.
    for (size, offset) in [(1 << 40, base), (100, sound.len()), (11, base)] {
        let mut header = header.clone();
        header.integrity_table = ResourceHeader {
            size,
            flags: 0,
            offset: offset as u64,
            original_size: size,
        };
        let mut bytes = sound.clone();
        bytes[..HEADER_SIZE].copy_from_slice(&write_header(&header));
        let error = verify(&bytes).unwrap_err();
        assert!(
            error.position().unwrap().byte() <= bytes.len() as u64,
            "{error}"
        );
    }
    // A lookup table that the header cannot be followed by.
    let mut header = header;
    header.lookup_table.offset = 0;
    header.lookup_table.size = 50;
    let error = IntegrityTable::parse(&sound[base..], 7, &header).unwrap_err();
    assert_eq!(error.expected(), Some("a lookup table behind the header"));
    header.lookup_table.offset = u64::MAX;
    assert!(IntegrityTable::parse(&sound[base..], 7, &header).is_err());
}

#[test]
fn each_part_of_a_split_wim_has_its_own_table() {
    let part = |number| {
        let mut writer = WimWriter::new(LZX);
        writer.header.flags |= WimFlags::SPANNED;
        writer.header.part_number = number;
        writer.header.total_parts = 2;
        writer.add_data(&data(100 * usize::from(number)));
        writer.finish()
    };
    let (first, mut second) = (with_table(part(1), 64), with_table(part(2), 64));
    second[HEADER_SIZE + 64] ^= 1;
    let mut wim = CapturedWim::open(Cursor::new(&first[..])).unwrap().0;
    wim.add_part(Cursor::new(&second)).unwrap();
    let parts = wim.verify(|_| Continue(())).unwrap();
    let damaged = parts.iter().map(|part| match &part.integrity {
        Ok(Integrity::Verified { damaged, .. }) => {
            damaged.iter().map(|chunk| chunk.number).collect()
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(damaged.collect::<Vec<Vec<_>>>(), [vec![], vec![1]]);
    assert_eq!(parts[1].part_number, 2);
    let data = wim.verify_data(|_| Continue(())).unwrap();
    let found = data
        .iter()
        .map(|part| (part.part_number, part.count, part.damaged_count));
    assert_eq!(found.collect::<Vec<_>>(), [(1, 1, 0), (2, 1, 1)]);
}

/// The state at the start, and whether it grew to its end.
fn check_progress(states: &[VerificationProgress]) {
    let (first, last) = (states[0], states[states.len() - 1]);
    assert_eq!(first.verified, 0);
    assert_eq!(last.verified, last.total);
    assert!(states.is_sorted_by_key(|state| state.verified));
    assert!(states.iter().all(|state| state.total == first.total));
}

#[test]
fn progress_comes_to_its_end() {
    let mut bytes = with_table(wim(), 1000);
    let mut states = Vec::new();
    open(&bytes).verify(|state| {
        states.push(state);
        Continue(())
    });
    check_progress(&states);
    let covered = WimHeader::parse(&bytes).unwrap().integrity_table.offset - HEADER_SIZE as u64;
    assert_eq!(states[0].total, covered);
    // Also where data cannot be read.
    for damage in [0, 0xFF] {
        bytes[HEADER_SIZE..HEADER_SIZE + 40].fill(damage);
        let mut states = Vec::new();
        open(&bytes).verify_data(|state| {
            states.push(state);
            Continue(())
        });
        check_progress(&states);
        assert!(states[0].total > 75_000);
    }
}

#[test]
fn who_is_told_of_the_progress_can_break_off() {
    let bytes = with_table(wim(), 1000);
    for steps in 1..5 {
        let steps_left = Cell::new(steps);
        let progress = |_| {
            steps_left.set(steps_left.get() - 1);
            match steps_left.get() {
                0 => Break(()),
                _ => Continue(()),
            }
        };
        assert_eq!(open(&bytes).verify(progress), None);
        steps_left.set(steps);
        assert_eq!(open(&bytes).verify_data(progress), None);
    }
}

#[test]
fn all_data_are_held_against_their_hashes() {
    let sound = verify_data(&wim());
    assert_eq!((sound.count, sound.damaged_count), (6, 0));
    assert!(sound.warnings.as_slice().is_empty());
    // Data whose hash another one is, in a place of their own.
    let mut writer = WimWriter::new(LZX);
    writer.add_data(b"right");
    let mut resource = writer.add_data(b"wrong").0;
    resource.size = 4;
    resource.original_size = 4;
    writer.add_entry(resource, [7; 20]);
    let overlapping = verify_data(&writer.finish());
    assert_eq!(overlapping.count, 3);
    assert_eq!(overlapping.damaged_count, 2);
    for warning in overlapping.warnings.as_slice() {
        assert_eq!(warning.code(), WarningCode::ResourceDamaged);
        assert_eq!(warning.position().unwrap().byte(), resource.offset);
    }
}

#[test]
fn what_cannot_be_decompressed_is_damaged_and_the_rest_is_verified() {
    let mut bytes = wim();
    // The chunk table of the first resource.
    bytes[HEADER_SIZE..HEADER_SIZE + 4].fill(0xFF);
    let found = verify_data(&bytes);
    assert_eq!((found.count, found.damaged_count), (6, 1));
    let warning = &found.warnings.as_slice()[0];
    assert_eq!(warning.code(), WarningCode::ResourceDamaged);
    assert!(warning.position().is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_flipped_byte_is_a_damaged_chunk(
        place: prop::sample::Index,
        flip in 1..=255_u8,
        chunk_size in 1..5000_u32,
    ) {
        let mut bytes = with_table(wim(), chunk_size);
        let header = WimHeader::parse(&bytes).unwrap();
        // Behind the lookup table the table itself follows.
        let place = HEADER_SIZE + place.index(bytes.len() - HEADER_SIZE);
        bytes[place] ^= flip;
        let is_found = match verify(&bytes) {
            Err(error) => place as u64 >= header.integrity_table.offset && error.position().is_some(),
            Ok(Integrity::Verified { damaged, .. }) => match damaged.as_slice() {
                [chunk] => {
                    let is_in_table = place as u64 >= header.integrity_table.offset;
                    is_in_table || chunk.range.contains(&(place as u64))
                }
                _ => false,
            },
            Ok(Integrity::NoTable) => false,
        };
        prop_assert!(is_found, "byte {place}");
    }

    #[test]
    fn damaged_tables_and_data_end_without_a_panic(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: prop::sample::Index,
    ) {
        let mut bytes = with_table(wim(), 1000);
        for (place, value) in places {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        for bytes in [&bytes[..cut.index(bytes.len())], &bytes] {
            if let Ok((wim, _)) = CapturedWim::open(Cursor::new(bytes)) {
                wim.verify(|_| Continue(())).unwrap();
                wim.verify_data(|_| Continue(())).unwrap();
            }
        }
    }
}
