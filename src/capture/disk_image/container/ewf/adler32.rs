//! Adler-32, by which an E01 seals its structures and the chunks that are not compressed.

/// The largest prime below 65,536.
const MODULUS: u32 = 65_521;
/// So many bytes can be added up before the sums have to be reduced.
const BATCH: usize = 5_552;

pub(super) fn adler32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1_u32, 0_u32);
    for batch in bytes.chunks(BATCH) {
        for &byte in batch {
            low += u32::from(byte);
            high += low;
        }
        low %= MODULUS;
        high %= MODULUS;
    }
    high << 16 | low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_field() {
        assert_eq!(adler32(b""), 1);
        assert_eq!(adler32(b"Wikipedia"), 0x11E6_0398);
        // Each sum byte by byte.
        let bytes = vec![0xFF; 3 * BATCH + 7];
        let (mut low, mut high) = (1_u64, 0);
        for byte in &bytes {
            low = (low + u64::from(*byte)) % u64::from(MODULUS);
            high = (high + low) % u64::from(MODULUS);
        }
        assert_eq!(u64::from(adler32(&bytes)), high << 16 | low);
    }
}
