//! Writes VMDKs, for tests. Written from VMware's description of the format, independently of the reader.
#![allow(dead_code, unreachable_pub)]

use std::io::Write;

/// How a grain is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    Absent,
    Zeros,
    Stored,
}

/// What a sparse extent of any kind has.
pub struct SparseExtent<'a> {
    pub disk: &'a [u8],
    /// In sectors.
    pub grain_size: usize,
    pub entries_per_table: usize,
    pub grain: &'a dyn Fn(usize) -> Grain,
    /// With markers, and with the place of the directory in a footer.
    pub is_stream: bool,
    /// Empty for none.
    pub descriptor: &'a str,
}

impl SparseExtent<'_> {
    pub fn to_bytes(&self) -> Vec<u8> {
        let grain_bytes = self.grain_size * 512;
        let grains = self.disk.len().div_ceil(grain_bytes);
        let tables = grains.div_ceil(self.entries_per_table);
        let descriptor_sectors = self.descriptor.len().div_ceil(512);
        let mut file = vec![0; 512];
        file.extend(self.descriptor.as_bytes());
        // A grain at sector 1 would say that it is zeros.
        file.resize(file.len().next_multiple_of(512).max(1024), 0);
        let mut directory = vec![0_u32; tables];
        let mut entries = vec![0_u32; tables * self.entries_per_table];
        for (index, data) in self.disk.chunks(grain_bytes).enumerate() {
            entries[index] = match (self.grain)(index) {
                Grain::Absent => 0,
                Grain::Zeros => 1,
                Grain::Stored => {
                    let at = (file.len() / 512) as u32;
                    let mut data = data.to_vec();
                    data.resize(grain_bytes, 0);
                    if self.is_stream {
                        let packed = zlib(&data);
                        file.extend(((index * self.grain_size) as u64).to_le_bytes());
                        file.extend((packed.len() as u32).to_le_bytes());
                        data = packed;
                    }
                    file.extend(data);
                    pad(&mut file);
                    at
                }
            };
        }
        for (index, table) in entries.chunks(self.entries_per_table).enumerate() {
            if table.iter().all(|entry| *entry == 0) {
                continue;
            }
            if self.is_stream {
                file.extend(marker(table.len().div_ceil(128) as u64, 1));
            }
            directory[index] = (file.len() / 512) as u32;
            file.extend(table.iter().flat_map(|entry| entry.to_le_bytes()));
            pad(&mut file);
        }
        if self.is_stream {
            file.extend(marker(directory.len().div_ceil(128) as u64, 2));
        }
        let directory_at = (file.len() / 512) as u64;
        file.extend(directory.iter().flat_map(|entry| entry.to_le_bytes()));
        pad(&mut file);
        if self.is_stream {
            file.extend(marker(1, 3));
            file.extend(self.header(directory_at, descriptor_sectors));
            file.extend(marker(0, 0));
            file[..512].copy_from_slice(&self.header(u64::MAX, descriptor_sectors));
        } else {
            file[..512].copy_from_slice(&self.header(directory_at, descriptor_sectors));
        }
        file
    }

    fn header(&self, directory_at: u64, descriptor_sectors: usize) -> [u8; 512] {
        let mut header = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"KDMV");
        put(4, &(if self.is_stream { 3_u32 } else { 1 }).to_le_bytes());
        // Line ends are there; a grain may be zeros; compressed, with markers.
        let flags = 0b101 | if self.is_stream { 0x3_0000_u32 } else { 0 };
        put(8, &flags.to_le_bytes());
        put(12, &((self.disk.len() / 512) as u64).to_le_bytes());
        put(20, &(self.grain_size as u64).to_le_bytes());
        put(28, &u64::from(descriptor_sectors > 0).to_le_bytes());
        put(36, &(descriptor_sectors as u64).to_le_bytes());
        put(44, &(self.entries_per_table as u32).to_le_bytes());
        put(56, &directory_at.to_le_bytes());
        put(73, b"\n \r\n");
        put(77, &u16::from(self.is_stream).to_le_bytes());
        header
    }
}

/// A descriptor with these lines of extents, and the CID and name of a parent.
pub fn descriptor(
    create_type: &str,
    cid: u32,
    parent: Option<(u32, &str)>,
    extents: &[String],
) -> String {
    let parent_cid = parent.map_or(u32::MAX, |(cid, _)| cid);
    let hint = parent.map_or(String::new(), |(_, name)| {
        format!("parentFileNameHint=\"{name}\"\n")
    });
    format!(
        "# Disk DescriptorFile\nversion=1\nencoding=\"windows-1252\"\nCID={cid:08x}\nparentCID={parent_cid:08x}\n\
         createType=\"{create_type}\"\n{hint}\n# Extent description\n{}\n\n# The Disk Data Base\n#DDB\n\n\
         ddb.adapterType = \"ide\"\n",
        extents.join("\n")
    )
}

fn marker(sectors: u64, kind: u32) -> [u8; 512] {
    let mut marker = [0; 512];
    marker[..8].copy_from_slice(&sectors.to_le_bytes());
    marker[12..16].copy_from_slice(&kind.to_le_bytes());
    marker
}

fn pad(file: &mut Vec<u8>) {
    file.resize(file.len().next_multiple_of(512), 0);
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}
