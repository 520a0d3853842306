//! The images in a WIM file: each is a capture of a volume.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Scope;
use super::link::Link;
use super::machine::CapturedMachine;
use super::mount_traces::MountTraces;
use super::read_at::{ReadAtCursor, Seekable};
use super::volume::{
    CapturedFile, Child, FileKind, MAX_MOUNT_DATA_LENGTH, MOUNT_DATA, ReadSeek, Volume,
    is_short_name, trim_end,
};
use crate::allowance::Allowance;
use crate::error::{Error, Position};
use crate::file_time::FileTime;
use crate::mount_point::{ReparseData, ReparsePoint, ReparseTag};
use crate::observation::Observation;
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::WideString;
use crate::wim::{
    CapturedWim, DirectoryEntry, FileAttributes, ImageMetadata, Integrity, StreamEntry,
    VerificationProgress, WimHeader,
};

/// A WIM file of this host whose images are looked into.
#[derive(Debug)]
pub struct WimCapture {
    wim: Rc<CapturedWim<Source>>,
    /// How many bytes may be read and decompressed in all.
    allowance: u64,
    /// How many entries of directories may still be gone through.
    entries: Rc<Allowance>,
    warnings: Warnings,
}

/// What a verification found damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WimDamage {
    /// What of the file is damaged: `integrity`, of a split WIM with the number of the part.
    pub place: String,
    /// How.
    pub error: Error,
}

type Source = ReadAtCursor<Rc<Seekable<File>>>;

/// How many files of a folder are looked at to find the parts of a split WIM, and how many of them are opened.
const MAX_FILES_BESIDE: usize = 10_000;
const MAX_FILES_OPENED: usize = 250;

impl WimCapture {
    /// How many images of a WIM are looked into, unless one is asked for: the files of Microsoft have eleven.
    pub const MOST_IMAGES: u32 = 1000;
    /// How many bytes are read and decompressed in all, besides so many times the file's own: some seconds' worth.
    const FREE_BYTES: u64 = 1 << 30;
    const MOST_TIMES_READ: u64 = 200;
    /// How many entries of directories are gone through to find files: a registry can name many in large directories.
    const MOST_ENTRIES: u64 = 100_000_000;

    /// Opens a WIM file. Of a split WIM the other parts are looked for in the same folder, by what they are, whatever
    /// their names.
    ///
    /// # Errors
    /// When the file cannot be read or is no WIM, or the part of a split WIM that holds the images is not there.
    pub fn open(path: &Path) -> Result<WimCapture, Error> {
        Self::of_file(File::open(path)?, Some(path))
    }

