//! Prints every file of every image of a WIM as JSON: `wim_tree WIM [PART...]`, one line per file, whose data are read
//! and hashed, then one line with the warnings of the image. Before them a line tells what a verification of the whole WIM
//! found, by its integrity table and by the SHA-1 of all data.

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use dism_mount_status::wim::{CapturedWim, DirectoryEntry, ImageMetadata, Integrity, StreamEntry};
use dism_mount_status::{Error, PathComponent, Warnings};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

type Source = Arc<File>;

fn main() -> io::Result<()> {
    let mut paths = env::args_os().skip(1);
    let Some(path) = paths.next() else {
        return Err(io::Error::other("usage: wim_tree WIM [PART...]"));
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let (mut wim, warnings) = match CapturedWim::open(Arc::new(File::open(&path)?)) {
        Ok(opened) => opened,
        Err(error) => return writeln!(out, "{}", json!({ "error": error.to_string() })),
    };
    for part in paths {
        if let Err(error) = wim.add_part(Arc::new(File::open(&part)?)) {
            writeln!(out, "{}", json!({ "error": error.to_string() }))?;
        }
    }
    let missing_parts = wim.missing_parts();
    writeln!(
        out,
        "{}",
        json!({ "missing_parts": missing_parts, "warnings": warnings.as_slice() })
    )?;
    writeln!(out, "{}", verification_facts(&wim))?;
    for index in 1..=wim.image_count() {
        match wim.image(index) {
            Ok((image, warnings)) => print_image(&mut out, &wim, index, &image, warnings)?,
            Err(error) => writeln!(
                out,
                "{}",
                json!({ "image": index, "error": error.to_string() })
            )?,
        }
    }
    out.flush()
}

/// By the numbers of the parts: the damaged chunks, and how many data there are and how many are damaged.
fn verification_facts(wim: &CapturedWim<Source>) -> Value {
    let integrity = wim.verify(|_| ControlFlow::Continue(()));
    let data = wim.verify_data(|_| ControlFlow::Continue(()));
    let integrity = integrity.into_iter().flatten().map(|part| {
        let facts = match part.integrity {
            Ok(Integrity::NoTable) => Value::Null,
            Ok(Integrity::Verified { damaged, .. }) => {
                json!(damaged.iter().map(|chunk| chunk.number).collect::<Vec<_>>())
            }
            Err(error) => json!({ "error": error.to_string() }),
        };
        (part.part_number.to_string(), facts)
    });
    let data = data.into_iter().flatten().map(|part| {
        let facts = json!({ "count": part.count, "damaged_count": part.damaged_count });
        (part.part_number.to_string(), facts)
    });
    json!({ "damaged_chunks": integrity.collect::<Value>(), "data": data.collect::<Value>() })
}

fn print_image(
    out: &mut impl Write,
    wim: &CapturedWim<Source>,
    index: u32,
    image: &ImageMetadata,
    mut warnings: Warnings,
) -> io::Result<()> {
    let mut walk = image.walk();
    while let Some(entry) = walk.next() {
        let mut facts = file_facts(wim, &entry, &mut warnings);
        let path = walk.path();
        facts["image"] = index.into();
        facts["path"] = json!(path.iter().map(|name| &name.0).collect::<Vec<_>>());
        facts["is_found"] = is_found(image, &path, &entry).into();
        writeln!(out, "{facts}")?;
    }
    let all: Vec<_> = [warnings.as_slice(), walk.warnings().as_slice()].concat();
    writeln!(out, "{}", json!({ "image": index, "warnings": all }))
}

/// Whether looking the path up leads to the file that the walk came to.
fn is_found(image: &ImageMetadata, path: &[PathComponent], entry: &DirectoryEntry) -> bool {
    matches!(image.find(path), Ok(Some(found)) if found.position == entry.position)
}

fn file_facts(wim: &CapturedWim<Source>, entry: &DirectoryEntry, warnings: &mut Warnings) -> Value {
    let reparse_buffer = wim.read_reparse_buffer(entry, warnings);
    json!({
        "dos_name": entry.dos_name,
        "attributes": entry.attributes.bits(),
        "security_id": entry.security_id,
        "creation_time": entry.creation_time.ticks(),
        "last_access_time": entry.last_access_time.ticks(),
        "last_write_time": entry.last_write_time.ticks(),
        "hard_link_group": entry.hard_link_group,
        "reparse_tag": entry.reparse_tag.map(|tag| tag.0),
        "reparse_buffer": match reparse_buffer {
            Ok(buffer) => json!(buffer.map(|bytes| hexadecimal(&bytes))),
            Err(error) => json!({ "error": error.to_string() }),
        },
        "streams": entry.streams.iter().map(|stream| stream_facts(wim, stream)).collect::<Vec<_>>(),
    })
}

fn stream_facts(wim: &CapturedWim<Source>, stream: &StreamEntry) -> Value {
    json!({
        "kind": format!("{:?}", stream.kind),
        "name": stream.name,
        "sha1": stream.sha1.map(|sha1| hexadecimal(&sha1)),
        "data": match data_facts(wim, stream) {
            Ok(facts) => facts,
            Err(error) => json!({ "error": error.to_string() }),
        },
    })
}

/// Size and SHA-1 of the data as they are read.
fn data_facts(wim: &CapturedWim<Source>, stream: &StreamEntry) -> Result<Value, Error> {
    let Some(mut reader) = wim.open_stream(stream)? else {
        return Ok(Value::Null);
    };
    let mut hash = Sha1::new();
    let size = io::copy(&mut reader, &mut hash)?;
    Ok(json!({ "size": size, "sha1": hexadecimal(&hash.finalize()) }))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
