//! What a SYSTEM hive says about shutdown and filter driver.

#[path = "support/hive_writer.rs"]
mod hive_writer;

use std::io::Cursor;

use dism_mount_status::registry::hive::Hive;
use dism_mount_status::registry::system_hive::{FilterDriver, SystemFacts};
use dism_mount_status::{FileTime, NotCaptured, Observation};
use hive_writer::{HiveWriter, Key, REG_BINARY};

const SHUTDOWN: u64 = 0x01DB_5934_1234_5678;

/// A SYSTEM hive whose current control set is the second, the first being an older one.
fn system(service: Option<Key>) -> Key {
    let mut root = Key::new("SYSTEM").key(Key::new("Select").dword("Current", 2));
    for (set, shutdown) in [("ControlSet001", 1), ("ControlSet002", SHUTDOWN)] {
        let windows =
            Key::new("Windows").value("ShutdownTime", REG_BINARY, &u64::to_le_bytes(shutdown));
        root = root.key_at(&[set, "Control"], windows);
    }
    match service {
        Some(service) => root.key_at(&["ControlSet002", "Services"], service),
        None => root.key_at(&["ControlSet001", "Services"], Key::new("WIMMount")),
    }
}

fn facts(root: &Key) -> SystemFacts {
    let hive = HiveWriter::default().write(root);
    SystemFacts::read(&mut Hive::open(Cursor::new(hive)).unwrap())
}

fn service() -> Key {
    Key::new("WIMMount")
        .dword("Start", 3)
        .sz("ImagePath", r"system32\drivers\wimmount.sys")
}

#[test]
fn the_current_control_set_counts() {
    let facts = facts(&system(Some(service())));
    assert_eq!(facts.current_control_set, Observation::Present(2));
    assert_eq!(
        facts.last_shutdown,
        Observation::Present(FileTime::from_ticks(SHUTDOWN))
    );
    assert_eq!(
        facts.filter_driver,
        Observation::Present(FilterDriver::Startable)
    );
}

#[test]
fn a_system_key_that_someone_saved_in_a_hive_says_the_same() {
    let system = system(Some(service()));
    let saved = Key::new("root").key(system.clone());
    assert_eq!(facts(&saved), facts(&system));
    assert!(facts(&saved).last_shutdown.is_present());
}

#[test]
fn a_service_of_another_control_set_is_none() {
    assert_eq!(facts(&system(None)).filter_driver, Observation::Absent);
}

#[test]
fn a_driver_that_cannot_start_is_told_apart() {
    let disabled = Key::new("WIMMount").dword("Start", 4).sz("ImagePath", "x");
    let facts_of = |service| facts(&system(Some(service))).filter_driver;
    assert_eq!(
        facts_of(disabled),
        Observation::Present(FilterDriver::Disabled)
    );
    let bare = Key::new("WIMMount").dword("Start", 3);
    assert_eq!(
        facts_of(bare.clone()),
        Observation::Present(FilterDriver::NoImagePath)
    );
    assert_eq!(
        facts_of(bare.sz("ImagePath", "")),
        Observation::Present(FilterDriver::NoImagePath)
    );
}

#[test]
fn a_hive_without_a_control_set_says_nothing() {
    let facts = facts(&Key::new("SOFTWARE").key(Key::new("Microsoft")));
    assert_eq!(facts.current_control_set, Observation::Absent);
    assert_eq!(
        facts.last_shutdown,
        Observation::NotCaptured(NotCaptured::KindOfEvidence)
    );
    assert_eq!(
        facts.filter_driver,
        Observation::NotCaptured(NotCaptured::KindOfEvidence)
    );
}

#[test]
fn unreadable_is_not_absent() {
    let mut root = system(Some(service().value("Start", 1, b"four")));
    let service = &mut root
        .subkeys
        .iter_mut()
        .find(|k| k.name == "ControlSet002")
        .unwrap()
        .subkeys[1]
        .subkeys[0];
    service.values.remove(0);
    assert!(matches!(
        facts(&root).filter_driver,
        Observation::Unreadable(_)
    ));
    let short = Key::new("SYSTEM")
        .key(Key::new("Select").dword("Current", 1))
        .key_at(
            &["ControlSet001", "Control"],
            Key::new("Windows").value("ShutdownTime", REG_BINARY, &[1; 7]),
        );
    let Observation::Unreadable(error) = facts(&short).last_shutdown else {
        panic!()
    };
    assert_eq!(error.found(), Some("7 bytes"));
    assert!(error.position().is_some());
}

#[test]
fn without_its_control_set_nothing_is_absent() {
    let root = Key::new("SYSTEM")
        .key(Key::new("Select").dword("Current", 2))
        .key_at(&["ControlSet001", "Services"], service());
    let facts = facts(&root);
    assert!(matches!(facts.last_shutdown, Observation::Unreadable(_)));
    let Observation::Unreadable(error) = facts.filter_driver else {
        panic!()
    };
    assert!(error.to_string().contains("ControlSet002"), "{error}");
}

#[test]
fn a_shutdown_that_was_not_recorded_yet_is_absent() {
    let windows = Key::new("Windows").value("ShutdownTime", REG_BINARY, &[0; 8]);
    let root = Key::new("SYSTEM")
        .key(Key::new("Select").dword("Current", 1))
        .key_at(&["ControlSet001", "Control"], windows);
    assert_eq!(facts(&root).last_shutdown, Observation::Absent);
}

#[test]
fn a_driver_whose_values_cannot_be_read_is_unreadable() {
    for damaged in [
        Key::new("WIMMount")
            .value("Start", 1, b"four")
            .sz("ImagePath", "x"),
        Key::new("WIMMount").value("Start", 4, b"five!"),
    ] {
        let driver = facts(&system(Some(damaged))).filter_driver;
        assert!(matches!(driver, Observation::Unreadable(_)), "{driver:?}");
    }
    let mut hive = HiveWriter::default().write(&system(Some(service())));
    let name = hive.windows(9).position(|bytes| bytes == b"ImagePath");
    let length_of_data = name.unwrap() - 20 + 4;
    hive[length_of_data..length_of_data + 4].copy_from_slice(&0x0100_0001_u32.to_le_bytes());
    let driver = SystemFacts::read(&mut Hive::open(Cursor::new(hive)).unwrap()).filter_driver;
    assert!(matches!(driver, Observation::Unreadable(_)), "{driver:?}");
}
