//! The index of a directory, `$I30`: a B+ tree of names, its root in the directory's record, its other nodes in clusters.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::rc::Rc;

use nom::number::complete::{le_u32, le_u64};

use super::attribute::AttributeType;
use super::attribute_set::AttributeSet;
use super::attribute_stream::AttributeStream;
use super::file_name::{FileName, Namespace};
use super::file_table::FileTable;
use super::index_node::{IndexEntry, IndexNode};
use super::upcase::UpcaseTable;
use super::update_sequence;
use crate::binary::{byte_array, structure};
use crate::capture::disk_image::recently_used::RecentlyUsed;
use crate::error::{Error, Position};
use crate::warning::{Warning, WarningCode};
use crate::wide_string::WideString;

/// The index of one directory.
pub(super) struct DirectoryIndex {
    table: Rc<FileTable>,
    /// The directory's record.
    number: u64,
    is_case_sensitive: bool,
    root: Rc<IndexNode>,
    /// Where the other nodes are; `None` where there are none.
    allocation: Option<AttributeStream>,
    /// Size of a node in bytes.
    block_size: u64,
    /// What the numbers of nodes count, in bytes.
    vcn_size: u64,
    nodes: RecentlyUsed<u64, Rc<IndexNode>>,
}

impl DirectoryIndex {
    const NAME: &'static str = "$I30";
    const BLOCK_SIGNATURE: &'static [u8; 4] = b"INDX";
    const BLOCK_SIZES: std::ops::RangeInclusive<u32> = 512..=64 << 10;
    /// Where the header of entries stands in the value of `$INDEX_ROOT`, and in a block.
    const ROOT_HEADER_OFFSET: usize = 16;
    const BLOCK_HEADER_OFFSET: usize = 24;
    const BLOCK_VCN_OFFSET: u64 = 16;
    /// What nodes are counted in that are smaller than a cluster, in bytes.
    const SMALL_VCN_SIZE: u64 = 512;
    const FILE_NAME_COLLATION: u32 = 1;
    /// Nodes that are kept, in bytes: usual ones have 4 KiB.
    const KEPT_NODES: usize = 64 << 10;

    /// Opens the index of a directory.
    pub(super) fn open(
        attributes: &AttributeSet,
        is_case_sensitive: bool,
    ) -> Result<DirectoryIndex, Error> {
        let (table, base) = (attributes.table(), attributes.base());
        let name = Self::NAME.into();
        let Some(root) = attributes.find(AttributeType::INDEX_ROOT, &name)? else {
            return Err(
                Error::malformed("an index of names", "none").at(Position::Byte(base.position))
            );
        };
        let (value, position) = (root.value()?, root.value_position());
        let numbers = (le_u32, le_u32, le_u32);
        let (_, (kind, collation, block_size)) =
            structure("an index root", position, value, numbers)?;
        if (kind, collation) != (AttributeType::FILE_NAME.0, Self::FILE_NAME_COLLATION) {
            let found = format!("one of attributes {kind:#x} in order {collation}");
            return Err(
                Error::malformed("an index of file names", found).at(Position::Byte(position))
            );
        }
        if !block_size.is_power_of_two() || !Self::BLOCK_SIZES.contains(&block_size) {
            let place = Position::Byte(position.saturating_add(8));
            let expected = "index blocks of 512 B to 64 KiB";
            return Err(Error::malformed(expected, block_size.to_string()).at(place));
        }
        let block_size = u64::from(block_size);
        let cluster_size = u64::from(table.boot_sector.cluster_size);
        let allocation = attributes.find(AttributeType::INDEX_ALLOCATION, &name)?;
        Ok(DirectoryIndex {
            table: table.clone(),
            number: base.number,
            is_case_sensitive,
            root: Rc::new(IndexNode::parse(value, Self::ROOT_HEADER_OFFSET, position)?),
            allocation: allocation.map(|found| found.open()),
            block_size,
            vcn_size: match cluster_size <= block_size {
                true => cluster_size,
                false => Self::SMALL_VCN_SIZE,
            },
            nodes: RecentlyUsed::new(Self::KEPT_NODES),
        })
    }

