//! Writes E01s, for tests. Written from libewf's description of the format, independently of the reader.
#![allow(dead_code, unreachable_pub)]

use std::io::Write;

/// What an E01 has.
pub struct Ewf<'a> {
    pub disk: &'a [u8],
    pub sectors_per_chunk: usize,
    /// How many chunks are in one table, and how many tables in one segment.
    pub chunks_per_table: usize,
    pub tables_per_segment: usize,
    pub is_compressed: &'a dyn Fn(usize) -> bool,
}

impl Ewf<'_> {
    /// The segments.
    pub fn to_segments(&self) -> Vec<Vec<u8>> {
        let chunks: Vec<&[u8]> = self.disk.chunks(self.sectors_per_chunk * 512).collect();
        let tables: Vec<&[&[u8]]> = chunks.chunks(self.chunks_per_table).collect();
        let segments: Vec<&[&[&[u8]]]> = tables.chunks(self.tables_per_segment).collect();
        let mut index = 0;
        let mut files = Vec::new();
        for (number, tables) in segments.iter().enumerate() {
            let mut file = b"EVF\x09\r\n\xFF\0\x01".to_vec();
            file.extend((number as u16 + 1).to_le_bytes());
            file.extend([0, 0]);
            if number == 0 {
                put_section(&mut file, "header", b"anything");
                put_section(&mut file, "volume", &self.volume(chunks.len()));
            }
            for chunks in *tables {
                self.put_chunks(&mut file, chunks, index);
                index += chunks.len();
            }
            let is_last = number + 1 == segments.len();
            put_last(&mut file, if is_last { "done" } else { "next" });
            files.push(file);
        }
        files
    }

    fn volume(&self, chunks: usize) -> Vec<u8> {
        let mut volume = vec![0; 1048];
        volume[0] = 1;
        volume[4..8].copy_from_slice(&(chunks as u32).to_le_bytes());
        volume[8..12].copy_from_slice(&(self.sectors_per_chunk as u32).to_le_bytes());
        volume[12..16].copy_from_slice(&512_u32.to_le_bytes());
        volume[16..24].copy_from_slice(&((self.disk.len() / 512) as u64).to_le_bytes());
        sealed(volume)
    }

    /// The sections `sectors`, `table` and `table2`.
    fn put_chunks(&self, file: &mut Vec<u8>, chunks: &[&[u8]], first: usize) {
        let base = file.len() as u64;
        let mut data = Vec::new();
        let mut entries = Vec::new();
        for (index, chunk) in chunks.iter().enumerate() {
            let offset = (76 + data.len()) as u32;
            if (self.is_compressed)(first + index) {
                entries.extend((offset | 1 << 31).to_le_bytes());
                data.extend(zlib(chunk));
            } else {
                entries.extend(offset.to_le_bytes());
                data.extend(sealed(chunk.to_vec()));
            }
        }
        put_section(file, "sectors", &data);
        let mut header = (chunks.len() as u32).to_le_bytes().to_vec();
        header.extend([0; 4]);
        header.extend(base.to_le_bytes());
        header.extend([0; 4]);
        let table = [sealed(header), sealed(entries)].concat();
        put_section(file, "table", &table);
        put_section(file, "table2", &table);
    }
}

fn put_section(file: &mut Vec<u8>, kind: &str, data: &[u8]) {
    let size = 76 + data.len() as u64;
    file.extend(section(kind, file.len() as u64 + size, size));
    file.extend(data);
}

/// One that points to itself.
fn put_last(file: &mut Vec<u8>, kind: &str) {
    file.extend(section(kind, file.len() as u64, 76));
}

fn section(kind: &str, next: u64, size: u64) -> Vec<u8> {
    let mut section = vec![0; 72];
    section[..kind.len()].copy_from_slice(kind.as_bytes());
    section[16..24].copy_from_slice(&next.to_le_bytes());
    section[24..32].copy_from_slice(&size.to_le_bytes());
    sealed(section)
}

/// The bytes with their checksum behind them.
pub fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend(adler32(&bytes).to_le_bytes());
    bytes
}

/// Makes the checksum at the end right.
pub fn seal(bytes: &mut [u8]) {
    let end = bytes.len() - 4;
    let checksum = adler32(&bytes[..end]);
    bytes[end..].copy_from_slice(&checksum.to_le_bytes());
}

fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1, 0), |(low, high), &byte| {
        let low = (low + u32::from(byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}
