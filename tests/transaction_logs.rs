//! Which logs of a hive are applied, which are left out and why, and what is said of that.

#[path = "support/hive_writer.rs"]
mod hive_writer;

use std::cell::Cell;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::rc::Rc;

use dism_mount_status::registry::hive::{Hive, LeftOutReason, LogReplay};
use dism_mount_status::{Error, WarningCode};
use hive_writer::{
    HiveWriter, Key, LogEntry, dirty, dirty_vector_log, entries_log, grow, seal, seal_entry,
    set_sequence,
};

use LeftOutReason::{
    AfterStop, BaseBlockDamaged, Empty, HashMismatch, HiveIsClean, Malformed, NotTheNewest, Stale,
    Torn,
};

/// The names of a hive's states: which one is read shows in the only key below the root.
const STATES: [&str; 4] = ["a", "b", "c", "d"];

/// What changes from state to state, with pages between that do not.
const CHANGING: [&str; 2] = ["first", "last"];

fn states() -> Vec<Vec<u8>> {
    let hives = STATES.map(|name| {
        let data = [name.as_bytes()[0]; 9_000];
        let key = Key::new(name)
            .value(CHANGING[0], 3, &data)
            .value("fixed", 3, &[7; 9_000])
            .value(CHANGING[1], 3, &data);
        HiveWriter::default().write(&Key::new("root").key(key))
    });
    let mut hives = hives.to_vec();
    grow(&mut hives);
    hives
}

/// The entries from each state to the next, numbered from 7.
fn entries(states: &[Vec<u8>]) -> Vec<LogEntry> {
    let pairs = states.windows(2).zip(7..);
    let entries = pairs.map(|(pair, number)| LogEntry::between(&pair[0], &pair[1], number));
    entries.collect()
}

/// What came of opening a hive with logs that are called `LOG0`, `LOG1` and so on.
struct Opened {
    state: String,
    logs: Vec<LogReplay>,
    base_block_from: Option<String>,
    warnings: Vec<(WarningCode, String)>,
}

impl Opened {
    fn reasons(&self) -> Vec<Vec<LeftOutReason>> {
        let reasons = self.logs.iter().map(|log| {
            let reasons = log.left_out.iter().map(|left| left.reason.clone());
            reasons.collect()
        });
        reasons.collect()
    }

    fn applied(&self) -> Vec<u64> {
        self.logs.iter().map(|log| log.entries_applied).collect()
    }
}

fn open(hive: &[u8], logs: &[&[u8]]) -> Opened {
    let logs = logs.iter().enumerate();
    let logs = logs.map(|(number, log)| (format!("LOG{number}"), Cursor::new(log.to_vec())));
    let mut hive = Hive::open_with_logs(Cursor::new(hive.to_vec()), logs.collect()).unwrap();
    let recovery = hive.recovery().clone();
    let warnings = hive.warnings().as_slice().iter();
    let warnings = warnings
        .map(|warning| (warning.code(), warning.message()))
        .collect();
    let root = hive.root().unwrap();
    let keys = hive.subkeys(&root).unwrap_or_default();
    let state = keys.first().map(|key| key.name().to_string());
    if let Some((key, state)) = keys.first().zip(state.as_ref()) {
        for name in CHANGING {
            let value = hive.value(key, &name.into()).unwrap().unwrap();
            assert_eq!(value.data, Ok(vec![state.as_bytes()[0]; 9_000]));
        }
    }
    Opened {
        state: state.unwrap_or_default(),
        logs: recovery.logs,
        base_block_from: recovery.base_block_from,
        warnings,
    }
}

#[test]
fn entries_are_applied_one_after_the_other_and_counted() {
    let states = states();
    let entries = entries(&states);
    let log = entries_log(&states[0], &entries);
    let opened = open(&dirty(&states[0], 7), &[&log]);
    assert_eq!((&*opened.state, opened.applied()), ("d", vec![3]));
    let pages = entries.iter().map(|entry| entry.pages.len() as u64);
    assert_eq!(opened.logs[0].bytes_applied, pages.sum::<u64>() * 4096);
    assert_eq!(opened.logs[0].left_out, []);
    assert_eq!(opened.warnings, []);
}

