//! Compresses LZMS chunks for the tests: greedily, with every construct of the format.

use std::collections::{BinaryHeap, HashMap};

/// Which matches are looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LzmsStyle {
    pub(crate) matches: bool,
    pub(crate) deltas: bool,
    /// The shortest match from a recent source; the format allows for 1.
    pub(crate) shortest_recent: usize,
}

impl LzmsStyle {
    pub(crate) const ALL: LzmsStyle = LzmsStyle {
        matches: true,
        deltas: true,
        shortest_recent: 2,
    };
}

/// Compresses a chunk.
pub(crate) fn lzms(data: &[u8], style: LzmsStyle) -> Vec<u8> {
    let data = translate_addresses(data);
    let mut writer = Writer::new(data.len());
    let mut finder = Finder::default();
    let mut at = 0;
    while at < data.len() {
        let item = writer.best_item(&data, at, style, &finder);
        let length = item.length();
        writer.write(item);
        for place in at..at + length {
            finder.insert(&data, place, style);
        }
        at += length;
    }
    writer.finish()
}

#[derive(Debug, Clone, Copy)]
enum Item {
    Literal(u8),
    Match { offset: usize, length: usize },
    Delta { source: Delta, length: usize },
}

impl Item {
    fn length(&self) -> usize {
        match *self {
            Item::Literal(_) => 1,
            Item::Match { length, .. } | Item::Delta { length, .. } => length,
        }
    }
}

/// Power and offset in units of two to that power.
type Delta = (usize, usize);

const KEY: usize = 3;

/// Where bytes, and differences of bytes, were seen last.
#[derive(Default)]
struct Finder {
    bytes: HashMap<[u8; KEY], usize>,
    /// By power, place within the span, and differences.
    deltas: HashMap<(usize, usize, [u8; KEY]), usize>,
}

impl Finder {
    fn insert(&mut self, data: &[u8], at: usize, style: LzmsStyle) {
        if let Some(key) = data[at..].first_chunk() {
            self.bytes.insert(*key, at);
        }
        for power in (0..8).filter(|_| style.deltas) {
            if let Some(key) = delta_key(data, at, power) {
                self.deltas.insert(key, at);
            }
        }
    }
}

fn delta_key(data: &[u8], at: usize, power: usize) -> Option<(usize, usize, [u8; KEY])> {
    let span = 1 << power;
    if at < span || at + KEY > data.len() {
        return None;
    }
    let difference = |i: usize| data[at + i].wrapping_sub(data[at + i - span]);
    Some((power, at % span, [0, 1, 2].map(difference)))
}

fn match_length(data: &[u8], at: usize, offset: usize) -> usize {
    if offset > at {
        return 0;
    }
    let places = at..data.len();
    places.take_while(|&i| data[i] == data[i - offset]).count()
}

fn delta_length(data: &[u8], at: usize, (power, raw_offset): Delta) -> usize {
    let (span, offset) = (1 << power, raw_offset << power);
    if offset + span > at {
        return 0;
    }
    let fits = |i: usize| {
        let there = data[i - offset].wrapping_sub(data[i - offset - span]);
        data[i].wrapping_sub(data[i - span]) == there
    };
    (at..data.len()).take_while(|&i| fits(i)).count()
}

/// Recent sources, by the items after which they can be named.
struct Recent<T> {
    named: Vec<T>,
    /// The last source and the number of its item.
    waiting: Option<(T, usize)>,
}

impl<T: Copy + PartialEq> Recent<T> {
    fn new(sources: [T; 4]) -> Self {
        Recent {
            named: sources.to_vec(),
            waiting: None,
        }
    }

    /// Before item `number`, which is a match of this kind: what can be named by it.
    fn arrive(&mut self, number: usize) -> Vec<T> {
        if self.waiting.is_some_and(|(_, used)| used + 1 < number) {
            self.settle();
        }
        self.named[..3].to_vec()
    }

    fn settle(&mut self) {
        if let Some((source, _)) = self.waiting.take() {
            self.named.insert(0, source);
        }
    }

