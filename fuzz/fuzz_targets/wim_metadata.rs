//! Metadata of an image of any bytes: the walk through its tree ends, without a panic.

#![no_main]

use dism_mount_status::wim::ImageMetadata;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(image) = ImageMetadata::parse(bytes.to_vec()) else {
        return;
    };
    let mut walk = image.walk();
    let mut count = 0;
    let mut paths = Vec::new();
    while let Some(entry) = walk.next() {
        count += 1;
        if paths.len() < 16 {
            paths.push((walk.path(), entry));
        }
    }
    // No entry is smaller than 102 bytes, and no byte is read for two.
    assert!(count <= 1 + bytes.len() / 102);
    // What the walk came to is found by its path, and is the same.
    for (path, entry) in paths {
        assert_eq!(image.find(&path), Ok(Some(entry)));
    }
});
