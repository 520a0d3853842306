//! `lf`, `lh`, `li` and `ri`: which subkeys a key has.

use std::collections::HashSet;
use std::io::{Read, Seek};
use std::ops::ControlFlow;

use super::cell::Cell;
use super::pages::file_position;
use super::{Hive, KeyNode};
use crate::error::Error;
use crate::warning::WarningCode;
use crate::wide_string::{WideString, upcase};

/// Signature and number of elements.
const HEADER_LEN: usize = 4;

/// The smallest cell of a key node: it bounds how many subkeys a hive can hold.
pub(super) const SMALLEST_KEY_NODE: u64 = 80;

/// More subkeys of one key are not listed: Windows' own keys have some ten thousand at most, and a sparse file or disk can pass
/// for a hive of 4 GiB.
const MOST_SUBKEYS: u64 = 1 << 22;

/// What stands for no cell.
const NO_CELL: u32 = u32::MAX;

/// Lists up to this length are compared name by name when the hash does not tell: that costs no more than a search.
const SHORT_LIST: usize = 16;

/// An element of a subkey list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subkey {
    /// Offset of the key node within the hive bins.
    pub(super) node: u32,
    hint: Hint,
}

/// What a list tells of a subkey's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hint {
    /// `li`: nothing.
    None,
    /// `lf`: the first four characters, zero where there is none or where it is not Latin-1.
    Start([u8; 4]),
    /// `lh`: the hash of the name in upper case.
    Hash(u32),
}

impl Hint {
    /// Whether a name in upper case may be the one that the hint was made of.
    fn allows(self, upcase_name: &WideString) -> bool {
        match self {
            Hint::None => true,
            Hint::Hash(hash) => hash == name_hash(upcase_name),
            Hint::Start(start) => {
                let mut units = upcase_name.as_units().iter();
                start.iter().all(|&byte| {
                    let unit = units.next().copied().unwrap_or(0);
                    byte == 0 || upcase(byte.into()) == unit
                })
            }
        }
    }
}

/// The hash of a name in upper case ("Hash leaf", note).
fn name_hash(upcase_name: &WideString) -> u32 {
    upcase_name.as_units().iter().fold(0, |hash: u32, &unit| {
        hash.wrapping_mul(37).wrapping_add(unit.into())
    })
}

/// The subkeys of a key as its lists give them.
pub(super) struct SubkeyList {
    pub(super) subkeys: Vec<Subkey>,
    /// Why some are missing.
    damage: Option<Error>,
    /// Whether the lists have more or fewer of them than the key says.
    is_miscounted: bool,
}

/// What looking for a name by the order of the list came to.
enum Search {
    Found(KeyNode),
    Absent,
    /// The names are not in order, or do not go with their hints: the list proves nothing.
    Unsound,
}

/// The subkeys of one key that were met already.
#[derive(Default)]
pub(super) struct MetSubkeys {
    nodes: HashSet<u32>,
    names: HashSet<WideString>,
}

/// What came of a subkey of a list. What is no key to be visited is a warning.
pub(super) enum Met {
    First(KeyNode),
    Again,
    Unreadable,
}

impl<R: Read + Seek> Hive<R> {
    /// The subkeys of a key, in the order of its list.
    ///
    /// # Errors
    /// When the list cannot be read at all. Subkeys that cannot be read are left out with a warning.
    pub fn subkeys(&mut self, key: &KeyNode) -> Result<Vec<KeyNode>, Error> {
        let mut subkeys = Vec::new();
        self.each_subkey(key, |_, subkey| {
            subkeys.push(subkey);
            ControlFlow::Continue(())
        })?;
        Ok(subkeys)
    }

    /// Visits the subkeys of a key, as [`subkeys`](Self::subkeys) gives them, one after the other until it breaks off. Gives
    /// how many cannot be read, as far as they can be counted: a part of the list, or those that a wrong count tells of, as one.
    pub(crate) fn each_subkey(
        &mut self,
        key: &KeyNode,
        mut visit: impl FnMut(&mut Self, KeyNode) -> ControlFlow<()>,
    ) -> Result<u64, Error> {
        let list = self.subkey_list(key)?;
        let mut met = MetSubkeys::default();
        let mut unreadable = u64::from(list.damage.is_some() || list.is_miscounted);
        for &subkey in &list.subkeys {
            match self.meet(subkey, &mut met) {
                Met::First(subkey) => {
                    if visit(self, subkey).is_break() {
                        break;
                    }
                }
                Met::Again => {}
                Met::Unreadable => unreadable += 1,
            }
        }
        Ok(unreadable)
    }

