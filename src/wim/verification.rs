//! Verifying a WIM as a whole: by its integrity table, or by the SHA-1 of all the data in it.

use std::io::{Read, Seek};
use std::ops::ControlFlow;

use super::captured_wim::{CapturedWim, Part, read_to_end};
use super::integrity::{Integrity, IntegrityTable, PartIntegrity, VerificationProgress, hash};
use super::lookup_table::{LookupEntry, NO_DATA};
use crate::binary::hexadecimal;
use crate::error::{Error, Position};
use crate::warning::{Warning, WarningCode, Warnings};

/// What came of holding all data of one part of a WIM against their SHA-1.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DataVerification {
    /// The part's number, counted from 1.
    pub part_number: u16,
    /// How many data there are: those of files and streams, and metadata of images. Metadata without a SHA-1, which some
    /// writers leave out, are not among them.
    pub count: u64,
    /// How many of them are wrong or cannot be read.
    pub damaged_count: u64,
    /// What is wrong, each time with the place of its resource.
    pub warnings: Warnings,
}

impl<R: Read + Seek + Clone> CapturedWim<R> {
    /// Holds the bytes of every part that was added against its integrity table, in the order of the parts.
    ///
    /// `progress` is told once before and every time some bytes were hashed; where it breaks off there is no result.
    ///
    /// The table covers neither the header nor the XML data. Where there is none, [`verify_data`](Self::verify_data)
    /// finds damage nevertheless.
    pub fn verify(
        &self,
        progress: impl FnMut(VerificationProgress) -> ControlFlow<()>,
    ) -> Option<Vec<PartIntegrity>> {
        let tables: Vec<_> = self.parts.iter().map(Part::integrity_table).collect();
        let found = tables
            .iter()
            .filter_map(|table| table.as_ref().ok()?.as_ref());
        let mut progress = ProgressCount::start(found.map(IntegrityTable::covered_size), progress)?;
        let verify = |(part, table): (&Part<R>, _)| {
            let integrity = match table {
                Ok(Some(table)) => part.verify(&table, &mut progress).transpose()?,
                Ok(None) => Ok(Integrity::NoTable),
                Err(error) => Err(error),
            };
            Some(PartIntegrity {
                part_number: part.header.part_number,
                integrity,
            })
        };
        self.parts.iter().zip(tables).map(verify).collect()
    }

    /// Decompresses all data of every part that was added and holds them against their SHA-1, in the order in which they
    /// lie in the file.
    ///
    /// `progress` is told once before and every time some bytes were hashed, of data that cannot be read all at once;
    /// where it breaks off there is no result.
    ///
    /// Data that overlap others in the file are not read, so that no byte is decompressed twice: they are damaged. A few
    /// bytes can be chunks of many megabytes nevertheless: how long a hostile file takes, `total` tells beforehand.
    pub fn verify_data(
        &self,
        progress: impl FnMut(VerificationProgress) -> ControlFlow<()>,
    ) -> Option<Vec<DataVerification>> {
        let entries: Vec<_> = self.parts.iter().map(Part::hashed_entries).collect();
        let sizes = entries.iter().flatten().map(LookupEntry::data_size);
        let mut progress = ProgressCount::start(sizes, progress)?;
        let parts = self.parts.iter().zip(&entries);
        parts
            .map(|(part, entries)| part.verify_data(entries, &mut progress))
            .collect()
    }
}

/// Counts bytes for one who is told of them.
struct ProgressCount<F> {
    state: VerificationProgress,
    progress: F,
}

impl<F: FnMut(VerificationProgress) -> ControlFlow<()>> ProgressCount<F> {
    /// Tells of the start; `None` where that is the end already.
    fn start(sizes: impl Iterator<Item = u64>, mut progress: F) -> Option<Self> {
        let state = VerificationProgress {
            verified: 0,
            total: sizes.fold(0, u64::saturating_add),
        };
        let is_wanted = progress(state).is_continue();
        is_wanted.then_some(ProgressCount { state, progress })
    }

    fn add(&mut self, size: u64) -> ControlFlow<()> {
        self.state.verified = self.state.verified.saturating_add(size);
        (self.progress)(self.state)
    }
}

