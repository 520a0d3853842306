//! Hives and logs that the tests wrote are read back.

#[path = "support/hive_writer.rs"]
mod hive_writer;

use std::cell::Cell;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::rc::Rc;

use dism_mount_status::registry::ValueType;
use dism_mount_status::registry::hive::{Hive, LeftOutReason, LogFormat, WalkedKey};
use dism_mount_status::{FileTime, WarningCode, WideString};
use hive_writer::{
    HiveWriter, Key, List, LogEntry, Value, dirty, dirty_vector_log, entries_log, grow, seal_entry,
    set_sequence,
};
use proptest::prelude::*;

/// What a walk over a key tree must give: paths, times and values, subkeys in the order of their names.
fn expected(key: &Key) -> Vec<(WideString, u64, Vec<Value>)> {
    fn visit(key: &Key, path: &WideString, out: &mut Vec<(WideString, u64, Vec<Value>)>) {
        out.push((path.clone(), key.last_written, key.values.clone()));
        let mut subkeys: Vec<&Key> = key.subkeys.iter().collect();
        subkeys.sort_by_key(|subkey| subkey.name.to_upcase());
        for subkey in subkeys {
            let mut units = path.as_units().to_vec();
            if !units.is_empty() {
                units.push(u16::from(b'\\'));
            }
            units.extend(subkey.name.as_units());
            visit(subkey, &WideString::from_units(units), out);
        }
    }
    let mut out = Vec::new();
    visit(key, &WideString::default(), &mut out);
    out
}

fn found(walked: Vec<WalkedKey>) -> Vec<(WideString, u64, Vec<Value>)> {
    walked
        .into_iter()
        .map(|WalkedKey { key, values, .. }| {
            let values = values
                .into_iter()
                .map(|value| Value {
                    name: value.name,
                    value_type: value.value_type.0,
                    data: value.data,
                })
                .collect();
            (key.path, key.last_written.unwrap().ticks(), values)
        })
        .collect()
}

type MemoryHive = Hive<Cursor<Vec<u8>>>;

fn open(hive: &[u8], logs: &[(&str, &[u8])]) -> MemoryHive {
    let logs = logs
        .iter()
        .map(|(name, log)| ((*name).to_owned(), Cursor::new(log.to_vec())))
        .collect();
    Hive::open_with_logs(Cursor::new(hive.to_vec()), logs).unwrap()
}

fn walk(hive: &mut MemoryHive) -> Vec<(WideString, u64, Vec<Value>)> {
    found(hive.walk().unwrap().collect())
}

fn codes<R: Read + Seek>(hive: &Hive<R>) -> Vec<WarningCode> {
    hive.warnings()
        .as_slice()
        .iter()
        .map(|warning| warning.code())
        .collect()
}

fn names() -> impl Strategy<Value = WideString> {
    prop_oneof![
        "[a-zA-Z0-9 {}-]{1,12}".prop_map(WideString::from),
        "[à-ÿа-яА-Я一-丁]{1,6}".prop_map(WideString::from),
        prop::collection::vec(1u16.., 1..5)
            .prop_filter("no separators in names", |units| !units.contains(&0x5C))
            .prop_map(WideString::from_units),
    ]
}

fn values() -> impl Strategy<Value = Vec<Value>> {
    let data = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (16_300usize..50_000, any::<u8>()).prop_map(|(len, byte)| {
            (0..len).map(|i| byte.wrapping_add((i / 251) as u8)).collect()
        }),
    ];
    let value = (
        prop_oneof![Just(WideString::default()), names()],
        any::<u32>(),
        data,
    )
        .prop_map(|(name, value_type, data)| Value {
            name,
            value_type,
            data,
        });
    prop::collection::vec(value, 0..4)
}

