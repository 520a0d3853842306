//! The bytes of the hive bins as they are after recovery, read page by page when they are asked for.
//!
//! Nothing is read ahead and at most [`CACHED_PAGES`] pages are kept. Pages that the transaction logs
//! carry stay in the logs: an overlay says where each of them lies.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use super::base_block::BASE_BLOCK_LEN;
use crate::error::{Error, Position};

const PAGE_LEN: u64 = 4096;

/// 1 MiB of pages.
const CACHED_PAGES: usize = 256;

/// Reads exactly the bytes at a position.
pub(super) fn read_at<R: Read + Seek>(
    source: &mut R,
    position: u64,
    bytes: &mut [u8],
) -> io::Result<()> {
    source.seek(SeekFrom::Start(position))?;
    source.read_exact(bytes)
}

/// Where in the file an offset within the hive bins lies.
pub(super) fn file_position(offset: u64) -> Position {
    Position::Byte(BASE_BLOCK_LEN.saturating_add(offset))
}

/// Which ranges of the hive bins are found in a log instead of in the hive.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    /// By first offset within the hive bins; they do not overlap.
    extents: BTreeMap<u64, Extent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    /// The offset within the hive bins behind its last byte.
    end: u64,
    /// Which log.
    log: usize,
    /// Where in the log its first byte lies.
    position: u64,
}

impl Extent {
    /// What is left of the extent when it starts later.
    fn starting_at(self, old_start: u64, new_start: u64) -> Extent {
        Extent {
            position: self.position + (new_start - old_start),
            ..self
        }
    }
}

impl Overlay {
    /// Lays `len` bytes of a log over the hive bins, and over what was laid there before.
    pub(super) fn lay(&mut self, start: u64, len: u64, log: usize, position: u64) {
        let end = start + len;
        let covered: Vec<(u64, Extent)> = self.overlapping(start, end).collect();
        for (old_start, old) in covered {
            if old_start < start {
                self.extents.insert(old_start, Extent { end: start, ..old });
            } else {
                self.extents.remove(&old_start);
            }
            if old.end > end {
                self.extents.insert(end, old.starting_at(old_start, end));
            }
        }
        if len > 0 {
            self.extents.insert(start, Extent { end, log, position });
        }
    }

    /// How many bytes are laid over.
    fn len(&self) -> u64 {
        self.extents
            .iter()
            .map(|(start, extent)| extent.end - start)
            .sum()
    }

    /// The extents that have bytes between two offsets, in order.
    fn overlapping(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, Extent)> {
        let first = self
            .extents
            .range(..=start)
            .next_back()
            .map_or(start, |(&first, _)| first);
        self.extents
            .range(first..end.max(first))
            .filter(move |(_, extent)| extent.end > start)
            .map(|(&start, &extent)| (start, extent))
    }
}

struct Page {
    index: u64,
    bytes: Vec<u8>,
}

/// The hive bins of a hive with its logs laid over.
pub(super) struct Pages<R> {
    hive: R,
    /// How many bytes of hive bins the file holds.
    in_file: u64,
    logs: Vec<R>,
    overlay: Overlay,
    /// How many bytes of hive bins there are.
    len: u64,
    /// How many of them are stored in the hive or in a log.
    stored: u64,
    /// Page `i` is kept in slot `i % CACHED_PAGES`.
    cache: Vec<Option<Page>>,
}

impl<R: Read + Seek> Pages<R> {
    /// `file_len` is the length of the hive file, `recovered_len` that of the hive bins by the last log entry.
    pub(super) fn new(
        hive: R,
        file_len: u64,
        logs: Vec<R>,
        overlay: Overlay,
        recovered_len: u64,
    ) -> Self {
        let in_file = file_len.saturating_sub(BASE_BLOCK_LEN);
        Pages {
            hive,
            in_file,
            stored: in_file + overlay.len(),
            logs,
            overlay,
            len: in_file.max(recovered_len),
            cache: std::iter::repeat_with(|| None).take(CACHED_PAGES).collect(),
        }
    }

    /// How many bytes of hive bins there are.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// How many of them are stored in the hive or in a log. A log entry can claim any length: the rest is zeros.
    pub(super) fn stored(&self) -> u64 {
        self.stored
    }

