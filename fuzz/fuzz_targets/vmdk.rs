//! A VMDK of any bytes, which may be its own extent and its own parent: what can be read of it is read, without a panic.

#![no_main]

mod disk_image;

use std::rc::Rc;

use disk_image::{OneFile, read};
use dism_mount_status::capture::read_at::ReadAt;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let bytes: Rc<dyn ReadAt> = Rc::new(bytes.to_vec());
    read(bytes.clone(), "a.vmdk", Rc::new(OneFile(bytes)));
});