fn trees() -> impl Strategy<Value = Key> {
    let leaf = (names(), any::<u64>(), values()).prop_map(|(name, last_written, values)| Key {
        name,
        last_written,
        values,
        subkeys: Vec::new(),
    });
    leaf.prop_recursive(4, 40, 6, |inner| {
        (
            names(),
            any::<u64>(),
            values(),
            prop::collection::vec(inner, 0..6),
        )
            .prop_map(|(name, last_written, values, mut subkeys)| {
                subkeys.sort_by_key(|subkey| subkey.name.to_upcase());
                subkeys.dedup_by_key(|subkey| subkey.name.to_upcase());
                Key {
                    name,
                    last_written,
                    values,
                    subkeys,
                }
            })
    })
}

fn writers() -> impl Strategy<Value = HiveWriter> {
    (
        prop_oneof![Just(3), Just(4), Just(5), Just(6)],
        prop_oneof![Just(List::Lf), Just(List::Lh), Just(List::Li)],
        1usize..4,
        any::<bool>(),
    )
        .prop_map(|(minor_version, list, leaf_len, utf16_names)| HiveWriter {
            minor_version,
            list,
            leaf_len,
            utf16_names,
            ..HiveWriter::default()
        })
}

/// A hive in three states, and the entries that lead from one to the next.
fn history(trees: [&Key; 3], writer: &HiveWriter) -> ([Vec<u8>; 3], [LogEntry; 2]) {
    let mut hives = trees.map(|tree| writer.write(tree));
    grow(&mut hives);
    let entries = [
        LogEntry::between(&hives[0], &hives[1], 7),
        LogEntry::between(&hives[1], &hives[2], 8),
    ];
    (hives, entries)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_written_is_read(tree in trees(), writer in writers()) {
        let hive = writer.write(&tree);
        let mut hive = open(&hive, &[]);
        prop_assert_eq!(walk(&mut hive), expected(&tree));
        prop_assert_eq!(codes(&hive), []);
        prop_assert!(!hive.recovery().dirty);
    }

    #[test]
    fn every_key_is_found_by_its_path_in_any_case(tree in trees(), writer in writers()) {
        let mut hive = open(&writer.write(&tree), &[]);
        let root = hive.root().unwrap();
        let mut pending = vec![(root, &tree)];
        while let Some((node, key)) = pending.pop() {
            prop_assert_eq!(node.name(), &key.name);
            prop_assert_eq!(node.last_written(), FileTime::from_ticks(key.last_written));
            for subkey in &key.subkeys {
                let found = hive.subkey(&node, &subkey.name.to_upcase()).unwrap();
                pending.push((found.unwrap(), subkey));
            }
            let absent = WideString::from("a name that no key has");
            prop_assert_eq!(hive.subkey(&node, &absent), Ok(None));
        }
    }

    #[test]
    fn replay_gives_the_newest_state_whatever_the_order_of_the_logs(
        a in trees(), b in trees(), c in trees(), writer in writers(), split: bool,
    ) {
        let (hives, entries) = history([&a, &b, &c], &writer);
        let (first, second) = if split { entries.split_at(1) } else { entries.split_at(2) };
        let first = entries_log(&hives[0], first);
        let second = entries_log(&hives[0], second);
        let hive = dirty(&hives[0], 7);
        for logs in [
            [("LOG1", &first[..]), ("LOG2", &second[..])],
            [("LOG2", &second[..]), ("LOG1", &first[..])],
        ] {
            let mut hive = open(&hive, &logs);
            prop_assert_eq!(hive.recovery().entries_applied(), 2);
            prop_assert_eq!(walk(&mut hive), expected(&c));
        }
    }

    #[test]
    fn replaying_onto_the_result_changes_nothing(a in trees(), b in trees(), c in trees()) {
        let (hives, entries) = history([&a, &b, &c], &HiveWriter::default());
        let log = entries_log(&hives[0], &entries);
        // The crash may come at any time while the pages are copied into the hive: before, amid, after.
        for state in &hives {
            let mut hive = dirty(state, 7);
            hive.resize(hives[2].len(), 0);
            let mut hive = open(&hive, &[("LOG1", &log)]);
            prop_assert_eq!(walk(&mut hive), expected(&c));
        }
    }

    #[test]
    fn a_torn_last_log_entry_is_left_out(a in trees(), b in trees(), c in trees(), cut in 1usize..4096) {
        let (hives, entries) = history([&a, &b, &c], &HiveWriter::default());
        let mut log = entries_log(&hives[0], &entries);
        let last = entries[1].to_bytes().len();
        log.truncate(log.len() - cut.min(last - 1));
        let mut hive = open(&dirty(&hives[0], 7), &[("LOG1", &log)]);
        prop_assert_eq!(hive.recovery().logs[0].entries_applied, 1);
        let left_out = &hive.recovery().logs[0].left_out;
        let header_is_whole = cut <= last - 40;
        prop_assert_eq!(left_out.len(), usize::from(header_is_whole));
        prop_assert!(left_out.iter().all(|left| left.reason == LeftOutReason::Torn));
        prop_assert_eq!(walk(&mut hive), expected(&b));
    }

    #[test]
    fn a_log_of_the_old_format_is_applied(a in trees(), b in trees()) {
        let (hives, _) = history([&a, &b, &b], &HiveWriter { minor_version: 3, ..HiveWriter::default() });
        let log = dirty_vector_log(&hives[0], &hives[1], 2);
        let mut hive = open(&dirty(&hives[0], 1), &[("LOG", &log)]);
        prop_assert_eq!(hive.recovery().logs[0].format, Some(LogFormat::DirtyVector));
        prop_assert_eq!(hive.recovery().entries_applied(), 1);
        prop_assert_eq!(walk(&mut hive), expected(&b));
    }

    #[test]
    fn no_truncation_panics(tree in trees(), cut: prop::sample::Index) {
        let hive = HiveWriter::default().write(&tree);
        let cut = cut.index(hive.len());
        let Ok(mut hive) = Hive::open(Cursor::new(hive[..cut].to_vec())) else {
            prop_assert!(cut < 512);
            return Ok(());
        };
        let complete = hive.walk().is_ok_and(|walk| found(walk.collect()) == expected(&tree));
        prop_assert!(complete || cut < 8192 || !hive.warnings().as_slice().is_empty());
    }

    #[test]
    fn no_flipped_byte_panics(
        tree in trees(),
        writer in writers(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..20),
    ) {
        let mut bytes = writer.write(&tree);
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        if let Ok(mut hive) = Hive::open(Cursor::new(bytes)) {
            if let Ok(walk) = hive.walk() {
                walk.for_each(drop);
            }
            let _ = hive.find(&["Microsoft", "WIMMount"]);
        }
    }

    #[test]
    fn no_flipped_byte_of_a_log_is_applied(a in trees(), b in trees(), at: prop::sample::Index, flip in 1u8..) {
        let (hives, entries) = history([&a, &b, &b], &HiveWriter::default());
        let mut log = entries_log(&hives[0], &entries[..1]);
        let at = at.index(log.len());
        log[at] ^= flip;
        let mut hive = open(&dirty(&hives[0], 7), &[("LOG1", &log)]);
        let applied = hive.recovery().entries_applied();
        prop_assert_eq!(applied, 0);
        prop_assert_eq!(walk(&mut hive), expected(&a));
        prop_assert!(codes(&hive).contains(&WarningCode::NewestChangesMissing));
    }
}

