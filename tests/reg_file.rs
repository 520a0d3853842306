//! `.reg` files: what a writer wrote is read back, damage costs what it hits, and the search for the mount registry leaves
//! nothing out.

#[path = "support/reg_writer.rs"]
mod reg_writer;

use std::io::{self, Read};

use dism_mount_status::registry::reg_file::RegFile;
use dism_mount_status::registry::{CodePage, RegistryEntry, RegistryExport, ValueType};
use dism_mount_status::{Error, Position, WarningCode, WideString};
use proptest::prelude::*;
use reg_writer::{Encoding, RegWriter, Section, registry};

/// Everything a file says, in a form that can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Key(WideString),
    Value(WideString, u32, Vec<u8>),
    Unreadable(WideString),
    NoKey(WideString),
    NoValue(WideString),
}

fn said(entry: RegistryEntry) -> Said {
    match entry {
        RegistryEntry::Key(key) => Said::Key(key.path),
        RegistryEntry::Value(value) => Said::Value(value.name, value.value_type.0, value.data),
        RegistryEntry::UnreadableValue { name, .. } => Said::Unreadable(name),
        RegistryEntry::KeyDeletion { path, .. } => Said::NoKey(path),
        RegistryEntry::ValueDeletion { name, .. } => Said::NoValue(name),
        other => panic!("an entry that this test does not know: {other:?}"),
    }
}

fn open(bytes: &[u8]) -> Result<RegFile<&[u8]>, Error> {
    RegFile::new(bytes, CodePage::WINDOWS_1252)
}

fn read(mut file: RegFile<&[u8]>) -> (Vec<Said>, Vec<WarningCode>) {
    let mut entries = Vec::new();
    while let Some(entry) = file.next_entry().expect("memory can be read") {
        entries.push(said(entry));
    }
    let warnings = file
        .warnings()
        .as_slice()
        .iter()
        .map(|warning| warning.code());
    (entries, warnings.collect())
}

fn read_text(text: &str) -> (Vec<Said>, Vec<WarningCode>) {
    read(open(text.as_bytes()).expect("a header"))
}

/// A version 5 file of one key with these lines.
fn read_lines(lines: &str) -> (Vec<Said>, Vec<WarningCode>) {
    let (mut entries, warnings) = read_text(&format!(
        "Windows Registry Editor Version 5.00\n\n[HKEY_LOCAL_MACHINE\\k]\n{lines}"
    ));
    assert_eq!(entries.remove(0), Said::Key(r"HKEY_LOCAL_MACHINE\k".into()));
    (entries, warnings)
}

fn text(name: &str, text: &str) -> Said {
    let mut data = WideString::from(text).to_utf16le();
    data.extend([0, 0]);
    Said::Value(name.into(), ValueType::SZ.0, data)
}

fn unreadable(name: &str) -> Said {
    Said::Unreadable(name.into())
}

fn dword(name: &str, number: u32) -> Said {
    Said::Value(
        name.into(),
        ValueType::DWORD.0,
        number.to_le_bytes().to_vec(),
    )
}

#[test]
fn a_raw_line_break_belongs_to_the_string() {
    let (entries, warnings) =
        read_lines("\"a\"=\"one\r\ntwo\n\nthree\"\r\n\"b\"=dword:00000001\r\n");
    assert_eq!(entries, [text("a", "one\r\ntwo\n\nthree"), dword("b", 1)]);
    assert_eq!(warnings, []);
}

#[test]
fn a_raw_line_break_belongs_to_the_name() {
    let (entries, warnings) = read_lines("\"a\nb\"=\"one\ntwo\"\n\"c\"=\"\"\n");
    assert_eq!(entries, [text("a\nb", "one\ntwo"), text("c", "")]);
    assert_eq!(warnings, []);
}

#[test]
fn a_lost_closing_quote_costs_one_value() {
    let lines =
        "\"a\"=\"lost\n\"b\"=\"kept\"\n@=dword:2\n\n[HKEY_LOCAL_MACHINE\\k\\l]\n\"c\"=\"kept\"\n";
    let (entries, warnings) = read_lines(lines);
    let key = Said::Key(r"HKEY_LOCAL_MACHINE\k\l".into());
    assert_eq!(
        entries,
        [
            unreadable("a"),
            text("b", "kept"),
            dword("", 2),
            key,
            text("c", "kept")
        ]
    );
    assert_eq!(warnings, [WarningCode::StringNotClosed]);
}