    /// Copies the bytes at an offset within the hive bins.
    pub(super) fn read(&mut self, offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let available = self.len.saturating_sub(offset);
        if (bytes.len() as u64) > available {
            return Err(Error::malformed(
                format!("{} more bytes", bytes.len()),
                format!("the end of the hive after {available}"),
            )
            .at(file_position(offset)));
        }
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let page = self.page(at / PAGE_LEN)?;
            let within = &page[(at % PAGE_LEN) as usize..];
            let len = within.len().min(rest.len());
            let (now, later) = rest.split_at_mut(len);
            now.copy_from_slice(&within[..len]);
            at += len as u64;
            rest = later;
        }
        Ok(())
    }

    /// A page that begins before the end of the hive bins; the last one may be short.
    fn page(&mut self, index: u64) -> Result<&[u8], Error> {
        let slot = (index % CACHED_PAGES as u64) as usize;
        if self.cache[slot]
            .as_ref()
            .is_none_or(|page| page.index != index)
        {
            let mut bytes = match self.cache[slot].take() {
                Some(page) => page.bytes,
                None => Vec::with_capacity(PAGE_LEN as usize),
            };
            self.load(index * PAGE_LEN, &mut bytes)
                .map_err(|error| Error::io(&error).at(file_position(index * PAGE_LEN)))?;
            self.cache[slot] = Some(Page { index, bytes });
        }
        Ok(self.cache[slot].as_ref().map_or(&[], |page| &page.bytes))
    }

    fn load(&mut self, start: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
        let end = self.len.min(start + PAGE_LEN);
        bytes.clear();
        bytes.resize((end - start) as usize, 0);
        let laid_over: Vec<(u64, Extent)> = self.overlay.overlapping(start, end).collect();
        let replaced =
            matches!(laid_over[..], [(first, extent)] if first <= start && extent.end >= end);
        // What recovery added behind the end of the file reads as zeros.
        let in_file = self.in_file.clamp(start, end) - start;
        if !replaced && in_file > 0 {
            read_at(
                &mut self.hive,
                BASE_BLOCK_LEN + start,
                &mut bytes[..in_file as usize],
            )?;
        }
        for (first, extent) in laid_over {
            let from = first.max(start);
            let to = extent.end.min(end);
            let position = extent.starting_at(first, from).position;
            let target = &mut bytes[(from - start) as usize..(to - start) as usize];
            read_at(&mut self.logs[extent.log], position, target)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    /// Any number below this one; often such that two layers touch.
    fn below(end: u64) -> impl Strategy<Value = u64> {
        prop_oneof![0..end, (0..=end / 1_000).prop_map(|number| number * 1_000)]
    }

    proptest! {
        #[test]
        fn what_was_laid_last_is_read(
            layers in prop::collection::vec((below(20_000), below(9_000)), 0..20),
            reads in prop::collection::vec((0u64..30_000, 0usize..6_000), 1..20),
        ) {
            // Layer i is filled with the byte i + 1 and lies in its own log.
            let mut expected = vec![0u8; 30_000];
            let mut overlay = Overlay::default();
            let mut logs = Vec::new();
            for (log, &(start, len)) in layers.iter().enumerate() {
                overlay.lay(start, len, log, 7);
                let byte = log as u8 + 1;
                logs.push(Cursor::new([vec![0xFF; 7], vec![byte; len as usize]].concat()));
                expected[start as usize..(start + len) as usize].fill(byte);
            }
            let laid_over = expected.iter().filter(|&&byte| byte != 0).count();
            prop_assert_eq!(overlay.len(), laid_over as u64);
            let hive = Cursor::new(vec![0; 4096 + 10_001]);
            let mut pages = Pages::new(hive, 4096 + 10_001, logs, overlay, 30_000);
            for (offset, len) in reads {
                let mut bytes = vec![0xEE; len];
                let end = offset as usize + len;
                prop_assert_eq!(pages.read(offset, &mut bytes).is_ok(), end <= 30_000);
                if end <= 30_000 {
                    prop_assert_eq!(&bytes[..], &expected[offset as usize..end]);
                }
            }
        }
    }
}
