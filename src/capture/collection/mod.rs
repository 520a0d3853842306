//! Triage collections, read as they are.

pub mod archive;
mod wanted;
