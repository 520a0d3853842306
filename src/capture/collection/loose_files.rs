//! Hives, transaction logs and registry exports that lie anywhere in a collection under any name, known by their content.
//!
//! Those who share evidence rename it and put it into one folder: so the path in a base block tells which hive it is, its
//! transactions and sequence numbers which logs belong to it.

use std::rc::Rc;

use super::archive::MemberKind;
use super::member_name::divided;
use super::members::Members;
use super::wanted::{self, HiveName, HiveStart};
#[cfg(feature = "disk-image")]
use crate::capture::disk_image::Disk;
use crate::capture::hive_files::HiveFiles;
use crate::capture::machine::CapturedMachine;
use crate::capture::read_at::{ReadAt, ReadAtCursor};
use crate::capture::volume::ReadSeek;
use crate::error::Error;
use crate::registry::hive::Hive;
use crate::registry::software_hive::software_key;
use crate::registry::system_hive::system_key;
use crate::warning::{Warning, WarningCode, Warnings};

/// How many members are looked into.
pub(super) const MAX_LOOKED_INTO: u32 = 100_000;
/// How many hives, logs and exports are dealt with.
const MAX_FOUND: usize = 1000;
/// How many disk images are looked into.
#[cfg(feature = "disk-image")]
const MAX_IMAGES: usize = 64;
/// How many bytes of a member tell what it is.
const START_LENGTH: u64 = 4096;

/// A SOFTWARE hive and what belongs to it, by their numbers as members.
#[derive(Debug, Clone)]
pub(super) struct LooseHive {
    pub(super) software: u32,
    logs: Vec<u32>,
    system: Option<(u32, Vec<u32>)>,
}

/// What was found by content.
#[derive(Debug, Default)]
pub(super) struct LooseFiles {
    pub(super) hives: Vec<LooseHive>,
    pub(super) exports: Vec<u32>,
    /// Disk images in an archive, by their first bytes.
    #[cfg(feature = "disk-image")]
    pub(super) images: Vec<u32>,
    /// Why a member could not be looked into: of the first.
    pub(super) failure: Option<Error>,
}

/// A hive or log, by its number as a member.
#[derive(Debug, Clone)]
struct Found {
    member: u32,
    /// The folder that it lies in.
    folder: Vec<u8>,
    start: HiveStart,
}

impl LooseFiles {
    /// Looks into all members.
    pub(super) fn find(members: &Members, warnings: &mut Warnings) -> LooseFiles {
        let mut search = Search {
            members,
            files: LooseFiles::default(),
            hives: Vec::new(),
            damaged: Vec::new(),
            logs: Vec::new(),
            failures: 0,
        };
        search.run(warnings);
        search.match_hives(warnings)
    }
}

struct Search<'a> {
    members: &'a Members,
    files: LooseFiles,
    hives: Vec<Found>,
    /// Hives of which it cannot be told which they are.
    damaged: Vec<u32>,
    logs: Vec<Found>,
    failures: u64,
}

