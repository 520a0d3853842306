//! Prints every file of an NTFS volume as JSON: `ntfs_files IMAGE [OFFSET]`, where OFFSET is the byte of the image at
//! which the volume starts. One line for each file, whose streams are read and hashed, then one with the mounts that were
//! found by a search of the whole volume, then one about the volume itself, with all warnings.

use std::collections::HashSet;
use std::env;
use std::io::{self, Write};

use dism_mount_status::capture::disk_image::ntfs::{MountTrace, NtfsFile, NtfsVolume, StreamName};
use dism_mount_status::capture::read_at::{Section, Seekable};
use dism_mount_status::{Error, WideString};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

/// Streams that are larger are not hashed, in bytes.
const MAX_HASHED_SIZE: u64 = 64 << 20;

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let Some(image) = arguments.next() else {
        return Err(io::Error::other("usage: ntfs_files IMAGE [OFFSET]"));
    };
    let offset = arguments.next().map_or(Ok(0), |offset| offset.parse());
    let offset = offset.map_err(io::Error::other)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let volume = Section::new(Seekable::open(image)?, offset, u64::MAX);
    let volume = match NtfsVolume::open(volume) {
        Ok(opened) => opened,
        Err(error) => return writeln!(out, "{}", json!({ "error": error.to_string() })),
    };
    match volume.root() {
        Ok(root) => print_tree(&mut out, root)?,
        Err(error) => writeln!(out, "{}", json!({ "error": error.to_string() }))?,
    }
    let mut mounts = Vec::new();
    volume.search_mounts(|trace| mounts.extend(trace.as_ref().map(trace_facts)));
    writeln!(out, "{}", json!({ "mounts": mounts }))?;
    let boot_sector = volume.boot_sector();
    let information = volume.information();
    let warnings = volume.take_warnings();
    let about = json!({
        "sector_size": boot_sector.sector_size,
        "cluster_size": boot_sector.cluster_size,
        "record_size": boot_sector.record_size,
        "serial_number": boot_sector.serial_number,
        "label": information.label,
        "version": information.version,
        "flags": information.flags,
        "warnings": warnings.as_slice(),
    });
    writeln!(out, "{about}")?;
    out.flush()
}

/// Prints a directory and all that is in it. A directory has one name only, so that each is listed once.
fn print_tree(out: &mut impl Write, root: NtfsFile) -> io::Result<()> {
    let mut pending = vec![(Vec::<WideString>::new(), root)];
    let mut listed = HashSet::new();
    while let Some((path, file)) = pending.pop() {
        writeln!(out, "{}", file_facts(&path, &file))?;
        if !file.is_directory() || !listed.insert(file.reference()) {
            continue;
        }
        let entries = match file.entries() {
            Ok(entries) => entries,
            Err(error) => {
                writeln!(
                    out,
                    "{}",
                    json!({ "path": path, "error": error.to_string() })
                )?;
                continue;
            }
        };
        for entry in entries {
            let child = entry.and_then(|entry| {
                let child = file.volume().file(entry.file)?;
                Ok((entry.file_name.name, child))
            });
            match child {
                Ok((name, _)) if name == "." => {}
                Ok((name, child)) => pending.push(([&path[..], &[name]].concat(), child)),
                Err(error) => writeln!(
                    out,
                    "{}",
                    json!({ "path": path, "entry_error": error.to_string() })
                )?,
            }
        }
    }
    Ok(())
}

fn file_facts(path: &[WideString], file: &NtfsFile) -> Value {
    json!({
        "path": path,
        "record": file.reference().record_number(),
        "is_directory": file.is_directory(),
        "is_found": is_found(path, file),
        "dos_name": or_error(file.dos_name()),
        "information": or_error(file.standard_information().map(|information| {
            json!({
                "attributes": information.file_attributes,
                "creation_time": information.creation_time.ticks(),
                "modification_time": information.modification_time.ticks(),
                "record_modification_time": information.record_modification_time.ticks(),
                "access_time": information.access_time.ticks(),
            })
        })),
        "reparse_data": or_error(
            file.reparse_data().map(|bytes| bytes.map(|bytes| hexadecimal(&bytes)))
        ),
        "streams": or_error(file.streams().map(|streams| {
            streams.iter().map(|stream| stream_facts(file, stream)).collect::<Vec<_>>()
        })),
    })
}

/// Whether looking the path up leads to the file, in whatever letter case.
fn is_found(path: &[WideString], file: &NtfsFile) -> Value {
    let look_up = || {
        let mut found = Some(file.volume().root()?);
        for name in path {
            found = match found {
                Some(directory) => directory.child(name)?,
                None => None,
            };
        }
        Ok(found.is_some_and(|found| found.reference() == file.reference()))
    };
    or_error(look_up())
}

fn stream_facts(file: &NtfsFile, stream: &StreamName) -> Value {
    let sha1 = || {
        let Some(mut reader) = file.open_stream(&stream.name)? else {
            return Ok(None);
        };
        if reader.size() > MAX_HASHED_SIZE {
            return Ok(None);
        }
        let mut hash = Sha1::new();
        io::copy(&mut reader, &mut hash)?;
        Ok(Some(hexadecimal(&hash.finalize())))
    };
    json!({ "name": stream.name, "size": stream.size, "sha1": or_error(sha1()) })
}

fn trace_facts(trace: &MountTrace) -> Value {
    let (kind, file) = match trace {
        MountTrace::Directory(file) => ("directory", file),
        MountTrace::File(file) => ("file", file),
        _ => return Value::Null,
    };
    json!({ "kind": kind, "record": file.reference().record_number(), "path": or_error(file.path()) })
}

fn or_error(result: Result<impl serde::Serialize, Error>) -> Value {
    match result {
        Ok(value) => json!(value),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
