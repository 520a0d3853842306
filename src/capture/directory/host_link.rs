//! Links as this host shows them.

use std::path::{Component, Path};

use super::{extended_attribute, host_name};
use crate::capture::link::{Link, leads_out};
use crate::capture::volume::FileKind;
use crate::error::Error;
use crate::mount_point::ReparsePoint;
use crate::windows_path::PathComponent;

/// What a link of the volume whose folder is `root` is to Windows.
///
/// ntfs-3g shows every reparse point as a link, and its data as an attribute: those tell what Windows would do. What
/// the host makes of it counts where there is no such attribute.
///
/// # Errors
/// When the link cannot be read, or leads out of the folder.
pub(crate) fn kind(link: &Path, root: &Path) -> Result<FileKind, Error> {
    let Some(bytes) = reparse_data(link) else {
        return host_link(link, root).map(FileKind::Link);
    };
    let (point, _) = ReparsePoint::parse(&bytes)?;
    Ok(match Link::of(&point)? {
        Some(link) => FileKind::Link(link),
        None => FileKind::ReparsePoint(point.tag),
    })
}

/// The reparse point of a file, where the host tells.
pub(crate) fn reparse_point(path: &Path) -> Option<ReparsePoint> {
    ReparsePoint::parse(&reparse_data(path)?)
        .ok()
        .map(|(point, _)| point)
}

/// ntfs-3g answers to this name, and does not list it.
fn reparse_data(path: &Path) -> Option<Vec<u8>> {
    extended_attribute::get(path, "system.ntfs_reparse_data").ok()?
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

fn names(path: &Path) -> Vec<PathComponent> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(PathComponent(host_name::to_windows(name))),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    });
    names.collect()
}
