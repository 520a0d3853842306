//! The reader of a WIM's XML data.

#[path = "support/wim_file.rs"]
mod wim_file;

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use dism_mount_status::wim::{
    Architecture, ImageVersion, ResourceHeader, Wim, WimHeader, WimImage, WimXml,
};
use dism_mount_status::{FileTime, Position, WarningCode};
use proptest::prelude::*;

use wim_file::{ABSENT, header, open_bytes, utf16le, warning_codes, write_wim};

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

/// A WIM with this text as its XML data, and `image_count` images by its header.
fn wim_with_xml(text: &str, image_count: usize) -> Vec<u8> {
    let xml = utf16le(text);
    write_wim(&header(xml.len(), image_count), &xml)
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

/// A file of which nothing behind the header can be read, as on a damaged disk.
struct UnreadableBehindHeader(Cursor<Vec<u8>>);

impl Read for UnreadableBehindHeader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.position() {
            0..208 => self.0.read(&mut buffer[..1]),
            _ => Err(io::Error::other("unreadable sector")),
        }
    }
}

impl Seek for UnreadableBehindHeader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn xml_data_that_cannot_be_read_leave_the_header() {
    let file = wim_with_xml("<WIM/>", 0);
    let (wim, warnings) = Wim::open(UnreadableBehindHeader(Cursor::new(file))).unwrap();
    assert_eq!((wim.header.total_parts, wim.xml), (1, None));
    assert_eq!(
        warnings.as_slice()[0].message(),
        "byte 0x48: expected XML data, found unreadable sector"
    );
}

/// The images and warnings of XML data with this text.
fn images_of(text: &str, image_count: usize) -> (Vec<WimImage>, Vec<String>) {
    let (wim, warnings) = open_bytes(&wim_with_xml(text, image_count)).unwrap();
    let images = wim.xml.map(|xml| xml.images).unwrap_or_default();
    let messages = warnings.as_slice().iter().map(|w| w.message()).collect();
    (images, messages)
}

fn named(index: u32, name: &str) -> WimImage {
    let mut image = WimImage::default();
    image.index = index;
    image.name = Some(name.into());
    image
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
            |(texts, version, architecture, times, counts, (index, is_wimboot))| {
                let mut image = WimImage::default();
                image.index = index;
                (image.name, image.description, image.flags, image.edition_id) = texts;
                image.version = version;
                image.architecture = architecture;
                (image.creation_time, image.last_modification_time) = times;
                [image.total_bytes, image.directory_count, image.file_count] = counts;
                image.is_wimboot = is_wimboot;
                image
            },
        )
}

fn any_xml() -> impl Strategy<Value = WimXml> {
    let images = prop::collection::vec(any_image(), 0..6);
    (any::<Option<u64>>(), any::<bool>(), images).prop_map(|(total_bytes, is_encrypted, images)| {
        let mut xml = WimXml::default();
        xml.total_bytes = total_bytes;
        xml.is_encrypted = is_encrypted;
        xml.images = images;
        xml
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
