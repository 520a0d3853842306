//! Writes VHDXs and their logs, for tests. Written from MS-VHDX, independently of the reader.
#![allow(dead_code, unreachable_pub)]

use uuid::Uuid;

use crate::disk_writer::crc32c;

pub const MIB: usize = 1 << 20;
pub const LOG_AT: usize = MIB;
pub const LOG_SIZE: usize = MIB;
const METADATA_AT: usize = 2 * MIB;
pub const BAT_AT: usize = 3 * MIB;
const SECTOR: usize = 4096;

pub const NOT_PRESENT: u64 = 0;
pub const ZERO: u64 = 2;
pub const FULLY_PRESENT: u64 = 6;
pub const PARTIALLY_PRESENT: u64 = 7;

pub const LOG_GUID: Uuid = Uuid::from_u128(0x106);

/// What a VHDX of any kind has.
pub struct Vhdx<'a> {
    /// The disk; of a differencing one with the parent's data where they are the parent's.
    pub disk: &'a [u8],
    pub sector_size: usize,
    pub block_size: usize,
    pub data_write_guid: Uuid,
    /// The state of each block.
    pub state: &'a dyn Fn(usize) -> u64,
    /// Of blocks that are present in part, which sectors are here.
    pub is_here: &'a dyn Fn(usize) -> bool,
    /// The linkage and the path of the parent.
    pub parent: Option<(Uuid, &'a str)>,
    /// Nil for no log.
    pub log_guid: Uuid,
}

impl Vhdx<'_> {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut file = vec![0; 4 * MIB];
        file[..8].copy_from_slice(b"vhdxfile");
        for (at, sequence) in [(0x1_0000, 4_u64), (0x2_0000, 5)] {
            let header = &mut file[at..at + SECTOR];
            header[..4].copy_from_slice(b"head");
            header[8..16].copy_from_slice(&sequence.to_le_bytes());
            header[32..48].copy_from_slice(&self.data_write_guid.to_bytes_le());
            header[48..64].copy_from_slice(&self.log_guid.to_bytes_le());
            header[66] = 1;
            header[68..72].copy_from_slice(&(LOG_SIZE as u32).to_le_bytes());
            header[72..80].copy_from_slice(&(LOG_AT as u64).to_le_bytes());
            seal(header);
        }
        for at in [0x3_0000, 0x4_0000] {
            let table = &mut file[at..at + 0x1_0000];
            table[..4].copy_from_slice(b"regi");
            table[8] = 2;
            let regions = [
                ("2DC27766-F623-4200-9D64-115E9BFD4A08", BAT_AT),
                ("8B7CA206-4790-4B9A-B8FE-575F050F886E", METADATA_AT),
            ];
            for (entry, (id, offset)) in table[16..].chunks_mut(32).zip(regions) {
                entry[..16].copy_from_slice(&guid(id));
                entry[16..24].copy_from_slice(&(offset as u64).to_le_bytes());
                entry[24..28].copy_from_slice(&(MIB as u32).to_le_bytes());
                entry[28] = 1;
            }
            seal(table);
        }
        self.put_metadata(&mut file);
        self.put_blocks(&mut file);
        file
    }

    fn put_metadata(&self, file: &mut [u8]) {
        let flags: u32 = if self.parent.is_some() { 2 } else { 0 };
        let parameters = [(self.block_size as u32).to_le_bytes(), flags.to_le_bytes()].concat();
        let mut items = vec![
            ("CAA16737-FA36-4D43-B3B6-33F0AA44E76B", parameters),
            (
                "2FA54224-CD1B-4876-B211-5DBED83BF4B8",
                (self.disk.len() as u64).to_le_bytes().to_vec(),
            ),
            (
                "8141BF1D-A96F-4709-BA47-F233A8FAAB5F",
                (self.sector_size as u32).to_le_bytes().to_vec(),
            ),
        ];
        if let Some((linkage, path)) = self.parent {
            let linkage = format!("{{{linkage}}}");
            let pairs = [
                ("parent_linkage", linkage.as_str()),
                ("relative_path", path),
            ];
            items.push(("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C", locator(&pairs)));
        }
        let metadata = &mut file[METADATA_AT..METADATA_AT + MIB];
        metadata[..8].copy_from_slice(b"metadata");
        metadata[10] = items.len() as u8;
        let mut at = 0x1_0000;
        for (index, (id, data)) in items.iter().enumerate() {
            let entry = &mut metadata[32 + 32 * index..][..32];
            entry[..16].copy_from_slice(&guid(id));
            entry[16..20].copy_from_slice(&(at as u32).to_le_bytes());
            entry[20..24].copy_from_slice(&(data.len() as u32).to_le_bytes());
            entry[24] = 4;
            metadata[at..at + data.len()].copy_from_slice(data);
            at += data.len();
        }
    }

    fn put_blocks(&self, file: &mut Vec<u8>) {
        let ratio = (self.sector_size << 23) / self.block_size;
        let blocks = self.disk.len().div_ceil(self.block_size);
        for block in 0..blocks {
            let state = (self.state)(block);
            let from = block * self.block_size;
            let mut data = self.disk[from..self.disk.len().min(from + self.block_size)].to_vec();
            data.resize(self.block_size, 0);
            let mut entry = state;
            if state == PARTIALLY_PRESENT {
                // What is the parent's must not be taken from here.
                let first = from / self.sector_size;
                for (sector, bytes) in data.chunks_mut(self.sector_size).enumerate() {
                    match (self.is_here)(first + sector) {
                        true => self.mark(file, first + sector, ratio),
                        false => bytes.fill(0xEE),
                    }
                }
            }
            if matches!(state, FULLY_PRESENT | PARTIALLY_PRESENT) {
                entry |= ((file.len() / MIB) << 20) as u64;
                file.extend(data);
            }
            put_entry(file, block + block / ratio, entry);
        }
    }

    /// Marks a sector as present, in a bitmap that is made when it is needed first.
    fn mark(&self, file: &mut Vec<u8>, sector: usize, ratio: usize) {
        let (chunk, bit) = (sector >> 23, sector % (1 << 23));
        let index = chunk * (ratio + 1) + ratio;
        let at = BAT_AT + 8 * index;
        let mut entry = u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
        if entry == 0 {
            entry = ((file.len() / MIB) << 20) as u64 | 6;
            put_entry(file, index, entry);
            file.resize(file.len() + MIB, 0);
        }
        file[(entry >> 20) as usize * MIB + bit / 8] |= 1 << (bit % 8);
    }
}

