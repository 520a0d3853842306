//! Disks come out of VMDKs as they were packed in.
#![cfg(feature = "disk-image")]

#[path = "support/disk_image_files.rs"]
mod disk_image_files;
#[path = "support/vmdk_writer.rs"]
mod vmdk_writer;

use std::cell::Cell;
use std::ffi::OsStr;
use std::io;
use std::rc::Rc;

use dism_mount_status::WarningCode;
use dism_mount_status::capture::disk_image::{ContainerFormat, Disk, Neighbours};
use dism_mount_status::capture::read_at::ReadAt;
use proptest::prelude::*;

use disk_image_files::{
    codes, contents, disks, is_noticed_or_the_same, open, open_sound, refusal, try_all,
};
use vmdk_writer::{Grain, SparseExtent, descriptor};

const CID: u32 = 0xDA7A;
const GRAIN: usize = 8 * 512;

/// With its descriptor inside; grains of 4 KiB, as few of which as `base` allows.
fn sparse(disk: &[u8], base: &[u8], parent: Option<(u32, &str)>, is_stream: bool) -> Vec<u8> {
    let kind = if is_stream {
        "streamOptimized"
    } else {
        "monolithicSparse"
    };
    let line = format!("RW {} SPARSE \"another name.vmdk\"", disk.len() / 512);
    extent(
        disk,
        base,
        is_stream,
        &descriptor(kind, CID, parent, &[line]),
    )
}

fn extent(disk: &[u8], base: &[u8], is_stream: bool, descriptor: &str) -> Vec<u8> {
    SparseExtent {
        disk,
        grain_size: 8,
        entries_per_table: 16,
        grain: &|index| {
            let (start, end) = (index * GRAIN, disk.len().min((index + 1) * GRAIN));
            let mut below = base[start.min(base.len())..end.min(base.len())].to_vec();
            below.resize(end - start, 0);
            let over = &disk[start..end];
            match (over == below, over.iter().all(|&byte| byte == 0)) {
                (true, _) => Grain::Absent,
                (false, true) => Grain::Zeros,
                (false, false) => Grain::Stored,
            }
        },
        is_stream,
        descriptor,
    }
    .to_bytes()
}

/// Four grain tables' worth, one of which is empty; the last grain is a short one.
fn long_disk() -> Vec<u8> {
    let mut disk = vec![0; 50 * GRAIN + 512];
    for (index, byte) in disk.iter_mut().enumerate() {
        if !(index / GRAIN).is_multiple_of(3) && !(16..32).contains(&(index / GRAIN)) {
            *byte = (index / 7 % 251) as u8;
        }
    }
    disk
}

#[test]
fn a_vmdk_in_one_file_gives_its_disk() {
    let data = long_disk();
    for (is_stream, variant) in [(false, "sparse"), (true, "stream-optimised")] {
        let file = sparse(&data, &[], None, is_stream);
        assert!(Disk::is_disk_image(&file).unwrap());
        let disk = open_sound(&[("a.vmdk", file)]);
        assert_eq!(
            (disk.format(), disk.variant(), disk.sector_size()),
            (ContainerFormat::Vmdk, variant, Some(512))
        );
        assert!(contents(&disk) == data);
    }
}

/// A disk of a flat, an empty and two sparse extents, the first of which starts within its file.
fn split(data: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let (flat, rest) = data.split_at(5 * 512);
    let (zeros, rest) = rest.split_at(4 * 512);
    assert!(zeros.iter().all(|&byte| byte == 0));
    let (first, second) = rest.split_at(20 * GRAIN);
    let lines = [
        "RW 5 FLAT \"C:\\vm\\d\u{e9}-f001.vmdk\" 3".to_owned(),
        "RW 4 ZERO".to_owned(),
        format!("RW {} SPARSE \"d-s002.vmdk\"", first.len() / 512),
        format!("RDONLY {} SPARSE \"d-s003.vmdk\"", second.len() / 512),
    ];
    let text = descriptor("custom", CID, None, &lines);
    // In the encoding that it names.
    let text: Vec<u8> = text.chars().map(|one| one as u8).collect();
    vec![
        ("d.vmdk", text),
        ("d\u{e9}-f001.vmdk", [&[9; 3 * 512], flat].concat()),
        ("d-s002.vmdk", extent(first, &[], false, "")),
        ("d-s003.vmdk", extent(second, &[], false, "")),
    ]
}

#[test]
fn a_split_vmdk_is_put_together_from_the_same_folder() {
    let mut data = long_disk();
    data[..5 * 512].fill(5);
    data[5 * 512..9 * 512].fill(0);
    let files = split(&data);
    let disk = open_sound(&files);
    assert_eq!(disk.variant(), "split flat");
    assert!(contents(&disk) == data);
    // One extent of it is no disk.
    let error = refusal(&files[2..]);
    assert!(
        error.is_unsupported() && error.to_string().contains("descriptor"),
        "{error}"
    );
}

