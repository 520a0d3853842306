//! The mount registry: `Microsoft\WIMMount\Mounted Images`, one key for each mounted image.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::error::{Error, Position};
use crate::file_time::FileTime;
use crate::observation::{NotCaptured, Observation};
use crate::registry::{RegistryEntry, RegistryKey, RegistryValue, ValueType};
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::WideString;

/// What the registry records about one mounted image.
///
/// The four values are all that was ever seen in such a key. Others are kept as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountRegistration {
    /// The key's path in the evidence.
    pub registry_key: WideString,
    /// The mount's GUID, where the key is named by one, with or without braces.
    pub mount_id: Option<Uuid>,
    /// When the key was last written; text exports do not tell.
    pub registered_at: Option<FileTime>,
    /// `Mount Path`: the directory on which the image is mounted, as recorded.
    pub mount_path: Observation<WideString>,
    /// `WIM Path`: the image file, as recorded.
    pub image_file_path: Observation<WideString>,
    /// `Image Index`: the image in that file, counted from 1.
    pub image_index: Observation<u32>,
    /// `Status`: how far the mount has come; 1 mounting and 2 mounted (as one party claims), 3 partly unmounted (as was
    /// observed). Not a [`DismMountStatus`](crate::DismMountStatus).
    pub progress_value: Observation<u32>,
    /// Values that are none of these.
    pub other_values: Vec<RegistryValue>,
    /// Where the key stands in the evidence.
    pub position: Position,
}

/// What one piece of registry evidence says about mounted images.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountRegistry {
    /// Whether there is a `Mounted Images` key. Absent or empty, it says that nothing is mounted.
    pub mounted_images: Observation<()>,
    /// The registrations, in the order in which they are recorded.
    pub registrations: Vec<MountRegistration>,
    /// How many more are listed in a hive and cannot be read, as far as they can be counted: warnings of the hive tell where.
    pub unreadable_registrations: u64,
    /// Whether the evidence has the list of them, and not only some of the keys in it.
    pub(crate) lists_all: bool,
    /// What could not be used.
    pub warnings: Warnings,
}

impl MountRegistry {
    /// Warns of paths in which a console printed `?` for letters that its code page lacks: no path holds one, but for `\\?\`.
    pub(super) fn warn_of_lost_letters(&mut self) {
        for registration in &self.registrations {
            for path in [&registration.mount_path, &registration.image_file_path] {
                let path = path.present().map(WideString::to_string_lossy);
                let path = path.unwrap_or_default();
                if path.strip_prefix(r"\\?\").unwrap_or(&path).contains('?') {
                    let text = format!(
                        "{path} has lost letters: the console printed `?` for those it could not show"
                    );
                    let warning = Warning::new(WarningCode::EncodingDamaged, text);
                    self.warnings.push(warning.at(registration.position));
                }
            }
        }
    }
}

/// Picks the mount registrations out of registry entries.
///
/// Whatever stands before `Microsoft\WIMMount\Mounted Images` is accepted: a hive has no `SOFTWARE` level, and an offline hive
/// is exported under the name by which it was loaded.
#[derive(Debug, Default)]
pub struct MountRegistryCollector {
    /// The registrations in the order in which they are recorded; nothing in the place of one that was deleted.
    keys: Vec<Option<Key>>,
    /// Where they are in `keys`, by their path in upper case.
    by_path: BTreeMap<WideString, usize>,
    /// Where in `keys` that one is to which the next values belong.
    current: Option<usize>,
    kept_bytes: usize,
    is_full: bool,
    has_mounted_images: bool,
    /// Whether the key itself is there, and not only some below it.
    lists_all: bool,
    has_wim_mount: bool,
    covers_wim_mount: Option<bool>,
    warnings: Warnings,
}

#[derive(Debug)]
struct Key {
    key: RegistryKey,
    values: Vec<Value>,
    /// Where each of them stands, by its name in upper case.
    by_name: HashMap<WideString, usize>,
}

impl Key {
    fn new(key: RegistryKey) -> Self {
        Key {
            key,
            values: Vec::new(),
            by_name: HashMap::new(),
        }
    }

    /// Forgets the value of this name.
    fn remove(&mut self, name: &WideString) {
        if let Some(index) = self.by_name.remove(&name.to_upcase()) {
            self.values.remove(index);
            let behind = self.by_name.values_mut().filter(|other| **other > index);
            behind.for_each(|other| *other -= 1);
        }
    }
}

