//! The recipes are what they say: well-formed, with options that exist, and collecting what the readers look for.
#![cfg(feature = "cli")]

#[path = "support/captured_tree.rs"]
mod captured_tree;
#[path = "support/command_line.rs"]
mod command_line;
#[path = "support/hive_writer.rs"]
mod hive_writer;
#[path = "support/hives_of_a_machine.rs"]
mod hives_of_a_machine;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use captured_tree::{MOUNT_ID, mount_data};
use command_line::run;
use hives_of_a_machine::write_hives;
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;
use walkdir::WalkDir;
use yaml_rust2::{Yaml, YamlLoader};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn recipe(path: &str) -> String {
    fs::read_to_string(root().join("recipes").join(path)).unwrap()
}

/// All recipes.
fn files() -> Vec<PathBuf> {
    let entries = WalkDir::new(root().join("recipes")).sort_by_file_name();
    let paths = entries.into_iter().map(|entry| entry.unwrap().into_path());
    let files: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    assert!(files.len() >= 8, "{files:?}");
    files
}

fn yaml(path: &str) -> Yaml {
    let mut documents = YamlLoader::load_from_str(&recipe(path)).unwrap();
    assert_eq!(documents.len(), 1, "{path}");
    documents.remove(0)
}

/// The text of a field that has to be there.
fn text<'a>(of: &'a Yaml, field: &str) -> &'a str {
    let text = of[field].as_str();
    text.unwrap_or_else(|| panic!("no text {field} in {of:?}"))
}

fn list<'a>(of: &'a Yaml, field: &str) -> &'a [Yaml] {
    let list = of[field].as_vec();
    list.unwrap_or_else(|| panic!("no list {field} in {of:?}"))
}

#[test]
fn recipes_are_well_formed_and_their_ids_are_their_own() {
    let mut ids = BTreeSet::new();
    for file in files() {
        let name = file.strip_prefix(root().join("recipes")).unwrap();
        let name = name.to_str().unwrap().replace('\\', "/");
        let extension = file.extension().unwrap().to_str().unwrap();
        if ["yml", "yaml", "tkape", "reb"].contains(&extension) {
            let recipe = yaml(&name);
            if ["tkape", "reb"].contains(&extension) {
                for field in ["Description", "Author"] {
                    assert!(!text(&recipe, field).is_empty());
                }
                assert!(recipe["Version"].as_f64().is_some());
                let id = text(&recipe, "Id").parse::<Uuid>().unwrap();
                assert_eq!(id.get_version_num(), 4, "{name}");
                assert!(ids.insert(id), "{name}");
            }
        } else {
            assert!(["md", "jq"].contains(&extension), "{name}");
        }
    }
    assert_eq!(ids.len(), 3);
}

#[test]
fn every_recipe_is_told_of() {
    let readme = recipe("README.md");
    for file in files() {
        let name = file.strip_prefix(root().join("recipes")).unwrap();
        let name = name.to_str().unwrap().replace('\\', "/");
        assert!(
            name == "README.md" || readme.contains(&format!("({name})")),
            "{name}"
        );
    }
}

/// The words behind the program's name in each command line of a text: those that begin with an option.
fn command_lines(text: &str) -> Vec<Vec<&str>> {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let commands = lines.filter_map(|line| line.split("dism-mount-status ").nth(1));
    let commands = commands.filter(|command| command.contains("--"));
    let words = commands.map(|command| {
        let end = command.find(['`', '|', '>', ';']);
        command[..end.unwrap_or(command.len())]
            .split_whitespace()
            .collect()
    });
    words.collect()
}

#[test]
fn command_lines_in_recipes_and_readme_have_options_that_exist() {
    let folder = TempDir::new().unwrap();
    let help = run(folder.path(), &["--help"]).stdout;
    let takes_value = |option: &str| help.contains(&format!("{option} <"));
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let texts = files()
        .into_iter()
        .map(|file| fs::read_to_string(file).unwrap());
    let texts: Vec<String> = texts.chain([readme]).collect();
    let mut count = 0;
    for words in texts.iter().flat_map(|text| command_lines(text)) {
        // What is not an option or its value is evidence, which is not here.
        let mut options = vec!["--generate", "man"];
        let mut rest = words.iter();
        while let Some(&word) = rest.next() {
            if word.starts_with("--") && !word.starts_with("--generate") {
                options.push(word);
                if takes_value(word) {
                    options.push(rest.next().unwrap().trim_matches(['\'', '"']));
                }
            }
        }
        let run = run(folder.path(), &options);
        assert_eq!(run.code, 0, "{words:?}: {}", run.stderr);
        count += 1;
    }
    assert!(count >= 12, "{count}");
}

