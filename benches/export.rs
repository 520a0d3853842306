//! How fast a registry export is read: for its mount registrations, and whole.
//!
//! `cargo bench --bench export`; the exports are in memory, so that it is the reader that is measured.
#![allow(missing_docs)]

#[path = "../tests/support/large_export.rs"]
mod large_export;

use std::io::Read;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dism_mount_status::registry::{RegistryEntry, RegistryExport};
use large_export::{REGISTRATIONS, utf8_export, utf16le_export};

fn in_memory(mut export: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    export.read_to_end(&mut bytes).unwrap();
    bytes
}

fn registrations(export: &[u8]) -> usize {
    let export = RegistryExport::open(export, None).unwrap();
    export.read_mount_registry().unwrap().registrations.len()
}

fn values(export: &[u8]) -> usize {
    let mut export = RegistryExport::open(export, None).unwrap();
    let mut values = 0;
    while let Some(entry) = export.next_entry().unwrap() {
        values += usize::from(matches!(entry, RegistryEntry::Value(_)));
    }
    values
}

fn exports(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("registrations");
    group.sample_size(20);
    for (name, export) in [
        ("UTF-16LE, 16 MiB", in_memory(utf16le_export(16 << 20))),
        (
            "UTF-8, 8 MiB of the same text",
            in_memory(utf8_export(8 << 20)),
        ),
    ] {
        assert_eq!(registrations(&export), REGISTRATIONS);
        group.throughput(Throughput::Bytes(export.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| registrations(&export)));
    }
    group.finish();

    let export = in_memory(utf16le_export(1 << 20));
    assert_ne!(values(&export), 0);
    let mut group = criterion.benchmark_group("every value");
    group.sample_size(20);
    group.throughput(Throughput::Bytes(export.len() as u64));
    group.bench_function("UTF-16LE, 1 MiB", |bencher| {
        bencher.iter(|| values(&export))
    });
    group.finish();
}

criterion_group!(benches, exports);
criterion_main!(benches);
