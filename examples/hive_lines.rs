//! Prints every key and value of a hive as JSON lines, its transaction logs replayed.
//!
//! `hive_lines HIVE [LOG...]`; what became of the logs and what could not be used goes to standard error.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use dism_mount_status::registry::RegistryKey;
use dism_mount_status::registry::hive::{Hive, WalkedKey};
use dism_mount_status::{FileTime, WideString};
use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    key: &'a WideString,
    last_written: Option<FileTime>,
    name: Option<&'a WideString>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    value_type: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_hex: Option<String>,
}

impl<'a> Line<'a> {
    fn of(key: &'a RegistryKey) -> Self {
        Line {
            key: &key.path,
            last_written: key.last_written,
            name: None,
            value_type: None,
            data_hex: None,
        }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = std::env::args().skip(1);
    let hive = File::open(paths.next().ok_or("usage: hive_lines HIVE [LOG...]")?)?;
    let logs = paths
        .map(|path| File::open(&path).map(|file| (path, file)))
        .collect::<io::Result<Vec<_>>>()?;
    let mut hive = Hive::open_with_logs(hive, logs)?;
    for log in &hive.recovery().logs {
        eprintln!("{log:?}");
    }
    let mut out = BufWriter::new(io::stdout().lock());
    for WalkedKey { key, values } in hive.walk()? {
        let line = Line::of(&key);
        line.write(&mut out)?;
        for value in &values {
            let data = value.data.iter().map(|byte| format!("{byte:02x}"));
            Line {
                name: Some(&value.name),
                value_type: Some(value.value_type.0),
                data_hex: Some(data.collect()),
                ..Line::of(&key)
            }
            .write(&mut out)?;
        }
    }
    out.flush()?;
    for warning in hive.warnings().as_slice() {
        eprintln!("{}: {warning}", warning.code());
    }
    Ok(())
}
