//! What the names of a collection's members mean.
//!
//! Names are only taken apart and compared: none is ever a path on this host.

use std::fmt;

use crate::capture::drive_name::DriveName;
use crate::wide_string::WideString;

/// Why a member's name cannot be a path on a drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusedName {
    /// It goes up by `..`.
    Parent,
    /// It has a NUL.
    Nul,
    /// It has more directories than any path of Windows.
    Depth,
}

impl fmt::Display for RefusedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            RefusedName::Parent => "a name without ..",
            RefusedName::Nul => "a name without NUL",
            RefusedName::Depth => "a name of at most 16384 directories",
        })
    }
}

/// A path of Windows has at most 32,767 units, a separator after each name.
const MAX_DEPTH: usize = 16_384;

/// The names in the path of a member, from the archive's root on. Separators are `/` and `\`, which writers on Windows
/// leave in; those at the start do not count, nor does `.`.
pub(super) fn components(name: &[u8]) -> Result<Vec<&[u8]>, RefusedName> {
    if name.contains(&0) {
        return Err(RefusedName::Nul);
    }
    let names = name.split(|byte| is_separator(*byte));
    let names: Vec<&[u8]> = names.filter(|name| !matches!(*name, b"" | b".")).collect();
    if names.contains(&&b".."[..]) {
        return Err(RefusedName::Parent);
    }
    match names.len() <= MAX_DEPTH {
        true => Ok(names),
        false => Err(RefusedName::Depth),
    }
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// The folder that a member lies in, and its own name.
pub(super) fn divided(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|&byte| is_separator(byte)) {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (b"", name),
    }
}

/// Whether a member's name starts at a root: that of a file system, or of a drive.
pub(super) fn is_absolute(name: &[u8]) -> bool {
    matches!(name.first(), Some(b'/' | b'\\'))
}

/// How the names in a drive's folder are spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spelling {
    /// As they are.
    Plain,
    /// As Velociraptor spells them in its collections.
    Velociraptor,
}

impl Spelling {
    /// A name as Windows had it.
    ///
    /// Velociraptor writes each byte as `%XX` that is neither a letter, a digit, one of `- _ . ~ $` nor a blank, and
    /// adds `_` to a name that ends in `.db` or `_`. That is undone once: `%254` is `%4`. What Velociraptor would not
    /// write stays as it is.
    pub fn decode(self, name: &[u8]) -> WideString {
        match self {
            Spelling::Plain => WideString::from_wtf8(name),
            Spelling::Velociraptor => {
                let decoded = percent_decoded(name);
                WideString::from_wtf8(without_guard(&decoded))
            }
        }
    }
}

/// The name without the `_` that keeps its end from being taken for something else.
fn without_guard(name: &[u8]) -> &[u8] {
    match name.strip_suffix(b"_") {
        Some(guarded) if guarded.ends_with(b"_") || ends_with_db(guarded) => guarded,
        _ => name,
    }
}

