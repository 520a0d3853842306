//! Run lists: in which clusters of the volume the value of an attribute lies ("mapping pairs").

use crate::error::{Error, Position};

/// Clusters of a value that lie side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The first of them, counted in the value.
    pub(super) vcn: u64,
    /// How many there are.
    pub(super) length: u64,
    /// The first of them, counted on the volume; `None` where nothing is stored and all bytes are 0.
    pub(super) lcn: Option<u64>,
}

impl Run {
    /// The cluster behind the last one, counted in the value.
    pub(super) fn end(&self) -> u64 {
        self.vcn + self.length
    }

    /// Where a cluster of the value that lies in this run is on the volume.
    pub(super) fn lcn_of(&self, vcn: u64) -> Option<u64> {
        self.lcn.map(|lcn| lcn + (vcn - self.vcn))
    }
}

/// The runs of one attribute, or of a part of it, in the value's order and without gaps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RunList(Vec<Run>);

impl RunList {
    /// Clusters beyond this number lie on no volume: a position in bytes must fit 63 bits with clusters of 2 MiB.
    const MAX_CLUSTER: u64 = 1 << 42;
    /// More runs than this are not joined to one list, which would take some 24 MiB.
    const MAX_RUNS: usize = 1 << 20;
    /// Size in bytes of the longest number that there can be.
    const MAX_NUMBER_SIZE: usize = 8;

    /// Reads a run list that stands at `position` of the volume, of a value's clusters from `first_vcn` on.
    ///
    /// # Errors
    ///
    /// The list has no end, or a number in it is too large.
    pub(super) fn parse(bytes: &[u8], first_vcn: u64, position: u64) -> Result<RunList, Error> {
        let mut runs = Vec::new();
        let mut rest = bytes;
        let mut vcn = first_vcn;
        let mut lcn: i64 = 0;
        loop {
            let at = Position::Byte(position.saturating_add((bytes.len() - rest.len()) as u64));
            let Some((&sizes, numbers)) = rest.split_first() else {
                return Err(
                    Error::malformed("the end of a run list", "the attribute's end").at(at),
                );
            };
            if sizes == 0 {
                return Ok(RunList(runs));
            }
            let (length_size, lcn_size) = (usize::from(sizes & 0xF), usize::from(sizes >> 4));
            if length_size.max(lcn_size) > Self::MAX_NUMBER_SIZE
                || length_size + lcn_size > numbers.len()
            {
                let expected = "a run of numbers of at most 8 bytes within the attribute";
                return Err(Error::malformed(expected, format!("sizes {sizes:#04x}")).at(at));
            }
            let (number, behind) = numbers.split_at(length_size);
            let length = u64::try_from(signed(number)).ok();
            let (number, behind) = behind.split_at(lcn_size);
            let start = match lcn_size {
                0 => Some(None),
                _ => lcn.checked_add(signed(number)).map(Some),
            };
            let run = length.zip(start).and_then(|(length, start)| {
                Some(Run {
                    vcn,
                    length,
                    lcn: start.map(u64::try_from).transpose().ok()?,
                })
            });
            let is_possible = |run: &Run| {
                let end = run.vcn.checked_add(run.length);
                let lcn_end = run.lcn.unwrap_or(0).checked_add(run.length);
                run.length > 0
                    && end.is_some_and(|end| end <= Self::MAX_CLUSTER)
                    && lcn_end.is_some_and(|end| end <= Self::MAX_CLUSTER)
            };
            let Some(run) = run.filter(is_possible) else {
                let found = format!("{:02x?}", &rest[..1 + length_size + lcn_size]);
                return Err(Error::malformed("a run of clusters of a volume", found).at(at));
            };
            lcn = start.flatten().unwrap_or(lcn);
            vcn = run.end();
            rest = behind;
            runs.push(run);
        }
    }

    /// Adds the runs of the next part of the value.
    ///
    /// # Errors
    ///
    /// The part starts elsewhere than this one ends, or there are more runs than are kept.
    pub(super) fn append(&mut self, next: RunList) -> Result<(), Error> {
        if self.0.len() + next.0.len() > Self::MAX_RUNS {
            let expected = format!("at most {} runs of clusters", Self::MAX_RUNS);
            return Err(Error::malformed(expected, "more"));
        }
        if let Some(first) = next.0.first()
            && first.vcn != self.end()
        {
            let expected = format!("a run list that goes on at cluster {}", self.end());
            return Err(Error::malformed(expected, format!("cluster {}", first.vcn)));
        }
        self.0.extend(next.0);
        Ok(())
    }

    /// The cluster behind the last one, counted in the value; 0 where there are none.
    pub(super) fn end(&self) -> u64 {
        self.0.last().map_or(0, Run::end)
    }

    /// The run in which a cluster of the value lies.
    pub(super) fn find(&self, vcn: u64) -> Option<Run> {
        let number = self.0.partition_point(|run| run.end() <= vcn);
        self.0.get(number).copied().filter(|run| run.vcn <= vcn)
    }

    pub(super) fn runs(&self) -> &[Run] {
        &self.0
    }
}

/// A signed little-endian number of at most eight bytes.
fn signed(bytes: &[u8]) -> i64 {
    let fill = match bytes.last() {
        Some(last) if last & 0x80 != 0 => 0xFF,
        _ => 0,
    };
    let mut number = [fill; 8];
    number[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(vcn: u64, length: u64, lcn: Option<u64>) -> Run {
        Run { vcn, length, lcn }
    }

    #[test]
    fn runs_count_from_the_one_before_and_holes_do_not_move_it() {
        let bytes = [0x11, 4, 0x20, 0x01, 2, 0x11, 1, 0xF0, 0x12, 0, 1, 1, 0];
        let list = RunList::parse(&bytes, 10, 0).unwrap();
        let runs = [
            run(10, 4, Some(0x20)),
            run(14, 2, None),
            run(16, 1, Some(0x10)),
            run(17, 256, Some(0x11)),
        ];
        assert_eq!(list.runs(), runs);
        assert_eq!(list.find(15), Some(runs[1]));
        assert_eq!(list.find(16).unwrap().lcn_of(16), Some(0x10));
        assert_eq!(list.find(9), None);
        assert_eq!(list.find(273), None);
        assert_eq!(list.end(), 273);
    }

    #[test]
    fn impossible_runs_are_errors_with_their_place() {
        for bytes in [
            &[0x11, 4, 0x20][..],
            &[0x11, 4],
            &[0x19, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x91, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x11, 4, 0xF0, 0],
            &[0x11, 0x80, 1, 0],
            &[0x11, 0, 1, 0],
            &[0x10, 1, 0],
            &[0x08, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            &[0x81, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0],
        ] {
            let error = RunList::parse(bytes, 0, 0x100).unwrap_err();
            assert!(error.position().unwrap().byte() >= 0x100, "{bytes:02x?}");
        }
        assert!(RunList::parse(&[0x01, 1, 0], u64::MAX, 0).is_err());
    }

    #[test]
    fn the_next_part_goes_on_where_this_one_ends() {
        let mut list = RunList(vec![run(0, 3, Some(5))]);
        assert!(list.append(RunList(vec![run(4, 1, None)])).is_err());
        list.append(RunList(vec![run(3, 1, None)])).unwrap();
        assert_eq!(list.end(), 4);
    }
}
