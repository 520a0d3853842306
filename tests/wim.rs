//! The reader of what an image file says about itself.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use dism_mount_status::wim::{
    Architecture, Compression, ImageFormat, ImageVersion, ResourceHeader, Wim, WimFlags, WimHeader,
    WimImage, WimXml,
};
use dism_mount_status::{Error, FileTime, Position, WarningCode, Warnings};
use proptest::prelude::*;
use uuid::Uuid;

fn open_fixture(name: &str) -> (Wim, Vec<WarningCode>) {
    let file = File::open(Path::new("fixtures/wim").join(name)).unwrap();
    let (wim, warnings) = Wim::open(file).unwrap();
    (wim, warning_codes(&warnings))
}

fn open_bytes(bytes: &[u8]) -> Result<(Wim, Warnings), Error> {
    Wim::open(Cursor::new(bytes))
}

fn warning_codes(warnings: &Warnings) -> Vec<WarningCode> {
    warnings.as_slice().iter().map(|w| w.code()).collect()
}

/// Writes a WIM of header and XML data, which start right behind it. The other resources stay as they are said.
fn write_wim(header: &WimHeader, xml: &[u8]) -> Vec<u8> {
    let mut file = write_header(header);
    file.extend(xml);
    file
}

fn write_header(header: &WimHeader) -> Vec<u8> {
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

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&#x3E;")
}

/// Writes XML data as DISM does: UTF-16LE with a byte order mark, no white space.
fn write_xml(xml: &WimXml) -> Vec<u8> {
    fn element(name: &str, content: Option<impl ToString>) -> String {
        content.map_or_else(String::new, |c| {
            format!("<{name}>{}</{name}>", c.to_string())
        })
    }
    fn time(name: &str, time: Option<FileTime>) -> String {
        let parts = time.map(|time| {
            let (high, low) = (time.ticks() >> 32, time.ticks() & 0xFFFF_FFFF);
            format!("<HIGHPART>0x{high:08X}</HIGHPART><LOWPART>0x{low:08X}</LOWPART>")
        });
        element(name, parts)
    }
    let mut text = String::from("<WIM>");
    text += &element("TOTALBYTES", xml.total_bytes);
    if xml.is_encrypted {
        text += "<ESD><ENCRYPTED/></ESD>";
    }
    for image in &xml.images {
        text += &format!("<IMAGE INDEX=\"{}\">", image.index);
        text += &element("DIRCOUNT", image.directory_count);
        text += &element("FILECOUNT", image.file_count);
        text += &element("TOTALBYTES", image.total_bytes);
        text += &time("CREATIONTIME", image.creation_time);
        text += &time("LASTMODIFICATIONTIME", image.last_modification_time);
        let version = image.version.map(|v| {
            format!(
                "<MAJOR>{}</MAJOR><MINOR>{}</MINOR><BUILD>{}</BUILD><SPBUILD>{}</SPBUILD><SPLEVEL>0</SPLEVEL>",
                v.major, v.minor, v.build, v.service_pack_build
            )
        });
        let windows = element("ARCH", image.architecture.map(|a| a.0))
            + &element("EDITIONID", image.edition_id.as_deref().map(escape))
            + &element("VERSION", version);
        text += &element("WINDOWS", Some(windows));
        text += &element("NAME", image.name.as_deref().map(escape));
        text += &element("DESCRIPTION", image.description.as_deref().map(escape));
        text += &element("FLAGS", image.flags.as_deref().map(escape));
        text += &element("WIMBOOT", image.is_wimboot.then_some(1));
        text += "</IMAGE>";
    }
    text += "</WIM>";
    utf16le(&text)
}

fn utf16le(text: &str) -> Vec<u8> {
    let with_mark = "\u{FEFF}".encode_utf16().chain(text.encode_utf16());
    with_mark.flat_map(u16::to_le_bytes).collect()
}

const ABSENT: ResourceHeader = ResourceHeader {
    size: 0,
    flags: 0,
    offset: 0,
    original_size: 0,
};

