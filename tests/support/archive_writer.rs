//! Writes zip and tar archives, for tests: sound ones, and such as no sound writer makes.
//!
//! Written from PKWARE's APPNOTE.TXT and from POSIX.1-2017 `pax`, independently of the readers.
#![allow(dead_code, unreachable_pub)]

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

/// CRC-32 of zip.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A member of a zip archive, with everything that can be said about one.
#[derive(Debug, Clone)]
pub struct ZipMember {
    pub name: Vec<u8>,
    pub method: u16,
    pub flags: u16,
    /// As they stand in the archive.
    pub data: Vec<u8>,
    pub crc32: u32,
    pub size: u64,
    pub compressed_size: u64,
    /// Unix seconds, as the extra field of Info-ZIP has them.
    pub modified: Option<u32>,
    /// Unix mode, told by a writer on Unix.
    pub mode: Option<u32>,
    /// Whether sizes and offset stand in the extra field of zip64.
    pub zip64: bool,
    /// The place of the local header, where a false one is told.
    pub offset: Option<u64>,
}

impl ZipMember {
    pub fn stored(name: &str, data: &[u8]) -> ZipMember {
        ZipMember {
            name: name.as_bytes().to_vec(),
            method: 0,
            flags: if name.is_ascii() { 0 } else { 1 << 11 },
            data: data.to_vec(),
            crc32: crc32(data),
            size: data.len() as u64,
            compressed_size: data.len() as u64,
            modified: None,
            mode: None,
            zip64: false,
            offset: None,
        }
    }

    pub fn deflated(name: &str, data: &[u8]) -> ZipMember {
        ZipMember::stored(name, data).packed(8, deflate(data))
    }

    /// The same data in another form.
    pub fn packed(mut self, method: u16, packed: Vec<u8>) -> ZipMember {
        self.method = method;
        self.compressed_size = packed.len() as u64;
        self.data = packed;
        self
    }
}

/// A zip archive of these members.
pub fn zip(members: &[ZipMember]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    let mut needs_zip64 = members.len() > 0xFFFF;
    for member in members {
        let offset = out.len() as u64;
        local_header(member, &mut out);
        out.extend(&member.data);
        directory_record(member, member.offset.unwrap_or(offset), &mut directory);
        needs_zip64 |= member.zip64;
    }
    let start = out.len() as u64;
    out.extend(&directory);
    zip_end(
        members.len() as u64,
        directory.len() as u64,
        start,
        needs_zip64,
        &mut out,
    );
    out
}

fn u16_to(out: &mut Vec<u8>, value: u16) {
    out.extend(value.to_le_bytes());
}

fn u32_to(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_le_bytes());
}

fn u64_to(out: &mut Vec<u8>, value: u64) {
    out.extend(value.to_le_bytes());
}

fn size32(member: &ZipMember, size: u64) -> u32 {
    if member.zip64 {
        u32::MAX
    } else {
        u32::try_from(size).unwrap()
    }
}

pub fn local_header(member: &ZipMember, out: &mut Vec<u8>) {
    u32_to(out, 0x0403_4b50);
    u16_to(out, if member.zip64 { 45 } else { 20 });
    u16_to(out, member.flags);
    u16_to(out, member.method);
    u16_to(out, 0);
    u16_to(out, 0x21);
    u32_to(out, member.crc32);
    u32_to(out, size32(member, member.compressed_size));
    u32_to(out, size32(member, member.size));
    u16_to(out, member.name.len() as u16);
    u16_to(out, if member.zip64 { 20 } else { 0 });
    out.extend(&member.name);
    if member.zip64 {
        u16_to(out, 1);
        u16_to(out, 16);
        u64_to(out, member.size);
        u64_to(out, member.compressed_size);
    }
}

pub fn directory_record(member: &ZipMember, offset: u64, out: &mut Vec<u8>) {
    let mut extra = Vec::new();
    if member.zip64 {
        u16_to(&mut extra, 1);
        u16_to(&mut extra, 24);
        u64_to(&mut extra, member.size);
        u64_to(&mut extra, member.compressed_size);
        u64_to(&mut extra, offset);
    }
    if let Some(seconds) = member.modified {
        u16_to(&mut extra, 0x5455);
        u16_to(&mut extra, 5);
        extra.push(1);
        u32_to(&mut extra, seconds);
    }
    u32_to(out, 0x0201_4b50);
    u16_to(out, if member.mode.is_some() { 0x0314 } else { 20 });
    u16_to(out, if member.zip64 { 45 } else { 20 });
    u16_to(out, member.flags);
    u16_to(out, member.method);
    u16_to(out, 0);
    u16_to(out, 0x21);
    u32_to(out, member.crc32);
    u32_to(out, size32(member, member.compressed_size));
    u32_to(out, size32(member, member.size));
    u16_to(out, member.name.len() as u16);
    u16_to(out, extra.len() as u16);
    u16_to(out, 0);
    u16_to(out, 0);
    u16_to(out, 0);
    u32_to(out, member.mode.unwrap_or_default() << 16);
    u32_to(
        out,
        if member.zip64 {
            u32::MAX
        } else {
            u32::try_from(offset).unwrap()
        },
    );
    out.extend(&member.name);
    out.extend(extra);
}

