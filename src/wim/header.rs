//! `WIMHEADER_V1_PACKED`, the first 208 bytes of a WIM: \[MS-WIM\] 2.2.

use bitflags::bitflags;
use uuid::Uuid;

use crate::error::Error;

bitflags! {
    /// `dwFlags` of the header. Bits that \[MS-WIM\] does not name are kept.
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
        /// Compressed with LZMS (wimlib; not in \[MS-WIM\]).
        const COMPRESS_LZMS = 0x0008_0000;
        /// Compressed with XPRESS in chunks of another size (wimlib; not in \[MS-WIM\]).
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
    /// XPRESS, which every version of DISM mounts.
    Xpress,
    /// LZX, which every version of DISM mounts.
    Lzx,
    /// LZMS, as in ESD files.
    Lzms,
    /// The flags say compressed, but name no known format, or more than one.
    Unknown,
}

/// Where a resource lies: `RESHDR_DISK_SHORT` of \[MS-WIM\] 2.2.
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
    /// The resource holds the data of many files as one (wimlib; not in \[MS-WIM\]).
    pub const SOLID: u8 = 0x10;

    /// Whether there is no such resource.
    pub fn is_absent(&self) -> bool {
        self.size == 0
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
    /// `dwImageCount`
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
        let _ = bytes;
        Err(Error::malformed("not yet", "not yet"))
    }

    /// How the resources are compressed.
    pub fn compression(&self) -> Compression {
        Compression::Unknown
    }

    /// Whether the WIM may have solid resources, as ESD files do: DISM does not mount those.
    pub fn is_solid(&self) -> bool {
        self.version == Self::VERSION_SOLID
    }

    /// Whether the file is one part of a split WIM.
    pub fn is_split(&self) -> bool {
        self.total_parts > 1 || self.flags.contains(WimFlags::SPANNED)
    }
}
