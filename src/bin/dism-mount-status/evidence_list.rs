//! Which evidence is to be inspected: what the command line names, what lists name, what lies in folders.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use dism_mount_status::{Error, EvidenceKind, companions, identify};
use walkdir::{DirEntry, WalkDir};

use crate::arguments::{Arguments, is_standard_stream};

/// The pieces of evidence, one after the other; none of them is kept.
pub(crate) struct EvidenceList {
    sources: VecDeque<Source>,
    /// How many there are, where that is known beforehand.
    count: Option<u64>,
}

/// A piece of evidence that is named or was found.
#[derive(Debug)]
pub(crate) enum Evidence {
    /// It is named: it lies there, or is standard input.
    At(PathBuf),
    /// It was found in a folder, and may prove to hold nothing to judge.
    Found(PathBuf),
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
    Folder(Box<FolderSearch>),
}

/// A folder in which captures are looked for, and below it.
struct FolderSearch {
    folder: PathBuf,
    walk: walkdir::IntoIter,
    /// For the folders that the walk is in: which of their files belong to others.
    companions: Vec<(PathBuf, BTreeSet<OsString>)>,
    is_barren: bool,
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
            let lines: Box<dyn BufRead + Send> = match is_standard_stream(list) {
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
        sources.extend(folders.map(|folder| Source::Folder(Box::new(FolderSearch::new(folder)))));
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
            Source::Folder(search) => search.next(),
        }
    }
}

/// Why the walk could not go on, without the path, which is told beside it.
fn reason(error: walkdir::Error) -> io::Error {
    let loops = "a link leads back to a folder above it";
    let reason = error.into_io_error();
    reason.unwrap_or_else(|| io::Error::other(loops))
}

/// The longest path in a list, in bytes.
const MAX_PATH: u64 = 64 << 10;

/// The next path of a list; empty ones do not count.
fn next_line(lines: &mut dyn BufRead, separator: u8) -> io::Result<Option<PathBuf>> {
    loop {
        let mut line = Vec::new();
        let length = (&mut *lines)
            .take(MAX_PATH + 1)
            .read_until(separator, &mut line)?;
        if length == 0 {
            return Ok(None);
        }
        if length as u64 > MAX_PATH {
            let message = "a path of more than 64 KiB; name a list of paths, one a line";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
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

impl FolderSearch {
    fn new(folder: &Path) -> Self {
        FolderSearch {
            folder: folder.to_owned(),
            walk: WalkDir::new(folder).sort_by_file_name().into_iter(),
            companions: Vec::new(),
            is_barren: true,
        }
    }

    fn next(&mut self) -> Option<Evidence> {
        let found = self.next_capture();
        // A folder in which nothing was inspected proves nothing.
        let is_barren = std::mem::take(&mut self.is_barren);
        found.or_else(|| {
            let text = "there is no evidence in this folder or below it";
            let error = io::Error::new(io::ErrorKind::NotFound, text);
            is_barren.then(|| Evidence::Unreadable(self.folder.clone(), error.into()))
        })
    }

    /// The next capture. What lies in a captured tree is part of it.
    fn next_capture(&mut self) -> Option<Evidence> {
        while let Some(entry) = self.walk.next() {
            let entry = match entry {
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
                    if kind.is_dir() {
                        self.walk.skip_current_dir();
                    } else if self.belongs_to_another(&entry, found) {
                        continue;
                    }
                    return Some(Evidence::Found(entry.into_path()));
                }
                // The walk itself says what it cannot read of a directory.
                Err(_) if kind.is_dir() => {}
                Err(error) => return Some(Evidence::Unreadable(entry.into_path(), error)),
            }
        }
        None
    }

    /// Whether a file is read with another one beside it.
    fn belongs_to_another(&mut self, file: &DirEntry, kind: EvidenceKind) -> bool {
        // A part of a disk that is split may start like anything.
        let is_numbered = || {
            let extension = file.path().extension();
            extension.is_some_and(|it| it.as_encoded_bytes().iter().all(u8::is_ascii_digit))
        };
        let may_belong = matches!(kind, EvidenceKind::CapturedWim | EvidenceKind::DiskImage);
        let Some(folder) = file.path().parent().filter(|_| may_belong || is_numbered()) else {
            return false;
        };
        // The walk has left those that the file does not lie in.
        self.companions
            .retain(|(known, _)| folder.starts_with(known));
        let known = self
            .companions
            .iter()
            .position(|(known, _)| known == folder);
        let known = known.unwrap_or_else(|| {
            // That a folder cannot be listed, the walk says.
            let found = companions(folder).unwrap_or_default();
            self.companions.push((folder.to_owned(), found));
            self.companions.len() - 1
        });
        self.companions[known].1.contains(file.file_name())
    }
}
