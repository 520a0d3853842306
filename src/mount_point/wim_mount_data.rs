//! The `$WIMMOUNTDATA` named stream, by which wimgapi recognises a mount directory.
//!
//! Microsoft does not document the stream. The layout is that of one sample, published on hexacorn.com on
//! 2024-12-31: a header of 0x28 bytes, then records of id, length and payload, each padded to eight bytes.
//! Bytes whose meaning the sample does not show are kept as they are and not interpreted; the image index,
//! the read/write mode, a format version and a stamp of the image should be among them.

use uuid::Uuid;

use crate::error::{Error, Warnings};
use crate::wide_string::WideString;

/// The contents of a `$WIMMOUNTDATA` stream.
///
/// A path is `None` when the stream has no record for it, which no sample shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WimMountData {
    /// The mount's GUID: the name of its registry key, and "Mount Guid" in `dism.log`.
    pub mount_id: Uuid,
    /// The image file (record 1), as wimgapi recorded it.
    pub wim_path: Option<WideString>,
    /// The mount directory (record 2), as wimgapi recorded it.
    pub mount_path: Option<WideString>,
    /// The directory for temporary files (record 3).
    pub temp_path: Option<WideString>,
    /// The log file (record 5).
    pub log_path: Option<WideString>,
    /// Bytes 0x04 to 0x10, of unknown meaning.
    pub unknown_04: [u8; 12],
    /// Bytes 0x20 to 0x28, of unknown meaning.
    pub unknown_20: [u8; 8],
    /// Every record, understood or not, in the order of the stream.
    pub records: Vec<MountDataRecord>,
}

/// One record of a `$WIMMOUNTDATA` stream, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountDataRecord {
    /// What the record holds, see the constants.
    pub id: u32,
    /// Offset in bytes of the record's head from the start of the stream.
    pub offset: u64,
    /// The record's bytes without head and padding.
    pub payload: Vec<u8>,
}

impl MountDataRecord {
    /// The path of the image file.
    pub const WIM_PATH: u32 = 1;
    /// The path of the mount directory.
    pub const MOUNT_PATH: u32 = 2;
    /// The path of the directory for temporary files.
    pub const TEMP_PATH: u32 = 3;
    /// Twelve bytes of unknown meaning, then the path of the log file. Record 4 is unknown altogether.
    pub const LOG_PATH: u32 = 5;
}

impl WimMountData {
    /// Reads a `$WIMMOUNTDATA` stream.
    ///
    /// # Errors
    ///
    /// The stream is shorter than its header, or a length in it reaches beyond its end.
    pub fn parse(bytes: &[u8]) -> Result<(WimMountData, Warnings), Error> {
        let _ = bytes;
        Err(Error::malformed("not yet", "not yet"))
    }
}
