//! What a file is that should be an image file: by its contents, never by its name.

use std::fmt;
use std::io::{self, Read, Seek};

/// What a file is that should be an image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ImageFormat {
    /// A WIM: the file starts with `MSWIM`.
    Wim,
    /// A pipable WIM, as only wimlib makes them: the file starts with `WLPWM`.
    PipableWim,
    /// A virtual hard disk: the file ends (or starts) with a footer `conectix`.
    Vhd,
    /// A virtual hard disk of the newer format: the file starts with `vhdxfile`.
    Vhdx,
    /// A Full Flash Update image: `SignedImage ` at byte 4.
    Ffu,
    /// An ISO 9660 image: `CD001` at byte 0x8001.
    Iso,
    /// A ZIP archive.
    Zip,
    /// A Windows program.
    Executable,
    /// The placeholder that Git LFS leaves where the file was not fetched.
    GitLfsPointer,
    /// A file of 0 bytes.
    Empty,
    /// A file whose first 4,096 bytes (or all of its bytes, if less) are zero: allocated, never written.
    Zeros,
    /// None of these.
    Unknown,
}

impl ImageFormat {
    /// Tells a file by its contents.
    ///
    /// # Errors
    ///
    /// The source cannot be read.
    pub fn identify(source: &mut (impl Read + Seek)) -> io::Result<ImageFormat> {
        let _ = source;
        Ok(ImageFormat::Unknown)
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ImageFormat::Wim => "a WIM",
            ImageFormat::PipableWim => "a pipable WIM",
            ImageFormat::Vhd => "a virtual hard disk (VHD)",
            ImageFormat::Vhdx => "a virtual hard disk (VHDX)",
            ImageFormat::Ffu => "a Full Flash Update image (FFU)",
            ImageFormat::Iso => "an ISO image",
            ImageFormat::Zip => "a ZIP archive",
            ImageFormat::Executable => "a Windows program",
            ImageFormat::GitLfsPointer => "a Git LFS placeholder",
            ImageFormat::Empty => "an empty file",
            ImageFormat::Zeros => "zeros",
            ImageFormat::Unknown => "an unknown format",
        })
    }
}
