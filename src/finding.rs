//! The reasons of a judgement: what was found, how bad it is, and on what that rests.

use serde::{Deserialize, Serialize};

use crate::codes::codes;

codes! {
    /// What was found about one mounted image. The codes are stable: more may be added, none changes its meaning.
    pub enum FindingCode {
        /// Whether the machine was running, and had not restarted since the mount, is not known: Ok and NeedsRemount cannot be told apart.
        LivenessUnknown = "liveness-unknown",
        /// The machine is taken to have been off: no mount outlasts a shutdown.
        SystemStopped = "system-stopped",
        /// The machine shut down after the image was registered.
        RestartedSinceMount = "restarted-since-mount",
        /// The image was being mounted when a running machine was captured.
        MountingInProgress = "mounting-in-progress",
        /// Mounting began, and nothing shows that it finished.
        MountInterrupted = "mount-interrupted",
        /// Unmounting began and did not end.
        PartiallyUnmounted = "partially-unmounted",
        /// `Status` holds a number of which nothing is known.
        UnknownProgressValue = "unknown-progress-value",
        /// A value of the registration is missing, empty, unreadable, or of the wrong type.
        RegistrationIncomplete = "registration-incomplete",
        /// The mount directory is not there.
        MountDirectoryMissing = "mount-directory-missing",
        /// The mount directory has no `$WIMMOUNTDATA` stream.
        MountDataMissing = "mount-data-missing",
        /// The mount directory has a `$WIMMOUNTDATA` stream that cannot be read as one.
        MountDataUnreadable = "mount-data-unreadable",
        /// Another mount has the mount directory now.
        MountDirectoryReplaced = "mount-directory-replaced",
        /// The registry and the mount directory's own record name different paths.
        RegistryAndMountDataDisagree = "registry-and-mount-data-disagree",
        /// The image file is not there.
        ImageFileMissing = "image-file-missing",
        /// The image file is something other than a WIM.
        ImageFileNotAWim = "image-file-not-a-wim",
        /// The image file ends before what its header names.
        ImageFileTruncated = "image-file-truncated",
        /// The image file has fewer images than the index asks for.
        ImageIndexOutOfRange = "image-index-out-of-range",
        /// The image file is one part of several.
        ImageFileSplit = "image-file-split",
        /// The image file's compression cannot be mounted.
        ImageCompressionNotMountable = "image-compression-not-mountable",
        /// The image file's header says that it is being written.
        ImageWriteInProgress = "image-write-in-progress",
        /// The image file was changed after the image was registered.
        ImageModifiedSinceMount = "image-modified-since-mount",
        /// The image file's header says that it is read-only.
        ImageFileReadOnly = "image-file-read-only",
        /// The driver that mounting needs is not registered, or cannot start.
        FilterDriverMissing = "filter-driver-missing",
        /// Another registration names the same mount directory.
        DuplicateMountPath = "duplicate-mount-path",
        /// Another registration names the same image of the same file: only one of the mounts can be committed.
        WritableMountConflict = "writable-mount-conflict",
        /// The mount directory is the root of a volume.
        MountPathOnVolumeRoot = "mount-path-on-volume-root",
        /// A volume or share that the registration names is not in the capture.
        VolumeNotCaptured = "volume-not-captured",
        /// The mount directory was captured without its streams.
        StreamsNotCaptured = "streams-not-captured",
        /// The mount directory is not in the capture, which need not hold it.
        MountPathNotCaptured = "mount-path-not-captured",
        /// The image file is not in the capture, which need not hold it.
        ImageFileNotCaptured = "image-file-not-captured",
        /// The mount directory could not be read.
        MountDirectoryUnreadable = "mount-directory-unreadable",
        /// The image file could not be read.
        ImageFileUnreadable = "image-file-unreadable",
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Context of the status, or something that was not checked.
    Note,
    /// It may make the mount Invalid, or will get in the way of servicing or remounting.
    Warning,
    /// A reason for which the status is Invalid, for sure or among others.
    Error,
}

/// On what a finding rests, from the surest down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Microsoft documents it.
    Documented,
    /// It was seen for real, or working code relies on it.
    Observed,
    /// One party claims it.
    Claimed,
    /// We infer it.
    Inferred,
}

/// One reason of a judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Finding {
    /// What was found.
    pub code: FindingCode,
    /// How bad it is.
    pub severity: Severity,
    /// On what it rests.
    pub basis: Basis,
    /// The same in plain words, with the particulars. What it quotes of the evidence stands in it as recorded, terminal escapes too.
    pub message: String,
}

impl Finding {
    pub(crate) fn new(
        code: FindingCode,
        severity: Severity,
        basis: Basis,
        message: impl Into<String>,
    ) -> Self {
        Finding {
            code,
            severity,
            basis,
            message: message.into(),
        }
    }
}
