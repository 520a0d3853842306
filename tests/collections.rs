//! Triage collections in the layouts of their collectors, and what they are judged by.
#![cfg(feature = "collection")]

#[path = "support/archive_writer.rs"]
mod archive_writer;
#[path = "support/captured_tree.rs"]
mod captured_tree;
#[path = "support/hive_writer.rs"]
mod hive_writer;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use archive_writer::{TarNames, TarWriter, ZipMember, gzip, pax_record, zip};
use captured_tree::{MOUNT_ID, Registered, Tree, mount_data, software};
use dism_mount_status::capture::collection::{Collected, Collection};
use dism_mount_status::capture::{CapturedMachine, Scope};
use dism_mount_status::registry::{MountRegistry, RegistryExport};
use dism_mount_status::{
    Error, Evidence, InspectOptions, Liveness, NotCaptured, Observation, WarningCode, Warnings,
    inspect,
};
use hive_writer::{HiveWriter, Key, LogEntry, entries_log, set_sequence};
use proptest::prelude::*;
use tempfile::TempDir;
use walkdir::WalkDir;

/// An archive in a file of this host.
struct Archived {
    _folder: TempDir,
    path: PathBuf,
}

fn archived(bytes: &[u8]) -> Archived {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evidence");
    fs::write(&path, bytes).unwrap();
    Archived {
        _folder: folder,
        path,
    }
}

fn open(bytes: &[u8]) -> Result<Collection, Error> {
    Collection::open(&archived(bytes).path)
}

/// Files by their paths.
type Files = Vec<(String, Vec<u8>)>;

fn zipped(files: &Files) -> Vec<u8> {
    let members: Vec<_> = files
        .iter()
        .map(|(name, data)| ZipMember::deflated(name, data))
        .collect();
    zip(&members)
}

fn tarred(files: &Files) -> Vec<u8> {
    let tar = TarWriter::new(TarNames::Pax);
    let tar = files
        .iter()
        .fold(tar, |tar, (name, data)| tar.file(name, data));
    tar.finish()
}

fn unpacked(files: &Files) -> Tree {
    let tree = Tree::new();
    files
        .iter()
        .fold(tree, |tree, (name, data)| tree.file(name, data))
}

const MOUNT: &str = r"C:\Users\x\mount";
const WIM: &str = r"D:\images\a.wim";

fn registered() -> Registered {
    Registered::new(MOUNT, WIM)
}

fn stream() -> Vec<u8> {
    mount_data(MOUNT_ID, MOUNT, WIM)
}

/// What a collector takes of one machine, its drives' folders and streams named in its own way.
fn collected(c: &str, d: &str, stream_name: &str) -> Files {
    vec![
        (
            format!("{c}/Windows/System32/config/SOFTWARE"),
            software(&[registered()]),
        ),
        (format!("{c}/Users/x/{stream_name}"), stream()),
        (format!("{d}/images/b.wim"), b"MSWIM\0\0\0".to_vec()),
    ]
}

fn machine(collection: &Collection, part: usize) -> CapturedMachine {
    match collection.read(part, None).unwrap() {
        Collected::Machine(machine) => *machine,
        other => panic!("no machine: {other:?}"),
    }
}

/// The evidence of the registered mount, as the collection has it.
fn observed(machine: &mut CapturedMachine) -> (Evidence, Warnings) {
    let mut evidence = registered().evidence();
    let mut warnings = Warnings::default();
    let registrations = [registered().registration()];
    machine.drives().look_for_streams(&registrations);
    machine.drives().observe(&mut evidence, &mut warnings);
    (evidence, warnings)
}

/// That the registry of a part, its mount directory and its drives are found.
fn assert_found(collection: &Collection, part: usize) {
    let mut machine = machine(collection, part);
    let mut hive = machine.take_software().unwrap().open().unwrap();
    assert!(hive.find(&["Microsoft", "WIMMount"]).unwrap().is_some());
    let (evidence, warnings) = observed(&mut machine);
    let directory = evidence.mount_directory.present().unwrap();
    let found = directory.mount_data.present().unwrap();
    assert_eq!(found.mount_id, MOUNT_ID);
    // Another file is in the folder that should hold it.
    assert_eq!(evidence.image_file, Observation::Absent);
    assert_eq!(warnings, Warnings::default());
}

