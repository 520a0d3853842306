//! The captured trees in fixtures/captures: each is as the generator here makes it, and shows what it is named after.
//!
//! `UPDATE_FIXTURES=1 cargo test --test captures` writes them anew.
//!
//! They are synthetic: made by the writers of the tests, after the layouts that docs and code of each format's reader
//! name. They hold only what git can keep, so no extended attributes and no empty directories, and no name with a colon,
//! which Windows could not check out; tests/directory.rs and tests/differential/ntfs_mount.sh have those. As git keeps no
//! times, all mounts are registered in 2099: an image file is never newer than that.

#[path = "support/captured_tree.rs"]
mod captured_tree;
#[path = "support/hive_writer.rs"]
mod hive_writer;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use captured_tree::{MOUNT_ID, Registered, mount_data, software};
use dism_mount_status::capture::CapturedMachine;
use dism_mount_status::registry::MountRegistry;
use dism_mount_status::{DismMountStatus, Evidence, FindingCode, Liveness, Warnings, derive};
use uuid::Uuid;

const OTHER_ID: Uuid = Uuid::from_u128(0x0b6cc4b5_ff0b_4eb8_9f53_7a36de5b6e4c);
const MOUNT: &str = r"C:\mount";
const IMAGE: &str = r"C:\images\install.wim";
/// 2099-12-31 00:00 UTC.
const REGISTERED_AT: u64 = 157_468_320_000_000_000;
const CONFIG: &str = "Windows/System32/config";

/// A captured tree, by the paths of its files.
struct Case {
    name: &'static str,
    about: &'static str,
    files: BTreeMap<String, Vec<u8>>,
    /// The findings about each mount, the machine being stopped.
    findings: Vec<(DismMountStatus, Vec<FindingCode>)>,
    orphans: Vec<&'static str>,
}

impl Case {
    /// A whole volume with these registrations.
    fn whole(name: &'static str, about: &'static str, registered: &[Registered]) -> Case {
        Case::partial(name, about, registered)
            .file("Users/Public/desktop.ini", "")
            .file("Program Files/desktop.ini", "")
    }

    /// A volume of which only the hive was taken.
    fn partial(name: &'static str, about: &'static str, registered: &[Registered]) -> Case {
        Case::hive_at(name, about, &format!("{CONFIG}/SOFTWARE"), registered)
    }

    fn hive_at(
        name: &'static str,
        about: &'static str,
        hive: &str,
        registered: &[Registered],
    ) -> Case {
        let case = Case {
            name,
            about,
            files: BTreeMap::new(),
            findings: Vec::new(),
            orphans: Vec::new(),
        };
        case.file(hive, software(registered))
    }

    fn file(mut self, path: &str, contents: impl AsRef<[u8]>) -> Case {
        self.files
            .insert(path.to_owned(), contents.as_ref().to_vec());
        self
    }

    /// The mount directory with something in it.
    fn mount_directory(self) -> Case {
        self.file("mount/Windows/win.ini", "; for 16-bit app support\r\n")
    }

    /// The stream of the mount directory, exported by hand.
    fn stream(self, mount_id: Uuid) -> Case {
        self.file("mount.$WIMMOUNTDATA", mount_data(mount_id, MOUNT, IMAGE))
    }

    fn image(self) -> Case {
        self.image_of("two-images.wim")
    }

    fn image_of(self, wim: &str) -> Case {
        let contents = fs::read(Path::new("fixtures/wim").join(wim)).unwrap();
        self.file("images/install.wim", contents)
    }

    /// What the next mount is judged to be.
    fn judged(mut self, status: DismMountStatus, findings: &[FindingCode]) -> Case {
        self.findings.push((status, findings.to_vec()));
        self
    }

    fn orphan(mut self, path: &'static str) -> Case {
        self.orphans.push(path);
        self
    }
}

fn registered(mount_path: &str, wim_path: &str) -> Registered {
    Registered {
        registered_at: REGISTERED_AT,
        ..Registered::new(mount_path, wim_path)
    }
}

fn mount() -> Registered {
    registered(MOUNT, IMAGE)
}

