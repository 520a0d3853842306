//! What an image file says about itself: the header of a WIM and its XML data.
//!
//! [`Wim::open`] reads those two and nothing else, so that an image of many gigabytes is told in two reads.
//! What a file is that is no WIM, [`ImageFormat`] tells.

mod header;
mod image_format;
mod xml;

use std::io::{Read, Seek};

pub use header::{Compression, ResourceHeader, WimFlags, WimHeader};
pub use image_format::ImageFormat;
pub use xml::{Architecture, ImageVersion, WimImage, WimXml};

use crate::error::{Error, Warnings};

/// The facts of a WIM file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wim {
    /// The header; of a pipable WIM the one at the file's end.
    pub header: WimHeader,
    /// What the XML data say; `None` when the file has none or they cannot be read, and then a warning says why.
    pub xml: Option<WimXml>,
    /// The file's size in bytes.
    pub file_size: u64,
    /// The parts of the file that its end cuts off, by their names in \[MS-WIM\]; not empty means truncated.
    pub cut_off: Vec<&'static str>,
}

impl Wim {
    /// Reads header and XML data of a WIM, whatever its size.
    ///
    /// A truncated WIM is no error: what its header and the rest of it tell is told, and
    /// [`cut_off`](Self::cut_off) says what is missing.
    ///
    /// # Errors
    ///
    /// The source cannot be read, is not a WIM, or ends within the header. Where the source is another known
    /// image format the error [is "unsupported"](Error::is_unsupported) and names it.
    pub fn open(source: impl Read + Seek) -> Result<(Wim, Warnings), Error> {
        let _ = source;
        Err(Error::malformed("not yet", "not yet"))
    }

    /// Whether the file ends before its contents do.
    pub fn is_truncated(&self) -> bool {
        !self.cut_off.is_empty()
    }
}
