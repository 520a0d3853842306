//! `nk`: a key.

use std::io::{Read, Seek};

use nom::number::complete::{le_u16, le_u32, le_u64};
use nom::{IResult, Parser};

use super::Hive;
use super::pages::file_position;
use crate::error::{Error, Position};
use crate::file_time::FileTime;
use crate::warning::WarningCode;
use crate::wide_string::WideString;

/// Length of the fields before the name.
const NAME_OFFSET: usize = 76;

const KEY_COMP_NAME: u16 = 0x0020;
const KEY_PREDEF_HANDLE: u16 = 0x0040;

/// A key of a hive ("Windows registry file format specification", "Key node").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyNode {
    /// Offset of the cell within the hive bins.
    pub(super) offset: u32,
    name: WideString,
    last_written: FileTime,
    pub(super) subkey_count: u32,
    pub(super) subkey_list: u32,
    pub(super) value_count: u32,
    pub(super) value_list: u32,
}

impl KeyNode {
    /// The key's name. The root key has one too, which Windows shows nowhere.
    pub fn name(&self) -> &WideString {
        &self.name
    }

    /// How many subkeys it says it has; its list may hold others.
    pub fn subkey_count(&self) -> u32 {
        self.subkey_count
    }

    /// When the key was last written: a value or a subkey was added, changed or removed.
    pub fn last_written(&self) -> FileTime {
        self.last_written
    }

    /// Where the key's cell lies in the hive file.
    pub fn position(&self) -> Position {
        file_position(self.offset.into())
    }
}

/// The fixed fields of a key node.
struct Fields {
    flags: u16,
    last_written: u64,
    subkey_count: u32,
    subkey_list: u32,
    value_count: u32,
    value_list: u32,
    name_len: u16,
}

fn fields(bytes: &[u8]) -> IResult<&[u8], Fields> {
    let (rest, (_signature, flags, last_written)) = (le_u16, le_u16, le_u64).parse(bytes)?;
    let (rest, (_access_bits, _parent)) = (le_u32, le_u32).parse(rest)?;
    let (rest, (subkey_count, _volatile_subkey_count)) = (le_u32, le_u32).parse(rest)?;
    let (rest, (subkey_list, _volatile_subkey_list)) = (le_u32, le_u32).parse(rest)?;
    let (rest, (value_count, value_list)) = (le_u32, le_u32).parse(rest)?;
    let (rest, (_security, _class_name)) = (le_u32, le_u32).parse(rest)?;
    let (rest, (_longest_subkey_name, _longest_class_name)) = (le_u32, le_u32).parse(rest)?;
    let (rest, (_longest_value_name, _longest_data)) = (le_u32, le_u32).parse(rest)?;
    let (rest, (_work_var, name_len, _class_name_len)) = (le_u32, le_u16, le_u16).parse(rest)?;
    let fields = Fields {
        flags,
        last_written,
        subkey_count,
        subkey_list,
        value_count,
        value_list,
        name_len,
    };
    Ok((rest, fields))
}

impl<R: Read + Seek> Hive<R> {
    /// The key whose cell lies at an offset within the hive bins.
    pub(super) fn key_node(&mut self, offset: u32) -> Result<KeyNode, Error> {
        let (cell, bytes) = self.structure::<NAME_OFFSET>(offset, &[b"nk"])?;
        let Ok((_, fields)) = fields(&bytes) else {
            unreachable!("the fields of a key node are {NAME_OFFSET} bytes long");
        };
        let latin1 = fields.flags & KEY_COMP_NAME != 0;
        let (name, whole) = self.read_name(cell, NAME_OFFSET as u64, fields.name_len, latin1)?;
        if !whole {
            self.warn(
                WarningCode::Truncated,
                cell.position(),
                format!("the key's name is cut short: {name}"),
            );
        }
        // A predefined handle keeps the handle where other keys count their values.
        let value_count = match fields.flags & KEY_PREDEF_HANDLE {
            0 => fields.value_count,
            _ => 0,
        };
        Ok(KeyNode {
            offset,
            name,
            last_written: FileTime::from_ticks(fields.last_written),
            subkey_count: fields.subkey_count,
            subkey_list: fields.subkey_list,
            value_count,
            value_list: fields.value_list,
        })
    }
}
