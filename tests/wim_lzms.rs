//! LZMS as WIM files use it: what our own compressor wrote is read back.
#![cfg(feature = "captured-wim")]

#[path = "support/wim_lzms.rs"]
mod wim_lzms;

use dism_mount_status::Error;
use dism_mount_status::wim::compression::lzms;
use proptest::prelude::*;

use wim_lzms::LzmsStyle;

fn decompress(compressed: &[u8], size: usize) -> Result<Vec<u8>, Error> {
    let mut out = vec![0; size];
    lzms::decompress(compressed, &mut out).map(|()| out)
}

const LITERALS: LzmsStyle = LzmsStyle {
    matches: false,
    deltas: false,
    shortest_recent: 1,
};
const MATCHES: LzmsStyle = LzmsStyle {
    matches: true,
    ..LITERALS
};
const DELTAS: LzmsStyle = LzmsStyle {
    deltas: true,
    ..LITERALS
};
const STYLES: [LzmsStyle; 4] = [LITERALS, MATCHES, DELTAS, LzmsStyle::ALL];

#[track_caller]
fn check(data: &[u8], style: LzmsStyle) -> usize {
    let compressed = wim_lzms::lzms(data, style);
    let out = decompress(&compressed, data.len()).unwrap();
    assert!(out == data, "{} bytes, {style:?}", data.len());
    compressed.len()
}

/// Data with matches of every length, tables of numbers, and x86 code.
fn data(max_size: usize) -> impl Strategy<Value = Vec<u8>> {
    let noise = prop::collection::vec(any::<u8>(), 1..40);
    let run = (any::<u8>(), 1..2000_usize).prop_map(|(byte, length)| vec![byte; length]);
    let phrase = prop::sample::select(vec![
        "all work and no play ".repeat(3),
        "makes jack".to_owned(),
        "ab".repeat(150),
    ])
    .prop_map(String::into_bytes);
    let table = (any::<u32>(), any::<u32>(), 0..8_u32, 2..60_usize).prop_map(
        |(start, step, power, count)| {
            let numbers = (0..count as u32).map(|i| start.wrapping_add(step.wrapping_mul(i)));
            let span = 1 << power;
            let padded = numbers.flat_map(|number| {
                let mut bytes = number.to_le_bytes().to_vec();
                bytes.resize(span, 0x11);
                bytes
            });
            padded.collect()
        },
    );
    let opcode = prop::sample::select(vec![
        &[0xE8][..],
        &[0xE9],
        &[0xFF, 0x15],
        &[0xF0, 0x83, 0x05],
        &[0x48, 0x8D, 0x0D],
        &[0x4C, 0x8D, 0x3D],
        &[0x48, 0x8B, 0x0D],
        &[0x48, 0x8B, 0x1D],
        &[0x4C, 0x8B, 0x05],
    ]);
    // Few addresses, so that two instructions lead to one.
    let code = prop::collection::vec((opcode, 0..4_u32, 0..6_usize), 1..40).prop_map(|parts| {
        let mut code = Vec::new();
        for (opcode, target, padding) in parts {
            let relative = (target * 0x1234).wrapping_sub(code.len() as u32);
            code.extend(opcode);
            code.extend(relative.to_le_bytes());
            code.extend(vec![0x90; padding]);
        }
        code
    });
    let part = prop_oneof![noise, run, phrase, table, code];
    prop::collection::vec(part, 1..60).prop_map(move |parts| {
        let mut data = parts.concat();
        data.truncate(max_size);
        data
    })
}

fn style() -> impl Strategy<Value = LzmsStyle> {
    (any::<bool>(), any::<bool>(), 1..4_usize).prop_map(|(matches, deltas, shortest_recent)| {
        LzmsStyle {
            matches,
            deltas,
            shortest_recent,
        }
    })
}

#[test]
fn chunks_of_every_size_are_read() {
    let text = b"The quick brown fox jumps over the lazy dog, and over it again. ".repeat(20);
    for style in STYLES {
        for size in (0..70).chain([999, 1280]) {
            check(&text[..size], style);
        }
    }
}

#[test]
fn codes_follow_what_occurs() {
    // More than twice the period of every code, with what is frequent changing.
    let data: Vec<u8> = (0..20_000_u32)
        .map(|i| {
            let noise = i.wrapping_mul(0x9E37_79B1) >> 16;
            (noise % (2 + i / 100)) as u8
        })
        .collect();
    let sizes = STYLES.map(|style| check(&data, style));
    assert!(sizes[0] < data.len(), "{sizes:?}");
}

