//! The headers of tar archives: ustar, and what pax and GNU tar add to it (POSIX.1-2017 `pax`, "ustar Interchange Format"
//! and "pax Extended Header"; the manual of GNU tar, "Basic Tar Format").

use nom::bytes::complete::take;
use nom::{IResult, Parser};

use crate::binary::byte_array;
use crate::error::Error;
use crate::file_time::FileTime;

/// Everything in a tar archive lies in blocks of this length.
pub(super) const BLOCK: usize = 512;

const CHECKSUM_START: usize = 148;
const CHECKSUM_END: usize = 156;

/// A header, as far as it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TarHeader {
    pub(super) name: Vec<u8>,
    pub(super) size: u64,
    pub(super) modified: Option<FileTime>,
    pub(super) type_flag: u8,
    pub(super) link_name: Vec<u8>,
    /// Whether GNU tar's map of a sparse file goes on in the next block.
    pub(super) has_more_map: bool,
}

struct Fields {
    name: [u8; 100],
    size: [u8; 12],
    modified: [u8; 12],
    checksum: [u8; 8],
    type_flag: u8,
    link_name: [u8; 100],
    magic: [u8; 8],
    prefix: [u8; 155],
}

fn fields(block: &[u8]) -> IResult<&[u8], Fields> {
    let (rest, (name, _mode_owner_group, size, modified)) =
        (byte_array, take(24_usize), byte_array, byte_array).parse(block)?;
    let (rest, (checksum, [type_flag], link_name, magic)) =
        (byte_array, byte_array, byte_array, byte_array).parse(rest)?;
    let (rest, (_owner_group_device, prefix)) = (take(80_usize), byte_array).parse(rest)?;
    let fields = Fields {
        name,
        size,
        modified,
        checksum,
        type_flag,
        link_name,
        magic,
        prefix,
    };
    Ok((rest, fields))
}

impl TarHeader {
    /// Whether a block is a header, by its checksum.
    pub(super) fn is_header(block: &[u8; BLOCK]) -> bool {
        stored_checksum(block).is_some_and(|stored| {
            let sums = checksums(block);
            // Old writers summed up signed bytes.
            sums.0 == stored || sums.1 == stored
        })
    }

    pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Self, Error> {
        if !TarHeader::is_header(block) {
            let (sum, _) = checksums(block);
            let stored = &block[CHECKSUM_START..CHECKSUM_END];
            return Err(Error::malformed(
                format!("a tar header with the checksum {sum:06o}"),
                format!("{:?}", String::from_utf8_lossy(stored)),
            ));
        }
        let Ok((_, fields)) = fields(block) else {
            return Err(Error::malformed("a tar header", "a shorter one"));
        };
        let _ = fields.checksum;
        let size = number(&fields.size).and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or_else(|| {
            let found = format!("{:?}", String::from_utf8_lossy(&fields.size));
            Error::malformed("the size of a tar member", found)
        })?;
        let mut name = until_nul(&fields.name).to_vec();
        // GNU tar has other things in the place of the prefix.
        if fields.magic.starts_with(b"ustar\0") && fields.prefix[0] != 0 {
            name = [until_nul(&fields.prefix), b"/", &name].concat();
        }
        let modified = number(&fields.modified).and_then(|seconds| FileTime::from_unix(seconds, 0));
        Ok(TarHeader {
            name,
            size,
            modified,
            type_flag: fields.type_flag,
            link_name: until_nul(&fields.link_name).to_vec(),
            has_more_map: block[482] != 0,
        })
    }
}

/// The sums of a header's bytes as unsigned and as signed ones, its checksum taken for blanks.
fn checksums(block: &[u8; BLOCK]) -> (i64, i64) {
    let bytes = block.iter().enumerate().map(|(at, &byte)| {
        if (CHECKSUM_START..CHECKSUM_END).contains(&at) {
            b' '
        } else {
            byte
        }
    });
    bytes.fold((0, 0), |(unsigned, signed), byte| {
        (
            unsigned + i64::from(byte),
            signed + i64::from(byte.cast_signed()),
        )
    })
}

fn stored_checksum(block: &[u8; BLOCK]) -> Option<i64> {
    number(&block[CHECKSUM_START..CHECKSUM_END])
}