    /// Reads a subkey that was not met before in the same key.
    pub(super) fn meet(&mut self, subkey: Subkey, met: &mut MetSubkeys) -> Met {
        let position = file_position(subkey.node.into());
        if !met.nodes.insert(subkey.node) {
            self.warn(
                WarningCode::DuplicateSubkey,
                position,
                "the key is listed twice in its parent",
            );
            return Met::Again;
        }
        match self.key_node(subkey.node) {
            Ok(node) => {
                if !met.names.insert(node.name().to_upcase()) {
                    self.warn(
                        WarningCode::DuplicateSubkey,
                        position,
                        format!("a second subkey with the name {}", node.name()),
                    );
                }
                Met::First(node)
            }
            Err(error) => {
                self.warn_of(WarningCode::KeyUnreadable, position, &error);
                Met::Unreadable
            }
        }
    }

    /// The subkey with this name, upper and lower case being the same.
    ///
    /// `None` says that the key has no such subkey.
    ///
    /// # Errors
    /// When the subkey, or the part of the list that may hold it, cannot be read.
    pub fn subkey(&mut self, key: &KeyNode, name: &WideString) -> Result<Option<KeyNode>, Error> {
        let list = self.subkey_list(key)?;
        let upcase_name = name.to_upcase();
        let mut damage = list.damage.or_else(|| {
            // It may be one of those that the count leaves out.
            let expected = "a list of as many subkeys as the key says it has";
            let error = Error::malformed(expected, "another number of them");
            list.is_miscounted.then(|| error.at(key.position()))
        });

        // The hash list, as Windows uses it.
        let hash = Hint::Hash(name_hash(&upcase_name));
        for subkey in list.subkeys.iter().filter(|subkey| subkey.hint == hash) {
            match self.key_node(subkey.node) {
                Ok(node) if node.name().eq_ignore_case(name) => return Ok(Some(node)),
                Ok(_) => {}
                Err(error) => damage = damage.or(Some(error)),
            }
        }
        // No hashes, or none that fits: the order of the names tells where it would be, and whether the list is sound.
        if list.subkeys.len() > SHORT_LIST {
            match self.search(&list.subkeys, &upcase_name) {
                Search::Found(node) => return Ok(Some(node)),
                Search::Absent => return damage.map_or(Ok(None), Err),
                Search::Unsound => self.warn(
                    WarningCode::UnsoundSubkeyList,
                    key.position(),
                    "the key's subkeys are not in order or do not go with their hashes: every name was compared",
                ),
            }
        }
        for subkey in &list.subkeys {
            match self.key_node(subkey.node) {
                Ok(node) if node.name().eq_ignore_case(name) => return Ok(Some(node)),
                Ok(_) => {}
                Err(error) if subkey.hint.allows(&upcase_name) => damage = damage.or(Some(error)),
                Err(error) => {
                    self.warn_of(WarningCode::KeyUnreadable, key.position(), &error);
                }
            }
        }
        damage.map_or(Ok(None), Err)
    }

    /// Looks for a name in a list that is sorted by upper-case names, as the format demands.
    fn search(&mut self, subkeys: &[Subkey], upcase_name: &WideString) -> Search {
        let mut rest = subkeys;
        let (mut below, mut above) = (None::<WideString>, None::<WideString>);
        while let Some(middle) = rest.get(rest.len() / 2) {
            let Ok(node) = self.key_node(middle.node) else {
                return Search::Unsound;
            };
            let found = node.name().to_upcase();
            let in_order = below.as_ref().is_none_or(|below| *below < found)
                && above.as_ref().is_none_or(|above| found < *above);
            if !in_order || !middle.hint.allows(&found) {
                return Search::Unsound;
            }
            match found.cmp(upcase_name) {
                std::cmp::Ordering::Equal => return Search::Found(node),
                std::cmp::Ordering::Less => {
                    rest = &rest[rest.len() / 2 + 1..];
                    below = Some(found);
                }
                std::cmp::Ordering::Greater => {
                    rest = &rest[..rest.len() / 2];
                    above = Some(found);
                }
            }
        }
        Search::Absent
    }