    /// The entry of a name. Letter case does not matter unless the directory is marked so, but the exact name is
    /// preferred. Where the tree is damaged all of its nodes are searched, with a warning.
    ///
    /// # Errors
    ///
    /// The name is not found, and the index is damaged.
    pub(super) fn find(
        &self,
        name: &WideString,
        upcase: &UpcaseTable,
    ) -> Result<Option<IndexEntry>, Error> {
        let matches = match self.descend(name, upcase) {
            Ok(matches) => matches,
            Err(error) => {
                let code = WarningCode::DirectoryIndexDamaged;
                let warning = Warning::with_consequence(code, "all of it is searched", &error);
                self.table.warn(warning);
                let (matches, damage) = self.scan(name, upcase);
                if let (true, Some(damage)) = (matches.is_empty(), damage) {
                    return Err(damage);
                }
                matches
            }
        };
        let rank = |entry: &IndexEntry| {
            let found = &entry.file_name;
            (found.name != *name, found.namespace == Namespace::Dos)
        };
        let usable = matches
            .into_iter()
            .filter(|entry| !self.is_case_sensitive || entry.file_name.name == *name);
        Ok(usable.min_by_key(rank))
    }

    /// The entries whose names are this one but for letter case, or the one that is the same.
    fn descend(&self, name: &WideString, upcase: &UpcaseTable) -> Result<Vec<IndexEntry>, Error> {
        let mut matches = Vec::new();
        let mut pending = Vec::from_iter([Pending::default()]);
        let mut entered = Entered::new(self);
        while let Some(next) = pending.pop() {
            let node = match next.node {
                None => self.root.clone(),
                Some(vcn) => {
                    entered.enter(vcn)?;
                    self.node(vcn)?
                }
            };
            if let Some(damage) = &node.damage {
                return Err(damage.clone());
            }
            self.check_order(&node, &next, upcase)?;
            let mut before = next.after.clone();
            let mut is_passed = false;
            for entry in &node.entries {
                let found = &entry.file_name.name;
                let order = upcase.compare(found, name);
                if order == Ordering::Less {
                    before = Some(found.clone());
                    continue;
                }
                if found == name {
                    return Ok(vec![entry.clone()]);
                }
                if order == Ordering::Equal {
                    matches.push(entry.clone());
                }
                pending.extend(entry.child.map(|child| Pending {
                    node: Some(child),
                    after: before.take(),
                    before: Some(found.clone()),
                }));
                before = Some(found.clone());
                if order == Ordering::Greater {
                    is_passed = true;
                    break;
                }
            }
            if !is_passed {
                pending.extend(node.last_child.map(|child| Pending {
                    node: Some(child),
                    after: before,
                    before: next.before,
                }));
            }
        }
        Ok(matches)
    }

    /// Checks that a node's names are in order, and where its parent wants them.
    fn check_order(
        &self,
        node: &IndexNode,
        place: &Pending,
        upcase: &UpcaseTable,
    ) -> Result<(), Error> {
        let names = node.entries.iter().map(|entry| &entry.file_name.name);
        let names: Vec<_> = place
            .after
            .iter()
            .chain(names)
            .chain(&place.before)
            .collect();
        let unordered = names
            .windows(2)
            .find(|pair| upcase.compare(pair[0], pair[1]) == Ordering::Greater);
        match unordered {
            None => Ok(()),
            Some(pair) => {
                let expected = format!("a name behind {:?}", pair[0]);
                let error = Error::malformed(expected, format!("{:?}", pair[1]));
                Err(error.at(self.place_of(place.node)))
            }
        }
    }

    /// Searches all nodes for a name. What cannot be read is told beside.
    fn scan(&self, name: &WideString, upcase: &UpcaseTable) -> (Vec<IndexEntry>, Option<Error>) {
        let mut matches = Vec::new();
        let mut damage = None;
        let mut search = |node: &IndexNode| {
            let same = node.entries.iter().filter(|entry| {
                upcase.compare(&entry.file_name.name, name) == Ordering::Equal
                    && self.is_true(entry)
            });
            matches.extend(same.cloned());
            if let Some(error) = &node.damage {
                damage.get_or_insert_with(|| error.clone());
            }
        };
        search(&self.root);
        if let Err(error) = self.each_block(&mut |node| match node {
            Ok(node) => search(&node),
            Err(error) => search(&IndexNode {
                entries: Vec::new(),
                last_child: None,
                damage: Some(error),
            }),
        }) {
            damage.get_or_insert(error);
        }
        (matches, damage)
    }

