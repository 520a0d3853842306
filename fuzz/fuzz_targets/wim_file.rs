//! Any bytes as a WIM file with images: what opens is walked, read and verified, without a panic or much memory.

#![no_main]

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::ops::ControlFlow;

use dism_mount_status::Warnings;
use dism_mount_status::wim::{CapturedWim, Integrity, StreamEntry};
use libfuzzer_sys::fuzz_target;

/// More of what is decompressed is not read: a few bytes can be chunks of many megabytes.
const MAX_SIZE: u64 = 1 << 18;
const MAX_ENTRIES: usize = 64;

type Source<'a> = Cursor<&'a [u8]>;

fuzz_target!(|bytes: &[u8]| {
    let Ok((wim, _)) = CapturedWim::open(Cursor::new(bytes)) else {
        return;
    };
    let integrity = wim.verify(|progress| {
        assert!(progress.verified <= progress.total);
        ControlFlow::Continue(())
    });
    for part in integrity.unwrap() {
        if let Ok(Integrity::Verified {
            covered, damaged, ..
        }) = part.integrity
        {
            assert!(covered.end <= bytes.len() as u64);
            let inside = |at: u64| covered.start <= at && at <= covered.end;
            assert!(
                damaged
                    .iter()
                    .all(|chunk| inside(chunk.range.start) && inside(chunk.range.end))
            );
        }
    }
    let mut left = MAX_SIZE;
    for index in 1..=wim.image_count().min(4) {
        let Ok((image, mut warnings)) = wim.image(index) else {
            continue;
        };
        let mut walk = image.walk();
        let mut count = 0;
        while let Some(entry) = walk.next() {
            count += 1;
            if count > MAX_ENTRIES {
                break;
            }
            let _ = wim.read_reparse_buffer(&entry, &mut warnings);
            for stream in &entry.streams {
                read(&wim, stream, &mut left);
            }
        }
    }
    let data = wim.verify_data(|progress| {
        assert!(progress.verified <= progress.total);
        match progress.total {
            ..=MAX_SIZE => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    });
    for part in data.into_iter().flatten() {
        assert!(part.damaged_count <= part.count);
        assert_eq!(part.damaged_count == 0, part.warnings.as_slice().is_empty());
    }
});

/// What is read at once and from the middle on is the same.
fn read(wim: &CapturedWim<Source<'_>>, stream: &StreamEntry, left: &mut u64) {
    let Ok(Some(mut reader)) = wim.open_stream(stream) else {
        return;
    };
    let size = reader.size();
    if size > *left {
        return;
    }
    *left -= size;
    let mut all = Vec::new();
    if reader.read_to_end(&mut all).is_err() {
        return;
    }
    assert_eq!(all.len() as u64, size);
    let mut rest = Vec::new();
    reader.seek(SeekFrom::Start(size / 2)).unwrap();
    reader.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, all[(size / 2) as usize..]);
    let mut warnings = Warnings::default();
    let whole = wim.read_stream(stream, MAX_SIZE, &mut warnings);
    assert_eq!(whole.unwrap().unwrap(), all);
}
