//! Runs the command line, for tests, on evidence of a few lines.
#![allow(dead_code)]

use std::fs;
use std::path::Path;

use assert_cmd::cargo::cargo_bin_cmd;
use tempfile::TempDir;

/// The output formats, as `--format` calls them.
pub(crate) const FORMATS: [&str; 11] = [
    "table",
    "dism",
    "powershell",
    "json",
    "jsonl",
    "csv",
    "sarif",
    "github",
    "timeline",
    "summary",
    "html",
];

/// A `.reg` text with one registration per `Status` value.
pub(crate) fn reg(progress_values: &[u32]) -> String {
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
pub(crate) fn evidence() -> TempDir {
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

/// How a run ended and what it printed.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program in a folder, after a last preparation.
pub(crate) fn run_with(
    folder: &Path,
    arguments: &[&str],
    prepare: impl Fn(&mut assert_cmd::Command),
) -> Run {
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

/// Runs the program in a folder.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Run {
    run_with(folder, arguments, |_| ())
}
