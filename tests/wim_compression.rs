//! XPRESS and LZX as WIM files use them: what our own compressors wrote is read back.
#![cfg(feature = "captured-wim")]

#[path = "support/wim_compressor.rs"]
mod wim_compressor;

use dism_mount_status::Error;
use dism_mount_status::wim::compression::{lzx, xpress};
use proptest::prelude::*;

use wim_compressor::LzxBlock;

const VERBATIM: u32 = 1;
const ALIGNED_OFFSET: u32 = 2;
const UNCOMPRESSED: u32 = 3;
const WINDOW: u32 = 0x8000;

fn decompress_xpress(compressed: &[u8], size: usize) -> Result<Vec<u8>, Error> {
    let mut out = vec![0; size];
    xpress::decompress(compressed, &mut out).map(|()| out)
}

fn decompress_lzx(compressed: &[u8], window_size: u32, size: usize) -> Result<Vec<u8>, Error> {
    let mut out = vec![0; size];
    lzx::decompress(compressed, window_size, &mut out).map(|()| out)
}

fn block(kind: u32, size: usize) -> LzxBlock {
    LzxBlock {
        kind,
        size,
        skewed: false,
    }
}

/// Data with matches of every length and with calls.
fn data(max_size: usize) -> impl Strategy<Value = Vec<u8>> {
    let noise = prop::collection::vec(any::<u8>(), 1..40);
    let call = any::<[u8; 4]>().prop_map(|target| [&[0xE8][..], &target].concat());
    let near_call =
        (-40_000..12_000_000_i32).prop_map(|target| [&[0xE8][..], &target.to_le_bytes()].concat());
    let run = (any::<u8>(), 1..2000_usize).prop_map(|(byte, length)| vec![byte; length]);
    let phrase = prop::sample::select(vec![
        "all work and no play ".repeat(3),
        "makes jack".to_owned(),
        "ab".repeat(150),
    ])
    .prop_map(String::into_bytes);
    prop::collection::vec(prop_oneof![noise, call, near_call, run, phrase], 1..60).prop_map(
        move |parts| {
            let mut data = parts.concat();
            data.truncate(max_size);
            data
        },
    )
}

fn blocks() -> impl Strategy<Value = Vec<LzxBlock>> {
    let size = prop_oneof![4 => 1..3000_usize, 1 => Just(0x8000)];
    let block = (1..=3_u32, size, any::<bool>()).prop_map(|(kind, size, skewed)| LzxBlock {
        kind,
        size,
        skewed,
    });
    prop::collection::vec(block, 1..6)
}

#[test]
fn blocks_of_every_kind_follow_each_other() {
    let data = "The quick brown fox jumps over the lazy dog, and over it again. ".repeat(400);
    let kinds = [VERBATIM, UNCOMPRESSED, ALIGNED_OFFSET, UNCOMPRESSED];
    for first in 0..4 {
        let blocks: Vec<_> = (0..4)
            .map(|i| block(kinds[(first + i) % 4], 4001))
            .collect();
        let compressed = wim_compressor::lzx(data.as_bytes(), WINDOW, &blocks);
        let out = decompress_lzx(&compressed, WINDOW, data.len());
        assert_eq!(
            out.unwrap(),
            data.as_bytes(),
            "first block {}",
            kinds[first]
        );
    }
}

#[test]
fn a_block_of_the_usual_size_fills_a_chunk() {
    let data = b"0123456789abcdef".repeat(0x8000 / 16);
    for kind in [VERBATIM, ALIGNED_OFFSET, UNCOMPRESSED] {
        let compressed = wim_compressor::lzx(&data, WINDOW, &[block(kind, 0x8000)]);
        let out = decompress_lzx(&compressed, WINDOW, data.len());
        assert_eq!(out.unwrap(), data);
    }
}

#[test]
fn calls_are_translated_back_by_their_place_in_the_chunk() {
    // A call at 16 whose target is absolute 0x20, one at 32 that was wrapped around, one too near to the end.
    let mut stored = vec![0x90; 64];
    stored[16..21].copy_from_slice(&[0xE8, 0x20, 0, 0, 0]);
    stored[32..37].copy_from_slice(&[0xE8, 0xFF, 0xFF, 0xFF, 0xFF]);
    stored[54..59].copy_from_slice(&[0xE8, 0x20, 0, 0, 0]);
    // An uncompressed block of 64 bytes: type 3, size 64, padding, recent offsets.
    let bits: u32 = 3 << 29 | 64 << 12;
    let mut chunk = Vec::new();
    for half in [(bits >> 16) as u16, bits as u16] {
        chunk.extend(half.to_le_bytes());
    }
    chunk.extend([1, 0, 0, 0].repeat(3));
    chunk.extend(&stored);
    let out = decompress_lzx(&chunk, WINDOW, 64).unwrap();
    assert_eq!(out[16..21], [0xE8, 0x10, 0, 0, 0]);
    let wrapped = (12_000_000_i32 - 1).to_le_bytes();
    assert_eq!(out[33..37], wrapped);
    assert_eq!(out[54..59], stored[54..59]);
}

