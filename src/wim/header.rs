//! `WIMHEADER_V1_PACKED`, the first 208 bytes of a WIM, after Microsoft's paper "Windows Imaging File Format" (2007)
//! and, for what came later, wimlib.

use bitflags::bitflags;
use nom::bytes::complete::take;
use nom::number::complete::{le_u16, le_u32, le_u64};
use nom::{IResult, Parser};
use uuid::Uuid;

use crate::binary::{guid, structure};
use crate::error::{Error, Position};

bitflags! {
    /// `dwFlags` of the header. Bits without a name here are kept.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct WimFlags: u32 {
        /// Resources are compressed.
        const COMPRESSION = 0x0000_0002;
        /// The file is not to be changed.
        const READONLY = 0x0000_0004;
        /// The file is one part of a split WIM.
        const SPANNED = 0x0000_0008;
        /// The file holds file data, but no metadata.
        const RESOURCE_ONLY = 0x0000_0010;
        /// The file holds metadata, but no file data.
        const METADATA_ONLY = 0x0000_0020;
        /// A writer is, or was when it was interrupted, at work on the file.
        const WRITE_IN_PROGRESS = 0x0000_0040;
        /// The targets of absolute reparse points were made relative to the image.
        const RP_FIX = 0x0000_0080;
        /// Compressed with XPRESS.
        const COMPRESS_XPRESS = 0x0002_0000;
        /// Compressed with LZX.
        const COMPRESS_LZX = 0x0004_0000;
        /// Compressed with LZMS (after wimlib; not in the paper).
        const COMPRESS_LZMS = 0x0008_0000;
        /// Compressed with XPRESS in chunks of another size (after wimlib; not in the paper).
        const COMPRESS_XPRESS2 = 0x0020_0000;

        const _ = !0;
    }
}

/// How the resources of a WIM are compressed, by its flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// XPRESS: DISM's `/Compress:fast`.
    Xpress,
    /// LZX: DISM's `/Compress:max`.
    Lzx,
    /// LZMS: DISM's `/Compress:recovery`, as in ESD files.
    Lzms,
    /// The flags say compressed, but name no known format, or more than one.
    Unknown,
}

/// Where a resource lies: `RESHDR_DISK_SHORT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResourceHeader {
    /// The resource's size in the file, in bytes (56 bits).
    pub size: u64,
    /// The resource's own flags, see the constants.
    pub flags: u8,
    /// Offset in bytes from the start of the file.
    pub offset: u64,
    /// The resource's size when decompressed, in bytes.
    pub original_size: u64,
}

impl ResourceHeader {
    /// The resource is free, to be used by a writer.
    pub const FREE: u8 = 0x01;
    /// The resource is an image's metadata.
    pub const METADATA: u8 = 0x02;
    /// The resource is compressed.
    pub const COMPRESSED: u8 = 0x04;
    /// The resource goes on in another part of a split WIM.
    pub const SPANNED: u8 = 0x08;
    /// The resource holds the data of many files as one (after wimlib; not in the paper).
    pub const SOLID: u8 = 0x10;

    /// Whether there is no such resource.
    pub fn is_absent(&self) -> bool {
        self.size == 0
    }

    /// Whether the resource is stored compressed.
    pub fn is_compressed(&self) -> bool {
        self.flags & Self::COMPRESSED != 0
    }

    /// Whether the resource is a solid one, or lies in one.
    pub fn is_solid(&self) -> bool {
        self.flags & Self::SOLID != 0
    }

    /// Whether all of the resource lies in a file of this size. An absent one does.
    pub fn lies_within(&self, file_size: u64) -> bool {
        let end = self.offset.checked_add(self.size);
        self.is_absent() || end.is_some_and(|end| end <= file_size)
    }
}

/// The header of a WIM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WimHeader {
    /// Whether the WIM can be applied while it comes through a pipe: a format of wimlib's, unknown to DISM.
    pub is_pipable: bool,
    /// `dwVersion`: 0x10D00 as a rule, 0xE00 for a WIM that may have solid resources (ESD).
    pub version: u32,
    /// `dwFlags`
    pub flags: WimFlags,
    /// `dwCompressionSize`: size of a chunk of a compressed resource, in bytes when decompressed.
    pub chunk_size: u32,
    /// `gWIMGuid`: the file's id, common to all parts of a split WIM.
    pub guid: Uuid,
    /// `usPartNumber`, counted from 1.
    pub part_number: u16,
    /// `usTotalParts`: 1 unless the WIM is split.
    pub total_parts: u16,
    /// `dwImageCount`: how many images the WIM has.
    pub image_count: u32,
    /// `rhOffsetTable`: the lookup table of all resources.
    pub lookup_table: ResourceHeader,
    /// `rhXmlData`
    pub xml_data: ResourceHeader,
    /// `rhBootMetadata`: the metadata of the bootable image.
    pub boot_metadata: ResourceHeader,
    /// `dwBootIndex`: the bootable image, counted from 1; 0 for none.
    pub boot_index: u32,
    /// `rhIntegrity`: the table of hashes over the file.
    pub integrity_table: ResourceHeader,
}

