//! Many captures in one run: where they come from, in which order they are reported, and how it ends.
#![cfg(feature = "cli")]

#[path = "support/command_line.rs"]
mod command_line;

use std::fs;
use std::path::Path;

use command_line::{FORMATS, evidence, reg, run, run_with};
use serde_json::Value;
use tempfile::TempDir;

/// The evidence of a report, in its order, and whether each could be read.
fn captures(folder: &Path, arguments: &[&str]) -> (i32, Vec<(String, bool)>) {
    let arguments = [&["--format=json", "--fail-on=never"], arguments].concat();
    let run = run(folder, &arguments);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let captures = report["captures"].as_array().unwrap();
    let captures = captures.iter().map(|capture| {
        let name = capture["evidence"].as_str().unwrap().replace('\\', "/");
        (name, capture["error"].is_null())
    });
    (run.code, captures.collect())
}

fn named(names: &[(&str, bool)]) -> Vec<(String, bool)> {
    let names = names.iter();
    names
        .map(|&(name, is_read)| (name.to_owned(), is_read))
        .collect()
}

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let to = to.join(entry.path().strip_prefix(from).unwrap());
        match entry.file_type().is_dir() {
            true => fs::create_dir_all(to).unwrap(),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
fn lists_name_evidence_a_line_or_a_nul_each() {
    let folder = evidence();
    fs::write(
        folder.path().join("lines"),
        "none.reg\r\n\nmissing.reg\nmounted.reg",
    )
    .unwrap();
    fs::write(folder.path().join("nuls"), "broken.reg\0none.reg\0").unwrap();
    let expected = named(&[
        ("mounted.reg", true),
        ("none.reg", true),
        ("missing.reg", false),
        ("mounted.reg", true),
        ("broken.reg", true),
        ("none.reg", true),
    ]);
    let arguments = ["--from0", "nuls", "--from", "lines", "mounted.reg"];
    assert_eq!(captures(folder.path(), &arguments), (2, expected));
    for (option, list) in [
        ("--from=-", "none.reg\nbroken.reg\n"),
        ("--from0=-", "none.reg\0broken.reg"),
    ] {
        let run = run_with(folder.path(), &["--format=csv", option], |command| {
            command.write_stdin(list);
        });
        assert_eq!((run.code, &*run.stderr), (1, ""), "{option}");
        assert_eq!(run.stdout.lines().count(), 3, "{option}");
    }
}

#[test]
fn a_list_that_is_not_there_or_names_nothing_is_an_error() {
    let folder = evidence();
    fs::write(folder.path().join("empty"), "\n\n").unwrap();
    let missing = run(folder.path(), &["--from=missing.list", "mounted.reg"]);
    assert_eq!((missing.code, &*missing.stdout), (2, ""));
    assert!(missing.stderr.starts_with("error: missing.list: "));
    for option in ["--from=empty", "--from0=/dev/null"] {
        if cfg!(windows) && option.contains("/dev") {
            continue;
        }
        let empty = run(folder.path(), &["--format=csv", option]);
        assert_eq!(empty.code, 2, "{option}: {}", empty.stdout);
    }
    let empty = run(folder.path(), &["--from=empty"]);
    assert_eq!(empty.code, 2);
    assert!(
        empty.stderr.contains("the list is empty"),
        "{}",
        empty.stderr
    );
}

#[test]
fn a_list_that_is_none_ends_at_what_is_no_path() {
    let folder = evidence();
    fs::write(folder.path().join("zeros"), vec![0; 3 << 20]).unwrap();
    let (code, found) = captures(folder.path(), &["--from=zeros", "mounted.reg"]);
    let expected = [("mounted.reg", true), ("zeros", false)];
    assert_eq!((code, found), (2, named(&expected)));
}

#[test]
fn every_capture_below_a_folder_is_found_by_what_it_is() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let folder = TempDir::new().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir_all(at("b/deep")).unwrap();
    fs::write(at("a.txt"), reg(&[2])).unwrap();
    fs::write(at("b/deep/notes.reg"), "nothing of the kind").unwrap();
    let tree = fixtures.join("captures/needs-remount/tree");
    copy(&tree, &at("b/tree"));
    // Part of the tree, whatever it is by itself.
    fs::write(at("b/tree/export.reg"), reg(&[2])).unwrap();
    fs::copy(
        tree.join("Windows/System32/config/SOFTWARE"),
        at("hive.bin"),
    )
    .unwrap();
    fs::copy(fixtures.join("captured-wim/lzx.wim"), at("image.data")).unwrap();
    let (code, found) = captures(folder.path(), &["--recursive", "."]);
    assert_eq!(code, 0);
    let mut found: Vec<(String, bool)> = found;
    found.dedup();
    let expected = [
        ("./a.txt", true),
        ("./b/tree", true),
        ("./hive.bin", true),
        ("./image.data", true),
    ];
    assert_eq!(found, named(&expected));
    fs::create_dir(at("empty")).unwrap();
    let (code, found) = captures(folder.path(), &["--recursive", "empty"]);
    assert_eq!((code, found), (2, named(&[("empty", false)])));
    let (code, found) = captures(folder.path(), &["--recursive", "missing"]);
    assert_eq!((code, found[0].1), (2, false));
}

