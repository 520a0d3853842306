//! Cells: the containers of everything in the hive bins.

use std::io::{Read, Seek};

use super::Hive;
use super::pages::file_position;
use crate::error::{Error, Position};
use crate::wide_string::WideString;

/// A cell's size field; the data follows it.
const SIZE_LEN: u64 = 4;

/// The smallest cell: sizes are multiples of eight.
const SMALLEST: u32 = 8;

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
    /// The cell at an offset within the hive bins.
    pub(super) fn cell(&mut self, offset: u32) -> Result<Cell, Error> {
        let mut bytes = [0; SIZE_LEN as usize];
        self.pages.read(offset.into(), &mut bytes)?;
        let size = i32::from_le_bytes(bytes);
        // Negative: in use. What refers to a free cell refers to something that is no more.
        if size > -(SMALLEST as i32) {
            return Err(
                Error::malformed("the size of a cell in use", format!("{size}"))
                    .at(file_position(offset.into())),
            );
        }
        let claimed = u64::from(size.unsigned_abs()) - SIZE_LEN;
        let available = self.pages.len() - u64::from(offset) - SIZE_LEN;
        Ok(Cell {
            offset,
            len: claimed.min(available),
        })
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

    /// The first bytes of a structure that begins with a signature.
    pub(super) fn read_structure<const N: usize>(
        &mut self,
        cell: Cell,
        signature: &'static str,
    ) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.read_cell(cell, 0, &mut bytes)?;
        if !bytes.starts_with(signature.as_bytes()) {
            let found = &bytes[..signature.len().min(N)];
            return Err(Error::malformed(
                format!("signature {signature}"),
                format!("\"{}\"", found.escape_ascii()),
            )
            .at(cell.position()));
        }
        Ok(bytes)
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
