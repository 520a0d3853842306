//! The drives of a captured machine, and looking up paths on them.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use super::drive_name::DriveName;
use super::link::{self, Link};
use super::volume_folder::{Child, VolumeFolder};
use super::{Scope, host_name};
use crate::error::Error;
use crate::mount_point::ReparseTag;
use crate::observation::{NotCaptured, Observation};
use crate::wide_string::WideString;
use crate::windows_path::{PathComponent, WindowsPath};

/// Where the drives of a captured machine lie on this host.
///
/// Paths are looked up as NTFS would: upper and lower case are the same, links are followed as far as they stay in the
/// drives' folders. Directories are listed only where a name is not found as it is spelt.
#[derive(Debug)]
pub struct Drives {
    volumes: Vec<(DriveName, VolumeFolder)>,
    scope: Option<Scope>,
    system_root: WideString,
    /// Whether a `$WIMMOUNTDATA` stream was found: then the capture keeps streams.
    pub(super) has_shown_stream: Cell<bool>,
}

/// A file or directory of the capture.
#[derive(Debug)]
pub(crate) struct Located<'a> {
    pub(crate) volume: &'a VolumeFolder,
    /// Its path on this host, free of links.
    pub(crate) path: PathBuf,
    pub(crate) metadata: Metadata,
    /// The kind of reparse point, where the host shows one that is no link.
    pub(crate) reparse_tag: Option<ReparseTag>,
}

/// How many links are followed on the way to one file.
const MAX_LINKS: u32 = 63;

impl Drives {
    /// No drives yet. `scope` says for all of them what it means that a path is missing; without it, that is found out
    /// for each.
    pub fn new(scope: Option<Scope>) -> Self {
        Drives {
            volumes: Vec::new(),
            scope,
            system_root: r"C:\Windows".into(),
            has_shown_stream: Cell::new(false),
        }
    }

    /// Adds a drive, or replaces the one of that name.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn add(&mut self, name: DriveName, folder: &Path) -> Result<(), Error> {
        let volume = VolumeFolder::open(folder, self.scope)
            .map_err(|error| error.in_evidence(folder.display().to_string()))?;
        self.remove(&name);
        self.volumes.push((name, volume));
        Ok(())
    }

    /// Calls a drive by another name; a drive that has that name already stays what it is, and the other goes.
    pub(super) fn rename(&mut self, from: &DriveName, to: DriveName) {
        if self.names().any(|name| *name == to) {
            self.remove(from);
        } else if let Some((name, _)) = self.volumes.iter_mut().find(|(name, _)| name == from) {
            *name = to;
        }
    }

    fn remove(&mut self, name: &DriveName) {
        self.volumes.retain(|(known, _)| known != name);
    }

    /// Says where the captured machine keeps Windows, for `%SystemRoot%` in recorded paths; else it is `C:\Windows`.
    pub fn set_system_root(&mut self, system_root: WideString) {
        self.system_root = system_root;
    }

    /// The drives' names.
    pub fn names(&self) -> impl Iterator<Item = &DriveName> {
        self.volumes.iter().map(|(name, _)| name)
    }

    /// What it means that a path is not on a drive; `None` where there is no such drive.
    pub fn scope_of(&self, name: &DriveName) -> Option<Scope> {
        self.volume(name).map(VolumeFolder::scope)
    }

    /// How many directories were listed so far to find files.
    pub fn directory_reads(&self) -> u64 {
        let reads = self.volumes().map(|(_, volume)| volume.directory_reads());
        reads.sum()
    }

    pub(super) fn volumes(&self) -> impl Iterator<Item = (&DriveName, &VolumeFolder)> {
        self.volumes.iter().map(|(name, volume)| (name, volume))
    }

    fn volume(&self, name: &DriveName) -> Option<&VolumeFolder> {
        let mut volumes = self.volumes();
        volumes.find(|(known, _)| *known == name).map(|(_, v)| v)
    }

    /// The path that the registry records, its variables expanded.
    pub(crate) fn recorded_path(&self, path: &WideString) -> WindowsPath {
        WindowsPath::parse(&WindowsPath::expand(path, |name| self.variable(name)))
    }

    /// The variables that every process has, whoever runs it.
    fn variable(&self, name: &WideString) -> Option<WideString> {
        let is = |known: &str| name.eq_ignore_case(&known.into());
        if is("SystemRoot") || is("windir") {
            Some(self.system_root.clone())
        } else if is("SystemDrive") {
            let drive = DriveName::of(&WindowsPath::parse(&self.system_root))?;
            Some(drive.to_string().into())
        } else {
            None
        }
    }

    /// The file or directory at a path of the captured machine.
    pub(crate) fn locate(&self, path: &WindowsPath) -> Observation<Located<'_>> {
        match Route::new(self, path).and_then(Route::follow) {
            Ok(located) => Observation::Present(located),
            Err(Obstacle::Absent) => Observation::Absent,
            Err(Obstacle::NotCaptured(reason)) => Observation::NotCaptured(reason),
            Err(Obstacle::Unreadable(error)) => Observation::Unreadable(error),
        }
    }

    /// The folder of the volume on which a path lies.
    fn volume_of(&self, path: &WindowsPath) -> Result<&VolumeFolder, Obstacle> {
        if self.volumes.is_empty() {
            return Err(Obstacle::NotCaptured(NotCaptured::KindOfEvidence));
        }
        let Some(name) = DriveName::of(path) else {
            return Err(Obstacle::NotCaptured(NotCaptured::UnresolvedPath));
        };
        let volume = self.volume(&name);
        volume.ok_or(Obstacle::NotCaptured(NotCaptured::Volume))
    }

    /// The Windows path of something in a drive's folder.
    pub(super) fn windows_path(name: &DriveName, volume: &VolumeFolder, path: &Path) -> WideString {
        let mut units = name
            .root_path()
            .to_string()
            .encode_utf16()
            .collect::<Vec<_>>();
        let inside = path.strip_prefix(volume.root()).unwrap_or(path);
        for (index, component) in inside.iter().enumerate() {
            if index > 0 {
                units.push(u16::from(b'\\'));
            }
            units.extend(host_name::to_windows(component).as_units());
        }
        WideString::from_units(units)
    }
}

