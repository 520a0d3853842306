//! Paired cases: what a Windows machine recorded about its mounts beside what its own DISM said of them. CONTRIBUTING.md
//! tells how to record one; each folder of `fixtures/paired` is judged here and held against DISM's answer.
//!
//! `UPDATE_FIXTURES=1 cargo test --test paired_cases` writes the synthetic ones anew.

#[path = "support/captured_tree.rs"]
mod captured_tree;
#[path = "support/hive_writer.rs"]
mod hive_writer;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use captured_tree::{MOUNT_ID, Tree, mount_data};
use dism_mount_status::capture::{DriveName, Scope};
use dism_mount_status::registry::RegistryExport;
use dism_mount_status::{
    DismMountMode, DismMountStatus, InspectOptions, Liveness, Observation, WindowsPath, inspect,
};
use uuid::Uuid;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The text of a file as Windows PowerShell, PowerShell 7 or cmd write it.
fn text(file: &Path) -> String {
    let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let text = match *bytes {
        [0xFF, 0xFE, ref units @ ..] => {
            let units = units.as_chunks::<2>().0.iter();
            String::from_utf16(
                &units
                    .map(|&unit| u16::from_le_bytes(unit))
                    .collect::<Vec<_>>(),
            )
            .expect("UTF-16")
        }
        [0xEF, 0xBB, 0xBF, ref text @ ..] => String::from_utf8(text.to_vec()).expect("UTF-8"),
        _ => String::from_utf8(bytes).expect("UTF-8"),
    };
    text.replace("\r\n", "\n")
}

/// What DISM says of one mounted image.
#[derive(Debug, Clone, PartialEq)]
struct Listed {
    mount_path: String,
    image_file_path: String,
    image_index: String,
    mount_mode: Option<DismMountMode>,
    mount_status: DismMountStatus,
}

/// Reads what `dism /English /Get-MountedImageInfo` printed.
fn listing(text: &str) -> Result<Vec<Listed>, String> {
    let mut listed = Vec::new();
    let mut lines = text.lines().filter_map(|line| line.split_once(" : "));
    while let Some((label, mount_path)) = lines.next() {
        let mut field = |name: &str| match lines.next() {
            Some((label, value)) if label == name => Ok(value.trim_end().to_owned()),
            other => Err(format!("dism.txt: expected {name}, found {other:?}")),
        };
        if label != "Mount Dir" {
            return Err(format!("dism.txt: expected Mount Dir, found {label}"));
        }
        listed.push(Listed {
            mount_path: mount_path.trim_end().to_owned(),
            image_file_path: field("Image File")?,
            image_index: field("Image Index")?,
            mount_mode: match &*field("Mounted Read/Write")? {
                "Yes" => Some(DismMountMode::ReadWrite),
                "No" => Some(DismMountMode::ReadOnly),
                _ => None,
            },
            mount_status: {
                let status = field("Status")?;
                let known = DismMountStatus::ALL.into_iter();
                let mut known = known.filter(|known| known.dism_text() == status);
                known
                    .next()
                    .ok_or_else(|| format!("dism.txt: unknown status {status}"))?
            },
        });
    }
    match listed.is_empty() && !text.contains("No mounted images found") {
        true => Err("dism.txt lists no image and does not say that there is none".to_owned()),
        false => Ok(listed),
    }
}

/// How a status of ours stands to DISM's.
#[derive(Debug, PartialEq)]
enum Agreement {
    /// It is the only one that the evidence allows.
    Equal,
    /// The evidence allows it beside another.
    Possible,
}

struct Case {
    folder: PathBuf,
    fields: BTreeMap<String, String>,
}

impl Case {
    fn read(folder: PathBuf) -> Case {
        let fields = text(&folder.join("case.txt"));
        let fields = fields.lines().filter_map(|line| line.split_once(": "));
        let fields = fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Case {
            fields: fields.collect(),
            folder,
        }
    }

    fn is_real(&self) -> Result<bool, String> {
        match self.fields.get("origin").map(|origin| &**origin) {
            Some("real") => Ok(true),
            Some("synthetic") => Ok(false),
            other => Err(format!(
                "case.txt: origin is real or synthetic, not {other:?}"
            )),
        }
    }

