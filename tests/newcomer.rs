//! A newcomer's walk: the commands that README, CONTRIBUTING, the recipes, `--help` and the manual page show are run as they
//! are printed, one after the other, in a folder that holds what they name. Only [`PLACEHOLDERS`] are put in place of what a
//! reader has elsewhere; what is [`NOT_RUN`] here says why. A command of which nothing is known here fails the test.
#![cfg(all(feature = "cli", unix))]

#[path = "support/captured_tree.rs"]
mod captured_tree;
#[path = "support/command_line.rs"]
mod command_line;
#[path = "support/hive_writer.rs"]
mod hive_writer;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::cargo_bin;
use captured_tree::Tree;
use command_line::run;
use walkdir::WalkDir;

/// What stands for something of the reader's, and what stands for it here.
const PLACEHOLDERS: [(&str, &str); 5] = [
    (
        r"ssh admin@host reg query HKLM\SOFTWARE\Microsoft\WIMMount /s",
        "cat reg-query.txt",
    ),
    ("/mnt/reference", "reference"),
    ("/mnt/windows", "windows"),
    ("/mnt/data", "data"),
    ("/evidence", "evidence"),
];

/// What the commands name by relative paths, and the fixture that lies there.
const FILES: [(&str, &str); 17] = [
    ("wimmount.reg", "registry/one-mounted.reg"),
    ("reg-query.txt", "registry/wine.reg-query.txt"),
    ("exports/one.reg", "registry/one-mounted.reg"),
    ("exports/all.reg", "registry/every-status.reg"),
    ("host1", "captures/two-drives/tree"),
    ("host2.wim", "captured-wim/lzx.wim"),
    ("reference", "captures/three-mounts/tree"),
    ("reference.wim", "captured-wim/solid.esd"),
    ("machine.vhdx", "disk-images/vhdx/disk.vhdx.xz"),
    ("collection.zip", "collections/velociraptor/collection.zip"),
    ("windows", "captures/orphaned-mount/tree"),
    ("data", "captures/two-drives/tree/D"),
    ("evidence/host3", "captures/partially-unmounted/tree"),
    ("evidence/samba.reg", "registry/samba.version-5.reg"),
    ("evidence/none.reg", "registry/nothing-mounted.reg"),
    (
        "Windows/System32/config",
        "captures/three-mounts/tree/Windows/System32/config",
    ),
    (
        "SOFTWARE",
        "captures/streams-not-captured/tree/Windows/System32/config/SOFTWARE",
    ),
];

/// How commands begin that are not run here, and why.
const NOT_RUN: [(&str, &str); 2] = [
    ("cargo ", "builds the project: a step of .ci/run"),
    ("reg export ", "runs on the machine that is captured"),
];

/// Languages of blocks in which there is no command for this system, and why.
const OTHER_LANGUAGES: [(&str, &str); 5] = [
    ("text", "what a command prints"),
    ("rust", "a documentation test"),
    ("bat", "runs on the machine that is captured"),
    ("powershell", "runs on the machine that is captured"),
    ("", "the end of a block"),
];

/// What the commands need besides the program, and whether CI has to have it.
const TOOLS: [&str; 3] = ["jq", "duckdb", "check-jsonschema"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The commands of a text, which go on where a line ends with `|` or a backslash. Comments are none.
fn commands(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in lines {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match commands.last_mut().filter(|_| goes_on) {
            Some(command) => *command += &format!("\n{line}"),
            None => commands.push(line.to_owned()),
        }
        goes_on = line.ends_with('|') || line.ends_with('\\');
    }
    commands
}

/// The commands of a Markdown document: those of its blocks, and those of the program within the text.
fn commands_of_document(path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let text = document(path);
    let mut block: Option<(String, Vec<String>)> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut block) {
            (Some(language), None) => block = Some((language.to_owned(), Vec::new())),
            (None, Some((_, lines))) => lines.push(line.to_owned()),
            (Some(_), Some((language, lines))) => {
                match &**language {
                    "sh" => found.extend(commands(lines.drain(..))),
                    "console" => {
                        let prompted = lines.iter().filter_map(|line| line.strip_prefix("$ "));
                        found.extend(commands(prompted.map(str::to_owned)));
                    }
                    other => assert!(
                        OTHER_LANGUAGES
                            .iter()
                            .any(|(language, _)| *language == other),
                        "{path}: a block of {other:?}"
                    ),
                }
                block = None;
            }
            (None, None) => {
                let inline = line.split('`').skip(1).step_by(2);
                let inline = inline.filter(|code| code.starts_with("dism-mount-status "));
                found.extend(inline.map(str::to_owned));
            }
        }
    }
    assert!(block.is_none(), "{path}: a block does not end");
    found
}

/// The commands below "Examples:" in the help: the lines that are indented more than what explains them.
fn commands_of_help(help: &str) -> Vec<String> {
    let (_, examples) = help.split_once("\nExamples:\n").unwrap();
    let (examples, _) = examples.split_once("\nExit codes:\n").unwrap();
    let lines = examples.lines().filter(|line| line.starts_with("    "));
    commands(lines.map(str::to_owned))
}

