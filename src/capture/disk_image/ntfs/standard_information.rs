//! `$STANDARD_INFORMATION`: times and attributes of a file. Layout after the Linux-NTFS project's `layout.h`; how a
//! directory is marked whose names differ in letter case, after Keramics' description of the format.

use nom::number::complete::{le_u32, le_u64};

use crate::binary::structure;
use crate::error::Error;
use crate::file_time::FileTime;

/// Times and attributes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StandardInformation {
    /// When the file was made.
    pub creation_time: FileTime,
    /// When its data were last written.
    pub modification_time: FileTime,
    /// When its record was last changed.
    pub record_modification_time: FileTime,
    /// When it was last read.
    pub access_time: FileTime,
    /// `FILE_ATTRIBUTE_*`.
    pub file_attributes: u32,
    /// How many versions there may be; 0 where versions are not kept.
    pub maximum_versions: u32,
    /// The number of this version.
    pub version: u32,
}

impl StandardInformation {
    /// Reads the value of the attribute, which stands at `position` of the volume.
    pub(super) fn parse(bytes: &[u8], position: u64) -> Result<StandardInformation, Error> {
        let times = (le_u64, le_u64, le_u64, le_u64);
        let numbers = (le_u32, le_u32, le_u32);
        let name = "standard information";
        let (_, (times, numbers)) = structure(name, position, bytes, (times, numbers))?;
        let (file_attributes, maximum_versions, version) = numbers;
        Ok(StandardInformation {
            creation_time: FileTime::from_ticks(times.0),
            modification_time: FileTime::from_ticks(times.1),
            record_modification_time: FileTime::from_ticks(times.2),
            access_time: FileTime::from_ticks(times.3),
            file_attributes,
            maximum_versions,
            version,
        })
    }

    /// Of a directory: whether names in it that differ in letter case are different (`FILE_CS_FLAG_CASE_SENSITIVE_DIR`).
    /// Windows keeps that in the version number of directories, which have no versions.
    pub fn is_case_sensitive(&self) -> bool {
        self.maximum_versions == 0 && self.version & 1 != 0
    }
}
