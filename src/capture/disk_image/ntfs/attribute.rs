//! Attributes: all that a file record holds, and where the rest of it lies. `ATTRIBUTE_RECORD_HEADER` of Microsoft's
//! developer notes.

use std::ops::Range;

use nom::number::complete::{le_u8, le_u16, le_u32, le_u64};
use nom::{IResult, Parser};

use crate::binary::structure;
use crate::error::{Error, Position};
use crate::wide_string::WideString;

/// What an attribute is, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct AttributeType(pub(super) u32);

impl AttributeType {
    pub(super) const STANDARD_INFORMATION: Self = AttributeType(0x10);
    pub(super) const ATTRIBUTE_LIST: Self = AttributeType(0x20);
    pub(super) const FILE_NAME: Self = AttributeType(0x30);
    pub(super) const VOLUME_NAME: Self = AttributeType(0x60);
    pub(super) const VOLUME_INFORMATION: Self = AttributeType(0x70);
    pub(super) const DATA: Self = AttributeType(0x80);
    pub(super) const INDEX_ROOT: Self = AttributeType(0x90);
    pub(super) const INDEX_ALLOCATION: Self = AttributeType(0xA0);
    pub(super) const REPARSE_POINT: Self = AttributeType(0xC0);
    /// What stands behind the last attribute of a record.
    pub(super) const END: Self = AttributeType(0xFFFF_FFFF);

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::STANDARD_INFORMATION => "$STANDARD_INFORMATION",
            Self::ATTRIBUTE_LIST => "$ATTRIBUTE_LIST",
            Self::FILE_NAME => "$FILE_NAME",
            Self::VOLUME_NAME => "$VOLUME_NAME",
            Self::VOLUME_INFORMATION => "$VOLUME_INFORMATION",
            Self::DATA => "$DATA",
            Self::INDEX_ROOT => "$INDEX_ROOT",
            Self::INDEX_ALLOCATION => "$INDEX_ALLOCATION",
            Self::REPARSE_POINT => "$REPARSE_POINT",
            _ => "an attribute",
        }
    }
}

/// One attribute in a file record, or one part of an attribute that is split over several.
#[derive(Debug, Clone)]
pub(super) struct Attribute {
    pub(super) kind: AttributeType,
    pub(super) name: WideString,
    pub(super) flags: u16,
    pub(super) id: u16,
    /// Where it stands in its record.
    pub(super) offset: usize,
    pub(super) form: Form,
}

#[derive(Debug, Clone)]
pub(super) enum Form {
    /// The value stands in the record.
    Resident { value: Range<usize> },
    /// The value lies in clusters.
    NonResident(NonResident),
}

#[derive(Debug, Clone)]
pub(super) struct NonResident {
    /// The first cluster of the value that this part tells the place of.
    pub(super) first_vcn: u64,
    /// Exponent of a power of two of clusters that are compressed together.
    pub(super) compression_unit: u16,
    /// Size of the value in bytes; of the first part only.
    pub(super) data_size: u64,
    /// What of the value was written, in bytes; of the first part only. Beyond it are zeros.
    pub(super) initialized_size: u64,
    /// The run list, in the record.
    pub(super) mapping_pairs: Range<usize>,
}

impl Attribute {
    /// The lower byte tells how the value is compressed.
    pub(super) const COMPRESSION_MASK: u16 = 0x00FF;
    /// By LZNT1, the one method that there is.
    pub(super) const LZNT1: u16 = 0x0001;
    pub(super) const ENCRYPTED: u16 = 0x4000;

    const RESIDENT: u8 = 0;
    const NON_RESIDENT: u8 = 1;
    const NON_RESIDENT_FLAG_OFFSET: usize = 8;
    const NAME_OFFSET: usize = 9;
    const FORM_OFFSET: usize = 16;