    /// Reads the list of a key's subkeys, through one level of `ri`.
    pub(super) fn subkey_list(&mut self, key: &KeyNode) -> Result<SubkeyList, Error> {
        let mut list = SubkeyList {
            subkeys: Vec::new(),
            damage: None,
            is_miscounted: false,
        };
        if key.subkey_count == 0 {
            self.check_empty(key, &mut list);
            return Ok(list);
        }
        let most = (self.pages.stored() / SMALLEST_KEY_NODE)
            .min(key.subkey_count.into())
            .min(MOST_SUBKEYS) as usize;
        let kinds = [b"lf", b"lh", b"li", b"ri"];
        let (cell, header) = self.structure::<HEADER_LEN>(key.subkey_list, &kinds)?;
        let mut in_lists = 0;
        if header.starts_with(b"ri") {
            let mut met = HashSet::new();
            for element in self.elements::<4>(cell, header, &mut list)? {
                let leaf = u32::from_le_bytes(element);
                if in_lists >= most || !met.insert(leaf) {
                    let error = Error::malformed(
                        format!("lists for {most} subkeys, each named once"),
                        format!("the list at {} again or beyond", file_position(leaf.into())),
                    )
                    .at(cell.position());
                    self.lose(&mut list, error);
                    break;
                }
                match self.leaf(leaf, most, &mut list) {
                    Ok(count) => in_lists += count,
                    Err(error) => self.lose(&mut list, error),
                }
            }
        } else {
            in_lists = self.leaf(key.subkey_list, most, &mut list)?;
        }
        list.is_miscounted = in_lists as u64 != u64::from(key.subkey_count);
        if list.is_miscounted {
            self.warn(
                WarningCode::CountMismatch,
                cell.position(),
                format!(
                    "expected {} subkeys, found {in_lists} in the list",
                    key.subkey_count
                ),
            );
        }
        Ok(list)
    }

    /// Warns where a key says that it has no subkeys, and a list of some is there.
    fn check_empty(&mut self, key: &KeyNode, list: &mut SubkeyList) {
        // A list that was given up is none.
        if key.subkey_list == NO_CELL || self.cell(key.subkey_list).is_err() {
            return;
        }
        let kinds = [b"lf", b"lh", b"li", b"ri"];
        if let Ok((cell, [_, _, low, high])) = self.structure::<HEADER_LEN>(key.subkey_list, &kinds)
            && [low, high] != [0, 0]
        {
            list.is_miscounted = true;
            let text = "expected no subkeys, found a list of them";
            self.warn(WarningCode::CountMismatch, cell.position(), text);
        }
    }

    /// Adds the elements of a leaf, up to `most` in all. Returns how many the leaf has.
    fn leaf(&mut self, offset: u32, most: usize, list: &mut SubkeyList) -> Result<usize, Error> {
        // No ri here: one level of them is all that Windows writes and reads.
        let kinds = [b"lf", b"lh", b"li"];
        let (cell, header) = self.structure::<HEADER_LEN>(offset, &kinds)?;
        let room = most.saturating_sub(list.subkeys.len());
        let leaf: Vec<Subkey> = if header.starts_with(b"li") {
            let subkey = |node| Subkey {
                node: u32::from_le_bytes(node),
                hint: Hint::None,
            };
            let elements = self.elements::<4>(cell, header, list)?;
            elements.into_iter().map(subkey).collect()
        } else {
            let hashed = header.starts_with(b"lh");
            let subkey = |[a, b, c, d, hint @ ..]: [u8; 8]| Subkey {
                node: u32::from_le_bytes([a, b, c, d]),
                hint: match hashed {
                    true => Hint::Hash(u32::from_le_bytes(hint)),
                    false => Hint::Start(hint),
                },
            };
            let elements = self.elements::<8>(cell, header, list)?;
            elements.into_iter().map(subkey).collect()
        };
        let count = leaf.len();
        list.subkeys.extend(leaf.into_iter().take(room));
        Ok(count)
    }

    /// The elements of a list of any kind, as many as its cell holds.
    fn elements<const N: usize>(
        &mut self,
        cell: Cell,
        header: [u8; HEADER_LEN],
        list: &mut SubkeyList,
    ) -> Result<Vec<[u8; N]>, Error> {
        let [_, _, low, high] = header;
        let claimed = u64::from(u16::from_le_bytes([low, high]));
        let held = cell.len.saturating_sub(HEADER_LEN as u64) / N as u64;
        if claimed > held {
            let error = Error::malformed(
                format!("a list of {claimed} elements"),
                format!("room for {held}"),
            )
            .at(cell.position());
            self.lose(list, error);
        }
        let mut bytes = vec![0; claimed.min(held) as usize * N];
        self.read_cell(cell, HEADER_LEN as u64, &mut bytes)?;
        Ok(bytes.as_chunks::<N>().0.to_vec())
    }

    /// Notes that a part of a subkey list is lost.
    fn lose(&mut self, list: &mut SubkeyList, error: Error) {
        if let Some(position) = error.position() {
            self.warn_of(WarningCode::SubkeysUnreadable, position, &error);
        }
        list.damage.get_or_insert(error);
    }
}
