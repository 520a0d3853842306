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

/// What stands between backquotes in the first cells of a table of the README, by the first column's title.
fn first_column(title: &str) -> Vec<String> {
    let readme = readme();
    let (_, table) = readme.split_once(&format!("\n| {title} |")).unwrap();
    let rows = table.lines().skip(2);
    let cells = rows.map_while(|row| row.strip_prefix("| ")?.split(" | ").next());
    let names = cells.map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned));
    names.flatten().collect()
}

#[test]
fn the_readme_has_every_format() {
    let output = cargo_bin_cmd!("dism-mount-status")
        .args(["--format=no-such-format", "-"])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let (_, possible) = error.split_once("[possible values: ").unwrap();
    let (possible, _) = possible.split_once(']').unwrap();
    let mut possible: Vec<&str> = possible.split_whitespace().collect();
    possible
        .iter_mut()
        .for_each(|format| *format = format.trim_end_matches(','));
    assert_eq!(first_column("`--format`"), possible);
}

#[test]
fn the_readme_has_every_column_of_csv_in_order() {
    let output = cargo_bin_cmd!("dism-mount-status")
        .current_dir(ROOT)
        .args(["--format=csv", "fixtures/registry/one-mounted.reg"])
        .output()
        .unwrap();
    let mut csv = csv::Reader::from_reader(&*output.stdout);
    let headers: Vec<&str> = csv.headers().unwrap().iter().collect();
    assert_eq!(first_column("column"), headers);
}

#[test]
fn the_readme_has_every_kind_of_event() {
    let source =
        fs::read_to_string(Path::new(ROOT).join("src/bin/dism-mount-status/format/timeline.rs"))
            .unwrap();
    let (source, _) = source.split_once("#[cfg(test)]").unwrap();
    let readme = readme();
    let texts: Vec<&str> = source.split('"').skip(1).step_by(2).collect();
    let is_kind = |text: &&&str| text.ends_with(" Time") || text.starts_with("windows:");
    let kinds: Vec<_> = texts.iter().filter(is_kind).collect();
    assert!(kinds.len() >= 7, "{kinds:?}");
    for kind in kinds {
        assert!(readme.contains(&format!("`{kind}`")), "{kind}");
    }
}
