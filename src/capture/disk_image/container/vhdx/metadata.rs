//! The metadata of a VHDX: sizes, and what the parent is. MS-VHDX 2.6.

use nom::Parser;
use nom::number::complete::{le_u16, le_u32};
use uuid::Uuid;

use super::header::Region;
use crate::binary::{byte_array, guid, structure};
use crate::capture::disk_image::container::container_file::ContainerFile;
use crate::error::Error;
use crate::wide_string::WideString;

const FILE_PARAMETERS: Uuid = Uuid::from_u128(0xCAA16737_FA36_4D43_B3B6_33F0AA44E76B);
const VIRTUAL_DISK_SIZE: Uuid = Uuid::from_u128(0x2FA54224_CD1B_4876_B211_5DBED83BF4B8);
const VIRTUAL_DISK_ID: Uuid = Uuid::from_u128(0xBECA12AB_B2E6_4523_93EF_C309E000C746);
const LOGICAL_SECTOR_SIZE: Uuid = Uuid::from_u128(0x8141BF1D_A96F_4709_BA47_F233A8FAAB5F);
const PHYSICAL_SECTOR_SIZE: Uuid = Uuid::from_u128(0xCDA348C7_445D_4471_9CC9_E9885251C556);
const PARENT_LOCATOR: Uuid = Uuid::from_u128(0xA8D35F2D_B30B_454D_ABF7_D3D84834AB0C);
/// The only type of parent locator.
const VHDX_PARENT: Uuid = Uuid::from_u128(0xB04AEFB7_D19E_4A81_B789_25B8E9445913);

const TABLE: &str = "the table of metadata of a VHDX";
/// `EntryCount` of the table of metadata.
const MOST_ITEMS: u16 = 2047;
const TABLE_SIZE: u32 = 0x1_0000;
/// `Length` of an item.
const LARGEST_ITEM: u32 = 0x10_0000;
/// The format's own bounds.
const SMALLEST_BLOCK: u32 = 1 << 20;
const LARGEST_BLOCK: u32 = 1 << 28;
const LARGEST_DISK: u64 = 1 << 46;

/// What the metadata say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) block_size: u32,
    pub(super) is_fixed: bool,
    pub(super) disk_size: u64,
    pub(super) sector_size: u32,
    pub(super) parent: Option<ParentLocator>,
}

/// `VHDX_PARENT_LOCATOR`: keys and their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ParentLocator {
    entries: Vec<(String, String)>,
}

impl ParentLocator {
    fn value(&self, key: &str) -> Option<&str> {
        let mut entries = self.entries.iter();
        let entry = entries.find(|(known, _)| known.eq_ignore_ascii_case(key));
        entry.map(|(_, value)| value.as_str())
    }

    /// The paths that are told of the parent.
    pub(super) fn paths(&self) -> Vec<String> {
        let keys = ["relative_path", "volume_path", "absolute_win32_path"];
        let paths = keys.iter().filter_map(|key| self.value(key));
        paths.map(str::to_owned).collect()
    }

    /// What the parent's `DataWriteGuid` may be: the second is there while a parent is being changed.
    pub(super) fn linkages(&self) -> Vec<Uuid> {
        let keys = ["parent_linkage", "parent_linkage2"];
        let values = keys.iter().filter_map(|key| self.value(key));
        values
            .filter_map(|value| Uuid::try_parse(value.trim()).ok())
            .filter(|guid| !guid.is_nil())
            .collect()
    }
}

/// An entry of the table.
struct Item {
    id: Uuid,
    /// From the start of the file.
    at: u64,
    length: u32,
}

impl Metadata {
    pub(super) fn read(file: &ContainerFile, region: Region) -> Result<Metadata, Error> {
        let items = read_table(file, region)?;
        let find = |id: Uuid| items.iter().find(|item| item.id == id);
        let required = |id: Uuid, expected: &'static str| {
            let missing = || file.malformed(region.offset, expected, "metadata without it");
            find(id).ok_or_else(missing)
        };
        let number = |item: &Item| {
            file.array("an item of metadata", item.at)
                .map(u32::from_le_bytes)
        };

        let parameters = required(FILE_PARAMETERS, "the file parameters")?;
        let block_size = number(parameters)?;
        let flags = u32::from_le_bytes(file.array("the file parameters", parameters.at + 4)?);
        if !block_size.is_power_of_two() || !(SMALLEST_BLOCK..=LARGEST_BLOCK).contains(&block_size)
        {
            let expected = "a block size that is a power of two from 1 to 256 MiB";
            return Err(file.malformed(parameters.at, expected, format!("{block_size} bytes")));
        }
        let sector = required(LOGICAL_SECTOR_SIZE, "the logical sector size")?;
        let sector_size = number(sector)?;
        if !matches!(sector_size, 512 | 4096) {
            let expected = "a logical sector size of 512 or 4,096 bytes";
            return Err(file.malformed(sector.at, expected, format!("{sector_size} bytes")));
        }
        let size = required(VIRTUAL_DISK_SIZE, "the size of the virtual disk")?;
        let disk_size = u64::from_le_bytes(file.array("the size of the virtual disk", size.at)?);
        if disk_size > LARGEST_DISK {
            let expected = "a virtual disk of at most 64 TiB";
            return Err(file.malformed(size.at, expected, format!("{disk_size} bytes")));
        }
        let parent = match flags & 2 != 0 {
            true => Some(parent_locator(
                file,
                required(PARENT_LOCATOR, "the locator of the parent")?,
            )?),
            false => None,
        };
        Ok(Metadata {
            block_size,
            is_fixed: flags & 1 != 0,
            disk_size,
            sector_size,
            parent,
        })
    }
}