#[test]
fn every_collectors_layout_is_found_in_archives_and_folders() {
    for (collector, files) in [
        (
            "Velociraptor",
            collected(
                "uploads/ntfs/%5C%5C.%5CC%3A",
                "uploads/auto/D%3A",
                "mount%3A$WIMMOUNTDATA",
            ),
        ),
        ("KAPE", collected("out/C", "out/D", "mount_$WIMMOUNTDATA")),
        (
            "UAC",
            collected("[root]/mnt/c", "[root]/mnt/d", "mount.$WIMMOUNTDATA"),
        ),
    ] {
        for archive in [zipped(&files), tarred(&files), gzip(&tarred(&files))] {
            let collection = open(&archive).unwrap();
            assert_eq!(
                collection.take_warnings(),
                Warnings::default(),
                "{collector}"
            );
            let [part] = collection.parts() else {
                panic!("{collector}: {:?}", collection.parts());
            };
            assert_eq!(
                (part.name.as_deref(), part.liveness),
                (None, Liveness::Running)
            );
            assert_found(&collection, 0);
        }
        let tree = unpacked(&files);
        if collector != "KAPE" {
            assert!(Collection::is_collection_folder(tree.path()), "{collector}");
            let collection = Collection::in_directory(tree.path()).unwrap();
            assert_eq!(collection.parts().len(), 1);
            assert_found(&collection, 0);
        }
    }
}

fn codes(warnings: &Warnings) -> Vec<WarningCode> {
    let warnings = warnings.as_slice().iter();
    warnings.map(|warning| warning.code()).collect()
}

fn part_names(collection: &Collection) -> Vec<Option<&str>> {
    let parts = collection.parts().iter();
    parts.map(|part| part.name.as_deref()).collect()
}

/// The mount paths in the registry of a part.
fn registered_paths(machine: &mut CapturedMachine) -> Vec<String> {
    let mut hive = machine.take_software().unwrap().open().unwrap();
    let registry = MountRegistry::read_from_hive(&mut hive).unwrap();
    let registrations = registry.registrations.iter();
    let paths = registrations.map(|r| r.mount_path.present().unwrap().to_string_lossy());
    paths.collect()
}

fn registry_of(path: &str) -> Vec<u8> {
    software(&[Registered::new(path, WIM)])
}

const HIVE: &str = "Windows/System32/config/SOFTWARE";

#[test]
fn shadow_copies_are_captures_of_their_own() {
    let copy = |number: u32| {
        format!("uploads/ntfs/%5C%5C%3F%5CGLOBALROOT%5CDevice%5CHarddiskVolumeShadowCopy{number}")
    };
    let files = vec![
        (format!("{}/{HIVE}", copy(10)), registry_of(r"C:\ten")),
        (format!("{}/{HIVE}", copy(2)), registry_of(r"C:\two")),
        (format!("{}/two/x", copy(2)), Vec::new()),
        (format!("{}/x", copy(3)), Vec::new()),
        (
            format!("uploads/ntfs/%5C%5C.%5CC%3A/{HIVE}"),
            registry_of(r"C:\now"),
        ),
    ];
    let tree = unpacked(&files);
    for collection in [
        open(&zipped(&files)).unwrap(),
        Collection::in_directory(tree.path()).unwrap(),
    ] {
        assert_eq!(
            part_names(&collection),
            [
                None,
                Some("shadow copy HarddiskVolumeShadowCopy2"),
                Some("shadow copy HarddiskVolumeShadowCopy10"),
            ]
        );
        let warnings = collection.take_warnings();
        assert_eq!(codes(&warnings), [WarningCode::FileNotUsed]);
        for (part, path) in [r"C:\now", r"C:\two", r"C:\ten"].into_iter().enumerate() {
            assert_eq!(registered_paths(&mut machine(&collection, part)), [path]);
        }
        // Files of a copy are those of the drive that it is a copy of.
        let copy = machine(&collection, 1);
        let two = copy
            .drives()
            .mount_directory(&r"C:\two".into(), &mut Warnings::default());
        assert!(two.is_present());
        let now = machine(&collection, 0);
        let two = now
            .drives()
            .mount_directory(&r"C:\two".into(), &mut Warnings::default());
        assert_eq!(two, Observation::NotCaptured(NotCaptured::Path));
    }
}

