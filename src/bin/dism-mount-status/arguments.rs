//! What the command line takes.

use std::fs::File;
use std::io::Read;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;

use clap::error::ErrorKind;
use clap::{ColorChoice, CommandFactory, Parser, ValueEnum, ValueHint};
use dism_mount_status::capture::{DriveName, Scope};
use dism_mount_status::registry::CodePage;
use dism_mount_status::{EvidenceKind, InspectOptions, Listener, Liveness, identify};

use crate::progress;

/// Shown below the options by `--help`, and as a section of the manual page.
pub(crate) const EXAMPLES: &str = "  On the Windows machine, then anywhere:
    reg export HKLM\\SOFTWARE\\Microsoft\\WIMMount wimmount.reg
    dism-mount-status wimmount.reg

  The export was taken while the images were in use:
    dism-mount-status --captured running wimmount.reg

  A hive from a disk; SOFTWARE.LOG1, SOFTWARE.LOG2 and SYSTEM beside it are used:
    dism-mount-status Windows/System32/config/SOFTWARE

  A volume mounted with ntfs-3g, or a tree copied from one, with its mount directories and image files:
    dism-mount-status /mnt/windows
    dism-mount-status --find-orphans --drive D=/mnt/data /mnt/windows

  A captured image of Windows, a virtual disk, a triage collection:
    dism-mount-status reference.wim
    dism-mount-status machine.vhdx
    dism-mount-status collection.zip

  Straight from a query, in the code page of a German console:
    ssh admin@host reg query HKLM\\SOFTWARE\\Microsoft\\WIMMount /s |
      dism-mount-status --code-page 850 -

  What a script for `dism /Get-MountedImageInfo` expects:
    dism-mount-status --format dism wimmount.reg

  Every invalid mount of many exports:
    dism-mount-status --format jsonl *.reg |
      jq -c 'select(.mount_status == \"Invalid\") | [.evidence, .mount_path]'";

/// Likewise.
pub(crate) const EXIT_CODES: &str =
    "  0  no mounted image is in the state that --fail-on names, or a worse one
  1  one is; with --fail-on any, an orphaned mount counts, too
  2  wrong usage, or some evidence, or a registration in it, could not be
     read; the rest is reported
130  Ctrl-C ended it; each capture that stands on standard output is whole

  A registry export cannot tell an image that is mounted from one that was
  mounted before a restart. Its status is then shown as `Ok or NeedsRemount`,
  and counts as Ok.";

const USAGE: &str = "\
dism-mount-status [OPTIONS] <EVIDENCE>...
       dism-mount-status --generate <WHAT>";

