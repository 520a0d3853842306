//! Files among which disk images are opened, and which of them are opened with another one.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::rc::Rc;

use super::Disk;
use super::neighbours::{FileNames, Neighbours};
use crate::capture::read_at::ReadAt;

/// Opens the file with a name, which is one of those that are there.
type Open = Box<dyn Fn(&OsStr) -> io::Result<Rc<dyn ReadAt>>>;

/// Files that lie side by side, in a folder or elsewhere, listed once for all images among them.
pub(crate) struct FileSet {
    names: FileNames,
    open: Open,
}

impl FileSet {
    pub(crate) fn new(
        names: impl Iterator<Item = OsString>,
        open: impl Fn(&OsStr) -> io::Result<Rc<dyn ReadAt>> + 'static,
    ) -> Self {
        FileSet {
            names: names.collect(),
            open: Box::new(open),
        }
    }

    /// Which files are opened with one of these: the parts, extents and parents of disk images that can be opened. Of two
    /// that name each other neither is.
    pub(crate) fn companions<'a>(
        self: &Rc<Self>,
        names: impl Iterator<Item = &'a OsStr>,
    ) -> BTreeSet<OsString> {
        let disks = names.filter_map(|name| {
            let opened = Rc::new(Opened {
                files: Rc::clone(self),
                names: RefCell::default(),
            });
            let bytes = (self.open)(name).ok()?;
            Disk::open_among(bytes, name, opened.clone()).ok()?;
            let mut others = opened.names.take();
            others.remove(name);
            (!others.is_empty()).then_some((name, others))
        });
        let disks: Vec<_> = disks.collect();
        let all: BTreeSet<_> = disks
            .iter()
            .flat_map(|(_, others)| others)
            .cloned()
            .collect();
        // What a disk is based on has parts, too; they were opened with it.
        let outermost = disks.into_iter().filter(|(name, _)| !all.contains(*name));
        outermost.flat_map(|(_, others)| others).collect()
    }
}

impl Neighbours for FileSet {
    fn open(&self, name: &OsStr) -> io::Result<Option<Rc<dyn ReadAt>>> {
        let found = self.names.find(name);
        found.map(|name| (self.open)(name)).transpose()
    }
}

/// The files, and which of them were opened.
struct Opened {
    files: Rc<FileSet>,
    names: RefCell<BTreeSet<OsString>>,
}

impl Neighbours for Opened {
    fn open(&self, name: &OsStr) -> io::Result<Option<Rc<dyn ReadAt>>> {
        let Some(name) = self.files.names.find(name) else {
            return Ok(None);
        };
        self.names.borrow_mut().insert(name.to_owned());
        (self.files.open)(name).map(Some)
    }
}
