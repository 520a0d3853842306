//! A `.reg` file: the search for the mount registry finds what the whole reading finds, and the registrations are judged.

#![no_main]

use dism_mount_status::registry::reg_file::RegFile;
use dism_mount_status::registry::{CodePage, MountRegistryCollector};
use dism_mount_status::{Evidence, derive};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut all) = RegFile::new(bytes, CodePage::WINDOWS_1252) else {
        return;
    };
    let mut whole = MountRegistryCollector::default();
    while let Ok(Some(entry)) = all.next_entry() {
        whole.push(entry);
    }
    let mut found = MountRegistryCollector::default();
    if let Ok(file) = RegFile::new(bytes, CodePage::WINDOWS_1252) {
        let mut file = file.only_mount_registry();
        while let Ok(Some(entry)) = file.next_entry() {
            found.push(entry);
        }
    }
    let whole = whole.finish();
    assert_eq!(whole.registrations, found.finish().registrations);
    for registration in whole.registrations {
        derive(&Evidence::from_registration(registration));
    }
});
