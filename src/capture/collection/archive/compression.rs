//! The compressions that zip members and whole tar files have, undone as they are read and within bounds.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use lzma_rust2::{LzmaReader, XzReader};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::allowance::Allowance;
use crate::capture::read_at::ReadAt;
use crate::error::Error;

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Deflate,
    Deflate64,
    Bzip2,
    /// LZMA with the header that zip gives it (APPNOTE.TXT 5.8).
    ZipLzma,
    Xz,
    Zstandard,
    Gzip,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Compression::Deflate => "deflate",
            Compression::Deflate64 => "deflate64",
            Compression::Bzip2 => "bzip2",
            Compression::ZipLzma => "LZMA",
            Compression::Xz => "xz",
            Compression::Zstandard => "zstd",
            Compression::Gzip => "gzip",
        })
    }
}

/// How many bytes of compressed data are read at once.
const INPUT_LENGTH: usize = 64 << 10;
/// The most memory that the window of a decompressor may take, in bytes: `xz -9` asks for 64 MiB, `zstd --ultra` for 128.
const MAX_WINDOW: u64 = 192 << 20;

/// A part of a source, read once and counted.
struct Input {
    source: Rc<dyn ReadAt>,
    position: u64,
    end: u64,
    consumed: Rc<Cell<u64>>,
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_sub(self.position);
        let length = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        if length == 0 {
            return Ok(0);
        }
        self.source
            .read_exact_at(self.position, &mut buffer[..length])?;
        self.position += length as u64;
        self.consumed.set(self.consumed.get() + length as u64);
        Ok(length)
    }
}

/// Bytes as they come out of a decompressor.
///
/// What comes out is held against what went in: data that unpack to many times their size, and are large, are an error.
pub(super) struct Decompressed {
    decoder: Box<dyn Read>,
    compression: Compression,
    consumed: Rc<Cell<u64>>,
    produced: u64,
    allowance: Rc<Allowance>,
}

impl fmt::Debug for Decompressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes out of {}", self.produced, self.compression)
    }
}

impl Decompressed {
    /// So many bytes may come out whatever their ratio: a hive of which most is free space can shrink to a hundredth.
    const FREE_LENGTH: u64 = 1 << 30;
    /// Behind them so many times of what went in. Text rarely unpacks to more than 20 times its size.
    pub(super) const MAX_RATIO: u64 = 200;

    /// Starts with the bytes of a source from `start` to `end`. `allowance` is what may come out of all of the archive.
    pub(super) fn new(
        compression: Compression,
        source: Rc<dyn ReadAt>,
        start: u64,
        end: u64,
        unpacked_size: Option<u64>,
        allowance: Rc<Allowance>,
    ) -> Result<Self, Error> {
        let consumed = Rc::new(Cell::new(0));
        let input = Input {
            source,
            position: start,
            end,
            consumed: Rc::clone(&consumed),
        };
        let input = BufReader::with_capacity(INPUT_LENGTH, input);
        let decoder = decoder(compression, input, unpacked_size);
        Ok(Decompressed {
            decoder: decoder.map_err(|error| damage(compression, &error))?,
            compression,
            consumed,
            produced: 0,
            allowance,
        })
    }

    /// At most how many bytes come out of so many.
    pub(super) fn most_out_of(packed: u64) -> u64 {
        packed
            .saturating_mul(Self::MAX_RATIO)
            .max(Self::FREE_LENGTH)
    }

    /// How many bytes came out so far.
    pub(super) fn produced(&self) -> u64 {
        self.produced
    }

    /// Goes on by so many bytes, as far as there are any.
    pub(super) fn skip(&mut self, length: u64) -> io::Result<u64> {
        io::copy(&mut self.take(length), &mut io::sink())
    }
}

impl Read for Decompressed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer);
        let length = read.map_err(|error| damage(self.compression, &error))?;
        self.produced += length as u64;
        self.allowance.decompress(length)?;
        if self.produced > Self::most_out_of(self.consumed.get()) {
            return Err(Error::malformed(
                format!(
                    "data of more than {} bytes to be at most {} times as large as their {} form",
                    Self::FREE_LENGTH,
                    Self::MAX_RATIO,
                    self.compression
                ),
                format!("{} bytes out of {}", self.produced, self.consumed.get()),
            )
            .into());
        }
        Ok(length)
    }
}

