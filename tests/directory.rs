//! Captured trees: which drives and hives are found in a directory, what is found at a Windows path, and what it means
//! that nothing is.

#[path = "support/captured_tree.rs"]
mod captured_tree;
#[path = "support/hive_writer.rs"]
mod hive_writer;

use std::fs;
use std::path::PathBuf;

use captured_tree::{MOUNT_ID, Registered, Tree, mount_data, software, software_at};
use dism_mount_status::capture::{DirectoryCapture, DriveName, Drives, HiveFiles, Scope};
use dism_mount_status::registry::system_root;
use dism_mount_status::{
    ImageFile, MountDirectory, NotCaptured, Observation, WarningCode, Warnings,
};

const WIM: &[u8] = include_bytes!("../fixtures/wim/two-images.wim");

fn drive(name: &str) -> DriveName {
    name.parse().unwrap()
}

fn open(tree: &Tree) -> DirectoryCapture {
    DirectoryCapture::open(tree.path(), &[], None).unwrap()
}

/// The tree as drive C, without looking for hives.
fn drive_c(tree: &Tree, scope: Option<Scope>) -> Drives {
    let mut drives = Drives::new(scope);
    drives.add(drive("C"), tree.path()).unwrap();
    drives
}

fn directory(drives: &Drives, path: &str) -> Observation<MountDirectory> {
    drives.mount_directory(&path.into(), &mut Warnings::default())
}

fn image(drives: &Drives, path: &str) -> Observation<ImageFile> {
    drives.image_file(&path.into(), &mut Warnings::default())
}

fn codes(warnings: &Warnings) -> Vec<WarningCode> {
    warnings.as_slice().iter().map(|w| w.code()).collect()
}

#[track_caller]
fn assert_not_captured<T: std::fmt::Debug>(observation: &Observation<T>, why: NotCaptured) {
    assert!(
        matches!(observation, Observation::NotCaptured(reason) if *reason == why),
        "{observation:?}"
    );
}

#[track_caller]
fn assert_absent<T: std::fmt::Debug>(observation: &Observation<T>) {
    assert!(
        matches!(observation, Observation::Absent),
        "{observation:?}"
    );
}

#[track_caller]
fn assert_unreadable<T: std::fmt::Debug>(observation: &Observation<T>) {
    assert!(
        matches!(observation, Observation::Unreadable(_)),
        "{observation:?}"
    );
}

// Which drives and hives are found.

#[test]
fn the_root_of_a_windows_volume_is_drive_c_with_its_hives_and_logs() {
    let tree = Tree::new()
        .file("WINDOWS/system32/Config/Software", software(&[]))
        .file("WINDOWS/system32/Config/SOFTWARE.log1", "")
        .file("WINDOWS/system32/Config/software.LOG2", "")
        .file("WINDOWS/system32/Config/system", "")
        .file("WINDOWS/system32/Config/SYSTEM.LOG", "");
    let capture = open(&tree);
    let names: Vec<_> = capture.drives().names().cloned().collect();
    assert_eq!(names, [drive("C")]);
    let config = fs::canonicalize(tree.at("WINDOWS/system32/Config")).unwrap();
    let expected = HiveFiles {
        hive: config.join("Software"),
        logs: vec![config.join("SOFTWARE.log1"), config.join("software.LOG2")],
    };
    assert_eq!(capture.software(), &expected);
    let system = capture.system().unwrap();
    assert_eq!(system.hive, config.join("system"));
    assert_eq!(system.logs, [config.join("SYSTEM.LOG")]);
    assert_eq!(codes(capture.warnings()), []);
}

#[test]
fn drive_folders_are_found_however_collectors_spell_them() {
    for (c, d) in [("C", "D"), ("c", "d:"), ("C%3A", "D%3a"), ("C:", "D")] {
        let tree = Tree::new()
            .file(
                &format!("{c}/Windows/System32/config/SOFTWARE"),
                software(&[]),
            )
            .file(&format!("{d}/images/install.wim"), WIM)
            .directory("results");
        let capture = open(&tree);
        let mut names: Vec<_> = capture.drives().names().map(|n| n.to_string()).collect();
        names.sort();
        assert_eq!(names, ["C:", "D:"]);
        assert!(image(capture.drives(), r"d:\Images\INSTALL.WIM").is_present());
    }
}

