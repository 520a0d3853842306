//! All attributes of a file, in whatever records they stand.

use std::cell::OnceCell;
use std::rc::Rc;

use super::attribute::{Attribute, AttributeType, Form};
use super::attribute_list::ListEntry;
use super::attribute_stream::AttributeStream;
use super::file_record::{FileRecord, is_same_name};
use super::file_table::FileTable;
use crate::error::{Error, Position};
use crate::wide_string::WideString;

/// The attributes of the file that starts with a record.
#[derive(Clone)]
pub(super) struct AttributeSet {
    table: Rc<FileTable>,
    base: Rc<FileRecord>,
    /// The attribute list, once it was asked for; `None` where there is none.
    list: OnceCell<Option<Rc<[ListEntry]>>>,
}

/// An attribute that was found.
pub(super) struct Found {
    table: Rc<FileTable>,
    base: Rc<FileRecord>,
    record: Rc<FileRecord>,
    number: usize,
    /// The parts that tell where the value lies, in its order.
    parts: Vec<ListEntry>,
}

impl AttributeSet {
    pub(super) fn new(table: Rc<FileTable>, base: Rc<FileRecord>) -> Self {
        AttributeSet {
            table,
            base,
            list: OnceCell::new(),
        }
    }

    pub(super) fn table(&self) -> &Rc<FileTable> {
        &self.table
    }

    pub(super) fn base(&self) -> &Rc<FileRecord> {
        &self.base
    }

    /// The attribute of this type and name.
    ///
    /// # Errors
    ///
    /// It may be there, but what tells of it is damaged.
    pub(super) fn find(
        &self,
        kind: AttributeType,
        name: &WideString,
    ) -> Result<Option<Found>, Error> {
        match self.list()? {
            None => {
                let number = self.base.find(kind, name, 0, None)?;
                Ok(number.map(|number| self.in_base(number)))
            }
            Some(_) => self.joined(self.parts(kind, name)?),
        }
    }

    /// Whether there is an attribute of this type and name, as far as can be told without reading it.
    ///
    /// # Errors
    ///
    /// It may be there, but what tells of it is damaged.
    pub(super) fn has(&self, kind: AttributeType, name: &WideString) -> Result<bool, Error> {
        match self.list()? {
            None => Ok(self.base.find(kind, name, 0, None)?.is_some()),
            Some(_) => Ok(!self.parts(kind, name)?.is_empty()),
        }
    }

    /// The attributes of a type, whatever their names.
    pub(super) fn all(&self, kind: AttributeType) -> Result<Vec<Found>, Error> {
        let Some(list) = self.list()? else {
            let numbered = self.base.attributes().iter().enumerate();
            let of_kind = numbered.filter(|(_, a)| a.kind == kind && a.first_vcn() == 0);
            let found = of_kind.map(|(number, _)| self.in_base(number)).collect();
            return match self.base.damage() {
                Some(damage) => Err(damage.clone()),
                None => Ok(found),
            };
        };
        let mut found = Vec::new();
        for first in list.iter().filter(|e| e.kind == kind && e.first_vcn == 0) {
            // Resident ones may have the same name: names of files do.
            let mut parts = vec![first.clone()];
            let further = list.iter().filter(|e| {
                e.kind == kind && e.first_vcn > 0 && is_same_name(&e.name, &first.name)
            });
            parts.extend(further.cloned());
            parts.sort_by_key(|part| part.first_vcn);
            found.extend(self.joined(parts)?);
        }
        Ok(found)
    }

    /// Where the parts of an attribute stand, in the value's order.
    pub(super) fn parts(
        &self,
        kind: AttributeType,
        name: &WideString,
    ) -> Result<Vec<ListEntry>, Error> {
        let list = self.list()?.unwrap_or_default();
        let meant = list
            .iter()
            .filter(|entry| entry.kind == kind && is_same_name(&entry.name, name));
        let mut parts: Vec<_> = meant.cloned().collect();
        parts.sort_by_key(|part| part.first_vcn);
        parts.dedup_by_key(|part| part.first_vcn);
        Ok(parts)
    }

