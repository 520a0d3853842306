//! The command line from outside: what it takes, prints, says and ends with.
#![cfg(feature = "cli")]

#[path = "support/hive_writer.rs"]
mod hive_writer;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use assert_cmd::cargo::{cargo_bin, cargo_bin_cmd};
use dism_mount_status::WideString;
use hive_writer::{HiveWriter, Key, LogEntry, REG_BINARY, entries_log, set_sequence};
use serde_json::Value;
use tempfile::TempDir;

/// A `.reg` text with one registration per `Status` value.
fn reg(progress_values: &[u32]) -> String {
    let mut text = String::from(
        "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\WIMMount\\Mounted Images]\r\n\r\n",
    );
    for (number, progress) in progress_values.iter().enumerate() {
        text += &format!(
            "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\WIMMount\\Mounted Images\\{{{number:08x}-66ed-4958-b9ec-c49b07eaeeb5}}]\r\n\
             \"WIM Path\"=\"C:\\\\images\\\\{number}.wim\"\r\n\"Mount Path\"=\"C:\\\\mount\\\\{number}\"\r\n\
             \"Image Index\"=dword:00000001\r\n\"Status\"=dword:{progress:08x}\r\n\r\n"
        );
    }
    text
}

/// A folder with `mounted.reg` (Status 2), `broken.reg` (Status 3), `none.reg`, and `text.txt`, which is no evidence.
fn evidence() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in [
        ("mounted.reg", reg(&[2])),
        ("broken.reg", reg(&[3])),
        ("none.reg", reg(&[])),
        ("text.txt", "nothing of the kind\r\n".to_owned()),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

fn run_with(folder: &Path, arguments: &[&str], prepare: impl Fn(&mut assert_cmd::Command)) -> Run {
    let mut command = cargo_bin_cmd!("dism-mount-status");
    command
        .current_dir(folder)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .args(arguments);
    prepare(&mut command);
    let output = command.output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Run {
    run_with(folder, arguments, |_| ())
}

#[test]
fn the_exit_code_tells_the_worst_state_from_the_one_asked_for_on() {
    let folder = evidence();
    let code = |arguments: &[&str]| run(folder.path(), arguments).code;
    assert_eq!(code(&["none.reg"]), 0);
    assert_eq!(code(&["--fail-on=any", "none.reg"]), 0);
    assert_eq!(code(&["--captured=running", "mounted.reg"]), 0);
    assert_eq!(code(&["mounted.reg"]), 0);
    assert_eq!(code(&["--captured=stopped", "mounted.reg"]), 1);
    assert_eq!(
        code(&["--captured=stopped", "--fail-on=invalid", "mounted.reg"]),
        0
    );
    assert_eq!(code(&["--fail-on=any", "mounted.reg"]), 1);
    assert_eq!(code(&["broken.reg"]), 1);
    assert_eq!(code(&["--fail-on=invalid", "broken.reg"]), 1);
    assert_eq!(code(&["--fail-on=never", "broken.reg"]), 0);
    assert_eq!(code(&["none.reg", "broken.reg", "mounted.reg"]), 1);
}

#[test]
fn one_bad_piece_of_evidence_does_not_hide_the_others() {
    let folder = evidence();
    for bad in ["missing.reg", "text.txt", "."] {
        let arguments = [
            "--format=json",
            "--fail-on=never",
            "broken.reg",
            bad,
            "mounted.reg",
        ];
        let run = run(folder.path(), &arguments);
        assert_eq!(run.code, 2, "{bad}");
        assert!(
            run.stderr.starts_with(&format!("error: {bad}: ")),
            "{}",
            run.stderr
        );
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        let captures = report["captures"].as_array().unwrap();
        let evidence: Vec<&str> = captures
            .iter()
            .map(|capture| capture["evidence"].as_str().unwrap())
            .collect();
        assert_eq!(evidence, ["broken.reg", bad, "mounted.reg"]);
        assert_eq!(captures[0]["mounted_images"][0]["mount_status"], "Invalid");
        assert_eq!(captures[1]["mounted_images"], Value::Array(vec![]));
        assert!(captures[1]["error"]["message"].is_string());
        assert_eq!(captures[2]["mounted_images"][0]["mount_status"], "Ok");
        assert_eq!(captures[2]["error"], Value::Null);
    }
}

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
    }
}

#[test]
fn many_warnings_are_told_in_few_lines() {
    let folder = evidence();
    let text = reg(&[2]) + &"damaged\r\n".repeat(30);
    fs::write(folder.path().join("damaged.reg"), text).unwrap();
    let run = run(folder.path(), &["--format=dism", "damaged.reg"]);
    assert_eq!(run.stderr.lines().count(), 11);
    let last = "warning: damaged.reg: and 20 more, which `--format json` shows\n";
    assert!(run.stderr.ends_with(last), "{}", run.stderr);
}

