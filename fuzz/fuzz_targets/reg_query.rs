//! What `reg query` printed, in any encoding.

#![no_main]

use dism_mount_status::registry::reg_query::RegQuery;
use dism_mount_status::registry::{CodePage, MountRegistryCollector};
use dism_mount_status::{Evidence, derive};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Half of the inputs in a code page that is known.
    let code_page = CodePage::from_number(850).filter(|_| bytes.len() % 2 == 0);
    let Ok(mut query) = RegQuery::new(bytes, code_page) else {
        return;
    };
    let mut collector = MountRegistryCollector::default();
    while let Ok(Some(entry)) = query.next_entry() {
        collector.push(entry);
    }
    for registration in collector.finish().registrations {
        derive(&Evidence::from_registration(registration));
    }
});
