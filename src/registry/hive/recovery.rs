//! Which logs a hive needs, and what became of them.
//!
//! As Windows does it ("Windows registry file format specification", "Dirty state of a hive" and "Multiple
//! transaction log files"): a clean hive needs none. With a sound base block, entries are applied from the
//! hive's secondary sequence number on, without a gap, the log with the older entries first. With a damaged
//! one, the newest log alone gives the base block and its entries.

use std::io::{self, Read, Seek};

use serde::Serialize;

use super::base_block::{BASE_BLOCK_LEN, BaseBlock};
use super::pages::{Overlay, read_at};
use super::transaction_log::{
    LeftOut, LeftOutReason, LogFormat, Replay, TransactionLog, sequence_distance,
};
use crate::error::{Error, Position};
use crate::file_time::FileTime;
use crate::warning::{Warning, WarningCode, Warnings};

/// What was done to bring a hive up to date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Recovery {
    /// Whether the hive was left in the middle of a write: its two sequence numbers differ, or its base block
    /// is damaged.
    pub dirty: bool,
    /// The log that the base block was taken from, when the hive's own is damaged.
    pub base_block_from: Option<String>,
    /// What became of each log, in the order in which they were given.
    pub logs: Vec<LogReplay>,
}

impl Recovery {
    /// How many entries of all logs were applied.
    pub fn entries_applied(&self) -> u64 {
        self.logs.iter().map(|log| log.entries_applied).sum()
    }
}

/// What became of one log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LogReplay {
    /// The log's name, as the caller gave it.
    pub name: String,
    /// How it is built; `None` where its base block does not tell.
    pub format: Option<LogFormat>,
    /// How many entries were applied. A log of the old format is one entry.
    pub entries_applied: u64,
    /// How many bytes of pages they carry.
    pub bytes_applied: u64,
    /// What was left out, in the order of the log.
    pub left_out: Vec<LeftOut>,
}

/// A hive's base block and pages after recovery.
pub(super) struct Recovered {
    pub(super) base_block: BaseBlock,
    pub(super) overlay: Overlay,
    /// The length of the hive bins by the last log entry; 0 when none was applied.
    pub(super) hive_bins_len: u64,
    pub(super) recovery: Recovery,
}

/// A log that was given and what is known of it.
struct Candidate<'a, R> {
    index: usize,
    log: &'a mut R,
    opened: TransactionLog,
}

/// Applies to a hive what its logs hold for it.
pub(super) fn recover<R: Read + Seek>(
    hive: &mut R,
    base_block: BaseBlock,
    names: &[String],
    logs: &mut [R],
    warnings: &mut Warnings,
) -> Result<Recovered, Error> {
    let mut recovery = Recovery {
        dirty: !base_block.is_clean(),
        base_block_from: None,
        logs: Vec::with_capacity(logs.len()),
    };
    let mut candidates = Vec::new();
    for (index, (log, name)) in logs.iter_mut().zip(names).enumerate() {
        let opened = match TransactionLog::open(log) {
            Ok(opened) => opened,
            Err(error) => return Err(Error::io(&error).in_evidence(name)),
        };
        recovery.logs.push(LogReplay {
            name: name.clone(),
            format: opened.as_ref().ok().map(|opened| opened.format),
            entries_applied: 0,
            bytes_applied: 0,
            left_out: Vec::new(),
        });
        match opened {
            Ok(opened) => candidates.push(Candidate { index, log, opened }),
            Err(reason) => leave_out(&mut recovery, index, reason),
        }
    }
    let mut recovered = Recovered {
        base_block,
        overlay: Overlay::default(),
        hive_bins_len: 0,
        recovery,
    };
    if recovered.recovery.dirty {
        recovered.replay(hive, candidates, names, warnings)?;
        recovered.warn(warnings);
    } else {
        for candidate in candidates {
            let reason = LeftOutReason::HiveIsClean;
            leave_out(&mut recovered.recovery, candidate.index, reason);
        }
    }
    Ok(recovered)
}

/// Leaves a whole log out.
fn leave_out(recovery: &mut Recovery, index: usize, reason: LeftOutReason) {
    recovery.logs[index].left_out.push(LeftOut {
        position: 0,
        entries: 0,
        reason,
    });
}