/// Tells from captured evidence which DISM images are mounted, in which state, and why.
///
/// Shows what `dism /Get-MountedImageInfo` would have shown on the machine that the evidence was taken from: the status of every
/// mounted image (Ok, NeedsRemount or Invalid), on what that rests, and what to do next. It needs neither Windows nor
/// administrator rights, mounts nothing and changes nothing.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    override_usage = USAGE,
    after_help = "Examples and exit codes: --help",
    after_long_help = format!("Examples:\n{EXAMPLES}\n\nExit codes:\n{EXIT_CODES}")
)]
pub(crate) struct Arguments {
    /// Registry exports, SOFTWARE hives, captured trees, WIM files, disk images, triage collections; - is standard input
    ///
    /// Exports are .reg files and the output of `reg query /s`; a tree is a Windows volume that is mounted or copied; a collection is what
    /// Velociraptor, KAPE or UAC leave, as archive or folder. What a file is, its content tells, never its name. Several are reported in
    /// the order given. Exports, hives, archives and images can come from standard input.
    #[arg(
        value_name = "EVIDENCE",
        required_unless_present_any = ["generate", "from", "from0", "recursive"],
        value_hint = ValueHint::AnyPath
    )]
    pub(crate) evidence: Vec<PathBuf>,

    /// Also the evidence that a list names, one path a line; - is standard input; repeatable
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Evidence")]
    pub(crate) from: Vec<PathBuf>,

    /// As --from, the paths ended by NUL, as `find -print0` prints them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Evidence")]
    pub(crate) from0: Vec<PathBuf>,

    /// Also every capture in a folder and below it, found by content; repeatable
    ///
    /// Exports, SOFTWARE hives, captured trees, images and archives. Links are not followed; other files are passed over, and so are
    /// parts of what lies beside them, and images and archives without a Windows or an export.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Evidence")]
    pub(crate) recursive: Vec<PathBuf>,

    /// Whether the machine was running when the evidence was taken, where you know better than the evidence
    #[arg(long, value_name = "STATE", value_enum, help_heading = "Evidence")]
    captured: Option<Captured>,

    /// Code page of REGEDIT4 files and of `reg query` text, such as 850 or windows-1251 [default: UTF-8 where it is that, else windows-1252]
    #[arg(long, value_name = "NAME", help_heading = "Evidence")]
    code_page: Option<CodePage>,

    /// A transaction log of the hive that lies elsewhere than beside it; repeatable, in any order
    #[arg(long = "log", value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Evidence")]
    logs: Vec<PathBuf>,

    /// The machine's SYSTEM hive: its last shutdown and its filter driver [default: SYSTEM beside SOFTWARE]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Evidence")]
    system: Option<PathBuf>,

    /// Where a drive or share of the captured machine lies here: C=DIR, '\\server\share=DIR'; repeatable
    ///
    /// DIR is a folder, or a disk image with that drive. Joins mount directories and image files to a registry export or a hive,
    /// and adds drives to a captured tree.
    #[arg(long = "drive", value_name = "DRIVE=DIR", value_parser = drive, help_heading = "Evidence")]
    drives: Vec<(DriveName, PathBuf)>,

    /// Whether what is missing from the evidence was missing on the machine (complete), or need not have been (partial)
    #[arg(long, value_name = "SCOPE", value_enum, help_heading = "Evidence")]
    scope: Option<WholeOrPart>,

    /// Of a WIM file only this image, counted from 1 [default: all of them]
    #[arg(long, value_name = "INDEX", value_parser = index, help_heading = "Evidence")]
    image: Option<u32>,

    /// Read a WIM file whole, and hold it against its integrity table, or else all its data against their SHA-1; damage is
    /// an error
    #[arg(long, help_heading = "Evidence")]
    verify: bool,

    /// Also search the captured files for mount directories that no registration names
    #[arg(long, help_heading = "Evidence")]
    find_orphans: bool,

    /// How the result is written
    #[arg(
        long,
        value_name = "NAME",
        value_enum,
        default_value_t,
        help_heading = "Output"
    )]
    pub(crate) format: Format,

    /// From which state on the exit code is 1
    #[arg(
        long,
        value_name = "STATE",
        value_enum,
        default_value_t,
        help_heading = "Output"
    )]
    pub(crate) fail_on: FailOn,

    /// Write to FILE instead of standard output (-): all of it, or nothing; what is named or known as evidence is not overwritten
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,

    /// How many captures are worked on side by side [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = jobs, help_heading = "Output")]
    jobs: Option<NonZero<usize>>,

    /// Say nothing on standard error but errors
    #[arg(long, help_heading = "Output")]
    pub(crate) quiet: bool,

    /// Whether table and messages have colours; `auto` heeds the terminal and NO_COLOR
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        help_heading = "Output"
    )]
    color: ColorChoice,

    /// Print something about this program instead
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        conflicts_with = "evidence",
        help_heading = "Output"
    )]
    pub(crate) generate: Option<Generate>,
}

/// What the user knows about the machine.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Captured {
    /// It was running; a shutdown since a mount that the SYSTEM hive tells of still counts
    Running,
    /// It was not: nothing is mounted on a machine that is off
    Stopped,
    /// Not known
    Unknown,
}

/// How much of the machine was captured.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum WholeOrPart {
    /// All files: what is not there was not on the machine
    Complete,
    /// Some: what is not there need not have been missing
    Partial,
}

