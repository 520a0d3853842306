//! Writes registry hives and their transaction logs, for tests.
//!
//! [`Key`] describes a tree, [`HiveWriter`] turns it into a hive, [`entries_log`] and [`dirty_vector_log`] turn the
//! difference between two hives into a log. Written from the "Windows registry file format specification",
//! independently of the reader.
#![allow(dead_code, unreachable_pub)]

use dism_mount_status::WideString;

/// Length of the base block; the hive bins follow.
pub const BASE_BLOCK: usize = 4096;

const PAGE: usize = 4096;
const SECTOR: usize = 512;
const BIN_HEADER: usize = 32;
const SEGMENT: usize = 16_344;
const NOWHERE: u32 = 0xFFFF_FFFF;

pub const REG_SZ: u32 = 1;
pub const REG_BINARY: u32 = 3;
pub const REG_DWORD: u32 = 4;

/// A key to be written, with everything below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Key {
    pub name: WideString,
    /// FILETIME ticks.
    pub last_written: u64,
    pub values: Vec<Value>,
    pub subkeys: Vec<Key>,
}

/// A value to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    pub name: WideString,
    pub value_type: u32,
    pub data: Vec<u8>,
}

impl Key {
    /// A key without values and subkeys.
    pub fn new(name: impl Into<WideString>) -> Key {
        Key {
            name: name.into(),
            last_written: 0x01D9_0000_0000_0000,
            ..Key::default()
        }
    }

    /// Sets the time of the last write.
    pub fn written(mut self, ticks: u64) -> Key {
        self.last_written = ticks;
        self
    }

    /// Adds a value of any type.
    pub fn value(mut self, name: impl Into<WideString>, value_type: u32, data: &[u8]) -> Key {
        self.values.push(Value {
            name: name.into(),
            value_type,
            data: data.to_vec(),
        });
        self
    }

    /// Adds a string value with its NUL.
    pub fn sz(self, name: &str, text: &str) -> Key {
        let units: Vec<u8> = text
            .encode_utf16()
            .chain([0])
            .flat_map(u16::to_le_bytes)
            .collect();
        self.value(name, REG_SZ, &units)
    }

    /// Adds a number.
    pub fn dword(self, name: &str, number: u32) -> Key {
        self.value(name, REG_DWORD, &number.to_le_bytes())
    }

    /// Adds a subkey.
    pub fn key(mut self, subkey: Key) -> Key {
        self.subkeys.push(subkey);
        self
    }

    /// Adds a key below keys that hold nothing else: `Microsoft\WIMMount`, say. Levels that are there are used.
    pub fn key_at(mut self, path: &[&str], subkey: Key) -> Key {
        let Some((&first, rest)) = path.split_first() else {
            return self.key(subkey);
        };
        let name = WideString::from(first);
        let level = match self
            .subkeys
            .iter()
            .position(|k| k.name.eq_ignore_case(&name))
        {
            Some(index) => self.subkeys.remove(index),
            None => Key::new(first),
        };
        self.subkeys.push(level.key_at(rest, subkey));
        self
    }
}

/// How subkeys are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// `lf`: with the first four characters.
    Lf,
    /// `lh`: with hashes.
    Lh,
    /// `li`: without hints.
    Li,
}

/// Writes hives.
#[derive(Debug, Clone)]
pub struct HiveWriter {
    pub minor_version: u32,
    pub list: List,
    /// Lists of more subkeys than this are divided by an `ri`.
    pub leaf_len: usize,
    /// Names are UTF-16 even where Latin-1 would do.
    pub utf16_names: bool,
    /// The two sequence numbers: equal in a clean hive.
    pub sequence: (u32, u32),
    /// FILETIME ticks, in the base block and in the first bin.
    pub last_written: u64,
}

impl Default for HiveWriter {
    fn default() -> Self {
        HiveWriter {
            minor_version: 5,
            list: List::Lh,
            leaf_len: 500,
            utf16_names: false,
            sequence: (1, 1),
            last_written: 0x01D9_0000_0000_0000,
        }
    }
}

impl HiveWriter {
    /// The hive whose root key is `root`. Subkeys are sorted as Windows sorts them; values keep their order.
    pub fn write(&self, root: &Key) -> Vec<u8> {
        let mut bins = Bins {
            bytes: Vec::new(),
            next: 0,
            bin_start: 0,
        };
        let root = self.key(&mut bins, root, None);
        bins.close();
        let mut first_bin = bins.bytes;
        first_bin[20..28].copy_from_slice(&self.last_written.to_le_bytes());
        let mut hive = vec![0; BASE_BLOCK];
        hive[..4].copy_from_slice(b"regf");
        hive[12..20].copy_from_slice(&self.last_written.to_le_bytes());
        for (offset, number) in [
            (20, 1),
            (24, self.minor_version),
            (32, 1),
            (36, root),
            (40, first_bin.len() as u32),
            (44, 1),
        ] {
            put(&mut hive, offset, number);
        }
        hive.append(&mut first_bin);
        set_sequence(&mut hive, self.sequence.0, self.sequence.1);
        hive
    }

