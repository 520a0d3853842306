//! The command line from outside: what it takes, where it writes, what it says and ends with.
#![cfg(feature = "cli")]

#[path = "support/command_line.rs"]
mod command_line;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin;
use command_line::{evidence, reg, run, run_with};
use serde_json::Value;

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
    fs::create_dir(folder.path().join("empty")).unwrap();
    for bad in ["missing.reg", "text.txt", "empty"] {
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
    // The reader of a format that begins with more than a pipe's buffer holds may be gone before anything is reported.
    for format in ["sarif", "csv", "html", "timeline", "summary"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(cargo_bin!("dism-mount-status"))
            .current_dir(folder.path())
            .args(["--format", format, "--fail-on=any", "many.reg"])
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{format}");
        assert_eq!(output.status.code(), Some(1), "{format}");
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