#[test]
fn of_several_ways_to_read_a_file_the_best_is_taken() {
    let files = vec![
        (format!("uploads/file/C%3A/{HIVE}"), b"in use".to_vec()),
        (
            format!("uploads/ntfs/%5C%5C.%5CC%3A/{HIVE}"),
            registry_of(r"C:\raw"),
        ),
        (format!("uploads/auto/C%3A/{HIVE}"), registry_of(r"C:\auto")),
    ];
    let collection = open(&zipped(&files)).unwrap();
    assert_eq!(collection.take_warnings(), Warnings::default());
    assert_eq!(registered_paths(&mut machine(&collection, 0)), [r"C:\raw"]);
}

#[test]
fn hosts_in_one_archive_are_captures_of_their_own() {
    let files = vec![
        (format!("HOST1/C/{HIVE}"), registry_of(r"C:\one")),
        (format!("HOST2/C/{HIVE}"), registry_of(r"C:\two")),
        ("HOST2/D/x".to_owned(), Vec::new()),
    ];
    let collection = open(&zipped(&files)).unwrap();
    assert_eq!(part_names(&collection), [Some("HOST1"), Some("HOST2")]);
    assert_eq!(registered_paths(&mut machine(&collection, 1)), [r"C:\two"]);
    let drives = |part| machine(&collection, part).drives().names().count();
    assert_eq!((drives(0), drives(1)), (1, 2));
}

#[test]
fn a_packed_tree_is_a_volume_and_whole_where_it_looks_so() {
    let hive = (format!("tree/{HIVE}"), registry_of(r"D:\mount"));
    let users = ("tree/Users/x".to_owned(), Vec::new());
    let programs = ("tree/Program Files/x".to_owned(), Vec::new());
    let some = vec![hive.clone(), users.clone()];
    let whole = vec![hive, users, programs];
    for (files, scope) in [(some, Scope::Partial), (whole, Scope::Complete)] {
        let collection = open(&tarred(&files)).unwrap();
        assert_eq!(collection.parts()[0].liveness, Liveness::Unknown);
        let mut found = machine(&collection, 0);
        assert_eq!(found.drives().scope_of(&"C".parse().unwrap()), Some(scope));
        // The registry tells the letter.
        found.set_system_root(r"D:\Windows".into());
        assert_eq!(found.drives().scope_of(&"D".parse().unwrap()), Some(scope));
        let Collected::Machine(given) = collection.read(0, Some(Scope::Complete)).unwrap() else {
            panic!("no machine");
        };
        let scope = given.drives().scope_of(&"C".parse().unwrap());
        assert_eq!(scope, Some(Scope::Complete));
    }
    // Collectors take much of a volume, and never all.
    let files = vec![
        (format!("C/{HIVE}"), registry_of(MOUNT)),
        ("C/Users/x".to_owned(), Vec::new()),
        ("C/ProgramData/x".to_owned(), Vec::new()),
    ];
    let found = machine(&open(&zipped(&files)).unwrap(), 0);
    assert_eq!(
        found.drives().scope_of(&"C".parse().unwrap()),
        Some(Scope::Partial)
    );
}

#[test]
fn streams_kept_as_extended_attributes_are_found() {
    let record = pax_record("SCHILY.xattr.user.$WIMMOUNTDATA", &stream());
    let tar = TarWriter::new(TarNames::Pax)
        .file(&format!("C/{HIVE}"), &software(&[registered()]))
        .pax(&record)
        .directory("C/Users/x/mount")
        .directory("C/Users/x/other")
        .finish();
    let collection = open(&tar).unwrap();
    let found = machine(&collection, 0);
    let mut warnings = Warnings::default();
    let mut directory = |path: &str| {
        let directory = found.drives().mount_directory(&path.into(), &mut warnings);
        directory.present().unwrap().mount_data.clone()
    };
    assert_eq!(directory(MOUNT).present().unwrap().mount_id, MOUNT_ID);
    // An archive that keeps one stream would keep others.
    assert_eq!(directory(r"C:\Users\x\other"), Observation::Absent);
    let orphans = found
        .drives()
        .find_orphans(&[], &mut Warnings::default(), |_| {});
    assert_eq!(orphans.len(), 1);
    assert_eq!(orphans[0].mount_path, MOUNT);
}

