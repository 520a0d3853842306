//! What the command line writes in each format, beyond the golden files: see `golden.rs`.
#![cfg(feature = "cli")]

#[path = "support/command_line.rs"]
mod command_line;
#[path = "support/hive_writer.rs"]
mod hive_writer;
#[path = "support/hives_of_a_machine.rs"]
mod hives_of_a_machine;
#[path = "support/json_schema.rs"]
mod json_schema;

use std::fs;
use std::path::Path;

use command_line::{evidence, reg, run, run_with};
use dism_mount_status::WideString;
use hives_of_a_machine::write_hives;
use json_schema::forbid_unknown_properties;
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn evidence_that_cannot_be_read_is_never_reported_as_nothing_mounted() {
    let folder = evidence();
    let dism = run(folder.path(), &["--format=dism", "missing.reg"]);
    assert!(!dism.stdout.contains("No mounted images found"));
    assert!(!dism.stdout.contains("successfully"));
    let table = run(folder.path(), &["missing.reg"]);
    assert!(!table.stdout.contains("Nothing is mounted"));
    assert!(
        table.stdout.contains("Error: cannot read: "),
        "{}",
        table.stdout
    );
    let lines = run(
        folder.path(),
        &["--format=jsonl", "missing.reg", "mounted.reg"],
    );
    let lines: Vec<Value> = lines
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["evidence"], "missing.reg");
    assert!(lines[0]["error"]["message"].is_string());
    assert_eq!(lines[1]["mount_path"], r"C:\mount\0");
}

#[test]
fn an_export_of_another_key_is_no_all_clear() {
    let folder = evidence();
    let text =
        "Windows Registry Editor Version 5.00\n\n[HKEY_CURRENT_USER\\Console]\n\"x\"=dword:1\n";
    fs::write(folder.path().join("other.reg"), text).unwrap();
    let table = run(folder.path(), &["other.reg"]);
    assert!(
        table
            .stdout
            .contains("Not known whether anything is mounted")
    );
    assert_eq!((table.code, table.stderr.as_str()), (0, ""));
    for format in ["dism", "powershell", "jsonl"] {
        let loud = run(folder.path(), &["--format", format, "other.reg"]);
        assert!(
            loud.stderr.starts_with("warning: other.reg: "),
            "{}",
            loud.stderr
        );
        let quiet = run(folder.path(), &["--quiet", "--format", format, "other.reg"]);
        assert_eq!(quiet.stderr, "");
        assert_eq!(quiet.stdout, loud.stdout);
        assert!(!loud.stdout.contains("No mounted images found"));
        assert!(!loud.stdout.contains("successfully"));
    }
}

#[test]
fn the_code_page_decides_what_ansi_bytes_mean() {
    let folder = evidence();
    let text = reg(&[2]).replace("Windows Registry Editor Version 5.00", "REGEDIT4");
    let mut bytes = text.into_bytes();
    let at = bytes.windows(5).position(|five| five == b"mount").unwrap();
    bytes[at + 1] = 0x9B;
    fs::write(folder.path().join("ansi.reg"), bytes).unwrap();
    for (code_page, letter) in [("437", '¢'), ("cp850", 'ø')] {
        let run = run(
            folder.path(),
            &["--format=powershell", "--code-page", code_page, "ansi.reg"],
        );
        assert!(
            run.stdout.contains(&format!(r"C:\m{letter}unt\0")),
            "{}",
            run.stdout
        );
    }
}

