//! A sparse extent of a VMDK: grains, found by two levels of tables. All numbers are little-endian.

use std::rc::Rc;

use nom::Parser;
use nom::number::complete::{le_u8, le_u16, le_u32, le_u64};

use super::descriptor;
use crate::allowance::Allowance;
use crate::binary::{byte_array, structure};
use crate::capture::disk_image::container::container_file::ContainerFile;
use crate::capture::disk_image::container::decompression::Compression;
use crate::capture::disk_image::container::neighbours::Opening;
use crate::capture::disk_image::container::pages::Pages;
use crate::capture::disk_image::container::pieces::Place;
use crate::capture::disk_image::recently_used::RecentlyUsed;
use crate::error::Error;
use crate::warning::{WarningCode, Warnings};

pub(super) const SIGNATURE: &[u8; 4] = b"KDMV";
const SECTOR: u64 = 512;
const HEADER: &str = "the header of a sparse extent";
const DIRECTORY: &str = "the grain directory";
const TABLE: &str = "a grain table";
const GRAIN: &str = "a compressed grain";
/// `gdOffset` of an extent that was written in one go: a copy of the header at its end tells it.
const AT_END: u64 = u64::MAX;
/// VMware makes grains of 64 KiB; this is 2 MiB.
const LARGEST_GRAIN: u64 = 1 << 12;
/// VMware makes tables of 512 entries.
const LARGEST_TABLE: u32 = 1 << 16;
/// How much of the directory is looked through for tables behind the end of the file.
const CHECKED_ENTRIES: u64 = 1 << 16;
/// How many grains are looked at from each end of the extent: at their usual size those of 2 GiB.
const CHECKED_GRAINS: u64 = 1 << 15;
/// How much of what was decompressed is kept.
const KEPT: usize = 2 << 20;
const TO_RAW: &str = "convert it to a raw image (qemu-img convert)";

/// `SparseExtentHeader`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SparseHeader {
    version: u32,
    flags: u32,
    /// Sizes and places are in sectors.
    capacity: u64,
    grain_size: u64,
    descriptor_offset: u64,
    descriptor_size: u64,
    entries_per_table: u32,
    directory: u64,
    is_unclean: bool,
    line_ends: [u8; 4],
    compression: u16,
}

impl SparseHeader {
    const SIZE: usize = 79;
    const HAS_LINE_ENDS: u32 = 1;
    const HAS_ZERO_GRAINS: u32 = 1 << 2;
    const IS_COMPRESSED: u32 = 1 << 16;
    const HAS_MARKERS: u32 = 1 << 17;

    fn read_at(file: &ContainerFile, at: u64) -> Result<SparseHeader, Error> {
        let bytes: [u8; Self::SIZE] = file.array(HEADER, at)?;
        if !bytes.starts_with(SIGNATURE) {
            let found = bytes[..4].escape_ascii().to_string();
            return Err(file.malformed(at, "the signature KDMV of a sparse extent", found));
        }
        let parsed = structure(HEADER, at, &bytes, |bytes| {
            let (rest, (_, version, flags)) = (byte_array::<4>, le_u32, le_u32).parse(bytes)?;
            let (rest, (capacity, grain_size)) = (le_u64, le_u64).parse(rest)?;
            let (rest, (descriptor_offset, descriptor_size)) = (le_u64, le_u64).parse(rest)?;
            let (rest, (entries_per_table, _redundant, directory, _overhead)) =
                (le_u32, le_u64, le_u64, le_u64).parse(rest)?;
            let (rest, (unclean, line_ends, compression)) =
                (le_u8, byte_array, le_u16).parse(rest)?;
            let header = SparseHeader {
                version,
                flags,
                capacity,
                grain_size,
                descriptor_offset,
                descriptor_size,
                entries_per_table,
                directory,
                is_unclean: unclean != 0,
                line_ends,
                compression,
            };
            Ok((rest, header))
        });
        let (_, header) = parsed.map_err(|error| file.name_in(error))?;
        Ok(header)
    }

