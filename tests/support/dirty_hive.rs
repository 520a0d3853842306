//! Writes a hive with the logs that lead to its later states, by the tests' own writer, for other readers to read:
//!
//! `cargo run --example dirty_hive -- HIVE MINOR_VERSION lf|lh|li LEAF_LEN <STATES`
//!
//! STATES has a line for each key and value: key, name, type and data, divided by tabs; texts and data in hexadecimal, texts as
//! UTF-16LE; a key's own line is its path alone. Keys come after those above them. An empty line divides the states. HIVE is the first of
//! them. The entries that lead to the others are in HIVE.LOG1 and, the later half of them, in HIVE.LOG2.

#[path = "hive_writer.rs"]
mod hive_writer;

use std::error::Error;
use std::{env, fs, io};

use dism_mount_status::WideString;
use hive_writer::{HiveWriter, Key, List, LogEntry, dirty, entries_log, grow};

const FIRST_SEQUENCE: u32 = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [hive, minor_version, list, leaf_len] = &arguments[..] else {
        return Err("usage: dirty_hive HIVE MINOR_VERSION lf|lh|li LEAF_LEN".into());
    };
    let writer = HiveWriter {
        minor_version: minor_version.parse()?,
        list: match list.as_str() {
            "lf" => List::Lf,
            "lh" => List::Lh,
            "li" => List::Li,
            _ => return Err(format!("no kind of list: {list}").into()),
        },
        leaf_len: leaf_len.parse()?,
        ..HiveWriter::default()
    };
    let states = io::read_to_string(io::stdin())?;
    let mut states = states
        .split("\n\n")
        .map(|state| Ok(writer.write(&tree(state)?)))
        .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    grow(&mut states);
    let entries: Vec<LogEntry> = states
        .windows(2)
        .zip(FIRST_SEQUENCE..)
        .map(|(states, sequence)| LogEntry::between(&states[0], &states[1], sequence))
        .collect();
    let first = &states[0];
    if entries.is_empty() {
        return Ok(fs::write(hive, first)?);
    }
    fs::write(hive, dirty(first, FIRST_SEQUENCE))?;
    let (log1, log2) = entries.split_at(entries.len().div_ceil(2));
    fs::write(format!("{hive}.LOG1"), entries_log(first, log1))?;
    if !log2.is_empty() {
        fs::write(format!("{hive}.LOG2"), entries_log(first, log2))?;
    }
    Ok(())
}

/// The tree below the root key that the lines of a state describe.
fn tree(state: &str) -> Result<Key, Box<dyn Error>> {
    let mut root = Key::new("ROOT");
    for line in state.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let path = text(cells[0])?;
        let parts = path.as_units().split(|&unit| unit == u16::from(b'\\'));
        let mut key = &mut root;
        for part in parts {
            let name = WideString::from_units(part.to_vec());
            let at = match key.subkeys.iter().position(|subkey| subkey.name == name) {
                Some(at) => at,
                None => {
                    key.subkeys.push(Key::new(name));
                    key.subkeys.len() - 1
                }
            };
            key = &mut key.subkeys[at];
        }
        if let [_, name, value_type, data] = cells[..] {
            *key = std::mem::take(key).value(text(name)?, value_type.parse()?, &bytes(data)?);
        }
    }
    Ok(root)
}

fn text(hexadecimal: &str) -> Result<WideString, Box<dyn Error>> {
    let units = bytes(hexadecimal)?
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect::<Vec<_>>();
    Ok(WideString::from_units(units))
}

fn bytes(hexadecimal: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let digits = hexadecimal.as_bytes().chunks(2);
    digits
        .map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?))
        .collect()
}
