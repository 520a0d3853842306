//! The descriptor of a VMDK: lines of text that say what the disk is made of.

use encoding_rs::{Encoding, UTF_8};

use crate::capture::disk_image::container::container_file::ContainerFile;
use crate::error::Error;

/// How a descriptor in a file of its own starts.
pub(super) const SIGNATURE: &[u8] = b"# Disk DescriptorFile";
/// No CID, so no parent.
pub(super) const NO_PARENT: u32 = 0xFFFF_FFFF;
/// One that names 10,000 extents has less.
pub(super) const LARGEST: u64 = 1 << 20;
/// A disk of 64 TiB has 32,768 extents of 2 GiB.
const MOST_EXTENTS: usize = 50_000;

/// What a descriptor says that reading needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) create_type: String,
    pub(super) cid: Option<u32>,
    pub(super) parent_cid: u32,
    pub(super) parent_name: Option<String>,
    pub(super) extents: Vec<ExtentLine>,
}

/// A line that describes an extent: `RW 4192256 SPARSE "disk-s001.vmdk"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExtentLine {
    /// In sectors of 512 bytes, as all here.
    pub(super) sectors: u64,
    /// `SPARSE`, `FLAT`, `ZERO` and so on.
    pub(super) kind: String,
    pub(super) name: String,
    /// Where it starts in its file.
    pub(super) offset: u64,
}

impl Descriptor {
    /// Reads the descriptor in these bytes of a file, up to a NUL.
    pub(super) fn parse(file: &ContainerFile, at: u64, bytes: &[u8]) -> Result<Descriptor, Error> {
        let end = bytes.iter().position(|&byte| byte == 0);
        let bytes = &bytes[..end.unwrap_or(bytes.len())];
        let text = decode(bytes);
        let mut descriptor = Descriptor {
            create_type: String::new(),
            cid: None,
            parent_cid: NO_PARENT,
            parent_name: None,
            extents: Vec::new(),
        };
        for line in text.lines().map(str::trim) {
            if let Some((key, value)) = assignment(line) {
                let number = || u32::from_str_radix(value, 16);
                match key.to_ascii_lowercase().as_str() {
                    "createtype" => descriptor.create_type = value.to_owned(),
                    "cid" => descriptor.cid = number().ok(),
                    "parentcid" => {
                        let found = |_| file.malformed(at, "a parentCID in hexadecimal", value);
                        descriptor.parent_cid = number().map_err(found)?;
                    }
                    "parentfilenamehint" => descriptor.parent_name = Some(value.to_owned()),
                    _ => {}
                }
            } else if is_extent(line) {
                let extent = extent(line)
                    .ok_or_else(|| file.malformed(at, "the description of an extent", line))?;
                descriptor.extents.push(extent);
                if descriptor.extents.len() > MOST_EXTENTS {
                    return Err(file.malformed(at, "at most 50,000 extents", "more"));
                }
            }
        }
        Ok(descriptor)
    }
}

/// The text, in the encoding that it names: VMware writes that of the host.
fn decode(bytes: &[u8]) -> String {
    let named = String::from_utf8_lossy(bytes)
        .lines()
        .filter_map(|line| assignment(line.trim()))
        .find(|(key, _)| key.eq_ignore_ascii_case("encoding"))
        .and_then(|(_, label)| Encoding::for_label(label.as_bytes()));
    let (text, _) = named.unwrap_or(UTF_8).decode_without_bom_handling(bytes);
    text.into_owned()
}

/// `key=value`, the value with its quotes taken off.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    let key = key.trim();
    let is_key = !key.is_empty() && !key.starts_with('#') && !key.contains(['"', ' ']);
    let value = value.trim();
    let unquoted = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    is_key.then_some((key, unquoted.unwrap_or(value)))
}

/// By the access that stands first.
fn is_extent(line: &str) -> bool {
    let access = line.split_whitespace().next();
    access.is_some_and(|access| ["RW", "RDONLY", "NOACCESS"].contains(&access))
}

fn extent(line: &str) -> Option<ExtentLine> {
    let mut words = line.splitn(4, char::is_whitespace).skip(1);
    let sectors = words.next()?.parse().ok()?;
    let kind = words.next()?.to_owned();
    let rest = words.next().unwrap_or_default().trim();
    let (name, behind) = match rest.strip_prefix('"') {
        Some(rest) => rest.split_once('"')?,
        None => ("", rest),
    };
    let offset = match behind.split_whitespace().next() {
        Some(offset) => offset.parse().ok()?,
        None => 0,
    };
    Some(ExtentLine {
        sectors,
        kind,
        name: name.to_owned(),
        offset,
    })
}
