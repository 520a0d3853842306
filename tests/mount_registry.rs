//! Which mount registrations an export is taken to hold, and what is said of the others.

use std::fmt::Write as _;

use dism_mount_status::registry::{
    CodePage, MountRegistration, MountRegistry, RegistryExport, TextEncoding, ValueType,
};
use dism_mount_status::{Error, NotCaptured, Observation, Position, WarningCode};
use uuid::{Uuid, uuid};

const ID: Uuid = uuid!("e242237c-66ed-4958-b9ec-c49b07eaeeb5");
const IMAGES: &str = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\WIMMount\Mounted Images";

/// Reads a version 5 file with these lines; the first of them is the third of the file.
fn read(lines: &str) -> MountRegistry {
    let text = format!("Windows Registry Editor Version 5.00\n\n{lines}\n");
    let export = RegistryExport::open(text.as_bytes(), None).unwrap();
    export.read_mount_registry().unwrap()
}

/// The only registration of a file with these lines.
fn one(lines: &str) -> MountRegistration {
    let mut registry = read(lines);
    assert_eq!(registry.registrations.len(), 1, "{registry:?}");
    assert_eq!(codes(&registry), []);
    registry.registrations.remove(0)
}

fn codes(registry: &MountRegistry) -> Vec<WarningCode> {
    let warnings = registry.warnings.as_slice().iter();
    warnings.map(|warning| warning.code()).collect()
}

fn line(registry: &MountRegistry, warning: usize) -> Option<u64> {
    registry.warnings.as_slice()[warning].position()?.line()
}

#[test]
fn the_four_values_are_known_in_any_case_and_others_are_kept() {
    let mount = one(&format!(
        "[{IMAGES}\\{{{ID}}}]\n\"MOUNT PATH\"=\"C:\\\\m\"\n\"wim path\"=hex(2):43,00,00,00,44,00\n\
         \"Image Index\"=dword:3\n\"status\"=dword:2\n\"More\"=dword:1\n\"\"=\"x\""
    ));
    assert_eq!(mount.mount_path, Observation::Present(r"C:\m".into()));
    assert_eq!(mount.image_file_path, Observation::Present("C".into()));
    assert_eq!(mount.image_index, Observation::Present(3));
    assert_eq!(mount.progress_value, Observation::Present(2));
    let others = mount.other_values.iter();
    let others: Vec<_> = others.map(|value| value.name.to_string()).collect();
    assert_eq!(others, ["More", ""]);
    assert_eq!(mount.registered_at, None);
    assert_eq!(mount.position.line(), Some(3));
}

#[test]
fn values_of_other_types_and_lengths_are_unreadable_and_missing_ones_absent() {
    let mount = one(&format!(
        "[{IMAGES}\\x]\n\"Mount Path\"=dword:1\n\"Image Index\"=hex(4):01,00,00\n\"Status\"=\"2\""
    ));
    let Observation::Unreadable(path) = &mount.mount_path else {
        panic!("{mount:?}");
    };
    assert_eq!(path.expected(), Some("REG_SZ"));
    assert_eq!(path.found(), Some("REG_DWORD"));
    assert_eq!(path.position().and_then(Position::line), Some(4));
    let Observation::Unreadable(index) = &mount.image_index else {
        panic!("{mount:?}");
    };
    assert_eq!(index.found(), Some("3 bytes"));
    let Observation::Unreadable(status) = &mount.progress_value else {
        panic!("{mount:?}");
    };
    assert_eq!(status.expected(), Some("REG_DWORD"));
    assert_eq!(status.found(), Some("REG_SZ"));
    assert_eq!(mount.image_file_path, Observation::Absent);
}

#[test]
fn a_value_whose_data_break_the_grammar_is_unreadable_and_not_absent() {
    let key = format!("[{IMAGES}\\x]");
    let values = r#""Status"=dword:zz
"WIM Path"=hex(2):4x
"Mount Path"="C:\\m"#;
    let mount = read(&format!("{key}\n{values}")).registrations.remove(0);
    for error in [
        unreadable(&mount.progress_value),
        unreadable(&mount.image_file_path),
        unreadable(&mount.mount_path),
    ] {
        assert!(error.position().is_some() && error.expected().is_some());
    }
    assert_eq!(mount.image_index, Observation::Absent);
    // Windows keeps the value that it had when a line cannot be read.
    let values = "\"Status\"=dword:2\n\"Status\"=dword:zz";
    let mount = read(&format!("{key}\n{values}")).registrations.remove(0);
    assert_eq!(mount.progress_value, Observation::Present(2));
}

