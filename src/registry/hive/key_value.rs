//! `vk` and `db`: a value and its data.

use std::io::{Read, Seek};

use nom::number::complete::{le_u16, le_u32};
use nom::{IResult, Parser};

use super::cell::Cell;
use super::pages::file_position;
use super::{Hive, KeyNode, ReadBudget};
use crate::error::{Error, Position};
use crate::registry::{RegistryValue, ValueType};
use crate::warning::WarningCode;
use crate::wide_string::WideString;

/// Length of the fields before the name.
const NAME_OFFSET: usize = 20;

/// The smallest cell of a value: it bounds how many values a hive can hold.
const SMALLEST_KEY_VALUE: u64 = 24;

const VALUE_COMP_NAME: u16 = 0x0001;

/// Set in the data size when the data stands in the place of its offset.
const DATA_IS_INLINE: u32 = 0x8000_0000;
const INLINE_LEN: usize = 4;

/// The data of a segment of big data; longer data is big data, where the hive's version knows it.
const SEGMENT_LEN: u64 = 16_344;

/// The last minor version in which data of any length lies in one cell.
const LAST_WITHOUT_BIG_DATA: u32 = 3;

/// The longest data of one value that is read: 16 MiB.
const LONGEST_DATA: u64 = 16 * 1024 * 1024;

/// A value of a key in a hive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyValue {
    /// The value's name; empty for the key's default value.
    pub name: WideString,
    /// The value's type.
    pub value_type: ValueType,
    /// The data as the hive stores it, or why it cannot be read (there is a warning for it then). Never a part of it.
    pub data: Result<Vec<u8>, Error>,
    /// Where the value's cell lies in the hive file.
    pub position: Position,
}

impl KeyValue {
    /// The value as all evidence of the registry gives it.
    ///
    /// # Errors
    /// When its data cannot be read: the error that [`data`](Self::data) holds.
    pub fn into_registry_value(self) -> Result<RegistryValue, Error> {
        Ok(RegistryValue {
            name: self.name,
            value_type: self.value_type,
            data: self.data?,
            position: self.position,
        })
    }
}

/// The fixed fields of a key value ("Windows registry file format specification", "Key value").
struct Fields {
    name_len: u16,
    data_len: u32,
    /// The field as it stands: an offset within the hive bins, or the data.
    data: u32,
    value_type: u32,
    flags: u16,
}

fn fields(bytes: &[u8]) -> IResult<&[u8], Fields> {
    let (rest, (_signature, name_len, data_len, data)) =
        (le_u16, le_u16, le_u32, le_u32).parse(bytes)?;
    let (rest, (value_type, flags, _spare)) = (le_u32, le_u16, le_u16).parse(rest)?;
    let fields = Fields {
        name_len,
        data_len,
        data,
        value_type,
        flags,
    };
    Ok((rest, fields))
}

/// Where the values of a key lie.
#[derive(Default)]
struct ValueList {
    /// Offsets within the hive bins.
    values: Vec<u32>,
    /// Why some are missing.
    damage: Option<Error>,
}

/// A value without its data.
struct ValueHeader {
    cell: Cell,
    fields: Fields,
    name: WideString,
}

impl<R: Read + Seek> Hive<R> {
    /// The values of a key, in the order of its list.
    ///
    /// # Errors
    /// When the list cannot be read. A value that cannot be read is left out with a warning; a value
    /// whose data cannot be read is given with the reason, and a warning.
    pub fn values(&mut self, key: &KeyNode) -> Result<Vec<KeyValue>, Error> {
        let mut budget = ReadBudget::of_key(self.pages.stored());
        self.values_within(key, &mut budget)
    }

    pub(super) fn values_within(
        &mut self,
        key: &KeyNode,
        budget: &mut ReadBudget,
    ) -> Result<Vec<KeyValue>, Error> {
        let list = self.value_list(key, budget)?;
        let mut values = Vec::new();
        for offset in list.values {
            match self.value_header(offset, budget) {
                Ok(header) => values.push(self.key_value(header, budget)),
                Err(error) => self.warn_of(WarningCode::ValueUnreadable, key.position(), &error),
            }
        }
        Ok(values)
    }

    /// The value of a key with this name, upper and lower case being the same; the default value has an empty one.
    ///
    /// `None` says that the key has no such value.
    ///
    /// # Errors
    /// When the value, or the part of the list that may hold it, cannot be read.
    pub fn value(&mut self, key: &KeyNode, name: &WideString) -> Result<Option<KeyValue>, Error> {
        let mut budget = ReadBudget::of_key(self.pages.stored());
        let list = self.value_list(key, &mut budget)?;
        let mut damage = list.damage;
        for offset in list.values {
            match self.value_header(offset, &mut budget) {
                Ok(header) if header.name.eq_ignore_case(name) => {
                    return Ok(Some(self.key_value(header, &mut budget)));
                }
                Ok(_) => {}
                Err(error) => damage = damage.or(Some(error)),
            }
        }
        damage.map_or(Ok(None), Err)
    }