#[test]
fn what_is_no_log_is_left_out_as_a_whole() {
    let states = states();
    let log = entries_log(&states[0], &entries(&states));
    let of_type = |file_type: u8| {
        let mut log = log.clone();
        log[28] = file_type;
        seal(&mut log);
        log
    };
    let mut damaged = log.clone();
    damaged[100] ^= 1;
    let mut unfinished = dirty_vector_log(&states[0], &states[1], 8);
    set_sequence(&mut unfinished, 9, 8);
    for (what, log, reason, is_loss) in [
        ("no bytes", vec![], Empty, false),
        ("half a sector", log[..511].to_vec(), BaseBlockDamaged, true),
        ("a hive", of_type(0), BaseBlockDamaged, true),
        ("type 3", of_type(3), BaseBlockDamaged, true),
        ("a flipped byte", damaged, BaseBlockDamaged, true),
        (
            "an unfinished one of the old format",
            unfinished,
            BaseBlockDamaged,
            true,
        ),
    ] {
        let opened = open(&dirty(&states[0], 7), &[&log]);
        assert_eq!((&*opened.state, opened.applied()), ("a", vec![0]), "{what}");
        assert_eq!(opened.reasons(), [vec![reason]], "{what}");
        assert_eq!(opened.logs[0].left_out[0].entries, 0);
        let codes: Vec<_> = opened.warnings.iter().map(|(code, _)| *code).collect();
        let missing = WarningCode::NewestChangesMissing;
        match is_loss {
            true => {
                assert_eq!(codes, [WarningCode::LogEntryLeftOut, missing], "{what}");
                let (_, text) = &opened.warnings[0];
                assert!(text.contains("this log was not used"), "{text}");
            }
            false => assert_eq!(codes, [missing], "{what}"),
        }
    }
    let opened = open(&dirty(&states[0], 7), &[]);
    let (_, text) = &opened.warnings[0];
    assert!(text.contains("there is no transaction log"), "{text}");
}

