//! A folder of this host that holds the files of one volume.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{extended_attribute, host_link, host_name, named_stream, search};
use crate::capture::Scope;
use crate::capture::mount_traces::MountTraces;
use crate::capture::volume::{
    CapturedFile, Child, FileKind, ReadSeek, Volume, is_short_name, trim_end,
};
use crate::error::Error;
use crate::file_time::FileTime;
use crate::observation::Observation;
use crate::wide_string::WideString;

/// A folder of this host that holds the files of one volume.
#[derive(Debug, Clone)]
pub(crate) struct VolumeFolder(Rc<Folder>);

#[derive(Debug)]
pub(crate) struct Folder {
    /// Absolute, and free of links.
    root: PathBuf,
    scope: Scope,
    /// Whether files were collected into it, so that it keeps streams as files if it keeps them.
    is_collected: bool,
    listings: RefCell<HashMap<PathBuf, Rc<Listing>>>,
    listed_names: Cell<usize>,
    /// How many names were listed and are not kept any more.
    lost_names: Cell<u64>,
    directory_reads: Cell<u64>,
}

/// The names in a directory by their upper case.
type Listing = HashMap<WideString, OsString>;

impl VolumeFolder {
    /// Takes a folder for a volume. Whether it holds all files of it is found out.
    ///
    /// # Errors
    /// When there is no such folder, or it cannot be read.
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        Self::open_as(folder, false)
    }

    /// Takes a folder for a volume of which files were collected: all of them only where it is mounted.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn open_collected(folder: &Path) -> Result<Self, Error> {
        Self::open_as(folder, true)
    }

    fn open_as(folder: &Path, is_collected: bool) -> Result<Self, Error> {
        let root = fs::canonicalize(folder).map_err(|error| Error::io(&error))?;
        let mut folder = Folder {
            root,
            scope: Scope::Partial,
            is_collected,
            listings: RefCell::default(),
            listed_names: Cell::default(),
            lost_names: Cell::default(),
            directory_reads: Cell::default(),
        };
        let listing = folder.listing(&folder.root)?;
        if folder.is_mounted() {
            (folder.scope, folder.is_collected) = (Scope::Complete, false);
        } else if !is_collected && is_whole(&listing) {
            folder.scope = Scope::Complete;
        }
        Ok(VolumeFolder(Rc::new(folder)))
    }
}

impl Volume for VolumeFolder {
    fn scope(&self) -> Scope {
        self.0.scope
    }

    fn root(&self) -> Rc<dyn CapturedFile> {
        FolderFile::at(&self.0, self.0.root.clone())
    }

    fn search(&self, traces: &mut MountTraces<'_>) {
        search::search(&self.0, traces);
    }

    fn shows_streams(&self) -> bool {
        named_stream::shows_streams(&self.0, &self.0.root)
    }

    fn holds_any_stream(&self) -> bool {
        self.0.is_collected && search::holds_any_stream_file(&self.0)
    }

    fn directory_reads(&self) -> u64 {
        self.0.directory_reads.get()
    }
}

/// A file or directory in a volume's folder.
#[derive(Debug)]
struct FolderFile {
    folder: Rc<Folder>,
    path: PathBuf,
    metadata: OnceCell<Metadata>,
}

impl FolderFile {
    fn at(folder: &Rc<Folder>, path: PathBuf) -> Rc<dyn CapturedFile> {
        Rc::new(FolderFile {
            folder: Rc::clone(folder),
            path,
            metadata: OnceCell::new(),
        })
    }

    fn metadata(&self) -> Result<&Metadata, Error> {
        if let Some(metadata) = self.metadata.get() {
            return Ok(metadata);
        }
        let metadata = self.path.symlink_metadata()?;
        Ok(self.metadata.get_or_init(|| metadata))
    }
}

impl CapturedFile for FolderFile {
    fn kind(&self) -> Result<FileKind, Error> {
        match self.metadata()? {
            link if link.is_symlink() => host_link::kind(&self.path, &self.folder.root),
            metadata if metadata.is_dir() => Ok(FileKind::Directory),
            metadata if metadata.is_file() => Ok(FileKind::File),
            _ => Ok(FileKind::Special),
        }
    }

    fn child(&self, name: &WideString) -> Result<Child, Error> {
        Ok(match self.folder.child(&self.path, name)? {
            FolderChild::Found(path) => {
                let name = path.file_name().map(host_name::to_windows);
                let name = name.unwrap_or_default();
                Child::Found(FolderFile::at(&self.folder, path), name)
            }
            FolderChild::Missing => Child::Missing,
            FolderChild::ShortName => Child::ShortName,
        })
    }

    fn open(&self) -> Result<Box<dyn ReadSeek>, Error> {
        Ok(Box::new(File::open(&self.path)?))
    }

    fn modified(&self) -> Option<FileTime> {
        let modified = self.metadata().ok()?.modified();
        modified.ok().map(FileTime::from)
    }

    fn mount_data(&self) -> Observation<Vec<u8>> {
        named_stream::read_mount_data(&self.folder, &self.path)
    }

    fn mount_data_of(&self, directory: &WideString) -> Result<Option<Vec<u8>>, Error> {
        named_stream::read_file_beside(&self.folder, &self.path, directory)
    }

