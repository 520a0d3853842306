//! A writer of `.reg` files, in every encoding and with the liberties the format allows.

use dism_mount_status::WideString;
use proptest::prelude::*;
use proptest::sample::select;

/// A key with its values.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) path: WideString,
    pub(crate) values: Vec<Value>,
}

/// A value; the data is as the registry stores it.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub(crate) name: WideString,
    pub(crate) value_type: u32,
    pub(crate) data: Vec<u8>,
}

/// How a file is encoded, and so which header it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf16Le {
        mark: bool,
    },
    Utf16Be {
        mark: bool,
    },
    Utf8 {
        mark: bool,
    },
    /// `REGEDIT4` in windows-1252.
    Ansi,
}

impl Arbitrary for Encoding {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let kinds = |mark| {
            [
                Encoding::Utf16Le { mark },
                Encoding::Utf16Be { mark },
                Encoding::Utf8 { mark },
                Encoding::Ansi,
            ]
        };
        any::<bool>()
            .prop_flat_map(move |mark| select(kinds(mark).to_vec()))
            .boxed()
    }
}

/// Writes in an encoding; the bits of `style` choose among equivalent forms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RegWriter {
    pub(crate) encoding: Encoding,
    pub(crate) style: u64,
}

/// Some keys, a few of them of the mount registry, with values of every type.
pub(crate) fn registry() -> impl Strategy<Value = Vec<Section>> {
    let level = prop_oneof![
        Just("Microsoft".to_owned()),
        Just("WIMMount".to_owned()),
        Just("wimMOUNT\\Mounted Images\\{e242237c-66ed-4958-b9ec-c49b07eaeeb5}".to_owned()),
        "[ -~&&[^\\\\\r\n]]{1,12}",
        "[a-zé\\]\\[ωж日😀]{1,6}",
    ];
    let path = prop::collection::vec(level, 1..4)
        .prop_map(|levels| WideString::from(format!("HKEY_LOCAL_MACHINE\\{}", levels.join("\\"))));
    let text = || {
        prop_oneof![
            Just(WideString::from("C:\\a \"quoted\" dir\\")),
            Just(WideString::from(
                "[HKEY_LOCAL_MACHINE\\WIMMount]\n\n[HKEY_LOCAL_MACHINE\\WIMMount]\r\n"
            )),
            "[a-zA-Z\\\\\"\r\n\t =;#@\\[\\]-]{0,20}".prop_map(WideString::from),
            prop::collection::vec(1u16.., 0..8).prop_map(WideString::from_units),
        ]
    };
    let name = prop_oneof![3 => select(vec!["Mount Path", "WIM Path", "Status", "", "(Default)"]).prop_map(WideString::from), 1 => text()];
    let bytes = || prop::collection::vec(any::<u8>(), 0..60);
    let data = prop_oneof![
        text().prop_map(|text| (1, stored(&text))),
        text().prop_map(|text| (2, stored(&text))),
        prop::collection::vec(text(), 0..3)
            .prop_map(|texts| (7, texts.iter().flat_map(stored).chain([0, 0]).collect())),
        any::<u32>().prop_map(|number| (4, number.to_le_bytes().to_vec())),
        any::<u64>().prop_map(|number| (11, number.to_le_bytes().to_vec())),
        bytes().prop_map(|bytes| (3, bytes)),
        bytes().prop_map(|bytes| (0, bytes)),
        (8u32.., bytes()),
    ];
    let value = (name, data).prop_map(|(name, (value_type, data))| Value {
        name,
        value_type,
        data,
    });
    let section = (path, prop::collection::vec(value, 0..5))
        .prop_map(|(path, values)| Section { path, values });
    prop::collection::vec(section, 0..6)
}

fn stored(text: &WideString) -> Vec<u8> {
    let mut bytes = text.to_utf16le();
    bytes.extend([0, 0]);
    bytes
}

impl RegWriter {
    /// The section as this encoding can hold it: ANSI has few letters, UTF-8 has no lone surrogates, a line no line break.
    pub(crate) fn representable(self, section: Section) -> Section {
        let values = section.values.into_iter().map(|value| Value {
            name: self.text(&value.name),
            value_type: value.value_type,
            data: match value.value_type {
                1 => stored(&self.text(&string_of(&value.data))),
                2 => stored(&self.text(&string_of(&value.data))),
                7 => self
                    .text(&WideString::from_utf16le(&value.data))
                    .to_utf16le(),
                _ => value.data,
            },
        });
        Section {
            path: self.text(&section.path),
            values: values.collect(),
        }
    }

    fn text(self, text: &WideString) -> WideString {
        match self.encoding {
            Encoding::Utf16Le { .. } | Encoding::Utf16Be { .. } => text.clone(),
            Encoding::Utf8 { .. } => text.to_string_lossy().into(),
            Encoding::Ansi => text
                .to_string_lossy()
                .replace(|c: char| !c.is_ascii() && c != 'é', "?")
                .into(),
        }
    }