#[test]
fn a_lost_closing_quote_at_the_end_costs_one_value() {
    let (entries, warnings) = read_lines("\"a\"=\"kept\"\n\"b\"=\"lost\nno quote\n");
    assert_eq!(entries, [text("a", "kept"), unreadable("b")]);
    assert_eq!(
        warnings,
        [WarningCode::StringNotClosed, WarningCode::LineNotUnderstood]
    );
}

#[test]
fn many_lost_quotes_are_read_in_time() {
    let lines = "\"a\"=\"lost\n;\n".repeat(200_000);
    let (entries, warnings) = read_lines(&lines);
    assert_eq!(entries, vec![unreadable("a"); 200_000]);
    assert_eq!(warnings.len(), dism_mount_status::Warnings::LIMIT);
}

#[test]
fn a_line_without_an_end_is_an_error() {
    let text = "REGEDIT4\n[first]\n[other]\n";
    let file = text.as_bytes().chain(io::repeat(0));
    let export = RegistryExport::open(file, None).unwrap();
    let error = export.read_mount_registry().unwrap_err();
    assert_eq!(error.position(), Some(Position::Byte(text.len() as u64)));
}

#[test]
fn lines_full_of_what_is_searched_for_are_read_in_time() {
    for text in ["mmou", "[-", "WIMMOUNT"] {
        let line = format!(";{}\n", text.repeat((2 << 20) / text.len()));
        let text = format!("REGEDIT4\n[first]\n[other]\n{}[{KEY}]\n", line.repeat(4));
        let (said, _) = read(open(text.as_bytes()).unwrap().only_mount_registry());
        assert_eq!(said.last(), Some(&Said::Key(KEY.into())));
    }
}

#[test]
fn a_key_behind_such_a_line_is_found_wherever_the_reads_end() {
    let line = format!(";{}\n", "mmou".repeat(2000));
    let text = format!("REGEDIT4\n[first]\n[other]\n{line}[{KEY}]\n");
    for size in [500, 999, 1000, 3001, 5000, 7900] {
        let pieces = Pieces {
            bytes: text.as_bytes(),
            size,
        };
        let mut file = RegFile::new(pieces, CodePage::default())
            .unwrap()
            .only_mount_registry();
        let mut last = None;
        while let Some(entry) = file.next_entry().unwrap() {
            last = Some(said(entry));
        }
        assert_eq!(last, Some(Said::Key(KEY.into())), "{size}");
    }
}

const KEY: &str = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\WIMMount\Mounted Images\x";

#[test]
fn a_damaged_hexadecimal_value_does_not_take_the_next_key_with_it() {
    let (entries, warnings) =
        read_lines("\"a\"=hex:01,02,\\\n[HKEY_LOCAL_MACHINE\\l]\n\"b\"=dword:3\n");
    assert_eq!(
        entries,
        [
            unreadable("a"),
            Said::Key(r"HKEY_LOCAL_MACHINE\l".into()),
            dword("b", 3)
        ]
    );
    assert_eq!(warnings, [WarningCode::ValueMalformed]);
}

#[test]
fn comments_blanks_and_letter_case_do_not_matter() {
    let lines = " ; comment \\\n\t\"a\" = DWORD: 0000000A ; comment\n\"b\"=HEX(B): 01,02 , \\ ;comment\n\n  ; between\n  03,04,05,06,07,08\n";
    let (entries, warnings) = read_lines(lines);
    let qword = Said::Value("b".into(), ValueType::QWORD.0, (1..=8).collect());
    assert_eq!(entries, [dword("a", 10), qword]);
    assert_eq!(warnings, []);
}

#[test]
fn deletions_are_told() {
    let (entries, _) = read_lines("\"a\"=-\n@=-\n\n[-HKLM\\k\\l]\n\"below\"=\"a deleted key\"\n");
    let expected = [
        Said::NoValue("a".into()),
        Said::NoValue("".into()),
        Said::NoKey(r"HKEY_LOCAL_MACHINE\k\l".into()),
    ];
    assert_eq!(entries, expected);
}

#[test]
fn every_kind_of_line_end_is_read() {
    let expected = (vec![dword("a", 1), text("b", "x")], vec![]);
    for line_end in ["\n", "\r\n", "\r"] {
        assert_eq!(
            read_lines(&["\"a\"=dword:1", "\"b\"=\"x\"", ""].join(line_end)),
            expected
        );
    }
}

#[test]
fn strings_of_regedit4_are_in_the_code_page() {
    let file = b"REGEDIT4\r\n\r\n[HKEY_LOCAL_MACHINE\\k]\r\n\"\x81\"=\"\x9B\"\r\n\"m\"=hex(7):9b,00,41,00,00\r\n".to_vec();
    let mut file = RegFile::new(file.as_slice(), CodePage::from_number(850).unwrap()).unwrap();
    let mut entries = Vec::new();
    while let Some(entry) = file.next_entry().unwrap() {
        entries.push(said(entry));
    }
    let multi = WideString::from("ø\0A\0\0").to_utf16le();
    assert_eq!(
        entries[1..],
        [text("ü", "ø"), Said::Value("m".into(), 7, multi)]
    );
}

