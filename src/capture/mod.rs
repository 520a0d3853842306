//! Where a captured machine's files lie on this host: a Windows path in; bytes, streams and reparse data out.
//!
//! [`Drives`] knows which drive is carried by what, and looks Windows paths up in them. [`CapturedMachine`] is a Windows
//! that was found in a capture, with its drives and its registry hives: in a directory of this host, an image in a
//! WIM, a disk image, a triage collection. Nothing outside of what was given is ever opened, whatever links say.

#[cfg(feature = "collection")]
pub mod collection;
mod directory;
#[cfg(feature = "disk-image")]
pub mod disk_image;
mod drive_name;
mod drives;
mod hive_files;
mod link;
mod machine;
mod mount_files;
mod mount_traces;
mod orphans;
#[cfg(any(
    feature = "captured-wim",
    feature = "collection",
    feature = "disk-image"
))]
pub mod read_at;
mod stream_file;
mod volume;
#[cfg(feature = "captured-wim")]
mod wim_image;

pub(crate) use self::directory::DirectoryLayout;
pub use self::drive_name::DriveName;
pub use self::drives::Drives;
pub use self::hive_files::HiveFiles;
pub use self::machine::CapturedMachine;
pub use self::orphans::OrphanedMountDirectory;
pub use self::volume::ReadSeek;
#[cfg(feature = "captured-wim")]
pub(crate) use self::wim_image::wim_header;
#[cfg(feature = "captured-wim")]
pub use self::wim_image::{WimCapture, WimDamage};

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
