//! A small cache.

use std::cell::RefCell;

/// Keeps the values that were asked for last.
#[derive(Debug)]
pub(super) struct RecentlyUsed<K, V> {
    /// The newest one at the end.
    kept: RefCell<Vec<(K, V)>>,
    limit: usize,
}

impl<K: PartialEq + Copy, V: Clone> RecentlyUsed<K, V> {
    pub(super) fn new(limit: usize) -> Self {
        RecentlyUsed {
            kept: RefCell::default(),
            limit,
        }
    }

    /// The value that is kept under a key, or else the one that `read` gives.
    pub(super) fn get_or_read<E>(
        &self,
        key: K,
        read: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E> {
        if let Some(value) = self.get(key) {
            return Ok(value);
        }
        // Not borrowed meanwhile: reading one value may read another.
        let value = read()?;
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= self.limit {
            kept.remove(0);
        }
        kept.push((key, value.clone()));
        Ok(value)
    }

    fn get(&self, key: K) -> Option<V> {
        let mut kept = self.kept.borrow_mut();
        let number = kept.iter().rposition(|(known, _)| *known == key)?;
        kept[number..].rotate_left(1);
        kept.last().map(|(_, value)| value.clone())
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
                Ok::<_, ()>(key * 10)
            };
            assert_eq!(cache.get_or_read(key, read), Ok(key * 10));
        }
        assert_eq!(*reads.borrow(), [1, 2, 3, 2]);
        assert_eq!(cache.get_or_read(4, || Err("damage")), Err("damage"));
    }
}
