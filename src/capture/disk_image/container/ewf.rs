//! EWF: not read yet.

use super::format::starts_with;
use super::image_file::ImageFile;
use super::neighbours::Opening;
use super::pieces::{Piece, Pieces};
use crate::capture::disk_image::ReadAt;
use crate::error::{Error, Warnings};

pub(super) fn is_ewf(bytes: &dyn ReadAt) -> bool {
    starts_with(bytes, 0, b"EVF\x09\r\n\xFF\0")
}

pub(super) enum Ewf {}

impl Ewf {
    pub(super) fn open(
        file: ImageFile,
        _: &std::ffi::OsStr,
        _: &Opening,
        _: &mut Warnings,
    ) -> Result<Ewf, Error> {
        Err(file.name_in(Error::unsupported(
            "EWF",
            "convert it to a raw image (qemu-img convert)",
        )))
    }

    pub(super) fn sector_size(&self) -> u32 {
        match *self {}
    }
}

impl Pieces for Ewf {
    fn disk_size(&self) -> u64 {
        match *self {}
    }
    fn piece(&self, _: u64, _: u64) -> Result<Piece, Error> {
        match *self {}
    }
}