#[test]
fn an_odd_last_block_may_lack_its_padding() {
    let mut chunk = wim_compressor::lzx(&[7; 33], WINDOW, &[block(UNCOMPRESSED, 33)]);
    assert_eq!(decompress_lzx(&chunk, WINDOW, 33).unwrap(), [7; 33]);
    chunk.truncate(4 + 12 + 33);
    assert_eq!(decompress_lzx(&chunk, WINDOW, 33).unwrap(), [7; 33]);
    chunk.pop();
    let error = decompress_lzx(&chunk, WINDOW, 33).unwrap_err();
    assert_eq!(error.position().unwrap().byte(), chunk.len() as u64);
}

#[test]
fn a_window_that_the_format_does_not_know_is_an_error() {
    for window_size in [0, 0x4000, 0x8001, 1 << 22] {
        let error = decompress_lzx(&[], window_size, 1).unwrap_err();
        assert!(error.expected().unwrap().contains("LZX window"));
    }
}

#[test]
fn matches_of_every_length_are_read_from_xpress() {
    for length in (1..300).chain([0x8000, 0xFFFE, 0xFFFF, 0x10000]) {
        let data = [&vec![b'a'; length][..], b"b"].concat();
        let data = &data[..data.len().min(0x10000)];
        let compressed = wim_compressor::xpress(data, false);
        assert_eq!(decompress_xpress(&compressed, data.len()).unwrap(), data);
    }
}

#[test]
fn a_chunk_that_ends_too_early_is_an_error_at_its_end() {
    let data = b"some text, some more text, and some text".repeat(20);
    let xpress = wim_compressor::xpress(&data, false);
    let lzx = wim_compressor::lzx(&data, WINDOW, &[block(VERBATIM, data.len())]);
    for cut in 4..20 {
        let short = &xpress[..xpress.len() - cut];
        let error = decompress_xpress(short, data.len()).unwrap_err();
        assert!(error.position().unwrap().byte() <= short.len() as u64);
        let short = &lzx[..lzx.len() - cut];
        let error = decompress_lzx(short, WINDOW, data.len()).unwrap_err();
        assert!(error.position().unwrap().byte() <= short.len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_compressed_with_xpress_is_read_back(data in data(0x10000), skewed: bool) {
        let compressed = wim_compressor::xpress(&data, skewed);
        prop_assert_eq!(decompress_xpress(&compressed, data.len()).unwrap(), data);
    }

    #[test]
    fn what_was_compressed_with_lzx_is_read_back(
        data in data(0x8000),
        order in 15..=21_u32,
        blocks in blocks(),
    ) {
        let compressed = wim_compressor::lzx(&data, 1 << order, &blocks);
        prop_assert_eq!(decompress_lzx(&compressed, 1 << order, data.len()).unwrap(), data);
    }

    #[test]
    fn damaged_chunks_end_without_a_panic(
        data in data(0x2000),
        blocks in blocks(),
        place: prop::sample::Index,
        flip in 1..=255_u8,
        cut: prop::sample::Index,
        grown in 0..300_usize,
    ) {
        for mut chunk in [
            wim_compressor::xpress(&data, blocks[0].skewed),
            wim_compressor::lzx(&data, WINDOW, &blocks),
        ] {
            let place = place.index(chunk.len());
            chunk[place] ^= flip;
            for chunk in [&chunk[..], &chunk[..cut.index(chunk.len())]] {
                let _ = decompress_xpress(chunk, data.len() + grown);
                let _ = decompress_lzx(chunk, WINDOW, data.len() + grown);
            }
        }
    }

    #[test]
    fn any_bytes_end_without_a_panic(chunk: Vec<u8>, size in 0..0x8000_usize) {
        let _ = decompress_xpress(&chunk, size);
        let _ = decompress_lzx(&chunk, WINDOW, size);
    }
}
