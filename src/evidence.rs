//! All that is known about one mounted image, as the judgement takes it.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::file_time::FileTime;
use crate::mount_point::WimMountData;
use crate::observation::{NotCaptured, Observation};
use crate::registry::MountRegistration;
use crate::registry::system_hive::FilterDriver;
use crate::status::DismMountMode;
use crate::wide_string::WideString;
use crate::wim::Wim;

/// The facts about one mounted image.
///
/// [`Evidence::from_registration`] knows only the registry; the other fields are filled from what else was captured.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Evidence {
    /// What the registry records.
    pub registration: MountRegistration,
    /// Other registrations of the same machine that name the same mount directory.
    pub mount_path_rivals: Vec<Rival>,
    /// Other registrations of the same machine that name the same image of the same file.
    pub image_rivals: Vec<Rival>,
    /// Whether it can be written to, where something tells: the registry does not.
    pub mount_mode: Option<DismMountMode>,
    /// Whether the machine was running when it was captured.
    pub liveness: Liveness,
    /// Whether it is of an earlier state of the machine, as a shadow copy is: what is mounted now, it does not tell.
    pub is_earlier_state: bool,
    /// The last clean shutdown of the machine.
    pub last_shutdown: Observation<FileTime>,
    /// The driver that mounting and remounting need.
    pub filter_driver: Observation<FilterDriver>,
    /// What lies at the mount path.
    pub mount_directory: Observation<MountDirectory>,
    /// What lies at the image file's path.
    pub image_file: Observation<ImageFile>,
}

/// Whether a machine was running when it was captured: only then can anything be mounted. A restart between mount and
/// capture is another fact: see [`Evidence::last_shutdown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Liveness {
    /// It was running, and had not restarted since the mount unless [`Evidence::last_shutdown`] tells otherwise.
    Running,
    /// It was off.
    Stopped,
    /// The evidence does not tell.
    #[default]
    Unknown,
}

/// Another registration that claims the same thing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rival {
    /// The name of the other registration's key, without the path to it: usually its mount's GUID.
    pub key_name: WideString,
    /// The other mount directory as it is recorded, if it is.
    pub mount_path: Option<WideString>,
    /// When the other key was last written.
    pub registered_at: Option<FileTime>,
}

/// A mount directory that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountDirectory {
    /// Its `$WIMMOUNTDATA` stream.
    pub mount_data: Observation<WimMountData>,
}

/// An image file that is there.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ImageFile {
    /// When its data was last written.
    pub modified: Option<FileTime>,
    /// What it says of itself, or why it is not a WIM that can be read.
    pub wim: Result<Wim, Error>,
}

impl Rival {
    /// Another registration, by the name of its key; nothing else is known of it.
    pub fn new(key_name: impl Into<WideString>) -> Self {
        Rival {
            key_name: key_name.into(),
            mount_path: None,
            registered_at: None,
        }
    }
}

impl MountDirectory {
    /// A directory with what looking for its `$WIMMOUNTDATA` stream led to.
    pub fn new(mount_data: Observation<WimMountData>) -> Self {
        MountDirectory { mount_data }
    }
}

impl ImageFile {
    /// A file with what it says of itself; when it was last written is not known.
    pub fn new(wim: Result<Wim, Error>) -> Self {
        ImageFile {
            modified: None,
            wim,
        }
    }
}

impl Evidence {
    /// What a registration alone tells; everything else is not captured.
    pub fn from_registration(registration: MountRegistration) -> Self {
        Evidence {
            registration,
            mount_path_rivals: Vec::new(),
            image_rivals: Vec::new(),
            mount_mode: None,
            liveness: Liveness::Unknown,
            is_earlier_state: false,
            last_shutdown: Observation::NotCaptured(NotCaptured::KindOfEvidence),
            filter_driver: Observation::NotCaptured(NotCaptured::KindOfEvidence),
            mount_directory: Observation::NotCaptured(NotCaptured::KindOfEvidence),
            image_file: Observation::NotCaptured(NotCaptured::KindOfEvidence),
        }
    }

    /// Whether the machine shut down after the image was registered, as far as is known.
    pub fn has_restarted_since_mount(&self) -> bool {
        match (
            self.last_shutdown.present(),
            self.registration.registered_at,
        ) {
            (Some(shutdown), Some(registered)) => *shutdown > registered,
            _ => false,
        }
    }
}
