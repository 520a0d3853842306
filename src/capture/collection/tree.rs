//! The files of a collection's volumes, found by their names as NTFS would.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use crate::wide_string::WideString;

/// A file or directory of the tree.
pub(super) type NodeId = u32;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeKind {
    File,
    Directory,
    Link,
    Special,
}

/// A file or directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// The directory it lies in; itself for a root.
    pub(super) parent: NodeId,
    /// The root of its volume.
    root: NodeId,
    name_start: u32,
    name_length: u16,
    pub(super) kind: NodeKind,
    /// Which of several members with the same path was taken: the lower, the better.
    rank: u8,
    /// The member that it is, if any: directories need not be members themselves.
    pub(super) member: Option<u32>,
    /// The next node whose parent and name have the same hash.
    next: Option<NodeId>,
}

/// What adding a member came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    New,
    /// The path had this member already: one of better or worse rank.
    Ranked(u32),
    /// The path had this member already, and it is replaced.
    Duplicate(u32),
    /// The tree holds no more.
    Full,
}

/// Files and directories by their names.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    names: Vec<u16>,
    /// The first node by the hash of its parent and its name in upper case, and how many there are.
    by_name: HashMap<u64, (NodeId, u8)>,
    hasher: RandomState,
    /// The nodes of each volume but its root, by that root.
    by_root: HashMap<NodeId, Vec<NodeId>>,
    /// Whether something was left out.
    is_full: bool,
}

/// Directories that are no members of their own count, too.
const MAX_NODES: usize = 6 << 20;
/// Names in one directory that differ in letter case alone, which are told apart one by one.
const MAX_ALIKE: u8 = 64;
/// Code units of all names.
const MAX_NAME_UNITS: usize = 256 << 20;

impl Tree {
    /// Whether something was left out.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Adds the root of a volume.
    pub(super) fn add_root(&mut self) -> NodeId {
        let id = self.nodes.len() as NodeId;
        self.nodes.push(Node {
            parent: id,
            root: id,
            name_start: 0,
            name_length: 0,
            kind: NodeKind::Directory,
            rank: u8::MAX,
            member: None,
            next: None,
        });
        id
    }

