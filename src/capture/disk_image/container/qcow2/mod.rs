//! QCOW2, versions 2 and 3, after QEMU's `docs/interop/qcow2`. All numbers are big-endian.

mod header;

use std::rc::Rc;

use self::header::{Backing, Header};
use super::container_file::ContainerFile;
use super::decompression::Compression;
use super::format::starts_with;
use super::neighbours::Opening;
use super::pages::Pages;
use super::pieces::{Piece, Pieces, Place, stored_size_of};
use crate::allowance::Allowance;
use crate::capture::disk_image::recently_used::RecentlyUsed;
use crate::capture::read_at::ReadAt;
use crate::error::Error;
use crate::warning::Warnings;

const L1: &str = "the L1 table";
const L2: &str = "an L2 table";
const COMPRESSED: &str = "a compressed cluster";
/// Bits 9 to 55 of an entry of either table.
const OFFSET: u64 = 0x00FF_FFFF_FFFF_FE00;
const IS_COMPRESSED: u64 = 1 << 62;
/// Of an entry of version 3.
const IS_ZEROS: u64 = 1;
/// How much of the L1 table is looked through for tables behind the end of the file.
const CHECKED_ENTRIES: u64 = 1 << 16;
/// How much of what was decompressed is kept.
const KEPT: usize = 4 << 20;

/// Whether the bytes are a QCOW2. The first version, QCOW, is another format.
pub(super) fn is_qcow2(bytes: &dyn ReadAt) -> bool {
    starts_with(bytes, 0, b"QFI\xFB") && !starts_with(bytes, 4, &1_u32.to_be_bytes())
}

/// A QCOW2.
pub(super) struct Qcow2 {
    pages: Pages,
    header: Header,
    backing: Option<Rc<dyn ReadAt>>,
    decompressed: RecentlyUsed<u64, Rc<Vec<u8>>>,
    allowance: Rc<Allowance>,
}

/// What an entry of an L2 table says.
enum Cluster {
    Absent,
    Zeros,
    Stored(u64),
    Compressed { offset: u64, length: u64 },
}

impl Qcow2 {
    /// Opens a QCOW2, and its backing files beside it.
    pub(super) fn open(
        file: ContainerFile,
        opening: &Opening,
        warnings: &mut Warnings,
    ) -> Result<Qcow2, Error> {
        let header = Header::read(&file, warnings)?;
        let backing = match &header.backing {
            Some(backing) => Some(open_backing(&file, backing, opening, warnings)?),
            None => None,
        };
        let qcow2 = Qcow2 {
            pages: Pages::new(file),
            header,
            backing,
            decompressed: RecentlyUsed::new(KEPT),
            allowance: opening.allowance.clone(),
        };
        qcow2.check_end(warnings)?;
        Ok(qcow2)
    }

