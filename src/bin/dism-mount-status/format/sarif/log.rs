//! The objects of SARIF 2.1.0 that are written, with the properties that are used of each.
//!
//! Names are those of the specification, section 3.

use std::borrow::Cow;

use serde::Serialize;

/// `tool`.
#[derive(Serialize)]
pub(super) struct Tool {
    pub(super) driver: ToolComponent,
}

/// `toolComponent`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolComponent {
    pub(super) name: Cow<'static, str>,
    pub(super) version: Cow<'static, str>,
    pub(super) semantic_version: Cow<'static, str>,
    pub(super) rules: Vec<ReportingDescriptor>,
    pub(super) notifications: Vec<ReportingDescriptor>,
}

/// `reportingDescriptor`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReportingDescriptor {
    pub(super) id: &'static str,
    pub(super) short_description: Message,
    pub(super) full_description: Message,
    pub(super) help: Message,
}

/// `message`, and `multiformatMessageString`.
#[derive(Debug, Serialize)]
pub(super) struct Message {
    pub(super) text: String,
}

/// `result`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResultObject {
    pub(super) rule_id: &'static str,
    pub(super) rule_index: usize,
    pub(super) level: Level,
    pub(super) message: Message,
    pub(super) locations: [Location; 1],
    pub(super) partial_fingerprints: PartialFingerprints,
    pub(super) properties: Properties,
}

/// `level`.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Level {
    Error,
    Warning,
    Note,
}

/// `location`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Location {
    pub(super) physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logical_locations: Option<[LogicalLocation; 1]>,
}

/// `physicalLocation`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PhysicalLocation {
    pub(super) artifact_location: ArtifactLocation,
    pub(super) region: Region,
}

/// `artifactLocation`.
#[derive(Debug, Serialize)]
pub(super) struct ArtifactLocation {
    pub(super) uri: String,
}

/// `region`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Region {
    pub(super) start_line: u32,
}

/// `logicalLocation`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogicalLocation {
    pub(super) fully_qualified_name: String,
}

/// `result.partialFingerprints`, with the one that code scanning looks at.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartialFingerprints {
    pub(super) primary_location_line_hash: String,
}

/// `result.properties`: ours alone.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Properties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<String>,
    pub(super) mount_id: Option<String>,
    pub(super) mount_path: Option<String>,
    pub(super) image_file_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mount_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) possible_statuses: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) basis: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_step: Option<NextStep>,
}

/// What to do next.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NextStep {
    pub(super) command: String,
    pub(super) destroys_changes: bool,
    pub(super) note: String,
}

/// `invocation`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Invocation<'a> {
    pub(super) execution_successful: bool,
    pub(super) tool_execution_notifications: &'a [Notification],
}

/// `notification`.
#[derive(Debug, Serialize)]
pub(super) struct Notification {
    pub(super) descriptor: ReportingDescriptorReference,
    pub(super) level: Level,
    pub(super) message: Message,
    pub(super) locations: [Location; 1],
}

/// `reportingDescriptorReference`.
#[derive(Debug, Serialize)]
pub(super) struct ReportingDescriptorReference {
    pub(super) id: &'static str,
}