/// Bytes that count how often they are read.
struct Counted(Vec<u8>, Cell<usize>);

impl ReadAt for Counted {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.1.set(self.1.get() + 1);
        self.0.read_exact_at(offset, buffer)
    }
}

/// A folder with one file, which has any name.
struct AnyName(Rc<Counted>);

impl Neighbours for AnyName {
    fn open(&self, _name: &OsStr) -> io::Result<Option<Rc<dyn ReadAt>>> {
        Ok(Some(self.0.clone()))
    }
}

#[test]
fn an_extent_that_is_named_again_and_again_is_looked_through_once() {
    const LINES: usize = 1000;
    let line = |number: usize| match number % 2 {
        0 => "RW 8 SPARSE \"d-s001.vmdk\"".to_owned(),
        _ => "RW 8 SPARSE \"D-S001.VMDK\"".to_owned(),
    };
    let lines: Vec<String> = (0..LINES).map(line).collect();
    let text = descriptor("custom", CID, None, &lines).into_bytes();
    let extent = Counted(extent(&long_disk(), &[], false, ""), Cell::new(0));
    let extent = Rc::new(extent);
    let folder = Rc::new(AnyName(extent.clone()));
    let (disk, _) = Disk::open_among(Rc::new(text), "d.vmdk".as_ref(), folder).unwrap();
    assert_eq!(disk.size(), (LINES * 8 * 512) as u64);
    let reads = extent.1.get();
    assert!(reads < LINES + 20, "{reads} reads");
}

#[test]
fn what_lies_in_the_extents_that_are_there_is_read() {
    let mut data = long_disk();
    data[..5 * 512].fill(5);
    data[5 * 512..9 * 512].fill(0);
    let mut files = split(&data);
    files.remove(2);
    files[1].1.truncate(6 * 512);
    let (disk, warnings) = open(&files).unwrap();
    assert_eq!(
        codes(&warnings),
        [WarningCode::Truncated, WarningCode::PartMissing]
    );
    assert_eq!(warnings.as_slice()[1].evidence(), Some("d-s002.vmdk"));
    assert_eq!(disk.size(), data.len() as u64);
    disk.read_exact_at(0, &mut [0; 3 * 512]).unwrap();
    assert!(disk.read_exact_at(0, &mut [0; 4 * 512]).is_err());
    let error = disk.read_exact_at(9 * 512, &mut [0; 512]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("d-s002.vmdk: cannot read: this extent"),
        "{error}"
    );
    let mut end = [0; 512];
    disk.read_exact_at(disk.size() - 512, &mut end).unwrap();
    assert_eq!(end, data[data.len() - 512..]);
}

#[test]
fn a_vmdk_over_a_parent_has_what_differs() {
    let base = long_disk();
    let mut top = base.clone();
    top.resize(base.len() + 3 * GRAIN, 0);
    top[GRAIN..3 * GRAIN].fill(0);
    top[30 * GRAIN..31 * GRAIN].fill(3);
    let parent = sparse(&base, &[], None, false);
    let child = sparse(&top, &base, Some((CID, r"C:\vm\base.vmdk")), false);
    let disk = open_sound(&[("top.vmdk", child.clone()), ("base.vmdk", parent.clone())]);
    assert_eq!(disk.variant(), "differencing");
    assert!(contents(&disk) == top);
    let error = refusal(&[("top.vmdk", child)]);
    assert!(
        error
            .to_string()
            .contains("put base.vmdk into the same folder"),
        "{error}"
    );
    let child = sparse(&top, &base, Some((CID + 1, "base.vmdk")), false);
    let error = refusal(&[("top.vmdk", child), ("base.vmdk", parent)]);
    assert!(error.found().unwrap().contains("later state"), "{error}");
}

