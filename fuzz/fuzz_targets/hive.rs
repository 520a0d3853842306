//! A hive of any bytes: everything that can be asked of it ends, without a panic.

#![no_main]

use std::io::Cursor;

use dism_mount_status::registry::hive::Hive;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut hive) = Hive::open(Cursor::new(bytes)) else {
        return;
    };
    let _ = hive.find(&["Microsoft", "WIMMount", "Mounted Images"]);
    let mut data = 0;
    if let Ok(walk) = hive.walk() {
        for walked in walk {
            data += walked
                .values
                .iter()
                .map(|value| value.data.len())
                .sum::<usize>();
        }
    }
    // No cell is read over and over: see `Allowance`.
    assert!(data <= (bytes.len() * 2).max(1024 * 1024));
    // In a short list every name is compared, so what is listed is found, whatever order and hashes say. Damage can make a
    // long list one of few keys.
    let Ok(root) = hive.root() else { return };
    let is_short = root.subkey_count() <= 16;
    let subkeys = hive.subkeys(&root).unwrap_or_default();
    for key in subkeys.iter().take(8) {
        let found = hive.subkey(&root, key.name());
        assert!(!is_short || !matches!(found, Ok(None)));
        let _ = hive.values(key);
    }
});
