//! What a WIM holds: its images, and the data of their files.

use std::io::{Read, Seek};

use sha1::{Digest, Sha1};

use super::Wim;
use super::chunk_cache::ChunkCache;
use super::directory_entry::{DirectoryEntry, StreamEntry};
use super::header::{ResourceHeader, WimHeader};
use super::lookup_table::{LookupEntry, LookupTable, NO_DATA, Sha1Digest};
use super::metadata::ImageMetadata;
use super::resource::{Resource, ResourceReader};
use super::solid::SolidResources;
use crate::binary::hexadecimal;
use crate::error::{Error, Position};
use crate::warning::{Warning, WarningCode, Warnings};

/// A lookup table larger than this, in bytes, is not read: it has 1.3 million entries, real ones have some 100,000.
const MAX_LOOKUP_TABLE_SIZE: u64 = 64 << 20;
/// Metadata of an image that are larger than this, in bytes, are not read: real ones have some 50 MB.
const MAX_METADATA_SIZE: u64 = 256 << 20;
/// `MAXIMUM_REPARSE_DATA_BUFFER_SIZE` of \[MS-FSCC\] 2.1.2.
const MAX_REPARSE_DATA_SIZE: u64 = 16 << 10;

/// A WIM whose images are looked into. Of a split WIM the parts are added to the first one.
///
/// Each reader of data has a clone of the source and seeks before it reads, so that clones may share one position:
/// `Arc<File>` will do, as long as they are used by one thread at a time.
#[derive(Debug, Clone)]
pub struct CapturedWim<R> {
    wim: Wim,
    /// In the order of their part numbers.
    pub(super) parts: Vec<Part<R>>,
}

#[derive(Debug, Clone)]
pub(super) struct Part<R> {
    pub(super) source: R,
    pub(super) header: WimHeader,
    pub(super) lookup_table: LookupTable,
    solid_resources: SolidResources,
    /// Shared by all parts.
    cache: ChunkCache,
}

impl<R: Read + Seek + Clone> CapturedWim<R> {
    /// Opens a WIM, and reads its header, XML data and lookup table.
    ///
    /// # Errors
    ///
    /// The source cannot be read or is no WIM, see [`Wim::open`]; the lookup table cannot be read.
    pub fn open(source: R) -> Result<(CapturedWim<R>, Warnings), Error> {
        let (wim, mut warnings) = Wim::open(source.clone())?;
        let cache = ChunkCache::default();
        let part = Part::open(source, wim.header.clone(), cache, &mut warnings)?;
        let parts = vec![part];
        Ok((CapturedWim { wim, parts }, warnings))
    }

    /// Adds another part of a split WIM.
    ///
    /// # Errors
    ///
    /// The source cannot be read, is no part of this WIM, or is one that is there already.
    pub fn add_part(&mut self, source: R) -> Result<Warnings, Error> {
        let (wim, mut warnings) = Wim::open(source.clone())?;
        let header = wim.header;
        let expected = &self.wim.header;
        if (header.guid, header.total_parts) != (expected.guid, expected.total_parts) {
            return Err(Error::malformed(
                format!(
                    "a part of {} of WIM {}",
                    expected.total_parts, expected.guid
                ),
                format!("a part of {} of WIM {}", header.total_parts, header.guid),
            ));
        }
        let number = |part: &Part<R>| part.header.part_number;
        match self.parts.binary_search_by_key(&header.part_number, number) {
            Ok(_) => Err(Error::malformed(
                "a part that is not there yet",
                format!("part {} again", header.part_number),
            )),
            Err(place) => {
                let cache = self.parts[0].cache.clone();
                let part = Part::open(source, header, cache, &mut warnings)?;
                self.parts.insert(place, part);
                Ok(warnings)
            }
        }
    }

    /// Header and XML data of the file that was opened first.
    pub fn wim(&self) -> &Wim {
        &self.wim
    }

    /// Lets so many more bytes be read and decompressed, of all images together: a hostile file lists the same data for many
    /// images, or makes its readers come back to the same large chunks.
    pub(crate) fn allow(&self, bytes: u64) {
        self.parts[0].cache.allow(bytes);
    }

