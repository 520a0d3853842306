//! `--format sarif`: SARIF 2.1.0, as code scanning takes it.
//!
//! A result per finding and per orphaned mount directory, each at the evidence; what could not be read or used is a notification
//! of the invocation. Results are written as they come; the notifications, which stand behind them, are kept until the end.

mod log;
mod uri;

use std::collections::BTreeMap;
use std::io::{self, Write};

use dism_mount_status::visible::{visible, visible_wide};
use dism_mount_status::{
    Capture, DismMountStatus, Finding, FindingCode, MountedImage, OrphanedMount, Report, Severity,
    WarningCode, WideString,
};
use sha1::{Digest, Sha1};

use self::log::{
    ArtifactLocation, Invocation, Level, Location, LogicalLocation, Message, NextStep,
    Notification, PartialFingerprints, PhysicalLocation, Properties, Region, ReportingDescriptor,
    ReportingDescriptorReference, ResultObject, Tool, ToolComponent,
};
use self::uri::uri;
use super::json::Indented;
use super::{ReportWriter, wording};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// The rule of orphaned mount directories, which no finding is about.
const ORPHANED_MOUNT: &str = "orphaned-mount";
/// The notification of evidence that could not be read.
const EVIDENCE_UNREADABLE: &str = "evidence-unreadable";

/// A log with one run.
#[derive(Debug, Default)]
pub(crate) struct Sarif {
    has_results: bool,
    has_unread: bool,
    notifications: Vec<Notification>,
}

impl ReportWriter for Sarif {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        write!(
            out,
            "{{\n  \"$schema\": \"{SCHEMA}\",\n  \"version\": \"2.1.0\",\n  \"runs\": [\n    {{\n      \"tool\": "
        )?;
        serde_json::to_writer_pretty(Indented::new(out, "      "), &tool())?;
        write!(out, ",\n      \"results\": [")
    }

    fn capture(&mut self, capture: &Capture, out: &mut dyn Write) -> io::Result<()> {
        for image in &capture.mounted_images {
            let mut seen = BTreeMap::new();
            for finding in &image.findings {
                let occurrence = seen.entry(finding.code).or_insert(0_usize);
                *occurrence += 1;
                let result = finding_result(capture, image, finding, *occurrence);
                self.write_result(&result, out)?;
            }
        }
        for orphan in &capture.orphaned_mounts {
            self.write_result(&orphan_result(capture, orphan), out)?;
        }
        let notification = |id, level, text: &str| Notification {
            descriptor: ReportingDescriptorReference { id },
            level,
            message: message(visible(text)),
            locations: [location(capture, None)],
        };
        if let Some(error) = &capture.error {
            self.has_unread = true;
            self.notifications.push(notification(
                EVIDENCE_UNREADABLE,
                Level::Error,
                &error.message,
            ));
        }
        let warnings = capture.warnings.iter().map(|warning| {
            notification(warning.code().as_str(), Level::Warning, &warning.message())
        });
        self.notifications.extend(warnings);
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.has_results {
            write!(out, "\n      ")?;
        }
        write!(out, "],\n      \"invocations\": ")?;
        let invocations = [Invocation {
            execution_successful: !self.has_unread,
            tool_execution_notifications: &self.notifications,
        }];
        serde_json::to_writer_pretty(Indented::new(out, "      "), &invocations)?;
        writeln!(out, "\n    }}\n  ]\n}}")
    }
}

impl Sarif {
    fn write_result(&mut self, result: &ResultObject, out: &mut dyn Write) -> io::Result<()> {
        let comma = if self.has_results { "," } else { "" };
        self.has_results = true;
        write!(out, "{comma}\n        ")?;
        Ok(serde_json::to_writer_pretty(
            Indented::new(out, "        "),
            result,
        )?)
    }
}

fn tool() -> Tool {
    let tool = Report::new(Vec::new()).tool;
    let findings = FindingCode::ALL.iter().map(|code| {
        let help = "What DISM shows follows from all findings about a mount together; each says on what it rests. \
                    The report in another format has the rest of the evidence: `--format table` or `html`.";
        descriptor(code.as_str(), code.description(), help)
    });
    let orphaned_mount = descriptor(
        ORPHANED_MOUNT,
        "A mount directory that no registration names.",
        "DISM does not list it. `dism /Cleanup-Mountpoints` removes what is left of such mounts; else it can be emptied by hand.",
    );
    let warnings = WarningCode::ALL.iter().map(|code| {
        let help = "What the evidence says about mounts may be incomplete.";
        descriptor(code.as_str(), code.description(), help)
    });
    let unreadable = descriptor(
        EVIDENCE_UNREADABLE,
        "Evidence that could not be read.",
        "Nothing is known about the mounts that it records.",
    );
    Tool {
        driver: ToolComponent {
            name: tool.name,
            version: tool.version.clone(),
            semantic_version: tool.version,
            rules: findings.chain([orphaned_mount]).collect(),
            notifications: warnings.chain([unreadable]).collect(),
        },
    }
}

fn descriptor(id: &'static str, description: &str, help: &str) -> ReportingDescriptor {
    ReportingDescriptor {
        id,
        short_description: message(description.to_owned()),
        full_description: message(description.to_owned()),
        help: message(format!("{description} {help}")),
    }
}

/// A plain text message, in which `[text](target)` would be a link: evidence makes none. A backslash would not help, for one
/// of the evidence's own may stand before it.
fn message(text: String) -> Message {
    Message {
        text: text.replace("](", "]\\u{28}"),
    }
}

