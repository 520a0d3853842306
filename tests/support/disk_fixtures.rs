//! The disk images of fixtures/disk-images, out of their compression.
#![allow(dead_code, unreachable_pub)]

use std::path::{Path, PathBuf};
use std::{fs, io};

use lzma_rust2::XzReader;
use tempfile::TempDir;

pub const DISK_FIXTURES: &str = "fixtures/disk-images";

/// The files of a kind of image, in a folder that is made for them: the path of the one to name.
pub fn unpack_disk_fixture(kind: &str, folder: &Path) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let mut files = Vec::new();
    for entry in fs::read_dir(Path::new(DISK_FIXTURES).join(kind)).unwrap() {
        let compressed = entry.unwrap().path();
        let file = folder.join(compressed.file_stem().unwrap());
        let mut decompressed = XzReader::new(fs::File::open(&compressed).unwrap(), false);
        io::copy(&mut decompressed, &mut fs::File::create(&file).unwrap()).unwrap();
        files.push(file);
    }
    // `disk.001` comes before `disk.002`; extents and parents have other names.
    files.sort();
    let named =
        |file: &&PathBuf| matches!(file.file_stem().unwrap().to_str(), Some("disk" | "volume"));
    files.iter().find(named).unwrap().clone()
}

/// The image of a kind, and the folder that it lies in.
pub fn disk_fixture(kind: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let image = unpack_disk_fixture(kind, folder.path());
    (folder, image)
}
