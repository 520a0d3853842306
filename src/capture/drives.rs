//! The drives of a captured machine, and looking up paths on them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;

use super::Scope;
use super::directory::VolumeFolder;
use super::drive_name::DriveName;
use super::link::{self, Link};
use super::volume::{CapturedFile, Child, FileKind, Volume};
use crate::allowance::Allowance;
use crate::error::Error;
use crate::mount_point::ReparseTag;
use crate::observation::{NotCaptured, Observation};
use crate::warning::Warnings;
use crate::wide_string::WideString;
use crate::windows_path::{PathComponent, WindowsPath};

/// The drives of a captured machine, whatever carries them.
///
/// Paths are looked up as NTFS would: upper and lower case are the same, links are followed as far as they stay on the
/// drives.
#[derive(Debug)]
pub struct Drives {
    drives: Vec<Drive>,
    /// What the caller says of all of them.
    scope: Option<Scope>,
    system_root: WideString,
    warnings: RefCell<Warnings>,
    /// For all drives that one capture holds.
    has_shown_stream: Rc<Cell<bool>>,
    /// How many directories may still be gone through to files, each counted as often as it is deep.
    steps: Allowance,
    /// How many bytes of XML data of image files may still be read.
    pub(super) xml_allowance: Cell<u64>,
}

#[derive(Debug)]
struct Drive {
    name: DriveName,
    volume: Box<dyn Volume>,
    /// Whether a `$WIMMOUNTDATA` stream was found in what holds the drive: then that keeps streams.
    has_shown_stream: Rc<Cell<bool>>,
}

/// A file or directory of the capture, which is no link.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) file: Rc<dyn CapturedFile>,
    pub(crate) kind: FileKind,
    /// Its path on the captured machine, free of links.
    pub(crate) path: WindowsPath,
}

impl Located {
    /// What messages call it: where it lies on this host, or on the captured machine.
    pub(crate) fn name(&self) -> String {
        match self.file.host_path() {
            Some(path) => path.display().to_string(),
            None => self.path.to_string(),
        }
    }
}

/// How many bytes of XML data are read of image files, of all together: a hostile registry names the same large one again and
/// again. Real ones have some ten thousand each.
const MAX_XML_SIZE: u64 = 256 << 20;

/// How many directories are gone through, each counted as often as it is deep, which is what it costs the host: some seconds' worth.
/// A hundred thousand real mounts need a fraction of it.
const MAX_STEPS: u64 = 50_000_000;

/// How many links are followed on the way to one file.
const MAX_LINKS: u32 = 63;

impl Drives {
    /// No drives yet. `scope` says for all of them what it means that a path is missing; without it, that is found out
    /// for each.
    pub fn new(scope: Option<Scope>) -> Self {
        Drives {
            drives: Vec::new(),
            scope,
            system_root: r"C:\Windows".into(),
            warnings: RefCell::default(),
            has_shown_stream: Rc::default(),
            steps: Allowance::new(MAX_STEPS),
            xml_allowance: Cell::new(MAX_XML_SIZE),
        }
    }