#[test]
fn without_any_stream_none_is_known_to_be_absent() {
    let files = vec![
        (format!("C/{HIVE}"), software(&[registered()])),
        ("C/Users/x/mount/x".to_owned(), Vec::new()),
    ];
    let mut found = machine(&open(&zipped(&files)).unwrap(), 0);
    let (evidence, _) = observed(&mut found);
    let directory = evidence.mount_directory.present().unwrap();
    assert_eq!(
        directory.mount_data,
        Observation::NotCaptured(NotCaptured::Streams)
    );
}

#[test]
fn orphaned_streams_are_found_wherever_they_lie() {
    let files = collected("C", "D", "mount_$WIMMOUNTDATA");
    let found = machine(&open(&zipped(&files)).unwrap(), 0);
    let find = |registrations: &[_]| {
        let mut warnings = Warnings::default();
        found
            .drives()
            .find_orphans(registrations, &mut warnings, |_| {})
    };
    assert_eq!(find(&[registered().registration()]), []);
    let orphans = find(&[]);
    assert_eq!(orphans.len(), 1);
    assert_eq!(orphans[0].mount_path, MOUNT);
}

#[test]
fn what_a_cut_archive_lost_is_not_absent() {
    let files = vec![
        (format!("C/{HIVE}"), software(&[registered()])),
        ("C/Users/x/other/x".to_owned(), vec![1; 2000]),
    ];
    let whole = tarred(&files);
    let last = whole.windows(5).rposition(|bytes| bytes == b"other");
    let cut = &whole[..last.unwrap() + 1000];
    for (archive, is_whole) in [(&whole[..], true), (cut, false)] {
        let collection = open(archive).unwrap();
        let warnings = collection.take_warnings();
        assert_eq!(
            codes(&warnings).contains(&WarningCode::ArchiveDamaged),
            !is_whole
        );
        let (evidence, _) = observed(&mut machine(&collection, 0));
        let expected = match is_whole {
            true => Observation::Absent,
            false => Observation::NotCaptured(NotCaptured::Path),
        };
        assert_eq!(evidence.mount_directory, expected);
    }
}

#[test]
fn names_that_lead_elsewhere_are_not_used() {
    let hive = registry_of(MOUNT);
    let members = [
        ZipMember::stored(&format!("C/{HIVE}"), &hive),
        ZipMember::stored("../../etc/x", b""),
        ZipMember::stored("C/../x", b""),
        ZipMember::stored("/C/absolute", b""),
        ZipMember::stored("C/twice", b"1"),
        ZipMember::stored("C/twice", b"2"),
    ];
    let collection = open(&zip(&members)).unwrap();
    assert_eq!(
        codes(&collection.take_warnings()),
        [
            WarningCode::MemberNameRefused,
            WarningCode::MemberNameRefused,
            WarningCode::DuplicateMember,
        ]
    );
    let found = machine(&collection, 0);
    let directory = |path: &str| {
        let mut warnings = Warnings::default();
        found.drives().mount_directory(&path.into(), &mut warnings)
    };
    let mut warnings = Warnings::default();
    let file = found
        .drives()
        .image_file(&r"C:\absolute".into(), &mut warnings);
    assert!(file.is_present());
    assert_eq!(
        directory(r"C:\x"),
        Observation::NotCaptured(NotCaptured::Path)
    );
}

#[test]
fn links_in_an_archive_lead_within_the_capture_only() {
    let tar = TarWriter::new(TarNames::Gnu)
        .file(&format!("C/{HIVE}"), &registry_of(MOUNT))
        .file("C/real/x", b"")
        .link("C/Users/relative", "../real")
        .link("C/windows", r"C:\real")
        .link("C/out", "/etc")
        .link("C/up", "../../../etc")
        .link("C/loop", "loop")
        .finish();
    let found = machine(&open(&tar).unwrap(), 0);
    let directory = |path: &str| {
        let mut warnings = Warnings::default();
        found.drives().mount_directory(&path.into(), &mut warnings)
    };
    assert!(directory(r"C:\Users\relative").is_present());
    assert!(directory(r"C:\Windows\System32").is_present());
    for path in [r"C:\out", r"C:\up", r"C:\loop"] {
        assert!(
            matches!(directory(path), Observation::Unreadable(_)),
            "{path}"
        );
    }
}

