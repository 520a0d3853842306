//! The files beside an image: the further parts of a split one, parents, extents. No other file is ever opened for one.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use super::container_file::ContainerFile;
use crate::allowance::Allowance;
use crate::capture::read_at::{ReadAt, Seekable};
use crate::error::Error;

/// The folder in which an image lies.
pub trait Neighbours {
    /// Opens the file with this name; `None` where there is none. The name is one level, never a path.
    ///
    /// # Errors
    /// When it is there and cannot be opened.
    fn open(&self, name: &OsStr) -> io::Result<Option<Rc<dyn ReadAt>>>;
}

/// Files in memory.
impl Neighbours for BTreeMap<OsString, Rc<dyn ReadAt>> {
    fn open(&self, name: &OsStr) -> io::Result<Option<Rc<dyn ReadAt>>> {
        Ok(self.get(name).cloned())
    }
}

/// Names of files. Windows wrote the names that images hold: letter case does not matter where it leaves no choice.
#[derive(Debug)]
pub(super) struct FileNames {
    names: HashSet<OsString>,
    /// None for several that differ in case alone.
    by_lower_case: HashMap<String, Option<OsString>>,
}

impl FileNames {
    /// This name, or the only one that differs from it in case alone.
    pub(super) fn find(&self, name: &OsStr) -> Option<&OsStr> {
        let only = || self.by_lower_case.get(&lower_case(name))?.as_ref();
        Some(self.names.get(name).or_else(only)?)
    }
}

impl FromIterator<OsString> for FileNames {
    fn from_iter<I: IntoIterator<Item = OsString>>(names: I) -> Self {
        let names: HashSet<OsString> = names.into_iter().collect();
        let mut by_lower_case = HashMap::new();
        for name in &names {
            let entry = by_lower_case.entry(lower_case(name));
            entry
                .and_modify(|only| *only = None)
                .or_insert_with(|| Some(name.clone()));
        }
        FileNames {
            names,
            by_lower_case,
        }
    }
}

fn lower_case(name: &OsStr) -> String {
    name.to_string_lossy().to_lowercase()
}

/// A folder of this host.
#[derive(Debug, Clone)]
pub struct HostFolder {
    folder: PathBuf,
    /// Whether the image is itself a link: then what lies beside it may be links, too.
    is_of_links: bool,
    /// What is in it, once that was asked for.
    names: Rc<OnceCell<Rc<FileNames>>>,
}

thread_local! {
    /// The folder that was listed last, and when it was changed: where images lie by the thousand, each asks for the same one.
    static LISTED: RefCell<Option<(PathBuf, SystemTime, Rc<FileNames>)>> = const { RefCell::new(None) };
}

impl HostFolder {
    /// The folder in which the file at `path` lies.
    pub fn of(path: &Path) -> Self {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        HostFolder {
            folder,
            is_of_links: path.is_symlink(),
            names: Rc::default(),
        }
    }

    fn names(&self) -> io::Result<&FileNames> {
        if let Some(names) = self.names.get() {
            return Ok(names);
        }
        let names = self.listed()?;
        Ok(self.names.get_or_init(|| names))
    }

    fn listed(&self) -> io::Result<Rc<FileNames>> {
        let changed = fs::metadata(&self.folder)?.modified()?;
        let known = LISTED.with_borrow(|listed| {
            let listed = listed.as_ref()?;
            let is_it = (&listed.0, listed.1) == (&self.folder, changed);
            is_it.then(|| Rc::clone(&listed.2))
        });
        if let Some(names) = known {
            return Ok(names);
        }
        let entries = fs::read_dir(&self.folder)?;
        let names = entries.map(|entry| Ok(entry?.file_name()));
        let names = Rc::new(names.collect::<io::Result<FileNames>>()?);
        let listed = (self.folder.clone(), changed, Rc::clone(&names));
        LISTED.set(Some(listed));
        Ok(names)
    }
}

impl Neighbours for HostFolder {
    fn open(&self, name: &OsStr) -> io::Result<Option<Rc<dyn ReadAt>>> {
        let exact = self.folder.join(name);
        let path = match fs::symlink_metadata(&exact) {
            Ok(_) => exact,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match self.names()?.find(name) {
                    Some(name) => self.folder.join(name),
                    None => return Ok(None),
                }
            }
            Err(error) => return Err(error),
        };
        let metadata = fs::symlink_metadata(&path)?;
        if !(metadata.is_file() || metadata.is_symlink() && self.is_of_links) {
            // A link could lead to any file of this host.
            let what = "something else than a plain file beside an image";
            let remedy = "put the file itself into the folder";
            return Err(Error::unsupported(what, remedy).into());
        }
        open_host_file(&path).map(Some)
    }
}

