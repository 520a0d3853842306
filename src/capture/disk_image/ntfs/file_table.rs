//! The master file table, `$MFT`: a record for each file, the table's own one first.

use std::cell::{Cell, Ref, RefCell};
use std::io;
use std::rc::Rc;

use super::attribute::{AttributeType, Form, NonResident};
use super::attribute_list::ListEntry;
use super::attribute_set::AttributeSet;
use super::boot_sector::BootSector;
use super::file_record::FileRecord;
use super::file_reference::FileReference;
use super::run_list::{Run, RunList};
use crate::allowance::Allowance;
use crate::capture::disk_image::recently_used::RecentlyUsed;
use crate::capture::read_at::ReadAt;
use crate::error::{Error, Position};
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::WideString;

/// Reads the records of a volume, and bytes of its clusters.
pub(super) struct FileTable {
    source: Rc<dyn ReadAt>,
    pub(super) boot_sector: BootSector,
    /// Where the table itself lies: at first only what its own record tells.
    runs: RefCell<RunList>,
    size: Cell<u64>,
    records: RecentlyUsed<u64, Rc<FileRecord>>,
    warnings: RefCell<Warnings>,
    /// How many bytes of damaged indexes may still be gone through.
    pub(super) index_searches: Allowance,
}

impl FileTable {
    /// Record of the table itself.
    const OWN_RECORD: u64 = 0;
    /// How many bytes of damaged indexes are gone through: so many times what the evidence holds, and some besides.
    const INDEX_SEARCHES: u64 = 8;
    const FREE_INDEX_SEARCHES: u64 = 256 << 20;
    /// Records that the copy of the table's start holds at least.
    const MIRRORED_RECORDS: u64 = 4;
    /// Records that are kept, in bytes: usual ones have 1 KiB.
    const KEPT_RECORDS: usize = 128 << 10;

    /// Opens the table by its own record, or by the copy of that.
    pub(super) fn open(
        source: Rc<dyn ReadAt>,
        boot_sector: BootSector,
        warnings: Warnings,
    ) -> Result<Rc<FileTable>, Error> {
        let whole = source.stored_size().saturating_mul(Self::INDEX_SEARCHES);
        let index_searches = Allowance::new(whole.saturating_add(Self::FREE_INDEX_SEARCHES));
        let table = FileTable {
            source,
            boot_sector,
            runs: RefCell::default(),
            size: Cell::new(0),
            records: RecentlyUsed::new(Self::KEPT_RECORDS),
            warnings: RefCell::new(warnings),
            index_searches,
        };
        let (record, part) = match table.first_record(boot_sector.mft_cluster) {
            Ok(first) => first,
            Err(error) => {
                let Ok(copy) = table.first_record(boot_sector.mft_mirror_cluster) else {
                    return Err(error);
                };
                table.warn(damaged_record("the copy in $MFTMirr is used", &error));
                copy
            }
        };
        table.runs.replace(record.run_list(&part)?);
        table.size.set(part.data_size);
        let table = Rc::new(table);
        if let Err(error) = Self::read_further_runs(&table, &record) {
            let consequence = "files in its further parts are not found";
            table.warn(damaged_record(consequence, &error));
        }
        Ok(table)
    }

    /// The record that describes the table, at a cluster, and the first part of its data.
    fn first_record(&self, cluster: u64) -> Result<(Rc<FileRecord>, NonResident), Error> {
        let cluster_size = u64::from(self.boot_sector.cluster_size);
        let Some(position) = cluster.checked_mul(cluster_size) else {
            return Err(Error::malformed(
                "a cluster of the volume",
                cluster.to_string(),
            ));
        };
        let record = self.record_at(Self::OWN_RECORD, position)?;
        let found = record.find(AttributeType::DATA, &WideString::default(), 0, None)?;
        let attribute = found.map(|number| &record.attributes()[number]);
        match attribute.map(|attribute| &attribute.form) {
            Some(Form::NonResident(part)) => {
                let part = part.clone();
                Ok((Rc::new(record), part))
            }
            _ => Err(Error::malformed("the data of $MFT in clusters", "none")
                .at(Position::Byte(position))),
        }
    }

