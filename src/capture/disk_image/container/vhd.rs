//! VHD: fixed, dynamic and differencing, after Microsoft's "Virtual Hard Disk Image Format Specification" 1.0 (2006).
//! All numbers are big-endian.

use std::rc::Rc;

use nom::Parser;
use nom::number::complete::{be_u32, be_u64};
use uuid::Uuid;

use super::container_file::ContainerFile;
use super::neighbours::Opening;
use super::pages::Pages;
use super::pieces::{Assembled, Piece, Pieces, Place, stored_size_of};
use crate::binary::{byte_array, structure};
use crate::capture::read_at::{ReadAt, Section};
use crate::error::Error;
use crate::warning::{WarningCode, Warnings};

const SECTOR: u64 = 512;
const FOOTER: &str = "a VHD footer";
const HEADER: &str = "a dynamic disk header";
const TABLE: &str = "the block allocation table";
const BITMAP: &str = "the sector bitmap of a block";
const COOKIE: &[u8; 8] = b"conectix";
const HEADER_COOKIE: &[u8; 8] = b"cxsparse";
/// A block that was never written.
const UNUSED: u32 = 0xFFFF_FFFF;
/// A block has a bitmap of 256 KiB then. Windows makes blocks of 512 KiB or 2 MiB.
const LARGEST_BLOCK: u32 = 1 << 30;

/// The last 512 bytes of every VHD; a dynamic one has a copy in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Footer {
    /// `Data Offset`: of the dynamic disk header.
    data_offset: u64,
    /// `Current Size`: of the virtual disk.
    current_size: u64,
    /// `Disk Type`
    disk_type: u32,
    /// `Unique Id`, as it stands there.
    unique_id: [u8; 16],
    is_sealed: bool,
}

impl Footer {
    const SIZE: usize = 512;
    const FIXED: u32 = 2;
    const DYNAMIC: u32 = 3;
    const DIFFERENCING: u32 = 4;

    /// Reads a footer; `None` where the bytes are none.
    fn parse(bytes: &[u8; Self::SIZE]) -> Option<Footer> {
        let (_, footer) = structure(FOOTER, 0, bytes, |bytes| {
            let (rest, cookie) = byte_array::<8>(bytes)?;
            // Features, file format version.
            let (rest, (_, data_offset)) = (byte_array::<8>, be_u64).parse(rest)?;
            // Time, creator, its version and host, original size.
            let (rest, (_, current_size)) = (byte_array::<24>, be_u64).parse(rest)?;
            // Geometry.
            let (rest, (_, disk_type)) = (byte_array::<4>, be_u32).parse(rest)?;
            let (rest, (checksum, unique_id)) = (be_u32, byte_array).parse(rest)?;
            let footer = Footer {
                data_offset,
                current_size,
                disk_type,
                unique_id,
                is_sealed: checksum == checksum_of(bytes, 64),
            };
            Ok((rest, (cookie == *COOKIE).then_some(footer)))
        })
        .ok()?;
        footer
    }
}

/// One's complement of the sum of all bytes but the four of the checksum itself.
fn checksum_of(bytes: &[u8], checksum_at: usize) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    let own = bytes.get(checksum_at..checksum_at + 4).map_or(0, sum);
    !(sum(bytes) - own)
}

/// `Dynamic Disk Header`, which stands where the footer says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DynamicHeader {
    /// `Table Offset`
    table_offset: u64,
    /// `Max Table Entries`
    table_entries: u32,
    /// `Block Size`: of the data, without the bitmap.
    block_size: u32,
    /// `Parent Unique ID`
    parent_id: [u8; 16],
    /// `Parent Unicode Name`: UTF-16, big-endian.
    parent_name: String,
    locators: [ParentLocator; 8],
    is_sealed: bool,
}

/// `Parent Locator Entry`: a path of the parent on some platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ParentLocator {
    platform: [u8; 4],
    length: u32,
    offset: u64,
}

impl DynamicHeader {
    const SIZE: usize = 1024;

