//! XPRESS with Huffman codes: "LZ77+Huffman" of \[MS-XCA\] 2.1 and 2.2, as WIM uses it: one Huffman code for the whole
//! chunk, whose end is known by its size.

use super::bit_stream::BitStream;
use super::copy_match;
use super::huffman::{CodewordSource, HuffmanCode};
use crate::error::{Error, Position};

/// Size of the table of codeword lengths at the chunk's start, in bytes: four bits for each symbol.
const LENGTHS_SIZE: usize = 256;
/// Symbols: 256 literals, then matches by the number of bits of their offset and by their length.
const SYMBOL_COUNT: usize = 2 * LENGTHS_SIZE;
const LITERAL_COUNT: usize = 256;
/// The length in a symbol that says that the length follows as bytes.
const LONG_LENGTH: usize = 15;
const MIN_MATCH_LENGTH: usize = 3;
const TABLE_BITS: u32 = 11;

/// Decompresses one chunk, whose size when decompressed is that of `out`.
///
/// # Errors
///
/// The chunk ends too early, or a code in it is none, or reaches out of the chunk.
pub fn decompress(compressed: &[u8], out: &mut [u8]) -> Result<(), Error> {
    let code = read_code(compressed)?;
    let mut bits = BitStream::new(compressed, LENGTHS_SIZE);
    let mut end = 0;
    while end < out.len() {
        bits.refill();
        let symbol = code.decode(&mut bits)?;
        let Some(symbol) = symbol.checked_sub(LITERAL_COUNT) else {
            out[end] = symbol as u8;
            end += 1;
            continue;
        };
        let offset_bits = (symbol >> 4) as u32;
        let mut length = symbol & 0xF;
        if length == LONG_LENGTH {
            (length, bits) = read_long_length(bits)?;
            bits.refill();
        }
        length += MIN_MATCH_LENGTH;
        let offset = 1 << offset_bits | bits.take_ready(offset_bits) as usize;
        if offset > end || length > out.len() - end {
            let found = format!("{length} bytes from {offset} before byte {end}");
            return Err(bits.malformed("a match within the chunk", found));
        }
        copy_match(out, end, offset, length);
        end += length;
    }
    bits.check_end()
}

fn read_code(compressed: &[u8]) -> Result<HuffmanCode, Error> {
    let Some(table) = compressed.get(..LENGTHS_SIZE) else {
        return Err(
            Error::malformed("256 bytes of codeword lengths", "the end of the chunk")
                .at(Position::Byte(compressed.len() as u64)),
        );
    };
    let mut lengths = [0; SYMBOL_COUNT];
    for (pair, &byte) in lengths.chunks_exact_mut(2).zip(table) {
        pair.copy_from_slice(&[byte & 0xF, byte >> 4]);
    }
    HuffmanCode::new(&lengths, TABLE_BITS).ok_or_else(|| {
        Error::malformed("a Huffman code", "more codewords than there can be").at(Position::Byte(0))
    })
}

/// A length of 15 or more (before the shortest length is added), which stands between the bits: one byte, and behind
/// the byte 255 two more that replace it. Returns the stream behind it too.
fn read_long_length(mut bits: BitStream<'_>) -> Result<(usize, BitStream<'_>), Error> {
    let position = bits.byte_position();
    let byte = usize::from(bits.bytes_at(position, 1)?[0]);
    if byte < 0xFF {
        bits.skip_to(position + 1);
        return Ok((LONG_LENGTH + byte, bits));
    }
    let word = bits.bytes_at(position + 1, 2)?;
    let length = usize::from(u16::from_le_bytes([word[0], word[1]]));
    if length < LONG_LENGTH {
        return Err(bits.malformed("a match length of at least 15", length.to_string()));
    }
    bits.skip_to(position + 3);
    Ok((length, bits))
}
