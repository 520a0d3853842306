//! Every truncation and every flipped byte of the smaller registry fixtures gives a result, a warning or an error.

use std::fs;

use dism_mount_status::registry::{CodePage, RegistryExport};

/// Reads an export both ways: everything, and only the mount registry. What comes of it is not judged here, that it ends is.
fn read(bytes: &[u8]) {
    let open = || RegistryExport::open(bytes, CodePage::from_number(850));
    if let Ok(mut export) = open() {
        while export.next_entry().expect("memory can be read").is_some() {}
    }
    if let Ok(export) = open() {
        export.read_mount_registry().expect("memory can be read");
    }
}

fn damage(fixture: &str) {
    let bytes = fs::read(format!("fixtures/registry/{fixture}")).unwrap();
    for length in 0..bytes.len() {
        read(&bytes[..length]);
    }
    let mut flipped = bytes.clone();
    for (at, &byte) in bytes.iter().enumerate() {
        for flip in [0x01, 0xFF] {
            flipped[at] = byte ^ flip;
            read(&flipped);
        }
        flipped[at] = byte;
    }
}

#[test]
fn an_export_in_utf_16_is_read_however_damaged() {
    damage("one-mounted.reg");
}

#[test]
fn an_export_in_utf_8_is_read_however_damaged() {
    damage("samba.version-5.reg");
}

#[test]
fn an_export_in_a_code_page_is_read_however_damaged() {
    damage("samba.regedit4.reg");
}

#[test]
fn the_output_of_reg_query_is_read_however_damaged() {
    damage("wine.reg-query.txt");
}
