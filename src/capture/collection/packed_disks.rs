//! Disk images in an archive, as where the VHDX that KAPE made was zipped.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::rc::Rc;

use super::archive::MemberKind;
use super::member_name::divided;
use super::members::Members;
use crate::capture::disk_image::{Disk, DiskCapture, FileSet};
use crate::error::Error;

/// Opens the disk image that a member is, with what belongs to it from the same folder of the archive.
pub(super) fn open(members: &Rc<Members>, image: u32) -> Result<DiskCapture, Error> {
    let (folder, name) = place(members, image);
    let bytes = members.open(image)?;
    let files = Rc::new(files_in(members, &folder));
    let (disk, warnings) = Disk::open_among(bytes, &name, files)?;
    DiskCapture::of_disk(&disk, warnings)
}

/// Leaves out of these images those that are opened with another one.
pub(super) fn without_companions(members: &Rc<Members>, images: Vec<u32>) -> Vec<u32> {
    // To know it takes unpacking, and there is nothing to know of one.
    if images.len() < 2 {
        return images;
    }
    let mut by_folder = BTreeMap::<_, Vec<_>>::new();
    for image in images {
        let (folder, name) = place(members, image);
        by_folder.entry(folder).or_default().push((image, name));
    }
    let mut outermost = BTreeSet::new();
    for (folder, images) in by_folder {
        let files = Rc::new(files_in(members, &folder));
        let companions = files.companions(images.iter().map(|(_, name)| name.as_os_str()));
        let kept = images.into_iter();
        let kept = kept.filter(|(_, name)| !companions.contains(name));
        outermost.extend(kept.map(|(image, _)| image));
    }
    outermost.into_iter().collect()
}

/// The files in a folder of the archive.
fn files_in(members: &Rc<Members>, folder: &[u8]) -> FileSet {
    let files = members.iter().filter_map(|(index, member)| {
        let (its_folder, name) = divided(member.name);
        (member.kind == MemberKind::File && its_folder == folder).then(|| (host_name(name), index))
    });
    let files: BTreeMap<OsString, u32> = files.collect();
    let names = files.keys().cloned().collect::<Vec<_>>().into_iter();
    let members = Rc::clone(members);
    let open = move |name: &OsStr| match files.get(name) {
        Some(index) => Ok(members.open(*index)?),
        None => Err(io::ErrorKind::NotFound.into()),
    };
    FileSet::new(names, open)
}

/// The folder of a member and its own name.
fn place(members: &Members, index: u32) -> (Vec<u8>, OsString) {
    let member = members.member(index);
    let (folder, name) = member.map_or_else(Default::default, |member| divided(member.name));
    (folder.to_vec(), host_name(name))
}

fn host_name(name: &[u8]) -> OsString {
    String::from_utf8_lossy(name).into_owned().into()
}