#[test]
fn colours_are_for_terminals_and_for_who_asks() {
    let folder = evidence();
    let is_colored = |arguments: &[&str], variables: &[(&str, &str)]| {
        let run = run_with(folder.path(), arguments, |command| {
            command.envs(variables.iter().copied());
        });
        assert_eq!(run.code, 1);
        run.stdout.contains('\u{1b}')
    };
    assert!(!is_colored(&["broken.reg"], &[]));
    assert!(is_colored(&["--color=always", "broken.reg"], &[]));
    assert!(is_colored(&["broken.reg"], &[("CLICOLOR_FORCE", "1")]));
    assert!(!is_colored(
        &["broken.reg"],
        &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]
    ));
    assert!(!is_colored(
        &["--color=never", "broken.reg"],
        &[("CLICOLOR_FORCE", "1")]
    ));
    assert!(is_colored(
        &["--color=always", "broken.reg"],
        &[("NO_COLOR", "1")]
    ));
    assert!(!is_colored(
        &["--color=always", "--format=dism", "broken.reg"],
        &[]
    ));
}

#[test]
fn lone_surrogates_are_exact_in_both_forms_of_json() {
    let folder = evidence();
    let mut units: Vec<u16> = reg(&[3]).encode_utf16().collect();
    let mount: Vec<u16> = "mount\\\\0".encode_utf16().collect();
    let at = units
        .windows(mount.len())
        .position(|some| some == mount)
        .unwrap();
    units[at] = 0xD800;
    units[at + 1] = 0xDC01;
    units[at + 2] = 0xDFFF;
    let bytes = WideString::from_units(units).to_utf16le();
    fs::write(
        folder.path().join("lone.reg"),
        [&[0xFF, 0xFE][..], &bytes].concat(),
    )
    .unwrap();
    for format in ["json", "jsonl"] {
        let run = run(folder.path(), &["--format", format, "lone.reg"]);
        assert!(
            run.stdout.contains("\"C:\\\\\u{10001}\\udfffnt\\\\0\""),
            "{}",
            run.stdout
        );
    }
    for format in ["table", "dism", "powershell"] {
        let run = run(folder.path(), &["--format", format, "lone.reg"]);
        assert!(
            run.stdout.contains("C:\\\u{10001}\\u{dfff}nt\\0"),
            "{}",
            run.stdout
        );
    }
}

#[test]
fn hostile_names_of_evidence_do_not_reach_the_terminal() {
    let folder = evidence();
    let name = "no\u{1b}[2Jsuch\u{202e}.reg";
    for format in ["table", "dism"] {
        let run = run(folder.path(), &["--format", format, name]);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains(r"no\u{1b}[2Jsuch\u{202e}.reg"), "{said}");
        assert!(!said.contains(['\u{1b}', '\u{202e}']));
    }
}

