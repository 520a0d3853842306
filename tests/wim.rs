//! The reader of what an image file says about itself: header, kind, what is cut off.

#[path = "support/wim_file.rs"]
mod wim_file;

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use dism_mount_status::WarningCode;
use dism_mount_status::wim::{
    Architecture, Compression, ImageFormat, ResourceHeader, Wim, WimFlags, WimHeader,
};
use proptest::prelude::*;
use uuid::Uuid;

use wim_file::{ABSENT, header, open_bytes, utf16le, warning_codes, write_header, write_wim};

fn open_fixture(name: &str) -> (Wim, Vec<WarningCode>) {
    let file = File::open(Path::new("fixtures/wim").join(name)).unwrap();
    let (wim, warnings) = Wim::open(file).unwrap();
    (wim, warning_codes(&warnings))
}

#[test]
fn header_and_images_of_a_wim_made_by_wimlib_are_told() {
    let (wim, warnings) = open_fixture("two-images.wim");
    assert_eq!(warnings, []);
    assert!(!wim.is_truncated());
    assert_eq!(wim.header.compression(), Compression::Lzx);
    assert_eq!((wim.header.image_count, wim.header.boot_index), (2, 1));
    assert!(!wim.header.is_solid() && !wim.header.is_split());
    let xml = wim.xml.unwrap();
    let first = xml.image(1).unwrap();
    assert_eq!(first.name.as_deref(), Some("Windows 11 Pro"));
    assert_eq!(first.description.as_deref(), Some("First & <best>"));
    assert_eq!(first.edition_id.as_deref(), Some("Professional"));
    assert_eq!(first.version.unwrap().to_string(), "10.0.22621.1702");
    assert_eq!(first.architecture, Some(Architecture::AMD64));
    assert_eq!(first.file_count, Some(2));
    assert!(first.is_wimboot);
    assert!(first.creation_time.unwrap().to_string().starts_with("20"));
    let second = xml.image(2).unwrap();
    assert_eq!(second.name.as_deref(), Some("Zweites Größe 映像 🪟"));
    assert_eq!(second.architecture.unwrap().to_string(), "architecture 77");
    assert_eq!((second.version, second.is_wimboot), (None, false));
    assert_eq!(xml.image(3), None);
}

#[test]
fn compression_and_kind_are_told_by_the_header() {
    let kind = |name| {
        let (wim, warnings) = open_fixture(name);
        assert_eq!((warnings, wim.is_truncated()), (vec![], false), "{name}");
        let header = wim.header;
        (header.compression(), header.is_solid(), header.is_pipable)
    };
    assert_eq!(
        kind("xpress-integrity.wim"),
        (Compression::Xpress, false, false)
    );
    assert_eq!(kind("uncompressed.wim"), (Compression::None, false, false));
    assert_eq!(kind("solid.esd"), (Compression::Lzms, true, false));
    assert_eq!(kind("pipable.wim"), (Compression::Lzx, false, true));
}

#[test]
fn the_parts_of_a_split_wim_say_so() {
    for (part, name) in [(1, "split.swm"), (2, "split2.swm"), (3, "split3.swm")] {
        let (wim, warnings) = open_fixture(name);
        assert_eq!(warnings, []);
        assert!(wim.header.is_split());
        assert_eq!((wim.header.part_number, wim.header.total_parts), (part, 3));
    }
}

#[test]
fn read_only_and_write_in_progress_are_flags() {
    let (wim, _) = open_fixture("read-only.wim");
    assert_eq!(wim.header.flags, WimFlags::READONLY | WimFlags::RP_FIX);
    let (wim, _) = open_fixture("write-in-progress.wim");
    assert_eq!(
        wim.header.flags,
        WimFlags::WRITE_IN_PROGRESS | WimFlags::RP_FIX
    );
}

#[test]
fn a_cut_wim_keeps_its_header_and_names_what_is_cut_off() {
    let (wim, warnings) = open_fixture("cut.wim");
    assert!(wim.is_truncated());
    assert_eq!(wim.cut_off, ["rhOffsetTable", "rhXmlData"]);
    assert_eq!((wim.header.image_count, wim.xml), (2, None));
    assert!(warnings.contains(&WarningCode::Truncated));
}

