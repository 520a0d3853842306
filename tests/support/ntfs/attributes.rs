//! Writes the parts of file records, for the tests. After the Linux-NTFS project's `layout.h`.

pub(crate) const STANDARD_INFORMATION: u32 = 0x10;
pub(crate) const ATTRIBUTE_LIST: u32 = 0x20;
pub(crate) const FILE_NAME: u32 = 0x30;
pub(crate) const VOLUME_NAME: u32 = 0x60;
pub(crate) const VOLUME_INFORMATION: u32 = 0x70;
pub(crate) const DATA: u32 = 0x80;
pub(crate) const INDEX_ROOT: u32 = 0x90;
pub(crate) const INDEX_ALLOCATION: u32 = 0xA0;
pub(crate) const BITMAP: u32 = 0xB0;
pub(crate) const REPARSE_POINT: u32 = 0xC0;

pub(crate) const COMPRESSED: u16 = 0x0001;
pub(crate) const ENCRYPTED: u16 = 0x4000;
pub(crate) const SPARSE: u16 = 0x8000;

/// Clusters side by side; `None` where nothing is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) length: u64,
    pub(crate) lcn: Option<u64>,
}

/// An attribute as a whole.
#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    pub(crate) kind: u32,
    pub(crate) name: Vec<u16>,
    pub(crate) flags: u16,
    pub(crate) value: Value,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Resident(Vec<u8>),
    Clusters {
        runs: Vec<Run>,
        cluster_size: u64,
        size: u64,
        initialized_size: u64,
        /// Exponent of the clusters that are compressed together.
        compression_unit: u16,
    },
}

/// An attribute, or a part of one, as it stands in a record but for its id.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) kind: u32,
    pub(crate) name: Vec<u16>,
    pub(crate) first_vcn: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Attribute {
    pub(crate) fn resident(kind: u32, name: &[u16], value: Vec<u8>) -> Attribute {
        Attribute {
            kind,
            name: name.to_vec(),
            flags: 0,
            value: Value::Resident(value),
        }
    }

    /// The attribute in parts of at most so many runs.
    pub(crate) fn parts(&self, most_runs: usize) -> Vec<Part> {
        let part = |first_vcn, bytes| Part {
            kind: self.kind,
            name: self.name.clone(),
            first_vcn,
            bytes,
        };
        let (runs, cluster_size, size, initialized_size, compression_unit) = match &self.value {
            Value::Resident(value) => return vec![part(0, self.resident_bytes(value))],
            Value::Clusters {
                runs,
                cluster_size,
                size,
                initialized_size,
                compression_unit,
            } => (
                runs,
                *cluster_size,
                *size,
                *initialized_size,
                *compression_unit,
            ),
        };
        let mut first_vcn = 0_u64;
        let mut parts = Vec::new();
        let mut groups: Vec<&[Run]> = runs.chunks(most_runs).collect();
        if groups.is_empty() {
            groups.push(&[]);
        }
        let clusters: u64 = runs.iter().map(|run| run.length).sum();
        let stored: u64 = runs
            .iter()
            .filter(|r| r.lcn.is_some())
            .map(|r| r.length)
            .sum();
        for group in groups {
            let length: u64 = group.iter().map(|run| run.length).sum();
            let is_first = first_vcn == 0;
            let has_stored_size = is_first && self.flags & (COMPRESSED | SPARSE) != 0;
            let name_offset = if has_stored_size { 0x48 } else { 0x40 };
            let pairs_offset = (name_offset + 2 * self.name.len()).next_multiple_of(8);
            let mut bytes = self.head(1, name_offset);
            bytes.extend(first_vcn.to_le_bytes());
            bytes.extend((first_vcn + length).wrapping_sub(1).to_le_bytes());
            bytes.extend((pairs_offset as u16).to_le_bytes());
            bytes.extend(compression_unit.to_le_bytes());
            bytes.extend([0; 4]);
            let sizes = [clusters * cluster_size, size, initialized_size];
            for size in sizes {
                bytes.extend((if is_first { size } else { 0 }).to_le_bytes());
            }
            if has_stored_size {
                bytes.extend((stored * cluster_size).to_le_bytes());
            }
            bytes.extend(utf16le(&self.name));
            bytes.resize(pairs_offset, 0);
            bytes.extend(mapping_pairs(group));
            parts.push(part(first_vcn, finished(bytes)));
            first_vcn += length;
        }
        parts
    }

    fn resident_bytes(&self, value: &[u8]) -> Vec<u8> {
        let value_offset = (0x18 + 2 * self.name.len()).next_multiple_of(8);
        let mut bytes = self.head(0, 0x18);
        bytes.extend((value.len() as u32).to_le_bytes());
        bytes.extend((value_offset as u16).to_le_bytes());
        bytes.extend([u8::from(self.kind == FILE_NAME), 0]);
        bytes.extend(utf16le(&self.name));
        bytes.resize(value_offset, 0);
        bytes.extend(value);
        finished(bytes)
    }

    /// The head, in which length and id are still missing.
    fn head(&self, non_resident: u8, name_offset: usize) -> Vec<u8> {
        let mut bytes = self.kind.to_le_bytes().to_vec();
        bytes.extend([0; 4]);
        bytes.extend([non_resident, self.name.len() as u8]);
        bytes.extend((name_offset as u16).to_le_bytes());
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend([0; 2]);
        bytes
    }
}

fn finished(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let length = bytes.len() as u32;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes
}