#[cfg(unix)]
#[test]
fn the_search_of_a_folder_follows_no_links() {
    use std::os::unix::fs::symlink;
    let folder = evidence();
    symlink(".", folder.path().join("loop")).unwrap();
    symlink("mounted.reg", folder.path().join("link.reg")).unwrap();
    let (code, found) = captures(folder.path(), &["--recursive", "."]);
    let expected = [
        ("./broken.reg", true),
        ("./mounted.reg", true),
        ("./none.reg", true),
    ];
    assert_eq!((code, found), (0, named(&expected)));
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_read_is_one_error_entry() {
    use std::os::unix::fs::PermissionsExt;
    let folder = evidence();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&closed).is_ok() {
        eprintln!("NOT TESTED: this user may read every folder");
        return;
    }
    let (code, found) = captures(folder.path(), &["--recursive", "."]);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let expected = [
        ("./broken.reg", true),
        ("./closed", false),
        ("./mounted.reg", true),
        ("./none.reg", true),
    ];
    assert_eq!((code, found), (2, named(&expected)));
}

#[test]
fn the_output_is_the_same_however_many_jobs_there_are() {
    let folder = TempDir::new().unwrap();
    for number in 0..60_u32 {
        let text = match number % 7 {
            6 => "no evidence".to_owned(),
            kind => reg(&vec![kind % 4; number as usize]),
        };
        fs::write(folder.path().join(format!("{number:02}.reg")), text).unwrap();
    }
    let names: Vec<String> = (0..60).map(|number| format!("{number:02}.reg\n")).collect();
    fs::write(folder.path().join("list"), names.concat()).unwrap();
    for format in FORMATS {
        let arguments = ["--format", format, "--from=list", "--jobs"];
        let output = |jobs| {
            let run = run(folder.path(), &[&arguments[..], &[jobs]].concat());
            (run.code, run.stdout, run.stderr)
        };
        let one = output("1");
        assert_eq!(one.0, 2);
        assert_eq!(one.2.matches("error: ").count(), 8, "{format}");
        assert!(one == output("4"), "{format}");
    }
}

#[cfg(unix)]
mod interruption {
    use super::*;
    use assert_cmd::cargo::cargo_bin;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::process::{Child, Command, Stdio};

    /// A run whose list never ends, so that it can only be interrupted.
    fn endless(folder: &Path, arguments: &[&str]) -> Child {
        let mut child = Command::new(cargo_bin!("dism-mount-status"))
            .current_dir(folder)
            .args(["--format=jsonl", "--from=-"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let list = child.stdin.as_mut().unwrap();
        list.write_all(&b"broken.reg\n".repeat(200)).unwrap();
        list.flush().unwrap();
        child
    }

    fn interrupt(child: &Child) {
        let id = child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
        assert!(sent.success());
    }

    #[test]
    fn leaves_whole_lines_and_exit_code_130() {
        let folder = evidence();
        let mut child = endless(folder.path(), &[]);
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        output.read_line(&mut text).unwrap();
        interrupt(&child);
        output.read_to_string(&mut text).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert!(text.ends_with('\n'));
        for line in text.lines() {
            serde_json::from_str::<Value>(line).unwrap();
        }
    }

    #[test]
    fn leaves_the_file_as_it_was_and_nothing_beside_it() {
        let folder = evidence();
        let file = folder.path().join("result");
        fs::write(&file, "before").unwrap();
        let count = || fs::read_dir(folder.path()).unwrap().count();
        let before = count();
        let mut child = endless(folder.path(), &["--output=result"]);
        while count() == before {
            assert_eq!(child.try_wait().unwrap(), None);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        interrupt(&child);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_eq!(count(), before);
        assert_eq!(fs::read_to_string(file).unwrap(), "before");
    }
}
