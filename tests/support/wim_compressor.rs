//! Compresses WIM chunks for the tests: not well, but with every construct of the formats.

use std::collections::HashMap;

/// A step of a decompressor.
#[derive(Debug, Clone, Copy)]
enum Step {
    Literal(u8),
    Match { offset: usize, length: usize },
}

/// Takes data apart. Matches overlap themselves, and are as long as they can be; where there is a choice the nearer
/// one is taken, but one of the last three offsets first.
fn steps(data: &[u8], min_length: usize, max_length: usize) -> Vec<Step> {
    let mut seen: HashMap<&[u8], usize> = HashMap::new();
    let mut recent: Vec<usize> = Vec::new();
    let mut steps = Vec::new();
    let mut at = 0;
    while at < data.len() {
        let key = data.get(at..at + min_length);
        let is_match = |offset: usize| {
            offset <= at && key.is_some_and(|key| &data[at - offset..][..min_length] == key)
        };
        let offset = recent.iter().rev().take(3).copied().find(|&o| is_match(o));
        let offset = offset.or_else(|| key.and_then(|key| seen.get(key)).map(|from| at - from));
        let length = match offset {
            Some(offset) => (at..data.len().min(at + max_length))
                .take_while(|&i| data[i] == data[i - offset])
                .count(),
            None => 1,
        };
        steps.push(match offset {
            Some(offset) => {
                recent.push(offset);
                Step::Match { offset, length }
            }
            None => Step::Literal(data[at]),
        });
        for i in at..at + length {
            if let Some(key) = data.get(i..i + min_length) {
                seen.insert(key, i);
            }
        }
        at += length;
    }
    steps
}

/// Codeword lengths for the symbols that occur: evenly long ones, or first short and then very long ones.
fn codeword_lengths(symbol_count: usize, used: &[usize], skewed: bool) -> Vec<u8> {
    let mut symbols = used.to_vec();
    symbols.sort_unstable();
    symbols.dedup();
    let mut lengths = vec![0; symbol_count];
    let short = match skewed {
        true => symbols.len().min(5),
        false => 0,
    };
    for (i, &symbol) in symbols[..short].iter().enumerate() {
        lengths[symbol] = i as u8 + 1;
    }
    let rest = &symbols[short..];
    for &symbol in rest {
        lengths[symbol] = (short as u32 + rest.len().next_power_of_two().ilog2()).max(1) as u8;
    }
    lengths
}

/// A canonical code.
struct Code {
    lengths: Vec<u8>,
    codewords: Vec<u32>,
}

impl Code {
    fn new(lengths: Vec<u8>) -> Code {
        let mut codewords = vec![0; lengths.len()];
        let mut next = 0;
        for length in 1..=16 {
            next <<= 1;
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, l)| **l == length) {
                codewords[symbol] = next;
                next += 1;
            }
        }
        Code { lengths, codewords }
    }
}

/// Writes bits in words of 16, and bytes where a decompressor expects them that reads a word as soon as it has fewer
/// than 16 bits ahead.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    /// Where the next words of bits go to.
    slots: [usize; 2],
    bits: u64,
    count: u32,
}

impl BitWriter {
    fn new(bytes: Vec<u8>) -> Self {
        let start = bytes.len();
        let mut writer = BitWriter {
            bytes,
            slots: [start, start + 2],
            ..BitWriter::default()
        };
        writer.bytes.resize(start + 4, 0);
        writer
    }

    fn write(&mut self, value: u32, count: u32) {
        self.bits = self.bits << count | u64::from(value);
        self.count += count;
        while self.count > 16 {
            self.count -= 16;
            self.word((self.bits >> self.count) as u16);
        }
    }

    fn word(&mut self, word: u16) {
        self.bytes[self.slots[0]..][..2].copy_from_slice(&word.to_le_bytes());
        self.slots = [self.slots[1], self.bytes.len()];
        self.bytes.extend([0; 2]);
    }

    fn symbol(&mut self, code: &Code, symbol: usize) {
        self.write(code.codewords[symbol], code.lengths[symbol].into());
    }

    /// Ends the last word: the bytes behind it come next.
    fn finish(mut self) -> Vec<u8> {
        let last = (self.bits << (16 - self.count)) as u16;
        self.bytes[self.slots[0]..][..2].copy_from_slice(&last.to_le_bytes());
        // The second slot was never used where nothing follows it.
        if self.slots[1] + 2 == self.bytes.len() {
            self.bytes.truncate(self.slots[1]);
        }
        self.bytes
    }
}

