//! What was read or decompressed lately, kept within a bound.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::image_file::ImageFile;
use crate::error::Error;

/// Things by their number, the one used last at the back. Those that were not used for longest go first.
pub(super) struct Recent<T> {
    kept: RefCell<VecDeque<Kept<T>>>,
    budget: usize,
}

struct Kept<T> {
    key: u64,
    thing: Rc<T>,
    weight: usize,
}

impl<T> Recent<T> {
    /// Keeps things whose weights together are at most `budget`, and in any case the last one.
    pub(super) fn new(budget: usize) -> Self {
        Recent {
            kept: RefCell::default(),
            budget,
        }
    }

    /// The thing with this number, made where it is not kept. It comes with its weight.
    pub(super) fn get_or_make(
        &self,
        key: u64,
        make: impl FnOnce() -> Result<(T, usize), Error>,
    ) -> Result<Rc<T>, Error> {
        if let Some(thing) = self.get(key) {
            return Ok(thing);
        }
        let (thing, weight) = make()?;
        let thing = Rc::new(thing);
        let mut kept = self.kept.borrow_mut();
        kept.push_back(Kept {
            key,
            thing: thing.clone(),
            weight,
        });
        let mut total: usize = kept.iter().map(|one| one.weight).sum();
        while total > self.budget && kept.len() > 1 {
            total -= kept.pop_front().map_or(0, |one| one.weight);
        }
        Ok(thing)
    }

    fn get(&self, key: u64) -> Option<Rc<T>> {
        let mut kept = self.kept.borrow_mut();
        let index = kept.iter().rposition(|one| one.key == key)?;
        if index + 1 < kept.len() {
            let one = kept.remove(index)?;
            kept.push_back(one);
        }
        kept.back().map(|one| one.thing.clone())
    }
}

/// The tables and bitmaps of an image, read page by page as they are asked for.
pub(super) struct Pages {
    file: ImageFile,
    recent: Recent<Vec<u8>>,
}

impl Pages {
    const PAGE: u64 = 4096;
    const BUDGET: usize = 512 * 1024;

    pub(super) fn new(file: ImageFile) -> Self {
        Pages {
            file,
            recent: Recent::new(Self::BUDGET),
        }
    }

    pub(super) fn file(&self) -> &ImageFile {
        &self.file
    }

    /// The page with the byte at `offset`, cut at the end of the file, and where that byte stands in it.
    fn page(&self, what: &'static str, offset: u64) -> Result<(Rc<Vec<u8>>, usize), Error> {
        let start = offset - offset % Self::PAGE;
        let page = self.recent.get_or_make(start, || {
            let length = Self::PAGE.min(self.file.size().saturating_sub(start));
            let bytes = self.file.vec(what, start, length as usize)?;
            Ok((bytes, Self::PAGE as usize))
        })?;
        Ok((page, (offset - start) as usize))
    }

    /// The `N` bytes at `offset`.
    pub(super) fn array<const N: usize>(
        &self,
        what: &'static str,
        offset: u64,
    ) -> Result<[u8; N], Error> {
        let (page, at) = self.page(what, offset)?;
        match page.get(at..).and_then(|bytes| bytes.first_chunk()) {
            Some(array) => Ok(*array),
            // It lies across two pages, or behind the end.
            None => self.file.array(what, offset),
        }
    }

    /// Of the bits from `first` on, which stand at `offset` of the file: the first one's state, and how many are of the
    /// same, `most` at most. `bit_of` tells the mask of a bit in its byte by its number.
    pub(super) fn run_of_bits(
        &self,
        what: &'static str,
        offset: u64,
        first: u64,
        most: u64,
        bit_of: fn(u64) -> u8,
    ) -> Result<(bool, u64), Error> {
        let mut state = None;
        let mut run = 0;
        while run < most {
            let place = offset.saturating_add((first + run) / 8);
            let (page, mut at) = self.page(what, place)?;
            if at >= page.len() {
                return match state {
                    Some(state) => Ok((state, run)),
                    None => Err(self.file.behind_end(what, place)),
                };
            }
            while run < most && at < page.len() {
                let bit = first + run;
                let is_set = page[at] & bit_of(bit % 8) != 0;
                if *state.get_or_insert(is_set) != is_set {
                    return Ok((!is_set, run));
                }
                run += 1;
                at += usize::from(bit % 8 == 7);
            }
        }
        Ok((state.unwrap_or(false), run))
    }
}
