//! Huffman codes that follow how often their symbols occurred.

use super::backward_bits::BackwardBits;
use crate::error::Error;
use crate::wim::compression::huffman::{CodewordSource, HuffmanCode};

/// A code that is made anew after every `period` symbols. At first all symbols are equally frequent; each time the code
/// was made what was counted so far counts half.
pub(super) struct AdaptiveCode {
    code: HuffmanCode,
    counts: Vec<u32>,
    period: u32,
    left_of_period: u32,
    builder: LengthBuilder,
}

impl AdaptiveCode {
    /// A code for `symbol_count` symbols, of which there may be none.
    pub(super) fn new(symbol_count: usize, period: u32, table_bits: u32) -> AdaptiveCode {
        let mut code = AdaptiveCode {
            code: HuffmanCode::empty(table_bits),
            counts: vec![1; symbol_count],
            period,
            left_of_period: period,
            builder: LengthBuilder::default(),
        };
        code.make();
        code
    }

    /// Takes one symbol from a stream that has 16 bits ready.
    #[inline]
    pub(super) fn decode(&mut self, bits: &mut BackwardBits<'_>) -> Result<usize, Error> {
        let symbol = self.code.decode(bits)?;
        self.counts[symbol] += 1;
        self.left_of_period -= 1;
        if self.left_of_period == 0 {
            self.renew(*bits)?;
        }
        Ok(symbol)
    }

    #[cold]
    fn renew(&mut self, bits: BackwardBits<'_>) -> Result<(), Error> {
        self.left_of_period = self.period;
        if !self.make() {
            // The counts of one period are too few for this.
            return Err(bits.malformed("codewords of at most 16 bits", "longer ones".to_owned()));
        }
        for count in &mut self.counts {
            *count = *count / 2 + 1;
        }
        Ok(())
    }

    fn make(&mut self) -> bool {
        let lengths = self.builder.lengths(&self.counts);
        self.code.set_lengths(lengths)
    }
}

/// Makes codeword lengths from counts. It keeps its memory for the next time.
#[derive(Default)]
struct LengthBuilder {
    /// The symbols by their counts, the rarest first: `count << 10 | symbol`.
    sorted: Vec<u32>,
    /// Weights of the inner nodes of the tree in the order in which they are made, then their depths.
    inner: Vec<u32>,
    /// For each leaf and each inner node: its parent among the inner nodes.
    leaf_parents: Vec<u16>,
    inner_parents: Vec<u16>,
    lengths: Vec<u8>,
}

impl LengthBuilder {
    const SYMBOL_BITS: u32 = 10;

    /// Huffman's algorithm: the two lightest nodes become one, again and again. Of nodes with one weight leaves come
    /// before inner ones, and these in the order in which they were made.
    fn lengths(&mut self, counts: &[u32]) -> &[u8] {
        self.lengths.clear();
        if let [_] = counts {
            // One symbol still takes one bit.
            self.lengths.push(1);
            return &self.lengths;
        }
        self.lengths.resize(counts.len(), 0);
        let Some(inner_count) = counts.len().checked_sub(1) else {
            return &self.lengths;
        };
        let symbols = (0..).zip(counts);
        self.sorted.clear();
        self.sorted
            .extend(symbols.map(|(symbol, count)| count << Self::SYMBOL_BITS | symbol));
        self.sorted.sort_unstable();
        self.inner.clear();
        self.leaf_parents.clear();
        self.inner_parents.clear();
        for parent in 0..inner_count {
            let mut weight = 0;
            for _ in 0..2 {
                let leaf = self.sorted.get(self.leaf_parents.len());
                let leaf = leaf.map_or(u32::MAX, |leaf| leaf >> Self::SYMBOL_BITS);
                let inner = self.inner.get(self.inner_parents.len());
                let inner = *inner.unwrap_or(&u32::MAX);
                weight += leaf.min(inner);
                match leaf <= inner {
                    true => self.leaf_parents.push(parent as u16),
                    false => self.inner_parents.push(parent as u16),
                }
            }
            self.inner.push(weight);
        }
        // The last node is the root. From here on the inner nodes' weights become their depths.
        let depths = &mut self.inner;
        depths[inner_count - 1] = 0;
        for node in (0..inner_count - 1).rev() {
            depths[node] = depths[usize::from(self.inner_parents[node])] + 1;
        }
        for (leaf, &parent) in self.sorted.iter().zip(&self.leaf_parents) {
            let symbol = leaf & ((1 << Self::SYMBOL_BITS) - 1);
            self.lengths[symbol as usize] = depths[usize::from(parent)] as u8 + 1;
        }
        &self.lengths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(counts: &[u32]) -> Vec<u8> {
        LengthBuilder::default().lengths(counts).to_vec()
    }

    #[test]
    fn frequent_symbols_have_short_codewords() {
        assert!(lengths(&[]).is_empty());
        assert_eq!(lengths(&[7]), [1]);
        assert_eq!(lengths(&[1, 9]), [1, 1]);
        assert_eq!(lengths(&[1, 1, 1, 1]), [2, 2, 2, 2]);
        assert_eq!(lengths(&[8, 1, 4, 2, 1]), [1, 4, 2, 3, 4]);
    }

    #[test]
    fn of_equal_weights_the_leaf_comes_first() {
        // 1 + 1 = 2 is as heavy as the third: 2 + 2 are joined, or 2 with what comes next.
        assert_eq!(lengths(&[1, 1, 2, 2]), [2, 2, 2, 2]);
        assert_eq!(lengths(&[1, 1, 2, 3]), [3, 3, 2, 1]);
    }
}