#[test]
fn an_entry_that_cannot_be_applied_ends_the_log() {
    let states = states();
    let [first, second, third] = &entries(&states)[..] else {
        panic!();
    };
    let (second_at, whole) = (512 + first.to_bytes().len() as u64, second.to_bytes());
    let pages = second.pages.len();
    let edited = |at: usize, number: u32| {
        let mut entry = whole.clone();
        entry[at..at + 4].copy_from_slice(&number.to_le_bytes());
        seal_entry(&mut entry);
        entry
    };
    let flipped = |at: usize| {
        let mut entry = whole.clone();
        entry[at] ^= 1;
        entry
    };
    const SIZE: usize = 4;
    const BINS_LEN: usize = 16;
    const PAGE_COUNT: usize = 20;
    const FIRST_OFFSET: usize = 40;
    const FIRST_LEN: usize = 44;
    let size = whole.len() as u32;
    let bins_len = second.hive_bins_len;
    let most = (whole.len() - 40) / (8 + 512);
    for (what, entry, reason, found_behind) in [
        ("a damaged header", flipped(12), HashMismatch, false),
        (
            "a damaged page",
            flipped(whole.len() - 1),
            HashMismatch,
            true,
        ),
        ("a size of 39 bytes", edited(SIZE, 39), Malformed, false),
        ("a size beyond the log", edited(SIZE, 1 << 30), Torn, false),
        (
            "a size in between",
            edited(SIZE, size - 4),
            Malformed,
            false,
        ),
        (
            "half a page of bins",
            edited(BINS_LEN, bins_len - 2048),
            Malformed,
            true,
        ),
        (
            "too many pages",
            edited(PAGE_COUNT, most as u32 + 1),
            Malformed,
            true,
        ),
        (
            "all pages that fit by number",
            edited(PAGE_COUNT, most as u32),
            Malformed,
            true,
        ),
        (
            "more than fit by number",
            edited(PAGE_COUNT, 10_000),
            Malformed,
            true,
        ),
        (
            "more than memory holds",
            edited(PAGE_COUNT, u32::MAX),
            Malformed,
            true,
        ),
        (
            "one page too many",
            edited(PAGE_COUNT, pages as u32 + 1),
            Malformed,
            true,
        ),
        (
            "half a sector",
            edited(FIRST_LEN, 4096 - 256),
            Malformed,
            true,
        ),
        ("no byte", edited(FIRST_LEN, 0), Malformed, true),
        (
            "from within a sector",
            edited(FIRST_OFFSET, 256),
            Malformed,
            true,
        ),
        (
            "beyond the bins",
            edited(FIRST_OFFSET, bins_len - 2048),
            Malformed,
            true,
        ),
        (
            "more than the entry holds",
            edited(FIRST_LEN, bins_len),
            Malformed,
            true,
        ),
    ] {
        let log = [
            entries_log(&states[0], std::slice::from_ref(first)),
            entry,
            third.to_bytes(),
        ];
        let opened = open(&dirty(&states[0], 7), &[&log.concat()]);
        assert_eq!((&*opened.state, opened.applied()), ("b", vec![1]), "{what}");
        let mut reasons = vec![reason];
        if found_behind {
            reasons.push(AfterStop);
        }
        assert_eq!(opened.reasons(), [reasons], "{what}");
        let left_out = &opened.logs[0].left_out[0];
        assert_eq!(
            (left_out.position, left_out.entries),
            (second_at, 1),
            "{what}"
        );
        let mut warnings = opened.warnings.iter();
        let left_out = warnings.find(|(code, _)| *code == WarningCode::LogEntryLeftOut);
        let (_, text) = left_out.unwrap();
        let begin = format!("LOG0: byte {second_at:#x}: one log entry was left out: ");
        assert!(text.starts_with(&begin), "{what}: {text}");
    }
}

#[test]
fn neighbours_that_are_left_out_for_one_reason_are_counted_together() {
    let states = states();
    let entries = entries(&states);
    let log = entries_log(&states[0], &entries);
    // The hive has the first two already.
    let opened = open(&dirty(&states[2], 9), &[&log]);
    assert_eq!((&*opened.state, opened.applied()), ("d", vec![1]));
    let left_out = &opened.logs[0].left_out;
    assert_eq!((left_out.len(), left_out[0].entries), (1, 2));
    assert_eq!((left_out[0].position, &left_out[0].reason), (512, &Stale));
    assert_eq!(opened.warnings, [], "nothing is lost by that");
    // Two behind a gap.
    let log = [log, entries[2].to_bytes()].concat();
    let opened = open(&dirty(&states[0], 6), &[&log]);
    let left_out = opened.logs[0].left_out.iter();
    let counts: Vec<u64> = left_out.map(|left| left.entries).collect();
    assert_eq!(counts, [1, 3]);
    let (_, text) = &opened.warnings[1];
    assert!(text.contains("3 log entries were left out"), "{text}");
}

#[test]
fn an_older_entry_behind_an_applied_one_ends_the_log() {
    let states = states();
    let [first, second, third] = &entries(&states)[..] else {
        panic!();
    };
    let mut older = third.clone();
    older.sequence = 3;
    let log = entries_log(&states[0], &[first.clone(), older, second.clone()]);
    let opened = open(&dirty(&states[0], 7), &[&log]);
    assert_eq!((&*opened.state, opened.applied()), ("b", vec![1]));
    assert_eq!(opened.reasons(), [vec![Stale, AfterStop]]);
}

