//! A file or directory of a volume.

use std::fmt;
use std::rc::Rc;

use super::NtfsVolume;
use super::attribute::AttributeType;
use super::attribute_set::{AttributeSet, Found};
use super::directory_index::{DirectoryIndex, IndexEntries};
use super::file_name::{FileName, Namespace};
use super::file_record::FileRecord;
use super::file_reference::FileReference;
use super::index_node::IndexEntry;
use super::ntfs_stream::NtfsStream;
use super::standard_information::StandardInformation;
use crate::error::{Error, Position};
use crate::mount_point::{ReparsePoint, ReparseTag};
use crate::warning::Warnings;
use crate::wide_string::WideString;

/// A file or directory, known by its record.
#[derive(Clone)]
pub struct NtfsFile {
    volume: NtfsVolume,
    attributes: AttributeSet,
}

/// A stream of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamName {
    /// Its name; empty for the data of the file itself.
    pub name: WideString,
    /// Size of its data in bytes. Of a file that the Windows Overlay Filter compresses, too.
    pub size: u64,
}

/// A name in a directory, and the file that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryEntry {
    /// The file.
    pub file: FileReference,
    /// The name, with what the directory's index knows of the file.
    pub file_name: FileName,
}

impl NtfsFile {
    /// `MAXIMUM_REPARSE_DATA_BUFFER_SIZE` of \[MS-FSCC\] 2.1.2.
    const MAX_REPARSE_DATA_SIZE: u64 = 16 << 10;
    /// Directories above each other; Windows allows paths of 32,767 characters.
    const MAX_DEPTH: usize = 1 << 14;

    pub(super) fn new(volume: NtfsVolume, record: Rc<FileRecord>) -> Self {
        let attributes = AttributeSet::new(volume.table().clone(), record);
        NtfsFile { volume, attributes }
    }

    /// The volume that it is on.
    pub fn volume(&self) -> &NtfsVolume {
        &self.volume
    }

    /// What names it on this volume, as long as it is not deleted.
    pub fn reference(&self) -> FileReference {
        self.attributes.base().reference()
    }

    /// Where its record stands on the volume.
    pub fn position(&self) -> Position {
        Position::Byte(self.attributes.base().position)
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.attributes.base().is_directory()
    }

    /// Its times and attributes.
    ///
    /// # Errors
    ///
    /// It has none, or they are damaged.
    pub fn standard_information(&self) -> Result<StandardInformation, Error> {
        let kind = AttributeType::STANDARD_INFORMATION;
        let found = self.attributes.find(kind, &WideString::default())?;
        let found = found.ok_or_else(|| self.missing(kind))?;
        StandardInformation::parse(found.value()?, found.value_position())
    }

    /// All its names: in several directories where there are links to it, and short ones.
    ///
    /// # Errors
    ///
    /// A name is damaged.
    pub fn names(&self) -> Result<Vec<FileName>, Error> {
        let found = self.attributes.all(AttributeType::FILE_NAME)?;
        found.iter().map(file_name).collect()
    }

    /// The name by which it is shown: of several the first that is not only for DOS.
    ///
    /// # Errors
    ///
    /// A name is damaged, or there is none.
    pub fn name(&self) -> Result<FileName, Error> {
        let mut names = self.names()?;
        let shown = names
            .iter()
            .position(|name| name.namespace != Namespace::Dos);
        match names.is_empty() {
            true => Err(self.missing(AttributeType::FILE_NAME)),
            false => Ok(names.swap_remove(shown.unwrap_or(0))),
        }
    }

    /// The short name beside its long one.
    ///
    /// # Errors
    ///
    /// A name is damaged.
    pub fn dos_name(&self) -> Result<Option<WideString>, Error> {
        let mut names = self.names()?.into_iter();
        let dos_name = names.find(|name| name.namespace == Namespace::Dos);
        Ok(dos_name.map(|name| name.name))
    }

    /// The names of the directories that lead to it from the root, and its own; none for the root itself.
    ///
    /// # Errors
    ///
    /// A directory above it is damaged or not there any more.
    pub fn path(&self) -> Result<Vec<WideString>, Error> {
        let mut path = Vec::new();
        let mut file = self.clone();
        while file.reference().record_number() != NtfsVolume::ROOT.record_number() {
            if path.len() >= Self::MAX_DEPTH {
                let expected = format!("at most {} directories above each other", Self::MAX_DEPTH);
                return Err(Error::malformed(expected, "more").at(self.position()));
            }
            let name = file.name()?;
            path.push(name.name);
            file = self.volume.file(name.parent)?;
        }
        path.reverse();
        Ok(path)
    }

    /// The reparse buffer, as \[MS-FSCC\] 2.1.2 has it; `None` where the file is no reparse point.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is longer than there can be.
    pub fn reparse_data(&self) -> Result<Option<Vec<u8>>, Error> {
        let found = self.reparse_attribute()?;
        let bytes = found.map(|found| found.open().read_whole(Self::MAX_REPARSE_DATA_SIZE));
        bytes.transpose()
    }

    /// The reparse point; `None` where the file is none.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is damaged.
    pub fn reparse_point(&self) -> Result<Option<(ReparsePoint, Warnings)>, Error> {
        let Some(found) = self.reparse_attribute()? else {
            return Ok(None);
        };
        let stream = found.open();
        let bytes = stream.read_whole(Self::MAX_REPARSE_DATA_SIZE)?;
        let parsed = ReparsePoint::parse(&bytes).map_err(|error| stream.placed(error, 0))?;
        Ok(Some(parsed))
    }

