//! Verifying a WIM as a whole: by its integrity table, or by the SHA-1 of all the data in it.

use std::io::{Read, Seek};

use super::captured_wim::{CapturedWim, Part, hexadecimal, read_to_end};
use super::integrity::{Integrity, IntegrityTable, PartIntegrity, VerificationProgress, hash};
use super::lookup_table::{LookupEntry, NO_DATA};
use crate::error::{Error, Position, Warning, WarningCode, Warnings};

/// What came of holding all data of one part of a WIM against their SHA-1.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Holds the bytes of every part that was added against its integrity table, in the order of the parts. `progress` is
    /// told every time some bytes were hashed, and once before.
    ///
    /// The table covers neither the header nor the XML data. Where there is none, [`verify_data`](Self::verify_data)
    /// finds damage nevertheless.
    pub fn verify(&self, mut progress: impl FnMut(VerificationProgress)) -> Vec<PartIntegrity> {
        let tables: Vec<_> = self.parts.iter().map(Part::integrity_table).collect();
        let found = tables
            .iter()
            .filter_map(|table| table.as_ref().ok()?.as_ref());
        let mut state = VerificationProgress {
            verified: 0,
            total: found
                .map(IntegrityTable::covered_size)
                .fold(0, u64::saturating_add),
        };
        progress(state);
        let mut verified = |size| {
            state.verified += size;
            progress(state);
        };
        let mut verify =
            |(part, table): (&Part<R>, Result<Option<IntegrityTable>, Error>)| PartIntegrity {
                part_number: part.header.part_number,
                integrity: match table {
                    Ok(Some(table)) => table.verify(&mut part.source.clone(), &mut verified),
                    Ok(None) => Ok(Integrity::NoTable),
                    Err(error) => Err(error),
                },
            };
        self.parts.iter().zip(tables).map(&mut verify).collect()
    }

    /// Decompresses all data of every part that was added and holds them against their SHA-1, in the order in which they
    /// lie in the file. `progress` is told every time some bytes were hashed, and once before; where data cannot be read
    /// they count as a whole.
    ///
    /// Data that overlap others in the file are not read, so that no byte is decompressed twice: they are damaged.
    pub fn verify_data(
        &self,
        mut progress: impl FnMut(VerificationProgress),
    ) -> Vec<DataVerification> {
        let entries: Vec<_> = self.parts.iter().map(Part::hashed_entries).collect();
        let sizes = entries.iter().flatten().map(LookupEntry::data_size);
        let mut state = VerificationProgress {
            verified: 0,
            total: sizes.fold(0, u64::saturating_add),
        };
        progress(state);
        let mut verified = |size| {
            state.verified = state.verified.saturating_add(size);
            progress(state);
        };
        let parts = self.parts.iter().zip(entries);
        parts
            .map(|(part, entries)| part.verify_data(&entries, &mut verified))
            .collect()
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

    /// The entries of data that lie in this part, in the order of their places; those of solid resources last.
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

    fn verify_data(
        &self,
        entries: &[LookupEntry],
        mut verified: impl FnMut(u64),
    ) -> DataVerification {
        let mut result = DataVerification {
            part_number: self.header.part_number,
            count: entries.len() as u64,
            damaged_count: 0,
            warnings: Warnings::default(),
        };
        // Where the data before end, in the file or in a run of solid resources.
        let mut before = (None, 0);
        for entry in entries {
            let (run, start) = (entry.solid_run, entry.header.offset);
            let overlaps = entry.header.size > 0 && before.0 == run && start < before.1;
            let checked = match overlaps {
                true => Err(overlap(entry, before.1)),
                false => self.check(entry, &mut verified),
            };
            before = (run, start.saturating_add(entry.header.size));
            if let Err(error) = checked {
                result.damaged_count += 1;
                let warning = Warning::new(WarningCode::ResourceDamaged, error.without_position());
                result.warnings.push(match error.position() {
                    Some(position) => warning.at(position),
                    None => warning,
                });
            }
        }
        result
    }

    /// Reads data to the end, unless they cannot be read, and tells of all of them.
    fn check(&self, entry: &LookupEntry, mut verified: impl FnMut(u64)) -> Result<(), Error> {
        let mut left = entry.data_size();
        let mut place = entry.header.offset;
        let found = self.open_entry(entry).and_then(|mut reader| {
            place = reader.resource().header.offset;
            hash(&mut reader, |size| {
                left = left.saturating_sub(size);
                verified(size);
            })
        });
        if left > 0 {
            verified(left);
        }
        let (_, found) = found.map_err(|error| error.at(Position::Byte(place)))?;
        match found == entry.sha1 {
            true => Ok(()),
            false => Err(Error::malformed(
                format!("data with the SHA-1 {}", hexadecimal(&entry.sha1)),
                hexadecimal(&found),
            )
            .at(Position::Byte(place))),
        }
    }
}

fn overlap(entry: &LookupEntry, end: u64) -> Error {
    let expected = format!("data behind those that end at {end:#x}");
    let error = Error::malformed(expected, format!("some at {:#x}", entry.header.offset));
    // In a solid resource the offset is none in the file.
    match entry.solid_run {
        None => error.at(Position::Byte(entry.header.offset)),
        Some(_) => error,
    }
}
