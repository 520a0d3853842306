//! The result of an inspection, and its JSON form.

use std::borrow::Cow;

use serde::Serialize;
use uuid::Uuid;

use crate::evidence::Liveness;
use crate::file_time::FileTime;
use crate::finding::{Basis, Finding};
use crate::registry::ValueType;
use crate::registry::hive::Recovery;
use crate::status::{DismMountMode, DismMountStatus, WimMountFlags};
use crate::warning::Warning;
use crate::wide_string::WideString;

/// What an inspection found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Report {
    /// The version of this form: 1.
    pub schema_version: u32,
    /// What made the report.
    pub tool: Tool,
    /// The captures, in the order in which their evidence was given.
    pub captures: Vec<Capture>,
}

/// What made the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Tool {
    /// The tool's name.
    pub name: Cow<'static, str>,
    /// The tool's version.
    pub version: Cow<'static, str>,
}

/// What one capture says: one piece of evidence, or one part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Capture {
    /// The evidence, as it was named.
    pub evidence: String,
    /// What kind of evidence it is; null where that could not be told.
    pub kind: Option<EvidenceKind>,
    /// Whether the machine was running when it was captured.
    pub captured: Liveness,
    /// The machine's last clean shutdown; null where the evidence does not tell.
    pub last_shutdown: Option<FileTime>,
    /// Which part of the evidence this is: an image of a WIM, a volume, a shadow copy, a host; null for the whole.
    pub part: Option<String>,
    /// Whether mount directories and image files were looked for, besides the registry.
    pub files_examined: bool,
    /// The mounted images, in the order in which they are recorded.
    pub mounted_images: Vec<MountedImage>,
    /// How many more registrations are listed and cannot be read, as far as they can be counted.
    #[serde(skip)]
    pub(crate) unreadable_registrations: u64,
    /// Mount directories that no registration names.
    pub orphaned_mounts: Vec<OrphanedMount>,
    /// What was done to bring a hive up to date; null where the evidence is none.
    pub recovery: Option<Recovery>,
    /// What could not be used of the evidence.
    pub warnings: Vec<Warning>,
    /// Why the evidence could not be read, where it could not.
    pub error: Option<CaptureError>,
}

/// Why evidence could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CaptureError {
    /// The reason, with the place. What it quotes of the evidence stands in it as recorded, terminal escapes too.
    pub message: String,
}

/// What kind of evidence a capture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EvidenceKind {
    /// A `.reg` file, or what `reg query` printed.
    RegistryExport,
    /// A registry hive.
    Hive,
    /// A tree of files.
    Directory,
    /// An image inside a WIM file.
    CapturedWim,
    /// A disk image.
    DiskImage,
    /// A triage collection.
    Collection,
}

/// One mounted image: a row of what `dism /Get-MountedImageInfo` would print, with the reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct MountedImage {
    /// The mount's GUID, in lower case and without braces; null where the key is not named by one.
    #[cfg_attr(feature = "cli", schemars(with = "Option<String>"))]
    pub mount_id: Option<Uuid>,
    /// The registration's key.
    pub registry_key: WideString,
    /// When the key was last written; null where the evidence does not tell.
    pub registered_at: Option<FileTime>,
    /// The mount directory, as recorded.
    pub mount_path: Option<WideString>,
    /// The image file, as recorded.
    pub image_file_path: Option<WideString>,
    /// The image in that file, counted from 1, as recorded.
    pub image_index: Option<u32>,
    /// When the image file was last written; null where it is not in the evidence.
    pub image_file_modified: Option<FileTime>,
    /// What the image file says of that image; null where it could not be read.
    pub image: Option<ImageDescription>,
    /// Whether it can be written to; null where that is not recorded, which is so of all that is read up to now. A flag
    /// `READWRITE` that is missing does not mean that it cannot.
    pub mount_mode: Option<DismMountMode>,
    /// The judgement.
    pub mount_status: DismMountStatus,
    /// All statuses that the evidence allows, from good to bad.
    pub possible_statuses: Vec<DismMountStatus>,
    /// wimgapi's flags that go with the judgement.
    pub mount_flags: WimMountFlags,
    /// The registration's `Status` number: how far the mount had come.
    pub progress_value: Option<u32>,
    /// Values of the registration that are not known to belong there.
    pub other_values: Vec<OtherValue>,
    /// The reasons.
    pub findings: Vec<Finding>,
    /// What to do next; null where there is nothing to advise.
    pub next_step: Option<NextStep>,
}