    fn read(file: &ContainerFile, offset: u64) -> Result<DynamicHeader, Error> {
        let bytes: [u8; Self::SIZE] = file.array(HEADER, offset)?;
        if !bytes.starts_with(HEADER_COOKIE) {
            let found = bytes[..8].escape_ascii().to_string();
            return Err(file.malformed(offset, "the cookie cxsparse of a dynamic disk", found));
        }
        let parsed = structure(HEADER, offset, &bytes, |bytes| {
            // Cookie, data offset.
            let (rest, (_, table_offset)) = (byte_array::<16>, be_u64).parse(bytes)?;
            let (rest, (_version, table_entries, block_size)) =
                (be_u32, be_u32, be_u32).parse(rest)?;
            let (rest, (checksum, parent_id)) = (be_u32, byte_array).parse(rest)?;
            // Time of the parent's file, reserved.
            let (rest, (_, name)) = (byte_array::<8>, byte_array::<512>).parse(rest)?;
            let mut rest = rest;
            let mut locators = [ParentLocator::NONE; 8];
            for locator in &mut locators {
                (rest, *locator) = parent_locator(rest)?;
            }
            let header = DynamicHeader {
                table_offset,
                table_entries,
                block_size,
                parent_id,
                parent_name: utf16(&name, u16::from_be_bytes),
                locators,
                is_sealed: checksum == checksum_of(bytes, 36),
            };
            Ok((rest, header))
        });
        let (_, header) = parsed.map_err(|error| file.here(offset, error))?;
        let block_size = header.block_size;
        if !block_size.is_power_of_two() || !(512..=LARGEST_BLOCK).contains(&block_size) {
            let found = format!("{block_size} bytes");
            let expected = "a block size that is a power of two from 512 bytes to 1 GiB";
            return Err(file.malformed(offset + 32, expected, found));
        }
        Ok(header)
    }

    /// The paths that are told of the parent. One that cannot be read is as good as none: the others may do.
    fn parent_names(&self, file: &ContainerFile) -> Vec<String> {
        let mut names = Vec::new();
        for platform in [b"W2ru", b"W2ku"] {
            for locator in &self.locators {
                let length = locator.length.min(ParentLocator::LONGEST) as usize;
                if locator.platform == *platform
                    && let Ok(path) = file.vec("the path of the parent", locator.offset, length)
                {
                    names.push(utf16(&path, u16::from_le_bytes));
                }
            }
        }
        names.push(self.parent_name.clone());
        names
    }
}

impl ParentLocator {
    const NONE: ParentLocator = ParentLocator {
        platform: [0; 4],
        length: 0,
        offset: 0,
    };
    /// Paths of Windows have 32,767 units at most.
    const LONGEST: u32 = 0x10000;
}

fn parent_locator(bytes: &[u8]) -> nom::IResult<&[u8], ParentLocator> {
    let (rest, (platform, _space)) = (byte_array, be_u32).parse(bytes)?;
    let (rest, (length, _reserved, offset)) = (be_u32, be_u32, be_u64).parse(rest)?;
    let locator = ParentLocator {
        platform,
        length,
        offset,
    };
    Ok((rest, locator))
}

/// Text up to its NUL.
fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.as_chunks().0.iter().map(|&pair| unit(pair));
    let units: Vec<u16> = units.take_while(|&unit| unit != 0).collect();
    String::from_utf16_lossy(&units)
}

/// Whether the bytes are a VHD: by the copy of the footer in front, or the footer itself.
pub(super) fn is_vhd(bytes: &dyn ReadAt) -> bool {
    let is_footer = |(offset, length): (u64, usize)| {
        let mut footer = [0; Footer::SIZE];
        let is_read = bytes.read_exact_at(offset, &mut footer[..length]).is_ok();
        let footer = is_read.then(|| Footer::parse(&footer)).flatten();
        footer.is_some_and(|footer| {
            let is_type = (Footer::FIXED..=Footer::DIFFERENCING).contains(&footer.disk_type);
            // Someone's raw disk may end in a file of these bytes.
            is_type && (footer.is_sealed || footer.current_size <= offset || offset == 0)
        })
    };
    footer_places(bytes.size()).any(is_footer)
}

