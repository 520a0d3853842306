//! What is said of each thing that is wrong in a `.reg` file, and where it stands; and what is right although it looks odd.

use dism_mount_status::registry::reg_file::RegFile;
use dism_mount_status::registry::{CodePage, RegistryEntry, RegistryValue, ValueType};
use dism_mount_status::{Warning, WarningCode};

use WarningCode::{KeyMalformed, LineNotUnderstood, StringNotClosed, Truncated, ValueMalformed};

/// Reads a version 5 file with these lines, the first of which is the third of the file.
fn read(lines: &str) -> (Vec<RegistryEntry>, Vec<Warning>) {
    let text = format!("Windows Registry Editor Version 5.00\n[HKEY_LOCAL_MACHINE\\k]\n{lines}");
    let mut file = RegFile::new(text.as_bytes(), CodePage::default()).unwrap();
    let mut entries = Vec::new();
    while let Some(entry) = file.next_entry().unwrap() {
        entries.push(entry);
    }
    entries.remove(0);
    (entries, file.into_warnings().as_slice().to_vec())
}

/// The only value of a file with these lines, in which nothing is wrong.
fn value(lines: &str) -> RegistryValue {
    let (mut entries, warnings) = read(lines);
    assert_eq!(warnings, [], "{lines}");
    match (entries.pop(), entries.is_empty()) {
        (Some(RegistryEntry::Value(value)), true) => value,
        other => panic!("{lines}: {other:?}"),
    }
}

#[test]
fn each_fault_is_told_with_its_line() {
    const BRACKET: &str = "a closing bracket behind the key, found `k`";
    const EQUALS: &str = "= behind the name, found the end of the line";
    const DATA: &str = "a string, dword:, hex: or -, found";
    const DIGITS: &str = "one to eight hexadecimal digits, found";
    const END: &str = "the end of the line or a comment, found";
    const BYTES: &str = "bytes as two hexadecimal digits parted by commas, found";
    const CONTINUED: &str = "`zz` on line 4 (byte 73)";
    const BEFORE: &str = "a comma before the backslash, found";
    const ESCAPE: &str = r#"`\\` or `\"` for each backslash, found one before another character"#;
    const NUL: &str = r#"`\\` or `\"` for a backslash or a quote, found"#;
    for (lines, code, text) in [
        ("[k\n", KeyMalformed, BRACKET),
        ("  [k\n", KeyMalformed, BRACKET),
        (
            "odd\n",
            LineNotUnderstood,
            "a key in brackets, a value or a comment, found `odd`",
        ),
        ("\"a\"\n", ValueMalformed, EQUALS),
        ("@\n", ValueMalformed, EQUALS),
        ("\"a\"=\n", ValueMalformed, DATA),
        ("\"a\"=odd\n", ValueMalformed, DATA),
        ("\"a\"=dword:\n", ValueMalformed, DIGITS),
        ("\"a\"=dword:g\n", ValueMalformed, DIGITS),
        ("\"a\"=dword:123456789\n", ValueMalformed, END),
        ("\"a\"=dword:1x\n", ValueMalformed, END),
        ("\"a\"=\"b\"c\n", ValueMalformed, END),
        ("\"a\"=-c\n", ValueMalformed, END),
        ("\"a\"=hex:1,zz\n", ValueMalformed, BYTES),
        ("\"a\"=hex:01,\\\nzz\n", ValueMalformed, CONTINUED),
        ("\"a\"=hex:01\\\n02\n", ValueMalformed, BEFORE),
        ("\"a\"=hex(0x1):01\n", ValueMalformed, DATA),
        ("\"a\"=hex01\n", ValueMalformed, DATA),
        ("\"a\"=\"C:\\b\"\n", ValueMalformed, ESCAPE),
        ("\"C:\\b\"=\"a\"\n", ValueMalformed, ESCAPE),
        ("\"a\"=\"C:\\0\"\n", ValueMalformed, NUL),
        (
            "\"a\"=\"b\n",
            StringNotClosed,
            "a closing quote at the end of the value",
        ),
        ("\"a\"=dword:1", Truncated, "a line break behind it"),
        ("\"a\"=hex:01", Truncated, "a line break behind it"),
        ("\"a\"=hex:01,\\\n", Truncated, "a line break behind it"),
        ("[k]", Truncated, "a line break behind it"),
    ] {
        let (_, warnings) = read(lines);
        let warning = warnings.first().unwrap_or_else(|| panic!("{lines}"));
        let place = warning.position().and_then(|position| position.line());
        assert_eq!((warning.code(), place), (code, Some(3)), "{lines}");
        assert!(warning.message().contains(text), "{lines}: {warning}");
    }
}