#[test]
fn matches_of_every_length_are_read() {
    for length in (1..500).chain([0x8AA, 0x8AB, 0x108AA, 0x108AB]) {
        let data = [&[b'x'][..], &vec![b'a'; length], b"b"].concat();
        let size = check(&data, MATCHES);
        assert!(length < 100 || size < 40, "{length} became {size}");
    }
}

#[test]
fn matches_of_every_distance_are_read() {
    for distance in (4..300).chain([0x1000, 0x12345]) {
        let noise = (0..distance as u32).map(|i| (i.wrapping_mul(0x9E37_79B1) >> 21) as u8);
        let noise: Vec<u8> = noise.collect();
        check(&[&noise[..], &noise[..4]].concat(), MATCHES);
    }
}

#[test]
fn tables_of_numbers_are_read_from_their_differences() {
    for power in 0..8 {
        let span = 1 << power;
        let data: Vec<u8> = (0..8000_usize)
            .map(|i| match i % span {
                0 => (i / span * 3) as u8,
                1 => ((i / span * 3) >> 8) as u8,
                place => (place * 7) as u8,
            })
            .collect();
        let [deltas, literals] = [DELTAS, LITERALS].map(|style| check(&data, style));
        assert!(
            deltas * 10 < literals,
            "{deltas} and {literals}, power {power}"
        );
    }
}

#[test]
fn recent_sources_are_used_in_every_order() {
    // Phrases that recur at distances which come up again and again.
    let mut data = Vec::new();
    for i in 0..2000_u32 {
        let distance = [7, 11, 13, 29, 7, 13][(i.wrapping_mul(0x9E37_79B1) >> 20) as usize % 6];
        for _ in 0..3 + i % 4 {
            let byte = match data.len().checked_sub(distance) {
                Some(from) => data[from],
                None => i as u8,
            };
            data.push(byte);
        }
        if i % 3 == 0 {
            data.push((i >> 3) as u8);
        }
    }
    for shortest_recent in 1..4 {
        for style in STYLES {
            check(
                &data,
                LzmsStyle {
                    shortest_recent,
                    ..style
                },
            );
        }
    }
}

#[test]
fn addresses_of_code_are_made_relative_again() {
    let call = |at: usize, target: u32| {
        let relative = target.wrapping_sub(at as u32);
        [&[0xE8][..], &relative.to_le_bytes()].concat()
    };
    // Calls of one function: from the second on they are taken for code.
    let mut code = vec![0x90; 300];
    for at in (20..280).step_by(10) {
        code.splice(at..at + 5, call(at, 0x1000));
    }
    check(&code, LITERALS);
}

#[test]
fn what_cannot_be_a_chunk_is_an_error() {
    for size in [0, 2, 3, 5, 101] {
        let error = decompress(&vec![0; size], 100).unwrap_err();
        assert_eq!(error.expected(), Some("4 bytes or more in words of 2"));
    }
    // The first match has nothing to copy from.
    let error = decompress(&[0xFF; 100], 100).unwrap_err();
    assert_eq!(error.expected(), Some("a match within the chunk"));
    let error = decompress(&[0; 8], 1000).unwrap_err();
    assert_eq!(error.expected(), Some("more compressed data"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_compressed_is_read_back(data in data(0x4000), style in style()) {
        let compressed = wim_lzms::lzms(&data, style);
        prop_assert_eq!(decompress(&compressed, data.len()).unwrap(), data);
    }

    #[test]
    fn damaged_chunks_end_without_a_panic(
        data in data(0x2000),
        style in style(),
        place: prop::sample::Index,
        flip in 1..=255_u8,
        cut: prop::sample::Index,
        grown in 0..300_usize,
    ) {
        let mut chunk = wim_lzms::lzms(&data, style);
        let short = &chunk[..cut.index(chunk.len()) / 2 * 2];
        if let Err(error) = decompress(short, data.len()) {
            prop_assert!(error.position().unwrap().byte() <= short.len() as u64);
        }
        let place = place.index(chunk.len());
        chunk[place] ^= flip;
        if let Err(error) = decompress(&chunk, data.len() + grown) {
            prop_assert!(error.position().unwrap().byte() <= chunk.len() as u64);
        }
    }

    #[test]
    fn any_bytes_end_without_a_panic(chunk: Vec<u8>, size in 0..0x8000_usize) {
        let _ = decompress(&chunk, size);
    }
}
