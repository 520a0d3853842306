//! Captured trees: which drives and hives are found in a directory, what is found at a Windows path, and what it means
//! that nothing is.

#[path = "support/captured_tree.rs"]
mod captured_tree;
#[path = "support/hive_writer.rs"]
mod hive_writer;
#[path = "support/wim_file.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod wim_file;

use std::fs;
use std::path::{Path, PathBuf};

use captured_tree::{MOUNT_ID, Registered, Tree, mount_data, software, software_at};
use dism_mount_status::capture::{CapturedMachine, DriveName, Drives, HiveFiles, Scope};
use dism_mount_status::registry::system_root;
use dism_mount_status::{
    FindingCode, ImageFile, InspectOptions, MountDirectory, NotCaptured, Observation, WarningCode,
    Warnings, inspect,
};
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

const WIM: &[u8] = include_bytes!("../fixtures/wim/two-images.wim");

fn drive(name: &str) -> DriveName {
    name.parse().unwrap()
}

fn open(tree: &Tree) -> CapturedMachine {
    CapturedMachine::in_directory(tree.path(), None).unwrap()
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

#[test]
fn a_large_image_file_that_is_named_again_and_again_is_not_read_each_time() {
    let mut xml = wim_file::utf16le("<WIM><IMAGE INDEX=\"1\"/></WIM>");
    xml.resize(60 << 20, b' ');
    let wim = wim_file::write_wim(&wim_file::header(xml.len(), 1), &xml);
    let tree = Tree::new()
        .file("images/large.wim", wim)
        .file("images/small.wim", WIM);
    let drives = drive_c(&tree, None);
    let has_xml = |path| {
        let image = image(&drives, path).present().cloned().unwrap();
        image.wim.unwrap().xml.is_some()
    };
    let large = [(); 6].map(|()| has_xml(r"C:\images\large.wim"));
    assert_eq!(large, [true, true, true, true, false, false]);
    // What there is room for is read.
    assert!(has_xml(r"C:\images\small.wim"));
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
    let path = |name: &str| config.join(name).display().to_string();
    let software = capture.software().unwrap();
    assert_eq!(software.hive_name(), path("Software"));
    let logs: Vec<_> = software.log_names().collect();
    assert_eq!(logs, [path("SOFTWARE.log1"), path("software.LOG2")]);
    let system = capture.system().unwrap();
    assert_eq!(system.hive_name(), path("system"));
    let logs: Vec<_> = system.log_names().collect();
    assert_eq!(logs, [path("SYSTEM.LOG")]);
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
    let software = PathBuf::from(capture.software().unwrap().hive_name());
    assert!(software.starts_with(fs::canonicalize(tree.at("C")).unwrap()));
    assert_eq!(
        codes(capture.warnings()),
        [WarningCode::DuplicateDrive, WarningCode::AnotherWindows]
    );
}

#[cfg(unix)]
#[test]
fn a_drive_that_cannot_be_read_does_not_hide_the_others() {
    let tree = Tree::new()
        .file("C/Windows/System32/config/SOFTWARE", software(&[]))
        .directory("D/Windows/System32/config")
        .link("/etc/passwd", "D/Windows/System32/config/SOFTWARE")
        .link("E2", "E/Windows");
    assert!(open(&tree).software().is_some());
    let captures = inspect(tree.path(), &InspectOptions::default())
        .unwrap()
        .captures;
    let told = captures
        .iter()
        .map(|it| (it.part.as_deref(), it.error.is_some()));
    let expected = [(None, false), (Some("D:"), true)];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    // Alone, it is the error.
    let alone = Tree::new().link("/etc/passwd", "D/Windows/System32/config/SOFTWARE");
    let error = CapturedMachine::in_directory(alone.path(), None).unwrap_err();
    assert!(error.expected().unwrap().contains("in the drive's folder"));
}

#[cfg(unix)]
#[test]
fn links_beside_a_hive_are_followed_only_where_it_is_one_itself() {
    let outside = Tree::new()
        .file("SOFTWARE", software(&[]))
        .file("LOG1", "x");
    let tree = Tree::new()
        .file("SOFTWARE", software(&[]))
        .link(outside.at("LOG1"), "SOFTWARE.LOG1")
        .link(outside.at("SOFTWARE"), "SYSTEM");
    let hive = tree.at("SOFTWARE");
    let logs = |hive: &Path| HiveFiles::on_host(hive, &[]).unwrap().log_names().count();
    assert_eq!(logs(&hive), 0);
    assert_eq!(HiveFiles::system_beside(&hive), None);
    // Batch workers make a flat folder of links to their inputs.
    let flat = Tree::new()
        .link(outside.at("SOFTWARE"), "SOFTWARE")
        .link(outside.at("LOG1"), "SOFTWARE.LOG1")
        .link(outside.at("SOFTWARE"), "SYSTEM");
    assert_eq!(logs(&flat.at("SOFTWARE")), 1);
    assert!(HiveFiles::system_beside(&flat.at("SOFTWARE")).is_some());
}

#[test]
fn logs_that_are_named_are_taken_with_those_beside_the_hive() {
    let tree = Tree::new()
        .file("a/software", software(&[]))
        .file("a/software.log1", "")
        .file("a/SOFTWARE.LOG2", "")
        .file("b/LOG1", "");
    let names = |logs: &[PathBuf]| {
        let files = HiveFiles::on_host(&tree.at("a/software"), logs).unwrap();
        let names = files.log_names().map(|name| name.replace('\\', "/"));
        // Not every host tells upper and lower case apart.
        let names = names.map(|name| name.rsplit('/').next().unwrap().to_lowercase());
        names.collect::<Vec<_>>()
    };
    let beside = ["software.log1", "software.log2"];
    assert_eq!(names(&[]), beside);
    let elsewhere = tree.at("b/LOG1");
    let expected = ["log1", "software.log1", "software.log2"];
    assert_eq!(names(&[elsewhere]), expected);
    assert_eq!(names(&[tree.at("b/../a/software.log1")]), beside);
}

#[test]
fn any_stream_of_a_collected_folder_shows_that_it_keeps_streams() {
    let hive = software(&[Registered::new(r"C:\mount", r"C:\a.wim")]);
    let collected = Tree::new()
        .file("C/Windows/System32/config/SOFTWARE", &hive)
        .directory("C/mount");
    let codes = |tree: &Tree, drive: Option<&Path>| {
        let mut options = InspectOptions::default();
        let given = drive.map(|folder| (self::drive("C"), folder.to_owned()));
        options.drives.extend(given);
        let report = inspect(tree.path(), &options).unwrap();
        let findings = &report.captures[0].mounted_images[0].findings;
        findings.iter().map(|it| it.code).collect::<Vec<_>>()
    };
    let not_captured = FindingCode::StreamsNotCaptured;
    assert!(codes(&collected, None).contains(&not_captured));
    let collected = collected.file("C/Users/me/other_$WIMMOUNTDATA", "x");
    assert!(codes(&collected, None).contains(&FindingCode::MountDataMissing));
    // Of a folder that is given as a drive nobody said that a collector filled it.
    let given = codes(&collected, Some(&collected.at("C")));
    assert!(given.contains(&not_captured));
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
    let error = CapturedMachine::in_directory(tree.path(), None).unwrap_err();
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
    let mut capture = open(&tree);
    for (name, folder) in &drives {
        capture.drives_mut().add(name.clone(), folder).unwrap();
    }
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
    let missing = Path::new("/no/such/folder");
    let error = capture.drives_mut().add(drive("D"), missing).unwrap_err();
    assert_eq!(error.evidence(), Some("/no/such/folder"));
}

#[test]
fn the_hive_tells_the_letter_of_a_single_volume_and_the_value_of_system_root() {
    let tree = Tree::new().file("Win/x/mount/file", "").file(
        "Windows/System32/config/SOFTWARE",
        software_at(r"X:\Win", &[]),
    );
    let mut capture = open(&tree);
    let mut hive = capture.take_software().unwrap().open().unwrap();
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

// What is found at a path.

#[test]
#[cfg_attr(
    any(windows, target_os = "macos"),
    ignore = "two names that differ in case alone are one file here"
)]
fn upper_and_lower_case_are_the_same_but_the_exact_name_is_preferred() {
    let tree = Tree::new()
        .file("a/MOUNT.wim", "not this one")
        .file("a/mount.WIM", WIM)
        .file("Größe/ПРИВЕТ.wim", WIM);
    let drives = drive_c(&tree, None);
    let is_wim = |path| image(&drives, path).present().unwrap().wim.is_ok();
    assert!(is_wim(r"C:\A\mount.WIM"));
    assert!(!is_wim(r"C:\A\MOUNT.wim"));
    // Neither is exact: it is the same one each time.
    assert!(!is_wim(r"C:\A\Mount.Wim"));
    assert!(is_wim(r"c:\GRÖßE\Привет.WIM"));
}

