//! The tables and bitmaps of an image, read page by page.

use std::rc::Rc;

use super::container_file::ContainerFile;
use crate::capture::disk_image::recently_used::RecentlyUsed;
use crate::error::Error;

/// The tables and bitmaps of an image, read page by page as they are asked for.
pub(super) struct Pages {
    file: ContainerFile,
    recent: RecentlyUsed<u64, Rc<Vec<u8>>>,
}

impl Pages {
    const PAGE: u64 = 4096;
    const KEPT: usize = 128;

    pub(super) fn new(file: ContainerFile) -> Self {
        Pages {
            file,
            recent: RecentlyUsed::new(Self::KEPT),
        }
    }

    pub(super) fn file(&self) -> &ContainerFile {
        &self.file
    }

    /// The page with the byte at `offset`, cut at the end of the file, and where that byte stands in it.
    fn page(&self, what: &'static str, offset: u64) -> Result<(Rc<Vec<u8>>, usize), Error> {
        let start = offset - offset % Self::PAGE;
        let page = self.recent.get_or_read(start, || {
            let length = Self::PAGE.min(self.file.size().saturating_sub(start));
            self.file.vec(what, start, length as usize).map(Rc::new)
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
