//! The XML data of a WIM: \[MS-WIM\] 2.7, and what DISM and imagex write beyond it.

use std::fmt;

use crate::file_time::FileTime;

/// The XML data of a WIM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WimXml {
    /// `TOTALBYTES` of the whole file.
    pub total_bytes: Option<u64>,
    /// Whether the file has an `ESD` element with `ENCRYPTED` in it: its metadata cannot be read without a key.
    pub is_encrypted: bool,
    /// The images, in the order of the XML.
    pub images: Vec<WimImage>,
}

impl WimXml {
    /// The image with this index, counted from 1.
    pub fn image(&self, index: u32) -> Option<&WimImage> {
        self.images.iter().find(|image| image.index == index)
    }
}

/// What the XML data say about one image. A field is `None` when the XML does not have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WimImage {
    /// `INDEX`, counted from 1.
    pub index: u32,
    /// `NAME`
    pub name: Option<String>,
    /// `DESCRIPTION`
    pub description: Option<String>,
    /// `FLAGS`: the edition as the image's maker named it.
    pub flags: Option<String>,
    /// `WINDOWS/EDITIONID`
    pub edition_id: Option<String>,
    /// `WINDOWS/VERSION`
    pub version: Option<ImageVersion>,
    /// `WINDOWS/ARCH`
    pub architecture: Option<Architecture>,
    /// `CREATIONTIME`
    pub creation_time: Option<FileTime>,
    /// `LASTMODIFICATIONTIME`
    pub last_modification_time: Option<FileTime>,
    /// `TOTALBYTES`: size of the image's files.
    pub total_bytes: Option<u64>,
    /// `DIRCOUNT`
    pub directory_count: Option<u64>,
    /// `FILECOUNT`
    pub file_count: Option<u64>,
    /// `WIMBOOT`: whether the image is meant to be applied as pointers into the WIM.
    pub is_wimboot: bool,
}

/// Version of the Windows in an image; numbers that the XML lacks are 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageVersion {
    /// `MAJOR`
    pub major: u32,
    /// `MINOR`
    pub minor: u32,
    /// `BUILD`
    pub build: u32,
    /// `SPBUILD`: the revision that updates raise.
    pub service_pack_build: u32,
}

impl fmt::Display for ImageVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}.{}",
            self.major, self.minor, self.build, self.service_pack_build
        )
    }
}

/// Processor architecture of an image: the `PROCESSOR_ARCHITECTURE_*` numbers of winnt.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Architecture(pub u32);

impl Architecture {
    /// `PROCESSOR_ARCHITECTURE_INTEL`
    pub const X86: Architecture = Architecture(0);
    /// `PROCESSOR_ARCHITECTURE_ARM`
    pub const ARM: Architecture = Architecture(5);
    /// `PROCESSOR_ARCHITECTURE_IA64`
    pub const IA64: Architecture = Architecture(6);
    /// `PROCESSOR_ARCHITECTURE_AMD64`
    pub const AMD64: Architecture = Architecture(9);
    /// `PROCESSOR_ARCHITECTURE_ARM64`
    pub const ARM64: Architecture = Architecture(12);
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Architecture::X86 => f.pad("x86"),
            Architecture::ARM => f.pad("arm"),
            Architecture::IA64 => f.pad("ia64"),
            Architecture::AMD64 => f.pad("amd64"),
            Architecture::ARM64 => f.pad("arm64"),
            Architecture(number) => write!(f, "architecture {number}"),
        }
    }
}