/// The output formats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For reading: every image with its reasons and the next step
    #[default]
    Table,
    /// As `dism /English /Get-MountedImageInfo` prints it
    Dism,
    /// As `Get-WindowsImage -Mounted | Format-List` prints it
    Powershell,
    /// One JSON document with everything (--generate json-schema describes it)
    Json,
    /// One line of JSON per mounted image (--generate jsonl-schema)
    Jsonl,
    /// A row per mounted image, orphaned mount directory, and capture without either
    Csv,
    /// SARIF 2.1.0, a result per finding
    Sarif,
    /// Annotations of a GitHub workflow
    Github,
    /// Events as JSON lines for Timesketch
    Timeline,
    /// One file to read in a browser, print or hand on
    Html,
    /// Counts: captures, images by status, errors
    Summary,
}

/// From which state on the exit code is 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// An image is Invalid
    Invalid,
    /// An image is NeedsRemount or Invalid
    #[default]
    NeedsRemount,
    /// An image is mounted, in whatever state, or an orphaned mount is found
    Any,
    /// Never: 0 unless something could not be read
    Never,
}

/// What the program can print about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Generate {
    /// The manual page
    Man,
    /// Completions for bash
    CompleteBash,
    /// Completions for zsh
    CompleteZsh,
    /// Completions for fish
    CompleteFish,
    /// Completions for PowerShell
    CompletePowershell,
    /// The JSON Schema of --format json
    JsonSchema,
    /// The JSON Schema of each line of --format jsonl
    JsonlSchema,
}

impl Arguments {
    /// Takes the command line; wrong usage, `--help` and `--version` end the program here.
    pub(crate) fn checked() -> Self {
        let arguments = Arguments::parse();
        if let Some(contradiction) = arguments.contradiction() {
            let kind = ErrorKind::ArgumentConflict;
            Arguments::command().error(kind, contradiction).exit();
        }
        arguments
    }

    /// What single arguments cannot be blamed for.
    fn contradiction(&self) -> Option<String> {
        let lists = [&self.from, &self.from0, &self.recursive];
        let is_one = self.evidence.len() == 1 && lists.iter().all(|list| list.is_empty());
        if !self.logs.is_empty() && !is_one {
            let text =
                "--log names the logs of one hive: name that hive, and no other evidence with it";
            return Some(text.to_owned());
        }
        let drives = self.drives.iter().enumerate();
        let mut named_twice = drives
            .filter(|(at, (name, _))| self.drives[..*at].iter().any(|(known, _)| known == name));
        if let Some((_, (name, _))) = named_twice.next() {
            return Some(format!(
                "--drive says twice where {name} lies: name one place"
            ));
        }
        let read_once = self.evidence.iter().chain(&self.from).chain(&self.from0);
        let from_standard_input = read_once.filter(|path| is_standard_stream(path));
        if from_standard_input.count() > 1 {
            return Some("standard input (-) can be read only once: name it once".to_owned());
        }
        let named = self.output_file()?;
        let output = named.canonicalize().ok()?;
        let lists = self.from.iter().chain(&self.from0);
        let hives = self.logs.iter().chain(&self.system);
        let mut read = self.evidence.iter().chain(lists).chain(hives);
        let is_read = read.any(|path| path.canonicalize().is_ok_and(|path| path == output));
        (output.is_file() && (is_read || is_evidence(&output))).then(|| {
            let named = named.display();
            format!("--output would overwrite the evidence {named}: name another file")
        })
    }

    /// The file that the output goes to, if it does not go to standard output.
    pub(crate) fn output_file(&self) -> Option<&Path> {
        let output = self.output.as_deref();
        output.filter(|output| !is_standard_stream(output))
    }