/// A value of a registration, or why its data cannot be read.
#[derive(Debug)]
struct Value {
    name: WideString,
    read: Result<RegistryValue, Error>,
}

/// Where a key lies in relation to the mount registry.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Elsewhere,
    /// `Microsoft\WIMMount` or something below it that is not the following.
    WimMount,
    MountedImages,
    Registration,
    BelowRegistration,
}

impl MountRegistryCollector {
    /// The most that is kept of registrations, in bytes: a hostile file must not fill the memory.
    const MAX_BYTES: usize = 16 << 20;
    /// The most values that are kept of one key.
    const MAX_VALUES: usize = 1_000;

    /// Takes the next entry of the evidence.
    pub fn push(&mut self, entry: RegistryEntry) {
        match entry {
            RegistryEntry::Key(key) => self.key(key),
            RegistryEntry::Value(value) => {
                let bytes = value.data.len();
                let (name, position) = (value.name.clone(), value.position);
                self.value(
                    Value {
                        name,
                        read: Ok(value),
                    },
                    bytes,
                    position,
                );
            }
            RegistryEntry::UnreadableValue {
                name,
                position,
                error,
            } => {
                let read = Err(error.at(position));
                self.value(Value { name, read }, 0, position);
            }
            RegistryEntry::KeyDeletion { path, .. } => self.delete(&path.to_upcase()),
            RegistryEntry::ValueDeletion { name, .. } => {
                if let Some(key) = self.current_key() {
                    key.remove(&name);
                }
            }
        }
    }

    fn key(&mut self, key: RegistryKey) {
        self.current = None;
        let path = key.path.to_upcase();
        let levels: Vec<&[u16]> = path
            .as_units()
            .split(|&unit| unit == u16::from(b'\\'))
            .collect();
        self.covers_wim_mount
            .get_or_insert_with(|| covers_wim_mount(&levels));
        let (place, is_wow64) = place(&levels);
        match place {
            Place::Elsewhere => return,
            Place::WimMount => {}
            Place::MountedImages => {
                self.has_mounted_images |= !is_wow64;
                self.lists_all |= !is_wow64;
            }
            Place::Registration if is_wow64 => {
                let text = format!("{} is not used by Windows and not judged", key.path);
                self.warnings
                    .push(Warning::new(WarningCode::Wow64Twin, text).at(key.position));
            }
            Place::Registration => {
                self.has_mounted_images = true;
                self.keep(path, key);
            }
            Place::BelowRegistration => {
                let text = format!(
                    "{} lies below a registration, where nothing is known to belong",
                    key.path
                );
                self.warnings
                    .push(Warning::new(WarningCode::UnknownKey, text).at(key.position));
            }
        }
        self.has_wim_mount |= !is_wow64;
    }

    fn keep(&mut self, path: WideString, key: RegistryKey) {
        if !self.has_room_for(3 * key.path.as_units().len() * 2, key.position) {
            return;
        }
        let next = self.keys.len();
        let index = *self.by_path.entry(path).or_insert(next);
        self.current = Some(index);
        // A key that is named again goes on: the last of its values win.
        if let Some(kept) = self.current_key() {
            kept.key.last_written = kept.key.last_written.max(key.last_written);
        } else {
            self.keys.push(Some(Key::new(key)));
        }
    }

    fn current_key(&mut self) -> Option<&mut Key> {
        self.keys.get_mut(self.current?)?.as_mut()
    }

    fn value(&mut self, value: Value, data_bytes: usize, position: Position) {
        let bytes = 2 * value.name.as_units().len() + data_bytes;
        if self.current.is_none() || !self.has_room_for(bytes, position) {
            return;
        }
        let Some(key) = self.current_key() else {
            return;
        };
        let name = value.name.to_upcase();
        match key.by_name.get(&name) {
            // Windows takes no value from a line that it cannot read.
            Some(&known) if value.read.is_err() && key.values[known].read.is_ok() => {}
            Some(&known) => key.values[known] = value,
            None if key.values.len() < Self::MAX_VALUES => {
                key.by_name.insert(name, key.values.len());
                key.values.push(value);
            }
            None => {
                let text = format!("more than {} values in {}", Self::MAX_VALUES, key.key.path);
                self.warnings
                    .push(Warning::new(WarningCode::LimitReached, text).at(position));
            }
        }
    }

