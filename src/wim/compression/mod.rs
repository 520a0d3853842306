//! The compression formats of WIM chunks. Each chunk is compressed on its own.
//!
//! Errors tell the offset within the compressed chunk.

mod bit_stream;
mod huffman;
#[cfg(feature = "captured-wim")]
pub mod lzms;
pub mod lzx;
pub mod xpress;

/// Appends `length` bytes to the first `end` ones of `out`, copied one by one from `offset` bytes before.
///
/// The caller makes sure that `offset` is 1 to `end`, and that `length` bytes fit.
#[inline]
fn copy_match(out: &mut [u8], end: usize, offset: usize, length: usize) {
    /// Short matches are copied in whole steps: what is written too much is written over later.
    const STEP: usize = 16;
    if offset >= STEP && end + length + STEP <= out.len() {
        let mut copied = 0;
        while copied < length {
            let from = end - offset + copied;
            let mut step = [0; STEP];
            step.copy_from_slice(&out[from..from + STEP]);
            out[end + copied..end + copied + STEP].copy_from_slice(&step);
            copied += STEP;
        }
    } else if offset >= length {
        out.copy_within(end - offset..end - offset + length, end);
    } else if offset == 1 {
        let byte = out[end - 1];
        out[end..end + length].fill(byte);
    } else {
        for at in end..end + length {
            out[at] = out[at - offset];
        }
    }
}
