//! Triage collections, read as they are: the archive or folder that a collector made, or anyone who packed files.
//!
//! [`Collection::open`] takes an archive, [`Collection::in_directory`] a folder. Each machine in it, each of its shadow copies
//! and, where there is no machine with its files, each SOFTWARE hive, registry export and disk image is a
//! [part](CollectionPart) of it, and a capture of its own.

pub mod archive;
mod collected_volume;
mod layout;
mod loose_files;
mod member_name;
mod members;
#[cfg(feature = "disk-image")]
mod packed_disks;
mod tree;
mod upload_list;
#[cfg(feature = "disk-image")]
mod volume_members;
mod volumes;
mod wanted;

use std::cell::RefCell;
use std::fmt;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use self::archive::Archive;
use self::collected_volume::CollectedVolume;
use self::layout::Collector;
use self::loose_files::{LooseFiles, LooseHive};
// For the fuzz target.
#[doc(hidden)]
pub use self::member_name::{Spelling, drive_of_folder};
use self::members::{FolderMembers, Members};
use self::tree::{NodeId, Tree};
#[cfg(feature = "disk-image")]
use self::volume_members::VolumeMembers;
use self::volumes::Volumes;
use super::Scope;
use super::directory::host_name;
#[cfg(feature = "disk-image")]
use super::disk_image::{DiskCapture, ntfs::NtfsVolume};
use super::drive_name::DriveName;
use super::drives::Drives;
use super::machine::CapturedMachine;
use super::read_at::{ReadAt, Seekable};
use super::volume::ReadSeek;
use crate::error::Error;
use crate::evidence::Liveness;
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::push_wtf8;

/// A triage collection.
#[derive(Debug)]
pub struct Collection {
    members: Rc<Members>,
    tree: Rc<Tree>,
    parts: Vec<CollectionPart>,
    warnings: RefCell<Warnings>,
}

/// What of a collection is a capture of its own.
#[derive(Debug)]
#[non_exhaustive]
pub struct CollectionPart {
    /// What tells it from the other parts: a host, a shadow copy, a file. `None` where there is no need to.
    pub name: Option<String>,
    /// Whether the machine was running when it was collected, as far as the layout tells.
    pub liveness: Liveness,
    /// Whether it is a shadow copy: what the machine was at an earlier time.
    pub is_shadow_copy: bool,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// Volumes of one machine, or a shadow copy.
    Volumes(Vec<PartVolume>),
    Hive(LooseHive),
    Export(u32),
    #[cfg(feature = "disk-image")]
    Disk(u32),
}

#[derive(Debug, Clone)]
struct PartVolume {
    drive: Option<DriveName>,
    root: NodeId,
    collector: Collector,
    shows_streams: bool,
}

/// What a part of a collection holds.
#[non_exhaustive]
pub enum Collected {
    /// A machine, with its drives if files of them were collected.
    Machine(Box<CapturedMachine>),
    /// An export of its registry.
    Export {
        /// What messages call it.
        name: String,
        /// Its bytes.
        data: Box<dyn ReadSeek>,
    },
    /// A disk image in an archive.
    #[cfg(feature = "disk-image")]
    Disk(Box<DiskCapture>),
}

impl fmt::Debug for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Collected::Machine(machine) => machine.fmt(f),
            Collected::Export { name, .. } => name.fmt(f),
            #[cfg(feature = "disk-image")]
            Collected::Disk(disk) => disk.fmt(f),
        }
    }
}

/// The drives' root has these folders beside `Windows` where a volume was packed as a whole.
const WHOLE_VOLUME: [&str; 3] = ["Users", "Program Files", "ProgramData"];
impl Collection {
    /// How many bytes from a file's start tell whether it can be a collection.
    pub const START: usize = Archive::START;

    /// Whether a file can be a collection, by its first [`START`](Self::START) bytes: whether it is an
    /// [archive](Archive::is_archive).
    pub fn is_collection(start: &[u8]) -> bool {
        Archive::is_archive(start)
    }

    /// Whether a folder of this host has the layout of a collector that
    /// [`CapturedMachine::in_directory`] does not know: Velociraptor's, UAC's, or KAPE's with shadow copies. Few folders are
    /// listed for that.
    pub fn is_collection_folder(folder: &Path) -> bool {
        let has_layout = |above: &[Vec<u8>]| {
            let names: Vec<&[u8]> = above.iter().map(Vec::as_slice).collect();
            layout::is_collectors_folder(&names)
        };
        folders_in(folder).into_iter().any(|(name, path)| {
            has_layout(std::slice::from_ref(&name))
                || folders_in(&path)
                    .into_iter()
                    .any(|(inner, _)| has_layout(&[name.clone(), inner]))
        })
    }