#[test]
fn quiet_still_says_errors() {
    let folder = evidence();
    let run = run(folder.path(), &["--quiet", "missing.reg", "mounted.reg"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.starts_with("error: missing.reg: "));
    assert!(run.stdout.contains(r"C:\mount\0"));
}

#[test]
fn standard_input_is_evidence_like_any_other() {
    let folder = evidence();
    let piped = run_with(
        folder.path(),
        &["--format=jsonl", "none.reg", "-"],
        |command| {
            command.write_stdin(reg(&[3]));
        },
    );
    assert_eq!(piped.code, 1);
    let line: Value = serde_json::from_str(&piped.stdout).unwrap();
    assert_eq!(line["evidence"], "-");
    let empty = run_with(folder.path(), &["-"], |command| {
        command.write_stdin("");
    });
    assert_eq!(empty.code, 2);
    assert!(empty.stderr.starts_with("error: -: "), "{}", empty.stderr);
}

#[test]
fn wrong_usage_ends_with_2_and_prints_nothing_on_standard_output() {
    let folder = evidence();
    for arguments in [
        &[][..],
        &["--format=yaml", "none.reg"],
        &["--captured=maybe", "none.reg"],
        &["--code-page=klingon", "none.reg"],
        &["--no-such-option", "none.reg"],
        &["--generate=man", "none.reg"],
        &["-", "-"],
        &["--output=mounted.reg", "none.reg", "./mounted.reg"],
    ] {
        let run = run(folder.path(), arguments);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(
            run.stderr.starts_with("error: "),
            "{arguments:?}: {}",
            run.stderr
        );
    }
    assert_eq!(
        fs::read_to_string(folder.path().join("mounted.reg")).unwrap(),
        reg(&[2])
    );
}

#[test]
fn help_and_version_are_output_and_no_error() {
    let folder = evidence();
    for arguments in ["-h", "--help", "--version"] {
        let run = run(folder.path(), &[arguments]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{arguments}");
        assert!(
            run.stdout.lines().all(|line| line.len() <= 100),
            "{}",
            run.stdout
        );
    }
    assert!(run(folder.path(), &["--help"]).stdout.contains("Examples:"));
    let version = format!("dism-mount-status {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(folder.path(), &["--version"]).stdout, version);
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
fn a_reader_that_goes_away_ends_the_program_quietly() {
    let folder = evidence();
    let values = vec![2; 1_500];
    fs::write(folder.path().join("many.reg"), reg(&values)).unwrap();
    for format in ["table", "dism", "powershell", "json", "jsonl"] {
        let mut child = Command::new(cargo_bin!("dism-mount-status"))
            .current_dir(folder.path())
            .args(["--format", format, "--fail-on=any", "many.reg"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{format}");
        assert_eq!(output.status.code(), Some(1), "{format}");
        assert!(!line.is_empty());
    }
}

#[test]
fn output_goes_to_the_file_and_nowhere_else() {
    let folder = evidence();
    let file = folder.path().join("result.json");
    fs::write(&file, "what was there before, and longer than nothing").unwrap();
    let written = run(
        folder.path(),
        &["--format=json", "--output=result.json", "broken.reg"],
    );
    assert_eq!(
        (
            written.code,
            written.stdout.as_str(),
            written.stderr.as_str()
        ),
        (1, "", "")
    );
    let printed = run(folder.path(), &["--format=json", "broken.reg"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), printed.stdout);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        5,
        "a file was left behind"
    );
}

#[test]
fn output_that_cannot_be_written_ends_with_2() {
    let folder = evidence();
    for file in ["no-such-folder/result", "."] {
        let run = run(folder.path(), &["--output", file, "none.reg"]);
        assert_eq!(run.code, 2);
        assert!(
            run.stderr
                .starts_with(&format!("error: cannot write {file}: ")),
            "{}",
            run.stderr
        );
    }
}

#[cfg(unix)]
#[test]
fn output_keeps_links_permissions_and_devices() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = evidence();
    let file = folder.path().join("result");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("result", folder.path().join("link")).unwrap();
    assert_eq!(run(folder.path(), &["--output=link", "none.reg"]).code, 0);
    assert!(folder.path().join("link").is_symlink());
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .contains("Nothing is mounted")
    );
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o640
    );
    assert_eq!(
        run(folder.path(), &["--output=/dev/null", "none.reg"]).code,
        0
    );
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

/// Writes a SOFTWARE hive without mounts, a log that adds one, and a SYSTEM hive of a later shutdown.
fn write_hives(folder: &Path) {
    let mounted_images = |images: Key| {
        let path = ["Microsoft", "WIMMount"];
        HiveWriter::default().write(&Key::new("SOFTWARE").key_at(&path, images))
    };
    let image = Key::new("{e242237c-66ed-4958-b9ec-c49b07eaeeb5}")
        .written(0x01DB_5900_0000_0000)
        .sz("WIM Path", r"C:\images\install.wim")
        .sz("Mount Path", r"C:\mount")
        .dword("Image Index", 1)
        .dword("Status", 2);
    let mut before = mounted_images(Key::new("Mounted Images"));
    let after = mounted_images(Key::new("Mounted Images").key(image));
    let log = entries_log(&before, &[LogEntry::between(&before, &after, 7)]);
    set_sequence(&mut before, 8, 7);
    let shutdown = u64::to_le_bytes(0x01DB_5934_0000_0000);
    let windows = Key::new("Windows").value("ShutdownTime", REG_BINARY, &shutdown);
    let service = Key::new("WIMMount")
        .dword("Start", 3)
        .sz("ImagePath", "wimmount.sys");
    let system = Key::new("SYSTEM")
        .key(Key::new("Select").dword("Current", 1))
        .key_at(&["ControlSet001", "Control"], windows)
        .key_at(&["ControlSet001", "Services"], service);
    for (name, bytes) in [
        ("SOFTWARE", &before),
        ("SOFTWARE.LOG1", &log),
        ("SYSTEM", &HiveWriter::default().write(&system)),
    ] {
        fs::write(folder.join(name), bytes).unwrap();
    }
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
        "Registered   2024-12-",
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

fn forbid_unknown_properties(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(forbid_unknown_properties);
            if object.get("properties").is_some_and(Value::is_object) && object.contains_key("type")
            {
                object.insert("additionalProperties".to_owned(), false.into());
            }
        }
        Value::Array(array) => array.iter_mut().for_each(forbid_unknown_properties),
        _ => (),
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