/// A hive as it lies in `Windows\System32\config\SOFTWARE`, with three registrations and a lot beside them.
fn software(beside: usize) -> Key {
    let mut microsoft = Key::new("Microsoft");
    for i in 0..beside {
        microsoft = microsoft.key(Key::new(format!("Component {i:05}").as_str()).value(
            "Blob",
            3,
            &vec![i as u8; 4000],
        ));
    }
    let mut root = Key::new("CMI-CreateHive{00000000-0000-0000-0000-000000000000}")
        .key(Key::new("Classes"))
        .key(microsoft);
    for i in 0..3u32 {
        let key = Key::new(format!("{{0000000{i}-0000-4000-8000-000000000000}}").as_str())
            .written(0x01DA_0000_0000_0000 + u64::from(i))
            .sz("WIM Path", &format!(r"C:\images\{i}.wim"))
            .sz("Mount Path", &format!(r"C:\mount\{i}"))
            .dword("Image Index", i + 1)
            .dword("Status", 2);
        root = root.key_at(&["Microsoft", "WIMMount", "Mounted Images"], key);
    }
    root
}

const MOUNTED_IMAGES: [&str; 3] = ["Microsoft", "WIMMount", "Mounted Images"];

/// Counts what is read. Behind the bytes it has, it goes on with zeros up to `len`.
struct CountingReader {
    bytes: Vec<u8>,
    len: u64,
    position: u64,
    read: Rc<Cell<u64>>,
}