/// Whether a name is one that a mask with asterisks means; letter case does not count.
fn is_meant(name: &str, mask: &str) -> bool {
    let (name, mask) = (name.to_lowercase(), mask.to_lowercase());
    match mask.split_once('*') {
        None => name == mask,
        Some((start, "")) => name.starts_with(start),
        Some(_) => panic!("only an asterisk at the end is known here: {mask}"),
    }
}

/// The machine as it is: its hives, and the stream of `C:\mount`.
struct Machine {
    hives: TempDir,
    stream: Vec<u8>,
}

impl Machine {
    fn new() -> Machine {
        let hives = TempDir::new().unwrap();
        write_hives(hives.path());
        // Not to be collected.
        for name in ["SAM", "SECURITY", "SYSTEM1", "SOFTWARES"] {
            fs::write(hives.path().join(name), "another file").unwrap();
        }
        Machine {
            hives,
            stream: mount_data(MOUNT_ID, r"C:\mount", r"C:\images\install.wim"),
        }
    }

    /// Copies the files of the hives' folder that one of the masks means.
    fn collect(&self, masks: &[&str], folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for entry in fs::read_dir(self.hives.path()).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if masks.iter().any(|mask| is_meant(&name, mask)) {
                fs::copy(entry.path(), folder.join(name)).unwrap();
            }
        }
    }
}

/// Asserts that a collection tells all there is: the mount from the log, the shutdown from SYSTEM, and the mount directory's stream.
fn assert_is_complete(collection: &Path) {
    let mut files: Vec<String> = WalkDir::new(collection)
        .into_iter()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.file_name().to_str().unwrap().to_owned())
        .collect();
    files.retain(|file| !file.contains("WIMMOUNTDATA"));
    files.sort();
    assert_eq!(files, ["SOFTWARE", "SOFTWARE.LOG1", "SYSTEM"]);
    let report = run(collection, &["--format=json", "--captured=unknown", "."]);
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    let capture = &report["captures"][0];
    assert!(capture["last_shutdown"].is_string(), "{capture}");
    let images = capture["mounted_images"].as_array().unwrap();
    let codes: Vec<&str> = images
        .iter()
        .flat_map(|image| image["findings"].as_array().unwrap())
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    assert_eq!(
        codes,
        ["image-file-not-captured", "restarted-since-mount"],
        "{report:#}"
    );
}

