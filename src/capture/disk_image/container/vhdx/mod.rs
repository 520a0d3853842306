//! VHDX: fixed, dynamic and differencing, after Microsoft's "Virtual Hard Disk v2 (VHDX) File Format" (MS-VHDX). All
//! numbers are little-endian.

mod crc32c;
mod header;
mod log;
mod metadata;
mod replayed;

use std::rc::Rc;

use self::header::{Header, Region, Regions};
use self::metadata::{Metadata, ParentLocator};
use super::container_file::ContainerFile;
use super::format::starts_with;
use super::neighbours::Opening;
use super::pages::Pages;
use super::pieces::{Assembled, Piece, Pieces, Place, stored_size_of};
use crate::capture::read_at::ReadAt;
use crate::error::Error;
use crate::warning::Warnings;
use uuid::Uuid;

const BAT: &str = "the block allocation table";
const BITMAP: &str = "a sector bitmap";
const MIB: u64 = 1 << 20;
/// How many sectors one block of a sector bitmap tells of.
const SECTORS_OF_BITMAP: u64 = 1 << 23;
/// How much of the block allocation table is looked through for blocks behind the end of the file.
const CHECKED_ENTRIES: u64 = 1 << 16;

/// States of a block of data: the low three bits of its entry.
const NOT_PRESENT: u64 = 0;
const UNDEFINED: u64 = 1;
const ZERO: u64 = 2;
const UNMAPPED: u64 = 3;
const FULLY_PRESENT: u64 = 6;
const PARTIALLY_PRESENT: u64 = 7;

/// Whether the bytes are a VHDX.
pub(super) fn is_vhdx(bytes: &dyn ReadAt) -> bool {
    starts_with(bytes, 0, b"vhdxfile")
}

/// A VHDX.
pub(super) struct Vhdx {
    pages: Pages,
    metadata: Metadata,
    data_write_guid: Uuid,
    bat: Region,
    /// How many blocks share a block of sector bitmap.
    chunk_ratio: u64,
    parent: Option<Rc<dyn ReadAt>>,
}

impl Vhdx {
    /// Opens a VHDX, and its parents beside it. A log that was not written to its end is replayed in memory.
    pub(super) fn open(
        file: ContainerFile,
        opening: &Opening,
        warnings: &mut Warnings,
    ) -> Result<Vhdx, Error> {
        let header = Header::read(&file, warnings)?;
        let file = log::replay(file, &header, warnings)?;
        let regions = Regions::read(&file, warnings)?;
        let metadata = Metadata::read(&file, regions.metadata)?;
        let sectors_size = SECTORS_OF_BITMAP * u64::from(metadata.sector_size);
        let chunk_ratio = sectors_size / u64::from(metadata.block_size);
        let parent = match &metadata.parent {
            Some(locator) => Some(open_parent(
                &file,
                locator,
                metadata.sector_size,
                opening,
                warnings,
            )?),
            None => None,
        };
        let vhdx = Vhdx {
            pages: Pages::new(file),
            metadata,
            data_write_guid: header.data_write_guid,
            bat: regions.bat,
            chunk_ratio,
            parent,
        };
        vhdx.check_ends(warnings)?;
        Ok(vhdx)
    }

    pub(super) fn variant(&self) -> &'static str {
        match (&self.parent, self.metadata.is_fixed) {
            (Some(_), _) => "differencing",
            (None, true) => "fixed",
            (None, false) => "dynamic",
        }
    }

    pub(super) fn sector_size(&self) -> u32 {
        self.metadata.sector_size
    }

    fn block_size(&self) -> u64 {
        self.metadata.block_size.into()
    }

    /// Looks whether the table is large enough, and for blocks that lie behind the end of the file.
    fn check_ends(&self, warnings: &mut Warnings) -> Result<(), Error> {
        let blocks = self.metadata.disk_size.div_ceil(self.block_size());
        let entries = blocks + blocks.saturating_sub(1) / self.chunk_ratio;
        let file = self.pages.file();
        if u64::from(self.bat.length) < entries * 8 {
            let found = format!("one of {} bytes for {entries} entries", self.bat.length);
            return Err(file.malformed(self.bat.offset, BAT, found));
        }
        for index in 0..entries.min(CHECKED_ENTRIES) {
            let Ok(entry) = self.entry(index) else {
                file.warn_truncated(warnings, "the end of its block allocation table");
                return Ok(());
            };
            let is_bitmap = index % (self.chunk_ratio + 1) == self.chunk_ratio;
            let size = if is_bitmap { MIB } else { self.block_size() };
            let is_there = matches!(entry & 7, FULLY_PRESENT | PARTIALLY_PRESENT);
            // The last block of a disk need not be there to its end.
            if is_there && block_offset(entry).saturating_add(MIB.min(size)) > file.size() {
                file.warn_truncated(warnings, "blocks that its table tells of");
                return Ok(());
            }
        }
        Ok(())
    }

    /// An entry of the block allocation table.
    fn entry(&self, index: u64) -> Result<u64, Error> {
        let at = self.entry_at(index);
        self.pages.array(BAT, at).map(u64::from_le_bytes)
    }

    fn entry_at(&self, index: u64) -> u64 {
        self.bat.offset.saturating_add(index * 8)
    }
}

