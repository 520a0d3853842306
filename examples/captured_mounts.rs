//! Prints as JSON lines what lies at the paths of each registration of a captured tree, and with `--find-orphans` the
//! mount directories that none of them names: `captured_mounts [--find-orphans] [EXPORT] DIRECTORY`.
//!
//! With a registry export the directory is drive C, else its hive tells the registrations.

use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::{env, process::ExitCode};

use dism_mount_status::capture::{DirectoryCapture, DriveName, Drives, OrphanedMountDirectory};
use dism_mount_status::registry::hive::Hive;
use dism_mount_status::registry::{
    CodePage, MountRegistration, MountRegistry, RegistryExport, system_root,
};
use dism_mount_status::{Evidence, Observation, Warnings, derive};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let is_option = |argument: &String| argument == "--find-orphans";
    let (options, paths): (Vec<_>, Vec<_>) = env::args().skip(1).partition(is_option);
    let find_orphans = !options.is_empty();
    let printed = match &paths[..] {
        [directory] => print_tree(directory.as_ref(), find_orphans),
        [export, directory] => print_drive_c(export.as_ref(), directory.as_ref(), find_orphans),
        _ => Err("usage: captured_mounts [--find-orphans] [EXPORT] DIRECTORY".into()),
    };
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn print_tree(directory: &Path, find_orphans: bool) -> Result<(), Box<dyn Error>> {
    let mut capture = DirectoryCapture::open(directory, &[], None)?;
    let mut hive = Hive::open(File::open(&capture.software().hive)?)?;
    if let Observation::Present(system_root) = system_root(&mut hive) {
        capture.set_system_root(system_root);
    }
    let registry = MountRegistry::read_from_hive(&mut hive)?;
    print(capture.drives(), &registry.registrations, find_orphans)
}

fn print_drive_c(
    export: &Path,
    directory: &Path,
    find_orphans: bool,
) -> Result<(), Box<dyn Error>> {
    let mut drives = Drives::new(None);
    drives.add("C".parse::<DriveName>()?, directory)?;
    let export = RegistryExport::open(File::open(export)?, CodePage::default())?;
    let registry = export.read_mount_registry()?;
    print(&drives, &registry.registrations, find_orphans)
}

fn print(
    drives: &Drives,
    registrations: &[MountRegistration],
    find_orphans: bool,
) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    let mut warnings = Warnings::default();
    drives.look_for_streams(registrations);
    for registration in registrations {
        let mut evidence = Evidence::from_registration(registration.clone());
        drives.observe(&mut evidence, &mut warnings);
        writeln!(out, "{}", mount(&evidence))?;
    }
    if find_orphans {
        for orphan in drives.find_orphans(registrations, &mut warnings, |_| {}) {
            writeln!(out, "{}", orphaned_mount(&orphan))?;
        }
    }
    for warning in warnings.as_slice() {
        writeln!(out, "{}", json!({ "warning": warning }))?;
    }
    let reads = drives.directory_reads();
    writeln!(out, "{}", json!({ "directory_reads": reads }))?;
    Ok(())
}

fn mount(evidence: &Evidence) -> Value {
    let directory = &evidence.mount_directory;
    let mount_data = directory.present().map(|directory| &directory.mount_data);
    let mount_id = mount_data
        .and_then(Observation::present)
        .map(|data| data.mount_id);
    let image = &evidence.image_file;
    let images = image
        .present()
        .and_then(|file| Some(file.wim.as_ref().ok()?.header.image_count));
    let findings = derive(evidence).findings;
    json!({
        "mount_path": evidence.registration.mount_path.present(),
        "mount_directory": shown(directory),
        "mount_data": mount_data.map(shown),
        "mount_data_id": mount_id,
        "image_file": shown(image),
        "images": images,
        "findings": findings.iter().map(|finding| finding.code).collect::<Vec<_>>(),
    })
}

fn orphaned_mount(orphan: &OrphanedMountDirectory) -> Value {
    let mount_id = orphan.mount_data.present().map(|data| data.mount_id);
    json!({
        "orphaned_mount": orphan.mount_path,
        "mount_data": shown(&orphan.mount_data),
        "mount_id": mount_id.or(orphan.inferred_mount_id),
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
