//! How fast a hive is read out of WIMs of every compression, and how long one page of it takes.
//!
//! `cargo bench --bench wim --features captured-wim`; wimlib-imagex (Debian package wimtools) makes the WIMs, in a temporary
//! folder, so they are in the page cache. Data are not held against their SHA-1 here.
#![allow(missing_docs)]

#[path = "../tests/support/hive_writer.rs"]
mod hive_writer;
#[path = "../tests/support/software_hive.rs"]
mod software_hive;

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dism_mount_status::PathComponent;
use dism_mount_status::wim::{CapturedWim, StreamEntry};
use software_hive::software_hive;

const SIZE: usize = 32 << 20;
const KINDS: [(&str, &[&str]); 7] = [
    ("none", &["--compress=none"]),
    ("XPRESS", &["--compress=XPRESS"]),
    ("XPRESS 64K", &["--compress=XPRESS", "--chunk-size=64K"]),
    ("LZX", &["--compress=LZX"]),
    ("LZX 2M", &["--compress=LZX", "--chunk-size=2M"]),
    ("LZMS", &["--compress=LZMS"]),
    ("solid 8M", &["--solid", "--solid-chunk-size=8M"]),
];

/// Opens a WIM anew, so that no chunk is kept, and finds the hive.
fn open(path: &Path) -> (CapturedWim<Arc<File>>, StreamEntry) {
    let (wim, _) = CapturedWim::open(Arc::new(File::open(path).unwrap())).unwrap();
    let (image, _) = wim.image(1).unwrap();
    let hive = image.find(&[PathComponent::from("SOFTWARE")]).unwrap();
    let stream = hive.unwrap().streams[0].clone();
    (wim, stream)
}

fn wims(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let hive = software_hive(SIZE, 3);
    fs::write(tree.join("SOFTWARE"), &hive).unwrap();
    for (name, options) in KINDS {
        let path = folder.path().join("hive.wim");
        let mut capture = Command::new("wimlib-imagex");
        capture.arg("capture").arg(&tree).arg(&path).arg("Hive");
        let captured = capture.arg("--no-acls").args(options).output();
        match captured {
            Ok(output) if output.status.success() => {}
            other => return println!("wimlib-imagex is needed: nothing was measured: {other:?}"),
        }
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10);
        group.throughput(Throughput::Bytes(hive.len() as u64));
        group.bench_function("everything", |bencher| {
            bencher.iter(|| {
                let (wim, stream) = open(&path);
                let mut reader = wim.open_stream(&stream).unwrap().unwrap();
                io::copy(&mut reader, &mut io::sink()).unwrap()
            });
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function("one page", |bencher| {
            bencher.iter(|| {
                let (wim, stream) = open(&path);
                let mut reader = wim.open_stream(&stream).unwrap().unwrap();
                let mut page = [0; 4096];
                reader.seek(SeekFrom::Start(SIZE as u64 / 2)).unwrap();
                reader.read_exact(&mut page).unwrap();
                page
            });
        });
        group.finish();
        fs::remove_file(&path).unwrap();
    }
}

criterion_group!(benches, wims);
criterion_main!(benches);