/// Where the block of an entry lies in the file.
fn block_offset(entry: u64) -> u64 {
    (entry >> 20) * MIB
}

/// Opens the parent and checks that it is the one, as it was when the child was made.
fn open_parent(
    file: &ContainerFile,
    locator: &ParentLocator,
    sector_size: u32,
    opening: &Opening,
    warnings: &mut Warnings,
) -> Result<Rc<dyn ReadAt>, Error> {
    let (parent_file, _, opening) = opening.parent(file, &locator.paths())?;
    if !is_vhdx(parent_file.bytes()) {
        let expected = "a VHDX, the parent of one";
        return Err(parent_file.malformed(0, expected, "a file of another format"));
    }
    let parent = Vhdx::open(parent_file.clone(), &opening, warnings)?;
    let linkages = locator.linkages();
    if !linkages.contains(&parent.data_write_guid) {
        let linkages: Vec<String> = linkages.iter().map(Uuid::to_string).collect();
        let expected = format!(
            "the parent with the data write GUID {}",
            linkages.join(" or ")
        );
        let found = format!("{}, another disk or a later state", parent.data_write_guid);
        return Err(parent_file.name_in(Error::malformed(expected, found)));
    }
    if parent.metadata.sector_size != sector_size {
        let expected = format!("a parent with sectors of {sector_size} bytes as its child has");
        let found = format!("{} bytes", parent.metadata.sector_size);
        return Err(parent_file.name_in(Error::malformed(expected, found)));
    }
    Ok(Rc::new(Assembled(parent)))
}

impl Pieces for Vhdx {
    fn disk_size(&self) -> u64 {
        self.metadata.disk_size
    }

    fn stored_size(&self) -> u64 {
        let file = self.pages.file().stored_size();
        file.saturating_add(stored_size_of(self.parent.as_ref()))
    }

    fn piece(&self, offset: u64, length: u64) -> Result<Piece, Error> {
        let (block, within) = (offset / self.block_size(), offset % self.block_size());
        let mut length = length.min(self.block_size() - within);
        // After the blocks that share a block of sector bitmap comes its own entry.
        let (chunk, in_chunk) = (block / self.chunk_ratio, block % self.chunk_ratio);
        let index = chunk * (self.chunk_ratio + 1) + in_chunk;
        let entry = self.entry(index)?;
        let malformed = |found| {
            let at = self.entry_at(index);
            Err(self
                .pages
                .file()
                .malformed(at, "the state of a block", found))
        };
        let here = Place::File {
            file: self.pages.file().clone(),
            offset: block_offset(entry).saturating_add(within),
        };
        let absent = match &self.parent {
            Some(disk) => Place::Parent {
                disk: disk.clone(),
                offset,
            },
            None => Place::Zeros,
        };
        let place = match entry & 7 {
            NOT_PRESENT => absent,
            UNDEFINED | ZERO | UNMAPPED => Place::Zeros,
            FULLY_PRESENT => here,
            PARTIALLY_PRESENT if self.parent.is_some() => {
                let bitmap_index = chunk * (self.chunk_ratio + 1) + self.chunk_ratio;
                let bitmap = self.entry(bitmap_index)?;
                if bitmap & 7 != FULLY_PRESENT {
                    let at = self.entry_at(bitmap_index);
                    let expected = "the sector bitmap of a block that is present in part";
                    let found = format!("state {}", bitmap & 7);
                    return Err(self.pages.file().malformed(at, expected, found));
                }
                let sector_size = u64::from(self.metadata.sector_size);
                let first = (in_chunk * self.block_size() + within) / sector_size;
                let sectors = (within % sector_size + length).div_ceil(sector_size);
                let at = block_offset(bitmap);
                let (is_here, run) = self
                    .pages
                    .run_of_bits(BITMAP, at, first, sectors, |bit| 1 << bit)?;
                length = length.min(run * sector_size - within % sector_size);
                if is_here { here } else { absent }
            }
            PARTIALLY_PRESENT => {
                return malformed("one that is present in part, without a parent".to_owned());
            }
            other => return malformed(format!("{other}")),
        };
        Ok(Piece { place, length })
    }
}