#[test]
fn an_entry_of_a_header_alone_is_malformed_and_not_the_end() {
    let states = states();
    let [first, second, _] = &entries(&states)[..] else {
        panic!();
    };
    let mut header = second.to_bytes();
    header[4..8].copy_from_slice(&40_u32.to_le_bytes());
    seal_entry(&mut header);
    let log = entries_log(&states[0], std::slice::from_ref(first));
    let opened = open(&dirty(&states[0], 7), &[&[&log[..], &header].concat()]);
    assert_eq!(opened.reasons(), [vec![Malformed]]);
    let behind = format!("LOG0: byte {:#x}: bytes that belong", log.len() + 40);
    assert!(
        opened.warnings[0].1.starts_with(&behind),
        "{:?}",
        opened.warnings
    );
}

#[test]
fn what_is_damaged_behind_the_end_is_not_looked_at() {
    let states = states();
    let [first, second, third] = &entries(&states)[..] else {
        panic!();
    };
    let log = entries_log(&states[0], std::slice::from_ref(first));
    let mut damaged = second.to_bytes();
    damaged[12] ^= 1;
    let opened = open(
        &dirty(&states[0], 7),
        &[&[log, third.to_bytes(), damaged].concat()],
    );
    let gap = LeftOutReason::Gap {
        expected: 8,
        found: 9,
    };
    assert_eq!(opened.reasons(), [vec![gap, AfterStop]]);
}

#[test]
fn a_log_without_entries_has_nothing_to_apply() {
    let states = states();
    let log = entries_log(&states[0], &[]);
    assert_eq!(log.len(), 512);
    let opened = open(&dirty(&states[0], 7), &[&log]);
    assert_eq!(
        (opened.applied(), opened.reasons()),
        (vec![0], vec![vec![]])
    );
    let (_, text) = &opened.warnings[0];
    assert!(text.contains("none of its transaction logs"), "{text}");
    let unchanged = dirty_vector_log(&states[0], &states[0], 8);
    assert_eq!(unchanged.len(), 1024);
    let opened = open(&dirty(&states[0], 7), &[&unchanged]);
    assert_eq!(
        (opened.applied(), opened.reasons()),
        (vec![1], vec![vec![]])
    );
}

#[test]
fn an_entry_may_be_full_of_pages_of_one_sector() {
    let states = states();
    let mut entry = LogEntry::between(&states[0], &states[1], 7);
    let sectors = states[0][4096..].chunks(512).zip(0..59);
    entry.pages = sectors
        .map(|(sector, number)| (number * 512, sector.to_vec()))
        .collect();
    assert_eq!(entry.to_bytes().len(), 40 + 59 * (8 + 512));
    let log = entries_log(&states[0], &[entry]);
    let opened = open(&dirty(&states[0], 7), &[&log]);
    assert_eq!(opened.applied(), [1]);
    assert_eq!(opened.logs[0].bytes_applied, 59 * 512);
}

#[test]
fn bytes_that_are_no_entry_are_told_where_they_begin() {
    let states = states();
    let log = entries_log(&states[0], &entries(&states)[..1]);
    for (what, behind, place) in [
        ("zeros", vec![0; 512], None),
        ("less than a header", vec![7; 39], Some(log.len())),
        ("another signature", vec![7; 512], Some(log.len())),
        (
            "a part of a sector behind zeros",
            vec![0; 600],
            Some(log.len() + 512),
        ),
    ] {
        let opened = open(&dirty(&states[0], 7), &[&[&log[..], &behind].concat()]);
        assert_eq!(opened.state, "b", "{what}");
        let expected = place.map(|at| {
            let text = "bytes that belong to no log entry were passed over";
            (
                WarningCode::TrailingBytes,
                format!("LOG0: byte {at:#x}: {text}"),
            )
        });
        assert_eq!(opened.warnings, Vec::from_iter(expected), "{what}");
    }
}

