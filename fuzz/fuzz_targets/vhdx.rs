//! A VHDX with any bytes where its structures stand, and the right checksums: what can be read of it is read, without a
//! panic. It may be its own parent.

#![no_main]

mod disk_image;
#[path = "../../tests/support/disk_writer.rs"]
mod disk_writer;

use std::rc::Rc;

use disk_image::{OneFile, Sparse, read};
use disk_writer::crc32c;
use dism_mount_status::capture::read_at::ReadAt;
use libfuzzer_sys::fuzz_target;

const MIB: u64 = 1 << 20;
/// Where the structures stand, how much of each comes from the input, and how large it is with the zeros behind.
const STRUCTURES: [(u64, usize, usize); 7] = [
    (0x1_0000, 96, 4096),
    (0x3_0000, 96, 0x1_0000),
    // Two entries of the log.
    (MIB, 288, 8192),
    (MIB + 8192, 288, 8192),
    (2 * MIB, 192, 192),
    (2 * MIB + 0x1_0000, 384, 384),
    (3 * MIB, 64, 64),
];
/// What is behind them is the first block.
const DATA_AT: u64 = 4 * MIB;

/// Makes the checksum of a structure right.
fn seal(structure: &mut [u8]) {
    structure[4..8].fill(0);
    let checksum = crc32c(structure);
    structure[4..8].copy_from_slice(&checksum.to_le_bytes());
}

fuzz_target!(|bytes: &[u8]| {
    let mut left = bytes;
    let mut parts = vec![(0, b"vhdxfile".to_vec())];
    for (at, taken, size) in STRUCTURES {
        let Some((taken, behind)) = left.split_at_checked(taken) else {
            return;
        };
        left = behind;
        let mut part = taken.to_vec();
        part.resize(size, 0);
        match &part[..4] {
            b"head" | b"regi" => seal(&mut part),
            b"loge" if part.len() == 8192 => {
                let told = u32::from_le_bytes([part[8], part[9], part[10], part[11]]);
                // A data sector that belongs to the entry.
                let sequence = [&part[20..24], &part[16..20]].concat();
                part[4096..4100].copy_from_slice(b"data");
                part[4100..4104].copy_from_slice(&sequence[..4]);
                part[8188..].copy_from_slice(&sequence[4..]);
                let length = (told as usize).clamp(64, part.len());
                seal(&mut part[..length]);
            }
            _ => {}
        }
        parts.push((at, part));
    }
    parts.push((DATA_AT, left.to_vec()));
    let size = 6 * MIB;
    let bytes: Rc<dyn ReadAt> = Rc::new(Sparse { size, parts });
    read(bytes.clone(), "a.vhdx", Rc::new(OneFile(bytes)));
});