/// Where a footer may stand, and how long it is there: at the end, or a copy in front of a dynamic disk.
fn footer_places(file_size: u64) -> impl Iterator<Item = (u64, usize)> {
    // Versions of Virtual PC before 2004 wrote 511 bytes.
    let lengths = [Footer::SIZE, 511].into_iter();
    let ends = lengths.filter_map(move |length| {
        let offset = file_size.checked_sub(length as u64)?;
        Some((offset, length))
    });
    let front = (file_size >= Footer::SIZE as u64).then_some((0, Footer::SIZE));
    ends.chain(front)
}

/// Finds the footer: where it stands, and what it says.
fn find_footer(file: &ContainerFile, warnings: &mut Warnings) -> Result<(u64, Footer), Error> {
    let mut found: Vec<(u64, Footer)> = Vec::new();
    for (offset, length) in footer_places(file.size()) {
        let mut bytes = [0; Footer::SIZE];
        file.read(FOOTER, offset, &mut bytes[..length])?;
        if let Some(footer) = Footer::parse(&bytes) {
            found.push((offset, footer));
        }
    }
    let has_end = found.iter().any(|(offset, _)| *offset > 0);
    let sealed = found.iter().position(|(_, footer)| footer.is_sealed);
    let Some(&(offset, footer)) = found.get(sealed.unwrap_or(0)) else {
        return Err(file.malformed(file.size(), FOOTER, "other bytes"));
    };
    if !has_end {
        file.warn_truncated(warnings, "its footer");
    }
    if let Some(&(damaged, _)) = found.iter().find(|(_, footer)| !footer.is_sealed) {
        let text = "the checksum of the VHD footer is wrong";
        file.warn(warnings, WarningCode::ContainerDamaged, damaged, text);
    }
    Ok((offset, footer))
}

/// A VHD.
pub(super) struct Vhd {
    size: u64,
    unique_id: [u8; 16],
    data: Data,
}

enum Data {
    /// The disk stands at the start of the file.
    Fixed(ContainerFile),
    Blocks {
        pages: Pages,
        table_offset: u64,
        table_entries: u32,
        block_size: u64,
        /// What a block has in front of its data.
        bitmap_size: u64,
        parent: Option<Rc<dyn ReadAt>>,
    },
}

impl Vhd {
    /// Opens a VHD, and its parents beside it.
    pub(super) fn open(
        file: ContainerFile,
        opening: &Opening,
        warnings: &mut Warnings,
    ) -> Result<Vhd, Error> {
        let (footer_at, footer) = find_footer(&file, warnings)?;
        let data = match footer.disk_type {
            Footer::FIXED => {
                let there = file.size().min(match footer_at {
                    0 => u64::MAX,
                    footer_at => footer_at,
                });
                if there < footer.current_size {
                    file.warn_truncated(warnings, "the data that its footer tells of");
                }
                let data = Section::new(file.bytes().clone(), 0, there);
                Data::Fixed(file.with_bytes(Rc::new(data)))
            }
            Footer::DYNAMIC | Footer::DIFFERENCING => {
                Vhd::open_blocks(file, &footer, opening, warnings)?
            }
            other => {
                let found = format!("{other}");
                let expected = "disk type 2 (fixed), 3 (dynamic) or 4 (differencing)";
                return Err(file.malformed(footer_at + 60, expected, found));
            }
        };
        Ok(Vhd {
            size: footer.current_size,
            unique_id: footer.unique_id,
            data,
        })
    }

    fn open_blocks(
        file: ContainerFile,
        footer: &Footer,
        opening: &Opening,
        warnings: &mut Warnings,
    ) -> Result<Data, Error> {
        let header = DynamicHeader::read(&file, footer.data_offset)?;
        if !header.is_sealed {
            let text = "the checksum of the dynamic disk header is wrong";
            let at = footer.data_offset;
            file.warn(warnings, WarningCode::ContainerDamaged, at, text);
        }
        let block_size = u64::from(header.block_size);
        if footer.current_size.div_ceil(block_size) > header.table_entries.into() {
            let text = format!(
                "the block allocation table has {} entries, too few for a disk of {} bytes",
                header.table_entries, footer.current_size
            );
            let at = footer.data_offset + 28;
            file.warn(warnings, WarningCode::ContainerDamaged, at, text);
        }
        let parent = match footer.disk_type {
            Footer::DIFFERENCING => Some(open_parent(&file, &header, opening, warnings)?),
            _ => None,
        };
        Ok(Data::Blocks {
            pages: Pages::new(file),
            table_offset: header.table_offset,
            table_entries: header.table_entries,
            block_size,
            bitmap_size: (block_size / SECTOR / 8)
                .next_multiple_of(SECTOR)
                .max(SECTOR),
            parent,
        })
    }

