//! Where a link in a capture leads.

use std::path::{Component, Path};

use super::{extended_attribute, host_name};
use crate::error::Error;
use crate::mount_point::{ReparseData, ReparsePoint, ReparseTag};
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
    /// Nowhere: the host shows a reparse point as a link that is none on Windows.
    ReparsePoint(ReparseTag),
}

/// Reads a link of the volume whose folder is `root`.
///
/// ntfs-3g shows every reparse point as a link, and its data as an attribute: those tell what Windows would do. What
/// the host makes of it counts where there is no such attribute.
///
/// # Errors
/// When the link cannot be read, or leads out of the folder.
pub(crate) fn read(link: &Path, root: &Path) -> Result<Link, Error> {
    match reparse_data(link) {
        Some(bytes) => windows_link(&bytes),
        None => host_link(link, root),
    }
}

/// The tag of a reparse point, where the host tells.
pub(crate) fn reparse_point(path: &Path) -> Option<ReparsePoint> {
    ReparsePoint::parse(&reparse_data(path)?)
        .ok()
        .map(|(point, _)| point)
}

/// ntfs-3g answers to this name, and does not list it.
fn reparse_data(path: &Path) -> Option<Vec<u8>> {
    extended_attribute::get(path, "system.ntfs_reparse_data").ok()?
}

fn windows_link(bytes: &[u8]) -> Result<Link, Error> {
    let (point, _) = ReparsePoint::parse(bytes)?;
    let target = match point.data {
        ReparseData::MountPoint {
            substitute_name, ..
        } => substitute_name,
        ReparseData::SymbolicLink(link) => link.substitute_name,
        _ => return Ok(Link::ReparsePoint(point.tag)),
    };
    let target = WindowsPath::parse(&target);
    match target.root {
        PathRoot::CurrentDirectory => Ok(Link::Beside(target.components)),
        PathRoot::CurrentDrive => Ok(Link::FromRoot(target.components)),
        PathRoot::DriveDirectory(_) => Err(Error::malformed(
            "a link to a path",
            format!("one to the current directory of a drive, {target}"),
        )),
        _ => Ok(Link::To(target)),
    }
}

fn host_link(link: &Path, root: &Path) -> Result<Link, Error> {
    let target = link.read_link().map_err(|error| Error::io(&error))?;
    if target.has_root() || target.is_absolute() {
        return match target.strip_prefix(root) {
            Ok(inside) => Ok(Link::FromRoot(names(inside))),
            Err(_) => Err(leads_out(&target)),
        };
    }
    Ok(Link::Beside(names(&target)))
}

/// The error for a link out of the folder: nothing there belongs to the captured machine.
pub(crate) fn leads_out(target: &Path) -> Error {
    Error::malformed(
        "a link to something in the drive's folder",
        format!("one to {}", target.display()),
    )
}

fn names(path: &Path) -> Vec<PathComponent> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(PathComponent(host_name::to_windows(name))),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    });
    names.collect()
}
