//! LZNT1, by which NTFS compresses files: \[MS-XCA\] 2.5.

use crate::error::{Error, Position};

/// Size of a chunk in bytes when decompressed.
const CHUNK_SIZE: usize = 4096;
const IS_COMPRESSED: u16 = 0x8000;
/// What the bits above a chunk's length are, but for the highest.
const SIGNATURE: u16 = 0x3000;
const SIGNATURE_MASK: u16 = 0x7000;
const LENGTH_MASK: u16 = 0x0FFF;
const MIN_MATCH_LENGTH: usize = 3;

/// Decompresses one compression unit to `out`, and tells how many bytes of it the unit holds. The rest is 0.
///
/// # Errors
///
/// A chunk ends too early, reaches out of the unit or refers to what is before its start. Positions are offsets in the
/// compressed unit.
pub(super) fn decompress(compressed: &[u8], out: &mut [u8]) -> Result<usize, Error> {
    out.fill(0);
    let (mut offset, mut held) = (0, 0);
    for out in out.chunks_mut(CHUNK_SIZE) {
        let at = Position::Byte(offset as u64);
        let Some(&[low, high]) = compressed.get(offset..offset + 2) else {
            return Ok(held);
        };
        let head = u16::from_le_bytes([low, high]);
        if head == 0 {
            return Ok(held);
        }
        if head & SIGNATURE_MASK != SIGNATURE {
            return Err(
                Error::malformed("the head of an LZNT1 chunk", format!("{head:#06x}")).at(at),
            );
        }
        offset += 2;
        let end = offset + usize::from(head & LENGTH_MASK) + 1;
        let Some(chunk) = compressed.get(offset..end) else {
            let expected = format!("an LZNT1 chunk of {} bytes", end - offset);
            return Err(Error::malformed(expected, "the end of the compression unit").at(at));
        };
        match head & IS_COMPRESSED {
            0 => {
                let length = chunk.len().min(out.len());
                out[..length].copy_from_slice(&chunk[..length]);
            }
            _ => decompress_chunk(chunk, out).map_err(|error| error.moved_by(offset as u64))?,
        }
        offset = end;
        held += out.len();
    }
    Ok(held)
}

fn decompress_chunk(chunk: &[u8], out: &mut [u8]) -> Result<(), Error> {
    let (mut at, mut end) = (0, 0);
    while let Some(&flags) = chunk.get(at) {
        at += 1;
        for bit in 0..8 {
            let Some(&first) = chunk.get(at) else {
                return Ok(());
            };
            if flags >> bit & 1 == 0 {
                let Some(place) = out.get_mut(end) else {
                    return Err(too_long(at));
                };
                *place = first;
                at += 1;
                end += 1;
                continue;
            }
            let position = Position::Byte(at as u64);
            let Some(&second) = chunk.get(at + 1) else {
                return Err(Error::malformed("an LZNT1 match", "the end of the chunk").at(position));
            };
            let token = u16::from_le_bytes([first, second]);
            let length_bits = length_bits(end);
            let offset = usize::from(token >> length_bits) + 1;
            let length = usize::from(token & ((1 << length_bits) - 1)) + MIN_MATCH_LENGTH;
            if offset > end {
                let found = format!("one from {offset} before byte {end}");
                return Err(Error::malformed("a match within the LZNT1 chunk", found).at(position));
            }
            if length > out.len() - end {
                return Err(too_long(at));
            }
            for i in end..end + length {
                out[i] = out[i - offset];
            }
            at += 2;
            end += length;
        }
    }
    Ok(())
}

/// How many bits of a match are its length: the fewer, the further back a match may go.
fn length_bits(end: usize) -> u32 {
    let offset_bits = usize::BITS - end.saturating_sub(1).leading_zeros();
    16 - offset_bits.clamp(4, 12)
}

fn too_long(at: usize) -> Error {
    Error::malformed("an LZNT1 chunk of at most 4096 bytes", "more").at(Position::Byte(at as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_read() {
        // [MS-XCA] 3.3
        let compressed = [
            0x38, 0xb0, 0x88, 0x46, 0x23, 0x20, 0x00, 0x20, 0x47, 0x20, 0x41, 0x00, 0x10, 0xa2,
            0x47, 0x01, 0xa0, 0x45, 0x20, 0x44, 0x00, 0x08, 0x45, 0x01, 0x50, 0x79, 0x00, 0xc0,
            0x45, 0x20, 0x05, 0x24, 0x13, 0x88, 0x05, 0xb4, 0x02, 0x4a, 0x44, 0xef, 0x03, 0x58,
            0x02, 0x8c, 0x09, 0x16, 0x01, 0x48, 0x45, 0x00, 0xbe, 0x00, 0x9e, 0x00, 0x04, 0x01,
            0x18, 0x90, 0x00,
        ];
        let text = "F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D E F# \
                    G F# E D E A F# F# G A A G F# E D D E F# E D D\0";
        let mut out = vec![1; 8192];
        decompress(&compressed, &mut out).unwrap();
        assert_eq!(out[..text.len()], *text.as_bytes());
        assert!(out[text.len()..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn lengths_have_fewer_bits_the_further_back_a_match_may_go() {
        for (end, bits) in [
            (1, 12),
            (16, 12),
            (17, 11),
            (32, 11),
            (33, 10),
            (2048, 5),
            (2049, 4),
            (4096, 4),
        ] {
            assert_eq!(length_bits(end), bits, "{end}");
        }
    }

    #[test]
    fn damage_is_told_with_its_place() {
        for (compressed, place) in [
            (&[0x00, 0x50][..], 0),
            (&[0x05, 0xB0, 0x00], 0),
            (&[0x02, 0xB0, 0x01, 0x00, 0x00], 3),
            (&[0x01, 0xB0, 0x01, 0x00], 3),
            (&[0x03, 0xB0, 0x02, b'a', 0xFF, 0x0F], 4),
        ] {
            let mut out = vec![0; 64];
            let error = decompress(compressed, &mut out).unwrap_err();
            assert_eq!(
                error.position(),
                Some(Position::Byte(place)),
                "{compressed:x?}"
            );
        }
    }
}
