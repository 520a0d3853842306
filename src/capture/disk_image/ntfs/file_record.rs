//! A record of the master file table: `FILE_RECORD_SEGMENT_HEADER` of Microsoft's developer notes, and the attributes
//! that follow it.

use nom::bytes::complete::take;
use nom::number::complete::{le_u16, le_u32, le_u64};
use nom::{IResult, Parser};

use super::attribute::{Attribute, AttributeType, Form, NonResident};
use super::file_reference::FileReference;
use super::run_list::RunList;
use super::update_sequence;
use crate::binary::structure;
use crate::error::{Error, Position};
use crate::wide_string::WideString;

/// A record, with its update sequence undone.
#[derive(Debug)]
pub(super) struct FileRecord {
    pub(super) number: u64,
    /// Where it stands on the volume.
    pub(super) position: u64,
    pub(super) head: Head,
    bytes: Vec<u8>,
    attributes: Vec<Attribute>,
    /// Why there may be more attributes than were read.
    damage: Option<Error>,
}

/// What stands in front of a record's attributes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) sequence_number: u16,
    attributes_offset: u16,
    pub(super) flags: u16,
    used_size: u32,
    /// The record that this one goes on; 0 in one that starts a file.
    pub(super) base: FileReference,
}

impl FileRecord {
    pub(super) const SIGNATURE: &'static [u8; 4] = b"FILE";
    const USED_SIZE_OFFSET: u64 = 0x18;
    /// More attributes than this fit in no record.
    const MAX_ATTRIBUTES: usize = 4096;

    /// Reads a record that stands at `position` of the volume.
    ///
    /// Where an attribute is damaged, those before it are kept.
    ///
    /// # Errors
    ///
    /// It is no record, or was written in part.
    pub(super) fn parse(
        mut bytes: Vec<u8>,
        number: u64,
        position: u64,
    ) -> Result<FileRecord, Error> {
        update_sequence::undo(&mut bytes, Self::SIGNATURE, position)?;
        let (_, head) = structure("a file record's head", position, &bytes, head)?;
        let used = usize::try_from(head.used_size).ok();
        let Some(used) = used.and_then(|used| bytes.get(..used)) else {
            let expected = format!("a used size of at most {}", bytes.len());
            let place = Position::Byte(position.saturating_add(Self::USED_SIZE_OFFSET));
            return Err(Error::malformed(expected, head.used_size.to_string()).at(place));
        };
        let mut record = FileRecord {
            number,
            position,
            head,
            attributes: Vec::new(),
            damage: None,
            bytes: Vec::new(),
        };
        let mut offset = usize::from(head.attributes_offset);
        while record.attributes.len() < Self::MAX_ATTRIBUTES {
            match Attribute::parse(used, offset, position) {
                Ok(Some((attribute, next))) => {
                    record.attributes.push(attribute);
                    offset = next;
                }
                Ok(None) => break,
                Err(error) => {
                    record.damage = Some(error);
                    break;
                }
            }
        }
        record.bytes = bytes;
        Ok(record)
    }

    /// Whether it holds a file, or a part of one.
    pub(super) fn is_in_use(&self) -> bool {
        self.head.flags & Head::IN_USE != 0
    }

    pub(super) fn is_directory(&self) -> bool {
        self.head.flags & Head::DIRECTORY != 0
    }

    pub(super) fn reference(&self) -> FileReference {
        FileReference::from_raw(self.number | u64::from(self.head.sequence_number) << 48)
    }

    pub(super) fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// Why there may be more attributes than were read.
    pub(super) fn damage(&self) -> Option<&Error> {
        self.damage.as_ref()
    }

    /// The number of an attribute in this record, by type and name, that tells of the value from a cluster on. Among
    /// several the one with this id is taken, else the first.
    ///
    /// # Errors
    ///
    /// There is none, but the record is damaged and there may be one behind the damage.
    pub(super) fn find(
        &self,
        kind: AttributeType,
        name: &WideString,
        first_vcn: u64,
        id: Option<u16>,
    ) -> Result<Option<usize>, Error> {
        let is_meant = |attribute: &Attribute| {
            attribute.kind == kind
                && attribute.first_vcn() == first_vcn
                && is_same_name(&attribute.name, name)
        };
        let mut meant = (0..self.attributes.len()).filter(|&i| is_meant(&self.attributes[i]));
        let first = meant.next();
        let with_id = first
            .into_iter()
            .chain(meant)
            .find(|&i| id == Some(self.attributes[i].id));
        match (with_id.or(first), &self.damage) {
            (None, Some(damage)) => Err(damage.clone()),
            (found, _) => Ok(found),
        }
    }

    /// Bytes of the record, at a range that an attribute of it gave.
    pub(super) fn bytes(&self, range: &std::ops::Range<usize>) -> &[u8] {
        &self.bytes[range.clone()]
    }

    /// The value of a resident attribute of this record.
    pub(super) fn value(&self, attribute: &Attribute) -> Result<&[u8], Error> {
        match &attribute.form {
            Form::Resident { value } => Ok(self.bytes(value)),
            Form::NonResident(_) => {
                let expected = format!("a resident {}", attribute.kind.name());
                Err(Error::malformed(expected, "one in clusters").at(self.place_of(attribute)))
            }
        }
    }

    /// The runs that a part of a non-resident attribute of this record tells of.
    pub(super) fn run_list(&self, part: &NonResident) -> Result<RunList, Error> {
        let position = self.position_of(part.mapping_pairs.start);
        RunList::parse(self.bytes(&part.mapping_pairs), part.first_vcn, position)
    }

    /// Where a byte of the record lies on the volume.
    pub(super) fn position_of(&self, offset: usize) -> u64 {
        self.position.saturating_add(offset as u64)
    }

    pub(super) fn place_of(&self, attribute: &Attribute) -> Position {
        Position::Byte(self.position_of(attribute.offset))
    }
}

/// Whether names of attributes are the same: upper and lower case are, as for files.
pub(super) fn is_same_name(a: &WideString, b: &WideString) -> bool {
    a == b || a.eq_ignore_case(b)
}

impl Head {
    pub(super) const IN_USE: u16 = 0x0001;
    pub(super) const DIRECTORY: u16 = 0x0002;

    /// Reads the head of a record, whatever the rest is.
    pub(super) fn parse(bytes: &[u8]) -> Option<Head> {
        head(bytes).ok().map(|(_, head)| head)
    }

    /// Where in the record the first attribute stands.
    pub(super) fn attributes_offset(&self) -> usize {
        self.attributes_offset.into()
    }
}

fn head(bytes: &[u8]) -> IResult<&[u8], Head> {
    let (rest, (_multi_sector_header, _log_sequence_number)) =
        (take(8_usize), le_u64).parse(bytes)?;
    let (rest, (sequence_number, _link_count, attributes_offset, flags)) =
        (le_u16, le_u16, le_u16, le_u16).parse(rest)?;
    let (rest, (used_size, _allocated_size, base)) = (le_u32, le_u32, le_u64).parse(rest)?;
    let head = Head {
        sequence_number,
        attributes_offset,
        flags,
        used_size,
        base: FileReference::from_raw(base),
    };
    Ok((rest, head))
}
