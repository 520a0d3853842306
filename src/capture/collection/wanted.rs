//! Which files of a collection are evidence of mounts.

use nom::bytes::complete::{tag, take};
use nom::number::complete::le_u32;
use nom::{IResult, Parser};
use uuid::Uuid;

use super::member_name::divided;
use crate::binary::guid;
use crate::capture::volume::MOUNT_DATA;
use crate::registry::RegistryExport;
use crate::wide_string::WideString;

/// Where a base block keeps the end of the path that its hive was loaded from, as UTF-16 with 32 code units ("Windows registry
/// file format specification", "Base block").
const FILE_NAME: std::ops::Range<usize> = 48..112;

/// What Windows appends to the name of a hive for its logs; nothing for the hive itself.
const LOG_SUFFIXES: [&str; 4] = ["", ".LOG", ".LOG1", ".LOG2"];
/// The list of what Velociraptor took from where.
pub(super) const UPLOAD_LIST: &str = "uploads.json";

/// Whether a member of an archive will be read, by its name and the start of its data.
pub(super) fn is_wanted(path: &[u8], start: &[u8]) -> bool {
    has_wanted_name(path)
        || match HiveStart::parse(start) {
            Some(start) => start.hive != HiveName::Other,
            None => is_export(start),
        }
}

/// Whether a file is one that will be read, by its name.
pub(super) fn has_wanted_name(path: &[u8]) -> bool {
    let (_, name) = divided(path);
    let name = String::from_utf8_lossy(name).to_ascii_uppercase();
    HiveName::of_file(path).is_some()
        || name.ends_with(MOUNT_DATA)
        || name.eq_ignore_ascii_case(UPLOAD_LIST)
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

/// What the start of a hive or transaction log tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HiveStart {
    pub(super) hive: HiveName,
    pub(super) is_log: bool,
    /// Both numbers: they differ while a hive is being written.
    pub(super) sequence: (u32, u32),
    /// Which transactions a hive takes part in: the same in a hive and its logs, zeros where there is none.
    pub(super) resource_manager: Uuid,
}

impl HiveStart {
    /// How many bytes tell.
    pub(super) const LENGTH: usize = 512;

    /// Reads the fields of a base block that tell which hive it is of; `None` for anything else.
    pub(super) fn parse(start: &[u8]) -> Option<HiveStart> {
        /// The type of a hive; transaction logs have others.
        const PRIMARY: u32 = 0;
        let start = start.get(..Self::LENGTH)?;
        let fields = |bytes| -> IResult<&[u8], (u32, u32, u32, Uuid)> {
            let (bytes, _) = tag(&b"regf"[..]).parse(bytes)?;
            let (bytes, (primary, secondary)) = (le_u32, le_u32).parse(bytes)?;
            let (bytes, _) = take(16_usize).parse(bytes)?;
            let (_, file_type) = le_u32.parse(bytes)?;
            let (bytes, _) = take(FILE_NAME.end).parse(start)?;
            let (bytes, resource_manager) = guid(bytes)?;
            Ok((bytes, (primary, secondary, file_type, resource_manager)))
        };
        let (_, (primary, secondary, file_type, resource_manager)) = fields(start).ok()?;
        Some(HiveStart {
            hive: HiveName::of_path(&WideString::from_utf16le_until_nul(&start[FILE_NAME])),
            is_log: file_type != PRIMARY,
            sequence: (primary, secondary),
            resource_manager,
        })
    }
}

impl HiveName {
    /// The hive that was loaded from a path.
    fn of_path(path: &WideString) -> HiveName {
        let path = path.to_string_lossy();
        match path.rsplit('\\').next().unwrap_or_default() {
            "" if path.is_empty() => HiveName::Unnamed,
            name if name.eq_ignore_ascii_case("SOFTWARE") => HiveName::Software,
            name if name.eq_ignore_ascii_case("SYSTEM") => HiveName::System,
            _ => HiveName::Other,
        }
    }

    /// The hive or log that a file is by its name, and whether it is a log.
    pub(super) fn of_file(path: &[u8]) -> Option<(HiveName, bool)> {
        let (_, name) = divided(path);
        let name = String::from_utf8_lossy(name).to_ascii_uppercase();
        let hives = [
            ("SOFTWARE", HiveName::Software),
            ("SYSTEM", HiveName::System),
        ];
        hives.into_iter().find_map(|(hive, is)| {
            let suffix = name.strip_prefix(hive)?;
            let is_known = LOG_SUFFIXES.contains(&suffix);
            is_known.then_some((is, !suffix.is_empty()))
        })
    }
}

/// Whether a file is an export of the registry, by its start.
pub(super) fn is_export(start: &[u8]) -> bool {
    // Of millions of members, few have to be looked at by its reader.
    let first = start.iter().find(|byte| byte.is_ascii_graphic());
    matches!(first, Some(b'W' | b'R' | b'H')) && RegistryExport::open(start, None).is_ok()
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
            let start = HiveStart::parse(&base_block(path)).unwrap();
            assert_eq!((start.hive, start.is_log), (hive, false), "{path}");
            assert_eq!(is_wanted(b"x", &base_block(path)), hive != HiveName::Other);
        }
        assert_eq!(HiveStart::parse(b"regf"), None);
        assert_eq!(HiveStart::parse(&[0; 512]), None);
    }

    #[test]
    fn exports_are_wanted_by_their_start() {
        let utf16: Vec<u8> = "\u{FEFF}Windows Registry Editor Version 5.00\r\n\r\n[HKEY_"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert!(is_wanted(b"x", &utf16));
        assert!(is_wanted(b"x", b"REGEDIT4\r\n\r\n"));
        assert!(is_wanted(
            b"x",
            b"\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\WIMMount\r\n"
        ));
        for other in [&b""[..], b"text", b"\x1F\x8B", b"[settings]\r\nx=1\r\n"] {
            assert!(!is_wanted(b"x", other));
        }
    }
}
