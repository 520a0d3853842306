//! Evidence that comes as a stream and can be read once.

#[cfg(any(
    feature = "captured-wim",
    feature = "collection",
    feature = "disk-image"
))]
use std::io;
use std::io::{Cursor, Read};

use super::machine::SystemEvidence;
use super::{Inspection, read_start};
use crate::capture::HiveFiles;
use crate::error::{Error, Position};
use crate::registry::hive::Hive;
use crate::report::{Capture, EvidenceKind};

/// What to do where a stream is no evidence.
const REMEDY: &str =
    "an export, a hive, an archive or an image can be piped; name any other evidence";
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
        if Hive::<()>::is_hive(&start) {
            return self.piped_hive(start, source).map(|capture| vec![capture]);
        }
        #[cfg(any(
            feature = "captured-wim",
            feature = "collection",
            feature = "disk-image"
        ))]
        if is_kept(&start) {
            let mut file = tempfile::NamedTempFile::new()?;
            let mut source = Cursor::new(start).chain(source).take(MOST_IN_FILE + 1);
            if io::copy(&mut source, &mut file)? > MOST_IN_FILE {
                return Err(too_long("an archive or image", MOST_IN_FILE));
            }
            return self.path(file.path());
        }
        let source = Cursor::new(start).chain(source);
        let capture = self.export(EvidenceKind::RegistryExport, None, source);
        // That it is none shows in its first lines.
        let capture = capture.map_err(|error| match error.position().and_then(Position::line) {
            Some(_) => error.or_remedy(REMEDY),
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
        hive.set_logs(&self.options.logs)?;
        let system = SystemEvidence::read_beside(None, self.options)?;
        self.hive(hive.open()?, system)
    }
}

/// Whether a stream is an archive or an image, by its first bytes.
#[cfg(any(
    feature = "captured-wim",
    feature = "collection",
    feature = "disk-image"
))]
fn is_kept(start: &[u8]) -> bool {
    #[cfg(feature = "captured-wim")]
    if crate::wim::Wim::is_wim(start) {
        return true;
    }
    #[cfg(feature = "collection")]
    if crate::capture::collection::Collection::is_collection(start) {
        return true;
    }
    // A table whose end is not in these bytes belongs to a disk all the same.
    #[cfg(feature = "disk-image")]
    if crate::capture::disk_image::Disk::is_disk_image(&start).unwrap_or(true) {
        return true;
    }
    false
}

fn too_long(what: &str, most: u64) -> Error {
    let what = format!("{what} of more than {} GiB that is piped", most >> 30);
    Error::unsupported(what, "name the file")
}
