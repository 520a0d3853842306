//! Writes WIM files with images in them, for the tests.

use dism_mount_status::wim::{Compression, ResourceHeader, Sha1Digest, WimFlags, WimHeader};
use sha1::{Digest, Sha1};

use super::wim_compressor::{LzxBlock, lzx, xpress};
use super::wim_file::{ABSENT, header, write_header};
use super::wim_lzms::{LzmsStyle, lzms};

/// How the resources of a WIM are stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Storage {
    pub(crate) compression: Compression,
    pub(crate) chunk_size: u32,
    pub(crate) is_pipable: bool,
}

impl Storage {
    pub(crate) const fn new(compression: Compression, chunk_size: u32) -> Storage {
        Storage {
            compression,
            chunk_size,
            is_pipable: false,
        }
    }

    /// A chunk; one that gets no smaller is stored as it is.
    pub(crate) fn chunk(&self, data: &[u8]) -> Vec<u8> {
        let compressed = match self.compression {
            Compression::Xpress => xpress(data, false),
            Compression::Lzms => lzms(data, LzmsStyle::ALL),
            _ => {
                let block = |kind| LzxBlock {
                    kind,
                    size: 0x3000,
                    skewed: false,
                };
                lzx(data, self.chunk_size, &[block(1), block(2)])
            }
        };
        match compressed.len() < data.len() {
            true => compressed,
            false => data.to_vec(),
        }
    }
}

/// A WIM that grows.
pub(crate) struct WimWriter {
    storage: Storage,
    pub(crate) header: WimHeader,
    bytes: Vec<u8>,
    lookup_table: Vec<u8>,
}

impl WimWriter {
    pub(crate) fn new(storage: Storage) -> WimWriter {
        let mut header = header(0, 0);
        header.flags = match storage.compression {
            Compression::Xpress => WimFlags::COMPRESSION | WimFlags::COMPRESS_XPRESS,
            Compression::Lzx => WimFlags::COMPRESSION | WimFlags::COMPRESS_LZX,
            Compression::Lzms => WimFlags::COMPRESSION | WimFlags::COMPRESS_LZMS,
            _ => WimFlags::empty(),
        };
        header.chunk_size = storage.chunk_size;
        if storage.compression == Compression::Lzms {
            header.version = WimHeader::VERSION_SOLID;
        }
        header.is_pipable = storage.is_pipable;
        WimWriter {
            storage,
            header,
            bytes: vec![0; WimHeader::SIZE],
            lookup_table: Vec::new(),
        }
    }

    /// Adds the data of files, and returns where they lie and their SHA-1.
    pub(crate) fn add_data(&mut self, data: &[u8]) -> (ResourceHeader, Sha1Digest) {
        self.add(data, 0)
    }

    /// Adds an image by its metadata.
    pub(crate) fn add_image(&mut self, metadata: &[u8]) {
        self.header.image_count += 1;
        self.add(metadata, ResourceHeader::METADATA);
    }

    fn add(&mut self, data: &[u8], flags: u8) -> (ResourceHeader, Sha1Digest) {
        let offset = self.bytes.len() as u64;
        let is_compressed = self.storage.compression != Compression::None && !data.is_empty();
        match is_compressed {
            true => self.add_chunks(data),
            false => self.bytes.extend(data),
        }
        let resource = ResourceHeader {
            size: self.bytes.len() as u64 - offset,
            flags: flags | (u8::from(is_compressed) * ResourceHeader::COMPRESSED),
            offset,
            original_size: data.len() as u64,
        };
        let sha1 = Sha1::digest(data).into();
        self.add_entry(resource, sha1);
        (resource, sha1)
    }

    fn add_chunks(&mut self, data: &[u8]) {
        let chunks = data.chunks(self.storage.chunk_size as usize);
        let chunks: Vec<_> = chunks.map(|chunk| self.storage.chunk(chunk)).collect();
        let mut offset = 0;
        let mut table = Vec::new();
        for chunk in &chunks[..chunks.len() - 1] {
            offset += chunk.len() as u32;
            table.extend(offset.to_le_bytes());
        }
        if self.storage.is_pipable {
            for chunk in chunks {
                self.bytes.extend((chunk.len() as u32).to_le_bytes());
                self.bytes.extend(chunk);
            }
            self.bytes.extend(table);
        } else {
            self.bytes.extend(table);
            self.bytes.extend(chunks.concat());
        }
    }

    /// Adds a run of solid resources, each of which holds these data. Returns where the resources lie, and the SHA-1 of
    /// all data.
    pub(crate) fn add_solid(
        &mut self,
        storage: Storage,
        resources: &[&[&[u8]]],
    ) -> (Vec<ResourceHeader>, Vec<Sha1Digest>) {
        let headers: Vec<_> = resources
            .iter()
            .map(|data| self.add_solid_resource(storage, &data.concat()))
            .collect();
        for header in &headers {
            self.add_entry(*header, [0; 20]);
        }
        let mut offset = 0;
        let mut hashes = Vec::new();
        for data in resources.concat() {
            let sha1 = Sha1::digest(data).into();
            let header = ResourceHeader {
                size: data.len() as u64,
                flags: ResourceHeader::SOLID,
                offset,
                original_size: 0,
            };
            self.add_entry(header, sha1);
            hashes.push(sha1);
            offset += data.len() as u64;
        }
        (headers, hashes)
    }

