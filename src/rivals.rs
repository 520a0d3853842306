//! Registrations that claim the same thing.

use std::collections::HashMap;
use std::hash::Hash;

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
    by_mount_path: HashMap<(Machine, WindowsPath), Vec<&'a MountRegistration>>,
    by_image: HashMap<(Machine, WindowsPath, u32), Vec<&'a MountRegistration>>,
}

/// The path of the `Mounted Images` key, in upper case.
type Machine = Vec<u16>;

impl<'a> Rivals<'a> {
    /// How many rivals one registration is told: a hostile file can have a hundred thousand.
    const MOST: usize = 4;

    pub(crate) fn among(registrations: &'a [MountRegistration]) -> Self {
        let mut rivals = Rivals {
            by_mount_path: HashMap::new(),
            by_image: HashMap::new(),
        };
        for registration in registrations {
            if let Some(claim) = mount_path_claim(registration) {
                rivals
                    .by_mount_path
                    .entry(claim)
                    .or_default()
                    .push(registration);
            }
            if let Some(claim) = image_claim(registration) {
                rivals.by_image.entry(claim).or_default().push(registration);
            }
        }
        // The latest first: it is the one that counts.
        for claimants in rivals
            .by_mount_path
            .values_mut()
            .chain(rivals.by_image.values_mut())
        {
            claimants.sort_by_key(|registration| std::cmp::Reverse(registration.registered_at));
        }
        rivals
    }

    /// The rivals for the mount directory, and those for the image.
    pub(crate) fn of(&self, registration: &MountRegistration) -> (Vec<Rival>, Vec<Rival>) {
        (
            others(
                &self.by_mount_path,
                mount_path_claim(registration),
                registration,
            ),
            others(&self.by_image, image_claim(registration), registration),
        )
    }
}

fn others<K: Eq + Hash>(
    claimants: &HashMap<K, Vec<&MountRegistration>>,
    claim: Option<K>,
    own: &MountRegistration,
) -> Vec<Rival> {
    let claimants = claim.and_then(|claim| claimants.get(&claim));
    let others = claimants
        .into_iter()
        .flatten()
        .filter(|other| !std::ptr::eq(**other, own));
    others
        .take(Rivals::MOST)
        .map(|other| Rival {
            registration: last_level(&other.registry_key).to_string_lossy(),
            mount_path: other
                .mount_path
                .present()
                .map_or_else(|| "(not recorded)".to_owned(), ToString::to_string),
            registered_at: other.registered_at,
        })
        .collect()
}

fn mount_path_claim(registration: &MountRegistration) -> Option<(Machine, WindowsPath)> {
    let path = recorded_path(&registration.mount_path)?;
    Some((machine(registration), path))
}

fn image_claim(registration: &MountRegistration) -> Option<(Machine, WindowsPath, u32)> {
    let path = recorded_path(&registration.image_file_path)?;
    let index = *registration.image_index.present()?;
    Some((machine(registration), path, index))
}

fn recorded_path(path: &Observation<WideString>) -> Option<WindowsPath> {
    let path = path.present().filter(|path| !path.is_empty())?;
    Some(WindowsPath::parse(path))
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
