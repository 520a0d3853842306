//! Which files of a collection are evidence of mounts.

use crate::wide_string::WideString;

/// Where a base block keeps the end of the path that its hive was loaded from, as UTF-16 with 32 code units ("Windows registry
/// file format specification", "Base block").
const FILE_NAME: std::ops::Range<usize> = 48..112;

/// The file names, in upper case, of what is read of every collection. Transaction logs add to those of the hives.
const HIVES: [&str; 2] = ["SOFTWARE", "SYSTEM"];
const LOG_SUFFIXES: [&str; 4] = ["", ".LOG", ".LOG1", ".LOG2"];
const MOUNT_DATA: &str = "$WIMMOUNTDATA";
/// The list of what Velociraptor took from where.
pub(super) const UPLOAD_LIST: &str = "uploads.json";

/// Whether a member of an archive will be read, by its name and the start of its data.
pub(super) fn is_wanted(name: &[u8], start: &[u8]) -> bool {
    let name = name.rsplit(|byte| matches!(byte, b'/' | b'\\')).next();
    let name = String::from_utf8_lossy(name.unwrap_or_default()).to_ascii_uppercase();
    let is_hive = HIVES.iter().any(|hive| {
        let suffix = name.strip_prefix(hive);
        suffix.is_some_and(|suffix| LOG_SUFFIXES.contains(&suffix))
    });
    is_hive
        || name.ends_with(MOUNT_DATA)
        || name.eq_ignore_ascii_case(UPLOAD_LIST)
        || hive_of(start).is_some_and(|hive| hive != HiveName::Other)
}

/// Which hive a base block belongs to, by the path in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum HiveName {
    Software,
    System,
    /// No path, as `reg save` leaves it.
    Unnamed,
    Other,
}

/// Which hive a file belongs to that starts with a base block, as hives and transaction logs do.
pub(super) fn hive_of(start: &[u8]) -> Option<HiveName> {
    if !start.starts_with(b"regf") {
        return None;
    }
    let path = WideString::from_utf16le_until_nul(start.get(FILE_NAME)?).to_string_lossy();
    let name = path.rsplit('\\').next().unwrap_or_default();
    Some(match name {
        "" if path.is_empty() => HiveName::Unnamed,
        _ if name.eq_ignore_ascii_case("SOFTWARE") => HiveName::Software,
        _ if name.eq_ignore_ascii_case("SYSTEM") => HiveName::System,
        _ => HiveName::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base_block(path: &str) -> Vec<u8> {
        let mut block = vec![0; 512];
        block[..4].copy_from_slice(b"regf");
        let name = WideString::from(path).to_utf16le();
        block[FILE_NAME][..name.len()].copy_from_slice(&name);
        block
    }

    #[test]
    fn hives_logs_streams_and_the_upload_list_are_wanted_by_their_names() {
        for (name, wanted) in [
            ("C/Windows/System32/config/SOFTWARE", true),
            (r"C\Windows\System32\config\system.log2", true),
            ("SOFTWARE.LOG", true),
            ("uploads/ntfs/C%3A/mount%3A$WIMMOUNTDATA", true),
            ("mount_$wimmountdata", true),
            ("uploads.json", true),
            ("C/Windows/System32/config/SOFTWARE.bak", false),
            ("C/Windows/System32/config/SAM", false),
            ("SOFTWARE/readme.txt", false),
            ("", false),
        ] {
            assert_eq!(is_wanted(name.as_bytes(), b""), wanted, "{name}");
        }
    }

    #[test]
    fn hives_are_wanted_by_the_path_in_their_base_block() {
        for (path, hive) in [
            (r"emRoot\System32\Config\SOFTWARE", HiveName::Software),
            (r"\??\C:\x\System", HiveName::System),
            ("SYSTEM", HiveName::System),
            (r"\Config\SAM", HiveName::Other),
            (r"\x\", HiveName::Other),
            ("", HiveName::Unnamed),
        ] {
            assert_eq!(hive_of(&base_block(path)), Some(hive), "{path}");
            assert_eq!(is_wanted(b"x", &base_block(path)), hive != HiveName::Other);
        }
        assert_eq!(hive_of(b"regf"), None);
        assert_eq!(hive_of(&[0; 512]), None);
    }
}