#[test]
fn a_fault_costs_its_statement_and_no_other() {
    for (lines, names) in [
        ("\"a\"=odd\n\"b\"=dword:1\n", &["b"][..]),
        ("\"a\"=hex:01,\\\nzz\n\"b\"=dword:1\n", &["b"]),
        ("\"a\"=hex:01,\\\n\\\n\"b\"=dword:1\n", &["b"]),
        ("[k\n\"a\"=dword:1\n[l]\n\"b\"=dword:1\n", &["b"]),
        ("[-k]\n\"a\"=dword:1\n[l]\n\"b\"=dword:1\n", &["b"]),
        ("\"a\"=\"C:\\b\"\n", &["a"]),
        ("odd\n\"b\"=dword:1\n", &["b"]),
    ] {
        let (entries, warnings) = read(lines);
        let found: Vec<String> = entries
            .iter()
            .filter_map(|entry| match entry {
                RegistryEntry::Value(value) => Some(value.name.to_string()),
                _ => None,
            })
            .collect();
        assert_eq!(found, names, "{lines}");
        assert!(!warnings.is_empty(), "{lines}");
    }
}

#[test]
fn odd_spellings_that_windows_takes_are_taken() {
    for (lines, value_type, data) in [
        ("@=dword:1\n", ValueType::DWORD, &[1, 0, 0, 0][..]),
        (
            " \t\"\" = dword: 1 ; one\n",
            ValueType::DWORD,
            &[1, 0, 0, 0],
        ),
        (
            "\"\"=DWORD:ABCDEF01\n",
            ValueType::DWORD,
            &[0x01, 0xEF, 0xCD, 0xAB],
        ),
        ("\"\"=hex:\n", ValueType::BINARY, &[]),
        ("\"\"=hex:1,02 , 3,\n", ValueType::BINARY, &[1, 2, 3]),
        ("\"\"=HEX(b):01\n", ValueType::QWORD, &[1]),
        ("\"\"=hex(100):01;x\n", ValueType(0x100), &[1]),
        (
            "\"\"=hex:01,\\\n  02,\\\n  03\n",
            ValueType::BINARY,
            &[1, 2, 3],
        ),
        (
            "\"\"=hex:01,\\ ; more\n\n;\n02\n",
            ValueType::BINARY,
            &[1, 2],
        ),
        ("\"\"=hex:\\\n01\n", ValueType::BINARY, &[1]),
        ("\"\"=\"\"\n", ValueType::SZ, &[0, 0]),
        (
            "\"\"=\"\\\"\\\\\"\n",
            ValueType::SZ,
            &[b'"', 0, b'\\', 0, 0, 0],
        ),
        (
            "\"\"=\"\\n\\r\"\n",
            ValueType::SZ,
            &[b'\n', 0, b'\r', 0, 0, 0],
        ),
        (
            "\"\"=hex(2):41,00\n",
            ValueType::EXPAND_SZ,
            &[0x41, 0, 0, 0],
        ),
        (
            "\"\"=hex(7):41,00,00,00\n",
            ValueType::MULTI_SZ,
            &[0x41, 0, 0, 0],
        ),
        ("\"\"=hex(2):\n", ValueType::EXPAND_SZ, &[]),
        ("\"\"=hex(1):41\n", ValueType::SZ, &[0x41]),
    ] {
        let value = value(lines);
        assert_eq!(
            (value.value_type, &value.data[..]),
            (value_type, data),
            "{lines}"
        );
        assert!(value.name.is_empty(), "{lines}");
    }
}

#[test]
fn hexadecimal_data_over_long_lines_are_put_together() {
    let bytes = |byte: &str| [byte; 4_000].join(",");
    let lines = format!("\"\"=hex:{},\\\n{}\n", bytes("01"), bytes("02"));
    let expected = [[1; 4_000], [2; 4_000]].concat();
    assert!(value(&lines).data == expected);
}

