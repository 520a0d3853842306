//! The sources of the last matches, which can be named by their age.

/// How many can be named.
pub(super) const RECENT_COUNT: usize = 3;

/// Sources from the newest to the oldest. One that is used is taken out, and comes to the front again.
///
/// A source that was used comes to the front only when one more item was decoded: the next item would not use it, as
/// the match could have been longer instead.
#[derive(Debug)]
pub(super) struct Recent<T> {
    /// One more than can be named: it moves up when another one is taken out.
    sources: [T; RECENT_COUNT + 1],
    last: Option<LastMatch<T>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct LastMatch<T> {
    source: T,
    end: usize,
}

impl<T: Copy> Recent<T> {
    /// Before the first match the sources are those of the numbers 1, 2, 3, 4.
    pub(super) fn new(source: impl Fn(u32) -> T) -> Self {
        Recent {
            sources: [1, 2, 3, 4].map(source),
            last: None,
        }
    }

    /// To be called before a match that starts at `start`. Returns the match before it if that ends there: its source
    /// cannot be named yet.
    #[inline]
    pub(super) fn before_match(&mut self, start: usize) -> Option<LastMatch<T>> {
        let last = self.last.take()?;
        if last.end == start {
            return Some(last);
        }
        self.put_first(last.source);
        None
    }

    /// Takes a source out; 0 is the newest one.
    #[inline]
    pub(super) fn take(&mut self, age: usize) -> T {
        let source = self.sources[age];
        self.sources.copy_within(age + 1.., age);
        source
    }

    /// To be called behind a match, with what [`before_match`](Self::before_match) returned.
    #[inline]
    pub(super) fn used(&mut self, before: Option<LastMatch<T>>, source: T, end: usize) {
        if let Some(before) = before {
            self.put_first(before.source);
        }
        self.last = Some(LastMatch { source, end });
    }

    #[inline]
    fn put_first(&mut self, source: T) {
        self.sources.copy_within(..RECENT_COUNT, 1);
        self.sources[0] = source;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_can_be_named_from_the_item_after_the_next_on() {
        let mut recent = Recent::new(|number| number);
        let before = recent.before_match(0);
        recent.used(before, 70, 5);
        // The next item is a match, too.
        let before = recent.before_match(5);
        assert_eq!(recent.take(0), 1);
        recent.used(before, 1, 8);
        // Then something else up to 9.
        let before = recent.before_match(9);
        assert!(before.is_none());
        assert_eq!(recent.sources, [1, 70, 2, 3]);
        assert_eq!(recent.take(1), 70);
        assert_eq!(recent.sources[..3], [1, 2, 3]);
    }
}
