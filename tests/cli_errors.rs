//! What the program says when it cannot do what it was asked for: every message, with the exit code, is held in
//! `fixtures/errors.txt`, and each is to leave whoever reads it with a next step.
//!
//! `UPDATE_GOLDEN=1 cargo test --features cli --test cli_errors` writes the file anew.
#![cfg(feature = "cli")]

#[path = "support/archive_writer.rs"]
mod archive_writer;
#[path = "support/command_line.rs"]
mod command_line;

use std::fs;
use std::path::{Path, PathBuf};

use archive_writer::{ZipMember, gzip, zip};
use command_line::{reg, run, run_with};
use tempfile::TempDir;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// A folder of things that go wrong, and of two that do not: `wimmount.reg` and `SOFTWARE`.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    };
    let software = fixtures().join("captures/needs-remount/tree/Windows/System32/config/SOFTWARE");
    let software = fs::read(software).unwrap();
    let wim = fs::read(fixtures().join("captured-wim/lzx.wim")).unwrap();
    let export = reg(&[2]);
    write("wimmount.reg", export.as_bytes());
    write("SOFTWARE", &software);
    write("images.wim", &wim);
    write(
        "no-windows.wim",
        &fs::read(fixtures().join("wim/two-images.wim")).unwrap(),
    );
    write("empty.reg", b"");
    write("text.txt", b"just some text\n");
    write("page.reg", b"<!DOCTYPE html><html>");
    write(
        "random.bin",
        &[0x52, 0x3B, 1, 0xA9, 0x30, 0x6D, 0, 0x9B].repeat(100),
    );
    write("zeros.img", &[0; 4096]);
    write("events.evtx", b"ElfFile\0and so on");
    write("hives.7z", b"7z\xBC\xAF\x27\x1C\0\x04and so on");
    write(
        "image.aff4",
        &zip(&[ZipMember::stored("information.turtle", b"@prefix aff4:")]),
    );
    let disk = |offset: usize, signature: &[u8]| {
        let mut disk = vec![0; 0x9000];
        disk[offset..offset + signature.len()].copy_from_slice(signature);
        disk
    };
    write("machine.vdi", &disk(64, &[0x7F, 0x10, 0xDA, 0xBE]));
    write("install.iso", &disk(0x8001, b"CD001"));
    write("encrypted.img", &disk(3, b"-FVE-FS-"));
    write("data.img", &disk(3, b"EXFAT   "));
    write("cut.reg", &export.as_bytes()[..30]);
    write("cut.hive", &software[..3000]);
    write("cut.wim", &wim[..1000]);
    write("cut-in-header.wim", &wim[..100]);
    write("SOFTWARE.LOG1", &software[..2000]);
    write("notes.gz", &gzip(b"notes"));
    write(
        "nothing.zip",
        &zip(&[ZipMember::stored("notes.txt", b"notes")]),
    );
    let encrypted = ZipMember {
        flags: 1,
        ..ZipMember::stored("SOFTWARE", &software[..500])
    };
    write("encrypted.zip", &zip(&[encrypted]));
    write(
        "cut.zip",
        &zip(&[ZipMember::stored("SOFTWARE", &software)])[..3000],
    );
    write("notes/notes.txt", b"notes");
    write(
        "damaged/Windows/System32/config/SOFTWARE",
        &software[..3000],
    );
    write("list.txt", b"\n\n");
    fs::create_dir(folder.path().join("nothing")).unwrap();
    folder
}

/// What is asked for, by line.
const CASES: &[&[&str]] = &[
    // Evidence that is not there or is none.
    &["missing.reg"],
    &["nothing"],
    &["notes"],
    &["empty.reg"],
    &["text.txt"],
    &["page.reg"],
    &["random.bin"],
    &["zeros.img"],
    &["events.evtx"],
    &["hives.7z"],
    &["no-windows.wim"],
    &["nothing.zip"],
    &["notes.gz"],
    &["encrypted.zip"],
    &["image.aff4"],
    &["machine.vdi"],
    &["install.iso"],
    &["encrypted.img"],
    &["data.img"],
    // Evidence that is damaged.
    &["cut.reg"],
    &["cut.hive"],
    &["damaged"],
    &["cut.wim"],
    &["cut-in-header.wim"],
    &["cut.zip"],
    // Options about the evidence.
    &["--image=13", "images.wim"],
    &["--image=0", "images.wim"],
    &["--image=1", "wimmount.reg"],
    &["--verify", "wimmount.reg"],
    &["--drive=C", "wimmount.reg"],
    &["--drive=CD=nothing", "wimmount.reg"],
    &["--drive=C=missing", "wimmount.reg"],
    &["--drive=C=.", "--drive=c=.", "wimmount.reg"],
    &["--drive=C=text.txt", "wimmount.reg"],
    &["--log=missing.LOG1", "SOFTWARE"],
    &["--log=text.txt", "SOFTWARE"],
    &["--log=SOFTWARE.LOG1", "wimmount.reg"],
    &["--log=SOFTWARE.LOG1", "SOFTWARE", "wimmount.reg"],
    &["--system=missing", "SOFTWARE"],
    &["--system=text.txt", "SOFTWARE"],
    &["--system=SOFTWARE", "SOFTWARE"],
    // Lists and folders.
    &["--from=missing.txt"],
    &["--from=list.txt"],
    &["--recursive=missing"],
    &["--recursive=nothing"],
    &["--recursive=notes"],
    // The output.
    &["--output=missing/result", "wimmount.reg"],
    &["--output=nothing", "wimmount.reg"],
    &["--output=wimmount.reg", "wimmount.reg"],
    // Wrong usage.
    &[],
    &["-", "-"],
    &["--format=yaml", "wimmount.reg"],
    &["--captured=maybe", "wimmount.reg"],
    &["--fail-on=all", "wimmount.reg"],
    &["--scope=all", "wimmount.reg"],
    &["--code-page=klingon", "wimmount.reg"],
    &["--jobs=0", "wimmount.reg"],
    &["--image=first", "images.wim"],
    &["--generate=man", "wimmount.reg"],
    &["--generate=manual"],
    &["--no-such-option"],
];

