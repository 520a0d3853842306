//! The files of a collection that was written onto an NTFS volume, as KAPE does with a VHDX.

use std::collections::HashSet;
use std::rc::Rc;

use super::archive::{MemberKind, MemberList, NewMember};
use super::layout;
use crate::capture::disk_image::ntfs::{FileReference, NtfsFile, NtfsVolume};
use crate::capture::read_at::ReadAt;
use crate::capture::volume::{MAX_MOUNT_DATA_LENGTH, MOUNT_DATA};
use crate::error::Error;
use crate::mount_point::ReparseTag;
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::{WideString, push_wtf8};

/// The files and directories of a volume.
#[derive(Debug)]
pub(super) struct VolumeMembers {
    volume: NtfsVolume,
    files: Vec<FileReference>,
    pub(super) members: MemberList,
    pub(super) is_whole: bool,
}

/// How many directories of a volume's root are looked into for a layout.
const MAX_LOOKED_INTO: usize = 1000;
/// Records with lower numbers are those of the file system itself.
const FIRST_RECORD: u64 = 24;

/// Whether the folders at the root of a volume are laid out as collectors do it. Few directories are listed for that.
pub(super) fn is_collection(volume: &NtfsVolume) -> bool {
    let folders = |directory: &NtfsFile| {
        let entries = directory.entries().into_iter().flatten().flatten();
        let entries = entries.filter(|entry| entry.file.record_number() >= FIRST_RECORD);
        let folders = entries.filter_map(|entry| {
            let file = volume.file(entry.file).ok()?;
            file.is_directory()
                .then(|| (wtf8(&entry.file_name.name), file))
        });
        folders.take(MAX_LOOKED_INTO).collect::<Vec<_>>()
    };
    let Ok(root) = volume.root() else {
        return false;
    };
    folders(&root).into_iter().any(|(name, folder)| {
        layout::is_collectors_folder(&[&name])
            || layout::is_root_of_windows(&name, &folder)
            || folders(&folder).into_iter().any(|(inner, folder)| {
                layout::is_collectors_folder(&[&name, &inner])
                    || layout::is_root_of_windows(&inner, &folder)
            })
    })
}

impl VolumeMembers {
    /// Lists a volume. What of it is damaged is passed over.
    ///
    /// # Errors
    /// When its root cannot be read, or it holds more than can be dealt with.
    pub(super) fn list(volume: NtfsVolume, warnings: &mut Warnings) -> Result<Self, Error> {
        let mut listed = VolumeMembers {
            files: Vec::new(),
            members: MemberList::default(),
            is_whole: true,
            volume,
        };
        let mut pending = vec![(Vec::new(), listed.volume.root()?)];
        let mut known = HashSet::new();
        while let Some((path, directory)) = pending.pop() {
            // A directory has one name, unless the volume is damaged.
            if !known.insert(directory.reference()) {
                continue;
            }
            let mut children = Vec::new();
            if let Err(error) = listed.add_children(&path, &directory, &mut children) {
                if children.is_empty() && path.is_empty() {
                    return Err(error);
                }
                listed.is_whole = false;
                let warning = Warning::new(WarningCode::FileUnreadable, error.to_string());
                warnings.push(warning.in_evidence(String::from_utf8_lossy(&path)));
            }
            pending.extend(children.into_iter().rev());
        }
        listed.is_whole &= listed.members.has_all_extras(warnings);
        Ok(listed)
    }

    /// Adds what is in a directory, and gives the directories among them.
    fn add_children(
        &mut self,
        path: &[u8],
        directory: &NtfsFile,
        directories: &mut Vec<(Vec<u8>, NtfsFile)>,
    ) -> Result<(), Error> {
        let mut damage = Ok(());
        for entry in directory.entries()? {
            let opened = entry.and_then(|entry| {
                let file = self.volume.file(entry.file)?;
                Ok((entry.file_name, file))
            });
            let (name, file) = match opened {
                Ok(opened) => opened,
                Err(error) => {
                    damage = Err(error);
                    continue;
                }
            };
            if file.reference().record_number() < FIRST_RECORD {
                continue;
            }
            let mut member = path.to_vec();
            if !member.is_empty() {
                member.push(b'/');
            }
            member.extend(wtf8(&name.name));
            let is_link = matches!(
                file.reparse_tag(),
                Ok(Some(ReparseTag::SYMLINK | ReparseTag::MOUNT_POINT))
            );
            let kind = match file.is_directory() {
                _ if is_link => MemberKind::Special,
                true => MemberKind::Directory,
                false => MemberKind::File,
            };
            let index = self.members.add(NewMember {
                name: &member,
                kind,
                size: name.data_size,
                modified: Some(name.modification_time),
                obstacle: None,
            })?;
            self.files.push(file.reference());
            if kind == MemberKind::Directory {
                if let Ok(Some(stream)) = file.open_stream(&MOUNT_DATA.into())
                    && let Ok(stream) = stream.read_whole(MAX_MOUNT_DATA_LENGTH)
                {
                    self.members.keep_mount_data(index, stream);
                }
                directories.push((member, file));
            }
        }
        damage
    }

    pub(super) fn open(&self, index: u32) -> Result<Rc<dyn ReadAt>, Error> {
        let file = self.files.get(index as usize);
        let file = file.ok_or_else(|| Error::malformed("a member", "none"))?;
        match self.volume.file(*file)?.open()? {
            Some(data) => Ok(Rc::new(data)),
            None => Err(Error::malformed("the data of a file", "none")),
        }
    }

    pub(super) fn take_warnings(&self) -> Warnings {
        self.volume.take_warnings()
    }
}

fn wtf8(name: &WideString) -> Vec<u8> {
    let mut bytes = Vec::new();
    push_wtf8(&mut bytes, name.as_units().iter().copied());
    bytes
}
