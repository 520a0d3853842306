//! The bytes of a volume, which count how they are read.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

use dism_mount_status::capture::read_at::ReadAt;

pub(crate) struct Counted {
    bytes: Vec<u8>,
    /// How often each place was read from, and how much at most.
    reads: RefCell<BTreeMap<u64, (usize, u64)>>,
}

impl Counted {
    pub(crate) fn new(bytes: Vec<u8>) -> Counted {
        Counted {
            bytes,
            reads: RefCell::default(),
        }
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        let reads = self.reads.borrow();
        reads
            .values()
            .map(|(times, length)| *times as u64 * length)
            .sum()
    }

    /// A place that was read from twice.
    pub(crate) fn read_twice(&self) -> Option<u64> {
        let reads = self.reads.borrow();
        let mut twice = reads.iter().filter(|(_, (times, _))| *times > 1);
        twice.next().map(|(place, _)| *place)
    }
}

impl ReadAt for Counted {
    fn size(&self) -> u64 {
        self.bytes.size()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut reads = self.reads.borrow_mut();
        let (times, length) = reads.entry(offset).or_default();
        *times += 1;
        *length = buffer.len().max(*length as usize) as u64;
        self.bytes.read_exact_at(offset, buffer)
    }
}