/// Decompressors have no common way to say that data are damaged; what the operating system says is passed on.
fn damage(compression: Compression, error: &io::Error) -> Error {
    use io::ErrorKind::{
        InvalidData, InvalidInput, Other, OutOfMemory, UnexpectedEof, Unsupported,
    };
    let is_ours = error.get_ref().is_some_and(|inner| inner.is::<Error>());
    match error.kind() {
        _ if is_ours || error.raw_os_error().is_some() => Error::io(error),
        UnexpectedEof => Error::malformed(
            format!("data compressed by {compression}"),
            "the end in the middle of them",
        ),
        InvalidData | InvalidInput | Other | OutOfMemory | Unsupported => Error::malformed(
            format!("data compressed by {compression}"),
            format!("damage: {error}"),
        ),
        _ => Error::io(error),
    }
}

fn decoder(
    compression: Compression,
    mut input: BufReader<Input>,
    unpacked_size: Option<u64>,
) -> io::Result<Box<dyn Read>> {
    Ok(match compression {
        Compression::Deflate => Box::new(DeflateDecoder::new(input)),
        Compression::Deflate64 => Box::new(deflate64::Deflate64Decoder::with_buffer(input)),
        Compression::Bzip2 => Box::new(bzip2::bufread::BzDecoder::new(input)),
        Compression::ZipLzma => {
            let mut header = [0; 9];
            input.read_exact(&mut header)?;
            let [_, _, properties_length, 0, properties, dictionary @ ..] = header else {
                return Err(invalid("a header of LZMA in zip"));
            };
            let dictionary = u32::from_le_bytes(dictionary);
            if properties_length != 5 || u64::from(dictionary) > MAX_WINDOW {
                return Err(invalid("properties of LZMA that are used in zip"));
            }
            let size = unpacked_size.unwrap_or(u64::MAX);
            let reader = LzmaReader::new_with_props(input, size, properties, dictionary, None);
            Box::new(reader?)
        }
        Compression::Xz => {
            let limit = u32::try_from(MAX_WINDOW >> 10).unwrap_or(u32::MAX);
            Box::new(XzReader::new_mem_limit(input, true, limit))
        }
        Compression::Zstandard => Box::new(ZstandardFrames::new(input)),
        Compression::Gzip => Box::new(MultiGzDecoder::new(input)),
    })
}

fn invalid(expected: &'static str) -> io::Error {
    Error::malformed(expected, "others").into()
}

/// The frames of zstd data one after the other; those that carry no data are skipped.
struct ZstandardFrames<R> {
    input: R,
    decoder: FrameDecoder,
    is_in_frame: bool,
}

impl<R: BufRead> ZstandardFrames<R> {
    fn new(input: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        ZstandardFrames {
            input,
            decoder,
            is_in_frame: false,
        }
    }

    /// Goes to the next frame with data; tells whether there is one.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.input.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.input) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(
                        &mut self.input.by_ref().take(length.into()),
                        &mut io::sink(),
                    )?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for ZstandardFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.is_in_frame {
                if !self.next_frame()? {
                    return Ok(0);
                }
                self.is_in_frame = true;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.input, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(io::Error::other)?;
            }
            let length = self.decoder.read(buffer)?;
            if length > 0 {
                return Ok(length);
            }
            if let Some(stored) = self.decoder.get_checksum_from_data()
                && self.decoder.get_calculated_checksum() != Some(stored)
            {
                return Err(Error::malformed("data with their checksum", "others").into());
            }
            self.is_in_frame = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn no_more_comes_out_of_an_archive_than_is_allowed() {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&[7; 1000]).unwrap();
        let packed: Rc<dyn ReadAt> = Rc::new(encoder.finish().unwrap());
        let allowance = Rc::new(Allowance::new(2500));
        let unpack = || {
            let (source, end) = (Rc::clone(&packed), packed.size());
            let allowance = Rc::clone(&allowance);
            let mut bytes = Vec::new();
            Decompressed::new(Compression::Gzip, source, 0, end, None, allowance)
                .unwrap()
                .read_to_end(&mut bytes)
        };
        assert_eq!(unpack().unwrap(), 1000);
        assert_eq!(unpack().unwrap(), 1000);
        let error = unpack().unwrap_err();
        assert!(error.to_string().contains("again and again"), "{error}");
    }
}