    /// Whether there is no room for anything that follows.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Counts what is kept; warns once when the limit is reached.
    fn has_room_for(&mut self, bytes: usize, position: Position) -> bool {
        if self.is_full {
            return false;
        }
        self.kept_bytes = self.kept_bytes.saturating_add(bytes);
        self.is_full = self.kept_bytes > Self::MAX_BYTES;
        if self.is_full {
            let text = "more than 16 MiB of registrations: this and what follows is left out";
            self.warnings
                .push(Warning::new(WarningCode::LimitReached, text).at(position));
        }
        !self.is_full
    }

    /// Forgets a key and all below it.
    fn delete(&mut self, path: &WideString) {
        self.current = None;
        let mut below = path.as_units().to_vec();
        below.push(b'\\'.into());
        let first = WideString::from_units(below.clone());
        let gone: Vec<WideString> = self
            .by_path
            .range(first..)
            .map(|(path, _)| path)
            .take_while(|path| path.as_units().starts_with(&below))
            .cloned()
            .collect();
        for path in gone.iter().chain([path]) {
            if let Some(index) = self.by_path.remove(path) {
                self.keys[index] = None;
            }
        }
    }

    /// The mount registry of an export, when all entries were pushed.
    pub fn finish(self) -> MountRegistry {
        let covers_wim_mount = self.has_wim_mount || self.covers_wim_mount == Some(true);
        let mut registry = self.into_registry();
        if !registry.mounted_images.is_present() && !covers_wim_mount {
            let text = r"there is no `Microsoft\WIMMount` key, and the export does not begin above it: export HKLM\SOFTWARE\Microsoft\WIMMount";
            let warning = Warning::new(WarningCode::MountRegistryNotInEvidence, text);
            registry.warnings.push(warning);
            registry.mounted_images = Observation::NotCaptured(NotCaptured::Path);
        }
        registry
    }

    /// What was collected, taking for absent what is not there.
    pub(super) fn into_registry(self) -> MountRegistry {
        let keys = self.keys.into_iter().flatten();
        MountRegistry {
            mounted_images: match self.has_mounted_images {
                true => Observation::Present(()),
                false => Observation::Absent,
            },
            registrations: keys.map(MountRegistration::from_key).collect(),
            unreadable_registrations: 0,
            lists_all: self.lists_all || self.covers_wim_mount == Some(true),
            warnings: self.warnings,
        }
    }
}

fn is(level: &[u16], name: &str) -> bool {
    name.encode_utf16().eq(level.iter().copied())
}

/// Where a key lies, by the levels of its path in upper case, and whether below a `WOW6432Node`.
fn place(levels: &[&[u16]]) -> (Place, bool) {
    let start = levels
        .windows(2)
        .position(|pair| is(pair[0], "MICROSOFT") && is(pair[1], "WIMMOUNT"));
    let Some(start) = start else {
        return (Place::Elsewhere, false);
    };
    let is_wow64 = levels[..start].iter().any(|level| is(level, "WOW6432NODE"));
    let place = match &levels[start + 2..] {
        [images] if is(images, "MOUNTED IMAGES") => Place::MountedImages,
        [images, _] if is(images, "MOUNTED IMAGES") => Place::Registration,
        [images, _, _, ..] if is(images, "MOUNTED IMAGES") => Place::BelowRegistration,
        _ => Place::WimMount,
    };
    (place, is_wow64)
}

/// Whether a key lies in a hive of Windows other than SOFTWARE.
fn is_of_another_hive(levels: &[&[u16]]) -> bool {
    const OTHERS: [&str; 8] = [
        ".DEFAULT",
        "BCD00000000",
        "COMPONENTS",
        "DRIVERS",
        "HARDWARE",
        "SAM",
        "SECURITY",
        "SYSTEM",
    ];
    levels.get(1).is_some_and(|hive| {
        let is_of_user = String::from_utf16_lossy(hive).starts_with("S-1-");
        is_of_user || OTHERS.iter().any(|other| is(hive, other))
    })
}