    /// Item `number` uses a source. Returns by what age it is named, if by any.
    fn make_use(&mut self, source: T, number: usize) -> Option<usize> {
        let age = self
            .arrive(number)
            .iter()
            .position(|known| *known == source);
        if let Some(age) = age {
            self.named.remove(age);
        }
        self.settle();
        self.waiting = Some((source, number));
        age
    }
}

struct Writer {
    ranges: RangeEncoder,
    bits: Vec<bool>,
    /// Number of the next item.
    number: usize,
    offsets: Recent<usize>,
    deltas: Recent<Delta>,
    main: Context,
    kind: Context,
    recent_offset: [Context; 3],
    recent_delta: [Context; 3],
    literal: AdaptiveCode,
    length: AdaptiveCode,
    offset: AdaptiveCode,
    delta_power: AdaptiveCode,
    delta_offset: AdaptiveCode,
    length_slots: Vec<(usize, u32)>,
    offset_slots: Vec<(usize, u32)>,
}

impl Writer {
    fn new(size: usize) -> Writer {
        let length_slots = slots(&[
            26, 4, 6, 4, 5, 2, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 1,
        ]);
        let mut offset_slots = slots(&[
            8, 0, 9, 7, 10, 15, 15, 20, 20, 30, 33, 40, 42, 45, 60, 73, 80, 85, 95, 105, 6,
        ]);
        offset_slots.retain(|(base, _)| *base < size);
        let context = |states| Context {
            states,
            state: 0,
            recent: vec![0x5555_5555; states],
        };
        let contexts = || [context(64), context(64), context(64)];
        Writer {
            ranges: RangeEncoder::default(),
            bits: Vec::new(),
            number: 0,
            offsets: Recent::new([1, 2, 3, 4]),
            deltas: Recent::new([(0, 1), (0, 2), (0, 3), (0, 4)]),
            main: context(16),
            kind: context(32),
            recent_offset: contexts(),
            recent_delta: contexts(),
            literal: AdaptiveCode::new(256, 1024),
            length: AdaptiveCode::new(length_slots.len(), 512),
            offset: AdaptiveCode::new(offset_slots.len(), 1024),
            delta_power: AdaptiveCode::new(8, 512),
            delta_offset: AdaptiveCode::new(offset_slots.len(), 1024),
            length_slots,
            offset_slots,
        }
    }

    fn best_item(&mut self, data: &[u8], at: usize, style: LzmsStyle, finder: &Finder) -> Item {
        let mut best = Item::Literal(data[at]);
        let mut offer = |item: Item, shortest: usize| {
            let length = item.length();
            let is_literal = matches!(best, Item::Literal(_));
            if length >= shortest && (is_literal || length > best.length()) {
                best = item;
            }
        };
        let number = self.number;
        if style.matches {
            for offset in self.offsets.arrive(number) {
                let length = match_length(data, at, offset);
                offer(Item::Match { offset, length }, style.shortest_recent);
            }
            let key = data[at..].first_chunk();
            if let Some(from) = key.and_then(|key| finder.bytes.get(key)) {
                let offset = at - from;
                let length = match_length(data, at, offset);
                offer(Item::Match { offset, length }, KEY);
            }
        }
        if style.deltas {
            for source in self.deltas.arrive(number) {
                let length = delta_length(data, at, source);
                offer(Item::Delta { source, length }, style.shortest_recent);
            }
            for power in 0..8 {
                let key = delta_key(data, at, power);
                if let Some(from) = key.and_then(|key| finder.deltas.get(&key)) {
                    let source = (power, (at - from) >> power);
                    let length = delta_length(data, at, source);
                    offer(Item::Delta { source, length }, KEY + 1);
                }
            }
        }
        best
    }

