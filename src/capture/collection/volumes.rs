//! The volumes in a collection, with the tree of their files, and the parts that they make.

use std::collections::HashMap;

use super::layout::{Collector, Layout, MAX_VOLUMES, VolumeFolder};
use super::member_name::{self, RefusedName};
use super::members::Members;
use super::tree::{Added, NodeId, NodeKind, Tree};
use super::{CollectionPart, Content, PartVolume};
use crate::capture::stream_file;
use crate::evidence::Liveness;
use crate::warning::{Warning, WarningCode, Warnings};

/// Where the SOFTWARE hive lies on the drive of Windows.
const SOFTWARE: [&str; 4] = ["Windows", "System32", "config", "SOFTWARE"];

/// The volumes in a collection.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    pub(super) tree: Tree,
    layout: Layout,
    /// Of each volume of the layout, its root and whether it shows streams.
    roots: Vec<(NodeId, bool)>,
}

/// How often something was met, and where first.
#[derive(Debug, Default)]
struct Tally {
    count: u64,
    first: String,
}

impl Tally {
    fn count(&mut self, name: &[u8]) {
        if self.count == 0 {
            self.first = String::from_utf8_lossy(name).into_owned();
        }
        self.count += 1;
    }

    fn warn(&self, code: WarningCode, what: &str, warnings: &mut Warnings) {
        if self.count > 0 {
            let text = format!("{} {what}, {} among them", self.count, self.first);
            warnings.push(Warning::new(code, text));
        }
    }
}

/// What was odd about the members.
#[derive(Debug, Default)]
struct Oddities {
    refused: Tally,
    refused_for: Option<RefusedName>,
    absolute: Tally,
    duplicate: Tally,
    left_out: Tally,
}

/// The folder of the member before: most have the same.
#[derive(Debug, Default)]
struct LastFolder {
    path: Vec<u8>,
    place: Option<(VolumeFolder, NodeId)>,
    is_known: bool,
}

impl Volumes {
    /// Finds the volumes, and puts their files into a tree.
    pub(super) fn find(members: &Members, warnings: &mut Warnings) -> Volumes {
        let mut volumes = Volumes::default();
        let mut oddities = Oddities::default();
        for (_, member) in members.iter() {
            match member_name::components(member.name) {
                Ok(names) => volumes.layout.learn(&names),
                Err(reason) => {
                    oddities.refused.count(member.name);
                    oddities.refused_for.get_or_insert(reason);
                }
            }
        }
        volumes.layout.settle();
        let mut last = LastFolder::default();
        for (index, member) in members.iter() {
            if member_name::is_absolute(member.name) {
                oddities.absolute.count(member.name);
            }
            let has_stream = members.mount_data(index).is_some();
            let kind = member.kind.into();
            let added = volumes.add(index, member.name, kind, has_stream, &mut last);
            match added {
                Some(Added::Duplicate(_)) => oddities.duplicate.count(member.name),
                Some(Added::Full) => oddities.left_out.count(member.name),
                Some(Added::New | Added::Ranked(_)) | None => {}
            }
        }
        oddities.warn(&volumes.layout, warnings);
        volumes
    }

    /// Adds a member to the volume it lies on, if it lies on one.
    fn add(
        &mut self,
        index: u32,
        path: &[u8],
        kind: NodeKind,
        has_stream: bool,
        last: &mut LastFolder,
    ) -> Option<Added> {
        let names = member_name::components(path).ok()?;
        let (name, above) = names.split_last()?;
        let (place, directory) = match kind {
            NodeKind::Directory => {
                let place = self.layout.place(&names)?;
                if place.depth == names.len() {
                    let root = self.root(place.volume);
                    self.roots[place.volume].1 |= has_stream;
                    self.tree.set_member(root, index);
                    return Some(Added::New);
                }
                let Some(directory) = self.directory(place, above) else {
                    return Some(Added::Full);
                };
                (place, directory)
            }
            _ => {
                let (folder, _) = member_name::divided(path);
                if !last.is_known || last.path != folder {
                    last.place = None;
                    last.is_known = false;
                    if let Some(place) = self.layout.place(above) {
                        let Some(directory) = self.directory(place, above) else {
                            return Some(Added::Full);
                        };
                        last.place = Some((place, directory));
                    }
                    last.path.clear();
                    last.path.extend_from_slice(folder);
                    last.is_known = true;
                }
                last.place?
            }
        };
        let name = place.spelling.decode(name);
        self.roots[place.volume].1 |= has_stream || !stream_file::directories(&name).is_empty();
        Some(self.tree.add(directory, &name, kind, place.rank, index))
    }

    /// The directory of a volume to which these names lead; none where there are too many.
    fn directory(&mut self, place: VolumeFolder, names: &[&[u8]]) -> Option<NodeId> {
        let root = self.root(place.volume);
        let mut names = names[place.depth..].iter();
        names.try_fold(root, |directory, name| {
            self.tree.directory(directory, &place.spelling.decode(name))
        })
    }