/// Whether an export that begins with this key would hold `Microsoft\WIMMount`, were it there.
fn covers_wim_mount(levels: &[&[u16]]) -> bool {
    match levels {
        _ if is_of_another_hive(levels) => false,
        [root] | [root, _] => is(root, "HKEY_LOCAL_MACHINE") || is(root, "HKEY_USERS"),
        [.., node, _] if is(node, "WOW6432NODE") => false,
        [root, _, microsoft] => {
            is(microsoft, "MICROSOFT") && (is(root, "HKEY_LOCAL_MACHINE") || is(root, "HKEY_USERS"))
        }
        _ => false,
    }
}

impl MountRegistration {
    /// The names of the values that a registration has.
    pub const VALUE_NAMES: [&str; 4] = ["Mount Path", "WIM Path", "Image Index", "Status"];

    /// A registration without any value, by its key's path: the last name in it is the mount's GUID.
    pub fn new(registry_key: impl Into<WideString>) -> Self {
        let registry_key = registry_key.into();
        MountRegistration {
            mount_id: mount_id(&registry_key),
            registry_key,
            registered_at: None,
            mount_path: Observation::Absent,
            image_file_path: Observation::Absent,
            image_index: Observation::Absent,
            progress_value: Observation::Absent,
            other_values: Vec::new(),
            position: Position::Byte(0),
        }
    }

    fn from_key(key: Key) -> Self {
        let mut values = key.values;
        let [mount_path, wim_path, image_index, status] = Self::VALUE_NAMES.map(|name| {
            let name = WideString::from(name);
            let index = values
                .iter()
                .position(|value| value.name.eq_ignore_case(&name))?;
            Some(values.remove(index).read)
        });
        MountRegistration {
            mount_id: mount_id(&key.key.path),
            registry_key: key.key.path,
            registered_at: key.key.last_written,
            mount_path: observe(mount_path, string),
            image_file_path: observe(wim_path, string),
            image_index: observe(image_index, dword),
            progress_value: observe(status, dword),
            other_values: values
                .into_iter()
                .filter_map(|value| value.read.ok())
                .collect(),
            position: key.key.position,
        }
    }
}

/// The GUID by which the key is named, braces or none.
fn mount_id(path: &WideString) -> Option<Uuid> {
    let path = path.to_utf8()?;
    let name = path.rsplit('\\').next()?;
    let bare = match name.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}')?,
        None => name,
    };
    // Only the hyphenated form: uuid would take others too.
    (bare.len() == 36).then(|| Uuid::try_parse(bare).ok())?
}

fn observe<T>(
    value: Option<Result<RegistryValue, Error>>,
    read: fn(&RegistryValue) -> Result<T, Error>,
) -> Observation<T> {
    let read = value.map(|value| {
        let value = value?;
        read(&value).map_err(|error| error.at(value.position))
    });
    match read {
        None => Observation::Absent,
        Some(Ok(read)) => Observation::Present(read),
        Some(Err(error)) => Observation::Unreadable(error),
    }
}

fn string(value: &RegistryValue) -> Result<WideString, Error> {
    match value.value_type {
        ValueType::SZ | ValueType::EXPAND_SZ => Ok(WideString::from_utf16le_until_nul(&value.data)),
        other => Err(Error::malformed("REG_SZ", other.to_string())),
    }
}

fn dword(value: &RegistryValue) -> Result<u32, Error> {
    value.value_type.dword(&value.data)
}

#[cfg(test)]
mod tests {
    use crate::registry::RegistryExport;

    #[test]
    fn an_export_lists_all_registrations_where_it_has_their_list_or_begins_above_it() {
        let images = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\WIMMount\Mounted Images";
        let twin = images.replace("Microsoft", r"WOW6432Node\Microsoft");
        for (keys, lists_all) in [
            (vec![images.to_owned(), format!(r"{images}\x")], true),
            (vec![format!(r"{images}\x")], false),
            (vec![format!(r"{images}\x"), images.to_owned()], true),
            (vec![format!(r"{images}\x"), twin.clone()], false),
            (vec![twin], false),
            (vec![r"HKEY_LOCAL_MACHINE\SOFTWARE".to_owned()], true),
            (vec![r"HKEY_LOCAL_MACHINE\SYSTEM".to_owned()], false),
        ] {
            let lines: String = keys.iter().map(|key| format!("[{key}]\n")).collect();
            let text = format!("Windows Registry Editor Version 5.00\n\n{lines}");
            let export = RegistryExport::open(text.as_bytes(), None).unwrap();
            let registry = export.read_mount_registry().unwrap();
            assert_eq!(registry.lists_all, lists_all, "{keys:?}");
        }
    }
}