#[test]
fn an_encrypted_collection_says_that_it_is() {
    let members = [ZipMember {
        flags: 1,
        ..ZipMember::stored("renamed", &registry_of(MOUNT))
    }];
    let error = open(&zip(&members)).unwrap_err();
    assert!(error.is_unsupported());
    assert!(error.to_string().contains("encrypted"), "{error}");
    let members = [ZipMember {
        flags: 1,
        ..ZipMember::stored(&format!("C/{HIVE}"), &registry_of(MOUNT))
    }];
    let error = open(&zip(&members)).unwrap().read(0, None).unwrap_err();
    assert!(error.is_unsupported());
}

#[test]
fn nothing_to_judge_is_an_error() {
    let files = vec![("readme.txt".to_owned(), b"nothing".to_vec())];
    let error = open(&zipped(&files)).unwrap_err();
    assert!(error.found().unwrap().starts_with("one member,"), "{error}");
    assert!(open(b"not an archive").is_err());
    let tree = unpacked(&files);
    assert!(Collection::in_directory(tree.path()).is_err());
    assert!(!Collection::is_collection_folder(tree.path()));
}

#[test]
fn what_velociraptor_did_not_take_wholly_is_warned_of() {
    let line = br#"{"_Components":["uploads","auto","C:","Windows","System32","config","SOFTWARE"],"file_size":2,"uploaded_size":1}"#;
    let files = vec![
        (format!("uploads/auto/C%3A/{HIVE}"), registry_of(MOUNT)),
        ("uploads.json".to_owned(), line.to_vec()),
    ];
    let collection = open(&zipped(&files)).unwrap();
    assert_eq!(codes(&collection.take_warnings()), [WarningCode::Truncated]);
}

#[test]
fn exports_are_found_in_archives_under_any_name() {
    let export = b"Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\WIMMount\\Mounted Images]\r\n";
    let query = b"\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\WIMMount\\Mounted Images\r\n";
    for data in [&export[..], query] {
        let files = vec![
            ("a/readme".to_owned(), b"text".to_vec()),
            ("a/b/evidence".to_owned(), data.to_vec()),
        ];
        for archive in [zipped(&files), tarred(&files), gzip(&tarred(&files))] {
            let collection = open(&archive).unwrap();
            assert_eq!(part_names(&collection), [None]);
            let Collected::Export {
                name,
                data: mut read,
            } = collection.read(0, None).unwrap()
            else {
                panic!("no export");
            };
            assert_eq!(name, "a/b/evidence");
            let mut bytes = Vec::new();
            read.read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, data);
        }
    }
}

/// A hive that was being written, whole, and the log that completes it; `name` is the path in its base block.
fn torn_hive(name: &str, mount_path: &str, sequence: u32) -> (Vec<u8>, Vec<u8>) {
    let named = |mut hive: Vec<u8>, primary| {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        hive[48..48 + name.len()].copy_from_slice(&name);
        set_sequence(&mut hive, primary, sequence);
        hive
    };
    let before = named(registry_of(&mount_path.replace("new", "old")), sequence + 1);
    let after = named(registry_of(mount_path), sequence + 1);
    let entry = LogEntry::between(&before, &after, sequence);
    let log = entries_log(&before, &[entry]);
    (before, log)
}

