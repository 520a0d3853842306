//! Files that hold the `$WIMMOUNTDATA` stream of a directory, by their names: collectors and people make them, beside the
//! directory, which need not have been captured itself.

use super::volume::MOUNT_DATA;
use crate::wide_string::WideString;

/// What may stand between the names of directory and stream in the name of a file: Velociraptor's colon, ntfs-3g's and
/// people's, KAPE's underscore, people's dot, KAPE's nothing.
const SEPARATORS: [&str; 5] = ["%3A", ":", "_", ".", ""];

/// The names that the file with a directory's stream may have, the likeliest first.
pub(crate) fn names(directory: &WideString) -> impl Iterator<Item = WideString> {
    SEPARATORS.into_iter().map(|separator| {
        let mut name = directory.as_units().to_vec();
        name.extend(separator.encode_utf16().chain(MOUNT_DATA.encode_utf16()));
        WideString::from_units(name)
    })
}

/// The directories whose stream a file of this name may hold, the likeliest first; none for any other file.
pub(crate) fn directories(file: &WideString) -> Vec<WideString> {
    let Some(name) = without_end(file.as_units(), MOUNT_DATA) else {
        return Vec::new();
    };
    let names = SEPARATORS
        .into_iter()
        .filter_map(|separator| without_end(name, separator).filter(|name| !name.is_empty()));
    names
        .map(|name| WideString::from_units(name.to_vec()))
        .collect()
}

/// The units before an end, which may be spelt in upper or lower case.
fn without_end<'a>(units: &'a [u16], end: &str) -> Option<&'a [u16]> {
    let length = units.len().checked_sub(end.encode_utf16().count())?;
    let (before, found) = units.split_at(length);
    let is_end = WideString::from_units(found.to_vec()).eq_ignore_case(&end.into());
    is_end.then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_directory_and_stream() {
        let mount = WideString::from("mount");
        for file in [
            "mount%3A$WIMMOUNTDATA",
            "mount:$WIMMOUNTDATA",
            "mount_$WIMMOUNTDATA",
            "mount.$WIMMOUNTDATA",
            "mount$WIMMOUNTDATA",
        ] {
            assert!(names(&mount).any(|name| name == file), "{file}");
            assert!(directories(&file.into()).contains(&mount), "{file}");
        }
        assert_eq!(
            directories(&"a_$wimmountdata".into()),
            [WideString::from("a"), "a_".into()]
        );
        for other in ["$WIMMOUNTDATA", "", "mount", "mount$WIMMOUNTDATA.txt"] {
            assert!(directories(&other.into()).is_empty(), "{other}");
        }
    }
}
