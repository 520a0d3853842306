//! The decisions that LZMS codes by ranges, read from the chunk's start on.

/// Decodes decisions from little-endian words of 16 bits.
///
/// It is a value that is copied, so that the compiler keeps it in registers. Behind the end zeros follow.
#[derive(Clone, Copy)]
pub(super) struct RangeDecoder<'a> {
    bytes: &'a [u8],
    next: usize,
    range: u32,
    code: u32,
}

impl<'a> RangeDecoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = RangeDecoder {
            bytes,
            next: 0,
            range: u32::MAX,
            code: 0,
        };
        decoder.code = decoder.word() << 16;
        decoder.code |= decoder.word();
        decoder
    }

    #[inline]
    fn word(&mut self) -> u32 {
        let word = match self.bytes.get(self.next..self.next + 2) {
            Some(bytes) => u16::from_le_bytes([bytes[0], bytes[1]]),
            None => 0,
        };
        self.next += 2;
        word.into()
    }

    /// Whether no more was read than there is.
    pub(super) fn is_within(self) -> bool {
        self.next <= self.bytes.len()
    }

    /// Offset of the byte that is read next.
    pub(super) fn position(self) -> usize {
        self.next.min(self.bytes.len())
    }

    /// Decodes a decision that is false in `zeros` of 64 cases.
    #[inline]
    fn decide(&mut self, zeros: u32) -> bool {
        if self.range <= 0xFFFF {
            self.range <<= 16;
            self.code = self.code << 16 | self.word();
        }
        let bound = (self.range >> Odds::BITS) * zeros;
        let is_one = self.code >= bound;
        if is_one {
            self.range -= bound;
            self.code -= bound;
        } else {
            self.range = bound;
        }
        is_one
    }
}

/// How likely a decision is false: as often as it was the last 64 times.
#[derive(Clone, Copy)]
struct Odds {
    /// The last outcomes, the newest one lowest.
    recent: u64,
    /// How many of them were zero.
    zeros: u32,
}

impl Odds {
    const BITS: u32 = 6;
    const INITIAL: Odds = Odds {
        recent: 0x5555_5555,
        zeros: 48,
    };

    #[inline]
    fn add(&mut self, bit: u64) {
        self.zeros = self.zeros + (self.recent >> 63) as u32 - bit as u32;
        self.recent = self.recent << 1 | bit;
    }
}

/// One kind of decision. The last outcomes of it choose among `N` odds, a power of two.
pub(super) struct Decision<const N: usize> {
    last_outcomes: usize,
    odds: [Odds; N],
}

impl<const N: usize> Decision<N> {
    pub(super) fn new() -> Self {
        Decision {
            last_outcomes: 0,
            odds: [Odds::INITIAL; N],
        }
    }

    #[inline]
    pub(super) fn decode(&mut self, ranges: &mut RangeDecoder<'_>) -> bool {
        let odds = &mut self.odds[self.last_outcomes % N];
        let is_one = ranges.decide(odds.zeros.clamp(1, 63));
        odds.add(is_one.into());
        self.last_outcomes = self.last_outcomes << 1 | usize::from(is_one);
        is_one
    }
}