    pub(super) fn variant(&self) -> &'static str {
        match (&self.backing, self.header.version) {
            (Some(_), _) => "with a backing file",
            (None, 2) => "version 2",
            (None, _) => "version 3",
        }
    }

    fn cluster_size(&self) -> u64 {
        1 << self.header.cluster_bits
    }

    /// How much of the disk one L2 table tells of.
    fn bytes_of_table(&self) -> u64 {
        1 << (2 * self.header.cluster_bits - 3)
    }

    /// Looks for tables behind the end of the file, and for clusters there in the last of them: an image that was cut
    /// off has them.
    fn check_end(&self, warnings: &mut Warnings) -> Result<(), Error> {
        let file = self.pages.file();
        let behind = |offset: u64| offset.saturating_add(self.cluster_size()) > file.size();
        let tables = self.header.disk_size.div_ceil(self.bytes_of_table());
        let mut last = 0;
        for index in 0..tables.min(CHECKED_ENTRIES) {
            let Ok(entry) = self.pages.array(L1, self.l1_place(index)) else {
                file.warn_truncated(warnings, "the end of its L1 table");
                return Ok(());
            };
            last = last.max(u64::from_be_bytes(entry) & OFFSET);
        }
        let is_cut_off = last != 0 && {
            let entries = (0..self.cluster_size() / 8).map(|index| last + 8 * index);
            behind(last)
                || entries.map_while(|at| self.cluster(at).ok()).any(|cluster| {
                    matches!(cluster, Cluster::Stored(offset) | Cluster::Compressed { offset, .. }
                        if offset >= file.size())
                })
        };
        if is_cut_off {
            file.warn_truncated(warnings, "clusters that its tables tell of");
        }
        Ok(())
    }

    fn l1_place(&self, index: u64) -> u64 {
        self.header.l1_offset.saturating_add(8 * index)
    }

    /// What the entry of an L2 table at a place of the file says.
    fn cluster(&self, at: u64) -> Result<Cluster, Error> {
        let entry = u64::from_be_bytes(self.pages.array(L2, at)?);
        if entry & IS_COMPRESSED != 0 {
            // The length is that of further sectors of 512 bytes, behind the one in which the cluster starts.
            let bits = 62 - (self.header.cluster_bits - 8);
            let offset = entry & ((1 << bits) - 1);
            let sectors = ((entry & (IS_COMPRESSED - 1)) >> bits) + 1;
            let length = sectors * 512 - offset % 512;
            return Ok(Cluster::Compressed { offset, length });
        }
        let offset = entry & OFFSET;
        if entry & IS_ZEROS != 0 && self.header.version >= 3 {
            return Ok(Cluster::Zeros);
        }
        if offset == 0 {
            return Ok(Cluster::Absent);
        }
        if !offset.is_multiple_of(self.cluster_size()) {
            let expected = "an offset that is a multiple of the cluster size";
            return Err(self.malformed(at, expected, offset));
        }
        Ok(Cluster::Stored(offset))
    }

    fn malformed(&self, at: u64, expected: &'static str, found: u64) -> Error {
        let file = self.pages.file();
        file.malformed(at, expected, format!("{found:#x}"))
    }

    fn decompress(&self, offset: u64, length: u64) -> Result<(Rc<Vec<u8>>, usize), Error> {
        let file = self.pages.file();
        // The last sector of the last cluster need not be there to its end.
        let length = length.min(file.size().saturating_sub(offset));
        let bytes = file.vec(COMPRESSED, offset, length as usize)?;
        let size = self.cluster_size() as usize;
        self.allowance.decompress(size)?;
        let out = self.header.compression.decompress(&bytes, size);
        let found = match out {
            Ok(out) if out.len() == size => return Ok((Rc::new(out), size)),
            Ok(out) => format!("{} bytes of {size} in it", out.len()),
            Err(error) => error,
        };
        let expected = match self.header.compression {
            Compression::Zstd => "a cluster compressed by Zstandard",
            _ => "a cluster compressed by deflate",
        };
        Err(file.malformed(offset, expected, found))
    }
}

/// Opens the backing file, by the format that the image tells of it: someone's raw disk may hold what looks like another.
fn open_backing(
    file: &ContainerFile,
    backing: &Backing,
    opening: &Opening,
    warnings: &mut Warnings,
) -> Result<Rc<dyn ReadAt>, Error> {
    let (file, name, opening) = opening.parent(file, std::slice::from_ref(&backing.name))?;
    let disk = match backing.format.as_deref() {
        Some("raw") => super::open_raw(&file),
        _ => super::open_any(file, &name, &opening, warnings)?,
    };
    Ok(Rc::new(disk))
}

impl Pieces for Qcow2 {
    fn disk_size(&self) -> u64 {
        self.header.disk_size
    }

    fn stored_size(&self) -> u64 {
        let file = Compression::most_out_of(self.pages.file().stored_size());
        file.saturating_add(stored_size_of(self.backing.as_ref()))
    }

    fn piece(&self, offset: u64, length: u64) -> Result<Piece, Error> {
        let absent = || match &self.backing {
            Some(disk) => Place::Parent {
                disk: disk.clone(),
                offset,
            },
            None => Place::Zeros,
        };
        let (table, in_table) = (
            offset / self.bytes_of_table(),
            offset % self.bytes_of_table(),
        );
        let l1_place = self.l1_place(table);
        let entry = u64::from_be_bytes(self.pages.array(L1, l1_place)?);
        let l2 = entry & OFFSET;
        if l2 == 0 {
            let length = length.min(self.bytes_of_table() - in_table);
            let place = absent();
            return Ok(Piece { place, length });
        }
        if !l2.is_multiple_of(self.cluster_size()) {
            let expected = "the offset of an L2 table that is a multiple of the cluster size";
            return Err(self.malformed(l1_place, expected, l2));
        }
        let (index, within) = (
            in_table / self.cluster_size(),
            in_table % self.cluster_size(),
        );
        let length = length.min(self.cluster_size() - within);
        let place = match self.cluster(l2 + 8 * index)? {
            Cluster::Absent => absent(),
            Cluster::Zeros => Place::Zeros,
            Cluster::Stored(cluster) => Place::File {
                file: self.pages.file().clone(),
                offset: cluster + within,
            },
            Cluster::Compressed { offset, length } => {
                let decompress = || self.decompress(offset, length);
                Place::Memory {
                    bytes: self.decompressed.get_or_read_weighed(offset, decompress)?,
                    start: within as usize,
                }
            }
        };
        Ok(Piece { place, length })
    }
}
