//! `$UpCase`: the upper case of every code unit, by which a volume sorts and compares names.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::rc::Rc;

use super::attribute::AttributeType;
use super::attribute_set::AttributeSet;
use super::attribute_stream::AttributeStream;
use super::file_reference::FileReference;
use super::file_table::FileTable;
use crate::error::{Error, Position};
use crate::warning::{Warning, WarningCode};
use crate::wide_string::{WideString, upcase};

/// The table of a volume, of which only the parts are read that names need.
pub(super) struct UpcaseTable {
    table: Rc<FileTable>,
    stream: OnceCell<AttributeStream>,
    pages: [OnceCell<Box<[u16]>>; PAGE_COUNT],
}

/// Code units of a page.
const PAGE_LENGTH: usize = 1 << 11;
const PAGE_COUNT: usize = (1 << 16) / PAGE_LENGTH;

impl UpcaseTable {
    const RECORD: FileReference = FileReference::to_record(10);

    pub(super) fn new(table: Rc<FileTable>) -> Self {
        UpcaseTable {
            table,
            stream: OnceCell::new(),
            pages: std::array::from_fn(|_| OnceCell::new()),
        }
    }

    fn upcase(&self, unit: u16) -> u16 {
        let (page, place) = (
            usize::from(unit) / PAGE_LENGTH,
            usize::from(unit) % PAGE_LENGTH,
        );
        self.pages[page].get_or_init(|| self.page(page))[place]
    }

    /// The order of names in an index, but for letter case.
    pub(super) fn compare(&self, a: &WideString, b: &WideString) -> Ordering {
        let upcase = |unit: &u16| self.upcase(*unit);
        let a = a.as_units().iter().map(upcase);
        a.cmp(b.as_units().iter().map(upcase))
    }

    /// A page of the volume's table; of the usual one where that is damaged.
    fn page(&self, number: usize) -> Box<[u16]> {
        self.stored_page(number).unwrap_or_else(|error| {
            let code = WarningCode::UpcaseTableDamaged;
            let warning = Warning::with_consequence(code, "a usual one is used", &error);
            self.table.warn(warning);
            let first = number * PAGE_LENGTH;
            (first..first + PAGE_LENGTH)
                .map(|unit| upcase(unit as u16))
                .collect()
        })
    }

    fn stored_page(&self, number: usize) -> Result<Box<[u16]>, Error> {
        let stream = match self.stream.get() {
            Some(stream) => stream,
            None => {
                let stream = self.open()?;
                self.stream.get_or_init(|| stream)
            }
        };
        let start = (number * PAGE_LENGTH * 2) as u64;
        let mut bytes = vec![0; PAGE_LENGTH * 2];
        if start + bytes.len() as u64 > stream.size() {
            let expected = "a table of 65,536 code units";
            return Err(
                Error::malformed(expected, format!("{} bytes", stream.size()))
                    .at(stream.place_of(0)),
            );
        }
        stream.read_at(start, &mut bytes)?;
        let (pairs, _) = bytes.as_chunks();
        let page: Box<[u16]> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
        // What is sure of every volume.
        let is_sound = number > 0 || (0..0x80).all(|unit| page[unit] == upcase(unit as u16));
        match is_sound {
            true => Ok(page),
            false => Err(
                Error::malformed("upper case letters for those of ASCII", "others")
                    .at(stream.place_of(start)),
            ),
        }
    }

    fn open(&self) -> Result<AttributeStream, Error> {
        let record = self.table.file_record(Self::RECORD)?;
        let place = Position::Byte(record.position);
        let attributes = AttributeSet::new(self.table.clone(), record);
        let data = attributes.find(AttributeType::DATA, &WideString::default())?;
        let data = data.ok_or_else(|| Error::malformed("the data of $UpCase", "none").at(place))?;
        Ok(data.open())
    }
}