fn put_entry(file: &mut [u8], index: usize, entry: u64) {
    file[BAT_AT + 8 * index..][..8].copy_from_slice(&entry.to_le_bytes());
}

fn guid(text: &str) -> [u8; 16] {
    Uuid::try_parse(text).unwrap().to_bytes_le()
}

fn locator(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = guid("B04AEFB7-D19E-4A81-B789-25B8E9445913").to_vec();
    bytes.extend([0, 0]);
    bytes.extend((pairs.len() as u16).to_le_bytes());
    let mut text: Vec<u8> = Vec::new();
    let text_at = bytes.len() + 12 * pairs.len();
    for pair in pairs {
        let mut places = Vec::new();
        for part in [pair.0, pair.1] {
            places.push((text_at + text.len(), part.encode_utf16().count() * 2));
            text.extend(part.encode_utf16().flat_map(u16::to_le_bytes));
        }
        bytes.extend(places.iter().flat_map(|(at, _)| (*at as u32).to_le_bytes()));
        bytes.extend(
            places
                .iter()
                .flat_map(|(_, length)| (*length as u16).to_le_bytes()),
        );
    }
    bytes.extend(text);
    bytes
}

/// Makes the checksum of a structure right.
pub fn seal(structure: &mut [u8]) {
    structure[4..8].fill(0);
    let checksum = crc32c(structure);
    structure[4..8].copy_from_slice(&checksum.to_le_bytes());
}

/// A change that a log holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A page of 4 KiB at an offset of the file.
    Data(u64, Vec<u8>),
    /// Zeros from one offset to another.
    Zeros(u64, u64),
}

/// An entry of a log. The file had `flushed` bytes when it was written, and is to have a page more.
pub fn log_entry(sequence: u64, tail: usize, flushed: u64, changes: &[Change]) -> Vec<u8> {
    let mut entry = b"loge".to_vec();
    entry.resize(64, 0);
    entry[12..16].copy_from_slice(&(tail as u32).to_le_bytes());
    entry[16..24].copy_from_slice(&sequence.to_le_bytes());
    entry[24..28].copy_from_slice(&(changes.len() as u32).to_le_bytes());
    entry[32..48].copy_from_slice(&LOG_GUID.to_bytes_le());
    entry[48..56].copy_from_slice(&flushed.to_le_bytes());
    entry[56..64].copy_from_slice(&(flushed + 4096).to_le_bytes());
    for change in changes {
        match change {
            Change::Data(offset, page) => {
                entry.extend(b"desc");
                entry.extend(&page[SECTOR - 4..]);
                entry.extend(&page[..8]);
                entry.extend(offset.to_le_bytes());
            }
            Change::Zeros(from, to) => {
                entry.extend(b"zero\0\0\0\0");
                entry.extend((to - from).to_le_bytes());
                entry.extend(from.to_le_bytes());
            }
        }
        entry.extend(sequence.to_le_bytes());
    }
    entry.resize(entry.len().next_multiple_of(SECTOR), 0);
    for change in changes {
        if let Change::Data(_, page) = change {
            entry.extend(b"data");
            entry.extend(((sequence >> 32) as u32).to_le_bytes());
            entry.extend(&page[8..SECTOR - 4]);
            entry.extend((sequence as u32).to_le_bytes());
        }
    }
    let length = entry.len() as u32;
    entry[8..12].copy_from_slice(&length.to_le_bytes());
    seal(&mut entry);
    entry
}

/// Puts an entry into the log from `at` on, around its end.
pub fn put_log_entry(file: &mut [u8], at: usize, entry: &[u8]) {
    for (index, sector) in entry.chunks(SECTOR).enumerate() {
        let place = LOG_AT + (at + index * SECTOR) % LOG_SIZE;
        file[place..place + SECTOR].copy_from_slice(sector);
    }
}