    /// Reads the header, and checks that the extent is of a kind that is read.
    pub(super) fn read(
        file: &ContainerFile,
        warnings: &mut Warnings,
    ) -> Result<SparseHeader, Error> {
        let mut header = Self::read_at(file, 0)?;
        if header.directory == AT_END {
            // The copy stands before the last sector, which ends the stream.
            let at = file.size().checked_sub(2 * SECTOR);
            let at = at.ok_or_else(|| file.behind_end("the footer of the extent", file.size()))?;
            let footer = Self::read_at(file, at).map_err(|_| {
                let found = "other bytes: the file may have been cut off when it was copied";
                file.malformed(at, "the footer of a stream-optimised extent", found)
            })?;
            header.directory = footer.directory;
        }
        header.check(file)?;
        if header.is_unclean {
            let text = "the disk was in use when it was left, or when it was copied: what was written last may be missing; shut the machine down and take another copy";
            file.warn(warnings, WarningCode::ContainerDamaged, 72, text);
        }
        Ok(header)
    }

    fn check(&self, file: &ContainerFile) -> Result<(), Error> {
        let unsupported = |at, what: String| Err(file.here(at, Error::unsupported(what, TO_RAW)));
        if !(1..=3).contains(&self.version) {
            return unsupported(4, format!("version {} of a VMDK's extents", self.version));
        }
        if self.flags & Self::HAS_LINE_ENDS != 0 && self.line_ends != *b"\n \r\n" {
            let expected = "the line ends of a header that was copied as binary";
            let found = self.line_ends.escape_ascii().to_string();
            return Err(file.malformed(73, expected, found));
        }
        if !self.grain_size.is_power_of_two() || self.grain_size > LARGEST_GRAIN {
            let expected = "a grain size that is a power of two up to 2 MiB";
            let found = format!("{} sectors", self.grain_size);
            return Err(file.malformed(20, expected, found));
        }
        if !(1..=LARGEST_TABLE).contains(&self.entries_per_table) {
            let found = self.entries_per_table.to_string();
            return Err(file.malformed(44, "grain tables of 1 to 65,536 entries", found));
        }
        if self.capacity > u64::MAX / SECTOR {
            let found = format!("{} sectors", self.capacity);
            return Err(file.malformed(12, "the size of an extent", found));
        }
        if self.is_compressed() {
            if self.flags & Self::HAS_MARKERS == 0 {
                return unsupported(8, "a compressed VMDK without markers".to_owned());
            }
            if self.compression != 1 {
                return unsupported(
                    77,
                    format!("a VMDK compressed by method {}", self.compression),
                );
            }
        }
        Ok(())
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.flags & Self::IS_COMPRESSED != 0
    }

    /// The size of the extent in bytes.
    pub(super) fn size(&self) -> u64 {
        self.capacity * SECTOR
    }

    /// The bytes of the descriptor that is inside, and where they stand; `None` where there is none.
    pub(super) fn descriptor(&self, file: &ContainerFile) -> Result<Option<(u64, Vec<u8>)>, Error> {
        if self.descriptor_offset == 0 || self.descriptor_size == 0 {
            return Ok(None);
        }
        let place = self
            .descriptor_offset
            .checked_mul(SECTOR)
            .zip(self.descriptor_size.checked_mul(SECTOR));
        match place {
            Some((at, size)) if size <= descriptor::LARGEST => {
                let bytes = file.vec("the descriptor of a VMDK", at, size as usize)?;
                Ok(Some((at, bytes)))
            }
            _ => {
                let expected = "a descriptor of at most 1 MiB";
                let found = format!("{} sectors", self.descriptor_size);
                Err(file.malformed(28, expected, found))
            }
        }
    }
}

/// A sparse extent.
pub(super) struct SparseExtent {
    pages: Pages,
    header: SparseHeader,
    decompressed: RecentlyUsed<u64, Rc<Vec<u8>>>,
    allowance: Rc<Allowance>,
}

