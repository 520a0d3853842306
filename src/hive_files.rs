//! A hive and the files that belong to it, as they lie in one folder.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::registry::hive::Hive;

/// Where a hive's bytes come from: a file, or memory.
pub(crate) trait HiveSource: Read + Seek {}

impl<T: Read + Seek> HiveSource for T {}

/// How much of a file's start tells whether it is a hive.
pub(crate) const START: usize = 4096 + 4;

/// Whether a file is a hive, by its first [`START`] bytes.
///
/// The base block may be damaged; behind it the first hive bin begins.
pub(crate) fn is_hive(start: &[u8]) -> bool {
    start.starts_with(b"regf") || start.get(4096..START) == Some(b"hbin")
}

/// The transaction logs that lie beside a hive: its name and `.LOG`, `.LOG1` or `.LOG2`, in any letter case.
pub(crate) fn logs_beside(hive: &Path) -> Vec<PathBuf> {
    ["LOG", "LOG1", "LOG2"]
        .iter()
        .filter_map(|extension| {
            let mut name = hive.file_name()?.to_owned();
            name.push(".");
            name.push(extension);
            file_beside(hive, name.to_str()?)
        })
        .collect()
}

/// The SYSTEM hive that lies beside a SOFTWARE hive. A hive of another name may be of another machine than its neighbours.
pub(crate) fn system_beside(hive: &Path) -> Option<PathBuf> {
    let name = hive.file_name()?.to_str()?;
    let is_software = name.eq_ignore_ascii_case("SOFTWARE");
    is_software.then(|| file_beside(hive, "SYSTEM"))?
}

/// A file in the same folder, by its name in any letter case.
fn file_beside(path: &Path, name: &str) -> Option<PathBuf> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let entries = fs::read_dir(folder).ok()?.flatten();
    let is_it = |file: &Path| {
        let found = file.file_name().and_then(|found| found.to_str());
        found.is_some_and(|found| found.eq_ignore_ascii_case(name)) && file.is_file()
    };
    entries.map(|entry| entry.path()).find(|file| is_it(file))
}

/// Opens a hive with its transaction logs.
///
/// # Errors
/// When one of the files cannot be read, or the hive is not one; the error names the file.
pub(crate) fn open(
    hive: Box<dyn HiveSource>,
    logs: &[PathBuf],
) -> Result<Hive<Box<dyn HiveSource>>, Error> {
    let mut opened = Vec::with_capacity(logs.len());
    for log in logs {
        opened.push((file_name(log), open_file(log)?));
    }
    Hive::open_with_logs(hive, opened)
}

/// Opens a file as the source of a hive.
///
/// # Errors
/// When it cannot be opened; the error names it.
pub(crate) fn open_file(path: &Path) -> Result<Box<dyn HiveSource>, Error> {
    let opened = File::open(path).and_then(|file| match file.metadata()?.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => Ok(file),
    });
    match opened {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(Error::io(&error).in_evidence(path.display().to_string())),
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
