//! Evidence in evidence: disk images in archives, collections on disk images, single files that are compressed; and KAPE's
//! folders of shadow copies in all of them.
#![cfg(all(feature = "collection", feature = "disk-image"))]

#[path = "support/archive_writer.rs"]
mod archive_writer;
#[path = "support/captured_tree.rs"]
mod captured_tree;
#[path = "support/ewf_writer.rs"]
mod ewf_writer;
#[path = "support/hive_writer.rs"]
mod hive_writer;
#[allow(dead_code, unused_imports)]
#[path = "support/ntfs/mod.rs"]
mod ntfs_writer;
#[path = "support/vhd_writer.rs"]
mod vhd_writer;

use std::fs;
use std::io::Write;
use std::path::Path;

use archive_writer::{TarNames, TarWriter, ZipMember, gzip, zip};
use bzip2::write::BzEncoder;
use captured_tree::{MOUNT_ID, Registered, Tree, mount_data, software};
use dism_mount_status::{
    Capture, DismMountStatus, Error, EvidenceKind, InspectOptions, Liveness, Warning, WarningCode,
    identify, inspect,
};
use ntfs_writer::{File, Layout, Storage, write_volume};
use proptest::prelude::*;
use vhd_writer::vhd;

const HIVE: [&str; 4] = ["Windows", "System32", "config", "SOFTWARE"];
const WIM: &str = r"C:\images\a.wim";

fn hive(mount: &str) -> Vec<u8> {
    software(&[Registered::new(mount, WIM)])
}

fn inspected(bytes: &[u8]) -> Result<Vec<Capture>, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evidence");
    fs::write(&path, bytes).unwrap();
    inspect(&path, &InspectOptions::default()).map(|report| report.captures)
}

/// The part, the kind and the mount path of each capture; or its error.
fn told(captures: &[Capture]) -> Vec<(Option<&str>, Option<EvidenceKind>, String)> {
    let told = captures.iter().map(|capture| {
        let images = capture.mounted_images.iter();
        let paths = images.map(|image| image.mount_path.as_ref().unwrap().to_string());
        let what = match &capture.error {
            Some(error) => error.message.clone(),
            None => paths.collect::<Vec<_>>().join(" "),
        };
        (capture.part.as_deref(), capture.kind, what)
    });
    told.collect()
}

/// A file in folders of its own.
fn at(path: &[&str], data: &[u8]) -> File {
    let (name, folders) = path.split_last().unwrap();
    let file = File::with_data(name, data, Storage::Clusters);
    let folders = folders.iter().rev();
    folders.fold(file, |inner, folder| File::directory(folder, vec![inner]))
}

fn windows(mount: &str) -> File {
    at(&HIVE, &hive(mount))
}

fn volume(files: &[File]) -> Vec<u8> {
    write_volume(&Layout::default(), files)
}

/// What KAPE leaves of a machine with a shadow copy.
fn kape() -> Vec<(String, Vec<u8>)> {
    let hive_in = |folder: &str| format!("{folder}/{}", HIVE.join("/"));
    vec![
        (hive_in("C"), hive(r"C:\now")),
        (
            "C/now_$WIMMOUNTDATA".to_owned(),
            mount_data(MOUNT_ID, r"C:\now", WIM),
        ),
        (hive_in("VSS10"), hive(r"C:\ten")),
        (hive_in("vss2"), hive(r"C:\two")),
        ("VSS3/Users/x".to_owned(), Vec::new()),
        ("CopyLog.csv".to_owned(), b"x\r\n".to_vec()),
    ]
}

const COLLECTION: Option<EvidenceKind> = Some(EvidenceKind::Collection);
const DISK: Option<EvidenceKind> = Some(EvidenceKind::DiskImage);

fn of_kape() -> Vec<(Option<&'static str>, Option<EvidenceKind>, String)> {
    vec![
        (None, COLLECTION, r"C:\now".to_owned()),
        (Some("shadow copy vss2"), COLLECTION, r"C:\two".to_owned()),
        (Some("shadow copy VSS10"), COLLECTION, r"C:\ten".to_owned()),
    ]
}

/// What the warnings say of files that are not used.
fn not_used(capture: &Capture) -> Vec<String> {
    let warnings = capture.warnings.iter();
    let warnings = warnings.filter(|warning| warning.code() == WarningCode::FileNotUsed);
    warnings.map(Warning::message).collect()
}

