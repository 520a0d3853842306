//! Which files of a folder are no captures of their own, because another one is read with them.

use std::collections::BTreeSet;
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
    companions.extend(parts_of_disks(folder, &names));
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
    let mut wims = std::collections::HashMap::<_, Vec<_>>::new();
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
fn parts_of_disks(folder: &Path, names: &BTreeSet<OsString>) -> BTreeSet<OsString> {
    use crate::capture::disk_image::FileSet;
    use crate::capture::read_at::{ReadAt, Seekable};
    use std::rc::Rc;

    let folder = folder.to_owned();
    let files = FileSet::new(names.iter().cloned(), move |name| {
        let bytes: Rc<dyn ReadAt> = Rc::new(Seekable::open(folder.join(name))?);
        Ok(bytes)
    });
    Rc::new(files).companions(names.iter().map(OsString::as_os_str))
}
