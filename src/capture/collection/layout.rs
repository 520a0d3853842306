//! Where the volumes of captured machines lie in a collection, by the names of its members.
//!
//! Velociraptor names the folder of a volume after its device (`uploads/ntfs/%5C%5C.%5CC%3A`), KAPE after its letter (`C`)
//! and that of a shadow copy after its number (`VSS1`, beside `C`), UAC puts everything below `[root]`. Without a device in
//! its name, a folder is taken for the root of a volume where `Windows/System32/config/SOFTWARE` lies in it.

use std::collections::{HashMap, HashSet};

use super::member_name::{Spelling, divided, drive_of_folder};
#[cfg(feature = "disk-image")]
use crate::capture::disk_image::ntfs::NtfsFile;
use crate::capture::drive_name::DriveName;
#[cfg(feature = "disk-image")]
use crate::wide_string::WideString;
use crate::windows_path::PathRoot;

/// How deep the root of a volume may lie: that keeps looking for it cheap, whatever the names.
const MAX_ROOT_DEPTH: usize = 32;
/// The most volumes that are told apart.
pub(super) const MAX_VOLUMES: usize = 1000;

/// The folder that Velociraptor puts files into, and in it one for each of its ways to read them, the best first: those
/// that read the volume itself see files that are in use as they are on the disk.
const UPLOADS: &[u8] = b"uploads";
const ACCESSORS: [&[u8]; 6] = [b"ntfs", b"lazy_ntfs", b"auto", b"file", b"mft", b"ntfs_vss"];
/// The folder that UAC puts files into.
const UAC_ROOT: &[u8] = b"[root]";
/// Where the hives lie on the drive of Windows.
const HIVE: [&[u8]; 4] = [b"Windows", b"System32", b"config", b"SOFTWARE"];

/// Which collector makes folders of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Collector {
    /// None that is known: someone packed a tree of files.
    Unknown,
    Uac,
    Kape,
    Velociraptor,
}

/// A volume of a captured machine.
#[derive(Debug)]
pub(super) struct LaidVolume {
    /// The folders above those of collectors: of each machine, where a collection has several.
    pub(super) host: Vec<u8>,
    /// What it is called; nothing says that of the root of a tree.
    pub(super) drive: Option<DriveName>,
    /// What KAPE calls the shadow copy that it is.
    copy: Option<String>,
    pub(super) collector: Collector,
}

impl LaidVolume {
    /// The name of the shadow copy that it is, if it is one.
    pub(super) fn shadow_copy(&self) -> Option<String> {
        const SHADOW_COPY: &str = "harddiskvolumeshadowcopy";
        if self.copy.is_some() {
            return self.copy.clone();
        }
        let PathRoot::Device(device) = self.drive.as_ref()?.root() else {
            return None;
        };
        let name = device.0.to_string_lossy();
        let is_shadow_copy = name.to_ascii_lowercase().starts_with(SHADOW_COPY);
        is_shadow_copy.then_some(name)
    }
}

/// What tells volumes from each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct VolumeName {
    host: Vec<u8>,
    drive: Option<DriveName>,
    copy: Option<String>,
}

/// A folder that holds files of a volume: of one, there can be several.
#[derive(Debug, Clone, Copy)]
pub(super) struct VolumeFolder {
    /// Which of [`Layout::volumes`].
    pub(super) volume: usize,
    /// How many names lead to it.
    pub(super) depth: usize,
    pub(super) spelling: Spelling,
    /// Which of several folders with the same file is preferred: the lower.
    pub(super) rank: u8,
}

/// Where the volumes lie in a collection.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) volumes: Vec<LaidVolume>,
    by_host: HashMap<VolumeName, usize>,
    folders: HashMap<Vec<u8>, VolumeFolder>,
    /// The folders in which one is named after a drive's letter, and is the root of a Windows.
    hosts: HashSet<Vec<u8>>,
    /// The roots of volumes that are known by the hive in them.
    anchors: HashSet<Vec<u8>>,
    /// Whether there are more volumes than are told apart.
    pub(super) is_full: bool,
}

