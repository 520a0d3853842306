//! An archive of any bytes: its members are listed and read, and what it holds as a collection, without a panic.

#![no_main]

use std::rc::Rc;

use dism_mount_status::capture::collection::archive::Archive;
use dism_mount_status::capture::collection::{Collected, Collection};
use dism_mount_status::capture::read_at::ReadAt;
use dism_mount_status::registry::MountRegistry;
use libfuzzer_sys::fuzz_target;

/// So many bytes of a member are read.
const READ: u64 = 64 << 10;

fuzz_target!(|bytes: &[u8]| {
    let bytes: Rc<dyn ReadAt> = Rc::new(bytes.to_vec());
    let Ok((archive, _)) = Archive::open(Rc::clone(&bytes)) else {
        return;
    };
    for (member, index) in archive.members().zip(0..16) {
        let Ok(data) = archive.open_member(index) else {
            continue;
        };
        assert_eq!(data.size(), member.size);
        let mut read = vec![0; data.size().min(READ) as usize];
        if data.read_exact_at(0, &mut read).is_ok() && !read.is_empty() {
            // What was read once is there again, from any place.
            let half = read.len() / 2;
            let mut again = vec![0; read.len() - half];
            assert!(data.read_exact_at(half as u64, &mut again).is_ok());
            assert_eq!(again, read[half..]);
        }
        let end = data.size();
        assert!(data.read_exact_at(end, &mut [0]).is_err());
    }
    let Ok(collection) = Collection::of_archive(bytes) else {
        return;
    };
    assert!(!collection.parts().is_empty());
    for part in 0..collection.parts().len().min(4) {
        let mut machines = match collection.read(part, None) {
            Ok(Collected::Machine(machine)) => vec![*machine],
            Ok(Collected::Disk(disk)) => {
                let parts = disk.installations(None).into_iter();
                parts.filter_map(|part| part.machine.ok()).collect()
            }
            _ => Vec::new(),
        };
        for machine in &mut machines {
            if let Some(Ok(mut hive)) = machine.take_software().map(|software| software.open()) {
                let _ = MountRegistry::read_from_hive(&mut hive);
            }
            let mut warnings = collection.take_warnings();
            machine.drives().find_orphans(&[], &mut warnings, |_| {});
        }
    }
});