    /// Reads the attribute at `offset` of a record, and tells where the next one is. `record` is what of the record is
    /// in use, which stands at `position` of the volume. `None` behind the last one.
    pub(super) fn parse(
        record: &[u8],
        offset: usize,
        position: u64,
    ) -> Result<Option<(Attribute, usize)>, Error> {
        let base = position.saturating_add(offset as u64);
        let at = |offset: usize| Position::Byte(base.saturating_add(offset as u64));
        let bytes = record.get(offset..).unwrap_or_default();
        let (rest, kind) = structure("an attribute's type", base, bytes, le_u32)?;
        let kind = AttributeType(kind);
        if kind == AttributeType::END {
            return Ok(None);
        }
        let (_, length) = structure("an attribute's length", base + 4, rest, le_u32)?;
        let attribute = usize::try_from(length)
            .ok()
            .filter(|length| length % 8 == 0)
            .and_then(|length| bytes.get(..length))
            .ok_or_else(|| {
                let expected = format!("an attribute's length of at most {}", bytes.len());
                Error::malformed(expected, length.to_string()).at(at(4))
            })?;
        let (rest, head) = structure("an attribute's head", base, attribute, head)?;
        let part = |start: usize, length: usize| {
            let end = start.checked_add(length)?;
            attribute.get(start..end)?;
            Some(offset + start..offset + end)
        };
        let name_length = 2 * usize::from(head.name_length);
        let name = part(head.name_offset.into(), name_length).ok_or_else(|| {
            let found = format!("{name_length} bytes at {:#x}", head.name_offset);
            Error::malformed("a name within the attribute", found).at(at(Self::NAME_OFFSET))
        })?;
        let form_base = base.saturating_add(Self::FORM_OFFSET as u64);
        let form = match head.non_resident {
            Self::RESIDENT => {
                let (_, (length, start)) =
                    structure("a resident attribute", form_base, rest, (le_u32, le_u16))?;
                let value = usize::try_from(length).ok();
                let value = value.and_then(|length| part(start.into(), length));
                let value = value.ok_or_else(|| {
                    let found = format!("{length} bytes at {start:#x}");
                    let place = at(Self::FORM_OFFSET);
                    Error::malformed("a value within the attribute", found).at(place)
                })?;
                Form::Resident { value }
            }
            Self::NON_RESIDENT => {
                let (_, fields) =
                    structure("a non-resident attribute", form_base, rest, non_resident)?;
                let (first_vcn, start, compression_unit, data_size, initialized_size) = fields;
                let start = usize::from(start);
                let length = attribute.len().checked_sub(start);
                let mapping_pairs = length.and_then(|length| part(start, length));
                let mapping_pairs = mapping_pairs.ok_or_else(|| {
                    let found = format!("one at {start:#x}");
                    let place = at(Self::FORM_OFFSET);
                    Error::malformed("a run list within the attribute", found).at(place)
                })?;
                Form::NonResident(NonResident {
                    first_vcn,
                    compression_unit,
                    data_size,
                    initialized_size: initialized_size.min(data_size),
                    mapping_pairs,
                })
            }
            other => {
                let place = at(Self::NON_RESIDENT_FLAG_OFFSET);
                let found = other.to_string();
                return Err(Error::malformed("a non-resident flag of 0 or 1", found).at(place));
            }
        };
        let next = offset + attribute.len();
        let attribute = Attribute {
            kind,
            name: WideString::from_utf16le(&record[name]),
            flags: head.flags,
            id: head.id,
            offset,
            form,
        };
        Ok(Some((attribute, next)))
    }

    /// The first cluster of the value that it tells of; 0 for one that is resident.
    pub(super) fn first_vcn(&self) -> u64 {
        match &self.form {
            Form::Resident { .. } => 0,
            Form::NonResident(part) => part.first_vcn,
        }
    }
}

struct Head {
    non_resident: u8,
    name_length: u8,
    name_offset: u16,
    flags: u16,
    id: u16,
}

fn head(bytes: &[u8]) -> IResult<&[u8], Head> {
    let (rest, (_type, _length, non_resident, name_length)) =
        (le_u32, le_u32, le_u8, le_u8).parse(bytes)?;
    let (rest, (name_offset, flags, id)) = (le_u16, le_u16, le_u16).parse(rest)?;
    let head = Head {
        non_resident,
        name_length,
        name_offset,
        flags,
        id,
    };
    Ok((rest, head))
}

/// First cluster, offset of the run list, compression unit, data size, initialised size.
fn non_resident(bytes: &[u8]) -> IResult<&[u8], (u64, u16, u16, u64, u64)> {
    let (rest, (first_vcn, _last_vcn, mapping_pairs, compression_unit)) =
        (le_u64, le_u64, le_u16, le_u16).parse(bytes)?;
    let (rest, (_padding, _allocated, data_size, initialized_size)) =
        (le_u32, le_u64, le_u64, le_u64).parse(rest)?;
    let fields = (
        first_vcn,
        mapping_pairs,
        compression_unit,
        data_size,
        initialized_size,
    );
    Ok((rest, fields))
}