impl Recovered {
    fn replay<R: Read + Seek>(
        &mut self,
        hive: &mut R,
        mut candidates: Vec<Candidate<'_, R>>,
        names: &[String],
        warnings: &mut Warnings,
    ) -> Result<(), Error> {
        let base_is_sound = self.base_block.is_sound();
        let first_bin = first_hive_bin(hive)?;
        // A file that is no hive at all is not made one by a log that lies beside it.
        if !base_is_sound && first_bin.is_none() {
            candidates.drain(..).for_each(|candidate| {
                leave_out(&mut self.recovery, candidate.index, LeftOutReason::Stale);
            });
        }
        let (old, mut new): (Vec<_>, Vec<_>) = candidates
            .into_iter()
            .partition(|candidate| candidate.opened.format == LogFormat::DirtyVector);
        // The old format has no entries whose numbers would tell: a log belongs to the hive when it has the time of
        // its base block, or of its first bin when the base block is damaged ("Old format", "Base block", note 3).
        let last_written = self.base_block.last_written;
        let belongs = |candidate: &Candidate<'_, R>| {
            let time = candidate.opened.base_block.last_written;
            time == last_written || (!base_is_sound && first_bin == Some(time))
        };
        let (mut old, stale): (Vec<_>, Vec<_>) = old.into_iter().partition(belongs);
        for candidate in stale {
            leave_out(&mut self.recovery, candidate.index, LeftOutReason::Stale);
        }
        let origin = self.base_block.secondary_sequence;
        let age = |candidate: &Candidate<'_, R>| {
            let sequence = candidate.opened.base_block.primary_sequence;
            let length = candidate.opened.len;
            let name = &names[candidate.index];
            (sequence_distance(origin, sequence), length, name)
        };
        // Of equal age are copies of one log, of which one may be cut off. Names keep the order in which they were given from
        // mattering.
        new.sort_by(|a, b| age(a).cmp(&age(b)));
        old.sort_by(|a, b| age(a).cmp(&age(b)));

        // Of the old format, one log holds all there is to apply.
        let newest_old = old.pop();
        let mut unused = old;
        let mut in_order = new;
        if !base_is_sound {
            let newest = in_order.pop().or(newest_old);
            unused.append(&mut in_order);
            if let Some(newest) = newest {
                self.take_base_block(&newest);
                in_order.push(newest);
            }
        } else {
            in_order.extend(newest_old);
        }
        for candidate in unused {
            let reason = LeftOutReason::NotTheNewest;
            leave_out(&mut self.recovery, candidate.index, reason);
        }
        self.apply(in_order, warnings)
    }

    /// Takes the base block of a log in the place of the hive's own.
    fn take_base_block<R>(&mut self, candidate: &Candidate<'_, R>) {
        self.base_block = BaseBlock {
            file_type: BaseBlock::PRIMARY,
            ..candidate.opened.base_block.clone()
        };
        let name = &self.recovery.logs[candidate.index].name;
        self.recovery.base_block_from = Some(name.clone());
    }

    fn apply<R: Read + Seek>(
        &mut self,
        candidates: Vec<Candidate<'_, R>>,
        warnings: &mut Warnings,
    ) -> Result<(), Error> {
        let mut replay = Replay {
            overlay: Overlay::default(),
            next_sequence: self.base_block.secondary_sequence,
            hive_bins_len: 0,
        };
        let mut entries_applied = false;
        for Candidate { index, log, opened } in candidates {
            let report = &mut self.recovery.logs[index];
            if entries_applied && opened.format == LogFormat::DirtyVector {
                leave_out(&mut self.recovery, index, LeftOutReason::Stale);
                continue;
            }
            let applied = opened
                .apply(log, index, &mut replay)
                .map_err(|error: io::Error| Error::io(&error).in_evidence(&report.name))?;
            entries_applied |= applied.entries > 0;
            report.entries_applied = applied.entries;
            report.bytes_applied = applied.bytes;
            report.left_out = applied.left_out;
            if let Some(position) = applied.trailing_bytes {
                warnings.push(
                    Warning::new(
                        WarningCode::TrailingBytes,
                        "bytes that belong to no log entry were passed over",
                    )
                    .at(Position::Byte(position))
                    .in_evidence(&report.name),
                );
            }
        }
        if entries_applied {
            self.base_block.hive_bins_len = replay.hive_bins_len;
            self.hive_bins_len = replay.hive_bins_len.into();
        }
        self.overlay = replay.overlay;
        Ok(())
    }

    /// Says what may be missing from a dirty hive.
    fn warn(&self, warnings: &mut Warnings) {
        for log in &self.recovery.logs {
            let losses = log.left_out.iter().filter(|left| left.reason.is_loss());
            for LeftOut {
                position,
                entries,
                reason,
            } in losses
            {
                let what = match entries {
                    0 => "this log was not used".to_owned(),
                    1 => "one log entry was left out".to_owned(),
                    n => format!("{n} log entries were left out"),
                };
                warnings.push(
                    Warning::new(WarningCode::LogEntryLeftOut, format!("{what}: {reason}"))
                        .at(Position::Byte(*position))
                        .in_evidence(&log.name),
                );
            }
        }
        if let Some(log) = &self.recovery.base_block_from {
            warnings.push(
                Warning::new(
                    WarningCode::BaseBlockDamaged,
                    format!("the hive's base block is damaged and was taken from {log}"),
                )
                .at(Position::Byte(0)),
            );
        }
        if self.recovery.entries_applied() == 0 {
            let why = if self.recovery.logs.is_empty() {
                "there is no transaction log"
            } else {
                "none of its transaction logs has anything to apply"
            };
            warnings.push(Warning::new(
                WarningCode::NewestChangesMissing,
                format!("the hive was being written when it was left and {why}: the newest changes may be missing"),
            ));
        }
    }
}

/// The time stamp of the first hive bin, a copy of the base block's, if there is a hive bin at all.
fn first_hive_bin<R: Read + Seek>(hive: &mut R) -> Result<Option<FileTime>, Error> {
    const TIME_STAMP: usize = 20;
    let mut header = [0; 32];
    match read_at(hive, BASE_BLOCK_LEN, &mut header) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(Error::io(&error).at(Position::Byte(BASE_BLOCK_LEN))),
    }
    if !header.starts_with(b"hbin") {
        return Ok(None);
    }
    let time = header[TIME_STAMP..].first_chunk::<8>().copied();
    Ok(time.map(|bytes| FileTime::from_ticks(u64::from_le_bytes(bytes))))
}