#[test]
fn a_pipable_wim_without_its_second_header_is_cut() {
    let mut bytes = std::fs::read("fixtures/wim/pipable.wim").unwrap();
    bytes.pop();
    let (wim, warnings) = open_bytes(&bytes).unwrap();
    assert_eq!(wim.cut_off, ["the second header"]);
    assert_eq!(warning_codes(&warnings)[0], WarningCode::Truncated);
}

#[test]
fn a_resource_that_reaches_past_the_largest_offset_is_cut_off() {
    let mut header = header(0, 0);
    header.xml_data = ABSENT;
    header.integrity_table = ResourceHeader {
        size: (1 << 56) - 1,
        offset: u64::MAX,
        ..ABSENT
    };
    let (wim, _) = open_bytes(&write_wim(&header, &[])).unwrap();
    assert_eq!(wim.cut_off, ["rhIntegrity"]);
}

#[test]
fn a_header_cut_short_is_an_error_at_the_end_of_the_file() {
    let error = open_bytes(&write_header(&header(0, 0))[..100]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "byte 0x60: expected a WIM header of 208 bytes, found the end after 100 bytes of it"
    );
}

#[test]
fn a_header_of_another_size_is_an_error() {
    let mut bytes = write_header(&header(0, 0));
    bytes[8] = 96;
    let error = open_bytes(&bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "byte 0x8: expected a header size of 208, found 96"
    );
}

#[test]
fn what_is_no_wim_is_named() {
    let at = |offset: usize, magic: &[u8], size: usize| {
        let mut bytes = vec![0; size];
        bytes[..3].copy_from_slice(b"xyz");
        bytes[offset..offset + magic.len()].copy_from_slice(magic);
        bytes
    };
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    let cases = [
        (vec![], ImageFormat::Empty),
        (vec![0; 5000], ImageFormat::Zeros),
        (at(0, b"conectix", 1536), ImageFormat::Vhd),
        (at(4096, b"conectix", 4608), ImageFormat::Vhd),
        (at(0, b"vhdxfile", 600), ImageFormat::Vhdx),
        (at(4, b"SignedImage ", 600), ImageFormat::Ffu),
        (at(0x8001, b"CD001", 0x9000), ImageFormat::Iso),
        (at(0, b"PK\x03\x04", 600), ImageFormat::Zip),
        (at(0, b"MZ", 600), ImageFormat::Executable),
        (lfs.to_vec(), ImageFormat::GitLfsPointer),
        (at(0, b"some text", 600), ImageFormat::Unknown),
        (b"M".to_vec(), ImageFormat::Unknown),
    ];
    for (bytes, expected) in cases {
        let format = ImageFormat::identify(&mut Cursor::new(&bytes)).unwrap();
        assert_eq!(format, expected);
        let error = open_bytes(&bytes).unwrap_err();
        let is_disk_image = [ImageFormat::Vhd, ImageFormat::Vhdx, ImageFormat::Ffu];
        assert_eq!(error.is_unsupported(), is_disk_image.contains(&expected));
        if expected != ImageFormat::Unknown {
            assert_eq!(error.found().unwrap(), expected.to_string());
        }
    }
}

#[test]
fn a_fixed_vhd_is_known_by_its_footer_though_it_starts_with_zeros() {
    let mut bytes = vec![0; 8192];
    bytes.extend(b"conectix");
    bytes.resize(8192 + 512, 0);
    let format = ImageFormat::identify(&mut Cursor::new(&bytes)).unwrap();
    assert_eq!(format, ImageFormat::Vhd);
}

#[test]
fn a_wim_is_identified_as_one() {
    for (name, expected) in [
        ("uncompressed.wim", ImageFormat::Wim),
        ("pipable.wim", ImageFormat::PipableWim),
    ] {
        let mut file = File::open(Path::new("fixtures/wim").join(name)).unwrap();
        assert_eq!(ImageFormat::identify(&mut file).unwrap(), expected);
    }
}