#[test]
fn a_cut_number_is_not_passed_off_as_whole() {
    let (entries, warnings) = read_lines("\"a\"=dword:0000");
    assert_eq!(entries, [dword("a", 0)]);
    assert_eq!(warnings, [WarningCode::Truncated]);
}

#[test]
fn other_files_are_named_for_what_they_are() {
    let cases: [(&[u8], &str); 8] = [
        (b"", "an empty file"),
        (b"regf\x01\0\0\0", "a registry hive"),
        (b"WINE REGISTRY Version 2\n", "Wine's own registry file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"),
        (b"<!DOCTYPE html>\n<html>", "web page"),
        (b"REGEDIT\nHKEY_CLASSES_ROOT\\x = y\n", "Windows 3.1"),
        (b"regedit4\n", "`regedit4`"),
        (b"Windows Registry Editor Version 4.00\n", "Version 4.00"),
    ];
    for (bytes, expected) in cases {
        let error = open(bytes).expect_err("not a .reg file");
        assert!(error.found().unwrap().contains(expected), "{error}");
        assert_eq!(error.position().unwrap().line(), Some(1));
    }
}

#[test]
fn places_are_lines_and_bytes_of_the_file() {
    let file = "\u{feff}Windows Registry Editor Version 5.00\r\n\r\n[k]\r\nodd\r\n";
    let bytes: Vec<u8> = file.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut file = open(&bytes).unwrap();
    while file.next_entry().unwrap().is_some() {}
    let position = file.warnings().as_slice()[0].position().unwrap();
    assert_eq!(
        (position.line(), position.byte()),
        (Some(4), 2 + 2 * (36 + 2 + 2 + 5))
    );
}

#[test]
fn text_in_a_string_is_not_taken_for_a_registration() {
    let fake = r"[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\WIMMount\Mounted Images\fake]";
    let file = format!(
        "Windows Registry Editor Version 5.00\n\n[HKEY_LOCAL_MACHINE\\SOFTWARE]\n\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\x]\n\
         \"v\"=\"text\n{fake}\n\\\"Status\\\"=dword:2\n\"\n\"n\n{fake}\n\"=dword:1\n\n{}\n\"Status\"=dword:00000002\n",
        fake.replace("fake", "real")
    );
    let registry = RegistryExport::open(file.as_bytes(), None)
        .unwrap()
        .read_mount_registry()
        .unwrap();
    assert_eq!(registry.registrations.len(), 1, "{registry:?}");
    assert!(
        registry.registrations[0]
            .registry_key
            .to_string()
            .ends_with("real")
    );
}

/// What the search makes of odd lines before a key is what the whole reading makes of them.
#[test]
fn lines_that_look_complete_may_go_on_with_what_was_before_them() {
    let key = r"[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\WIMMount\Mounted Images\x]";
    for (lines, is_key) in [
        // A name over two lines, and a string that goes on over the key.
        (["\"name", "\"=\"=dword:1", key, "\""], false),
        (["\"name\"=\"\"", "\"=\"=dword:1", key, "\""], true),
        // Hexadecimal data that should go on, and take the line with them that is no data.
        (["\"v\"=hex:01,\\", "\"abc", key, "\"=\"\""], true),
        (["\"v\"=hex:01", "\"abc", key, "\"=\"\""], false),
    ] {
        let lines = lines.join("\n");
        let text = format!("REGEDIT4\n[first]\n[HKEY_LOCAL_MACHINE\\k]\n{lines}\n");
        let (whole, _) = read_text(&text);
        let (searched, _) = read(open(text.as_bytes()).unwrap().only_mount_registry());
        assert_eq!(searched.len(), 1 + usize::from(is_key), "{lines}");
        assert_eq!(searched, only_mount_registry(whole), "{lines}");
    }
}

/// Hands bytes out a few at a time, as a pipe may.
struct Pieces<'a> {
    bytes: &'a [u8],
    size: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.size.min(buffer.len()).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(size);
        buffer[..size].copy_from_slice(now);
        self.bytes = later;
        Ok(size)
    }
}