    /// Writes a key with all below it. `above` is the parent and the security cell; the root key has none.
    fn key(&self, bins: &mut Bins, key: &Key, above: Option<(u32, u32)>) -> u32 {
        let (name, latin1) = self.name(&key.name);
        let mut node = vec![0; 76];
        node[..2].copy_from_slice(b"nk");
        let flags = if latin1 { 0x20 } else { 0 } | if above.is_none() { 0x0C } else { 0 };
        node[2..4].copy_from_slice(&u16::to_le_bytes(flags));
        node[4..12].copy_from_slice(&key.last_written.to_le_bytes());
        node[72..74].copy_from_slice(&(name.len() as u16).to_le_bytes());
        node.extend(name);
        for (offset, number) in [
            (16, above.map_or(NOWHERE, |(parent, _)| parent)),
            (20, key.subkeys.len() as u32),
            (28, NOWHERE),
            (32, NOWHERE),
            (36, key.values.len() as u32),
            (40, NOWHERE),
            (48, NOWHERE),
        ] {
            put(&mut node, offset, number);
        }
        let offset = bins.cell(&node);
        // The root key's cell comes first, as in every hive that Windows writes.
        let security = match above {
            Some((_, security)) => security,
            None => bins.security_cell(),
        };
        bins.patch(offset, 44, security);
        if !key.values.is_empty() {
            let values: Vec<u32> = key.values.iter().map(|v| self.value(bins, v)).collect();
            let list = bins.cell(&offsets(&values));
            bins.patch(offset, 40, list);
        }
        if !key.subkeys.is_empty() {
            let mut sorted: Vec<(WideString, &Key)> = key
                .subkeys
                .iter()
                .map(|subkey| (subkey.name.to_upcase(), subkey))
                .collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            let subkeys: Vec<(WideString, u32)> = sorted
                .into_iter()
                .map(|(upcase, subkey)| {
                    let node = self.key(bins, subkey, Some((offset, security)));
                    (upcase, node)
                })
                .collect();
            let list = self.subkey_list(bins, &subkeys);
            bins.patch(offset, 28, list);
        }
        offset
    }

    fn subkey_list(&self, bins: &mut Bins, subkeys: &[(WideString, u32)]) -> u32 {
        let leaves: Vec<u32> = subkeys
            .chunks(self.leaf_len)
            .map(|chunk| {
                let mut leaf = match self.list {
                    List::Lf => b"lf",
                    List::Lh => b"lh",
                    List::Li => b"li",
                }
                .to_vec();
                leaf.extend((chunk.len() as u16).to_le_bytes());
                for (upcase, node) in chunk {
                    leaf.extend(node.to_le_bytes());
                    match self.list {
                        List::Li => {}
                        List::Lh => leaf.extend(name_hash(upcase).to_le_bytes()),
                        List::Lf => {
                            let units = upcase.as_units().iter().chain(&[0; 4]).take(4);
                            leaf.extend(units.map(|&unit| u8::try_from(unit).unwrap_or(0)));
                        }
                    }
                }
                bins.cell(&leaf)
            })
            .collect();
        match leaves[..] {
            [leaf] => leaf,
            _ => {
                let mut index = b"ri".to_vec();
                index.extend((leaves.len() as u16).to_le_bytes());
                index.extend(offsets(&leaves));
                bins.cell(&index)
            }
        }
    }

    fn value(&self, bins: &mut Bins, value: &Value) -> u32 {
        let len = value.data.len();
        let (size, data) = if len <= 4 {
            let mut inline = [0; 4];
            inline[..len].copy_from_slice(&value.data);
            (len as u32 | 0x8000_0000, u32::from_le_bytes(inline))
        } else if len > SEGMENT && self.minor_version > 3 {
            let segments: Vec<u32> = value.data.chunks(SEGMENT).map(|s| bins.cell(s)).collect();
            let list = bins.cell(&offsets(&segments));
            let mut big_data = b"db".to_vec();
            big_data.extend((segments.len() as u16).to_le_bytes());
            big_data.extend(list.to_le_bytes());
            (len as u32, bins.cell(&big_data))
        } else {
            (len as u32, bins.cell(&value.data))
        };
        let (name, latin1) = self.name(&value.name);
        let mut cell = vec![0; 20];
        cell[..2].copy_from_slice(b"vk");
        cell[2..4].copy_from_slice(&(name.len() as u16).to_le_bytes());
        put(&mut cell, 4, size);
        put(&mut cell, 8, data);
        put(&mut cell, 12, value.value_type);
        cell[16] = latin1.into();
        cell.extend(name);
        bins.cell(&cell)
    }

