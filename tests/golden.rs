//! Every registry fixture in every output format, and every captured tree as table and JSON, compared with the files beside it.
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

/// In which formats the captured trees are compared.
const TREE_FORMATS: [&str; 2] = ["table", "json"];

fn fixtures_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// A piece of evidence, and where its golden outputs lie.
struct Fixture {
    evidence: PathBuf,
    /// The golden outputs' path, without the format.
    golden: PathBuf,
    formats: &'static [&'static str],
}

impl Fixture {
    fn file(&self, extension: &str) -> PathBuf {
        let mut name = self.golden.as_os_str().to_owned();
        name.push(".");
        name.push(extension);
        name.into()
    }
}

/// The fixtures, and all golden outputs that there are.
fn files() -> (Vec<Fixture>, BTreeSet<PathBuf>) {
    let mut fixtures = Vec::new();
    let mut golden = BTreeSet::new();
    for entry in WalkDir::new(fixtures_folder().join("registry")).sort_by_file_name() {
        let path = entry.unwrap().into_path();
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        if FORMATS.contains(&extension) {
            golden.insert(path);
        } else if path.is_file() && !NO_EVIDENCE.contains(&extension) {
            fixtures.push(Fixture {
                golden: path.clone(),
                evidence: path,
                formats: &FORMATS,
            });
        }
    }
    let cases = WalkDir::new(fixtures_folder().join("captures"))
        .min_depth(1)
        .max_depth(2);
    for entry in cases.sort_by_file_name() {
        let path = entry.unwrap().into_path();
        if path.file_stem() == Some(OsStr::new("report")) {
            golden.insert(path);
        } else if path.ends_with("tree") {
            let golden = path.with_file_name("report");
            fixtures.push(Fixture {
                evidence: path,
                golden,
                formats: &TREE_FORMATS,
            });
        }
    }
    (fixtures, golden)
}

/// What the program prints, with the version left out, and the times that a checkout gives to files.
fn output(fixture: &Fixture, format: &str) -> String {
    let name = fixture.evidence.strip_prefix(fixtures_folder()).unwrap();
    let options = fs::read_to_string(fixture.file("options")).unwrap_or_default();
    let output = cargo_bin_cmd!("dism-mount-status")
        .current_dir(fixtures_folder())
        .env_remove("CLICOLOR_FORCE")
        .args(["--find-orphans", "--format", format])
        .args(options.split_whitespace())
        .arg(name)
        .output()
        .unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let text = String::from_utf8(output.stdout)
        .unwrap()
        .replace(
            &format!("\"version\": \"{version}\""),
            "\"version\": \"VERSION\"",
        )
        .replace(&format!("\nVersion: {version}\n"), "\nVersion: VERSION\n");
    let mut parts = text.split("was written at ");
    let mut without_times = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, behind_time) = part.split_once(',').unwrap();
        without_times += "was written at TIME,";
        without_times += behind_time;
    }
    without_times
}

#[test]
fn every_fixture_is_reported_as_its_golden_files_say() {
    let (fixtures, mut golden) = files();
    assert!(fixtures.len() > 30);
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut differing = Vec::new();
    for fixture in &fixtures {
        for format in fixture.formats {
            let file = fixture.file(format);
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
            assert_eq!(acting, None, "{} as {format}", fixture.evidence.display());
        }
    }
}
