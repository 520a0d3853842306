//! Any bytes as a reparse buffer: the tag is the one that stands there, an error names a place in them.
#![no_main]

use dism_mount_status::mount_point::ReparsePoint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match ReparsePoint::parse(bytes) {
        Ok((point, _)) => {
            assert_eq!(point.tag.0.to_le_bytes(), bytes[..4]);
            assert_eq!(point.owner.is_none(), point.tag.is_microsoft());
        }
        Err(error) => assert!(error.position().unwrap().byte() <= bytes.len() as u64),
    }
});
