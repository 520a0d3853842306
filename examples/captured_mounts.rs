//! Prints what lies at the paths of each registration of a captured tree, and with `--find-orphans` the mount
//! directories that none of them names, as JSON lines: `captured_mounts [--find-orphans] DIRECTORY`.

use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::{env, process::ExitCode};

use dism_mount_status::capture::{DirectoryCapture, OrphanedMountDirectory};
use dism_mount_status::registry::hive::Hive;
use dism_mount_status::registry::{MountRegistry, system_root};
use dism_mount_status::{Evidence, Observation, Warnings, derive};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let (options, directories): (Vec<_>, Vec<_>) =
        env::args().skip(1).partition(|a| a == "--find-orphans");
    let [directory] = &directories[..] else {
        eprintln!("usage: captured_mounts [--find-orphans] DIRECTORY");
        return ExitCode::from(2);
    };
    match print(Path::new(directory), !options.is_empty()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn print(directory: &Path, find_orphans: bool) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    let mut capture = DirectoryCapture::open(directory, &[], None)?;
    let mut hive = Hive::open(File::open(&capture.software().hive)?)?;
    if let Observation::Present(system_root) = system_root(&mut hive) {
        capture.set_system_root(system_root);
    }
    let registrations = MountRegistry::read_from_hive(&mut hive)?.registrations;
    let drives = capture.drives();
    let mut warnings = Warnings::default();
    drives.look_for_streams(&registrations);
    for registration in &registrations {
        let mut evidence = Evidence::from_registration(registration.clone());
        drives.observe(&mut evidence, &mut warnings);
        writeln!(out, "{}", mount(&evidence))?;
    }
    if find_orphans {
        for orphan in drives.find_orphans(&registrations, &mut warnings, |_| {}) {
            writeln!(out, "{}", orphaned_mount(&orphan))?;
        }
    }
    for warning in warnings.as_slice() {
        writeln!(out, "{}", json!({ "warning": warning }))?;
    }
    writeln!(
        out,
        "{}",
        json!({ "directory_reads": drives.directory_reads() })
    )?;
    Ok(())
}

fn mount(evidence: &Evidence) -> Value {
    let directory = &evidence.mount_directory;
    let mount_data = directory.present().map(|directory| &directory.mount_data);
    let image = &evidence.image_file;
    json!({
        "mount_path": evidence.registration.mount_path.present(),
        "mount_directory": shown(directory),
        "mount_data": mount_data.map(shown),
        "mount_data_id": mount_data.and_then(Observation::present).map(|data| data.mount_id),
        "image_file": shown(image),
        "images": image.present().and_then(|file| Some(file.wim.as_ref().ok()?.header.image_count)),
        "findings": derive(evidence).findings.iter().map(|finding| finding.code).collect::<Vec<_>>(),
    })
}

fn orphaned_mount(orphan: &OrphanedMountDirectory) -> Value {
    json!({
        "orphaned_mount": orphan.mount_path,
        "mount_data": shown(&orphan.mount_data),
        "mount_id": orphan.mount_data.present().map(|data| data.mount_id).or(orphan.inferred_mount_id),
    })
}

fn shown<T>(observation: &Observation<T>) -> String {
    match observation {
        Observation::Present(_) => "present".to_owned(),
        Observation::Absent => "absent".to_owned(),
        Observation::NotCaptured(reason) => format!("not captured: {reason:?}"),
        Observation::Unreadable(error) => format!("unreadable: {error}"),
    }
}
