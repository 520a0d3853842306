//! Any bytes as a WIM file: whenever the header can be read the file opens, whatever the rest is.
#![no_main]

use std::io::Cursor;

use dism_mount_status::wim::{Wim, WimHeader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match (Wim::open(Cursor::new(bytes)), WimHeader::parse(bytes)) {
        (Ok((wim, warnings)), Ok(header)) => {
            assert!(header.is_pipable || wim.header == header);
            assert!(wim.xml.is_some() || !warnings.as_slice().is_empty());
            assert!(!wim.is_truncated() || !warnings.as_slice().is_empty());
        }
        (Err(error), Err(_)) => assert!(error.io_error_kind().is_none()),
        (Ok(_), Err(error)) => panic!("opened without a header: {error}"),
        (Err(error), Ok(_)) => panic!("a header, but {error}"),
    }
});
