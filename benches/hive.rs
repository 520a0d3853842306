//! How long it takes from opening a large hive to three mount registrations, and how much is read for it.
//!
//! `cargo bench --bench hive`; the hives are made in a temporary folder, so they are in the page cache.
#![allow(missing_docs)]

#[path = "../tests/support/hive_writer.rs"]
mod hive_writer;
#[path = "../tests/support/software_hive.rs"]
mod software_hive;

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use criterion::{Criterion, criterion_group, criterion_main};
use dism_mount_status::registry::hive::Hive;
use software_hive::{MOUNTED_IMAGES, software_hive};

/// Counts the bytes that are read.
struct Counting {
    file: File,
    read: Rc<Cell<usize>>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read(buffer)?;
        self.read.set(self.read.get() + len);
        Ok(len)
    }
}

impl Seek for Counting {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

/// Opens a hive and reads its registrations. Returns how many bytes that took.
fn registrations(path: &Path) -> usize {
    let read = Rc::new(Cell::new(0));
    let file = File::open(path).unwrap();
    let mut hive = Hive::open(Counting {
        file,
        read: read.clone(),
    })
    .unwrap();
    let images = hive.find(&MOUNTED_IMAGES).unwrap().unwrap();
    let keys = hive.subkeys(&images).unwrap();
    assert_eq!(keys.len(), 3);
    for key in &keys {
        assert_eq!(hive.values(key).unwrap().len(), 4);
    }
    read.get()
}

fn walk(path: &Path) -> usize {
    let mut hive = Hive::open(File::open(path).unwrap()).unwrap();
    hive.walk().unwrap().map(|walked| walked.values.len()).sum()
}

fn hives(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    for megabytes in [10, 100] {
        let path = folder.path().join("SOFTWARE");
        fs::write(&path, software_hive(megabytes << 20, 3)).unwrap();
        let len = fs::metadata(&path).unwrap().len();
        let read = registrations(&path);
        println!("hive of {len} bytes: {read} bytes read for three registrations");
        criterion.bench_function(
            &format!("three registrations of {megabytes} MB"),
            |bencher| {
                bencher.iter(|| registrations(&path));
            },
        );
        let mut group = criterion.benchmark_group("everything");
        group.sample_size(10);
        group.bench_function(format!("{megabytes} MB"), |bencher| {
            bencher.iter(|| walk(&path))
        });
        group.finish();
    }
}

criterion_group!(benches, hives);
criterion_main!(benches);
