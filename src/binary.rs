//! Reading a structure of a binary format with nom, with an error that says where its bytes end too early.

use nom::bytes::complete::take;
use nom::{IResult, Parser};
use uuid::Uuid;

use crate::error::{Error, Position};

type NomError<'a> = nom::error::Error<&'a [u8]>;

/// Reads one structure from the front of `bytes`, which stand at `base` of the evidence.
///
/// `name` says what the structure is. The parser may fail for want of bytes only.
pub(crate) fn structure<'a, T>(
    name: &'static str,
    base: u64,
    bytes: &'a [u8],
    mut parser: impl Parser<&'a [u8], Output = T, Error = NomError<'a>>,
) -> Result<(&'a [u8], T), Error> {
    parser.parse(bytes).map_err(|error| {
        let left = match error {
            nom::Err::Error(error) | nom::Err::Failure(error) => error.input.len(),
            nom::Err::Incomplete(_) => 0,
        };
        Error::malformed(name, format!("the end after {} bytes of it", bytes.len()))
            .at(Position::Byte(base + (bytes.len() - left) as u64))
    })
}

/// Bytes as hexadecimal digits, two for each, in lower case.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    let digits = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 0xF)]);
    digits.collect()
}

/// A GUID as Windows stores it: the first three fields are little-endian.
pub(crate) fn guid(bytes: &[u8]) -> IResult<&[u8], Uuid> {
    byte_array.map(Uuid::from_bytes_le).parse(bytes)
}

/// The next `N` bytes as they are.
pub(crate) fn byte_array<const N: usize>(bytes: &[u8]) -> IResult<&[u8], [u8; N]> {
    let (rest, taken) = take(N).parse(bytes)?;
    let mut array = [0; N];
    array.copy_from_slice(taken);
    Ok((rest, array))
}