    /// Says which member the root of a volume is.
    pub(super) fn set_member(&mut self, root: NodeId, member: u32) {
        self.nodes[root as usize].member = Some(member);
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    pub(super) fn name(&self, id: NodeId) -> WideString {
        WideString::from_units(self.units(id).to_vec())
    }

    fn units(&self, id: NodeId) -> &[u16] {
        let node = self.node(id);
        let start = node.name_start as usize;
        &self.names[start..start + usize::from(node.name_length)]
    }

    /// The names from the volume's root to a node.
    pub(super) fn path(&self, mut id: NodeId) -> Vec<WideString> {
        let mut names = Vec::new();
        while self.node(id).parent != id {
            names.push(self.name(id));
            id = self.node(id).parent;
        }
        names.reverse();
        names
    }

    /// All nodes of a volume but its root.
    pub(super) fn nodes_of(&self, root: NodeId) -> impl Iterator<Item = NodeId> {
        self.by_root.get(&root).into_iter().flatten().copied()
    }

    /// The file or directory of this name, exactly or else but for letter case.
    pub(super) fn child(&self, parent: NodeId, name: &WideString) -> Option<NodeId> {
        let mut like = None;
        let first = self.by_name.get(&self.hash(parent, name));
        let mut candidate = first.map(|(first, _)| *first);
        while let Some(id) = candidate {
            if self.node(id).parent == parent && id != parent {
                if self.units(id) == name.as_units() {
                    return Some(id);
                }
                if self.name(id).eq_ignore_case(name) {
                    like = Some(id);
                }
            }
            candidate = self.node(id).next;
        }
        like
    }

    fn exact_child(&self, parent: NodeId, name: &WideString) -> Option<NodeId> {
        let child = self.child(parent, name)?;
        (self.units(child) == name.as_units()).then_some(child)
    }

    fn hash(&self, parent: NodeId, name: &WideString) -> u64 {
        self.hasher.hash_one((parent, name.to_upcase()))
    }

    /// The directory of this name, which is added where it is not there; none where the tree is full.
    pub(super) fn directory(&mut self, parent: NodeId, name: &WideString) -> Option<NodeId> {
        let id = match self.exact_child(parent, name) {
            Some(id) => id,
            None => self.push(parent, name, NodeKind::Directory, u8::MAX, None)?,
        };
        // What has files in it is a directory, whatever it was said to be.
        self.nodes[id as usize].kind = NodeKind::Directory;
        Some(id)
    }

    /// Adds a member to a directory.
    pub(super) fn add(
        &mut self,
        parent: NodeId,
        name: &WideString,
        kind: NodeKind,
        rank: u8,
        member: u32,
    ) -> Added {
        let Some(id) = self.exact_child(parent, name) else {
            return match self.push(parent, name, kind, rank, Some(member)) {
                Some(_) => Added::New,
                None => Added::Full,
            };
        };
        let node = &mut self.nodes[id as usize];
        let Some(old) = node.member else {
            // Its files came before the directory.
            node.member = Some(member);
            node.rank = rank;
            return match kind {
                NodeKind::Directory => Added::New,
                _ => Added::Duplicate(member),
            };
        };
        if rank > node.rank {
            return Added::Ranked(old);
        }
        let is_same_rank = rank == node.rank;
        let is_directory = node.kind == NodeKind::Directory && kind == NodeKind::Directory;
        node.member = Some(member);
        node.rank = rank;
        if node.kind != NodeKind::Directory {
            node.kind = kind;
        }
        match is_same_rank {
            _ if is_directory => Added::New,
            true => Added::Duplicate(old),
            false => Added::Ranked(old),
        }
    }

    fn push(
        &mut self,
        parent: NodeId,
        name: &WideString,
        kind: NodeKind,
        rank: u8,
        member: Option<u32>,
    ) -> Option<NodeId> {
        let units = name.as_units();
        let hash = self.hash(parent, name);
        let alike = self.by_name.get(&hash).map_or(0, |(_, alike)| *alike);
        let has_room = self.nodes.len() < MAX_NODES
            && self.names.len() + units.len() <= MAX_NAME_UNITS
            && alike < MAX_ALIKE;
        let name_length = u16::try_from(units.len()).ok().filter(|_| has_room);
        self.is_full |= name_length.is_none();
        let name_length = name_length?;
        let id = self.nodes.len() as NodeId;
        let next = self.by_name.insert(hash, (id, alike + 1));
        let next = next.map(|(next, _)| next);
        self.nodes.push(Node {
            parent,
            root: self.node(parent).root,
            name_start: self.names.len() as u32,
            name_length,
            kind,
            rank,
            member,
            next,
        });
        self.names.extend_from_slice(units);
        let root = self.node(parent).root;
        self.by_root.entry(root).or_default().push(id);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_exactly_or_in_another_case() {
        let mut tree = Tree::default();
        let root = tree.add_root();
        let other = tree.add_root();
        let windows = tree.directory(root, &"Windows".into()).unwrap();
        assert_eq!(tree.directory(root, &"Windows".into()), Some(windows));
        assert_eq!(
            tree.add(windows, &"A".into(), NodeKind::File, 0, 7),
            Added::New
        );
        assert_eq!(
            tree.add(windows, &"a".into(), NodeKind::File, 0, 8),
            Added::New
        );
        let member = |name: &str| tree.node(tree.child(windows, &name.into()).unwrap()).member;
        assert_eq!((member("A"), member("a")), (Some(7), Some(8)));
        assert_eq!(tree.child(root, &"WINDOWS".into()), Some(windows));
        assert_eq!(tree.child(other, &"Windows".into()), None);
        assert_eq!(tree.child(root, &"".into()), None);
        let file = tree.child(windows, &"A".into()).unwrap();
        assert_eq!(tree.path(file), ["Windows".into(), WideString::from("A")]);
        assert_eq!(tree.nodes_of(root).count(), 3);
        assert_eq!(tree.nodes_of(other).count(), 0);
    }

    #[test]
    fn names_that_differ_in_case_alone_are_not_told_apart_without_end() {
        let mut tree = Tree::default();
        let root = tree.add_root();
        let name = |number: u32| {
            let letter = |bit: u32| if number >> bit & 1 == 0 { 'a' } else { 'A' };
            WideString::from(&(0..8).map(letter).collect::<String>()[..])
        };
        let added = (0..200).map(|number| tree.add(root, &name(number), NodeKind::File, 0, number));
        let added: Vec<Added> = added.collect();
        let is_new = |added: &Added| *added == Added::New;
        assert_eq!(added.iter().filter(|added| is_new(added)).count(), 64);
        assert_eq!(added[64..], [Added::Full; 136]);
        assert!(tree.is_full());
        let member = |number| tree.node(tree.child(root, &name(number)).unwrap()).member;
        assert_eq!(member(63), Some(63));
    }

    #[test]
    fn of_several_members_with_one_path_the_better_or_last_is_taken() {
        let mut tree = Tree::default();
        let root = tree.add_root();
        let name = "x".into();
        assert_eq!(tree.add(root, &name, NodeKind::File, 3, 0), Added::New);
        assert_eq!(
            tree.add(root, &name, NodeKind::File, 3, 1),
            Added::Duplicate(0)
        );
        assert_eq!(
            tree.add(root, &name, NodeKind::File, 4, 2),
            Added::Ranked(1)
        );
        assert_eq!(
            tree.add(root, &name, NodeKind::File, 1, 3),
            Added::Ranked(1)
        );
        let id = tree.child(root, &name).unwrap();
        assert_eq!(tree.node(id).member, Some(3));
        // What has files in it is a directory.
        let directory = tree.directory(root, &name).unwrap();
        assert_eq!(directory, id);
        assert_eq!(tree.node(id).kind, NodeKind::Directory);
    }
}
