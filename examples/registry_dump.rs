//! Prints every key and value of a registry export as JSON lines, in the order in which they are recorded:
//!
//! `{"key","last_written","name","type","data_hex"}`; `name` is null and there is no type for the key itself, and `""` for its
//! default value. The type is the registry's number, the data is as the registry stores it. A deletion in a `.reg` file is the
//! same line with `"deleted": true`. Warnings go to standard error.
//!
//! `cargo run --example registry_dump -- EXPORT [CODE PAGE]`; `-` is standard input.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};

use dism_mount_status::registry::{CodePage, RegistryEntry, RegistryExport, RegistryKey};
use dism_mount_status::{FileTime, Position, WideString};
use serde::Serialize;

#[derive(Serialize)]
struct Entry<'a> {
    key: &'a WideString,
    last_written: Option<FileTime>,
    name: Option<&'a WideString>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    value_type: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_hex: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("which registry export?")?;
    let code_page = arguments
        .next()
        .map_or(Ok(CodePage::default()), |name| name.parse())?;
    let source: Box<dyn Read> = match path.as_str() {
        "-" => Box::new(io::stdin().lock()),
        path => Box::new(File::open(path)?),
    };
    match dump(source, code_page, &mut BufWriter::new(io::stdout().lock())) {
        Err(error) if is_closed_pipe(error.as_ref()) => Ok(()),
        result => result,
    }
}

fn dump(
    source: impl Read,
    code_page: CodePage,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let mut export = RegistryExport::open(source, code_page)?;
    let mut current = RegistryKey {
        path: WideString::default(),
        last_written: None,
        position: Position::Byte(0),
    };
    while let Some(entry) = export.next_entry()? {
        if let RegistryEntry::Key(key) = &entry {
            current = key.clone();
        }
        let mut line = Entry {
            key: &current.path,
            last_written: current.last_written,
            name: None,
            value_type: None,
            data_hex: None,
            deleted: false,
        };
        match &entry {
            RegistryEntry::Value(value) => {
                line.name = Some(&value.name);
                line.value_type = Some(value.value_type.0);
                line.data_hex = Some(
                    value
                        .data
                        .iter()
                        .map(|byte| format!("{byte:02x}"))
                        .collect(),
                );
            }
            RegistryEntry::KeyDeletion { path, .. } => {
                line.key = path;
                line.last_written = None;
                line.deleted = true;
            }
            RegistryEntry::ValueDeletion { name, .. } => {
                line.name = Some(name);
                line.deleted = true;
            }
            _ => {}
        }
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    for warning in export.into_warnings().as_slice() {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<io::Error>().map(io::Error::kind);
    let json = error
        .downcast_ref::<serde_json::Error>()
        .and_then(|error| error.io_error_kind());
    io.or(json) == Some(io::ErrorKind::BrokenPipe)
}