    fn value_list(&mut self, key: &KeyNode, budget: &mut ReadBudget) -> Result<ValueList, Error> {
        let mut list = ValueList::default();
        if key.value_count == 0 {
            return Ok(list);
        }
        let cell = self.cell(key.value_list)?;
        let held = cell.len / 4;
        let most = held.min(self.pages.stored() / SMALLEST_KEY_VALUE);
        let count = most.min(key.value_count.into());
        budget.take(count * 4, cell.position())?;
        if count < key.value_count.into() {
            let error = Error::malformed(
                format!("a list of {} values", key.value_count),
                format!("room for {most}"),
            )
            .at(cell.position());
            self.warn_of(WarningCode::CountMismatch, cell.position(), &error);
            list.damage = Some(error);
        }
        let mut bytes = vec![0; (count * 4) as usize];
        self.read_cell(cell, 0, &mut bytes)?;
        let offsets = bytes.as_chunks::<4>().0.iter();
        list.values = offsets.map(|offset| u32::from_le_bytes(*offset)).collect();
        Ok(list)
    }

    fn value_header(&mut self, offset: u32, budget: &mut ReadBudget) -> Result<ValueHeader, Error> {
        budget.take(SMALLEST_KEY_VALUE, file_position(offset.into()))?;
        let (cell, bytes) = self.structure::<NAME_OFFSET>(offset, &[b"vk"])?;
        let Ok((_, fields)) = fields(&bytes) else {
            unreachable!("the fields of a value are {NAME_OFFSET} bytes long");
        };
        let latin1 = fields.flags & VALUE_COMP_NAME != 0;
        let (name, whole) = self.read_name(cell, NAME_OFFSET as u64, fields.name_len, latin1)?;
        if !whole {
            self.warn(
                WarningCode::Truncated,
                cell.position(),
                format!("the value's name is cut short: {name}"),
            );
        }
        Ok(ValueHeader { cell, fields, name })
    }

    /// A value with its data, or with the reason why those cannot be read.
    fn key_value(&mut self, header: ValueHeader, budget: &mut ReadBudget) -> KeyValue {
        let ValueHeader { cell, fields, name } = header;
        let data = self.data(cell, &fields, budget);
        if let Err(error) = &data {
            self.warn_of(WarningCode::ValueUnreadable, cell.position(), error);
        }
        KeyValue {
            name,
            value_type: ValueType(fields.value_type),
            data,
            position: cell.position(),
        }
    }

    fn data(
        &mut self,
        value: Cell,
        fields: &Fields,
        budget: &mut ReadBudget,
    ) -> Result<Vec<u8>, Error> {
        if fields.data_len & DATA_IS_INLINE != 0 {
            let len = (fields.data_len & !DATA_IS_INLINE) as usize;
            return match fields.data.to_le_bytes().get(..len) {
                Some(data) => Ok(data.to_vec()),
                None => Err(Error::malformed(
                    format!("at most {INLINE_LEN} bytes of data in the value itself"),
                    format!("{len}"),
                )
                .at(value.position())),
            };
        }
        let len = u64::from(fields.data_len);
        if len == 0 {
            return Ok(Vec::new());
        }
        if len > LONGEST_DATA {
            return Err(Error::malformed(
                format!("at most {LONGEST_DATA} bytes of data"),
                format!("{len}"),
            )
            .at(value.position()));
        }
        let cell = self.cell(fields.data)?;
        if len > SEGMENT_LEN && self.base_block.minor_version > LAST_WITHOUT_BIG_DATA {
            let mut signature = [0; 2];
            self.read_cell(cell, 0, &mut signature)?;
            if signature == *b"db" {
                return self.big_data(fields.data, len, budget);
            }
        }
        self.check_held(cell, len)?;
        budget.take(len, cell.position())?;
        let mut data = vec![0; len as usize];
        self.read_cell(cell, 0, &mut data)?;
        Ok(data)
    }

    /// Data in segments ("Big data"): all but the last are full.
    fn big_data(
        &mut self,
        offset: u32,
        len: u64,
        budget: &mut ReadBudget,
    ) -> Result<Vec<u8>, Error> {
        let (cell, bytes) = self.structure::<8>(offset, &[b"db"])?;
        let [_, _, count_low, count_high, list @ ..] = bytes;
        let count = u64::from(u16::from_le_bytes([count_low, count_high]));
        if count * SEGMENT_LEN < len {
            return Err(Error::malformed(
                format!("segments for {len} bytes of data"),
                format!("{count} segments"),
            )
            .at(cell.position()));
        }
        budget.take(len, cell.position())?;
        let list = self.cell(u32::from_le_bytes(list))?;
        let mut data = Vec::new();
        for index in 0..len.div_ceil(SEGMENT_LEN) {
            let mut offset = [0; 4];
            self.read_cell(list, index * 4, &mut offset)?;
            let segment = self.cell(u32::from_le_bytes(offset))?;
            let now = SEGMENT_LEN.min(len - data.len() as u64);
            self.check_held(segment, now)?;
            let start = data.len();
            data.resize(start + now as usize, 0);
            self.read_cell(segment, 0, &mut data[start..])?;
        }
        Ok(data)
    }

    /// Checks that a cell holds what is to be read before room is made for it.
    fn check_held(&self, cell: Cell, len: u64) -> Result<(), Error> {
        if len <= cell.len {
            return Ok(());
        }
        Err(
            Error::malformed(format!("{len} bytes of data"), format!("{}", cell.len))
                .at(cell.position()),
        )
    }
}