fn unreadable<T: std::fmt::Debug>(value: &Observation<T>) -> &Error {
    match value {
        Observation::Unreadable(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mount_is_known_by_the_guid_of_its_key() {
    let simple = ID.simple();
    for (name, id) in [
        (format!("{{{ID}}}"), Some(ID)),
        (ID.to_string(), Some(ID)),
        (ID.to_string().to_uppercase(), Some(ID)),
        (format!("{{{ID}"), None),
        (format!("{ID}}}"), None),
        (simple.to_string(), None),
        (format!("{{{simple}}}"), None),
        ("another".to_owned(), None),
    ] {
        let mount = one(&format!("[{IMAGES}\\{name}]\n"));
        assert_eq!(mount.mount_id, id, "{name}");
    }
}

#[test]
fn what_comes_later_counts() {
    let upper_case = IMAGES.to_uppercase();
    let mount = one(&format!(
        "[{IMAGES}\\x]\n\"Status\"=dword:1\n\"Image Index\"=dword:1\n\
         [{IMAGES}\\y]\n\"Status\"=dword:3\n\
         [{upper_case}\\X]\n\"status\"=dword:2\n\"image index\"=-\n\
         [-{IMAGES}\\Y]"
    ));
    assert_eq!(mount.progress_value, Observation::Present(2));
    assert_eq!(mount.image_index, Observation::Absent);
}

#[test]
fn a_deletion_takes_what_is_below_it_and_nothing_beside_it() {
    let registration = |above: &str| format!("[{above}\\Mounted Images\\x]\n\"Status\"=dword:2\n");
    let wim_mount = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\WIMMount";
    for (deleted, left) in [
        (r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\WIMMount", 0),
        (r"HKEY_LOCAL_MACHINE\software", 0),
        (r"HKEY_LOCAL_MACHINE\SOFT", 1),
        (
            r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\WIMMount\Mounted Images\y",
            1,
        ),
        (
            r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\WIMMount\Mounted Images\x\z",
            1,
        ),
    ] {
        let text = format!("{}[-{deleted}]\n", registration(wim_mount));
        assert_eq!(read(&text).registrations.len(), left, "{deleted}");
    }
    // What is made anew has nothing of what was deleted.
    let mount = one(&format!(
        "[{IMAGES}\\x]\n\"Status\"=dword:2\n\n[-{IMAGES}\\x]\n\n[{IMAGES}\\x]\n\"Image Index\"=dword:4"
    ));
    assert_eq!(mount.progress_value, Observation::Absent);
    assert_eq!(mount.image_index, Observation::Present(4));
    assert_eq!(mount.position.line(), Some(8));
}

#[test]
fn keys_beside_and_below_the_registrations_are_no_registrations() {
    let registry = read(&format!(
        "[{IMAGES}]\n\"Status\"=dword:2\n\n[{IMAGES}\\x\\Below]\n\"Status\"=dword:2\n\n\
         [HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\WIMMount\\Other\\x]\n\"Status\"=dword:2\n\n\
         [HKEY_LOCAL_MACHINE\\SOFTWARE\\WOW6432Node\\Microsoft\\WIMMount\\Mounted Images\\x]\n\"Status\"=dword:2"
    ));
    assert_eq!(registry.registrations, []);
    assert_eq!(registry.mounted_images, Observation::Present(()));
    assert_eq!(
        codes(&registry),
        [WarningCode::UnknownKey, WarningCode::Wow64Twin]
    );
    assert_eq!(
        (line(&registry, 0), line(&registry, 1)),
        (Some(6), Some(12))
    );
}

#[test]
fn other_keys_of_the_mount_registry_say_that_nothing_is_mounted() {
    let registry = read(
        "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\WIMMount\\Other]\n\
         [HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\WIMMount\\Other\\x\\y]",
    );
    assert_eq!(registry.mounted_images, Observation::Absent);
    assert_eq!(
        (registry.registrations.len(), codes(&registry)),
        (0, vec![])
    );
}

#[test]
fn the_registrations_of_an_offline_hive_are_found_under_any_name() {
    for above in [r"HKEY_LOCAL_MACHINE\OFFLINE", r"HKEY_USERS\a\b", ""] {
        let mount = one(&format!(
            "[{above}\\Microsoft\\WIMMount\\Mounted Images\\x]\n\"Status\"=dword:2"
        ));
        assert_eq!(mount.progress_value, Observation::Present(2));
    }
}

#[test]
fn only_an_export_that_covers_the_mount_registry_says_that_nothing_is_mounted() {
    for (first_key, is_covered) in [
        (r"HKEY_LOCAL_MACHINE", true),
        (r"HKEY_LOCAL_MACHINE\SOFTWARE", true),
        (r"HKEY_LOCAL_MACHINE\OFFLINE", true),
        (r"HKEY_USERS\OFFLINE", true),
        (r"HKEY_LOCAL_MACHINE\SYSTEM", false),
        (r"HKEY_LOCAL_MACHINE\BCD00000000", false),
        (r"HKEY_USERS\.DEFAULT", false),
        (r"HKEY_USERS\S-1-5-18\Software", false),
        (r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft", true),
        (r"HKEY_USERS\OFFLINE\Microsoft", true),
        (r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\WIMMount", true),
        (r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows", false),
        (r"HKEY_LOCAL_MACHINE\SOFTWARE\Classes", false),
        (r"HKEY_LOCAL_MACHINE\SOFTWARE\WOW6432Node", false),
        (r"HKEY_LOCAL_MACHINE\WOW6432Node\Microsoft", false),
        (r"HKEY_LOCAL_MACHINE\SOFTWARE\WOW6432Node\Microsoft", false),
        (
            r"HKEY_LOCAL_MACHINE\SOFTWARE\WOW6432Node\Microsoft\WIMMount",
            false,
        ),
        (r"HKEY_CURRENT_USER\SOFTWARE\Microsoft", false),
        (r"HKEY_CLASSES_ROOT", false),
    ] {
        let registry = read(&format!("[{first_key}]\n[HKEY_LOCAL_MACHINE\\SOFTWARE]"));
        let (state, warned) = match is_covered {
            true => (Observation::Absent, vec![]),
            false => (
                Observation::NotCaptured(NotCaptured::Path),
                vec![WarningCode::MountRegistryNotInEvidence],
            ),
        };
        assert_eq!(registry.mounted_images, state, "{first_key}");
        assert_eq!(codes(&registry), warned, "{first_key}");
    }
}

#[test]
fn a_registration_keeps_a_thousand_values_and_warns_of_more() {
    let mut lines = format!("[{IMAGES}\\x]\n\"Status\"=dword:2\n");
    for index in 0..1_000 {
        writeln!(lines, "\"v{index}\"=dword:1").unwrap();
    }
    let registry = read(&lines);
    let mount = &registry.registrations[0];
    assert_eq!(mount.other_values.len(), 999);
    assert_eq!(mount.progress_value, Observation::Present(2));
    assert_eq!(codes(&registry), [WarningCode::LimitReached]);
    assert_eq!(line(&registry, 0), Some(1_004));
}

#[test]
fn values_of_long_names_are_deleted_in_time() {
    let name = "x".repeat(4000);
    let mut text = format!("[{IMAGES}\\x]\n");
    for number in 0..1000 {
        writeln!(text, "\"{name}{number}\"=dword:1").unwrap();
    }
    for number in 500..2500 {
        writeln!(text, "\"{}{number}\"=-", name.to_uppercase()).unwrap();
    }
    let registration = read(&text).registrations.remove(0);
    let numbers = registration.other_values.iter();
    let numbers = numbers.map(|value| value.name.to_string()[4000..].parse().unwrap());
    assert_eq!(numbers.collect::<Vec<u32>>(), Vec::from_iter(0..500));
}

#[test]
fn what_is_kept_of_registrations_is_bounded_and_that_is_warned_of_once() {
    // Each is twice as long in UTF-16, and ends in a NUL: two and the two keys fit into 16 MiB, and the third does not.
    let string = "x".repeat(4_190_000);
    let mut lines = String::new();
    for name in ["a", "b", "c"] {
        writeln!(
            lines,
            "[{IMAGES}\\{name}]\n\"Mount Path\"=\"{string}\"\n\"Status\"=dword:2"
        )
        .unwrap();
    }
    let registry = read(&lines);
    assert_eq!(codes(&registry), [WarningCode::LimitReached]);
    assert_eq!(line(&registry, 0), Some(10));
    let paths: Vec<bool> = registry
        .registrations
        .iter()
        .map(|mount| mount.mount_path.is_present())
        .collect();
    assert_eq!(paths, [true, true, false]);
}

#[test]
fn a_key_counts_thrice_in_utf_16_for_what_is_kept_of_registrations() {
    let name = "x".repeat(900_000);
    let lines: String = (0..4)
        .map(|index| format!("[{IMAGES}\\{index}{name}]\n"))
        .collect();
    let registry = read(&lines);
    // Three take a little less than 16 MiB.
    assert_eq!(registry.registrations.len(), 3);
    assert_eq!(codes(&registry), [WarningCode::LimitReached]);
}

#[test]
fn names_of_values_count_for_what_is_kept_of_registrations() {
    let name = "x".repeat(1_500_000);
    let values: String = (0..6)
        .map(|index| format!("\"{index}{name}\"=dword:1\n"))
        .collect();
    let registry = read(&format!("[{IMAGES}\\x]\n{values}"));
    // Five take fifteen million bytes in UTF-16, six more than 16 MiB.
    assert_eq!(registry.registrations[0].other_values.len(), 5);
    assert_eq!(codes(&registry), [WarningCode::LimitReached]);
}

#[test]
fn types_are_called_by_their_names() {
    assert_eq!(ValueType::SZ.to_string(), "REG_SZ");
    assert_eq!(ValueType::QWORD.to_string(), "REG_QWORD");
    assert_eq!(ValueType(0x20).to_string(), "type 0x20");
    assert_eq!(ValueType::from_name("reg_Dword"), Some(ValueType::DWORD));
    assert_eq!(ValueType::from_name("REG_"), None);
}

#[test]
fn encodings_are_told_by_their_first_bytes() {
    use TextEncoding::{Utf8, Utf16Be, Utf16Le};
    for (start, encoding, mark) in [
        (&[0xFF, 0xFE, b'W', 0][..], Utf16Le, 2),
        (&[0xFE, 0xFF, 0, b'W'], Utf16Be, 2),
        (&[0xEF, 0xBB, 0xBF, b'W'], Utf8, 3),
        (&[b'W', 0, b'i', 0], Utf16Le, 0),
        (&[0, b'W', 0, b'i'], Utf16Be, 0),
        (b"Wi", Utf8, 0),
        (&[0, 0, 0, 0], Utf8, 0),
        (b"W", Utf8, 0),
        (b"", Utf8, 0),
    ] {
        assert_eq!(TextEncoding::sniff(start), (encoding, mark), "{start:?}");
    }
}

#[test]
fn code_pages_are_called_by_their_names() {
    let shown = |number| CodePage::from_number(number).unwrap().to_string();
    assert_eq!(shown(850), "cp850");
    assert_eq!(shown(1250), "windows-1250");
    assert_eq!(shown(1252), "windows-1252");
    assert_eq!(CodePage::from_number(1), None);
}

#[test]
fn text_that_is_not_in_its_encoding_is_warned_of_by_name() {
    let key = format!("[{IMAGES}\\x]\r\n");
    let with = |header: &str, value: &[u8]| [header.as_bytes(), key.as_bytes(), value].concat();
    let v5 = "Windows Registry Editor Version 5.00\r\n";
    let utf16 = |text: &str, order: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("{v5}{key}{text}")
            .encode_utf16()
            .flat_map(order)
            .collect()
    };
    let mut le = utf16("\"Mount Path\"=\"C:\\\\m\"", u16::to_le_bytes);
    let mut be = utf16("\"Mount Path\"=\"C:\\\\m\"", u16::to_be_bytes);
    le.push(b'x');
    be.push(0);
    for (bytes, expected) in [
        (
            with(v5, b"\"Mount Path\"=\"C:\\\\\xE9\"\r\n"),
            "expected UTF-8 text (read as windows-1252 instead)",
        ),
        (
            with("REGEDIT4\r\n", b"\"Mount Path\"=\"C:\\\\\x81\"\r\n"),
            "expected cp932 text",
        ),
        (le, "expected UTF-16LE text"),
        (be, "expected UTF-16BE text"),
    ] {
        let code_page = match expected.contains("932") {
            true => "932",
            false => "1252",
        };
        let export = RegistryExport::open(&bytes[..], code_page.parse().ok()).unwrap();
        let registry = export.read_mount_registry().unwrap();
        assert_eq!(codes(&registry)[0], WarningCode::EncodingDamaged);
        let message = registry.warnings.as_slice()[0].message();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_byte_order_mark_outweighs_what_the_header_says() {
    let path = |bytes: &[u8]| {
        let export = RegistryExport::open(bytes, None).unwrap();
        let registry = export.read_mount_registry().unwrap();
        registry.registrations[0]
            .mount_path
            .present()
            .unwrap()
            .to_string()
    };
    let text = format!("REGEDIT4\n[{IMAGES}\\x]\n\"Mount Path\"=\"C:\\\\é\"\n");
    assert_eq!(path(format!("\u{FEFF}{text}").as_bytes()), r"C:\é");
    assert_eq!(path(text.as_bytes()), r"C:\Ã©");
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(path(&wide), r"C:\é");
}
