//! The metadata of one image: its tree of files. It starts with the security descriptors, which are skipped
//! (`SECURITYBLOCK_DISK` of Microsoft's paper "Windows Imaging File Format", 2007); the root's entry follows.
//!
//! The tree is not built: entries are read from the metadata's bytes where they are asked for. Positions are offsets
//! in these bytes.

use std::collections::HashSet;

use nom::number::complete::le_u32;

use super::directory_entry::{ALIGNMENT, DirectoryEntry, Listed, read_entry};
use crate::binary::structure;
use crate::error::{Error, Position};
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::WideString;
use crate::windows_path::PathComponent;

/// The tree of files of an image.
#[derive(Debug, Clone)]
pub struct ImageMetadata {
    bytes: Vec<u8>,
    root: DirectoryEntry,
}

/// Size of a security block without descriptors.
const MIN_SECURITY_SIZE: u64 = 8;
/// A path of more code units Windows does not know.
const MAX_PATH_LENGTH: usize = 32_767;

impl ImageMetadata {
    /// Takes the decompressed metadata of an image.
    ///
    /// # Errors
    ///
    /// The metadata end before the root's entry does, or it cannot be read.
    pub fn parse(bytes: Vec<u8>) -> Result<ImageMetadata, Error> {
        let (_, security_size) = structure("the size of the security data", 0, &bytes, le_u32)?;
        let root = u64::from(security_size)
            .max(MIN_SECURITY_SIZE)
            .next_multiple_of(ALIGNMENT);
        let root = match read_entry(&bytes, root)? {
            Listed::Entry { entry, .. } => entry?,
            Listed::End => {
                return Err(Error::malformed("the root directory", "none").at(Position::Byte(root)));
            }
        };
        Ok(ImageMetadata { bytes, root })
    }

    /// The root directory: of a captured drive, the drive's.
    pub fn root(&self) -> &DirectoryEntry {
        &self.root
    }

    /// The entries of a directory of this image; none where it is no directory.
    ///
    /// An entry that cannot be used is an error in the place of it, others follow. An error that leaves the next
    /// entry's place unknown is the last item.
    pub fn entries(&self, directory: &DirectoryEntry) -> Entries<'_> {
        Entries {
            metadata: &self.bytes,
            next: directory
                .is_directory()
                .then_some(directory.children)
                .filter(|&at| at > 0),
            names: HashSet::new(),
        }
    }

    /// A file or directory in a directory of this image.
    ///
    /// An exact match goes first, then one that differs in letter case only, then a short name.
    ///
    /// # Errors
    ///
    /// There is none, but some of the directory cannot be read.
    pub fn child(
        &self,
        directory: &DirectoryEntry,
        name: &WideString,
    ) -> Result<Option<DirectoryEntry>, Error> {
        Self::find_in(self.entries(directory), name)
    }

    /// The file or directory of a name among the entries of a directory.
    pub(crate) fn find_in(
        entries: impl Iterator<Item = Result<DirectoryEntry, Error>>,
        name: &WideString,
    ) -> Result<Option<DirectoryEntry>, Error> {
        let mut by_case = None;
        let mut by_dos_name = None;
        let mut unreadable = None;
        for entry in entries {
            match entry {
                Ok(entry) if entry.name == *name => return Ok(Some(entry)),
                Ok(entry) if by_case.is_none() && entry.name.eq_ignore_case(name) => {
                    by_case = Some(entry);
                }
                Ok(entry) if by_dos_name.is_none() && entry.dos_name.eq_ignore_case(name) => {
                    by_dos_name = Some(entry);
                }
                Ok(_) => {}
                Err(error) => unreadable = unreadable.or(Some(error)),
            }
        }
        match (by_case.or(by_dos_name), unreadable) {
            (None, Some(error)) => Err(error),
            (found, _) => Ok(found),
        }
    }

    /// The file or directory at a path from the root. Links on the way are not followed.
    ///
    /// # Errors
    ///
    /// There is none, but some of a directory on the way cannot be read.
    pub fn find<'a>(
        &self,
        path: impl IntoIterator<Item = &'a PathComponent>,
    ) -> Result<Option<DirectoryEntry>, Error> {
        let mut entry = self.root.clone();
        for PathComponent(name) in path {
            match self.child(&entry, name)? {
                Some(child) => entry = child,
                None => return Ok(None),
            }
        }
        Ok(Some(entry))
    }

    /// All files and directories, the root first, each directory before what is in it.
    pub fn walk(&self) -> Walk<'_> {
        Walk {
            image: self,
            levels: Vec::new(),
            current: None,
            is_started: false,
            path_length: 0,
            listed: HashSet::new(),
            allowance: self.bytes.len() as u64,
            warnings: Warnings::default(),
        }
    }
}

/// The entries of one directory, see [`ImageMetadata::entries`].
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    metadata: &'a [u8],
    /// Where the next entry is.
    next: Option<u64>,
    names: HashSet<WideString>,
}

