//! What a file is that should be an image file: by its contents, never by its name.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use super::header::{MAGIC, PIPABLE_MAGIC};
use super::read_at;

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

/// How much of a file is looked at from its start.
const FRONT_SIZE: u64 = 4096;
/// Cookie of the footer that ends a VHD; a dynamic one starts with a copy.
const VHD_COOKIE: &[u8] = b"conectix";
const VHD_FOOTER_SIZE: u64 = 512;
/// The standard identifier of the first volume descriptor: ECMA-119 8.1.2.
const ISO_IDENTIFIER: &[u8] = b"CD001";
const ISO_IDENTIFIER_OFFSET: u64 = 0x8001;

impl ImageFormat {
    /// Tells a file by its contents.
    ///
    /// # Errors
    ///
    /// The source cannot be read.
    pub fn identify(source: &mut (impl Read + Seek)) -> io::Result<ImageFormat> {
        let front = read_at(source, 0, FRONT_SIZE)?;
        if front.is_empty() {
            return Ok(ImageFormat::Empty);
        }
        let magic_numbers: [(usize, &[u8], ImageFormat); 8] = [
            (0, MAGIC, ImageFormat::Wim),
            (0, PIPABLE_MAGIC, ImageFormat::PipableWim),
            (0, VHD_COOKIE, ImageFormat::Vhd),
            (0, b"vhdxfile", ImageFormat::Vhdx),
            (4, b"SignedImage ", ImageFormat::Ffu),
            (0, b"PK\x03\x04", ImageFormat::Zip),
            (0, b"MZ", ImageFormat::Executable),
            (
                0,
                b"version https://git-lfs.github.com/spec/",
                ImageFormat::GitLfsPointer,
            ),
        ];
        for (offset, magic, format) in magic_numbers {
            if front
                .get(offset..)
                .is_some_and(|bytes| bytes.starts_with(magic))
            {
                return Ok(format);
            }
        }
        if read_at(source, ISO_IDENTIFIER_OFFSET, ISO_IDENTIFIER.len() as u64)? == ISO_IDENTIFIER {
            return Ok(ImageFormat::Iso);
        }
        // A fixed VHD is raw but for its footer.
        let file_size = source.seek(SeekFrom::End(0))?;
        if let Some(footer) = file_size.checked_sub(VHD_FOOTER_SIZE)
            && read_at(source, footer, VHD_COOKIE.len() as u64)? == VHD_COOKIE
        {
            return Ok(ImageFormat::Vhd);
        }
        match front.iter().all(|&byte| byte == 0) {
            true => Ok(ImageFormat::Zeros),
            false => Ok(ImageFormat::Unknown),
        }
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
