//! The disk images of fixtures/disk-images, out of their compression.

use std::path::{Path, PathBuf};
use std::{fs, io};

use lzma_rust2::XzReader;
use tempfile::TempDir;

pub(crate) const DISK_IMAGES: &str = "fixtures/disk-images";

/// The image of a kind, and the folder that it lies in.
pub(crate) fn disk_image(kind: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let mut files = Vec::new();
    for entry in fs::read_dir(Path::new(DISK_IMAGES).join(kind)).unwrap() {
        let compressed = entry.unwrap().path();
        let file = folder.path().join(compressed.file_stem().unwrap());
        let mut decompressed = XzReader::new(fs::File::open(&compressed).unwrap(), false);
        io::copy(&mut decompressed, &mut fs::File::create(&file).unwrap()).unwrap();
        files.push(file);
    }
    files.sort();
    let first = files.iter().find(|file| {
        let name = file.file_name().unwrap().to_str().unwrap();
        name == "volume.img" || name.starts_with("disk.")
    });
    let first = first.unwrap().clone();
    (folder, first)
}