fn read_table(file: &ContainerFile, region: Region) -> Result<Vec<Item>, Error> {
    let here = |error| file.name_in(error);
    let length = region.length.min(TABLE_SIZE) as usize;
    let table = file.vec(TABLE, region.offset, length)?;
    let (mut rest, (signature, count)) = structure(TABLE, region.offset, &table, |bytes| {
        let (rest, (signature, _, count)) = (byte_array::<8>, le_u16, le_u16).parse(bytes)?;
        let (rest, _) = byte_array::<20>(rest)?;
        Ok((rest, (signature, count)))
    })
    .map_err(here)?;
    if signature != *b"metadata" {
        let found = signature.escape_ascii().to_string();
        return Err(file.malformed(region.offset, "the signature metadata", found));
    }
    if count > MOST_ITEMS {
        let expected = "at most 2,047 items of metadata";
        return Err(file.malformed(region.offset + 10, expected, count.to_string()));
    }
    let mut items = Vec::new();
    for index in 0..u64::from(count) {
        let entry_at = region.offset + 32 + 32 * index;
        let (behind, (id, offset, length, flags, _reserved)) =
            structure("an item of metadata", entry_at, rest, |bytes| {
                (guid, le_u32, le_u32, le_u32, le_u32).parse(bytes)
            })
            .map_err(here)?;
        rest = behind;
        let known = [
            FILE_PARAMETERS,
            VIRTUAL_DISK_SIZE,
            VIRTUAL_DISK_ID,
            LOGICAL_SECTOR_SIZE,
            PHYSICAL_SECTOR_SIZE,
            PARENT_LOCATOR,
        ];
        let (is_user, is_required) = (flags & 1 != 0, flags & 4 != 0);
        if is_user {
            continue;
        }
        if is_required && !known.contains(&id) {
            let what = format!("a VHDX with the metadata {id}, which it says are required,");
            let remedy = "convert it to a fixed VHD (Convert-VHD), or to a raw image";
            return Err(file.here(entry_at, Error::unsupported(what, remedy)));
        }
        let at = region.offset.checked_add(u64::from(offset));
        let at = at
            .ok_or_else(|| file.malformed(entry_at, "the offset of an item", offset.to_string()))?;
        items.push(Item { id, at, length });
    }
    Ok(items)
}

fn parent_locator(file: &ContainerFile, item: &Item) -> Result<ParentLocator, Error> {
    const LOCATOR: &str = "the locator of the parent";
    let here = |error| file.name_in(error);
    if item.length > LARGEST_ITEM {
        let found = format!("{} bytes", item.length);
        return Err(file.malformed(item.at, "an item of metadata of at most 1 MiB", found));
    }
    let bytes = file.vec(LOCATOR, item.at, item.length as usize)?;
    let (mut rest, (kind, _reserved, count)) = structure(LOCATOR, item.at, &bytes, |bytes| {
        (guid, le_u16, le_u16).parse(bytes)
    })
    .map_err(here)?;
    if kind != VHDX_PARENT {
        let what = format!("a parent that is told of by the type {kind}");
        let remedy = "merge the disk into its parent with the tool that made it";
        return Err(file.here(item.at, Error::unsupported(what, remedy)));
    }
    let mut locator = ParentLocator::default();
    // All the text together can be no longer than what it is taken from, or entries that share it would multiply it.
    let mut left = bytes.len() * 2;
    for _ in 0..count {
        let at = item.at + (bytes.len() - rest.len()) as u64;
        let (behind, (key_at, value_at, key_length, value_length)) =
            structure("a key of the locator", at, rest, |bytes| {
                (le_u32, le_u32, le_u16, le_u16).parse(bytes)
            })
            .map_err(here)?;
        rest = behind;
        let mut text = |start: u32, length: u16| {
            let text = bytes
                .get(start as usize..)
                .and_then(|bytes| bytes.get(..length.into()));
            left = left.checked_sub(length.into())?;
            text.map(|text| WideString::from_utf16le_until_nul(text).to_string_lossy())
        };
        let (Some(key), Some(value)) = (text(key_at, key_length), text(value_at, value_length))
        else {
            return Err(file.malformed(
                at,
                "a key of the locator and its value",
                "one outside of it",
            ));
        };
        locator.entries.push((key, value));
    }
    Ok(locator)
}
