//! One transaction log: `SOFTWARE.LOG1`, `SOFTWARE.LOG2` or `SOFTWARE.LOG`.
//!
//! Only headers and page references are read into memory; hashes are computed as the log passes by, and the
//! pages stay where they are. Structures as in the "Windows registry file format specification", "Format of
//! transaction log files".

use std::fmt;
use std::io::{self, Read, Seek};

use nom::bytes::complete::tag;
use nom::number::complete::{le_u32, le_u64};
use nom::{IResult, Parser};
use serde::{Serialize, Serializer};

use super::base_block::{BASE_BLOCK_SECTOR, BaseBlock};
use super::marvin32::{Marvin32, marvin32};
use super::pages::{Overlay, read_at};

/// Logs, their entries and the pages of the old format are aligned to this.
const SECTOR: u64 = 512;

const ENTRY_SIGNATURE: &[u8] = b"HvLE";
const ENTRY_HEADER_LEN: u64 = 40;
/// The part of the header that the second hash covers.
const ENTRY_HASHED_HEADER: usize = 32;
const PAGE_REFERENCE_LEN: u64 = 8;

const DIRTY_VECTOR_SIGNATURE: &[u8] = b"DIRT";

/// How much of a log is in memory at a time.
const CHUNK: u64 = 64 * 1024;

/// How a transaction log is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LogFormat {
    /// A bitmap of dirty sectors (`DIRT`) and the sectors: up to Windows 8.
    DirtyVector,
    /// Numbered entries with hashes (`HvLE`): since Windows 8.1.
    Entries,
}

/// Why a log, or an entry of it, was not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeftOutReason {
    /// The hive was left clean: Windows does not look at its logs.
    HiveIsClean,
    /// The file has no bytes.
    Empty,
    /// The log's own base block is damaged or not one of a log.
    BaseBlockDamaged,
    /// What it holds is older than the hive.
    Stale,
    /// The hive's base block is damaged: Windows then uses the newest log alone, and this is another.
    NotTheNewest,
    /// The entry's number does not follow the last one.
    Gap {
        /// The number that had to come next.
        expected: u32,
        /// The number of the entry.
        found: u32,
    },
    /// One of the entry's two hashes is not that of its bytes.
    HashMismatch,
    /// The log ends before the entry does.
    Torn,
    /// The entry's header is sound, and its sizes contradict each other.
    Malformed,
    /// It stands behind an entry that could not be applied.
    AfterStop,
}

impl LeftOutReason {
    /// Whether something newer than what was read may be lost by leaving it out.
    pub(super) fn is_loss(&self) -> bool {
        !matches!(
            self,
            LeftOutReason::HiveIsClean
                | LeftOutReason::Empty
                | LeftOutReason::Stale
                | LeftOutReason::NotTheNewest
        )
    }
}

impl fmt::Display for LeftOutReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeftOutReason::HiveIsClean => f.write_str("the hive was left clean"),
            LeftOutReason::Empty => f.write_str("the log is empty"),
            LeftOutReason::BaseBlockDamaged => f.write_str("the log's base block is damaged"),
            LeftOutReason::Stale => f.write_str("it is older than the hive"),
            LeftOutReason::NotTheNewest => {
                f.write_str("the hive's base block is damaged and another log is newer")
            }
            LeftOutReason::Gap { expected, found } => {
                write!(
                    f,
                    "expected the entry with sequence number {expected}, found {found}"
                )
            }
            LeftOutReason::HashMismatch => f.write_str("its hashes do not match its bytes"),
            LeftOutReason::Torn => f.write_str("the log ends before the entry does"),
            LeftOutReason::Malformed => f.write_str("its sizes contradict each other"),
            LeftOutReason::AfterStop => {
                f.write_str("it follows an entry that could not be applied")
            }
        }
    }
}

