//! An LZX chunk of any bytes: it is decompressed or not, without a panic.

#![no_main]

use dism_mount_status::wim::compression::lzx;
use libfuzzer_sys::fuzz_target;

// The first byte chooses the window, the next two are the chunk's size when decompressed, less 1.
fuzz_target!(|bytes: &[u8]| {
    let Some((&[window, low, high], chunk)) = bytes.split_first_chunk() else {
        return;
    };
    let mut out = vec![0; usize::from(u16::from_le_bytes([low, high])) + 1];
    if let Err(error) = lzx::decompress(chunk, 1 << (15 + window % 7), &mut out) {
        assert!(
            error
                .position()
                .is_some_and(|at| at.byte() <= chunk.len() as u64)
        );
    }
});
