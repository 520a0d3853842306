//! Writes WIM files of header and XML data, for the tests.

use std::io::Cursor;

use dism_mount_status::wim::{ResourceHeader, Wim, WimFlags, WimHeader};
use dism_mount_status::{Error, WarningCode, Warnings};
use uuid::Uuid;

pub(crate) fn open_bytes(bytes: &[u8]) -> Result<(Wim, Warnings), Error> {
    Wim::open(Cursor::new(bytes))
}

pub(crate) fn warning_codes(warnings: &Warnings) -> Vec<WarningCode> {
    warnings.as_slice().iter().map(|w| w.code()).collect()
}

/// Writes a WIM of header and XML data, which start right behind it. The other resources stay as they are said.
pub(crate) fn write_wim(header: &WimHeader, xml: &[u8]) -> Vec<u8> {
    let mut file = write_header(header);
    file.extend(xml);
    file
}

pub(crate) fn write_header(header: &WimHeader) -> Vec<u8> {
    let magic = match header.is_pipable {
        true => b"WLPWM\0\0\0",
        false => b"MSWIM\0\0\0",
    };
    let mut bytes = magic.to_vec();
    for number in [208, header.version, header.flags.bits(), header.chunk_size] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(header.guid.to_bytes_le());
    bytes.extend(header.part_number.to_le_bytes());
    bytes.extend(header.total_parts.to_le_bytes());
    bytes.extend(header.image_count.to_le_bytes());
    for resource in [
        &header.lookup_table,
        &header.xml_data,
        &header.boot_metadata,
    ] {
        bytes.extend(write_resource_header(resource));
    }
    bytes.extend(header.boot_index.to_le_bytes());
    bytes.extend(write_resource_header(&header.integrity_table));
    bytes.resize(208, 0);
    bytes
}

fn write_resource_header(resource: &ResourceHeader) -> Vec<u8> {
    let mut bytes = resource.size.to_le_bytes()[..7].to_vec();
    bytes.push(resource.flags);
    bytes.extend(resource.offset.to_le_bytes());
    bytes.extend(resource.original_size.to_le_bytes());
    bytes
}

pub(crate) fn utf16le(text: &str) -> Vec<u8> {
    let with_mark = "\u{FEFF}".encode_utf16().chain(text.encode_utf16());
    with_mark.flat_map(u16::to_le_bytes).collect()
}

pub(crate) const ABSENT: ResourceHeader = ResourceHeader {
    size: 0,
    flags: 0,
    offset: 0,
    original_size: 0,
};

/// The header of a WIM that holds XML data of this size and nothing else.
pub(crate) fn header(xml_size: usize, image_count: usize) -> WimHeader {
    WimHeader {
        is_pipable: false,
        version: 0x10D00,
        flags: WimFlags::COMPRESSION | WimFlags::COMPRESS_LZX,
        chunk_size: 0x8000,
        guid: Uuid::from_u128(0x0001_0203_0405_0607_0809_0A0B_0C0D_0E0F),
        part_number: 1,
        total_parts: 1,
        image_count: image_count as u32,
        lookup_table: ABSENT,
        xml_data: ResourceHeader {
            size: xml_size as u64,
            flags: 2,
            offset: 208,
            original_size: xml_size as u64,
        },
        boot_metadata: ABSENT,
        boot_index: 0,
        integrity_table: ABSENT,
    }
}