impl Layout {
    /// Learns from the path of a member; all are to be told before any is [placed](Self::place).
    pub(super) fn learn(&mut self, names: &[&[u8]]) {
        if device_folder(names).is_some() {
            return;
        }
        let Some(depth) = names.len().checked_sub(HIVE.len()) else {
            return;
        };
        let mut pairs = names[depth..].iter().zip(HIVE);
        if depth <= MAX_ROOT_DEPTH && pairs.all(|(name, known)| name.eq_ignore_ascii_case(known)) {
            self.anchors.insert(joined(&names[..depth]));
        }
    }

    /// All members were told: a Windows below another one is a part of the volume of that.
    pub(super) fn settle(&mut self) {
        let anchors = std::mem::take(&mut self.anchors);
        self.anchors = anchors
            .iter()
            .filter(|root| !above(root).any(|above| anchors.contains(above)))
            .cloned()
            .collect();
        for root in &self.anchors {
            let (host, name) = divided(root);
            if letter(name).is_some() {
                self.hosts.insert(host.to_vec());
            }
        }
    }

    /// The folder of a volume in which a member lies, by its path; `None` for what is no file of a volume.
    pub(super) fn place(&mut self, names: &[&[u8]]) -> Option<VolumeFolder> {
        if let Some((depth, drive)) = device_folder(names) {
            let key = joined(&names[..depth]);
            if let Some(folder) = self.folders.get(&key) {
                return Some(*folder);
            }
            let (host, rank) = above_accessor(&names[..depth - 1]);
            let name = VolumeName {
                host: joined(host),
                drive: Some(drive),
                copy: None,
            };
            return self.add(key, depth, name, Collector::Velociraptor, rank);
        }
        if self.anchors.is_empty() {
            return None;
        }
        for depth in 0..=names.len().min(MAX_ROOT_DEPTH) {
            let key = joined(&names[..depth]);
            if let Some(folder) = self.folders.get(&key) {
                return Some(*folder);
            }
            let (host, name) = divided(&key);
            let drive = letter(name).filter(|_| self.hosts.contains(host));
            let is_anchor = self.anchors.contains(&key);
            let copy = kapes_copy(name).filter(|_| is_anchor || self.hosts.contains(host));
            if drive.is_none() && copy.is_none() && !is_anchor {
                continue;
            }
            let above = &names[..depth];
            let is_upload = above
                .windows(2)
                .any(|pair| pair[0] == UPLOADS && ACCESSORS.contains(&pair[1]));
            let collector = if is_upload {
                Collector::Velociraptor
            } else if above.contains(&UAC_ROOT) {
                Collector::Uac
            } else if drive.is_some() || copy.is_some() {
                Collector::Kape
            } else {
                Collector::Unknown
            };
            let host = match (&drive, &copy) {
                (None, None) => key.clone(),
                _ => host.to_vec(),
            };
            let name = VolumeName { host, drive, copy };
            return self.add(key, depth, name, collector, 0);
        }
        None
    }

    fn add(
        &mut self,
        key: Vec<u8>,
        depth: usize,
        name: VolumeName,
        collector: Collector,
        rank: u8,
    ) -> Option<VolumeFolder> {
        let volume = match self.by_host.get(&name) {
            Some(volume) => *volume,
            None if self.volumes.len() == MAX_VOLUMES => {
                self.is_full = true;
                return None;
            }
            None => {
                let volume = self.volumes.len();
                self.by_host.insert(name.clone(), volume);
                self.volumes.push(LaidVolume {
                    host: name.host,
                    drive: name.drive,
                    copy: name.copy,
                    collector,
                });
                volume
            }
        };
        let folder = VolumeFolder {
            volume,
            depth,
            spelling: match collector {
                Collector::Velociraptor => Spelling::Velociraptor,
                _ => Spelling::Plain,
            },
            rank,
        };
        self.folders.insert(key, folder);
        Some(folder)
    }
}

