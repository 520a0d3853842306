//! Tar archives, plain or compressed as a whole.
//!
//! They have no directory: one pass over the headers finds the members. Of a compressed archive everything is unpacked
//! for that, so what is wanted by its name or its first bytes is kept on the way; anything else takes another pass.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read};
use std::rc::Rc;

use super::compression::{Compression, Decompressed};
use super::member::{MemberKind, MemberList, NewMember, Obstacle};
use super::tar_header::{BLOCK, TarExtension, TarHeader, until_nul};
use super::tar_stream::Stream;
use super::unpacked::{KeptMember, MemberData, Shared, Unpacked};
use crate::capture::read_at::{ReadAt, Section};
use crate::error::{Error, Position};
use crate::warning::{Warning, WarningCode, Warnings};

/// The most bytes of a pax header or a long name.
const MAX_EXTENSION: u64 = 1 << 20;
/// How many bytes of a member tell whether it is wanted.
pub(super) const START_LENGTH: usize = 512;
/// How many members are kept on the way; others take a pass each.
const MAX_KEPT_MEMBERS: usize = 4096;
/// How many bytes are looked at for data behind the end.
const MAX_TRAILER: u64 = 64 << 10;

/// What messages call the file that was compressed by itself.
const ONE_FILE: &[u8] = b"unpacked data";

/// Whether a member is kept on the way, by its name and its first bytes.
pub(super) type Wanted<'a> = &'a dyn Fn(&[u8], &[u8]) -> bool;

/// A tar archive.
pub(super) struct Tar {
    source: Rc<dyn ReadAt>,
    compression: Option<Compression>,
    /// Where the data of each member start, in the archive as it is when it is not compressed.
    places: Vec<u64>,
    kept: HashMap<u32, Rc<Unpacked>>,
}

impl fmt::Debug for Tar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tar of {} members", self.places.len())
    }
}

impl Tar {
    /// How a tar archive is compressed that starts with these bytes; none for what is no archive of this kind.
    pub(super) fn detect(start: &[u8]) -> Option<Option<Compression>> {
        let starts = |signature: &[u8]| start.starts_with(signature);
        if starts(b"\x1F\x8B\x08") {
            return Some(Some(Compression::Gzip));
        }
        if starts(b"\xFD7zXZ\0") {
            return Some(Some(Compression::Xz));
        }
        if starts(b"\x28\xB5\x2F\xFD") {
            return Some(Some(Compression::Zstandard));
        }
        if starts(b"BZh") {
            return Some(Some(Compression::Bzip2));
        }
        let block: &[u8; BLOCK] = start.get(..BLOCK)?.try_into().ok()?;
        (block[0] != 0 && TarHeader::is_header(block)).then_some(None)
    }

    /// Goes over the archive once. Tells whether that was all of it.
    pub(super) fn open(
        source: Rc<dyn ReadAt>,
        compression: Option<Compression>,
        wanted: Wanted<'_>,
        shared: &Rc<Shared>,
        members: &mut MemberList,
        warnings: &mut Warnings,
    ) -> Result<(Self, bool), Error> {
        let mut stream = Stream::new(&source, compression, &shared.allowance)?;
        if compression.is_some() {
            let start = stream.start()?;
            if !is_start_of_tar(&start) {
                return Self::of_one_file(
                    source,
                    compression,
                    stream,
                    start,
                    wanted,
                    shared,
                    members,
                );
            }
            stream = Stream::new(&source, compression, &shared.allowance)?;
        }
        let mut pass = Pass {
            stream,
            position: 0,
            wanted,
            shared,
            members,
            places: Vec::new(),
            kept: HashMap::new(),
            hard_links: Vec::new(),
        };
        let end = pass.run(warnings);
        let is_whole = match end {
            Ok(()) => true,
            Err(error) if pass.places.is_empty() => return Err(error),
            Err(error) => {
                let text = format!(
                    "the archive is damaged behind its member {}, what follows is not known: {error}",
                    pass.places.len()
                );
                warnings.push(Warning::new(WarningCode::ArchiveDamaged, text));
                false
            }
        };
        pass.resolve_hard_links();
        let (places, kept) = (pass.places, pass.kept);
        let tar = Tar {
            source,
            compression,
            places,
            kept,
        };
        Ok((tar, is_whole))
    }