fn cases() -> Vec<Case> {
    use DismMountStatus::{Invalid, NeedsRemount};
    use FindingCode as Code;
    const STOPPED: Code = Code::SystemStopped;
    let consistent = |name, about, registered: &[Registered]| {
        Case::whole(name, about, registered)
            .mount_directory()
            .stream(MOUNT_ID)
            .image()
    };
    let image = |name, about, wim| {
        Case::whole(name, about, &[mount()])
            .mount_directory()
            .stream(MOUNT_ID)
            .image_of(wim)
    };
    let collected = |name, about, drive: &str, stream: &str| {
        let hive = format!("{drive}/{CONFIG}/SOFTWARE");
        let stream = format!("{drive}/{stream}");
        Case::hive_at(name, about, &hive, &[mount()])
            .file(&stream, mount_data(MOUNT_ID, MOUNT, IMAGE))
            .judged(NeedsRemount, &[Code::ImageFileNotCaptured, STOPPED])
    };
    vec![
        // The rows of the ladder.
        Case::whole("mount-directory-missing", "Row 1: the volume is whole, the mount directory is not on it.", &[mount()])
            .image()
            .judged(Invalid, &[Code::MountDirectoryMissing]),
        Case::whole(
            "mount-data-missing",
            "Row 2: the mount directory has no stream, and that of another mount shows that the capture keeps streams.",
            &[
                mount(),
                Registered {
                    mount_id: OTHER_ID,
                    image_index: 2,
                    ..registered(r"C:\other", IMAGE)
                },
            ],
        )
        .mount_directory()
        .image()
        .file("other/Windows/win.ini", "")
        .file("other.$WIMMOUNTDATA", mount_data(OTHER_ID, r"C:\other", IMAGE))
        .judged(NeedsRemount, &[STOPPED])
        .judged(Invalid, &[Code::MountDataMissing]),
        Case::whole("mount-directory-replaced", "Row 3: the stream of the mount directory is another mount's.", &[mount()])
            .mount_directory()
            .stream(OTHER_ID)
            .image()
            .judged(Invalid, &[Code::MountDirectoryReplaced]),
        Case::whole("mount-data-unreadable", "Row 4: the stream of the mount directory is cut off.", &[mount()])
            .mount_directory()
            .file("mount.$WIMMOUNTDATA", &mount_data(MOUNT_ID, MOUNT, IMAGE)[..0x40])
            .image()
            .judged(Invalid, &[Code::MountDataUnreadable]),
        Case::whole("image-file-missing", "Row 5: the image file is not on the volume.", &[mount()])
            .mount_directory()
            .stream(MOUNT_ID)
            .judged(Invalid, &[Code::ImageFileMissing]),
        consistent(
            "partially-unmounted",
            "Row 6: unmounting began and did not end (Status 3).",
            &[Registered { status: 3, ..mount() }],
        )
        .judged(Invalid, &[Code::PartiallyUnmounted]),
        consistent(
            "mount-interrupted",
            "Row 7: mounting began and did not end (Status 1). With `--captured running` it is row 7b, mounting in progress.",
            &[Registered { status: 1, ..mount() }],
        )
        .judged(Invalid, &[Code::MountInterrupted]),
        consistent(
            "needs-remount",
            "Row 8: all is consistent, and a captured tree is of a stopped machine. With `--captured running` it is row 9, Ok; \
             with `--captured unknown` row 10, Ok or NeedsRemount.",
            &[mount()],
        )
        .judged(NeedsRemount, &[STOPPED]),
        Case::whole("orphaned-mount", "Row 11: nothing is registered, and a directory has the stream.", &[])
            .mount_directory()
            .stream(MOUNT_ID)
            .image()
            .orphan(MOUNT),
        // What a registration meets beside its status.
        Case::whole(
            "registry-and-mount-data-disagree",
            "The stream names another image file than the registry.",
            &[mount()],
        )
        .mount_directory()
        .file("mount.$WIMMOUNTDATA", mount_data(MOUNT_ID, MOUNT, r"C:\images\other.wim"))
        .image()
        .judged(NeedsRemount, &[Code::RegistryAndMountDataDisagree, STOPPED]),
        consistent(
            "image-index-out-of-range",
            "The registration names image 3 of a file that has two.",
            &[Registered { image_index: 3, ..mount() }],
        )
        .judged(NeedsRemount, &[Code::ImageIndexOutOfRange, STOPPED]),
        image("image-file-split", "The image file is the first part of a split WIM.", "split.swm")
            .judged(NeedsRemount, &[Code::ImageFileSplit, STOPPED]),
        image("image-compression-not-mountable", "The image file is solid (ESD).", "solid.esd")
            .judged(NeedsRemount, &[Code::ImageCompressionNotMountable, STOPPED]),
        image("image-write-in-progress", "The image file's header says that it is being written.", "write-in-progress.wim")
            .judged(NeedsRemount, &[Code::ImageWriteInProgress, STOPPED]),
        image("image-file-read-only", "The image file's header marks it as read-only.", "read-only.wim")
            .judged(NeedsRemount, &[Code::ImageFileReadOnly, STOPPED]),
        image("image-file-truncated", "The image file is cut off.", "cut.wim")
            .judged(NeedsRemount, &[Code::ImageFileTruncated, STOPPED]),
        Case::whole("image-file-not-a-wim", "The image file is a text.", &[mount()])
            .mount_directory()
            .stream(MOUNT_ID)
            .file("images/install.wim", "This was an image once.\r\n")
            .judged(NeedsRemount, &[Code::ImageFileNotAWim, STOPPED]),
        Case::whole(
            "mount-path-on-volume-root",
            "The root of a drive is registered as a mount directory.",
            &[registered(r"C:\", IMAGE)],
        )
        .image()
        .judged(NeedsRemount, &[Code::StreamsNotCaptured, STOPPED, Code::MountPathOnVolumeRoot]),
        // What the capture does not tell.
        Case::whole("streams-not-captured", "A plain copy of a whole volume: no carrier of streams.", &[mount()])
            .mount_directory()
            .image()
            .judged(NeedsRemount, &[Code::StreamsNotCaptured, STOPPED]),
        Case::partial("paths-not-captured", "Only the hive was taken from the volume.", &[mount()])
            .judged(NeedsRemount, &[Code::MountPathNotCaptured, Code::ImageFileNotCaptured, STOPPED]),
        Case::partial(
            "parent-captured",
            "Something was taken from the folders in which mount directory and image file should be: they are absent, though \
             the capture is partial.",
            &[registered(r"C:\work\mount", IMAGE)],
        )
        .file("work/notes.txt", "")
        .file("images/notes.txt", "")
        .judged(Invalid, &[Code::MountDirectoryMissing, Code::ImageFileMissing]),
        Case::whole(
            "volume-not-captured",
            "The image file lies on a drive that was not captured.",
            &[registered(MOUNT, r"D:\install.wim")],
        )
        .mount_directory()
        .file("mount.$WIMMOUNTDATA", mount_data(MOUNT_ID, MOUNT, r"D:\install.wim"))
        .judged(NeedsRemount, &[Code::VolumeNotCaptured, STOPPED]),
        Case::hive_at("config-folder", "The folder of the hives alone.", "SOFTWARE", &[mount()])
            .judged(NeedsRemount, &[STOPPED]),
        // Layouts and carriers of collectors. Their names for the stream are inferred from those of other streams.
        collected(
            "velociraptor",
            "As Velociraptor lays files out: drive and stream with %3A. The mount directory itself was not taken.",
            "C%3A",
            "mount%3A$WIMMOUNTDATA",
        ),
        collected("kape-underscore", "As KAPE lays files out, the stream's colon an underscore.", "C", "mount_$WIMMOUNTDATA"),
        collected("kape-no-colon", "As KAPE lays files out, the stream's colon left out.", "C", "mount$WIMMOUNTDATA"),
        Case::hive_at(
            "two-drives",
            "Two drive folders; the image file lies on the second, in another letter case than registered.",
            &format!("C/{CONFIG}/SOFTWARE"),
            &[registered(MOUNT, r"D:\images\install.wim")],
        )
        .file("C/mount.$WIMMOUNTDATA", mount_data(MOUNT_ID, MOUNT, r"D:\images\install.wim"))
        .file("C/mount/Windows/win.ini", "")
        .file("D/Images/Install.WIM", fs::read("fixtures/wim/two-images.wim").unwrap())
        .judged(NeedsRemount, &[STOPPED]),
        Case::whole(
            "three-mounts",
            "Three registrations: a consistent one, one whose directory is gone, one whose image file is on another drive.",
            &[
                mount(),
                Registered {
                    mount_id: OTHER_ID,
                    image_index: 2,
                    ..registered(r"C:\Users\me\mount", IMAGE)
                },
                Registered {
                    mount_id: Uuid::from_u128(1),
                    ..registered(r"C:\Program Files\mount", r"E:\install.wim")
                },
            ],
        )
        .mount_directory()
        .stream(MOUNT_ID)
        .image()
        .judged(Invalid, &[Code::MountDirectoryMissing, Code::VolumeNotCaptured])
        .judged(Invalid, &[Code::MountDirectoryMissing])
        .judged(NeedsRemount, &[STOPPED]),
    ]
}

fn folder(case: &Case) -> PathBuf {
    Path::new("fixtures/captures").join(case.name)
}

fn description(case: &Case) -> String {
    format!(
        "# {}\n\n{}\n\nSynthetic: made by `tests/captures.rs` (`UPDATE_FIXTURES=1 cargo test --test captures`). The hive and \
         the stream are written by the tests' own writers; the stream's unknown bytes are filler. Image files are those of \
         `fixtures/wim`.\n",
        case.name, case.about
    )
}

/// The files of a case's folder.
fn generated(case: &Case) -> BTreeMap<PathBuf, Vec<u8>> {
    let tree = case.files.iter();
    let tree = tree.map(|(path, contents)| (Path::new("tree").join(path), contents.clone()));
    let description = ("capture.md".into(), description(case).into_bytes());
    tree.chain([description]).collect()
}

/// Writes the fixtures anew where that is asked for.
fn update() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if std::env::var_os("UPDATE_FIXTURES").is_none() {
            return;
        }
        for case in cases() {
            let _ = fs::remove_dir_all(folder(&case).join("tree"));
            for (path, contents) in generated(&case) {
                let file = folder(&case).join(path);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, contents).unwrap();
            }
        }
    });
}