#[test]
fn a_line_of_jsonl_is_the_image_of_json_with_its_evidence_first() {
    let folder = evidence();
    let whole = run(folder.path(), &["--format=json", "broken.reg"]).stdout;
    let whole: Value = serde_json::from_str(&whole).unwrap();
    let line = run(folder.path(), &["--format=jsonl", "broken.reg"]).stdout;
    assert!(
        line.starts_with(r#"{"evidence":"broken.reg","captured":"unknown","mount_id":"#),
        "{line}"
    );
    let mut line: Value = serde_json::from_str(&line).unwrap();
    let line = line.as_object_mut().unwrap();
    line.remove("evidence");
    line.remove("captured");
    assert_eq!(
        &Value::Object(line.clone()),
        &whole["captures"][0]["mounted_images"][0]
    );
}

#[test]
fn a_hive_is_read_with_the_logs_and_the_system_hive_beside_it() {
    let folder = TempDir::new().unwrap();
    write_hives(folder.path());
    let table = run(folder.path(), &["SOFTWARE"]);
    assert_eq!((table.code, table.stderr.as_str()), (1, ""));
    for text in [
        "Registry hive with one entry of its transaction logs.",
        "1. NeedsRemount  C:\\mount\n",
        "Key written  2024-12-",
        "1 mounted image: 1 NeedsRemount.",
    ] {
        assert!(
            table.stdout.contains(text),
            "{text:?} not in {}",
            table.stdout
        );
    }
    fs::remove_file(folder.path().join("SOFTWARE.LOG1")).unwrap();
    let without_log = run(folder.path(), &["SOFTWARE"]).stdout;
    assert!(
        without_log.contains("No mounted image was found, but not all"),
        "{without_log}"
    );
    assert!(
        without_log.contains("the newest changes may be missing"),
        "{without_log}"
    );
}

#[test]
fn a_timeline_has_the_registration_and_the_shutdown() {
    let folder = TempDir::new().unwrap();
    write_hives(folder.path());
    let timeline = run(folder.path(), &["--format=timeline", "SOFTWARE"]);
    assert_eq!((timeline.code, timeline.stderr.as_str()), (1, ""));
    let events: Vec<Value> = timeline
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<(&str, &str)> = events
        .iter()
        .map(|event| {
            assert_eq!(event["evidence"], "SOFTWARE");
            assert!(
                event["message"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty())
            );
            let text = |name: &str| event[name].as_str().unwrap();
            (text("timestamp_desc"), text("datetime"))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("Last Shutdown Time", "2024-12-28T14:23:01.073305+00:00"),
            (
                "Mount Registration Last Written",
                "2024-12-28T08:10:47.243366+00:00"
            ),
        ]
    );
    assert_eq!(events[1]["mount_path"], r"C:\mount");
    assert_eq!(events[1]["mount_status"], "NeedsRemount");
    let report = run(folder.path(), &["--format=json", "SOFTWARE"]).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    let shutdown = report["captures"][0]["last_shutdown"].as_str().unwrap();
    assert!(shutdown.starts_with("2024-12-28T14:23:01.073305"));
}

#[test]
fn a_hive_can_come_from_standard_input() {
    let folder = TempDir::new().unwrap();
    write_hives(folder.path());
    let hive = fs::read(folder.path().join("SYSTEM")).unwrap();
    let run = run_with(folder.path(), &["-"], |command| {
        command.write_stdin(hive.as_slice());
    });
    assert_eq!(run.code, 0);
    assert!(
        run.stdout.contains("Not known whether anything is mounted"),
        "{}",
        run.stdout
    );
}

#[test]
fn the_json_schema_knows_everything_that_a_report_holds() {
    let folder = evidence();
    let mut schema: Value =
        serde_json::from_str(&run(folder.path(), &["--generate=json-schema"]).stdout).unwrap();
    forbid_unknown_properties(&mut schema);
    write_hives(folder.path());
    let validator = jsonschema::validator_for(&schema).unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/registry");
    for evidence in [
        folder.path().join("mounted.reg"),
        folder.path().join("missing.reg"),
        folder.path().join("SOFTWARE"),
        fixtures.join("every-status.reg"),
        fixtures.join("another-key.reg"),
    ] {
        let run = run(
            folder.path(),
            &["--format=json", evidence.to_str().unwrap()],
        );
        let mut report: Value = serde_json::from_str(&run.stdout).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&report)
            .map(|e| e.to_string())
            .collect();
        assert_eq!(errors, [] as [String; 0], "{}", evidence.display());
        report["captures"][0]["captured"] = "asleep".into();
        assert!(!validator.is_valid(&report));
        report["captures"][0]
            .as_object_mut()
            .unwrap()
            .remove("captured");
        assert!(!validator.is_valid(&report));
    }
}

#[test]
fn the_manual_page_and_the_completions_name_every_option() {
    let folder = evidence();
    let options = [
        "captured",
        "code-page",
        "format",
        "fail-on",
        "output",
        "quiet",
        "color",
        "generate",
    ];
    for what in [
        "man",
        "complete-bash",
        "complete-zsh",
        "complete-fish",
        "complete-powershell",
    ] {
        let run = run(folder.path(), &["--generate", what]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{what}");
        // roff writes hyphens as `\-`.
        let text = run.stdout.replace("\\-", "-");
        for option in options {
            assert!(text.contains(option), "{what} lacks --{option}");
        }
    }
}
