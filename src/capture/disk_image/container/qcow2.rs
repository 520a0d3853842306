//! QCOW2: not read yet.

use super::format::starts_with;
use super::image_file::ImageFile;
use super::neighbours::Opening;
use super::pieces::{Piece, Pieces};
use crate::capture::disk_image::ReadAt;
use crate::error::{Error, Warnings};

pub(super) fn is_qcow2(bytes: &dyn ReadAt) -> bool {
    starts_with(bytes, 0, b"QFI\xFB\0\0\0\x02")
}

pub(super) enum Qcow2 {}

impl Qcow2 {
    pub(super) fn open(file: ImageFile, _: &Opening, _: &mut Warnings) -> Result<Qcow2, Error> {
        Err(file.name_in(Error::unsupported(
            "QCOW2",
            "convert it to a raw image (qemu-img convert)",
        )))
    }
    pub(super) fn variant(&self) -> &'static str {
        match *self {}
    }
}

impl Pieces for Qcow2 {
    fn disk_size(&self) -> u64 {
        match *self {}
    }
    fn piece(&self, _: u64, _: u64) -> Result<Piece, Error> {
        match *self {}
    }
}
