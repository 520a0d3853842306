//! Prints what a disk image is: `disk_image IMAGE` prints a line of JSON with its format, its partitions and what is in
//! them, and the warnings. `disk_image IMAGE START LENGTH` writes that range of the virtual disk, or as much of it as
//! there is, to standard output.

use std::env;
use std::io::{self, Write};
use std::path::Path;

use dism_mount_status::capture::disk_image::{
    Disk, FileSystem, Partition, PartitionKind, PartitionScheme, PartitionTable,
};
use dism_mount_status::capture::read_at::{ReadAt, Section};
use dism_mount_status::{Error, Warnings};
use serde_json::{Value, json};

fn main() -> io::Result<()> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let (image, range) = match &arguments[..] {
        [image] => (Path::new(image), None),
        [image, start, length] => {
            let number = |text: &std::ffi::OsStr| {
                let number = text.to_str().and_then(|text| text.parse().ok());
                number.ok_or_else(|| io::Error::other("START and LENGTH are numbers of bytes"))
            };
            (Path::new(image), Some((number(start)?, number(length)?)))
        }
        _ => {
            let usage = "usage: disk_image IMAGE [START LENGTH]";
            return Err(io::Error::other(usage));
        }
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    match Disk::open(image) {
        Ok((disk, warnings)) => match range {
            Some((start, length)) => copy(&Section::new(disk, start, length), &mut out)?,
            None => writeln!(out, "{}", facts(&disk, warnings))?,
        },
        Err(error) if range.is_none() => {
            writeln!(out, "{}", json!({ "error": error.to_string() }))?;
        }
        Err(error) => return Err(error.into()),
    }
    out.flush()
}

fn copy(bytes: &dyn ReadAt, out: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    let mut offset = 0;
    while offset < bytes.size() {
        let length = (bytes.size() - offset).min(buffer.len() as u64);
        let part = &mut buffer[..length as usize];
        bytes.read_exact_at(offset, part)?;
        out.write_all(part)?;
        offset += length;
    }
    Ok(())
}

fn facts(disk: &Disk, warnings: Warnings) -> Value {
    let mut all = warnings.as_slice().to_vec();
    let table = PartitionTable::read(disk, disk.sector_size()).map(|(table, warnings)| {
        all.extend(warnings.as_slice().iter().cloned());
        table_facts(disk, &table)
    });
    json!({
        "format": disk.format().to_string(),
        "variant": disk.variant(),
        "size": disk.size(),
        "sector_size": disk.sector_size(),
        "table": table.unwrap_or_else(error_facts),
        "warnings": all,
    })
}

fn table_facts(disk: &Disk, table: &PartitionTable) -> Value {
    let (scheme, id) = match table.scheme {
        PartitionScheme::None => ("none", None),
        PartitionScheme::Mbr { signature } => ("dos", Some(format!("{signature:#010x}"))),
        PartitionScheme::Gpt { disk } => ("gpt", Some(disk.to_string())),
        _ => ("unknown", None),
    };
    let partitions = table.partitions.iter();
    let partitions: Vec<_> = partitions.map(|one| partition_facts(disk, one)).collect();
    json!({
        "scheme": scheme,
        "id": id,
        "sector_size": table.sector_size,
        "partitions": partitions,
    })
}

fn partition_facts(disk: &Disk, partition: &Partition) -> Value {
    let kind = match partition.kind {
        PartitionKind::WholeDisk => None,
        PartitionKind::Mbr(kind) => Some(format!("{kind:x}")),
        PartitionKind::Gpt(kind) => Some(kind.to_string()),
        _ => None,
    };
    let file_system = FileSystem::identify(&partition.volume(disk));
    json!({
        "number": partition.number,
        "start": partition.start,
        "size": partition.size,
        "type": kind,
        "identity": format!("{:?}", partition.identity),
        "name": partition.name,
        "file_system": match file_system {
            Ok(file_system) => json!(file_system.to_string()),
            Err(error) => error_facts(error),
        },
    })
}

fn error_facts(error: Error) -> Value {
    json!({ "error": error.to_string() })
}
