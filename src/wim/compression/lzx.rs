//! LZX as WIM uses it.
//!
//! The format is that of \[MS-PATCH\] and of Microsoft's "LZX Data Compression Format" (1997), with what WIM does
//! differently after wimlib: the window is the chunk, which starts with codes and recent offsets afresh; a block tells
//! by one bit that it has the usual size; the translation of calls always uses the size 12,000,000 and ends with the
//! chunk.

use memchr::memchr;

use super::bit_stream::BitStream;
use super::copy_match;
use super::huffman::{CodewordSource, HuffmanCode};
use crate::error::{Error, Position};

/// Sizes of a window, in bytes, that the format allows.
pub const WINDOW_SIZES: std::ops::RangeInclusive<u32> = 1 << 15..=1 << 21;

const LITERAL_COUNT: usize = 256;
/// Lengths that a main symbol can tell; the last of them says that a length symbol follows.
const PRIMARY_LENGTH_COUNT: usize = 8;
const LENGTH_SYMBOL_COUNT: usize = 249;
const ALIGNED_SYMBOL_COUNT: usize = 8;
const PRE_SYMBOL_COUNT: usize = 20;
const MIN_MATCH_LENGTH: usize = 2;
const RECENT_OFFSET_COUNT: usize = 3;
/// What an offset is greater by when it is coded: the first numbers stand for the recent offsets.
const OFFSET_ADJUSTMENT: u32 = 2;
/// More extra bits than this no offset slot has.
const MAX_EXTRA_BITS: u32 = 17;
/// Low bits of an offset that have a Huffman code of their own in an aligned offset block.
const ALIGNED_BITS: u32 = 3;
const DEFAULT_BLOCK_SIZE: usize = 1 << 15;
/// Windows smaller than this need no more than 16 bits for a block's size.
const LARGE_WINDOW_SIZE: u32 = 1 << 16;

const MAIN_TABLE_BITS: u32 = 11;
const LENGTH_TABLE_BITS: u32 = 10;
const ALIGNED_TABLE_BITS: u32 = 7;
const PRE_TABLE_BITS: u32 = 7;

/// The size that the translation of calls takes the file for.
const E8_FILE_SIZE: i32 = 12_000_000;
/// Bytes at the chunk's end in which no call starts.
const E8_TAIL: usize = 10;

// One refill of the bit stream is enough for a match: main symbol, length symbol, extra bits.
const _: () = assert!(16 + 16 + MAX_EXTRA_BITS <= BitStream::REFILLED);

/// Decompresses one chunk, whose size when decompressed is that of `out`.
///
/// `window_size` is the size of all chunks but the last, a power of two of [`WINDOW_SIZES`].
///
/// # Errors
///
/// The chunk ends too early, or a code in it is none, or reaches out of the chunk; the window has no size that the
/// format knows.
pub fn decompress(compressed: &[u8], window_size: u32, out: &mut [u8]) -> Result<(), Error> {
    if !window_size.is_power_of_two() || !WINDOW_SIZES.contains(&window_size) {
        return Err(
            Error::malformed("an LZX window of 32 KiB to 2 MiB", window_size.to_string())
                .at(Position::Byte(0)),
        );
    }
    let mut decoder = Decoder {
        bits: BitStream::new(compressed, 0),
        window_size,
        main_lengths: vec![0; LITERAL_COUNT + PRIMARY_LENGTH_COUNT * slots(window_size).count()],
        length_lengths: [0; LENGTH_SYMBOL_COUNT],
        recent_offsets: [1; RECENT_OFFSET_COUNT],
        slots: slots(window_size).collect(),
    };
    let mut end = 0;
    while end < out.len() {
        end = decoder.block(out, end)?;
        decoder.bits.check_end()?;
    }
    undo_call_translation(out);
    Ok(())
}

/// A range of offsets that a main symbol can name.
#[derive(Clone, Copy)]
struct OffsetSlot {
    base: u32,
    extra_bits: u32,
}

/// The offset slots that a window needs.
fn slots(window_size: u32) -> impl Iterator<Item = OffsetSlot> {
    let mut base = 0;
    (0_u32..).map_while(move |slot| {
        let extra_bits = (slot / 2).saturating_sub(1).min(MAX_EXTRA_BITS);
        let this = OffsetSlot { base, extra_bits };
        base += 1 << extra_bits;
        (this.base < window_size).then_some(this)
    })
}