/// One case as the golden file has it: the command line, what stands on standard error, and the exit code.
fn transcript(folder: &Path, arguments: &[&str]) -> String {
    let arguments_in_table = [&["--format=csv"], arguments].concat();
    let has_format = arguments
        .iter()
        .any(|argument| argument.starts_with("--format"));
    let run = match has_format || arguments.is_empty() {
        true => run(folder, arguments),
        false => run(folder, &arguments_in_table),
    };
    let line = [&["dism-mount-status"], arguments].concat().join(" ");
    format!("$ {line}\n{}[exit code {}]\n\n", run.stderr, run.code)
}

#[cfg(unix)]
#[test]
fn every_message_is_the_one_that_is_known() {
    let folder = folder();
    let cases = CASES.iter();
    let text: String = cases
        .map(|arguments| transcript(folder.path(), arguments))
        .collect();
    let golden = fixtures().join("errors.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &text).unwrap();
    }
    let known = fs::read_to_string(golden).unwrap();
    for (known, now) in known.split("\n$ ").zip(text.split("\n$ ")) {
        assert_eq!(known, now);
    }
    assert_eq!(known, text);
}

/// What an error leaves to be done stands behind what is wrong, or in the usage that clap adds.
#[test]
fn every_error_has_a_next_step() {
    let folder = folder();
    for arguments in CASES {
        let text = transcript(folder.path(), arguments);
        for error in text.lines().filter(|line| line.starts_with("error: ")) {
            let is_usage = text.contains("\nFor more information, try '--help'.\n");
            let has_remedy = error.contains("; ") || error.contains(" is not supported: ");
            assert!(is_usage || has_remedy, "{text}");
            assert!(text.ends_with("[exit code 2]\n\n"), "{text}");
        }
    }
}

#[test]
fn standard_input_that_is_no_evidence_says_what_can_be_piped() {
    let folder = folder();
    for name in ["text.txt", "empty.reg"] {
        let bytes = fs::read(folder.path().join(name)).unwrap();
        let piped = run_with(folder.path(), &["--format=csv", "-"], |command| {
            command.write_stdin(bytes.clone());
        });
        assert_eq!(piped.code, 2);
        let remedy =
            "; an export, a hive, an archive or an image can be piped; name any other evidence\n";
        assert!(
            piped.stderr.starts_with("error: -: ") && piped.stderr.ends_with(remedy),
            "{}",
            piped.stderr
        );
    }
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read_or_written_says_what_to_do() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let forbid = |name: &str, mode| {
        let place = folder.path().join(name);
        fs::set_permissions(place, fs::Permissions::from_mode(mode)).unwrap();
    };
    forbid("text.txt", 0o000);
    forbid("notes", 0o555);
    if fs::read(folder.path().join("text.txt")).is_ok() {
        eprintln!("NOT TESTED: this user may read and write everything");
    } else {
        for arguments in [&["text.txt"][..], &["--log=text.txt", "SOFTWARE"]] {
            let text = transcript(folder.path(), arguments);
            assert!(
                text.contains("; run this as a user who may read it, or take a copy"),
                "{text}"
            );
        }
        let text = transcript(folder.path(), &["--output=notes/result", "wimmount.reg"]);
        assert!(
            text.contains("; name a file in a folder that you may write to"),
            "{text}"
        );
    }
    forbid("notes", 0o755);
    #[cfg(target_os = "linux")]
    {
        let full = transcript(folder.path(), &["--output=/dev/full", "wimmount.reg"]);
        assert!(
            full.contains("; make room, or name another place"),
            "{full}"
        );
    }
}
