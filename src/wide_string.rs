//! Text as Windows keeps it: UTF-16 code units, not necessarily well-formed.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// A string of UTF-16 code units, as the registry, NTFS and WIM files hold it.
///
/// Windows does not check surrogates, so a hostile or damaged string may hold lone ones. They are
/// kept: [`Display`](fmt::Display) shows them as U+FFFD, JSON carries them exactly (`"\ud800"`).
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WideString(Vec<u16>);

impl WideString {
    /// Takes code units as they are.
    pub fn from_units(units: Vec<u16>) -> Self {
        WideString(units)
    }

    /// Reads UTF-16LE bytes; an odd last byte is left out.
    pub fn from_utf16le(bytes: &[u8]) -> Self {
        WideString(
            bytes
                .chunks_exact(2)
                .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                .collect(),
        )
    }

    /// Reads UTF-16LE bytes up to the first NUL, as Windows reads a string value.
    pub fn from_utf16le_until_nul(bytes: &[u8]) -> Self {
        let mut string = Self::from_utf16le(bytes);
        if let Some(end) = string.0.iter().position(|&unit| unit == 0) {
            string.0.truncate(end);
        }
        string
    }

    /// The code units.
    pub fn as_units(&self) -> &[u16] {
        &self.0
    }

    /// The bytes as UTF-16LE, without a terminating NUL.
    pub fn to_utf16le(&self) -> Vec<u8> {
        self.0.iter().flat_map(|unit| unit.to_le_bytes()).collect()
    }

    /// The text, when it is well-formed.
    pub fn to_utf8(&self) -> Option<String> {
        String::from_utf16(&self.0).ok()
    }

    /// The text with U+FFFD in the place of lone surrogates.
    pub fn to_string_lossy(&self) -> String {
        String::from_utf16_lossy(&self.0)
    }

    /// Reads WTF-8, that is UTF-8 in which a lone surrogate may stand as three bytes; damaged bytes become U+FFFD.
    pub(crate) fn from_wtf8(bytes: &[u8]) -> Self {
        wtf8_units(bytes).map_or_else(
            || String::from_utf8_lossy(bytes).into_owned().into(),
            WideString,
        )
    }

    /// Whether there are no code units.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is nothing but blanks.
    pub(crate) fn is_blank(&self) -> bool {
        self.0.iter().all(|&unit| unit == u16::from(b' '))
    }

    /// Whether two strings name the same thing on Windows: equal but for letter case.
    ///
    /// Letters are compared by their simple upper case within one code unit, as the registry and NTFS do.
    pub fn eq_ignore_case(&self, other: &WideString) -> bool {
        self.0.len() == other.0.len()
            && self
                .0
                .iter()
                .zip(&other.0)
                .all(|(&a, &b)| a == b || upcase(a) == upcase(b))
    }

    /// The string with every code unit in upper case: equal for strings that [`eq_ignore_case`](Self::eq_ignore_case).
    #[must_use]
    pub fn to_upcase(&self) -> WideString {
        WideString(self.0.iter().map(|&unit| upcase(unit)).collect())
    }

    /// A JSON string literal with lone surrogates as escapes.
    fn to_json_literal(&self) -> String {
        let mut json = String::from("\"");
        for decoded in char::decode_utf16(self.0.iter().copied()) {
            match decoded {
                Ok(c) => {
                    let mut buffer = [0; 4];
                    let quoted = serde_json::Value::from(&*c.encode_utf8(&mut buffer)).to_string();
                    json.push_str(&quoted[1..quoted.len() - 1]);
                }
                Err(lone) => json.push_str(&format!("\\u{:04x}", lone.unpaired_surrogate())),
            }
        }
        json.push('"');
        json
    }
}

/// Simple upper case of one UTF-16 code unit; units without one are themselves.
pub(crate) fn upcase(unit: u16) -> u16 {
    if unit < 0x80 {
        return (unit as u8).to_ascii_uppercase().into();
    }
    let Some(c) = char::from_u32(unit.into()) else {
        return unit;
    };
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(u), None) => u16::try_from(u32::from(u)).unwrap_or(unit),
        _ => unit,
    }
}

