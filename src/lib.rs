//! Offline inspector for DISM mount state.

mod error;
mod file_time;
mod observation;
pub mod registry;
mod signature;
mod wide_string;

pub use error::{Error, Position, Warning, WarningCode, Warnings};
pub use file_time::FileTime;
pub use observation::{NotCaptured, Observation};
pub use wide_string::WideString;