impl Entries<'_> {
    /// A name that no file has on Windows, or that another one in the directory has.
    fn check_name(&mut self, entry: DirectoryEntry) -> Result<DirectoryEntry, Error> {
        let separators = [0, u16::from(b'/'), u16::from(b'\\')];
        let units = entry.name.as_units();
        let dots = [u16::from(b'.'); 2];
        let is_no_name = units.is_empty()
            || dots.starts_with(units)
            || units.iter().any(|unit| separators.contains(unit));
        let expected = match () {
            () if is_no_name => "a file's name",
            () if !self.names.insert(entry.name.clone()) => "a name of its own",
            () => return Ok(entry),
        };
        Err(Error::malformed(expected, format!("{:?}", entry.name))
            .at(Position::Byte(entry.position)))
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<DirectoryEntry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match read_entry(self.metadata, self.next.take()?) {
            Ok(Listed::End) => None,
            Ok(Listed::Entry { entry, next }) => {
                self.next = Some(next);
                Some(entry.and_then(|entry| self.check_name(entry)))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// All files and directories of an image, see [`ImageMetadata::walk`].
///
/// A directory that is listed already is not listed again, and the walk ends when it has read as much as the metadata
/// have: trees with loops, or whose directories overlap, end as well. [`warnings`](Self::warnings) tells what was
/// left out.
#[derive(Debug)]
pub struct Walk<'a> {
    image: &'a ImageMetadata,
    levels: Vec<Level<'a>>,
    /// The entry that was returned last, by its name, and if it is a directory, what is in it.
    current: Option<(WideString, Option<Entries<'a>>)>,
    is_started: bool,
    /// Code units of the path of the innermost level.
    path_length: usize,
    /// Where the directories start that were listed.
    listed: HashSet<u64>,
    /// Bytes that may still be read.
    allowance: u64,
    warnings: Warnings,
}

#[derive(Debug)]
struct Level<'a> {
    name: WideString,
    entries: Entries<'a>,
}

impl Walk<'_> {
    /// The path of the entry that was returned last, from the root on; empty for the root.
    pub fn path(&self) -> Vec<PathComponent> {
        let names = self.levels.iter().map(|level| &level.name);
        let current = self.current.iter().map(|(name, _)| name);
        // The root has a name only by mistake, and is no component.
        names
            .chain(current)
            .skip(1)
            .cloned()
            .map(PathComponent)
            .collect()
    }

    /// What could not be read so far.
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// What could not be read, at the walk's end.
    pub fn into_warnings(self) -> Warnings {
        self.warnings
    }

    fn warn(&mut self, error: &Error) {
        let warning = Warning::of(WarningCode::ImageTreeMalformed, error);
        self.warnings.push(warning);
    }

    /// Goes into the directory that was returned last, if it is one and that leads anywhere.
    fn enter(&mut self) {
        let Some((name, Some(entries))) = self.current.take() else {
            return;
        };
        let Some(start) = entries.next else { return };
        let at = Position::Byte(start);
        if !self.listed.insert(start) {
            let expected = "entries of a directory's own";
            self.warn(&Error::malformed(expected, "those of another one").at(at));
            return;
        }
        let path_length = self.path_length + name.as_units().len() + 1;
        if path_length > MAX_PATH_LENGTH {
            self.warn(&Error::malformed("a path that Windows can have", "a longer one").at(at));
            return;
        }
        self.path_length = path_length;
        self.levels.push(Level { name, entries });
    }

    /// The next usable entry of the innermost directory that has one.
    fn next_entry(&mut self) -> Option<DirectoryEntry> {
        loop {
            let level = self.levels.last_mut()?;
            let before = level.entries.next;
            let item = level.entries.next();
            if let (Some(before), Some(after)) = (before, level.entries.next) {
                match self.allowance.checked_sub(after.saturating_sub(before)) {
                    Some(left) => self.allowance = left,
                    None => {
                        let expected = "directories apart from each other";
                        let error = Error::malformed(expected, "some that overlap");
                        self.warn(&error.at(Position::Byte(before)));
                        self.levels.clear();
                        return None;
                    }
                }
            }
            match item {
                Some(Ok(entry)) => return Some(entry),
                Some(Err(error)) => self.warn(&error),
                None => {
                    let left = self.levels.pop()?;
                    self.path_length -= left.name.as_units().len() + 1;
                }
            }
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = DirectoryEntry;

    fn next(&mut self) -> Option<DirectoryEntry> {
        let entry = match std::mem::replace(&mut self.is_started, true) {
            false => self.image.root.clone(),
            true => {
                self.enter();
                self.next_entry()?
            }
        };
        let entries = entry.is_directory().then(|| self.image.entries(&entry));
        self.current = Some((entry.name.clone(), entries));
        Some(entry)
    }
}