    /// Takes an open file. Without its path no other file is looked for.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn of_file(file: File, path: Option<&Path>) -> Result<WimCapture, Error> {
        let (mut wim, mut warnings) = CapturedWim::open(source(file)?)?;
        if let Some(path) = path.filter(|_| wim.wim().header.is_split()) {
            for part in parts_beside(path, &wim.wim().header)? {
                let name = part.display().to_string();
                let opened = File::open(&part).map_err(Error::from).and_then(source);
                match opened.and_then(|source| wim.add_part(source)) {
                    Ok(found) => warnings.extend_from(found, &name),
                    Err(error) => warnings.push(
                        Warning::new(WarningCode::FileUnreadable, error.to_string())
                            .in_evidence(name),
                    ),
                }
            }
        }
        let file_size = wim.wim().file_size;
        let allowance = file_size.saturating_mul(Self::MOST_TIMES_READ);
        let allowance = allowance.saturating_add(Self::FREE_BYTES);
        wim.allow(allowance);
        if let Some(more) = wim.image_count().checked_sub(Self::MOST_IMAGES + 1) {
            let text = format!(
                "{} more images are left out: the first {} are looked into, unless one is asked for by its index",
                more + 1,
                Self::MOST_IMAGES
            );
            warnings.push(Warning::new(WarningCode::LimitReached, text));
        }
        let total = wim.wim().header.total_parts;
        for number in wim.missing_parts() {
            if number == 1 {
                return Err(Error::malformed(
                    format!(
                        "part 1 of {total} of the split WIM, which holds its images, in the same folder"
                    ),
                    "no file that is it",
                ));
            }
            warnings.push(Warning::new(
                WarningCode::PartMissing,
                format!("part {number} of {total} of the split WIM is not in the same folder"),
            ));
        }
        Ok(WimCapture {
            wim: Rc::new(wim),
            allowance,
            entries: Rc::new(Allowance::new(Self::MOST_ENTRIES)),
            warnings,
        })
    }

    /// How many images there are.
    pub fn image_count(&self) -> u32 {
        self.wim.image_count()
    }

    /// What an image is called, by its index counted from 1: `image 2: Windows 11 Pro`.
    pub fn image_name(&self, index: u32) -> String {
        let xml = self.wim.wim().xml.as_ref();
        let image = xml.and_then(|xml| xml.image(index));
        match image.and_then(|image| image.name.as_deref()) {
            Some(name) if !name.is_empty() => format!("image {index}: {name}"),
            _ => format!("image {index}"),
        }
    }

    /// What could not be used of the file. What is found in an image later, its [`drives`](CapturedMachine::drives)
    /// tell.
    pub fn take_warnings(&mut self) -> Warnings {
        std::mem::take(&mut self.warnings)
    }

    /// Reads the whole file, and all other parts of a split WIM that were found, and holds them against their integrity
    /// tables; where one has none, all data against their SHA-1. `progress` is told now and then how far that has come.
    pub fn verify(&self, progress: impl Fn(VerificationProgress)) -> Vec<WimDamage> {
        let tell = |state: VerificationProgress| {
            progress(state);
            ControlFlow::Continue(())
        };
        let name = |part: u16| match self.wim.wim().header.is_split() {
            true => format!("integrity of part {part}"),
            false => "integrity".to_owned(),
        };
        // Nothing is read twice for this.
        self.wim.allow(u64::MAX);
        let damage = self.verify_parts(&tell, &name);
        self.wim.allow(self.allowance);
        damage
    }

    fn verify_parts(
        &self,
        tell: &dyn Fn(VerificationProgress) -> ControlFlow<()>,
        name: &dyn Fn(u16) -> String,
    ) -> Vec<WimDamage> {
        let mut damage = Vec::new();
        let damaged_part = |part: u16, error: Error| WimDamage {
            place: name(part),
            error,
        };
        let mut without_table = Vec::new();
        for part in self.wim.verify(tell).unwrap_or_default() {
            match part.integrity {
                Ok(Integrity::NoTable) => without_table.push(part.part_number),
                Ok(Integrity::Verified {
                    damaged,
                    chunk_count,
                    ..
                }) => {
                    if let Some(first) = damaged.first() {
                        let count = damaged.len();
                        let found = format!("{count} of {chunk_count} chunks without it");
                        let expected = "chunks with the SHA-1 of the integrity table";
                        let error = Error::malformed(expected, found);
                        let first = Position::Byte(first.range.start);
                        damage.push(damaged_part(part.part_number, error.at(first)));
                    }
                }
                Err(error) => damage.push(damaged_part(part.part_number, error)),
            }
        }
        if without_table.is_empty() {
            return damage;
        }
        for part in self.wim.verify_data(tell).unwrap_or_default() {
            if without_table.contains(&part.part_number) && part.damaged_count > 0 {
                let first = part.warnings.as_slice().first().map(Warning::message);
                let found = format!(
                    "{} of {} without it, the first: {}",
                    part.damaged_count,
                    part.count,
                    first.unwrap_or_default()
                );
                let error = Error::malformed("data with their SHA-1", found);
                damage.push(damaged_part(part.part_number, error));
            }
        }
        damage
    }

    /// The volume of an image by its index, counted from 1, with the Windows on it, if there is one. An image is a whole
    /// volume unless `scope` says otherwise.
    ///
    /// # Errors
    /// When there is no such image, or its tree of files or the way to its hives cannot be read.
    pub fn machine(&self, index: u32, scope: Option<Scope>) -> Result<CapturedMachine, Error> {
        let (metadata, warnings) = self.wim.image(index)?;
        let image = Image {
            wim: Rc::clone(&self.wim),
            metadata,
            entries: Rc::clone(&self.entries),
            warnings: RefCell::new(warnings),
        };
        CapturedMachine::on_volume(Box::new(WimVolume(Rc::new(image))), scope)
    }
}

fn source(file: File) -> Result<Source, Error> {
    Ok(ReadAtCursor::new(Rc::new(Seekable::new(file)?)))
}

