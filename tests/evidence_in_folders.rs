//! What `--recursive` takes for captures: not what is read with another file, and not what holds nothing to judge.
#![cfg(feature = "cli")]

#[path = "support/archive_writer.rs"]
mod archive_writer;
#[path = "support/command_line.rs"]
mod command_line;
#[path = "support/disk_fixtures.rs"]
mod disk_fixtures;
#[path = "support/disk_writer.rs"]
mod disk_writer;
#[path = "support/ewf_writer.rs"]
mod ewf_writer;
#[allow(dead_code, unused_imports)]
#[path = "support/ntfs/mod.rs"]
mod ntfs_writer;
#[path = "support/qcow2_writer.rs"]
mod qcow2_writer;
#[path = "support/vhd_writer.rs"]
mod vhd_writer;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use command_line::{Run, reg, run};
use disk_fixtures::unpack_disk_fixture;
use dism_mount_status::companions;
use serde_json::Value;
use tempfile::TempDir;
use vhd_writer::vhd;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");

/// The evidence that was reported, each piece once, and whether it could be read.
fn found(run: &Run) -> Vec<(String, bool)> {
    let report: Value = serde_json::from_str(&run.stdout).expect(&run.stderr);
    let captures = report["captures"].as_array().unwrap();
    let mut found: Vec<_> = captures
        .iter()
        .map(|capture| {
            let name = capture["evidence"].as_str().unwrap().replace('\\', "/");
            (name, capture["error"].is_null())
        })
        .collect();
    found.dedup();
    found
}

fn search(folder: &Path) -> Run {
    let arguments = ["--format=json", "--fail-on=never", "--recursive", "."];
    run(folder, &arguments)
}

fn expected(names: &[(&str, bool)]) -> Vec<(String, bool)> {
    let names = names.iter();
    names.map(|&(name, is)| (name.to_owned(), is)).collect()
}

fn copy_split_wim(to: &Path, parts: &[&str]) {
    fs::create_dir_all(to).unwrap();
    for part in parts {
        fs::copy(format!("{FIXTURES}/captured-wim/{part}"), to.join(part)).unwrap();
    }
}

/// An NTFS volume with a file on it and no Windows.
fn data_volume() -> Vec<u8> {
    let files = [ntfs_writer::File::with_data(
        "notes.txt",
        b"nothing of the kind",
        ntfs_writer::Storage::Resident,
    )];
    ntfs_writer::write_volume(&ntfs_writer::Layout::default(), &files)
}

fn notes() -> archive_writer::ZipMember {
    archive_writer::ZipMember::stored("notes.txt", b"nothing of the kind")
}

/// A QCOW2 of zeros over a backing file.
fn qcow2_over(backing: &str) -> Vec<u8> {
    let qcow2 = qcow2_writer::Qcow2 {
        disk: &[0; 1 << 16],
        version: 3,
        cluster_bits: 16,
        cluster: &|_| qcow2_writer::Cluster::Absent,
        is_zstd: false,
        backing: Some((backing, Some("qcow2"))),
    };
    qcow2.to_bytes()
}

