//! A disk of any bytes, a GPT on it with the right checksums: its table and what its volumes are, without a panic.

#![no_main]

#[path = "../../tests/support/disk_writer.rs"]
mod disk_writer;

use disk_writer::crc32;
use dism_mount_status::capture::disk_image::{FileSystem, PartitionTable};
use dism_mount_status::capture::read_at::ReadAt;
use libfuzzer_sys::fuzz_target;

fn number<const N: usize>(header: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number[..N].copy_from_slice(&header[at..at + N]);
    u64::from_le_bytes(number)
}

/// Makes the checksums of the header at a place right, as far as they can be.
fn seal(disk: &mut [u8], at: usize, sector_size: u64) {
    let Some(header) = disk.get(at..at + 512) else {
        return;
    };
    if !header.starts_with(b"EFI PART") {
        return;
    }
    let array_at = number::<8>(header, 72).wrapping_mul(sector_size) as usize;
    let array_size = number::<4>(header, 80).wrapping_mul(number::<4>(header, 84)) as usize;
    let size = (number::<4>(header, 12) as usize).clamp(92, 512);
    let array = disk.get(array_at..).and_then(|disk| disk.get(..array_size));
    let array = array.map_or(0, crc32).to_le_bytes();
    let header = &mut disk[at..at + size];
    header[88..92].copy_from_slice(&array);
    header[16..20].fill(0);
    let checksum = crc32(header);
    header[16..20].copy_from_slice(&checksum.to_le_bytes());
}

fuzz_target!(|bytes: &[u8]| {
    let mut disk = bytes.to_vec();
    for sector_size in [512, 4096] {
        seal(&mut disk, sector_size, sector_size as u64);
        if let Some(last) = disk.len().checked_sub(sector_size) {
            seal(&mut disk, last, sector_size as u64);
        }
    }
    for sector_size in [None, Some(512), Some(4096)] {
        let Ok((table, _)) = PartitionTable::read(&disk, sector_size) else {
            continue;
        };
        for partition in &table.partitions {
            let volume = partition.volume(&disk);
            assert!(volume.size() <= partition.size);
            let _ = FileSystem::identify(&volume);
        }
    }
});
