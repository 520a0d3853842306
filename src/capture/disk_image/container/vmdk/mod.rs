//! VMDK: sparse, stream-optimised and flat, in one file or split, after VMware's "Virtual Disk Format 5.0" (2011).

mod descriptor;
mod sparse;

use std::collections::HashMap;
use std::rc::Rc;

use self::descriptor::{Descriptor, ExtentLine};
use self::sparse::{SparseExtent, SparseHeader};
use super::container_file::ContainerFile;
use super::decompression::Compression;
use super::format::{UnsupportedContainer, starts_with};
use super::neighbours::{Opening, last_level};
use super::pieces::{Assembled, Piece, Pieces, Place, stored_size_of};
use crate::capture::disk_image::recently_used::RecentlyUsed;
use crate::capture::read_at::ReadAt;
use crate::error::Error;
use crate::warning::{Warning, WarningCode, Warnings};

const SECTOR: u64 = 512;
/// How many extents are held open at a time.
const OPEN_EXTENTS: usize = 16;

/// Whether the bytes are a VMDK: a sparse extent, or a descriptor that names the extents.
pub(super) fn is_vmdk(bytes: &dyn ReadAt) -> bool {
    starts_with(bytes, 0, sparse::SIGNATURE) || starts_with(bytes, 0, descriptor::SIGNATURE)
}

/// A VMDK.
pub(super) struct Vmdk {
    size: u64,
    cid: Option<u32>,
    variant: &'static str,
    /// They follow each other without a gap.
    extents: Vec<Extent>,
    /// Of the files of all extents.
    file_size: u64,
    opening: Opening,
    opened: RecentlyUsed<usize, Rc<Opened>>,
    parent: Option<Rc<dyn ReadAt>>,
}

struct Extent {
    start: u64,
    size: u64,
    content: Content,
}

/// What an extent consists of.
enum Content {
    Zeros,
    /// It is in the image's own file.
    Own(Rc<SparseExtent>),
    /// It is in a file of its own, from an offset on where it is flat.
    File {
        name: String,
        is_sparse: bool,
        offset: u64,
    },
}

/// The file of an extent.
enum Opened {
    Flat(ContainerFile),
    Sparse(SparseExtent),
}

impl Vmdk {
    /// Opens a VMDK, its extents and its parents beside it.
    pub(super) fn open(
        file: ContainerFile,
        opening: &Opening,
        warnings: &mut Warnings,
    ) -> Result<Vmdk, Error> {
        let (descriptor, extents, variant, file_size);
        if starts_with(file.bytes(), 0, sparse::SIGNATURE) {
            let header = SparseHeader::read(&file, warnings)?;
            let Some((at, text)) = header.descriptor(&file)? else {
                let what = "an extent of a split VMDK by itself";
                let remedy = "name the disk's descriptor, the small .vmdk file beside it";
                return Err(file.name_in(Error::unsupported(what, remedy)));
            };
            descriptor = Descriptor::parse(&file, at, &text)?;
            if descriptor.extents.len() > 1 {
                let what = "a VMDK of several extents with its descriptor inside one of them";
                let remedy = "convert it to a raw image (qemu-img convert)";
                return Err(file.name_in(Error::unsupported(what, remedy)));
            }
            variant = match header.is_compressed() {
                true => "stream-optimised",
                false => "sparse",
            };
            file_size = file.stored_size();
            let sparse = SparseExtent::new(file.clone(), header, opening);
            sparse.check_end(warnings);
            extents = vec![Extent {
                start: 0,
                size: sparse.size(),
                content: Content::Own(Rc::new(sparse)),
            }];
        } else {
            let size = file.size().min(descriptor::LARGEST);
            let text = file.vec("the descriptor of a VMDK", 0, size as usize)?;
            descriptor = Descriptor::parse(&file, 0, &text)?;
            (extents, file_size) = find_extents(&file, &descriptor.extents, opening, warnings)?;
            let is_flat = |extent: &Extent| {
                let Content::File { is_sparse, .. } = extent.content else {
                    return false;
                };
                !is_sparse
            };
            variant = match (extents.iter().any(is_flat), extents.len()) {
                (true, 1) => "flat",
                (true, _) => "split flat",
                (false, _) => "split sparse",
            };
        }
        let end = extents.last();
        let size = end.map_or(0, |extent| extent.start + extent.size);
        let parent = open_parent(&file, &descriptor, opening, warnings)?;
        Ok(Vmdk {
            size,
            cid: descriptor.cid,
            variant,
            extents,
            file_size,
            opening: opening.clone(),
            opened: RecentlyUsed::new(OPEN_EXTENTS),
            parent,
        })
    }

