//! Writes QCOW2s, for tests. Written from QEMU's description of the format, independently of the reader.
#![allow(dead_code, unreachable_pub)]

use std::io::Write;

/// How a cluster is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cluster {
    Absent,
    /// Version 3 only.
    Zeros,
    Stored,
    Compressed,
}

/// What a QCOW2 of any kind has.
pub struct Qcow2<'a> {
    /// The disk; over a backing file with its data where they are its.
    pub disk: &'a [u8],
    pub version: u32,
    pub cluster_bits: u32,
    pub cluster: &'a dyn Fn(usize) -> Cluster,
    /// Zstandard instead of deflate.
    pub is_zstd: bool,
    /// The name and the format of the backing file.
    pub backing: Option<(&'a str, Option<&'a str>)>,
}

impl Qcow2<'_> {
    pub fn to_bytes(&self) -> Vec<u8> {
        let size = 1 << self.cluster_bits;
        let entries = size / 8;
        let clusters = self.disk.len().div_ceil(size);
        let tables = clusters.div_ceil(entries);
        let header = self.header(tables);
        let l1_at = header.len().next_multiple_of(size);
        let l2_at = (l1_at + 8 * tables).next_multiple_of(size);
        let mut file = header;
        file.resize(l2_at + tables * size, 0);
        file[40..48].copy_from_slice(&(l1_at as u64).to_be_bytes());
        for table in 0..tables {
            let states = (table * entries..clusters.min((table + 1) * entries))
                .map(|index| (self.cluster)(index));
            if states.clone().all(|state| state == Cluster::Absent) {
                continue;
            }
            let at = (l2_at + table * size) as u64;
            file[l1_at + 8 * table..][..8].copy_from_slice(&(at | 1 << 63).to_be_bytes());
            for (index, state) in states.enumerate() {
                let from = (table * entries + index) * size;
                let mut data = self.disk[from..self.disk.len().min(from + size)].to_vec();
                data.resize(size, 0);
                let entry = self.put(&mut file, state, &data);
                file[at as usize + 8 * index..][..8].copy_from_slice(&entry.to_be_bytes());
            }
        }
        file
    }

    /// Appends the data of a cluster and gives its entry.
    fn put(&self, file: &mut Vec<u8>, state: Cluster, data: &[u8]) -> u64 {
        match state {
            Cluster::Absent => 0,
            Cluster::Zeros => 1,
            Cluster::Stored => {
                file.resize(file.len().next_multiple_of(data.len()), 0);
                let at = file.len() as u64;
                file.extend(data);
                at | 1 << 63
            }
            Cluster::Compressed => {
                let bytes = match self.is_zstd {
                    true => zstd(data),
                    false => deflate(data),
                };
                let at = file.len() as u64;
                file.extend(&bytes);
                let sectors = (at + bytes.len() as u64 - 1) / 512 - at / 512;
                at | sectors << (62 - (self.cluster_bits - 8)) | 1 << 62
            }
        }
    }

    fn header(&self, tables: usize) -> Vec<u8> {
        let mut header = b"QFI\xFB".to_vec();
        header.extend(self.version.to_be_bytes());
        header.extend([0; 12]);
        header.extend(self.cluster_bits.to_be_bytes());
        header.extend((self.disk.len() as u64).to_be_bytes());
        header.extend(0_u32.to_be_bytes());
        header.extend((tables as u32).to_be_bytes());
        header.resize(72, 0);
        if self.version >= 3 {
            let features = u64::from(self.is_zstd) << 3;
            header.extend(features.to_be_bytes());
            header.extend([0; 16]);
            header.extend(4_u32.to_be_bytes());
            header.extend(112_u32.to_be_bytes());
            header.extend([u8::from(self.is_zstd), 0, 0, 0, 0, 0, 0, 0]);
        }
        if let Some((name, format)) = self.backing {
            // An extension that the reader does not know comes first.
            extend(&mut header, 0x6803_F857, b"features");
            if let Some(format) = format {
                extend(&mut header, 0xE279_2ACA, format.as_bytes());
            }
            header.extend([0; 8]);
            let at = header.len() as u64;
            header[8..16].copy_from_slice(&at.to_be_bytes());
            header[16..20].copy_from_slice(&(name.len() as u32).to_be_bytes());
            header.extend(name.as_bytes());
        }
        header
    }
}

fn extend(header: &mut Vec<u8>, kind: u32, data: &[u8]) {
    header.extend(kind.to_be_bytes());
    header.extend((data.len() as u32).to_be_bytes());
    header.extend(data);
    header.resize(header.len().next_multiple_of(8), 0);
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
}