impl Serialize for LeftOutReason {
    /// In plain words.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Neighbouring entries that were left out for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LeftOut {
    /// Offset in bytes of the first of them within the log.
    pub position: u64,
    /// How many; for a log that was left out as a whole, 0, as its entries were not counted.
    pub entries: u64,
    /// Why.
    pub reason: LeftOutReason,
}

/// A log whose base block is in order.
pub(super) struct TransactionLog {
    pub(super) base_block: BaseBlock,
    pub(super) format: LogFormat,
    pub(super) len: u64,
}

/// What applying a log came to.
#[derive(Default)]
pub(super) struct Applied {
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) left_out: Vec<LeftOut>,
    /// Where bytes begin that belong to no entry.
    pub(super) trailing_bytes: Option<u64>,
}

impl Applied {
    fn leave_out(&mut self, position: u64, reason: LeftOutReason) {
        match self.left_out.last_mut() {
            Some(last) if last.reason == reason => last.entries += 1,
            _ => self.left_out.push(LeftOut {
                position,
                entries: 1,
                reason,
            }),
        }
    }
}

/// Where replay stands: shared by the logs of one hive.
pub(super) struct Replay {
    pub(super) overlay: Overlay,
    /// The sequence number that the next entry must have.
    pub(super) next_sequence: u32,
    /// The length of the hive bins by the last entry applied.
    pub(super) hive_bins_len: u32,
}

/// How far one sequence number is ahead of another; the numbers wrap around.
pub(super) fn sequence_distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from) as i32
}

/// An entry of the new format: its header, which the second hash has vouched for.
struct EntryHeader {
    size: u64,
    sequence: u32,
    hive_bins_len: u32,
    page_count: u64,
    body_hash: u64,
}

/// A page that an entry carries.
struct PageReference {
    offset: u64,
    len: u64,
}

impl TransactionLog {
    /// Looks at the base block of a log. The inner error says why it is no log to use.
    pub(super) fn open<R: Read + Seek>(
        log: &mut R,
    ) -> io::Result<Result<TransactionLog, LeftOutReason>> {
        let len = log.seek(io::SeekFrom::End(0))?;
        if len == 0 {
            return Ok(Err(LeftOutReason::Empty));
        }
        if len < SECTOR {
            return Ok(Err(LeftOutReason::BaseBlockDamaged));
        }
        let mut sector = [0; BASE_BLOCK_SECTOR];
        read_at(log, 0, &mut sector)?;
        let base_block = BaseBlock::parse(&sector);
        let Some(format) = base_block.log_format() else {
            return Ok(Err(LeftOutReason::BaseBlockDamaged));
        };
        // Unequal numbers in the old format: the log was being written ("Old format", "Base block", note 2).
        let torn = format == LogFormat::DirtyVector && !base_block.is_clean();
        if !base_block.is_sound() || torn {
            return Ok(Err(LeftOutReason::BaseBlockDamaged));
        }
        Ok(Ok(TransactionLog {
            base_block,
            format,
            len,
        }))
    }

    /// Applies what is due of the log; `index` is the log's number in the overlay.
    pub(super) fn apply<R: Read + Seek>(
        &self,
        log: &mut R,
        index: usize,
        replay: &mut Replay,
    ) -> io::Result<Applied> {
        let mut applied = Applied::default();
        match self.format {
            LogFormat::Entries => self.apply_entries(log, index, replay, &mut applied)?,
            LogFormat::DirtyVector => self.apply_dirty_vector(log, index, replay, &mut applied)?,
        }
        if !self.len.is_multiple_of(SECTOR) {
            let whole = self.len - self.len % SECTOR;
            applied.trailing_bytes.get_or_insert(whole);
        }
        Ok(applied)
    }

