//! Where a captured machine's files lie on this host: a Windows path in; bytes, streams and reparse data out.
//!
//! [`Drives`] knows which folder holds which drive, and looks Windows paths up in them. [`DirectoryCapture`] finds the
//! drives and the registry hives of a directory by itself. Both never open anything outside the folders they were
//! given, whatever links say.

mod directory;
#[cfg(feature = "disk-image")]
pub mod disk_image;
mod drive_name;
mod drives;
mod extended_attribute;
mod hive_files;
mod host_name;
mod link;
mod mount_files;
mod named_stream;
mod orphans;
mod volume_folder;

pub use self::directory::DirectoryCapture;
pub use self::drive_name::DriveName;
pub use self::drives::Drives;
pub use self::hive_files::HiveFiles;
pub use self::orphans::OrphanedMountDirectory;

use serde::Serialize;

/// What it means that a path is not in the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All files of the volume were captured: what is not there was not on the machine.
    Complete,
    /// Some were: a path was not on the machine only where the folder that should hold it was captured, and is not
    /// the root of the drive.
    Partial,
}