/// A number: octal digits between blanks and NULs, or, where the first bit is set, the bytes of it (GNU tar's base 256).
fn number(field: &[u8]) -> Option<i64> {
    if field.first()? & 0x80 != 0 {
        let is_negative = field[0] & 0x40 != 0;
        let first = i128::from(if is_negative {
            field[0].cast_signed()
        } else {
            (field[0] & 0x7F).cast_signed()
        });
        let number = field[1..]
            .iter()
            .fold(first, |number, &byte| number << 8 | i128::from(byte));
        return i64::try_from(number).ok();
    }
    let text = until_nul(field).trim_ascii();
    let mut number: i64 = 0;
    for digit in text {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
        number = number.checked_mul(8)?.checked_add(digit.into())?;
    }
    Some(number)
}

pub(super) fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// What headers of pax and of GNU tar say about the member that follows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TarExtension {
    pub(super) name: Option<Vec<u8>>,
    pub(super) link_name: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) modified: Option<FileTime>,
    pub(super) is_sparse: bool,
    /// The `$WIMMOUNTDATA` stream, as `tar --xattrs` takes it from a volume that ntfs-3g or Samba shows.
    pub(super) mount_data: Option<Vec<u8>>,
}

impl TarExtension {
    /// Takes over the records of a pax header.
    pub(super) fn read_pax(&mut self, mut records: &[u8]) -> Result<(), Error> {
        while !records.is_empty() {
            // GNU tar leaves NULs behind the last record.
            if records.iter().all(|&byte| byte == 0) {
                break;
            }
            let (record, rest) = record(records).ok_or_else(|| {
                let found = &records[..records.len().min(32)];
                Error::malformed(
                    "a pax record: its length, a blank, NAME=VALUE, a line feed",
                    format!("{:?}", String::from_utf8_lossy(found)),
                )
            })?;
            records = rest;
            let Some(equals) = record.iter().position(|&byte| byte == b'=') else {
                continue;
            };
            self.take(&record[..equals], &record[equals + 1..]);
        }
        Ok(())
    }

    fn take(&mut self, name: &[u8], value: &[u8]) {
        let text = || std::str::from_utf8(value).ok();
        match name {
            b"path" => self.name = Some(value.to_vec()),
            b"linkpath" => self.link_name = Some(value.to_vec()),
            b"size" => self.size = text().and_then(|text| text.parse().ok()).or(self.size),
            b"mtime" => self.modified = text().and_then(pax_time).or(self.modified),
            _ if name.starts_with(b"GNU.sparse.") => self.is_sparse = true,
            b"SCHILY.xattr.user.$WIMMOUNTDATA"
            | b"SCHILY.xattr.user.DosStream.$WIMMOUNTDATA"
            | b"SCHILY.xattr.user.DosStream.$WIMMOUNTDATA:$DATA" => {
                self.mount_data = Some(value.to_vec());
            }
            _ => {}
        }
    }
}

/// The first record without its length and line feed, and what follows it.
fn record(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = records.iter().take(20).position(|&byte| byte == b' ')?;
    let length: usize = std::str::from_utf8(&records[..blank]).ok()?.parse().ok()?;
    let (record, rest) = records.split_at_checked(length)?;
    let record = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    Some((record, rest))
}

/// A time of pax: seconds since 1970 with a decimal fraction.
fn pax_time(text: &str) -> Option<FileTime> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = seconds.parse().ok()?;
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    if seconds < 0 {
        return FileTime::from_unix(seconds, 0);
    }
    FileTime::from_unix(seconds, nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_bytes() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"  644 \0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0"), Some(0));
        assert_eq!(number(b"0008"), None);
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(0x2_0000_0000));
        assert_eq!(
            number(b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE"),
            Some(-2)
        );
        assert_eq!(
            number(b"\x80\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE"),
            None
        );
        assert_eq!(number(b""), None);
    }

    #[test]
    fn pax_records_tell_what_the_header_cannot() {
        let mut extension = TarExtension::default();
        extension
            .read_pax(b"12 path=a\nb\n26 mtime=1700000000.25    \n"[..12].as_ref())
            .unwrap();
        assert_eq!(extension.name.as_deref(), Some(&b"a\nb"[..]));
        extension
            .read_pax(b"23 mtime=1700000000.25\n14 size=12345\n")
            .unwrap();
        assert_eq!(extension.size, Some(12345));
        assert_eq!(
            extension.modified.unwrap().to_rfc3339().unwrap(),
            "2023-11-14T22:13:20.25Z"
        );
        for damaged in [&b"x"[..], b"99 path=a\n", b"3 a", b"0 \n", b"10 path=ab"] {
            assert!(TarExtension::default().read_pax(damaged).is_err());
        }
    }
}
