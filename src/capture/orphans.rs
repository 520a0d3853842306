//! Mount directories that no registration names.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;
use walkdir::{DirEntry, WalkDir};

use super::drive_name::DriveName;
use super::drives::Drives;
use super::link;
use super::named_stream;
use super::volume_folder::{VolumeFolder, has_ntfs_attributes};
use crate::error::{Error, Warning, WarningCode, Warnings};
use crate::mount_point::{ReparseData, WimMountData};
use crate::observation::Observation;
use crate::registry::MountRegistration;
use crate::wide_string::WideString;
use crate::windows_path::WindowsPath;

/// A mount directory that no registration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanedMountDirectory {
    /// The directory, as the captured machine names it.
    pub mount_path: WideString,
    /// Its `$WIMMOUNTDATA` stream; absent where the directory is known by the files in it.
    pub mount_data: Observation<WimMountData>,
    /// The mount that the files in it belong to, where it is known by them: by inference, see
    /// [`WimReparseData`](crate::mount_point::WimReparseData). The mount directory is then this one or one above it.
    pub inferred_mount_id: Option<Uuid>,
}

/// How many files and directories lie between two calls for progress.
const PROGRESS_STEP: u64 = 1024;

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
        let registered = Registered::among(registrations, self);
        let mut orphans = Vec::new();
        let mut seen = 0;
        for (name, volume) in self.volumes() {
            let mut search = Search::new(volume);
            for entry in WalkDir::new(volume.root()) {
                match entry {
                    Ok(entry) => search.visit(&entry),
                    Err(error) => warnings.push(Warning::new(
                        WarningCode::FileUnreadable,
                        format!("not searched for mount directories: {error}"),
                    )),
                }
                seen += 1;
                if seen % PROGRESS_STEP == 0 {
                    progress(seen);
                }
            }
            orphans.extend(search.orphans(name, &registered, warnings));
        }
        progress(seen);
        orphans
    }
}

/// The mount directories that registrations name.
struct Registered {
    paths: HashSet<WindowsPath>,
    /// Those that are there, however their paths lead to them.
    directories: HashSet<PathBuf>,
}

impl Registered {
    fn among(registrations: &[MountRegistration], drives: &Drives) -> Self {
        let paths = registrations.iter().filter_map(|r| r.mount_path.present());
        let paths: HashSet<_> = paths.map(|path| drives.recorded_path(path)).collect();
        let located = paths.iter().filter_map(|path| match drives.locate(path) {
            Observation::Present(located) => Some(located.path),
            _ => None,
        });
        Registered {
            directories: located.collect(),
            paths,
        }
    }

    fn has(&self, directory: &Path, mount_path: &WideString) -> bool {
        self.directories.contains(directory) || self.paths.contains(&WindowsPath::parse(mount_path))
    }
}

/// The search of one volume.
struct Search<'a> {
    volume: &'a VolumeFolder,
    /// Whether the file system has attributes in which a stream could be.
    has_attributes: bool,
    /// Whether it shows streams as files that no listing has.
    has_hidden_files: bool,
    /// Whether it shows reparse points as links that tell their data.
    has_reparse_data: bool,
    /// What carries the streams of mount directories, by the directory.
    streams: BTreeMap<PathBuf, Carrier>,
    /// The directory that holds all files of a mount, by the mount.
    stubs: BTreeMap<Uuid, PathBuf>,
}

enum Carrier {
    Attribute,
    File(PathBuf),
}

impl<'a> Search<'a> {
    fn new(volume: &'a VolumeFolder) -> Self {
        let attribute = named_stream::has_attribute(volume.root());
        Search {
            volume,
            has_attributes: !matches!(attribute, Err(error) if error.kind() == io::ErrorKind::Unsupported),
            has_hidden_files: named_stream::has_hidden_files(volume.root()),
            has_reparse_data: has_ntfs_attributes(volume.root()),
            streams: BTreeMap::new(),
            stubs: BTreeMap::new(),
        }
    }

    fn visit(&mut self, entry: &DirEntry) {
        let kind = entry.file_type();
        if kind.is_dir() {
            if self.has_attributes && named_stream::has_attribute(entry.path()).unwrap_or(false) {
                let directory = entry.path().to_owned();
                self.streams.insert(directory, Carrier::Attribute);
            } else if self.has_hidden_files
                && entry.depth() > 0
                && let Some(file) = named_stream::hidden_file(entry.path())
            {
                let directory = entry.path().to_owned();
                self.streams.insert(directory, Carrier::File(file));
            }
        } else if kind.is_file() {
            if let Some(directory) = named_stream::directory_of_file(entry.path()) {
                let carrier = Carrier::File(entry.path().to_owned());
                self.streams.entry(directory).or_insert(carrier);
            }
        } else if kind.is_symlink() && self.has_reparse_data {
            self.visit_reparse_point(entry.path());
        }
    }

    fn visit_reparse_point(&mut self, path: &Path) {
        let Some(ReparseData::Wim(data)) = link::reparse_point(path).map(|point| point.data) else {
            return;
        };
        let Some(parent) = path.parent() else {
            return;
        };
        let directory = self.stubs.entry(data.inferred_mount_id);
        let directory = directory.or_insert_with(|| parent.to_owned());
        while !parent.starts_with(&directory) {
            directory.pop();
        }
    }

    fn orphans(
        self,
        drive: &DriveName,
        registered: &Registered,
        warnings: &mut Warnings,
    ) -> Vec<OrphanedMountDirectory> {
        let mut orphans = Vec::new();
        let mount_path = |path: &Path| Drives::windows_path(drive, self.volume, path);
        for (directory, carrier) in &self.streams {
            let mount_path = mount_path(directory);
            if registered.has(directory, &mount_path) {
                continue;
            }
            let stream = match carrier {
                Carrier::Attribute => named_stream::read_attributes(directory)
                    .and_then(|stream| stream.ok_or_else(gone)),
                Carrier::File(file) => named_stream::read_file(file),
            };
            let mount_data = stream.and_then(|stream| {
                let (mount_data, found) = WimMountData::parse(&stream)?;
                let name = format!("{mount_path}:{}", named_stream::MOUNT_DATA);
                warnings.extend_from(found, &name);
                Ok(mount_data)
            });
            orphans.push(OrphanedMountDirectory {
                mount_path,
                mount_data: mount_data.map_or_else(Observation::Unreadable, Observation::Present),
                inferred_mount_id: None,
            });
        }
        for (mount_id, directory) in &self.stubs {
            // The directory with the stream, or the registration, speaks for the files in it.
            let mut above = directory.ancestors();
            if above.any(|above| {
                registered.directories.contains(above) || self.streams.contains_key(above)
            }) {
                continue;
            }
            orphans.push(OrphanedMountDirectory {
                mount_path: mount_path(directory),
                mount_data: Observation::Absent,
                inferred_mount_id: Some(*mount_id),
            });
        }
        orphans
    }
}

fn gone() -> Error {
    Error::malformed("the stream that was listed", "none")
}
