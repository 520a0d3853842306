//! Decompressed chunks, kept for those who read the same ones again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;

/// The bytes of all chunks that are kept; the largest chunk there is has as many.
const MAX_SIZE: usize = 64 << 20;
/// The number of chunks that are kept: a hive is read here and there.
const MAX_COUNT: usize = 32;

/// Which chunk of which resource, among all that are read with one cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkKey {
    /// The part of a split WIM in which the resource lies.
    pub(super) part_number: u16,
    /// Where the resource lies in it.
    pub(super) resource_offset: u64,
    pub(super) chunk: u64,
}

/// The chunks that were read last. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct ChunkCache(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    /// The newest one at the end.
    chunks: Vec<(ChunkKey, Vec<u8>)>,
    size: usize,
    /// How many bytes may still be read.
    allowance: u64,
}

impl Default for Kept {
    fn default() -> Self {
        Kept {
            chunks: Vec::new(),
            size: 0,
            allowance: u64::MAX,
        }
    }
}

impl ChunkCache {
    /// Reads from a chunk, which `decompress` makes where it is not kept: it gets memory of the chunk's size. While it
    /// does so others who share the cache wait, so that together they have no more than one chunk in the making.
    pub(super) fn read<T>(
        &self,
        key: ChunkKey,
        size: usize,
        decompress: impl FnOnce(&mut [u8]) -> Result<(), Error>,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Error> {
        let mut kept = self.lock();
        match kept.chunks.iter().rposition(|(known, _)| *known == key) {
            Some(place) => kept.chunks[place..].rotate_left(1),
            None => {
                kept.spend(size as u64)?;
                let mut bytes = kept.make_room(size);
                decompress(&mut bytes)?;
                kept.size += bytes.len();
                kept.chunks.push((key, bytes));
            }
        }
        let (_, bytes) = &kept.chunks[kept.chunks.len() - 1];
        Ok(read(bytes))
    }

    /// Counts bytes that are read without the cache.
    ///
    /// # Errors
    /// When no more are allowed.
    pub(super) fn spend(&self, bytes: u64) -> Result<(), Error> {
        self.lock().spend(bytes)
    }

    /// Lets so many more bytes be read by all who share the cache, chunks that are kept not counted.
    pub(super) fn allow(&self, bytes: u64) {
        self.lock().allowance = bytes;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // What is kept is whole even where someone panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn spend(&mut self, bytes: u64) -> Result<(), Error> {
        let Some(left) = self.allowance.checked_sub(bytes) else {
            let what = "a WIM of which the same parts are to be read again and again";
            let remedy = "apply the image, and name the folder";
            return Err(Error::unsupported(what, remedy));
        };
        self.allowance = left;
        Ok(())
    }

    /// Gives the oldest chunks up until there is room for one of this size, and returns memory for it.
    fn make_room(&mut self, size: usize) -> Vec<u8> {
        let allowed = MAX_SIZE.saturating_sub(size);
        let mut used = None;
        while self.chunks.len() >= MAX_COUNT || (self.size > allowed && !self.chunks.is_empty()) {
            let (_, bytes) = self.chunks.remove(0);
            self.size -= bytes.len();
            used = Some(bytes);
        }
        match used {
            Some(bytes) if bytes.len() == size => bytes,
            // Fresh memory is touched only as far as it is filled.
            _ => vec![0; size],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(chunk: u64) -> ChunkKey {
        ChunkKey {
            part_number: 1,
            resource_offset: 208,
            chunk,
        }
    }

    fn read(cache: &ChunkCache, chunk: u64, size: usize) -> bool {
        let mut is_made = false;
        let make = |bytes: &mut [u8]| {
            is_made = true;
            bytes.fill(chunk as u8);
            Ok(())
        };
        let first = cache.read(key(chunk), size, make, |bytes| {
            assert_eq!(bytes.len(), size);
            bytes[0]
        });
        assert_eq!(first.unwrap(), chunk as u8);
        is_made
    }

    #[test]
    fn a_chunk_is_made_once_while_it_is_kept() {
        let cache = ChunkCache::default();
        for chunk in 0..MAX_COUNT as u64 {
            assert!(read(&cache.clone(), chunk, 10));
        }
        assert!(!read(&cache, 0, 10));
        // The newest one now is 0, so that 1 is given up.
        assert!(read(&cache, 99, 10));
        assert!(!read(&cache, 0, 10));
        assert!(read(&cache, 1, 10));
    }

    #[test]
    fn large_chunks_are_given_up_before_the_next_is_made() {
        let cache = ChunkCache::default();
        for chunk in 0..4 {
            assert!(read(&cache, chunk, MAX_SIZE / 2));
            assert!(cache.lock().size <= MAX_SIZE);
        }
        assert!(read(&cache, 4, MAX_SIZE));
        assert_eq!(cache.lock().chunks.len(), 1);
    }

    #[test]
    fn no_more_is_read_than_is_allowed() {
        let cache = ChunkCache::default();
        cache.allow(25);
        assert!(read(&cache, 0, 10));
        // What is kept is not read again.
        assert!(!read(&cache, 0, 10));
        cache.spend(10).unwrap();
        let never = |_: &mut [u8]| panic!("it is read");
        let refused = cache.read(key(1), 10, never, |_| ()).unwrap_err();
        assert!(refused.is_unsupported());
        assert!(cache.spend(6).is_err());
        assert!(cache.spend(5).is_ok());
        assert!(!read(&cache, 0, 10));
    }

    #[test]
    fn a_chunk_that_could_not_be_made_is_not_kept() {
        let cache = ChunkCache::default();
        let fail = |_: &mut [u8]| Err(Error::malformed("a chunk", "none"));
        assert!(cache.read(key(1), 10, fail, |_| ()).is_err());
        assert!(read(&cache, 1, 10));
        assert_eq!(cache.lock().size, 10);
    }
}