    /// The numbers of the parts of a split WIM that were not added.
    pub fn missing_parts(&self) -> Vec<u16> {
        let is_there = |number: &u16| {
            let mut parts = self.parts.iter();
            parts.any(|part| part.header.part_number == *number)
        };
        (1..=self.wim.header.total_parts)
            .filter(|number| !is_there(number))
            .collect()
    }

    /// The number of images whose metadata are there.
    pub fn image_count(&self) -> u32 {
        let counts = self.parts.iter();
        // A lookup table has room for far fewer.
        counts
            .map(|part| part.lookup_table.metadata().len() as u32)
            .sum()
    }

    /// The files of an image by its index, counted from 1.
    ///
    /// # Errors
    ///
    /// There is no such image, or its metadata cannot be read. Positions are offsets in the file, and where the
    /// metadata are damaged themselves, in these when decompressed.
    pub fn image(&self, index: u32) -> Result<(ImageMetadata, Warnings), Error> {
        let Some((part, entry)) = self.metadata(index) else {
            let expected = format!("an image index of 1 to {}", self.image_count());
            return Err(
                Error::malformed(expected, index.to_string()).or_remedy("ask for one of these")
            );
        };
        let mut warnings = Warnings::default();
        let bytes = part.read_whole(entry, MAX_METADATA_SIZE, &mut warnings)?;
        Ok((ImageMetadata::parse(bytes)?, warnings))
    }

    /// A reader of a stream's data, which decompresses only what is read of them; of no bytes for a stream without
    /// data. `None` when none of the files holds the data: they are in a part that was not added, or in the WIM that
    /// this one is a delta of.
    ///
    /// # Errors
    ///
    /// The data are compressed in a way that is not known, or not read.
    pub fn open_stream(&self, stream: &StreamEntry) -> Result<Option<ResourceReader<R>>, Error> {
        let Some(sha1) = stream.sha1 else {
            return self.parts[0].open_header(NO_RESOURCE).map(Some);
        };
        match self.lookup(&sha1) {
            Some((part, entry)) => part.open_entry(entry).map(Some),
            None => Ok(None),
        }
    }

    /// A stream's data as a whole, held against their SHA-1; `None` as for [`open_stream`](Self::open_stream).
    ///
    /// # Errors
    ///
    /// The data cannot be read, or are more than `limit` bytes.
    pub fn read_stream(
        &self,
        stream: &StreamEntry,
        limit: u64,
        warnings: &mut Warnings,
    ) -> Result<Option<Vec<u8>>, Error> {
        let Some(sha1) = stream.sha1 else {
            return Ok(Some(Vec::new()));
        };
        match self.lookup(&sha1) {
            Some((part, entry)) => part.read_whole(entry, limit, warnings).map(Some),
            None => Ok(None),
        }
    }

    /// The reparse point of a file as a reparse buffer, with the head that images leave out; `None` when the file has
    /// none, or none of the files holds its data.
    ///
    /// # Errors
    ///
    /// The data cannot be read, or are more than a reparse point can have.
    pub fn read_reparse_buffer(
        &self,
        entry: &DirectoryEntry,
        warnings: &mut Warnings,
    ) -> Result<Option<Vec<u8>>, Error> {
        /// Of the GUID in front of the data of a tag that is not Microsoft's, which their length leaves out.
        const GUID_SIZE: usize = 16;
        let (Some(tag), Some(stream)) = (entry.reparse_tag, entry.reparse_stream()) else {
            return Ok(None);
        };
        let Some(data) = self.read_stream(stream, MAX_REPARSE_DATA_SIZE, warnings)? else {
            return Ok(None);
        };
        let length = match tag.is_microsoft() {
            true => data.len(),
            false => data.len().saturating_sub(GUID_SIZE),
        };
        let mut buffer = tag.0.to_le_bytes().to_vec();
        buffer.extend((length as u16).to_le_bytes());
        buffer.extend([0; 2]);
        buffer.extend(data);
        Ok(Some(buffer))
    }

    /// Where the metadata of an image lie, by its index counted from 1.
    fn metadata(&self, index: u32) -> Option<(&Part<R>, &LookupEntry)> {
        let mut number = usize::try_from(index.checked_sub(1)?).ok()?;
        for part in &self.parts {
            let metadata = part.lookup_table.metadata();
            match metadata.get(number) {
                Some(entry) => return Some((part, entry)),
                None => number -= metadata.len(),
            }
        }
        None
    }