#[test]
fn kapes_folders_of_shadow_copies_are_captures_of_their_own_wherever_they_lie() {
    let files = kape();
    let members: Vec<_> = files
        .iter()
        .map(|(name, data)| ZipMember::deflated(name, data))
        .collect();
    let packed = inspected(&zip(&members)).unwrap();
    assert_eq!(told(&packed), of_kape());
    let tree = files
        .iter()
        .fold(Tree::new(), |tree, (name, data)| tree.file(name, data));
    let lying = inspect(tree.path(), &InspectOptions::default())
        .unwrap()
        .captures;
    assert_eq!(told(&lying), of_kape());
    assert_eq!(identify(tree.path()).unwrap(), COLLECTION);
    // The stream beside the drive's root was found: nothing is said of streams.
    for capture in [&packed[0], &lying[0]] {
        assert_eq!(capture.captured, Liveness::Running);
        let codes = capture.mounted_images[0].findings.iter();
        let codes: Vec<_> = codes.map(|finding| finding.code.as_str()).collect();
        assert_eq!(codes, ["image-file-not-captured"]);
        assert_eq!(
            not_used(capture),
            ["shadow copy VSS3 has no SOFTWARE hive: it is not used"]
        );
    }
}

#[test]
fn a_folder_of_drives_is_judged_as_the_same_files_in_an_archive() {
    let files = [
        (format!("C/{}", HIVE.join("/")), hive(r"C:\mount\m")),
        ("C/Users/x".to_owned(), Vec::new()),
        ("C/ProgramData/x".to_owned(), Vec::new()),
        ("C/Program Files/x".to_owned(), Vec::new()),
    ];
    let members = files
        .iter()
        .map(|(name, data)| ZipMember::stored(name, data));
    let packed = inspected(&zip(&members.collect::<Vec<_>>())).unwrap();
    let tree = files
        .iter()
        .fold(Tree::new(), |tree, (name, data)| tree.file(name, data));
    let options = InspectOptions::default();
    let lying = inspect(tree.path(), &options).unwrap().captures;
    // Collectors take what they were told to: what is not there is not absent, whatever is.
    assert_eq!(lying[0].mounted_images, packed[0].mounted_images);
    let image = &lying[0].mounted_images[0];
    assert_eq!(image.mount_status, DismMountStatus::Ok);
    assert_eq!(
        (lying[0].kind, lying[0].captured),
        (packed[0].kind, packed[0].captured)
    );
    assert_eq!(identify(tree.path()).unwrap(), COLLECTION);
    // The hives alone say nothing of the machine.
    let folder = tree.path().join("C/Windows/System32/config");
    let captures = inspect(folder, &options).unwrap().captures;
    assert_eq!(captures[0].captured, Liveness::Unknown);
    assert!(!captures[0].files_examined);
}

#[test]
fn a_drive_folder_of_velociraptor_is_a_collection_whose_names_are_decoded() {
    let mount = r"C:\jobs\img(1)";
    let tree = Tree::new()
        .file(&format!("C%3A/{}", HIVE.join("/")), hive(mount))
        .file(
            "C%3A/jobs/img%281%29%3A$WIMMOUNTDATA",
            mount_data(MOUNT_ID, mount, WIM),
        );
    let options = InspectOptions::default();
    let captures = inspect(tree.path(), &options).unwrap().captures;
    assert_eq!(told(&captures), [(None, COLLECTION, mount.to_owned())]);
    assert_eq!(captures[0].captured, Liveness::Running);
    let codes = captures[0].mounted_images[0].findings.iter();
    let codes: Vec<_> = codes.map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["image-file-not-captured"]);
    assert_eq!(identify(tree.path()).unwrap(), COLLECTION);
    // In the root of a Windows it is a folder of the machine's own.
    let tree = tree.file(&HIVE.join("/"), hive(mount));
    let directory = Some(EvidenceKind::Directory);
    assert_eq!(identify(tree.path()).unwrap(), directory);
}

#[test]
fn a_shadow_copy_without_a_hive_is_said_to_be_left_out() {
    let tree = Tree::new()
        .file(&format!("C/{}", HIVE.join("/")), hive(r"C:\now"))
        .file("VSS1/Users/x", Vec::new());
    let captures = inspect(tree.path(), &InspectOptions::default())
        .unwrap()
        .captures;
    assert_eq!(told(&captures), [(None, COLLECTION, r"C:\now".to_owned())]);
    assert_eq!(identify(tree.path()).unwrap(), COLLECTION);
    assert_eq!(
        not_used(&captures[0]),
        ["shadow copy VSS1 has no SOFTWARE hive: it is not used"]
    );
}

#[test]
fn a_folder_vss1_on_the_drive_of_windows_is_a_folder_of_that() {
    let hive_in = |folder: &str| format!("{folder}{}", HIVE.join("/"));
    let tree = Tree::new()
        .file(&hive_in(""), hive(r"C:\now"))
        .file(&hive_in("VSS1/"), hive(r"C:\one"));
    let captures = inspect(tree.path(), &InspectOptions::default())
        .unwrap()
        .captures;
    let directory = Some(EvidenceKind::Directory);
    assert_eq!(told(&captures), [(None, directory, r"C:\now".to_owned())]);
    assert_eq!(identify(tree.path()).unwrap(), directory);
}