    /// "New format", "Log entries": entries follow each other from the second sector on.
    fn apply_entries<R: Read + Seek>(
        &self,
        log: &mut R,
        index: usize,
        replay: &mut Replay,
        applied: &mut Applied,
    ) -> io::Result<()> {
        let mut position = SECTOR;
        let mut stopped = false;
        while self.len.saturating_sub(position) >= ENTRY_HEADER_LEN {
            let mut bytes = [0; ENTRY_HEADER_LEN as usize];
            read_at(log, position, &mut bytes)?;
            let Ok((_, (header, header_hash))) = entry_header(&bytes) else {
                // Zeros are unused space. What else stands there is left of an earlier use of the log, or garbage.
                if bytes.iter().any(|&byte| byte != 0) {
                    applied.trailing_bytes = Some(position);
                }
                break;
            };
            let header_is_sound = marvin32(&bytes[..ENTRY_HASHED_HEADER]) == header_hash;
            let fits = header.size <= self.len - position;
            if !header_is_sound || header.size < ENTRY_HEADER_LEN || !fits {
                // Without its size, no entry behind it can be found.
                let reason = if stopped {
                    LeftOutReason::AfterStop
                } else if !header_is_sound {
                    LeftOutReason::HashMismatch
                } else if !fits {
                    LeftOutReason::Torn
                } else {
                    LeftOutReason::Malformed
                };
                applied.leave_out(position, reason);
                break;
            }
            let distance = sequence_distance(replay.next_sequence, header.sequence);
            if stopped {
                applied.leave_out(position, LeftOutReason::AfterStop);
            } else if distance < 0 {
                applied.leave_out(position, LeftOutReason::Stale);
                // Once an entry was applied, older ones are remains of an earlier use of the log.
                stopped = applied.entries > 0;
            } else if distance > 0 {
                let expected = replay.next_sequence;
                let found = header.sequence;
                applied.leave_out(position, LeftOutReason::Gap { expected, found });
                stopped = true;
            } else {
                match read_entry(log, position, &header)? {
                    Ok(pages) => {
                        lay_pages(&pages, position, index, &mut replay.overlay, applied);
                        replay.next_sequence = header.sequence.wrapping_add(1);
                        replay.hive_bins_len = header.hive_bins_len;
                    }
                    Err(reason) => {
                        applied.leave_out(position, reason);
                        stopped = true;
                    }
                }
            }
            position += header.size;
        }
        Ok(())
    }

    /// "Old format", "Dirty vector" and "Dirty pages": a bitmap of sectors, then the sectors.
    fn apply_dirty_vector<R: Read + Seek>(
        &self,
        log: &mut R,
        index: usize,
        replay: &mut Replay,
        applied: &mut Applied,
    ) -> io::Result<()> {
        // The disk's sectors may be longer than 512 bytes; the vector begins at the second one.
        let sector = SECTOR * u64::from(self.base_block.clustering_factor.clamp(1, 8));
        let hive_bins_len = u64::from(self.base_block.hive_bins_len);
        let bitmap_len = hive_bins_len / SECTOR / 8;
        let signature_len = DIRTY_VECTOR_SIGNATURE.len() as u64;
        let pages_start = (sector + signature_len + bitmap_len).next_multiple_of(sector);
        if pages_start > self.len {
            applied.leave_out(sector, LeftOutReason::Torn);
            return Ok(());
        }
        // The bitmap is no longer than the log, so it may be read as a whole.
        let mut vector = vec![0; (signature_len + bitmap_len) as usize];
        read_at(log, sector, &mut vector)?;
        let Some(bitmap) = vector.strip_prefix(DIRTY_VECTOR_SIGNATURE) else {
            applied.leave_out(sector, LeftOutReason::Malformed);
            return Ok(());
        };
        let dirty: u64 = bitmap.iter().map(|byte| u64::from(byte.count_ones())).sum();
        if dirty * SECTOR > self.len - pages_start {
            applied.leave_out(sector, LeftOutReason::Torn);
            return Ok(());
        }
        let mut position = pages_start;
        let mut run = (0, 0);
        for bit in 0..=hive_bins_len / SECTOR {
            let set = bitmap
                .get((bit / 8) as usize)
                .is_some_and(|byte| byte >> (bit % 8) & 1 == 1);
            if set {
                run.1 += SECTOR;
                continue;
            }
            replay.overlay.lay(run.0, run.1, index, position);
            position += run.1;
            run = ((bit + 1) * SECTOR, 0);
        }
        applied.entries = 1;
        applied.bytes = dirty * SECTOR;
        replay.hive_bins_len = self.base_block.hive_bins_len;
        Ok(())
    }
}

