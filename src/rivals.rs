//! Registrations that claim the same thing.

use std::collections::{HashMap, HashSet};

use crate::evidence::Rival;
use crate::observation::Observation;
use crate::registry::MountRegistration;
use crate::wide_string::WideString;
use crate::windows_path::WindowsPath;

/// Registrations of one machine that claim the same mount directory, or the same image.
///
/// One piece of evidence can hold several machines' registries: the running one and offline hives loaded into it. They are
/// told apart by where their `Mounted Images` key lies.
pub(crate) struct Rivals<'a> {
    /// What a recorded path stands for.
    resolve: Resolve<'a>,
    by_mount_path: HashMap<Directory, Vec<&'a MountRegistration>>,
    /// Of those with the same mount directory the latest.
    by_image: HashMap<Image, Vec<&'a MountRegistration>>,
}

type Resolve<'a> = &'a dyn Fn(&WideString) -> WindowsPath;

/// The path of the `Mounted Images` key, in upper case.
type Machine = Vec<u16>;
type Directory = (Machine, WindowsPath);
type Image = (Machine, WindowsPath, u32);

impl<'a> Rivals<'a> {
    /// How many rivals one registration is told: a hostile file can have a hundred thousand.
    const MOST: usize = 4;

    pub(crate) fn among(registrations: &'a [MountRegistration], resolve: Resolve<'a>) -> Self {
        let mut rivals = Rivals {
            resolve,
            by_mount_path: HashMap::new(),
            by_image: HashMap::new(),
        };
        // The latest first: it is the one that counts.
        let mut latest: Vec<_> = registrations.iter().collect();
        latest.sort_by_key(|registration| std::cmp::Reverse(registration.registered_at));
        let mut mounts = HashSet::new();
        for registration in latest {
            let directory = rivals.directory(registration);
            if let Some(image) = rivals.image(registration)
                && (directory.is_none() || mounts.insert((image.clone(), directory.clone())))
            {
                rivals.by_image.entry(image).or_default().push(registration);
            }
            if let Some(directory) = directory {
                let claimants = rivals.by_mount_path.entry(directory).or_default();
                claimants.push(registration);
            }
        }
        rivals
    }

    /// The rivals for the mount directory, and those that have the same image on other directories.
    pub(crate) fn of(&self, registration: &MountRegistration) -> (Vec<Rival>, Vec<Rival>) {
        let directory = self.directory(registration);
        let is_other = |other: &MountRegistration| !std::ptr::eq(other, registration);
        let claimants = directory.as_ref().and_then(|it| self.by_mount_path.get(it));
        let mount_path_rivals = rivals(claimants, is_other);
        let image = self.image(registration);
        let claimants = image.and_then(|it| self.by_image.get(&it));
        let image_rivals = rivals(claimants, |other| {
            is_other(other) && (directory.is_none() || self.directory(other) != directory)
        });
        (mount_path_rivals, image_rivals)
    }

    fn directory(&self, registration: &MountRegistration) -> Option<Directory> {
        let path = self.resolved(&registration.mount_path)?;
        Some((machine(registration), path))
    }

    fn image(&self, registration: &MountRegistration) -> Option<Image> {
        let path = self.resolved(&registration.image_file_path)?;
        let index = *registration.image_index.present()?;
        Some((machine(registration), path, index))
    }

    fn resolved(&self, path: &Observation<WideString>) -> Option<WindowsPath> {
        let path = path.present().filter(|path| !path.is_blank())?;
        Some((self.resolve)(path))
    }
}

fn rivals(
    claimants: Option<&Vec<&MountRegistration>>,
    is_rival: impl Fn(&MountRegistration) -> bool,
) -> Vec<Rival> {
    let claimants = claimants.into_iter().flatten();
    let others = claimants.filter(|other| is_rival(other));
    others
        .take(Rivals::MOST)
        .map(|other| Rival {
            key_name: last_level(&other.registry_key),
            mount_path: other
                .mount_path
                .present()
                .filter(|path| !path.is_blank())
                .cloned(),
            registered_at: other.registered_at,
        })
        .collect()
}

fn machine(registration: &MountRegistration) -> Machine {
    let key = registration.registry_key.to_upcase();
    let name = last_level(&key).as_units().len();
    key.as_units()[..key.as_units().len() - name].to_vec()
}

/// The name of a key, without the path to it.
fn last_level(key: &WideString) -> WideString {
    let units = key.as_units();
    let start = units
        .iter()
        .rposition(|&unit| unit == u16::from(b'\\'))
        .map_or(0, |at| at + 1);
    WideString::from_units(units[start..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(key: &str, mount_path: &str, image: &str) -> MountRegistration {
        let key = format!(r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\WIMMount\Mounted Images\{key}");
        let mut registration = MountRegistration::new(key.as_str());
        registration.mount_path = Observation::Present(mount_path.into());
        registration.image_file_path = Observation::Present(image.into());
        registration.image_index = Observation::Present(1);
        registration
    }

    /// The names of the keys of the rivals of each.
    fn rivals(registrations: &[MountRegistration]) -> Vec<[Vec<String>; 2]> {
        let resolve = |path: &WideString| {
            WindowsPath::parse(&WindowsPath::expand(path, |_| Some("C:".into())))
        };
        let rivals = Rivals::among(registrations, &resolve);
        let names = |rivals: Vec<Rival>| rivals.iter().map(|it| it.key_name.to_string()).collect();
        let each = registrations.iter().map(|registration| {
            let (mount_path, image) = rivals.of(registration);
            [names(mount_path), names(image)]
        });
        each.collect()
    }

    #[test]
    fn one_directory_is_no_second_mount_of_its_image() {
        let found = rivals(&[
            registration("a", r"C:\m", r"C:\i.wim"),
            registration("b", r"c:\M\", r"C:\i.wim"),
            registration("c", r"%SystemDrive%\m", r"C:\other.wim"),
            registration("d", r"C:\n", r"C:\I.WIM"),
        ]);
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let told = |mount_path: &[&str], image: &[&str]| [names(mount_path), names(image)];
        assert_eq!(
            found,
            [
                told(&["b", "c"], &["d"]),
                told(&["a", "c"], &["d"]),
                told(&["a", "b"], &[]),
                told(&[], &["a"]),
            ]
        );
    }

    #[test]
    fn many_claims_on_one_directory_are_told_apart_in_time() {
        let one = registration("a", r"C:\m", r"C:\i.wim");
        let found = rivals(&vec![one; 30_000]);
        assert!(
            found.iter().all(|[of_path, of_image]| {
                of_path.len() == Rivals::MOST && of_image.is_empty()
            })
        );
    }
}
