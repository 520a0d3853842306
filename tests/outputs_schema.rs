//! The published JSON Schemas are current, and every JSON report beside a fixture follows them.
#![cfg(feature = "cli")]

#[path = "support/command_line.rs"]
mod command_line;
#[path = "support/json_schema.rs"]
mod json_schema;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use command_line::{evidence, run};
use json_schema::forbid_unknown_properties;
use serde_json::Value;
use walkdir::WalkDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema(name: &str) -> Value {
    serde_json::from_slice(&fs::read(root().join("schema").join(name)).unwrap()).unwrap()
}

/// The golden outputs of a format.
fn golden(format: &str) -> Vec<PathBuf> {
    let files = WalkDir::new(root().join("fixtures")).into_iter();
    files
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.is_file() && path.extension() == Some(OsStr::new(format)))
        .collect()
}

/// What serde_json, and with it the validator, can hold: no lone surrogates.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| {
        let text = text
            .replace("\\ud800", "\\ufffd")
            .replace("\\udc00", "\\ufffd");
        serde_json::from_str(&text).unwrap()
    })
}

fn assert_valid(validator: &jsonschema::Validator, value: &Value, of: &Path) {
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|e| e.to_string())
        .collect();
    assert_eq!(errors, [] as [String; 0], "{}", of.display());
}

#[test]
fn the_published_schemas_are_what_the_program_generates() {
    for (what, name) in [
        ("json-schema", "report.schema.json"),
        ("jsonl-schema", "jsonl.schema.json"),
    ] {
        let generated = run(root(), &["--generate", what]).stdout;
        let published = fs::read_to_string(root().join("schema").join(name)).unwrap();
        assert_eq!(
            published.replace("\r\n", "\n"),
            generated,
            "dism-mount-status --generate {what} > schema/{name}"
        );
    }
}

#[test]
fn every_report_beside_a_fixture_follows_the_schema() {
    let mut schema = schema("report.schema.json");
    forbid_unknown_properties(&mut schema);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let reports = golden("json");
    assert!(reports.len() > 30);
    for path in reports {
        let report = fs::read_to_string(&path).unwrap();
        assert_valid(&validator, &parsed(&report), &path);
    }
}

#[test]
fn every_line_beside_a_fixture_follows_the_schema() {
    let validator = jsonschema::validator_for(&schema("jsonl.schema.json")).unwrap();
    let mut lines = 0;
    for path in golden("jsonl") {
        for line in fs::read_to_string(&path).unwrap().lines() {
            let mut line = parsed(line);
            assert_valid(&validator, &line, &path);
            lines += 1;
            line["mount_status"] = "Fine".into();
            assert!(!validator.is_valid(&line));
        }
    }
    assert!(lines > 40);
    let folder = evidence();
    let unread = run(folder.path(), &["--format=jsonl", "missing.reg"]).stdout;
    let mut unread = parsed(&unread);
    assert_valid(&validator, &unread, Path::new("missing.reg"));
    unread["error"] = Value::Null;
    assert!(!validator.is_valid(&unread));
}