    /// What is compressed is no tar archive but a file.
    fn of_one_file(
        source: Rc<dyn ReadAt>,
        compression: Option<Compression>,
        mut stream: Stream,
        start: Vec<u8>,
        wanted: Wanted<'_>,
        shared: &Rc<Shared>,
        members: &mut MemberList,
    ) -> Result<(Self, bool), Error> {
        let mut tar = Tar {
            source,
            compression,
            places: vec![0],
            kept: HashMap::new(),
        };
        let obstacle = obstacle_of(&start);
        let kept = (obstacle.is_none() && wanted(ONE_FILE, &start))
            .then(|| KeptMember::take_all(start, &mut stream, shared));
        let size = kept.as_ref().map_or(0, KeptMember::len);
        let index = members.add(NewMember {
            name: ONE_FILE,
            kind: MemberKind::File,
            size,
            modified: None,
            obstacle,
        })?;
        if let Some(kept) = kept {
            let member = MemberData {
                name: String::from_utf8_lossy(ONE_FILE).into_owned(),
                size,
                most: size,
                crc32: None,
            };
            let unpacked = Unpacked::complete(member, kept, Rc::clone(shared));
            tar.kept.insert(index, Rc::new(unpacked));
        }
        Ok((tar, true))
    }

    /// Whether a member was not wanted on the way through a compressed archive.
    pub(super) fn is_left_out(&self, index: u32) -> bool {
        self.compression.is_some() && !self.kept.contains_key(&index)
    }

    /// The data of a member.
    pub(super) fn open_member(
        &self,
        index: u32,
        name: String,
        size: u64,
        shared: &Rc<Shared>,
    ) -> Result<Rc<dyn ReadAt>, Error> {
        if let Some(kept) = self.kept.get(&index) {
            return Ok(Rc::clone(kept) as Rc<dyn ReadAt>);
        }
        let place = self.places.get(index as usize).copied();
        let place = place.ok_or_else(|| Error::malformed("a member", "none"))?;
        let source = Rc::clone(&self.source);
        let Some(compression) = self.compression else {
            let left = source.size().saturating_sub(place);
            if left < size {
                return Err(Error::malformed(
                    format!("{size} bytes of data"),
                    format!("the end of the archive after {left}"),
                )
                .at(Position::Byte(place)));
            }
            return Ok(Rc::new(Section::new(source, place, size)));
        };
        let member = MemberData {
            name,
            size,
            most: Decompressed::most_out_of(self.source.size()),
            crc32: None,
        };
        let allowance = Rc::clone(&shared.allowance);
        let stream = move || {
            let (source, end) = (Rc::clone(&source), source.size());
            let allowance = Rc::clone(&allowance);
            let mut stream = Decompressed::new(compression, source, 0, end, None, allowance)?;
            stream.skip(place)?;
            Ok(stream)
        };
        let stream = Box::new(stream);
        Ok(Rc::new(Unpacked::new(member, stream, Rc::clone(shared))))
    }
}

/// Whether a tar archive may start so: with a header, even a damaged one, or empty as it is.
fn is_start_of_tar(start: &[u8]) -> bool {
    let block: Result<&[u8; BLOCK], _> = start.try_into();
    block.is_ok_and(|block| {
        let is_empty = block.iter().all(|&byte| byte == 0);
        is_empty || TarHeader::is_header(block) || block[257..].starts_with(b"ustar")
    })
}

/// What keeps a member of a compressed archive from being read, as its first bytes show.
#[cfg(feature = "disk-image")]
fn obstacle_of(start: &[u8]) -> Option<Obstacle> {
    crate::capture::disk_image::Disk::is_container(start).then_some(Obstacle::PackedDisk)
}

#[cfg(not(feature = "disk-image"))]
fn obstacle_of(_: &[u8]) -> Option<Obstacle> {
    None
}

/// One pass over an archive.
struct Pass<'a> {
    stream: Stream,
    position: u64,
    wanted: Wanted<'a>,
    shared: &'a Rc<Shared>,
    members: &'a mut MemberList,
    places: Vec<u64>,
    kept: HashMap<u32, Rc<Unpacked>>,
    /// Members that have the data of another one, and its name.
    hard_links: Vec<(u32, Vec<u8>)>,
}

