//! Writes VHDs, for tests. Written from Microsoft's specification, independently of the reader.
#![allow(dead_code, unreachable_pub)]

pub const FIXED: u32 = 2;
pub const DYNAMIC: u32 = 3;
pub const DIFFERENCING: u32 = 4;

/// What a VHD of any kind has.
pub struct Vhd<'a> {
    /// The disk; of a differencing one with the parent's data where they are the parent's.
    pub disk: &'a [u8],
    pub kind: u32,
    pub id: [u8; 16],
    pub block_size: usize,
    /// Which sectors are written: of a dynamic disk all that are not zeros must be.
    pub is_written: &'a dyn Fn(usize) -> bool,
    /// The id and the name of the parent.
    pub parent: Option<([u8; 16], &'a str)>,
}

/// A dynamic VHD, or with the id and the name of a parent a differencing one, in which every other sector is written.
pub fn vhd(disk: &[u8], id: u8, parent: Option<([u8; 16], &str)>) -> Vec<u8> {
    let vhd = Vhd {
        disk,
        kind: match parent {
            Some(_) => DIFFERENCING,
            None => DYNAMIC,
        },
        id: [id; 16],
        block_size: 1 << 19,
        is_written: &|sector| parent.is_none() || sector % 2 == 0,
        parent,
    };
    vhd.to_bytes()
}

impl Vhd<'_> {
    pub fn to_bytes(&self) -> Vec<u8> {
        if self.kind == FIXED {
            return [self.disk, &self.footer(u64::MAX)].concat();
        }
        let blocks = self.disk.len().div_ceil(self.block_size);
        let table_size = (blocks * 4).next_multiple_of(512);
        let mut table = vec![0xFF; table_size];
        let mut data: Vec<u8> = Vec::new();
        let data_at = 512 + 1024 + table_size;
        let sectors = self.block_size / 512;
        for block in 0..blocks {
            let written: Vec<bool> = (0..sectors)
                .map(|sector| block * sectors + sector)
                .map(|sector| sector * 512 < self.disk.len() && (self.is_written)(sector))
                .collect();
            if !written.contains(&true) {
                continue;
            }
            let at = ((data_at + data.len()) / 512) as u32;
            table[block * 4..][..4].copy_from_slice(&at.to_be_bytes());
            let mut bitmap = vec![0; (sectors.div_ceil(8)).next_multiple_of(512)];
            let mut bytes = vec![0; self.block_size];
            for (sector, _) in written.iter().enumerate().filter(|(_, written)| **written) {
                bitmap[sector / 8] |= 0x80 >> (sector % 8);
                let from = block * self.block_size + sector * 512;
                let to = (from + 512).min(self.disk.len());
                bytes[sector * 512..][..to - from].copy_from_slice(&self.disk[from..to]);
            }
            data.extend(bitmap);
            data.extend(bytes);
        }
        let footer = self.footer(512);
        [&footer[..], &self.header(blocks), &table, &data, &footer].concat()
    }

    fn footer(&self, data_offset: u64) -> [u8; 512] {
        let mut footer = [0; 512];
        footer[..8].copy_from_slice(b"conectix");
        footer[11] = 2;
        footer[13] = 1;
        footer[16..24].copy_from_slice(&data_offset.to_be_bytes());
        footer[28..32].copy_from_slice(b"test");
        footer[40..48].copy_from_slice(&(self.disk.len() as u64).to_be_bytes());
        footer[48..56].copy_from_slice(&(self.disk.len() as u64).to_be_bytes());
        footer[60..64].copy_from_slice(&self.kind.to_be_bytes());
        footer[68..84].copy_from_slice(&self.id);
        seal(&mut footer, 64);
        footer
    }

    fn header(&self, blocks: usize) -> [u8; 1024] {
        let mut header = [0; 1024];
        header[..8].copy_from_slice(b"cxsparse");
        header[8..16].fill(0xFF);
        header[16..24].copy_from_slice(&(512_u64 + 1024).to_be_bytes());
        header[25] = 1;
        header[28..32].copy_from_slice(&(blocks as u32).to_be_bytes());
        header[32..36].copy_from_slice(&(self.block_size as u32).to_be_bytes());
        if let Some((id, name)) = self.parent {
            header[40..56].copy_from_slice(&id);
            for (place, unit) in header[64..576].chunks_mut(2).zip(name.encode_utf16()) {
                place.copy_from_slice(&unit.to_be_bytes());
            }
        }
        seal(&mut header, 36);
        header
    }
}

/// Makes the checksum of a footer or header right.
pub fn seal(bytes: &mut [u8], at: usize) {
    bytes[at..at + 4].fill(0);
    let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    bytes[at..at + 4].copy_from_slice(&(!sum).to_be_bytes());
}
