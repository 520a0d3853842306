//! Every registry fixture in every output format, compared with the files beside it.
//!
//! `fixtures/registry/one-mounted.reg` has `one-mounted.reg.table`, `one-mounted.reg.json` and so on. They are written anew with
//! `UPDATE_GOLDEN=1 cargo test --features cli --test golden`; the difference is then there to be read in version control.
#![cfg(feature = "cli")]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::cargo::cargo_bin_cmd;
use walkdir::WalkDir;

const FORMATS: [&str; 5] = ["table", "dism", "powershell", "json", "jsonl"];

/// What lies in the folder and is no evidence: how the fixtures were made, and options that one needs (`NAME.options`).
const NO_EVIDENCE: [&str; 4] = ["md", "py", "sh", "options"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/registry")
}

/// The fixtures of the folder, and the golden outputs.
fn files() -> (Vec<PathBuf>, BTreeSet<PathBuf>) {
    let mut fixtures = Vec::new();
    let mut golden = BTreeSet::new();
    for entry in WalkDir::new(folder()).sort_by_file_name() {
        let entry = entry.unwrap();
        let extension = entry.path().extension().and_then(OsStr::to_str);
        match extension.unwrap_or_default() {
            _ if !entry.file_type().is_file() => (),
            extension if FORMATS.contains(&extension) => {
                golden.insert(entry.into_path());
            }
            extension if NO_EVIDENCE.contains(&extension) => (),
            _ => fixtures.push(entry.into_path()),
        }
    }
    (fixtures, golden)
}

fn golden_file(fixture: &Path, format: &str) -> PathBuf {
    let mut name = fixture.as_os_str().to_owned();
    name.push(".");
    name.push(format);
    name.into()
}

/// What the program prints, with the version left out.
fn output(fixture: &Path, format: &str) -> String {
    let name = fixture.strip_prefix(folder()).unwrap();
    let options = fs::read_to_string(golden_file(fixture, "options")).unwrap_or_default();
    let output = cargo_bin_cmd!("dism-mount-status")
        .current_dir(folder())
        .env_remove("CLICOLOR_FORCE")
        .args(["--format", format])
        .args(options.split_whitespace())
        .arg(name)
        .output()
        .unwrap();
    let version = env!("CARGO_PKG_VERSION");
    String::from_utf8(output.stdout)
        .unwrap()
        .replace(
            &format!("\"version\": \"{version}\""),
            "\"version\": \"VERSION\"",
        )
        .replace(&format!("\nVersion: {version}\n"), "\nVersion: VERSION\n")
}

#[test]
fn every_registry_fixture_is_reported_as_its_golden_files_say() {
    let (fixtures, mut golden) = files();
    assert!(!fixtures.is_empty());
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut differing = Vec::new();
    for fixture in &fixtures {
        for format in FORMATS {
            let file = golden_file(fixture, format);
            let output = output(fixture, format);
            if update {
                fs::write(&file, &output).unwrap();
            } else if fs::read(&file).ok().as_deref() != Some(output.as_bytes()) {
                differing.push(file.clone());
            }
            golden.remove(&file);
        }
    }
    if update {
        golden
            .iter()
            .for_each(|file| fs::remove_file(file).unwrap());
        golden.clear();
    }
    assert_eq!(
        differing,
        [] as [PathBuf; 0],
        "differ or are missing; UPDATE_GOLDEN=1 writes them anew"
    );
    assert!(golden.is_empty(), "stand beside no fixture: {golden:?}");
}

#[test]
fn no_output_for_people_holds_what_acts_on_a_terminal() {
    let (fixtures, _) = files();
    for fixture in &fixtures {
        for format in ["table", "dism", "powershell"] {
            let output = output(fixture, format);
            let acting = output.chars().find(|&c| {
                (c.is_control() && c != '\n')
                    || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
            });
            assert_eq!(acting, None, "{} as {format}", fixture.display());
        }
    }
}
