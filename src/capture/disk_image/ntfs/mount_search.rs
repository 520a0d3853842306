//! The search of a whole volume for traces of mounts, in the order of its records: whatever is in no directory any more
//! is found too, and no directory is read.

use super::NtfsVolume;
use super::attribute::AttributeType;
use super::attribute_set::AttributeSet;
use super::file_record::{FileRecord, Head};
use super::ntfs_file::NtfsFile;
use super::update_sequence;
use crate::capture::volume::MOUNT_DATA;
use crate::error::Error;
use crate::mount_point::ReparseTag;
use crate::warning::{Warning, WarningCode};
use crate::wide_string::WideString;

/// A trace of a mount.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum MountTrace {
    /// A directory with a stream `$WIMMOUNTDATA`.
    Directory(NtfsFile),
    /// A file whose contents the WIM mount filter provides: a reparse point `IO_REPARSE_TAG_WIM`.
    File(NtfsFile),
}

/// Reads records many at a time.
pub(super) struct MountSearch<'a> {
    volume: &'a NtfsVolume,
    mount_data: WideString,
}

impl<'a> MountSearch<'a> {
    /// Bytes of the table that are read at once, more than any record has.
    const BLOCK_SIZE: u64 = 256 << 10;

    pub(super) fn new(volume: &'a NtfsVolume) -> Self {
        MountSearch {
            volume,
            mount_data: MOUNT_DATA.into(),
        }
    }

    /// Looks at every record; `visit` is called for each that starts a file.
    pub(super) fn run(&self, visit: &mut dyn FnMut(Option<MountTrace>)) {
        let table = self.volume.table();
        let record_size = u64::from(table.boot_sector.record_size);
        let cluster_size = u64::from(table.boot_sector.cluster_size);
        // The evidence cannot hold more records, whatever the table's size says.
        let count = table.record_count().min(table.stored_size() / record_size);
        let end = count * record_size;
        let mut block = Vec::new();
        for run in table.runs().iter() {
            let mut offset = run.vcn * cluster_size;
            let run_end = end.min(run.end() * cluster_size);
            if run.lcn.is_none() {
                continue;
            }
            while offset < run_end {
                let number = offset / record_size;
                // A record that ends in another run is read on its own, and passed by where that run starts.
                let is_rest = offset % record_size != 0;
                if is_rest || run_end - offset < record_size {
                    if !is_rest {
                        self.visit_alone(number, visit);
                    }
                    offset = (number + 1) * record_size;
                    continue;
                }
                let length = (run_end - offset).min(Self::BLOCK_SIZE);
                let length = length - length % record_size;
                block.resize(length as usize, 0);
                match table.read_run(run, offset, &mut block) {
                    Ok(_) => self.visit_block(&mut block, number, visit),
                    // The volume may end in the middle.
                    Err(_) => (number..number + length / record_size)
                        .for_each(|number| self.visit_alone(number, visit)),
                }
                offset += length;
            }
        }
    }

    /// Looks at a record that is read on its own.
    fn visit_alone(&self, number: u64, visit: &mut dyn FnMut(Option<MountTrace>)) {
        let table = self.volume.table();
        let record_size = u64::from(table.boot_sector.record_size);
        let mut record = vec![0; record_size as usize];
        match table.read_at(number * record_size, &mut record) {
            Ok(()) => self.visit_block(&mut record, number, visit),
            Err(error) => self.warn(number, &error),
        }
    }

    /// Looks at records that lie side by side.
    fn visit_block(&self, block: &mut [u8], first: u64, visit: &mut dyn FnMut(Option<MountTrace>)) {
        let record_size = self.volume.table().boot_sector.record_size as usize;
        for (number, record) in (first..).zip(block.chunks_exact_mut(record_size)) {
            let Some(head) = Head::parse(record) else {
                continue;
            };
            let is_file = head.flags & Head::IN_USE != 0 && head.base.raw() == 0;
            let is_record = record.starts_with(FileRecord::SIGNATURE);
            if is_record && is_file {
                let is_candidate = self.is_candidate(record, &head);
                let trace = is_candidate.then(|| self.trace(number)).transpose();
                match trace {
                    Ok(trace) => visit(trace.flatten()),
                    Err(error) => self.warn(number, &error),
                }
            } else if !is_record && record.iter().any(|&byte| byte != 0) {
                let error = self.volume.table().record(number).err();
                error.iter().for_each(|error| self.warn(number, error));
            }
        }
    }

    /// Whether a record may be a trace, as far as that can be seen without looking closely.
    fn is_candidate(&self, record: &mut [u8], head: &Head) -> bool {
        if update_sequence::undo(record, FileRecord::SIGNATURE, 0).is_err() {
            // What is wrong with it is told when it is read.
            return true;
        }
        let mut offset = head.attributes_offset();
        loop {
            let Some((head, _)) = record
                .get(offset..)
                .and_then(<[u8]>::split_first_chunk::<16>)
            else {
                return true;
            };
            let number = |from: usize| {
                u32::from_le_bytes([head[from], head[from + 1], head[from + 2], head[from + 3]])
            };
            let (kind, length, name_length) = (AttributeType(number(0)), number(4), head[9]);
            match kind {
                AttributeType::END => return false,
                AttributeType::ATTRIBUTE_LIST | AttributeType::REPARSE_POINT => return true,
                AttributeType::DATA
                    if usize::from(name_length) == self.mount_data.as_units().len() =>
                {
                    return true;
                }
                _ if length < 16 => return true,
                _ => offset = offset.saturating_add(length as usize),
            }
        }
    }

    fn trace(&self, number: u64) -> Result<Option<MountTrace>, Error> {
        let table = self.volume.table();
        let record = table.record(number)?;
        if !record.is_in_use() || record.head.base.raw() != 0 {
            return Ok(None);
        }
        if record.is_directory() {
            let attributes = AttributeSet::new(table.clone(), record.clone());
            let has_stream = attributes.has(AttributeType::DATA, &self.mount_data)?;
            return Ok(has_stream
                .then(|| MountTrace::Directory(NtfsFile::new(self.volume.clone(), record))));
        }
        let file = NtfsFile::new(self.volume.clone(), record);
        let is_stub = file.reparse_tag()? == Some(ReparseTag::WIM);
        Ok(is_stub.then_some(MountTrace::File(file)))
    }

    fn warn(&self, number: u64, error: &Error) {
        let consequence = format!("record {number} was not searched");
        let code = WarningCode::FileTableDamaged;
        let warning = Warning::with_consequence(code, &consequence, error);
        self.volume.table().warn(warning);
    }
}