/// A fixture as it is; those of disks are kept compressed.
fn contents(fixture: &Path) -> Vec<u8> {
    let bytes = fs::read(fixture).unwrap();
    match fixture
        .extension()
        .is_some_and(|extension| extension == "xz")
    {
        true => {
            let mut disk = Vec::new();
            let mut reader = lzma_rust2::XzReader::new(&*bytes, false);
            reader.read_to_end(&mut disk).unwrap();
            disk
        }
        false => bytes,
    }
}

/// A folder with everything that the commands name.
fn folder() -> Tree {
    let mut folder = Tree::new();
    for (place, fixture) in FILES {
        let fixture = root().join("fixtures").join(fixture);
        for entry in WalkDir::new(&fixture) {
            let entry = entry.unwrap();
            let inner = entry
                .path()
                .strip_prefix(&fixture)
                .unwrap()
                .to_str()
                .unwrap();
            let place = format!("{place}/{inner}");
            folder = match entry.file_type().is_dir() {
                true => folder.directory(&place),
                false => folder.file(place.trim_end_matches('/'), contents(entry.path())),
            };
        }
    }
    folder.directory("C")
}

fn is_installed(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok()
}

/// Runs commands in a folder; what each leaves there the next one finds.
fn walk(from: &str, commands: &[String], folder: &Tree) {
    let program = cargo_bin!("dism-mount-status");
    let mut path = program.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    for printed in commands {
        if NOT_RUN.iter().any(|(start, _)| printed.starts_with(start)) {
            continue;
        }
        let mut command = printed.clone();
        for (theirs, ours) in PLACEHOLDERS {
            command = command.replace(theirs, ours);
        }
        let calls = |tool: &str| command.split_whitespace().any(|word| word == tool);
        let missing = TOOLS.iter().find(|tool| calls(tool) && !is_installed(tool));
        if let Some(tool) = missing {
            eprintln!("NOT TESTED: {tool} is not installed: {printed}");
            assert!(std::env::var_os("CI").is_none(), "{tool} is not installed");
            continue;
        }
        let run = Command::new("sh")
            .args(["-c", &command])
            .current_dir(folder.path())
            .env("PATH", &path)
            .output()
            .unwrap();
        let errors = String::from_utf8(run.stderr).unwrap();
        let code = run.status.code();
        assert!(
            matches!(code, Some(0 | 1)) && !errors.contains("error"),
            "{from}: {printed}\nexit code {code:?}: {errors}"
        );
    }
}

#[test]
fn what_readme_shows_runs_as_printed() {
    let commands = commands_of_document("README.md");
    assert!(commands.len() >= 10, "{commands:#?}");
    walk("README.md", &commands, &folder());
}

#[test]
fn what_the_recipes_show_runs_as_printed() {
    let commands = commands_of_document("recipes/README.md");
    assert!(commands.len() >= 10, "{commands:#?}");
    walk("recipes/README.md", &commands, &folder());
}

#[test]
fn what_the_help_and_the_manual_show_runs_as_printed() {
    let folder = folder();
    let help = run(folder.path(), &["--help"]).stdout;
    let commands = commands_of_help(&help);
    assert!(commands.len() >= 8, "{commands:#?}");
    walk("--help", &commands, &folder);
    // The manual has the same ones, in the language of roff.
    let manual = run(folder.path(), &["--generate=man"]).stdout;
    let (_, examples) = manual.split_once(".SH \"EXAMPLES\"\n.nf\n").unwrap();
    let (examples, _) = examples.split_once("\n.fi\n").unwrap();
    let examples = examples.replace("\\-", "-").replace("\\e", "\\");
    let lines = examples.lines().filter(|line| line.starts_with("    "));
    assert_eq!(self::commands(lines.map(str::to_owned)), commands);
}

#[test]
fn what_is_not_run_here_is_a_step_of_ci() {
    let documents = ["README.md", "CONTRIBUTING.md", "recipes/README.md"];
    let mut count = 0;
    // The package has no CI.
    let ci = fs::read_to_string(root().join(".ci/run"));
    for command in documents.into_iter().flat_map(commands_of_document) {
        if let Some((start, _)) = NOT_RUN.iter().find(|(start, _)| command.starts_with(start))
            && *start == "cargo "
        {
            count += 1;
            assert!(
                ci.as_ref().map_or(true, |ci| ci.contains(&command)),
                "{command}"
            );
        }
    }
    assert!(count >= 3, "{count}");
}

#[test]
fn every_measurement_that_is_told_of_is_there() {
    let readme = document("benches/README.md");
    let manifest = document("Cargo.toml");
    let mut count = 0;
    for command in readme.split('`').skip(1).step_by(2) {
        if let Some(bench) = command.strip_prefix("cargo bench --bench ") {
            let name = bench.split(' ').next().unwrap();
            assert!(
                manifest.contains(&format!("[[bench]]\nname = \"{name}\"")),
                "{command}"
            );
            count += 1;
        } else if command.starts_with("benches/") {
            let script = command.split(' ').next().unwrap();
            assert!(root().join(script).is_file(), "{command}");
            count += 1;
        }
    }
    assert!(count >= 8, "{count}");
}
