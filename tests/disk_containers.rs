//! Disks come out of their containers as they were packed in.
#![cfg(feature = "disk-image")]

#[path = "support/disk_writer.rs"]
mod disk_writer;
#[path = "support/vhd_writer.rs"]
mod vhd_writer;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::rc::Rc;

use dism_mount_status::capture::disk_image::{ContainerFormat, Disk, ReadAt};
use dism_mount_status::{Error, WarningCode, Warnings};
use proptest::prelude::*;

use vhd_writer::{DIFFERENCING, DYNAMIC, FIXED, Vhd};

/// The files of an image, the first of which is opened.
fn open(files: &[(&str, Vec<u8>)]) -> Result<(Disk, Warnings), Error> {
    let neighbours: BTreeMap<OsString, Rc<dyn ReadAt>> = files
        .iter()
        .map(|(name, bytes)| ((*name).into(), Rc::new(bytes.clone()) as Rc<dyn ReadAt>))
        .collect();
    let first = neighbours[&OsString::from(files[0].0)].clone();
    Disk::open_among(first, files[0].0.as_ref(), Rc::new(neighbours))
}

/// Opens an image that is sound.
fn open_sound(files: &[(&str, Vec<u8>)]) -> Disk {
    let (disk, warnings) = open(files).unwrap();
    assert_eq!(warnings, Warnings::default());
    disk
}

/// All of a disk, by reads of an odd size.
fn contents(disk: &Disk) -> Vec<u8> {
    let mut bytes = vec![0xA5; disk.size() as usize];
    let mut offset = 0;
    for part in bytes.chunks_mut(7_777) {
        disk.read_exact_at(offset, part).unwrap();
        offset += part.len() as u64;
    }
    assert!(disk.read_exact_at(disk.size(), &mut [0]).is_err());
    assert!(disk.read_exact_at(u64::MAX, &mut [0]).is_err());
    bytes
}

/// Reads everything of an image that may be damaged; what is wrong becomes an error or a warning.
fn try_all(files: &[(&str, Vec<u8>)]) {
    let Ok((disk, _)) = open(files) else { return };
    let mut buffer = [0; 4096];
    let size = disk.size();
    for offset in (0..size.min(1 << 20))
        .step_by(4096)
        .chain([size / 2, size.saturating_sub(4096)])
    {
        let length = (size - offset).min(4096) as usize;
        let _ = disk.read_exact_at(offset, &mut buffer[..length]);
    }
}

fn codes(warnings: &Warnings) -> Vec<WarningCode> {
    warnings.as_slice().iter().map(|one| one.code()).collect()
}

/// A disk of sectors, some of which are zeros.
fn disks(sectors: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![2 => Just(0), 1 => any::<u8>()], 1..sectors).prop_map(
        |sectors| {
            let bytes = (0..512).map(|index: usize| index.to_le_bytes()[0]);
            let sector = |byte: u8| {
                bytes
                    .clone()
                    .map(move |index| if byte == 0 { 0 } else { index ^ byte })
            };
            sectors.into_iter().flat_map(sector).collect()
        },
    )
}

fn is_written(disk: &[u8], sector: usize) -> bool {
    disk[sector * 512..][..512].iter().any(|byte| *byte != 0)
}

#[test]
fn a_file_that_is_no_container_is_the_disk_itself() {
    let disk = open_sound(&[("disk.img", b"anything".to_vec())]);
    assert_eq!(disk.format(), ContainerFormat::Raw);
    assert_eq!(contents(&disk), b"anything");
    assert_eq!(open_sound(&[("disk.img", vec![])]).size(), 0);
}

