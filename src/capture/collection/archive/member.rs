//! What an archive tells about its members.

use std::collections::HashMap;

use crate::capture::volume::MAX_MOUNT_DATA_LENGTH;
use crate::error::Error;
use crate::file_time::FileTime;
use crate::warning::{Warning, WarningCode, Warnings};

/// What a member of an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemberKind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// Something that Windows does not know: a pipe, a device.
    Special,
}

/// A member of an archive, as the archive tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member<'a> {
    /// Its name as UTF-8 as far as it is text, with the separators that the archive has.
    pub name: &'a [u8],
    /// What it is.
    pub kind: MemberKind,
    /// Length of its data, in bytes.
    pub size: u64,
    /// When its data was last written, where the archive tells that in UTC.
    pub modified: Option<FileTime>,
}

impl Member<'_> {
    /// The name for a message.
    pub(crate) fn display_name(&self) -> String {
        String::from_utf8_lossy(self.name).into_owned()
    }
}

/// Why the data of a member cannot be read, which the archive tells before they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::capture::collection) enum Obstacle {
    Encrypted,
    /// A compression of zip that is not undone, by its number.
    Method(u16),
    /// Other members have the same data.
    Overlap,
    /// A file of which tar left out the holes.
    Sparse,
    /// A part of a file that goes on in another archive.
    MultiVolume,
    /// A hard link to a member that is not in the archive.
    LostLink,
    /// A disk image, which is read here and there, in an archive that is compressed as a whole.
    #[cfg(feature = "disk-image")]
    PackedDisk,
}

impl Obstacle {
    pub(super) fn error(self) -> Error {
        match self {
            Obstacle::Encrypted => Error::unsupported(
                "an encrypted member",
                "unpack the archive with its password and inspect what comes out",
            ),
            Obstacle::Method(method) => Error::unsupported(
                format!("the zip compression method {method}"),
                "unpack the archive and inspect what comes out",
            ),
            Obstacle::Overlap => Error::malformed(
                "data that no other member has",
                "data that overlap those of another member",
            ),
            Obstacle::Sparse => Error::unsupported(
                "a sparse file in a tar archive",
                "unpack the archive and inspect what comes out",
            ),
            Obstacle::MultiVolume => Error::unsupported(
                "a tar archive of several volumes",
                "unpack it and inspect what comes out",
            ),
            #[cfg(feature = "disk-image")]
            Obstacle::PackedDisk => Error::unsupported(
                "a disk image in a tar archive that is compressed",
                "unpack the archive and inspect what comes out",
            ),
            Obstacle::LostLink => Error::malformed(
                "a hard link to a member of the archive",
                "one to something else",
            ),
        }
    }
}

/// A member as it is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    name_start: u32,
    name_length: u32,
    pub(super) size: u64,
    /// 0 where it is not known.
    modified: FileTime,
    pub(super) kind: MemberKind,
    pub(super) obstacle: Option<Obstacle>,
}

/// The members of an archive, in its order; as many as memory is sure to hold.
#[derive(Debug, Default)]
pub(in crate::capture::collection) struct MemberList {
    names: Vec<u8>,
    entries: Vec<Entry>,
    /// The targets of links that the archive tells beside their names.
    pub(super) link_targets: HashMap<u32, Vec<u8>>,
    /// `$WIMMOUNTDATA` streams that the archive keeps as extended attributes.
    mount_data: HashMap<u32, Vec<u8>>,
    extra_bytes: usize,
    extras_left_out: u64,
}

/// The most members that one archive may have.
const MAX_MEMBERS: usize = 1 << 22;
/// The most bytes that their names may have, all together.
const MAX_NAME_BYTES: usize = 256 << 20;
/// The most bytes of one name: more than any file system has.
const MAX_NAME_LENGTH: usize = 64 << 10;
/// How many link targets and streams are kept, and how many bytes of them.
const MAX_EXTRAS: usize = 100_000;
const MAX_EXTRA_BYTES: usize = 32 << 20;

/// What is known of a member when it is added.
#[derive(Debug, Clone, Copy)]
pub(in crate::capture::collection) struct NewMember<'a> {
    pub(in crate::capture::collection) name: &'a [u8],
    pub(in crate::capture::collection) kind: MemberKind,
    pub(in crate::capture::collection) size: u64,
    pub(in crate::capture::collection) modified: Option<FileTime>,
    pub(in crate::capture::collection) obstacle: Option<Obstacle>,
}

impl MemberList {
    /// Refuses an archive that tells itself that it has too many.
    pub(super) fn check_count(count: u64) -> Result<(), Error> {
        match count <= MAX_MEMBERS as u64 {
            true => Ok(()),
            false => Err(Error::malformed(
                format!("an archive of at most {MAX_MEMBERS} members"),
                format!("one of {count}"),
            )),
        }
    }