    /// Reads every block that was ever used.
    fn each_block(&self, visit: &mut dyn FnMut(Result<IndexNode, Error>)) -> Result<(), Error> {
        let Some(allocation) = &self.allocation else {
            return Ok(());
        };
        let cluster_size = allocation.cluster_size();
        let mut offset = 0;
        let mut left = self.most_nodes();
        while allocation.size().saturating_sub(offset) >= self.block_size && left > 0 {
            let run = match allocation.run(offset / cluster_size) {
                Ok(run) => run,
                Err(error) => {
                    visit(Err(error.clone()));
                    return Err(error);
                }
            };
            if run.lcn.is_none() {
                offset = (run.end() * cluster_size).next_multiple_of(self.block_size);
                continue;
            }
            if !self.table.index_searches.take(self.block_size) {
                let found = "a damaged one that was searched again and again";
                return Err(Error::malformed("a sound index of names", found)
                    .at(allocation.place_of(offset)));
            }
            let mut block = vec![0; self.block_size as usize];
            match allocation.read_at(offset, &mut block) {
                Ok(()) if !block.starts_with(Self::BLOCK_SIGNATURE) => {}
                Ok(()) => visit(self.parse_block(block, offset, None)),
                Err(error) => visit(Err(error)),
            }
            offset += self.block_size;
            left -= 1;
        }
        Ok(())
    }

    /// Whether the file of an entry has its name in this directory: the block may be one that is not used any more.
    fn is_true(&self, entry: &IndexEntry) -> bool {
        let Ok(record) = self.table.file_record(entry.file) else {
            return false;
        };
        let attributes = AttributeSet::new(self.table.clone(), record);
        let names = attributes.all(AttributeType::FILE_NAME).unwrap_or_default();
        names.iter().any(|found| {
            let value = found
                .value()
                .and_then(|v| FileName::parse(v, found.value_position()));
            value.is_ok_and(|file_name| {
                file_name.parent.record_number() == self.number
                    && file_name.name == entry.file_name.name
            })
        })
    }

    fn node(&self, vcn: u64) -> Result<Rc<IndexNode>, Error> {
        self.nodes.get_or_read_weighed(vcn, || {
            let size = self.allocation.as_ref().map_or(0, AttributeStream::size);
            let offset = vcn.checked_mul(self.vcn_size);
            let end = offset.and_then(|offset| offset.checked_add(self.block_size));
            let is_inside = end.is_some_and(|end| end <= size);
            let (Some(allocation), Some(offset), true) = (&self.allocation, offset, is_inside)
            else {
                let expected = format!("a node within {size} bytes of the index");
                return Err(
                    Error::malformed(expected, format!("node {vcn}")).at(self.place_of(None))
                );
            };
            let mut block = vec![0; self.block_size as usize];
            allocation.read_at(offset, &mut block)?;
            let node = self.parse_block(block, offset, Some(vcn))?;
            Ok((Rc::new(node), self.block_size as usize))
        })
    }

    /// Reads a block that stands at `offset` of the index, and should know its number.
    fn parse_block(
        &self,
        mut block: Vec<u8>,
        offset: u64,
        expected_vcn: Option<u64>,
    ) -> Result<IndexNode, Error> {
        let place = self
            .allocation
            .as_ref()
            .map(|allocation| allocation.place_of(offset));
        let position = place.map_or(0, Position::byte);
        update_sequence::undo(&mut block, Self::BLOCK_SIGNATURE, position)?;
        let head = (byte_array::<16>, le_u64);
        let (_, (_, vcn)) = structure("an index block's head", position, &block, head)?;
        if let Some(expected) = expected_vcn.filter(|&expected| expected != vcn) {
            let place = Position::Byte(position.saturating_add(Self::BLOCK_VCN_OFFSET));
            return Err(Error::malformed(format!("node {expected}"), vcn.to_string()).at(place));
        }
        IndexNode::parse(&block, Self::BLOCK_HEADER_OFFSET, position)
    }

