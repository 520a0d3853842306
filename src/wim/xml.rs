//! The XML data of a WIM: see "Windows Imaging File Format", and what DISM and imagex write beyond it.

use std::fmt;
use std::mem;
use std::ops::ControlFlow;

use encoding_rs::UTF_16LE;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::error::Position;
use crate::file_time::FileTime;
use crate::warning::{Warning, WarningCode, Warnings};

/// The XML data of a WIM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WimXml {
    /// `TOTALBYTES` of the whole file.
    pub total_bytes: Option<u64>,
    /// Whether the file has an `ESD` element with `ENCRYPTED` in it: its metadata cannot be read without a key.
    pub is_encrypted: bool,
    /// The images, in the order of the XML.
    pub images: Vec<WimImage>,
}

impl WimXml {
    /// Reads XML data that stand at `base` of the file: UTF-16LE, with a byte order mark as a rule.
    ///
    /// Where the XML is damaged, what stands before the damage is kept. `None` when it is no XML of a WIM.
    pub(super) fn read(bytes: &[u8], base: u64, warnings: &mut Warnings) -> Option<WimXml> {
        let (bytes, base) = match bytes.strip_prefix(UTF_16LE_BOM) {
            Some(bytes) => (bytes, base.saturating_add(UTF_16LE_BOM.len() as u64)),
            None => (bytes, base),
        };
        let (text, had_errors) = UTF_16LE.decode_without_bom_handling(bytes);
        let mut reading = Reading::new(&text, base, warnings);
        if had_errors {
            reading.losses.warn(
                WarningCode::EncodingDamaged,
                0,
                "XML data in UTF-16LE",
                "an odd number of bytes, or surrogates without their partner",
            );
        }
        reading.run();
        reading.xml
    }

    /// The image with this index, counted from 1.
    pub fn image(&self, index: u32) -> Option<&WimImage> {
        self.images.iter().find(|image| image.index == index)
    }
}

/// What the XML data say about one image. A field is `None` when the XML does not have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WimImage {
    /// `INDEX`, counted from 1.
    pub index: u32,
    /// `NAME`
    pub name: Option<String>,
    /// `DESCRIPTION`
    pub description: Option<String>,
    /// `FLAGS`: the edition as the image's maker named it.
    pub flags: Option<String>,
    /// `WINDOWS/EDITIONID`
    pub edition_id: Option<String>,
    /// `WINDOWS/VERSION`
    pub version: Option<ImageVersion>,
    /// `WINDOWS/ARCH`
    pub architecture: Option<Architecture>,
    /// `CREATIONTIME`
    pub creation_time: Option<FileTime>,
    /// `LASTMODIFICATIONTIME`
    pub last_modification_time: Option<FileTime>,
    /// `TOTALBYTES`: size of the image's files.
    pub total_bytes: Option<u64>,
    /// `DIRCOUNT`
    pub directory_count: Option<u64>,
    /// `FILECOUNT`
    pub file_count: Option<u64>,
    /// `WIMBOOT`: whether the image is meant to be applied as pointers into the WIM.
    pub is_wimboot: bool,
}

/// Version of the Windows in an image; numbers that the XML lacks are 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageVersion {
    /// `MAJOR`, such as 10.
    pub major: u32,
    /// `MINOR`, such as 0.
    pub minor: u32,
    /// `BUILD`, such as 22621.
    pub build: u32,
    /// `SPBUILD`: the revision that updates raise.
    pub service_pack_build: u32,
}

impl fmt::Display for ImageVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}.{}",
            self.major, self.minor, self.build, self.service_pack_build
        )
    }
}

/// Processor architecture of an image: the `PROCESSOR_ARCHITECTURE_*` numbers of winnt.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Architecture(pub u32);

impl Architecture {
    /// `PROCESSOR_ARCHITECTURE_INTEL`
    pub const X86: Architecture = Architecture(0);
    /// `PROCESSOR_ARCHITECTURE_ARM`
    pub const ARM: Architecture = Architecture(5);
    /// `PROCESSOR_ARCHITECTURE_IA64`
    pub const IA64: Architecture = Architecture(6);
    /// `PROCESSOR_ARCHITECTURE_AMD64`
    pub const AMD64: Architecture = Architecture(9);
    /// `PROCESSOR_ARCHITECTURE_ARM64`
    pub const ARM64: Architecture = Architecture(12);
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Architecture::X86 => f.pad("x86"),
            Architecture::ARM => f.pad("arm"),
            Architecture::IA64 => f.pad("ia64"),
            Architecture::AMD64 => f.pad("amd64"),
            Architecture::ARM64 => f.pad("arm64"),
            Architecture(number) => write!(f, "architecture {number}"),
        }
    }
}