    pub(super) fn variant(&self) -> &'static str {
        match self.parent {
            Some(_) => "differencing",
            None => self.variant,
        }
    }

    fn open_extent(&self, name: &str, is_sparse: bool) -> Result<Opened, Error> {
        let Some(bytes) = self.opening.open(name.as_ref())? else {
            return Err(Error::io(&missing()).in_evidence(name));
        };
        let file = ContainerFile::new(bytes, Some(name));
        Ok(match is_sparse {
            // What there is to warn of was said when the disk was opened.
            true => {
                let header = SparseHeader::read(&file, &mut Warnings::default())?;
                Opened::Sparse(SparseExtent::new(file, header, &self.opening))
            }
            false => Opened::Flat(file),
        })
    }
}

fn missing() -> std::io::Error {
    let message = "this extent of the disk is missing: put it into the same folder";
    std::io::Error::new(std::io::ErrorKind::NotFound, message)
}

/// Finds the extents that a descriptor names, and says which are missing or too short. Gives them with the size of their files.
fn find_extents(
    file: &ContainerFile,
    lines: &[ExtentLine],
    opening: &Opening,
    warnings: &mut Warnings,
) -> Result<(Vec<Extent>, u64), Error> {
    let mut extents = Vec::new();
    let mut start: u64 = 0;
    let mut files = HashMap::new();
    for line in lines {
        let size = line.sectors.checked_mul(SECTOR);
        let end = size.and_then(|size| start.checked_add(size));
        let (Some(size), Some(end)) = (size, end) else {
            let found = format!("{} sectors", line.sectors);
            return Err(file.malformed(0, "the size of an extent", found));
        };
        let content = find_extent(file, line, size, opening, &mut files, warnings)?;
        extents.push(Extent {
            start,
            size,
            content,
        });
        start = end;
    }
    if extents.is_empty() {
        return Err(file.malformed(0, "a VMDK descriptor that names extents", "none"));
    }
    let file_size = files
        .values()
        .fold(0, |sum: u64, size| sum.saturating_add(*size));
    Ok((extents, file_size))
}

/// `files` are those of the extents before it, by their names in lower case, and their sizes: a hostile descriptor names the
/// same one again and again.
fn find_extent(
    file: &ContainerFile,
    line: &ExtentLine,
    size: u64,
    opening: &Opening,
    files: &mut HashMap<String, u64>,
    warnings: &mut Warnings,
) -> Result<Content, Error> {
    let is_sparse = match line.kind.as_str() {
        "ZERO" => return Ok(Content::Zeros),
        "SPARSE" => true,
        "FLAT" | "VMFS" => false,
        "VMFSSPARSE" => return Err(file.name_in(UnsupportedContainer::VmdkCowd.refusal())),
        "SESPARSE" => return Err(file.name_in(UnsupportedContainer::VmdkSeSparse.refusal())),
        other => {
            let what = format!("a VMDK with an extent of the type {other}");
            let remedy = "clone the disk into one file, and name the clone";
            return Err(file.name_in(Error::unsupported(what, remedy)));
        }
    };
    let Some(name) = last_level(&line.name) else {
        return Err(file.malformed(0, "the name of an extent", line.name.clone()));
    };
    let found = opening.open(name.as_ref())?;
    if let Some(bytes) = &found {
        let extent = ContainerFile::new(bytes.clone(), Some(name));
        let is_new = files
            .insert(name.to_lowercase(), extent.stored_size())
            .is_none();
        if is_sparse {
            let header = SparseHeader::read(&extent, warnings)?;
            let sparse = SparseExtent::new(extent.clone(), header, opening);
            if sparse.size() < size {
                extent.warn_truncated(warnings, "the size that the descriptor tells of it");
            }
            if is_new {
                sparse.check_end(warnings);
            }
        } else if extent.size() < line.offset.saturating_mul(SECTOR).saturating_add(size) {
            extent.warn_truncated(warnings, "the size that the descriptor tells of it");
        }
    } else {
        let text = "this extent of the disk is missing: what lies in the others is read";
        let warning = Warning::new(WarningCode::PartMissing, text);
        warnings.push(warning.in_evidence(name));
    }
    Ok(Content::File {
        name: name.to_owned(),
        is_sparse,
        offset: line.offset.saturating_mul(SECTOR),
    })
}