    fn liveness(&self) -> Result<Liveness, String> {
        match self.fields.get("captured").map(|captured| &**captured) {
            Some("running") => Ok(Liveness::Running),
            Some("stopped") => Ok(Liveness::Stopped),
            Some("unknown") => Ok(Liveness::Unknown),
            other => Err(format!(
                "case.txt: captured is running, stopped or unknown, not {other:?}"
            )),
        }
    }

    /// Lays out the paths that the case says to exist, and the streams of mount directories, as drives of a capture.
    fn drives(&self) -> (Tree, Vec<(DriveName, PathBuf)>) {
        let mut drives: Vec<(DriveName, PathBuf)> = Vec::new();
        let mut tree = Tree::new();
        let image_file = fs::read(fixtures().join("wim/two-images.wim")).unwrap();
        let mut place = |path: &WindowsPath| {
            let name = DriveName::of(path).unwrap_or_else(|| panic!("{path} is on no drive"));
            let number = drives.iter().position(|(known, _)| *known == name);
            number.unwrap_or_else(|| {
                drives.push((name, PathBuf::new()));
                drives.len() - 1
            })
        };
        let names = |path: &WindowsPath| {
            let names = path.components.iter().map(ToString::to_string);
            names.collect::<Vec<_>>().join("/")
        };
        for line in text(&self.folder.join("paths.txt")).lines() {
            let (kind, path) = line.split_once(' ').expect("a word and a path");
            let path = WindowsPath::from(path);
            let at = format!("{}/{}", place(&path), names(&path));
            tree = match kind {
                "directory" => tree.directory(&at),
                "file" => tree.file(&at, &image_file),
                "absent" => tree,
                _ => panic!("paths.txt: directory, file or absent, not {kind}"),
            };
        }
        for (mount_id, mount_path) in self.mount_paths() {
            let stream = self.folder.join(format!("{mount_id}.mount-data"));
            if let Ok(stream) = fs::read(stream) {
                let at = format!("{}/{}", place(&mount_path), names(&mount_path));
                tree = tree.file(&format!("{at}.$WIMMOUNTDATA"), stream);
            }
        }
        for (number, (_, folder)) in drives.iter_mut().enumerate() {
            tree = tree.directory(&number.to_string());
            *folder = tree.at(&number.to_string());
        }
        (tree, drives)
    }

    fn mount_paths(&self) -> Vec<(Uuid, WindowsPath)> {
        let export = fs::File::open(self.folder.join("wimmount.reg")).unwrap();
        let export = RegistryExport::open(export, None).unwrap();
        let registry = export.read_mount_registry().unwrap();
        let registrations = registry.registrations.iter();
        let paths = registrations.filter_map(|registration| match &registration.mount_path {
            Observation::Present(path) => Some((registration.mount_id?, WindowsPath::parse(path))),
            _ => None,
        });
        paths.collect()
    }

    /// Judges the case and holds each image against DISM's answer.
    fn compare(&self) -> Result<Vec<Agreement>, String> {
        let listed = listing(&text(&self.folder.join("dism.txt")))?;
        let (_tree, drives) = self.drives();
        let mut options = InspectOptions::default();
        options.captured = Some(self.liveness()?);
        // Every path that a registration names was looked for.
        options.scope = Some(Scope::Complete);
        options.drives = drives;
        let report = inspect(self.folder.join("wimmount.reg"), &options)
            .map_err(|error| error.to_string())?;
        let images: Vec<_> = report.mounted_images().collect();
        if images.len() != listed.len() {
            let (ours, dism) = (images.len(), listed.len());
            return Err(format!("DISM lists {dism} images, the registry has {ours}"));
        }
        let mut agreements = Vec::new();
        for listed in listed {
            let is_meant = |path: &Option<_>| {
                let path = path.as_ref().map(ToString::to_string);
                path.is_some_and(|path| path.eq_ignore_ascii_case(&listed.mount_path))
            };
            let image = images.iter().find(|image| is_meant(&image.mount_path));
            let image = image.ok_or_else(|| format!("not registered: {}", listed.mount_path))?;
            let ours = Listed {
                mount_path: listed.mount_path.clone(),
                image_file_path: image
                    .image_file_path
                    .as_ref()
                    .map_or_else(String::new, ToString::to_string),
                image_index: image.image_index.unwrap_or_default().to_string(),
                // What no registry records is not held against DISM.
                mount_mode: image.mount_mode.or(listed.mount_mode),
                mount_status: match image.possible_statuses.contains(&listed.mount_status) {
                    true => listed.mount_status,
                    false => image.mount_status,
                },
            };
            if ours != listed {
                let findings: Vec<_> = image.findings.iter().map(|finding| finding.code).collect();
                return Err(format!(
                    "DISM: {listed:?}\nwe: {ours:?}, because of {findings:?}"
                ));
            }
            agreements.push(match image.possible_statuses.len() {
                1 => Agreement::Equal,
                _ => Agreement::Possible,
            });
        }
        Ok(agreements)
    }
}

