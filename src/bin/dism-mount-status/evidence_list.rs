//! Which evidence is to be inspected: what the command line names, what lists name, what lies in folders.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use dism_mount_status::{Error, EvidenceKind, identify};
use walkdir::WalkDir;

use crate::arguments::{Arguments, is_standard_input};

/// The pieces of evidence, one after the other; none of them is kept.
pub(crate) struct EvidenceList {
    sources: VecDeque<Source>,
    /// How many there are, where that is known beforehand.
    count: Option<u64>,
}

/// A piece of evidence that is named or was found.
#[derive(Debug)]
pub(crate) enum Evidence {
    /// It lies there, or is standard input.
    At(PathBuf),
    /// Something on the way to evidence cannot be read.
    Unreadable(PathBuf, Error),
}

enum Source {
    Named(std::vec::IntoIter<PathBuf>),
    List {
        name: String,
        lines: Box<dyn BufRead + Send>,
        separator: u8,
    },
    Folder {
        folder: PathBuf,
        walk: walkdir::IntoIter,
        found: u64,
    },
}

impl EvidenceList {
    /// Those that the command line names, then those of the lists, then those in the folders.
    ///
    /// # Errors
    /// When a list cannot be opened.
    pub(crate) fn of(arguments: &Arguments) -> io::Result<EvidenceList> {
        let mut sources = VecDeque::from([Source::Named(arguments.evidence.clone().into_iter())]);
        let lists = arguments.from.iter().map(|list| (list, b'\n'));
        for (list, separator) in lists.chain(arguments.from0.iter().map(|list| (list, 0))) {
            let lines: Box<dyn BufRead + Send> = match is_standard_input(list) {
                true => Box::new(BufReader::new(io::stdin())),
                false => Box::new(BufReader::new(File::open(list).map_err(|error| {
                    let text = format!("{}: {error}; check the path of the list", list.display());
                    io::Error::new(error.kind(), text)
                })?)),
            };
            sources.push_back(Source::List {
                name: list.display().to_string(),
                lines,
                separator,
            });
        }
        let folders = arguments.recursive.iter();
        sources.extend(folders.map(|folder| Source::Folder {
            folder: folder.clone(),
            walk: WalkDir::new(folder).sort_by_file_name().into_iter(),
            found: 0,
        }));
        let is_known = sources.len() == 1;
        Ok(EvidenceList {
            count: is_known.then_some(arguments.evidence.len() as u64),
            sources,
        })
    }

    /// How many pieces there are, where that is known beforehand.
    pub(crate) fn known_count(&self) -> Option<u64> {
        self.count
    }
}

impl Iterator for EvidenceList {
    type Item = Evidence;

    fn next(&mut self) -> Option<Evidence> {
        loop {
            match self.sources.front_mut()?.next() {
                Some(evidence) => return Some(evidence),
                None => self.sources.pop_front(),
            };
        }
    }
}

impl Source {
    fn next(&mut self) -> Option<Evidence> {
        match self {
            Source::Named(paths) => paths.next().map(Evidence::At),
            Source::List {
                name,
                lines,
                separator,
            } => match next_line(lines, *separator) {
                Ok(line) => line.map(Evidence::At),
                // What follows cannot be read either.
                Err(error) => {
                    *lines = Box::new(io::empty());
                    Some(Evidence::Unreadable(PathBuf::from(&*name), error.into()))
                }
            },
            Source::Folder {
                folder,
                walk,
                found,
            } => match next_capture(walk) {
                Some(evidence) => {
                    *found += 1;
                    Some(evidence)
                }
                // A folder in which nothing was inspected proves nothing.
                None if *found == 0 => {
                    *found = 1;
                    let error = io::Error::new(
                        io::ErrorKind::NotFound,
                        "there is no evidence in this folder or below it",
                    );
                    Some(Evidence::Unreadable(folder.clone(), error.into()))
                }
                None => None,
            },
        }
    }
}

/// Why the walk could not go on, without the path, which is told beside it.
fn reason(error: walkdir::Error) -> io::Error {
    let loops = "a link leads back to a folder above it";
    let reason = error.into_io_error();
    reason.unwrap_or_else(|| io::Error::other(loops))
}

/// The next path of a list; empty ones do not count.
fn next_line(lines: &mut dyn BufRead, separator: u8) -> io::Result<Option<PathBuf>> {
    loop {
        let mut line = Vec::new();
        if lines.read_until(separator, &mut line)? == 0 {
            return Ok(None);
        }
        if line.last() == Some(&separator) {
            line.pop();
        }
        if separator == b'\n' && line.last() == Some(&b'\r') {
            line.pop();
        }
        if !line.is_empty() {
            return path(line).map(Some);
        }
    }
}

#[cfg(unix)]
fn path(bytes: Vec<u8>) -> io::Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Ok(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn path(bytes: Vec<u8>) -> io::Result<PathBuf> {
    let text = String::from_utf8(bytes);
    Ok(text
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?
        .into())
}

/// The next capture in a folder. What lies in a captured tree is part of it.
fn next_capture(walk: &mut walkdir::IntoIter) -> Option<Evidence> {
    loop {
        let entry = match walk.next()? {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(Path::new("")).to_owned();
                return Some(Evidence::Unreadable(path, reason(error).into()));
            }
        };
        let kind = entry.file_type();
        if !kind.is_dir() && !kind.is_file() {
            continue;
        }
        match identify(entry.path()) {
            Ok(None) => {}
            Ok(Some(found)) => {
                if found == EvidenceKind::Directory || kind.is_dir() {
                    walk.skip_current_dir();
                }
                return Some(Evidence::At(entry.into_path()));
            }
            // The walk itself says what it cannot read of a directory.
            Err(_) if kind.is_dir() => {}
            Err(error) => return Some(Evidence::Unreadable(entry.into_path(), error)),
        }
    }
}
