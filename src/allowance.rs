//! A bound for work that hostile evidence could ask for again and again.

use std::cell::Cell;

#[cfg(any(feature = "collection", feature = "disk-image"))]
use crate::error::Error;

/// How much may still be decompressed, or gone through, in all.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: Cell<u64>,
}

impl Allowance {
    /// Some seconds' worth.
    #[cfg(feature = "disk-image")]
    const LEAST: u64 = 8 << 30;
    /// Of sound evidence most is read once, if at all.
    #[cfg(feature = "disk-image")]
    const RATIO: u64 = 200;

    /// So many bytes, or other things.
    pub(crate) const fn new(whole: u64) -> Self {
        Allowance {
            left: Cell::new(whole),
        }
    }

    /// For decompressing what the evidence holds so many bytes of.
    #[cfg(feature = "disk-image")]
    pub(crate) fn of_compressed(size: u64) -> Self {
        let whole = size.saturating_mul(Self::RATIO);
        Allowance::new(whole.saturating_add(Self::LEAST))
    }

    /// Counts some, if there are so many left.
    pub(crate) fn take(&self, count: u64) -> bool {
        let left = self.left.get().checked_sub(count);
        self.left.set(left.unwrap_or(self.left.get()));
        left.is_some()
    }

    /// Counts bytes that are to be decompressed.
    ///
    /// # Errors
    /// When that is too much.
    #[cfg(any(feature = "collection", feature = "disk-image"))]
    pub(crate) fn decompress(&self, bytes: usize) -> Result<(), Error> {
        match self.take(bytes as u64) {
            true => Ok(()),
            false => Err(Error::unsupported(
                "compressed data of which the same parts are asked for again and again",
                "decompress the image or the file, and name what comes out",
            )),
        }
    }
}

#[cfg(all(test, feature = "disk-image"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_again_and_again_comes_to_an_end() {
        let allowance = Allowance::of_compressed(1 << 20);
        let piece = 16 << 20;
        let is_allowed = |_: &u64| allowance.decompress(piece).is_ok();
        let pieces = (0..).take_while(is_allowed).count();
        assert_eq!(pieces as u64, ((8 << 30) + (200 << 20)) / piece as u64);
        assert!(allowance.decompress(piece).unwrap_err().is_unsupported());
        // A smaller one may still do.
        assert!(allowance.take(1 << 10));
    }
}
