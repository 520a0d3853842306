//! LZMS, the format of ESD files and of DISM's `/Compress:recovery`.
//!
//! Microsoft has not described it. The facts are those of wimlib: a chunk is read from both ends; from its start on
//! stand decisions of what comes next, coded by ranges, and from its end on the Huffman codes of literals, lengths and
//! offsets, which adapt to what occurs. Besides the usual matches there are those of differences, for tables of
//! numbers that grow evenly.

mod adaptive_code;
mod backward_bits;
mod range_decoder;
mod recent;
mod slots;
mod x86_filter;

use self::adaptive_code::AdaptiveCode;
use self::backward_bits::BackwardBits;
use self::range_decoder::{Decision, RangeDecoder};
use self::recent::{RECENT_COUNT, Recent};
use self::slots::{LENGTHS, OFFSETS, Slot, offset_slot_count};
use super::copy_match;
use super::huffman::CodewordSource;
use crate::error::{Error, Position};

/// Sizes of a chunk, in bytes, that are read. The format allows for up to 1 GiB; ESD files have 64 MiB.
pub const CHUNK_SIZES: std::ops::RangeInclusive<u32> = 1 << 15..=1 << 26;

const LITERAL_COUNT: usize = 256;
/// Powers of two that a difference can be apart.
const POWER_COUNT: usize = 8;
/// After how many symbols the codes are made anew.
const LONG_PERIOD: u32 = 1024;
const SHORT_PERIOD: u32 = 512;
const TABLE_BITS: u32 = 10;
const POWER_TABLE_BITS: u32 = 7;

/// Decompresses one chunk, whose size when decompressed is that of `out`.
///
/// # Errors
///
/// The chunk ends too early, or a code in it is none, or reaches out of the chunk.
pub fn decompress(compressed: &[u8], out: &mut [u8]) -> Result<(), Error> {
    if compressed.len() < 4 || !compressed.len().is_multiple_of(2) {
        let found = format!("{} bytes", compressed.len());
        return Err(Error::malformed("4 bytes or more in words of 2", found).at(Position::Byte(0)));
    }
    Decoder::new(compressed, out.len()).items(out)?;
    x86_filter::undo(out);
    Ok(())
}

/// Where a match of differences comes from.
#[derive(Debug, Clone, Copy)]
struct DeltaSource {
    /// The differences are those between bytes that are two to this power apart.
    power: u32,
    /// How far back they stand, in units of that distance.
    offset: u32,
}

struct Decoder<'a> {
    ranges: RangeDecoder<'a>,
    bits: BackwardBits<'a>,
    decisions: Decisions,
    codes: Codes,
    recent_offsets: Recent<u32>,
    recent_deltas: Recent<DeltaSource>,
}

/// What comes next.
struct Decisions {
    is_match: Decision<16>,
    is_delta: Decision<32>,
    is_recent_offset: Decision<64>,
    is_older_offset: [Decision<64>; RECENT_COUNT - 1],
    is_recent_delta: Decision<64>,
    is_older_delta: [Decision<64>; RECENT_COUNT - 1],
}

struct Codes {
    literal: AdaptiveCode,
    length: AdaptiveCode,
    offset: AdaptiveCode,
    delta_power: AdaptiveCode,
    delta_offset: AdaptiveCode,
}

