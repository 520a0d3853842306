//! What every carrier of a captured file system can tell: a folder of this host, an image in a WIM, an NTFS volume on a
//! disk, the members of an archive.

use std::fmt;
use std::io::{Read, Seek};
use std::path::Path;
use std::rc::Rc;

use super::Scope;
use super::link::Link;
use super::mount_traces::MountTraces;
use crate::error::Error;
use crate::file_time::FileTime;
use crate::mount_point::ReparseTag;
use crate::observation::{NotCaptured, Observation};
use crate::warning::Warnings;
use crate::wide_string::WideString;

/// The stream in which a mount directory keeps what it is mounted from.
pub(crate) const MOUNT_DATA: &str = "$WIMMOUNTDATA";
/// The most of that stream that is read, in bytes. Real ones have a few hundred, and Linux keeps no longer attributes.
pub(crate) const MAX_MOUNT_DATA_LENGTH: u64 = 64 << 10;

/// The files of one volume of the captured machine.
pub(crate) trait Volume: fmt::Debug {
    /// What it means that a path is not on the volume, unless the caller knows better.
    fn scope(&self) -> Scope;

    /// The root directory.
    fn root(&self) -> Rc<dyn CapturedFile>;

    /// Searches all of the volume for traces of mounts. Links are not followed.
    fn search(&self, traces: &mut MountTraces<'_>);

    /// Whether the streams of directories that were there can be seen.
    fn shows_streams(&self) -> bool {
        true
    }

    /// Whether a stream lies as a file anywhere on a volume whose files were collected into a folder: that takes a search.
    fn holds_any_stream(&self) -> bool {
        false
    }

    /// Whether all files that were captured are known: where the list of them is cut off, nothing is known to be absent.
    fn is_listed_whole(&self) -> bool {
        true
    }

    /// What was found damaged since this was last asked, while the rest was used.
    fn take_warnings(&self) -> Warnings {
        Warnings::default()
    }

    /// How many directories of this host were listed so far to find files.
    fn directory_reads(&self) -> u64 {
        0
    }
}

/// A file or directory of a captured volume.
pub(crate) trait CapturedFile: fmt::Debug {
    /// What it is.
    ///
    /// # Errors
    /// When that cannot be read, or a link leads out of the capture.
    fn kind(&self) -> Result<FileKind, Error>;

    /// The file or directory of this name in this directory, as NTFS would find it: upper and lower case are the same,
    /// but the exact name is preferred; dots and blanks at the end do not count.
    ///
    /// # Errors
    /// When the directory cannot be read.
    fn child(&self, name: &WideString) -> Result<Child, Error>;

    /// The data of a file.
    ///
    /// # Errors
    /// When they cannot be read.
    fn open(&self) -> Result<Box<dyn ReadSeek>, Error>;

    /// When the file's data was last written.
    fn modified(&self) -> Option<FileTime>;

    /// The `$WIMMOUNTDATA` stream of a directory. It is absent only where the carrier shows streams.
    fn mount_data(&self) -> Observation<Vec<u8>>;

    /// The `$WIMMOUNTDATA` stream of a directory that should be in this one and was not collected itself: collectors
    /// make files of streams.
    ///
    /// # Errors
    /// When there is such a file, and it cannot be read.
    fn mount_data_of(&self, _directory: &WideString) -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }

    /// Where it lies on this host, where it does.
    fn host_path(&self) -> Option<&Path> {
        None
    }
}

/// What a file is.
#[derive(Debug)]
pub(crate) enum FileKind {
    /// A file with data. Where a file system keeps them compressed behind a reparse point, that is not told.
    File,
    /// A directory.
    Directory,
    /// A link to elsewhere: a junction, a symbolic link.
    Link(Link),
    /// A file behind a reparse point, whose contents the capture does not hold.
    ReparsePoint(ReparseTag),
    /// Something of this host that Windows does not know: a pipe, a device.
    Special,
}

impl FileKind {
    /// What it is, for a message.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            FileKind::File => "a file",
            FileKind::Directory => "a directory",
            FileKind::Link(_) => "a link",
            FileKind::ReparsePoint(_) => "a reparse point",
            FileKind::Special => "a special file",
        }
    }
}

/// What a directory of the capture has under a name.
#[derive(Debug)]
pub(crate) enum Child {
    /// The file or directory, which may be a link, and its own name: a short one may have led to it.
    Found(Rc<dyn CapturedFile>, WideString),
    /// Nothing.
    Missing,
    /// Nothing, but the name looks like the short name of a file, and the capture does not keep short names.
    ShortName,
}

/// Bytes that are read from any place.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// The stream of a directory on a carrier that shows streams, held against the most that one is read of.
pub(crate) fn bounded_mount_data(stream: Vec<u8>) -> Result<Vec<u8>, Error> {
    match stream.len() as u64 <= MAX_MOUNT_DATA_LENGTH {
        true => Ok(stream),
        false => Err(Error::malformed(
            format!("a stream of at most {MAX_MOUNT_DATA_LENGTH} bytes"),
            "a longer one",
        )),
    }
}

/// The stream of what is no directory to this host.
pub(crate) fn streams_not_captured() -> Observation<Vec<u8>> {
    Observation::NotCaptured(NotCaptured::Streams)
}

/// A name as Windows looks it up: dots and blanks at its end do not count.
pub(crate) fn trim_end(name: &WideString) -> WideString {
    let units = name.as_units();
    let is_kept = |&unit: &u16| unit != u16::from(b'.') && unit != u16::from(b' ');
    let length = units.iter().rposition(is_kept).map_or(0, |last| last + 1);
    WideString::from_units(units[..length].to_vec())
}

/// Whether a name has the form of those that Windows makes up beside a long one: `PROGRA~1`, `PICTUR~2.JPG`.
pub(crate) fn is_short_name(name: &WideString) -> bool {
    let name = name.to_string_lossy();
    let (base, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    let Some((start, number)) = base.rsplit_once('~') else {
        return false;
    };
    !start.is_empty()
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && base.chars().count() <= 8
        && extension.chars().count() <= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_tilde_and_a_number_are_short_names() {
        for (name, is_short) in [
            ("ADMINI~1", true),
            ("PICTUR~2.JPG", true),
            ("a~12.x", true),
            ("Mount", false),
            ("~1", false),
            ("backup~", false),
            ("administrator~1", false),
            ("a~1.html", false),
            ("a~b", false),
        ] {
            assert_eq!(is_short_name(&name.into()), is_short, "{name}");
        }
    }
}
