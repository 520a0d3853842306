//! Mount directories that no registration names.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use uuid::Uuid;

use super::drives::Drives;
use super::mount_traces::MountTraces;
use crate::mount_point::WimMountData;
use crate::observation::Observation;
use crate::registry::MountRegistration;
use crate::warning::Warnings;
use crate::wide_string::WideString;
use crate::windows_path::WindowsPath;

/// A mount directory that no registration names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrphanedMountDirectory {
    /// The directory, as the captured machine names it.
    pub mount_path: WideString,
    /// Its `$WIMMOUNTDATA` stream; absent where the directory is known by the files in it.
    pub mount_data: Observation<WimMountData>,
    /// The mount that the files in it belong to, where it is known by them: by inference, see
    /// [`WimReparseData`](crate::mount_point::WimReparseData). The mount directory is then this one or one above it.
    pub inferred_mount_id: Option<Uuid>,
}

impl Drives {
    /// Searches all drives for mount directories that none of the registrations names: by their stream, or by the files
    /// of a mounted image in them. Links are not followed.
    ///
    /// `progress` is told now and then how many files and directories were seen.
    pub fn find_orphans(
        &self,
        registrations: &[MountRegistration],
        warnings: &mut Warnings,
        mut progress: impl FnMut(u64),
    ) -> Vec<OrphanedMountDirectory> {
        let registered = self.registered_directories(registrations);
        let mut orphans = Vec::new();
        let mut seen = 0;
        for (name, volume) in self.volumes() {
            let root = name.root_path();
            let mut traces = MountTraces::new(root, warnings, &mut seen, &mut progress);
            volume.search(&mut traces);
            let has_shown_stream = self.has_shown_stream(&name.root_path());
            traces.end(volume.shows_streams() || has_shown_stream.is_some_and(Cell::get));
            orphans.extend(orphans_among(traces, &registered));
        }
        progress(seen);
        orphans
    }

    /// The mount directories that registrations name: as they name them, and where their paths lead to.
    fn registered_directories(&self, registrations: &[MountRegistration]) -> HashSet<WindowsPath> {
        let paths = registrations.iter().filter_map(|r| r.mount_path.present());
        let paths: HashSet<_> = paths.map(|path| self.recorded_path(path)).collect();
        let located = paths.iter().filter_map(|path| match self.locate(path) {
            Observation::Present(located) => Some(located.path),
            _ => None,
        });
        let mut registered: HashSet<_> = located.collect();
        registered.extend(paths);
        registered
    }
}

/// Where the root of a volume is a mount directory, that directory alone was captured: only its stream tells where it lay.
fn recorded_root(path: &WindowsPath, mount_data: &Observation<WimMountData>) -> Option<WideString> {
    let recorded = mount_data.present()?.mount_path.as_ref();
    let is_told = |recorded: &&WideString| path.is_volume_root() && !recorded.is_blank();
    recorded.filter(is_told).cloned()
}

fn orphans_among(
    mut traces: MountTraces<'_>,
    registered: &HashSet<WindowsPath>,
) -> Vec<OrphanedMountDirectory> {
    let streams = std::mem::take(&mut traces.streams);
    let stubs = std::mem::take(&mut traces.stubs);
    let with_stream: Vec<WindowsPath> = streams.iter().map(|(path, _)| path.clone()).collect();
    let speaking = DirectorySet::of(registered.iter().chain(&with_stream));
    let mut orphans: Vec<_> = streams
        .into_iter()
        .filter(|(path, _)| !registered.contains(path))
        .map(|(path, mount_data)| OrphanedMountDirectory {
            mount_path: recorded_root(&path, &mount_data).unwrap_or_else(|| path.to_wide_string()),
            mount_data,
            inferred_mount_id: None,
        })
        .collect();
    for (mount_id, directory) in stubs {
        let directory = traces.path(directory);
        // The directory with the stream, or the registration, speaks for the files in it.
        if !speaking.holds(&directory) {
            orphans.push(OrphanedMountDirectory {
                mount_path: directory.to_wide_string(),
                mount_data: Observation::Absent,
                inferred_mount_id: Some(mount_id),
            });
        }
    }
    orphans
}

/// Directories, to tell whether a path lies in one of them without comparing it with each.
struct DirectorySet<'a> {
    /// By a hash of the whole path.
    by_hash: HashMap<u64, Vec<&'a WindowsPath>>,
}

impl<'a> DirectorySet<'a> {
    fn of(directories: impl Iterator<Item = &'a WindowsPath>) -> Self {
        let mut by_hash: HashMap<u64, Vec<_>> = HashMap::new();
        for directory in directories {
            if let Some(hash) = hashes(directory).last() {
                by_hash.entry(hash).or_default().push(directory);
            }
        }
        DirectorySet { by_hash }
    }

    /// Whether a path is one of the directories, or lies in one.
    fn holds(&self, path: &WindowsPath) -> bool {
        hashes(path).enumerate().any(|(length, hash)| {
            let directories = self.by_hash.get(&hash).into_iter().flatten();
            let mut directories = directories.filter(|it| it.components.len() == length);
            directories
                .any(|it| it.root == path.root && path.components.starts_with(&it.components))
        })
    }
}

/// A hash of the path's root, and of each directory on the way to it and itself, in one pass.
fn hashes(path: &WindowsPath) -> impl Iterator<Item = u64> {
    let mut hasher = DefaultHasher::new();
    path.root.hash(&mut hasher);
    let root = hasher.finish();
    let below = path.components.iter().map(move |name| {
        name.hash(&mut hasher);
        hasher.finish()
    });
    std::iter::once(root).chain(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_holds_what_lies_in_it() {
        let path = |text: &str| WindowsPath::parse(&text.into());
        let directories = [path(r"C:\a\b"), path(r"D:\")];
        let set = DirectorySet::of(directories.iter());
        for inside in [r"c:\A\B", r"C:\a\b\c\d", r"D:\", r"D:\x"] {
            assert!(set.holds(&path(inside)), "{inside}");
        }
        for outside in [r"C:\a", r"C:\a\bc", r"C:\b\a\b", r"E:\a\b", r"C:\"] {
            assert!(!set.holds(&path(outside)), "{outside}");
        }
    }
}
