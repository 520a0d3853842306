//! The mount registry as a SOFTWARE hive holds it.

#[path = "support/hive_writer.rs"]
mod hive_writer;

use std::io::Cursor;

use dism_mount_status::registry::hive::Hive;
use dism_mount_status::registry::{MountRegistry, system_root};
use dism_mount_status::{NotCaptured, Observation, WarningCode};
use hive_writer::{HiveWriter, Key};

const ID: &str = "{e242237c-66ed-4958-b9ec-c49b07eaeeb5}";

fn read(hive: &[u8]) -> MountRegistry {
    MountRegistry::read_from_hive(&mut Hive::open(Cursor::new(hive.to_vec())).unwrap()).unwrap()
}

fn written(root: &Key) -> Vec<u8> {
    HiveWriter::default().write(root)
}

fn registration() -> Key {
    Key::new(ID)
        .written(5)
        .sz("Mount Path", r"C:\mount")
        .sz("WIM Path", r"C:\a.wim")
        .dword("Image Index", 1)
        .dword("Status", 2)
        .dword("Other", 3)
}

fn codes(registry: &MountRegistry) -> Vec<WarningCode> {
    let warnings = registry.warnings.as_slice().iter();
    warnings.map(|warning| warning.code()).collect()
}

#[test]
fn registrations_are_found_at_the_root_and_below_a_key_software() {
    for (above, key) in [
        (&[][..], r"Microsoft\WIMMount\Mounted Images"),
        (&["Software"], r"SOFTWARE\Microsoft\WIMMount\Mounted Images"),
    ] {
        let path = [above, &["Microsoft", "WIMMount", "Mounted Images"]].concat();
        let registry = read(&written(&Key::new("root").key_at(&path, registration())));
        assert_eq!(registry.mounted_images, Observation::Present(()));
        assert_eq!(codes(&registry), []);
        let [mount] = &registry.registrations[..] else {
            panic!("{registry:?}");
        };
        assert_eq!(mount.registry_key, format!(r"{key}\{ID}").as_str());
        assert_eq!(mount.registered_at.unwrap().ticks(), 5);
        assert_eq!(mount.mount_path, Observation::Present(r"C:\mount".into()));
        assert_eq!(
            mount.image_file_path,
            Observation::Present(r"C:\a.wim".into())
        );
        assert_eq!(mount.image_index, Observation::Present(1));
        assert_eq!(mount.progress_value, Observation::Present(2));
        assert_eq!(mount.other_values.len(), 1);
    }
}

#[test]
fn all_registrations_are_read_until_there_is_no_room_for_more() {
    let path = ["Microsoft", "WIMMount", "Mounted Images"];
    let read_all = |data: &[u8]| {
        let mut root = Key::new("root");
        for number in 1..=4 {
            let key = Key::new(format!("{number}").as_str()).value("Other", 3, data);
            root = root.key_at(&path, key);
        }
        let registry = read(&written(&root));
        (registry.registrations.len(), codes(&registry))
    };
    assert_eq!(read_all(&[1; 100]), (4, vec![]));
    let large = vec![1; 6 << 20];
    assert_eq!(read_all(&large), (3, vec![WarningCode::LimitReached]));
}

#[test]
fn no_mounted_images_is_not_no_software_hive() {
    let absent = |root: Key| read(&written(&root));
    for path in [&["Microsoft"][..], &["Microsoft", "WIMMount"]] {
        let registry = absent(Key::new("root").key_at(path, Key::new("x")));
        assert_eq!(registry.mounted_images, Observation::Absent, "{path:?}");
        assert_eq!(codes(&registry), []);
    }
    let empty = Key::new("root").key_at(&["Microsoft", "WIMMount"], Key::new("Mounted Images"));
    assert_eq!(
        read(&written(&empty)).mounted_images,
        Observation::Present(())
    );
    let other = absent(Key::new("root").key(Key::new("ControlSet001")));
    assert_eq!(
        other.mounted_images,
        Observation::NotCaptured(NotCaptured::Path)
    );
    assert_eq!(codes(&other), [WarningCode::MountRegistryNotInEvidence]);
}

#[test]
fn a_value_whose_cell_is_damaged_is_unreadable_and_not_absent() {
    let root =
        Key::new("root").key_at(&["Microsoft", "WIMMount", "Mounted Images"], registration());
    let mut hive = written(&root);
    let name = hive.windows(6).position(|bytes| bytes == b"Status");
    // The signature of the value's cell.
    hive[name.unwrap() - 20] = b'x';
    let registry = read(&hive);
    let mount = &registry.registrations[0];
    assert!(matches!(mount.progress_value, Observation::Unreadable(_)));
    assert!(mount.mount_path.is_present());
}

#[test]
fn a_registration_whose_key_is_damaged_is_counted() {
    let path = ["Microsoft", "WIMMount", "Mounted Images"];
    let root = Key::new("root")
        .key_at(&path, registration())
        .key_at(&path, Key::new("other"));
    let mut hive = written(&root);
    assert_eq!(read(&hive).unreadable_registrations, 0);
    let name = hive.windows(5).position(|bytes| bytes == b"other").unwrap();
    // The signature of the key's cell.
    hive[name - 76] = b'x';
    let mut hive = Hive::open(Cursor::new(hive)).unwrap();
    let registry = MountRegistry::read_from_hive(&mut hive).unwrap();
    assert_eq!(registry.unreadable_registrations, 1);
    assert_eq!(registry.registrations.len(), 1);
    let warnings = hive.into_warnings();
    let warned: Vec<_> = warnings.as_slice().iter().map(|it| it.code()).collect();
    assert_eq!(warned, [WarningCode::KeyUnreadable]);
}

