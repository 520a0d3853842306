//! An E01 of two segments of any bytes, with the right checksums as far as its sections reach: what can be read of it is
//! read, without a panic.

#![no_main]

mod disk_image;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::rc::Rc;

use disk_image::read;
use dism_mount_status::capture::read_at::ReadAt;
use libfuzzer_sys::fuzz_target;

fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1, 0), |(low, high), &byte| {
        let low = (low + u32::from(byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

/// Puts the checksum of `length` bytes behind them.
fn seal(file: &mut [u8], at: usize, length: usize) {
    let end = at.saturating_add(length);
    if let Some(bytes) = file.get(at..end) {
        let checksum = adler32(bytes).to_le_bytes();
        if let Some(place) = file.get_mut(end..end + 4) {
            place.copy_from_slice(&checksum);
        }
    }
}

fn seal_all(file: &mut [u8]) {
    let mut at = 13;
    for _ in 0..64 {
        let Some(section) = file.get(at..at + 76) else {
            return;
        };
        let (kind, next) = (section[..5].to_vec(), section[16..20].to_vec());
        seal(file, at, 72);
        let data = at + 76;
        match &kind[..] {
            b"volum" | b"disk\0" => seal(file, data, 1048),
            b"table" => {
                seal(file, data, 20);
                let entries = file.get(data..data + 2).map_or(0, |count| {
                    usize::from(u16::from_le_bytes([count[0], count[1]]))
                });
                seal(file, data + 24, 4 * entries);
            }
            _ => {}
        }
        let next = u32::from_le_bytes([next[0], next[1], next[2], next[3]]) as usize;
        if next < data {
            return;
        }
        at = next;
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&[low, high], bytes)) = bytes.split_first_chunk() else {
        return;
    };
    let length = usize::from(u16::from_le_bytes([low, high])).min(bytes.len());
    let (first, second) = bytes.split_at(length);
    let mut files: BTreeMap<OsString, Rc<dyn ReadAt>> = BTreeMap::new();
    for (name, segment) in [("a.E01", first), ("a.E02", second)] {
        let mut segment = segment.to_vec();
        seal_all(&mut segment);
        files.insert(name.into(), Rc::new(segment));
    }
    let first = files[&OsString::from("a.E01")].clone();
    read(first, "a.E01", Rc::new(files));
});