impl Pass<'_> {
    fn run(&mut self, warnings: &mut Warnings) -> Result<(), Error> {
        let mut extension = TarExtension::default();
        loop {
            let at = Position::Byte(self.position);
            let Some(block) = self.block()? else {
                return match self.position {
                    0 => Err(Error::malformed("a tar archive", "no data").at(at)),
                    // Writers that are cut off between two members look so, too.
                    _ => Err(Error::malformed("two blocks of zeros", "the end").at(at)),
                };
            };
            if block.iter().all(|&byte| byte == 0) {
                return self.trailer(warnings);
            }
            let header = TarHeader::parse(&block).map_err(|error| error.at(at))?;
            match header.type_flag {
                b'x' => {
                    let records = self.extension(header.size)?;
                    extension.read_pax(&records).map_err(|error| error.at(at))?;
                }
                b'L' => extension.name = Some(self.long_name(header.size)?),
                b'K' => extension.link_name = Some(self.long_name(header.size)?),
                // What holds for all members is their owner, or a comment.
                b'g' | b'V' => self.skip_data(header.size)?,
                _ => self.member(header, std::mem::take(&mut extension), at)?,
            }
        }
    }

    /// The next block; none at the end.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, Error> {
        let mut block = [0; BLOCK];
        let mut length = 0;
        while length < BLOCK {
            match self.stream.read(&mut block[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io(&error).at(Position::Byte(self.position))),
            }
        }
        match length {
            0 => Ok(None),
            BLOCK => {
                self.position += BLOCK as u64;
                Ok(Some(block))
            }
            _ => Err(Error::malformed(
                format!("a block of {BLOCK} bytes"),
                format!("the end after {length}"),
            )
            .at(Position::Byte(self.position))),
        }
    }

    /// The data of a header that belongs to the next one.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, Error> {
        let at = Position::Byte(self.position);
        if size > MAX_EXTENSION {
            return Err(Error::malformed(
                format!("an extended header of at most {MAX_EXTENSION} bytes"),
                format!("one of {size}"),
            )
            .at(at));
        }
        let mut bytes = Vec::new();
        let read = self.stream.by_ref().take(size).read_to_end(&mut bytes);
        read.map_err(|error| Error::io(&error).at(at))?;
        if bytes.len() as u64 != size {
            return Err(Error::malformed(
                format!("{size} bytes of an extended header"),
                format!("the end after {}", bytes.len()),
            )
            .at(at));
        }
        self.position += size;
        self.skip(padding(size))?;
        Ok(bytes)
    }

    fn long_name(&mut self, size: u64) -> Result<Vec<u8>, Error> {
        Ok(until_nul(&self.extension(size)?).to_vec())
    }

    fn skip_data(&mut self, size: u64) -> Result<(), Error> {
        self.skip(size.saturating_add(padding(size)))
    }

    fn skip(&mut self, length: u64) -> Result<(), Error> {
        let start = self.position;
        let end = start.saturating_add(length);
        let skipped = self.stream.skip(length);
        let is_there = skipped.and_then(|()| self.stream.has_reached(end));
        match is_there.map_err(|error| Error::io(&error).at(Position::Byte(start)))? {
            true => {
                self.position = end;
                Ok(())
            }
            false => Err(Error::malformed(
                format!("{length} bytes of data"),
                "the end before them",
            )
            .at(Position::Byte(start))),
        }
    }

    fn member(
        &mut self,
        header: TarHeader,
        extension: TarExtension,
        at: Position,
    ) -> Result<(), Error> {
        let name = extension.name.unwrap_or(header.name);
        let (kind, mut obstacle) = match header.type_flag {
            _ if name.ends_with(b"/") && matches!(header.type_flag, b'0' | 0) => {
                (MemberKind::Directory, None)
            }
            b'5' | b'D' => (MemberKind::Directory, None),
            b'2' => (MemberKind::Link, None),
            b'3' | b'4' | b'6' => (MemberKind::Special, None),
            b'S' => (MemberKind::File, Some(Obstacle::Sparse)),
            b'M' => (MemberKind::File, Some(Obstacle::MultiVolume)),
            // POSIX: a type that is not known is a file.
            _ => (MemberKind::File, None),
        };
        if extension.is_sparse {
            obstacle = Some(Obstacle::Sparse);
        }
        if header.type_flag == b'S' {
            self.skip_sparse_map(header.has_more_map)?;
        }
        let stored = match header.type_flag {
            // Links have no data, whatever the size says.
            b'1' | b'2' => 0,
            _ => extension.size.unwrap_or(header.size),
        };
        let index = self
            .members
            .add(NewMember {
                name: &name,
                kind,
                size: stored,
                modified: extension.modified.or(header.modified),
                obstacle,
            })
            .map_err(|error| error.at(at))?;
        self.places.push(self.position);
        let link_name = extension.link_name.unwrap_or(header.link_name);
        match header.type_flag {
            b'1' => self.hard_links.push((index, link_name)),
            b'2' => self.members.keep_link_target(index, link_name),
            _ => {}
        }
        if let Some(stream) = extension.mount_data {
            self.members.keep_mount_data(index, stream);
        }
        let is_file = kind == MemberKind::File && obstacle.is_none();
        if let Stream::Packed(_) = self.stream
            && is_file
            && self.kept.len() < MAX_KEPT_MEMBERS
        {
            return self.keep_or_skip(index, &name, stored);
        }
        self.skip_data(stored)
    }

    /// Unpacks a member that is wanted, and leaves out one that is not.
    fn keep_or_skip(&mut self, index: u32, name: &[u8], size: u64) -> Result<(), Error> {
        let mut start = Vec::new();
        let at = Position::Byte(self.position);
        let length = size.min(START_LENGTH as u64);
        let read = self.stream.by_ref().take(length).read_to_end(&mut start);
        read.map_err(|error| Error::io(&error).at(at))?;
        let start_length = start.len() as u64;
        if !(self.wanted)(name, &start) {
            if let Some(entry) = self.members.entry_mut(index) {
                entry.obstacle = obstacle_of(&start);
            }
            self.position += start_length;
            return self.skip(size - start_length + padding(size));
        }
        let kept = KeptMember::take(start, size, &mut self.stream, self.shared);
        let length = kept.len();
        let member = MemberData {
            name: String::from_utf8_lossy(name).into_owned(),
            size,
            most: length,
            crc32: None,
        };
        let unpacked = Unpacked::complete(member, kept, Rc::clone(self.shared));
        self.kept.insert(index, Rc::new(unpacked));
        self.position += length;
        self.skip(size - length + padding(size))
    }

    /// Blocks with the map of a sparse file in GNU tar's old format: each tells whether another one follows.
    fn skip_sparse_map(&mut self, mut has_more: bool) -> Result<(), Error> {
        while has_more {
            let at = Position::Byte(self.position);
            let block = self.block()?;
            let block = block
                .ok_or_else(|| Error::malformed("the map of a sparse file", "the end").at(at))?;
            has_more = block[504] != 0;
        }
        Ok(())
    }

    /// What follows the first block of zeros should be zeros.
    fn trailer(&mut self, warnings: &mut Warnings) -> Result<(), Error> {
        let mut bytes = Vec::new();
        let at = Position::Byte(self.position);
        let read = self
            .stream
            .by_ref()
            .take(MAX_TRAILER)
            .read_to_end(&mut bytes);
        read.map_err(|error| Error::io(&error).at(at))?;
        if bytes.iter().any(|&byte| byte != 0) {
            warnings.push(Warning::malformed(
                WarningCode::TrailingBytes,
                at,
                "zeros behind the end of the archive",
                "other data, which are not read",
            ));
        }
        Ok(())
    }

    fn resolve_hard_links(&mut self) {
        if self.hard_links.is_empty() {
            return;
        }
        let mut targets: HashMap<&[u8], Option<u32>> = self
            .hard_links
            .iter()
            .map(|(_, target)| (&**target, None))
            .collect();
        for index in 0..self.members.len() {
            let is_link = self
                .hard_links
                .binary_search_by_key(&index, |link| link.0)
                .is_ok();
            if let Some(member) = self.members.member(index)
                && !is_link
                && let Some(target) = targets.get_mut(member.name)
            {
                *target = Some(index);
            }
        }
        let resolved: Vec<(u32, Option<u32>)> = self
            .hard_links
            .iter()
            .map(|(link, target)| (*link, targets.get(&**target).copied().flatten()))
            .collect();
        for (link, target) in resolved {
            let data = target.and_then(|target| self.members.entry(target).copied());
            let place = target.and_then(|target| self.places.get(target as usize).copied());
            if let Some(entry) = self.members.entry_mut(link) {
                match data {
                    Some(data) => {
                        entry.size = data.size;
                        entry.kind = data.kind;
                        entry.obstacle = data.obstacle;
                    }
                    None => entry.obstacle = Some(Obstacle::LostLink),
                }
            }
            if let (Some(place), Some(own)) = (place, self.places.get_mut(link as usize)) {
                *own = place;
            }
            if let Some(kept) = target.and_then(|target| self.kept.get(&target)) {
                let kept = Rc::clone(kept);
                self.kept.insert(link, kept);
            }
        }
    }
}

/// How many bytes fill up the last block.
fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}
