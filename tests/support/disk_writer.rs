//! Writes partition tables, for tests. Written from the UEFI specification, independently of the reader.
#![allow(dead_code, unreachable_pub)]

use uuid::Uuid;

/// An entry of an MBR: type, first sector, number of sectors.
pub type MbrEntry = (u8, u32, u32);

/// Puts a master boot record, or an extended one, into the sector at `at`.
pub fn put_mbr(disk: &mut [u8], at: usize, signature: u32, entries: &[MbrEntry]) {
    let sector = &mut disk[at..at + 512];
    sector[440..444].copy_from_slice(&signature.to_le_bytes());
    for (index, (kind, start, sectors)) in entries.iter().enumerate() {
        let entry = &mut sector[446 + 16 * index..][..16];
        entry[0] = if index == 0 { 0x80 } else { 0 };
        entry[4] = *kind;
        entry[8..12].copy_from_slice(&start.to_le_bytes());
        entry[12..].copy_from_slice(&sectors.to_le_bytes());
    }
    sector[510..].copy_from_slice(&[0x55, 0xAA]);
}

/// A partition of a GPT: type, own GUID, first and last sector, name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GptEntry {
    pub kind: Uuid,
    pub own: Uuid,
    pub first: u64,
    pub last: u64,
    pub name: String,
}

/// Puts a GPT with its protective MBR and its backup onto a disk.
pub fn put_gpt(disk: &mut [u8], sector_size: usize, guid: Uuid, entries: &[GptEntry]) {
    put_mbr(disk, 0, 0, &[(0xEE, 1, u32::MAX)]);
    disk[446] = 0;
    let count = entries.len().max(128).next_multiple_of(32);
    let mut array = vec![0; 128 * count];
    for (index, entry) in entries.iter().enumerate() {
        let bytes = &mut array[128 * index..][..128];
        bytes[..16].copy_from_slice(&entry.kind.to_bytes_le());
        bytes[16..32].copy_from_slice(&entry.own.to_bytes_le());
        bytes[32..40].copy_from_slice(&entry.first.to_le_bytes());
        bytes[40..48].copy_from_slice(&entry.last.to_le_bytes());
        for (place, unit) in bytes[56..].chunks_mut(2).zip(entry.name.encode_utf16()) {
            place.copy_from_slice(&unit.to_le_bytes());
        }
    }
    let sectors = (disk.len() / sector_size) as u64;
    let array_sectors = (array.len() / sector_size) as u64;
    let places = [
        (1, sectors - 1, 2),
        (sectors - 1, 1, sectors - 1 - array_sectors),
    ];
    for (own, other, array_at) in places {
        let mut header = vec![0; 92];
        header[..8].copy_from_slice(b"EFI PART");
        header[8..12].copy_from_slice(&0x10000_u32.to_le_bytes());
        header[12..16].copy_from_slice(&92_u32.to_le_bytes());
        header[24..32].copy_from_slice(&own.to_le_bytes());
        header[32..40].copy_from_slice(&other.to_le_bytes());
        header[40..48].copy_from_slice(&(2 + array_sectors).to_le_bytes());
        header[48..56].copy_from_slice(&(sectors - 2 - array_sectors).to_le_bytes());
        header[56..72].copy_from_slice(&guid.to_bytes_le());
        header[72..80].copy_from_slice(&array_at.to_le_bytes());
        header[80..84].copy_from_slice(&(count as u32).to_le_bytes());
        header[84..88].copy_from_slice(&128_u32.to_le_bytes());
        header[88..92].copy_from_slice(&crc32(&array).to_le_bytes());
        let checksum = crc32(&header);
        header[16..20].copy_from_slice(&checksum.to_le_bytes());
        let put = |disk: &mut [u8], sector: u64, bytes: &[u8]| {
            let at = sector as usize * sector_size;
            disk[at..at + bytes.len()].copy_from_slice(bytes);
        };
        put(disk, own, &header);
        put(disk, array_at, &array);
    }
}

/// The CRC-32 of zip and GPT, bit by bit.
pub fn crc32(bytes: &[u8]) -> u32 {
    reflected_crc(bytes, 0xEDB8_8320)
}

/// The CRC-32C of VHDX.
pub fn crc32c(bytes: &[u8]) -> u32 {
    reflected_crc(bytes, 0x82F6_3B78)
}

fn reflected_crc(bytes: &[u8], polynomial: u32) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ if crc & 1 == 1 { polynomial } else { 0 };
    let table: Vec<u32> = (0..256)
        .map(|byte| (0..8).fold(byte, |crc, _| step(crc)))
        .collect();
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (crc >> 8) ^ table[(crc as u8 ^ byte) as usize]
    })
}

/// A boot sector as `mkntfs` or Windows write it: enough to be known by.
pub fn ntfs_boot_sector() -> [u8; 512] {
    let mut sector = [0; 512];
    sector[..3].copy_from_slice(&[0xEB, 0x52, 0x90]);
    sector[3..11].copy_from_slice(b"NTFS    ");
    sector[11..13].copy_from_slice(&512_u16.to_le_bytes());
    sector[13] = 8;
    sector[21] = 0xF8;
    sector[510..].copy_from_slice(&[0x55, 0xAA]);
    sector
}