impl Read for CountingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = (self.len - self.position).min(buffer.len() as u64) as usize;
        for (i, byte) in buffer[..len].iter_mut().enumerate() {
            let at = self.position as usize + i;
            *byte = self.bytes.get(at).copied().unwrap_or(0);
        }
        self.position += len as u64;
        self.read.set(self.read.get() + len as u64);
        Ok(len)
    }
}

impl Seek for CountingReader {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.position = match position {
            SeekFrom::Start(position) => position,
            SeekFrom::End(0) => self.len,
            other => unreachable!("{other:?}"),
        };
        Ok(self.position)
    }
}

#[test]
fn three_registrations_of_a_large_hive_take_a_quarter_of_a_mebibyte() {
    for gigabytes in [0, 1] {
        let mut bytes = HiveWriter::default().write(&software(3000));
        let len = (bytes.len() as u64).max(gigabytes << 30);
        let bins_len = (len - 4096) as u32;
        bytes[40..44].copy_from_slice(&bins_len.to_le_bytes());
        set_sequence(&mut bytes, 1, 1);
        let read = Rc::new(Cell::new(0));
        let mut hive = Hive::open(CountingReader {
            bytes,
            len,
            position: 0,
            read: read.clone(),
        })
        .unwrap();
        let images = hive.find(&MOUNTED_IMAGES).unwrap().unwrap();
        let keys = hive.subkeys(&images).unwrap();
        assert_eq!(keys.len(), 3);
        for key in &keys {
            assert_eq!(hive.values(key).unwrap().len(), 4);
        }
        // Windows writes a twin for 32-bit programs, seldom with registrations in it: to find it absent is cheap too.
        assert_eq!(hive.find(&["Microsoft", "No such key"]), Ok(None));
        assert_eq!(codes(&hive), []);
        assert!(read.get() <= 256 * 1024, "{} bytes read", read.get());
    }
}

#[test]
fn values_come_with_type_data_and_place() {
    let mut hive = open(&HiveWriter::default().write(&software(0)), &[]);
    let images = hive
        .find(&["microsoft", "wimmount", "MOUNTED IMAGES"])
        .unwrap()
        .unwrap();
    let key = hive.subkeys(&images).unwrap().remove(1);
    assert_eq!(key.last_written().ticks(), 0x01DA_0000_0000_0001);
    let values = hive.values(&key).unwrap();
    assert_eq!(values[1].name, "Mount Path");
    assert_eq!(values[1].value_type, ValueType::SZ);
    let path = WideString::from_utf16le_until_nul(values[1].data.as_ref().unwrap());
    assert_eq!(path, r"C:\mount\1");
    assert_eq!(values[2].data, Ok(vec![2, 0, 0, 0]));
    assert!(values[2].position.byte() > 4096);
}

#[test]
fn a_dirty_hive_without_logs_is_read_with_a_warning() {
    let hive = dirty(&HiveWriter::default().write(&software(0)), 1);
    let mut hive = open(&hive, &[]);
    assert_eq!(codes(&hive), [WarningCode::NewestChangesMissing]);
    assert!(hive.find(&MOUNTED_IMAGES).unwrap().is_some());
}

#[test]
fn a_clean_hive_leaves_its_logs_alone() {
    let (hives, entries) = history(
        [&software(0), &Key::new("b"), &Key::new("c")],
        &HiveWriter::default(),
    );
    let log = entries_log(&hives[0], &entries);
    let mut hive = hives[0].clone();
    set_sequence(&mut hive, 7, 7);
    let mut hive = open(&hive, &[("LOG1", &log)]);
    let report = &hive.recovery().logs[0];
    assert_eq!(report.entries_applied, 0);
    assert_eq!(report.left_out[0].reason, LeftOutReason::HiveIsClean);
    assert!(hive.find(&MOUNTED_IMAGES).unwrap().is_some());
    assert_eq!(codes(&hive), []);
}

