//! Prints every key and value of a hive as JSON lines, its transaction logs replayed.
//!
//! `hive_lines HIVE [LOG...]`; what could not be used goes to standard error.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use dism_mount_status::registry::hive::Hive;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = std::env::args().skip(1);
    let hive = File::open(paths.next().ok_or("usage: hive_lines HIVE [LOG...]")?)?;
    let logs = paths
        .map(|path| File::open(&path).map(|file| (path, file)))
        .collect::<io::Result<Vec<_>>>()?;
    let mut hive = Hive::open_with_logs(hive, logs)?;
    eprintln!("{:?}", hive.recovery());
    let mut out = BufWriter::new(io::stdout().lock());
    for walked in hive.walk()? {
        let key = serde_json::to_string(&walked.key.path)?;
        let ticks = walked.key.last_written.map_or(0, |time| time.ticks());
        writeln!(out, r#"{{"key":{key},"last_written":{ticks},"name":null}}"#)?;
        for value in walked.values {
            let name = serde_json::to_string(&value.name)?;
            let data: String = value
                .data
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            writeln!(
                out,
                r#"{{"key":{key},"last_written":{ticks},"name":{name},"type":{},"data_hex":"{data}"}}"#,
                value.value_type.0
            )?;
        }
    }
    out.flush()?;
    for warning in hive.warnings().as_slice() {
        eprintln!("{}: {warning}", warning.code());
    }
    Ok(())
}