#[test]
fn names_of_keys_may_hold_brackets_and_begin_with_blanks() {
    for (line, path) in [
        ("[HKEY_LOCAL_MACHINE\\a[b]c]\n", r"HKEY_LOCAL_MACHINE\a[b]c"),
        (" [hklm\\a] ; comment\n", r"HKEY_LOCAL_MACHINE\a"),
        ("[HKCU\\\\a\\]\n", r"HKEY_CURRENT_USER\a"),
        ("[HKLMx\\a]\n", r"HKLMx\a"),
        ("[a\\HKLM]\n", r"a\HKLM"),
    ] {
        let (entries, warnings) = read(line);
        assert_eq!(warnings, []);
        let [RegistryEntry::Key(key)] = &entries[..] else {
            panic!("{entries:?}");
        };
        assert_eq!(key.path, path);
    }
}

#[test]
fn lines_are_counted_by_the_line_break_of_the_first_one() {
    for (text, lines) in [
        ("REGEDIT4\n[k]\rodd\nodd\n", [2, 3]),
        ("REGEDIT4\r\n[k]\r\nodd\r\nodd\r\n", [3, 4]),
        ("REGEDIT4\r[k]\rodd\r\rodd\r", [3, 5]),
    ] {
        let mut file = RegFile::new(text.as_bytes(), CodePage::default()).unwrap();
        while file.next_entry().unwrap().is_some() {}
        let warnings = file.warnings().as_slice().iter();
        let found: Vec<_> = warnings
            .filter_map(|warning| warning.position()?.line())
            .collect();
        assert_eq!(found, lines, "{text:?}");
    }
}

#[test]
fn a_line_that_is_too_long_is_passed_over_wholly() {
    let text = |line_break: &str| {
        let long = "x".repeat(5 << 20);
        ["REGEDIT4", "[k]", &long, "\"a\"=dword:1", "odd", ""].join(line_break)
    };
    for line_break in ["\n", "\r\n", "\r"] {
        let text = text(line_break);
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, unit) in [(text.as_bytes(), 1), (&wide, 2)] {
            let mut file = RegFile::new(bytes, CodePage::default()).unwrap();
            let mut entries = Vec::new();
            while let Some(entry) = file.next_entry().unwrap() {
                entries.push(entry);
            }
            assert_eq!(entries.len(), 2, "key and value");
            let warnings = file.warnings().as_slice().iter();
            let places: Vec<_> = warnings
                .map(|warning| {
                    let position = warning.position().unwrap();
                    (position.line().unwrap(), position.byte())
                })
                .collect();
            let line = line_break.len();
            let long = "REGEDIT4[k]".len() + 2 * line;
            let odd = long + (5 << 20) + "\"a\"=dword:1".len() + 2 * line;
            assert_eq!(
                places,
                [(3, (unit * long) as u64), (5, (unit * odd) as u64)]
            );
        }
    }
}

#[test]
fn the_search_for_the_mount_registry_passes_over_long_lines_too() {
    let images = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\WIMMount\Mounted Images";
    let long = "x".repeat(9 << 20);
    let text = format!("REGEDIT4\n[k]\n{long}\n[{images}\\x]\n\"Status\"=dword:2\nodd\n");
    let file = RegFile::new(text.as_bytes(), CodePage::default()).unwrap();
    let mut file = file.only_mount_registry();
    let mut keys = Vec::new();
    while let Some(entry) = file.next_entry().unwrap() {
        if let RegistryEntry::Key(key) = entry {
            keys.push((key.path.to_string(), key.position.line()));
        }
    }
    assert_eq!(
        keys,
        [("k".to_owned(), Some(2)), (format!(r"{images}\x"), Some(4))]
    );
    let last = file.warnings().as_slice().last().unwrap();
    assert_eq!(last.position().unwrap().line(), Some(6));
}

#[test]
fn a_string_over_several_lines_has_at_most_four_mebibytes() {
    for (length, is_read) in [(4 << 20, true), ((4 << 20) + 1, false)] {
        let second = format!("{}\"", "y".repeat(3 << 20));
        let first = format!("\"a\"=\"{}", "x".repeat(length - 5 - 1 - second.len()));
        let (entries, warnings) = read(&format!("{first}\n{second}\n"));
        let is_value = matches!(entries[..], [RegistryEntry::Value(_)]);
        assert_eq!((entries.len(), is_value), (1, is_read));
        let codes: Vec<_> = warnings.iter().map(Warning::code).collect();
        assert_eq!(codes.first(), (!is_read).then_some(&StringNotClosed));
    }
}