/// The header of an entry, and the hash over it.
fn entry_header(bytes: &[u8]) -> IResult<&[u8], (EntryHeader, u64)> {
    let (rest, (_, size, _flags, sequence)) =
        (tag(ENTRY_SIGNATURE), le_u32, le_u32, le_u32).parse(bytes)?;
    let (rest, (hive_bins_len, page_count, body_hash, header_hash)) =
        (le_u32, le_u32, le_u64, le_u64).parse(rest)?;
    let header = EntryHeader {
        size: size.into(),
        sequence,
        hive_bins_len,
        page_count: page_count.into(),
        body_hash,
    };
    Ok((rest, (header, header_hash)))
}

/// Checks the rest of an entry and returns which pages it carries.
fn read_entry<R: Read + Seek>(
    log: &mut R,
    position: u64,
    header: &EntryHeader,
) -> io::Result<Result<Vec<PageReference>, LeftOutReason>> {
    let body_len = header.size - ENTRY_HEADER_LEN;
    let body = position + ENTRY_HEADER_LEN;
    let whole = header.size.is_multiple_of(SECTOR) && header.hive_bins_len.is_multiple_of(4096);
    // Every page is at least one sector long, so this bounds the memory for the references too.
    if !whole || header.page_count * (PAGE_REFERENCE_LEN + SECTOR) > body_len {
        return Ok(Err(LeftOutReason::Malformed));
    }
    if hash_of(log, body, body_len)? != header.body_hash {
        return Ok(Err(LeftOutReason::HashMismatch));
    }
    let mut references = vec![0; (header.page_count * PAGE_REFERENCE_LEN) as usize];
    read_at(log, body, &mut references)?;
    let mut pages = Vec::with_capacity(header.page_count as usize);
    let mut total = references.len() as u64;
    for reference in references.as_chunks::<{ PAGE_REFERENCE_LEN as usize }>().0 {
        let Ok((_, (offset, len))) = page_reference(reference) else {
            return Ok(Err(LeftOutReason::Malformed));
        };
        let (offset, len) = (u64::from(offset), u64::from(len));
        total += len;
        let aligned = offset.is_multiple_of(SECTOR) && len.is_multiple_of(SECTOR) && len > 0;
        if !aligned || offset + len > header.hive_bins_len.into() || total > body_len {
            return Ok(Err(LeftOutReason::Malformed));
        }
        pages.push(PageReference { offset, len });
    }
    Ok(Ok(pages))
}

fn page_reference(bytes: &[u8]) -> IResult<&[u8], (u32, u32)> {
    (le_u32, le_u32).parse(bytes)
}

/// Lays the pages of an entry at `position` over the hive.
fn lay_pages(
    pages: &[PageReference],
    position: u64,
    log: usize,
    overlay: &mut Overlay,
    applied: &mut Applied,
) {
    let mut at = position + ENTRY_HEADER_LEN + pages.len() as u64 * PAGE_REFERENCE_LEN;
    for page in pages {
        overlay.lay(page.offset, page.len, log, at);
        at += page.len;
        applied.bytes += page.len;
    }
    applied.entries += 1;
}

/// `len` is a multiple of four.
fn hash_of<R: Read + Seek>(log: &mut R, position: u64, len: u64) -> io::Result<u64> {
    let mut hash = Marvin32::new();
    let mut chunk = vec![0; CHUNK.min(len) as usize];
    let mut done = 0;
    while done < len {
        let now = CHUNK.min(len - done);
        let piece = &mut chunk[..now as usize];
        read_at(log, position + done, piece)?;
        hash.update(piece);
        done += now;
    }
    Ok(hash.finish())
}
