//! Prints every key and value of a registry export or a hive as JSON lines, in the order in which they are recorded:
//!
//! `{"key","last_written","name","type","data_hex"}`; `name` is null and there is no type for the key itself, and `""` for its
//! default value. The type is the registry's number, the data is as the registry stores it. A deletion in a `.reg` file is the
//! same line with `"deleted": true`. Warnings, values whose data cannot be read, and what became of a hive's transaction
//! logs go to standard error.
//!
//! `cargo run --example registry_dump -- [--code-page NAME] [--log FILE]... EVIDENCE`
//!
//! EVIDENCE is a file, or `-` for standard input; its content tells what it is. The code page is that of `REGEDIT4` files and of
//! `reg query` text. Without `--log`, a hive takes the logs that lie beside it.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use dism_mount_status::capture::HiveFiles;
use dism_mount_status::registry::hive::{self, Hive, WalkedKey};
use dism_mount_status::registry::{
    CodePage, RegistryEntry, RegistryExport, RegistryKey, RegistryValue,
};
use dism_mount_status::{FileTime, Position, WideString};
use serde::Serialize;

const USAGE: &str = "usage: registry_dump [--code-page NAME] [--log FILE]... EVIDENCE";

fn main() -> ExitCode {
    match run() {
        Err(error) if !is_closed_pipe(error.as_ref()) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (mut code_page, mut logs, mut evidence) = (None, Vec::new(), None);
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--code-page") => {
                let name = arguments.next().ok_or(USAGE)?;
                code_page = Some(name.to_string_lossy().parse()?);
            }
            Some("--log") => logs.push(PathBuf::from(arguments.next().ok_or(USAGE)?)),
            _ if evidence.is_none() => evidence = Some(PathBuf::from(argument)),
            _ => return Err(USAGE.into()),
        }
    }
    let evidence = evidence.ok_or(USAGE)?;
    let is_stdin = evidence == Path::new("-");
    let mut source: Box<dyn Read> = match is_stdin {
        true => Box::new(io::stdin().lock()),
        false => Box::new(File::open(&evidence)?),
    };
    let mut bytes = Vec::new();
    let start = hive::START as u64;
    source.by_ref().take(start).read_to_end(&mut bytes)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if !hive::is_hive(&bytes) {
        dump_export(Cursor::new(bytes).chain(source), code_page, &mut out)?;
    } else if is_stdin {
        source.read_to_end(&mut bytes)?;
        let logs = logs.iter().map(|log| {
            let bytes = fs::read(log).map_err(|error| format!("{}: {error}", log.display()))?;
            Ok((log.display().to_string(), Cursor::new(bytes)))
        });
        let logs = logs.collect::<Result<_, String>>()?;
        dump_hive(Hive::open_with_logs(Cursor::new(bytes), logs)?, &mut out)?;
    } else {
        dump_hive(HiveFiles::on_host(&evidence, &logs)?.open()?, &mut out)?;
    }
    Ok(out.flush()?)
}

fn dump_hive<R: Read + Seek>(
    mut hive: Hive<R>,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    for log in &hive.recovery().logs {
        eprintln!("log: {log:?}");
    }
    for WalkedKey { key, values, .. } in hive.walk()? {
        Line::of(&key).write(out)?;
        for value in &values {
            Line::of(&key).value(value).write(out)?;
        }
    }
    for warning in hive.warnings().as_slice() {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

fn dump_export(
    source: impl Read,
    code_page: Option<CodePage>,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let mut export = RegistryExport::open(source, code_page)?;
    let mut current = RegistryKey::new(WideString::default(), Position::Byte(0));
    while let Some(entry) = export.next_entry()? {
        if let RegistryEntry::Key(key) = &entry {
            current = key.clone();
        }
        let line = Line::of(&current);
        match &entry {
            RegistryEntry::Value(value) => line.value(value),
            RegistryEntry::ValueDeletion { name, .. } => Line {
                name: Some(name),
                deleted: true,
                ..line
            },
            RegistryEntry::KeyDeletion { path, .. } => Line {
                key: path,
                last_written: None,
                deleted: true,
                ..line
            },
            RegistryEntry::UnreadableValue { name, error, .. } => {
                eprintln!("warning: {}: {name}: {error}", current.path);
                continue;
            }
            _ => line,
        }
        .write(out)?;
    }
    for warning in export.into_warnings().as_slice() {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

#[derive(Serialize)]
struct Line<'a> {
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

impl<'a> Line<'a> {
    fn of(key: &'a RegistryKey) -> Self {
        Line {
            key: &key.path,
            last_written: key.last_written,
            name: None,
            value_type: None,
            data_hex: None,
            deleted: false,
        }
    }

    fn value(self, value: &'a RegistryValue) -> Self {
        let bytes = value.data.iter().map(|byte| format!("{byte:02x}"));
        Line {
            name: Some(&value.name),
            value_type: Some(value.value_type.0),
            data_hex: Some(bytes.collect()),
            ..self
        }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")
    }
}

fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<io::Error>().map(io::Error::kind);
    io == Some(io::ErrorKind::BrokenPipe)
}
