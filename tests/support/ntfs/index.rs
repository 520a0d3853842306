//! Writes the entries of a directory's index, for the tests.

use super::attributes::utf16le;
use super::layout::File;

/// The sequence number of a record that is in use.
pub(crate) fn sequence_number(number: u64) -> u16 {
    number as u16 % 7 + 1
}

pub(crate) fn reference(number: u64) -> u64 {
    number | u64::from(sequence_number(number)) << 48
}

/// An entry of an index.
pub(crate) struct Entry {
    pub(crate) reference: u64,
    pub(crate) key: Vec<u8>,
    pub(crate) child: Option<u64>,
}

impl Entry {
    pub(crate) fn name(&self) -> Vec<u16> {
        let (pairs, _) = self.key[66..].as_chunks();
        pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect()
    }

    pub(crate) fn size(&self) -> usize {
        (16 + self.key.len()).next_multiple_of(8) + 8
    }
}

pub(crate) fn size_of(entries: &[Entry]) -> usize {
    entries.iter().map(Entry::size).sum()
}

pub(crate) fn index_header(
    entries: &[Entry],
    last_child: Option<u64>,
    start: usize,
    allocated: Option<usize>,
) -> Vec<u8> {
    let mut list = Vec::new();
    for entry in entries {
        let length = entry.size() - if entry.child.is_none() { 8 } else { 0 };
        list.extend(entry.reference.to_le_bytes());
        list.extend((length as u16).to_le_bytes());
        list.extend((entry.key.len() as u16).to_le_bytes());
        list.extend([u8::from(entry.child.is_some()), 0, 0, 0]);
        list.extend(&entry.key);
        list.resize(list.len().next_multiple_of(8), 0);
        list.extend(entry.child.map(u64::to_le_bytes).into_iter().flatten());
    }
    let length: u16 = if last_child.is_some() { 24 } else { 16 };
    list.extend([0; 8]);
    list.extend(length.to_le_bytes());
    list.extend([0, 0, 2 | u8::from(last_child.is_some()), 0, 0, 0]);
    list.extend(last_child.map(u64::to_le_bytes).into_iter().flatten());
    let used = start + list.len();
    let sizes = [start, used, allocated.unwrap_or(used)];
    let mut header: Vec<u8> = sizes
        .iter()
        .flat_map(|&size| (size as u32).to_le_bytes())
        .collect();
    header.extend([u8::from(last_child.is_some()), 0, 0, 0]);
    header.resize(start, 0);
    header.extend(list);
    header
}

/// The values of `$FILE_NAME` of a file in a directory.
pub(crate) fn names(parent: u64, file: &File) -> Vec<Vec<u8>> {
    const POSIX: u8 = 0;
    const WIN32: u8 = 1;
    const DOS: u8 = 2;
    let key = |name: &[u16], namespace| {
        let mut key = reference(parent).to_le_bytes().to_vec();
        for time in [
            file.modified + 1,
            file.modified,
            file.modified + 2,
            file.modified + 3,
        ] {
            key.extend(time.to_le_bytes());
        }
        key.extend([0; 16]);
        let flags: u32 = if file.children.is_some() {
            0x1000_0000
        } else {
            0
        };
        let flags = flags
            | if file.reparse_data.is_some() {
                0x400
            } else {
                0
            };
        key.extend(flags.to_le_bytes());
        key.extend([0; 4]);
        key.extend([name.len() as u8, namespace]);
        key.extend(utf16le(name));
        key
    };
    match &file.dos_name {
        None => vec![key(&file.name, POSIX)],
        Some(short) => vec![key(&file.name, WIN32), key(short, DOS)],
    }
}