/// Compresses a chunk with XPRESS.
pub(crate) fn xpress(data: &[u8], skewed: bool) -> Vec<u8> {
    let steps = steps(data, 3, usize::from(u16::MAX));
    let symbol = |step: &Step| match *step {
        Step::Literal(byte) => byte.into(),
        Step::Match { offset, length } => {
            256 + (offset.ilog2() << 4) as usize + (length - 3).min(15)
        }
    };
    let used: Vec<usize> = steps.iter().map(symbol).collect();
    let lengths = codeword_lengths(512, &used, skewed);
    let table = lengths.chunks(2).map(|pair| pair[0] | pair[1] << 4);
    let mut writer = BitWriter::new(table.collect());
    let code = Code::new(lengths);
    for step in &steps {
        writer.symbol(&code, symbol(step));
        let Step::Match { offset, length } = *step else {
            continue;
        };
        match length - 3 {
            ..15 => {}
            long @ 15..270 => writer.bytes.push((long - 15) as u8),
            longer => {
                writer.bytes.push(0xFF);
                writer.bytes.extend((longer as u16).to_le_bytes());
            }
        }
        let bits = offset.ilog2();
        writer.write((offset - (1 << bits)) as u32, bits);
    }
    writer.finish()
}

/// How a block of an LZX chunk is to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LzxBlock {
    /// 1 verbatim, 2 aligned offset, 3 uncompressed
    pub(crate) kind: u32,
    /// Size in bytes at least, as far as there are data; 32768 is told by one bit.
    pub(crate) size: usize,
    pub(crate) skewed: bool,
}

/// Compresses a chunk with LZX; the blocks are used in turn.
pub(crate) fn lzx(data: &[u8], window_size: u32, blocks: &[LzxBlock]) -> Vec<u8> {
    let data = translate_calls(data);
    let slots = offset_slots(window_size);
    let mut steps = steps(&data, 2, 257).into_iter();
    let mut lengths = [vec![0; 256], vec![0; slots.len() * 8], vec![0; 249]];
    let mut recent = [1, 1, 1];
    let mut writer = BitWriter::new(Vec::new());
    let mut start = 0;
    for block in blocks.iter().cycle() {
        if start == data.len() {
            break;
        }
        let (mut taken, mut end) = (Vec::new(), start);
        while end - start < block.size {
            let Some(step) = steps.next() else { break };
            // A block of the usual size ends where it must: the match is cut, or given up.
            let left = block.size - (end - start);
            let (step, size) = match step {
                Step::Match { offset, length } if length > left && block.size == 1 << 15 => {
                    let rest = length - left;
                    let cut = |length| Step::Match { offset, length };
                    let (now, later) = (
                        as_steps(cut(left), &data, end),
                        as_steps(cut(rest), &data, end + left),
                    );
                    taken.extend(now);
                    steps = later
                        .into_iter()
                        .chain(steps)
                        .collect::<Vec<_>>()
                        .into_iter();
                    end += left;
                    continue;
                }
                Step::Match { length, .. } => (step, length),
                Step::Literal(_) => (step, 1),
            };
            taken.push(step);
            end += size;
        }
        writer.write(block.kind, 3);
        match end - start {
            0x8000 => writer.write(1, 1),
            size => {
                writer.write(0, 1);
                if window_size >= 1 << 16 {
                    writer.write(size as u32 >> 8, 16);
                    writer.write(size as u32 & 0xFF, 8);
                } else {
                    writer.write(size as u32, 16);
                }
            }
        }
        if block.kind == 3 {
            // The steps are not told, but new recent offsets are.
            for step in &taken {
                if let Step::Match { offset, .. } = *step {
                    recent = [offset, recent[0], recent[1]];
                }
            }
            // At least one bit of padding: a whole word where one had just ended.
            writer.write(0, 1);
            let mut bytes = writer.finish();
            bytes.extend(
                recent
                    .iter()
                    .flat_map(|&offset| (offset as u32).to_le_bytes()),
            );
            bytes.extend(&data[start..end]);
            bytes.resize(bytes.len().next_multiple_of(2), 0);
            writer = BitWriter::new(bytes);
        } else {
            lzx_block(
                &mut writer,
                *block,
                &taken,
                &slots,
                &mut lengths,
                &mut recent,
            );
        }
        start = end;
    }
    writer.finish()
}

/// A part of a match as literals where it is too short for a match.
fn as_steps(step: Step, data: &[u8], at: usize) -> Vec<Step> {
    match step {
        Step::Match { length: 1, .. } => vec![Step::Literal(data[at])],
        step => vec![step],
    }
}

/// Base and extra bits of every offset slot.
fn offset_slots(window_size: u32) -> Vec<(usize, u32)> {
    let mut slots = Vec::new();
    let mut base = 0;
    while base < window_size as usize {
        let bits = match slots.len() {
            slot @ 0..4 => slot as u32 / 4,
            slot @ 4..36 => slot as u32 / 2 - 1,
            _ => 17,
        };
        slots.push((base, bits));
        base += 1 << bits;
    }
    slots
}