impl<R: Read + Seek + Clone> Part<R> {
    fn integrity_table(&self) -> Result<Option<IntegrityTable>, Error> {
        let resource = self.header.integrity_table;
        if resource.is_absent() {
            return Ok(None);
        }
        let reader = self.open_header(resource)?;
        let bytes = read_to_end(reader, resource.offset, IntegrityTable::MAX_SIZE)?;
        IntegrityTable::parse(&bytes, resource.offset, &self.header).map(Some)
    }

    /// Hashes the chunks of the file; `None` where the progress broke off. What is not hashed for an error counts as done.
    fn verify<F: FnMut(VerificationProgress) -> ControlFlow<()>>(
        &self,
        table: &IntegrityTable,
        progress: &mut ProgressCount<F>,
    ) -> Result<Option<Integrity>, Error> {
        let mut left = table.covered_size();
        let integrity = table.verify(&mut self.source.clone(), |size| {
            left -= size;
            progress.add(size)
        });
        if integrity.is_err() && progress.add(left).is_break() {
            return Ok(None);
        }
        integrity
    }

    /// The entries of data that lie in this part, in the order of their places; those in solid resources last.
    fn hashed_entries(&self) -> Vec<LookupEntry> {
        let table = &self.lookup_table;
        let all = table.metadata().iter().chain(table.data());
        let mut entries: Vec<_> = all
            .filter(|entry| entry.sha1 != NO_DATA && self.holds(entry))
            .copied()
            .collect();
        entries.sort_by_key(|entry| (entry.solid_run, entry.header.offset, entry.header.size));
        // Images with the same metadata may share them.
        entries.dedup_by_key(|entry| (entry.solid_run, entry.header, entry.sha1));
        entries
    }

    /// `None` where the progress broke off.
    fn verify_data<F: FnMut(VerificationProgress) -> ControlFlow<()>>(
        &self,
        entries: &[LookupEntry],
        progress: &mut ProgressCount<F>,
    ) -> Option<DataVerification> {
        let mut result = DataVerification {
            part_number: self.header.part_number,
            count: entries.len() as u64,
            damaged_count: 0,
            warnings: Warnings::default(),
        };
        // Where the data that were read last end, in the file or in a run of solid resources.
        let (mut last_run, mut end) = (None, 0);
        for entry in entries {
            let (run, start) = (entry.solid_run, entry.header.offset);
            if run != last_run {
                (last_run, end) = (run, 0);
            }
            let mut left = entry.data_size();
            let checked = match entry.header.size > 0 && start < end {
                true => Err(overlap(entry, end)),
                false => self
                    .check(entry, |size| {
                        left = left.saturating_sub(size);
                        progress.add(size)
                    })
                    .transpose()?,
            };
            if left > 0 && progress.add(left).is_break() {
                return None;
            }
            end = end.max(start.saturating_add(entry.header.size));
            if let Err(error) = checked {
                result.damaged_count += 1;
                let warning = Warning::of(WarningCode::ResourceDamaged, &error);
                result.warnings.push(warning);
            }
        }
        Some(result)
    }

    /// Reads data to the end, and holds them against their SHA-1; `None` where the progress broke off.
    fn check(
        &self,
        entry: &LookupEntry,
        progress: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<()>, Error> {
        let mut reader = self.open_entry(entry)?;
        let place = Position::Byte(reader.resource().header.offset);
        match hash(&mut reader, progress).map_err(|error| error.at(place))? {
            None => Ok(None),
            Some((_, found)) if found == entry.sha1 => Ok(Some(())),
            Some((_, found)) => Err(Error::malformed(
                format!("data with the SHA-1 {}", hexadecimal(&entry.sha1)),
                hexadecimal(&found),
            )
            .at(place)),
        }
    }
}

fn overlap(entry: &LookupEntry, end: u64) -> Error {
    let start = entry.header.offset;
    let expected = format!("data that start at {end:#x} or behind, where others end");
    let error = Error::malformed(expected, format!("some at {start:#x}"));
    // In solid resources the offset is none in the file.
    match entry.solid_run {
        None => error.at(Position::Byte(start)),
        Some(_) => error,
    }
}