/// Whether a folder with this name, or one in it, is how Velociraptor, UAC, or KAPE with shadow copies lay out a collection.
pub(super) fn is_collectors_folder(names: &[&[u8]]) -> bool {
    match names {
        [UPLOADS, accessor] => ACCESSORS.contains(accessor),
        [name] => *name == UAC_ROOT || device(name).is_some(),
        [copy, name] if kapes_copy(copy).is_some() => name.eq_ignore_ascii_case(HIVE[0]),
        [accessor, name] => ACCESSORS.contains(accessor) && device(name).is_some(),
        _ => false,
    }
}

/// Whether a directory of a volume is named after a drive or a shadow copy as KAPE does it, and is the root of a Windows.
#[cfg(feature = "disk-image")]
pub(super) fn is_root_of_windows(name: &[u8], directory: &NtfsFile) -> bool {
    let hive = HIVE.iter().map(|name| WideString::from_wtf8(name));
    (letter(name).is_some() || kapes_copy(name).is_some())
        && hive
            .into_iter()
            .try_fold(directory.clone(), |directory, name| {
                directory.child(&name).ok().flatten()
            })
            .is_some()
}

/// The first folder on the way to a member that is named after a device, by how many names lead to it.
fn device_folder(names: &[&[u8]]) -> Option<(usize, DriveName)> {
    let mut names = names.iter().take(MAX_ROOT_DEPTH).zip(1..);
    names.find_map(|(name, depth)| Some((depth, device(name)?)))
}

/// The device that a folder is named after as Velociraptor does it: `C%3A`, `%5C%5C.%5CC%3A`.
fn device(name: &[u8]) -> Option<DriveName> {
    // Of millions of names, few have to be taken apart.
    let is_drive = || name.len() == 4 && name[1] == b'%';
    if !name.starts_with(b"%5C%5C") && !name.starts_with(b"%5c%5c") && !is_drive() {
        return None;
    }
    let (drive, spelling) = drive_of_folder(name)?;
    (spelling == Spelling::Velociraptor).then_some(drive)
}

/// Whether a folder is named after a device as Velociraptor does it.
pub(super) fn is_device(name: &[u8]) -> bool {
    device(name).is_some()
}

/// The drive that a folder is named after as KAPE does it.
fn letter(name: &[u8]) -> Option<DriveName> {
    let (drive, spelling) = drive_of_folder(name)?;
    (spelling == Spelling::Plain).then_some(drive)
}

/// Whether a folder is named after a shadow copy as KAPE does it.
pub(super) fn is_shadow_copy(name: &[u8]) -> bool {
    kapes_copy(name).is_some()
}

/// The shadow copy that a folder is named after as KAPE does it: `VSS1`.
fn kapes_copy(name: &[u8]) -> Option<String> {
    let (prefix, number) = name.split_at_checked(3)?;
    let is_number = (1..=4).contains(&number.len()) && number.iter().all(u8::is_ascii_digit);
    let is_copy = prefix.eq_ignore_ascii_case(b"VSS") && is_number;
    is_copy.then(|| String::from_utf8_lossy(name).into_owned())
}

