//! What the registry says: keys and values from text exports and hives, and the mount registrations among them.

mod code_page;
pub mod hive;
mod line_source;
pub mod mounted_devices;
pub mod reg_file;
pub mod reg_query;
mod registration;
pub(crate) mod software_hive;
pub mod system_hive;
mod system_root;
mod text_encoding;

pub use self::code_page::CodePage;
pub use self::registration::{MountRegistration, MountRegistry, MountRegistryCollector};
pub use self::system_root::system_root;
pub use self::text_encoding::TextEncoding;

use std::fmt;
use std::io::{Chain, Cursor, Read};

use serde::Serialize;

use crate::error::{Error, Position};
use crate::file_time::FileTime;
use crate::warning::Warnings;
use crate::wide_string::WideString;

/// The type of a registry value, by the registry's own number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
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

impl ValueType {
    /// The number in data of this type, if it is that of such numbers.
    pub(crate) fn dword(self, data: &[u8]) -> Result<u32, Error> {
        match (self, data) {
            (ValueType::DWORD, &[a, b, c, d]) => Ok(u32::from_le_bytes([a, b, c, d])),
            (ValueType::DWORD, data) => {
                Err(Error::malformed("4 bytes", format!("{} bytes", data.len())))
            }
            (other, _) => Err(Error::malformed("REG_DWORD", other.to_string())),
        }
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
#[non_exhaustive]
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

impl RegistryValue {
    /// A value with its data as the registry stores them.
    pub fn new(
        name: impl Into<WideString>,
        value_type: ValueType,
        data: Vec<u8>,
        position: Position,
    ) -> Self {
        RegistryValue {
            name: name.into(),
            value_type,
            data,
            position,
        }
    }
}

/// One key of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistryKey {
    /// The key's path from the root that the evidence knows, levels separated by `\`.
    pub path: WideString,
    /// When the key was last written: hives know it, text exports do not.
    pub last_written: Option<FileTime>,
    /// Where the key stands in the evidence.
    pub position: Position,
}

impl RegistryKey {
    /// A key by its path and its place in the evidence; when it was last written is not known.
    pub fn new(path: impl Into<WideString>, position: Position) -> Self {
        RegistryKey {
            path: path.into(),
            last_written: None,
            position,
        }
    }
}

/// What a registry export or hive says, one thing after the other. Values belong to the key before them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryEntry {
    /// A key.
    Key(RegistryKey),
    /// A value of the key before it.
    Value(RegistryValue),
    /// `[-key]` of a `.reg` file: the key and all below it go.
    KeyDeletion {
        /// The key's path.
        path: WideString,
        /// Where it stands in the evidence.
        position: Position,
    },
    /// A value of the key before it that is there, and whose data cannot be read.
    UnreadableValue {
        /// The value's name; empty for the key's default value.
        name: WideString,
        /// Where it stands in the evidence.
        position: Position,
        /// Why it cannot be read.
        error: Error,
    },
    /// `"name"=-` of a `.reg` file: a value of the key before it goes.
    ValueDeletion {
        /// The value's name; empty for the key's default value.
        name: WideString,
        /// Where it stands in the evidence.
        position: Position,
    },
}

/// A registry export of either kind.
#[derive(Debug)]
#[non_exhaustive]
pub enum RegistryExport<R> {
    /// A `.reg` file.
    RegFile(reg_file::RegFile<R>),
    /// What `reg query` printed.
    RegQuery(reg_query::RegQuery<R>),
}

impl<R: Read> RegistryExport<Chain<Cursor<Vec<u8>>, R>> {
    /// Opens what the content shows to be a `.reg` file or the output of `reg query`. The code page is that of REGEDIT4 files and
    /// of `reg query` text, where it is known: see [`RegFile`](reg_file::RegFile::new) and
    /// [`RegQuery`](reg_query::RegQuery::new).
    ///
    /// # Errors
    /// When the stream cannot be read, or is neither.
    pub fn open(mut source: R, code_page: Option<CodePage>) -> Result<Self, Error> {
        let mut start = Vec::new();
        source.by_ref().take(4096).read_to_end(&mut start)?;
        let is_reg_query = reg_query::is_reg_query(&start);
        let source = Cursor::new(start).chain(source);
        Ok(match is_reg_query {
            true => RegistryExport::RegQuery(reg_query::RegQuery::new(source, code_page)?),
            false => RegistryExport::RegFile(reg_file::RegFile::new(
                source,
                code_page.unwrap_or_default(),
            )?),
        })
    }
}

impl<R: Read> RegistryExport<R> {
    /// The next key, value or deletion; `None` at the end.
    ///
    /// # Errors
    /// When the stream cannot be read further.
    pub fn next_entry(&mut self) -> Result<Option<RegistryEntry>, Error> {
        match self {
            RegistryExport::RegFile(file) => file.next_entry(),
            RegistryExport::RegQuery(query) => query.next_entry(),
        }
    }

    /// What could not be used, at the end of the reading.
    pub fn into_warnings(self) -> Warnings {
        match self {
            RegistryExport::RegFile(file) => file.into_warnings(),
            RegistryExport::RegQuery(query) => query.into_warnings(),
        }
    }

    /// Reads the whole export for its mount registrations.
    ///
    /// # Errors
    /// When the stream cannot be read further.
    pub fn read_mount_registry(self) -> Result<MountRegistry, Error> {
        let mut export = match self {
            RegistryExport::RegFile(file) => RegistryExport::RegFile(file.only_mount_registry()),
            query @ RegistryExport::RegQuery(_) => query,
        };
        let mut collector = MountRegistryCollector::default();
        while let Some(entry) = export.next_entry()? {
            collector.push(entry);
        }
        let mut registry = collector.finish();
        if let RegistryExport::RegQuery(_) = export {
            registry.warn_of_lost_letters();
        }
        registry.warnings.extend(export.into_warnings());
        Ok(registry)
    }
}

/// The root keys' short names, which `reg.exe` takes and Samba writes.
const SHORT_ROOTS: [(&[u8], &[u8]); 5] = [
    (b"HKLM", b"HKEY_LOCAL_MACHINE"),
    (b"HKCU", b"HKEY_CURRENT_USER"),
    (b"HKCR", b"HKEY_CLASSES_ROOT"),
    (b"HKU", b"HKEY_USERS"),
    (b"HKCC", b"HKEY_CURRENT_CONFIG"),
];

/// A key's path from text (WTF-8): the root by its long name, no empty levels.
fn key_path(text: &[u8]) -> WideString {
    let mut path = Vec::with_capacity(text.len());
    for level in text
        .split(|&c| c == b'\\')
        .filter(|level| !level.is_empty())
    {
        if !path.is_empty() {
            path.push(b'\\');
            path.extend_from_slice(level);
            continue;
        }
        let long = SHORT_ROOTS
            .iter()
            .find(|(short, _)| short.eq_ignore_ascii_case(level));
        path.extend_from_slice(long.map_or(level, |(_, long)| long));
    }
    WideString::from_wtf8(&path)
}
