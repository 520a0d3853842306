//! Where the output goes: standard output, or a file that is written completely or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anstream::{AutoStream, ColorChoice};
use tempfile::NamedTempFile;

use crate::layout::Layout;

/// Where the output goes.
#[derive(Debug)]
pub(crate) enum Destination {
    StandardOutput,
    File(PathBuf),
}

impl Destination {
    /// The file, or standard output where none is named.
    pub(crate) fn new(file: Option<&Path>) -> Self {
        match file {
            None => Destination::StandardOutput,
            Some(file) => Destination::File(file.to_owned()),
        }
    }

    /// Whether somebody is looking at it.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Destination::StandardOutput) && io::stdout().is_terminal()
    }

    /// What text made for reading may look like there.
    pub(crate) fn layout(&self) -> Layout {
        let is_colored = match self {
            Destination::StandardOutput => AutoStream::choice(&io::stdout()) != ColorChoice::Never,
            Destination::File(_) => ColorChoice::global() == ColorChoice::Always,
        };
        let width = match self.is_terminal() {
            true => terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)),
            false => None,
        };
        Layout::new(width, is_colored)
    }

    /// Writes what `content` writes. A reader that has gone away is no error.
    pub(crate) fn write(
        &self,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let (place, written) = match self {
            Destination::StandardOutput => (
                "standard output".into(),
                buffered(io::stdout().lock(), content).map(drop),
            ),
            Destination::File(file) => (file.to_string_lossy(), write_file(file, content)),
        };
        match written {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(io::Error::new(error.kind(), refusal(&place, &error)))
            }
            _ => Ok(()),
        }
    }
}

/// Why a place cannot be written to, and what to do about it.
fn refusal(place: &str, error: &io::Error) -> String {
    let remedy = match error.kind() {
        ErrorKind::NotFound => "make its folder first",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "name a file in a folder that you may write to"
        }
        ErrorKind::IsADirectory => "name a file in that folder",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room, or name another place",
        _ => return format!("cannot write {place}: {error}"),
    };
    // What tempfile adds is the path of a file that nobody asked for.
    let reason = error.to_string();
    let reason = reason.split(" at path ").next().unwrap_or_default();
    format!("cannot write {place}: {reason}; {remedy}")
}

fn buffered<W: Write>(
    out: W,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<W> {
    let mut out = BufWriter::new(out);
    content(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)
}

/// Writes a file beside the one that is meant and lets it take that one's place.
fn write_file(
    file: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    // A link stays a link.
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let existing = fs::metadata(&file).ok();
    if existing
        .as_ref()
        .is_some_and(|existing| !existing.is_file())
    {
        // A device, a pipe: nothing can take its place.
        return buffered(File::create(&file)?, content).map(drop);
    }
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let beside = buffered(new_file(folder)?, content);
    *unfinished() = None;
    let beside = beside?;
    if let Some(existing) = existing {
        beside.as_file().set_permissions(existing.permissions())?;
    }
    beside.persist(&file)?;
    Ok(())
}

/// A file of a name of its own, readable for whom new files are.
fn new_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.prefix(".dism-mount-status-").tempfile_in(folder)?;
    *unfinished() = Some(file.path().to_owned());
    Ok(file)
}

/// The file that is being written and has not taken its place yet.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

fn unfinished() -> MutexGuard<'static, Option<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes a file that is not finished: the program ends without cleaning up.
pub(crate) fn discard() {
    if let Some(file) = unfinished().take() {
        let _ = fs::remove_file(file);
    }
}