/// The header of a WIM that holds XML data of this size and nothing else.
fn header(xml_size: usize, image_count: usize) -> WimHeader {
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

/// A WIM with this text as its XML data, and `image_count` images by its header.
fn wim_with_xml(text: &str, image_count: usize) -> Vec<u8> {
    let xml = utf16le(text);
    write_wim(&header(xml.len(), image_count), &xml)
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

#[test]
fn absent_and_compressed_xml_data_are_warnings() {
    let mut absent = header(0, 1);
    absent.xml_data = ABSENT;
    let mut compressed = header(4, 1);
    compressed.xml_data.flags = ResourceHeader::COMPRESSED;
    for header in [absent, compressed] {
        let (wim, warnings) = open_bytes(&write_wim(&header, b"wxyz")).unwrap();
        assert_eq!((wim.xml, wim.header), (None, header));
        assert_eq!(warning_codes(&warnings), [WarningCode::ImageXmlMalformed]);
        assert_eq!(
            warnings.as_slice()[0].position(),
            Some(Position::Byte(0x48))
        );
    }
}

/// The images and warnings of XML data with this text.
fn images_of(text: &str, image_count: usize) -> (Vec<WimImage>, Vec<String>) {
    let (wim, warnings) = open_bytes(&wim_with_xml(text, image_count)).unwrap();
    let images = wim.xml.map(|xml| xml.images).unwrap_or_default();
    let messages = warnings.as_slice().iter().map(|w| w.message()).collect();
    (images, messages)
}

fn named(index: u32, name: &str) -> WimImage {
    WimImage {
        index,
        name: Some(name.into()),
        ..WimImage::default()
    }
}

#[test]
fn xml_that_breaks_off_keeps_what_stands_before() {
    let (images, warnings) = images_of(
        "<WIM><IMAGE INDEX=\"1\"><NAME>a</NAME></IMAGE><IMAGE INDEX=\"2\"><NAME>b</NA",
        2,
    );
    assert_eq!(images[0], named(1, "a"));
    assert_eq!(images[1].index, 2);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("expected well-formed XML"));
}

#[test]
fn a_warning_about_the_xml_names_the_byte_of_the_file() {
    let text = "<WIM>🪟ä<IMAGE INDEX=\"x\"><NAME>a</NAME></IMAGE></WIM>";
    let (images, warnings) = images_of(text, 0);
    assert_eq!(images, []);
    // 208 bytes of header, the byte order mark, and eight code units of text.
    assert_eq!(
        warnings,
        ["byte 0xe2: expected a number of 32 bits, found \"x\""]
    );
}

#[test]
fn a_bad_number_loses_only_itself() {
    let text = "<WIM><IMAGE INDEX=\"1\"><NAME>a</NAME><TOTALBYTES>many</TOTALBYTES>\
                <CREATIONTIME><HIGHPART>0x1FFFFFFFF</HIGHPART><LOWPART>0x1</LOWPART></CREATIONTIME>\
                </IMAGE></WIM>";
    let (images, warnings) = images_of(text, 1);
    assert_eq!(images, [named(1, "a")]);
    assert_eq!(warnings.len(), 2);
}

#[test]
fn entities_of_a_dtd_are_not_expanded() {
    let text = "<!DOCTYPE WIM [<!ENTITY e \"expanded\">]>\
                <WIM><IMAGE INDEX=\"1\"><NAME>a&e;&lt;&#x41;<![CDATA[<b>]]></NAME></IMAGE></WIM>";
    let (images, warnings) = images_of(text, 1);
    assert_eq!(images, [named(1, "a<A<b>")]);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].ends_with("expected a known entity, found e"));
}

#[test]
fn a_different_number_of_images_than_the_header_says_is_a_warning() {
    let (images, warnings) = images_of("<WIM><IMAGE INDEX=\"1\"/></WIM>", 3);
    assert_eq!(images.len(), 1);
    assert_eq!(
        warnings,
        ["byte 0xd0: expected 3 images in the XML data, found 1"]
    );
}

#[test]
fn what_is_no_xml_of_a_wim_is_a_warning() {
    for text in ["", "no XML", "<ESD/>", "<WIMX></WIMX>"] {
        let (wim, warnings) = open_bytes(&wim_with_xml(text, 0)).unwrap();
        assert_eq!(wim.xml, None, "{text}");
        assert_eq!(warning_codes(&warnings), [WarningCode::ImageXmlMalformed]);
    }
}

#[test]
fn endless_nesting_and_endless_images_end_the_reading() {
    let (_, warnings) = images_of(&format!("<WIM>{}", "<A>".repeat(100_000)), 0);
    assert_eq!(warnings.len(), 1);
    let text = format!("<WIM>{}</WIM>", "<IMAGE INDEX=\"1\"/>".repeat(65_537));
    let (images, warnings) = images_of(&text, 65_536);
    assert_eq!((images.len(), warnings.len()), (65_536, 1));
}

#[test]
fn an_encrypted_esd_says_so() {
    let text = "<WIM><ESD><ENCRYPTED><KEY/></ENCRYPTED></ESD></WIM>";
    let (wim, _) = open_bytes(&wim_with_xml(text, 0)).unwrap();
    assert!(wim.xml.unwrap().is_encrypted);
}