impl From<&str> for WideString {
    fn from(text: &str) -> Self {
        WideString(text.encode_utf16().collect())
    }
}

impl From<String> for WideString {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl PartialEq<str> for WideString {
    fn eq(&self, other: &str) -> bool {
        other.encode_utf16().eq(self.0.iter().copied())
    }
}

impl PartialEq<&str> for WideString {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl fmt::Display for WideString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_string_lossy())
    }
}

impl fmt::Debug for WideString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json_literal())
    }
}

impl Serialize for WideString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.to_utf8() {
            Some(text) => serializer.serialize_str(&text),
            None => serde_json::value::RawValue::from_string(self.to_json_literal())
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for WideString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = WideString;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<WideString, E> {
                Ok(text.into())
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<WideString, E> {
                wtf8_units(bytes)
                    .map(WideString)
                    .ok_or_else(|| E::custom("a string that is not UTF-8"))
            }
        }
        // serde_json hands a string with lone surrogates over only when asked for bytes, as WTF-8.
        if deserializer.is_human_readable() {
            deserializer.deserialize_bytes(Text)
        } else {
            deserializer.deserialize_str(Text)
        }
    }
}

/// Appends UTF-16 code units as WTF-8, which holds lone surrogates too.
pub(crate) fn push_wtf8(out: &mut Vec<u8>, units: impl IntoIterator<Item = u16>) {
    for decoded in char::decode_utf16(units) {
        match decoded {
            Ok(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => {
                let unit = lone.unpaired_surrogate();
                out.extend([
                    0xED,
                    0x80 | (unit >> 6 & 0x3F) as u8,
                    0x80 | (unit & 0x3F) as u8,
                ]);
            }
        }
    }
}

/// Code units of WTF-8: UTF-8 in which a lone surrogate stands as three bytes.
fn wtf8_units(mut bytes: &[u8]) -> Option<Vec<u16>> {
    let mut units = Vec::new();
    while !bytes.is_empty() {
        let valid = match str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        };
        units.extend(valid.encode_utf16());
        bytes = &bytes[valid.len()..];
        if let [0xED, b1 @ 0xA0..=0xBF, b2 @ 0x80..=0xBF, rest @ ..] = bytes {
            units.push(0xD000 | u16::from(b1 & 0x3F) << 6 | u16::from(b2 & 0x3F));
            bytes = rest;
        } else if !bytes.is_empty() {
            return None;
        }
    }
    Some(units)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lone_surrogates_are_exact_in_json_and_visible_in_text() {
        let string = WideString::from_units(vec![0x43, 0x3A, 0xD800, 0x22, 0xDC00]);
        let json = serde_json::to_string(&string).unwrap();
        assert_eq!(json, r#""C:\ud800\"\udc00""#);
        assert_eq!(string.to_string(), "C:\u{FFFD}\"\u{FFFD}");
        assert_eq!(string.to_utf8(), None);
    }

    #[test]
    fn letter_case_is_ignored_beyond_ascii() {
        assert!(WideString::from("Größe Привет").eq_ignore_case(&"GRÖßE ПРИВЕТ".into()));
        assert!(!WideString::from("straße").eq_ignore_case(&"STRASSE".into()));
    }

    proptest! {
        #[test]
        fn json_gives_every_code_unit_back(units: Vec<u16>) {
            let string = WideString::from_units(units);
            let json = serde_json::to_string(&string).unwrap();
            prop_assert_eq!(serde_json::from_str::<WideString>(&json).unwrap(), string);
        }

        #[test]
        fn utf16le_gives_every_code_unit_back(units: Vec<u16>) {
            let string = WideString::from_units(units);
            prop_assert_eq!(WideString::from_utf16le(&string.to_utf16le()), string);
        }
    }
}
