//! A node of a directory's index: a sorted part of its entries. `INDEX_HEADER` and `INDEX_ENTRY` of the Linux-NTFS
//! project's `layout.h`.

use nom::number::complete::{le_u16, le_u32, le_u64};

use super::file_name::FileName;
use super::file_reference::FileReference;
use crate::binary::structure;
use crate::error::{Error, Position};

/// The entries of a node.
#[derive(Debug)]
pub(super) struct IndexNode {
    pub(super) entries: Vec<IndexEntry>,
    /// The node with the entries behind the last one of this.
    pub(super) last_child: Option<u64>,
    /// Why there may be more entries than were read.
    pub(super) damage: Option<Error>,
}

/// An entry of a node.
#[derive(Debug, Clone)]
pub(super) struct IndexEntry {
    pub(super) file: FileReference,
    pub(super) file_name: FileName,
    /// The node with the entries before this one, by a cluster of the index.
    pub(super) child: Option<u64>,
}

impl IndexNode {
    const ENTRY_HEAD_SIZE: usize = 16;
    const CHILD_SIZE: usize = 8;
    const HAS_CHILD: u16 = 1;
    const IS_LAST: u16 = 2;

    /// Reads a node's header, which stands at `offset` of `bytes`, and the entries behind it. `position` is where
    /// `bytes` stand on the volume.
    pub(super) fn parse(bytes: &[u8], offset: usize, position: u64) -> Result<IndexNode, Error> {
        let base = position.saturating_add(offset as u64);
        let header = bytes.get(offset..).unwrap_or_default();
        let numbers = (le_u32, le_u32);
        let (_, (start, length)) = structure("an index node's header", base, header, numbers)?;
        let span = usize::try_from(start)
            .ok()
            .zip(usize::try_from(length).ok());
        let entries = span.and_then(|(start, end)| Some((start, header.get(start..end)?)));
        let Some((start, entries)) = entries else {
            let expected = format!("entries within {} bytes", header.len());
            return Err(
                Error::malformed(expected, format!("bytes {start} to {length}"))
                    .at(Position::Byte(base)),
            );
        };
        let mut node = IndexNode {
            entries: Vec::new(),
            last_child: None,
            damage: None,
        };
        if let Err(error) = node.read_entries(entries, base.saturating_add(start as u64)) {
            node.damage = Some(error);
        }
        Ok(node)
    }

    fn read_entries(&mut self, bytes: &[u8], base: u64) -> Result<(), Error> {
        let mut offset = 0;
        // An entry is longer than its head, so that this ends with the bytes.
        loop {
            let position = base.saturating_add(offset as u64);
            let at = |offset: u64| Position::Byte(position.saturating_add(offset));
            let rest = bytes.get(offset..).unwrap_or_default();
            let head = (le_u64, le_u16, le_u16, le_u16);
            let name = "an index entry's head";
            let (_, (file, length, key_length, flags)) = structure(name, position, rest, head)?;
            let (length, key_length) = (usize::from(length), usize::from(key_length));
            let has_child = flags & Self::HAS_CHILD != 0;
            let child_size = match has_child {
                true => Self::CHILD_SIZE,
                false => 0,
            };
            let entry = rest.get(..length).filter(|entry| {
                entry.len() % 8 == 0 && entry.len() >= Self::ENTRY_HEAD_SIZE + child_size
            });
            let Some(entry) = entry else {
                let expected = format!("an entry's length of at most {}", rest.len());
                return Err(Error::malformed(expected, length.to_string()).at(at(8)));
            };
            let (before_child, child) = entry.split_at(length - child_size);
            let child = child.try_into().ok().map(u64::from_le_bytes);
            if flags & Self::IS_LAST != 0 {
                self.last_child = child;
                return Ok(());
            }
            let key = before_child[Self::ENTRY_HEAD_SIZE..].get(..key_length);
            let Some(key) = key else {
                let expected = format!("a key within {} bytes", before_child.len());
                return Err(Error::malformed(expected, format!("{key_length} bytes")).at(at(10)));
            };
            let key_position = position.saturating_add(Self::ENTRY_HEAD_SIZE as u64);
            self.entries.push(IndexEntry {
                file: FileReference::from_raw(file),
                file_name: FileName::parse(key, key_position)?,
                child,
            });
            offset += length;
        }
    }
}