/// What an image file says of one of its images. Each is null where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ImageDescription {
    /// The image's name.
    pub name: Option<String>,
    /// The edition of Windows, such as `Professional`.
    pub edition: Option<String>,
    /// The version of Windows, such as `10.0.22621.1`.
    pub version: Option<String>,
    /// The processor architecture, such as `amd64`.
    pub architecture: Option<String>,
    /// When the image was captured.
    pub created: Option<FileTime>,
    /// When the image was last changed in its file.
    pub modified: Option<FileTime>,
}

/// A value of a registration that is not known to belong there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct OtherValue {
    /// The value's name; empty for the default value.
    pub name: WideString,
    /// The registry's number of its type.
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// The data as the registry stores it, in hexadecimal; at most the first 4,096 bytes.
    pub data_hex: String,
}

impl MountedImage {
    /// About how much memory it takes, in bytes.
    pub(crate) fn weight(&self) -> u64 {
        let wide = |text: &WideString| 2 * text.as_units().len();
        let paths = [&self.mount_path, &self.image_file_path];
        let names = self.image.as_ref().into_iter().flat_map(|image| {
            let numbers = [&image.version, &image.architecture];
            [&image.name, &image.edition].into_iter().chain(numbers)
        });
        let values = self.other_values.iter();
        let values = values.map(|value| wide(&value.name) + value.data_hex.len());
        let findings = self.findings.iter().map(|finding| finding.message.len());
        let next_step = self
            .next_step
            .iter()
            .map(|step| step.command.len() + step.note.len());
        let parts = [
            wide(&self.registry_key),
            paths.into_iter().flatten().map(wide).sum(),
            names.flatten().map(String::len).sum(),
            values.sum(),
            findings.sum(),
            next_step.sum(),
        ];
        (size_of::<Self>() + parts.iter().sum::<usize>()) as u64
    }
}

impl OrphanedMount {
    /// About how much memory it takes, in bytes.
    pub(crate) fn weight(&self) -> u64 {
        let paths = [Some(&self.mount_path), self.image_file_path.as_ref()];
        let paths = paths.into_iter().flatten();
        let paths: usize = paths.map(|path| 2 * path.as_units().len()).sum();
        let next_step = self.next_step.command.len() + self.next_step.note.len();
        (size_of::<Self>() + paths + next_step) as u64
    }
}

impl OtherValue {
    /// How many bytes of the data are kept.
    pub const MAX_BYTES: usize = 4096;
}

/// What to do next on the machine that was captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct NextStep {
    /// The command, ready to copy.
    pub command: String,
    /// Whether the command destroys changes that were not committed.
    pub destroys_changes: bool,
    /// What to mind.
    pub note: String,
}

/// A mount directory that no registration names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct OrphanedMount {
    /// The directory.
    pub mount_path: WideString,
    /// The mount's GUID, where the directory's stream or the files in it tell it.
    #[cfg_attr(feature = "cli", schemars(with = "Option<String>"))]
    pub mount_id: Option<Uuid>,
    /// The image file, where the directory's stream tells it.
    pub image_file_path: Option<WideString>,
    /// Whether a registration may name it all the same, as not all of them could be read, or none was captured.
    pub may_be_registered: bool,
    /// On what it rests: observed where the directory has a stream, inferred where only files in it have the reparse points of a
    /// mounted image.
    pub basis: Basis,
    /// What to do next.
    pub next_step: NextStep,
}

