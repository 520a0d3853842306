//! Offline inspector for DISM mount state.

mod binary;
mod error;
mod file_time;
mod observation;
pub mod mount_point;
pub mod registry;
mod signature;
mod wide_string;
pub mod wim;
mod windows_path;

pub use error::{Error, Position, Warning, WarningCode, Warnings};
pub use file_time::FileTime;
pub use observation::{NotCaptured, Observation};
pub use wide_string::WideString;
pub use windows_path::{PathComponent, PathRoot, WindowsPath};
