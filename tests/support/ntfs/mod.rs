//! Small NTFS volumes, for the tests. What is here names nothing of the library.

mod attributes;
mod index;
mod layout;
mod sample;
#[path = "../wim_compressor.rs"]
mod wim_compressor;
mod writer;

pub(crate) use attributes::protect;
pub(crate) use layout::{File, Journal, Layout, Storage, Stream, units, usual_upcase};
pub(crate) use sample::{
    MOUNT_DATA, data, everything, noise, reparse_data, repeated_names, small_layout, stub, wof,
};
pub(crate) use writer::write_volume;