/// Opens a file or block device of this host. Other things that a path can name (pipes, say) are not waited for.
pub(super) fn open_host_file(path: &Path) -> io::Result<Rc<dyn ReadAt>> {
    let metadata = fs::metadata(path).map_err(with_remedy)?;
    if !metadata.is_file() && !is_block_device(&metadata) {
        let message = "it is neither a file nor a block device";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let file = Seekable::open(path).map_err(with_remedy)?;
    Ok(Rc::new(file))
}

#[cfg(unix)]
pub(in crate::capture::disk_image) fn is_block_device(metadata: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_block_device(&metadata.file_type())
}

#[cfg(not(unix))]
pub(in crate::capture::disk_image) fn is_block_device(_: &Metadata) -> bool {
    false
}

/// Says what to do about an error of opening an image.
fn with_remedy(error: io::Error) -> io::Error {
    /// `ERROR_SHARING_VIOLATION` and `ERROR_LOCK_VIOLATION`.
    const IN_USE: [i32; 2] = [32, 33];
    let is_in_use = error.kind() == io::ErrorKind::ResourceBusy
        || cfg!(windows)
            && error
                .raw_os_error()
                .is_some_and(|code| IN_USE.contains(&code));
    let message = if is_in_use {
        "it is in use: shut the virtual machine down or detach the disk, or read a copy of it"
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        "permission denied: run this as a user who may read it, or take a copy that you may read"
    } else {
        return error;
    };
    io::Error::new(error.kind(), message)
}

/// An image while it is opened: what lies beside it, and how long the chain of parents is already.
#[derive(Clone)]
pub(super) struct Opening {
    pub(super) neighbours: Rc<dyn Neighbours>,
    pub(super) depth: usize,
    /// What may come out of its compression.
    pub(super) allowance: Rc<Allowance>,
}

impl Opening {
    /// Hyper-V allows for some 50 checkpoints of one machine; nobody was seen to keep as many as this.
    const LONGEST_CHAIN: usize = 32;

    /// Opens an image of which the first file has this size.
    pub(super) fn new(neighbours: Rc<dyn Neighbours>, size: u64) -> Self {
        Opening {
            neighbours,
            depth: 0,
            allowance: Rc::new(Allowance::of_compressed(size)),
        }
    }

    /// Opens the parent of an image, which has one of these names or paths. Only their last levels count.
    ///
    /// Gives the file and what to open its own parent with.
    pub(super) fn parent(
        &self,
        child: &ContainerFile,
        names: &[String],
    ) -> Result<(ContainerFile, OsString, Opening), Error> {
        if self.depth + 1 >= Self::LONGEST_CHAIN {
            let expected = "a chain of at most 32 disks";
            let error = Error::malformed(expected, "another parent: the chain may be a circle");
            return Err(child.name_in(error));
        }
        let mut tried: Vec<&str> = Vec::new();
        for name in names.iter().filter_map(|name| last_level(name)) {
            if tried.contains(&name) {
                continue;
            }
            tried.push(name);
            if let Some(bytes) = self.open(name.as_ref())? {
                let opening = Opening {
                    neighbours: self.neighbours.clone(),
                    depth: self.depth + 1,
                    allowance: self.allowance.clone(),
                };
                return Ok((ContainerFile::new(bytes, Some(name)), name.into(), opening));
            }
        }
        let message = match tried.first() {
            Some(name) => format!("its parent disk is missing: put {name} into the same folder"),
            None => "it does not name its parent disk, without which it cannot be read".to_owned(),
        };
        let error = io::Error::new(io::ErrorKind::NotFound, message);
        Err(child.name_in(Error::io(&error)))
    }

    /// Opens a file beside the image.
    pub(super) fn open(&self, name: &OsStr) -> Result<Option<Rc<dyn ReadAt>>, Error> {
        let opened = self.neighbours.open(name);
        opened.map_err(|error| Error::io(&error).in_evidence(name.to_string_lossy()))
    }
}

/// The last level of a path of either kind, unless it is none of its own.
pub(super) fn last_level(path: &str) -> Option<&str> {
    let last = path.rsplit(['/', '\\', ':']).next()?;
    let is_name = !matches!(last, "" | "." | "..") && !last.contains('\0');
    is_name.then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_cannot_be_opened_says_what_to_do() {
        for (kind, remedy) in [
            (
                io::ErrorKind::ResourceBusy,
                "detach the disk, or read a copy",
            ),
            (
                io::ErrorKind::PermissionDenied,
                "take a copy that you may read",
            ),
        ] {
            let error = with_remedy(kind.into());
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains(remedy), "{error}");
        }
        let other = with_remedy(io::ErrorKind::NotFound.into());
        assert_eq!(
            other.to_string(),
            io::Error::from(io::ErrorKind::NotFound).to_string()
        );
    }

    #[test]
    fn a_path_in_an_image_is_never_followed() {
        assert_eq!(last_level(r"C:\vm\base.vhdx"), Some("base.vhdx"));
        assert_eq!(last_level("../../etc/shadow"), Some("shadow"));
        assert_eq!(last_level("C:base.vhd"), Some("base.vhd"));
        assert_eq!(last_level(r".\base.vhd"), Some("base.vhd"));
        for path in ["", ".", "..", "a/", r"a\..", "a\0"] {
            assert_eq!(last_level(path), None, "{path:?}");
        }
    }
}
