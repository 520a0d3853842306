//! A folder of this host that holds the files of one volume.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Scope, extended_attribute, host_name};
use crate::error::Error;
use crate::wide_string::WideString;

/// A folder of this host that holds the files of one volume.
#[derive(Debug)]
pub(crate) struct VolumeFolder {
    /// Absolute, and free of links.
    root: PathBuf,
    scope: Scope,
    listings: RefCell<HashMap<PathBuf, Rc<Listing>>>,
    listed_names: Cell<usize>,
    directory_reads: Cell<u64>,
}

/// The names in a directory by their upper case.
type Listing = HashMap<WideString, OsString>;

/// What a directory of the capture has under a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Child {
    /// The file or directory, by its path on this host; it may be a link.
    Found(PathBuf),
    /// Nothing.
    Missing,
    /// Nothing, but the name looks like the short name of a file, and the capture does not keep short names.
    ShortName,
}

impl VolumeFolder {
    /// How many names are kept of listed directories, all together.
    const MAX_LISTED_NAMES: usize = 1_000_000;

    /// Takes a folder for a volume. Whether it holds all files of it is found out unless `scope` tells.
    ///
    /// # Errors
    /// When there is no such folder, or it cannot be read.
    pub(crate) fn open(folder: &Path, scope: Option<Scope>) -> Result<Self, Error> {
        let root = fs::canonicalize(folder).map_err(|error| Error::io(&error))?;
        let mut volume = VolumeFolder {
            root,
            scope: Scope::Partial,
            listings: RefCell::default(),
            listed_names: Cell::default(),
            directory_reads: Cell::default(),
        };
        let listing = volume.listing(&volume.root)?;
        volume.scope = scope.unwrap_or_else(|| match volume.is_mounted() || is_whole(&listing) {
            true => Scope::Complete,
            false => Scope::Partial,
        });
        Ok(volume)
    }

    /// The folder, absolute and free of links.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What it means that a path is not in the folder.
    pub(crate) fn scope(&self) -> Scope {
        self.scope
    }

    /// How many directories were listed.
    pub(crate) fn directory_reads(&self) -> u64 {
        self.directory_reads.get()
    }

    /// The file or directory of this name in a directory of the volume, as NTFS would find it: upper and lower case
    /// are the same, but the exact name is preferred; dots and blanks at the end do not count.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn child(&self, directory: &Path, name: &WideString) -> Result<Child, Error> {
        let trimmed = trim_end(name);
        let names = [name, &trimmed];
        let names = &names[..if trimmed == *name { 1 } else { 2 }];
        for name in names {
            if let Some(path) = exact_child(directory, name)? {
                return Ok(Child::Found(path));
            }
        }
        let listing = self.listing(directory)?;
        for name in names {
            if let Some(name) = listing.get(&name.to_upcase()) {
                return Ok(Child::Found(directory.join(name)));
            }
        }
        if !is_short_name(name) {
            return Ok(Child::Missing);
        }
        if !has_ntfs_attributes(&self.root) {
            return Ok(Child::ShortName);
        }
        let named = listing.values().map(|long| directory.join(long));
        let mut named =
            named.filter(|path| short_name(path).is_some_and(|s| s.eq_ignore_case(name)));
        Ok(named.next().map_or(Child::Missing, Child::Found))
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
        let listing = Rc::new(list(directory).map_err(|error| Error::io(&error))?);
        self.directory_reads.set(self.directory_reads.get() + 1);
        let mut listings = self.listings.borrow_mut();
        let listed_names = self.listed_names.get() + listing.len();
        if listed_names > Self::MAX_LISTED_NAMES {
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
pub(crate) fn has_ntfs_attributes(path: &Path) -> bool {
    matches!(extended_attribute::get(path, NTFS_TIMES), Ok(Some(_)))
}

/// The short name of a file, which ntfs-3g tells.
fn short_name(path: &Path) -> Option<WideString> {
    let name = extended_attribute::get(path, "system.ntfs_dos_name").ok()??;
    Some(WideString::from_wtf8(&name))
}

/// Whether a name has the form of those that Windows makes up beside a long one: `PROGRA~1`, `PICTUR~2.JPG`.
fn is_short_name(name: &WideString) -> bool {
    let name = name.to_string_lossy();
    let (base, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    let Some((start, number)) = base.rsplit_once('~') else {
        return false;
    };
    !start.is_empty()
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && base.chars().count() <= 8
        && extension.chars().count() <= 3
}

fn trim_end(name: &WideString) -> WideString {
    let units = name.as_units();
    let is_kept = |&unit: &u16| unit != u16::from(b'.') && unit != u16::from(b' ');
    let length = units.iter().rposition(is_kept).map_or(0, |last| last + 1);
    WideString::from_units(units[..length].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_tilde_and_a_number_are_short_names() {
        for (name, is_short) in [
            ("ADMINI~1", true),
            ("PICTUR~2.JPG", true),
            ("a~12.x", true),
            ("Mount", false),
            ("~1", false),
            ("backup~", false),
            ("administrator~1", false),
            ("a~1.html", false),
            ("a~b", false),
        ] {
            assert_eq!(is_short_name(&name.into()), is_short, "{name}");
        }
    }
}
