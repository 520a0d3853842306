//! The value of an attribute as it is stored, read from any place.

use std::ops::Range;
use std::rc::Rc;

use super::attribute::NonResident;
use super::attribute_list::ListEntry;
use super::file_record::FileRecord;
use super::file_table::FileTable;
use super::run_list::{Run, RunList};
use crate::allowance::Allowance;
use crate::capture::disk_image::recently_used::RecentlyUsed;
use crate::error::{Error, Position};

/// The bytes of a value. Of a compressed one these are not its data.
pub(super) struct AttributeStream {
    table: Rc<FileTable>,
    storage: Storage,
}

enum Storage {
    Resident {
        record: Rc<FileRecord>,
        value: Range<usize>,
    },
    Clusters(Clusters),
}

/// A value in clusters. The run list of a part is read when a cluster of it is: the value of a fragmented file may have
/// thousands of parts.
struct Clusters {
    base: Rc<FileRecord>,
    /// Where the attribute stands.
    place: Position,
    parts: Vec<ListEntry>,
    run_lists: RecentlyUsed<usize, Rc<RunList>>,
    size: u64,
    initialized_size: u64,
}

impl AttributeStream {
    const KEPT_RUN_LISTS: usize = 8;

    pub(super) fn resident(
        table: Rc<FileTable>,
        record: Rc<FileRecord>,
        value: Range<usize>,
    ) -> Self {
        AttributeStream {
            table,
            storage: Storage::Resident { record, value },
        }
    }

    /// A value in clusters, of which `first` is the first part and `parts` are all, in the value's order.
    pub(super) fn in_clusters(
        table: Rc<FileTable>,
        base: Rc<FileRecord>,
        place: Position,
        first: &NonResident,
        parts: Vec<ListEntry>,
    ) -> Self {
        let clusters = Clusters {
            base,
            place,
            parts,
            run_lists: RecentlyUsed::new(Self::KEPT_RUN_LISTS),
            size: first.data_size,
            initialized_size: first.initialized_size,
        };
        AttributeStream {
            table,
            storage: Storage::Clusters(clusters),
        }
    }

    /// Size of the value in bytes.
    pub(super) fn size(&self) -> u64 {
        match &self.storage {
            Storage::Resident { value, .. } => value.len() as u64,
            Storage::Clusters(clusters) => clusters.size,
        }
    }

    /// What of the value was written, in bytes.
    pub(super) fn initialized_size(&self) -> u64 {
        match &self.storage {
            Storage::Resident { value, .. } => value.len() as u64,
            Storage::Clusters(clusters) => clusters.initialized_size,
        }
    }

    /// What may come out of it where it is compressed.
    pub(super) fn allowance(&self) -> Allowance {
        Allowance::of_compressed(self.size().min(self.table.stored_size()))
    }

    pub(super) fn cluster_size(&self) -> u64 {
        self.table.boot_sector.cluster_size.into()
    }

    /// Fills `bytes` from `offset` on, which the caller keeps within the size.
    pub(super) fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let written = self.initialized_size().saturating_sub(offset);
        let written = usize::try_from(written).unwrap_or(usize::MAX);
        let (written, zeros) = bytes.split_at_mut(written.min(bytes.len()));
        zeros.fill(0);
        self.read_stored(offset, written)
    }

    /// Fills `bytes` from `offset` on with what is stored there, whatever of it was written.
    pub(super) fn read_stored(&self, mut offset: u64, mut bytes: &mut [u8]) -> Result<(), Error> {
        let clusters = match &self.storage {
            Storage::Resident { record, value } => {
                let value = record.bytes(value);
                let start = usize::try_from(offset).ok();
                let stored = start.and_then(|start| value.get(start..)?.get(..bytes.len()));
                let Some(stored) = stored else {
                    let expected = format!("{} bytes at {offset}", bytes.len());
                    return Err(
                        Error::malformed(expected, format!("{} in all", value.len()))
                            .at(Position::Byte(record.position)),
                    );
                };
                bytes.copy_from_slice(stored);
                return Ok(());
            }
            Storage::Clusters(clusters) => clusters,
        };
        while !bytes.is_empty() {
            let run = clusters.run(offset / self.cluster_size(), &self.table)?;
            let read = self.table.read_run(&run, offset, bytes)?;
            bytes = &mut bytes[read..];
            offset += read as u64;
        }
        Ok(())
    }

    /// The value as a whole.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is larger than `limit` bytes.
    pub(super) fn read_whole(&self, limit: u64) -> Result<Vec<u8>, Error> {
        if self.size() > limit {
            let expected = format!("a value of at most {limit} bytes");
            return Err(Error::malformed(expected, self.size().to_string()).at(self.place_of(0)));
        }
        let mut bytes = vec![0; self.size() as usize];
        self.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    /// The run in which a cluster of the value lies. A resident value has none.
    pub(super) fn run(&self, vcn: u64) -> Result<Run, Error> {
        match &self.storage {
            Storage::Resident { record, .. } => {
                Err(Error::malformed("a value in clusters", "a resident one")
                    .at(Position::Byte(record.position)))
            }
            Storage::Clusters(clusters) => clusters.run(vcn, &self.table),
        }
    }

    /// Whether a part of the value tells of a cluster.
    pub(super) fn has_cluster(&self, vcn: u64) -> Result<bool, Error> {
        match &self.storage {
            Storage::Resident { .. } => Ok(false),
            Storage::Clusters(clusters) => {
                let (_, run) = clusters.part_run(vcn, &self.table)?;
                Ok(run.is_some())
            }
        }
    }

    /// Where a byte of the value lies on the volume; where it does not lie there, the attribute that tells of it.
    pub(super) fn place_of(&self, offset: u64) -> Position {
        match &self.storage {
            Storage::Resident { record, value } => {
                let start = record.position_of(value.start);
                Position::Byte(start.saturating_add(offset))
            }
            Storage::Clusters(clusters) => {
                let vcn = offset / self.cluster_size();
                let run = clusters.run(vcn, &self.table).ok();
                let position = run.and_then(|run| run.lcn_of(vcn));
                let position = position.map(|lcn| lcn * self.cluster_size());
                position.map_or(clusters.place, |start| {
                    Position::Byte(start + offset % self.cluster_size())
                })
            }
        }
    }

    /// Tells the place on the volume of an error whose place was told within the value from `offset` on.
    pub(super) fn placed(&self, error: Error, offset: u64) -> Error {
        let within = error.position().map_or(0, Position::byte);
        error.moved_to(self.place_of(offset.saturating_add(within)))
    }
}

impl Clusters {
    fn run(&self, vcn: u64, table: &FileTable) -> Result<Run, Error> {
        let (end, run) = self.part_run(vcn, table)?;
        run.ok_or_else(|| {
            let found = format!("the end of the run list at cluster {end}");
            Error::malformed(format!("cluster {vcn} of the value"), found).at(self.place)
        })
    }

    /// The run in which a cluster lies, and where the part ends that should tell of it.
    fn part_run(&self, vcn: u64, table: &FileTable) -> Result<(u64, Option<Run>), Error> {
        let behind = self.parts.partition_point(|part| part.first_vcn <= vcn);
        let Some(number) = behind.checked_sub(1) else {
            return Ok((0, None));
        };
        let runs = self.run_lists.get_or_read(number, || {
            let runs = table.part_runs(&self.parts[number], &self.base);
            runs.map(Rc::new)
        })?;
        Ok((runs.end(), runs.find(vcn)))
    }
}