    pub(in crate::capture::collection) fn add(
        &mut self,
        member: NewMember<'_>,
    ) -> Result<u32, Error> {
        MemberList::check_count(self.entries.len() as u64 + 1)?;
        if member.name.len() > MAX_NAME_LENGTH {
            return Err(Error::malformed(
                format!("a name of at most {MAX_NAME_LENGTH} bytes"),
                format!("one of {}", member.name.len()),
            ));
        }
        if self.names.len() + member.name.len() > MAX_NAME_BYTES {
            return Err(Error::malformed(
                format!("names of at most {MAX_NAME_BYTES} bytes all together"),
                "more",
            ));
        }
        let index = self.entries.len() as u32;
        self.entries.push(Entry {
            name_start: self.names.len() as u32,
            name_length: member.name.len() as u32,
            size: member.size,
            modified: member.modified.unwrap_or(FileTime::from_ticks(0)),
            kind: member.kind,
            obstacle: member.obstacle,
        });
        self.names.extend_from_slice(member.name);
        Ok(index)
    }

    /// Keeps the target of a link, of which no path is longer.
    pub(super) fn keep_link_target(&mut self, index: u32, target: Vec<u8>) {
        if let Some(target) = self.extra(target, MAX_NAME_LENGTH) {
            self.link_targets.insert(index, target);
        }
    }

    /// Keeps the `$WIMMOUNTDATA` stream of a directory, or as much of it as shows that it is too long.
    pub(in crate::capture::collection) fn keep_mount_data(&mut self, index: u32, stream: Vec<u8>) {
        if let Some(stream) = self.extra(stream, MAX_MOUNT_DATA_LENGTH as usize + 1) {
            self.mount_data.insert(index, stream);
        }
    }

    /// What is kept of something that only few members have. Where there are too many bytes none are, so that it cannot be
    /// read; where there are too many of them it is left out.
    fn extra(&mut self, mut bytes: Vec<u8>, most: usize) -> Option<Vec<u8>> {
        bytes.truncate(most);
        let all_bytes = self.extra_bytes + bytes.len();
        if all_bytes <= MAX_EXTRA_BYTES {
            self.extra_bytes = all_bytes;
        } else {
            self.extras_left_out += 1;
            bytes = Vec::new();
        }
        let count = self.link_targets.len() + self.mount_data.len();
        self.extras_left_out += u64::from(count >= MAX_EXTRAS);
        (count < MAX_EXTRAS).then_some(bytes)
    }

    /// Whether all targets of links and streams are known. Says how many are not: of these, none is absent.
    pub(in crate::capture::collection) fn has_all_extras(&self, warnings: &mut Warnings) -> bool {
        if self.extras_left_out > 0 {
            let text = format!(
                "{} targets of links and streams of directories are left out: no more than {MAX_EXTRAS}, of {} MiB together, are kept",
                self.extras_left_out,
                MAX_EXTRA_BYTES >> 20
            );
            warnings.push(Warning::new(WarningCode::LimitReached, text));
        }
        self.extras_left_out == 0
    }

    /// The stream that is kept with a member.
    pub(in crate::capture::collection) fn mount_data(&self, index: u32) -> Option<&[u8]> {
        self.mount_data.get(&index).map(Vec::as_slice)
    }

    pub(in crate::capture::collection) fn len(&self) -> u32 {
        self.entries.len() as u32
    }

    pub(super) fn entry(&self, index: u32) -> Option<&Entry> {
        self.entries.get(index as usize)
    }

    pub(super) fn entry_mut(&mut self, index: u32) -> Option<&mut Entry> {
        self.entries.get_mut(index as usize)
    }

    pub(in crate::capture::collection) fn member(&self, index: u32) -> Option<Member<'_>> {
        let entry = self.entry(index)?;
        let start = entry.name_start as usize;
        Some(Member {
            name: &self.names[start..start + entry.name_length as usize],
            kind: entry.kind,
            size: entry.size,
            modified: (entry.modified.ticks() > 0).then_some(entry.modified),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_streams_and_targets_do_not_fill_the_memory() {
        let mut members = MemberList::default();
        for index in 0..1000 {
            members.keep_mount_data(index, vec![1; 1 << 20]);
            members.keep_link_target(index, vec![1; 10]);
        }
        let too_long = MAX_MOUNT_DATA_LENGTH as usize + 1;
        assert_eq!(members.mount_data(0).unwrap().len(), too_long);
        // It was there, but cannot be read.
        assert_eq!(members.mount_data(999), Some(&[][..]));
        assert!(members.extra_bytes <= MAX_EXTRA_BYTES);
        let mut warnings = Warnings::default();
        assert!(!members.has_all_extras(&mut warnings));
        assert_eq!(warnings.as_slice()[0].code(), WarningCode::LimitReached);
    }
}
