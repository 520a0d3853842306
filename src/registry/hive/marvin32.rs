//! Marvin32: the hash that guards the entries of a transaction log.

/// The seed Windows hashes log entries with: bytes 82 EF 4D 88 7A 4E 55 C5 ("Windows registry file format
/// specification", "Log entries", note 3), its halves as the hash takes them.
const SEED: (u32, u32) = (0x7A4E_55C5, 0x82EF_4D88);

/// The hash of bytes that arrive in pieces, each a multiple of four bytes long, as is all that Windows hashes of a log.
pub(super) struct Marvin32 {
    low: u32,
    high: u32,
}

impl Marvin32 {
    pub(super) fn new() -> Self {
        let (low, high) = SEED;
        Marvin32 { low, high }
    }

    fn mix(&mut self, word: u32) {
        self.low = self.low.wrapping_add(word);
        self.high ^= self.low;
        self.low = self.low.rotate_left(20).wrapping_add(self.high);
        self.high = self.high.rotate_left(9) ^ self.low;
        self.low = self.low.rotate_left(27).wrapping_add(self.high);
        self.high = self.high.rotate_left(19);
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<4>();
        debug_assert!(rest.is_empty());
        for word in words {
            self.mix(u32::from_le_bytes(*word));
        }
    }

    pub(super) fn finish(mut self) -> u64 {
        self.mix(0x80);
        self.mix(0);
        u64::from(self.high) << 32 | u64::from(self.low)
    }
}

/// The hash of bytes at hand.
pub(super) fn marvin32(bytes: &[u8]) -> u64 {
    let mut hash = Marvin32::new();
    hash.update(bytes);
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_windows_10_wrote() {
        // Header of the only entry of a log that Windows 10 wrote; its second hash follows it in the file.
        let header: [u8; 32] = [
            0x48, 0x76, 0x4c, 0x45, 0x00, 0x5e, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00,
            0x00, 0x00, 0x00, 0x50, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x31, 0xe4, 0x07, 0x18,
            0x66, 0x6c, 0x86, 0x67,
        ];
        let written = [0x02, 0x7f, 0x65, 0xa7, 0xcf, 0xf3, 0x44, 0xcd];
        assert_eq!(marvin32(&header).to_le_bytes(), written);
    }
}