impl WimHeader {
    /// Size of the header in bytes.
    pub const SIZE: usize = 208;
    /// Version of a WIM that may have solid resources.
    pub const VERSION_SOLID: u32 = 0x0E00;

    /// Reads a header from the front of `bytes`.
    ///
    /// # Errors
    ///
    /// The bytes do not start with a WIM's magic, or end within the header.
    pub fn parse(bytes: &[u8]) -> Result<WimHeader, Error> {
        let is_pipable = match bytes.get(..MAGIC.len()) {
            Some(magic) if magic == MAGIC => false,
            Some(magic) if magic == PIPABLE_MAGIC => true,
            _ => {
                let found = bytes.get(..MAGIC.len()).unwrap_or(bytes);
                return Err(
                    Error::malformed("MSWIM", format!("\"{}\"", found.escape_ascii()))
                        .at(Position::Byte(0)),
                );
            }
        };
        let (_, (header_size, header)) =
            structure("a WIM header of 208 bytes", 0, bytes, wim_header)?;
        if header_size as usize != Self::SIZE {
            return Err(
                Error::malformed("a header size of 208", header_size.to_string())
                    .at(Position::Byte(MAGIC.len() as u64)),
            );
        }
        Ok(WimHeader {
            is_pipable,
            ..header
        })
    }

    /// How the resources are compressed.
    pub fn compression(&self) -> Compression {
        let formats = WimFlags::COMPRESS_XPRESS
            | WimFlags::COMPRESS_XPRESS2
            | WimFlags::COMPRESS_LZX
            | WimFlags::COMPRESS_LZMS;
        let format = self.flags & formats;
        match format {
            _ if !self.flags.contains(WimFlags::COMPRESSION) => Compression::None,
            WimFlags::COMPRESS_XPRESS | WimFlags::COMPRESS_XPRESS2 => Compression::Xpress,
            WimFlags::COMPRESS_LZX => Compression::Lzx,
            WimFlags::COMPRESS_LZMS => Compression::Lzms,
            _ => Compression::Unknown,
        }
    }

    /// Whether the WIM may have solid resources, as ESD files do.
    pub fn is_solid(&self) -> bool {
        self.version == Self::VERSION_SOLID
    }

    /// Whether the file is one part of a split WIM.
    pub fn is_split(&self) -> bool {
        self.total_parts > 1 || self.flags.contains(WimFlags::SPANNED)
    }
}

/// `ImageTag` of a WIM.
pub(super) const MAGIC: &[u8; 8] = b"MSWIM\0\0\0";
/// `ImageTag` of a pipable WIM, which only wimlib makes.
pub(super) const PIPABLE_MAGIC: &[u8; 8] = b"WLPWM\0\0\0";
/// Where `rhXmlData` stands in the header.
pub(super) const XML_DATA_POSITION: u64 = 0x48;
/// `bUnused`, at the end of the header.
const UNUSED_SIZE: usize = 60;

/// The header with `cbSize`, its own size; whether it is pipable only the magic says.
fn wim_header(bytes: &[u8]) -> IResult<&[u8], (u32, WimHeader)> {
    let (rest, _magic) = take(MAGIC.len()).parse(bytes)?;
    let (rest, (header_size, version, flags, chunk_size)) =
        (le_u32, le_u32, le_u32, le_u32).parse(rest)?;
    let (rest, (guid, part_number, total_parts, image_count)) =
        (guid, le_u16, le_u16, le_u32).parse(rest)?;
    let (rest, (lookup_table, xml_data, boot_metadata)) =
        (resource_header, resource_header, resource_header).parse(rest)?;
    let (rest, (boot_index, integrity_table)) = (le_u32, resource_header).parse(rest)?;
    let (rest, _unused) = take(UNUSED_SIZE).parse(rest)?;
    let header = WimHeader {
        is_pipable: false,
        version,
        flags: WimFlags::from_bits_retain(flags),
        chunk_size,
        guid,
        part_number,
        total_parts,
        image_count,
        lookup_table,
        xml_data,
        boot_metadata,
        boot_index,
        integrity_table,
    };
    Ok((rest, (header_size, header)))
}

/// `RESHDR_DISK_SHORT`: the highest byte of the first field holds the flags, the rest the size.
pub(super) fn resource_header(bytes: &[u8]) -> IResult<&[u8], ResourceHeader> {
    let (rest, (size_and_flags, offset, original_size)) = (le_u64, le_u64, le_u64).parse(bytes)?;
    let header = ResourceHeader {
        size: size_and_flags & 0x00FF_FFFF_FFFF_FFFF,
        flags: (size_and_flags >> 56) as u8,
        offset,
        original_size,
    };
    Ok((rest, header))
}