    /// The root of a volume of the layout, which may be a new one.
    fn root(&mut self, volume: usize) -> NodeId {
        while self.roots.len() <= volume {
            let root = self.tree.add_root();
            self.roots.push((root, false));
        }
        self.roots[volume].0
    }
}

impl Volumes {
    /// What of the volumes is a capture of its own: each host, then its shadow copies.
    pub(super) fn parts(&self, warnings: &mut Warnings) -> Vec<CollectionPart> {
        let mut hosts: Vec<&[u8]> = Vec::new();
        let mut volumes: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for (index, volume) in self
            .layout
            .volumes
            .iter()
            .enumerate()
            .take(self.roots.len())
        {
            let of_host = volumes.entry(&volume.host).or_default();
            if of_host.is_empty() {
                hosts.push(&volume.host);
            }
            of_host.push(index);
        }
        let mut parts = Vec::new();
        for host in &hosts {
            let name = String::from_utf8_lossy(host);
            let name = (hosts.len() > 1 && !name.is_empty()).then(|| name.into_owned());
            let is_copy = |index: &usize| self.layout.volumes[*index].shadow_copy().is_some();
            let (copies, live): (Vec<usize>, Vec<usize>) =
                volumes[host].iter().partition(|index| is_copy(index));
            if !live.is_empty() {
                parts.push(self.part(name.clone(), &live));
            }
            parts.extend(self.shadow_copies(name.as_deref(), &copies, warnings));
        }
        parts
    }

    /// The shadow copies that have a registry. Others are no evidence of mounts: which machine and time they are of, nothing
    /// tells.
    fn shadow_copies(
        &self,
        host: Option<&str>,
        copies: &[usize],
        warnings: &mut Warnings,
    ) -> Vec<CollectionPart> {
        let named = copies.iter().filter_map(|&index| {
            let name = self.layout.volumes[index].shadow_copy()?;
            let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
            Some((digits.parse::<u64>().unwrap_or(u64::MAX), name, index))
        });
        let mut named: Vec<_> = named.collect();
        named.sort();
        let mut parts = Vec::new();
        for (_, name, index) in named {
            let name = format!("shadow copy {name}");
            let name = host.map_or(name.clone(), |host| format!("{host}: {name}"));
            if self.has_software(self.roots[index].0) {
                let mut part = self.part(Some(name), &[index]);
                part.is_shadow_copy = true;
                // The letter of the volume that it is a copy of is found out from the registry.
                if let Content::Volumes(volumes) = &mut part.content {
                    volumes.iter_mut().for_each(|volume| volume.drive = None);
                }
                parts.push(part);
            } else {
                let text = format!("{name} has no SOFTWARE hive: it is not used");
                warnings.push(Warning::new(WarningCode::FileNotUsed, text));
            }
        }
        parts
    }

    fn part(&self, name: Option<String>, volumes: &[usize]) -> CollectionPart {
        let of_part = volumes.iter().map(|&index| {
            let volume = &self.layout.volumes[index];
            let (root, shows_streams) = self.roots[index];
            PartVolume {
                drive: volume.drive.clone(),
                root,
                collector: volume.collector,
                shows_streams,
            }
        });
        let mut volumes: Vec<PartVolume> = of_part.collect();
        // What keeps streams of one drive keeps those of the others.
        let shows_streams = volumes.iter().any(|volume| volume.shows_streams);
        volumes
            .iter_mut()
            .for_each(|volume| volume.shows_streams = shows_streams);
        let is_live = volumes
            .iter()
            .any(|volume| volume.collector != Collector::Unknown);
        CollectionPart {
            name,
            liveness: match is_live {
                true => Liveness::Running,
                false => Liveness::Unknown,
            },
            is_shadow_copy: false,
            content: Content::Volumes(volumes),
        }
    }

    fn has_software(&self, root: NodeId) -> bool {
        let mut names = SOFTWARE.into_iter();
        let found = names.try_fold(root, |id, name| self.tree.child(id, &name.into()));
        found.is_some()
    }
}

impl Oddities {
    fn warn(&self, layout: &Layout, warnings: &mut Warnings) {
        if let Some(reason) = self.refused_for {
            let what = format!("members are not used: expected {reason}");
            self.refused
                .warn(WarningCode::MemberNameRefused, &what, warnings);
        }
        self.absolute.warn(
            WarningCode::MemberNameRefused,
            "members have absolute names, which are taken from the root of the collection",
            warnings,
        );
        self.duplicate.warn(
            WarningCode::DuplicateMember,
            "members are the same file as one before them, which they replace",
            warnings,
        );
        self.left_out.warn(
            WarningCode::LimitReached,
            "members are more than can be dealt with, and are not used",
            warnings,
        );
        if layout.is_full {
            let text =
                format!("there are more than {MAX_VOLUMES} volumes: the others are not used");
            warnings.push(Warning::new(WarningCode::LimitReached, text));
        }
    }
}
