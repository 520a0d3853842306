//! VHDX: not read yet.

use super::format::starts_with;
use super::image_file::ImageFile;
use super::neighbours::Opening;
use super::pieces::{Piece, Pieces};
use crate::capture::disk_image::ReadAt;
use crate::error::{Error, Warnings};

pub(super) fn is_vhdx(bytes: &dyn ReadAt) -> bool {
    starts_with(bytes, 0, b"vhdxfile")
}

pub(super) enum Vhdx {}

impl Vhdx {
    pub(super) fn open(file: ImageFile, _: &Opening, _: &mut Warnings) -> Result<Vhdx, Error> {
        Err(file.name_in(Error::unsupported(
            "VHDX",
            "convert it to a raw image (qemu-img convert)",
        )))
    }
    pub(super) fn variant(&self) -> &'static str {
        match *self {}
    }
    pub(super) fn sector_size(&self) -> u32 {
        match *self {}
    }
}

impl Pieces for Vhdx {
    fn disk_size(&self) -> u64 {
        match *self {}
    }
    fn piece(&self, _: u64, _: u64) -> Result<Piece, Error> {
        match *self {}
    }
}
