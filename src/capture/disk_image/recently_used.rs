//! A small cache of what was read or decompressed lately.

use std::cell::RefCell;
use std::collections::VecDeque;

use crate::error::Error;

/// Keeps the values that were asked for last, within a budget.
#[derive(Debug)]
pub(super) struct RecentlyUsed<K, V> {
    /// The newest one at the end.
    kept: RefCell<VecDeque<Kept<K, V>>>,
    budget: usize,
}

#[derive(Debug)]
struct Kept<K, V> {
    key: K,
    value: V,
    weight: usize,
}

impl<K: PartialEq + Copy, V: Clone> RecentlyUsed<K, V> {
    /// Keeps values whose weights together are at most `budget`, and in any case the last one.
    pub(super) fn new(budget: usize) -> Self {
        RecentlyUsed {
            kept: RefCell::default(),
            budget,
        }
    }

    /// The value that is kept under a key, or else the one that `read` gives, which weighs 1.
    pub(super) fn get_or_read(
        &self,
        key: K,
        read: impl FnOnce() -> Result<V, Error>,
    ) -> Result<V, Error> {
        self.get_or_read_weighed(key, || Ok((read()?, 1)))
    }

    /// The value that is kept under a key, or else the one that `read` gives, with its weight.
    pub(super) fn get_or_read_weighed(
        &self,
        key: K,
        read: impl FnOnce() -> Result<(V, usize), Error>,
    ) -> Result<V, Error> {
        if let Some(value) = self.get(key) {
            return Ok(value);
        }
        // Not borrowed meanwhile: reading one value may read another.
        let (value, weight) = read()?;
        let mut kept = self.kept.borrow_mut();
        kept.push_back(Kept {
            key,
            value: value.clone(),
            weight,
        });
        let mut total: usize = kept.iter().map(|one| one.weight).sum();
        while total > self.budget && kept.len() > 1 {
            total -= kept.pop_front().map_or(0, |one| one.weight);
        }
        Ok(value)
    }

    fn get(&self, key: K) -> Option<V> {
        let mut kept = self.kept.borrow_mut();
        let number = kept.iter().rposition(|one| one.key == key)?;
        if number + 1 < kept.len() {
            let one = kept.remove(number)?;
            kept.push_back(one);
        }
        kept.back().map(|one| one.value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_longest_is_read_again() {
        let cache = RecentlyUsed::new(2);
        let reads = RefCell::new(Vec::new());
        for key in [1, 2, 1, 3, 1, 2] {
            let read = || {
                reads.borrow_mut().push(key);
                Ok(key * 10)
            };
            assert_eq!(cache.get_or_read(key, read), Ok(key * 10));
        }
        assert_eq!(*reads.borrow(), [1, 2, 3, 2]);
        let damage = || Err(Error::malformed("a value", "damage"));
        assert_eq!(cache.get_or_read(4, damage), damage());
    }

    #[test]
    fn heavy_values_leave_room_for_fewer() {
        let cache = RecentlyUsed::new(10);
        let reads = RefCell::new(Vec::new());
        for (key, weight) in [(1, 4), (2, 6), (1, 4), (3, 5), (1, 4), (4, 99), (4, 99)] {
            let read = || {
                reads.borrow_mut().push(key);
                Ok((key, weight))
            };
            assert_eq!(cache.get_or_read_weighed(key, read), Ok(key));
        }
        assert_eq!(*reads.borrow(), [1, 2, 3, 4]);
    }
}
