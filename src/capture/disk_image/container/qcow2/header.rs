//! The header of a QCOW2 and its extensions.

use nom::Parser;
use nom::number::complete::{be_u32, be_u64};

use crate::binary::{byte_array, structure};
use crate::capture::disk_image::container::container_file::ContainerFile;
use crate::capture::disk_image::container::decompression::Compression;
use crate::error::Error;
use crate::warning::{WarningCode, Warnings};

const HEADER: &str = "a QCOW2 header";
const EXTENSION: &str = "an extension of the QCOW2 header";
const TO_RAW: &str = "convert it to a raw image (qemu-img convert)";
/// Of the second version, which has no extent of its own to tell.
const SIZE_OF_V2: u32 = 72;
/// The format's own bounds: 512 bytes to 2 MiB.
const CLUSTER_BITS: std::ops::RangeInclusive<u32> = 9..=21;
/// The format's own bound.
const LONGEST_NAME: u32 = 1023;
/// QEMU writes three.
const MOST_EXTENSIONS: usize = 64;
/// `Backing file format name`
const BACKING_FORMAT: u32 = 0xE279_2ACA;

/// What the header says that reading needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) cluster_bits: u32,
    pub(super) disk_size: u64,
    pub(super) l1_entries: u32,
    pub(super) l1_offset: u64,
    pub(super) compression: Compression,
    pub(super) backing: Option<Backing>,
}

/// What the header says of the backing file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backing {
    pub(super) name: String,
    /// `raw`, `qcow2` and so on, where it is told.
    pub(super) format: Option<String>,
}

/// The fields that all versions have, in their order.
struct Fields {
    version: u32,
    backing_offset: u64,
    backing_length: u32,
    cluster_bits: u32,
    disk_size: u64,
    encryption: u32,
    l1_entries: u32,
    l1_offset: u64,
    snapshots: u32,
}

/// Those that came with version 3.
struct Features {
    incompatible: u64,
    header_size: u32,
}

impl Header {
    pub(super) fn read(file: &ContainerFile, warnings: &mut Warnings) -> Result<Header, Error> {
        let bytes: [u8; SIZE_OF_V2 as usize] = file.array(HEADER, 0)?;
        let (_, fields) =
            structure(HEADER, 0, &bytes, fields).map_err(|error| file.name_in(error))?;
        let features = match fields.version {
            2 => Features {
                incompatible: 0,
                header_size: SIZE_OF_V2,
            },
            3 => {
                let bytes: [u8; 32] = file.array(HEADER, SIZE_OF_V2.into())?;
                let parsed = structure(HEADER, SIZE_OF_V2.into(), &bytes, features);
                parsed.map_err(|error| file.name_in(error))?.1
            }
            other => {
                let what = format!("version {other} of QCOW");
                return Err(file.here(4, Error::unsupported(what, TO_RAW)));
            }
        };
        refuse_encryption(file, fields.encryption)?;
        check_features(file, features.incompatible, warnings)?;
        if fields.snapshots > 0 {
            let text = format!(
                "the image has {} snapshots inside: its current state alone is read (qemu-img convert -l takes one out)",
                fields.snapshots
            );
            file.warn(warnings, WarningCode::ContainerDamaged, 60, text);
        }
        if !CLUSTER_BITS.contains(&fields.cluster_bits) {
            let found = format!("2 to the power of {}", fields.cluster_bits);
            return Err(file.malformed(20, "a cluster size from 512 bytes to 2 MiB", found));
        }
        let backing = match fields.backing_offset {
            0 => None,
            offset => Some(Backing {
                name: backing_name(file, offset, fields.backing_length)?,
                format: backing_format(file, features.header_size.max(SIZE_OF_V2))?,
            }),
        };
        let header = Header {
            version: fields.version,
            cluster_bits: fields.cluster_bits,
            disk_size: fields.disk_size,
            l1_entries: fields.l1_entries,
            l1_offset: fields.l1_offset,
            compression: compression(file, &features)?,
            backing,
        };
        let needed = header
            .disk_size
            .div_ceil(1 << (2 * header.cluster_bits - 3));
        if u64::from(header.l1_entries) < needed {
            let found = format!(
                "one of {} entries for a disk of {} bytes",
                header.l1_entries, header.disk_size
            );
            return Err(file.malformed(36, "an L1 table for the whole disk", found));
        }
        Ok(header)
    }
}

fn fields(bytes: &[u8]) -> nom::IResult<&[u8], Fields> {
    let (rest, (_magic, version)) = (byte_array::<4>, be_u32).parse(bytes)?;
    let (rest, (backing_offset, backing_length)) = (be_u64, be_u32).parse(rest)?;
    let (rest, (cluster_bits, disk_size, encryption)) = (be_u32, be_u64, be_u32).parse(rest)?;
    let (rest, (l1_entries, l1_offset)) = (be_u32, be_u64).parse(rest)?;
    // The table of reference counts and its size; where snapshots are.
    let (rest, (_, snapshots, _)) = (byte_array::<12>, be_u32, be_u64).parse(rest)?;
    let fields = Fields {
        version,
        backing_offset,
        backing_length,
        cluster_bits,
        disk_size,
        encryption,
        l1_entries,
        l1_offset,
        snapshots,
    };
    Ok((rest, fields))
}

