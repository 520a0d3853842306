//! What an image file says about itself: the header of a WIM and its XML data.
//!
//! [`Wim::open`] reads those two and nothing else, so that an image of many gigabytes is told in two reads.
//! What a file is that is no WIM, [`ImageFormat`] tells.
//!
//! With the feature `captured-wim`, `CapturedWim` looks into a WIM: the tree of files of each image, their data,
//! streams and reparse points.

#[cfg(feature = "captured-wim")]
mod captured_wim;
#[cfg(feature = "captured-wim")]
mod chunk_cache;
#[cfg(feature = "captured-wim")]
mod chunk_table;
#[cfg(any(feature = "captured-wim", feature = "disk-image"))]
pub mod compression;
#[cfg(feature = "captured-wim")]
mod directory_entry;
mod header;
mod image_format;
#[cfg(feature = "captured-wim")]
mod integrity;
#[cfg(feature = "captured-wim")]
mod lookup_table;
#[cfg(feature = "captured-wim")]
mod metadata;
#[cfg(feature = "captured-wim")]
mod resource;
#[cfg(feature = "captured-wim")]
mod solid;
#[cfg(feature = "captured-wim")]
mod verification;
mod xml;

use std::io::{self, Read, Seek, SeekFrom};

#[cfg(feature = "captured-wim")]
pub use captured_wim::CapturedWim;
#[cfg(feature = "captured-wim")]
pub use directory_entry::{DirectoryEntry, FileAttributes, StreamEntry, StreamKind};
pub use header::{Compression, ResourceHeader, WimFlags, WimHeader};
pub use image_format::ImageFormat;
#[cfg(feature = "captured-wim")]
pub use integrity::{DamagedChunk, Integrity, IntegrityTable, PartIntegrity, VerificationProgress};
#[cfg(feature = "captured-wim")]
pub use lookup_table::{LookupEntry, LookupTable, Sha1Digest};
#[cfg(feature = "captured-wim")]
pub use metadata::{Entries, ImageMetadata, Walk};
#[cfg(feature = "captured-wim")]
pub use resource::{Resource, ResourceReader};
#[cfg(feature = "captured-wim")]
pub use verification::DataVerification;
pub use xml::{Architecture, ImageVersion, WimImage, WimXml};

use self::header::XML_DATA_POSITION;
use crate::error::{Error, Position};
use crate::warning::{Warning, WarningCode, Warnings};

/// The facts of a WIM file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wim {
    /// The header; of a pipable WIM the one at the file's end.
    pub header: WimHeader,
    /// What the XML data say; `None` when the file has none or they cannot be read, and then a warning says why.
    pub xml: Option<WimXml>,
    /// The file's size in bytes.
    pub file_size: u64,
    /// The parts that the file's end cuts off, by the names of their header fields; not empty means truncated.
    pub cut_off: Vec<&'static str>,
}

impl Wim {
    /// A WIM of which nothing but the header is known, and in which nothing is cut off.
    pub fn new(header: WimHeader) -> Self {
        Wim {
            header,
            xml: None,
            file_size: WimHeader::SIZE as u64,
            cut_off: Vec::new(),
        }
    }

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
        Self::open_within(source, MAX_XML_SIZE)
    }

    /// As [`open`](Self::open), with at most so many bytes of XML data.
    pub(crate) fn open_within(
        mut source: impl Read + Seek,
        most_xml: u64,
    ) -> Result<(Wim, Warnings), Error> {
        let mut warnings = Warnings::default();
        let file_size = source.seek(SeekFrom::End(0))?;
        let front = read_at(&mut source, 0, WimHeader::SIZE as u64)?;
        let mut header = match WimHeader::parse(&front) {
            Ok(header) => header,
            Err(error) => return Err(not_a_wim(&mut source)?.unwrap_or(error)),
        };
        let mut cut_off = Vec::new();
        if header.is_pipable {
            match trailing_header(&mut source, file_size)? {
                Some(trailing) => header = trailing,
                None => cut_off.push("the second header"),
            }
        }
        cut_off.extend(
            resources(&header)
                .filter(|(_, resource)| !resource.lies_within(file_size))
                .map(|(name, _)| name),
        );
        for name in &cut_off {
            warnings.push(Warning::malformed(
                WarningCode::Truncated,
                Position::Byte(file_size),
                name,
                "the end of the file",
            ));
        }
        let xml = read_xml(&mut source, &header, file_size, most_xml, &mut warnings);
        let wim = Wim {
            header,
            xml,
            file_size,
            cut_off,
        };
        Ok((wim, warnings))
    }

    /// Whether a file is a WIM, by its first bytes.
    pub fn is_wim(start: &[u8]) -> bool {
        start.starts_with(header::MAGIC) || start.starts_with(header::PIPABLE_MAGIC)
    }

    /// Whether the file ends before its contents do.
    pub fn is_truncated(&self) -> bool {
        !self.cut_off.is_empty()
    }
}