fn mapping_pairs(runs: &[Run]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut before = 0;
    for run in runs {
        let length = shortest(run.length as i64);
        let lcn = match run.lcn {
            Some(lcn) => shortest(lcn as i64 - before),
            None => Vec::new(),
        };
        before = run.lcn.map_or(before, |lcn| lcn as i64);
        bytes.push((lcn.len() << 4 | length.len()) as u8);
        bytes.extend(length);
        bytes.extend(lcn);
    }
    bytes.push(0);
    bytes
}

/// A signed number in as few bytes as hold it.
fn shortest(number: i64) -> Vec<u8> {
    let bytes = number.to_le_bytes();
    let length = (1..8).find(|&length| {
        let unused = 64 - 8 * length as u32;
        number << unused >> unused == number
    });
    bytes[..length.unwrap_or(8)].to_vec()
}

pub(crate) fn utf16le(name: &[u16]) -> Vec<u8> {
    name.iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

/// A record, still without its update sequence.
pub(crate) fn record(
    size: usize,
    number: u64,
    sequence_number: u16,
    flags: u16,
    base: u64,
    parts: &[Part],
) -> Vec<u8> {
    let update_sequence_count = size / 512 + 1;
    let start = (0x30 + 2 * update_sequence_count).next_multiple_of(8);
    let mut bytes = b"FILE\x30\0".to_vec();
    bytes.extend((update_sequence_count as u16).to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend(sequence_number.to_le_bytes());
    let links = parts.iter().filter(|part| part.kind == FILE_NAME).count() as u16;
    bytes.extend(links.to_le_bytes());
    bytes.extend((start as u16).to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    let used = start + parts.iter().map(|part| part.bytes.len()).sum::<usize>() + 8;
    assert!(used <= size, "{used} bytes in record {number}");
    bytes.extend((used as u32).to_le_bytes());
    bytes.extend((size as u32).to_le_bytes());
    bytes.extend(base.to_le_bytes());
    bytes.extend((parts.len() as u16).to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend((number as u32).to_le_bytes());
    bytes.resize(start, 0);
    for (id, part) in parts.iter().enumerate() {
        let at = bytes.len() + 14;
        bytes.extend(&part.bytes);
        bytes[at..at + 2].copy_from_slice(&(id as u16).to_le_bytes());
    }
    bytes.extend(u32::MAX.to_le_bytes());
    bytes.resize(size, 0);
    bytes
}

/// How many bytes of attributes a record takes.
pub(crate) fn room(size: usize) -> usize {
    size - (0x30 + 2 * (size / 512 + 1)).next_multiple_of(8) - 8
}

/// Replaces the last bytes of every 512 by a number, and keeps them in the array that the head tells of.
pub(crate) fn protect(bytes: &mut [u8], number: u16) {
    let start = usize::from(u16::from_le_bytes([bytes[4], bytes[5]]));
    let number = number.to_le_bytes();
    bytes[start..start + 2].copy_from_slice(&number);
    for stride in 0..bytes.len() / 512 {
        let end = (stride + 1) * 512;
        let kept = [bytes[end - 2], bytes[end - 1]];
        bytes[start + 2 + 2 * stride..][..2].copy_from_slice(&kept);
        bytes[end - 2..end].copy_from_slice(&number);
    }
}

/// An attribute list.
pub(crate) fn attribute_list(entries: &[(Part, u64, u16)]) -> Vec<u8> {
    let mut list = Vec::new();
    for (part, record, id) in entries {
        let length = (0x1A + 2 * part.name.len()).next_multiple_of(8);
        list.extend(part.kind.to_le_bytes());
        list.extend((length as u16).to_le_bytes());
        list.extend([part.name.len() as u8, 0x1A]);
        list.extend(part.first_vcn.to_le_bytes());
        list.extend(record.to_le_bytes());
        list.extend(id.to_le_bytes());
        list.extend(utf16le(&part.name));
        list.resize(list.len().next_multiple_of(8), 0);
    }
    list
}

/// Compresses data by LZNT1: not well, but with matches of all lengths.
pub(crate) fn lznt1(data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in data.chunks(4096) {
        let compressed = lznt1_chunk(chunk);
        match compressed.len() < chunk.len() && compressed.len() < 4096 {
            true => {
                bytes.extend((0xB000 | (compressed.len() - 1) as u16).to_le_bytes());
                bytes.extend(compressed);
            }
            // A chunk that is stored as it is has always all of its bytes.
            false => {
                bytes.extend(0x3FFF_u16.to_le_bytes());
                bytes.extend(chunk);
                bytes.resize(bytes.len() + 4096 - chunk.len(), 0);
            }
        }
    }
    bytes
}

fn lznt1_chunk(chunk: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut at = 0;
    let mut last = std::collections::HashMap::new();
    while at < chunk.len() {
        let flags_at = bytes.len();
        bytes.push(0);
        for bit in 0..8 {
            if at == chunk.len() {
                break;
            }
            let key = chunk.get(at..at + 3);
            let from: Option<usize> = key.and_then(|key| last.get(key).copied());
            if let Some(key) = key {
                last.insert(key, at);
            }
            let Some(from) = from else {
                bytes.push(chunk[at]);
                at += 1;
                continue;
            };
            // As many bits for the offset as the greatest possible one needs, but four at least.
            let offset_bits = (4..=12).find(|bits| at <= 1 << bits).unwrap();
            let most = (1 << (16 - offset_bits)) + 2;
            let same = (at..chunk.len()).take_while(|&i| chunk[i] == chunk[i - (at - from)]);
            let length = same.count().min(most);
            let token = (at - from - 1) << (16 - offset_bits) | (length - 3);
            bytes[flags_at] |= 1 << bit;
            bytes.extend((token as u16).to_le_bytes());
            at += length;
        }
    }
    bytes
}