    /// The bytes of a file with these sections, which must be representable.
    pub(crate) fn write(self, sections: &[Section]) -> Vec<u8> {
        let mut style = Style(self.style);
        let line_end: Vec<u16> = style.pick(&["\r\n", "\n", "\r"]).encode_utf16().collect();
        let header = if self.encoding == Encoding::Ansi {
            "REGEDIT4"
        } else {
            "Windows Registry Editor Version 5.00"
        };
        let mut units: Vec<u16> = header.encode_utf16().collect();
        units.extend(&line_end);
        for section in sections {
            units.extend(&line_end);
            push(&mut units, style.pick(&["", " ", "\t"]));
            push(&mut units, "[");
            units.extend(section.path.as_units());
            push(&mut units, "]");
            units.extend(&line_end);
            for value in &section.values {
                push(&mut units, style.pick(&["", "", " \t"]));
                match value.name.is_empty() && style.flip() {
                    true => push(&mut units, "@"),
                    false => quote(&mut units, value.name.as_units()),
                }
                push(&mut units, style.pick(&["=", "=", " = "]));
                self.data(&mut units, value, &mut style, &line_end);
                push(
                    &mut units,
                    style.pick(&["", "", "  ", " ; a \"comment\" \\"]),
                );
                units.extend(&line_end);
                if style.pick(&["", "", "x"]) == "x" {
                    push(&mut units, "; between \\");
                    units.extend(&line_end);
                }
            }
        }
        self.encode(&units)
    }

    fn data(self, units: &mut Vec<u16>, value: &Value, style: &mut Style, line_end: &[u16]) {
        let string = string_of(&value.data);
        let is_whole_string = value.value_type == 1 && stored(&string) == value.data;
        if is_whole_string && !string.as_units().contains(&0) {
            return quote(units, string.as_units());
        }
        if let (4, &[a, b, c, d], true) = (value.value_type, value.data.as_slice(), style.flip()) {
            return push(
                units,
                &format!(
                    "{}:{:08x}",
                    style.pick(&["dword", "DWORD"]),
                    u32::from_le_bytes([a, b, c, d])
                ),
            );
        }
        let ansi = self.encoding == Encoding::Ansi && matches!(value.value_type, 2 | 7);
        let bytes = match ansi {
            true => cp1252(&WideString::from_utf16le(&value.data)),
            false => value.data.clone(),
        };
        match value.value_type {
            3 => push(units, style.pick(&["hex:", "hex(3):", "HEX:"])),
            other => push(units, &format!("hex({other:x}):")),
        }
        for (i, byte) in bytes.iter().enumerate() {
            push(units, &format!("{byte:02x}"));
            if i + 1 == bytes.len() {
                break;
            }
            push(units, ",");
            if i % 20 == 19 {
                push(units, style.pick(&["\\", " \\", "\\ ; comment"]));
                units.extend(line_end);
                push(units, "  ");
            }
        }
    }

    fn encode(self, units: &[u16]) -> Vec<u8> {
        let marked = |mark: bool| {
            mark.then_some(0xFEFF)
                .into_iter()
                .chain(units.iter().copied())
        };
        match self.encoding {
            Encoding::Utf16Le { mark } => marked(mark).flat_map(u16::to_le_bytes).collect(),
            Encoding::Utf16Be { mark } => marked(mark).flat_map(u16::to_be_bytes).collect(),
            Encoding::Utf8 { mark } => {
                String::from_utf16_lossy(&marked(mark).collect::<Vec<_>>()).into_bytes()
            }
            Encoding::Ansi => cp1252(&WideString::from_units(units.to_vec())),
        }
    }
}

/// A string value up to its NUL.
fn string_of(data: &[u8]) -> WideString {
    WideString::from_utf16le_until_nul(data)
}

/// The only letter beyond ASCII that `representable` leaves is the same in Latin-1.
fn cp1252(text: &WideString) -> Vec<u8> {
    text.to_string_lossy()
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect()
}

fn push(units: &mut Vec<u16>, text: &str) {
    units.extend(text.encode_utf16());
}

fn quote(units: &mut Vec<u16>, text: &[u16]) {
    push(units, "\"");
    for &unit in text {
        if unit == u16::from(b'"') || unit == u16::from(b'\\') {
            push(units, "\\");
        }
        units.push(unit);
    }
    push(units, "\"");
}

/// Chooses by the bits of a number, so that a failing case can be told.
struct Style(u64);

impl Style {
    fn pick<'a>(&mut self, forms: &[&'a str]) -> &'a str {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        forms[(self.0 >> 33) as usize % forms.len()]
    }

    fn flip(&mut self) -> bool {
        self.pick(&["", "x"]) == "x"
    }
}