#[test]
fn what_is_read_with_another_file_is_no_capture_of_its_own() {
    let folder = TempDir::new().unwrap();
    let at = |path: &str| folder.path().join(path);
    for kind in ["split", "qcow2-backing", "vmdk-flat", "vmdk-split"] {
        unpack_disk_fixture(kind, &at(kind));
    }
    copy_split_wim(&at("wim"), &["split.swm", "split2.swm"]);
    unpack_disk_fixture("volume-512", &at("ewf"));
    let volume = fs::read(at("ewf/volume.img")).unwrap();
    fs::remove_file(at("ewf/volume.img")).unwrap();
    let segments = ewf_writer::Ewf {
        disk: &volume,
        sectors_per_chunk: 64,
        chunks_per_table: 100,
        tables_per_segment: 1,
        is_compressed: &|_| true,
    };
    let segments = segments.to_segments();
    assert!((3..100).contains(&segments.len()), "{}", segments.len());
    for (segment, number) in segments.iter().zip(1..) {
        fs::write(at(&format!("ewf/disk.E{number:02}")), segment).unwrap();
    }
    fs::create_dir(at("vhd")).unwrap();
    // Two children, in another letter case than the file, over a child of the base.
    fs::write(at("vhd/BASE.vhd"), vhd(&volume, 1, None)).unwrap();
    let parent = |id: u8, name| Some(([id; 16], name));
    let middle = vhd(&volume, 2, parent(1, r"C:\vm\base.vhd"));
    fs::write(at("vhd/middle.avhd"), middle).unwrap();
    for (id, name) in [(3, "vhd/a.avhd"), (4, "vhd/z.avhd")] {
        fs::write(at(name), vhd(&volume, id, parent(2, "middle.avhd"))).unwrap();
    }
    let searched = search(folder.path());
    let captures = [
        ("./ewf/disk.E01", true),
        ("./qcow2-backing/disk.qcow2", true),
        ("./split/disk.001", true),
        ("./vhd/a.avhd", true),
        ("./vhd/z.avhd", true),
        ("./vmdk-flat/disk.vmdk", true),
        ("./vmdk-split/disk.vmdk", true),
        ("./wim/split.swm", true),
    ];
    assert_eq!(found(&searched), expected(&captures));
    assert_eq!(searched.code, 0);
    let of_vhds: Vec<_> = companions(at("vhd")).unwrap().into_iter().collect();
    assert_eq!(of_vhds, ["BASE.vhd", "middle.avhd"]);
    assert_eq!(companions(folder.path()).unwrap(), BTreeSet::new());
    assert!(companions(at("missing")).is_err());
}

#[test]
fn a_part_without_that_which_it_belongs_to_is_reported() {
    let folder = TempDir::new().unwrap();
    copy_split_wim(folder.path(), &["split2.swm"]);
    let segments = ewf_writer::Ewf {
        disk: &[1; 4096],
        sectors_per_chunk: 2,
        chunks_per_table: 1,
        tables_per_segment: 1,
        is_compressed: &|_| false,
    };
    fs::write(folder.path().join("disk.E02"), &segments.to_segments()[1]).unwrap();
    let searched = search(folder.path());
    let captures = [("./disk.E02", false), ("./split2.swm", false)];
    assert_eq!(found(&searched), expected(&captures));
    assert_eq!(searched.code, 2);
}

#[test]
fn a_disk_that_cannot_be_opened_takes_no_other_with_it() {
    let folder = TempDir::new().unwrap();
    let at = |path: &str| folder.path().join(path);
    unpack_disk_fixture("volume-512", folder.path());
    let volume = fs::read(at("volume.img")).unwrap();
    fs::remove_file(at("volume.img")).unwrap();
    fs::write(at("base.vhd"), vhd(&volume, 1, None)).unwrap();
    let child = vhd(&volume, 2, Some(([9; 16], "base.vhd")));
    fs::write(at("child.avhd"), child).unwrap();
    for (name, backing) in [
        ("one.qcow2", "two.qcow2"),
        ("own.qcow2", "own.qcow2"),
        ("two.qcow2", "one.qcow2"),
    ] {
        fs::write(at(name), qcow2_over(backing)).unwrap();
    }
    // Each names the other as all of itself.
    for (name, extent) in [("x.vmdk", "y.vmdk"), ("y.vmdk", "x.vmdk")] {
        let text = format!(
            "# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n\
             RW 1 FLAT \"{extent}\" 0\n"
        );
        fs::write(at(name), format!("{text:512}")).unwrap();
    }
    let captures = [
        ("./base.vhd", true),
        ("./child.avhd", false),
        ("./one.qcow2", false),
        ("./own.qcow2", false),
        ("./two.qcow2", false),
        ("./x.vmdk", false),
        ("./y.vmdk", false),
    ];
    assert_eq!(found(&search(folder.path())), expected(&captures));
    assert_eq!(companions(folder.path()).unwrap(), BTreeSet::new());
}

