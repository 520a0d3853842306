//! How much memory it takes to find the registrations in a large export: the same for every size.
#![cfg(feature = "cli")]

#[path = "support/large_export.rs"]
mod large_export;

use std::fs::{self, File};
use std::io;
use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin;
use large_export::{REGISTRATIONS, utf16le_export};

/// The most memory that the program had, in KiB, when it had read an export from a file and the same from a pipe.
fn peak_memory(len: usize) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("software.reg");
    io::copy(&mut utf16le_export(len), &mut File::create(&file).unwrap()).unwrap();
    let mut child = Command::new(cargo_bin!("dism-mount-status"))
        .args(["--format=jsonl", "--fail-on=never"])
        .args([file.as_os_str(), "-".as_ref()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    io::copy(&mut utf16le_export(len), &mut pipe).unwrap();
    // The program waits for the end of the pipe, so that it still can be looked at.
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap().lines().count();
    assert_eq!(lines, 2 * REGISTRATIONS);
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    kib.unwrap().parse().unwrap()
}

#[test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "what memory a process had is read from /proc"
)]
fn an_export_of_any_size_takes_little_memory_from_a_file_and_from_a_pipe() {
    // Without optimisation the reading takes a hundred times as long.
    let sizes = match cfg!(debug_assertions) {
        true => [4 << 20, 16 << 20],
        false => [64 << 20, 256 << 20],
    };
    let [small, large] = sizes.map(peak_memory);
    assert!(large < 32 << 10, "{large} KiB");
    assert!(large < small + 1024, "{small} and {large} KiB");
}
