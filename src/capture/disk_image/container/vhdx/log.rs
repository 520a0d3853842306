//! The log of a VHDX: what was still to be written when the disk was left. It is read as MS-VHDX 2.3 says, and laid over
//! the file by `replayed`.

use std::collections::BTreeMap;
use std::rc::Rc;

use nom::Parser;
use nom::number::complete::{le_u32, le_u64};
use uuid::Uuid;

use super::crc32c::Crc32c;
use super::header::Header;
use super::replayed::{Page, Replayed};
use crate::binary::{byte_array, guid, structure};
use crate::capture::disk_image::container::container_file::ContainerFile;
use crate::error::Error;
use crate::warning::Warnings;

const SECTOR: u64 = 4096;
const ENTRY: &str = "an entry of the log";
const DESCRIPTOR: &str = "a descriptor of the log";
const DATA: &str = "a data sector of the log";
const HEADER_SIZE: u64 = 64;
const DESCRIPTOR_SIZE: u64 = 32;
/// Windows makes logs of 1 MiB.
const LARGEST_LOG: u64 = 64 << 20;
/// No file of any host is larger.
const LARGEST_FILE: u64 = 1 << 62;
/// How many descriptors are followed: many more than a log of 1 MiB has room for.
const MOST_DESCRIPTORS: u64 = 200_000;
/// How often the log's own size is read to find out which entries are whole: sound ones do not overlap.
const TIMES_CHECKED: u64 = 4;
/// How many of the newest entries are tried as the end of the log.
const MOST_HEADS: usize = 256;

/// `VHDX_LOG_ENTRY_HEADER`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EntryHeader {
    length: u64,
    /// Where the oldest entry stood that was needed when this one was written.
    tail: u64,
    sequence_number: u64,
    descriptor_count: u64,
    /// `FlushedFileOffset`: how large the file was at least.
    flushed_file_size: u64,
    /// `LastFileOffset`: how large it is to be.
    last_file_size: u64,
}

/// The log as it lies in the file.
struct Log<'a> {
    file: &'a ContainerFile,
    offset: u64,
    length: u64,
    guid: Uuid,
    /// Entries by where they stand, from the start of the log; whether they are whole, once that is known.
    entries: BTreeMap<u64, (EntryHeader, Option<bool>)>,
    /// How many bytes may still be read for checksums.
    allowance: u64,
}

/// Gives the file as it is when its log is replayed.
pub(super) fn replay(
    file: ContainerFile,
    header: &Header,
    warnings: &mut Warnings,
) -> Result<ContainerFile, Error> {
    if header.log_guid.is_nil() {
        return Ok(file);
    }
    let mut log = Log::find(&file, header)?;
    let Some(sequence) = log.newest_sequence()? else {
        return Ok(file);
    };
    let mut replayed = Replayed::new(file.clone());
    let (mut descriptors, mut is_cut_off) = (0, false);
    for (at, entry) in sequence {
        descriptors += entry.descriptor_count;
        if descriptors > MOST_DESCRIPTORS {
            let what = format!("a log of more than {MOST_DESCRIPTORS} changes");
            let remedy = "attach the disk to Windows once, which replays its log, and detach it";
            return Err(file.here(log.place(at), Error::unsupported(what, remedy)));
        }
        is_cut_off |= entry.flushed_file_size > file.size();
        log.apply(at, &entry, &mut replayed)?;
    }
    if is_cut_off {
        file.warn_truncated(warnings, "what its log says was written to it");
    }
    Ok(file.with_bytes(Rc::new(replayed)))
}

