//! Disk images, read where they lie: container, partition, file system. Nothing is mounted and nothing is written.
//!
//! Each layer gives bytes that can be read from any place ([`ReadAt`](super::read_at::ReadAt)) to the one above it: a [`Disk`] comes out of its
//! container, a [`PartitionTable`] says what it is divided into, [`FileSystem`] what a volume is formatted with.

mod container;
mod disk_capture;
mod file_system;
pub mod ntfs;
mod partition_table;
mod recently_used;

pub(crate) use self::container::FileSet;
pub use self::container::{ContainerFormat, Disk, HostFolder, Neighbours, UnsupportedContainer};
pub use self::disk_capture::{DiskCapture, DiskPart};
pub use self::file_system::FileSystem;
pub use self::partition_table::{Partition, PartitionKind, PartitionScheme, PartitionTable};
