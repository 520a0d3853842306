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
    /// How many bytes of paths and streams are kept.
    kept_bytes: usize,
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
    /// How many bytes of their paths and streams are kept: a real one has some hundred.
    const MAX_BYTES: usize = 4 << 20;

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
            kept_bytes: 0,
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
        let stream_length = stream.as_ref().map_or(0, Vec::len);
        if !self.has_room(self.streams.len(), &directory, stream_length) {
            return;
        }
        let path = self.path(directory);
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
        } else if self.has_room(self.stubs.len(), directory, 0) {
            self.stubs.insert(mount, directory.to_owned());
        }
    }

    /// Counts another trace, beside so many of its kind.
    fn has_room(&mut self, count: usize, directory: &[PathComponent], length: usize) -> bool {
        let names = directory.iter().map(|name| 2 * name.0.as_units().len());
        let bytes = self.kept_bytes + names.sum::<usize>() + length;
        let has_room = count < Self::LIMIT && bytes <= Self::MAX_BYTES;
        match has_room {
            true => self.kept_bytes = bytes,
            false => self.left_out += 1,
        }
        has_room
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

    /// The search is over: warns of what was too much, and where nothing can be seen.
    pub(super) fn end(&mut self, shows_streams: bool) {
        if !shows_streams && self.streams.is_empty() && self.stubs.is_empty() {
            let text = format!(
                "no streams are seen on {}, and mount directories are known by them: search an image of the volume for those",
                self.root
            );
            self.warnings
                .push(Warning::new(WarningCode::StreamsNotShown, text));
        }
        if self.left_out > 0 {
            let text = format!(
                "{} traces of mounts are left out: no more than {}, of {} MiB together, are kept of one drive",
                self.left_out,
                Self::LIMIT,
                Self::MAX_BYTES >> 20
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize, length: usize) -> Vec<PathComponent> {
        vec![PathComponent::from(&"x".repeat(length)[..]); count]
    }

    /// What is kept of so many streams and of so many files of mounts, and what is said of the others.
    fn kept(streams: usize, length: usize, stubs: u128, depth: usize) -> (usize, usize, String) {
        let (mut warnings, mut seen) = (Warnings::default(), 0);
        let mut progress = |_| {};
        let root = "C:\\".into();
        let mut traces = MountTraces::new(root, &mut warnings, &mut seen, &mut progress);
        for _ in 0..streams {
            traces.stream(names(1, 5), Ok(vec![0; length]));
        }
        for mount in 0..stubs {
            traces.stub(Uuid::from_u128(mount), &names(depth, 100));
        }
        let counts = (traces.streams.len(), traces.stubs.len());
        traces.end(true);
        let mut limits = warnings.as_slice().iter();
        let limit = limits.find(|warning| warning.code() == WarningCode::LimitReached);
        (
            counts.0,
            counts.1,
            limit.map_or(String::new(), Warning::message),
        )
    }

    #[test]
    fn neither_many_traces_nor_long_ones_fill_the_memory() {
        assert_eq!(kept(100, 400, 100, 5), (100, 100, String::new()));
        let (streams, stubs, said) = kept(10_001, 10, 10_002, 1);
        assert_eq!((streams, stubs), (10_000, 10_000));
        assert!(
            said.starts_with("3 traces of mounts are left out"),
            "{said}"
        );
        let (streams, stubs, said) = kept(100, 60_000, 100, 100);
        assert_eq!((streams, stubs), (69, 2));
        assert!(said.starts_with("129 traces"), "{said}");
    }
}
