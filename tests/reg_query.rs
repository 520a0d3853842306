//! What `reg query` printed: a writer in the shape of the tool is read back, and the format's doubts are settled as documented.

use dism_mount_status::registry::reg_query::RegQuery;
use dism_mount_status::registry::{CodePage, RegistryEntry, RegistryExport};
use dism_mount_status::{WarningCode, WideString};
use proptest::prelude::*;

const KEY: &str = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\WIMMount\Mounted Images\a";

#[derive(Debug, Clone, PartialEq)]
enum Said {
    Key(String),
    Value(String, u32, Vec<u8>),
    Unreadable(String),
}

fn read(bytes: &[u8], code_page: Option<u16>) -> (Vec<Said>, Vec<WarningCode>) {
    let code_page = code_page.map(|number| CodePage::from_number(number).unwrap());
    let mut query = RegQuery::new(bytes, code_page).expect("a key line");
    let mut said = Vec::new();
    while let Some(entry) = query.next_entry().unwrap() {
        said.push(match entry {
            RegistryEntry::Key(key) => Said::Key(key.path.to_string()),
            RegistryEntry::Value(value) => {
                Said::Value(value.name.to_string(), value.value_type.0, value.data)
            }
            RegistryEntry::UnreadableValue { name, .. } => Said::Unreadable(name.to_string()),
            other => panic!("`reg query` prints keys and values only: {other:?}"),
        });
    }
    let warnings = query
        .warnings()
        .as_slice()
        .iter()
        .map(|warning| warning.code());
    (said, warnings.collect())
}

/// The values of one key with these lines.
fn read_lines(lines: &str) -> (Vec<Said>, Vec<WarningCode>) {
    let (mut said, warnings) = read(format!("\r\n{KEY}\r\n{lines}").as_bytes(), None);
    assert_eq!(said.remove(0), Said::Key(KEY.to_owned()));
    (said, warnings)
}

fn string(name: &str, value_type: u32, text: &str) -> Said {
    let mut data = WideString::from(text).to_utf16le();
    data.extend([0, 0]);
    Said::Value(name.to_owned(), value_type, data)
}

#[test]
fn every_type_is_read() {
    let (said, warnings) = read_lines(
        "    (Default)    REG_SZ    x\r\n    e    REG_EXPAND_SZ    %a%\r\n    d    REG_DWORD    0xffffffff\r\n    \
         q    REG_QWORD    0x123456789\r\n    b    REG_BINARY    00FFa0\r\n    n    REG_NONE    \r\n    m    REG_MULTI_SZ    a\\0b\r\n    \
         be    REG_DWORD_BIG_ENDIAN    0x1\r\n\r\n",
    );
    let multi = WideString::from("a\0b\0\0").to_utf16le();
    let expected = [
        string("", 1, "x"),
        string("e", 2, "%a%"),
        Said::Value("d".into(), 4, vec![0xFF; 4]),
        Said::Value("q".into(), 11, 0x1_2345_6789_u64.to_le_bytes().to_vec()),
        Said::Value("b".into(), 3, vec![0, 0xFF, 0xA0]),
        Said::Value("n".into(), 0, vec![]),
        Said::Value("m".into(), 7, multi),
        Said::Value("be".into(), 5, vec![1, 0, 0, 0]),
    ];
    assert_eq!(said, expected);
    assert_eq!(warnings, []);
}

#[test]
fn the_default_value_is_known_in_every_language() {
    for name in [
        "(Default)",
        "(Standard)",
        "(par défaut)",
        "(По умолчанию)",
        "(既定)",
    ] {
        assert_eq!(
            read_lines(&format!("    {name}    REG_SZ    x\r\n")).0,
            [string("", 1, "x")]
        );
    }
    for name in ["(Default", "Default)"] {
        assert_eq!(
            read_lines(&format!("    {name}    REG_SZ    x\r\n")).0,
            [string(name, 1, "x")]
        );
    }
}

#[test]
fn strings_hold_line_breaks_and_four_blanks() {
    let (said, warnings) = read_lines(
        "    a    REG_SZ    C:\\x    y\r\nsecond line\n\n    third\r\n    b    REG_DWORD    0x1\r\n\r\n",
    );
    assert_eq!(
        said[0],
        string("a", 1, "C:\\x    y\r\nsecond line\n\n    third")
    );
    assert_eq!(said.len(), 2);
    assert_eq!(warnings, []);
}

