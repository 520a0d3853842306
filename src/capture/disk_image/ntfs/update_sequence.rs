//! The update sequence: NTFS' guard against records that were written in part.
//!
//! While a record lies on the disk, the last two bytes of every 512 of it are replaced by a number that is the same in
//! all of them; what belongs there is kept in an array behind the record's head (`MULTI_SECTOR_HEADER` of Microsoft's
//! developer notes). The stride is 512 bytes whatever the size of a sector.

use nom::number::complete::le_u16;

use crate::binary::{byte_array, structure};
use crate::error::{Error, Position};

/// Bytes between two numbers.
pub(super) const STRIDE: usize = 512;

/// Checks the signature of a record that stands at `position` of the volume, and puts back the bytes that the update
/// sequence replaced.
///
/// # Errors
///
/// The record has another signature, or was written in part, or its array does not lie in it.
pub(super) fn undo(bytes: &mut [u8], signature: &[u8; 4], position: u64) -> Result<(), Error> {
    let at = |offset: usize| Position::Byte(position.saturating_add(offset as u64));
    let head = (byte_array::<4>, le_u16, le_u16);
    let (_, (found, start, count)) = structure("a record's head", position, bytes, head)?;
    if &found != signature {
        let found = format!("\"{}\"", found.escape_ascii());
        let expected = format!("\"{}\"", signature.escape_ascii());
        return Err(Error::malformed(expected, found).at(at(0)));
    }
    let (start, count) = (usize::from(start), usize::from(count));
    let strides = bytes.len() / STRIDE;
    let array = bytes.get(start..start + 2 * count);
    let first_number = STRIDE.min(bytes.len()) - 2;
    let array = array.filter(|_| count > strides && start + 2 * (strides + 1) <= first_number);
    let Some(array) = array.map(<[u8]>::to_vec) else {
        let expected = format!("an update sequence array of {} numbers", strides + 1);
        return Err(Error::malformed(expected, format!("{count} at {start:#x}")).at(at(4)));
    };
    let (number, kept) = array.split_at(2);
    for (stride, kept) in kept.chunks_exact(2).take(strides).enumerate() {
        let end = (stride + 1) * STRIDE;
        let place = &mut bytes[end - 2..end];
        if place != number {
            let expected = format!("the update sequence number {number:02x?}");
            return Err(Error::malformed(expected, format!("{place:02x?}")).at(at(end - 2)));
        }
        place.copy_from_slice(kept);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Vec<u8> {
        let mut record = vec![7; 1024];
        record[..8].copy_from_slice(b"FILE\x30\0\x03\0");
        record[0x30..0x36].copy_from_slice(&[1, 2, 3, 4, 5, 6]);
        record[510..512].copy_from_slice(&[1, 2]);
        record[1022..].copy_from_slice(&[1, 2]);
        record
    }

    #[test]
    fn replaced_bytes_are_put_back() {
        let mut bytes = record();
        undo(&mut bytes, b"FILE", 0).unwrap();
        assert_eq!(bytes[510..512], [3, 4]);
        assert_eq!(bytes[1022..], [5, 6]);
    }

    #[test]
    fn a_record_that_was_written_in_part_is_told_with_the_place() {
        let mut bytes = record();
        bytes[1023] = 9;
        let error = undo(&mut bytes, b"FILE", 0x4000).unwrap_err();
        assert_eq!(error.position(), Some(Position::Byte(0x4000 + 1022)));
    }

    #[test]
    fn an_array_outside_of_its_record_is_refused() {
        for (place, value) in [(4, 0xF0), (5, 0xFF), (6, 2), (7, 0xFF), (0, 0)] {
            let mut bytes = record();
            bytes[place] = value;
            if (place, value) == (4, 0xF0) {
                bytes[5] = 1;
            }
            assert!(undo(&mut bytes, b"FILE", 0).is_err(), "{place}");
        }
    }
}