#[test]
fn what_the_kape_targets_take_is_all_that_the_readers_look_for() {
    let machine = Machine::new();
    let collection = TempDir::new().unwrap();
    let drive = collection.path().join("C");
    for target in list(&yaml("kape/DismMountState.tkape"), "Targets") {
        assert!(!text(target, "Name").is_empty() && !text(target, "Category").is_empty());
        let folder = text(target, "Path").strip_prefix(r"C:\").unwrap();
        let folder = folder.strip_suffix('\\').unwrap().replace('\\', "/");
        machine.collect(&[text(target, "FileMask")], &drive.join(folder));
    }
    let target = yaml("kape/DismMountData.tkape");
    let [target] = list(&target, "Targets") else {
        panic!("one target");
    };
    assert_eq!(target["AlwaysAddToQueue"].as_bool(), Some(true));
    // KAPE names a stream without its colon.
    let path = text(target, "Path").replace("%mount%", "mount");
    let (path, stream) = path.strip_prefix(r"C:\").unwrap().split_once(':').unwrap();
    fs::write(drive.join(format!("{path}{stream}")), &machine.stream).unwrap();
    assert_is_complete(collection.path());
}

#[test]
fn what_the_velociraptor_artifact_takes_is_all_that_the_readers_look_for() {
    let artifact = yaml("velociraptor/Custom.Windows.Dism.MountState.yaml");
    assert_eq!(text(&artifact, "name"), "Custom.Windows.Dism.MountState");
    assert_eq!(text(&artifact, "type"), "CLIENT");
    for parameter in list(&artifact, "parameters") {
        assert!(["bool", "int"].contains(&text(parameter, "type")));
        assert!(!text(parameter, "description").is_empty());
    }
    let key = text(&artifact, "export");
    assert!(key.contains(r"'''HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\WIMMount\Mounted Images'''"));
    let sources = list(&artifact, "sources");
    let query = |name: &str| {
        let source = sources.iter().find(|source| text(source, "name") == name);
        text(source.unwrap(), "query")
    };
    let names: Vec<&str> = sources.iter().map(|source| text(source, "name")).collect();
    for name in &names {
        let query = query(name);
        for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
            assert_eq!(query.matches(open).count(), query.matches(close).count());
        }
        assert_eq!(query.matches('"').count() % 2, 0, "{name}");
    }
    let hives = query("Hives");
    assert!(hives.contains(r"%SystemRoot%\System32\config"));
    let (_, globs) = hives.split_once("globs=[").unwrap();
    let (globs, _) = globs.split_once(']').unwrap();
    let globs: Vec<&str> = globs.split('"').skip(1).step_by(2).collect();

    let machine = Machine::new();
    let collection = TempDir::new().unwrap();
    // Velociraptor names a file by its path, in which everything but letters, digits and few others is escaped.
    let drive = collection.path().join("C%3A");
    machine.collect(&globs, &drive.join("Windows/System32/config"));
    let directories = query("MountDirectories");
    assert!(directories.contains("globs=\"*/Mount Path\""));
    let (_, stream) = directories.split_once("Data.value + \"").unwrap();
    let (stream, _) = stream.split_once('"').unwrap();
    let stream = format!("mount{}", stream.replace(':', "%3A"));
    fs::write(drive.join(stream), &machine.stream).unwrap();
    assert_is_complete(collection.path());
    assert!(query("ImageFiles").contains("globs=\"*/WIM Path\""));
    assert!(query("Orphans").contains("*:$WIMMOUNTDATA"));
}

#[test]
fn the_recmd_batch_names_the_keys_that_are_read() {
    let batch = yaml("recmd/DismMountState.reb");
    let keys = list(&batch, "Keys");
    let named: Vec<(&str, &str)> = keys
        .iter()
        .map(|key| {
            assert!(!text(key, "Description").is_empty() && !text(key, "Category").is_empty());
            assert!(key["Recursive"].as_bool().is_some());
            (text(key, "HiveType"), text(key, "KeyPath"))
        })
        .collect();
    assert_eq!(
        named,
        [
            ("SOFTWARE", r"Microsoft\WIMMount\Mounted Images"),
            ("SOFTWARE", r"Microsoft\WIMMount"),
            ("SYSTEM", r"ControlSet00*\Services\WIMMount"),
            ("SYSTEM", r"ControlSet00*\Control\Windows"),
        ]
    );
}

#[test]
fn the_workflows_have_steps() {
    let github = yaml("ci/github-actions.yml");
    let steps = list(&github["jobs"]["mounts"], "steps");
    assert!(
        steps
            .iter()
            .all(|step| step["uses"].as_str().is_some() != step["run"].as_str().is_some())
    );
    let gitlab = yaml("ci/gitlab-ci.yml");
    let job = &gitlab["dism-mounts"];
    assert!(
        list(job, "script")
            .iter()
            .all(|line| line.as_str().is_some())
    );
    let reports = &job["artifacts"]["reports"];
    let report = text(reports, "codequality");
    let script = list(job, "script");
    assert!(
        script
            .iter()
            .any(|line| line.as_str().unwrap().contains(report))
    );
}

/// Whether a program is there. Where CI asks for it, it has to be.
fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("NOT TESTED: {program} is not installed");
        assert!(
            std::env::var_os("CI").is_none(),
            "{program} is not installed"
        );
    }
    found
}

/// A folder with `mounts.jsonl` and `mounts.csv`, of evidence that holds hostile texts, too, and of some that cannot be read.
fn results() -> TempDir {
    let folder = TempDir::new().unwrap();
    let fixtures = root().join("fixtures");
    for format in ["jsonl", "csv"] {
        let output = folder.path().join(format!("mounts.{format}"));
        let arguments = ["--quiet", "--format", format, "--output"];
        let arguments = [&arguments[..], &[output.to_str().unwrap()]].concat();
        let evidence = [
            "--recursive",
            "registry",
            "--recursive",
            "captures",
            "missing",
        ];
        let run = run(&fixtures, &[&arguments[..], &evidence].concat());
        assert_eq!(run.code, 2, "{}", run.stderr);
    }
    folder
}

