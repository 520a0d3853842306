//! Names of any bytes in a collection: each is decoded once, and finding the volumes in it ends, without a panic.

#![no_main]

use dism_mount_status::capture::DriveName;
use dism_mount_status::capture::collection::{Spelling, drive_of_folder};
use libfuzzer_sys::fuzz_target;

/// Spells a name as Velociraptor does.
fn spelt(name: &str) -> String {
    let mut spelt = String::new();
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            b'.' if index == 0 => spelt.push_str("%2E"),
            b'-' | b'_' | b'.' | b'~' | b' ' | b'$' => spelt.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => spelt.push(char::from(byte)),
            byte => spelt.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.ends_with(".db") || name.ends_with('_') {
        spelt.push('_');
    }
    spelt
}

fuzz_target!(|bytes: &[u8]| {
    let plain = Spelling::Plain.decode(bytes);
    let decoded = Spelling::Velociraptor.decode(bytes);
    // A number of one byte is three bytes long.
    assert!(decoded.as_units().len() <= bytes.len());
    if !bytes.contains(&b'%') && !bytes.ends_with(b"_") {
        assert_eq!(decoded, plain);
    }
    if let Ok(name) = std::str::from_utf8(bytes) {
        assert_eq!(plain, name);
        let spelt = spelt(name);
        assert_eq!(Spelling::Velociraptor.decode(spelt.as_bytes()), name);
        // A drive that Windows would spell so is the drive of its folder.
        if let Ok(drive) = name.parse::<DriveName>()
            && name.contains([':', '\\'])
            && spelt != name
        {
            let found = drive_of_folder(spelt.as_bytes());
            // `C:` is KAPE's own spelling, too.
            assert_eq!(found.map(|(drive, _)| drive), Some(drive));
        }
    }
    if let Some((drive, _)) = drive_of_folder(bytes) {
        let shown = drive.to_string();
        assert_eq!(shown.parse::<DriveName>(), Ok(drive));
    }
});