#[test]
fn the_captured_trees_are_as_they_are_generated() {
    update();
    for case in cases() {
        let folder = folder(&case);
        for (path, contents) in generated(&case) {
            let file = folder.join(path);
            let found = fs::read(&file).unwrap_or_default();
            assert!(found == contents, "{} is not as generated", file.display());
        }
        let files = walkdir::WalkDir::new(folder.join("tree"))
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().is_file());
        assert_eq!(
            files.count(),
            case.files.len(),
            "{} has files beside those",
            case.name
        );
    }
}

#[test]
fn each_captured_tree_shows_what_it_is_named_after() {
    update();
    for case in cases() {
        let tree = folder(&case).join("tree");
        let mut capture = CapturedMachine::in_directory(&tree, None).unwrap();
        let mut hive = capture.take_software().unwrap().open().unwrap();
        let registrations = MountRegistry::read_from_hive(&mut hive)
            .unwrap()
            .registrations;
        let drives = capture.drives();
        let mut warnings = Warnings::default();
        drives.look_for_streams(&registrations);
        let judged = registrations.iter().map(|registration| {
            let mut evidence = Evidence::from_registration(registration.clone());
            evidence.liveness = Liveness::Stopped;
            drives.observe(&mut evidence, &mut warnings);
            let verdict = derive(&evidence);
            let codes = verdict
                .findings
                .iter()
                .map(|finding| finding.code)
                .collect();
            (verdict.mount_status, codes)
        });
        let judged: Vec<(DismMountStatus, Vec<FindingCode>)> = judged.collect();
        assert_eq!(judged, case.findings, "{}", case.name);
        let orphans = drives.find_orphans(&registrations, &mut warnings, |_| {});
        let orphans: Vec<_> = orphans.iter().map(|o| o.mount_path.to_string()).collect();
        assert_eq!(orphans, case.orphans, "{}", case.name);
    }
}
