//! Attribute lists: which records hold the attributes of a file whose own record is too small for them.
//! `ATTRIBUTE_LIST_ENTRY` of Microsoft's developer notes.

use nom::number::complete::{le_u8, le_u16, le_u32, le_u64};
use nom::{IResult, Parser};

use super::attribute::AttributeType;
use super::file_reference::FileReference;
use crate::binary::structure;
use crate::error::{Error, Position};
use crate::wide_string::WideString;

/// Where an attribute, or a part of one, is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListEntry {
    pub(super) kind: AttributeType,
    pub(super) name: WideString,
    /// The first cluster of the value that the part tells of.
    pub(super) first_vcn: u64,
    /// The record that it stands in.
    pub(super) record: FileReference,
    /// Its id in that record.
    pub(super) id: u16,
}

impl ListEntry {
    /// NTFS does not write longer lists, in bytes.
    pub(super) const MAX_LIST_SIZE: u64 = 256 << 10;

    const HEAD_SIZE: usize = 26;
    const LENGTH_OFFSET: u64 = 4;

    /// Reads a list. `place` tells where an offset of the list lies on the volume.
    ///
    /// # Errors
    ///
    /// An entry is shorter than its parts, or longer than the list.
    pub(super) fn parse_all(
        list: &[u8],
        place: impl Fn(u64) -> Position,
    ) -> Result<Vec<ListEntry>, Error> {
        let mut entries = Vec::new();
        let mut offset = 0;
        while let Some(bytes) = list.get(offset..).filter(|bytes| !bytes.is_empty()) {
            let base = offset as u64;
            let parsed = structure("an attribute list's entry", base, bytes, entry);
            let (_, (mut entry, length, name_length, name_offset)) =
                parsed.map_err(|error| error.moved_to(place(base)))?;
            let length = usize::from(length);
            let name_start = usize::from(name_offset);
            let name = bytes.get(..length).and_then(|bytes| {
                let end = name_start + 2 * usize::from(name_length);
                bytes.get(name_start.min(end)..end)
            });
            let Some(name) = name.filter(|_| length >= Self::HEAD_SIZE) else {
                let expected = format!("an entry's length of at most {}", bytes.len());
                let found = format!("{length} with a name of {name_length} at {name_offset}");
                return Err(Error::malformed(expected, found).at(place(base + Self::LENGTH_OFFSET)));
            };
            entry.name = WideString::from_utf16le(name);
            entries.push(entry);
            offset += length;
        }
        Ok(entries)
    }
}

/// An entry without its name; its length, the name's length in code units and the name's offset.
fn entry(bytes: &[u8]) -> IResult<&[u8], (ListEntry, u16, u8, u8)> {
    let (rest, (kind, length, name_length, name_offset)) =
        (le_u32, le_u16, le_u8, le_u8).parse(bytes)?;
    let (rest, (first_vcn, record, id)) = (le_u64, le_u64, le_u16).parse(rest)?;
    let entry = ListEntry {
        kind: AttributeType(kind),
        name: WideString::default(),
        first_vcn,
        record: FileReference::from_raw(record),
        id,
    };
    Ok((rest, (entry, length, name_length, name_offset)))
}
