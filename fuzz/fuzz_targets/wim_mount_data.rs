//! Any bytes as a `$WIMMOUNTDATA` stream: what is read lies within them, an error names a place in them.
#![no_main]

use dism_mount_status::mount_point::WimMountData;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match WimMountData::parse(bytes) {
        Ok((data, _)) => {
            for record in &data.records {
                let start = record.offset as usize + 8;
                assert_eq!(bytes[start..start + record.payload.len()], record.payload);
            }
        }
        Err(error) => assert!(error.position().unwrap().byte() <= bytes.len() as u64),
    }
});