impl Report {
    /// A report of these captures.
    pub fn new(captures: Vec<Capture>) -> Self {
        Report {
            schema_version: 1,
            tool: Tool {
                name: env!("CARGO_PKG_NAME").into(),
                version: env!("CARGO_PKG_VERSION").into(),
            },
            captures,
        }
    }

    /// The mounted images of all captures.
    pub fn mounted_images(&self) -> impl Iterator<Item = &MountedImage> {
        self.captures
            .iter()
            .flat_map(|capture| &capture.mounted_images)
    }
}

impl Capture {
    /// A capture that could not be read.
    pub fn unreadable(evidence: impl Into<String>, error: &crate::Error) -> Self {
        let evidence = evidence.into();
        let error = error.clone().or_usual_remedy();
        let message = match error.evidence() {
            Some(_) => error.to_string(),
            None => format!("{evidence}: {error}"),
        };
        Capture {
            evidence,
            kind: None,
            captured: Liveness::Unknown,
            last_shutdown: None,
            part: None,
            files_examined: false,
            mounted_images: Vec::new(),
            unreadable_registrations: 0,
            orphaned_mounts: Vec::new(),
            recovery: None,
            warnings: Vec::new(),
            error: Some(CaptureError { message }),
        }
    }

    /// A part of readable evidence that could not be read itself.
    pub(crate) fn unreadable_part(
        evidence: &str,
        kind: EvidenceKind,
        part: Option<String>,
        error: &crate::Error,
    ) -> Self {
        let error = error.clone().or_usual_remedy();
        let message = match &part {
            Some(part) => format!("{evidence}, {part}: {error}"),
            None => format!("{evidence}: {error}"),
        };
        Capture {
            kind: Some(kind),
            part,
            error: Some(CaptureError { message }),
            ..Capture::unreadable(evidence, &error)
        }
    }

    /// The registrations that are listed and cannot be read, if there are any, as what they are: evidence that could not be read.
    pub(crate) fn unreadable_registrations(&self) -> Option<Capture> {
        const KEY: &str = r"Microsoft\WIMMount\Mounted Images";
        let count = self.unreadable_registrations;
        let found = format!("at least {count} that cannot");
        let error = crate::Error::malformed("registrations that can all be read", found);
        let remedy = "get the hive again, with its transaction logs";
        let part = match &self.part {
            Some(part) => format!("{part}: {KEY}"),
            None => KEY.to_owned(),
        };
        let kind = self.kind.filter(|_| count > 0)?;
        let error = error.or_remedy(remedy);
        Some(Capture::unreadable_part(
            &self.evidence,
            kind,
            Some(part),
            &error,
        ))
    }

    /// Says which larger part of the evidence the capture is in.
    #[cfg(all(feature = "collection", feature = "disk-image"))]
    pub(crate) fn add_part(&mut self, outer: Option<&str>) {
        let Some(outer) = outer else {
            return;
        };
        let (evidence, inner) = (&self.evidence, self.part.take());
        let (before, after) = match &inner {
            Some(inner) => (
                format!("{evidence}, {inner}: "),
                format!("{outer}: {inner}"),
            ),
            None => (format!("{evidence}: "), outer.to_owned()),
        };
        if let Some(error) = &mut self.error
            && let Some(reason) = error.message.strip_prefix(&before)
        {
            error.message = format!("{evidence}, {after}: {reason}");
        }
        self.part = Some(after);
    }

    /// Adds what could not be used of the evidence as a whole.
    #[cfg(any(
        feature = "captured-wim",
        feature = "collection",
        feature = "disk-image"
    ))]
    pub(crate) fn add_warnings(&mut self, warnings: crate::Warnings) {
        self.warnings.splice(0..0, warnings.into_vec());
    }
}
