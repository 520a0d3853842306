//! An NTFS volume as what carries the files of a captured machine.

use std::io::Cursor;
use std::rc::Rc;

use super::directory_paths::DirectoryPaths;
use super::file_name::Namespace;
use super::mount_search::MountTrace;
use super::{DirectoryEntry, NtfsFile, NtfsVolume};
use crate::capture::Scope;
use crate::capture::link::Link;
use crate::capture::mount_traces::MountTraces;
use crate::capture::volume::{
    CapturedFile, Child, FileKind, MAX_MOUNT_DATA_LENGTH, MOUNT_DATA, ReadSeek, Volume, trim_end,
};
use crate::error::{Error, Warnings};
use crate::file_time::FileTime;
use crate::mount_point::{ReparseData, ReparsePoint, ReparseTag};
use crate::observation::Observation;
use crate::wide_string::WideString;

/// What is not on the volume was not on the machine's.
impl Volume for NtfsVolume {
    fn scope(&self) -> Scope {
        Scope::Complete
    }

    fn root(&self) -> Rc<dyn CapturedFile> {
        match self.file(Self::ROOT) {
            Ok(root) => Rc::new(root),
            Err(error) => Rc::new(DamagedRoot(error)),
        }
    }

    fn search(&self, traces: &mut MountTraces<'_>) {
        let paths = DirectoryPaths::new(self);
        self.search_mounts(|trace| {
            traces.saw_file();
            match trace {
                None => {}
                Some(MountTrace::Directory(directory)) => match paths.path(directory.reference()) {
                    Ok(path) => traces.stream(path, read_mount_data(&directory)),
                    Err(error) => traces.unreadable(&located(error, &directory)),
                },
                Some(MountTrace::File(file)) => {
                    if let Err(error) = add_stub(&file, &paths, traces) {
                        traces.unreadable(&located(error, &file));
                    }
                }
            }
        });
    }

    fn take_warnings(&self) -> Warnings {
        NtfsVolume::take_warnings(self)
    }
}

impl CapturedFile for NtfsFile {
    fn kind(&self) -> Result<FileKind, Error> {
        let kind = match self.is_directory() {
            true => FileKind::Directory,
            false => FileKind::File,
        };
        match self.reparse_tag()? {
            None => return Ok(kind),
            Some(ReparseTag::SYMLINK | ReparseTag::MOUNT_POINT) => {
                let point = known_reparse_point(self)?;
                let link = point.map(|point| Link::of(&point)).transpose()?;
                if let Some(link) = link.flatten() {
                    return Ok(FileKind::Link(link));
                }
            }
            // Its data are on the volume, compressed.
            Some(ReparseTag::WOF) => return Ok(kind),
            Some(tag) if !self.is_directory() => return Ok(FileKind::ReparsePoint(tag)),
            // What is in a directory is there whatever its reparse point makes of it.
            Some(_) => {}
        }
        Ok(kind)
    }

    fn child(&self, name: &WideString) -> Result<Child, Error> {
        let trimmed = trim_end(name);
        let entry = match self.entry(name)? {
            None if trimmed != *name => self.entry(&trimmed)?,
            entry => entry,
        };
        let Some(entry) = entry else {
            return Ok(Child::Missing);
        };
        let file = self.volume().file(entry.file)?;
        let name = own_name(&entry, &file)?;
        Ok(Child::Found(Rc::new(file), name))
    }

    fn open(&self) -> Result<Box<dyn ReadSeek>, Error> {
        Ok(match NtfsFile::open(self)? {
            Some(stream) => Box::new(stream),
            None => Box::new(Cursor::new([])),
        })
    }

    fn modified(&self) -> Option<FileTime> {
        let information = self.standard_information().ok()?;
        Some(information.modification_time)
    }

    fn mount_data(&self) -> Observation<Vec<u8>> {
        match self.open_stream(&MOUNT_DATA.into()) {
            Ok(None) => Observation::Absent,
            Ok(Some(stream)) => match stream.read_whole(MAX_MOUNT_DATA_LENGTH) {
                Ok(stream) => Observation::Present(stream),
                Err(error) => Observation::Unreadable(error),
            },
            Err(error) => Observation::Unreadable(error),
        }
    }
}

/// The root directory of a volume on which its record is damaged.
#[derive(Debug)]
struct DamagedRoot(Error);

impl CapturedFile for DamagedRoot {
    fn kind(&self) -> Result<FileKind, Error> {
        Err(self.0.clone())
    }

    fn child(&self, _name: &WideString) -> Result<Child, Error> {
        Err(self.0.clone())
    }

    fn open(&self) -> Result<Box<dyn ReadSeek>, Error> {
        Err(self.0.clone())
    }

    fn modified(&self) -> Option<FileTime> {
        None
    }

    fn mount_data(&self) -> Observation<Vec<u8>> {
        Observation::Unreadable(self.0.clone())
    }
}

/// The name of a file in its directory, where its short one may have led to it.
fn own_name(entry: &DirectoryEntry, file: &NtfsFile) -> Result<WideString, Error> {
    let found = &entry.file_name;
    if found.namespace != Namespace::Dos {
        return Ok(found.name.clone());
    }
    let mut names = file.names()?.into_iter();
    let long = names.find(|name| name.namespace == Namespace::Win32 && name.parent == found.parent);
    Ok(long.map_or_else(|| found.name.clone(), |long| long.name))
}

/// The reparse point of a file, what is odd about which is told in the volume's warnings.
fn known_reparse_point(file: &NtfsFile) -> Result<Option<ReparsePoint>, Error> {
    let Some((point, warnings)) = file.reparse_point()? else {
        return Ok(None);
    };
    if !warnings.as_slice().is_empty() {
        let table = file.volume().table();
        table.warn_all(warnings, &shown_name(file));
    }
    Ok(Some(point))
}

fn read_mount_data(directory: &NtfsFile) -> Result<Vec<u8>, Error> {
    let stream = directory.open_stream(&MOUNT_DATA.into())?;
    let stream = stream.map(|stream| stream.read_whole(MAX_MOUNT_DATA_LENGTH));
    stream.unwrap_or_else(|| Err(Error::malformed(MOUNT_DATA, "none").at(directory.position())))
}

/// A file of a mounted image belongs to its mount by what its reparse point says.
fn add_stub(
    file: &NtfsFile,
    paths: &DirectoryPaths<'_>,
    traces: &mut MountTraces<'_>,
) -> Result<(), Error> {
    let point = known_reparse_point(file)?;
    if let Some(ReparseData::Wim(data)) = point.map(|point| point.data) {
        let directory = paths.path(file.name()?.parent)?;
        traces.stub(data.inferred_mount_id, &directory);
    }
    Ok(())
}

fn located(error: Error, file: &NtfsFile) -> Error {
    error.in_evidence(shown_name(file))
}

/// What a file is called, for a message.
fn shown_name(file: &NtfsFile) -> String {
    match file.name() {
        Ok(name) => name.name.to_string_lossy(),
        Err(_) => format!("file {}", file.reference()),
    }
}
