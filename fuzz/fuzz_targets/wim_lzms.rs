//! An LZMS chunk of any bytes: it is decompressed or not, without a panic.

#![no_main]

use dism_mount_status::wim::compression::lzms;
use libfuzzer_sys::fuzz_target;

// The first two bytes are the chunk's size when decompressed, less 1.
fuzz_target!(|bytes: &[u8]| {
    let Some((size, chunk)) = bytes.split_first_chunk() else {
        return;
    };
    let mut out = vec![0; usize::from(u16::from_le_bytes(*size)) + 1];
    if let Err(error) = lzms::decompress(chunk, &mut out) {
        assert!(
            error
                .position()
                .is_some_and(|at| at.byte() <= chunk.len() as u64)
        );
    }
});
