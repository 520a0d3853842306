//! What the mount directory says about itself: the `$WIMMOUNTDATA` stream of its root, and the reparse
//! points of the files in it.
//!
//! Both readers take the bytes as a capture delivers them. Where those lie in a capture (an NTFS attribute,
//! an extended attribute, a file beside the directory) is not their concern.

mod reparse_point;
mod wim_mount_data;

pub use reparse_point::{
    ReparseData, ReparsePoint, ReparseTag, SymbolicLink, WimReparseData, WofProvider,
};
pub use wim_mount_data::{MountDataRecord, WimMountData};
