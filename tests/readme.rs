//! The README says what the program does.
#![cfg(feature = "cli")]

use std::fs;
use std::path::Path;

use assert_cmd::cargo::cargo_bin_cmd;
use dism_mount_status::{FindingCode, WarningCode};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn readme() -> String {
    fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap()
}

#[test]
fn the_readme_shows_what_its_first_command_prints() {
    let output = cargo_bin_cmd!("dism-mount-status")
        .current_dir(ROOT)
        .env_remove("CLICOLOR_FORCE")
        .arg("fixtures/registry/one-mounted.reg")
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        readme().contains(&format!("```text\n{printed}```\n")),
        "the README shows something else than\n{printed}"
    );
}

#[test]
fn the_readme_has_every_code_and_no_other() {
    let readme = readme();
    let rows = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let is_code = |row: &&str| {
        row.contains('-')
            && !row.starts_with("--")
            && row
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit())
    };
    let documented: Vec<&str> = rows.filter(is_code).collect();
    let findings = FindingCode::ALL.iter().map(|code| code.as_str());
    let warnings = WarningCode::ALL.iter().map(|code| code.as_str());
    let known: Vec<&str> = findings
        .chain(warnings)
        .filter(|code| code.contains('-'))
        .collect();
    assert_eq!(documented, known);
    let findings = FindingCode::ALL
        .iter()
        .map(|code| (code.as_str(), code.description()));
    let warnings = WarningCode::ALL
        .iter()
        .map(|code| (code.as_str(), code.description()));
    for (code, description) in findings.chain(warnings) {
        let row = format!("\n| `{code}` | {description} |\n");
        assert!(readme.contains(&row), "the README lacks{row}");
    }
}

#[test]
fn the_readme_has_every_option() {
    let help = cargo_bin_cmd!("dism-mount-status")
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let readme = readme();
    let options = help.lines().filter_map(|line| {
        let option = line
            .trim_start()
            .trim_start_matches("-h, ")
            .trim_start_matches("-V, ")
            .strip_prefix("--")?;
        option.split([' ', ',']).next()
    });
    let missing: Vec<&str> = options
        .filter(|option| {
            !["help", "version", "generate"].contains(option)
                && !readme.contains(&format!("`--{option}"))
        })
        .collect();
    assert_eq!(missing, [] as [&str; 0]);
}