#[test]
fn damaged_utf_16_is_a_warning_and_the_rest_is_read() {
    let mut bytes = wim_with_xml("<WIM><IMAGE INDEX=\"1\"><NAME>aXb</NAME></IMAGE></WIM>", 1);
    let name = bytes.windows(4).position(|w| w == b"X\0b\0").unwrap();
    bytes[name + 1] = 0xD8;
    let (wim, warnings) = open_bytes(&bytes).unwrap();
    assert_eq!(wim.xml.unwrap().images, [named(1, "a\u{FFFD}b")]);
    assert_eq!(warning_codes(&warnings), [WarningCode::EncodingDamaged]);
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

fn any_image() -> impl Strategy<Value = WimImage> {
    let text = || prop::option::of("\\PC{0,12}");
    let texts = (text(), text(), text(), text());
    let version = prop::option::of(any::<[u32; 4]>().prop_map(
        |[major, minor, build, revision]| ImageVersion {
            major,
            minor,
            build,
            service_pack_build: revision,
        },
    ));
    let time = || prop::option::of(any::<u64>().prop_map(FileTime::from_ticks));
    let counts = any::<[Option<u64>; 3]>();
    let architecture = prop::option::of(any::<u32>().prop_map(Architecture));
    (
        texts,
        version,
        architecture,
        (time(), time()),
        counts,
        any::<(u32, bool)>(),
    )
        .prop_map(
            |(texts, version, architecture, times, counts, (index, is_wimboot))| WimImage {
                index,
                name: texts.0,
                description: texts.1,
                flags: texts.2,
                edition_id: texts.3,
                version,
                architecture,
                creation_time: times.0,
                last_modification_time: times.1,
                total_bytes: counts[0],
                directory_count: counts[1],
                file_count: counts[2],
                is_wimboot,
            },
        )
}

fn any_xml() -> impl Strategy<Value = WimXml> {
    let images = prop::collection::vec(any_image(), 0..6);
    (any::<Option<u64>>(), any::<bool>(), images).prop_map(|(total_bytes, is_encrypted, images)| {
        WimXml {
            total_bytes,
            is_encrypted,
            images,
        }
    })
}

fn any_wim() -> impl Strategy<Value = (WimXml, Vec<u8>)> {
    any_xml().prop_map(|xml| {
        let bytes = write_xml(&xml);
        let file = write_wim(&header(bytes.len(), xml.images.len()), &bytes);
        (xml, file)
    })
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

    #[test]
    fn xml_data_are_read_back_as_written((expected, file) in any_wim()) {
        let (wim, warnings) = open_bytes(&file).unwrap();
        prop_assert_eq!(wim.xml.unwrap(), expected);
        prop_assert_eq!(warning_codes(&warnings), []);
    }

    #[test]
    fn a_truncated_wim_keeps_its_header_or_is_an_error(
        (_, file) in any_wim(), cut: prop::sample::Index,
    ) {
        let length = cut.index(file.len());
        match open_bytes(&file[..length]) {
            Ok((wim, warnings)) => {
                prop_assert_eq!(wim.cut_off, ["rhXmlData"]);
                prop_assert!(warning_codes(&warnings).contains(&WarningCode::Truncated));
                prop_assert!(length >= 208);
            }
            Err(error) => {
                prop_assert!(error.position().unwrap().byte() <= length as u64);
                prop_assert!(length < 208);
            }
        }
    }

    #[test]
    fn a_changed_byte_of_the_xml_leaves_the_header(
        (_, file) in any_wim(), place: prop::sample::Index, change in 1_u8..,
    ) {
        let mut changed = file.clone();
        let place = 208 + place.index(file.len() - 208);
        changed[place] ^= change;
        let (wim, _) = open_bytes(&changed).unwrap();
        prop_assert_eq!(wim.header, WimHeader::parse(&file).unwrap());
    }

    #[test]
    fn a_changed_byte_of_the_header_gives_a_result_or_an_error(
        (_, file) in any_wim(), place in 0_usize..208, change in 1_u8..,
    ) {
        let mut changed = file;
        changed[place] ^= change;
        match open_bytes(&changed) {
            Ok(_) => prop_assert!(place >= 12),
            Err(error) => prop_assert!(place < 12 && error.position().is_some()),
        }
    }

    #[test]
    fn any_text_as_xml_data_gives_a_result(text in "(<WIM>)?(<IMAGE INDEX=\"1\">|</?[A-Z/]{0,8}>|&[a-z#0-9]{0,3};|\\PC){0,20}") {
        open_bytes(&wim_with_xml(&text, 1)).unwrap();
    }
}
