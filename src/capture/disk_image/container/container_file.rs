//! One file of a disk image: errors in it say which one and where.

use std::io;
use std::rc::Rc;

use crate::capture::read_at::ReadAt;
use crate::error::{Error, Position};
use crate::warning::{Warning, WarningCode, Warnings};

/// A file of an image, with its name unless it is the evidence itself.
#[derive(Clone)]
pub(super) struct ContainerFile {
    bytes: Rc<dyn ReadAt>,
    name: Option<Rc<str>>,
}

impl ContainerFile {
    pub(super) fn new(bytes: Rc<dyn ReadAt>, name: Option<&str>) -> Self {
        ContainerFile {
            bytes,
            name: name.map(Rc::from),
        }
    }

    /// Other bytes that stand for the same file.
    pub(super) fn with_bytes(&self, bytes: Rc<dyn ReadAt>) -> Self {
        ContainerFile {
            bytes,
            name: self.name.clone(),
        }
    }

    pub(super) fn bytes(&self) -> &Rc<dyn ReadAt> {
        &self.bytes
    }

    pub(super) fn size(&self) -> u64 {
        self.bytes.size()
    }

    /// At most how many of its bytes the evidence can hold.
    pub(super) fn stored_size(&self) -> u64 {
        self.bytes.stored_size()
    }

    /// Fills `buffer` from `offset` on; `what` says what stands there.
    pub(super) fn read(
        &self,
        what: &'static str,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), Error> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.size()) {
            return Err(self.behind_end(what, offset));
        }
        let read = self.bytes.read_exact_at(offset, buffer);
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.behind_end(what, offset),
            _ => self.here(offset, Error::io(&error)),
        })
    }

    pub(super) fn array<const N: usize>(
        &self,
        what: &'static str,
        offset: u64,
    ) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        self.read(what, offset, &mut array)?;
        Ok(array)
    }

    /// The `length` bytes at `offset`. Nothing is taken before it is sure that the file has them.
    pub(super) fn vec(
        &self,
        what: &'static str,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, Error> {
        let end = offset.checked_add(length as u64);
        if end.is_none_or(|end| end > self.size()) {
            return Err(self.behind_end(what, offset));
        }
        let mut bytes = vec![0; length];
        self.read(what, offset, &mut bytes)?;
        Ok(bytes)
    }

    /// What stands at `offset` lies, at least in part, behind the end of the file.
    pub(super) fn behind_end(&self, what: &'static str, offset: u64) -> Error {
        let found = format!(
            "the end of the file at byte {:#x}: it may have been cut off when it was copied",
            self.size()
        );
        self.here(offset, Error::malformed(what, found))
    }

    /// Adds the place to an error, and the file's name.
    pub(super) fn here(&self, offset: u64, error: Error) -> Error {
        self.name_in(error.at(Position::Byte(offset)))
    }

    /// Adds the file's name to an error.
    pub(super) fn name_in(&self, error: Error) -> Error {
        match &self.name {
            Some(name) => error.in_evidence(&**name),
            None => error,
        }
    }

    pub(super) fn malformed(
        &self,
        offset: u64,
        expected: &'static str,
        found: impl Into<String>,
    ) -> Error {
        self.here(offset, Error::malformed(expected, found.into()))
    }

    pub(super) fn warn(
        &self,
        warnings: &mut Warnings,
        code: WarningCode,
        offset: u64,
        text: impl Into<String>,
    ) {
        let warning = Warning::new(code, text).at(Position::Byte(offset));
        warnings.push(match &self.name {
            Some(name) => warning.in_evidence(&**name),
            None => warning,
        });
    }

    /// Says that the file ends too early, where `what` should stand.
    pub(super) fn warn_truncated(&self, warnings: &mut Warnings, what: &str) {
        let text = format!(
            "the file ends before {what}: it may have been cut off when it was copied; what is there is read"
        );
        self.warn(warnings, WarningCode::Truncated, self.size(), text);
    }
}
