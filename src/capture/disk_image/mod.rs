//! Disk images, read where they lie: container, partition, file system. Nothing is mounted and nothing is written.
//!
//! Each layer gives bytes that can be read from any place ([`ReadAt`]) to the one above it.

mod read_at;

pub use self::read_at::{ReadAt, ReadAtCursor, Section, Seekable};