    pub(super) fn variant(&self) -> &'static str {
        match &self.data {
            Data::Fixed(_) => "fixed",
            Data::Blocks { parent: None, .. } => "dynamic",
            Data::Blocks { .. } => "differencing",
        }
    }
}

/// Opens the parent and checks that it is the one.
///
/// The time that the header tells of it is that of the parent's file, which copying changes: it is not looked at.
fn open_parent(
    file: &ContainerFile,
    header: &DynamicHeader,
    opening: &Opening,
    warnings: &mut Warnings,
) -> Result<Rc<dyn ReadAt>, Error> {
    let names = header.parent_names(file);
    let (parent_file, _, opening) = opening.parent(file, &names)?;
    let parent = Vhd::open(parent_file.clone(), &opening, warnings)?;
    if parent.unique_id != header.parent_id {
        let id = |bytes| Uuid::from_bytes(bytes);
        let expected = format!("the parent with the unique id {}", id(header.parent_id));
        let found = format!("{}, another disk or a later state", id(parent.unique_id));
        return Err(parent_file.name_in(Error::malformed(expected, found)));
    }
    Ok(Rc::new(Assembled(parent)))
}

impl Pieces for Vhd {
    fn disk_size(&self) -> u64 {
        self.size
    }

    fn stored_size(&self) -> u64 {
        match &self.data {
            Data::Fixed(file) => file.stored_size(),
            Data::Blocks { pages, parent, .. } => {
                let file = pages.file().stored_size();
                file.saturating_add(stored_size_of(parent.as_ref()))
            }
        }
    }

    fn piece(&self, offset: u64, length: u64) -> Result<Piece, Error> {
        let (pages, table_offset, table_entries, block_size, bitmap_size, parent) = match &self.data
        {
            Data::Fixed(file) => {
                let file = file.clone();
                let place = Place::File { file, offset };
                return Ok(Piece { place, length });
            }
            Data::Blocks {
                pages,
                table_offset,
                table_entries,
                block_size,
                bitmap_size,
                parent,
            } => (
                pages,
                *table_offset,
                *table_entries,
                *block_size,
                *bitmap_size,
                parent,
            ),
        };
        let (block, within) = (offset / block_size, offset % block_size);
        let length = length.min(block_size - within);
        let absent = || match parent {
            Some(disk) => Place::Parent {
                disk: disk.clone(),
                offset,
            },
            None => Place::Zeros,
        };
        let entry_at = table_offset.saturating_add(block.saturating_mul(4));
        if block >= table_entries.into() {
            let found = format!("a table of {table_entries} entries");
            return Err(pages
                .file()
                .malformed(entry_at, "the entry of a block", found));
        }
        let sector = u32::from_be_bytes(pages.array(TABLE, entry_at)?);
        if sector == UNUSED {
            let place = absent();
            return Ok(Piece { place, length });
        }
        // Of a dynamic disk the bits tell what was ever written, of a differencing one what is not the parent's.
        let bitmap = u64::from(sector) * SECTOR;
        let sectors = (within % SECTOR + length).div_ceil(SECTOR);
        let (is_here, run) =
            pages.run_of_bits(BITMAP, bitmap, within / SECTOR, sectors, |bit| 0x80 >> bit)?;
        let length = length.min(run * SECTOR - within % SECTOR);
        let place = match is_here {
            true => Place::File {
                file: pages.file().clone(),
                offset: bitmap + bitmap_size + within,
            },
            false => absent(),
        };
        Ok(Piece { place, length })
    }
}