/// The files in a WIM's folder that are parts of it.
fn parts_beside(path: &Path, header: &WimHeader) -> Result<Vec<PathBuf>, Error> {
    let path = fs::canonicalize(path)?;
    let mut files = Vec::new();
    for entry in path.parent().into_iter().map(fs::read_dir) {
        for entry in entry?.take(MAX_FILES_BESIDE) {
            let entry = entry?;
            if entry.file_type()?.is_file() && entry.path() != path {
                files.push(entry.path());
            }
        }
    }
    // Those whose names begin as its own are looked at first.
    let own = path.file_name().unwrap_or_default().as_encoded_bytes();
    files.sort_by_cached_key(|file| {
        let name = file.file_name().unwrap_or_default().as_encoded_bytes();
        let common = name.iter().zip(own).take_while(|(a, b)| a == b).count();
        std::cmp::Reverse(common)
    });
    files.truncate(MAX_FILES_OPENED);
    files.sort();
    files.retain(|file| {
        let other = wim_header(file);
        other.is_some_and(|other| {
            (other.guid, other.total_parts) == (header.guid, header.total_parts)
                && other.part_number != header.part_number
        })
    });
    Ok(files)
}

/// The header of a file that is a WIM.
pub(crate) fn wim_header(file: &Path) -> Option<WimHeader> {
    let mut start = Vec::new();
    let file = File::open(file).ok()?;
    file.take(WimHeader::SIZE as u64)
        .read_to_end(&mut start)
        .ok()?;
    WimHeader::parse(&start).ok()
}

/// An image as a volume.
#[derive(Debug)]
struct WimVolume(Rc<Image>);

#[derive(Debug)]
struct Image {
    wim: Rc<CapturedWim<Source>>,
    metadata: ImageMetadata,
    entries: Rc<Allowance>,
    warnings: RefCell<Warnings>,
}

impl Image {
    /// The entries of a directory, as many as may still be gone through.
    fn entries(
        &self,
        directory: &DirectoryEntry,
    ) -> impl Iterator<Item = Result<DirectoryEntry, Error>> {
        let mut entries = Some(self.metadata.entries(directory));
        std::iter::from_fn(move || match self.entries.take(1) {
            true => entries.as_mut()?.next(),
            false => {
                let at = Position::Byte(directory.position);
                let what = "a WIM in which large directories are searched again and again";
                let error = Error::unsupported(what, "apply the image, and name the folder");
                entries.take().map(|_| Err(error.at(at)))
            }
        })
    }

    /// The data of a stream that is read whole.
    fn read(&self, stream: &StreamEntry, limit: u64) -> Result<Vec<u8>, Error> {
        let mut warnings = self.warnings.borrow_mut();
        let data = self.wim.read_stream(stream, limit, &mut warnings)?;
        data.ok_or_else(|| self.data_missing())
    }

    /// The reparse point of an entry that has one.
    fn reparse_point(&self, entry: &DirectoryEntry) -> Result<ReparsePoint, Error> {
        let mut warnings = self.warnings.borrow_mut();
        let buffer = self.wim.read_reparse_buffer(entry, &mut warnings)?;
        let (point, found) = ReparsePoint::parse(&buffer.ok_or_else(|| self.data_missing())?)?;
        warnings.extend_from(found, &entry.name.to_string_lossy());
        Ok(point)
    }

    fn data_missing(&self) -> Error {
        let found = match &self.wim.missing_parts()[..] {
            [] => "none".to_owned(),
            parts => format!("none: of the split WIM the parts {parts:?} are not there"),
        };
        Error::malformed("data in the WIM", found)
    }
}

impl Volume for WimVolume {
    fn scope(&self) -> Scope {
        Scope::Complete
    }

    fn root(&self) -> Rc<dyn CapturedFile> {
        WimFile::at(&self.0, self.0.metadata.root().clone())
    }

    fn search(&self, traces: &mut MountTraces<'_>) {
        let image = &self.0;
        let mut walk = image.metadata.walk();
        while let Some(entry) = walk.next() {
            traces.saw_file();
            if entry.is_directory() {
                if let Some(stream) = entry.named_stream(&MOUNT_DATA.into()) {
                    traces.stream(walk.path(), image.read(stream, MAX_MOUNT_DATA_LENGTH));
                }
            } else if entry.reparse_tag == Some(ReparseTag::WIM) {
                let mut directory = walk.path();
                directory.pop();
                match image.reparse_point(&entry).map(|point| point.data) {
                    Ok(ReparseData::Wim(data)) => traces.stub(data.inferred_mount_id, &directory),
                    Ok(_) => {}
                    Err(error) => traces.unreadable(&error.in_evidence(entry.name.to_string())),
                }
            }
        }
        traces.warn(walk.into_warnings());
    }

