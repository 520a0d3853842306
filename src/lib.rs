//! Offline inspector for DISM mount state.

mod error;
mod file_time;
pub mod registry;
mod wide_string;

pub use error::{Error, Position, Warning, WarningCode, Warnings};
pub use file_time::FileTime;
pub use wide_string::WideString;
