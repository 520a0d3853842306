//! Cells: the containers of everything in the hive bins.

use std::io::{Read, Seek};

use super::Hive;
use super::pages::file_position;
use crate::error::{Error, Position};
use crate::warning::WarningCode;
use crate::wide_string::WideString;

/// A cell's size field; the data follows it.
const SIZE_LEN: u64 = 4;

/// The smallest cell: sizes are multiples of eight.
const SMALLEST: i32 = 8;

/// An allocated cell ("Windows registry file format specification", "Cell").
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    /// Offset of the size field within the hive bins.
    offset: u32,
    /// Length of the data: what the size says, or what the hive holds if that is less.
    pub(super) len: u64,
}

impl Cell {
    pub(super) fn position(self) -> Position {
        file_position(self.offset.into())
    }
}

impl<R: Read + Seek> Hive<R> {
    /// The size field of a cell, and how many bytes of data the hive holds behind it.
    fn cell_size(&mut self, offset: u32) -> Result<(i32, u64), Error> {
        let mut bytes = [0; SIZE_LEN as usize];
        self.pages.read(offset.into(), &mut bytes)?;
        let held = self.pages.len() - u64::from(offset) - SIZE_LEN;
        Ok((i32::from_le_bytes(bytes), held))
    }

    /// The cell at an offset within the hive bins, for what has no signature.
    pub(super) fn cell(&mut self, offset: u32) -> Result<Cell, Error> {
        let (size, held) = self.cell_size(offset)?;
        match len_in_use(size) {
            Some(len) => Ok(Cell {
                offset,
                len: len.min(held),
            }),
            None => Err(wrong_size(size).at(file_position(offset.into()))),
        }
    }

    /// The cell of a structure with a signature, and the structure's first bytes.
    ///
    /// The signature vouches for a cell whose size is wrong: what it holds is read, with a warning.
    pub(super) fn structure<const N: usize>(
        &mut self,
        offset: u32,
        signatures: &[&[u8; 2]],
    ) -> Result<(Cell, [u8; N]), Error> {
        let position = file_position(offset.into());
        let (size, held) = self.cell_size(offset)?;
        let len = len_in_use(size).filter(|&len| len >= N as u64);
        let cell = Cell {
            offset,
            len: len.unwrap_or(held).min(held),
        };
        let mut bytes = [0; N];
        self.read_cell(cell, 0, &mut bytes)?;
        if !signatures.iter().any(|known| bytes.starts_with(*known)) {
            let known: Vec<String> = signatures
                .iter()
                .map(|known| known.escape_ascii().to_string())
                .collect();
            let found = bytes[..2.min(N)].escape_ascii();
            return Err(Error::malformed(
                format!("signature {}", known.join(" or ")),
                format!("\"{found}\""),
            )
            .at(position));
        }
        if len.is_none() {
            self.warn_of(WarningCode::CellDamaged, position, &wrong_size(size));
        }
        Ok((cell, bytes))
    }

    /// Copies bytes of a cell's data.
    pub(super) fn read_cell(&mut self, cell: Cell, at: u64, bytes: &mut [u8]) -> Result<(), Error> {
        if at + bytes.len() as u64 > cell.len {
            return Err(Error::malformed(
                format!("a cell with {} bytes", at + bytes.len() as u64),
                format!("{}", cell.len),
            )
            .at(cell.position()));
        }
        self.pages
            .read(u64::from(cell.offset) + SIZE_LEN + at, bytes)
    }

    /// A name of `len` bytes within a cell, as much of it as the cell holds, and whether that is all.
    pub(super) fn read_name(
        &mut self,
        cell: Cell,
        at: u64,
        len: u16,
        latin1: bool,
    ) -> Result<(WideString, bool), Error> {
        let held = u64::from(len).min(cell.len.saturating_sub(at));
        let mut bytes = vec![0; held as usize];
        self.read_cell(cell, at, &mut bytes)?;
        let name = if latin1 {
            WideString::from_units(bytes.iter().map(|&byte| byte.into()).collect())
        } else {
            WideString::from_utf16le(&bytes)
        };
        Ok((name, held == u64::from(len)))
    }
}

/// The length of the data of a cell in use. Its size is negative; that of a free cell is positive.
fn len_in_use(size: i32) -> Option<u64> {
    let size = size.checked_neg().filter(|&size| size >= SMALLEST)?;
    Some(u64::from(size.unsigned_abs()) - SIZE_LEN)
}

fn wrong_size(size: i32) -> Error {
    Error::malformed(
        "the size of a cell in use, a negative number",
        format!("{size}"),
    )
}
