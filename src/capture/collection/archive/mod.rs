//! Archives, read where they lie: the members that are asked for are unpacked, and nothing else where the format allows.
//!
//! What an archive is, is found from its content: [`Archive::is_archive`]. Its members are listed once, and read from any
//! place by [`Archive::open_member`]. No name leads anywhere: names are only compared.

mod compression;
mod member;
mod tar;
mod tar_header;
mod tar_stream;
mod unpacked;
mod zip;

use std::rc::Rc;

pub use self::member::{Member, MemberKind};
pub(super) use self::member::{MemberList, NewMember};
use self::tar::Tar;
use self::unpacked::Shared;
use self::zip::Zip;
use super::wanted;
use crate::capture::read_at::ReadAt;
use crate::error::Error;
use crate::warning::Warnings;

/// A zip or tar archive.
#[derive(Debug)]
pub struct Archive {
    members: MemberList,
    container: Container,
    is_whole: bool,
    shared: Rc<Shared>,
}

#[derive(Debug)]
enum Container {
    Zip(Zip),
    Tar(Tar),
}

/// Archives that are known by name, and not read.
const NOT_READ: [(&[u8], &str); 2] = [
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive"),
    (b"Rar!\x1A\x07", "a RAR archive"),
];

fn not_read(start: &[u8]) -> Option<&'static str> {
    let known = NOT_READ.iter();
    let mut found = known.filter(|(magic, _)| start.starts_with(magic));
    found.next().map(|(_, name)| *name)
}

impl Archive {
    /// How many bytes from a file's start tell whether it is an archive.
    pub const START: usize = tar_header::BLOCK;

    /// Whether a file is an archive, by its first [`START`](Self::START) bytes: zip; tar, plain or compressed by gzip, xz,
    /// zstd or bzip2. What is compressed need not be an archive inside: then it is the only member. 7z and RAR archives are
    /// known too, and [`open`](Self::open) refuses them.
    pub fn is_archive(start: &[u8]) -> bool {
        Zip::is_zip(start) || Tar::detect(start).is_some() || not_read(start).is_some()
    }

    /// Lists the members of an archive. A single compressed file is one of one member. A compressed tar archive is unpacked
    /// once for that; what is evidence of mounts in it is kept on the way.
    ///
    /// # Errors
    /// When it is no archive or one of a format that is not read, or has more members than can be dealt with. Where it is damaged after some members,
    /// there is a warning, and [`is_whole`](Self::is_whole) is false.
    pub fn open(source: Rc<dyn ReadAt>) -> Result<(Self, Warnings), Error> {
        let length = source.size().min(Self::START as u64);
        let mut start = vec![0; length as usize];
        source.read_exact_at(0, &mut start)?;
        let mut members = MemberList::default();
        let mut warnings = Warnings::default();
        let shared = Rc::new(Shared::new(source.size()));
        let (container, is_whole) = if Zip::is_zip(&start) {
            let (zip, is_whole) = Zip::open(source, &mut members, &mut warnings)?;
            (Container::Zip(zip), is_whole)
        } else if let Some(compression) = Tar::detect(&start) {
            let wanted = &wanted::is_wanted;
            let (tar, is_whole) = Tar::open(
                source,
                compression,
                wanted,
                &shared,
                &mut members,
                &mut warnings,
            )?;
            (Container::Tar(tar), is_whole)
        } else if let Some(name) = not_read(&start) {
            return Err(Error::unsupported(
                name,
                "unpack it, and name what comes out",
            ));
        } else {
            return Err(Error::malformed(
                "an archive: zip, or tar, plain or compressed by gzip, xz, zstd or bzip2",
                "something else",
            ));
        };
        let is_whole = members.has_all_extras(&mut warnings) && is_whole;
        let archive = Archive {
            members,
            container,
            is_whole,
            shared,
        };
        Ok((archive, warnings))
    }

    /// How many members there are.
    pub fn len(&self) -> u32 {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the archive could be listed to its end, and all that it tells beside members is kept: otherwise there may have been
    /// more.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// A member by its place in the archive, counted from 0.
    pub fn member(&self, index: u32) -> Option<Member<'_>> {
        self.members.member(index)
    }

    /// All members, in the order of the archive.
    pub fn members(&self) -> impl Iterator<Item = Member<'_>> {
        (0..self.len()).filter_map(|index| self.member(index))
    }

    /// The data of a member, to be read from any place. They are unpacked as far as they are asked for.
    ///
    /// # Errors
    /// When there is no such member, it is encrypted, compressed in a way that is not known, shares its data with
    /// others, or the archive ends before it. Data that are damaged are an error of reading them.
    pub fn open_member(&self, index: u32) -> Result<Rc<dyn ReadAt>, Error> {
        let member = self.members.member(index).zip(self.members.entry(index));
        let (member, entry) = member.ok_or_else(|| Error::malformed("a member", "none"))?;
        let name = member.display_name();
        let opened = match (entry.obstacle, &self.container) {
            (Some(obstacle), _) => Err(obstacle.error()),
            (None, Container::Zip(zip)) => zip.open_member(index, name.clone(), &self.shared),
            (None, Container::Tar(tar)) => {
                tar.open_member(index, name.clone(), member.size, &self.shared)
            }
        };
        opened.map_err(|error| error.in_evidence(name))
    }

    /// The target of a link.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn link_target(&self, index: u32) -> Result<Vec<u8>, Error> {
        match (&self.container, self.members.link_targets.get(&index)) {
            (_, Some(target)) => Ok(target.clone()),
            (Container::Zip(_), None) => Zip::link_target(&*self.open_member(index)?),
            (Container::Tar(_), None) => Err(Error::malformed("the target of a link", "none")),
        }
    }

    /// The `$WIMMOUNTDATA` stream that the archive keeps with a member as an extended attribute.
    pub(crate) fn mount_data(&self, index: u32) -> Option<&[u8]> {
        self.members.mount_data(index)
    }

    /// Whether the start of a member was looked at already, and shows that it is none of those that are
    /// [wanted](wanted::is_wanted): to look again would take another pass over the archive.
    pub(crate) fn is_known_other(&self, index: u32) -> bool {
        match &self.container {
            Container::Zip(_) => false,
            Container::Tar(tar) => {
                let entry = self.members.entry(index);
                tar.is_left_out(index) && entry.is_some_and(|entry| entry.obstacle.is_none())
            }
        }
    }

    /// What was found out by reading members, since this was last asked: data without their checksum.
    pub fn take_warnings(&self) -> Warnings {
        self.shared.take_warnings()
    }
}
