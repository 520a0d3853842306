//! Takes clusters, grains and chunks out of their compression. What comes out is bounded by what may come out.

use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// What a piece of a disk is compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// Deflate by itself: QCOW2.
    Deflate,
    /// Deflate with a header and a checksum: VMDK and E01.
    Zlib,
    /// One frame of Zstandard: QCOW2.
    Zstd,
}

impl Compression {
    /// Windows of QEMU's frames are no larger than its clusters, which have 2 MiB at most.
    const LARGEST_WINDOW: u64 = 8 << 20;
    /// Deflate makes no more bytes of one: 258 of two bits.
    const LARGEST_RATIO: u64 = 1032;

    /// At most how many bytes files of this size can hold.
    pub(super) fn most_out_of(size: u64) -> u64 {
        size.saturating_mul(Self::LARGEST_RATIO)
    }

    /// Gives what comes out of `bytes`, `most` bytes at most. Other bytes may follow what was compressed.
    ///
    /// The error says what is wrong with it.
    pub(super) fn decompress(self, bytes: &[u8], most: usize) -> Result<Vec<u8>, String> {
        match self {
            Compression::Deflate => inflate(bytes, most, false),
            Compression::Zlib => inflate(bytes, most, true),
            Compression::Zstd => {
                unpack_frame(bytes, most).map_err(|error| format!("none of Zstandard: {error}"))
            }
        }
    }
}

fn inflate(bytes: &[u8], most: usize, has_header: bool) -> Result<Vec<u8>, String> {
    // The checksum is held against the data only where there is room behind them.
    let mut out = vec![0; most.saturating_add(usize::from(has_header))];
    let mut inflater = Decompress::new(has_header);
    let status = inflater
        .decompress(bytes, &mut out, FlushDecompress::Finish)
        .map_err(|error| format!("none of deflate: {error}"))?;
    if has_header && status != Status::StreamEnd {
        return Err(format!("no end of deflate within {most} bytes"));
    }
    // Where less came out, the stream ended, or its bytes did: the caller knows how much it needs.
    let length = usize::try_from(inflater.total_out()).map_or(most, |length| length.min(most));
    out.truncate(length);
    Ok(out)
}

fn unpack_frame(mut bytes: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(Compression::LARGEST_WINDOW);
    let text = |error: ruzstd::decoding::errors::FrameDecoderError| error.to_string();
    decoder.reset(&mut bytes).map_err(text)?;
    let strategy = BlockDecodingStrategy::UptoBytes(most.saturating_add(1));
    let is_whole = decoder.decode_blocks(&mut bytes, strategy).map_err(text)?;
    match decoder.collect() {
        Some(out) if is_whole && out.len() <= most => Ok(out),
        _ => Err(format!("more than {most} bytes came out of it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of one stored and one repeated block: a magic number, a window of 1 KiB, the blocks.
    fn frame(blocks: &[&[u8]]) -> Vec<u8> {
        let start = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x00];
        [&start[..], &blocks.concat()].concat()
    }

    #[test]
    fn no_more_comes_out_than_may() {
        // "abc" stored, then 1,000 times "x", which is the last block.
        let repeated = ((1000 << 3 | 1 << 1 | 1) as u32).to_le_bytes();
        let bytes = frame(&[&[3 << 3, 0, 0], b"abc", &repeated[..3], b"x", b"more"]);
        let out = Compression::Zstd.decompress(&bytes, 1003).unwrap();
        assert_eq!((&out[..4], out.len()), (&b"abcx"[..], 1003));
        assert!(Compression::Zstd.decompress(&bytes, 1002).is_err());
        // A window of 1 GiB is never made.
        let mut large = bytes.clone();
        large[5] = 20 << 3;
        assert!(Compression::Zstd.decompress(&large, 1003).is_err());
        // Stored deflate.
        let bytes = [1, 3, 0, 0xFC, 0xFF, b'a', b'b', b'c', b'?'];
        assert_eq!(Compression::Deflate.decompress(&bytes, 9).unwrap(), b"abc");
        assert_eq!(Compression::Deflate.decompress(&bytes, 2).unwrap(), b"ab");
        assert!(Compression::Zlib.decompress(&bytes, 9).is_err());
    }
}