#[test]
fn a_split_disk_is_put_together() {
    let parts: Vec<(String, Vec<u8>)> = (1..120)
        .map(|number: u8| (format!("disk.{number:03}"), vec![number; 1000]))
        .chain([("disk.120".to_owned(), vec![7; 10])])
        .collect();
    let files: Vec<(&str, Vec<u8>)> = parts
        .iter()
        .map(|(name, bytes)| (&**name, bytes.clone()))
        .collect();
    let disk = open_sound(&files);
    assert_eq!(disk.format(), ContainerFormat::SplitRaw);
    assert_eq!(
        contents(&disk),
        files
            .iter()
            .flat_map(|(_, bytes)| bytes.clone())
            .collect::<Vec<_>>()
    );
    // A lone part is a disk by itself.
    assert_eq!(open_sound(&files[..1]).format(), ContainerFormat::Raw);
    // A part from the middle is none.
    let error = open(&[files[1].clone(), files[0].clone()]).err().unwrap();
    assert!(error.is_unsupported());
    assert!(error.to_string().contains("disk.001"), "{error}");
    // Where bytes are missing all that follows is in the wrong place.
    let mut short = files.clone();
    short[3].1.pop();
    let (_, warnings) = open(&short).unwrap();
    assert_eq!(codes(&warnings), [WarningCode::Truncated]);
    assert!(warnings.as_slice()[0].message().starts_with("disk.004: "));
}

#[test]
fn formats_that_are_not_read_are_named() {
    for (start, name) in [
        (&b"QED\0"[..], "QED"),
        (b"QFI\xFB\0\0\0\x01", "QCOW"),
        (b"WithoutFreeSpace", "Parallels"),
        (b"EVF2\r\n\x81\0", "Ex01"),
        (b"LVF\x09\r\n\xFF\0", "L01"),
        (b"AFF10\r\n\0", "AFF"),
        (b"COWD", "COWD"),
    ] {
        let mut file = start.to_vec();
        file.resize(4096, 0);
        let error = open(&[("disk", file)]).err().unwrap();
        assert!(error.is_unsupported());
        assert!(error.to_string().contains(name), "{error}");
    }
    let mut dmg = vec![0; 4096];
    dmg[4096 - 512..][..4].copy_from_slice(b"koly");
    assert!(
        open(&[("disk", dmg)])
            .err()
            .unwrap()
            .to_string()
            .contains("DMG")
    );
}

fn vhd(disk: &[u8], kind: u32) -> Vec<u8> {
    Vhd {
        disk,
        kind,
        id: [7; 16],
        block_size: 4096,
        is_written: &|sector| is_written(disk, sector),
        parent: None,
    }
    .to_bytes()
}

/// A differencing VHD over one of `base`.
fn vhd_child(disk: &[u8], base: &[u8], name: &str) -> Vec<u8> {
    Vhd {
        disk,
        kind: DIFFERENCING,
        id: [8; 16],
        block_size: 4096,
        is_written: &|sector| {
            base.get(sector * 512..sector * 512 + 512) != Some(&disk[sector * 512..][..512])
        },
        parent: Some(([7; 16], name)),
    }
    .to_bytes()
}

#[test]
fn a_fixed_vhd_is_known_by_its_footer() {
    let disk = open_sound(&[("a", vhd(&[5; 2048], FIXED))]);
    assert_eq!(
        (disk.format(), disk.variant()),
        (ContainerFormat::Vhd, "fixed")
    );
    assert_eq!(disk.sector_size(), Some(512));
    assert_eq!(contents(&disk), [5; 2048]);
    // Old ones have a footer that is a byte shorter.
    let mut old = vhd(&[5; 2048], FIXED);
    old.pop();
    assert_eq!(contents(&open_sound(&[("a", old)])), [5; 2048]);
}

#[test]
fn a_vhd_with_a_damaged_footer_is_read_by_its_copy() {
    let data = [5; 9000 / 512 * 512];
    let whole = vhd(&data, DYNAMIC);
    let end = whole.len() - 512;
    for (at, code) in [
        (end + 70, WarningCode::ContainerDamaged),
        (end, WarningCode::Truncated),
        (70, WarningCode::ContainerDamaged),
    ] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        let (disk, warnings) = open(&[("a", damaged)]).unwrap();
        assert_eq!(codes(&warnings), [code]);
        assert_eq!(contents(&disk), data);
    }
}