impl<'a> Log<'a> {
    /// Finds what look like entries of this log.
    fn find(file: &'a ContainerFile, header: &Header) -> Result<Log<'a>, Error> {
        let (offset, length) = (header.log_offset, u64::from(header.log_length));
        let end = offset.checked_add(length);
        let is_sound = length > 0 && length.is_multiple_of(SECTOR) && offset.is_multiple_of(SECTOR);
        if !is_sound || end.is_none_or(|end| end > file.size()) {
            let found = format!("{length} bytes at {offset:#x}");
            let expected = "a log of whole sectors within the file";
            return Err(file.malformed(offset, expected, found));
        }
        if length > LARGEST_LOG {
            let what = format!("a log of {length} bytes");
            let remedy = "attach the disk to Windows once, which replays its log, and detach it";
            return Err(file.here(offset, Error::unsupported(what, remedy)));
        }
        let mut log = Log {
            file,
            offset,
            length,
            guid: header.log_guid,
            entries: BTreeMap::new(),
            allowance: length * TIMES_CHECKED,
        };
        for at in (0..length).step_by(SECTOR as usize) {
            if let Some(header) = log.entry_header(at)? {
                log.entries.insert(at, (header, None));
            }
        }
        Ok(log)
    }

    /// Where a place of the log stands in the file. What reaches over its end goes on at its start.
    fn place(&self, at: u64) -> u64 {
        self.offset + at % self.length
    }

    fn entry_header(&self, at: u64) -> Result<Option<EntryHeader>, Error> {
        let place = self.place(at);
        let bytes: [u8; HEADER_SIZE as usize] = self.file.array(ENTRY, place)?;
        let parsed = structure(ENTRY, place, &bytes, |bytes| {
            let (rest, (signature, _checksum)) = (byte_array::<4>, le_u32).parse(bytes)?;
            let (rest, (length, tail, sequence_number)) = (le_u32, le_u32, le_u64).parse(rest)?;
            let (rest, (descriptor_count, _, log_guid)) = (le_u32, le_u32, guid).parse(rest)?;
            let (rest, (flushed_file_size, last_file_size)) = (le_u64, le_u64).parse(rest)?;
            let header = EntryHeader {
                length: length.into(),
                tail: tail.into(),
                sequence_number,
                descriptor_count: descriptor_count.into(),
                flushed_file_size,
                last_file_size,
            };
            Ok((rest, (signature, log_guid, header)))
        });
        let (_, (signature, log_guid, header)) =
            parsed.map_err(|error| self.file.name_in(error))?;
        let most = header.length.saturating_sub(HEADER_SIZE) / DESCRIPTOR_SIZE;
        let is_entry = signature == *b"loge"
            && log_guid == self.guid
            && header.length > 0
            && header.length.is_multiple_of(SECTOR)
            && header.length <= self.length
            && header.tail.is_multiple_of(SECTOR)
            && header.tail < self.length
            && header.sequence_number > 0
            && header.descriptor_count <= most;
        Ok(is_entry.then_some(header))
    }

    /// Whether the entry at a place has the right checksum.
    fn is_whole(&mut self, at: u64) -> Result<bool, Error> {
        let Some(&(header, is_whole)) = self.entries.get(&at) else {
            return Ok(false);
        };
        if let Some(is_whole) = is_whole {
            return Ok(is_whole);
        }
        let Some(left) = self.allowance.checked_sub(header.length) else {
            let expected = "a log whose entries do not overlap";
            return Err(self.file.malformed(self.place(at), expected, "others"));
        };
        self.allowance = left;
        let mut crc = Crc32c::new();
        let mut told = 0;
        for sector in (0..header.length).step_by(SECTOR as usize) {
            let mut bytes: [u8; SECTOR as usize] =
                self.file.array(ENTRY, self.place(at + sector))?;
            if sector == 0 {
                let (_, checksum) = structure(ENTRY, 0, &bytes[4..], le_u32)?;
                told = checksum;
                bytes[4..8].fill(0);
            }
            crc.update(&bytes);
        }
        let is_whole = crc.finish() == told;
        self.entries.insert(at, (header, Some(is_whole)));
        Ok(is_whole)
    }

    /// The newest entries that follow each other without a gap, the last of which says that they start with the first.
    ///
    /// `None` where nothing was written to the log. An entry that was not written to its end is as if it were not there.
    fn newest_sequence(&mut self) -> Result<Option<Vec<(u64, EntryHeader)>>, Error> {
        let mut heads: Vec<(u64, EntryHeader)> = Vec::new();
        heads.extend(self.entries.iter().map(|(at, (header, _))| (*at, *header)));
        heads.sort_by_key(|(_, header)| std::cmp::Reverse(header.sequence_number));
        let mut broken = None;
        for (at, head) in heads.into_iter().take(MOST_HEADS) {
            if !self.is_whole(at)? {
                continue;
            }
            if let Some(sequence) = self.sequence(at, &head)? {
                return Ok(Some(sequence));
            }
            broken = broken.or(Some(at));
        }
        match broken {
            None => Ok(None),
            Some(at) => {
                let expected = "a log whose newest entries are whole";
                let found = "a gap in it: what was written last cannot be told";
                Err(self.file.malformed(self.place(at), expected, found))
            }
        }
    }

    /// The entries from the one that the head calls the tail to the head itself.
    fn sequence(
        &mut self,
        head_at: u64,
        head: &EntryHeader,
    ) -> Result<Option<Vec<(u64, EntryHeader)>>, Error> {
        let mut sequence: Vec<(u64, EntryHeader)> = Vec::new();
        let mut at = head.tail;
        loop {
            let Some(&(entry, _)) = self.entries.get(&at) else {
                return Ok(None);
            };
            let follows = sequence.last().is_none_or(|(_, last)| {
                last.sequence_number.checked_add(1) == Some(entry.sequence_number)
            });
            // The numbers rise, so that this ends.
            if !follows || entry.sequence_number > head.sequence_number || !self.is_whole(at)? {
                return Ok(None);
            }
            sequence.push((at, entry));
            if at == head_at {
                return Ok(Some(sequence));
            }
            at = (at + entry.length) % self.length;
        }
    }

    /// Lays the changes of an entry over the file.
    fn apply(&self, at: u64, entry: &EntryHeader, replayed: &mut Replayed) -> Result<(), Error> {
        replayed.grow_to(entry.last_file_size.min(LARGEST_FILE));
        let descriptors_size = HEADER_SIZE + DESCRIPTOR_SIZE * entry.descriptor_count;
        let mut data_at = descriptors_size.next_multiple_of(SECTOR);
        for index in 0..entry.descriptor_count {
            // Descriptors do not lie across sectors: their size and that of the header divide a sector's.
            let place = self.place(at + HEADER_SIZE + DESCRIPTOR_SIZE * index);
            let malformed = |found: &'static str| self.file.malformed(place, DESCRIPTOR, found);
            let bytes: [u8; DESCRIPTOR_SIZE as usize] = self.file.array(DESCRIPTOR, place)?;
            let parsed = structure(DESCRIPTOR, place, &bytes, |bytes| {
                let (rest, (signature, end)) = (byte_array, byte_array).parse(bytes)?;
                let (rest, (start, offset, sequence_number)) =
                    (byte_array, le_u64, le_u64).parse(rest)?;
                Ok((rest, (signature, end, start, offset, sequence_number)))
            });
            let (_, (signature, end, start, offset, sequence_number)) =
                parsed.map_err(|error| self.file.name_in(error))?;
            let signature: [u8; 4] = signature;
            if sequence_number != entry.sequence_number {
                return Err(malformed("one of another entry"));
            }
            if !offset.is_multiple_of(SECTOR) || offset > LARGEST_FILE {
                return Err(malformed(
                    "one for a part of a sector, or for no place of a file",
                ));
            }
            match &signature {
                b"zero" => {
                    let length = u64::from_le_bytes(start);
                    let end = offset.checked_add(length);
                    let end =
                        end.filter(|&end| length.is_multiple_of(SECTOR) && end <= LARGEST_FILE);
                    let end = end.ok_or_else(|| malformed("zeros of such a length"))?;
                    replayed.lay_zeros(offset, end);
                }
                b"desc" => {
                    if data_at >= entry.length {
                        return Err(malformed("one without its data sector"));
                    }
                    let data = self.place(at + data_at);
                    self.check_data(data, entry)?;
                    replayed.lay(offset, Page { data, start, end });
                    data_at += SECTOR;
                }
                _ => return Err(malformed("another signature than desc and zero")),
            }
        }
        Ok(())
    }

    /// `VHDX_LOG_DATA_SECTOR`: its signature, and the halves of its sequence number at both ends.
    fn check_data(&self, place: u64, entry: &EntryHeader) -> Result<(), Error> {
        let start: [u8; 8] = self.file.array(DATA, place)?;
        let end: [u8; 4] = self.file.array(DATA, place + SECTOR - 4)?;
        let [low, high] = [
            entry.sequence_number as u32,
            (entry.sequence_number >> 32) as u32,
        ];
        let expected = [&b"data"[..], &high.to_le_bytes()].concat();
        if start[..] != expected || end != low.to_le_bytes() {
            return Err(self.file.malformed(place, DATA, "one of another entry"));
        }
        Ok(())
    }
}
