//! What a volume says about itself: the attributes of `$Volume`.

use std::rc::Rc;

use nom::number::complete::{le_u8, le_u16, le_u64};

use super::attribute::AttributeType;
use super::attribute_set::AttributeSet;
use super::file_reference::FileReference;
use super::file_table::FileTable;
use crate::binary::structure;
use crate::error::Error;
use crate::wide_string::WideString;

/// Label, version and state of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct VolumeInformation {
    /// The label that people gave it.
    pub label: WideString,
    /// Version of the format, such as 3.1; `None` where that is not told.
    pub version: Option<(u8, u8)>,
    /// `VOLUME_*` flags.
    pub flags: u16,
}

impl VolumeInformation {
    /// `VOLUME_IS_DIRTY`: the volume was not left in order, and chkdsk is to run.
    pub const IS_DIRTY: u16 = 0x0001;
    const RECORD: FileReference = FileReference::to_record(3);

    pub(super) fn read(table: &Rc<FileTable>) -> Result<VolumeInformation, Error> {
        let record = table.file_record(Self::RECORD)?;
        let attributes = AttributeSet::new(table.clone(), record);
        let nameless = WideString::default();
        let mut information = VolumeInformation::default();
        if let Some(label) = attributes.find(AttributeType::VOLUME_NAME, &nameless)? {
            information.label = WideString::from_utf16le(label.value()?);
        }
        if let Some(found) = attributes.find(AttributeType::VOLUME_INFORMATION, &nameless)? {
            let numbers = (le_u64, le_u8, le_u8, le_u16);
            let name = "volume information";
            let (_, (_, major, minor, flags)) =
                structure(name, found.value_position(), found.value()?, numbers)?;
            information.version = Some((major, minor));
            information.flags = flags;
        }
        Ok(information)
    }
}