    /// The bytes of a name, and whether they are Latin-1.
    fn name(&self, name: &WideString) -> (Vec<u8>, bool) {
        let latin1: Option<Vec<u8>> = name
            .as_units()
            .iter()
            .map(|&unit| u8::try_from(unit).ok())
            .collect();
        match latin1 {
            Some(bytes) if !self.utf16_names => (bytes, true),
            _ => (name.to_utf16le(), false),
        }
    }
}

/// The hive bins as they grow.
struct Bins {
    bytes: Vec<u8>,
    next: usize,
    bin_start: usize,
}

impl Bins {
    /// Allocates a cell for `data` and returns its offset.
    fn cell(&mut self, data: &[u8]) -> u32 {
        let size = (data.len() + 4).next_multiple_of(8);
        if self.next + size > self.bytes.len() {
            self.close();
            self.bin_start = self.bytes.len();
            self.next = self.bin_start + BIN_HEADER;
            let bin_len = (BIN_HEADER + size).next_multiple_of(PAGE);
            self.bytes.resize(self.bin_start + bin_len, 0);
            let start = self.bin_start;
            self.bytes[start..start + 4].copy_from_slice(b"hbin");
            put(&mut self.bytes, start + 4, start as u32);
            put(&mut self.bytes, start + 8, bin_len as u32);
        }
        let offset = self.next;
        put(&mut self.bytes, offset, (size as u32).wrapping_neg());
        self.bytes[offset + 4..offset + 4 + data.len()].copy_from_slice(data);
        self.next += size;
        offset as u32
    }

    /// Makes a free cell of what is left of the last bin.
    fn close(&mut self) {
        let left = self.bytes.len() - self.next;
        if left > 0 {
            put(&mut self.bytes, self.next, left as u32);
        }
        self.next = self.bytes.len();
    }

    fn patch(&mut self, cell: u32, field: usize, number: u32) {
        put(&mut self.bytes, cell as usize + 4 + field, number);
    }

    /// One security descriptor for all keys: self-relative, without owner, group and lists.
    fn security_cell(&mut self) -> u32 {
        let mut cell = vec![0; 40];
        cell[..2].copy_from_slice(b"sk");
        put(&mut cell, 12, 1);
        put(&mut cell, 16, 20);
        cell[20] = 1;
        cell[23] = 0x80;
        let offset = self.cell(&cell);
        self.patch(offset, 4, offset);
        self.patch(offset, 8, offset);
        offset
    }
}

fn put(bytes: &mut [u8], offset: usize, number: u32) {
    bytes[offset..offset + 4].copy_from_slice(&number.to_le_bytes());
}

fn get(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap())
}

fn offsets(cells: &[u32]) -> Vec<u8> {
    cells.iter().flat_map(|cell| cell.to_le_bytes()).collect()
}

/// The hash of a name in upper case, as `lh` lists keep it.
pub fn name_hash(upcase: &WideString) -> u32 {
    let mut hash = 0u32;
    for &unit in upcase.as_units() {
        hash = hash.wrapping_mul(37).wrapping_add(unit.into());
    }
    hash
}

/// Sets the sequence numbers of a hive or log, and the checksum.
pub fn set_sequence(hive: &mut [u8], primary: u32, secondary: u32) {
    put(hive, 4, primary);
    put(hive, 8, secondary);
    seal(hive);
}

/// Makes the checksum of a base block right.
pub fn seal(hive: &mut [u8]) {
    let sum = (0..127).fold(0, |sum, word| sum ^ get(hive, word * 4));
    let sum = match sum {
        0 => 1,
        0xFFFF_FFFF => 0xFFFF_FFFE,
        sum => sum,
    };
    put(hive, 508, sum);
}

/// Gives the states of one hive, in the order of time, the lengths that they have in a file: a hive never shrinks while it is loaded.
pub fn grow(states: &mut [Vec<u8>]) {
    let mut len = 0;
    for state in states {
        len = state.len().max(len);
        state.resize(len, 0);
        put(state, 40, (len - BASE_BLOCK) as u32);
        seal(state);
    }
}