    /// Whether a folder of drive folders on this host is more than [`CapturedMachine::in_directory`] knows: one of them, with
    /// a Windows in it, is a shadow copy as KAPE names it (`VSS1`), or a drive as Velociraptor does (`C%3A`). In the root of a
    /// Windows, folders of such names are the machine's own.
    pub fn is_collectors_own(folder: &Path) -> bool {
        let folders = folders_in(folder);
        let is_named = |name: &[u8]| layout::is_shadow_copy(name) || layout::is_device(name);
        let mut named = folders.iter().filter(|(name, _)| is_named(name));
        !folders.iter().any(|(name, _)| is_windows(name))
            && named.any(|(_, path)| has_windows(path))
    }

    /// Warns of folders beside captured drives that are named after shadow copies and have no Windows in them.
    pub(crate) fn warn_of_empty_shadow_copies(folder: &Path) -> Warnings {
        let mut warnings = Warnings::default();
        for (name, _) in shadow_copies_in(folder) {
            let name = String::from_utf8_lossy(&name);
            let text = format!("shadow copy {name} has no SOFTWARE hive: it is not used");
            warnings.push(Warning::new(WarningCode::FileNotUsed, text));
        }
        warnings
    }

    /// Opens an archive, lists its members and finds the captures in it.
    ///
    /// # Errors
    /// When it cannot be read, is no archive, or holds nothing that could be judged.
    pub fn open(path: &Path) -> Result<Collection, Error> {
        Collection::of_archive(Rc::new(Seekable::open(path)?))
    }