#[test]
fn a_collection_on_a_disk_is_read_as_one_in_a_folder() {
    let stream = mount_data(MOUNT_ID, r"C:\now", WIM);
    let c = File::directory(
        "C",
        vec![
            windows(r"C:\now"),
            File::with_data("now_$WIMMOUNTDATA", &stream, Storage::Clusters),
        ],
    );
    let folders = |files: Vec<File>| [vhd(&volume(&files), 1, None), volume(&files)];
    let copies = || {
        [
            File::directory("VSS10", vec![windows(r"C:\ten")]),
            File::directory("vss2", vec![windows(r"C:\two")]),
        ]
    };
    let mut files = vec![c];
    files.extend(copies());
    for image in folders(files) {
        let captures = inspected(&image).unwrap();
        assert_eq!(told(&captures), of_kape());
        assert_eq!(captures[0].captured, Liveness::Running);
    }
    // One folder deeper, as where the drives lie in one for each host.
    let drives = vec![File::directory("C", vec![windows(r"C:\now")])];
    for image in folders(vec![File::directory("HOST", drives)]) {
        assert_eq!(
            told(&inspected(&image).unwrap()),
            [(None, COLLECTION, r"C:\now".to_owned())]
        );
    }
    // A Windows is one, whatever folders lie beside it; and not every folder C is a drive.
    for image in folders(vec![
        windows(r"C:\own"),
        File::directory("C", vec![windows(r"C:\now")]),
    ]) {
        assert_eq!(
            told(&inspected(&image).unwrap()),
            [(None, DISK, r"C:\own".to_owned())]
        );
    }
    for image in folders(vec![File::directory("C", vec![File::new("x")])]) {
        assert!(inspected(&image).unwrap_err().holds_no_capture());
    }
}

#[test]
fn disk_images_in_archives_are_read_with_their_parents_and_parts() {
    let disk = volume(&[windows(r"C:\mount")]);
    let child = vhd(&disk, 2, Some(([1; 16], "BASE.vhd")));
    let members = |files: &[(&str, &[u8])]| {
        let members: Vec<_> = files
            .iter()
            .map(|(name, data)| ZipMember::deflated(name, data))
            .collect();
        members
    };
    let mount = || r"C:\mount".to_owned();
    let one = zip(&members(&[
        ("out/host.vhd", &vhd(&disk, 1, None)),
        ("out/log.txt", b"x"),
    ]));
    assert_eq!(told(&inspected(&one).unwrap()), [(None, DISK, mount())]);
    // The parent is none of its own; in another folder it would be.
    let chain = members(&[
        ("a/base.vhd", &vhd(&disk, 1, None)),
        ("a/child.avhd", &child),
        ("b/base.vhd", &vhd(&disk, 1, None)),
    ]);
    assert_eq!(
        told(&inspected(&zip(&chain)).unwrap()),
        [
            (Some("a/child.avhd"), DISK, mount()),
            (Some("b/base.vhd"), DISK, mount())
        ]
    );
    let segments = ewf_writer::Ewf {
        disk: &disk,
        sectors_per_chunk: 32,
        chunks_per_table: 2,
        tables_per_segment: 1,
        is_compressed: &|_| true,
    };
    let segments = segments.to_segments();
    assert!(segments.len() > 2);
    let names: Vec<_> = (1..=segments.len())
        .map(|number| format!("x.E{number:02}"))
        .collect();
    let segments: Vec<(&str, &[u8])> = names
        .iter()
        .zip(&segments)
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    let captures = inspected(&zip(&members(&segments))).unwrap();
    assert_eq!(told(&captures), [(None, DISK, mount())]);
    let plain = segments
        .iter()
        .fold(TarWriter::new(TarNames::Pax), |tar, (name, bytes)| {
            tar.file(name, bytes)
        });
    let captures = inspected(&plain.finish()).unwrap();
    assert_eq!(told(&captures), [(None, DISK, mount())]);
}

proptest! {
    #[test]
    fn a_damaged_collection_on_a_packed_disk_never_panics(
        at in any::<prop::sample::Index>(),
        flip in prop::option::weighted(0.9, 1_u8..),
        is_in_front: bool,
    ) {
        thread_local! {
            static SOUND: Vec<u8> = {
                let folders = [
                    File::directory("C", vec![windows(r"C:\now"), File::directory("mount", vec![File::new("x")])]),
                    File::directory("VSS1", vec![windows(r"C:\one")]),
                ];
                zip(&[ZipMember::stored("host.vhd", &vhd(&volume(&folders), 1, None))])
            };
        }
        let mut archive = SOUND.with(Vec::clone);
        // The structures of containers stand in front.
        let at = at.index(if is_in_front { 4096 } else { archive.len() });
        match flip {
            Some(flip) => archive[at] ^= flip,
            None => archive.truncate(at),
        }
        let _ = inspected(&archive);
    }
}

