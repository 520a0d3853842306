//! The hives of one machine, of which each is needed, for tests.
#![allow(unreachable_pub)]

use std::fs;
use std::path::Path;

use super::hive_writer::{HiveWriter, Key, LogEntry, REG_BINARY, entries_log, set_sequence};

/// Writes a SOFTWARE hive without mounts, a log that adds one, and a SYSTEM hive of a later shutdown.
pub fn write_hives(folder: &Path) {
    let mounted_images = |images: Key| {
        let path = ["Microsoft", "WIMMount"];
        HiveWriter::default().write(&Key::new("SOFTWARE").key_at(&path, images))
    };
    let image = Key::new("{e242237c-66ed-4958-b9ec-c49b07eaeeb5}")
        .written(0x01DB_5900_0000_0000)
        .sz("WIM Path", r"C:\images\install.wim")
        .sz("Mount Path", r"C:\mount")
        .dword("Image Index", 1)
        .dword("Status", 2);
    let mut before = mounted_images(Key::new("Mounted Images"));
    let after = mounted_images(Key::new("Mounted Images").key(image));
    let log = entries_log(&before, &[LogEntry::between(&before, &after, 7)]);
    set_sequence(&mut before, 8, 7);
    let shutdown = u64::to_le_bytes(0x01DB_5934_0000_0000);
    let windows = Key::new("Windows").value("ShutdownTime", REG_BINARY, &shutdown);
    let service = Key::new("WIMMount")
        .dword("Start", 3)
        .sz("ImagePath", "wimmount.sys");
    let system = Key::new("SYSTEM")
        .key(Key::new("Select").dword("Current", 1))
        .key_at(&["ControlSet001", "Control"], windows)
        .key_at(&["ControlSet001", "Services"], service);
    for (name, bytes) in [
        ("SOFTWARE", &before),
        ("SOFTWARE.LOG1", &log),
        ("SYSTEM", &HiveWriter::default().write(&system)),
    ] {
        fs::write(folder.join(name), bytes).unwrap();
    }
}