#[test]
fn the_blank_line_before_the_next_key_is_not_part_of_a_string() {
    let (said, _) = read_lines(&format!(
        "    a    REG_SZ    x\r\n\r\n{KEY}\\b\r\n    c    REG_SZ    ends in a break\n\r\n\r\n"
    ));
    let expected = [
        string("a", 1, "x"),
        Said::Key(format!("{KEY}\\b")),
        string("c", 1, "ends in a break\n"),
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_bad_number_is_unreadable_and_not_absent() {
    let lines = "    Image Index    REG_QWORD    (null)\r\n    Status    REG_DWORT    0x2\r\n";
    let (said, warnings) = read_lines(lines);
    let unreadable = |name: &str| Said::Unreadable(name.into());
    assert_eq!(said, [unreadable("Image Index"), unreadable("Status")]);
    assert_eq!(warnings, [WarningCode::ValueMalformed; 2]);
}

#[test]
fn the_code_page_that_is_known_is_that_of_every_line() {
    let query = |path: &[u8]| [b"\r\n", KEY.as_bytes(), b"\r\n    a    REG_SZ    ", path].concat();
    let path = |path: &str| {
        let mut data = WideString::from(path).to_utf16le();
        data.extend([0, 0]);
        vec![Said::Key(KEY.to_owned()), Said::Value("a".into(), 1, data)]
    };
    // In code page 936 the first one is UTF-8 too, of another letter.
    for (bytes, in_936) in [
        (&b"C:\\\xC4\xA3"[..], r"C:\模"),
        (b"C:\\\xB9\xD2", r"C:\挂"),
    ] {
        assert_eq!(read(&query(bytes), Some(936)), (path(in_936), vec![]));
    }
    assert_eq!(read(&query(b"C:\\\xC4\xA3"), None).0, path(r"C:\ģ"));
    let (said, warnings) = read(&query(b"C:\\\xE9"), None);
    assert_eq!(said, path(r"C:\é"));
    assert_eq!(warnings, [WarningCode::EncodingDamaged]);
}

#[test]
fn letters_that_the_console_lacked_are_warned_of() {
    let text = format!(
        "\r\n{KEY}\r\n    Mount Path    REG_SZ    \\\\?\\C:\\??\r\n    WIM Path    REG_SZ    \\\\?\\C:\\a.wim\r\n"
    );
    let registry = RegistryExport::open(text.as_bytes(), None)
        .unwrap()
        .read_mount_registry()
        .unwrap();
    let warnings: Vec<_> = registry
        .warnings
        .as_slice()
        .iter()
        .map(|warning| warning.code())
        .collect();
    assert_eq!(warnings, [WarningCode::EncodingDamaged]);
}

#[test]
fn other_text_is_refused_with_what_it_is() {
    let error = RegQuery::new(
        &b"\r\nERROR: The system was unable to find the key\r\n"[..],
        None,
    )
    .unwrap_err();
    assert!(
        error.found().unwrap().contains("ERROR: The system"),
        "{error}"
    );
}

#[test]
fn each_fault_is_told_with_its_line() {
    for (line, code, text) in [
        (
            "odd",
            WarningCode::LineNotUnderstood,
            "a key or a value, found `odd`",
        ),
        (
            "   Status    REG_DWORD    0x2",
            WarningCode::LineNotUnderstood,
            "a key or a value",
        ),
        (
            "    Status    REG_WORD    0x2",
            WarningCode::ValueMalformed,
            "the name of a registry type, found `REG_WORD` as the type of \"Status\"",
        ),
        (
            "    Status    REG_DWORD    2",
            WarningCode::ValueMalformed,
            "0x and one to eight hexadecimal digits, found `2`",
        ),
        (
            "    Status    REG_DWORD    0x123456789",
            WarningCode::ValueMalformed,
            "0x and one to eight hexadecimal digits",
        ),
        (
            "    Status    REG_QWORD    0x",
            WarningCode::ValueMalformed,
            "0x and one to sixteen hexadecimal digits",
        ),
        (
            "    Status    REG_BINARY    012",
            WarningCode::ValueMalformed,
            "pairs of hexadecimal digits, found `012`",
        ),
        (
            "    Status    REG_NONE    0g",
            WarningCode::ValueMalformed,
            "pairs of hexadecimal digits",
        ),
    ] {
        let text_of_query = format!("\r\n{KEY}\r\n{line}\r\n");
        let mut query = RegQuery::new(text_of_query.as_bytes(), None).unwrap();
        while query.next_entry().unwrap().is_some() {}
        let warnings = query.into_warnings();
        let [warning] = warnings.as_slice() else {
            panic!("{line}: {warnings:?}");
        };
        let place = warning.position().unwrap();
        assert_eq!((warning.code(), place.line()), (code, Some(3)), "{line}");
        assert!(warning.message().contains(text), "{line}: {warning}");
    }
}

#[test]
fn a_string_over_several_lines_has_at_most_four_mebibytes() {
    let second = "y".repeat(2 << 20);
    for (length, is_read) in [(4 << 20, true), ((4 << 20) + 1, false)] {
        // The line break between the two is counted once the third comes.
        let first = "x".repeat(length - second.len());
        let (said, warnings) = read_lines(&format!(
            "    a    REG_SZ    {first}\r\n{second}\r\n    b    REG_DWORD    0x1\r\n"
        ));
        assert_eq!(said.len(), 2);
        assert_eq!(said[0] != Said::Unreadable("a".into()), is_read);
        let expected = (!is_read).then_some(WarningCode::ValueMalformed);
        assert_eq!(warnings, Vec::from_iter(expected));
    }
}

#[test]
fn a_line_that_is_too_long_is_left_out() {
    let long = "x".repeat(5 << 20);
    let (said, warnings) = read_lines(&format!("{long}\r\n    b    REG_DWORD    0x1\r\n"));
    assert_eq!(said, [Said::Value("b".to_owned(), 4, vec![1, 0, 0, 0])]);
    assert_eq!(warnings, [WarningCode::LineNotUnderstood]);
}

fn values() -> impl Strategy<Value = Vec<(String, Said)>> {
    let name = "[a-zA-Zé][a-zA-Z é]{0,6}[a-zA-Z]";
    let value = prop_oneof![
        "[ -~ωж]{0,20}(\r\n[a-z]{1,5}|\n[a-z]{1,5})?".prop_map(|text| (
            "REG_SZ",
            1,
            text.clone(),
            string("", 1, &text)
        )),
        any::<u32>().prop_map(|number| (
            "REG_DWORD",
            4,
            format!("{number:#x}"),
            Said::Value(String::new(), 4, number.to_le_bytes().to_vec())
        )),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| {
            let text = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            ("REG_BINARY", 3, text, Said::Value(String::new(), 3, bytes))
        }),
    ];
    let line = (name, value).prop_map(|(name, (type_name, _, text, said))| {
        let Said::Value(_, value_type, data) = said else {
            unreachable!()
        };
        let said = Said::Value(name.clone(), value_type, data);
        (format!("    {name}    {type_name}    {text}\r\n"), said)
    });
    prop::collection::vec(line, 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_was_printed_is_read_back(keys in prop::collection::vec(values(), 1..4), utf16: bool) {
        let mut text = String::new();
        let mut expected = Vec::new();
        for (i, values) in keys.into_iter().enumerate() {
            text += &format!("\r\n{KEY}{i}\r\n");
            expected.push(Said::Key(format!("{KEY}{i}")));
            for (line, said) in values {
                text += &line;
                expected.push(said);
            }
        }
        text += "\r\n";
        let bytes = match utf16 {
            true => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            false => text.into_bytes(),
        };
        let (said, warnings) = read(&bytes, None);
        prop_assert_eq!(said, expected);
        prop_assert_eq!(warnings, []);
    }

    #[test]
    fn damage_never_panics(values in values(), cut: prop::sample::Index, at: prop::sample::Index, flip: u8) {
        let mut bytes = format!("\r\n{KEY}\r\n").into_bytes();
        bytes.extend(values.into_iter().flat_map(|(line, _)| line.into_bytes()));
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Ok(export) = RegistryExport::open(bytes.as_slice(), CodePage::from_number(437)) {
            let _ = export.read_mount_registry();
        }
    }
}