#[test]
fn kinds_that_are_not_read_are_named() {
    let of = |lines: &[&str]| {
        let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        refusal(&[(
            "a.vmdk",
            descriptor("custom", CID, None, &lines).into_bytes(),
        )])
    };
    for (line, name) in [
        ("RW 8 VMFSSPARSE \"a-delta.vmdk\"", "COWD"),
        ("RW 8 SESPARSE \"a-sesparse.vmdk\"", "SESparse"),
        ("RW 8 VMFSRDM \"a-rdm.vmdk\"", "VMFSRDM"),
    ] {
        let error = of(&[line]);
        assert!(
            error.is_unsupported() && error.to_string().contains(name),
            "{error}"
        );
    }
    for line in [
        "RW many FLAT \"a\" 0",
        "RW 8",
        "RW 8 FLAT \"a",
        "RW 8 FLAT \"..\" 0",
        "",
    ] {
        assert!(of(&[line]).expected().is_some(), "{line}");
    }
    let huge = format!("RW {} ZERO", u64::MAX / 512);
    assert!(of(&[&huge, &huge]).expected().is_some());
    let whole = sparse(&long_disk(), &[], None, true);
    for (at, byte) in [(4, 9), (10, 1), (77, 2)] {
        let mut file = whole.clone();
        file[at] = byte;
        let last = file.len() - 1024;
        file[last + at] = byte;
        assert!(refusal(&[("a.vmdk", file)]).is_unsupported());
    }
    // It was copied as text; grains of no size, or too large; tables of no entries.
    for (at, byte) in [(75, b'\n'), (20, 0), (22, 1), (44, 0)] {
        let mut file = whole.clone();
        file[at] = byte;
        assert!(refusal(&[("a.vmdk", file)]).expected().is_some());
    }
}

#[test]
fn a_vmdk_that_was_cut_off_or_in_use_says_so() {
    let data = long_disk();
    let mut file = sparse(&data, &[], None, true);
    file.truncate(file.len() - 512);
    let error = refusal(&[("a.vmdk", file)]);
    assert!(error.to_string().contains("cut off"), "{error}");
    let mut file = sparse(&data, &[], None, false);
    file[72] = 1;
    let (disk, warnings) = open(&[("a.vmdk", file.clone())]).unwrap();
    assert_eq!(codes(&warnings), [WarningCode::ContainerDamaged]);
    assert!(contents(&disk) == data);
    file[72] = 0;
    file.truncate(file.len() - 1024);
    let (_, warnings) = open(&[("a.vmdk", file)]).unwrap();
    assert_eq!(codes(&warnings), [WarningCode::Truncated]);
}

#[test]
fn a_vmdk_whose_tables_lie_in_front_and_that_was_cut_off_says_so() {
    let data = long_disk();
    let mut file = sparse(&data, &[], None, false);
    let number =
        |file: &[u8], at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    // As if the second grain were the last one in the file.
    let directory = number(&file, 56) * 512;
    let entry = number(&file, directory) * 512 + 4;
    let end = (file.len() / 512) as u32;
    file[entry..entry + 4].copy_from_slice(&end.to_le_bytes());
    let (disk, warnings) = open(&[("a.vmdk", file)]).unwrap();
    assert_eq!(codes(&warnings), [WarningCode::Truncated]);
    let mut grain = [0; GRAIN];
    let error = disk.read_exact_at(GRAIN as u64, &mut grain).unwrap_err();
    assert!(error.to_string().contains("cut off"), "{error}");
    disk.read_exact_at(4 * GRAIN as u64, &mut grain).unwrap();
    assert!(grain == data[4 * GRAIN..5 * GRAIN]);
}

#[test]
fn a_grain_that_is_not_the_one_asked_for_is_an_error() {
    let data = long_disk();
    let mut file = sparse(&data, &[], None, true);
    // The marker of the first grain, which is the second of the disk.
    let is_marker = |at: &usize| file[*at..*at + 8] == 8_u64.to_le_bytes();
    let at = (512..file.len()).step_by(512).find(is_marker).unwrap();
    file[at] = 16;
    let (disk, _) = open(&[("a.vmdk", file)]).unwrap();
    let error = disk.read_exact_at(GRAIN as u64, &mut [0; 512]).unwrap_err();
    assert!(error.to_string().contains("marker"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_packed_into_a_vmdk_comes_out(base in disks(300), top in disks(300), is_stream: bool) {
        let parent = sparse(&base, &[], None, is_stream);
        prop_assert_eq!(contents(&open_sound(&[("a", parent.clone())])), &base[..]);
        let child = sparse(&top, &base, Some((CID, "base")), false);
        prop_assert_eq!(contents(&open_sound(&[("top", child), ("base", parent)])), top);
    }

    #[test]
    fn a_damaged_vmdk_ends_without_a_panic(
        disk in disks(100),
        is_stream: bool,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = sparse(&disk, &[], None, is_stream);
        let mut file = whole.clone();
        file.truncate(cut.index(whole.len()));
        prop_assert!(is_noticed_or_the_same(&[("a", file)], &disk));
        let mut file = whole.clone();
        for (place, byte) in &flips {
            file[place.index(whole.len())] = *byte;
        }
        try_all(&[("a", file)]);
        let line = "RW 8 FLAT \"a\" 0".to_owned();
        let mut text = descriptor("monolithicFlat", CID, None, &[line]).into_bytes();
        for (place, byte) in &flips {
            let at = place.index(text.len());
            text[at] = *byte;
        }
        try_all(&[("d.vmdk", text), ("a", whole)]);
    }
}
