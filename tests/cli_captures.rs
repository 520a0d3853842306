//! Captured trees and joined drives, from the command line.
#![cfg(feature = "cli")]

#[path = "support/command_line.rs"]
mod command_line;
#[path = "support/disk_fixtures.rs"]
mod disk_fixtures;

use std::fs;
use std::path::Path;

use command_line::{run, run_with};
use disk_fixtures::disk_fixture;
use serde_json::Value;

fn captures() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/captures"))
}

/// The only capture of the report.
fn capture(arguments: &[&str]) -> Value {
    let run = run(captures(), &[&["--format=json"], arguments].concat());
    let mut report: Value = serde_json::from_str(&run.stdout).expect(&run.stderr);
    report["captures"][0].take()
}

fn codes(capture: &Value) -> Vec<&str> {
    let findings = capture["mounted_images"][0]["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect()
}

#[test]
fn a_tree_is_taken_as_of_a_stopped_machine_unless_said_otherwise() {
    let stopped = capture(&["needs-remount/tree"]);
    assert_eq!(stopped["kind"], "directory");
    assert_eq!(stopped["captured"], "stopped");
    assert_eq!(stopped["mounted_images"][0]["mount_status"], "NeedsRemount");
    assert_eq!(
        stopped["mounted_images"][0]["image"]["architecture"],
        "amd64"
    );
    assert_eq!(run(captures(), &["needs-remount/tree"]).code, 1);
    let running = capture(&["--captured=running", "needs-remount/tree"]);
    assert_eq!(running["mounted_images"][0]["mount_status"], "Ok");
    assert_eq!(
        run(captures(), &["--captured=running", "needs-remount/tree"]).code,
        0
    );
}

#[test]
fn a_mount_that_is_left_over_without_a_registration_is_one_of_any() {
    let code = |arguments: &[&str]| {
        let evidence = ["--find-orphans", "orphaned-mount/tree"];
        run(captures(), &[arguments, &evidence].concat()).code
    };
    assert_eq!(code(&["--fail-on=any"]), 1);
    assert_eq!(code(&["--fail-on=invalid"]), 0);
    assert_eq!(code(&[]), 0);
}

#[test]
fn archives_and_images_can_be_piped() {
    let fixtures = captures().join("..");
    let disks = ["volume-512", "gpt", "vhdx", "ewf"].map(disk_fixture);
    let files = [
        "captured-wim/solid.esd",
        "collections/kape/out.zip",
        "collections/uac/uac.tar.gz",
    ];
    let files = files.map(|name| fixtures.join(name));
    for file in files.iter().chain(disks.iter().map(|(_, image)| image)) {
        let report = |arguments: &[&str], stdin: Vec<u8>| {
            let arguments = [&["--quiet", "--format=json"], arguments].concat();
            let run = run_with(&fixtures, &arguments, |command| {
                command.write_stdin(stdin.clone());
            });
            let mut report: Value = serde_json::from_str(&run.stdout).expect(&run.stderr);
            for capture in report["captures"].as_array_mut().unwrap() {
                capture["evidence"].take();
            }
            report
        };
        let named = report(&[file.to_str().unwrap()], Vec::new());
        let piped = report(&["-"], fs::read(file).unwrap());
        assert_eq!(piped, named, "{}", file.display());
    }
}

#[cfg(unix)]
#[test]
fn no_other_file_is_opened_for_an_image_that_is_piped_or_a_link_beside_one() {
    let (folder, disk) = disk_fixture("volume-512");
    let sectors = fs::metadata(&disk).unwrap().len() / 512;
    let name = disk.file_name().unwrap().to_str().unwrap();
    let descriptor = |extent: &str| {
        format!(
            "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n\
             createType=\"monolithicFlat\"\nRW {sectors} FLAT \"{extent}\" 0\n"
        )
    };
    let inspected = |arguments: &[&str], stdin: &str| {
        run_with(folder.path(), arguments, |command| {
            command.env("TMPDIR", folder.path()).write_stdin(stdin);
        })
    };
    fs::write(folder.path().join("plain.vmdk"), descriptor(name)).unwrap();
    assert_eq!(inspected(&["--fail-on=never", "plain.vmdk"], "").code, 0);
    // The temporary folder has a file of that name.
    let piped = inspected(&["-"], &descriptor(name));
    assert_eq!(piped.code, 2, "{}", piped.stdout);
    std::os::unix::fs::symlink(&disk, folder.path().join("link.img")).unwrap();
    fs::write(folder.path().join("to-link.vmdk"), descriptor("link.img")).unwrap();
    let linked = inspected(&["to-link.vmdk"], "");
    assert_eq!(linked.code, 2, "{}", linked.stdout);
    assert!(
        linked
            .stderr
            .contains("put the file itself into the folder"),
        "{}",
        linked.stderr
    );
}

#[cfg(unix)]
#[test]
fn mount_directories_are_searched_for_without_a_windows_too() {
    let stream = fs::read(captures().join("orphaned-mount/tree/mount.$WIMMOUNTDATA")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/mount.$WIMMOUNTDATA"), stream).unwrap();
    let named = run(folder.path(), &["data"]);
    assert_eq!(named.code, 2);
    assert!(named.stderr.contains("--find-orphans"), "{}", named.stderr);
    let searched = run(folder.path(), &["--find-orphans", "--format=json", "data"]);
    let report: Value = serde_json::from_str(&searched.stdout).unwrap();
    let capture = &report["captures"][0];
    assert_eq!(capture["orphaned_mounts"][0]["mount_path"], r"C:\mount");
    assert_eq!(
        capture["warnings"][0]["code"],
        "mount-registry-not-in-evidence"
    );
    assert_eq!(searched.code, 0);
    // Folders that are named after drives are those drives.
    fs::create_dir(folder.path().join("drives")).unwrap();
    fs::rename(folder.path().join("data"), folder.path().join("drives/D")).unwrap();
    let searched = run(
        folder.path(),
        &["--find-orphans", "--format=json", "drives"],
    );
    let report: Value = serde_json::from_str(&searched.stdout).unwrap();
    let capture = &report["captures"][0];
    assert_eq!(capture["orphaned_mounts"][0]["mount_path"], r"D:\mount");
    assert_eq!(capture["kind"], "collection");
    // A hive that is there and cannot be read is an error all the same.
    fs::create_dir_all(folder.path().join("drives/C/Windows/System32/config")).unwrap();
    std::os::unix::fs::symlink(
        "/etc/passwd",
        folder
            .path()
            .join("drives/C/Windows/System32/config/SOFTWARE"),
    )
    .unwrap();
    let searched = run(folder.path(), &["--find-orphans", "drives"]);
    assert_eq!(searched.code, 2, "{}", searched.stdout);
}

#[test]
fn evidence_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let registry = fs::read(captures().join("../registry/one-mounted.reg")).unwrap();
    let hive = fs::read(captures().join("config-folder/tree/SOFTWARE")).unwrap();
    fs::write(place("a.reg"), &registry).unwrap();
    fs::create_dir_all(place("tree/Windows/System32/config")).unwrap();
    let software = "tree/Windows/System32/config/SOFTWARE";
    fs::write(place(software), &hive).unwrap();
    fs::write(
        place("tree/Windows/System32/config/SOFTWARE.LOG1"),
        &hive[..512],
    )
    .unwrap();
    for arguments in [
        &["--recursive=.", "--output=a.reg"][..],
        &["--drive=D=a.reg", "--output=a.reg", software],
        &["--output=tree/Windows/System32/config/SOFTWARE", "tree"],
        &[
            "--output=tree/Windows/System32/config/SOFTWARE.LOG1",
            "tree",
        ],
    ] {
        let run = run(folder.path(), arguments);
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(run.stderr.contains("would overwrite"), "{}", run.stderr);
    }
    assert_eq!(fs::read(place("a.reg")).unwrap(), registry);
    assert_eq!(fs::read(place(software)).unwrap(), hive);
    // A result is no evidence: it is written anew.
    for _ in 0..2 {
        let run = run(
            folder.path(),
            &["--format=csv", "--output=mounts.csv", "a.reg"],
        );
        assert_eq!((run.code, run.stdout.as_str()), (0, ""));
    }
    let shown = run(folder.path(), &["--format=csv", "--output=-", "a.reg"]);
    assert_eq!(
        shown.stdout,
        fs::read_to_string(place("mounts.csv")).unwrap()
    );
    assert!(!place("-").exists());
}

#[test]
fn the_scope_says_what_a_missing_path_means() {
    let partial = capture(&["--scope=partial", "paths-not-captured/tree"]);
    assert_eq!(
        codes(&partial),
        [
            "mount-path-not-captured",
            "image-file-not-captured",
            "system-stopped"
        ]
    );
    let complete = capture(&["--scope=complete", "paths-not-captured/tree"]);
    assert_eq!(
        codes(&complete),
        ["mount-directory-missing", "image-file-missing"]
    );
}

#[test]
fn a_drive_joins_files_to_a_hive() {
    let hive = "needs-remount/tree/Windows/System32/config/SOFTWARE";
    let alone = capture(&[hive]);
    assert_eq!(
        (&alone["kind"], &alone["files_examined"]),
        (&"hive".into(), &false.into())
    );
    assert_eq!(codes(&alone), ["liveness-unknown"]);
    let joined = capture(&[
        "--drive=C=mount-data-missing/tree",
        "--scope=complete",
        hive,
    ]);
    assert_eq!(joined["files_examined"], true);
    assert_eq!(codes(&joined), ["streams-not-captured", "liveness-unknown"]);
    let elsewhere = capture(&["--drive=E=needs-remount/tree", hive]);
    assert_eq!(
        codes(&elsewhere),
        [
            "volume-not-captured",
            "volume-not-captured",
            "liveness-unknown"
        ]
    );
}

#[test]
fn orphans_are_searched_only_when_asked_for() {
    let quiet = capture(&["orphaned-mount/tree"]);
    assert_eq!(quiet["orphaned_mounts"], Value::Array(Vec::new()));
    let searched = capture(&["--find-orphans", "orphaned-mount/tree"]);
    assert_eq!(searched["orphaned_mounts"].as_array().unwrap().len(), 1);
}

#[test]
fn a_drive_that_is_none_is_wrong_usage() {
    for drive in ["C", "CC=needs-remount", "=needs-remount"] {
        assert_eq!(
            run(captures(), &["--drive", drive, "needs-remount/tree"]).code,
            2,
            "{drive}"
        );
    }
    let missing = run(captures(), &["--drive=D=not-there", "needs-remount/tree"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("not-there"), "{}", missing.stderr);
}

#[test]
fn a_folder_without_a_windows_says_what_was_looked_for() {
    let run = run(captures(), &["."]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("Windows/System32/config/SOFTWARE"),
        "{}",
        run.stderr
    );
}

#[test]
fn messages_and_table_name_the_part_once() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captured-wim");
    let whole = run(&fixtures, &["--format=csv", "--fail-on=never", "split.swm"]);
    assert_eq!(
        whole.stderr,
        "warning: split.swm, image 12: data: there is no Windows\\System32\\config\\SOFTWARE: what is mounted is not known\n"
    );
    // Without the part that has the hives, each image is an error.
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::copy(fixtures.join("split.swm"), folder.path().join("split.swm")).unwrap();
    let alone = run(folder.path(), &["split.swm"]);
    assert_eq!(alone.code, 2);
    let reason = r"C:\Windows\System32\config\SOFTWARE: expected data in the WIM";
    let errors: Vec<_> = alone
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(errors.len(), 11);
    let second = format!("error: split.swm, image 2: mount-directory-missing: {reason}, ");
    assert!(errors[1].starts_with(&second), "{}", errors[1]);
    let table = alone.stdout.replace("\r\n", "\n");
    let second = format!("\nsplit.swm, image 2: mount-directory-missing\n  Error: {reason}, ");
    assert!(table.contains(&second), "{table}");
}

/// The three mounts' tree, whose last registration has lost the signature of its key.
fn with_a_lost_registration() -> tempfile::TempDir {
    let folder = tempfile::TempDir::new().unwrap();
    let tree = captures().join("three-mounts/tree");
    for entry in walkdir::WalkDir::new(&tree) {
        let entry = entry.unwrap();
        let to = folder
            .path()
            .join(entry.path().strip_prefix(&tree).unwrap());
        match entry.file_type().is_dir() {
            true => fs::create_dir_all(to).unwrap(),
            false => fs::write(to, fs::read(entry.path()).unwrap()).unwrap(),
        }
    }
    let hive = folder.path().join("Windows/System32/config/SOFTWARE");
    let mut bytes = fs::read(&hive).unwrap();
    let id = b"{e242237c-66ed-4958-b9ec-c49b07eaeeb5}";
    let name = bytes.windows(id.len()).position(|it| it == id).unwrap();
    bytes[name - 76] = b'x';
    fs::write(hive, bytes).unwrap();
    folder
}

#[test]
fn a_registration_that_cannot_be_read_is_evidence_that_cannot_be_read_in_every_format() {
    let folder = with_a_lost_registration();
    let lost = r"Microsoft\WIMMount\Mounted Images: expected registrations that can all be read, found at least 1 that cannot";
    for (format, told) in [
        (
            "table",
            "Error: expected registrations that can all be read",
        ),
        ("json", "\"message\": \"., Microsoft"),
        ("jsonl", "\"error\":{\"message\""),
        ("csv", "\r\nunreadable,."),
        ("sarif", "\"executionSuccessful\": false"),
        ("github", "::error "),
        ("html", "Not readable"),
        ("summary", "could not be read"),
        ("dism", "Mount Dir"),
    ] {
        let run = run(folder.path(), &["--quiet", "--format", format, "."]);
        assert_eq!(run.code, 2, "{format}");
        assert!(run.stderr.contains(lost), "{format}: {}", run.stderr);
        assert!(run.stdout.contains(told), "{format}: {}", run.stdout);
        assert!(!run.stdout.contains("completed successfully"), "{format}");
    }
}

#[test]
fn where_not_all_registrations_are_known_no_directory_is_called_nobodys() {
    let orphan = |folder: &Path, arguments: &[&str]| {
        let run = run(
            folder,
            &[&["--format=json", "--find-orphans"], arguments].concat(),
        );
        let report: Value = serde_json::from_str(&run.stdout).expect(&run.stderr);
        let orphan = report["captures"][0]["orphaned_mounts"][0].clone();
        let told = ["may_be_registered", "basis"].map(|name| orphan[name].clone());
        (told, orphan["next_step"]["command"].clone())
    };
    let observed = Value::from("observed");
    let known = orphan(captures(), &["orphaned-mount/tree"]);
    let cleanup = Value::from("dism /Cleanup-Mountpoints");
    assert_eq!(known, ([false.into(), observed.clone()], cleanup));
    let look_up = Value::from("dism /Get-MountedImageInfo");
    let unknown = ([true.into(), observed], look_up);
    let folder = with_a_lost_registration();
    assert_eq!(orphan(folder.path(), &["."]), unknown);
    // The newest registrations may be in logs that are not there.
    let hive = folder.path().join("Windows/System32/config/SOFTWARE");
    let sound = captures().join("orphaned-mount/tree/Windows/System32/config/SOFTWARE");
    let mut bytes = fs::read(sound).unwrap();
    bytes[4] ^= 1;
    bytes[508] ^= 1;
    fs::write(hive, bytes).unwrap();
    assert_eq!(orphan(folder.path(), &["."]), unknown);
    // An export of one registration says nothing of others.
    let one = "Windows Registry Editor Version 5.00\n\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\WIMMount\\Mounted Images\\x]\n\"Mount Path\"=\"C:\\\\other\"\n";
    fs::write(folder.path().join("one.reg"), one).unwrap();
    let drive = format!(
        "--drive=C={}",
        captures().join("orphaned-mount/tree").display()
    );
    assert_eq!(orphan(folder.path(), &[&drive, "one.reg"]), unknown);
    let all = one.replace(
        "\\x]",
        "]\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\WIMMount\\Mounted Images\\x]",
    );
    fs::write(folder.path().join("all.reg"), all).unwrap();
    assert_eq!(orphan(folder.path(), &[&drive, "all.reg"]), known);
    // No registry at all.
    let files = tempfile::TempDir::new().unwrap();
    fs::create_dir_all(files.path().join("D/mount")).unwrap();
    let stream = fs::read(captures().join("orphaned-mount/tree/mount.$WIMMOUNTDATA")).unwrap();
    fs::write(files.path().join("D/mount_$WIMMOUNTDATA"), stream).unwrap();
    assert_eq!(orphan(files.path(), &["."]), unknown);
}

#[test]
fn logs_that_are_named_are_used_or_warned_of() {
    let folder = tempfile::TempDir::new().unwrap();
    let hive = captures().join("needs-remount/tree/Windows/System32/config/SOFTWARE");
    fs::copy(hive, folder.path().join("SOFTWARE")).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    // Windows leaves empty ones.
    write("SOFTWARE.LOG2", b"");
    write("other.LOG1", b"no log");
    let warnings = |evidence: &str| {
        let run = run(
            folder.path(),
            &[
                "--format=json",
                "--log=other.LOG1",
                "--find-orphans",
                evidence,
            ],
        );
        let report: Value = serde_json::from_str(&run.stdout).expect(&run.stderr);
        let warnings = report["captures"][0]["warnings"].as_array().unwrap().iter();
        let of_logs = warnings.filter(|it| it["code"] == "log-not-used");
        let messages = of_logs.map(|it| it["message"].as_str().unwrap().to_owned());
        messages.collect::<Vec<_>>()
    };
    assert_eq!(
        warnings("SOFTWARE"),
        ["other.LOG1: is no transaction log, or a damaged one: nothing of it is used"]
    );
    fs::create_dir_all(folder.path().join("data/C/mount")).unwrap();
    assert_eq!(
        warnings("data"),
        ["there is no hive to which the logs that were named could belong"]
    );
    // They take nothing from what the evidence says.
    fs::copy(
        captures().join("../registry/nothing-mounted.reg"),
        folder.path().join("nothing.reg"),
    )
    .unwrap();
    let nothing = ["--format=dism", "--log=other.LOG1", "nothing.reg"];
    let nothing = run(folder.path(), &nothing);
    assert!(
        nothing.stdout.contains("completed successfully"),
        "{}",
        nothing.stdout
    );
}