#[test]
fn a_stale_log_is_left_out_without_a_warning() {
    let (hives, entries) = history(
        [&Key::new("a"), &Key::new("b"), &Key::new("c")],
        &HiveWriter::default(),
    );
    let stale = entries_log(&hives[0], &entries[..1]);
    let fresh = entries_log(&hives[0], &entries[1..]);
    let hive = open(&dirty(&hives[1], 8), &[("LOG1", &stale), ("LOG2", &fresh)]);
    let [stale, fresh] = &hive.recovery().logs[..] else {
        panic!()
    };
    assert_eq!((stale.entries_applied, fresh.entries_applied), (0, 1));
    assert_eq!(stale.left_out[0].reason, LeftOutReason::Stale);
    assert_eq!(codes(&hive), []);
}

#[test]
fn replay_stops_at_a_gap() {
    let (hives, mut entries) = history(
        [&Key::new("a"), &Key::new("b"), &Key::new("c")],
        &HiveWriter::default(),
    );
    entries[1].sequence = 9;
    let log = entries_log(&hives[0], &entries);
    let hive = open(&dirty(&hives[0], 7), &[("LOG1", &log)]);
    let report = &hive.recovery().logs[0];
    assert_eq!(report.entries_applied, 1);
    assert_eq!(
        report.left_out[0].reason,
        LeftOutReason::Gap {
            expected: 8,
            found: 9
        }
    );
    assert_eq!(
        report.left_out[0].position,
        512 + entries[0].to_bytes().len() as u64
    );
    assert_eq!(codes(&hive), [WarningCode::LogEntryLeftOut]);
}

#[test]
fn sequence_numbers_wrap_around() {
    let (hives, mut entries) = history(
        [&Key::new("a"), &Key::new("b"), &Key::new("c")],
        &HiveWriter::default(),
    );
    entries[0].sequence = u32::MAX;
    entries[1].sequence = 0;
    let first = entries_log(&hives[0], &entries[..1]);
    let second = entries_log(&hives[0], &entries[1..]);
    let hive = open(
        &dirty(&hives[0], u32::MAX),
        &[("LOG2", &second), ("LOG1", &first)],
    );
    assert_eq!(hive.recovery().entries_applied(), 2);
}

#[test]
fn an_entry_whose_pages_lie_outside_the_hive_is_left_out() {
    let (hives, entries) = history(
        [&Key::new("a"), &Key::new("b"), &Key::new("c")],
        &HiveWriter::default(),
    );
    let mut log = entries_log(&hives[0], &entries[..1]);
    log[512 + 40..512 + 44].copy_from_slice(&0xFFFF_F000_u32.to_le_bytes());
    seal_entry(&mut log[512..]);
    let hive = open(&dirty(&hives[0], 7), &[("LOG1", &log)]);
    assert_eq!(
        hive.recovery().logs[0].left_out[0].reason,
        LeftOutReason::Malformed
    );
}

#[test]
fn a_damaged_base_block_is_taken_from_the_newest_log() {
    let (hives, entries) = history(
        [&software(0), &Key::new("b"), &Key::new("c")],
        &HiveWriter::default(),
    );
    let older = entries_log(&hives[0], &entries[..1]);
    let newer = entries_log(&hives[0], &entries[1..]);
    let mut hive = dirty(&hives[1], 7);
    hive[..512].fill(0xEE);
    let mut hive = open(&hive, &[("LOG1", &newer), ("LOG2", &older)]);
    assert_eq!(hive.recovery().base_block_from.as_deref(), Some("LOG1"));
    assert_eq!(
        hive.recovery().logs[1].left_out[0].reason,
        LeftOutReason::NotTheNewest
    );
    assert_eq!(walk(&mut hive), expected(&Key::new("c")));
    assert_eq!(codes(&hive), [WarningCode::BaseBlockDamaged]);
}

