//! A file over which its log is laid.

use std::collections::BTreeMap;
use std::io;

use crate::capture::disk_image::container::container_file::ContainerFile;
use crate::capture::read_at::ReadAt;

const PAGE: u64 = 4096;

/// A page of the file as the log has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    /// Where its data sector stands in the file. The first eight and the last four bytes of that are not the page's.
    pub(super) data: u64,
    pub(super) start: [u8; 8],
    pub(super) end: [u8; 4],
}

/// A file over which its log is laid. Nothing is copied before it is read.
pub(super) struct Replayed {
    file: ContainerFile,
    size: u64,
    /// By where they start.
    pages: BTreeMap<u64, Page>,
    /// Ranges of zeros below the pages, by where they start; they neither overlap nor touch.
    zeros: BTreeMap<u64, u64>,
}

impl Replayed {
    pub(super) fn new(file: ContainerFile) -> Self {
        Replayed {
            size: file.size(),
            file,
            pages: BTreeMap::new(),
            zeros: BTreeMap::new(),
        }
    }

    /// Makes the file at least so large, with zeros.
    pub(super) fn grow_to(&mut self, size: u64) {
        self.size = self.size.max(size);
    }

    /// Lays a page over what was there.
    pub(super) fn lay(&mut self, offset: u64, page: Page) {
        self.grow_to(offset.saturating_add(PAGE));
        self.pages.insert(offset, page);
    }

    /// Lays zeros over what was there.
    pub(super) fn lay_zeros(&mut self, mut start: u64, mut end: u64) {
        if start >= end {
            return;
        }
        self.grow_to(end);
        let covered: Vec<u64> = self.pages.range(start..end).map(|(at, _)| *at).collect();
        for at in covered {
            self.pages.remove(&at);
        }
        while let Some((&from, &to)) = self.zeros.range(..=end).next_back() {
            if to < start {
                break;
            }
            self.zeros.remove(&from);
            start = start.min(from);
            end = end.max(to);
        }
        self.zeros.insert(start, end);
    }

    /// Where the range of zeros ends in which an offset lies.
    fn end_of_zeros(&self, offset: u64) -> Option<u64> {
        let (_, &end) = self.zeros.range(..=offset).next_back()?;
        (end > offset).then_some(end)
    }

    /// Where the next page starts at an offset or behind it.
    fn next_page(&self, offset: u64) -> u64 {
        let next = self.pages.range(offset..).next();
        next.map_or(u64::MAX, |(at, _)| *at)
    }

    /// Where the next range of zeros starts at an offset or behind it.
    fn next_zeros(&self, offset: u64) -> u64 {
        let next = self.zeros.range(offset..).next();
        next.map_or(u64::MAX, |(at, _)| *at)
    }

    fn read_page(&self, page: &Page, within: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut bytes = [0; PAGE as usize];
        self.file.bytes().read_exact_at(page.data, &mut bytes)?;
        bytes[..8].copy_from_slice(&page.start);
        bytes[PAGE as usize - 4..].copy_from_slice(&page.end);
        buffer.copy_from_slice(&bytes[within as usize..][..buffer.len()]);
        Ok(())
    }

    /// Reads the file itself, and zeros behind its end.
    fn read_file(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let left = self
            .file
            .size()
            .saturating_sub(offset)
            .min(buffer.len() as u64);
        let (there, behind) = buffer.split_at_mut(left as usize);
        behind.fill(0);
        match there.is_empty() {
            true => Ok(()),
            false => self.file.bytes().read_exact_at(offset, there),
        }
    }
}

impl ReadAt for Replayed {
    fn size(&self) -> u64 {
        self.size
    }

    fn stored_size(&self) -> u64 {
        self.file.stored_size()
    }

    fn read_exact_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while !buffer.is_empty() {
            let within = offset % PAGE;
            let page = self.pages.get(&(offset - within));
            let zeros = self.end_of_zeros(offset);
            let stop = match (page, zeros) {
                (Some(_), _) => offset - within + PAGE,
                // A page may lie over the zeros.
                (None, Some(end)) => self.next_page(offset).min(end),
                (None, None) => self.next_page(offset).min(self.next_zeros(offset)),
            };
            let length = (stop - offset).min(buffer.len() as u64) as usize;
            let (part, rest) = buffer.split_at_mut(length);
            match (page, zeros) {
                (Some(page), _) => self.read_page(page, within, part)?,
                (None, Some(_)) => part.fill(0),
                (None, None) => self.read_file(offset, part)?,
            }
            offset += length as u64;
            buffer = rest;
        }
        Ok(())
    }
}