    /// The reparse point, what is odd about which is told in the volume's warnings.
    pub(super) fn known_reparse_point(&self) -> Result<Option<ReparsePoint>, Error> {
        let Some((point, warnings)) = self.reparse_point()? else {
            return Ok(None);
        };
        if !warnings.as_slice().is_empty() {
            let table = self.volume.table();
            table.warn_all(warnings, &self.shown_name());
        }
        Ok(Some(point))
    }

    /// What it is called, for a message.
    pub(super) fn shown_name(&self) -> String {
        match self.name() {
            Ok(name) => name.name.to_string_lossy(),
            Err(_) => format!("file {}", self.reference()),
        }
    }

    /// The kind of reparse point; `None` where the file is none.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is too short.
    pub fn reparse_tag(&self) -> Result<Option<ReparseTag>, Error> {
        let Some(found) = self.reparse_attribute()? else {
            return Ok(None);
        };
        let stream = found.open();
        let mut tag = [0; 4];
        if stream.size() < tag.len() as u64 {
            let found = format!("{} bytes", stream.size());
            return Err(Error::malformed("a reparse tag", found).at(stream.place_of(0)));
        }
        stream.read_at(0, &mut tag)?;
        Ok(Some(ReparseTag(u32::from_le_bytes(tag))))
    }

    fn reparse_attribute(&self) -> Result<Option<Found>, Error> {
        let nameless = WideString::default();
        self.attributes
            .find(AttributeType::REPARSE_POINT, &nameless)
    }

    /// Its streams: the data, whose name is empty, and named ones.
    ///
    /// # Errors
    ///
    /// An attribute is damaged.
    pub fn streams(&self) -> Result<Vec<StreamName>, Error> {
        let found = self.attributes.all(AttributeType::DATA)?;
        let streams = found.iter().map(|found| StreamName {
            name: found.attribute().name.clone(),
            size: found.size(),
        });
        Ok(streams.collect())
    }

    /// Its data; `None` where it has none, as directories do.
    ///
    /// # Errors
    ///
    /// What tells of the data is damaged; they are encrypted, compressed in a way that is not known, or lie in a WIM.
    pub fn open(&self) -> Result<Option<NtfsStream>, Error> {
        self.open_stream(&WideString::default())
    }

    /// A named stream; `None` where it has none of that name, whatever its letter case.
    ///
    /// # Errors
    ///
    /// See [`open`](Self::open).
    pub fn open_stream(&self, name: &WideString) -> Result<Option<NtfsStream>, Error> {
        NtfsStream::open(&self.attributes, name, || {
            let reparse_point = self.known_reparse_point()?;
            Ok(reparse_point.map(|reparse_point| reparse_point.data))
        })
    }

    /// The entry of a name in this directory, which may be a long or a short one. Letter case does not matter unless the
    /// directory is marked so, but the exact name is preferred. Damage that could be passed by is told in the volume's
    /// warnings.
    ///
    /// # Errors
    ///
    /// It is no directory, or its index is damaged and the name is not found.
    pub fn entry(&self, name: &WideString) -> Result<Option<DirectoryEntry>, Error> {
        let entry = self.index()?.find(name, self.volume.upcase())?;
        Ok(entry.map(DirectoryEntry::from))
    }

    /// The file of a name in this directory, see [`entry`](Self::entry).
    ///
    /// # Errors
    ///
    /// As there; or the file's record is damaged.
    pub fn child(&self, name: &WideString) -> Result<Option<NtfsFile>, Error> {
        let entry = self.entry(name)?;
        entry.map(|entry| self.volume.file(entry.file)).transpose()
    }

    /// What is in this directory, without the short names that files have beside their long ones. A damaged part of the
    /// index is an error, behind which the other parts follow.
    ///
    /// # Errors
    ///
    /// It is no directory, or the root of its index is damaged.
    pub fn entries(
        &self,
    ) -> Result<impl Iterator<Item = Result<DirectoryEntry, Error>> + use<>, Error> {
        let entries = IndexEntries::new(self.index()?);
        Ok(entries.map(|entry| entry.map(DirectoryEntry::from)))
    }

    fn index(&self) -> Result<Rc<DirectoryIndex>, Error> {
        if !self.is_directory() {
            return Err(Error::malformed("a directory", "a file").at(self.position()));
        }
        self.volume.directory(self.reference().record_number(), || {
            // A directory without is unusual, and its letter case does not matter.
            let information = self.standard_information();
            let is_case_sensitive = information.is_ok_and(|i| i.is_case_sensitive());
            DirectoryIndex::open(&self.attributes, is_case_sensitive)
        })
    }

    fn missing(&self, kind: AttributeType) -> Error {
        Error::malformed(kind.name(), "none").at(self.position())
    }
}

impl From<IndexEntry> for DirectoryEntry {
    fn from(entry: IndexEntry) -> Self {
        DirectoryEntry {
            file: entry.file,
            file_name: entry.file_name,
        }
    }
}

fn file_name(found: &Found) -> Result<FileName, Error> {
    FileName::parse(found.value()?, found.value_position())
}

impl fmt::Debug for NtfsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NtfsFile")
            .field("reference", &self.reference())
            .field("is_directory", &self.is_directory())
            .finish_non_exhaustive()
    }
}
