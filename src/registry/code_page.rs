//! Windows code pages, for text that is neither UTF-16 nor UTF-8.

use std::fmt;
use std::str::FromStr;

use encoding_rs::Encoding;
use oem_cp::code_table::DECODING_TABLE_CP_MAP;

use crate::error::Error;

/// A Windows code page: in it stand `REGEDIT4` files (ANSI) and what `reg query` prints (OEM).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CodePage(u16);

/// The code pages whose decoder is `encoding_rs`'s, each with the label it goes by there.
const ANSI: [(u16, &str); 16] = [
    (866, "ibm866"),
    (874, "windows-874"),
    (932, "shift_jis"),
    (936, "gbk"),
    (949, "euc-kr"),
    (950, "big5"),
    (1250, "windows-1250"),
    (1251, "windows-1251"),
    (1252, "windows-1252"),
    (1253, "windows-1253"),
    (1254, "windows-1254"),
    (1255, "windows-1255"),
    (1256, "windows-1256"),
    (1257, "windows-1257"),
    (1258, "windows-1258"),
    // Of a Windows that was set to use UTF-8 for it.
    (65001, "utf-8"),
];

impl CodePage {
    /// windows-1252, the ANSI code page of western installations.
    pub const WINDOWS_1252: CodePage = CodePage(1252);

    /// The code page with this number, such as 1252, 850 or 932.
    pub fn from_number(number: u16) -> Option<CodePage> {
        let known = ansi_encoding(number).is_some() || DECODING_TABLE_CP_MAP.contains_key(&number);
        known.then_some(CodePage(number))
    }

    /// The number Windows gives the code page.
    pub fn number(self) -> u16 {
        self.0
    }

    /// Decodes bytes; those without a character become U+FFFD.
    pub fn decode(self, bytes: &[u8]) -> String {
        match (ansi_encoding(self.0), DECODING_TABLE_CP_MAP.get(&self.0)) {
            (Some(encoding), _) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
            (None, Some(table)) => table.decode_string_lossy(bytes),
            (None, None) => String::from_utf8_lossy(bytes).into_owned(),
        }
    }
}

fn ansi_encoding(number: u16) -> Option<&'static Encoding> {
    let (_, label) = ANSI.iter().find(|(known, _)| *known == number)?;
    Encoding::for_label(label.as_bytes())
}

impl Default for CodePage {
    fn default() -> Self {
        CodePage::WINDOWS_1252
    }
}

impl FromStr for CodePage {
    type Err = Error;

    /// Reads `850`, `cp850`, `ibm850`, `oem850`, `windows-1252`, `shift_jis`, `gbk`, `euc-kr`, `big5` or `utf-8`, in any letter case.
    fn from_str(name: &str) -> Result<Self, Error> {
        let lower = name.trim().to_ascii_lowercase();
        let number = match ANSI.iter().find(|(_, label)| *label == lower) {
            Some((number, _)) => Some(*number),
            None => ["windows-", "windows", "cp", "ibm", "oem", "dos-", ""]
                .iter()
                .find_map(|prefix| lower.strip_prefix(prefix)?.parse().ok()),
        };
        number.and_then(CodePage::from_number).ok_or_else(|| {
            Error::malformed(
                "a code page such as windows-1252, 437, 850, 866 or 932",
                format!("{name:?}"),
            )
        })
    }
}

impl fmt::Display for CodePage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            65001 => f.write_str("utf-8"),
            number @ 1250.. => write!(f, "windows-{number}"),
            number => write!(f, "cp{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_find_the_code_page() {
        for (name, number) in [
            ("850", 850),
            ("CP437", 437),
            ("ibm866", 866),
            ("windows-1251", 1251),
            ("Shift_JIS", 932),
            ("oem852", 852),
            ("65001", 65001),
            ("UTF-8", 65001),
        ] {
            assert_eq!(name.parse::<CodePage>().unwrap().number(), number, "{name}");
        }
        assert!("latin-9000".parse::<CodePage>().is_err());
        assert!("".parse::<CodePage>().is_err());
    }

    #[test]
    fn each_code_page_has_its_own_letters() {
        for (number, byte, letter) in [
            (437, 0x9B, "¢"),
            (850, 0x9B, "ø"),
            (866, 0x80, "А"),
            (1252, 0x80, "€"),
            (1251, 0xC0, "А"),
        ] {
            assert_eq!(
                CodePage::from_number(number).unwrap().decode(&[byte]),
                letter
            );
        }
    }
}
