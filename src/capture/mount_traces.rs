//! What a search of a volume for traces of mounts comes upon.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::volume::MOUNT_DATA;
use crate::error::Error;
use crate::mount_point::WimMountData;
use crate::observation::Observation;
use crate::warning::{Warning, WarningCode, Warnings};
use crate::windows_path::{PathComponent, WindowsPath};

/// What a search of a volume for traces of mounts comes upon: the streams of mount directories, and files of mounted
/// images.
pub(crate) struct MountTraces<'a> {
    /// The root of the volume.
    root: WindowsPath,
    /// By the paths of their directories.
    pub(super) streams: Vec<(WindowsPath, Observation<WimMountData>)>,
    /// The directory that holds all files of a mount, by the mount.
    pub(super) stubs: BTreeMap<Uuid, Vec<PathComponent>>,
    /// Traces that were more than are kept.
    left_out: u64,
    warnings: &'a mut Warnings,
    seen: &'a mut u64,
    progress: &'a mut dyn FnMut(u64),
}

/// How many files and directories lie between two calls for progress.
const PROGRESS_STEP: u64 = 1024;

impl<'a> MountTraces<'a> {
    /// How many streams, and how many mounts with files, are kept of one volume: a hostile one could have millions.
    const LIMIT: usize = 10_000;

    pub(super) fn new(
        root: WindowsPath,
        warnings: &'a mut Warnings,
        seen: &'a mut u64,
        progress: &'a mut dyn FnMut(u64),
    ) -> Self {
        MountTraces {
            root,
            streams: Vec::new(),
            stubs: BTreeMap::new(),
            left_out: 0,
            warnings,
            seen,
            progress,
        }
    }

    /// Another file or directory was looked at.
    pub(crate) fn saw_file(&mut self) {
        *self.seen += 1;
        if self.seen.is_multiple_of(PROGRESS_STEP) {
            (self.progress)(*self.seen);
        }
    }

    /// A directory has the stream of a mount; `directory` are the names from the volume's root on.
    pub(crate) fn stream(&mut self, directory: Vec<PathComponent>, stream: Result<Vec<u8>, Error>) {
        let path = self.path(directory);
        if self.streams.len() == Self::LIMIT {
            self.left_out += 1;
            return;
        }
        let mount_data = stream.and_then(|stream| {
            let (mount_data, found) = WimMountData::parse(&stream)?;
            self.warnings
                .extend_from(found, &format!("{path}:{MOUNT_DATA}"));
            Ok(mount_data)
        });
        let mount_data = mount_data.map_or_else(Observation::Unreadable, Observation::Present);
        self.streams.push((path, mount_data));
    }

    /// A file in a directory has the reparse point of a file in a mounted image.
    pub(crate) fn stub(&mut self, mount: Uuid, directory: &[PathComponent]) {
        if let Some(common) = self.stubs.get_mut(&mount) {
            let same = common.iter().zip(directory).take_while(|(a, b)| a == b);
            common.truncate(same.count());
        } else if self.stubs.len() < Self::LIMIT {
            self.stubs.insert(mount, directory.to_owned());
        } else {
            self.left_out += 1;
        }
    }

    /// Something could not be searched.
    pub(crate) fn unreadable(&mut self, reason: &dyn std::fmt::Display) {
        self.warnings.push(Warning::new(
            WarningCode::FileUnreadable,
            format!("not searched for mount directories: {reason}"),
        ));
    }

    /// Something odd was met on the way.
    #[cfg(feature = "captured-wim")]
    pub(crate) fn warn(&mut self, warnings: Warnings) {
        self.warnings.extend(warnings);
    }

    /// The search is over: warns of what was too much.
    pub(super) fn end(&mut self) {
        if self.left_out > 0 {
            let text = format!(
                "{} traces of mounts are left out: more than {} are not kept of one drive",
                self.left_out,
                Self::LIMIT
            );
            self.warnings
                .push(Warning::new(WarningCode::LimitReached, text));
        }
    }

    /// The path of a directory by its names from the root on.
    pub(super) fn path(&self, directory: Vec<PathComponent>) -> WindowsPath {
        WindowsPath {
            root: self.root.root.clone(),
            components: directory,
        }
    }
}