pub fn zip_end(count: u64, size: u64, start: u64, zip64: bool, out: &mut Vec<u8>) {
    if zip64 {
        u32_to(out, 0x0606_4b50);
        u64_to(out, 44);
        u16_to(out, 45);
        u16_to(out, 45);
        u32_to(out, 0);
        u32_to(out, 0);
        u64_to(out, count);
        u64_to(out, count);
        u64_to(out, size);
        u64_to(out, start);
        u32_to(out, 0x0706_4b50);
        u32_to(out, 0);
        u64_to(out, start + size);
        u32_to(out, 1);
    }
    u32_to(out, 0x0605_4b50);
    u16_to(out, 0);
    u16_to(out, 0);
    let count = if zip64 {
        u16::MAX
    } else {
        u16::try_from(count).unwrap()
    };
    u16_to(out, count);
    u16_to(out, count);
    u32_to(
        out,
        if zip64 {
            u32::MAX
        } else {
            u32::try_from(size).unwrap()
        },
    );
    u32_to(
        out,
        if zip64 {
            u32::MAX
        } else {
            u32::try_from(start).unwrap()
        },
    );
    u16_to(out, 0);
}

/// How the name of a tar member is written that is too long for its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TarNames {
    Pax,
    Gnu,
}

/// Writes a tar archive.
#[derive(Debug, Clone)]
pub struct TarWriter {
    out: Vec<u8>,
    names: TarNames,
}

impl TarWriter {
    pub fn new(names: TarNames) -> TarWriter {
        TarWriter {
            out: Vec::new(),
            names,
        }
    }

    pub fn file(self, name: &str, data: &[u8]) -> TarWriter {
        self.member(name, b'0', "", data, 1_700_000_000)
    }

    pub fn directory(self, name: &str) -> TarWriter {
        self.member(&format!("{name}/"), b'5', "", &[], 1_700_000_000)
    }

    pub fn link(self, name: &str, target: &str) -> TarWriter {
        self.member(name, b'2', target, &[], 1_700_000_000)
    }

    pub fn hard_link(self, name: &str, target: &str) -> TarWriter {
        self.member(name, b'1', target, &[], 1_700_000_000)
    }

    pub fn member(
        mut self,
        name: &str,
        type_flag: u8,
        link: &str,
        data: &[u8],
        modified: u64,
    ) -> TarWriter {
        let is_long = name.len() > 100 || link.len() > 100;
        match self.names {
            TarNames::Pax if is_long || !name.is_ascii() => {
                let records = [
                    pax_record("path", name.as_bytes()),
                    pax_record("linkpath", link.as_bytes()),
                ];
                self = self.pax(&records.concat());
            }
            TarNames::Gnu if is_long => {
                self.raw_member(
                    "././@LongLink",
                    b'L',
                    "",
                    &[name.as_bytes(), b"\0"].concat(),
                    0,
                );
                self.raw_member(
                    "././@LongLink",
                    b'K',
                    "",
                    &[link.as_bytes(), b"\0"].concat(),
                    0,
                );
            }
            _ => {}
        }
        let cut = |text: &str| text.bytes().take(100).collect::<Vec<u8>>();
        self.raw(
            &cut(name),
            type_flag,
            &cut(link),
            data,
            data.len() as u64,
            modified,
        );
        self
    }

    /// A pax header for the next member.
    pub fn pax(mut self, records: &[u8]) -> TarWriter {
        self.raw_member("PaxHeaders/x", b'x', "", records, 0);
        self
    }

    fn raw_member(&mut self, name: &str, type_flag: u8, link: &str, data: &[u8], modified: u64) {
        self.raw(
            name.as_bytes(),
            type_flag,
            link.as_bytes(),
            data,
            data.len() as u64,
            modified,
        );
    }

    /// A header as told, and the data behind it.
    pub fn raw(
        &mut self,
        name: &[u8],
        type_flag: u8,
        link: &[u8],
        data: &[u8],
        size: u64,
        modified: u64,
    ) {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name);
        header[100..107].copy_from_slice(b"0000644");
        header[108..115].copy_from_slice(b"0000000");
        header[116..123].copy_from_slice(b"0000000");
        if size < 1 << 33 {
            header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        } else {
            header[124..136].copy_from_slice(&[&[0x80, 0, 0, 0][..], &size.to_be_bytes()].concat());
        }
        header[136..147].copy_from_slice(format!("{modified:011o}").as_bytes());
        header[156] = type_flag;
        header[157..157 + link.len()].copy_from_slice(link);
        header[257..265].copy_from_slice(match self.names {
            TarNames::Pax => b"ustar\x0000",
            TarNames::Gnu => b"ustar  \0",
        });
        set_checksum(&mut header);
        self.out.extend(header);
        self.out.extend(data);
        self.out.resize(self.out.len().next_multiple_of(512), 0);
    }

    /// The archive with its end.
    pub fn finish(mut self) -> Vec<u8> {
        self.out.extend([0; 1024]);
        self.out.resize(self.out.len().next_multiple_of(10240), 0);
        self.out
    }

    /// What was written so far.
    pub fn without_end(self) -> Vec<u8> {
        self.out
    }
}

pub fn set_checksum(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// One record of a pax header, which tells its own length.
pub fn pax_record(name: &str, value: &[u8]) -> Vec<u8> {
    let rest = name.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} {name}=").as_bytes(), value, b"\n"].concat()
}