    fn write(&mut self, item: Item) {
        let (ranges, bits) = (&mut self.ranges, &mut self.bits);
        match item {
            Item::Literal(byte) => {
                self.main.encode(ranges, false);
                self.literal.encode(bits, byte.into());
            }
            Item::Match { offset, length } => {
                self.main.encode(ranges, true);
                self.kind.encode(ranges, false);
                let age = self.offsets.make_use(offset, self.number);
                encode_age(ranges, &mut self.recent_offset, age);
                if age.is_none() {
                    encode_number(bits, &mut self.offset, &self.offset_slots, offset);
                }
                encode_number(bits, &mut self.length, &self.length_slots, length);
            }
            Item::Delta { source, length } => {
                self.main.encode(ranges, true);
                self.kind.encode(ranges, true);
                let age = self.deltas.make_use(source, self.number);
                encode_age(ranges, &mut self.recent_delta, age);
                if age.is_none() {
                    self.delta_power.encode(bits, source.0);
                    encode_number(bits, &mut self.delta_offset, &self.offset_slots, source.1);
                }
                encode_number(bits, &mut self.length, &self.length_slots, length);
            }
        }
        self.number += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        let length = self.bits.len().next_multiple_of(16);
        self.bits.resize(length, false);
        let words = self.bits.chunks(16);
        let words = words.map(|word| word.iter().fold(0, |word, &bit| word << 1 | u16::from(bit)));
        let mut all = self.ranges.finish();
        all.extend(words.rev());
        all.into_iter().flat_map(u16::to_le_bytes).collect()
    }
}

/// Base and extra bits of slots; so many of them have 0, 1, 2 and so on extra bits.
fn slots(counts: &[usize]) -> Vec<(usize, u32)> {
    let mut base = 1;
    let mut slots = Vec::new();
    for (bits, &count) in (0..).zip(counts) {
        for _ in 0..count {
            slots.push((base, bits));
            base += 1 << bits;
        }
    }
    slots
}

fn encode_age(ranges: &mut RangeEncoder, contexts: &mut [Context; 3], age: Option<usize>) {
    contexts[0].encode(ranges, age.is_some());
    let Some(age) = age else { return };
    contexts[1].encode(ranges, age > 0);
    if age > 0 {
        contexts[2].encode(ranges, age > 1);
    }
}

fn encode_number(
    bits: &mut Vec<bool>,
    code: &mut AdaptiveCode,
    slots: &[(usize, u32)],
    number: usize,
) {
    let slot = slots.partition_point(|(base, _)| *base <= number) - 1;
    code.encode(bits, slot);
    let (base, extra_bits) = slots[slot];
    push_bits(bits, number - base, extra_bits);
}

fn push_bits(bits: &mut Vec<bool>, value: usize, count: u32) {
    bits.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
}

/// One kind of decision.
struct Context {
    states: usize,
    state: usize,
    /// The last 64 outcomes in each state.
    recent: Vec<u64>,
}

impl Context {
    fn encode(&mut self, ranges: &mut RangeEncoder, bit: bool) {
        let recent = &mut self.recent[self.state];
        ranges.encode(recent.count_zeros().clamp(1, 63), bit);
        *recent = *recent << 1 | u64::from(bit);
        self.state = (self.state * 2 + usize::from(bit)) % self.states;
    }
}

struct RangeEncoder {
    low: u64,
    range: u32,
    /// The last word that a carry can change, and how many words of ones follow it.
    last: Option<u16>,
    ones: usize,
    words: Vec<u16>,
}

impl Default for RangeEncoder {
    fn default() -> Self {
        RangeEncoder {
            low: 0,
            range: u32::MAX,
            last: None,
            ones: 0,
            words: Vec::new(),
        }
    }
}

impl RangeEncoder {
    fn encode(&mut self, zeros: u32, bit: bool) {
        let bound = (self.range >> 6) * zeros;
        if bit {
            self.low += u64::from(bound);
            self.range -= bound;
        } else {
            self.range = bound;
        }
        if self.range <= 0xFFFF {
            self.range <<= 16;
            self.shift();
        }
    }

    /// Gives the highest word out, when no carry can change it any more.
    fn shift(&mut self) {
        let carry = (self.low >> 32) as u16;
        let word = (self.low >> 16) as u16;
        if carry == 0 && word == u16::MAX {
            self.ones += 1;
        } else {
            self.words.extend(self.last.map(|last| last + carry));
            let ones = u16::MAX.wrapping_add(carry);
            self.words.extend(vec![ones; self.ones]);
            self.ones = 0;
            self.last = Some(word);
        }
        self.low = (self.low & 0xFFFF) << 16;
    }