struct Decoder<'a> {
    bits: BitStream<'a>,
    window_size: u32,
    /// Codeword lengths of the main code, which each block changes.
    main_lengths: Vec<u8>,
    /// Codeword lengths of the length code, which each block changes.
    length_lengths: [u8; LENGTH_SYMBOL_COUNT],
    /// The newest three offsets; an offset that is used again comes to the front in exchange for the first.
    recent_offsets: [u32; RECENT_OFFSET_COUNT],
    slots: Vec<OffsetSlot>,
}

/// The codes of one block.
struct Codes {
    main: HuffmanCode,
    length: HuffmanCode,
    /// Only in an aligned offset block.
    aligned: Option<HuffmanCode>,
}

impl Decoder<'_> {
    /// Decodes one block to `out` from `start` on, and returns where it ends.
    fn block(&mut self, out: &mut [u8], start: usize) -> Result<usize, Error> {
        const VERBATIM: u32 = 1;
        const ALIGNED_OFFSET: u32 = 2;
        const UNCOMPRESSED: u32 = 3;
        let block_type = self.bits.take(3);
        let size = self.block_size();
        let end = match out.len() - start {
            left if size == 0 || size > left => {
                let found = format!("{size} at byte {start} of {}", out.len());
                return Err(self.bits.malformed("a block size within the chunk", found));
            }
            _ => start + size,
        };
        let out = &mut out[..end];
        match block_type {
            VERBATIM => {
                let codes = self.codes(None)?;
                self.matches_and_literals(&codes, out, start)?;
            }
            ALIGNED_OFFSET => {
                let aligned = self.aligned_code()?;
                let codes = self.codes(Some(aligned))?;
                self.matches_and_literals(&codes, out, start)?;
            }
            UNCOMPRESSED => self.uncompressed(&mut out[start..])?,
            _ => {
                let found = block_type.to_string();
                return Err(self.bits.malformed("a block type of 1, 2 or 3", found));
            }
        }
        Ok(end)
    }

    fn block_size(&mut self) -> usize {
        if self.bits.take(1) == 1 {
            return DEFAULT_BLOCK_SIZE;
        }
        let size = self.bits.take(16);
        match self.window_size {
            LARGE_WINDOW_SIZE.. => (size << 8 | self.bits.take(8)) as usize,
            _ => size as usize,
        }
    }

    fn aligned_code(&mut self) -> Result<HuffmanCode, Error> {
        let mut lengths = [0; ALIGNED_SYMBOL_COUNT];
        lengths.fill_with(|| self.bits.take(3) as u8);
        self.code(&lengths, ALIGNED_TABLE_BITS)
    }

    /// The codes of a block: the main code's lengths come in two parts, each with a code of its own for the lengths.
    fn codes(&mut self, aligned: Option<HuffmanCode>) -> Result<Codes, Error> {
        let mut main_lengths = std::mem::take(&mut self.main_lengths);
        let (literals, matches) = main_lengths.split_at_mut(LITERAL_COUNT);
        self.codeword_lengths(literals)?;
        self.codeword_lengths(matches)?;
        let mut length_lengths = self.length_lengths;
        self.codeword_lengths(&mut length_lengths)?;
        self.main_lengths = main_lengths;
        self.length_lengths = length_lengths;
        Ok(Codes {
            main: self.code(&self.main_lengths, MAIN_TABLE_BITS)?,
            length: self.code(&self.length_lengths, LENGTH_TABLE_BITS)?,
            aligned,
        })
    }

    fn code(&self, lengths: &[u8], table_bits: u32) -> Result<HuffmanCode, Error> {
        HuffmanCode::new(lengths, table_bits).ok_or_else(|| {
            self.bits.malformed(
                "a Huffman code",
                "more codewords than there can be".to_owned(),
            )
        })
    }

    /// Codeword lengths, coded by their differences to those of the block before.
    fn codeword_lengths(&mut self, lengths: &mut [u8]) -> Result<(), Error> {
        const LENGTH_COUNT: usize = 17;
        const SHORT_ZERO_RUN: usize = 17;
        const LONG_ZERO_RUN: usize = 18;
        const SAME_RUN: usize = 19;
        let mut pre_lengths = [0; PRE_SYMBOL_COUNT];
        pre_lengths.fill_with(|| self.bits.take(4) as u8);
        let pre = self.code(&pre_lengths, PRE_TABLE_BITS)?;
        let changed = |before: u8, difference: usize| {
            ((usize::from(before) + LENGTH_COUNT - difference) % LENGTH_COUNT) as u8
        };
        let mut left = lengths;
        while let Some(&mut first) = left.first_mut() {
            self.bits.refill();
            let symbol = pre.decode(&mut self.bits)?;
            let (run, length) = match symbol {
                SHORT_ZERO_RUN => (4 + self.bits.take(4), 0),
                LONG_ZERO_RUN => (20 + self.bits.take(5), 0),
                SAME_RUN => {
                    let run = 4 + self.bits.take(1);
                    self.bits.refill();
                    let difference = pre.decode(&mut self.bits)?;
                    if difference >= LENGTH_COUNT {
                        let found = difference.to_string();
                        return Err(self.bits.malformed("a difference of at most 16", found));
                    }
                    (run, changed(first, difference))
                }
                difference => (1, changed(first, difference)),
            };
            let Some((run, behind)) = left.split_at_mut_checked(run as usize) else {
                let found = format!("a run of {run}");
                let expected = "codeword lengths of as many symbols as there are";
                return Err(self.bits.malformed(expected, found));
            };
            run.fill(length);
            left = behind;
        }
        Ok(())
    }

    fn matches_and_literals(
        &mut self,
        codes: &Codes,
        out: &mut [u8],
        start: usize,
    ) -> Result<(), Error> {
        // Copies, which the compiler keeps in registers.
        let mut bits = self.bits;
        let mut recent_offsets = self.recent_offsets;
        let mut end = start;
        while end < out.len() {
            bits.refill();
            let symbol = codes.main.decode(&mut bits)?;
            let Some(symbol) = symbol.checked_sub(LITERAL_COUNT) else {
                out[end] = symbol as u8;
                end += 1;
                continue;
            };
            let mut length = symbol % PRIMARY_LENGTH_COUNT;
            if length == PRIMARY_LENGTH_COUNT - 1 {
                length += codes.length.decode(&mut bits)?;
            }
            length += MIN_MATCH_LENGTH;
            let slot = symbol / PRIMARY_LENGTH_COUNT;
            let offset = match slot {
                ..RECENT_OFFSET_COUNT => {
                    recent_offsets.swap(0, slot);
                    recent_offsets[0]
                }
                _ => {
                    let offset = read_offset(&mut bits, self.slots[slot], codes.aligned.as_ref())?;
                    let [first, second, _] = recent_offsets;
                    recent_offsets = [offset, first, second];
                    offset
                }
            };
            let offset = offset as usize;
            if offset == 0 || offset > end || length > out.len() - end {
                let found = format!("{length} bytes from {offset} before byte {end}");
                return Err(bits.malformed("a match within the block", found));
            }
            copy_match(out, end, offset, length);
            end += length;
        }
        self.bits = bits;
        self.recent_offsets = recent_offsets;
        Ok(())
    }

    /// Recent offsets and data as they are, padded to whole words before and behind.
    fn uncompressed(&mut self, out: &mut [u8]) -> Result<(), Error> {
        let mut position = self.bits.align();
        for offset in &mut self.recent_offsets {
            let bytes = self.bits.bytes_at(position, 4)?;
            *offset = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            position += 4;
        }
        out.copy_from_slice(self.bits.bytes_at(position, out.len())?);
        position += out.len();
        // At the chunk's very end the padding may be missing.
        let padding = self.bits.bytes_at(position, out.len() % 2);
        self.bits.skip_to(position + padding.map_or(0, <[u8]>::len));
        Ok(())
    }
}