fn features(bytes: &[u8]) -> nom::IResult<&[u8], Features> {
    let (rest, (incompatible, _compatible, _autoclear)) = (be_u64, be_u64, be_u64).parse(bytes)?;
    let (rest, (_refcount_order, header_size)) = (be_u32, be_u32).parse(rest)?;
    let features = Features {
        incompatible,
        header_size,
    };
    Ok((rest, features))
}

fn refuse_encryption(file: &ContainerFile, method: u32) -> Result<(), Error> {
    let method = match method {
        0 => return Ok(()),
        1 => "AES".to_owned(),
        2 => "LUKS".to_owned(),
        other => format!("method {other}"),
    };
    let what = format!("a QCOW2 encrypted by {method}");
    let remedy = "decrypt it into a raw image (qemu-img convert with the secret)";
    Err(file.here(32, Error::unsupported(what, remedy)))
}

/// The bits of `incompatible_features`: one that is not known changes what the tables mean.
fn check_features(file: &ContainerFile, bits: u64, warnings: &mut Warnings) -> Result<(), Error> {
    const DIRTY: u64 = 1;
    const CORRUPT: u64 = 1 << 1;
    const DATA_FILE: u64 = 1 << 2;
    const COMPRESSION_TYPE: u64 = 1 << 3;
    const EXTENDED_L2: u64 = 1 << 4;
    let refusal = |what: &str| Err(file.here(72, Error::unsupported(what.to_owned(), TO_RAW)));
    if bits & DATA_FILE != 0 {
        return refusal("a QCOW2 with an external data file");
    }
    if bits & EXTENDED_L2 != 0 {
        return refusal("a QCOW2 with extended L2 entries (subclusters)");
    }
    let unknown = bits & !(DIRTY | CORRUPT | COMPRESSION_TYPE);
    if unknown != 0 {
        return refusal(&format!("a QCOW2 with the features {unknown:#x}"));
    }
    let remarks = [
        (
            DIRTY,
            "the image was in use when it was left, or when it was copied: what was written last may be missing; shut the machine down and take another copy",
        ),
        (CORRUPT, "QEMU marked the image as corrupt"),
    ];
    for (bit, text) in remarks {
        if bits & bit != 0 {
            file.warn(warnings, WarningCode::ContainerDamaged, 72, text);
        }
    }
    Ok(())
}

/// `compression_type`, which a short header lacks.
fn compression(file: &ContainerFile, features: &Features) -> Result<Compression, Error> {
    const COMPRESSION_TYPE_AT: u32 = 104;
    if features.header_size <= COMPRESSION_TYPE_AT {
        return Ok(Compression::Deflate);
    }
    let [kind] = file.array(HEADER, COMPRESSION_TYPE_AT.into())?;
    match kind {
        0 => Ok(Compression::Deflate),
        1 => Ok(Compression::Zstd),
        other => {
            let what = format!("a QCOW2 compressed by method {other}");
            let error = Error::unsupported(what, TO_RAW);
            Err(file.here(COMPRESSION_TYPE_AT.into(), error))
        }
    }
}

fn backing_name(file: &ContainerFile, offset: u64, length: u32) -> Result<String, Error> {
    if length > LONGEST_NAME {
        let found = format!("{length} bytes");
        return Err(file.malformed(16, "a backing file name of at most 1,023 bytes", found));
    }
    let name = file.vec("the name of the backing file", offset, length as usize)?;
    let name = String::from_utf8_lossy(&name).into_owned();
    // The other spelling that QEMU writes: options in JSON, of which the file's name is one.
    let Some(options) = name.strip_prefix("json:") else {
        return Ok(name);
    };
    let options: serde_json::Value = serde_json::from_str(options).unwrap_or_default();
    let keys = ["/file/filename", "/filename", "/file.filename"];
    let found = keys.iter().find_map(|key| options.pointer(key)?.as_str());
    Ok(found.unwrap_or_default().to_owned())
}

fn backing_format(file: &ContainerFile, mut at: u32) -> Result<Option<String>, Error> {
    for _ in 0..MOST_EXTENSIONS {
        let Ok(bytes) = file.array::<8>(EXTENSION, at.into()) else {
            break;
        };
        let (_, (kind, length)) = structure(EXTENSION, at.into(), &bytes, (be_u32, be_u32))
            .map_err(|error| file.name_in(error))?;
        match kind {
            0 => break,
            BACKING_FORMAT if length <= LONGEST_NAME => {
                let text = file.vec(EXTENSION, u64::from(at) + 8, length as usize)?;
                return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
            }
            _ => {}
        }
        let next = length.checked_next_multiple_of(8);
        let next = next.and_then(|length| at.checked_add(8)?.checked_add(length));
        at = next.ok_or_else(|| file.malformed(at.into(), EXTENSION, format!("{length} bytes")))?;
    }
    Ok(None)
}