/// What the search for the mount registry may leave out, taken from what the whole file says.
fn only_mount_registry(entries: Vec<Said>) -> Vec<Said> {
    let mut is_first = true;
    let mut is_wanted = false;
    let keep = |said: &Said| {
        match said {
            Said::Key(path) => {
                is_wanted = is_first || path.to_string().to_lowercase().contains("wimmount");
                is_first = false;
            }
            Said::NoKey(_) => {
                is_wanted = false;
                return true;
            }
            _ => {}
        }
        is_wanted
    };
    entries.into_iter().filter(keep).collect()
}

#[test]
fn of_an_endless_line_no_more_is_read_than_shows_that_it_is_no_export() {
    for byte in [0, b'x', 0xFF] {
        assert!(RegistryExport::open(io::repeat(byte), None).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_was_written_is_read_back(sections in registry(), encoding: Encoding, style: u64) {
        let writer = RegWriter { encoding, style };
        let sections: Vec<Section> = sections.into_iter().map(|section| writer.representable(section)).collect();
        let bytes = writer.write(&sections);
        let (entries, warnings) = read(open(&bytes).unwrap());
        let mut expected = Vec::new();
        for section in sections {
            expected.push(Said::Key(section.path));
            expected.extend(section.values.into_iter().map(|value| Said::Value(value.name, value.value_type, value.data)));
        }
        prop_assert_eq!(entries, expected);
        prop_assert_eq!(warnings, []);
    }

    #[test]
    fn the_search_finds_what_the_whole_reading_finds(sections in registry(), encoding: Encoding, style: u64) {
        let writer = RegWriter { encoding, style };
        let sections: Vec<Section> = sections.into_iter().map(|section| writer.representable(section)).collect();
        let bytes = writer.write(&sections);
        let (all, _) = read(open(&bytes).unwrap());
        let (found, _) = read(open(&bytes).unwrap().only_mount_registry());
        prop_assert_eq!(found, only_mount_registry(all));
    }

    #[test]
    fn the_search_finds_what_the_whole_reading_finds_in_damaged_files(lines in prop::collection::vec(0usize..14, 0..40), cut: prop::sample::Index) {
        const LINES: [&str; 14] = [
            "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\WIMMount\\Mounted Images\\a]", "[-HKEY_LOCAL_MACHINE\\SOFTWARE]",
            "[HKLM\\other]", "\"a\"=\"text\"", "\"a\"=\"open", "end\"", "\"", "\"open name", "end\"=\"x\"", "end\"=\"open",
            "\"h\"=hex:01,\\", "  02,\\", "; \"comment", "",
        ];
        let mut text = "REGEDIT4\n".to_owned();
        text.extend(lines.iter().flat_map(|&line| [LINES[line], "\n"]));
        let text = &text[..9 + cut.index(text.len() - 8)];
        let (all, _) = read(open(text.as_bytes()).unwrap());
        let (found, _) = read(open(text.as_bytes()).unwrap().only_mount_registry());
        prop_assert_eq!(found, only_mount_registry(all));
    }

    #[test]
    fn a_truncated_file_gives_a_prefix_or_a_warning(sections in registry(), encoding: Encoding, style: u64, cut: prop::sample::Index) {
        let bytes = RegWriter { encoding, style }.write(&sections);
        let (all, _) = read(open(&bytes).unwrap());
        if let Ok(file) = open(&bytes[..cut.index(bytes.len())]) {
            let (entries, warnings) = read(file);
            prop_assert!(!warnings.is_empty() || all.starts_with(&entries), "{entries:?}");
        }
    }

    #[test]
    fn a_flipped_byte_never_panics(sections in registry(), encoding: Encoding, style: u64, at: prop::sample::Index, flip in 1u8..) {
        let mut bytes = RegWriter { encoding, style }.write(&sections);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(file) = open(&bytes) {
            let _ = read(file);
        }
        if let Ok(file) = open(&bytes) {
            let _ = read(file.only_mount_registry());
        }
    }

    #[test]
    fn chunks_of_any_size_read_the_same(sections in registry(), encoding: Encoding, style: u64, size in 1usize..9) {
        let bytes = RegWriter { encoding, style }.write(&sections);
        let whole = RegistryExport::open(bytes.as_slice(), None).unwrap().read_mount_registry().unwrap();
        let pieces = Pieces { bytes: &bytes, size };
        let pieced = RegistryExport::open(pieces, None).unwrap().read_mount_registry().unwrap();
        prop_assert_eq!(whole, pieced);
        let mut searched = RegFile::new(Pieces { bytes: &bytes, size }, CodePage::default()).unwrap().only_mount_registry();
        let mut entries = Vec::new();
        while let Some(entry) = searched.next_entry().unwrap() {
            entries.push(said(entry));
        }
        prop_assert_eq!(entries, only_mount_registry(read(open(&bytes).unwrap()).0));
    }
}