/// A hive that was being written when it was left: up to date with its log's entries before `sequence`.
pub fn dirty(hive: &[u8], sequence: u32) -> Vec<u8> {
    let mut hive = hive.to_vec();
    set_sequence(&mut hive, sequence.wrapping_add(1), sequence);
    hive
}

/// A page of the hive bins: its offset within them, and its bytes.
pub type DirtyPage = (u32, Vec<u8>);

/// The pages in which two hives differ, and all that one has beyond the end of the other.
pub fn dirty_pages(before: &[u8], after: &[u8]) -> Vec<DirtyPage> {
    let pages = |hive: &[u8]| -> Vec<Vec<u8>> {
        hive[BASE_BLOCK..]
            .chunks(PAGE)
            .map(<[u8]>::to_vec)
            .collect()
    };
    let before = pages(before);
    pages(after)
        .into_iter()
        .enumerate()
        .filter(|(index, page)| before.get(*index) != Some(page))
        .map(|(index, page)| ((index * PAGE) as u32, page))
        .collect()
}

/// An entry of a log in the new format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    pub sequence: u32,
    pub hive_bins_len: u32,
    pub pages: Vec<DirtyPage>,
}

impl LogEntry {
    /// The entry that turns one hive into another.
    pub fn between(before: &[u8], after: &[u8], sequence: u32) -> LogEntry {
        LogEntry {
            sequence,
            hive_bins_len: (after.len() - BASE_BLOCK) as u32,
            pages: dirty_pages(before, after),
        }
    }

    /// The bytes of the entry, with both hashes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut entry = b"HvLE".to_vec();
        entry.resize(40, 0);
        put(&mut entry, 12, self.sequence);
        put(&mut entry, 16, self.hive_bins_len);
        put(&mut entry, 20, self.pages.len() as u32);
        for (offset, page) in &self.pages {
            entry.extend(offset.to_le_bytes());
            entry.extend((page.len() as u32).to_le_bytes());
        }
        for (_, page) in &self.pages {
            entry.extend(page);
        }
        entry.resize(entry.len().next_multiple_of(SECTOR), 0);
        let len = entry.len() as u32;
        put(&mut entry, 4, len);
        seal_entry(&mut entry);
        entry
    }
}

/// Makes both hashes of a log entry right.
pub fn seal_entry(entry: &mut [u8]) {
    let body = marvin32(&entry[40..]);
    entry[24..32].copy_from_slice(&body.to_le_bytes());
    let header = marvin32(&entry[..32]);
    entry[32..40].copy_from_slice(&header.to_le_bytes());
}

/// A log in the new format (file type 6) for a hive. Its base block carries the number of the first entry.
pub fn entries_log(hive: &[u8], entries: &[LogEntry]) -> Vec<u8> {
    let first = entries.first().map_or(1, |entry| entry.sequence);
    let mut log = log_base_block(hive, 6, first);
    for entry in entries {
        log.extend(entry.to_bytes());
    }
    log
}

/// A log in the old format (file type 1) that turns one hive into another.
pub fn dirty_vector_log(before: &[u8], after: &[u8], sequence: u32) -> Vec<u8> {
    let mut log = log_base_block(before, 1, sequence);
    let hive_bins_len = after.len() - BASE_BLOCK;
    put(&mut log, 40, hive_bins_len as u32);
    seal(&mut log);
    let pages = dirty_pages(before, after);
    let mut bitmap = vec![0; hive_bins_len / SECTOR / 8];
    for (offset, _) in &pages {
        bitmap[*offset as usize / PAGE] = 0xFF;
    }
    log.extend(b"DIRT");
    log.extend(bitmap);
    log.resize(log.len().next_multiple_of(SECTOR), 0);
    for (_, page) in pages {
        log.extend(page);
    }
    log
}

fn log_base_block(hive: &[u8], file_type: u32, sequence: u32) -> Vec<u8> {
    let mut log = hive[..SECTOR].to_vec();
    put(&mut log, 28, file_type);
    set_sequence(&mut log, sequence, sequence);
    log
}

/// The hash of log entries.
pub fn marvin32(bytes: &[u8]) -> u64 {
    let (mut low, mut high) = (0x7A4E_55C5_u32, 0x82EF_4D88_u32);
    let mut padded = bytes.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(4), 0);
    padded.extend([0; 4]);
    for word in padded.chunks(4) {
        low = low.wrapping_add(get(word, 0));
        high ^= low;
        low = low.rotate_left(20);
        low = low.wrapping_add(high);
        high = high.rotate_left(9);
        high ^= low;
        low = low.rotate_left(27);
        low = low.wrapping_add(high);
        high = high.rotate_left(19);
    }
    u64::from(high) << 32 | u64::from(low)
}
