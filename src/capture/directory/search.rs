//! The search of a volume's folder for traces of mounts.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::volume_folder::{Folder, has_ntfs_attributes};
use super::{host_link, host_name, named_stream};
use crate::capture::mount_traces::MountTraces;
use crate::error::Error;
use crate::mount_point::ReparseData;
use crate::windows_path::PathComponent;

/// Walks all of the folder. Links are not followed.
pub(super) fn search(folder: &Folder, traces: &mut MountTraces<'_>) {
    let mut search = Search::new(folder);
    for entry in WalkDir::new(folder.root()) {
        match entry {
            Ok(entry) => search.visit(&entry, traces),
            Err(error) => traces.unreadable(&error),
        }
        traces.saw_file();
    }
    for (directory, carrier) in search.streams {
        let stream = carrier.read(&directory);
        traces.stream(names(folder, &directory), stream);
    }
}

/// Whether a file anywhere in the folder is named as one that holds a stream. Links are not followed.
pub(super) fn holds_any_stream_file(folder: &Folder) -> bool {
    let entries = WalkDir::new(folder.root()).into_iter();
    entries.filter_map(Result::ok).any(|entry| {
        entry.file_type().is_file() && named_stream::directory_of_file(entry.path()).is_some()
    })
}

struct Search<'a> {
    folder: &'a Folder,
    /// Whether the file system has attributes in which a stream could be.
    has_attributes: bool,
    /// Whether it shows streams as files that no listing has.
    has_hidden_files: bool,
    /// Whether it shows reparse points as links that tell their data.
    has_reparse_data: bool,
    /// What carries the streams of mount directories, by the directory.
    streams: BTreeMap<PathBuf, Carrier>,
}

enum Carrier {
    Attribute,
    File(PathBuf),
}

impl Carrier {
    fn read(&self, directory: &Path) -> Result<Vec<u8>, Error> {
        match self {
            Carrier::Attribute => named_stream::read_attributes(directory)?
                .ok_or_else(|| Error::malformed("the stream that was listed", "none")),
            Carrier::File(file) => named_stream::read_file(file),
        }
    }
}

impl<'a> Search<'a> {
    fn new(folder: &'a Folder) -> Self {
        let attribute = named_stream::has_attribute(folder.root());
        Search {
            folder,
            has_attributes: !matches!(attribute, Err(error) if error.kind() == io::ErrorKind::Unsupported),
            has_hidden_files: named_stream::has_hidden_files(folder.root()),
            has_reparse_data: has_ntfs_attributes(folder.root()),
            streams: BTreeMap::new(),
        }
    }

    fn visit(&mut self, entry: &DirEntry, traces: &mut MountTraces<'_>) {
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
            self.visit_reparse_point(entry.path(), traces);
        }
    }

    fn visit_reparse_point(&self, path: &Path, traces: &mut MountTraces<'_>) {
        let point = host_link::reparse_point(path);
        if let (Some(ReparseData::Wim(data)), Some(parent)) =
            (point.map(|point| point.data), path.parent())
        {
            traces.stub(data.inferred_mount_id, &names(self.folder, parent));
        }
    }
}

/// The names from the volume's root to something in its folder.
fn names(folder: &Folder, path: &Path) -> Vec<PathComponent> {
    let inside = path.strip_prefix(folder.root()).unwrap_or(path);
    let names = inside.iter().map(host_name::to_windows);
    names.map(PathComponent).collect()
}
