//! A disk as it is, in one file or split into several: `disk.001`, `disk.002` and so on.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::container_file::ContainerFile;
use super::neighbours::Opening;
use super::pieces::{Piece, Pieces, Place};
use crate::capture::disk_image::recently_used::RecentlyUsed;
use crate::error::Error;
use crate::warning::{Warning, WarningCode, Warnings};

/// More parts than this are not looked for.
const MOST_PARTS: usize = 100_000;
/// How many parts are held open at a time.
const OPEN_PARTS: usize = 64;

/// A disk in several files.
pub(super) struct SplitRaw {
    parts: Vec<Part>,
    size: u64,
    /// At most how much of it the parts can hold.
    stored_size: u64,
    opening: Opening,
    opened: RecentlyUsed<usize, ContainerFile>,
}

struct Part {
    name: OsString,
    start: u64,
    size: u64,
}

/// The number of a part that has this name, and how many digits it has there.
fn part_number(name: &OsStr) -> Option<(u32, usize)> {
    let extension = Path::new(name).extension()?.to_str()?;
    let is_number = extension.len() >= 2 && extension.bytes().all(|byte| byte.is_ascii_digit());
    Some((
        extension.parse().ok().filter(|_| is_number)?,
        extension.len(),
    ))
}

fn part_name(name: &OsStr, number: u32, digits: usize) -> OsString {
    Path::new(name)
        .with_extension(format!("{number:0digits$}"))
        .into_os_string()
}

impl SplitRaw {
    /// Opens the parts where the name is that of a first one and there is a second beside it; else `None`.
    pub(super) fn open(
        first: &ContainerFile,
        name: &OsStr,
        opening: &Opening,
        warnings: &mut Warnings,
    ) -> Result<Option<SplitRaw>, Error> {
        let Some((number, digits)) = part_number(name) else {
            return Ok(None);
        };
        if number > 0 {
            refuse_middle(name, number, digits, opening)?;
        }
        let mut parts = vec![Part {
            name: name.to_owned(),
            start: 0,
            size: first.size(),
        }];
        let mut size = first.size();
        let mut stored_size = first.stored_size();
        for number in (number + 1..).take(MOST_PARTS) {
            let name = part_name(name, number, digits);
            let Some(part) = opening.open(&name)? else {
                break;
            };
            let start = size;
            let Some(end) = size.checked_add(part.size()) else {
                break;
            };
            size = end;
            stored_size = stored_size.saturating_add(part.stored_size());
            parts.push(Part {
                name,
                start,
                size: part.size(),
            });
        }
        if parts.len() == 1 {
            return Ok(None);
        }
        // All but the last are of one size: where bytes were lost, everything behind them is in the wrong place.
        for part in &parts[1..parts.len() - 1] {
            if part.size != first.size() {
                let text = format!(
                    "the part has {} bytes, the first one has {}: it may have been cut off when it was copied",
                    part.size,
                    first.size()
                );
                let warning = Warning::new(WarningCode::Truncated, text);
                warnings.push(warning.in_evidence(part.name.to_string_lossy()));
            }
        }
        Ok(Some(SplitRaw {
            parts,
            size,
            stored_size,
            opening: opening.clone(),
            opened: RecentlyUsed::new(OPEN_PARTS),
        }))
    }
}

/// A part from the middle is no disk of its own.
fn refuse_middle(name: &OsStr, number: u32, digits: usize, opening: &Opening) -> Result<(), Error> {
    let before = part_name(name, number - 1, digits);
    if opening.open(&before)?.is_none() {
        return Ok(());
    }
    let zeroth = part_name(name, 0, digits);
    let first = match opening.open(&zeroth)? {
        Some(_) => zeroth,
        None => part_name(name, 1, digits),
    };
    let remedy = format!("name its first part, {}", first.to_string_lossy());
    let what = format!("part .{number:0digits$} of a split image by itself");
    Err(Error::unsupported(what, remedy))
}

impl Pieces for SplitRaw {
    fn disk_size(&self) -> u64 {
        self.size
    }

    fn stored_size(&self) -> u64 {
        self.stored_size
    }

    fn piece(&self, offset: u64, length: u64) -> Result<Piece, Error> {
        // The last one that starts at or before the offset; empty ones start where the next does.
        let index = self.parts.partition_point(|part| part.start <= offset) - 1;
        let part = &self.parts[index];
        let file = self.opened.get_or_read(index, || {
            let name = part.name.to_string_lossy();
            let Some(bytes) = self.opening.open(&part.name)? else {
                let found = "no such file any more";
                return Err(Error::malformed("a part of the image", found).in_evidence(name));
            };
            Ok(ContainerFile::new(bytes, Some(&name)))
        })?;
        let within = offset - part.start;
        Ok(Piece {
            length: length.min(part.size - within),
            place: Place::File {
                file,
                offset: within,
            },
        })
    }
}