fn lzx_block(
    writer: &mut BitWriter,
    block: LzxBlock,
    steps: &[Step],
    slots: &[(usize, u32)],
    lengths: &mut [Vec<u8>; 3],
    recent: &mut [usize; 3],
) {
    // Main symbol, length symbol, extra bits with their number.
    let mut coded = Vec::new();
    for step in steps {
        let Step::Match { offset, length } = *step else {
            let Step::Literal(byte) = *step else { continue };
            coded.push((usize::from(byte), None, (0, 0)));
            continue;
        };
        let (slot, extra) = match recent.iter().position(|&known| known == offset) {
            Some(slot) => {
                recent.swap(0, slot);
                (slot, (0, 0))
            }
            None => {
                *recent = [offset, recent[0], recent[1]];
                let number = offset + 2;
                let slot = slots.partition_point(|(base, _)| *base <= number) - 1;
                let (base, bits) = slots[slot];
                (slot, ((number - base) as u32, bits))
            }
        };
        let primary = (length - 2).min(7);
        let length_symbol = (primary == 7).then(|| length - 9);
        coded.push((256 + slot * 8 + primary, length_symbol, extra));
    }
    let mut main_used: Vec<usize> = coded.iter().map(|(main, ..)| *main).collect();
    let length_used: Vec<usize> = coded.iter().filter_map(|(_, length, _)| *length).collect();
    // A code of one symbol would not be complete, which compressors avoid.
    main_used.extend([0, 255]);
    let main = codeword_lengths(256 + slots.len() * 8, &main_used, block.skewed);
    let length = codeword_lengths(249, &length_used, block.skewed);
    let aligned = match block.skewed {
        true => vec![1, 2, 3, 4, 5, 6, 7, 7],
        false => vec![3; 8],
    };
    if block.kind == 2 {
        aligned
            .iter()
            .for_each(|&length| writer.write(length.into(), 3));
    }
    for (before, now) in lengths
        .iter_mut()
        .zip([&main[..256], &main[256..], &length])
    {
        write_lengths(writer, before, now);
    }
    let [main, length, aligned] = [main, length, aligned].map(Code::new);
    for (symbol, length_symbol, (extra, bits)) in coded {
        writer.symbol(&main, symbol);
        if let Some(symbol) = length_symbol {
            writer.symbol(&length, symbol);
        }
        if block.kind == 2 && bits >= 3 {
            writer.write(extra >> 3, bits - 3);
            writer.symbol(&aligned, (extra & 7) as usize);
        } else {
            writer.write(extra, bits);
        }
    }
}

/// Writes codeword lengths by their differences, with every kind of run.
fn write_lengths(writer: &mut BitWriter, before: &mut Vec<u8>, now: &[u8]) {
    let pre: Vec<u8> = (0..20)
        .map(|symbol| if symbol < 12 { 4 } else { 5 })
        .collect();
    pre.iter()
        .for_each(|&length| writer.write(length.into(), 4));
    let pre = Code::new(pre);
    let mut at = 0;
    while at < now.len() {
        let run = now[at..]
            .iter()
            .take_while(|&&length| length == now[at])
            .count();
        let difference = usize::from((before[at] + 17 - now[at]) % 17);
        at += match (now[at], run) {
            (0, 20..) => {
                writer.symbol(&pre, 18);
                writer.write(run.min(51) as u32 - 20, 5);
                run.min(51)
            }
            (0, 4..) => {
                writer.symbol(&pre, 17);
                writer.write(run as u32 - 4, 4);
                run
            }
            (_, 4..) => {
                writer.symbol(&pre, 19);
                writer.write(run.min(5) as u32 - 4, 1);
                writer.symbol(&pre, difference);
                run.min(5)
            }
            _ => {
                writer.symbol(&pre, difference);
                1
            }
        };
    }
    *before = now.to_vec();
}

/// Makes the targets of calls absolute, as LZX compressors do before all else.
fn translate_calls(data: &[u8]) -> Vec<u8> {
    const FILE_SIZE: i32 = 12_000_000;
    let mut data = data.to_vec();
    let mut at = 0;
    while at + 10 < data.len() {
        if data[at] != 0xE8 {
            at += 1;
            continue;
        }
        let bytes: [u8; 4] = data[at + 1..at + 5].try_into().unwrap();
        let (relative, position) = (i32::from_le_bytes(bytes), at as i32);
        if (-position..FILE_SIZE).contains(&relative) {
            let absolute = match relative < FILE_SIZE - position {
                true => relative + position,
                false => relative - FILE_SIZE,
            };
            data[at + 1..at + 5].copy_from_slice(&absolute.to_le_bytes());
        }
        at += 5;
    }
    data
}
