//! Captured images in WIM files: judged as the trees that they were captured from.
#![cfg(feature = "captured-wim")]

#[path = "support/wim_compressor.rs"]
#[allow(dead_code, reason = "used through the writer")]
mod wim_compressor;
#[path = "support/wim_file.rs"]
#[allow(dead_code, reason = "only headers are written")]
mod wim_file;
#[path = "support/wim_lzms.rs"]
#[allow(
    dead_code,
    reason = "chunks are compressed by the writer's storage only"
)]
mod wim_lzms;
#[path = "support/wim_writer.rs"]
#[allow(dead_code, reason = "sound images only")]
mod wim_writer;

use std::fs;
use std::path::{Path, PathBuf};

use dism_mount_status::wim::Compression;
use dism_mount_status::{
    Capture, DismMountStatus, EvidenceKind, FindingCode, InspectOptions, Liveness, WarningCode,
    WideString, inspect,
};
use proptest::prelude::*;
use tempfile::TempDir;
use wim_writer::{File, Storage, WimWriter, write_metadata};

const STREAM: &str = "$WIMMOUNTDATA";
/// Those of fixtures/captures whose root is that of a whole volume, and which show the streams: an image always is so.
const CASES: [&str; 19] = [
    "image-compression-not-mountable",
    "image-file-missing",
    "image-file-not-a-wim",
    "image-file-read-only",
    "image-file-split",
    "image-file-truncated",
    "image-index-out-of-range",
    "image-write-in-progress",
    "mount-data-missing",
    "mount-data-unreadable",
    "mount-directory-missing",
    "mount-directory-replaced",
    "mount-interrupted",
    "needs-remount",
    "orphaned-mount",
    "partially-unmounted",
    "registry-and-mount-data-disagree",
    "three-mounts",
    "volume-not-captured",
];

fn fixture(path: &str) -> PathBuf {
    Path::new("fixtures").join(path)
}

fn options() -> InspectOptions {
    let mut options = InspectOptions::default();
    options.find_orphans = true;
    options
}

fn captures(evidence: &Path) -> Vec<Capture> {
    inspect(evidence, &options()).unwrap().captures
}

/// The judgement of a mounted image: where it is mounted, its status, the reasons, the image's name.
type Judged = (
    Option<WideString>,
    DismMountStatus,
    Vec<FindingCode>,
    Option<String>,
);

/// The judgement of a capture, and the orphaned mount directories.
fn judged(capture: &Capture) -> (Vec<Judged>, Vec<WideString>) {
    assert!(capture.error.is_none(), "{capture:?}");
    let images = capture.mounted_images.iter().map(|image| {
        let codes = image.findings.iter().map(|finding| finding.code).collect();
        let name = image.image.as_ref().and_then(|image| image.name.clone());
        (image.mount_path.clone(), image.mount_status, codes, name)
    });
    let orphans = capture.orphaned_mounts.iter();
    (
        images.collect(),
        orphans.map(|orphan| orphan.mount_path.clone()).collect(),
    )
}

fn judged_tree(case: &str) -> (Vec<Judged>, Vec<WideString>) {
    judged(&captures(&fixture(&format!("captures/{case}/tree")))[0])
}

/// The entry of a file or directory; a file `NAME.$WIMMOUNTDATA` becomes the stream of `NAME`.
fn entry(wim: &mut WimWriter, path: &Path, name: &str) -> File {
    if path.is_file() {
        let (_, sha1) = wim.add_data(&fs::read(path).unwrap());
        return File::plain(name, sha1);
    }
    let mut files = Vec::new();
    let mut streams = Vec::new();
    for item in fs::read_dir(path).unwrap() {
        let path = item.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        match name.strip_suffix(&format!(".{STREAM}")) {
            Some(directory) => {
                let (_, sha1) = wim.add_data(&fs::read(&path).unwrap());
                streams.push((directory.to_owned(), sha1));
            }
            None => files.push(entry(wim, &path, &name)),
        }
    }
    for (directory, sha1) in streams {
        let mut files = files.iter_mut();
        let file = files.find(|file| file.name == directory).unwrap();
        file.streams.push((STREAM, sha1));
    }
    File::directory(name, files)
}

