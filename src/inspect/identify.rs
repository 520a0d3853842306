//! What kind of evidence a file or directory is, without judging it.

use std::fs::File;
use std::io::Seek;
use std::path::Path;

use super::{directory_kind, read_start};
#[cfg(feature = "collection")]
use crate::capture::collection::Collection;
#[cfg(feature = "disk-image")]
use crate::capture::disk_image::Disk;
#[cfg(feature = "disk-image")]
use crate::capture::read_at::Seekable;
use crate::capture::{CapturedMachine, DirectoryLayout};
use crate::error::Error;
use crate::registry::RegistryExport;
use crate::registry::hive::{self, Hive};
use crate::registry::software_hive::software_key;
use crate::report::EvidenceKind;

/// Tells what kind of evidence a file or directory of this host is, by its content; `None` for what
/// [`inspect`](crate::inspect()) would refuse, for a hive that is not SOFTWARE, and for a directory that holds no drive: hives
/// that lie in one are each evidence by themselves.
///
/// It serves to find the captures among other files: of each no more is read than tells. Of an archive, a WIM file and a
/// disk image that is their first bytes: that there is no capture in one only `inspect` finds out, whose error then
/// [says so](Error::holds_no_capture). Which of them belong to others, `companions` tells.
///
/// # Errors
/// When the file or directory cannot be read.
pub fn identify(path: impl AsRef<Path>) -> Result<Option<EvidenceKind>, Error> {
    let path = path.as_ref();
    kind(path).map_err(|error| error.in_evidence(path.display().to_string()))
}

fn kind(path: &Path) -> Result<Option<EvidenceKind>, Error> {
    let metadata = path.metadata()?;
    if metadata.is_dir() {
        #[cfg(feature = "collection")]
        if Collection::is_collectors_own(path) {
            return Ok(Some(EvidenceKind::Collection));
        }
        let machine = CapturedMachine::laid_out(path, None).ok();
        let layout = machine.map(|(_, layout)| layout);
        let layout = layout.filter(|layout| *layout != DirectoryLayout::Hives);
        #[cfg(feature = "collection")]
        if layout.is_none() && Collection::is_collection_folder(path) {
            return Ok(Some(EvidenceKind::Collection));
        }
        return Ok(layout.map(|layout| directory_kind(layout).0));
    }
    if !metadata.is_file() {
        return Ok(None);
    }
    let mut file = File::open(path)?;
    let start = read_start(&mut file)?;
    #[cfg(feature = "captured-wim")]
    if crate::wim::Wim::is_wim(&start) {
        return Ok(Some(EvidenceKind::CapturedWim));
    }
    file.rewind()?;
    if hive::is_hive(&start) {
        return Ok(is_software(file).then_some(EvidenceKind::Hive));
    }
    #[cfg(feature = "collection")]
    if Collection::is_collection(&start) {
        return Ok(Some(EvidenceKind::Collection));
    }
    #[cfg(feature = "disk-image")]
    if Disk::is_disk_image(&Seekable::new(&file)?)? {
        return Ok(Some(EvidenceKind::DiskImage));
    }
    file.rewind()?;
    let export = RegistryExport::open(file, None);
    Ok(export.is_ok().then_some(EvidenceKind::RegistryExport))
}

/// Whether a hive has the key below which the mount registry lies. One that is too damaged to tell is taken for SOFTWARE,
/// so that it is reported; a transaction log is not.
fn is_software(file: File) -> bool {
    match Hive::open(file) {
        Ok(mut hive) => !matches!(software_key(&mut hive), Ok(None)),
        Err(error) => !error.is_unsupported(),
    }
}