    fn take_warnings(&self) -> Warnings {
        self.0.warnings.take()
    }
}

/// A file or directory of an image.
#[derive(Debug)]
struct WimFile {
    image: Rc<Image>,
    entry: DirectoryEntry,
}

impl WimFile {
    fn at(image: &Rc<Image>, entry: DirectoryEntry) -> Rc<dyn CapturedFile> {
        let image = Rc::clone(image);
        Rc::new(WimFile { image, entry })
    }

    /// Whether the directory keeps the short name of any file: else the capture keeps none.
    fn has_short_names(&self) -> bool {
        let mut entries = self.image.entries(&self.entry);
        entries.any(|entry| entry.is_ok_and(|entry| !entry.dos_name.is_empty()))
    }
}

impl CapturedFile for WimFile {
    fn kind(&self) -> Result<FileKind, Error> {
        let is_directory = self.entry.is_directory();
        let Some(tag) = self.entry.reparse_tag else {
            return Ok(match is_directory {
                true => FileKind::Directory,
                false => FileKind::File,
            });
        };
        if tag == ReparseTag::SYMLINK || tag == ReparseTag::MOUNT_POINT {
            let point = self.image.reparse_point(&self.entry)?;
            if let Some(link) = Link::of(&point)? {
                return Ok(FileKind::Link(link));
            }
        }
        // What is in a directory is there whatever its reparse point makes of it.
        Ok(match is_directory {
            true => FileKind::Directory,
            false => FileKind::ReparsePoint(tag),
        })
    }

    fn child(&self, name: &WideString) -> Result<Child, Error> {
        let child = |name| ImageMetadata::find_in(self.image.entries(&self.entry), name);
        let trimmed = trim_end(name);
        let child = match child(name)? {
            None if trimmed != *name => child(&trimmed)?,
            child => child,
        };
        Ok(match child {
            Some(entry) => {
                let name = entry.name.clone();
                Child::Found(WimFile::at(&self.image, entry), name)
            }
            None if is_short_name(name) && !self.has_short_names() => Child::ShortName,
            None => Child::Missing,
        })
    }

    fn open(&self) -> Result<Box<dyn ReadSeek>, Error> {
        if self.entry.attributes.contains(FileAttributes::ENCRYPTED) {
            return Err(Error::unsupported(
                "a file that the file system had encrypted (EFS)",
                "decrypt it on the machine before it is captured",
            ));
        }
        let Some(stream) = self.entry.data() else {
            return Ok(Box::new(Cursor::new([])));
        };
        match self.image.wim.open_stream(stream)? {
            Some(reader) => Ok(Box::new(reader)),
            None => Err(self.image.data_missing()),
        }
    }

    fn modified(&self) -> Option<FileTime> {
        Some(self.entry.last_write_time)
    }

    fn mount_data(&self) -> Observation<Vec<u8>> {
        match self.entry.named_stream(&MOUNT_DATA.into()) {
            None => Observation::Absent,
            Some(stream) => match self.image.read(stream, MAX_MOUNT_DATA_LENGTH) {
                Ok(stream) => Observation::Present(stream),
                Err(error) => Observation::Unreadable(error),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::MountDirectory;

    /// What is found of the mount of the first image where only so many entries of directories may be gone through.
    fn observe(entries: u64) -> Result<Observation<MountDirectory>, Error> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let mut wim = WimCapture::open(&fixtures.join("captured-wim/lzms.wim"))?;
        wim.entries = Rc::new(Allowance::new(entries));
        let machine = wim.machine(1, None)?;
        let path = WideString::from("C:\\mount");
        let mut warnings = Warnings::default();
        Ok(machine.drives().mount_directory(&path, &mut warnings))
    }

    #[test]
    fn entries_that_are_gone_through_again_and_again_come_to_an_end() {
        assert!(observe(100).is_ok_and(|found| found.is_present()));
        let is_refused = |error: &Error| error.to_string().contains("again and again");
        assert!(observe(0).is_err_and(|error| is_refused(&error)));
        // Enough for the hives: then the mount directory is not absent, but cannot be looked for.
        let outcomes: Vec<_> = (1..100)
            .filter_map(|entries| observe(entries).ok())
            .collect();
        assert!(
            matches!(&outcomes[0], Observation::Unreadable(error) if is_refused(error)),
            "{:?}",
            outcomes[0]
        );
        assert!(!outcomes.iter().any(|it| matches!(it, Observation::Absent)));
    }
}