/// A WIM with an image of each of these trees.
fn write_wim(storage: Storage, cases: &[&str], file: &Path) {
    let mut wim = WimWriter::new(storage);
    for case in cases {
        let root = entry(&mut wim, &fixture(&format!("captures/{case}/tree")), "");
        wim.add_image(&write_metadata(&root));
    }
    fs::write(file, wim.finish()).unwrap();
}

#[test]
fn an_image_is_judged_as_the_tree_that_it_was_captured_from() {
    let folder = TempDir::new().unwrap();
    let trees: Vec<_> = CASES.iter().map(|case| judged_tree(case)).collect();
    let pipable = Storage {
        is_pipable: true,
        ..Storage::new(Compression::Lzx, 0x8000)
    };
    for storage in [
        Storage::new(Compression::None, 0x8000),
        Storage::new(Compression::Xpress, 0x1000),
        Storage::new(Compression::Lzx, 0x8000),
        pipable,
    ] {
        let file = folder.path().join("no name tells");
        write_wim(storage, &CASES, &file);
        let captures = captures(&file);
        assert_eq!(captures.len(), CASES.len());
        for (index, (capture, tree)) in captures.iter().zip(&trees).enumerate() {
            assert_eq!(judged(capture), *tree, "{} {storage:?}", CASES[index]);
            assert_eq!(capture.kind, Some(EvidenceKind::CapturedWim));
            assert_eq!(capture.captured, Liveness::Stopped);
            assert_eq!(capture.part, Some(format!("image {}", index + 1)));
            assert!(capture.files_examined);
        }
    }
}

#[test]
fn images_that_wimlib_captured_from_ntfs_are_judged_as_their_trees() {
    for file in [
        "lzx.wim",
        "lzms.wim",
        "solid.esd",
        "split.swm",
        "split2.swm",
    ] {
        let captures = captures(&fixture(&format!("captured-wim/{file}")));
        let (data, windows) = captures.split_last().unwrap();
        assert_eq!(windows.len(), 11);
        for capture in windows {
            let (_, case) = capture.part.as_ref().unwrap().split_once(": ").unwrap();
            let (images, mut orphans) = judged_tree(case);
            if case == "orphaned-mount" {
                orphans.push(r"C:\SafeOS.Mount".into());
            }
            assert_eq!(judged(capture), (images, orphans), "{file} {case}");
            assert_eq!(capture.warnings, [], "{file} {case}");
        }
        // An image without Windows beside others that have one.
        assert_eq!(judged(data), (Vec::new(), Vec::new()));
        let codes: Vec<_> = data.warnings.iter().map(|warning| warning.code()).collect();
        assert_eq!(codes, [WarningCode::MountRegistryNotInEvidence]);
    }
}

#[test]
fn one_image_can_be_picked() {
    let mut options = options();
    let file = fixture("captured-wim/lzx.wim");
    options.image = Some(3);
    let report = inspect(&file, &options).unwrap();
    assert_eq!(report.captures.len(), 1);
    let part = report.captures[0].part.as_deref();
    assert_eq!(part, Some("image 3: mount-data-missing"));
    for index in [0, 13] {
        options.image = Some(index);
        let report = inspect(&file, &options);
        let error = report.unwrap().captures.remove(0).error.unwrap();
        assert!(
            error.message.contains("an image index of 1 to 12"),
            "{error:?}"
        );
    }
}