#[test]
fn a_file_that_is_no_hive_is_not_made_one_by_a_log() {
    let (hives, entries) = history(
        [&Key::new("a"), &Key::new("b"), &Key::new("c")],
        &HiveWriter::default(),
    );
    let log = entries_log(&hives[0], &entries);
    let logs = vec![("LOG1".to_owned(), Cursor::new(log.clone()))];
    let error = Hive::open_with_logs(Cursor::new(vec![0x20; 9000]), logs)
        .err()
        .unwrap();
    assert_eq!(error.expected(), Some("signature regf"));
    let error = Hive::open(Cursor::new(log)).err().unwrap();
    assert!(error.is_unsupported());
}

#[test]
fn garbage_behind_the_entries_of_a_log_is_a_warning() {
    let (hives, entries) = history(
        [&Key::new("a"), &Key::new("b"), &Key::new("c")],
        &HiveWriter::default(),
    );
    let mut log = entries_log(&hives[0], &entries);
    log.extend(b"GARBAGE");
    let mut hive = open(&dirty(&hives[0], 7), &[("LOG1", &log)]);
    assert_eq!(hive.recovery().entries_applied(), 2);
    assert_eq!(walk(&mut hive), expected(&Key::new("c")));
    assert_eq!(codes(&hive), [WarningCode::TrailingBytes]);
}

/// A key that claims `count` subkeys and values; its values lie where the log has nothing but zeros.
#[test]
fn a_log_that_claims_four_gigabytes_costs_no_more_than_it_holds() {
    let writer = HiveWriter::default();
    let hive = writer.write(&Key::new("a").dword("v", 1));
    let mut greedy = writer.write(&Key::new("b").dword("v", 1));
    let root = 4096 + u32::from_le_bytes(greedy[36..40].try_into().unwrap()) as usize;
    greedy[root + 4 + 36..root + 4 + 40].fill(0xFF);
    greedy[root + 4 + 40..root + 4 + 44].copy_from_slice(&0x1_0000_u32.to_le_bytes());
    let mut list = vec![0; 4096];
    list[..4].copy_from_slice(&(-0x7000_0000_i32).to_le_bytes());
    let mut entry = LogEntry::between(&hive, &greedy, 1);
    entry.hive_bins_len = 0xFFFF_F000;
    entry.pages.push((0x1_0000, list));
    let log = entries_log(&hive, &[entry]);
    let mut hive = open(&dirty(&hive, 1), &[("LOG1", &log)]);
    assert_eq!(hive.recovery().entries_applied(), 1);
    assert_eq!(hive.walk().unwrap().count(), 1);
    let codes = codes(&hive);
    assert!(codes.contains(&WarningCode::ValueUnreadable), "{codes:?}");
}

#[test]
fn a_cell_of_wrong_size_is_read_with_a_warning() {
    let mut hive =
        HiveWriter::default().write(&Key::new("root").key(Key::new("sub").dword("v", 7)));
    let subkey = hive.windows(3).position(|name| name == b"sub").unwrap() - 76 - 4;
    for size in [0, -1, -8, 64, i32::MAX] {
        hive[subkey..subkey + 4].copy_from_slice(&size.to_le_bytes());
        let mut hive = open(&hive, &[]);
        let key = hive.find(&["SUB"]).unwrap().unwrap();
        assert_eq!(hive.values(&key).unwrap()[0].data, Ok(vec![7, 0, 0, 0]));
        let [warning] = hive.warnings().as_slice() else {
            panic!()
        };
        assert_eq!(warning.code(), WarningCode::CellDamaged);
        assert_eq!(warning.position().unwrap().byte(), subkey as u64);
    }
}