#[test]
fn a_damaged_part_of_the_list_of_registrations_counts_as_one() {
    let mut images = Key::new("Mounted Images");
    for number in 1..=4 {
        images = images.key(Key::new(format!("{number}").as_str()));
    }
    let writer = HiveWriter {
        leaf_len: 2,
        ..HiveWriter::default()
    };
    let root = Key::new("root").key_at(&["Microsoft", "WIMMount"], images);
    let mut hive = writer.write(&root);
    assert_eq!(read(&hive).unreadable_registrations, 0);
    let leaf = hive.windows(4).position(|it| it == b"lh\x02\0").unwrap();
    hive[leaf] = b'x';
    let registry = read(&hive);
    assert_eq!(registry.unreadable_registrations, 1);
    assert_eq!(registry.registrations.len(), 2);
}

#[test]
fn registrations_beyond_a_wrong_count_are_not_passed_over() {
    let path = ["Microsoft", "WIMMount", "Mounted Images"];
    let root = Key::new("root").key_at(&path, registration());
    let mut hive = written(&root);
    let name = hive.windows(14).position(|it| it == b"Mounted Images");
    // The number of subkeys of the key.
    let count = name.unwrap() - 76 + 20;
    assert_eq!(hive[count], 1);
    for (wrong, registrations) in [(0, 0), (2, 1)] {
        hive[count] = wrong;
        assert_eq!(read(&hive).unreadable_registrations, 1);
        assert_eq!(read(&hive).registrations.len(), registrations);
    }
    // A list that was given up is none.
    let images = name.unwrap() - 76;
    let field = |at: usize| u32::from_le_bytes(hive[at..at + 4].try_into().unwrap());
    let list = 4096 + field(images + 28) as usize;
    let size = field(list).wrapping_neg();
    let mut given_up = hive.clone();
    given_up[count] = 0;
    given_up[list..list + 4].copy_from_slice(&size.to_le_bytes());
    assert_eq!(read(&given_up).unreadable_registrations, 0);
    // On the way there nobody can tell.
    hive[count] = 1;
    let name = hive.windows(8).position(|it| it == b"WIMMount").unwrap();
    hive[name - 76 + 20] = 0;
    let mut hive = Hive::open(Cursor::new(hive)).unwrap();
    let error = MountRegistry::read_from_hive(&mut hive).unwrap_err();
    assert_eq!(error.found(), Some("another number of them"));
}

#[test]
fn the_hive_of_a_user_says_nothing_of_mounts() {
    let users = Key::new("root").key_at(&["Software", "Microsoft"], Key::new("Windows"));
    let registry = read(&written(&users));
    assert_eq!(
        registry.mounted_images,
        Observation::NotCaptured(NotCaptured::Path)
    );
    assert_eq!(codes(&registry), [WarningCode::MountRegistryNotInEvidence]);
    let path = ["SOFTWARE", "Microsoft", "WIMMount", "Mounted Images"];
    let saved = read(&written(&Key::new("root").key_at(&path, registration())));
    assert_eq!(saved.registrations.len(), 1);
}

#[test]
fn the_twin_for_32_bit_programs_is_warned_of_and_not_judged() {
    let twin = ["WOW6432Node", "Microsoft", "WIMMount", "Mounted Images"];
    let registry = read(&written(
        &Key::new("root")
            .key_at(&twin, registration())
            .key(Key::new("Microsoft")),
    ));
    assert_eq!(registry.mounted_images, Observation::Absent);
    assert_eq!(registry.registrations, []);
    assert_eq!(codes(&registry), [WarningCode::Wow64Twin]);
}

#[test]
fn values_that_cannot_be_read_are_unreadable_and_not_absent() {
    let root =
        Key::new("root").key_at(&["Microsoft", "WIMMount", "Mounted Images"], registration());
    let mut hive = written(&root);
    let name = hive
        .windows(38)
        .position(|bytes| bytes == ID.as_bytes())
        .unwrap();
    // The list of values of the registration.
    hive[name - 76 + 40..name - 76 + 44].fill(0xEE);
    let mut hive = Hive::open(Cursor::new(hive)).unwrap();
    let registry = MountRegistry::read_from_hive(&mut hive).unwrap();
    let mount = &registry.registrations[0];
    for value in [&mount.mount_path, &mount.image_file_path] {
        assert!(matches!(value, Observation::Unreadable(_)), "{value:?}");
    }
    for value in [&mount.image_index, &mount.progress_value] {
        assert!(matches!(value, Observation::Unreadable(_)), "{value:?}");
    }
}

#[test]
fn the_directory_of_windows_is_read_as_it_is_recorded() {
    let version = Key::new("CurrentVersion").sz("SystemRoot", r"E:\Windows");
    let root = Key::new("root").key_at(&["Microsoft", "Windows NT"], version);
    let mut hive = Hive::open(Cursor::new(written(&root))).unwrap();
    assert_eq!(
        system_root(&mut hive),
        Observation::Present(r"E:\Windows".into())
    );
    let mut hive = Hive::open(Cursor::new(written(&Key::new("root")))).unwrap();
    assert_eq!(system_root(&mut hive), Observation::Absent);
    let version = Key::new("CurrentVersion").sz("SystemRoot", r"F:\Windows");
    let root = Key::new("root")
        .key_at(&["SOFTWARE", "Microsoft", "Windows NT"], version)
        .key_at(&["SOFTWARE", "Microsoft"], Key::new("WIMMount"));
    let mut saved = Hive::open(Cursor::new(written(&root))).unwrap();
    assert_eq!(
        system_root(&mut saved),
        Observation::Present(r"F:\Windows".into())
    );
}