#[test]
fn more_images_than_a_wim_has_are_left_out_unless_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("many.wim");
    let mut wim = WimWriter::new(Storage::new(Compression::None, 0));
    let root = entry(&mut wim, &fixture("captures/three-mounts/tree"), "");
    let metadata = write_metadata(&root);
    for _ in 0..1003 {
        wim.add_image(&metadata);
    }
    fs::write(&file, wim.finish()).unwrap();
    let captures = captures(&file);
    assert_eq!(captures.len(), 1000);
    let warnings = captures[0].warnings.iter();
    let limit = warnings.filter(|warning| warning.code() == WarningCode::LimitReached);
    let messages: Vec<String> = limit.map(|warning| warning.message()).collect();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].starts_with("3 more images are left out"));
    let mut options = options();
    options.image = Some(1003);
    let picked = inspect(&file, &options).unwrap().captures;
    assert_eq!(judged(&picked[0]), judged(&captures[0]));
}

#[test]
fn a_wim_without_windows_is_refused_unless_orphans_are_searched() {
    let mut picked = InspectOptions::default();
    picked.image = Some(12);
    let file = fixture("captured-wim/lzx.wim");
    let error = inspect(&file, &picked).unwrap_err();
    assert!(error.expected().unwrap().contains("config\\SOFTWARE"));
    picked.find_orphans = true;
    assert!(inspect(&file, &picked).is_ok());
}

#[test]
fn a_missing_part_of_a_split_wim_is_named() {
    let folder = TempDir::new().unwrap();
    let copy = |name: &str| {
        let to = folder.path().join(name);
        fs::copy(fixture(&format!("captured-wim/{name}")), &to).unwrap();
        to
    };
    // The images lie in the first part.
    let second = copy("split2.swm");
    let error = inspect(&second, &options()).unwrap_err();
    assert!(error.expected().unwrap().starts_with("part 1 of 2"));
    fs::remove_file(&second).unwrap();
    let first = copy("split.swm");
    let captures = captures(&first);
    assert_eq!(captures[0].warnings[0].code(), WarningCode::PartMissing);
    let errors = captures.iter().filter_map(|capture| capture.error.as_ref());
    let messages: Vec<_> = errors.map(|error| error.message.clone()).collect();
    assert!(!messages.is_empty());
    for message in messages {
        assert!(message.contains("parts [2] are not there"), "{message}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_files_are_judged_as_far_as_they_go_or_refused(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..8),
        end in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("damaged");
        let mut bytes = fs::read(fixture("captured-wim/lzx.wim")).unwrap();
        for (place, flip) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
        }
        if let Some(end) = end {
            bytes.truncate(end.index(bytes.len()));
        }
        fs::write(&file, bytes).unwrap();
        let _ = inspect(&file, &options());
    }
}

/// The errors of a verification after the byte at this place was changed.
fn verified(file: &str, changed: Option<usize>) -> Vec<String> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.wim");
    let mut bytes = fs::read(fixture(file)).unwrap();
    if let Some(place) = changed {
        bytes[place] ^= 1;
    }
    fs::write(&path, bytes).unwrap();
    let mut options = options();
    options.verify = true;
    let captures = inspect(&path, &options).unwrap().captures;
    let parts = captures.iter().filter(|capture| {
        let part = capture.part.as_deref();
        part.is_some_and(|part| part.starts_with("integrity"))
    });
    parts
        .filter_map(|capture| Some(capture.error.as_ref()?.message.clone()))
        .collect()
}

#[test]
fn a_file_is_verified_by_its_integrity_table_or_by_the_hashes_of_its_data() {
    for file in [
        "wim/xpress-integrity.wim",
        "captured-wim/lzx.wim",
        "captured-wim/solid.esd",
    ] {
        assert_eq!(verified(file, None), [] as [String; 0], "{file}");
    }
    // Behind the header lie data.
    let [by_table] = &verified("wim/xpress-integrity.wim", Some(300))[..] else {
        panic!("no error")
    };
    assert!(
        by_table.contains("SHA-1 of the integrity table"),
        "{by_table}"
    );
    let [by_data] = &verified("captured-wim/lzx.wim", Some(300))[..] else {
        panic!("no error")
    };
    assert!(by_data.contains("data with their SHA-1"), "{by_data}");
}