#[test]
fn what_cannot_be_read_is_not_absent() {
    let tree = Key::new("root").key(
        Key::new("here")
            .sz("Mount Path", r"C:\mount")
            .dword("Status", 2),
    );
    let sound = HiveWriter::default().write(&tree);
    let cell = |what: &[u8]| {
        sound
            .windows(what.len())
            .position(|bytes| bytes == what)
            .unwrap()
    };

    // The key's signature.
    let mut hive = sound.clone();
    hive[cell(b"here") - 76] = b'x';
    let mut hive = open(&hive, &[]);
    let error = hive.find(&["here"]).unwrap_err();
    assert_eq!(error.position().unwrap().byte(), cell(b"here") as u64 - 80);
    assert_eq!(error.expected(), Some("signature nk"));
    assert_eq!(hive.find(&["elsewhere"]), Ok(None));

    // A value's signature: other values are still there, and this one is not known to be missing.
    let mut hive = sound.clone();
    hive[cell(b"Mount Path") - 20] = b'x';
    let mut hive = open(&hive, &[]);
    let key = hive.find(&["here"]).unwrap().unwrap();
    assert!(hive.value(&key, &"Mount Path".into()).is_err());
    assert!(hive.value(&key, &"status".into()).unwrap().is_some());
    assert_eq!(hive.values(&key).unwrap().len(), 1);
    assert_eq!(codes(&hive), [WarningCode::ValueUnreadable]);
}

#[test]
fn a_list_whose_hashes_lie_is_compared_by_name() {
    let mut root = Key::new("root");
    for i in 0..40 {
        root = root.key(Key::new(format!("key{i:02}").as_str()));
    }
    let mut hive = HiveWriter::default().write(&root);
    let list = hive
        .windows(4)
        .position(|bytes| bytes == b"lh\x28\0")
        .unwrap();
    for element in 0..40 {
        hive[list + 4 + element * 8 + 4] ^= 0xFF;
    }
    let mut hive = open(&hive, &[]);
    for i in 0..40 {
        assert!(hive.find(&[&format!("KEY{i:02}")]).unwrap().is_some());
    }
    assert_eq!(hive.find(&["key40"]), Ok(None));
    assert_eq!(codes(&hive), [WarningCode::UnsoundSubkeyList]);
}

#[test]
fn keys_that_contain_each_other_are_walked_once() {
    let mut hive =
        HiveWriter::default().write(&Key::new("root").key(Key::new("sub").key(Key::new("leaf"))));
    let root = u32::from_le_bytes(hive[36..40].try_into().unwrap());
    // The last list is that of `root`; the first, that of `sub`, now holds `root` in the place of `leaf`.
    let list = hive
        .windows(4)
        .position(|bytes| bytes == b"lh\x01\0")
        .unwrap();
    hive[list + 4..list + 8].copy_from_slice(&root.to_le_bytes());
    let mut hive = open(&hive, &[]);
    assert_eq!(hive.walk().unwrap().count(), 2);
    assert_eq!(codes(&hive), [WarningCode::DuplicateSubkey]);
}

#[test]
fn keys_deeper_than_windows_allows_are_left_out() {
    for (levels, warnings) in [(512, vec![]), (600, vec![WarningCode::SubkeysUnreadable])] {
        let deepest = Key::new("deepest");
        let key = (1..levels).fold(deepest, |key, _| Key::new("k").key(key));
        let mut hive = open(&HiveWriter::default().write(&key), &[]);
        assert_eq!(hive.walk().unwrap().count(), 512);
        assert_eq!(codes(&hive), warnings);
    }
}

#[test]
fn lists_within_lists_within_lists_are_not_followed() {
    let writer = HiveWriter {
        leaf_len: 1,
        ..HiveWriter::default()
    };
    let mut hive = writer.write(&Key::new("root").key(Key::new("a")).key(Key::new("b")));
    let index = hive
        .windows(4)
        .position(|bytes| bytes == b"ri\x02\0")
        .unwrap();
    let itself = (index - 4 - 4096) as u32;
    hive[index + 8..index + 12].copy_from_slice(&itself.to_le_bytes());
    let mut hive = open(&hive, &[]);
    assert!(hive.find(&["a"]).unwrap().is_some());
    assert!(hive.find(&["b"]).is_err());
    assert_eq!(hive.walk().unwrap().count(), 2);
    assert!(codes(&hive).contains(&WarningCode::SubkeysUnreadable));
}
