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
use crate::error::Error;
use crate::file_time::FileTime;
use crate::mount_point::{ReparseData, ReparseTag};
use crate::observation::Observation;
use crate::warning::Warnings;
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
                let point = self.known_reparse_point()?;
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
    let point = file.known_reparse_point()?;
    if let Some(ReparseData::Wim(data)) = point.map(|point| point.data) {
        let directory = paths.path(file.name()?.parent)?;
        traces.stub(data.inferred_mount_id, &directory);
    }
    Ok(())
}

fn located(error: Error, file: &NtfsFile) -> Error {
    error.in_evidence(file.shown_name())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::super::written_volume::{
        File, Layout, Storage, data, everything, reparse_data, small_layout, write_volume,
    };
    use super::*;
    use crate::windows_path::PathComponent;

    fn child(volume: &NtfsVolume, name: &str) -> (Rc<dyn CapturedFile>, String) {
        match Volume::root(volume).child(&name.into()).unwrap() {
            Child::Found(file, own_name) => (file, own_name.to_string_lossy()),
            other => panic!("{name}: {other:?}"),
        }
    }

    fn everything_written() -> NtfsVolume {
        NtfsVolume::open(write_volume(&small_layout(), &everything())).unwrap()
    }

    #[test]
    fn a_short_name_leads_to_the_file_with_its_long_name() {
        let volume = everything_written();
        for name in ["alongn~1.txt", "A LONG NAME.TXT", "a long name.txt. ."] {
            let (file, own_name) = child(&volume, name);
            assert_eq!(own_name, "a long name.txt", "{name}");
            let mut text = String::new();
            file.open().unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "text");
        }
        // The volume keeps short names: one that is not there is no file's.
        let missing = Volume::root(&volume).child(&"NOSUCH~1.TXT".into());
        assert!(matches!(missing, Ok(Child::Missing)));
    }

    #[test]
    fn links_are_told_and_compressed_files_are_files() {
        let target: Vec<u8> = "\\??\\C:\\Mount"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let length = target.len() as u16;
        let spans = [0, length, length, 0].map(u16::to_le_bytes).concat();
        let junction = reparse_data(ReparseTag::MOUNT_POINT.0, &[spans, target].concat());
        let cloud = reparse_data(0x9000_001A, &[1; 12]);
        let mut files = everything();
        files.push(File::directory("Junction", vec![]).and_reparse_data(junction));
        files.push(File::with_data("in the cloud", b"", Storage::Resident).and_reparse_data(cloud));
        let volume = NtfsVolume::open(write_volume(&Layout::default(), &files)).unwrap();
        let kind = |name| child(&volume, name).0.kind().unwrap();
        match kind("junction") {
            FileKind::Link(Link::To(path)) => assert_eq!(path.components, ["MOUNT".into()]),
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            kind("in the cloud"),
            FileKind::ReparsePoint(ReparseTag(0x9000_001A))
        ));
        assert!(matches!(kind("many"), FileKind::Directory));
        assert!(matches!(kind("overlay.dll"), FileKind::File));
        let mut read = Vec::new();
        let (overlay, _) = child(&volume, "overlay.dll");
        overlay.open().unwrap().read_to_end(&mut read).unwrap();
        assert!(read == data(20_000, 2));
        let secret = child(&volume, "secret").0.open();
        assert!(secret.err().unwrap().is_unsupported());
    }

    #[test]
    fn streams_of_mounts_are_there_or_not_or_too_long() {
        let mut files = everything();
        files.push(File::directory("Long", vec![]).and_stream(
            MOUNT_DATA,
            &data(70_000, 0),
            Storage::Clusters,
        ));
        let volume = NtfsVolume::open(write_volume(&Layout::default(), &files)).unwrap();
        let mount_data = |name| child(&volume, name).0.mount_data();
        assert_eq!(mount_data("mount"), Observation::Present(data(200, 0)));
        assert_eq!(mount_data("many"), Observation::Absent);
        assert!(matches!(mount_data("long"), Observation::Unreadable(_)));
    }

    #[test]
    fn a_search_comes_upon_streams_and_files_of_mounts() {
        let volume = everything_written();
        let (mut warnings, mut seen) = (Warnings::default(), 0);
        let mut progress = |_| {};
        let root = "D:\\".into();
        let mut traces = MountTraces::new(root, &mut warnings, &mut seen, &mut progress);
        volume.search(&mut traces);
        let paths: Vec<_> = traces
            .streams
            .iter()
            .map(|(path, _)| path.to_string())
            .collect();
        assert_eq!(paths, ["D:\\Mount", "D:\\Replaced"]);
        let stubs: Vec<_> = traces.stubs.values().cloned().collect();
        assert_eq!(stubs, [[PathComponent::from("Mount")]]);
        assert!(seen > 100, "{seen} files");
        assert_eq!(warnings.as_slice(), []);
    }

    #[test]
    fn a_damaged_root_is_unreadable_and_the_rest_is_searched() {
        let mut bytes = write_volume(&Layout::default(), &everything());
        let boot_sector = *NtfsVolume::open(bytes.clone()).unwrap().boot_sector();
        let table = boot_sector.mft_cluster * u64::from(boot_sector.cluster_size);
        bytes[table as usize + 5 * 1024 + 510] ^= 1;
        let volume = NtfsVolume::open(bytes).unwrap();
        let root = Volume::root(&volume);
        assert!(root.kind().is_err());
        assert!(root.child(&"Mount".into()).is_err());
        assert!(matches!(root.mount_data(), Observation::Unreadable(_)));
        let mut count = 0;
        volume.search_mounts(|trace| count += usize::from(trace.is_some()));
        assert_eq!(count, 4);
    }
}
