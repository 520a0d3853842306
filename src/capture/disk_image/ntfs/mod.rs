//! NTFS volumes, read only.
//!
//! [`NtfsVolume::open`] takes the bytes of a volume; [`NtfsVolume::root`] is the directory where paths start; an
//! [`NtfsFile`] tells its names, times, streams and reparse point, finds the files in it where it is a directory, and opens
//! streams as [`NtfsStream`]s, which are read from any place.
//!
//! Only what is asked for is read: to find a file by its path takes a few kilobytes, whatever the volume's size. Memory is
//! bounded whatever the volume says. Where something is damaged, an error tells its place on the volume in bytes.
//!
//! The journal is not replayed: a volume that was not left in order is read as it is, with a warning.

mod attribute;
mod attribute_list;
mod attribute_set;
mod attribute_stream;
mod boot_sector;
mod captured_volume;
mod compressed_stream;
mod directory_index;
mod directory_paths;
mod file_name;
mod file_record;
mod file_reference;
mod file_table;
mod index_node;
mod log_file;
mod lznt1;
mod mount_search;
mod ntfs_file;
mod ntfs_stream;
mod ntfs_volume;
mod run_list;
mod standard_information;
mod upcase;
mod update_sequence;
mod volume_information;
mod wof;
#[cfg(test)]
#[path = "../../../../tests/support/ntfs/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the tests of whole volumes use the rest"
)]
mod written_volume;

pub use self::boot_sector::BootSector;
pub use self::file_name::{FileName, Namespace};
pub use self::file_reference::FileReference;
pub use self::mount_search::MountTrace;
pub use self::ntfs_file::{DirectoryEntry, NtfsFile, StreamName};
pub use self::ntfs_stream::NtfsStream;
pub use self::ntfs_volume::NtfsVolume;
pub use self::standard_information::StandardInformation;
pub use self::volume_information::VolumeInformation;
