//! Canonical Huffman codes: shorter codewords first, those of one length in the order of their symbols.

use crate::error::Error;

/// Where codewords are taken from.
pub(super) trait CodewordSource: Copy {
    /// The next `n` bits, 1 to 16 of them, without taking them. They must be ready.
    fn peek(&self, n: u32) -> u32;

    /// Takes `n` bits, which must be ready.
    fn consume(&mut self, n: u32);

    /// An error at the place of the next bit.
    fn malformed(self, expected: &'static str, found: String) -> Error;
}

/// The longest codeword of any of the formats, in bits.
const MAX_LENGTH: usize = 16;

/// A code, ready for decoding.
pub(super) struct HuffmanCode {
    /// For every value of the next `table_bits` bits: symbol and length of the codeword they start with, packed as
    /// `symbol << 5 | length`; 0 where the codeword is longer or unknown.
    table: Vec<u16>,
    table_bits: u32,
    /// By length: the first codeword, how many there are, and where their symbols start in `symbols`.
    lengths: [LengthClass; MAX_LENGTH + 1],
    symbols: Vec<u16>,
}

#[derive(Clone, Copy, Default)]
struct LengthClass {
    first_codeword: u32,
    count: u32,
    first_symbol: u32,
}

impl HuffmanCode {
    /// Makes the code whose symbols have these codeword lengths, see [`set_lengths`](Self::set_lengths). `None` when there
    /// are more codewords of a length than can be.
    pub(super) fn new(symbol_lengths: &[u8], table_bits: u32) -> Option<HuffmanCode> {
        let mut code = HuffmanCode::empty(table_bits);
        code.set_lengths(symbol_lengths).then_some(code)
    }

    /// A code without codewords.
    pub(super) fn empty(table_bits: u32) -> HuffmanCode {
        HuffmanCode {
            table: vec![0; 1 << table_bits],
            table_bits,
            lengths: [LengthClass::default(); MAX_LENGTH + 1],
            symbols: Vec::new(),
        }
    }

    /// Makes the code anew, for symbols with these codeword lengths, 0 for those that do not occur.
    ///
    /// A code may leave codewords unused, which is an error only where one of them is met. Returns false when there are
    /// more codewords of a length than can be; then the code is of no use. There must be at most 2048 symbols.
    #[must_use]
    pub(super) fn set_lengths(&mut self, symbol_lengths: &[u8]) -> bool {
        let mut lengths = [LengthClass::default(); MAX_LENGTH + 1];
        for &length in symbol_lengths.iter().filter(|&&length| length > 0) {
            match lengths.get_mut(usize::from(length)) {
                Some(class) => class.count += 1,
                None => return false,
            }
        }
        let mut codeword = 0;
        let mut first_symbol = 0;
        for (bits, length) in lengths.iter_mut().enumerate().skip(1) {
            codeword <<= 1;
            length.first_codeword = codeword;
            length.first_symbol = first_symbol;
            codeword += length.count;
            first_symbol += length.count;
            if codeword > 1 << bits {
                return false;
            }
        }
        self.lengths = lengths;
        self.symbols.clear();
        self.symbols.resize(first_symbol as usize, 0);
        self.table.fill(0);
        let mut next = lengths;
        for (symbol, &length) in (0..).zip(symbol_lengths) {
            if length == 0 {
                continue;
            }
            let class = &mut next[usize::from(length)];
            self.symbols[class.first_symbol as usize] = symbol;
            if let Some(free_bits) = self.table_bits.checked_sub(length.into()) {
                let start = (class.first_codeword as usize) << free_bits;
                let entry = symbol << 5 | u16::from(length);
                self.table[start..start + (1 << free_bits)].fill(entry);
            }
            class.first_symbol += 1;
            class.first_codeword += 1;
        }
        true
    }

    /// Takes one symbol from a stream that has 16 bits ready.
    #[inline]
    pub(super) fn decode(&self, bits: &mut impl CodewordSource) -> Result<usize, Error> {
        let entry = self.table[bits.peek(self.table_bits) as usize];
        let (symbol, length) = match entry {
            0 => self.find_long(*bits)?,
            _ => (entry >> 5, u32::from(entry & 0x1F)),
        };
        bits.consume(length);
        Ok(symbol.into())
    }

    /// The symbol that is next, and the length of its codeword, which is longer than the table knows.
    #[cold]
    fn find_long(&self, bits: impl CodewordSource) -> Result<(u16, u32), Error> {
        for length in self.table_bits + 1..=MAX_LENGTH as u32 {
            let class = self.lengths[length as usize];
            let above_first = bits.peek(length).wrapping_sub(class.first_codeword);
            if above_first < class.count {
                let symbol = self.symbols[(class.first_symbol + above_first) as usize];
                return Ok((symbol, length));
            }
        }
        let found = format!("the bits {:016b}", bits.peek(16));
        Err(bits.malformed("a codeword", found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wim::compression::bit_stream::BitStream;

    #[test]
    fn codewords_are_numbered_by_length_and_symbol() {
        // 00, 01, 10, 110, 1110; 1111 is unused.
        let code = HuffmanCode::new(&[2, 0, 4, 2, 2, 3], 2).unwrap();
        let mut bits = BitStream::new(&[0b0111_1000, 0b0011_0111], 0);
        bits.refill();
        let mut symbols = Vec::new();
        while let Ok(symbol) = code.decode(&mut bits) {
            symbols.push(symbol);
        }
        assert_eq!(symbols, [0, 5, 2]);
    }

    #[test]
    fn a_code_with_more_codewords_than_fit_is_refused() {
        assert!(HuffmanCode::new(&[1, 1, 1], 4).is_none());
        assert!(HuffmanCode::new(&[1, 2, 2], 4).is_some());
        assert!(HuffmanCode::new(&[17], 4).is_none());
        assert!(HuffmanCode::new(&[], 4).is_some());
    }
}