impl Search<'_> {
    fn run(&mut self, warnings: &mut Warnings) {
        let mut looked_into = 0;
        for (index, member) in self.members.iter() {
            if member.kind != MemberKind::File || self.members.is_known_other(index) {
                continue;
            }
            let hives = self.hives.len() + self.damaged.len();
            let found = hives + self.logs.len() + self.files.exports.len();
            if looked_into == MAX_LOOKED_INTO || found == MAX_FOUND {
                let text = format!(
                    "the members from {} on are not looked into: {looked_into} were, and {found} are evidence",
                    member.display_name()
                );
                warnings.push(Warning::new(WarningCode::LimitReached, text));
                break;
            }
            looked_into += 1;
            if let Err(error) = self.look_into(index) {
                self.failures += 1;
                self.files.failure.get_or_insert(error);
            }
        }
        if let Some(failure) = &self.files.failure {
            let text = format!(
                "{} members cannot be looked into, the first because of: {failure}",
                self.failures
            );
            warnings.push(Warning::new(WarningCode::FileUnreadable, text));
        }
    }

    fn look_into(&mut self, index: u32) -> Result<(), Error> {
        let Some(member) = self.members.member(index) else {
            return Ok(());
        };
        let name = HiveName::of_file(member.name);
        let (folder, _) = divided(member.name);
        let folder = folder.to_vec();
        let start = match self.start(index, member.size) {
            Ok(start) => start,
            // What is a hive by its name is one that cannot be read.
            Err(_) if name.is_some() => Vec::new(),
            Err(error) => return Err(error),
        };
        let start = match (HiveStart::parse(&start), name) {
            (Some(start), _) => start,
            (None, Some((hive, is_log))) => HiveStart {
                hive,
                is_log,
                sequence: (0, 0),
                resource_manager: uuid::Uuid::nil(),
            },
            (None, None) => {
                if wanted::is_export(&start) {
                    self.files.exports.push(index);
                }
                #[cfg(feature = "disk-image")]
                if self.members.is_archive() && Disk::is_container(&start) {
                    self.add_image(index)?;
                }
                return Ok(());
            }
        };
        let mut found = Found {
            member: index,
            folder,
            start,
        };
        match found.start.is_log {
            true => self.logs.push(found),
            false => {
                if let HiveName::Unnamed | HiveName::Other = found.start.hive {
                    match self.hive_by_keys(index) {
                        Ok(hive) => found.start.hive = hive,
                        // As it may be SOFTWARE, it is reported.
                        Err(error)
                            if found.start.hive == HiveName::Unnamed && !error.is_unsupported() =>
                        {
                            self.damaged.push(index);
                            return Ok(());
                        }
                        Err(error) if !error.is_unsupported() => return Err(error),
                        Err(_) => {}
                    }
                }
                self.hives.push(found);
            }
        }
        Ok(())
    }

    #[cfg(feature = "disk-image")]
    fn add_image(&mut self, index: u32) -> Result<(), Error> {
        if self.files.images.len() == MAX_IMAGES {
            let expected = format!("at most {MAX_IMAGES} files of disk images in an archive");
            return Err(Error::malformed(expected, "more: unpack it"));
        }
        self.files.images.push(index);
        Ok(())
    }

    fn start(&self, index: u32, size: u64) -> Result<Vec<u8>, Error> {
        let data = self.members.open(index)?;
        let mut start = vec![0; size.min(data.size()).min(START_LENGTH) as usize];
        data.read_exact_at(0, &mut start)?;
        Ok(start)
    }

    /// Which hive it is that was loaded from a path which does not tell: `reg save` leaves none.
    ///
    /// # Errors
    /// When it is too damaged to tell.
    fn hive_by_keys(&self, index: u32) -> Result<HiveName, Error> {
        let mut hive = Hive::open(ReadAtCursor::new(self.members.open(index)?))?;
        if software_key(&mut hive)?.is_some() {
            return Ok(HiveName::Software);
        }
        Ok(match system_key(&mut hive)? {
            Some(_) => HiveName::System,
            None => HiveName::Other,
        })
    }

    /// Finds the logs of each hive, and the SYSTEM hive of each SOFTWARE hive.
    fn match_hives(mut self, warnings: &mut Warnings) -> LooseFiles {
        let damaged = std::mem::take(&mut self.damaged);
        let damaged = damaged.into_iter().map(|software| LooseHive {
            software,
            logs: Vec::new(),
            system: None,
        });
        let mut files = self.match_readable_hives(warnings);
        files.hives.extend(damaged);
        files.hives.sort_by_key(|hive| hive.software);
        files
    }

    fn match_readable_hives(mut self, warnings: &mut Warnings) -> LooseFiles {
        let of = |hive| {
            let hives = self
                .hives
                .iter()
                .filter(move |found| found.start.hive == hive);
            hives.cloned().collect::<Vec<Found>>()
        };
        let softwares = of(HiveName::Software);
        let systems = of(HiveName::System);
        if softwares.is_empty() {
            return self.files;
        }
        let mut software_logs = vec![Vec::new(); softwares.len()];
        let mut system_logs = vec![Vec::new(); systems.len()];
        let mut unused = Vec::new();
        for log in &self.logs {
            let (hive, logs) = match log.start.hive {
                HiveName::Software => (best_hive(log, &softwares), &mut software_logs),
                HiveName::System => (best_hive(log, &systems), &mut system_logs),
                HiveName::Unnamed => (None, &mut software_logs),
                // Those of hives that are not read.
                HiveName::Other => continue,
            };
            match hive {
                Some(hive) => logs[hive].push(log.member),
                None => unused.push((log.member, "no hive, or several, may be that of the log")),
            }
        }
        let mut used_systems = vec![false; systems.len()];
        for (software, logs) in softwares.iter().zip(software_logs) {
            let system = match &systems[..] {
                [_] if softwares.len() == 1 => Some(0),
                _ => only(
                    systems
                        .iter()
                        .map(|system| system.folder == software.folder),
                )
                .filter(|_| {
                    let mut beside = softwares.iter();
                    beside.all(|other| {
                        other.member == software.member || other.folder != software.folder
                    })
                }),
            };
            if let Some(system) = system {
                used_systems[system] = true;
            }
            self.files.hives.push(LooseHive {
                software: software.member,
                logs,
                system: system.map(|system| (systems[system].member, system_logs[system].clone())),
            });
        }
        for (system, _) in systems.iter().zip(used_systems).filter(|(_, used)| !used) {
            unused.push((
                system.member,
                "no SOFTWARE hive, or several, may be of the same machine",
            ));
        }
        for (member, reason) in unused {
            let name = self
                .members
                .member(member)
                .map(|member| member.display_name());
            let warning = Warning::new(WarningCode::FileNotUsed, format!("not used: {reason}"));
            warnings.push(warning.in_evidence(name.unwrap_or_default()));
        }
        self.files
    }
}