    /// Takes the bytes of an archive, wherever they come from.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn of_archive(source: Rc<dyn ReadAt>) -> Result<Collection, Error> {
        let (archive, warnings) = Archive::open(source)?;
        Collection::among(Members::Archive(archive), warnings)
    }

    /// Finds the captures in a folder of this host: all that lies below it where it has the
    /// [layout of a collector](Self::is_collection_folder), otherwise hives and registry exports that lie in it, whatever
    /// their names. Links are not followed.
    ///
    /// # Errors
    /// When it cannot be read, or holds nothing that could be judged.
    pub fn in_directory(path: &Path) -> Result<Collection, Error> {
        let depth = match Collection::is_collection_folder(path) {
            true => usize::MAX,
            false => 1,
        };
        let mut warnings = Warnings::default();
        let members = FolderMembers::list(path, depth, &mut warnings)?;
        Collection::among(Members::Folder(members), warnings)
    }

    /// Finds the captures in a collection that was written onto an NTFS volume, at its root or one folder deep; `None` where
    /// the folders there have no layout of a collector.
    ///
    /// # Errors
    /// When the volume cannot be listed.
    #[cfg(feature = "disk-image")]
    pub(crate) fn on_volume(volume: &NtfsVolume) -> Option<Result<Collection, Error>> {
        if !volume_members::is_collection(volume) {
            return None;
        }
        let mut warnings = Warnings::default();
        let members = VolumeMembers::list(volume.clone(), &mut warnings);
        Some(members.and_then(|members| Collection::among(Members::Volume(members), warnings)))
    }

    /// The parts, each of which is a capture of its own; at least one.
    pub fn parts(&self) -> &[CollectionPart] {
        &self.parts
    }

    /// What a part holds. `scope` says what it means that a path is missing; otherwise files of a collector are some of
    /// those of the machine, and those of a tree that was packed are all where it has the folders of a whole volume.
    ///
    /// # Errors
    /// When there is no such part, or the way to its hives cannot be read.
    pub fn read(&self, part: usize, scope: Option<Scope>) -> Result<Collected, Error> {
        let part = self.parts.get(part);
        let part = part.ok_or_else(|| Error::malformed("a part of the collection", "none"))?;
        match &part.content {
            Content::Volumes(volumes) => {
                let mut machine = self.machine(volumes, scope)?;
                if part.is_shadow_copy {
                    machine.set_earlier_state();
                }
                Ok(Collected::Machine(Box::new(machine)))
            }
            Content::Hive(hive) => {
                let machine = hive.machine(&self.members)?;
                Ok(Collected::Machine(Box::new(machine)))
            }
            Content::Export(member) => Ok(Collected::Export {
                name: self.member_name(*member),
                data: loose_files::open_export(&self.members, *member)?,
            }),
            #[cfg(feature = "disk-image")]
            Content::Disk(member) => {
                let disk = packed_disks::open(&self.members, *member)
                    .map_err(|error| error.in_evidence(self.member_name(*member)))?;
                Ok(Collected::Disk(Box::new(disk)))
            }
        }
    }

    /// What could not be used of the collection, and what was found out by reading parts since this was last asked.
    pub fn take_warnings(&self) -> Warnings {
        let mut warnings = self.warnings.take();
        warnings.extend(self.members.take_warnings());
        warnings
    }

    fn machine(
        &self,
        volumes: &[PartVolume],
        scope: Option<Scope>,
    ) -> Result<CapturedMachine, Error> {
        let mut drives = Drives::new(scope);
        for volume in volumes {
            let collected = Box::new(CollectedVolume::new(
                Rc::clone(&self.members),
                Rc::clone(&self.tree),
                volume.root,
                scope.unwrap_or_else(|| self.scope_of(volume)),
                volume.shows_streams,
            ));
            match &volume.drive {
                Some(drive) => drives.add_volume(drive.clone(), collected),
                // Its letter is found out from the registry on it.
                None => return CapturedMachine::on_volume(collected, scope),
            }
        }
        let machine = CapturedMachine::on_drives(drives, Vec::new(), Warnings::default());
        match (machine.software(), machine.first_failure()) {
            (None, Some(failure)) => Err(failure.clone()),
            _ => Ok(machine),
        }
    }

    fn scope_of(&self, volume: &PartVolume) -> Scope {
        let has = |name: &&str| self.tree.child(volume.root, &(*name).into()).is_some();
        let is_whole = volume.collector == Collector::Unknown
            && self.members.is_whole()
            && !self.tree.is_full()
            && has(&"Windows")
            && WHOLE_VOLUME.iter().filter(|name| has(name)).count() >= 2;
        match is_whole {
            true => Scope::Complete,
            false => Scope::Partial,
        }
    }

    fn member_name(&self, member: u32) -> String {
        let member = self.members.member(member);
        member.map_or_else(String::new, |member| member.display_name())
    }

    fn among(members: Members, mut warnings: Warnings) -> Result<Collection, Error> {
        let volumes = Volumes::find(&members, &mut warnings);
        upload_list::check(&members, &mut warnings);
        let parts = volumes.parts(&mut warnings);
        let mut collection = Collection {
            members: Rc::new(members),
            tree: Rc::new(volumes.tree),
            parts,
            warnings: RefCell::new(Warnings::default()),
        };
        let mut failure = None;
        if collection.parts.is_empty() {
            failure = collection.find_loose_files(&mut warnings);
        }
        if collection.parts.is_empty() {
            return Err(failure.unwrap_or_else(|| collection.without_captures()));
        }
        collection.warnings = RefCell::new(warnings);
        Ok(collection)
    }

    fn without_captures(&self) -> Error {
        let names = || (0..self.members.len()).map(|index| self.member_name(index));
        if names().any(|name| name == "information.turtle") {
            return Error::unsupported(
                "an AFF4 image",
                "export it as E01 or as a raw image with the tool that made it",
            );
        }
        let expected = "a collection with Windows\\System32\\config\\SOFTWARE, a SOFTWARE hive or a registry export";
        let found = match self.members.len() {
            1 => "one member, which is none".to_owned(),
            count => format!("{count} members, none of which is one"),
        };
        let is_looked_into =
            self.members.is_whole() && self.members.len() <= loose_files::MAX_LOOKED_INTO;
        let error = match is_looked_into {
            true => Error::no_capture(expected, found),
            false => Error::malformed(expected, found),
        };
        error.or_remedy("name what the collector wrote, or collect SOFTWARE from the machine")
    }

    /// Takes hives and exports by their content; gives the reason for which something could not be looked into.
    fn find_loose_files(&mut self, warnings: &mut Warnings) -> Option<Error> {
        let files = LooseFiles::find(&self.members, warnings);
        let hives = files.hives.into_iter();
        let hives = hives.map(|hive| (hive.software, Content::Hive(hive)));
        let exports = files.exports.into_iter();
        let exports = exports.map(|export| (export, Content::Export(export)));
        #[cfg_attr(not(feature = "disk-image"), expect(unused_mut))]
        let mut found: Vec<_> = hives.chain(exports).collect();
        #[cfg(feature = "disk-image")]
        {
            let images = packed_disks::without_companions(&self.members, files.images);
            found.extend(
                images
                    .into_iter()
                    .map(|image| (image, Content::Disk(image))),
            );
        }
        let is_only_one = found.len() == 1;
        for (member, content) in found {
            let name = (!is_only_one).then(|| self.member_name(member));
            self.parts.push(CollectionPart {
                name,
                liveness: Liveness::Unknown,
                is_shadow_copy: false,
                content,
            });
        }
        files.failure
    }
}

/// The folders in a folder that are named after shadow copies as KAPE does it; none in the root of a Windows.
fn shadow_copies_in(folder: &Path) -> Vec<(Vec<u8>, std::path::PathBuf)> {
    let mut folders = folders_in(folder);
    if folders.iter().any(|(name, _)| is_windows(name)) {
        return Vec::new();
    }
    folders.retain(|(name, _)| layout::is_shadow_copy(name));
    folders
}

fn has_windows(folder: &Path) -> bool {
    folders_in(folder).iter().any(|(name, _)| is_windows(name))
}

fn is_windows(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"Windows")
}

/// The folders in a folder with their names, in the order of those. Links are none of them.
fn folders_in(folder: &Path) -> Vec<(Vec<u8>, std::path::PathBuf)> {
    /// Which of many there are does not matter.
    const MAX_ENTRIES: usize = 10_000;
    let mut folders = Vec::new();
    let entries = fs::read_dir(folder).into_iter().flatten();
    for entry in entries.take(MAX_ENTRIES).flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let mut name = Vec::new();
            let units = host_name::to_windows(&entry.file_name());
            push_wtf8(&mut name, units.as_units().iter().copied());
            folders.push((name, entry.path()));
        }
    }
    folders.sort();
    folders
}