#[test]
fn what_a_packed_disk_holds_besides_a_windows_is_said() {
    let data = vhd(&volume(&[File::new("notes.txt")]), 1, None);
    let alone = zip(&[ZipMember::deflated("data.vhd", &data)]);
    assert!(inspected(&alone).unwrap_err().holds_no_capture());
    let beside = zip(&[
        ZipMember::deflated("data.vhd", &data),
        ZipMember::deflated("0a1b", &hive(r"C:\mount")),
    ]);
    let captures = inspected(&beside).unwrap();
    assert_eq!(
        told(&captures),
        [(Some("0a1b"), COLLECTION, r"C:\mount".to_owned())]
    );
    let [warning] = &captures[0].warnings[..] else {
        panic!("{:?}", captures[0].warnings);
    };
    assert_eq!(warning.code(), WarningCode::FileNotUsed);
    assert!(
        warning.message().contains("data.vhd"),
        "{}",
        warning.message()
    );
    // One that cannot be read may hide a Windows.
    let mut cut = vhd(&volume(&[windows(r"C:\mount")]), 1, None);
    cut.truncate(4096);
    let captures =
        inspected(&zip(&[ZipMember::deflated("cut.vhd", &cut)])).unwrap_or_else(|error| {
            assert!(!error.holds_no_capture(), "{error}");
            Vec::new()
        });
    assert!(
        captures.iter().all(|capture| capture.error.is_some()),
        "{captures:?}"
    );
    // Of an archive that is compressed as a whole, nothing can be read here and there.
    let packed = TarWriter::new(TarNames::Pax).file("x.vhd", &data).finish();
    for archive in [gzip(&packed), gzip(&data)] {
        let error = inspected(&archive).unwrap_err();
        assert!(
            error.is_unsupported() && !error.holds_no_capture(),
            "{error}"
        );
        assert!(error.to_string().contains("unpack the archive"), "{error}");
    }
}

#[test]
fn a_single_file_that_is_compressed_is_read_as_it_was() {
    let export = fs::read("fixtures/registry/one-mounted.reg").unwrap();
    let bzip2 = |data: &[u8]| {
        let mut bzip2 = BzEncoder::new(Vec::new(), bzip2::Compression::new(6));
        bzip2.write_all(data).unwrap();
        bzip2.finish().unwrap()
    };
    for pack in [&bzip2 as &dyn Fn(&[u8]) -> Vec<u8>, &gzip] {
        assert_eq!(
            told(&inspected(&pack(&hive(r"C:\mount"))).unwrap()),
            [(None, COLLECTION, r"C:\mount".to_owned())]
        );
        let captures = inspected(&pack(&export)).unwrap();
        assert_eq!(captures[0].mounted_images.len(), 1);
        assert_eq!(captures[0].captured, Liveness::Unknown);
        for other in [&b"nothing of the kind"[..], b"", &[7; 2000]] {
            let error = inspected(&pack(other)).unwrap_err();
            assert!(error.holds_no_capture(), "{error}");
        }
        // Damaged or cut off, it is an error or a warning, never all that there is.
        let mut cut = pack(&hive(r"C:\mount"));
        cut.truncate(cut.len() - 12);
        let is_noticed = match inspected(&cut) {
            Err(error) => !error.holds_no_capture(),
            Ok(captures) => captures[0].error.is_some() || !captures[0].warnings.is_empty(),
        };
        assert!(is_noticed);
    }
    let mut header = vec![0; 512];
    header[257..262].copy_from_slice(b"ustar");
    let damaged = inspected(&gzip(&header)).unwrap_err();
    assert!(!damaged.holds_no_capture(), "{damaged}");
}

#[test]
fn the_zip_of_a_vhdx_made_by_other_writers_is_read() {
    let zip = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/collections/kape-vhdx/host.zip");
    let mut options = InspectOptions::default();
    options.find_orphans = true;
    let captures = inspect(zip, &options).unwrap().captures;
    let parts: Vec<_> = captures
        .iter()
        .map(|it| (it.part.as_deref(), it.kind))
        .collect();
    assert_eq!(
        parts,
        [(None, COLLECTION), (Some("shadow copy VSS1"), COLLECTION)]
    );
    let status = |capture: &Capture| capture.mounted_images[0].mount_status.to_string();
    assert_eq!(status(&captures[0]), "Ok");
    assert_eq!(captures[1].mounted_images.len(), 3);
    let codes = |capture: &Capture| -> Vec<WarningCode> {
        capture.warnings.iter().map(Warning::code).collect()
    };
    assert_eq!(codes(&captures[0]), []);
    // Of the shadow copy no stream was collected.
    assert_eq!(codes(&captures[1]), [WarningCode::StreamsNotShown]);
}
