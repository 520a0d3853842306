//! Offline inspector for DISM mount state.

mod binary;
pub mod capture;
mod derive;
mod error;
mod evidence;
mod file_time;
mod finding;
mod inspect;
pub mod mount_point;
mod next_step;
mod observation;
pub mod registry;
mod report;
mod rivals;
#[cfg(feature = "cli")]
mod schema;
mod signature;
mod status;
mod wide_string;
pub mod wim;
mod windows_path;

pub use derive::{Verdict, derive};
pub use error::{Error, Position, Warning, WarningCode, Warnings};
pub use evidence::{Evidence, ImageFile, Liveness, MountDirectory, Rival};
pub use file_time::FileTime;
pub use finding::{Basis, Finding, FindingCode, Severity};
pub use inspect::{InspectOptions, inspect, inspect_stream};
pub use observation::{NotCaptured, Observation};
pub use report::{
    Capture, CaptureError, EvidenceKind, ImageDescription, MountedImage, NextStep, OrphanedMount,
    OtherValue, Report, Tool,
};
pub use status::{DismMountMode, DismMountStatus, WimMountFlags};
pub use wide_string::WideString;
pub use windows_path::{PathComponent, PathRoot, WindowsPath};