    /// Reads the runs of the table's further parts, whose records lie in the parts before them.
    fn read_further_runs(table: &Rc<FileTable>, record: &Rc<FileRecord>) -> Result<(), Error> {
        let set = AttributeSet::new(table.clone(), record.clone());
        let parts = set.parts(AttributeType::DATA, &WideString::default())?;
        for part in parts.iter().filter(|part| part.first_vcn > 0) {
            let runs = table.part_runs(part, record)?;
            table.runs.borrow_mut().append(runs)?;
        }
        Ok(())
    }

    /// How many records there are, used or not.
    pub(super) fn record_count(&self) -> u64 {
        self.size.get() / u64::from(self.boot_sector.record_size)
    }

    /// What of the table lies side by side on the volume.
    pub(super) fn runs(&self) -> Ref<'_, [Run]> {
        Ref::map(self.runs.borrow(), RunList::runs)
    }

    /// A record by its number.
    pub(super) fn record(&self, number: u64) -> Result<Rc<FileRecord>, Error> {
        self.records.get_or_read_weighed(number, || {
            let record = self.table_record(number);
            let record = match record {
                Err(error) if number < Self::MIRRORED_RECORDS => {
                    let Ok(copy) = self.mirrored_record(number) else {
                        return Err(error);
                    };
                    self.warn(damaged_record("the copy in $MFTMirr is used", &error));
                    copy
                }
                record => record?,
            };
            Ok((Rc::new(record), self.boot_sector.record_size as usize))
        })
    }

    fn table_record(&self, number: u64) -> Result<FileRecord, Error> {
        let record_size = u64::from(self.boot_sector.record_size);
        if number >= self.record_count() {
            let expected = format!("a record number below {}", self.record_count());
            return Err(Error::malformed(expected, number.to_string()));
        }
        let start = number * record_size;
        let mut bytes = vec![0; record_size as usize];
        self.read_at(start, &mut bytes)?;
        FileRecord::parse(bytes, number, self.position_of(start).unwrap_or(0))
    }

    fn mirrored_record(&self, number: u64) -> Result<FileRecord, Error> {
        let start = self.boot_sector.mft_mirror_cluster;
        let start = start.checked_mul(self.boot_sector.cluster_size.into());
        let offset = number * u64::from(self.boot_sector.record_size);
        let Some(position) = start.and_then(|start| start.checked_add(offset)) else {
            return Err(Error::malformed("a copy of $MFT on the volume", "none"));
        };
        self.record_at(number, position)
    }

    fn record_at(&self, number: u64, position: u64) -> Result<FileRecord, Error> {
        let mut bytes = vec![0; self.boot_sector.record_size as usize];
        self.read_exact(position, &mut bytes)?;
        FileRecord::parse(bytes, number, position)
    }

    /// The record that holds an attribute of the file that starts with `base`.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not a part of that file, or not any more.
    pub(super) fn extension(
        &self,
        entry: &ListEntry,
        base: &Rc<FileRecord>,
    ) -> Result<Rc<FileRecord>, Error> {
        let number = entry.record.record_number();
        let record = match number == base.number {
            true => base.clone(),
            false => self.record(number)?,
        };
        let is_base = number == base.number;
        let is_part = record.head.base.raw() != 0;
        let is_of_file = is_base || is_part && record.head.base.record_number() == base.number;
        let is_current = is_base || record.head.base.is_met_by(base.head.sequence_number);
        let is_meant = entry.record.is_met_by(record.head.sequence_number);
        match record.is_in_use() && is_of_file && is_current && is_meant {
            true => Ok(record),
            false => {
                let expected = format!("record {} of file {}", entry.record, base.reference());
                let found = format!(
                    "record {} of file {}, {}",
                    record.reference(),
                    record.head.base,
                    match record.is_in_use() {
                        true => "in use",
                        false => "not in use",
                    }
                );
                Err(Error::malformed(expected, found).at(Position::Byte(record.position)))
            }
        }
    }

    /// The runs that a part of an attribute tells of.
    pub(super) fn part_runs(
        &self,
        part: &ListEntry,
        base: &Rc<FileRecord>,
    ) -> Result<RunList, Error> {
        let record = self.extension(part, base)?;
        let attribute = part.find_in(&record)?;
        match &record.attributes()[attribute].form {
            Form::NonResident(part) => record.run_list(part),
            Form::Resident { .. } => Err(Error::malformed("a value in clusters", "a resident one")
                .at(record.place_of(&record.attributes()[attribute]))),
        }
    }

    /// Where a byte of the table lies on the volume.
    fn position_of(&self, offset: u64) -> Option<u64> {
        let cluster_size = u64::from(self.boot_sector.cluster_size);
        let vcn = offset / cluster_size;
        let lcn = self.runs.borrow().find(vcn)?.lcn_of(vcn)?;
        Some(lcn * cluster_size + offset % cluster_size)
    }

    /// Bytes of the table.
    pub(super) fn read_at(&self, mut offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let vcn = offset / u64::from(self.boot_sector.cluster_size);
            let Some(run) = self.runs.borrow().find(vcn) else {
                let expected = format!("cluster {vcn} of $MFT");
                let found = format!(
                    "the end of its runs at cluster {}",
                    self.runs.borrow().end()
                );
                return Err(Error::malformed(expected, found));
            };
            let read = self.read_run(&run, offset, rest)?;
            rest = &mut rest[read..];
            offset += read as u64;
        }
        Ok(())
    }

    /// Reads from `offset` of a value on, as far as the run goes in which that lies. Gives how many bytes these are.
    pub(super) fn read_run(
        &self,
        run: &Run,
        offset: u64,
        bytes: &mut [u8],
    ) -> Result<usize, Error> {
        let cluster_size = u64::from(self.boot_sector.cluster_size);
        let left = run.end() * cluster_size - offset;
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let bytes = &mut bytes[..length];
        match run.lcn_of(offset / cluster_size) {
            Some(lcn) => self.read_exact(lcn * cluster_size + offset % cluster_size, bytes)?,
            None => bytes.fill(0),
        }
        Ok(length)
    }

    /// Bytes of the volume.
    pub(super) fn read_exact(&self, position: u64, bytes: &mut [u8]) -> Result<(), Error> {
        self.source
            .read_exact_at(position, bytes)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    let expected = format!("{} bytes of the volume", bytes.len());
                    let found = format!("its end at {:#x}", self.source.size());
                    Error::malformed(expected, found).at(Position::Byte(position))
                }
                _ => Error::io(&error).at(Position::Byte(position)),
            })
    }

    /// At most how many bytes of the volume the evidence can hold.
    pub(super) fn stored_size(&self) -> u64 {
        self.source.stored_size()
    }

    pub(super) fn warn(&self, warning: Warning) {
        self.warnings.borrow_mut().push(warning);
    }

    /// Takes over the warnings about a file.
    pub(super) fn warn_all(&self, warnings: Warnings, file: &str) {
        self.warnings.borrow_mut().extend_from(warnings, file);
    }

    /// The warnings that arose since this was called last.
    pub(super) fn take_warnings(&self) -> Warnings {
        self.warnings.take()
    }

    /// The record that a reference names, if that starts a file that is there.
    pub(super) fn file_record(&self, reference: FileReference) -> Result<Rc<FileRecord>, Error> {
        let record = self.record(reference.record_number())?;
        let found = match &record {
            record if !record.is_in_use() => "a deleted file".to_owned(),
            record if record.head.base.raw() != 0 => format!("a part of file {}", record.head.base),
            record if !reference.is_met_by(record.head.sequence_number) => {
                format!("file {}", record.reference())
            }
            _ => return Ok(record),
        };
        let expected = format!("file {reference}");
        Err(Error::malformed(expected, found).at(Position::Byte(record.position)))
    }
}

fn damaged_record(consequence: &str, error: &Error) -> Warning {
    Warning::with_consequence(WarningCode::FileTableDamaged, consequence, error)
}