/// Reads what the main symbol leaves open of an offset.
#[inline]
fn read_offset(
    bits: &mut BitStream<'_>,
    slot: OffsetSlot,
    aligned: Option<&HuffmanCode>,
) -> Result<u32, Error> {
    let extra = match aligned {
        Some(code) if slot.extra_bits >= ALIGNED_BITS => {
            let high = bits.take_ready(slot.extra_bits - ALIGNED_BITS);
            bits.refill();
            let low = code.decode(bits)? as u32;
            high << ALIGNED_BITS | low
        }
        _ => bits.take_ready(slot.extra_bits),
    };
    Ok(slot.base + extra - OFFSET_ADJUSTMENT)
}

/// Makes the targets of x86 calls (0xE8) relative again, which the compressor made absolute.
fn undo_call_translation(out: &mut [u8]) {
    let Some(last) = out.len().checked_sub(E8_TAIL) else {
        return;
    };
    let mut at = 0;
    while let Some(found) = out.get(at..last).and_then(|bytes| memchr(0xE8, bytes)) {
        let call = at + found;
        let position = call as i32;
        if let Some(target) = out[call + 1..].first_chunk_mut::<4>() {
            let absolute = i32::from_le_bytes(*target);
            if (0..E8_FILE_SIZE).contains(&absolute) {
                *target = (absolute - position).to_le_bytes();
            } else if (-position..0).contains(&absolute) {
                *target = (absolute + E8_FILE_SIZE).to_le_bytes();
            }
        }
        at = call + 5;
    }
}
