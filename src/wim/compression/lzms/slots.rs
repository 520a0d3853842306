//! Slots: ranges of numbers, of which a symbol names one and bits behind it the number.

/// A range of numbers: from `base` on, as many as `extra_bits` can tell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) base: u32,
    pub(super) extra_bits: u32,
}

const LENGTH_SLOT_COUNT: usize = 54;
const OFFSET_SLOT_COUNT: usize = 799;

/// How many slots in a row have how many extra bits.
type Run = (usize, u32);

const LENGTH_RUNS: [Run; 13] = [
    (26, 0),
    (4, 1),
    (6, 2),
    (4, 3),
    (5, 4),
    (2, 5),
    (1, 6),
    (1, 7),
    (1, 8),
    (1, 9),
    (1, 10),
    (1, 16),
    (1, 30),
];

const OFFSET_RUNS: [Run; 21] = [
    (8, 0),
    (9, 2),
    (7, 3),
    (10, 4),
    (15, 5),
    (15, 6),
    (20, 7),
    (20, 8),
    (30, 9),
    (33, 10),
    (40, 11),
    (42, 12),
    (45, 13),
    (60, 14),
    (73, 15),
    (80, 16),
    (85, 17),
    (95, 18),
    (105, 19),
    (6, 20),
    (1, 30),
];

/// Lengths of matches.
pub(super) static LENGTHS: [Slot; LENGTH_SLOT_COUNT] = slots(&LENGTH_RUNS);
/// Offsets of matches.
pub(super) static OFFSETS: [Slot; OFFSET_SLOT_COUNT] = slots(&OFFSET_RUNS);

/// The slots of these runs, which start at 1 and leave no number out.
const fn slots<const COUNT: usize>(runs: &[Run]) -> [Slot; COUNT] {
    let mut slots = [Slot {
        base: 1,
        extra_bits: 0,
    }; COUNT];
    let (mut slot, mut base, mut run) = (0, 1, 0);
    while run < runs.len() {
        let (count, extra_bits) = runs[run];
        let mut of_run = 0;
        while of_run < count {
            slots[slot] = Slot { base, extra_bits };
            base += 1 << extra_bits;
            slot += 1;
            of_run += 1;
        }
        run += 1;
    }
    assert!(slot == COUNT);
    slots
}

/// How many offset slots a chunk of this size can need.
pub(super) fn offset_slot_count(size: usize) -> usize {
    OFFSETS.partition_point(|slot| (slot.base as usize) < size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_slots_are_where_they_should_be() {
        let last = LENGTHS[LENGTH_SLOT_COUNT - 1];
        assert_eq!((last.base, last.extra_bits), (0x0001_08AB, 30));
        let last = OFFSETS[OFFSET_SLOT_COUNT - 1];
        assert_eq!((last.base, last.extra_bits), (0x065B_E4A5, 30));
    }

    #[test]
    fn a_chunk_has_slots_for_all_offsets_within_it() {
        for (size, count) in [(0, 0), (1, 0), (2, 1), (9, 8), (10, 9), (13, 9), (14, 10)] {
            assert_eq!(offset_slot_count(size), count, "{size} bytes");
        }
    }
}
