//! The fixtures in the output formats, compared with the files beside them: which fixture in which format, [`formats`] says.
//!
//! `fixtures/registry/one-mounted.reg` has `one-mounted.reg.table`, `one-mounted.reg.json` and so on. They are written anew with
//! `UPDATE_GOLDEN=1 cargo test --features cli --test golden`; the difference is then there to be read in version control. What
//! would be the same in every file is left out of all but those of `one-mounted.reg`: SARIF's rules, HTML's style and script.
#![cfg(feature = "cli")]

#[path = "support/command_line.rs"]
mod command_line;
#[path = "support/disk_fixtures.rs"]
mod disk_fixtures;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::cargo::cargo_bin_cmd;
use command_line::FORMATS;
use disk_fixtures::{DISK_FIXTURES, unpack_disk_fixture};
use tempfile::TempDir;
use walkdir::WalkDir;

/// What lies in the folder and is no evidence: how the fixtures were made, and options that one needs (`NAME.options`).
const NO_EVIDENCE: [&str; 4] = ["md", "py", "sh", "options"];

/// The folders in which each file is evidence.
const SINGLE_FILES: [&str; 3] = ["registry", "captured-wim", "collections"];
/// Disk images, which are compressed: those in one file, and those that need another.
const DISK_IMAGES: [&str; 2] = ["qcow2-backing", "vhdx"];
/// Read together with the first part.
const FURTHER_PARTS: [&str; 1] = ["split2.swm"];

/// In which formats a fixture is compared: those that hold every kind of thing in all, the others in those that tell most.
fn formats(name: &str) -> &'static [&'static str] {
    match name {
        "every-status.reg" | "hostile-strings.reg" | "one-mounted.reg" | "nothing-mounted.reg" => {
            &FORMATS
        }
        "orphaned-mount" => &["table", "json", "csv", "sarif", "github", "html"],
        "needs-remount" | "two-drives" | "lzx.wim" => &["table", "json", "timeline"],
        "collection.zip" => &["table", "json", "timeline"],
        "split.swm" | "solid.esd" | "lzms.wim" => &["table", "json"],
        _ if [".zip", ".gz", ".xz", ".zst"]
            .iter()
            .any(|end| name.ends_with(end)) =>
        {
            &["table", "json"]
        }
        _ if name.contains('.') => &FORMATS[..5],
        _ => &["table", "json"],
    }
}

fn fixtures_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// A piece of evidence, and where its golden outputs lie.
struct Fixture {
    /// The folder that the evidence is named from.
    folder: PathBuf,
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

/// The fixtures, and all golden outputs that there are. What is compressed is unpacked into a folder.
fn files(unpacked: &TempDir) -> (Vec<Fixture>, BTreeSet<PathBuf>) {
    let mut fixtures = Vec::new();
    let mut golden = BTreeSet::new();
    let single_files = SINGLE_FILES.map(|folder| fixtures_folder().join(folder));
    for entry in single_files
        .into_iter()
        .flat_map(|folder| WalkDir::new(folder).sort_by_file_name())
    {
        let path = entry.unwrap().into_path();
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        let name = path.file_name().and_then(OsStr::to_str).unwrap();
        if FORMATS.contains(&extension) {
            golden.insert(path);
        } else if path.is_file()
            && !NO_EVIDENCE.contains(&extension)
            && !FURTHER_PARTS.contains(&name)
        {
            fixtures.push(Fixture {
                formats: formats(name),
                golden: path.clone(),
                folder: fixtures_folder(),
                evidence: path,
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
            let case = path.parent().unwrap().file_name().unwrap();
            fixtures.push(Fixture {
                formats: formats(case.to_str().unwrap()),
                golden: path.with_file_name("report"),
                folder: fixtures_folder(),
                evidence: path,
            });
        }
    }
    for entry in fs::read_dir(DISK_FIXTURES).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(OsStr::to_str);
        if extension.is_some_and(|extension| FORMATS.contains(&extension)) {
            golden.insert(
                fixtures_folder()
                    .join("disk-images")
                    .join(path.file_name().unwrap()),
            );
        }
    }
    for kind in DISK_IMAGES {
        let place = unpacked.path().join("disk-images").join(kind);
        fixtures.push(Fixture {
            formats: &["table", "json"],
            golden: fixtures_folder().join("disk-images").join(kind),
            folder: unpacked.path().to_owned(),
            evidence: unpack_disk_fixture(kind, &place),
        });
    }
    (fixtures, golden)
}

/// What the program prints, with the version left out, and the times that a checkout gives to files.
fn output(fixture: &Fixture, format: &str) -> String {
    let name = fixture.evidence.strip_prefix(&fixture.folder).unwrap();
    let options = fs::read_to_string(fixture.file("options")).unwrap_or_default();
    let output = cargo_bin_cmd!("dism-mount-status")
        .current_dir(&fixture.folder)
        .env_remove("CLICOLOR_FORCE")
        .args(["--find-orphans", "--format", format])
        .args(options.split_whitespace())
        .arg(name)
        .output()
        .unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    for (before, behind) in [
        ("\"version\": \"", "\""),
        ("\"semanticVersion\": \"", "\""),
        ("\nVersion: ", ".0\n"),
        ("dism-mount-status ", "<"),
        ("dism-mount-status ", "\""),
    ] {
        text = text.replace(
            &format!("{before}{version}{behind}"),
            &format!("{before}VERSION{behind}"),
        );
    }
    for (before, behind) in [
        ("was written at ", ","),
        ("\"image_file_modified\": \"", "\""),
        ("<dt>Image file written</dt><dd>", "<"),
        (FILE_WRITTEN, "\""),
    ] {
        text = replaced(&text, before, behind, "TIME");
    }
    if !fixture.evidence.ends_with("one-mounted.reg") {
        for (before, behind) in [
            ("          \"rules\": [", "\n          ]"),
            ("          \"notifications\": [", "\n          ]"),
        ] {
            text = replaced(&text, before, behind, "");
        }
        for (before, behind) in [
            ("<style>", "</style>"),
            ("<script>", "</script>"),
            ("'sha256-", "'"),
        ] {
            text = replaced(&text, before, behind, "...");
        }
    }
    text
}

/// Where a time line tells when an image file was written.
const FILE_WRITTEN: &str = "\"timestamp_desc\":\"Content Modification Time\",\"datetime\":\"";

/// The text with something else in every place that begins behind one text and ends before the next of another.
fn replaced(text: &str, before: &str, behind: &str, with: &str) -> String {
    let mut parts = text.split(before);
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, rest) = part.split_once(behind).unwrap();
        replaced += &[before, with, behind, rest].concat();
    }
    replaced
}

#[test]
#[cfg_attr(
    windows,
    ignore = "the outputs have paths of the host, with its separators"
)]
fn every_fixture_is_reported_as_its_golden_files_say() {
    let unpacked = TempDir::new().unwrap();
    let (fixtures, mut golden) = files(&unpacked);
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
fn no_output_but_json_holds_what_acts_on_a_terminal() {
    let unpacked = TempDir::new().unwrap();
    let (fixtures, _) = files(&unpacked);
    let machine_readable = ["json", "jsonl"];
    for fixture in &fixtures {
        for format in FORMATS.iter().filter(|f| !machine_readable.contains(f)) {
            let output = output(fixture, format);
            let acting = output.chars().find(|&c| {
                (c.is_control() && c != '\n' && !(*format == "csv" && c == '\r'))
                    || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
            });
            assert_eq!(acting, None, "{} as {format}", fixture.evidence.display());
        }
    }
}