/// Why the way to a file does not lead there.
enum Obstacle {
    Absent,
    NotCaptured(NotCaptured),
    Unreadable(Error),
}

impl From<Error> for Obstacle {
    fn from(error: Error) -> Self {
        Obstacle::Unreadable(error)
    }
}

/// The way to a file, one name after the other.
struct Route<'a> {
    drives: &'a Drives,
    volume: &'a VolumeFolder,
    /// How far it has come: a directory of the volume, free of links.
    directory: PathBuf,
    /// The names that follow.
    ahead: VecDeque<PathComponent>,
    links: u32,
}

impl<'a> Route<'a> {
    fn new(drives: &'a Drives, path: &WindowsPath) -> Result<Self, Obstacle> {
        let volume = drives.volume_of(path)?;
        Ok(Route {
            drives,
            volume,
            directory: volume.root().to_owned(),
            ahead: path.components.iter().cloned().collect(),
            links: 0,
        })
    }

    fn follow(mut self) -> Result<Located<'a>, Obstacle> {
        while let Some(name) = self.ahead.pop_front() {
            if name.is("..") {
                self.ascend()?;
                continue;
            }
            let path = match self.volume.child(&self.directory, &name.0)? {
                Child::Found(path) => path,
                Child::Missing => return Err(self.missing()),
                Child::ShortName => {
                    return Err(Obstacle::NotCaptured(NotCaptured::UnresolvedPath));
                }
            };
            let metadata = metadata(&path)?;
            if metadata.is_symlink() {
                if let Some(tag) = self.link(&path)? {
                    return self.arrive(path, metadata, Some(tag));
                }
            } else if metadata.is_dir() {
                self.directory = path;
            } else {
                return self.arrive(path, metadata, None);
            }
        }
        let metadata = metadata(&self.directory)?;
        Ok(self.located(self.directory.clone(), metadata, None))
    }

    /// Ends at something that is no directory, so nothing can be in it.
    fn arrive(
        &self,
        path: PathBuf,
        metadata: Metadata,
        reparse_tag: Option<ReparseTag>,
    ) -> Result<Located<'a>, Obstacle> {
        match (self.ahead.is_empty(), reparse_tag) {
            (true, _) => Ok(self.located(path, metadata, reparse_tag)),
            (false, None) => Err(Obstacle::Absent),
            (false, Some(tag)) => Err(Obstacle::Unreadable(unreadable_reparse_point(tag))),
        }
    }

    fn located(
        &self,
        path: PathBuf,
        metadata: Metadata,
        reparse_tag: Option<ReparseTag>,
    ) -> Located<'a> {
        Located {
            volume: self.volume,
            path,
            metadata,
            reparse_tag,
        }
    }

    /// Goes where a link leads; gives the tag of a reparse point that is no link.
    fn link(&mut self, path: &Path) -> Result<Option<ReparseTag>, Obstacle> {
        self.links += 1;
        if self.links > MAX_LINKS {
            let expected = format!("at most {MAX_LINKS} links on the way");
            return Err(Error::malformed(expected, "more").into());
        }
        let names = match link::read(path, self.volume.root())? {
            Link::ReparsePoint(tag) => return Ok(Some(tag)),
            Link::Beside(names) => names,
            Link::FromRoot(names) => {
                self.directory = self.volume.root().to_owned();
                names
            }
            Link::To(target) => {
                self.volume = self.drives.volume_of(&target)?;
                self.directory = self.volume.root().to_owned();
                target.components
            }
        };
        for name in names.into_iter().rev() {
            self.ahead.push_front(name);
        }
        Ok(None)
    }

    /// Goes to the parent directory, never above the drive's folder.
    fn ascend(&mut self) -> Result<(), Obstacle> {
        if self.is_at_root() {
            return Err(link::leads_out(Path::new("..")).into());
        }
        self.directory.pop();
        Ok(())
    }

    fn is_at_root(&self) -> bool {
        self.directory == self.volume.root()
    }

    /// What it means that the next name is not there.
    fn missing(&self) -> Obstacle {
        let is_parent_captured = self.ahead.is_empty() && !self.is_at_root();
        match self.volume.scope() {
            Scope::Complete => Obstacle::Absent,
            Scope::Partial if is_parent_captured => Obstacle::Absent,
            Scope::Partial => Obstacle::NotCaptured(NotCaptured::Path),
        }
    }
}

fn metadata(path: &Path) -> Result<Metadata, Error> {
    path.symlink_metadata().map_err(|error| Error::io(&error))
}

/// The error for the contents of a reparse point that the host cannot show.
pub(super) fn unreadable_reparse_point(tag: ReparseTag) -> Error {
    Error::malformed(
        "a file or directory that the host can show",
        tag.to_string(),
    )
}
