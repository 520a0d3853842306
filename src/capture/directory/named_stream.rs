//! The `$WIMMOUNTDATA` stream of a directory, from whatever carries it in a capture.
//!
//! ntfs-3g and Samba keep streams in extended attributes, collectors and people in files beside the directory. Only
//! some of them can tell that there is no stream.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::volume_folder::{Folder, FolderChild, has_ntfs_attributes};
use super::{extended_attribute, host_name};
use crate::capture::stream_file;
use crate::capture::volume::{
    MAX_MOUNT_DATA_LENGTH, MOUNT_DATA, bounded_mount_data, streams_not_captured,
};
use crate::error::Error;
use crate::observation::Observation;
use crate::wide_string::WideString;

/// The attribute in which ntfs-3g shows the stream (`streams_interface=xattr`).
const NTFS_3G_ATTRIBUTE: &str = "user.$WIMMOUNTDATA";
/// Where Samba's `vfs_streams_xattr` keeps it. Some versions add the stream's type, or a NUL to the data.
const SAMBA_ATTRIBUTES: [&str; 2] = [
    "user.DosStream.$WIMMOUNTDATA",
    "user.DosStream.$WIMMOUNTDATA:$DATA",
];
/// What the names of all Samba's streams start with.
const SAMBA_PREFIX: &[u8] = b"user.DosStream.";
/// Answers where ntfs-3g shows streams as files (`streams_interface=windows`).
const NTFS_3G_STREAMS_LIST: &str = "ntfs.streams.list";

/// Reads the stream of a directory. It is absent only where a carrier that shows streams says so.
pub(crate) fn read_mount_data(volume: &Folder, directory: &Path) -> Observation<Vec<u8>> {
    match read(volume, directory) {
        Ok(Some(stream)) => Observation::Present(stream),
        Ok(None) if shows_streams(volume, directory) => Observation::Absent,
        Ok(None) => streams_not_captured(),
        Err(error) => Observation::Unreadable(error),
    }
}

fn read(volume: &Folder, directory: &Path) -> Result<Option<Vec<u8>>, Error> {
    if let Some(stream) = read_attributes(directory)? {
        return Ok(Some(stream));
    }
    match (directory.parent(), directory.file_name()) {
        // What lies beside the drive's folder is not the capture's.
        (Some(parent), Some(name)) if directory != volume.root() => {
            read_file_beside(volume, parent, &host_name::to_windows(name))
        }
        _ => Ok(None),
    }
}

/// Reads the stream from a directory's attributes.
pub(crate) fn read_attributes(directory: &Path) -> Result<Option<Vec<u8>>, Error> {
    for name in [NTFS_3G_ATTRIBUTE].into_iter().chain(SAMBA_ATTRIBUTES) {
        match extended_attribute::get(directory, name) {
            Ok(Some(stream)) => return bounded_mount_data(stream).map(Some),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::Unsupported => break,
            Err(error) => return Err(Error::io(&error)),
        }
    }
    Ok(None)
}

/// Whether a directory's attributes carry the stream, in one question to the host.
pub(crate) fn has_attribute(directory: &Path) -> io::Result<bool> {
    let names = extended_attribute::names(directory)?;
    let mut streams = [NTFS_3G_ATTRIBUTE].into_iter().chain(SAMBA_ATTRIBUTES);
    Ok(streams.any(|stream| names.iter().any(|name| name == stream)))
}

/// Whether ntfs-3g shows streams as files, which it does not list.
pub(crate) fn has_hidden_files(directory: &Path) -> bool {
    extended_attribute::get(directory, NTFS_3G_STREAMS_LIST).is_ok()
        && has_ntfs_attributes(directory)
}

/// The file as which ntfs-3g shows the stream of a directory.
pub(crate) fn hidden_file(directory: &Path) -> Option<PathBuf> {
    let mut name = directory.file_name()?.to_owned();
    name.push(":");
    name.push(MOUNT_DATA);
    let file = directory.with_file_name(name);
    file.symlink_metadata().is_ok().then_some(file)
}

/// Reads the stream of a directory, which need not be there itself, from a file in its parent directory that is named
/// after both.
pub(crate) fn read_file_beside(
    volume: &Folder,
    parent: &Path,
    directory: &WideString,
) -> Result<Option<Vec<u8>>, Error> {
    for name in stream_file::names(directory) {
        if let FolderChild::Found(file) = volume.child(parent, &name)? {
            return read_file(&file).map(Some);
        }
    }
    Ok(None)
}

/// The directory whose stream a file holds, by the file's name; it need not have been captured itself.
pub(crate) fn directory_of_file(file: &Path) -> Option<PathBuf> {
    let name = file.file_name()?.to_str()?;
    let names = stream_file::directories(&name.into()).into_iter();
    let names = names.filter_map(|name| name.to_utf8());
    let directories: Vec<PathBuf> = names.map(|name| file.with_file_name(name)).collect();
    let captured = directories.iter().find(|directory| directory.is_dir());
    captured.or(directories.first()).cloned()
}

/// Reads a file that holds a stream.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    // A link could lead anywhere, and a pipe would never end.
    if !path.symlink_metadata()?.is_file() {
        return Err(Error::malformed("a regular file", "something else"));
    }
    let mut stream = Vec::new();
    let file = File::open(path)?;
    file.take(MAX_MOUNT_DATA_LENGTH + 1)
        .read_to_end(&mut stream)?;
    bounded_mount_data(stream)
}

/// Whether the host would show the directory's streams if it had any.
pub(crate) fn shows_streams(volume: &Folder, directory: &Path) -> bool {
    let is_answered = |name| extended_attribute::get(directory, name).is_ok();
    let is_ntfs_3g = has_ntfs_attributes(directory) && is_answered(NTFS_3G_ATTRIBUTE);
    is_ntfs_3g || has_hidden_files(directory) || {
        let mut ancestors = directory
            .ancestors()
            .take_while(|ancestor| ancestor.starts_with(volume.root()));
        ancestors.any(has_samba_stream)
    }
}

fn has_samba_stream(directory: &Path) -> bool {
    let names = extended_attribute::names(directory).unwrap_or_default();
    let mut names = names.iter().map(|name| name.as_encoded_bytes());
    names.any(|name| name.starts_with(SAMBA_PREFIX))
}
