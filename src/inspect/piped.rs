//! Evidence that comes as a stream and can be read once.

#[cfg(feature = "disk-image")]
use std::collections::BTreeMap;
#[cfg(any(
    feature = "captured-wim",
    feature = "collection",
    feature = "disk-image"
))]
use std::io;
use std::io::{Cursor, Read};
#[cfg(any(feature = "collection", feature = "disk-image"))]
use std::rc::Rc;

use super::machine::SystemEvidence;
use super::remedy::with_feature;
use super::{Inspection, read_start};
use crate::capture::HiveFiles;
#[cfg(feature = "captured-wim")]
use crate::capture::WimCapture;
#[cfg(feature = "collection")]
use crate::capture::collection::Collection;
#[cfg(feature = "disk-image")]
use crate::capture::disk_image::{Disk, DiskCapture};
#[cfg(any(feature = "collection", feature = "disk-image"))]
use crate::capture::read_at::Seekable;
use crate::error::{Error, Position};
use crate::registry::hive;
use crate::report::{Capture, EvidenceKind};
#[cfg(feature = "captured-wim")]
use crate::wim::Wim;

/// What to do where a stream is no evidence.
#[cfg(all(
    feature = "captured-wim",
    feature = "collection",
    feature = "disk-image"
))]
const REMEDY: &str =
    "an export, a hive, an archive or an image can be piped; name any other evidence";
#[cfg(not(all(
    feature = "captured-wim",
    feature = "collection",
    feature = "disk-image"
)))]
const REMEDY: &str = "an export or a hive can be piped; name any other evidence";
/// The largest hive that is taken from a stream, in bytes: it is kept in memory.
const MOST_IN_MEMORY: u64 = 1 << 30;
/// The largest archive or image that is taken from a stream, in bytes: it is kept in a temporary file.
#[cfg(any(
    feature = "captured-wim",
    feature = "collection",
    feature = "disk-image"
))]
const MOST_IN_FILE: u64 = 16 << 30;

impl Inspection<'_> {
    /// Finds out what a stream holds. A registry export is read as it comes; anything else that is evidence is kept, as its
    /// parts lie in no order.
    pub(super) fn piped(&self, mut source: impl Read) -> Result<Vec<Capture>, Error> {
        let start = read_start(&mut source)?;
        if hive::is_hive(&start) {
            return self.piped_hive(start, source).map(|capture| vec![capture]);
        }
        #[cfg(any(
            feature = "captured-wim",
            feature = "collection",
            feature = "disk-image"
        ))]
        if let Some(kept) = Kept::by_start(&start) {
            // It has no name: nothing is left of it however the program ends, and nothing lies beside it.
            let mut file = tempfile::tempfile()?;
            let mut source = Cursor::new(start).chain(source).take(MOST_IN_FILE + 1);
            if io::copy(&mut source, &mut file)? > MOST_IN_FILE {
                return Err(too_long("an archive or image", MOST_IN_FILE));
            }
            return match kept {
                #[cfg(feature = "captured-wim")]
                Kept::Wim => self.wim(WimCapture::of_file(file, None)?),
                #[cfg(feature = "collection")]
                Kept::Archive => self.archive(Rc::new(Seekable::new(file)?)),
                #[cfg(feature = "disk-image")]
                Kept::Disk => {
                    let bytes = Rc::new(Seekable::new(file)?);
                    let beside: BTreeMap<_, _> = BTreeMap::new();
                    let (disk, warnings) =
                        Disk::open_among(bytes, self.name.as_ref(), Rc::new(beside))?;
                    self.disk(DiskCapture::of_disk(&disk, warnings)?)
                }
            };
        }
        let source = Cursor::new(start).chain(source);
        let capture = self.export(EvidenceKind::RegistryExport, None, source);
        // That it is none shows in its first lines.
        let capture = capture.map_err(|error| match error.position().and_then(Position::line) {
            Some(_) => with_feature(error).or_remedy(REMEDY),
            None => error,
        })?;
        Ok(vec![capture])
    }

    fn piped_hive(&self, mut start: Vec<u8>, source: impl Read) -> Result<Capture, Error> {
        source.take(MOST_IN_MEMORY).read_to_end(&mut start)?;
        if start.len() as u64 > MOST_IN_MEMORY {
            return Err(too_long("a hive", MOST_IN_MEMORY));
        }
        let hive = Box::new(Cursor::new(start));
        let mut hive = HiveFiles::of_data((self.name.to_owned(), hive), Vec::new());
        hive.add_logs(&self.options.logs)?;
        let system = SystemEvidence::read_beside(None, self.options)?;
        self.hive(hive.open()?, system)
    }
}

/// What is kept of a stream.
#[cfg(any(
    feature = "captured-wim",
    feature = "collection",
    feature = "disk-image"
))]
enum Kept {
    #[cfg(feature = "captured-wim")]
    Wim,
    #[cfg(feature = "collection")]
    Archive,
    #[cfg(feature = "disk-image")]
    Disk,
}

#[cfg(any(
    feature = "captured-wim",
    feature = "collection",
    feature = "disk-image"
))]
impl Kept {
    /// What a stream is, by its first bytes.
    fn by_start(start: &[u8]) -> Option<Kept> {
        #[cfg(feature = "captured-wim")]
        if Wim::is_wim(start) {
            return Some(Kept::Wim);
        }
        #[cfg(feature = "collection")]
        if Collection::is_collection(start) {
            return Some(Kept::Archive);
        }
        // A table whose end is not in these bytes belongs to a disk all the same.
        #[cfg(feature = "disk-image")]
        if Disk::is_disk_image(&start).unwrap_or(true) {
            return Some(Kept::Disk);
        }
        None
    }
}

fn too_long(what: &str, most: u64) -> Error {
    let what = format!("{what} of more than {} GiB that is piped", most >> 30);
    Error::unsupported(what, "name the file")
}