#[test]
fn renamed_hives_and_logs_are_matched_by_content() {
    let (one, one_log) = torn_hive(r"emRoot\System32\Config\SOFTWARE", r"C:\new1", 7);
    let (two, two_log) = torn_hive(r"emRoot\System32\Config\SOFTWARE", r"C:\new2", 900);
    let sam = HiveWriter::default().write(&Key::new("ROOT").key(Key::new("SAM")));
    let files = vec![
        ("5d41".to_owned(), two_log.clone()),
        ("7c9e".to_owned(), one.clone()),
        ("a0b1".to_owned(), one_log.clone()),
        ("f00d".to_owned(), two.clone()),
        ("sam".to_owned(), sam),
        ("note".to_owned(), b"text".to_vec()),
    ];
    let tree = unpacked(&files);
    for collection in [
        open(&zipped(&files)).unwrap(),
        open(&gzip(&tarred(&files))).unwrap(),
        Collection::in_directory(tree.path()).unwrap(),
    ] {
        assert_eq!(part_names(&collection), [Some("7c9e"), Some("f00d")]);
        assert_eq!(collection.parts()[0].liveness, Liveness::Unknown);
        assert_eq!(collection.take_warnings(), Warnings::default());
        assert_eq!(registered_paths(&mut machine(&collection, 0)), [r"C:\new1"]);
        assert_eq!(registered_paths(&mut machine(&collection, 1)), [r"C:\new2"]);
        assert_eq!(machine(&collection, 0).drives().names().count(), 0);
    }
    // A log whose hive is not there is not silently left out.
    let files = vec![
        ("1".to_owned(), one.clone()),
        ("2".to_owned(), one),
        ("3".to_owned(), one_log),
    ];
    let collection = open(&zipped(&files)).unwrap();
    assert_eq!(
        codes(&collection.take_warnings()),
        [WarningCode::FileNotUsed]
    );
}

#[test]
fn a_saved_hive_is_known_by_its_keys() {
    // `reg save` leaves no path in the base block.
    let system = HiveWriter::default().write(&Key::new("ROOT").key(Key::new("Select")));
    let other = HiveWriter::default().write(&Key::new("ROOT").key(Key::new("x")));
    let files = vec![
        ("a/x.hiv".to_owned(), registry_of(r"C:\saved")),
        ("b/y.hiv".to_owned(), system),
        ("c/z.hiv".to_owned(), other),
    ];
    let collection = open(&zipped(&files)).unwrap();
    assert_eq!(part_names(&collection), [None]);
    let mut found = machine(&collection, 0);
    assert!(found.system().unwrap().hive_name().ends_with("y.hiv"));
    assert_eq!(registered_paths(&mut found), [r"C:\saved"]);
}

#[test]
fn a_saved_hive_that_is_too_damaged_to_tell_is_not_passed_over() {
    let mut damaged = registry_of(r"C:\lost");
    let root = damaged.windows(2).position(|it| it == b"nk").unwrap();
    damaged[root] = b'x';
    let sound = |name: &str| vec![(name.to_owned(), registry_of(MOUNT))];
    for others in [vec![], sound("a/x.hiv"), sound("c/x.hiv")] {
        let lost = ("b/y.hiv".to_owned(), damaged.clone());
        let mut files = [others.clone(), vec![lost]].concat();
        files.sort();
        let archive = Tree::new().file("x.zip", zipped(&files));
        let report = inspect(archive.at("x.zip"), &InspectOptions::default()).unwrap();
        let is_first = others.iter().all(|(name, _)| name.as_str() > "b");
        assert_eq!(report.captures[0].error.is_some(), is_first);
        let errors = report.captures.iter().filter_map(|it| it.error.as_ref());
        let errors: Vec<_> = errors.map(|it| it.message.as_str()).collect();
        assert!(
            errors[..].len() == 1 && errors[0].contains("y.hiv"),
            "{errors:?}"
        );
        assert_eq!(report.mounted_images().count(), others.len());
    }
}

/// Spells a name as Velociraptor does.
fn velociraptors(name: &str) -> String {
    let mut spelt = String::new();
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            b'.' if index == 0 => spelt.push_str("%2E"),
            b'-' | b'_' | b'.' | b'~' | b' ' | b'$' => spelt.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => spelt.push(char::from(byte)),
            byte => spelt.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.ends_with(".db") || name.ends_with('_') {
        spelt.push('_');
    }
    spelt
}