#[test]
fn a_log_of_the_old_format_belongs_to_the_hive_with_its_time() {
    let states = states();
    let log = dirty_vector_log(&states[0], &states[1], 8);
    let with_time = |bytes: &[u8], at: usize, time: u64| {
        let mut bytes = bytes.to_vec();
        bytes[at..at + 8].copy_from_slice(&time.to_le_bytes());
        seal(&mut bytes);
        bytes
    };
    let other_log = with_time(&log, 12, 5);
    let other_bin = with_time(&dirty(&states[0], 7), 4096 + 20, 5);
    let opened = open(&dirty(&states[0], 7), &[&log, &other_log]);
    assert_eq!((&*opened.state, opened.applied()), ("b", vec![1, 0]));
    assert_eq!(opened.reasons(), [vec![], vec![Stale]]);
    // The time of the first bin counts only where the base block is damaged.
    let opened = open(&other_bin, &[&other_log]);
    assert_eq!(
        (opened.applied(), opened.reasons()),
        (vec![0], vec![vec![Stale]])
    );
    let damaged = |hive: &[u8]| {
        let mut hive = hive.to_vec();
        hive[..512].fill(0xEE);
        hive
    };
    for (hive, log, is_applied) in [
        (damaged(&states[0]), &log, true),
        (damaged(&other_bin), &other_log, true),
        (damaged(&states[0]), &other_log, false),
    ] {
        match is_applied {
            true => {
                let opened = open(&hive, &[log]);
                assert_eq!(opened.state, "b");
                assert_eq!(opened.base_block_from.as_deref(), Some("LOG0"));
            }
            false => {
                let logs = vec![("LOG".to_owned(), Cursor::new(log.clone()))];
                assert!(Hive::open_with_logs(Cursor::new(hive), logs).is_err());
            }
        }
    }
}

#[test]
fn of_logs_of_the_old_format_the_newest_is_applied() {
    let states = states();
    let older = dirty_vector_log(&states[0], &states[1], 8);
    let newer = dirty_vector_log(&states[0], &states[2], 9);
    for (logs, left_out) in [([&older, &newer], 0), ([&newer, &older], 1)] {
        let opened = open(&dirty(&states[0], 7), &logs.map(|log| &log[..]));
        assert_eq!(opened.state, "c");
        assert_eq!(opened.reasons()[left_out], [NotTheNewest]);
        assert_eq!(opened.warnings, []);
    }
    // Entries of the new format make one of the old one stale.
    let entries = entries_log(&states[0], &entries(&states)[..1]);
    let opened = open(&dirty(&states[0], 7), &[&older, &entries]);
    assert_eq!(opened.applied(), [0, 1]);
    assert_eq!(opened.reasons(), [vec![Stale], vec![]]);
}

#[test]
fn a_log_of_the_old_format_is_laid_out_in_sectors_of_the_disk() {
    let states = states();
    let log = dirty_vector_log(&states[0], &states[1], 8);
    let pages = log.len() - 512 - 512;
    assert_eq!(
        open(&dirty(&states[0], 7), &[&log]).logs[0].bytes_applied,
        pages as u64
    );
    // A bitmap of more than a sector's quarter.
    let large = |byte: u8| {
        let key = Key::new("root").value("v", 3, &vec![byte; 600_000]);
        HiveWriter::default().write(&key.key(Key::new("sub")))
    };
    let large_log = dirty_vector_log(&large(1), &large(2), 8);
    let logs = vec![("LOG".to_owned(), Cursor::new(large_log))];
    let mut hive = Hive::open_with_logs(Cursor::new(dirty(&large(1), 7)), logs).unwrap();
    let root = hive.root().unwrap();
    let value = hive.value(&root, &"v".into()).unwrap().unwrap();
    assert!(value.data == Ok(vec![2; 600_000]));
    // A disk whose sectors have 4096 bytes.
    let mut wide = log.clone();
    wide[44] = 8;
    seal(&mut wide);
    let gap = vec![0; 4096 - 512];
    let wide = [&wide[..512], &gap, &log[512..1024], &gap, &log[1024..]].concat();
    let opened = open(&dirty(&states[0], 7), &[&wide]);
    assert_eq!((&*opened.state, opened.applied()), ("b", vec![1]));
    for (what, log, reason) in [
        ("without the bitmap", log[..1023].to_vec(), Torn),
        (
            "without the last sector",
            log[..log.len() - 512].to_vec(),
            Torn,
        ),
        ("without the last byte", log[..log.len() - 1].to_vec(), Torn),
        (
            "without its signature",
            [&log[..512], b"X", &log[513..]].concat(),
            Malformed,
        ),
    ] {
        let opened = open(&dirty(&states[0], 7), &[&log]);
        assert_eq!(opened.applied(), [0], "{what}");
        assert_eq!(opened.reasons(), [vec![reason]], "{what}");
        assert_eq!(opened.logs[0].left_out[0].position, 512, "{what}");
    }
}

