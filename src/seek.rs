//! Where a seek leads.

use std::io::{self, SeekFrom};

/// The position that a seek from `position` leads to in something of `size` bytes; it may lie behind the end.
///
/// # Errors
/// When it leads before the start.
pub(crate) fn position_after(to: SeekFrom, position: u64, size: u64) -> io::Result<u64> {
    let position = match to {
        SeekFrom::Start(position) => Some(position),
        SeekFrom::Current(by) => position.checked_add_signed(by),
        SeekFrom::End(by) => size.checked_add_signed(by),
    };
    position.ok_or_else(|| {
        let kind = io::ErrorKind::InvalidInput;
        io::Error::new(kind, "a position before the start")
    })
}