const UTF_16LE_BOM: &[u8] = b"\xFF\xFE";
/// Elements nested deeper than this end the reading; a WIM's have four levels.
const MAX_DEPTH: usize = 64;
/// Images beyond this many end the reading, so that a hostile XML of `<IMAGE/>`s does not fill the memory.
const MAX_IMAGES: usize = 65_536;

/// How much of the evidence a warning quotes, in characters.
const MAX_QUOTE: usize = 80;

/// One pass over the XML. It holds the way to the element it is in, never a tree.
struct Reading<'a> {
    text: &'a str,
    losses: Losses<'a>,
    path: ElementPath,
    /// The characters since the last tag.
    characters: String,
    /// The parts of the time that the pass is in.
    time: TimeParts,
    /// The image that the pass is in.
    image: Option<WimImage>,
    /// There once the root element has come.
    xml: Option<WimXml>,
}

impl<'a> Reading<'a> {
    fn new(text: &'a str, base: u64, warnings: &'a mut Warnings) -> Self {
        Reading {
            text,
            losses: Losses {
                text,
                base,
                known: (0, 0),
                warnings,
            },
            path: ElementPath::default(),
            characters: String::new(),
            time: TimeParts::default(),
            image: None,
            xml: None,
        }
    }

    fn run(&mut self) {
        let mut reader = Reader::from_str(self.text);
        reader.config_mut().expand_empty_elements = true;
        loop {
            let at = reader.buffer_position();
            match reader.read_event() {
                Ok(Event::Start(tag)) => {
                    if self.open(&tag, at).is_break() {
                        break;
                    }
                }
                Ok(Event::End(_)) => self.close(at),
                Ok(Event::Text(text)) => self.characters.push_str(&text.xml10_content()),
                Ok(Event::CData(text)) => self.characters.push_str(&text.xml10_content()),
                Ok(Event::GeneralRef(reference)) => self.resolve(&reference, at),
                Ok(Event::Eof) => {
                    if !self.path.is_empty() || self.xml.is_none() {
                        self.losses.malformed(at, "a whole WIM element", "the end");
                    }
                    break;
                }
                Ok(Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Comment(_)) => {}
                Ok(Event::Empty(_)) => {}
                Err(error) => {
                    let at = reader.error_position();
                    self.losses
                        .malformed(at, "well-formed XML", &error.to_string());
                    break;
                }
            }
        }
        self.finish_image();
    }