    fn in_base(&self, number: usize) -> Found {
        let attribute = &self.base.attributes()[number];
        let only_part = ListEntry {
            kind: attribute.kind,
            name: attribute.name.clone(),
            first_vcn: attribute.first_vcn(),
            record: self.base.reference(),
            id: attribute.id,
        };
        Found {
            table: self.table.clone(),
            base: self.base.clone(),
            record: self.base.clone(),
            number,
            parts: vec![only_part],
        }
    }

    fn joined(&self, parts: Vec<ListEntry>) -> Result<Option<Found>, Error> {
        let Some(first) = parts.first() else {
            return Ok(None);
        };
        if first.first_vcn != 0 {
            let found = format!("one from cluster {} on", first.first_vcn);
            return Err(Error::malformed("an attribute's first part", found)
                .at(Position::Byte(self.base.position)));
        }
        let record = self.table.extension(first, &self.base)?;
        let number = first.find_in(&record)?;
        Ok(Some(Found {
            table: self.table.clone(),
            base: self.base.clone(),
            record,
            number,
            parts,
        }))
    }

    fn list(&self) -> Result<Option<&[ListEntry]>, Error> {
        if self.list.get().is_none() {
            let list = self.read_list()?;
            return Ok(self.list.get_or_init(|| list).as_deref());
        }
        Ok(self.list.get().and_then(Option::as_deref))
    }

    fn read_list(&self) -> Result<Option<Rc<[ListEntry]>>, Error> {
        let attributes = self.base.attributes();
        let is_list = |attribute: &Attribute| attribute.kind == AttributeType::ATTRIBUTE_LIST;
        // Where the record is damaged before it, what is looked for is not found there either, and the damage is told.
        let Some(number) = attributes.iter().position(is_list) else {
            return Ok(None);
        };
        let stream = self.in_base(number).open()?;
        let bytes = stream.read_whole(ListEntry::MAX_LIST_SIZE)?;
        let entries = ListEntry::parse_all(&bytes, |offset| stream.place_of(offset))?;
        Ok(Some(entries.into()))
    }
}

impl Found {
    pub(super) fn attribute(&self) -> &Attribute {
        &self.record.attributes()[self.number]
    }

    /// Where it stands.
    pub(super) fn place(&self) -> Position {
        self.record.place_of(self.attribute())
    }

    /// The value of a resident attribute.
    pub(super) fn value(&self) -> Result<&[u8], Error> {
        self.record.value(self.attribute())
    }

    /// Where a byte of a resident value lies on the volume.
    pub(super) fn value_position(&self) -> u64 {
        match &self.attribute().form {
            Form::Resident { value } => self.record.position_of(value.start),
            Form::NonResident(_) => self.record.position_of(self.attribute().offset),
        }
    }

    /// The value's bytes as they are stored, to be read from any place.
    pub(super) fn open(&self) -> Result<AttributeStream, Error> {
        Ok(match &self.attribute().form {
            Form::Resident { value } => {
                AttributeStream::resident(self.table.clone(), self.record.clone(), value.clone())
            }
            Form::NonResident(part) => AttributeStream::in_clusters(
                self.table.clone(),
                self.base.clone(),
                self.place(),
                part,
                self.parts.clone(),
            ),
        })
    }
}

impl ListEntry {
    /// The number of the attribute in the record that it is said to stand in. Ids are not held against it where type,
    /// name and cluster leave no choice.
    pub(super) fn find_in(&self, record: &FileRecord) -> Result<usize, Error> {
        let found = record.find(self.kind, &self.name, self.first_vcn, Some(self.id))?;
        found.ok_or_else(|| {
            let expected = format!(
                "{} from cluster {} on in record {}",
                self.kind.name(),
                self.first_vcn,
                record.reference()
            );
            Error::malformed(expected, "none").at(Position::Byte(record.position))
        })
    }
}
