//! Extended attributes of files, where the host has them. Links are not followed.

use std::ffi::OsString;
use std::io;
use std::path::Path;

/// The value of an attribute: `None` where the file has none of this name.
///
/// # Errors
/// [`Unsupported`](io::ErrorKind::Unsupported) where the file system has no such attributes at all.
#[cfg(unix)]
pub(crate) fn get(path: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    xattr::get(path, name)
}

/// The names of the attributes that the file system lists; it may answer to others.
#[cfg(unix)]
pub(crate) fn names(path: &Path) -> io::Result<Vec<OsString>> {
    Ok(xattr::list(path)?.collect())
}

#[cfg(not(unix))]
pub(crate) fn get(_path: &Path, _name: &str) -> io::Result<Option<Vec<u8>>> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(unix))]
pub(crate) fn names(_path: &Path) -> io::Result<Vec<OsString>> {
    Err(io::ErrorKind::Unsupported.into())
}