/// The hive that a log belongs to, by its place among these: of the same transactions, otherwise the one whose sequence
/// numbers are nearest. None where two are as near.
fn best_hive(log: &Found, hives: &[Found]) -> Option<usize> {
    let is_known = |id: uuid::Uuid| !id.is_nil();
    let log_id = log.start.resource_manager;
    let distance = |hive: &Found| {
        let hive_id = hive.start.resource_manager;
        let other = is_known(log_id) && is_known(hive_id) && log_id != hive_id;
        let unknown = !is_known(log_id) || !is_known(hive_id);
        let elsewhere = hive.folder != log.folder;
        let apart = log.start.sequence.0.wrapping_sub(hive.start.sequence.1);
        let apart = apart.min(apart.wrapping_neg());
        (!other).then_some((unknown, elsewhere, apart))
    };
    let near = hives.iter().map(distance);
    let best = near.clone().flatten().min()?;
    only(near.map(|distance| distance == Some(best)))
}

/// The place of the only one that is true.
fn only(mut each: impl Iterator<Item = bool>) -> Option<usize> {
    let first = each.by_ref().position(|is| is)?;
    (!each.any(|is| is)).then_some(first)
}

impl LooseHive {
    /// The machine that the hives are of.
    pub(super) fn machine(&self, members: &Members) -> Result<CapturedMachine, Error> {
        let mut warnings = Warnings::default();
        let software = hive_files(members, self.software, &self.logs, &mut warnings)?;
        let system = self.system.as_ref().and_then(|(system, logs)| {
            hive_files(members, *system, logs, &mut warnings)
                .inspect_err(|error| {
                    let code = WarningCode::SystemHiveNotUsed;
                    warnings.push(Warning::new(code, error.to_string()));
                })
                .ok()
        });
        Ok(CapturedMachine::of_hives(software, system, warnings))
    }
}

fn hive_files(
    members: &Members,
    hive: u32,
    logs: &[u32],
    warnings: &mut Warnings,
) -> Result<HiveFiles, Error> {
    let hive = opened(members, hive)?;
    let mut opened_logs = Vec::new();
    for log in logs {
        match opened(members, *log) {
            Ok(log) => opened_logs.push(log),
            Err(error) => {
                let code = WarningCode::LogEntryLeftOut;
                warnings.push(Warning::new(code, error.to_string()));
            }
        }
    }
    Ok(HiveFiles::of_data(hive, opened_logs))
}

fn opened(members: &Members, index: u32) -> Result<(String, Box<dyn ReadSeek>), Error> {
    let name = members.member(index).map(|member| member.display_name());
    let data: Rc<dyn ReadAt> = members.open(index)?;
    Ok((name.unwrap_or_default(), Box::new(ReadAtCursor::new(data))))
}

/// The data of an export.
pub(super) fn open_export(members: &Members, index: u32) -> Result<Box<dyn ReadSeek>, Error> {
    Ok(opened(members, index)?.1)
}