#[test]
fn of_two_folders_for_one_drive_and_two_windows_the_first_counts() {
    let tree = Tree::new()
        .file("C/Windows/System32/config/SOFTWARE", software(&[]))
        .directory("C%3A")
        .file("D/Windows/System32/config/SOFTWARE", software(&[]));
    let capture = open(&tree);
    assert!(
        capture
            .software()
            .hive
            .starts_with(fs::canonicalize(tree.at("C")).unwrap())
    );
    assert_eq!(
        codes(capture.warnings()),
        [WarningCode::DuplicateDrive, WarningCode::AnotherWindows]
    );
}

#[test]
fn the_folder_of_the_hives_has_no_files() {
    let tree = Tree::new()
        .file("software", software(&[]))
        .file("SYSTEM", "");
    let capture = open(&tree);
    assert!(capture.system().is_some());
    assert_not_captured(
        &directory(capture.drives(), r"C:\mount"),
        NotCaptured::KindOfEvidence,
    );
}

#[test]
fn a_directory_that_is_no_capture_is_refused_with_what_was_looked_for() {
    let tree = Tree::new().directory("C/Windows/System32").file("x", "");
    let error = DirectoryCapture::open(tree.path(), &[], None).unwrap_err();
    assert!(
        error
            .expected()
            .unwrap()
            .contains("Windows/System32/config/SOFTWARE")
    );
    assert_eq!(error.evidence(), Some(&*tree.path().display().to_string()));
}

#[test]
fn drives_are_added_and_replaced_by_name() {
    let tree = Tree::new().whole_volume().file("a.wim", "not this one");
    let other = Tree::new().file("a.wim", WIM);
    let drives = [
        (drive("C"), other.path().to_owned()),
        (drive("D"), other.path().to_owned()),
        (drive(r"\\server\share"), other.path().to_owned()),
    ];
    let capture = DirectoryCapture::open(tree.path(), &drives, None).unwrap();
    for path in [
        r"C:\a.wim",
        r"D:\a.wim",
        r"\\SERVER\Share\a.wim",
        r"\\?\UNC\server\share\a.wim",
    ] {
        let image = image(capture.drives(), path);
        assert!(image.present().unwrap().wim.is_ok(), "{path}");
    }
    assert_not_captured(&image(capture.drives(), r"E:\a.wim"), NotCaptured::Volume);
    let missing = [(drive("D"), PathBuf::from("/no/such/folder"))];
    let error = DirectoryCapture::open(tree.path(), &missing, None).unwrap_err();
    assert_eq!(error.evidence(), Some("/no/such/folder"));
}

#[test]
fn the_hive_tells_the_letter_of_a_single_volume_and_the_value_of_system_root() {
    let tree = Tree::new().file("Win/x/mount/file", "").file(
        "Windows/System32/config/SOFTWARE",
        software_at(r"X:\Win", &[]),
    );
    let mut capture = open(&tree);
    let mut hive = capture.software().open().unwrap();
    let found = system_root(&mut hive);
    capture.set_system_root(found.present().unwrap().clone());
    assert!(directory(capture.drives(), r"%systemroot%\x\mount").is_present());
    assert!(directory(capture.drives(), r"%SystemDrive%\win\x\mount").is_present());
    assert!(directory(capture.drives(), r"X:\win\x\mount").is_present());
    assert_not_captured(
        &directory(capture.drives(), r"C:\win\x\mount"),
        NotCaptured::Volume,
    );
}

