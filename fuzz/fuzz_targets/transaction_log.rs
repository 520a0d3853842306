//! Two logs for a small dirty hive, with their checksums and hashes made right, so that what lies behind those is
//! reached. The result must not depend on the order of the logs.
//!
//! Input: one byte of options, four bytes of what the hive's base block says, then the bytes of the two logs behind
//! their base blocks.

#![no_main]

#[path = "../../tests/support/hive_writer.rs"]
mod hive_writer;

use std::io::Cursor;
use std::sync::OnceLock;

use dism_mount_status::registry::hive::{Hive, WalkedKey};
use hive_writer::{HiveWriter, Key, LogEntry, entries_log, seal, seal_entry, set_sequence};
use libfuzzer_sys::fuzz_target;

fn clean_hive() -> &'static [u8] {
    static HIVE: OnceLock<Vec<u8>> = OnceLock::new();
    HIVE.get_or_init(|| {
        let key = Key::new("Mounted Images")
            .sz("Mount Path", r"C:\mount")
            .dword("Status", 2);
        HiveWriter::default().write(&Key::new("ROOT").key_at(&["Microsoft", "WIMMount"], key))
    })
}

/// A log of these bytes: a base block before them, hashes made right in every entry that has a place.
fn log(body: &[u8], sequence: u32, old: bool, torn: bool) -> Vec<u8> {
    let empty = LogEntry {
        sequence,
        hive_bins_len: 0,
        pages: Vec::new(),
    };
    let mut log = entries_log(clean_hive(), &[empty]);
    log.truncate(512);
    log[28] = if old { 1 } else { 6 };
    if old {
        log.extend(b"DIRT");
    }
    seal(&mut log);
    log.extend(body);
    let mut at = 512;
    while !old && !torn && at + 40 <= log.len() && log[at..].starts_with(b"HvLE") {
        let size = u32::from_le_bytes(log[at + 4..at + 8].try_into().unwrap()) as usize;
        let size = (size.next_multiple_of(512)).clamp(512, (log.len() - at).max(512));
        let end = (at + size).min(log.len());
        if end - at < 40 {
            break;
        }
        seal_entry(&mut log[at..end]);
        at = end;
    }
    log
}

fn read(hive: &[u8], logs: [(&str, &[u8]); 2]) -> Option<Vec<WalkedKey>> {
    let logs = logs
        .into_iter()
        .map(|(name, log)| (name.to_owned(), Cursor::new(log)))
        .collect();
    let mut hive = Hive::open_with_logs(Cursor::new(hive), logs).ok()?;
    Some(hive.walk().ok()?.collect())
}

fuzz_target!(|input: &[u8]| {
    let [options, first, second, split_low, split_high, bodies @ ..] = input else {
        return;
    };
    let split = usize::from(u16::from_le_bytes([*split_low, *split_high])).min(bodies.len());
    let (a, b) = bodies.split_at(split);
    let mut hive = clean_hive().to_vec();
    set_sequence(&mut hive, 2, 1);
    if options & 1 != 0 {
        hive[508] ^= 0xFF;
    }
    let a = log(a, u32::from(*first), options & 2 != 0, options & 8 != 0);
    let b = log(b, u32::from(*second), options & 4 != 0, options & 16 != 0);
    let forwards = read(&hive, [("LOG1", &a), ("LOG2", &b)]);
    let backwards = read(&hive, [("LOG2", &b), ("LOG1", &a)]);
    assert_eq!(forwards, backwards);
});