    fn place_of(&self, node: Option<u64>) -> Position {
        let offset = node.and_then(|vcn| vcn.checked_mul(self.vcn_size));
        let in_block = self.allocation.as_ref().zip(offset);
        in_block.map_or_else(
            || {
                let record = self.table.record(self.number);
                Position::Byte(record.map_or(0, |record| record.position))
            },
            |(allocation, offset)| allocation.place_of(offset),
        )
    }

    /// The evidence cannot hold more nodes than this.
    fn most_nodes(&self) -> u64 {
        self.table.stored_size() / self.block_size + 1
    }
}

/// A node to search, the root where it has no number, and the entries of its parent between which it hangs.
#[derive(Default)]
struct Pending {
    node: Option<u64>,
    after: Option<WideString>,
    before: Option<WideString>,
}

/// The nodes that were entered: in a damaged tree a branch may lead back.
struct Entered {
    nodes: HashSet<u64>,
    most: u64,
    place: Position,
}

impl Entered {
    fn new(index: &DirectoryIndex) -> Self {
        Entered {
            nodes: HashSet::new(),
            most: index.most_nodes(),
            place: index.place_of(None),
        }
    }

    fn enter(&mut self, vcn: u64) -> Result<(), Error> {
        if !self.nodes.insert(vcn) {
            let expected = "a node that no other one leads to";
            return Err(Error::malformed(expected, format!("node {vcn} again")).at(self.place));
        }
        match self.nodes.len() as u64 <= self.most {
            true => Ok(()),
            false => {
                let expected = format!("at most {} nodes", self.most);
                Err(Error::malformed(expected, "more").at(self.place))
            }
        }
    }
}

/// The entries of a directory, in the order of its index, without short names that a file has beside its long one.
///
/// A damaged node is an error; the entries of the others follow it.
pub(super) struct IndexEntries {
    index: Rc<DirectoryIndex>,
    stack: Vec<Cursor>,
    entered: Entered,
}

struct Cursor {
    node: Rc<IndexNode>,
    next: usize,
    /// Whether what hangs before the next entry was listed.
    is_child_done: bool,
}

impl Cursor {
    fn new(node: Rc<IndexNode>) -> Self {
        Cursor {
            node,
            next: 0,
            is_child_done: false,
        }
    }
}

impl IndexEntries {
    /// No tree is higher: a node has two entries at least, real ones dozens.
    const MAX_HEIGHT: usize = 64;

    pub(super) fn new(index: Rc<DirectoryIndex>) -> Self {
        IndexEntries {
            stack: vec![Cursor::new(index.root.clone())],
            entered: Entered::new(&index),
            index,
        }
    }

    fn enter(&mut self, vcn: u64) -> Result<(), Error> {
        self.entered.enter(vcn)?;
        if self.stack.len() >= Self::MAX_HEIGHT {
            let expected = format!("an index of at most {} levels", Self::MAX_HEIGHT);
            return Err(Error::malformed(expected, "more").at(self.entered.place));
        }
        let node = self.index.node(vcn)?;
        self.stack.push(Cursor::new(node));
        Ok(())
    }
}

impl Iterator for IndexEntries {
    type Item = Result<IndexEntry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let cursor = self.stack.last_mut()?;
            let entry = cursor.node.entries.get(cursor.next);
            if !cursor.is_child_done {
                cursor.is_child_done = true;
                let child = entry.map_or(cursor.node.last_child, |entry| entry.child);
                if let Some(Err(error)) = child.map(|vcn| self.enter(vcn)) {
                    return Some(Err(error));
                }
                continue;
            }
            let Some(entry) = entry.cloned() else {
                let damage = cursor.node.damage.clone();
                self.stack.pop();
                match damage {
                    Some(damage) => return Some(Err(damage)),
                    None => continue,
                }
            };
            cursor.next += 1;
            cursor.is_child_done = false;
            if entry.file_name.namespace != Namespace::Dos {
                return Some(Ok(entry));
            }
        }
    }
}
