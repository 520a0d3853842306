//! CRC-32C (Castagnoli), by which VHDX seals its structures. Eight bytes at a time.

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            // The polynomial 0x1EDC6F41 in reflected order.
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0x82F6_3B78 } else { 0 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

static TABLES: [[u32; 256]; 8] = tables();

/// The checksum of bytes that come in parts.
#[derive(Clone, Copy)]
pub(super) struct Crc32c(u32);

impl Crc32c {
    pub(super) fn new() -> Self {
        Crc32c(!0)
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let (chunks, rest) = bytes.as_chunks::<8>();
        for &[a, b, c, d, e, f, g, h] in chunks {
            let [low, second, third, high] =
                (self.0 ^ u32::from_le_bytes([a, b, c, d])).to_le_bytes();
            let places = [h, g, f, e, high, third, second, low];
            self.0 = TABLES
                .iter()
                .zip(places)
                .fold(0, |crc, (table, byte)| crc ^ table[usize::from(byte)]);
        }
        for &byte in rest {
            let [low, ..] = self.0.to_le_bytes();
            self.0 = (self.0 >> 8) ^ TABLES[0][usize::from(low ^ byte)];
        }
    }

    pub(super) fn finish(self) -> u32 {
        !self.0
    }
}

/// Whether a structure has the checksum that stands at byte 4 of it, those four bytes taken as zeros.
pub(super) fn is_sealed(structure: &[u8]) -> bool {
    let Some((told, rest)) = structure.get(4..).and_then(<[u8]>::split_first_chunk) else {
        return false;
    };
    let mut crc = Crc32c::new();
    crc.update(&structure[..4]);
    crc.update(&[0; 4]);
    crc.update(rest);
    crc.finish() == u32::from_le_bytes(*told)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of the algorithm, and what comes of other ways to divide the bytes.
    #[test]
    fn the_checksum_is_that_of_the_field() {
        let text = b"123456789";
        for middle in 0..text.len() {
            let mut crc = Crc32c::new();
            crc.update(&text[..middle]);
            crc.update(&text[middle..]);
            assert_eq!(crc.finish(), 0xE306_9283);
        }
    }
}