/// Names of files, none equal to another but for letter case.
fn file_names() -> impl Strategy<Value = Vec<String>> {
    let name = "[a-zA-ZäöüÄÖÜжЖ映$%&{}_-][a-zA-Z0-9äÖжЖ映 .~-]{0,8}[a-z0-9Ж]";
    vec(name, 1..5)
}

/// A spelling of the path that Windows takes for the same: letter by letter another case, separators as they come.
fn spelling(names: &[String], choices: &[u8]) -> String {
    let mut choices = choices.iter().copied().cycle();
    let mut choose = |of: u8| choices.next().unwrap() % of;
    let prefixes = ["C:", "c:", r"\\?\C:", r"\\.\c:", "//?/C:", r"\??\C:"];
    let mut path = prefixes[usize::from(choose(6))].to_owned();
    for name in names {
        path += [r"\", "/", r"\\", r"\.\", r"\x\..\"][usize::from(choose(5))];
        for letter in name.chars() {
            match choose(3) {
                0 => path.extend(letter.to_uppercase()),
                1 => path.extend(letter.to_lowercase()),
                _ => path.push(letter),
            }
        }
        path += ["", "", ".", " ", ". ."][usize::from(choose(5))];
    }
    path + ["", r"\", "/"][usize::from(choose(3))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_file_is_found_by_any_windows_spelling_of_its_path(
        names in file_names(),
        others in file_names(),
        choices in vec(any::<u8>(), 1..60),
    ) {
        let mut tree = Tree::new();
        let wanted = names.join("/");
        // Beside every name on the way lie others.
        for depth in 0..names.len() {
            for other in &others {
                let is_other = other.to_lowercase() != names[depth].to_lowercase();
                if is_other {
                    let path = [&names[..depth], std::slice::from_ref(other)].concat().join("/");
                    tree = tree.directory(&path);
                }
            }
        }
        let tree = tree.file(&wanted, WIM);
        let found = image(&drive_c(&tree, None), &spelling(&names, &choices));
        prop_assert!(found.is_present(), "{found:?}");
    }
}

#[test]
fn dots_and_blanks_at_the_end_of_a_name_do_not_count() {
    let tree = Tree::new().file("Images/a.wim", WIM).directory("exact.");
    let drives = drive_c(&tree, None);
    assert!(image(&drives, r"C:\Images. .\A.WIM...").is_present());
    assert!(directory(&drives, r"C:\EXACT.").is_present());
    assert_absent(&image(&drives, r"C:\Images\ . .."));
}

#[test]
fn a_short_name_that_the_capture_does_not_keep_is_not_called_absent() {
    let tree = Tree::new()
        .whole_volume()
        .directory("Users/Administrator/mount")
        .directory("Users/SHORT~1/mount");
    let drives = drive_c(&tree, None);
    let unknown = directory(&drives, r"C:\Users\ADMINI~1\mount");
    assert_not_captured(&unknown, NotCaptured::UnresolvedPath);
    assert!(directory(&drives, r"C:\Users\short~1\mount").is_present());
}

#[test]
fn a_hundred_lookups_in_one_directory_list_it_once() {
    let tree = Tree::new().whole_volume().directory("Mounts/One");
    let drives = drive_c(&tree, None);
    let before = drives.directory_reads();
    for index in 0..100 {
        directory(&drives, &format!(r"C:\Mounts\missing{index}"));
    }
    assert_eq!(drives.directory_reads() - before, 1);
}

#[test]
fn a_name_that_is_spelt_exactly_is_found_without_listing_a_directory() {
    let tree = Tree::new().whole_volume().file("images/2024/a.wim", WIM);
    let drives = drive_c(&tree, None);
    let before = drives.directory_reads();
    assert!(image(&drives, r"C:\images\2024\a.wim").is_present());
    assert_eq!(drives.directory_reads(), before);
}

#[test]
fn a_capture_is_judged_without_walking_it() {
    let mut tree = Tree::new().whole_volume().file("images/a.wim", WIM);
    for outer in 0..40 {
        for inner in 0..25 {
            tree = tree.file(&format!("Program Files/{outer}/{inner}/file"), "");
        }
    }
    let registered = [
        Registered::new(r"C:\Mount\a", r"C:\Images\A.wim"),
        Registered::new(r"C:\Users\me\mount", r"C:\Images\missing.wim"),
        Registered::new(r"C:\Program Files\7\Mount", r"D:\x.wim"),
    ];
    let drives = drive_c(&tree, None);
    for registered in registered {
        drives.observe(&mut registered.evidence(), &mut Warnings::default());
    }
    // The root, `images`, `Users` and `Program Files\7`.
    assert_eq!(drives.directory_reads(), 4);
}

// Streams.

#[test]
fn every_name_that_collectors_give_to_the_streams_file_is_read() {
    for file in [
        "mount%3A$WIMMOUNTDATA",
        "mount%3a$wimmountdata",
        "mount:$WIMMOUNTDATA",
        "mount_$WIMMOUNTDATA",
        "mount$WIMMOUNTDATA",
        "MOUNT.$WIMMOUNTDATA",
    ] {
        // There it would be a stream, not a file.
        if cfg!(windows) && file.contains(':') {
            continue;
        }
        // Collectors make the directory only where they collected something in it.
        for has_directory in [true, false] {
            let mut tree = Tree::new().file(
                &format!("x/{file}"),
                mount_data(MOUNT_ID, r"C:\x\mount", r"C:\a.wim"),
            );
            if has_directory {
                tree = tree.directory("x/mount");
            }
            let found = directory(&drive_c(&tree, None), r"C:\x\mount");
            let mount_data = &found.present().expect(file).mount_data;
            assert_eq!(mount_data.present().expect(file).mount_id, MOUNT_ID);
        }
    }
}

#[test]
fn a_plain_copy_does_not_show_streams_until_one_is_seen() {
    let stream = mount_data(MOUNT_ID, r"C:\x\one", r"C:\a.wim");
    let registrations =
        [r"C:\x\two", r"C:\x\one"].map(|path| Registered::new(path, "").registration());
    let tree = Tree::new().directory("x/one").directory("x/two");
    let drives = drive_c(&tree, Some(Scope::Complete));
    drives.look_for_streams(&registrations);
    let found = directory(&drives, r"C:\x\two");
    assert_not_captured(&found.present().unwrap().mount_data, NotCaptured::Streams);
    let tree = tree.file("x/one%3A$WIMMOUNTDATA", stream);
    let drives = drive_c(&tree, None);
    drives.look_for_streams(&registrations);
    let found = directory(&drives, r"C:\x\two");
    assert_absent(&found.present().unwrap().mount_data);
}

#[test]
fn a_stream_on_one_drive_tells_nothing_of_a_drive_from_elsewhere() {
    let stream = mount_data(MOUNT_ID, r"C:\one", r"C:\a.wim");
    let of_capture = Tree::new()
        .file("Windows/System32/config/SOFTWARE", software(&[]))
        .file("one%3A$WIMMOUNTDATA", stream)
        .file("three/file", "");
    let from_elsewhere = Tree::new().file("two/file", "");
    let mut capture = open(&of_capture);
    let drives = capture.drives_mut();
    drives.add(drive("D"), from_elsewhere.path()).unwrap();
    let paths = [r"D:\two", r"C:\one", r"C:\three"];
    drives.look_for_streams(&paths.map(|path| Registered::new(path, "").registration()));
    let streams = paths.map(|path| {
        directory(drives, path)
            .present()
            .unwrap()
            .mount_data
            .clone()
    });
    assert_not_captured(&streams[0], NotCaptured::Streams);
    assert!(streams[1].is_present());
    assert_absent(&streams[2]);
}

#[test]
fn a_stream_that_is_too_long_or_no_mount_data_is_unreadable() {
    for stream in [vec![0; 65_537], b"short".to_vec()] {
        let tree = Tree::new()
            .directory("mount")
            .file("mount_$WIMMOUNTDATA", stream);
        let found = directory(&drive_c(&tree, None), r"C:\mount");
        assert_unreadable(&found.present().unwrap().mount_data);
    }
}

#[test]
fn warnings_about_a_stream_name_it() {
    let mut stream = mount_data(MOUNT_ID, r"C:\mount", r"C:\a.wim");
    stream.extend([1; 9]);
    let tree = Tree::new()
        .directory("mount")
        .file("mount_$WIMMOUNTDATA", stream);
    let mut warnings = Warnings::default();
    let drives = drive_c(&tree, None);
    drives.mount_directory(&r"C:\mount".into(), &mut warnings);
    assert_eq!(codes(&warnings), [WarningCode::TrailingBytes]);
    assert_eq!(
        warnings.as_slice()[0].evidence(),
        Some(r"C:\mount:$WIMMOUNTDATA")
    );
}

#[cfg(unix)]
#[test]
fn streams_in_extended_attributes_are_read() {
    let stream = mount_data(MOUNT_ID, r"C:\mount", r"C:\a.wim");
    for name in [
        "user.$WIMMOUNTDATA",
        "user.DosStream.$WIMMOUNTDATA",
        "user.DosStream.$WIMMOUNTDATA:$DATA",
    ] {
        let tree = Tree::new().directory("mount");
        let Some(tree) = tree.attribute("mount", name, &stream) else {
            return;
        };
        let found = directory(&drive_c(&tree, None), r"C:\mount");
        let mount_data = &found.present().unwrap().mount_data;
        assert_eq!(mount_data.present().expect(name).mount_id, MOUNT_ID);
    }
}

#[cfg(unix)]
#[test]
fn a_samba_stream_on_the_way_shows_that_another_one_is_absent() {
    let tree = Tree::new().directory("a/mount").directory("b/mount");
    let Some(tree) = tree.attribute("a", "user.DosStream.Zone.Identifier:$DATA", b"x") else {
        return;
    };
    let drives = drive_c(&tree, None);
    let found = directory(&drives, r"C:\a\mount");
    assert_absent(&found.present().unwrap().mount_data);
    let found = directory(&drives, r"C:\b\mount");
    assert_not_captured(&found.present().unwrap().mount_data, NotCaptured::Streams);
}

// Orphans.

fn orphans(drives: &Drives, registered: &[&str]) -> Vec<(String, Option<Uuid>)> {
    let registrations: Vec<_> = registered
        .iter()
        .map(|path| Registered::new(path, "").registration())
        .collect();
    let found = drives.find_orphans(&registrations, &mut Warnings::default(), |_| {});
    let found = found.into_iter().map(|orphan| {
        let id = orphan.mount_data.present().map(|data| data.mount_id);
        (orphan.mount_path.to_string(), id)
    });
    found.collect()
}

#[test]
fn mount_directories_that_no_registration_names_are_orphans() {
    let stream = mount_data(MOUNT_ID, r"C:\x", r"C:\a.wim");
    let colon = if cfg!(windows) { "%3A" } else { ":" };
    let tree = Tree::new()
        .file("x/Registered/file", "")
        .file("x/Registered_$WIMMOUNTDATA", &stream)
        .file("x/collected%3A$WIMMOUNTDATA", &stream)
        .file("y/orphan/file", "")
        .file(&format!("y/orphan{colon}$WIMMOUNTDATA"), &stream)
        .file("y/under_/file", "")
        .file("y/under_$WIMMOUNTDATA", "damaged")
        .file("$WIMMOUNTDATA", "beside nothing");
    let drives = drive_c(&tree, None);
    let expected = [
        (r"C:\y\orphan".to_owned(), Some(MOUNT_ID)),
        (r"C:\y\under_".to_owned(), None),
    ];
    assert_eq!(
        orphans(&drives, &["c:/X/registered", r"C:\x\collected"]),
        expected
    );
    assert_eq!(orphans(&drives, &[]).len(), 4);
}

#[test]
fn a_search_that_can_see_no_streams_says_so() {
    let search = |tree: Tree| {
        let drives = drive_c(&tree, None);
        let mut warnings = Warnings::default();
        drives.find_orphans(&[], &mut warnings, |_| {});
        codes(&warnings)
    };
    let plain = Tree::new().file("x/file", "");
    assert_eq!(search(plain), [WarningCode::StreamsNotShown]);
    let stream = mount_data(MOUNT_ID, r"C:\x", r"C:\a.wim");
    let collected = Tree::new().file("x_$WIMMOUNTDATA", stream);
    assert_eq!(search(collected), []);
}

#[cfg(unix)]
#[test]
fn a_mount_directory_by_itself_is_where_its_stream_says() {
    let stream = mount_data(MOUNT_ID, r"C:\work\x", r"C:\a.wim");
    let tree = Tree::new().file("Windows/win.ini", "");
    let Some(tree) = tree.attribute("", "user.$WIMMOUNTDATA", &stream) else {
        return;
    };
    let expected = [(r"C:\work\x".to_owned(), Some(MOUNT_ID))];
    assert_eq!(orphans(&drive_c(&tree, None), &[]), expected);
}

#[cfg(unix)]
#[test]
fn orphans_are_found_by_extended_attributes_and_not_behind_links() {
    let stream = mount_data(MOUNT_ID, r"C:\x", r"C:\a.wim");
    let tree = Tree::new()
        .directory("a/orphan")
        .link("a", "link")
        .link("../..", "a/up");
    let Some(tree) = tree.attribute("a/orphan", "user.$WIMMOUNTDATA", &stream) else {
        return;
    };
    let found = orphans(&drive_c(&tree, None), &[]);
    assert_eq!(found, [(r"C:\a\orphan".to_owned(), Some(MOUNT_ID))]);
    // A registration may lead to it in another way.
    assert_eq!(orphans(&drive_c(&tree, None), &[r"C:\LINK\orphan"]), []);
}

#[test]
fn progress_ends_with_the_count_of_everything_seen() {
    let tree = (0..3000).fold(Tree::new(), |tree, i| tree.file(&format!("{i}"), ""));
    let mut told = Vec::new();
    drive_c(&tree, None).find_orphans(&[], &mut Warnings::default(), |seen| told.push(seen));
    assert_eq!(told, [1024, 2048, 3001]);
}

// Links.

#[cfg(unix)]
#[test]
fn links_are_followed_as_far_as_they_stay_in_the_drives_folder() {
    let tree = Tree::new()
        .whole_volume()
        .directory("real/mount")
        .link("../real/mount", "links/relative")
        .link("REAL", "links/../case")
        .link("links/relative", "chain");
    let absolute = fs::canonicalize(tree.path()).unwrap().join("real");
    let tree = tree.link(absolute, "links/absolute");
    let drives = drive_c(&tree, None);
    for path in [
        r"C:\links\relative",
        r"C:\links\absolute\MOUNT",
        r"C:\case\mount",
        r"C:\chain",
    ] {
        assert!(directory(&drives, path).is_present(), "{path}");
    }
}

#[cfg(unix)]
#[test]
fn nothing_outside_the_drives_folder_is_ever_opened() {
    let secret = mount_data(MOUNT_ID, r"C:\mount", r"C:\a.wim");
    let outside = Tree::new()
        .file("mount_$WIMMOUNTDATA", &secret)
        .file("mount/file", "")
        .file("a.wim", WIM)
        .file("C/in/file", "")
        // What lies beside the drive's folder is not the capture's, even where it is named after it.
        .file("C_$WIMMOUNTDATA", &secret);
    let out = outside.at("");
    let links = [
        ("absolute", out.clone()),
        ("climbing", PathBuf::from("..")),
        ("in/climbing", PathBuf::from("../..")),
        ("in/through", PathBuf::from("../in/../../mount")),
        ("prefix", outside.at("C/../mount")),
        ("look-alike", outside.at("C_$WIMMOUNTDATA")),
        ("root", PathBuf::from("/")),
        ("loop", PathBuf::from("loop")),
        ("loop-a", PathBuf::from("loop-b")),
        ("loop-b", PathBuf::from("in/../loop-a")),
        ("grows", PathBuf::from("grows/grows")),
        ("self", PathBuf::from("self/.")),
        ("in/mount_$WIMMOUNTDATA", outside.at("mount_$WIMMOUNTDATA")),
        ("a.wim", outside.at("a.wim")),
        ("mount", outside.at("mount")),
    ];
    let outside = links.iter().fold(outside, |tree, (name, target)| {
        tree.link(target, &format!("C/{name}"))
    });
    let outside = outside.directory("C/in/mount");
    let mut drives = Drives::new(Some(Scope::Complete));
    drives.add(drive("C"), &outside.at("C")).unwrap();
    for (name, _) in &links {
        let name = name.replace('/', r"\");
        for path in [
            format!(r"C:\{name}"),
            format!(r"C:\{name}\mount"),
            format!(r"C:\{name}\a.wim"),
            format!(r"C:\{name}\..\mount"),
            format!(r"C:\{name}\etc\passwd"),
        ] {
            let found = directory(&drives, &path);
            let mount_data = found.present().and_then(|found| found.mount_data.present());
            assert!(mount_data.is_none(), "{path}: {found:?}");
            let found = image(&drives, &path);
            assert!(!found.is_present(), "{path}: {found:?}");
        }
    }
    // What is in the folder is found all the same.
    assert!(directory(&drives, r"C:\in").is_present());
    for path in [
        r"C:\absolute\mount",
        r"C:\climbing\mount",
        r"C:\loop",
        r"C:\grows",
        r"C:\root\etc",
    ] {
        assert_unreadable(&directory(&drives, path));
    }
    let stream = directory(&drives, r"C:\in\mount");
    assert_unreadable(&stream.present().unwrap().mount_data);
    let root = directory(&drives, r"C:\");
    assert_not_captured(&root.present().unwrap().mount_data, NotCaptured::Streams);
    assert_eq!(orphans(&drives, &[]), []);
}

#[cfg(unix)]
#[test]
fn a_hive_behind_a_link_out_of_the_folder_is_refused() {
    let outside = Tree::new().file("SOFTWARE", software(&[]));
    let tree = Tree::new().link(outside.at("SOFTWARE"), "Windows/System32/config/SOFTWARE");
    let error = CapturedMachine::in_directory(tree.path(), None).unwrap_err();
    assert!(error.expected().unwrap().contains("in the drive's folder"));
    let tree = Tree::new()
        .whole_volume()
        .link(
            outside.at("SOFTWARE"),
            "Windows/System32/config/SOFTWARE.LOG1",
        )
        .link(outside.at("SOFTWARE"), "Windows/System32/config/SYSTEM");
    let capture = open(&tree);
    assert_eq!(capture.software().unwrap().log_names().count(), 0);
    assert!(capture.system().is_none());
    assert_eq!(
        codes(capture.warnings()),
        [WarningCode::LogEntryLeftOut, WarningCode::FileUnreadable]
    );
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_hive_is_said_to_be_there() {
    let tree = Tree::new().directory("Windows/System32/config");
    let pipe = tree.at("Windows/System32/config/SOFTWARE");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let error = CapturedMachine::in_directory(tree.path(), None).unwrap_err();
    assert_eq!(error.expected(), Some("a file"));
    assert!(error.evidence().unwrap().ends_with("SOFTWARE"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let tree = Tree::new().directory("mount");
    for name in ["install.wim", "mount_$WIMMOUNTDATA"] {
        let made = std::process::Command::new("mkfifo")
            .arg(tree.at(name))
            .status();
        assert!(made.unwrap().success());
    }
    let drives = drive_c(&tree, None);
    assert_unreadable(&image(&drives, r"C:\install.wim"));
    let found = directory(&drives, r"C:\mount");
    assert_unreadable(&found.present().unwrap().mount_data);
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
        assert_not_captured(&directory(&drives, path), NotCaptured::UnresolvedPath);
    }
}

#[test]
fn a_file_in_the_place_of_the_directory_is_not_it_and_a_directory_no_image_file() {
    let tree = Tree::new().file("a/mount", "").directory("a/install.wim");
    let drives = drive_c(&tree, None);
    assert_absent(&directory(&drives, r"C:\a\mount"));
    assert_unreadable(&image(&drives, r"C:\a\install.wim"));
}

#[test]
fn a_file_that_is_no_wim_is_there_and_says_so() {
    let tree = Tree::new().file("a/install.wim", "no header");
    let drives = drive_c(&tree, None);
    let image = image(&drives, r"C:\a\install.wim");
    assert!(image.present().unwrap().wim.is_err());
}