impl<'a> Decoder<'a> {
    fn new(compressed: &'a [u8], size: usize) -> Decoder<'a> {
        let slots = offset_slot_count(size);
        Decoder {
            ranges: RangeDecoder::new(compressed),
            bits: BackwardBits::new(compressed),
            decisions: Decisions {
                is_match: Decision::new(),
                is_delta: Decision::new(),
                is_recent_offset: Decision::new(),
                is_older_offset: [Decision::new(), Decision::new()],
                is_recent_delta: Decision::new(),
                is_older_delta: [Decision::new(), Decision::new()],
            },
            codes: Codes {
                literal: AdaptiveCode::new(LITERAL_COUNT, LONG_PERIOD, TABLE_BITS),
                length: AdaptiveCode::new(LENGTHS.len(), SHORT_PERIOD, TABLE_BITS),
                offset: AdaptiveCode::new(slots, LONG_PERIOD, TABLE_BITS),
                delta_power: AdaptiveCode::new(POWER_COUNT, SHORT_PERIOD, POWER_TABLE_BITS),
                delta_offset: AdaptiveCode::new(slots, LONG_PERIOD, TABLE_BITS),
            },
            recent_offsets: Recent::new(|number| number),
            recent_deltas: Recent::new(|offset| DeltaSource { power: 0, offset }),
        }
    }

    /// Decodes literals and matches until the chunk is full.
    fn items(mut self, out: &mut [u8]) -> Result<(), Error> {
        // Copies, which the compiler keeps in registers.
        let (mut ranges, mut bits) = (self.ranges, self.bits);
        let (decisions, codes) = (&mut self.decisions, &mut self.codes);
        let mut end = 0;
        while end < out.len() {
            bits.refill();
            if !decisions.is_match.decode(&mut ranges) {
                out[end] = codes.literal.decode(&mut bits)? as u8;
                end += 1;
                continue;
            }
            let length = if !decisions.is_delta.decode(&mut ranges) {
                let before = self.recent_offsets.before_match(end);
                let offset = match decisions.is_recent_offset.decode(&mut ranges) {
                    true => {
                        let older = older(&mut decisions.is_older_offset, &mut ranges);
                        self.recent_offsets.take(older)
                    }
                    false => codes.offset.number(&OFFSETS, &mut bits)?,
                };
                let length = codes.length.number(&LENGTHS, &mut bits)? as usize;
                let offset_in_bytes = offset as usize;
                if offset_in_bytes > end || length > out.len() - end {
                    let found = format!("{length} bytes from {offset} before byte {end}");
                    return Err(bits.malformed("a match within the chunk", found));
                }
                copy_match(out, end, offset_in_bytes, length);
                self.recent_offsets.used(before, offset, end + length);
                length
            } else {
                let before = self.recent_deltas.before_match(end);
                let source = match decisions.is_recent_delta.decode(&mut ranges) {
                    true => {
                        let older = older(&mut decisions.is_older_delta, &mut ranges);
                        self.recent_deltas.take(older)
                    }
                    false => DeltaSource {
                        power: codes.delta_power.decode(&mut bits)? as u32,
                        offset: codes.delta_offset.number(&OFFSETS, &mut bits)?,
                    },
                };
                let length = codes.length.number(&LENGTHS, &mut bits)? as usize;
                if !copy_delta(out, end, source, length) {
                    let found = format!("{length} bytes from {source:?} before byte {end}");
                    return Err(bits.malformed("a match within the chunk", found));
                }
                self.recent_deltas.used(before, source, end + length);
                length
            };
            end += length;
        }
        match bits.is_within() && ranges.is_within() {
            true => Ok(()),
            false => Err(
                Error::malformed("more compressed data", "the end of the chunk")
                    .at(Position::Byte(ranges.position() as u64)),
            ),
        }
    }
}

/// Which of the recent sources is meant: 0 is the newest one.
#[inline]
fn older(decisions: &mut [Decision<64>; RECENT_COUNT - 1], ranges: &mut RangeDecoder<'_>) -> usize {
    let [first, second] = decisions;
    match first.decode(ranges) {
        false => 0,
        true => 1 + usize::from(second.decode(ranges)),
    }
}

impl AdaptiveCode {
    /// Takes a symbol that names a slot, and the bits behind it.
    #[inline]
    fn number(&mut self, slots: &[Slot], bits: &mut BackwardBits<'_>) -> Result<u32, Error> {
        bits.refill();
        let slot = slots[self.decode(bits)?];
        Ok(slot.base + bits.take_ready(slot.extra_bits))
    }
}

/// Appends bytes that differ from those `1 << power` before as those at the source do. Returns whether they lie within
/// the chunk.
fn copy_delta(out: &mut [u8], end: usize, source: DeltaSource, length: usize) -> bool {
    let span = 1 << source.power;
    let Some(offset) = (source.offset as usize).checked_mul(span) else {
        return false;
    };
    if offset.checked_add(span).is_none_or(|back| back > end) || length > out.len() - end {
        return false;
    }
    for at in end..end + length {
        let difference = out[at - offset].wrapping_sub(out[at - offset - span]);
        out[at] = out[at - span].wrapping_add(difference);
    }
    true
}