/// A sparse file: what was written at its start and its end, zeros between.
struct Sparse {
    size: u64,
    front: Vec<u8>,
    back: (u64, Vec<u8>),
    position: u64,
    read: u64,
}

impl Read for &mut Sparse {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = (self.size - self.position.min(self.size)).min(buffer.len() as u64);
        for byte in &mut buffer[..length as usize] {
            let (back, bytes) = &self.back;
            let from_back = self.position.checked_sub(*back);
            *byte = match from_back {
                Some(offset) => bytes.get(offset as usize),
                None => self.front.get(self.position as usize),
            }
            .copied()
            .unwrap_or_default();
            self.position += 1;
        }
        self.read += length;
        Ok(length as usize)
    }
}

impl Seek for &mut Sparse {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::End(offset) => self.size.checked_add_signed(offset).unwrap(),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset).unwrap(),
        };
        Ok(self.position)
    }
}

#[test]
fn of_a_wim_of_five_gigabytes_only_header_and_xml_are_read() {
    let xml = utf16le("<WIM><IMAGE INDEX=\"1\"><NAME>big</NAME></IMAGE></WIM>");
    let offset = 5 << 30;
    let mut header = header(xml.len(), 1);
    header.xml_data.offset = offset;
    let mut source = Sparse {
        size: offset + xml.len() as u64,
        front: write_header(&header),
        back: (offset, xml.clone()),
        position: 0,
        read: 0,
    };
    let (wim, warnings) = Wim::open(&mut source).unwrap();
    assert_eq!(warning_codes(&warnings), []);
    assert_eq!(wim.xml.unwrap().images[0].name.as_deref(), Some("big"));
    assert_eq!(source.read, 208 + xml.len() as u64);
}

#[test]
fn xml_data_that_claim_more_than_64_mib_are_not_read() {
    let mut header = header(0, 1);
    header.xml_data.size = (64 << 20) + 1;
    let mut source = Sparse {
        size: 1 << 30,
        front: write_header(&header),
        back: (1 << 30, vec![]),
        position: 0,
        read: 0,
    };
    let (wim, warnings) = Wim::open(&mut source).unwrap();
    assert_eq!((wim.xml, source.read), (None, 208));
    assert_eq!(warning_codes(&warnings), [WarningCode::ImageXmlMalformed]);
}

fn any_resource() -> impl Strategy<Value = ResourceHeader> {
    (0_u64..1 << 56, any::<u8>(), any::<u64>(), any::<u64>()).prop_map(
        |(size, flags, offset, original_size)| ResourceHeader {
            size,
            flags,
            offset,
            original_size,
        },
    )
}

fn any_header() -> impl Strategy<Value = WimHeader> {
    let numbers = (any::<[u32; 5]>(), any::<u128>(), any::<[u16; 2]>());
    let resources = [
        any_resource(),
        any_resource(),
        any_resource(),
        any_resource(),
    ];
    (any::<bool>(), numbers, resources).prop_map(
        |(
            is_pipable,
            ([version, flags, chunk_size, image_count, boot_index], guid, parts),
            resources,
        )| {
            let [lookup_table, xml_data, boot_metadata, integrity_table] = resources;
            WimHeader {
                is_pipable,
                version,
                flags: WimFlags::from_bits_retain(flags),
                chunk_size,
                guid: Uuid::from_u128(guid),
                part_number: parts[0],
                total_parts: parts[1],
                image_count,
                lookup_table,
                xml_data,
                boot_metadata,
                boot_index,
                integrity_table,
            }
        },
    )
}

proptest! {
    #[test]
    fn headers_are_read_back_as_written(expected in any_header()) {
        prop_assert_eq!(WimHeader::parse(&write_header(&expected)).unwrap(), expected);
    }

    #[test]
    fn any_header_opens_as_a_wim_whatever_it_says(expected in any_header()) {
        let (wim, _) = open_bytes(&write_header(&expected)).unwrap();
        prop_assert_eq!(wim.header, expected);
    }
}