    fn host_path(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

/// What a directory of the folder has under a name, see [`Child`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FolderChild {
    Found(PathBuf),
    Missing,
    ShortName,
}

impl Folder {
    /// How many names are kept of listed directories, all together.
    const MAX_LISTED_NAMES: usize = 1_000_000;
    /// How many names are let go: some seconds' worth, where directories that are too large to be kept take turns.
    const MOST_LOST_NAMES: u64 = 4_000_000;

    /// The folder, absolute and free of links.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The file or directory of this name in a directory of the volume, as NTFS would find it: upper and lower case
    /// are the same, but the exact name is preferred; dots and blanks at the end do not count.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(super) fn child(&self, directory: &Path, name: &WideString) -> Result<FolderChild, Error> {
        let trimmed = trim_end(name);
        let names = [name, &trimmed];
        let names = &names[..if trimmed == *name { 1 } else { 2 }];
        for name in names {
            if let Some(path) = exact_child(directory, name)? {
                return Ok(FolderChild::Found(path));
            }
        }
        let listing = self.listing(directory)?;
        for name in names {
            if let Some(name) = listing.get(&name.to_upcase()) {
                return Ok(FolderChild::Found(directory.join(name)));
            }
        }
        if !is_short_name(name) {
            return Ok(FolderChild::Missing);
        }
        if !has_ntfs_attributes(&self.root) {
            return Ok(FolderChild::ShortName);
        }
        let named = listing.values().map(|long| directory.join(long));
        let mut named =
            named.filter(|path| short_name(path).is_some_and(|s| s.eq_ignore_case(name)));
        Ok(named
            .next()
            .map_or(FolderChild::Missing, FolderChild::Found))
    }

    /// Whether the folder is a mounted NTFS volume, and not a copy of its files.
    fn is_mounted(&self) -> bool {
        let is_ntfs = matches!(
            extended_attribute::get(&self.root, NTFS_ATTRIB),
            Ok(Some(_))
        );
        is_ntfs && is_mount_point(&self.root)
    }

    fn listing(&self, directory: &Path) -> Result<Rc<Listing>, Error> {
        if let Some(listing) = self.listings.borrow().get(directory) {
            return Ok(Rc::clone(listing));
        }
        if self.lost_names.get() >= Self::MOST_LOST_NAMES {
            let what = "a capture in which large folders are listed again and again";
            return Err(Error::unsupported(what, "inspect a part of it"));
        }
        let listing = Rc::new(list(directory).map_err(|error| Error::io(&error))?);
        self.directory_reads.set(self.directory_reads.get() + 1);
        let mut listings = self.listings.borrow_mut();
        let listed_names = self.listed_names.get() + listing.len();
        if listed_names > Self::MAX_LISTED_NAMES && !listings.is_empty() {
            let lost = self.lost_names.get() + self.listed_names.get() as u64;
            self.lost_names.set(lost);
            listings.clear();
            self.listed_names.set(listing.len());
        } else {
            self.listed_names.set(listed_names);
        }
        listings.insert(directory.to_owned(), Rc::clone(&listing));
        Ok(listing)
    }
}

fn list(directory: &Path) -> io::Result<Listing> {
    let mut listing = Listing::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        match listing.entry(host_name::to_windows(&name).to_upcase()) {
            Entry::Vacant(vacant) => {
                vacant.insert(name);
            }
            // Two names that differ in case only: neither is preferred, but it shall always be the same one.
            Entry::Occupied(mut taken) if name < *taken.get() => {
                taken.insert(name);
            }
            Entry::Occupied(_) => {}
        }
    }
    Ok(listing)
}

/// The file of exactly this name.
fn exact_child(directory: &Path, name: &WideString) -> Result<Option<PathBuf>, Error> {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    let Some(name) = host_name::from_windows(name) else {
        return Ok(None);
    };
    let path = directory.join(name);
    match path.symlink_metadata() {
        Ok(_) => Ok(Some(path)),
        Err(error) => match error.kind() {
            NotFound | InvalidFilename | InvalidInput | NotADirectory => Ok(None),
            _ => Err(Error::io(&error)),
        },
    }
}

/// Whether a root directory is that of a Windows volume of which everything was copied.
fn is_whole(root: &Listing) -> bool {
    let has = |name: &str| root.contains_key(&WideString::from(name).to_upcase());
    let others = ["Users", "Program Files", "ProgramData"];
    has("Windows") && others.into_iter().filter(|name| has(name)).count() >= 2
}

#[cfg(unix)]
fn is_mount_point(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| path.metadata().map(|metadata| metadata.dev());
    matches!((device(folder), device(&folder.join(".."))), (Ok(own), Ok(above)) if own != above)
}

#[cfg(not(unix))]
fn is_mount_point(_folder: &Path) -> bool {
    false
}

/// An attribute of every file on NTFS, for ntfs-3g and for the kernel's ntfs3 alike.
const NTFS_ATTRIB: &str = "system.ntfs_attrib";
/// An attribute of every file that only ntfs-3g answers to: ntfs3 shows neither streams nor reparse data.
const NTFS_TIMES: &str = "system.ntfs_times";

/// Whether a file is shown by ntfs-3g, which answers to attributes by name that it does not list.
pub(super) fn has_ntfs_attributes(path: &Path) -> bool {
    matches!(extended_attribute::get(path, NTFS_TIMES), Ok(Some(_)))
}

/// The short name of a file, which ntfs-3g tells.
fn short_name(path: &Path) -> Option<WideString> {
    let name = extended_attribute::get(path, "system.ntfs_dos_name").ok()??;
    Some(WideString::from_wtf8(&name))
}