fn cases() -> Vec<Case> {
    let folders = fs::read_dir(fixtures().join("paired")).unwrap();
    let mut folders: Vec<_> = folders.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.into_iter().map(Case::read).collect()
}

#[test]
fn every_verdict_is_one_that_dism_gave_for_the_same_machine() {
    update_fixtures();
    let mut origins = [0, 0];
    let (mut equal, mut possible) = (0, 0);
    let mut differences = Vec::new();
    for case in cases() {
        let name = case.folder.display().to_string();
        match case.is_real().and_then(|is_real| {
            origins[usize::from(is_real)] += 1;
            case.compare()
        }) {
            Ok(agreements) => {
                let count = agreements.len();
                let sure = agreements
                    .iter()
                    .filter(|&a| *a == Agreement::Equal)
                    .count();
                equal += sure;
                possible += count - sure;
            }
            Err(difference) => differences.push(format!("{name}: {difference}")),
        }
    }
    let [synthetic, real] = origins;
    // Past the test harness, which keeps what passing tests print.
    let _ = writeln!(
        std::io::stderr(),
        "paired cases: {real} real, {synthetic} synthetic; {equal} statuses as DISM gave them, {possible} among those that \
         the evidence allows, {} cases differ",
        differences.len()
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(real + synthetic > 0 && equal > 0);
}

#[test]
fn a_verdict_that_dism_did_not_give_is_told() {
    update_fixtures();
    let copy = Tree::new();
    for entry in fs::read_dir(fixtures().join("paired/synthetic-running")).unwrap() {
        let file = entry.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let dism = copy.path().join("dism.txt");
    let right = fs::read_to_string(&dism).unwrap();
    let compare = |text: String| {
        fs::write(&dism, text).unwrap();
        Case::read(copy.path().to_owned()).compare()
    };
    assert!(compare(right.clone()).is_ok());
    for (from, to, told) in [
        ("Status : Ok", "Status : Invalid", "mount-id"),
        ("Image Index : 2", "Image Index : 3", "image_index"),
        (r"C:\mount\windows", r"C:\mount\other", "not registered"),
        ("Status : Ok", "Status : Fine", "unknown status"),
        ("Image File : ", "Datei : ", "expected Image File"),
    ] {
        let wrong = compare(right.replacen(from, to, 1));
        let difference = wrong.expect_err(to);
        assert!(
            told == "mount-id" && difference.starts_with("DISM: ") || difference.contains(told),
            "{difference}"
        );
    }
    let nothing = compare("Mounted images:\n".to_owned());
    assert!(nothing.unwrap_err().contains("does not say"));
    let fewer = compare("No mounted images found.\n".to_owned());
    assert!(fewer.unwrap_err().contains("DISM lists 0 images"));
}

#[test]
fn texts_are_read_as_any_shell_writes_them() {
    let tree = Tree::new();
    let utf16: Vec<u8> = "\u{FEFF}a\r\nü"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for bytes in [&utf16[..], "\u{FEFF}a\r\nü".as_bytes(), "a\nü".as_bytes()] {
        fs::write(tree.at("text"), bytes).unwrap();
        assert_eq!(text(&tree.at("text")), "a\nü");
    }
}

/// A mounted image of a synthetic case.
struct Mounted {
    mount_id: Uuid,
    mount_path: &'static str,
    image_file_path: &'static str,
    image_index: u32,
    progress: u32,
    /// What paths.txt says of the mount directory and the image file.
    there: [&'static str; 2],
    status: &'static str,
}

/// The cases that were recorded on no machine: DISM's answer in them is what domain knowledge says it would be.
fn synthetic_cases() -> [(&'static str, &'static str, Vec<Mounted>); 2] {
    let other = Uuid::from_u128(0x0b6c_c4b5_ff0b_4eb8_9f53_7a36_de5b_6e4c);
    let image = |progress, there, status| Mounted {
        mount_id: MOUNT_ID,
        mount_path: r"C:\mount\windows",
        image_file_path: r"D:\images\install.wim",
        image_index: 2,
        progress,
        there,
        status,
    };
    let second = |there, status| Mounted {
        mount_id: other,
        mount_path: r"C:\mount\winre",
        image_file_path: r"C:\images\winre.wim",
        image_index: 1,
        progress: 2,
        there,
        status,
    };
    let running = vec![
        image(2, ["directory", "file"], "Ok"),
        second(["directory", "absent"], "Invalid"),
    ];
    let restarted = vec![
        image(3, ["directory", "file"], "Invalid"),
        second(["directory", "file"], "Needs Remount"),
    ];
    [
        ("synthetic-running", "running", running),
        ("synthetic-restarted", "stopped", restarted),
    ]
}

/// Writes the synthetic cases anew, where that is asked for.
fn update_fixtures() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            for (name, captured, images) in synthetic_cases() {
                write_case(&fixtures().join("paired").join(name), captured, &images);
            }
        }
    });
}

