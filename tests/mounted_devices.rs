//! What a SYSTEM hive says about drive letters.

#[path = "support/hive_writer.rs"]
mod hive_writer;

use std::io::Cursor;

use dism_mount_status::registry::hive::Hive;
use dism_mount_status::registry::mounted_devices::{
    MountedDevice, MountedDeviceName, MountedDevices, PartitionIdentity,
};
use dism_mount_status::{WarningCode, Warnings, WideString};
use hive_writer::{HiveWriter, Key, REG_BINARY};
use proptest::prelude::*;
use uuid::Uuid;

const GUID: Uuid = Uuid::from_u128(0x01234567_89AB_CDEF_0123_456789ABCDEF);

fn read(key: Key) -> (Option<MountedDevices>, Warnings) {
    let hive = HiveWriter::default().write(&Key::new("SYSTEM").key(key));
    MountedDevices::read(&mut Hive::open(Cursor::new(hive)).unwrap()).unwrap()
}

fn mbr(signature: u32, offset: u64) -> Vec<u8> {
    [&signature.to_le_bytes()[..], &offset.to_le_bytes()].concat()
}

fn gpt(guid: Uuid) -> Vec<u8> {
    [b"DMIO:ID:", &guid.to_bytes_le()[..]].concat()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn letters_lead_to_partitions_and_back() {
    let volume = format!(r"\??\Volume{{{GUID}}}");
    let key = Key::new("MountedDevices")
        .value(r"\DosDevices\C:", REG_BINARY, &gpt(GUID))
        .value(volume.as_str(), REG_BINARY, &gpt(GUID))
        .value(
            r"\dosdevices\d:",
            REG_BINARY,
            &mbr(0xB3EB_A8F1, 0x1_0010_0000),
        )
        .value(
            format!(r"\??\Volume{{{}}}", Uuid::nil()).as_str(),
            REG_BINARY,
            &mbr(0xB3EB_A8F1, 0x1_0010_0000),
        )
        .value(r"\DosDevices\E:", REG_BINARY, &gpt(GUID))
        .value(
            r"\DosDevices\F:",
            REG_BINARY,
            &utf16(r"\??\SCSI#CdRom&Ven_VBOX"),
        )
        .value("#{unknown}", REG_BINARY, &mbr(1, 2));
    let (devices, warnings) = read(key);
    let devices = devices.unwrap();
    assert_eq!(warnings, Warnings::default());
    let first = PartitionIdentity::Gpt(GUID);
    assert_eq!(devices.letters_of(first).collect::<String>(), "CE");
    assert_eq!(devices.volumes_of(first).collect::<Vec<_>>(), [GUID]);
    let second = PartitionIdentity::Mbr {
        signature: 0xB3EB_A8F1,
        offset: 0x1_0010_0000,
    };
    assert_eq!(devices.letters_of(second).collect::<String>(), "D");
    assert_eq!(
        devices.device_of('d'),
        Some(&MountedDevice::Partition(second))
    );
    assert_eq!(
        devices.volumes_of(second).collect::<Vec<_>>(),
        [Uuid::nil()]
    );
    let path = WideString::from(r"\??\SCSI#CdRom&Ven_VBOX");
    assert_eq!(devices.device_of('F'), Some(&MountedDevice::Path(path)));
    assert_eq!(devices.device_of('G'), None);
    let (name, _) = devices.devices.last().unwrap();
    assert_eq!(*name, MountedDeviceName::Other("#{unknown}".into()));
}

#[test]
fn paths_of_devices_are_known_by_their_beginning() {
    for path in [
        r"\??\SCSI#CdRom",
        "_??_USBSTOR#Disk",
        r"\Device\HarddiskVolume3",
    ] {
        let (devices, _) = read(Key::new("MountedDevices").value("x", REG_BINARY, &utf16(path)));
        let (_, device) = devices.unwrap().devices.remove(0);
        assert_eq!(device, MountedDevice::Path(path.into()));
    }
}

#[test]
fn a_hive_without_the_key_says_nothing() {
    assert_eq!(read(Key::new("Select")), (None, Warnings::default()));
}

#[test]
fn values_that_are_neither_layout_are_warned_of() {
    let mut key = Key::new("MountedDevices").value(r"\DosDevices\C:", REG_BINARY, &mbr(1, 2));
    for (index, data) in [
        &b""[..],
        &[1; 11],
        &[1; 24],
        &utf16(r"C:\"),
        &gpt(GUID)[..23],
    ]
    .into_iter()
    .enumerate()
    {
        key = key.value(format!("bad {index}").as_str(), REG_BINARY, data);
    }
    let (devices, warnings) = read(key);
    assert_eq!(devices.unwrap().devices.len(), 1);
    let codes: Vec<_> = warnings.as_slice().iter().map(|one| one.code()).collect();
    assert_eq!(codes, [WarningCode::ValueMalformed; 5]);
    assert!(
        warnings
            .as_slice()
            .iter()
            .all(|one| one.position().is_some())
    );
}

proptest! {
    #[test]
    fn any_data_is_a_device_or_a_warning(data in prop::collection::vec(any::<u8>(), 0..40)) {
        let (devices, warnings) = read(Key::new("MountedDevices").value("x", REG_BINARY, &data));
        let found = devices.unwrap().devices.len() + warnings.as_slice().len();
        prop_assert_eq!(found, 1);
    }
}