    fn finish(mut self) -> Vec<u16> {
        for _ in 0..4 {
            self.shift();
        }
        self.words
    }
}

struct AdaptiveCode {
    counts: Vec<u32>,
    period: usize,
    until_renewed: usize,
    /// Codeword and length of each symbol.
    codewords: Vec<(usize, u32)>,
}

impl AdaptiveCode {
    fn new(symbols: usize, period: usize) -> Self {
        let counts = vec![1; symbols];
        AdaptiveCode {
            codewords: codewords(&counts),
            counts,
            period,
            until_renewed: period,
        }
    }

    fn encode(&mut self, bits: &mut Vec<bool>, symbol: usize) {
        let (codeword, length) = self.codewords[symbol];
        push_bits(bits, codeword, length);
        self.counts[symbol] += 1;
        self.until_renewed -= 1;
        if self.until_renewed == 0 {
            self.until_renewed = self.period;
            self.codewords = codewords(&self.counts);
            self.counts
                .iter_mut()
                .for_each(|count| *count = *count / 2 + 1);
        }
    }
}

/// A canonical Huffman code; of equally heavy nodes leaves are joined first.
fn codewords(counts: &[u32]) -> Vec<(usize, u32)> {
    use std::cmp::Reverse;
    // Weight, whether it is no leaf, number; the symbols below it.
    let mut heap = BinaryHeap::new();
    for (symbol, &count) in counts.iter().enumerate() {
        heap.push(Reverse((count, false, symbol, vec![symbol])));
    }
    let mut lengths = vec![u32::from(counts.len() == 1); counts.len()];
    let mut number = 0;
    while heap.len() > 1 {
        let pair = [heap.pop(), heap.pop()].map(|node| node.unwrap().0);
        let [(first, .., mut symbols), (second, .., more)] = pair;
        symbols.extend(more);
        symbols.iter().for_each(|&symbol| lengths[symbol] += 1);
        heap.push(Reverse((first + second, true, number, symbols)));
        number += 1;
    }
    let mut symbols: Vec<usize> = (0..counts.len()).collect();
    symbols.sort_by_key(|&symbol| (lengths[symbol], symbol));
    let mut codewords = vec![(0, 0); counts.len()];
    let (mut next, mut length) = (0, 0);
    for symbol in symbols {
        next <<= lengths[symbol] - length;
        length = lengths[symbol];
        codewords[symbol] = (next, length);
        next += 1;
    }
    codewords
}

/// Makes addresses in what looks like x86 code absolute.
fn translate_addresses(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    let mut last_uses: HashMap<u16, usize> = HashMap::new();
    let mut last_code = None;
    let mut at = 1;
    while at + 16 < data.len() {
        let (size, believed) = match data[at..at + 3] {
            [0xE8, ..] => (1, 511),
            [0xE9, ..] => {
                at += 5;
                continue;
            }
            [0xFF, 0x15, _] => (2, 1023),
            [0xF0, 0x83, 0x05] => (3, 1023),
            [0x48 | 0x4C, 0x8D, operands] if operands & 7 == 5 => (3, 1023),
            [0x48, 0x8B, 0x05 | 0x0D] => (3, 1023),
            _ => {
                at += 1;
                continue;
            }
        };
        let bytes: [u8; 4] = data[at + size..][..4].try_into().unwrap();
        let relative = u32::from_le_bytes(bytes);
        let absolute = relative.wrapping_add(at as u32);
        if last_code.is_some_and(|last| at as i64 - last as i64 <= believed) {
            data[at + size..][..4].copy_from_slice(&absolute.to_le_bytes());
        }
        let end = at + size + 3;
        let before = last_uses.insert(absolute as u16, end);
        if before.is_some_and(|before| end - before <= 0xFFFF) {
            last_code = Some(end);
        }
        at = end + 1;
    }
    data
}