    fn lookup(&self, sha1: &Sha1Digest) -> Option<(&Part<R>, &LookupEntry)> {
        let mut parts = self.parts.iter();
        parts.find_map(|part| Some((part, part.find(sha1)?)))
    }
}

/// What has no data has no resource.
const NO_RESOURCE: ResourceHeader = ResourceHeader {
    size: 0,
    flags: 0,
    offset: 0,
    original_size: 0,
};

impl<R: Read + Seek + Clone> Part<R> {
    fn open(
        source: R,
        header: WimHeader,
        cache: ChunkCache,
        warnings: &mut Warnings,
    ) -> Result<Part<R>, Error> {
        let mut part = Part {
            source,
            header,
            lookup_table: LookupTable::default(),
            solid_resources: SolidResources::default(),
            cache,
        };
        let resource = part.header.lookup_table;
        let reader = part.open_header(resource)?;
        let bytes = read_to_end(reader, resource.offset, MAX_LOOKUP_TABLE_SIZE)?;
        let (lookup_table, unusable) = LookupTable::parse(&bytes, resource.offset);
        warnings.extend(unusable);
        part.solid_resources = SolidResources::open(part.source.clone(), &lookup_table, warnings);
        part.lookup_table = lookup_table;
        Ok(part)
    }

    /// The entry of data that lie in this part; a table may tell of other parts as well.
    fn find(&self, sha1: &Sha1Digest) -> Option<&LookupEntry> {
        self.lookup_table
            .find(sha1)
            .filter(|entry| self.holds(entry))
    }

    pub(super) fn holds(&self, entry: &LookupEntry) -> bool {
        !self.header.is_split() || entry.part_number == self.header.part_number
    }

    pub(super) fn open_header(&self, header: ResourceHeader) -> Result<ResourceReader<R>, Error> {
        self.open_resource(Resource::of(&self.header, header))
    }

    fn open_resource(&self, resource: Resource) -> Result<ResourceReader<R>, Error> {
        let (source, cache) = (self.source.clone(), self.cache.clone());
        ResourceReader::with_cache(source, resource, self.header.part_number, cache)
    }

    pub(super) fn open_entry(&self, entry: &LookupEntry) -> Result<ResourceReader<R>, Error> {
        let Some(run) = entry.solid_run else {
            return self.open_header(entry.header);
        };
        let (resource, start) = self.solid_resources.find(run, entry)?;
        let reader = self.open_resource(resource)?;
        Ok(reader.section(start, entry.data_size()))
    }

    /// Reads a resource and holds it against its SHA-1.
    fn read_whole(
        &self,
        entry: &LookupEntry,
        limit: u64,
        warnings: &mut Warnings,
    ) -> Result<Vec<u8>, Error> {
        let reader = self.open_entry(entry)?;
        let place = reader.resource().header.offset;
        let bytes = read_to_end(reader, place, limit)?;
        let found: Sha1Digest = Sha1::digest(&bytes).into();
        // Writers may leave the SHA-1 of metadata out.
        if entry.sha1 != NO_DATA && found != entry.sha1 {
            warnings.push(Warning::malformed(
                WarningCode::ResourceDamaged,
                Position::Byte(place),
                &format!("data with the SHA-1 {}", hexadecimal(&entry.sha1)),
                &hexadecimal(&found),
            ));
        }
        Ok(bytes)
    }
}

/// Reads data of at most `limit` bytes, whose resource lies at `place`. The memory grows with what is there, not with
/// what it claims to be.
pub(super) fn read_to_end(
    mut reader: ResourceReader<impl Read + Seek>,
    place: u64,
    limit: u64,
) -> Result<Vec<u8>, Error> {
    if reader.size() > limit {
        let expected = format!("a resource of at most {limit} bytes");
        return Err(
            Error::malformed(expected, format!("one of {} bytes", reader.size()))
                .at(Position::Byte(place)),
        );
    }
    let mut bytes = Vec::new();
    match reader.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Error::io(&error).at(Position::Byte(place))),
    }
}
