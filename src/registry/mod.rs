//! What the registry says: keys and values from text exports and hives, and the mount registrations among them.

use std::fmt;

use crate::error::Position;
use crate::file_time::FileTime;
use crate::wide_string::WideString;

/// The type of a registry value, by the registry's own number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueType(pub u32);

impl ValueType {
    /// `REG_NONE`
    pub const NONE: ValueType = ValueType(0);
    /// `REG_SZ`
    pub const SZ: ValueType = ValueType(1);
    /// `REG_EXPAND_SZ`
    pub const EXPAND_SZ: ValueType = ValueType(2);
    /// `REG_BINARY`
    pub const BINARY: ValueType = ValueType(3);
    /// `REG_DWORD`
    pub const DWORD: ValueType = ValueType(4);
    /// `REG_DWORD_BIG_ENDIAN`
    pub const DWORD_BIG_ENDIAN: ValueType = ValueType(5);
    /// `REG_LINK`
    pub const LINK: ValueType = ValueType(6);
    /// `REG_MULTI_SZ`
    pub const MULTI_SZ: ValueType = ValueType(7);
    /// `REG_RESOURCE_LIST`
    pub const RESOURCE_LIST: ValueType = ValueType(8);
    /// `REG_FULL_RESOURCE_DESCRIPTOR`
    pub const FULL_RESOURCE_DESCRIPTOR: ValueType = ValueType(9);
    /// `REG_RESOURCE_REQUIREMENTS_LIST`
    pub const RESOURCE_REQUIREMENTS_LIST: ValueType = ValueType(10);
    /// `REG_QWORD`
    pub const QWORD: ValueType = ValueType(11);

    const NAMES: [(ValueType, &'static str); 12] = [
        (ValueType::NONE, "REG_NONE"),
        (ValueType::SZ, "REG_SZ"),
        (ValueType::EXPAND_SZ, "REG_EXPAND_SZ"),
        (ValueType::BINARY, "REG_BINARY"),
        (ValueType::DWORD, "REG_DWORD"),
        (ValueType::DWORD_BIG_ENDIAN, "REG_DWORD_BIG_ENDIAN"),
        (ValueType::LINK, "REG_LINK"),
        (ValueType::MULTI_SZ, "REG_MULTI_SZ"),
        (ValueType::RESOURCE_LIST, "REG_RESOURCE_LIST"),
        (
            ValueType::FULL_RESOURCE_DESCRIPTOR,
            "REG_FULL_RESOURCE_DESCRIPTOR",
        ),
        (
            ValueType::RESOURCE_REQUIREMENTS_LIST,
            "REG_RESOURCE_REQUIREMENTS_LIST",
        ),
        (ValueType::QWORD, "REG_QWORD"),
    ];

    /// The type with this name, such as `REG_SZ`.
    pub fn from_name(name: &str) -> Option<ValueType> {
        Self::NAMES
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(value_type, _)| *value_type)
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(known, _)| known == self) {
            Some((_, name)) => f.pad(name),
            None => write!(f, "type {:#x}", self.0),
        }
    }
}

/// One value of a registry key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryValue {
    /// The value's name; empty for the key's default value.
    pub name: WideString,
    /// The value's type.
    pub value_type: ValueType,
    /// The data as the registry stores it: strings as UTF-16LE, with their NUL where they have one.
    pub data: Vec<u8>,
    /// Where the value stands in the evidence.
    pub position: Position,
}

/// One key of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryKey {
    /// The key's path from the root that the evidence knows, levels separated by `\`.
    pub path: WideString,
    /// When the key was last written: hives know it, text exports do not.
    pub last_written: Option<FileTime>,
    /// Where the key stands in the evidence.
    pub position: Position,
}