#[test]
fn a_clean_hive_needs_no_log_and_a_dirty_one_that_is_cut_off_says_so() {
    let states = states();
    let log = entries_log(&states[0], &entries(&states));
    let opened = open(&states[0], &[&log]);
    assert_eq!(opened.state, "a");
    assert_eq!(opened.reasons(), [vec![HiveIsClean]]);
    let hive = dirty(&states[0], 99);
    let cut = &hive[..hive.len() - 4096];
    let codes: Vec<_> = open(cut, &[&log])
        .warnings
        .into_iter()
        .map(|(code, _)| code)
        .collect();
    let missing = WarningCode::NewestChangesMissing;
    assert_eq!(codes, [missing, WarningCode::Truncated]);
}

/// Counts what is read, and fails from a place on.
struct Disk {
    bytes: Cursor<Vec<u8>>,
    read: Rc<Cell<usize>>,
    fails_from: u64,
}

impl Read for Disk {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bytes.position() >= self.fails_from {
            return Err(io::Error::other("a bad sector"));
        }
        let read = self.bytes.read(buffer)?;
        self.read.set(self.read.get() + read);
        Ok(read)
    }
}

impl Seek for Disk {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

#[test]
fn pages_are_read_once_and_a_bad_one_is_told_by_its_place() {
    let hive = states().swap_remove(0);
    let read = Rc::new(Cell::new(0));
    let disk = |fails_from| Disk {
        bytes: Cursor::new(hive.clone()),
        read: Rc::clone(&read),
        fails_from,
    };
    let large = |hive: &mut Hive<Disk>| -> Result<Vec<u8>, Error> {
        let key = hive.find(&["a"]).unwrap().unwrap();
        let value = hive.value(&key, &CHANGING[0].into()).unwrap().unwrap();
        value.data
    };
    let mut whole = Hive::open(disk(u64::MAX)).unwrap();
    assert_eq!(large(&mut whole), Ok(vec![b'a'; 9_000]));
    let once = read.get();
    assert!(once >= 9_000 + 512, "{once}");
    assert_eq!(large(&mut whole), Ok(vec![b'a'; 9_000]));
    assert_eq!(read.get(), once);
    // The list of the root's subkeys lies on the last page.
    let last = hive.len() as u64 - 4096;
    let error = Hive::open(disk(last)).unwrap().find(&["a"]).unwrap_err();
    assert_eq!(error.position().unwrap().byte(), last);
    assert!(error.to_string().contains("a bad sector"), "{error}");
    // What tells whether it is a hive at all is read before anything is applied.
    let unread = Disk {
        bytes: Cursor::new(dirty(&hive, 7)),
        read: Rc::clone(&read),
        fails_from: 4096,
    };
    let error = Hive::open(unread).err().unwrap();
    assert_eq!(error.position().unwrap().byte(), 4096);
}

#[test]
fn each_reason_says_what_is_the_matter() {
    for (reason, words) in [
        (HiveIsClean, "left clean"),
        (Empty, "empty"),
        (BaseBlockDamaged, "base block is damaged"),
        (Stale, "older than the hive"),
        (NotTheNewest, "another log is newer"),
        (
            LeftOutReason::Gap {
                expected: 8,
                found: 10,
            },
            "sequence number 8, found 10",
        ),
        (HashMismatch, "hashes do not match"),
        (Torn, "ends before the entry does"),
        (Malformed, "sizes contradict each other"),
        (AfterStop, "follows an entry that could not be applied"),
    ] {
        assert!(reason.to_string().contains(words), "{reason}");
    }
}
