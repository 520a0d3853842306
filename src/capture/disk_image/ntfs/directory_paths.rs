//! The paths of directories, as a search of a whole volume asks for them: of many, and of the same ones again and again.

use std::cell::RefCell;
use std::collections::HashMap;

use super::NtfsVolume;
use super::file_name::FileName;
use super::file_reference::FileReference;
use crate::error::Error;
use crate::windows_path::PathComponent;

/// Tells the paths of directories, each of whose records is read once.
pub(super) struct DirectoryPaths<'a> {
    volume: &'a NtfsVolume,
    /// Names of directories, with what they are in, by their records.
    names: RefCell<HashMap<FileReference, (PathComponent, FileReference)>>,
}

impl<'a> DirectoryPaths<'a> {
    /// Directories above each other that are followed. Windows itself makes no more than some hundreds without tricks.
    const MAX_DEPTH: usize = 1 << 10;
    /// How many names are kept, which takes some megabytes.
    const KEPT_NAMES: usize = 1 << 16;

    pub(super) fn new(volume: &'a NtfsVolume) -> Self {
        DirectoryPaths {
            volume,
            names: RefCell::default(),
        }
    }

    /// The names that lead to a directory from the root of the volume.
    ///
    /// # Errors
    ///
    /// It, or a directory above it, is damaged or not there any more.
    pub(super) fn path(&self, directory: FileReference) -> Result<Vec<PathComponent>, Error> {
        let mut path = Vec::new();
        let mut next = directory;
        while next.record_number() != NtfsVolume::ROOT.record_number() {
            if path.len() >= Self::MAX_DEPTH {
                let expected = format!("at most {} directories above each other", Self::MAX_DEPTH);
                let position = self.volume.file(directory)?.position();
                return Err(Error::malformed(expected, "more").at(position));
            }
            let (name, parent) = self.name(next)?;
            path.push(name);
            next = parent;
        }
        path.reverse();
        Ok(path)
    }

    fn name(&self, directory: FileReference) -> Result<(PathComponent, FileReference), Error> {
        if let Some(known) = self.names.borrow().get(&directory) {
            return Ok(known.clone());
        }
        let file = self.volume.file(directory)?;
        if !file.is_directory() {
            return Err(Error::malformed("a directory", "a file").at(file.position()));
        }
        let FileName { name, parent, .. } = file.name()?;
        let known = (PathComponent(name), parent);
        let mut names = self.names.borrow_mut();
        if names.len() >= Self::KEPT_NAMES {
            names.clear();
        }
        names.insert(directory, known.clone());
        Ok(known)
    }
}
