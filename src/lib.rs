//! Offline inspector for DISM mount state: which images a captured Windows had mounted for servicing, and whether each is
//! [Ok](DismMountStatus::Ok), [NeedsRemount](DismMountStatus::NeedsRemount) or [Invalid](DismMountStatus::Invalid), with the reasons.
//!
//! # Getting started
//!
//! 1. [`inspect`] takes a path to evidence (a registry export, a hive, a captured tree; with the [features](#features) for them a
//!    WIM file, a disk image, a triage collection) and [`InspectOptions`], and gives a [`Report`].
//!    [`inspect_stream`] takes standard input or anything else that is read once.
//! 2. A report has [`Capture`]s, and these have [`MountedImage`]s: the status of each, the statuses that the evidence leaves possible, the
//!    [`Finding`]s that explain them, each with the [`Basis`] it rests on, and the [`NextStep`].
//! 3. Whoever has evidence of another kind fills an [`Evidence`] and calls [`derive()`], the judgement itself.
//!
//! The first two steps, with what the evidence itself does not tell:
//!
//! ```
//! use dism_mount_status::visible::visible;
//! use dism_mount_status::{InspectOptions, Liveness, inspect};
//!
//! # fn main() -> Result<(), dism_mount_status::Error> {
//! let mut options = InspectOptions::default();
//! options.captured = Some(Liveness::Running);
//! let report = inspect("fixtures/registry/one-mounted.reg", &options)?;
//! for image in report.mounted_images() {
//!     println!("{}: {:?}", image.mount_status, image.mount_path);
//!     // Evidence stands in messages as it was recorded, terminal escapes too.
//!     image.findings.iter().for_each(|finding| println!("  {}", visible(&finding.message)));
//! }
//! # Ok(()) }
//! ```
//!
//! The third: facts that were found in another way, and the judgement.
//!
//! ```
//! use dism_mount_status::registry::MountRegistration;
//! use dism_mount_status::{DismMountStatus, Evidence, Liveness, Observation, derive};
//!
//! let key = r"Microsoft\WIMMount\Mounted Images\{e242237c-66ed-4958-b9ec-c49b07eaeeb5}";
//! let mut registration = MountRegistration::new(key);
//! registration.mount_path = Observation::Present(r"C:\mount".into());
//! registration.image_file_path = Observation::Present(r"C:\images\install.wim".into());
//! registration.image_index = Observation::Present(1);
//! registration.progress_value = Observation::Present(2);
//! let mut evidence = Evidence::from_registration(registration);
//! evidence.liveness = Liveness::Stopped;
//! assert_eq!(derive(&evidence).mount_status, DismMountStatus::NeedsRemount);
//! ```
//!
//! # The layers
//!
//! Data flows one way, and nothing knows what is above it: [`capture`] says where a captured machine's files lie; the readers
//! [`registry`], [`mount_point`] and [`wim`] turn bytes into facts and [`Warnings`]; [`Evidence`] holds the facts of one mount, each an
//! [`Observation`] that keeps absent, not captured and unreadable apart; [`derive()`] judges; [`Report`] is the result.
//!
//! Readers take bytes, `Read`, or `Read + Seek`. They open no file and judge nothing. Damaged and hostile input gives errors and warnings with
//! the place, what was expected and what was found; it does not panic, hang, or take memory by its own word.
//!
//! # Features
//!
//! None is on by default. `captured-wim` looks into WIM files: the tree of each image, its data, streams and reparse points. `disk-image` opens disk
//! images: container, partitions, NTFS. `collection` reads triage collections: archives and collectors' folders. `cli` builds the
//! command line with all of them, and has no other effect on the library but JSON Schema for its reports.
//!
//! # What may change
//!
//! Codes, names and numbers that stand for Windows' own never change their meaning; more may be added, and a program that deserializes
//! codes of a later version has to expect an error for those that it does not know. So types that can grow are
//! `non_exhaustive`, and those of them that callers fill have a constructor. Those that mirror a fixed layout or a closed vocabulary (a WIM's
//! header, [`DismMountStatus`], [`Observation`]) are not. [`Error`] and [`Warning`] are opaque; their texts may change at any time.
//!
//! Three other crates show in signatures: `uuid` 1 ([`Uuid`], exported here, too), the traits of `serde` 1, and the traits of `bitflags` 2 on the types of
//! flags. No other does: parsers, decompressors and the like can be exchanged without notice. What the feature `cli` adds to the library is for the
//! program alone.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod allowance;
mod binary;
pub mod capture;
mod codes;
mod derive;
mod error;
mod evidence;
mod file_time;
mod finding;
mod inspect;
pub mod mount_point;
mod observation;
pub mod registry;
mod report;
mod rivals;
#[cfg(feature = "cli")]
mod schema;
#[cfg(any(
    feature = "captured-wim",
    feature = "collection",
    feature = "disk-image"
))]
mod seek;
mod signature;
mod status;
pub mod visible;
mod warning;
mod wide_string;
pub mod wim;
mod windows_path;

pub use derive::{Verdict, derive};
pub use error::{Error, Position};
pub use evidence::{Evidence, ImageFile, Liveness, MountDirectory, Rival};
pub use file_time::FileTime;
pub use finding::{Basis, Finding, FindingCode, Severity};
#[cfg(any(feature = "captured-wim", feature = "disk-image"))]
pub use inspect::companions;
pub use inspect::{InspectOptions, Listener, identify, inspect, inspect_stream};
pub use observation::{NotCaptured, Observation};
pub use report::{
    Capture, CaptureError, EvidenceKind, ImageDescription, MountedImage, NextStep, OrphanedMount,
    OtherValue, Report, Tool,
};
pub use status::{DismMountMode, DismMountStatus, WimMountFlags};
pub use uuid::Uuid;
pub use warning::{Warning, WarningCode, Warnings};
pub use wide_string::WideString;
pub use windows_path::{PathComponent, PathRoot, WindowsPath};

/// The examples of the README hold.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
