//! The bit stream of XPRESS and LZX: little-endian words of 16 bits, each taken from its highest bit on.

use super::huffman::CodewordSource;
use crate::error::{Error, Position};

/// Reads bits, and the bytes that stand between them.
///
/// Behind the end of the bytes zeros follow, so that codes can be looked up ahead; that more was taken than there is,
/// [`check_end`](Self::check_end) tells.
///
/// It is a value that is copied: what only looks takes it by value, so that the compiler keeps it in registers.
#[derive(Clone, Copy)]
pub(super) struct BitStream<'a> {
    bytes: &'a [u8],
    /// Offset of the first word that is not in `bits` yet.
    next: usize,
    /// The bits ahead, the first one highest. What lies below `count` of them are bits to come or zeros.
    bits: u64,
    /// How many bits of `bits` are there.
    count: u32,
}

impl<'a> BitStream<'a> {
    /// Bits that are there at least after a [`refill`](Self::refill).
    pub(super) const REFILLED: u32 = 49;

    pub(super) fn new(bytes: &'a [u8], start: usize) -> Self {
        BitStream {
            bytes,
            next: start,
            bits: 0,
            count: 0,
        }
    }

    /// Makes at least [`REFILLED`](Self::REFILLED) bits ready to be taken.
    #[inline]
    pub(super) fn refill(&mut self) {
        if self.count >= Self::REFILLED {
            return;
        }
        let ahead = self.bytes.get(self.next..).unwrap_or_default();
        let words = match ahead.first_chunk::<8>() {
            Some(&words) => words,
            None => {
                let mut words = [0; 8];
                words[..ahead.len()].copy_from_slice(ahead);
                words
            }
        };
        let swapped = u64::from_be_bytes(words);
        const LOW_BYTES: u64 = 0x00FF_00FF_00FF_00FF;
        let ordered = (swapped & LOW_BYTES) << 8 | swapped >> 8 & LOW_BYTES;
        // Words of which only a part fits in are taken again next time: the bits are the same.
        self.bits |= ordered >> self.count;
        let taken = (64 - self.count) / 16;
        self.next += 2 * taken as usize;
        self.count += 16 * taken;
    }

    /// Takes the next `n` bits, 0 to 32 of them, which must be ready.
    #[inline]
    pub(super) fn take_ready(&mut self, n: u32) -> u32 {
        if n == 0 {
            return 0;
        }
        let taken = self.peek(n);
        self.consume(n);
        taken
    }

    /// Takes the next `n` bits, 0 to 32 of them.
    #[inline]
    pub(super) fn take(&mut self, n: u32) -> u32 {
        self.refill();
        self.take_ready(n)
    }

    /// Offset of the byte in which the next bit stands.
    pub(super) fn position(self) -> usize {
        self.next - self.count.div_ceil(8) as usize
    }

    /// Gives back the words that a reader would not have read yet who reads one only to have 16 bits ahead, and
    /// returns the offset of the first of them.
    pub(super) fn byte_position(&mut self) -> usize {
        self.refill();
        let surplus = (self.count - 16) / 16;
        self.continue_at(self.next - 2 * surplus as usize, self.count - 16 * surplus);
        self.next
    }

    /// Drops the bits that are left of a word, all 16 where none was taken, and returns the next word's offset.
    pub(super) fn align(&mut self) -> usize {
        self.refill();
        let surplus = (self.count - 1) / 16;
        self.continue_at(self.next - 2 * surplus as usize, 0);
        self.next
    }

    /// Goes on behind bytes that were read in between.
    pub(super) fn skip_to(&mut self, offset: usize) {
        self.continue_at(offset, self.count);
    }

    fn continue_at(&mut self, next: usize, count: u32) {
        self.next = next;
        self.count = count;
        self.bits &= !u64::MAX.checked_shr(count).unwrap_or(0);
    }

    /// Bytes at an offset.
    pub(super) fn bytes_at(self, offset: usize, length: usize) -> Result<&'a [u8], Error> {
        self.bytes
            .get(offset..)
            .and_then(|bytes| bytes.get(..length))
            .ok_or_else(|| self.overrun())
    }

    /// Whether no more was taken than there is.
    pub(super) fn check_end(self) -> Result<(), Error> {
        let bits_left_of_words = self.next * 8 - self.count as usize;
        match bits_left_of_words <= self.bytes.len() * 8 {
            true => Ok(()),
            false => Err(self.overrun()),
        }
    }

    fn overrun(self) -> Error {
        Error::malformed("more compressed data", "the end of the chunk")
            .at(Position::Byte(self.bytes.len() as u64))
    }
}

impl CodewordSource for BitStream<'_> {
    #[inline]
    fn peek(&self, n: u32) -> u32 {
        (self.bits >> (64 - n)) as u32
    }

    #[inline]
    fn consume(&mut self, n: u32) {
        self.bits <<= n;
        self.count -= n;
    }

    fn malformed(self, expected: &'static str, found: String) -> Error {
        let position = self.position().min(self.bytes.len());
        Error::malformed(expected, found).at(Position::Byte(position as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_taken_from_the_high_end_of_little_endian_words() {
        let mut bits = BitStream::new(&[0x34, 0x12, 0x78, 0x56], 0);
        assert_eq!(bits.take(4), 1);
        assert_eq!(bits.take(12), 0x234);
        assert_eq!(bits.position(), 2);
        assert_eq!(bits.take(16), 0x5678);
        assert!(bits.check_end().is_ok());
        assert_eq!(bits.take(1), 0);
        assert!(bits.check_end().is_err());
    }

    #[test]
    fn bytes_stand_behind_the_words_that_hold_the_next_sixteen_bits() {
        let bytes: Vec<u8> = (0..32).collect();
        for (taken, expected) in [(0, 2), (1, 4), (16, 4), (17, 6), (32, 6)] {
            let mut bits = BitStream::new(&bytes, 0);
            for _ in 0..taken {
                bits.take(1);
            }
            assert_eq!(bits.byte_position(), expected, "after {taken} bits");
            bits.skip_to(expected + 2);
            let skipped = expected + 2;
            let ahead = expected * 8 - taken;
            for _ in 0..ahead {
                bits.take(1);
            }
            assert_eq!(bits.take(8), u32::from(bytes[skipped + 1]));
        }
    }

    #[test]
    fn alignment_drops_a_whole_word_where_none_was_begun() {
        let bytes: Vec<u8> = (0..32).collect();
        for (taken, expected) in [(0, 2), (1, 2), (15, 2), (16, 4), (17, 4)] {
            let mut bits = BitStream::new(&bytes, 0);
            bits.take(taken);
            assert_eq!(bits.align(), expected, "after {taken} bits");
        }
    }
}
