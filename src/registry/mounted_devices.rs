//! Which partition had which drive letter: `SYSTEM\MountedDevices`, the mount manager's database. After winreg-kb
//! ("Mounted devices").

use std::io::{Read, Seek};

use uuid::Uuid;

use super::hive::{Hive, KeyValue};
use crate::binary::byte_array;
use crate::error::Error;
use crate::warning::{Warning, WarningCode, Warnings};
use crate::wide_string::WideString;

const KEY: &str = "MountedDevices";
const DRIVE: &str = r"\DosDevices\";
const VOLUME: &str = r"\??\Volume";
/// What stands before the id of a GPT partition.
const GPT_PARTITION: &[u8; 8] = b"DMIO:ID:";

/// How Windows tells a partition from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PartitionIdentity {
    /// A partition of an MBR disk.
    Mbr {
        /// The disk's signature, which stands at byte 440 of its first sector.
        signature: u32,
        /// Where the partition starts, in bytes from the start of the disk.
        offset: u64,
    },
    /// A partition of a GPT disk, by its own GUID. Volumes of dynamic disks have one in the same place.
    Gpt(Uuid),
}

/// What a device is called in [`MountedDevices`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MountedDeviceName {
    /// `\DosDevices\C:`: the letter, in upper case.
    Drive(char),
    /// `\??\Volume{...}`
    Volume(Uuid),
    /// Anything else.
    Other(WideString),
}

/// What a name of [`MountedDevices`] stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MountedDevice {
    /// A partition of a disk.
    Partition(PartitionIdentity),
    /// The path of another device: a drive with a removable medium, a virtual one.
    Path(WideString),
}

/// The names of devices that a SYSTEM hive tells, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountedDevices {
    /// Names and what they stand for.
    pub devices: Vec<(MountedDeviceName, MountedDevice)>,
}

impl MountedDevices {
    /// Reads them from a SYSTEM hive, or from a hive in which someone saved `SYSTEM` as a key. `None` says that the hive
    /// has no such key.
    ///
    /// What a value holds that is neither of the known layouts is left out with a warning. Those about damage of the hive
    /// itself stay with the hive.
    ///
    /// # Errors
    /// When the key or its list of values cannot be read.
    pub fn read<R: Read + Seek>(
        hive: &mut Hive<R>,
    ) -> Result<(Option<MountedDevices>, Warnings), Error> {
        let mut warnings = Warnings::default();
        let key = match hive.find(&[KEY])? {
            Some(key) => Some(key),
            None => hive.find(&["SYSTEM", KEY])?,
        };
        let Some(key) = key else {
            return Ok((None, warnings));
        };
        let mut devices = Vec::new();
        for value in hive.values(&key)? {
            // The default value, if anyone set it, names nothing; unreadable data are the hive's own warning.
            let (false, Ok(data)) = (value.name.is_empty(), &value.data) else {
                continue;
            };
            match mounted_device(data) {
                Some(device) => devices.push((device_name(&value.name), device)),
                None => warnings.push(malformed(&value, data.len())),
            }
        }
        Ok((Some(MountedDevices { devices }), warnings))
    }

    /// The letters of a partition, in the order of the hive.
    pub fn letters_of(&self, partition: PartitionIdentity) -> impl Iterator<Item = char> {
        let device = MountedDevice::Partition(partition);
        self.devices
            .iter()
            .filter_map(move |(name, named)| match name {
                MountedDeviceName::Drive(letter) if *named == device => Some(*letter),
                _ => None,
            })
    }

    /// The GUIDs under which a partition is known as a volume (`\\?\Volume{...}`), in the order of the hive.
    pub fn volumes_of(&self, partition: PartitionIdentity) -> impl Iterator<Item = Uuid> {
        let device = MountedDevice::Partition(partition);
        self.devices
            .iter()
            .filter_map(move |(name, named)| match name {
                MountedDeviceName::Volume(guid) if *named == device => Some(*guid),
                _ => None,
            })
    }

    /// What a drive letter stands for.
    pub fn device_of(&self, letter: char) -> Option<&MountedDevice> {
        let drive = MountedDeviceName::Drive(letter.to_ascii_uppercase());
        let named = self.devices.iter().find(|(name, _)| *name == drive);
        named.map(|(_, device)| device)
    }
}

fn device_name(name: &WideString) -> MountedDeviceName {
    let known = name.to_utf8().and_then(|text| {
        if let Some(drive) = strip_prefix(&text, DRIVE) {
            let letter = drive.strip_suffix(':')?.parse::<char>().ok()?;
            let is_letter = letter.is_ascii_alphabetic();
            return is_letter.then(|| MountedDeviceName::Drive(letter.to_ascii_uppercase()));
        }
        let guid = strip_prefix(&text, VOLUME)?
            .strip_prefix('{')?
            .strip_suffix('}')?;
        Uuid::try_parse(guid).ok().map(MountedDeviceName::Volume)
    });
    known.unwrap_or_else(|| MountedDeviceName::Other(name.clone()))
}

/// Upper and lower case are the same.
fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn mounted_device(data: &[u8]) -> Option<MountedDevice> {
    let path = WideString::from_utf16le_until_nul(data);
    let is_path = |start: &str| {
        let start = start.encode_utf16().collect::<Vec<_>>();
        data.len().is_multiple_of(2) && path.as_units().starts_with(&start)
    };
    if is_path(r"\??\") || is_path("_??_") || is_path(r"\Device\") {
        return Some(MountedDevice::Path(path));
    }
    let identity = match data.len() {
        12 => {
            let (offset, signature) = byte_array(data).ok()?;
            PartitionIdentity::Mbr {
                signature: u32::from_le_bytes(signature),
                offset: u64::from_le_bytes(offset.try_into().ok()?),
            }
        }
        24 => {
            let guid = data.strip_prefix(GPT_PARTITION)?.try_into().ok()?;
            PartitionIdentity::Gpt(Uuid::from_bytes_le(guid))
        }
        _ => return None,
    };
    Some(MountedDevice::Partition(identity))
}

fn malformed(value: &KeyValue, length: usize) -> Warning {
    let text = format!(
        "{} of {KEY}: expected the identity of a partition in 12 or 24 bytes, or the path of a device, found {length} other bytes",
        value.name.to_string_lossy()
    );
    Warning::new(WarningCode::ValueMalformed, text).at(value.position)
}
