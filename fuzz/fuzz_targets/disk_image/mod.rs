//! What the targets of disk images share.
#![allow(dead_code, unreachable_pub)]

use std::ffi::OsStr;
use std::io;
use std::rc::Rc;

use dism_mount_status::capture::disk_image::{Disk, Neighbours};
use dism_mount_status::capture::read_at::ReadAt;

/// A folder in which every name is that of one file: a disk may be its own parent.
pub struct OneFile(pub Rc<dyn ReadAt>);

impl Neighbours for OneFile {
    fn open(&self, _: &OsStr) -> io::Result<Option<Rc<dyn ReadAt>>> {
        Ok(Some(self.0.clone()))
    }
}

/// Reads a disk here and there: what is read twice is the same, and nothing comes from behind its end.
pub fn read(bytes: Rc<dyn ReadAt>, name: &str, neighbours: Rc<dyn Neighbours>) {
    let Ok((disk, _)) = Disk::open_among(bytes, name.as_ref(), neighbours) else {
        return;
    };
    let size = disk.size();
    assert!(disk.read_exact_at(size, &mut [0]).is_err());
    assert!(disk.read_exact_at(u64::MAX, &mut [0]).is_err());
    let mut part = [0; 4096];
    let mut again = [0; 1000];
    let places = (0..8)
        .map(|index| index * 4096)
        .chain([size / 2, size.saturating_sub(4096)]);
    for offset in places.filter(|offset| *offset < size) {
        let length = (size - offset).min(4096) as usize;
        if disk.read_exact_at(offset, &mut part[..length]).is_err() {
            continue;
        }
        for start in (0..length).step_by(1000) {
            let length = (length - start).min(1000);
            disk.read_exact_at(offset + start as u64, &mut again[..length])
                .unwrap();
            assert_eq!(again[..length], part[start..start + length]);
        }
    }
}

/// A file that is zeros but for some parts of it.
pub struct Sparse {
    pub size: u64,
    pub parts: Vec<(u64, Vec<u8>)>,
}

impl ReadAt for Sparse {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        let end = end
            .filter(|&end| end <= self.size)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.fill(0);
        for (at, bytes) in &self.parts {
            let (from, to) = (offset.max(*at), end.min(at + bytes.len() as u64));
            if from < to {
                let part = &bytes[(from - at) as usize..(to - at) as usize];
                buffer[(from - offset) as usize..(to - offset) as usize].copy_from_slice(part);
            }
        }
        Ok(())
    }
}
