//! How the text of registry exports is encoded.

/// How the text of an export is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextEncoding {
    /// UTF-16, little-endian: regedit's own, and PowerShell's `>`.
    Utf16Le,
    /// UTF-16, big-endian.
    Utf16Be,
    /// UTF-8; a line that is not UTF-8 is read in the code page.
    Utf8,
    /// A code page.
    CodePage,
}

impl TextEncoding {
    /// Tells the encoding from the first bytes, and how many of them are a byte order mark.
    ///
    /// Without a mark, UTF-16 shows by the zero bytes of its ASCII letters; the rest is taken for UTF-8.
    pub fn sniff(start: &[u8]) -> (TextEncoding, usize) {
        match start {
            [0xFF, 0xFE, ..] => (TextEncoding::Utf16Le, 2),
            [0xFE, 0xFF, ..] => (TextEncoding::Utf16Be, 2),
            [0xEF, 0xBB, 0xBF, ..] => (TextEncoding::Utf8, 3),
            &[0, low, ..] if low != 0 => (TextEncoding::Utf16Be, 0),
            &[low, 0, ..] if low != 0 => (TextEncoding::Utf16Le, 0),
            _ => (TextEncoding::Utf8, 0),
        }
    }

    /// Bytes in one code unit.
    pub(crate) fn unit_size(self) -> usize {
        match self {
            TextEncoding::Utf16Le | TextEncoding::Utf16Be => 2,
            TextEncoding::Utf8 | TextEncoding::CodePage => 1,
        }
    }

    /// The code unit in the first bytes, of which there are enough.
    pub(crate) fn unit(self, bytes: &[u8]) -> u16 {
        match (self, bytes) {
            (TextEncoding::Utf16Le, &[low, high, ..]) => u16::from_le_bytes([low, high]),
            (TextEncoding::Utf16Be, &[high, low, ..]) => u16::from_be_bytes([high, low]),
            (_, bytes) => bytes[0].into(),
        }
    }
}