    fn add_solid_resource(&mut self, storage: Storage, data: &[u8]) -> ResourceHeader {
        let offset = self.bytes.len();
        let chunks = data.chunks(storage.chunk_size as usize);
        let chunks: Vec<_> = chunks.map(|chunk| storage.chunk(chunk)).collect();
        let format: u32 = match storage.compression {
            Compression::Xpress => 1,
            Compression::Lzx => 2,
            _ => 3,
        };
        self.bytes.extend((data.len() as u64).to_le_bytes());
        self.bytes.extend(storage.chunk_size.to_le_bytes());
        self.bytes.extend(format.to_le_bytes());
        for chunk in &chunks {
            self.bytes.extend((chunk.len() as u32).to_le_bytes());
        }
        self.bytes.extend(chunks.concat());
        ResourceHeader {
            size: (self.bytes.len() - offset) as u64,
            flags: ResourceHeader::SOLID,
            offset: offset as u64,
            original_size: 1 << 32,
        }
    }

    /// Adds an entry to the lookup table.
    pub(crate) fn add_entry(&mut self, resource: ResourceHeader, sha1: Sha1Digest) {
        self.lookup_table.extend(&resource.size.to_le_bytes()[..7]);
        self.lookup_table.push(resource.flags);
        self.lookup_table.extend(resource.offset.to_le_bytes());
        self.lookup_table
            .extend(resource.original_size.to_le_bytes());
        self.lookup_table
            .extend(self.header.part_number.to_le_bytes());
        self.lookup_table.extend(1_u32.to_le_bytes());
        self.lookup_table.extend(sha1);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.header.lookup_table = ResourceHeader {
            size: self.lookup_table.len() as u64,
            original_size: self.lookup_table.len() as u64,
            offset: self.bytes.len() as u64,
            flags: 0,
        };
        self.header.xml_data = ABSENT;
        self.bytes.extend(&self.lookup_table);
        let header = write_header(&self.header);
        self.bytes[..WimHeader::SIZE].copy_from_slice(&header);
        if self.storage.is_pipable {
            self.bytes.extend(header);
        }
        self.bytes
    }
}

/// A file or directory of an image that is to be written.
#[derive(Debug, Clone, Default)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) dos_name: &'static str,
    pub(crate) attributes: u32,
    pub(crate) reparse_tag: u32,
    pub(crate) sha1: Sha1Digest,
    /// Name and SHA-1 of each further stream.
    pub(crate) streams: Vec<(&'static str, Sha1Digest)>,
    pub(crate) files: Vec<File>,
}

impl File {
    pub(crate) fn plain(name: &str, sha1: Sha1Digest) -> File {
        File {
            name: name.to_owned(),
            attributes: 0x20,
            sha1,
            ..File::default()
        }
    }

    pub(crate) fn directory(name: &str, files: Vec<File>) -> File {
        File {
            name: name.to_owned(),
            attributes: 0x10,
            files,
            ..File::default()
        }
    }

    /// The entry, which leads to no other ones yet.
    fn write(&self) -> Vec<u8> {
        let utf16le =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let (name, dos_name) = (utf16le(&self.name), utf16le(self.dos_name));
        let mut bytes = vec![0; 8];
        bytes.extend(self.attributes.to_le_bytes());
        bytes.extend((-1_i32).to_le_bytes());
        bytes.extend([0; 24]);
        for time in 1..=3_u64 {
            bytes.extend(time.to_le_bytes());
        }
        bytes.extend(self.sha1);
        bytes.extend([0; 4]);
        bytes.extend(u64::from(self.reparse_tag).to_le_bytes());
        for size in [self.streams.len(), dos_name.len(), name.len()] {
            bytes.extend((size as u16).to_le_bytes());
        }
        for name in [name, dos_name].iter().filter(|name| !name.is_empty()) {
            bytes.extend(name);
            bytes.extend([0; 2]);
        }
        finish_entry(&mut bytes);
        for (name, sha1) in &self.streams {
            let name = utf16le(name);
            let mut stream = vec![0; 16];
            stream.extend(sha1);
            stream.extend((name.len() as u16).to_le_bytes());
            stream.extend(name);
            stream.extend([0; 2]);
            finish_entry(&mut stream);
            bytes.extend(stream);
        }
        bytes
    }
}

/// Fills an entry up and sets its length.
fn finish_entry(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let length = bytes.len() as u64;
    bytes[..8].copy_from_slice(&length.to_le_bytes());
}

/// Writes the metadata of an image: empty security data, then the root and what is in it.
pub(crate) fn write_metadata(root: &File) -> Vec<u8> {
    let mut bytes = vec![8, 0, 0, 0, 0, 0, 0, 0];
    write_directory(&mut bytes, std::slice::from_ref(root));
    bytes
}

/// Writes the entries of a directory, then those of the directories in it.
fn write_directory(bytes: &mut Vec<u8>, files: &[File]) {
    const CHILDREN: usize = 16;
    let mut places = Vec::new();
    for file in files {
        places.push(bytes.len());
        bytes.extend(file.write());
    }
    bytes.extend([0; 8]);
    for (file, place) in files.iter().zip(places) {
        if !file.files.is_empty() {
            let children = bytes.len() as u64;
            bytes[place + CHILDREN..][..8].copy_from_slice(&children.to_le_bytes());
            write_directory(bytes, &file.files);
        }
    }
}