impl SparseExtent {
    pub(super) fn new(file: ContainerFile, header: SparseHeader, opening: &Opening) -> Self {
        SparseExtent {
            pages: Pages::new(file),
            header,
            decompressed: RecentlyUsed::new(KEPT),
            allowance: opening.allowance.clone(),
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.header.size()
    }

    fn grain_size(&self) -> u64 {
        self.header.grain_size * SECTOR
    }

    /// How much of the extent one grain table tells of.
    fn bytes_of_table(&self) -> u64 {
        self.grain_size() * u64::from(self.header.entries_per_table)
    }

    /// Looks for grain tables behind the end of the file, and for grains there in the first and the last tables: an extent
    /// that was cut off has them.
    pub(super) fn check_end(&self, warnings: &mut Warnings) {
        let file = self.pages.file();
        let size_of_table = 4 * u64::from(self.header.entries_per_table);
        let tables = self.size().div_ceil(self.bytes_of_table());
        let is_behind = |index| match self.table(index) {
            Ok(table) => table.saturating_add(size_of_table) > file.size(),
            Err(_) => true,
        };
        let has_grain_behind = |index| {
            let grains = 0..u64::from(self.header.entries_per_table);
            let table = self.table(index).unwrap_or_default();
            table != 0
                && grains
                    .map_while(|grain| self.grain(table, grain).ok())
                    .any(|sector| u64::from(sector) * SECTOR >= file.size())
        };
        let at_each_end = CHECKED_GRAINS.div_ceil(self.header.entries_per_table.into());
        let first = 0..tables.min(at_each_end);
        let last = tables.saturating_sub(at_each_end).max(first.end)..tables;
        if (0..tables.min(CHECKED_ENTRIES)).any(is_behind) {
            file.warn_truncated(warnings, "grain tables that its directory tells of");
        } else if first.chain(last).any(has_grain_behind) {
            file.warn_truncated(warnings, "grains that its tables tell of");
        }
    }

    /// Where a grain table stands; 0 for none.
    fn table(&self, index: u64) -> Result<u64, Error> {
        let directory = self.header.directory.saturating_mul(SECTOR);
        let at = directory.saturating_add(4 * index);
        let sector = u32::from_le_bytes(self.pages.array(DIRECTORY, at)?);
        Ok(u64::from(sector) * SECTOR)
    }

    /// In which sector a grain of a table stands; 0 for none.
    fn grain(&self, table: u64, index: u64) -> Result<u32, Error> {
        let entry = self.pages.array(TABLE, table + 4 * index)?;
        Ok(u32::from_le_bytes(entry))
    }

    /// Where the byte at `offset` comes from, which lies before the end, and how far that goes. No place says that it was
    /// never written.
    pub(super) fn piece(&self, offset: u64, length: u64) -> Result<(Option<Place>, u64), Error> {
        let (index, in_table) = (
            offset / self.bytes_of_table(),
            offset % self.bytes_of_table(),
        );
        let table = self.table(index)?;
        if table == 0 {
            return Ok((None, length.min(self.bytes_of_table() - in_table)));
        }
        let (grain, within) = (in_table / self.grain_size(), in_table % self.grain_size());
        let length = length.min(self.grain_size() - within);
        let sector = self.grain(table, grain)?;
        let at = u64::from(sector) * SECTOR;
        let place = match sector {
            0 => None,
            1 if self.header.flags & SparseHeader::HAS_ZERO_GRAINS != 0 => Some(Place::Zeros),
            _ if !self.header.is_compressed() => Some(Place::File {
                file: self.pages.file().clone(),
                offset: at + within,
            }),
            _ => {
                let grain = (offset - within) / SECTOR;
                let decompress = || self.decompress(at, grain);
                let bytes = self.decompressed.get_or_read_weighed(at, decompress)?;
                let left = (bytes.len() as u64).saturating_sub(within);
                if left == 0 {
                    let found = format!("{} bytes of it", bytes.len());
                    return Err(self.pages.file().malformed(at, GRAIN, found));
                }
                let place = Place::Memory {
                    bytes,
                    start: within as usize,
                };
                return Ok((Some(place), length.min(left)));
            }
        };
        Ok((place, length))
    }

    /// A grain behind its marker: which sector of the extent it is, and how long it is.
    fn decompress(&self, at: u64, sector: u64) -> Result<(Rc<Vec<u8>>, usize), Error> {
        const MARKER_SIZE: u64 = 12;
        let file = self.pages.file();
        let bytes: [u8; MARKER_SIZE as usize] = file.array("the marker of a grain", at)?;
        let (_, (told, length)) = structure("the marker of a grain", at, &bytes, (le_u64, le_u32))
            .map_err(|error| file.name_in(error))?;
        if told != sector {
            let found = format!("that of sector {told:#x}");
            return Err(file.malformed(at, "the marker of the grain asked for", found));
        }
        let size = self.grain_size();
        self.allowance.decompress(size as usize)?;
        // What does not compress becomes a little longer.
        if u64::from(length) > 2 * size + SECTOR {
            let found = format!("{length} bytes for one of {size}");
            return Err(file.malformed(at + 8, GRAIN, found));
        }
        let bytes = file.vec(GRAIN, at + MARKER_SIZE, length as usize)?;
        match Compression::Zlib.decompress(&bytes, size as usize) {
            Ok(out) => Ok((Rc::new(out), size as usize)),
            Err(error) => Err(file.malformed(at, GRAIN, error)),
        }
    }
}