/// The commands of the README's blocks that begin so.
fn commands(start: &str) -> Vec<String> {
    let readme = recipe("README.md");
    let blocks = readme.split("```sh\n").skip(1);
    let commands = blocks.map(|block| block.split("```").next().unwrap().trim_end().to_owned());
    commands
        .filter(|command| command.starts_with(start))
        .collect()
}

/// Runs a command in a folder, and gives what it prints.
#[cfg(unix)]
fn shell(command: &str, folder: &Path) -> String {
    let shell = Command::new("sh")
        .args(["-e", "-c", command])
        .current_dir(folder)
        .output()
        .unwrap();
    let errors = String::from_utf8(shell.stderr).unwrap();
    assert!(shell.status.success(), "{command}: {errors}");
    assert_eq!(errors, "", "{command}");
    String::from_utf8(shell.stdout).unwrap()
}

#[cfg(unix)]
#[test]
fn what_jq_is_asked_has_answers() {
    if !is_installed("jq") {
        return;
    }
    let results = results();
    let refused = Command::new("jq")
        .args([".", "mounts.jsonl"])
        .current_dir(results.path())
        .output()
        .unwrap();
    assert!(!refused.status.success(), "half a surrogate pair is there");
    let [replacement] = &commands("sed ")[..] else {
        panic!("one command with sed");
    };
    assert_eq!(shell(replacement, results.path()), "");
    let lines = fs::read_to_string(results.path().join("mounts.jsonl")).unwrap();
    assert!(lines.contains(r"\ufffd"));
    let questions = commands("jq ");
    assert!(questions.len() >= 5);
    for question in &questions {
        let answer = shell(question, results.path());
        let answers = serde_json::Deserializer::from_str(&answer).into_iter::<Value>();
        let answers: Vec<Value> = answers.map(Result::unwrap).collect();
        assert!(!answers.is_empty(), "{question}");
        for answer in &answers {
            // A registration may lack its path; evidence is always named.
            let first = answer.as_array().map_or(answer, |parts| &parts[0]);
            assert!(!first.is_null(), "{question}: {answer}");
        }
    }
    let counts = &shell(&questions[1], results.path());
    let counts: Value = serde_json::from_str(counts).unwrap();
    let images = lines
        .lines()
        .filter(|line| line.contains("\"mount_status\":"));
    let counted: u64 = counts
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(counted, images.count() as u64);
}

#[cfg(unix)]
#[test]
fn the_lines_become_a_code_quality_report() {
    if !is_installed("jq") {
        return;
    }
    let results = results();
    let gitlab = yaml("ci/gitlab-ci.yml");
    let script = list(&gitlab["dism-mounts"], "script");
    let scripts = script.iter().filter_map(Yaml::as_str);
    let conversion = scripts.filter(|line| line.contains("code-quality.jq"));
    let [conversion] = conversion.collect::<Vec<_>>()[..] else {
        panic!("one line with jq");
    };
    let filter = root().join("recipes/ci/code-quality.jq");
    fs::copy(filter, results.path().join("code-quality.jq")).unwrap();
    assert_eq!(shell(conversion, results.path()), "");
    let report = results.path().join("gl-code-quality-report.json");
    let report: Value = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    let lines = fs::read_to_string(results.path().join("mounts.jsonl")).unwrap();
    let issues = report.as_array().unwrap();
    assert_eq!(issues.len(), lines.lines().count());
    let mut fingerprints = BTreeSet::new();
    for issue in issues {
        for field in ["description", "check_name"] {
            assert!(
                issue[field].as_str().is_some_and(|text| !text.is_empty()),
                "{issue}"
            );
        }
        let severities = ["info", "major", "critical", "blocker"];
        assert!(severities.contains(&issue["severity"].as_str().unwrap()));
        assert!(issue["location"]["path"].is_string());
        assert_eq!(issue["location"]["lines"]["begin"], 1);
        assert!(
            fingerprints.insert(issue["fingerprint"].as_str().unwrap()),
            "{issue}"
        );
    }
}

#[cfg(unix)]
#[test]
fn what_duckdb_is_asked_has_answers() {
    if !is_installed("duckdb") {
        return;
    }
    let results = results();
    shell(&commands("sed ")[0], results.path());
    let questions = commands("duckdb ");
    assert!(questions.len() >= 3);
    for question in questions {
        let answer = shell(
            &question.replace("duckdb -c", "duckdb -json -c"),
            results.path(),
        );
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(!answer.as_array().unwrap().is_empty(), "{question}");
    }
}
