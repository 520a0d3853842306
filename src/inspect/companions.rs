//! Which files of a folder are no captures of their own, because another one is read with them.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use crate::error::Error;

/// Names the files of a folder of this host that are read with another capture in it: the further parts of a split WIM or
/// disk image, the extents of a VMDK, the disks that others are based on. Links are none of them.
///
/// A disk image that cannot be opened takes no other file with it, and of two that name each other neither does. Of each
/// file no more is read than that takes.
///
/// # Errors
/// When the folder cannot be listed.
pub fn companions(folder: impl AsRef<Path>) -> Result<BTreeSet<OsString>, Error> {
    let folder = folder.as_ref();
    let names = files_in(folder)
        .map_err(|error| Error::io(&error).in_evidence(folder.display().to_string()))?;
    let mut companions = BTreeSet::new();
    #[cfg(feature = "captured-wim")]
    companions.extend(parts_of_wims(folder, &names));
    #[cfg(feature = "disk-image")]
    companions.extend(disks::parts_of_disks(folder, &names));
    Ok(companions)
}

fn files_in(folder: &Path) -> io::Result<BTreeSet<OsString>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.insert(entry.file_name());
        }
    }
    Ok(names)
}

/// The parts of split WIM files but for the one by which each is opened: the first, or that which comes nearest to it.
#[cfg(feature = "captured-wim")]
fn parts_of_wims(folder: &Path, names: &BTreeSet<OsString>) -> Vec<OsString> {
    let mut wims = HashMap::<_, Vec<_>>::new();
    for name in names {
        let header = crate::capture::wim_header(&folder.join(name));
        if let Some(header) = header.filter(|header| header.is_split()) {
            let parts = wims.entry((header.guid, header.total_parts)).or_default();
            parts.push((header.part_number, name));
        }
    }
    let further = wims.into_values().flat_map(|parts| {
        let first = parts.iter().map(|(number, _)| *number).min();
        let further = parts.into_iter();
        further.filter(move |(number, _)| Some(*number) != first)
    });
    further.map(|(_, name)| name.clone()).collect()
}

#[cfg(feature = "disk-image")]
mod disks {
    use std::cell::RefCell;
    use std::ffi::OsStr;
    use std::rc::Rc;

    use super::*;
    use crate::capture::disk_image::{Disk, Neighbours};
    use crate::capture::read_at::{ReadAt, Seekable};

    /// The files that are opened with disk images.
    pub(super) fn parts_of_disks(folder: &Path, names: &BTreeSet<OsString>) -> BTreeSet<OsString> {
        let mut by_lower_case = HashMap::<_, Vec<_>>::new();
        for name in names {
            let same = by_lower_case.entry(lower_case(name)).or_default();
            same.push(name.clone());
        }
        let by_lower_case = Rc::new(by_lower_case);
        let disks = names.iter().filter_map(|name| {
            let opened = Rc::new(Opened {
                folder: folder.to_owned(),
                by_lower_case: Rc::clone(&by_lower_case),
                names: RefCell::default(),
            });
            let bytes = Seekable::open(&folder.join(name)).ok()?;
            Disk::open_among(Rc::new(bytes), name, opened.clone()).ok()?;
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

    /// The folder of a disk image, listed once for all of them, that remembers which files of it were opened.
    struct Opened {
        folder: std::path::PathBuf,
        /// Windows wrote the names that images hold.
        by_lower_case: Rc<HashMap<String, Vec<OsString>>>,
        names: RefCell<BTreeSet<OsString>>,
    }

    fn lower_case(name: &OsStr) -> String {
        name.to_string_lossy().to_lowercase()
    }

    impl Opened {
        /// The file with a name, or the only one whose name differs in case alone.
        fn find<'a>(&'a self, name: &'a OsStr) -> Option<&'a OsStr> {
            let same = self.by_lower_case.get(&lower_case(name))?;
            match &same[..] {
                [only] => Some(only),
                several => several
                    .iter()
                    .map(OsString::as_os_str)
                    .find(|it| *it == name),
            }
        }
    }

    impl Neighbours for Opened {
        fn open(&self, name: &OsStr) -> io::Result<Option<Rc<dyn ReadAt>>> {
            let Some(name) = self.find(name) else {
                return Ok(None);
            };
            self.names.borrow_mut().insert(name.to_owned());
            let bytes = Seekable::open(&self.folder.join(name))?;
            Ok(Some(Rc::new(bytes)))
        }
    }
}