/// XML data larger than this, in bytes, are not read: real ones have a few kilobytes for each image.
const MAX_XML_SIZE: u64 = 64 << 20;

/// The error for a source whose start is no header of ours, if it is something that has a name.
fn not_a_wim(source: &mut (impl Read + Seek)) -> Result<Option<Error>, Error> {
    let format = ImageFormat::identify(source)?;
    let error = match format {
        ImageFormat::Wim | ImageFormat::PipableWim | ImageFormat::Unknown => return Ok(None),
        ImageFormat::Vhd | ImageFormat::Vhdx | ImageFormat::Ffu => {
            Error::unsupported(format.to_string(), "only mounted WIM files are covered")
        }
        _ => Error::malformed("a WIM", format.to_string()),
    };
    Ok(Some(error.at(Position::Byte(0))))
}

/// The header at the end of a pipable WIM. The one at its start was written before anything else was known.
fn trailing_header(
    source: &mut (impl Read + Seek),
    file_size: u64,
) -> Result<Option<WimHeader>, Error> {
    let Some(offset) = file_size.checked_sub(WimHeader::SIZE as u64) else {
        return Ok(None);
    };
    let bytes = read_at(source, offset, WimHeader::SIZE as u64)?;
    Ok(WimHeader::parse(&bytes)
        .ok()
        .filter(|header| header.is_pipable && offset > 0))
}

/// The resources that this file should hold, by the names of their header fields.
fn resources(header: &WimHeader) -> impl Iterator<Item = (&'static str, ResourceHeader)> {
    // Of a split WIM the first part holds the metadata.
    let boot_metadata = (header.part_number <= 1).then_some(header.boot_metadata);
    [
        ("rhOffsetTable", Some(header.lookup_table)),
        ("rhXmlData", Some(header.xml_data)),
        ("rhBootMetadata", boot_metadata),
        ("rhIntegrity", Some(header.integrity_table)),
    ]
    .into_iter()
    .filter_map(|(name, resource)| Some((name, resource?)))
}

/// Reads the XML data as far as the file has them. What is wrong with them is a warning.
fn read_xml(
    source: &mut (impl Read + Seek),
    header: &WimHeader,
    file_size: u64,
    most: u64,
    warnings: &mut Warnings,
) -> Option<WimXml> {
    let resource = header.xml_data;
    let bytes = match resource {
        _ if resource.is_absent() => Err("none".into()),
        _ if resource.offset >= file_size => Err("none before the end of the file".into()),
        _ if resource.is_compressed() => Err("compressed ones".into()),
        _ if resource.size > MAX_XML_SIZE => Err("more than 64 MiB of them".into()),
        _ if resource.size > most => Err("more than are read of all image files together".into()),
        _ => read_at(source, resource.offset, resource.size).map_err(|error| error.to_string()),
    };
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(found) => {
            warnings.push(xml_malformed(XML_DATA_POSITION, "XML data", &found));
            return None;
        }
    };
    let xml = WimXml::read(&bytes, resource.offset, warnings)?;
    if xml.images.len() as u64 != u64::from(header.image_count) {
        let expected = format!("{} images in the XML data", header.image_count);
        let found = xml.images.len().to_string();
        warnings.push(xml_malformed(resource.offset, &expected, &found));
    }
    Some(xml)
}

fn xml_malformed(position: u64, expected: &str, found: &str) -> Warning {
    Warning::malformed(
        WarningCode::ImageXmlMalformed,
        Position::Byte(position),
        expected,
        found,
    )
}

/// Reads up to `length` bytes at `offset`: fewer where the source ends. The caller bounds the length.
fn read_at(source: &mut (impl Read + Seek), offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.seek(SeekFrom::Start(offset))?;
    source.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}