/// `occurrence` counts findings of the same code about the same image.
fn finding_result(
    capture: &Capture,
    image: &MountedImage,
    finding: &Finding,
    occurrence: usize,
) -> ResultObject {
    let rule_id = finding.code.as_str();
    let path = wording::recorded(image.mount_path.as_ref());
    let status = wording::either(&wording::statuses(image));
    let next = image.next_step.as_ref().map_or(String::new(), next);
    let text = format!("{path} is {status}: {}.{next}", visible(&finding.message));
    let statuses = image.possible_statuses.iter().copied();
    ResultObject {
        rule_id,
        rule_index: rule_index(rule_id),
        level: match finding.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
            Severity::Note => Level::Note,
        },
        message: message(text),
        locations: [location(capture, Some(&image.registry_key))],
        partial_fingerprints: fingerprint(
            [rule_id, capture.part.as_deref().unwrap_or_default()],
            [Some(&image.registry_key), image.mount_path.as_ref()],
            occurrence,
        ),
        properties: Properties {
            part: capture.part.as_deref().map(visible),
            mount_id: image.mount_id.map(|id| id.to_string()),
            mount_path: image.mount_path.as_ref().map(visible_wide),
            image_file_path: image.image_file_path.as_ref().map(visible_wide),
            image_index: image.image_index,
            mount_status: Some(image.mount_status.powershell_text()),
            possible_statuses: statuses.map(DismMountStatus::powershell_text).collect(),
            basis: Some(wording::basis(finding.basis)),
            next_step: image.next_step.as_ref().map(next_step),
        },
    }
}

/// The next step as a sentence behind others.
fn next(step: &dism_mount_status::NextStep) -> String {
    let warning = match step.destroys_changes {
        true => format!(" {}", wording::DESTROYS_CHANGES),
        false => String::new(),
    };
    format!(" Next: `{}`.{warning}", visible(&step.command))
}

fn next_step(step: &dism_mount_status::NextStep) -> NextStep {
    NextStep {
        command: visible(&step.command),
        destroys_changes: step.destroys_changes,
        note: visible(&step.note),
    }
}

fn orphan_result(capture: &Capture, orphan: &OrphanedMount) -> ResultObject {
    let path = visible_wide(&orphan.mount_path);
    ResultObject {
        rule_id: ORPHANED_MOUNT,
        rule_index: rule_index(ORPHANED_MOUNT),
        level: Level::Warning,
        message: message(format!(
            "{path} is orphaned: {}.{}",
            wording::orphaned(orphan),
            next(&orphan.next_step)
        )),
        locations: [location(capture, Some(&orphan.mount_path))],
        partial_fingerprints: fingerprint(
            [ORPHANED_MOUNT, capture.part.as_deref().unwrap_or_default()],
            [None, Some(&orphan.mount_path)],
            1,
        ),
        properties: Properties {
            part: capture.part.as_deref().map(visible),
            mount_id: orphan.mount_id.map(|id| id.to_string()),
            mount_path: Some(path),
            image_file_path: orphan.image_file_path.as_ref().map(visible_wide),
            basis: Some(wording::basis(orphan.basis)),
            next_step: Some(next_step(&orphan.next_step)),
            ..Properties::default()
        },
    }
}

/// Where a rule stands: findings in their order, then the orphaned mount directories.
fn rule_index(id: &str) -> usize {
    let mut codes = FindingCode::ALL.iter();
    codes
        .position(|code| code.as_str() == id)
        .unwrap_or(FindingCode::ALL.len())
}

/// The evidence, and what of the captured machine a result is about.
fn location(capture: &Capture, name: Option<&WideString>) -> Location {
    Location {
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation {
                uri: uri(&capture.evidence),
            },
            // Code scanning asks for a line, which evidence need not have: the first stands for the whole.
            region: Region { start_line: 1 },
        },
        logical_locations: name.map(|name| {
            [LogicalLocation {
                fully_qualified_name: visible_wide(name),
            }]
        }),
    }
}

/// The same for the same finding about the same mount, wherever the evidence lies: the file is compared beside it.
fn fingerprint(
    names: [&str; 2],
    texts: [Option<&WideString>; 2],
    occurrence: usize,
) -> PartialFingerprints {
    let mut hash = Sha1::new();
    for name in names {
        hash.update(name);
        hash.update([0]);
    }
    for text in texts {
        hash.update(text.map(WideString::to_utf16le).unwrap_or_default());
        hash.update([0, 0]);
    }
    let hash = hash.finalize();
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    PartialFingerprints {
        primary_location_line_hash: format!("{hash}:{occurrence}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_makes_no_links() {
        let text = r"C:\[click](http://example.com)".to_owned();
        assert_eq!(message(text).text, r"C:\[click]\u{28}http://example.com)");
    }

    #[test]
    fn rules_stand_where_results_look_for_them() {
        let rules = tool().driver.rules;
        for (index, rule) in rules.iter().enumerate() {
            assert_eq!(rule_index(rule.id), index);
        }
    }

    #[test]
    fn fingerprints_tell_occurrences_and_texts_apart() {
        let of = |part, key: &str, occurrence| {
            let key = WideString::from(key);
            fingerprint(["code", part], [Some(&key), None], occurrence).primary_location_line_hash
        };
        let all = [
            of("", "a", 1),
            of("", "a", 2),
            of("", "b", 1),
            of("a", "", 1),
        ];
        for (number, one) in all.iter().enumerate() {
            assert!(!all[number + 1..].contains(one));
        }
    }
}