    /// Adds a drive that lies in a folder of this host, or replaces the one of that name. Whether streams were kept there
    /// says nothing of other drives.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn add(&mut self, name: DriveName, folder: &Path) -> Result<(), Error> {
        let volume = VolumeFolder::open(folder)
            .map_err(|error| error.in_evidence(folder.display().to_string()))?;
        self.add_apart(name, Box::new(volume));
        Ok(())
    }

    /// Adds a drive that the capture holds, or replaces the one of that name.
    pub(crate) fn add_volume(&mut self, name: DriveName, volume: Box<dyn Volume>) {
        self.add_held(name, volume, Rc::clone(&self.has_shown_stream));
    }

    /// Adds a drive that comes from elsewhere, or replaces the one of that name.
    pub(super) fn add_apart(&mut self, name: DriveName, volume: Box<dyn Volume>) {
        self.add_held(name, volume, Rc::default());
    }

    fn add_held(
        &mut self,
        name: DriveName,
        volume: Box<dyn Volume>,
        has_shown_stream: Rc<Cell<bool>>,
    ) {
        self.remove(&name);
        self.drives.push(Drive {
            name,
            volume,
            has_shown_stream,
        });
    }

    /// Calls a drive by another name; a drive that has that name already stays what it is, and the other goes.
    pub(super) fn rename(&mut self, from: &DriveName, to: DriveName) {
        if self.names().any(|name| *name == to) {
            self.remove(from);
        } else if let Some(drive) = self.drives.iter_mut().find(|drive| drive.name == *from) {
            drive.name = to;
        }
    }

    fn remove(&mut self, name: &DriveName) {
        self.drives.retain(|drive| drive.name != *name);
    }

    /// Says where the captured machine keeps Windows, for `%SystemRoot%` in recorded paths; else it is `C:\Windows`.
    pub fn set_system_root(&mut self, system_root: WideString) {
        self.system_root = system_root;
    }

    /// The drives' names.
    pub fn names(&self) -> impl Iterator<Item = &DriveName> {
        self.drives.iter().map(|drive| &drive.name)
    }

    /// What it means that a path is not on a drive; `None` where there is no such drive.
    pub fn scope_of(&self, name: &DriveName) -> Option<Scope> {
        let scope = self.volume(name)?.scope();
        Some(self.scope.unwrap_or(scope))
    }

    /// How many directories were listed so far to find files.
    pub fn directory_reads(&self) -> u64 {
        let reads = self.volumes().map(|(_, volume)| volume.directory_reads());
        reads.sum()
    }

    /// What was found damaged on the drives since this was last asked, while the rest was used.
    pub fn take_warnings(&self) -> Warnings {
        let mut warnings = self.warnings.take();
        for (_, volume) in self.volumes() {
            warnings.extend(volume.take_warnings());
        }
        warnings
    }

    /// Keeps what was found damaged of a drive while it was added.
    #[cfg(feature = "disk-image")]
    pub(super) fn warn(&self, found: Warnings, place: &str) {
        self.warnings.borrow_mut().extend_from(found, place);
    }

    pub(super) fn volumes(&self) -> impl Iterator<Item = (&DriveName, &dyn Volume)> {
        let drives = self.drives.iter();
        drives.map(|drive| (&drive.name, &*drive.volume))
    }

    fn volume(&self, name: &DriveName) -> Option<&dyn Volume> {
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
    pub(crate) fn locate(&self, path: &WindowsPath) -> Observation<Located> {
        match Route::new(self, path).and_then(Route::follow) {
            Ok(located) => Observation::Present(located),
            Err(Obstacle::Absent) => Observation::Absent,
            Err(Obstacle::NotCaptured(reason)) => Observation::NotCaptured(reason),
            Err(Obstacle::Unreadable(error)) => Observation::Unreadable(error),
        }
    }

    /// Whether what holds the drive of a path has shown a stream; it is to be set where it has.
    pub(super) fn has_shown_stream(&self, path: &WindowsPath) -> Option<&Cell<bool>> {
        let name = DriveName::of(path)?;
        let drive = self.drives.iter().find(|drive| drive.name == name);
        drive.map(|drive| &*drive.has_shown_stream)
    }

    /// Whether there is no more to find out about streams.
    pub(super) fn all_have_shown_streams(&self) -> bool {
        self.drives.iter().all(|drive| drive.has_shown_stream.get())
    }

    /// Searches the drives whose files were collected into folders for any stream.
    pub(super) fn search_for_any_stream(&self) {
        for drive in &self.drives {
            if !drive.has_shown_stream.get() && drive.volume.holds_any_stream() {
                drive.has_shown_stream.set(true);
            }
        }
    }

    /// The drive on which a path lies.
    fn drive_of(&self, path: &WindowsPath) -> Result<(&DriveName, &dyn Volume), Obstacle> {
        if self.drives.is_empty() {
            return Err(Obstacle::NotCaptured(NotCaptured::KindOfEvidence));
        }
        let Some(name) = DriveName::of(path) else {
            return Err(Obstacle::NotCaptured(NotCaptured::UnresolvedPath));
        };
        let mut volumes = self.volumes();
        let drive = volumes.find(|(known, _)| **known == name);
        drive.ok_or(Obstacle::NotCaptured(NotCaptured::Volume))
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
    drive: &'a DriveName,
    volume: &'a dyn Volume,
    /// The directories that it has come through below the volume's root, free of links.
    directories: Vec<(PathComponent, Rc<dyn CapturedFile>)>,
    /// The names that follow.
    ahead: VecDeque<PathComponent>,
    links: u32,
}

impl<'a> Route<'a> {
    fn new(drives: &'a Drives, path: &WindowsPath) -> Result<Self, Obstacle> {
        let (drive, volume) = drives.drive_of(path)?;
        Ok(Route {
            drives,
            drive,
            volume,
            directories: Vec::new(),
            ahead: path.components.iter().cloned().collect(),
            links: 0,
        })
    }

    fn follow(mut self) -> Result<Located, Obstacle> {
        while let Some(name) = self.ahead.pop_front() {
            if !self.drives.steps.take(self.directories.len() as u64 + 1) {
                let what = "a capture in which deep folders are gone through again and again";
                let error = Error::unsupported(what, "move the folders up, and inspect again");
                return Err(error.into());
            }
            if name.is("..") {
                self.ascend()?;
                continue;
            }
            let (file, name) = match self.directory().child(&name.0)? {
                Child::Found(file, name) => (file, PathComponent(name)),
                Child::Missing => return Err(self.missing()),
                Child::ShortName => {
                    return Err(Obstacle::NotCaptured(NotCaptured::UnresolvedPath));
                }
            };
            match file.kind()? {
                FileKind::Directory => self.directories.push((name, file)),
                FileKind::Link(link) => self.go_along(link)?,
                kind => return self.arrive(name, file, kind),
            }
        }
        Ok(Located {
            file: self.directory(),
            kind: FileKind::Directory,
            path: self.path(),
        })
    }

    /// The directory that it has come to.
    fn directory(&self) -> Rc<dyn CapturedFile> {
        match self.directories.last() {
            Some((_, directory)) => Rc::clone(directory),
            None => self.volume.root(),
        }
    }

    fn path(&self) -> WindowsPath {
        let mut path = self.drive.root_path();
        let names = self.directories.iter().map(|(name, _)| name.clone());
        path.components.extend(names);
        path
    }

    /// Ends at something that is no directory, so nothing can be in it.
    fn arrive(
        &self,
        name: PathComponent,
        file: Rc<dyn CapturedFile>,
        kind: FileKind,
    ) -> Result<Located, Obstacle> {
        match (self.ahead.is_empty(), &kind) {
            (false, FileKind::ReparsePoint(tag)) => {
                Err(Obstacle::Unreadable(unreadable_reparse_point(*tag)))
            }
            (false, _) => Err(Obstacle::Absent),
            (true, _) => {
                let mut path = self.path();
                path.components.push(name);
                Ok(Located { file, kind, path })
            }
        }
    }

    /// Goes where a link leads.
    fn go_along(&mut self, link: Link) -> Result<(), Obstacle> {
        self.links += 1;
        if self.links > MAX_LINKS {
            let expected = format!("at most {MAX_LINKS} links on the way");
            return Err(Error::malformed(expected, "more").into());
        }
        let names = match link {
            Link::Beside(names) => names,
            Link::FromRoot(names) => {
                self.directories.clear();
                names
            }
            Link::To(target) => {
                (self.drive, self.volume) = self.drives.drive_of(&target)?;
                self.directories.clear();
                target.components
            }
        };
        for name in names.into_iter().rev() {
            self.ahead.push_front(name);
        }
        Ok(())
    }

    /// Goes to the parent directory, never above the drive's root.
    fn ascend(&mut self) -> Result<(), Obstacle> {
        match self.directories.pop() {
            Some(_) => Ok(()),
            None => Err(link::leads_out(Path::new("..")).into()),
        }
    }

    /// What it means that the next name is not there.
    fn missing(&self) -> Obstacle {
        let is_parent_captured = self.ahead.is_empty() && !self.directories.is_empty();
        if !self.volume.is_listed_whole() {
            return Obstacle::NotCaptured(NotCaptured::Path);
        }
        match self.drives.scope.unwrap_or(self.volume.scope()) {
            Scope::Complete => Obstacle::Absent,
            Scope::Partial if is_parent_captured => Obstacle::Absent,
            Scope::Partial => Obstacle::NotCaptured(NotCaptured::Path),
        }
    }
}

/// The error for the contents of a reparse point that the host cannot show.
pub(super) fn unreadable_reparse_point(tag: ReparseTag) -> Error {
    Error::malformed(
        "a file or directory that the host can show",
        tag.to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_folders_are_not_gone_through_without_end() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b/c")).unwrap();
        let mut drives = Drives::new(None);
        let drive = DriveName::letter('C').unwrap();
        drives.add(drive, folder.path()).unwrap();
        drives.steps = Allowance::new(9);
        let path = WindowsPath::parse(&r"C:\a\b\c".into());
        // Six steps each time: one for the first name, two for the second, and so on.
        assert!(drives.locate(&path).is_present());
        let again = drives.locate(&path);
        let Observation::Unreadable(error) = again else {
            panic!("{again:?}")
        };
        assert!(error.is_unsupported(), "{error}");
    }
}