    /// Options that say nothing about evidence of this kind.
    pub(crate) fn unused_for(&self, kind: EvidenceKind) -> Vec<String> {
        use EvidenceKind::{CapturedWim, DiskImage, Hive, RegistryExport};
        let is_wim = kind == CapturedWim;
        let has_no_files = matches!(kind, RegistryExport | Hive) && self.drives.is_empty();
        let has_no_exports = matches!(kind, Hive | CapturedWim | DiskImage);
        let options = [
            ("--image", "WIM files", self.image.is_some() && !is_wim),
            ("--verify", "WIM files", self.verify && !is_wim),
            (
                "--code-page",
                "registry exports",
                self.code_page.is_some() && has_no_exports,
            ),
            (
                "--scope",
                "captured files",
                self.scope.is_some() && has_no_files,
            ),
            (
                "--find-orphans",
                "captured files",
                self.find_orphans && has_no_files,
            ),
        ];
        let unused = options.into_iter().filter(|(_, _, is_unused)| *is_unused);
        let unused =
            unused.map(|(option, kinds, _)| format!("{option} is for {kinds} and was not used"));
        unused.collect()
    }

    /// Whether there are colours, for whoever asks the terminal about that.
    pub(crate) fn colors(&self) -> anstream::ColorChoice {
        match self.color {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        }
    }

    /// How many captures are worked on side by side.
    pub(crate) fn jobs(&self) -> NonZero<usize> {
        let processors = || thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        self.jobs.unwrap_or_else(processors)
    }

    /// What the library is to know; `shows_search` where a single capture's search is worth a progress bar.
    pub(crate) fn options(&self, shows_search: bool) -> InspectOptions {
        let mut options = InspectOptions::default();
        options.captured = self.captured.map(Liveness::from);
        options.code_page = self.code_page;
        options.logs.clone_from(&self.logs);
        options.system.clone_from(&self.system);
        options.drives.clone_from(&self.drives);
        options.scope = self.scope.map(Scope::from);
        options.image = self.image;
        options.verify = self.verify;
        options.find_orphans = self.find_orphans;
        if shows_search && !self.quiet {
            options.verification_progress = Some(Listener::new(progress::verified));
            options.search_progress = Some(Listener::new(progress::searched));
        }
        options
    }
}

impl From<Captured> for Liveness {
    fn from(captured: Captured) -> Self {
        match captured {
            Captured::Running => Liveness::Running,
            Captured::Stopped => Liveness::Stopped,
            Captured::Unknown => Liveness::Unknown,
        }
    }
}

impl From<WholeOrPart> for Scope {
    fn from(scope: WholeOrPart) -> Self {
        match scope {
            WholeOrPart::Complete => Scope::Complete,
            WholeOrPart::Partial => Scope::Partial,
        }
    }
}

/// Reads `DRIVE=DIR`. A share's name may hold an equals sign, a drive's folder too: the first one behind a name that is one parts.
fn drive(text: &str) -> Result<(DriveName, PathBuf), String> {
    let parted = text.match_indices('=').find_map(|(at, _)| {
        let name = text[..at].parse().ok()?;
        Some((name, PathBuf::from(&text[at + 1..])))
    });
    parted.ok_or_else(|| {
        r"expected a drive letter or a share, `=` and the place where it lies here, such as C=DIR or \\server\share=DIR".to_owned()
    })
}

/// Reads the index of an image.
fn index(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| "expected a number, 1 for the first image".to_owned())
}

/// Reads a number of jobs.
fn jobs(text: &str) -> Result<NonZero<usize>, String> {
    text.parse()
        .map_err(|_| "expected a number of at least 1".to_owned())
}

/// Whether a file could be evidence, or a hive or log that belongs to some.
fn is_evidence(file: &Path) -> bool {
    const HIVE: &[u8] = b"regf";
    let mut start = Vec::new();
    let opened = File::open(file).map(|file| file.take(HIVE.len() as u64));
    let is_read = opened.is_ok_and(|mut file| file.read_to_end(&mut start).is_ok());
    (is_read && start == HIVE) || identify(file).is_ok_and(|kind| kind.is_some())
}

/// Whether evidence stands for standard input, or a place for standard output.
pub(crate) fn is_standard_stream(evidence: &Path) -> bool {
    evidence.as_os_str() == "-"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
