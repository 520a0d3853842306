//! All attributes of a file, in whatever records they stand.

use std::cell::OnceCell;
use std::collections::HashSet;
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
    /// What tells of the parts that the value may go on in.
    list: Option<Rc<[ListEntry]>>,
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
        let Some(list) = self.list()? else {
            let number = self.base.find(kind, name, 0, None)?;
            return Ok(number.map(|number| self.in_base(number)));
        };
        let first = parts(&list, kind, name).min_by_key(|part| part.first_vcn);
        first.map(|first| self.listed(first, &list)).transpose()
    }

    /// Whether there is an attribute of this type and name, as far as can be told without reading it.
    ///
    /// # Errors
    ///
    /// It may be there, but what tells of it is damaged.
    pub(super) fn has(&self, kind: AttributeType, name: &WideString) -> Result<bool, Error> {
        match self.list()? {
            None => Ok(self.base.find(kind, name, 0, None)?.is_some()),
            Some(list) => Ok(parts(&list, kind, name).next().is_some()),
        }
    }

    /// The attributes of a type, whatever their names, each once.
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
        // Resident ones may have the same name: names of files do.
        let firsts = list.iter().filter(|e| e.kind == kind && e.first_vcn == 0);
        let mut seen = HashSet::new();
        let mut all = Vec::new();
        for first in firsts {
            let found = self.listed(first, &list)?;
            if seen.insert((found.record.number, found.number)) {
                all.push(found);
            }
        }
        Ok(all)
    }

    /// Where the parts of an attribute stand, in the value's order.
    pub(super) fn parts(
        &self,
        kind: AttributeType,
        name: &WideString,
    ) -> Result<Vec<ListEntry>, Error> {
        let list = self.list()?.unwrap_or_default();
        Ok(in_order(parts(&list, kind, name)))
    }

    fn in_base(&self, number: usize) -> Found {
        Found {
            table: self.table.clone(),
            base: self.base.clone(),
            record: self.base.clone(),
            number,
            list: None,
        }
    }

    /// The attribute of which a list tells the first part.
    fn listed(&self, first: &ListEntry, list: &Rc<[ListEntry]>) -> Result<Found, Error> {
        if first.first_vcn != 0 {
            let found = format!("one from cluster {} on", first.first_vcn);
            return Err(Error::malformed("an attribute's first part", found)
                .at(Position::Byte(self.base.position)));
        }
        let record = self.table.extension(first, &self.base)?;
        let number = first.find_in(&record)?;
        Ok(Found {
            table: self.table.clone(),
            base: self.base.clone(),
            record,
            number,
            list: Some(list.clone()),
        })
    }

    fn list(&self) -> Result<Option<Rc<[ListEntry]>>, Error> {
        if let Some(list) = self.list.get() {
            return Ok(list.clone());
        }
        let list = self.read_list()?;
        Ok(self.list.get_or_init(|| list).clone())
    }

    fn read_list(&self) -> Result<Option<Rc<[ListEntry]>>, Error> {
        let attributes = self.base.attributes();
        let is_list = |attribute: &Attribute| attribute.kind == AttributeType::ATTRIBUTE_LIST;
        // Where the record is damaged before it, what is looked for is not found there either, and the damage is told.
        let Some(number) = attributes.iter().position(is_list) else {
            return Ok(None);
        };
        let stream = self.in_base(number).open();
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

    /// Size of the value in bytes.
    pub(super) fn size(&self) -> u64 {
        match &self.attribute().form {
            Form::Resident { value } => value.len() as u64,
            Form::NonResident(part) => part.data_size,
        }
    }

    /// Where the parts stand that tell where the value lies, in its order.
    fn parts(&self) -> Vec<ListEntry> {
        let attribute = self.attribute();
        let first = ListEntry {
            kind: attribute.kind,
            name: attribute.name.clone(),
            first_vcn: attribute.first_vcn(),
            record: self.record.reference(),
            id: attribute.id,
        };
        let list = self.list.as_deref().unwrap_or_default();
        let further = parts(list, first.kind, &first.name).filter(|part| part.first_vcn > 0);
        in_order([&first].into_iter().chain(further))
    }

    /// The value's bytes as they are stored, to be read from any place.
    pub(super) fn open(&self) -> AttributeStream {
        match &self.attribute().form {
            Form::Resident { value } => {
                AttributeStream::resident(self.table.clone(), self.record.clone(), value.clone())
            }
            Form::NonResident(part) => AttributeStream::in_clusters(
                self.table.clone(),
                self.base.clone(),
                self.place(),
                part,
                self.parts(),
            ),
        }
    }
}

/// The parts of an attribute that a list tells of.
fn parts<'a>(
    list: &'a [ListEntry],
    kind: AttributeType,
    name: &'a WideString,
) -> impl Iterator<Item = &'a ListEntry> {
    list.iter()
        .filter(move |entry| entry.kind == kind && is_same_name(&entry.name, name))
}

/// Parts in the value's order; of several from the same cluster on the first counts.
fn in_order<'a>(parts: impl Iterator<Item = &'a ListEntry>) -> Vec<ListEntry> {
    let mut parts: Vec<_> = parts.cloned().collect();
    parts.sort_by_key(|part| part.first_vcn);
    parts.dedup_by_key(|part| part.first_vcn);
    parts
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