/// Names that Windows allows, and that it does not cut.
fn name() -> impl Strategy<Value = String> {
    let odd = prop_oneof![
        "[a-z%_.~ $0-9]{1,8}",
        "[a-z]{1,3}\\.db_{0,2}",
        "%[0-9A-F]{1,3}"
    ];
    let any = "[^\\x00-\\x1F/\\\\:*?\"<>|]{1,12}";
    prop_oneof![odd, any].prop_filter("cut by Windows", |name| {
        !name.ends_with(['.', ' ']) && name.contains(|c: char| c != '.') && !name.contains('~')
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_name_is_decoded_exactly_once(folder in name(), directory in name(), is_tar: bool) {
        let file = velociraptors(&format!("{directory}:$WIMMOUNTDATA"));
        let files = vec![
            (format!("uploads/auto/C%3A/{HIVE}"), registry_of(MOUNT)),
            (format!("uploads/auto/C%3A/{}/{file}", velociraptors(&folder)), stream()),
        ];
        let archive = if is_tar { tarred(&files) } else { zipped(&files) };
        let found = machine(&open(&archive).unwrap(), 0);
        let path = format!(r"C:\{folder}\{directory}");
        let mut warnings = Warnings::default();
        let directory = found.drives().mount_directory(&path.as_str().into(), &mut warnings);
        let mount_data = directory.present().map(|directory| directory.mount_data.clone());
        prop_assert!(mount_data.is_some_and(|data| data.is_present()), "{}", path);
        let orphans = found.drives().find_orphans(&[], &mut warnings, |_| {});
        prop_assert_eq!(orphans.len(), 1);
        prop_assert_eq!(orphans[0].mount_path.to_string_lossy(), path);
    }

    #[test]
    fn a_damaged_collection_never_panics(
        layout in 0_usize..4,
        is_tar: bool,
        at in any::<prop::sample::Index>(),
        flip in prop::option::of(1_u8..),
    ) {
        let files = match layout {
            0 => collected("uploads/ntfs/%5C%5C.%5CC%3A", "uploads/auto/D%3A", "mount%3A$WIMMOUNTDATA"),
            1 => collected("C", "D", "mount_$WIMMOUNTDATA"),
            2 => collected("[root]", "[root]", "mount.$WIMMOUNTDATA"),
            _ => vec![("x".to_owned(), registry_of(MOUNT)), ("y".to_owned(), torn_hive("SOFTWARE", MOUNT, 5).1)],
        };
        let mut archive = if is_tar { tarred(&files) } else { zipped(&files) };
        let at = at.index(archive.len());
        match flip {
            Some(flip) => archive[at] ^= flip,
            None => archive.truncate(at),
        }
        let Ok(collection) = open(&archive) else {
            return Ok(());
        };
        for part in 0..collection.parts().len() {
            if let Ok(Collected::Machine(mut found)) = collection.read(part, None) {
                if let Some(Ok(mut hive)) = found.take_software().map(|software| software.open()) {
                    let _ = MountRegistry::read_from_hive(&mut hive);
                }
                observed(&mut found);
                found.drives().find_orphans(&[], &mut Warnings::default(), |_| {});
            }
        }
    }
}

#[test]
fn fixtures_of_other_writers_are_found() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/collections");
    let mut found = 0;
    for entry in WalkDir::new(&fixtures).sort_by_file_name() {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(&fixtures).unwrap();
        let name = name.to_str().unwrap().to_owned();
        if !entry.file_type().is_file() || !name.contains('/') {
            continue;
        }
        let extension = name.rsplit('.').next().unwrap();
        if !["zip", "gz", "xz", "zst"].contains(&extension) {
            continue;
        }
        found += 1;
        let collection = Collection::open(entry.path()).unwrap();
        assert_eq!(collection.take_warnings(), Warnings::default(), "{name}");
        let copies: &[Option<&str>] = match name.as_str() {
            "velociraptor/collection.zip" => &[None, Some("shadow copy HarddiskVolumeShadowCopy1")],
            "kape/shadow-copies.zip" => &[None, Some("shadow copy VSS1"), Some("shadow copy VSS2")],
            _ => &[None],
        };
        assert_eq!(part_names(&collection), copies, "{name}");
        let mut machine = match collection.read(0, None).unwrap() {
            Collected::Machine(machine) => machine,
            Collected::Export { data, .. } => {
                let export = RegistryExport::open(data, None).unwrap();
                let registry = export.read_mount_registry().unwrap();
                assert_eq!(registry.registrations.len(), 1);
                continue;
            }
            // tests/packed_evidence.rs looks into it.
            _ => continue,
        };
        assert_eq!(registered_paths(&mut machine), [r"C:\mount"], "{name}");
        if !name.starts_with("renamed") {
            let mut warnings = Warnings::default();
            let drives = machine.drives();
            let directory = drives.mount_directory(&r"C:\mount".into(), &mut warnings);
            let directory = directory.present().unwrap();
            assert!(directory.mount_data.is_present(), "{name}");
        }
    }
    assert_eq!(found, 11);
}