    fn open(&mut self, tag: &BytesStart<'_>, at: u64) -> ControlFlow<()> {
        self.characters.clear();
        let depth = self.path.push(tag.name().as_ref());
        if depth > MAX_DEPTH {
            self.losses
                .malformed(at, "elements nested less deeply", "more than 64 levels");
            return ControlFlow::Break(());
        }
        match (self.path.as_str(), &mut self.xml) {
            ("WIM", xml) => *xml = Some(WimXml::default()),
            (_, None) => {
                self.losses
                    .malformed(at, "a WIM element", tag.name().as_ref());
                return ControlFlow::Break(());
            }
            ("WIM/ESD/ENCRYPTED", Some(xml)) => xml.is_encrypted = true,
            ("WIM/IMAGE", Some(xml)) if xml.images.len() >= MAX_IMAGES => {
                self.losses
                    .malformed(at, "at most 65,536 images", "another one");
                return ControlFlow::Break(());
            }
            ("WIM/IMAGE", Some(_)) => {
                let attribute = tag.try_get_attribute("INDEX").ok().flatten();
                let index = attribute.map_or_else(String::new, |found| found.value.into_owned());
                self.image = self.losses.number(&index, at).map(|index| WimImage {
                    index,
                    ..WimImage::default()
                });
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn close(&mut self, at: u64) {
        let characters = mem::take(&mut self.characters);
        match (self.path.as_str(), &mut self.xml) {
            ("WIM/IMAGE", _) => self.finish_image(),
            ("WIM/TOTALBYTES", Some(xml)) => {
                xml.total_bytes = self.losses.number(&characters, at);
            }
            _ => self.image_field(characters, at),
        }
        self.path.pop();
    }

    /// Takes the characters of the element that closes, if it tells something about the image.
    fn image_field(&mut self, characters: String, at: u64) {
        let (Some(image), Some(field)) = (
            &mut self.image,
            self.path.as_str().strip_prefix("WIM/IMAGE/"),
        ) else {
            return;
        };
        let losses = &mut self.losses;
        match field {
            "NAME" => image.name = Some(characters),
            "DESCRIPTION" => image.description = Some(characters),
            "FLAGS" => image.flags = Some(characters),
            "TOTALBYTES" => image.total_bytes = losses.number(&characters, at),
            "DIRCOUNT" => image.directory_count = losses.number(&characters, at),
            "FILECOUNT" => image.file_count = losses.number(&characters, at),
            "WIMBOOT" => {
                image.is_wimboot = losses
                    .number(&characters, at)
                    .is_some_and(|flag: u64| flag != 0);
            }
            "CREATIONTIME/HIGHPART" | "LASTMODIFICATIONTIME/HIGHPART" => {
                self.time.high = losses.number(&characters, at);
            }
            "CREATIONTIME/LOWPART" | "LASTMODIFICATIONTIME/LOWPART" => {
                self.time.low = losses.number(&characters, at);
            }
            "CREATIONTIME" => image.creation_time = self.time.take(),
            "LASTMODIFICATIONTIME" => image.last_modification_time = self.time.take(),
            "WINDOWS/ARCH" => {
                image.architecture = losses.number(&characters, at).map(Architecture);
            }
            "WINDOWS/EDITIONID" => image.edition_id = Some(characters),
            _ => {
                let Some(part) = field.strip_prefix("WINDOWS/VERSION/") else {
                    return;
                };
                let version = image.version.get_or_insert_default();
                let number = match part {
                    "MAJOR" => &mut version.major,
                    "MINOR" => &mut version.minor,
                    "BUILD" => &mut version.build,
                    "SPBUILD" => &mut version.service_pack_build,
                    _ => return,
                };
                *number = losses.number(&characters, at).unwrap_or_default();
            }
        }
    }

    /// Keeps the image that the pass was in, if it was in one.
    fn finish_image(&mut self) {
        if let (Some(image), Some(xml)) = (self.image.take(), &mut self.xml) {
            xml.images.push(image);
        }
    }

    /// Resolves the references that every XML has; what a DTD might define is not expanded.
    fn resolve(&mut self, reference: &BytesRef<'_>, at: u64) {
        let character = reference.resolve_char_ref().ok().flatten();
        let mut buffer = [0; 4];
        let resolved = match &character {
            Some(character) => Some(&*character.encode_utf8(&mut buffer)),
            None => resolve_predefined_entity(reference),
        };
        match resolved {
            Some(resolved) => self.characters.push_str(resolved),
            None => self.losses.malformed(at, "a known entity", reference),
        }
    }
}

/// The elements from the root to where the pass is.
#[derive(Default)]
struct ElementPath {
    /// Their names, joined by slashes.
    names: String,
    /// Length of `names` before each element came.
    lengths: Vec<usize>,
}

impl ElementPath {
    /// Enters an element; returns the depth it lies in.
    fn push(&mut self, name: &str) -> usize {
        self.lengths.push(self.names.len());
        if !self.names.is_empty() {
            self.names.push('/');
        }
        self.names.push_str(name);
        self.lengths.len()
    }

    fn pop(&mut self) {
        if let Some(length) = self.lengths.pop() {
            self.names.truncate(length);
        }
    }

    fn as_str(&self) -> &str {
        &self.names
    }

    fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }
}

/// `HIGHPART` and `LOWPART` of a time.
#[derive(Default)]
struct TimeParts {
    high: Option<u32>,
    low: Option<u32>,
}

impl TimeParts {
    fn take(&mut self) -> Option<FileTime> {
        let TimeParts { high, low } = mem::take(self);
        Some(FileTime::from_ticks(
            u64::from(high?) << 32 | u64::from(low?),
        ))
    }
}

/// Where warnings go, with the way back from the decoded text to the file's bytes.
struct Losses<'a> {
    text: &'a str,
    /// Where the text starts in the file.
    base: u64,
    /// Offset in UTF-8 and in UTF-16LE, both in bytes, of the last place asked for.
    known: (usize, u64),
    warnings: &'a mut Warnings,
}

impl Losses<'_> {
    fn malformed(&mut self, at: u64, expected: &str, found: &str) {
        self.warn(WarningCode::ImageXmlMalformed, at, expected, found);
    }

    fn warn(&mut self, code: WarningCode, at: u64, expected: &str, found: &str) {
        let found: String = found.chars().take(MAX_QUOTE).collect();
        let position = self.position(at);
        self.warnings
            .push(Warning::malformed(code, position, expected, &found));
    }

    /// Place in the file of a place in the text. Places mostly ask forwards, so the last one is a start.
    fn position(&mut self, at: u64) -> Position {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let (utf8, utf16) = match self.known {
            known if known.0 <= at => known,
            _ => (0, 0),
        };
        let between = self.text.get(utf8..at).unwrap_or_default();
        self.known = (
            utf8 + between.len(),
            utf16 + 2 * between.encode_utf16().count() as u64,
        );
        Position::Byte(self.base.saturating_add(self.known.1))
    }

    /// A number, decimal or hexadecimal with `0x`.
    fn number<T: TryFrom<u64>>(&mut self, characters: &str, at: u64) -> Option<T> {
        let digits = characters.trim();
        let number = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => digits.parse(),
        };
        let fitting = number.ok().and_then(|number| T::try_from(number).ok());
        if fitting.is_none() {
            self.malformed(
                at,
                &format!("a number of {} bits", 8 * size_of::<T>()),
                &format!("\"{digits}\""),
            );
        }
        fitting
    }
}