#[test]
fn a_vhd_that_was_cut_off_is_read_up_to_there() {
    let data: Vec<u8> = (0..64 * 512_usize)
        .map(|index| (index / 512) as u8 + 1)
        .collect();
    let mut file = vhd(&data, DYNAMIC);
    let cut = file.len() - 8000;
    file.truncate(cut);
    let (disk, warnings) = open(&[("a", file)]).unwrap();
    assert_eq!(codes(&warnings), [WarningCode::Truncated]);
    let mut part = vec![0; 24 * 1024];
    disk.read_exact_at(0, &mut part).unwrap();
    assert_eq!(part, data[..part.len()]);
    let error = Error::from(disk.read_exact_at(31 * 1024, &mut [0; 1024]).unwrap_err());
    assert!(error.position().unwrap().byte() + 1024 > cut as u64);
    assert!(error.to_string().contains("cut off"), "{error}");
}

#[test]
fn a_parent_is_looked_for_beside_its_child_only() {
    let base = vec![1; 8192];
    let top = [&[2; 512][..], &[1; 8192 - 512]].concat();
    let child = vhd_child(&top, &base, r"C:\elsewhere\Base.vhd");
    let files = [
        ("child.vhd", child.clone()),
        ("Base.vhd", vhd(&base, FIXED)),
    ];
    let disk = open_sound(&files);
    assert_eq!(disk.variant(), "differencing");
    assert_eq!(contents(&disk), top);
    let error = open(&files[..1]).err().unwrap();
    assert_eq!(error.io_error_kind(), Some(std::io::ErrorKind::NotFound));
    assert!(
        error
            .to_string()
            .contains("put Base.vhd into the same folder"),
        "{error}"
    );
    // Another disk of that name is not taken for it.
    let mut other = vhd(&base, FIXED);
    let end = other.len();
    other[end - 512 + 68] ^= 1;
    vhd_writer::seal(&mut other[end - 512..], 64);
    let error = open(&[files[0].clone(), ("Base.vhd", other)])
        .err()
        .unwrap();
    assert_eq!(error.evidence(), Some("Base.vhd"));
    assert!(error.expected().unwrap().contains("07070707-"), "{error}");
}

#[test]
fn a_disk_that_is_its_own_parent_is_refused() {
    let disk = [9; 1024];
    let child = Vhd {
        disk: &disk,
        kind: DIFFERENCING,
        id: [7; 16],
        block_size: 4096,
        is_written: &|_| true,
        parent: Some(([7; 16], "self.vhd")),
    };
    let error = open(&[("self.vhd", child.to_bytes())]).err().unwrap();
    assert!(error.expected().unwrap().contains("32 disks"), "{error}");
}

#[test]
fn a_child_may_be_larger_than_its_parent() {
    let base = vec![1; 8192];
    let top = [&[1; 8192][..], &[0; 8192], &[3; 512]].concat();
    let child = vhd_child(&top, &[&base[..], &[0; 8192]].concat(), "base.vhd");
    let disk = open_sound(&[("child.vhd", child), ("base.vhd", vhd(&base, DYNAMIC))]);
    assert_eq!(contents(&disk), top);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_packed_into_a_vhd_comes_out(base in disks(60), top in disks(60)) {
        prop_assert_eq!(contents(&open_sound(&[("a", vhd(&base, FIXED))])), &base[..]);
        let dynamic = vhd(&base, DYNAMIC);
        prop_assert_eq!(contents(&open_sound(&[("a", dynamic.clone())])), &base[..]);
        let mut larger = base.clone();
        larger.resize(base.len().max(top.len()), 0);
        let child = vhd_child(&top, &larger, r"..\base.vhd");
        prop_assert_eq!(contents(&open_sound(&[("child", child), ("base.vhd", dynamic)])), top);
    }

    #[test]
    fn a_damaged_vhd_ends_without_a_panic(
        disk in disks(40),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for mut file in [vhd(&disk, FIXED), vhd(&disk, DYNAMIC), vhd_child(&disk, &[], "child")] {
            for (place, byte) in &flips {
                let headers = file.len().min(2100);
                file[place.index(headers)] = *byte;
            }
            try_all(&[("child", file.clone())]);
            file.truncate(cut.index(file.len()));
            try_all(&[("child", file)]);
        }
    }
}