fn write_case(folder: &Path, captured: &str, images: &[Mounted]) {
    let key = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\WIMMount";
    let mut reg = format!(
        "Windows Registry Editor Version 5.00\r\n\r\n[{key}]\r\n\r\n[{key}\\Mounted Images]\r\n\r\n"
    );
    let mut dism = String::from(
        "\r\nDeployment Image Servicing and Management tool\r\nVersion: 10.0.22621.1\r\n\r\nMounted images:\r\n\r\n",
    );
    let mut paths = String::new();
    fs::create_dir_all(folder).unwrap();
    for image in images {
        let Mounted {
            mount_id,
            mount_path,
            image_file_path,
            image_index,
            progress,
            there: [directory, file],
            status,
        } = image;
        let quoted = |path: &str| path.replace('\\', r"\\");
        reg += &format!(
            "[{key}\\Mounted Images\\{{{mount_id}}}]\r\n\"WIM Path\"=\"{}\"\r\n\"Mount Path\"=\"{}\"\r\n\
             \"Image Index\"=dword:{image_index:08x}\r\n\"Status\"=dword:{progress:08x}\r\n\r\n",
            quoted(image_file_path),
            quoted(mount_path),
        );
        dism += &format!(
            "Mount Dir : {mount_path}\r\nImage File : {image_file_path}\r\nImage Index : {image_index}\r\n\
             Mounted Read/Write : Yes\r\nStatus : {status}\r\n\r\n"
        );
        paths += &format!("{directory} {mount_path}\r\n{file} {image_file_path}\r\n");
        let stream = mount_data(*mount_id, mount_path, image_file_path);
        fs::write(folder.join(format!("{mount_id}.mount-data")), stream).unwrap();
    }
    dism += "The operation completed successfully.\r\n";
    let case = format!(
        "origin: synthetic\r\ncaptured: {captured}\r\nwindows: none\r\nremark: made by tests/paired_cases.rs; no machine gave these answers\r\n"
    );
    let utf16: Vec<u8> = format!("\u{FEFF}{reg}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(folder.join("wimmount.reg"), utf16).unwrap();
    fs::write(folder.join("dism.txt"), dism).unwrap();
    fs::write(folder.join("paths.txt"), paths).unwrap();
    fs::write(folder.join("case.txt"), case).unwrap();
}