#[test]
fn evidence_is_filled_from_both_paths_of_a_registration() {
    let registered = Registered::new(r"C:\mount", r"C:\images\install.wim");
    let tree = Tree::new()
        .file("mount/Windows/x", "")
        .file("images/install.wim", WIM)
        .file(
            "mount_$WIMMOUNTDATA",
            mount_data(MOUNT_ID, &registered.mount_path, &registered.wim_path),
        );
    let drives = drive_c(&tree, None);
    let mut evidence = registered.evidence();
    drives.observe(&mut evidence, &mut Warnings::default());
    let mount_data = &evidence.mount_directory.present().unwrap().mount_data;
    assert_eq!(mount_data.present().unwrap().mount_id, MOUNT_ID);
    let image = evidence.image_file.present().unwrap();
    assert_eq!(image.wim.as_ref().unwrap().header.image_count, 2);
    assert!(image.modified.is_some());
}

// What it means that nothing is found.

#[test]
fn in_a_whole_volume_what_is_missing_was_absent() {
    let tree = Tree::new().whole_volume();
    let drives = drive_c(&tree, None);
    assert_eq!(drives.scope_of(&drive("C")), Some(Scope::Complete));
    for path in [r"C:\mount", r"C:\no\such\mount", r"C:\Users\mount"] {
        assert_absent(&directory(&drives, path));
    }
    assert_not_captured(&directory(&drives, r"D:\mount"), NotCaptured::Volume);
    assert_not_captured(
        &directory(&drives, r"\\server\share\mount"),
        NotCaptured::Volume,
    );
}

#[test]
fn in_a_partial_tree_a_path_was_absent_only_where_its_parent_was_captured_below_the_root() {
    let tree = Tree::new().file("Users/me/file", "").directory("Windows");
    let drives = drive_c(&tree, None);
    assert_eq!(drives.scope_of(&drive("C")), Some(Scope::Partial));
    assert_absent(&directory(&drives, r"C:\Users\me\mount"));
    assert_absent(&directory(&drives, r"C:\Users\me\file\mount"));
    assert_not_captured(&directory(&drives, r"C:\mount"), NotCaptured::Path);
    assert_not_captured(
        &directory(&drives, r"C:\Users\you\mount"),
        NotCaptured::Path,
    );
    assert_not_captured(&image(&drives, r"C:\install.wim"), NotCaptured::Path);
}

#[test]
fn scope_overrides_what_the_tree_looks_like() {
    let whole = Tree::new().whole_volume();
    let partial = Tree::new().directory("x");
    let drives = drive_c(&whole, Some(Scope::Partial));
    assert_not_captured(&directory(&drives, r"C:\mount"), NotCaptured::Path);
    let drives = drive_c(&partial, Some(Scope::Complete));
    assert_absent(&directory(&drives, r"C:\mount"));
    assert_not_captured(&directory(&drives, r"D:\mount"), NotCaptured::Volume);
}

#[test]
fn without_a_drive_nothing_is_known_of_files() {
    let drives = Drives::new(Some(Scope::Complete));
    assert_not_captured(
        &directory(&drives, r"C:\mount"),
        NotCaptured::KindOfEvidence,
    );
}

#[test]
fn relative_paths_are_not_looked_up() {
    let tree = Tree::new().whole_volume().directory("mount");
    let drives = drive_c(&tree, None);
    for path in ["mount", r"\mount", "C:mount", r"..\mount"] {
        assert_not_captured(&directory(&drives, path), NotCaptured::Path);
    }
}

#[test]
fn a_file_where_the_directory_should_be_is_unreadable_and_the_other_way_round() {
    let tree = Tree::new().file("a/mount", "").directory("a/install.wim");
    let drives = drive_c(&tree, None);
    assert_unreadable(&directory(&drives, r"C:\a\mount"));
    assert_unreadable(&image(&drives, r"C:\a\install.wim"));
}

#[test]
fn a_file_that_is_no_wim_is_there_and_says_so() {
    let tree = Tree::new().file("a/install.wim", "no header");
    let drives = drive_c(&tree, None);
    let image = image(&drives, r"C:\a\install.wim");
    assert!(image.present().unwrap().wim.is_err());
}
