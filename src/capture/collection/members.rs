//! Where the files of a collection lie: in an archive, in a folder of this host, or on a volume.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use walkdir::WalkDir;

use super::archive::{Archive, Member, MemberKind, MemberList, NewMember};
#[cfg(feature = "disk-image")]
use super::volume_members::VolumeMembers;
use crate::capture::directory::host_name;
use crate::capture::read_at::{ReadAt, Seekable};
use crate::error::Error;
use crate::file_time::FileTime;
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::push_wtf8;

/// Files with names, of which each can be read.
#[derive(Debug)]
pub(super) enum Members {
    Archive(Archive),
    Folder(FolderMembers),
    #[cfg(feature = "disk-image")]
    Volume(VolumeMembers),
}

impl Members {
    pub(super) fn len(&self) -> u32 {
        match self {
            Members::Archive(archive) => archive.len(),
            Members::Folder(folder) => folder.members.len(),
            #[cfg(feature = "disk-image")]
            Members::Volume(volume) => volume.members.len(),
        }
    }

    pub(super) fn member(&self, index: u32) -> Option<Member<'_>> {
        match self {
            Members::Archive(archive) => archive.member(index),
            Members::Folder(folder) => folder.members.member(index),
            #[cfg(feature = "disk-image")]
            Members::Volume(volume) => volume.members.member(index),
        }
    }

    /// All members with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Member<'_>)> {
        (0..self.len()).filter_map(|index| Some((index, self.member(index)?)))
    }

    pub(super) fn open(&self, index: u32) -> Result<Rc<dyn ReadAt>, Error> {
        match self {
            Members::Archive(archive) => archive.open_member(index),
            Members::Folder(folder) => folder.open(index),
            #[cfg(feature = "disk-image")]
            Members::Volume(volume) => volume.open(index),
        }
    }

    pub(super) fn link_target(&self, index: u32) -> Result<Vec<u8>, Error> {
        match self {
            Members::Archive(archive) => archive.link_target(index),
            Members::Folder(folder) => folder.link_target(index),
            #[cfg(feature = "disk-image")]
            Members::Volume(_) => Err(Error::malformed("the target of a link", "none")),
        }
    }

    /// The `$WIMMOUNTDATA` stream that is kept with a member.
    pub(super) fn mount_data(&self, index: u32) -> Option<&[u8]> {
        match self {
            Members::Archive(archive) => archive.mount_data(index),
            Members::Folder(_) => None,
            #[cfg(feature = "disk-image")]
            Members::Volume(volume) => volume.members.mount_data(index),
        }
    }

    /// Whether a member is known to be nothing that is looked for by its content.
    pub(super) fn is_known_other(&self, index: u32) -> bool {
        match self {
            Members::Archive(archive) => archive.is_known_other(index),
            _ => false,
        }
    }

    /// Whether they are packed: else each file is evidence by itself, or was looked at.
    #[cfg(feature = "disk-image")]
    pub(super) fn is_archive(&self) -> bool {
        matches!(self, Members::Archive(_))
    }

    /// Whether there can be no other members.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Members::Archive(archive) => archive.is_whole(),
            Members::Folder(_) => true,
            #[cfg(feature = "disk-image")]
            Members::Volume(volume) => volume.is_whole,
        }
    }

    pub(super) fn take_warnings(&self) -> Warnings {
        match self {
            Members::Archive(archive) => archive.take_warnings(),
            Members::Folder(_) => Warnings::default(),
            #[cfg(feature = "disk-image")]
            Members::Volume(volume) => volume.take_warnings(),
        }
    }

    /// Where a member lies on this host.
    pub(super) fn host_path(&self, index: u32) -> Option<PathBuf> {
        match self {
            Members::Folder(folder) => folder.path(index),
            _ => None,
        }
    }
}

/// The files in a folder of this host, whatever their depth. Links are not followed.
#[derive(Debug)]
pub(super) struct FolderMembers {
    root: PathBuf,
    members: MemberList,
}

impl FolderMembers {
    /// Lists a folder, and those below it up to a depth.
    pub(super) fn list(root: &Path, depth: usize, warnings: &mut Warnings) -> Result<Self, Error> {
        let mut members = MemberList::default();
        let mut name = Vec::new();
        for entry in WalkDir::new(root)
            .min_depth(1)
            .max_depth(depth)
            .sort_by_file_name()
        {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if error.depth() == 0 => {
                    let error = error.into_io_error();
                    return Err(error.map_or_else(
                        || Error::malformed("a folder", "a loop"),
                        |error| Error::io(&error),
                    ));
                }
                Err(error) => {
                    let code = WarningCode::FileUnreadable;
                    warnings.push(Warning::new(code, error.to_string()));
                    continue;
                }
            };
            let Ok(inside) = entry.path().strip_prefix(root) else {
                continue;
            };
            name.clear();
            for component in inside {
                if !name.is_empty() {
                    name.push(b'/');
                }
                let component = host_name::to_windows(component);
                push_wtf8(&mut name, component.as_units().iter().copied());
            }
            let metadata = entry.metadata().ok();
            let kind = entry.file_type();
            let kind = match kind {
                _ if kind.is_dir() => MemberKind::Directory,
                _ if kind.is_file() => MemberKind::File,
                _ if kind.is_symlink() => MemberKind::Link,
                _ => MemberKind::Special,
            };
            let modified = metadata.as_ref().and_then(|found| found.modified().ok());
            members.add(NewMember {
                name: &name,
                kind,
                size: metadata.map_or(0, |found| found.len()),
                modified: modified.map(FileTime::from),
                obstacle: None,
            })?;
        }
        Ok(FolderMembers {
            root: root.to_owned(),
            members,
        })
    }

    /// The path of a member; none where the host spells its name in a way that cannot be told again.
    fn path(&self, index: u32) -> Option<PathBuf> {
        let member = self.members.member(index)?;
        let mut path = self.root.clone();
        for name in member.name.split(|&byte| byte == b'/') {
            path.push(host_name::from_wtf8(name)?);
        }
        Some(path)
    }

    fn open(&self, index: u32) -> Result<Rc<dyn ReadAt>, Error> {
        let path = self.path(index);
        let path = path.ok_or_else(|| Error::malformed("a name of this host", "another one"))?;
        let open = || {
            // A link could lead anywhere, and a pipe would never end.
            if !path.symlink_metadata()?.is_file() {
                return Err(Error::malformed("a regular file", "something else"));
            }
            Ok(Seekable::new(File::open(&path)?)?)
        };
        match open() {
            Ok(file) => Ok(Rc::new(file)),
            Err(error) => Err(error.in_evidence(path.display().to_string())),
        }
    }

    fn link_target(&self, index: u32) -> Result<Vec<u8>, Error> {
        let path = self.path(index);
        let target = path.and_then(|path| path.read_link().ok());
        let target = target.ok_or_else(|| Error::malformed("the target of a link", "none"))?;
        let mut bytes = Vec::new();
        let target = host_name::to_windows(target.as_os_str());
        push_wtf8(&mut bytes, target.as_units().iter().copied());
        Ok(bytes)
    }
}
