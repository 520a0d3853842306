//! Where a link in a capture leads.

use std::path::Path;

use crate::error::Error;
use crate::mount_point::{ReparseData, ReparsePoint};
use crate::windows_path::{PathComponent, PathRoot, WindowsPath};

/// Where a link leads.
#[derive(Debug)]
pub(crate) enum Link {
    /// To a path that Windows knows.
    To(WindowsPath),
    /// Along these names from the link's own directory.
    Beside(Vec<PathComponent>),
    /// Along these names from the root of the volume.
    FromRoot(Vec<PathComponent>),
}

impl Link {
    /// Where Windows would go at a reparse point; `None` for one that is no link.
    ///
    /// # Errors
    /// When it leads to no place of its own.
    pub(crate) fn of(point: &ReparsePoint) -> Result<Option<Link>, Error> {
        let target = match &point.data {
            ReparseData::MountPoint {
                substitute_name, ..
            } => substitute_name,
            ReparseData::SymbolicLink(link) => &link.substitute_name,
            _ => return Ok(None),
        };
        let target = WindowsPath::parse(target);
        match target.root {
            PathRoot::CurrentDirectory => Ok(Some(Link::Beside(target.components))),
            PathRoot::CurrentDrive => Ok(Some(Link::FromRoot(target.components))),
            PathRoot::DriveDirectory(_) => Err(Error::malformed(
                "a link to a path",
                format!("one to the current directory of a drive, {target}"),
            )),
            _ => Ok(Some(Link::To(target))),
        }
    }
}

/// The error for a link out of the capture: nothing there belongs to the captured machine.
pub(crate) fn leads_out(target: &Path) -> Error {
    Error::malformed(
        "a link to something in the drive's folder",
        format!("one to {}", target.display()),
    )
}