#[test]
fn what_holds_nothing_to_judge_is_passed_over_where_it_was_found_and_an_error_where_it_was_named() {
    let folder = TempDir::new().unwrap();
    let at = |path: &str| folder.path().join(path);
    let mut fat = vec![0; 1 << 20];
    fat[..3].copy_from_slice(&[0xEB, 0x3C, 0x90]);
    // 512 bytes in a sector, one in a cluster, one reserved, two FATs, a fixed disk.
    fat[11..17].copy_from_slice(&[0, 2, 1, 1, 0, 2]);
    fat[21] = 0xF8;
    fat[510..512].copy_from_slice(&[0x55, 0xAA]);
    let mut divided = vec![0; 1 << 20];
    divided.extend(&fat);
    divided.extend(data_volume());
    let sectors = (divided.len() / 512) as u32;
    let partitions = [(6, 2048, 2048), (7, 4096, sectors - 4096)];
    disk_writer::put_mbr(&mut divided, 0, 1, &partitions);
    let empty_disk = {
        let mut disk = vec![0; 1 << 20];
        disk_writer::put_mbr(&mut disk, 0, 1, &[]);
        disk
    };
    let nothing: [(&str, Vec<u8>); 7] = [
        ("data.img", data_volume()),
        ("data.vhd", vhd(&data_volume(), 1, None)),
        ("divided.img", divided),
        ("empty.img", empty_disk),
        ("fat.img", fat),
        (
            "data.wim",
            fs::read(format!("{FIXTURES}/wim/two-images.wim")).unwrap(),
        ),
        ("notes.zip", archive_writer::zip(&[notes()])),
    ];
    for (name, bytes) in &nothing {
        fs::write(at(name), bytes).unwrap();
    }
    let searched = run(folder.path(), &["--format=jsonl", "--recursive", "."]);
    assert_eq!((searched.code, &*searched.stdout), (2, ""));
    assert!(
        searched.stderr.contains("there is nothing to judge"),
        "{}",
        searched.stderr
    );
    fs::write(at("z.reg"), reg(&[2])).unwrap();
    let searched = search(folder.path());
    assert_eq!(found(&searched), expected(&[("./z.reg", true)]));
    assert_eq!(searched.code, 0);
    assert!(searched.stderr.starts_with("note: "), "{}", searched.stderr);
    assert!(
        searched.stderr.trim_end().ends_with(": 7"),
        "{}",
        searched.stderr
    );
    let quiet = run(folder.path(), &["--quiet", "--recursive", "."]);
    assert_eq!((quiet.code, &*quiet.stderr), (0, ""));
    for (name, _) in &nothing {
        let named = run(folder.path(), &["--format=json", "z.reg", name]);
        let captures = [("z.reg", true), (name, false)];
        assert_eq!(found(&named), expected(&captures), "{name}");
        assert_eq!(named.code, 2, "{name}");
    }
}

#[test]
fn what_may_hide_a_windows_is_an_error_wherever_it_comes_from() {
    let folder = TempDir::new().unwrap();
    let at = |path: &str| folder.path().join(path);
    let mut locked = disk_writer::ntfs_boot_sector().to_vec();
    locked[3..11].copy_from_slice(b"-FVE-FS-");
    locked.resize(1 << 20, 1);
    let cut_off = {
        let mut disk = vec![0; 1 << 20];
        disk_writer::put_mbr(&mut disk, 0, 1, &[(7, 4096, 4096)]);
        disk
    };
    fs::write(at("cut-off.img"), cut_off).unwrap();
    fs::write(at("locked.img"), locked).unwrap();
    let mut secret = notes();
    secret.flags |= 1;
    fs::write(at("secret.zip"), archive_writer::zip(&[secret])).unwrap();
    let captures = [
        ("./cut-off.img", false),
        ("./locked.img", false),
        ("./secret.zip", false),
    ];
    let searched = search(folder.path());
    assert_eq!(found(&searched), expected(&captures));
    assert_eq!(searched.code, 2);
}
