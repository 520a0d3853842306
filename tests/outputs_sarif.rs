//! What `--format sarif` writes is SARIF 2.1.0, by the schema that OASIS publishes, and what code scanning asks for beyond it.
#![cfg(feature = "cli")]

#[path = "support/command_line.rs"]
mod command_line;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use command_line::{evidence, run};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn validator() -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sarif/sarif-schema-2.1.0.json");
    // This edition has a bracket too many in the pattern of languages, which we do not write; the validator refuses it.
    let schema = fs::read_to_string(path).unwrap();
    let schema = schema.replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}?$");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

/// The log for evidence of every kind: mounted images, orphaned mounts, warnings, nothing, hostile text, unreadable.
fn log() -> Value {
    let arguments = [
        "--find-orphans",
        "--format=sarif",
        "registry/every-status.reg",
        "registry/hostile-strings.reg",
        "registry/nothing-mounted.reg",
        "registry/damaged.reg",
        "captures/orphaned-mount/tree",
        "captures/three-mounts/tree",
        "no such: evidence",
    ];
    let run = run(&fixtures(), &arguments);
    assert_eq!(run.code, 2);
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn logs_follow_the_published_schema() {
    let validator = validator();
    let mut log = log();
    let errors: Vec<String> = validator.iter_errors(&log).map(|e| e.to_string()).collect();
    assert_eq!(errors, [] as [String; 0]);
    for name in ["nothing-mounted.reg.sarif", "one-mounted.reg.sarif"] {
        let golden = fs::read(fixtures().join("registry").join(name)).unwrap();
        assert!(validator.is_valid(&serde_json::from_slice(&golden).unwrap()));
    }
    log["runs"][0]["results"][0]["level"] = "fatal".into();
    assert!(!validator.is_valid(&log));
}

#[test]
fn every_result_has_a_rule_a_location_a_level_and_a_fingerprint_of_its_own() {
    let log = log();
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert!(results.len() > 30);
    let mut fingerprints = BTreeSet::new();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let location = &result["locations"][0]["physicalLocation"];
        let uri = location["artifactLocation"]["uri"].as_str().unwrap();
        assert!(uri.starts_with("registry/") || uri.starts_with("captures/"));
        assert!(
            uri.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b))
        );
        assert_eq!(location["region"]["startLine"], 1);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        let fingerprint = &result["partialFingerprints"]["primaryLocationLineHash"];
        let fingerprint = (
            uri,
            result["ruleId"].as_str(),
            fingerprint.as_str().unwrap(),
        );
        assert!(fingerprints.insert(fingerprint), "{fingerprint:?}");
    }
    for rule in rules {
        for text in ["shortDescription", "fullDescription", "help"] {
            assert!(
                rule[text]["text"]
                    .as_str()
                    .is_some_and(|text| text.len() > 10)
            );
        }
    }
}

#[test]
fn fingerprints_stay_when_the_evidence_moves() {
    let folder = evidence();
    fs::create_dir(folder.path().join("elsewhere")).unwrap();
    fs::copy(
        folder.path().join("broken.reg"),
        folder.path().join("elsewhere/other.reg"),
    )
    .unwrap();
    let fingerprint = |name: &str| {
        let log = run(folder.path(), &["--format=sarif", name]).stdout;
        let log: Value = serde_json::from_str(&log).unwrap();
        let result = &log["runs"][0]["results"][0];
        assert_eq!(
            result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            name
        );
        result["partialFingerprints"].clone()
    };
    assert_eq!(
        fingerprint("broken.reg"),
        fingerprint("elsewhere/other.reg")
    );
}

#[test]
fn errors_and_warnings_are_notifications_of_an_invocation_that_failed() {
    let log = log();
    let driver = &log["runs"][0]["tool"]["driver"];
    let ids: Vec<&Value> = driver["notifications"]
        .as_array()
        .unwrap()
        .iter()
        .map(|descriptor| &descriptor["id"])
        .collect();
    let invocation = &log["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let notifications = invocation["toolExecutionNotifications"].as_array().unwrap();
    for notification in notifications {
        assert!(ids.contains(&&notification["descriptor"]["id"]));
    }
    let with_level = |level: &str| {
        let notifications = notifications.iter();
        notifications
            .filter(|notification| notification["level"] == level)
            .collect::<Vec<_>>()
    };
    assert!(with_level("warning").len() > 10);
    let errors = with_level("error");
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0]["descriptor"]["id"], "evidence-unreadable");
    assert_eq!(
        errors[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "no%20such%3A%20evidence"
    );
    let clean = run(&fixtures(), &["--format=sarif", "registry/one-mounted.reg"]);
    let clean: Value = serde_json::from_str(&clean.stdout).unwrap();
    assert_eq!(
        clean["runs"][0]["invocations"][0]["executionSuccessful"],
        true
    );
}