/// The folders above those of Velociraptor, and which way to read files they tell.
fn above_accessor<'a>(names: &'a [&'a [u8]]) -> (&'a [&'a [u8]], u8) {
    let mut host = names;
    let mut rank = ACCESSORS.len() as u8;
    if let [above @ .., last] = host
        && let Some(index) = ACCESSORS.iter().position(|known| known == last)
    {
        rank = index as u8;
        host = above;
    }
    if let [above @ .., UPLOADS] = host {
        host = above;
    }
    (host, rank)
}

fn joined(names: &[&[u8]]) -> Vec<u8> {
    names.join(&b'/')
}

/// All folders above one, up to the root of the collection.
fn above(folder: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(parent(folder), |folder| parent(folder))
}

fn parent(folder: &[u8]) -> Option<&[u8]> {
    (!folder.is_empty()).then(|| divided(folder).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(paths: &[&str]) -> Vec<Option<String>> {
        let mut layout = Layout::default();
        let paths: Vec<Vec<&[u8]>> = paths
            .iter()
            .map(|path| path.split('/').map(str::as_bytes).collect())
            .collect();
        for path in &paths {
            layout.learn(path);
        }
        layout.settle();
        let places = paths.iter().map(|path| {
            let folder = layout.place(path)?;
            let volume = &layout.volumes[folder.volume];
            let drive = volume
                .drive
                .as_ref()
                .map_or("-".to_owned(), ToString::to_string);
            let host = String::from_utf8_lossy(&volume.host).into_owned();
            let collector = volume.collector;
            Some(format!(
                "{host}|{drive}|{collector:?}|{}",
                path.len() - folder.depth
            ))
        });
        places.collect()
    }

    #[test]
    fn velociraptors_volumes_are_known_by_their_devices() {
        assert_eq!(
            placed(&[
                "uploads/ntfs/%5C%5C.%5CC%3A/mount%3A$WIMMOUNTDATA",
                "uploads/auto/C%3A/x",
                "uploads/ntfs/%5C%5C%3F%5CGLOBALROOT%5CDevice%5CHarddiskVolumeShadowCopy1/x",
                "clients/C.1/uploads/auto/D%3A/a/b",
                "uploads.json",
                "results/x.json",
            ]),
            [
                Some("|C:|Velociraptor|1".to_owned()),
                Some("|C:|Velociraptor|1".to_owned()),
                Some(r"|\Device\HarddiskVolumeShadowCopy1|Velociraptor|1".to_owned()),
                Some("clients/C.1|D:|Velociraptor|2".to_owned()),
                None,
                None,
            ]
        );
    }

    #[test]
    fn other_volumes_are_known_by_the_hive_in_them() {
        let hive = "windows/system32/Config/SOFTWARE";
        let volumes = |root: &str, other: &str| placed(&[&format!("{root}{hive}"), other]);
        let is = |drive: &str| Some(drive.to_owned());
        assert_eq!(volumes("C/", "D/x"), [is("|C:|Kape|4"), is("|D:|Kape|1")]);
        assert_eq!(volumes("a/C/", "D/x"), [is("a|C:|Kape|4"), None]);
        assert_eq!(volumes("", "D/x"), [is("|-|Unknown|4"), is("|-|Unknown|2")]);
        assert_eq!(volumes("[root]/", "bin"), [is("[root]|-|Uac|4"), None]);
        assert_eq!(
            volumes("[root]/mnt/c/", "[root]/mnt/d/x"),
            [is("[root]/mnt|C:|Uac|4"), is("[root]/mnt|D:|Uac|1")]
        );
        // Shadow copies of the same machine.
        assert_eq!(
            placed(&[
                &format!("out/C/{hive}"),
                &format!("out/VSS1/{hive}"),
                "out/vss2/Users/x",
            ]),
            [is("out|C:|Kape|4"), is("out|-|Kape|4"), is("out|-|Kape|2")]
        );
        assert_eq!(placed(&["out/C/x", "out/VSS1/x"]), [None, None]);
        // A mounted image in the volume is a part of it.
        assert_eq!(
            volumes("C/", "C/mount/Windows/System32/config/SOFTWARE"),
            [is("|C:|Kape|4"), is("|C:|Kape|5")]
        );
        assert_eq!(placed(&["C/Users/x", "D/y"]), [None, None]);
    }

    #[test]
    fn collectors_folders_are_known_by_their_names() {
        for (names, is_known) in [
            (&["uploads", "auto"][..], true),
            (&["[root]"], true),
            (&["ntfs", "%5C%5C.%5CC%3A"], true),
            (&["%5C%5C.%5CC%3A"], true),
            (&["VSS12", "windows"], true),
            (&["VSS12", "x"], false),
            (&["VSS12"], false),
            (&["VSS", "Windows"], false),
            (&["VSSx", "Windows"], false),
            (&["uploads", "x"], false),
            (&["ntfs", "x"], false),
            (&["C"], false),
            (&[], false),
        ] {
            let bytes: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
            assert_eq!(is_collectors_folder(&bytes), is_known, "{names:?}");
        }
    }
}
