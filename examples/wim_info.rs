//! Prints what the header and the XML data of a WIM say, as JSON: `wim_info FILE...`, one line per file.

use std::env;
use std::fs::File;
use std::io::{self, Write};

use dism_mount_status::wim::{ResourceHeader, Wim, WimImage};
use serde_json::{Value, json};

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for path in env::args_os().skip(1) {
        let facts = match Wim::open(File::open(&path)?) {
            Ok((wim, warnings)) => {
                let mut facts = wim_facts(&wim);
                facts["warnings"] = json!(warnings.as_slice());
                facts
            }
            Err(error) => json!({ "error": error.to_string() }),
        };
        writeln!(out, "{facts}")?;
    }
    Ok(())
}

fn wim_facts(wim: &Wim) -> Value {
    let header = &wim.header;
    json!({
        "is_pipable": header.is_pipable,
        "version": header.version,
        "flags": header.flags.bits(),
        "flag_names": header.flags.iter_names().map(|(name, _)| name).collect::<Vec<_>>(),
        "compression": format!("{:?}", header.compression()),
        "chunk_size": header.chunk_size,
        "guid": header.guid.simple().to_string(),
        "part_number": header.part_number,
        "total_parts": header.total_parts,
        "image_count": header.image_count,
        "lookup_table": resource(&header.lookup_table),
        "xml_data": resource(&header.xml_data),
        "boot_metadata": resource(&header.boot_metadata),
        "boot_index": header.boot_index,
        "integrity_table": resource(&header.integrity_table),
        "is_solid": header.is_solid(),
        "is_split": header.is_split(),
        "cut_off": wim.cut_off,
        "xml_total_bytes": wim.xml.as_ref().and_then(|xml| xml.total_bytes),
        "is_encrypted": wim.xml.as_ref().map(|xml| xml.is_encrypted),
        "images": wim.xml.as_ref().map(|xml| xml.images.iter().map(image).collect::<Vec<_>>()),
    })
}

fn resource(resource: &ResourceHeader) -> Value {
    json!({
        "size": resource.size,
        "flags": resource.flags,
        "offset": resource.offset,
        "original_size": resource.original_size,
    })
}

fn image(image: &WimImage) -> Value {
    json!({
        "index": image.index,
        "name": image.name,
        "description": image.description,
        "flags": image.flags,
        "edition_id": image.edition_id,
        "version": image.version.map(|version| version.to_string()),
        "architecture": image.architecture.map(|architecture| architecture.to_string()),
        "creation_time": image.creation_time.map(|time| time.ticks()),
        "last_modification_time": image.last_modification_time.map(|time| time.ticks()),
        "total_bytes": image.total_bytes,
        "directory_count": image.directory_count,
        "file_count": image.file_count,
        "is_wimboot": image.is_wimboot,
    })
}
