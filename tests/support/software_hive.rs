//! A SOFTWARE hive of a wanted size with mount registrations in it, for tests and measurements.
#![allow(dead_code, unreachable_pub)]

use super::hive_writer::{HiveWriter, Key, REG_BINARY};

/// Where the registrations are.
pub const MOUNTED_IMAGES: [&str; 3] = ["Microsoft", "WIMMount", "Mounted Images"];

/// A hive of about `len` bytes: hundreds of keys beside `WIMMount`, at most 100,000 below `Classes`.
pub fn software_hive(len: usize, registrations: u32) -> Vec<u8> {
    HiveWriter::default().write(&software(len, registrations))
}

fn software(len: usize, registrations: u32) -> Key {
    const GROUPS: usize = 100;
    // What a key costs beside its data: nk, vk, their lists, the rest of a bin.
    const OVERHEAD: usize = 150;
    let data_len = (len / 100_000).saturating_sub(OVERHEAD).max(100);
    let keys = len / (data_len + OVERHEAD);
    let data = vec![0x5A; data_len];
    let mut classes = Key::new("Classes");
    for group in 0..GROUPS {
        let mut parent = Key::new(format!("Group{group:03}").as_str());
        for i in 0..keys / GROUPS {
            parent =
                parent.key(Key::new(format!("Class{i:06}").as_str()).value("", REG_BINARY, &data));
        }
        classes = classes.key(parent);
    }
    let mut microsoft = Key::new("Microsoft");
    for i in 0..500 {
        let name = format!("Component {i:03}");
        microsoft = microsoft.key(Key::new(name.as_str()).sz("Version", "10.0.22621.1"));
    }
    let mut root = Key::new("CMI-CreateHive{00000000-0000-0000-0000-000000000000}")
        .key(classes)
        .key(microsoft);
    for i in 0..registrations {
        let name = format!("{{{i:08x}-0000-4000-8000-000000000000}}");
        let registration = Key::new(name.as_str())
            .written(0x01DA_0000_0000_0000 + u64::from(i))
            .sz("WIM Path", &format!(r"C:\images\{i}.wim"))
            .sz("Mount Path", &format!(r"C:\mount\{i}"))
            .dword("Image Index", i + 1)
            .dword("Status", 2);
        root = root.key_at(&MOUNTED_IMAGES, registration);
    }
    root
}
