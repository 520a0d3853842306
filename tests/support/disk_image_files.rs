//! Opens disk images that are in memory, for tests.
#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::rc::Rc;

use dism_mount_status::capture::disk_image::Disk;
use dism_mount_status::capture::read_at::ReadAt;
use dism_mount_status::{Error, WarningCode, Warnings};
use proptest::prelude::*;

/// The files of an image, the first of which is opened.
pub fn open(files: &[(&str, Vec<u8>)]) -> Result<(Disk, Warnings), Error> {
    let neighbours: BTreeMap<OsString, Rc<dyn ReadAt>> = files
        .iter()
        .map(|(name, bytes)| ((*name).into(), Rc::new(bytes.clone()) as Rc<dyn ReadAt>))
        .collect();
    let first = neighbours[&OsString::from(files[0].0)].clone();
    Disk::open_among(first, files[0].0.as_ref(), Rc::new(neighbours))
}

/// Opens an image that is sound.
pub fn open_sound(files: &[(&str, Vec<u8>)]) -> Disk {
    let (disk, warnings) = open(files).unwrap();
    assert_eq!(warnings, Warnings::default());
    disk
}

/// The error of an image that cannot be opened.
pub fn refusal(files: &[(&str, Vec<u8>)]) -> Error {
    open(files).err().expect("it was opened")
}

/// All of a disk, by reads of an odd size.
pub fn contents(disk: &Disk) -> Vec<u8> {
    let mut bytes = vec![0xA5; disk.size() as usize];
    assert!(disk.stored_size() <= disk.size());
    let mut offset = 0;
    for part in bytes.chunks_mut(7_777) {
        disk.read_exact_at(offset, part).unwrap();
        offset += part.len() as u64;
    }
    assert!(disk.read_exact_at(disk.size(), &mut [0]).is_err());
    assert!(disk.read_exact_at(u64::MAX, &mut [0]).is_err());
    bytes
}

/// Reads everything of an image that may be damaged; what is wrong becomes an error or a warning.
pub fn try_all(files: &[(&str, Vec<u8>)]) {
    let Ok((disk, _)) = open(files) else { return };
    let mut buffer = [0; 4096];
    let size = disk.size();
    for offset in (0..size.min(1 << 20))
        .step_by(4096)
        .chain([size / 2, size.saturating_sub(4096)])
    {
        let length = (size - offset).min(4096) as usize;
        let _ = disk.read_exact_at(offset, &mut buffer[..length]);
    }
}

/// What an image that may be damaged gives: an error, a warning, an error of reading, or the bytes of the sound one.
pub fn is_noticed_or_the_same(files: &[(&str, Vec<u8>)], sound: &[u8]) -> bool {
    let Ok((disk, warnings)) = open(files) else {
        return true;
    };
    if warnings != Warnings::default() || disk.size() != sound.len() as u64 {
        return true;
    }
    let mut bytes = vec![0; sound.len()];
    disk.read_exact_at(0, &mut bytes).is_err() || bytes == sound
}

pub fn codes(warnings: &Warnings) -> Vec<WarningCode> {
    warnings.as_slice().iter().map(|one| one.code()).collect()
}

/// A disk of sectors, some of which are zeros.
pub fn disks(sectors: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![2 => Just(0), 1 => any::<u8>()], 1..sectors).prop_map(
        |sectors| {
            let bytes = (0..512).map(|index: usize| index.to_le_bytes()[0]);
            let sector = |byte: u8| {
                bytes
                    .clone()
                    .map(move |index| if byte == 0 { 0 } else { index ^ byte })
            };
            sectors.into_iter().flat_map(sector).collect()
        },
    )
}
