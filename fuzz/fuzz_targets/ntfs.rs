//! A small NTFS volume with any of its bytes replaced: all that is on it is read, without a panic and within bounds.
//!
//! The first byte of an input chooses the volume. Then follow patches: three bytes of place, one of length, and as many
//! bytes as its lower five bits say. Where its highest bit is set, the place is a structure's number and an offset in it.

#![no_main]

#[path = "../../tests/support/ntfs/mod.rs"]
#[allow(dead_code, unused_imports)]
mod ntfs;

use std::cell::Cell;
use std::collections::HashSet;
use std::io;
use std::rc::Rc;
use std::sync::LazyLock;

use dism_mount_status::capture::disk_image::ntfs::{MountTrace, NtfsFile, NtfsVolume};
use dism_mount_status::capture::read_at::ReadAt;
use libfuzzer_sys::fuzz_target;
use ntfs::{Layout, everything, small_layout, write_volume};

/// The most that is read of a stream, in bytes.
const LIMIT: u64 = 1 << 20;
/// How many files are looked at.
const MOST_FILES: usize = 100;
/// How many files are left in each directory.
const FILES_IN_DIRECTORY: usize = 10;

struct Base {
    bytes: Vec<u8>,
    /// Where records and blocks of indexes stand.
    structures: Vec<usize>,
}

static BASES: LazyLock<Vec<Base>> = LazyLock::new(|| {
    let usual = Layout {
        stored_upcase: 1 << 11,
        ..Layout::default()
    };
    let large_sectors = Layout {
        sector_size: 4096,
        cluster_size: 4096,
        record_size: 4096,
        ..usual.clone()
    };
    [small_layout(), usual, large_sectors]
        .map(|layout| {
            let mut files = everything();
            for children in files.iter_mut().filter_map(|file| file.children.as_mut()) {
                children.truncate(FILES_IN_DIRECTORY);
            }
            let bytes = write_volume(&layout, &files);
            let (sectors, _) = bytes.as_chunks::<512>();
            let starts = sectors.iter().enumerate().filter(|(_, sector)| {
                [b"FILE", b"INDX", b"RSTR"]
                    .iter()
                    .any(|signature| sector.starts_with(*signature))
            });
            let structures = starts.map(|(number, _)| number * 512).collect();
            Base { bytes, structures }
        })
        .into()
});

struct Patched {
    bytes: Vec<u8>,
    bytes_read: Cell<u64>,
}

impl ReadAt for Patched {
    fn size(&self) -> u64 {
        self.bytes.size()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.bytes_read
            .set(self.bytes_read.get() + buffer.len() as u64);
        self.bytes.read_exact_at(offset, buffer)
    }
}

fn patched(mut input: &[u8]) -> Patched {
    let (first, rest) = input.split_first().unwrap_or((&0, &[]));
    input = rest;
    let base = &BASES[usize::from(*first) % BASES.len()];
    let mut bytes = base.bytes.clone();
    while let Some((&[a, b, c, length], rest)) = input.split_first_chunk() {
        let place = match length & 0x80 {
            0 => usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16,
            _ => {
                let structure = usize::from(c) % base.structures.len();
                base.structures[structure] + usize::from(a) + 256 * usize::from(b % 4)
            }
        };
        let (patch, rest) = rest.split_at(rest.len().min(usize::from(length & 0x1F)));
        for (place, &byte) in (place..).zip(patch) {
            let length = bytes.len();
            bytes[place % length] = byte;
        }
        input = rest;
    }
    Patched {
        bytes,
        bytes_read: Cell::new(0),
    }
}

fn look_at(file: &NtfsFile) {
    let _ = (file.standard_information(), file.names(), file.dos_name());
    let _ = (file.path(), file.reparse_point(), file.reparse_tag());
    for stream in file.streams().unwrap_or_default() {
        if let Ok(Some(data)) = file.open_stream(&stream.name) {
            let _ = data.volume_position(stream.size / 2);
            let whole = data.read_whole(LIMIT);
            if let Ok(whole) = whole {
                assert_eq!(whole.len() as u64, data.size());
            } else if data.size() > 0 {
                let _ = data.read_exact_at(data.size() - 1, &mut [0]);
            }
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let source = Rc::new(patched(input));
    let Ok(volume) = NtfsVolume::open(source.clone()) else {
        return;
    };
    let mut pending: Vec<_> = volume.root().into_iter().collect();
    let mut listed = HashSet::new();
    let mut count = 0;
    while let Some(file) = pending.pop().filter(|_| count < MOST_FILES) {
        count += 1;
        look_at(&file);
        if !file.is_directory() || !listed.insert(file.reference()) {
            continue;
        }
        for entry in file
            .entries()
            .into_iter()
            .flatten()
            .take(MOST_FILES)
            .flatten()
        {
            let _ = file.entry(&entry.file_name.name);
            pending.extend(volume.file(entry.file));
        }
    }
    volume.search_mounts(|trace| {
        if let Some(MountTrace::Directory(file) | MountTrace::File(file)) = trace {
            let _ = file.path();
        }
    });
    let _ = volume.take_warnings();
    assert!(
        source.bytes_read.get() < 1 << 30,
        "{} bytes",
        source.bytes_read.get()
    );
});
