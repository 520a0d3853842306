//! The bits of LZMS that are read from the chunk's end on: little-endian words of 16 bits, each taken from its highest
//! bit on, the last word first. Byte by byte, these are the bytes in reverse.

use crate::error::{Error, Position};
use crate::wim::compression::huffman::CodewordSource;

/// Reads bits backwards. Before the start of the bytes zeros follow; that more was taken than there is,
/// [`is_within`](Self::is_within) tells.
#[derive(Clone, Copy)]
pub(super) struct BackwardBits<'a> {
    bytes: &'a [u8],
    /// How many of the bytes are not in `bits` yet.
    left: usize,
    /// The bits ahead, the first one highest. What lies below `count` of them are bits to come or zeros.
    bits: u64,
    count: u32,
    /// Bits taken that there were none of.
    missing: u64,
}

impl<'a> BackwardBits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        BackwardBits {
            bytes,
            left: bytes.len(),
            bits: 0,
            count: 0,
            missing: 0,
        }
    }

    /// Makes at least 56 bits ready to be taken.
    #[inline]
    pub(super) fn refill(&mut self) {
        if self.count >= 56 {
            return;
        }
        let last = self.bytes[..self.left].last_chunk::<8>();
        let Some(&last) = last else {
            self.refill_at_start();
            return;
        };
        // Bytes of which only a part fits in are taken again next time: the bits are the same.
        self.bits |= u64::from_le_bytes(last) >> self.count;
        let taken = (64 - self.count) / 8;
        self.left -= taken as usize;
        self.count += 8 * taken;
    }

    #[cold]
    fn refill_at_start(&mut self) {
        while self.count < 56 {
            match self.left.checked_sub(1) {
                Some(left) => {
                    self.left = left;
                    self.bits |= u64::from(self.bytes[left]) << (56 - self.count);
                }
                None => self.missing += 8,
            }
            self.count += 8;
        }
    }

    /// Takes the next `n` bits, 0 to 32 of them, which must be ready.
    #[inline]
    pub(super) fn take_ready(&mut self, n: u32) -> u32 {
        // In two steps: a shift by 64 is none.
        let taken = (self.bits >> 1 >> (63 - n)) as u32;
        self.consume(n);
        taken
    }

    /// Whether no more was taken than there is.
    pub(super) fn is_within(self) -> bool {
        self.missing <= self.count.into()
    }
}

impl CodewordSource for BackwardBits<'_> {
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
        let position = self.left + self.count.div_ceil(8) as usize;
        let position = position.min(self.bytes.len()) as u64;
        Error::malformed(expected, found).at(Position::Byte(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_taken_from_the_last_word_on() {
        let mut bits = BackwardBits::new(&[0x78, 0x56, 0x34, 0x12]);
        bits.refill();
        assert_eq!(bits.take_ready(4), 1);
        assert_eq!(bits.take_ready(0), 0);
        assert_eq!(bits.take_ready(28), 0x0234_5678);
        assert!(bits.is_within());
        assert_eq!(bits.take_ready(1), 0);
        assert!(!bits.is_within());
    }

    #[test]
    fn no_bit_is_lost_or_told_twice_between_refills() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut bits = BackwardBits::new(&bytes);
        let mut number = Vec::new();
        for i in 0..256 * 8 / 9 {
            bits.refill();
            let taken = bits.take_ready(9);
            number.extend((0..9).rev().map(|bit| taken >> bit & 1));
            assert!(bits.is_within(), "after {i} times 9 bits");
        }
        for (eight, byte) in number.chunks_exact(8).zip(bytes.iter().rev()) {
            let value = eight.iter().fold(0, |value, bit| value << 1 | bit);
            assert_eq!(value, u32::from(*byte));
        }
    }
}
