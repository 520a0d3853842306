//! What disk images are packed in: raw files, VHD, VHDX, QCOW2, VMDK and E01, each giving the bytes of the virtual disk.
//!
//! All are read by readers of our own: those that are published take sources that are `Send`, tell no places in their
//! errors, follow the paths that an image names, or cannot be held to a bound of memory.

mod container_file;
mod decompression;
mod ewf;
mod file_set;
mod format;
mod neighbours;
mod pages;
mod pieces;
mod qcow2;
mod raw;
mod vhd;
mod vhdx;
mod vmdk;

pub(crate) use self::file_set::FileSet;
pub use self::format::{ContainerFormat, UnsupportedContainer};
pub use self::neighbours::{HostFolder, Neighbours};

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::rc::Rc;

use self::container_file::ContainerFile;
pub(super) use self::neighbours::is_block_device;
use self::neighbours::{Opening, open_host_file};
use self::pieces::{Assembled, Pieces};
use super::file_system::FileSystem;
use super::partition_table::{PartitionScheme, PartitionTable};
use crate::capture::read_at::ReadAt;
use crate::error::Error;
use crate::warning::Warnings;

/// A disk, out of its container. Clones read the same image.
#[derive(Clone)]
pub struct Disk {
    bytes: Rc<dyn ReadAt>,
    format: ContainerFormat,
    variant: &'static str,
    sector_size: Option<u32>,
}

impl Disk {
    /// Opens the image in a file of this host, or a block device, with the files that belong to it from the same folder.
    ///
    /// Tables are read as they are needed: opening costs a few reads, however large the disk is.
    ///
    /// # Errors
    /// When it cannot be read, is of a format or variant that is not read (the error names it), is damaged where that
    /// leaves nothing to read, or lacks a parent.
    pub fn open(path: &Path) -> Result<(Disk, Warnings), Error> {
        let bytes = open_host_file(path).map_err(|error| Error::io(&error))?;
        let name = path.file_name().unwrap_or_default();
        Self::open_among(bytes, name, Rc::new(HostFolder::of(path)))
    }

    /// Opens an image that has a name among other files.
    ///
    /// # Errors
    /// As [`Disk::open`].
    pub fn open_among(
        bytes: Rc<dyn ReadAt>,
        name: &OsStr,
        neighbours: Rc<dyn Neighbours>,
    ) -> Result<(Disk, Warnings), Error> {
        let mut warnings = Warnings::default();
        let opening = Opening::new(neighbours, bytes.stored_size());
        let disk = open_any(
            ContainerFile::new(bytes, None),
            name,
            &opening,
            &mut warnings,
        )?;
        Ok((disk, warnings))
    }

    /// Whether bytes are those of a disk image, by content: a container of a format that is known, a volume of a file system
    /// that is known, or a disk with a partition table. Of a split disk they are those of the first part. A few short reads
    /// tell it.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn is_disk_image(bytes: &dyn ReadAt) -> Result<bool, Error> {
        if ContainerFormat::identify(bytes) != ContainerFormat::Raw {
            return Ok(true);
        }
        let file_system = FileSystem::identify(bytes)?;
        if !matches!(file_system, FileSystem::Unknown | FileSystem::Empty) {
            return Ok(true);
        }
        let (table, _) = PartitionTable::read(bytes, None)?;
        Ok(table.scheme != PartitionScheme::None)
    }

    /// Whether a file is a disk image by its first bytes alone: one in a container that has its signature there.
    #[cfg(feature = "collection")]
    pub(crate) fn is_container(start: &[u8]) -> bool {
        ContainerFormat::identify(&start) != ContainerFormat::Raw
    }

    /// What the disk was packed in.
    pub fn format(&self) -> ContainerFormat {
        self.format
    }

    /// The kind of container within its format, such as `dynamic` or `differencing`; empty where there is only one.
    pub fn variant(&self) -> &'static str {
        self.variant
    }

    /// The size of a logical sector in bytes, where the container tells it.
    pub fn sector_size(&self) -> Option<u32> {
        self.sector_size
    }

    fn new(
        pieces: impl Pieces + 'static,
        format: ContainerFormat,
        variant: &'static str,
        sector_size: Option<u32>,
    ) -> Disk {
        Disk {
            bytes: Rc::new(Assembled(pieces)),
            format,
            variant,
            sector_size,
        }
    }
}

impl ReadAt for Disk {
    fn size(&self) -> u64 {
        self.bytes.size()
    }

    fn stored_size(&self) -> u64 {
        self.bytes.stored_size()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.bytes.read_exact_at(offset, buffer)
    }
}

/// Opens an image of any format.
fn open_any(
    file: ContainerFile,
    name: &OsStr,
    opening: &Opening,
    warnings: &mut Warnings,
) -> Result<Disk, Error> {
    let format = ContainerFormat::identify(file.bytes());
    Ok(match format {
        ContainerFormat::Vhd => {
            let vhd = vhd::Vhd::open(file, opening, warnings)?;
            let variant = vhd.variant();
            Disk::new(vhd, format, variant, Some(512))
        }
        ContainerFormat::Vhdx => {
            let vhdx = vhdx::Vhdx::open(file, opening, warnings)?;
            let (variant, sector_size) = (vhdx.variant(), vhdx.sector_size());
            Disk::new(vhdx, format, variant, Some(sector_size))
        }
        ContainerFormat::Qcow2 => {
            let qcow2 = qcow2::Qcow2::open(file, opening, warnings)?;
            let variant = qcow2.variant();
            Disk::new(qcow2, format, variant, None)
        }
        ContainerFormat::Vmdk => {
            let vmdk = vmdk::Vmdk::open(file, opening, warnings)?;
            let variant = vmdk.variant();
            Disk::new(vmdk, format, variant, Some(512))
        }
        ContainerFormat::Ewf => {
            let ewf = ewf::Ewf::open(file, name, opening, warnings)?;
            let sector_size = ewf.sector_size();
            Disk::new(ewf, format, "", Some(sector_size))
        }
        ContainerFormat::Unsupported(format) => return Err(file.name_in(format.refusal())),
        ContainerFormat::Raw | ContainerFormat::SplitRaw => {
            match raw::SplitRaw::open(&file, name, opening, warnings)? {
                Some(split) => Disk::new(split, ContainerFormat::SplitRaw, "", None),
                None => open_raw(&file),
            }
        }
    })
}

/// Takes the bytes as they are.
fn open_raw(file: &ContainerFile) -> Disk {
    Disk {
        bytes: file.bytes().clone(),
        format: ContainerFormat::Raw,
        variant: "",
        sector_size: None,
    }
}