/// Opens the parent and checks that it is the one, as it was when the child was made.
fn open_parent(
    file: &ContainerFile,
    descriptor: &Descriptor,
    opening: &Opening,
    warnings: &mut Warnings,
) -> Result<Option<Rc<dyn ReadAt>>, Error> {
    if descriptor.parent_cid == descriptor::NO_PARENT {
        return Ok(None);
    }
    let name = descriptor.parent_name.clone().unwrap_or_default();
    let (parent_file, _, opening) = opening.parent(file, &[name])?;
    if !is_vmdk(parent_file.bytes()) {
        let expected = "a VMDK, the parent of one";
        return Err(parent_file.malformed(0, expected, "a file of another format"));
    }
    let parent = Vmdk::open(parent_file.clone(), &opening, warnings)?;
    if parent.cid != Some(descriptor.parent_cid) {
        let expected = format!("the parent with the CID {:08x}", descriptor.parent_cid);
        let found = match parent.cid {
            Some(cid) => format!("{cid:08x}, another disk or a later state"),
            None => "none".to_owned(),
        };
        return Err(parent_file.name_in(Error::malformed(expected, found)));
    }
    Ok(Some(Rc::new(Assembled(parent))))
}

impl Pieces for Vmdk {
    fn disk_size(&self) -> u64 {
        self.size
    }

    fn stored_size(&self) -> u64 {
        let files = Compression::most_out_of(self.file_size);
        files.saturating_add(stored_size_of(self.parent.as_ref()))
    }

    fn piece(&self, offset: u64, length: u64) -> Result<Piece, Error> {
        // The last one that starts at or before the offset; empty ones start where the next does.
        let index = self
            .extents
            .partition_point(|extent| extent.start <= offset)
            - 1;
        let extent = &self.extents[index];
        let within = offset - extent.start;
        let length = length.min(extent.size - within);
        let sparse_piece = |sparse: &SparseExtent| {
            if within >= sparse.size() {
                let found = format!("one of {} bytes", sparse.size());
                return Err(Error::malformed(
                    "an extent as large as its descriptor says",
                    found,
                ));
            }
            sparse.piece(within, length.min(sparse.size() - within))
        };
        let (place, length) = match &extent.content {
            Content::Zeros => (Some(Place::Zeros), length),
            Content::Own(sparse) => sparse_piece(sparse)?,
            Content::File {
                name,
                is_sparse,
                offset: start,
            } => {
                let open = || self.open_extent(name, *is_sparse).map(Rc::new);
                match &*self.opened.get_or_read(index, open)? {
                    Opened::Sparse(sparse) => {
                        sparse_piece(sparse).map_err(|error| error.in_evidence(name))?
                    }
                    Opened::Flat(file) => {
                        let (file, offset) = (file.clone(), start.saturating_add(within));
                        (Some(Place::File { file, offset }), length)
                    }
                }
            }
        };
        let place = place.unwrap_or_else(|| match &self.parent {
            Some(disk) => Place::Parent {
                disk: disk.clone(),
                offset,
            },
            None => Place::Zeros,
        });
        Ok(Piece { place, length })
    }
}
