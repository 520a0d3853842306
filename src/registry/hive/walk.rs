//! A walk over every key and value of a hive.

use std::collections::HashSet;
use std::io::{Read, Seek};
use std::vec;

use super::pages::file_position;
use super::subkey_list::{Met, MetSubkeys, SMALLEST_KEY_NODE, Subkey};
use super::{Hive, KeyNode, ReadBudget};
use crate::error::Error;
use crate::registry::{RegistryKey, RegistryValue};
use crate::warning::WarningCode;
use crate::wide_string::WideString;

/// Windows allows keys 512 levels deep ("Registry Element Size Limits", learn.microsoft.com).
const DEEPEST: usize = 512;

/// Every key of a hive with its values, parents before their subkeys, in the order of the lists.
///
/// Comes from [`Hive::walk`]. What cannot be read becomes a warning of the hive. The walk ends on any hive: it
/// enters no key twice, goes 512 levels deep as Windows does, and reads no more than the hive can hold.
pub struct Walk<'a, R> {
    hive: &'a mut Hive<R>,
    root: Option<KeyNode>,
    levels: Vec<Level>,
    /// The path of the key whose subkeys are on the last level.
    path: Vec<u16>,
    entered: HashSet<u32>,
    budget: ReadBudget,
}

/// The subkeys of one key that are still to be walked.
struct Level {
    rest: vec::IntoIter<Subkey>,
    met: MetSubkeys,
    /// Length of the path of the key they belong to.
    path_len: usize,
}

/// A key that a [`Walk`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalkedKey {
    /// The key. Its path begins below the root key, whose path is empty.
    pub key: RegistryKey,
    /// Its values, in the order of its list. Those that cannot be read are left out, with a warning of the hive.
    pub values: Vec<RegistryValue>,
}

impl<R: Read + Seek> Hive<R> {
    /// Walks over every key and value.
    ///
    /// # Errors
    /// When the root key cannot be read.
    pub fn walk(&mut self) -> Result<Walk<'_, R>, Error> {
        let root = self.root()?;
        Ok(Walk {
            budget: ReadBudget::of(self.pages.stored()),
            entered: HashSet::from([root.offset]),
            hive: self,
            root: Some(root),
            levels: Vec::new(),
            path: Vec::new(),
        })
    }
}

impl<R: Read + Seek> Iterator for Walk<'_, R> {
    type Item = WalkedKey;

    fn next(&mut self) -> Option<WalkedKey> {
        if let Some(root) = self.root.take() {
            return Some(self.enter(&root));
        }
        loop {
            let level = self.levels.last_mut()?;
            self.path.truncate(level.path_len);
            let Some(subkey) = level.rest.next() else {
                self.levels.pop();
                continue;
            };
            if !self.entered.insert(subkey.node) {
                self.hive.warn(
                    WarningCode::DuplicateSubkey,
                    file_position(subkey.node.into()),
                    "the key is listed more than once",
                );
                continue;
            }
            let Met::First(node) = self.hive.meet(subkey, &mut level.met) else {
                continue;
            };
            if !self.path.is_empty() {
                self.path.push(u16::from(b'\\'));
            }
            self.path.extend(node.name().as_units());
            return Some(self.enter(&node));
        }
    }
}

impl<R: Read + Seek> Walk<'_, R> {
    /// Reads a key's values and puts its subkeys on the stack.
    fn enter(&mut self, node: &KeyNode) -> WalkedKey {
        let values = self
            .hive
            .values_within(node, &mut self.budget)
            .unwrap_or_else(|error| {
                self.hive
                    .warn_of(WarningCode::ValueUnreadable, node.position(), &error);
                Vec::new()
            });
        if self.levels.len() + 1 < DEEPEST {
            self.descend(node);
        } else if node.subkey_count > 0 {
            self.hive.warn(
                WarningCode::SubkeysUnreadable,
                node.position(),
                format!("keys deeper than {DEEPEST} levels were left out"),
            );
        }
        WalkedKey {
            key: RegistryKey {
                path: WideString::from_units(self.path.clone()),
                last_written: Some(node.last_written()),
                position: node.position(),
            },
            values: values
                .into_iter()
                .filter_map(|value| value.into_registry_value().ok())
                .collect(),
        }
    }

    fn descend(&mut self, node: &KeyNode) {
        let list = self.budget.take(4, node.position()).and_then(|()| {
            let list = self.hive.subkey_list(node)?;
            let bytes = list.subkeys.len() as u64 * SMALLEST_KEY_NODE;
            self.budget.take_or_end(bytes, node.position())?;
            Ok(list)
        });
        match list {
            Ok(list) => self.levels.push(Level {
                rest: list.subkeys.into_iter(),
                met: MetSubkeys::default(),
                path_len: self.path.len(),
            }),
            Err(error) => {
                self.hive
                    .warn_of(WarningCode::SubkeysUnreadable, node.position(), &error);
            }
        }
    }
}
