//! A volume as a whole.

use std::fmt;
use std::rc::Rc;

use super::boot_sector::BootSector;
use super::directory_index::DirectoryIndex;
use super::file_reference::FileReference;
use super::file_table::FileTable;
use super::log_file;
use super::mount_search::{MountSearch, MountTrace};
use super::ntfs_file::NtfsFile;
use super::upcase::UpcaseTable;
use super::volume_information::VolumeInformation;
use crate::capture::disk_image::recently_used::RecentlyUsed;
use crate::capture::read_at::ReadAt;
use crate::error::{Error, Position};
use crate::warning::{Warning, WarningCode, Warnings};

/// An NTFS volume. Clones are the same volume, and share what they keep of it.
#[derive(Clone)]
pub struct NtfsVolume(Rc<Shared>);

struct Shared {
    table: Rc<FileTable>,
    information: VolumeInformation,
    upcase: UpcaseTable,
    directories: RecentlyUsed<u64, Rc<DirectoryIndex>>,
}

impl NtfsVolume {
    /// The root directory's record.
    pub(super) const ROOT: FileReference = FileReference::to_record(5);
    const KEPT_DIRECTORIES: usize = 8;

    /// Opens a volume, whose first byte is that of its boot sector. Where that is damaged, its backup at the volume's end
    /// is used. What is not in order is told in the first [warnings](Self::take_warnings).
    ///
    /// # Errors
    ///
    /// It is no NTFS volume, or the master file table's own record is damaged, and its copy too.
    pub fn open(source: impl ReadAt + 'static) -> Result<NtfsVolume, Error> {
        Self::open_shared(Rc::new(source))
    }

    fn open_shared(source: Rc<dyn ReadAt>) -> Result<NtfsVolume, Error> {
        let mut warnings = Warnings::default();
        let boot_sector = boot_sector(&*source, &mut warnings)?;
        let (size, expected) = (source.size(), boot_sector.volume_size());
        // The sector with the backup is no part of what other tools take for the volume.
        if size < expected - u64::from(boot_sector.sector_size) {
            warnings.push(Warning::malformed(
                WarningCode::Truncated,
                Position::Byte(size),
                &format!("a volume of {expected} bytes"),
                "its end",
            ));
        }
        let table = FileTable::open(source, boot_sector, warnings)?;
        let information = VolumeInformation::read(&table).unwrap_or_else(|error| {
            table.warn(Warning::with_consequence(
                WarningCode::FileTableDamaged,
                "the volume's label and state are not known",
                &error,
            ));
            VolumeInformation::default()
        });
        if let Some(warning) = not_clean(&table, &information) {
            table.warn(warning);
        }
        Ok(NtfsVolume(Rc::new(Shared {
            upcase: UpcaseTable::new(table.clone()),
            table,
            information,
            directories: RecentlyUsed::new(Self::KEPT_DIRECTORIES),
        })))
    }

    /// How the volume is laid out.
    pub fn boot_sector(&self) -> &BootSector {
        &self.0.table.boot_sector
    }

    /// Its label, version and state.
    pub fn information(&self) -> &VolumeInformation {
        &self.0.information
    }

    /// The root directory.
    ///
    /// # Errors
    ///
    /// Its record is damaged.
    pub fn root(&self) -> Result<NtfsFile, Error> {
        self.file(Self::ROOT)
    }

    /// A file by its reference.
    ///
    /// # Errors
    ///
    /// Its record is damaged, or the file is not there any more.
    pub fn file(&self, reference: FileReference) -> Result<NtfsFile, Error> {
        let record = self.0.table.file_record(reference)?;
        Ok(NtfsFile::new(self.clone(), record))
    }

    /// How many records the master file table has, used or not.
    pub fn record_count(&self) -> u64 {
        self.0.table.record_count()
    }

    /// Searches the whole volume for directories with a stream `$WIMMOUNTDATA`, and for files of a mounted image. What
    /// cannot be searched is told in the [warnings](Self::take_warnings).
    ///
    /// `visit` is called for every file and directory, with the trace that it is of a mount, if it is one.
    pub fn search_mounts(&self, mut visit: impl FnMut(Option<MountTrace>)) {
        MountSearch::new(self).run(&mut visit);
    }

    /// The warnings that arose since this was called last, at first those that arose when the volume was opened.
    pub fn take_warnings(&self) -> Warnings {
        self.0.table.take_warnings()
    }

    pub(super) fn table(&self) -> &Rc<FileTable> {
        &self.0.table
    }

    pub(super) fn upcase(&self) -> &UpcaseTable {
        &self.0.upcase
    }

    /// The index of a directory, which is kept for a while.
    pub(super) fn directory(
        &self,
        number: u64,
        open: impl FnOnce() -> Result<DirectoryIndex, Error>,
    ) -> Result<Rc<DirectoryIndex>, Error> {
        let directories = &self.0.directories;
        directories.get_or_read(number, || open().map(Rc::new))
    }
}

/// The boot sector, or its backup in the volume's last sector.
fn boot_sector(source: &dyn ReadAt, warnings: &mut Warnings) -> Result<BootSector, Error> {
    let read = |position| {
        let mut bytes = [0; BootSector::SIZE];
        source
            .read_exact_at(position, &mut bytes)
            .map_err(|error| Error::io(&error).at(Position::Byte(position)))?;
        BootSector::parse(&bytes, position)
    };
    let error = match read(0) {
        Ok(boot_sector) => return Ok(boot_sector),
        Err(error) => error,
    };
    for sector_size in BootSector::SECTOR_SIZES {
        let position = source.size().checked_sub(sector_size.into());
        let backup = position.and_then(|position| read(position).ok());
        if let Some(backup) = backup.filter(|backup| backup.sector_size == sector_size) {
            let consequence = "the backup at the volume's end is used";
            warnings.push(Warning::with_consequence(
                WarningCode::BootSectorDamaged,
                consequence,
                &error,
            ));
            return Ok(backup);
        }
    }
    Err(error)
}

/// A warning when changes may not have reached the volume.
fn not_clean(table: &Rc<FileTable>, information: &VolumeInformation) -> Option<Warning> {
    const CONSEQUENCE: &str = "the newest changes may be missing, because the journal is not replayed; attach a copy of the disk to Windows once, which replays it";
    if information.flags & VolumeInformation::IS_DIRTY != 0 {
        let text = format!("the volume is marked dirty: {CONSEQUENCE}");
        return Some(Warning::new(WarningCode::VolumeNotClean, text));
    }
    match log_file::is_clean(table) {
        Ok(true) => None,
        Ok(false) => {
            let text = format!("the journal $LogFile is not closed: {CONSEQUENCE}");
            Some(Warning::new(WarningCode::VolumeNotClean, text))
        }
        Err(error) => {
            let consequence = "whether the journal $LogFile is closed is not known";
            Some(Warning::with_consequence(
                WarningCode::VolumeNotClean,
                consequence,
                &error,
            ))
        }
    }
}

impl fmt::Debug for NtfsVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NtfsVolume")
            .field("boot_sector", self.boot_sector())
            .field("information", self.information())
            .finish_non_exhaustive()
    }
}
