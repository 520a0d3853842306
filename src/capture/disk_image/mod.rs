//! Disk images, read where they lie: container, partition, file system. Nothing is mounted and nothing is written.
//!
//! Each layer gives bytes that can be read from any place ([`ReadAt`]) to the one above it.

pub mod ntfs;

pub use super::read_at::{ReadAt, ReadAtCursor, Section, Seekable};