fn ends_with_db(name: &[u8]) -> bool {
    let end = name
        .len()
        .checked_sub(3)
        .and_then(|start| name.get(start..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(b".db"))
}

fn percent_decoded(name: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.first().zip(after.get(1));
        let digits = digits.and_then(|(&high, &low)| Some((hex_digit(high)?, hex_digit(low)?)));
        match digits.filter(|_| first == b'%') {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = &after[2..];
            }
            None => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    decoded
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// The drive that a folder of a collection is named after, and how the names in it are spelt.
///
/// `C` (KAPE) and `C:` are followed by plain names; `C%3A`, `%5C%5C.%5CC%3A` and devices such as
/// `%5C%5C%3F%5CGLOBALROOT%5CDevice%5CHarddiskVolumeShadowCopy1` by Velociraptor's.
pub fn drive_of_folder(name: &[u8]) -> Option<(DriveName, Spelling)> {
    let text = std::str::from_utf8(name).ok()?;
    let mut letters = text.chars();
    if let Some(drive) = letters.next().and_then(DriveName::letter)
        && matches!(letters.as_str(), "" | ":")
    {
        return Some((drive, Spelling::Plain));
    }
    let spelling = Spelling::Velociraptor;
    let decoded = spelling.decode(name).to_utf8()?;
    // A letter alone is never spelt by its number, and whatever else stands for a drive has a character that is.
    let is_spelt = decoded != text && decoded.contains([':', '\\']);
    let drive = is_spelt.then(|| decoded.parse().ok()).flatten()?;
    Some((drive, spelling))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_and_lead_nowhere() {
        let names = |name: &str| {
            components(name.as_bytes()).map(|names| {
                let names = names
                    .iter()
                    .map(|name| String::from_utf8_lossy(name).into_owned());
                names.collect::<Vec<_>>().join("|")
            })
        };
        assert_eq!(names("C/Windows/x").unwrap(), "C|Windows|x");
        assert_eq!(names(r".\C:\Windows\").unwrap(), "C:|Windows");
        assert_eq!(names("//a/./b//").unwrap(), "a|b");
        assert_eq!(names("/").unwrap(), "");
        assert_eq!(names("a..b/...").unwrap(), "a..b|...");
        assert_eq!(names("a/../b"), Err(RefusedName::Parent));
        assert_eq!(names(r"..\b"), Err(RefusedName::Parent));
        assert_eq!(names("a\0b"), Err(RefusedName::Nul));
        assert_eq!(names(&"a/".repeat(20_000)), Err(RefusedName::Depth));
        assert!(is_absolute(b"/a") && is_absolute(br"\a") && !is_absolute(b"a/"));
    }

    #[test]
    fn velociraptors_names_are_decoded_once() {
        for (spelt, name) in [
            (
                "Microsoft-Windows-Bits-Client%254Operational.evtx",
                "Microsoft-Windows-Bits-Client%4Operational.evtx",
            ),
            ("mount%3A$WIMMOUNTDATA", "mount:$WIMMOUNTDATA"),
            ("%2Ehidden", ".hidden"),
            ("thumbs.db_", "thumbs.db"),
            ("thumbs.db__", "thumbs.db_"),
            ("%2Edb_", ".db"),
            ("a__", "a_"),
            ("a_", "a_"),
            ("%E6%98%A0", "\u{6620}"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%+1", "%+1"),
        ] {
            assert_eq!(
                Spelling::Velociraptor.decode(spelt.as_bytes()),
                name,
                "{spelt}"
            );
            assert_eq!(Spelling::Plain.decode(spelt.as_bytes()), spelt);
        }
    }

    #[test]
    fn folders_are_named_after_drives() {
        for (folder, drive, spelling) in [
            ("C", "C:", Spelling::Plain),
            ("d:", "D:", Spelling::Plain),
            ("C%3A", "C:", Spelling::Velociraptor),
            ("C%3a", "C:", Spelling::Velociraptor),
            ("%5C%5C.%5CC%3A", "C:", Spelling::Velociraptor),
            ("%5C%5C%3F%5Cd%3A", "D:", Spelling::Velociraptor),
            (
                "%5C%5C%3F%5CGLOBALROOT%5CDevice%5CHarddiskVolumeShadowCopy12",
                r"\Device\HarddiskVolumeShadowCopy12",
                Spelling::Velociraptor,
            ),
            (
                "%5C%5Cserver%5Cshare",
                r"\\server\share",
                Spelling::Velociraptor,
            ),
        ] {
            let (found, how) = drive_of_folder(folder.as_bytes()).unwrap();
            assert_eq!(
                (found.to_string(), how),
                (drive.to_owned(), spelling),
                "{folder}"
            );
        }
        for other in [
            "", "CC", "Windows", "1", "%43", "C%3Ax", "C%3A%5Cx", "%5C", "a%2E", "%5C%5C",
        ] {
            assert_eq!(drive_of_folder(other.as_bytes()), None, "{other}");
        }
    }
}
