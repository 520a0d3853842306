//! The data of a file that NTFS compresses: in units of several clusters, each compressed on its own by LZNT1, or stored
//! as it is where compressing it saves no cluster.

use std::rc::Rc;

use super::attribute_stream::AttributeStream;
use super::lznt1;
use crate::allowance::Allowance;
use crate::capture::disk_image::recently_used::RecentlyUsed;
use crate::error::{Error, Position};

/// The decompressed data of a value.
pub(super) struct CompressedStream {
    stored: AttributeStream,
    unit_clusters: u64,
    allowance: Allowance,
    /// A hive is read here and there.
    units: RecentlyUsed<u64, Rc<[u8]>>,
}

impl CompressedStream {
    /// Windows compresses 16 clusters of at most 4 KiB together.
    const MAX_UNIT_SIZE: u64 = 1 << 20;
    const KEPT_UNITS: usize = 8;

    /// Takes a value that is stored in units of `1 << exponent` clusters.
    pub(super) fn new(stored: AttributeStream, exponent: u16) -> Result<Self, Error> {
        let unit_clusters = 1_u64.checked_shl(exponent.into()).filter(|_| exponent > 0);
        let is_known = |clusters: &u64| {
            let size = clusters.checked_mul(stored.cluster_size());
            size.is_some_and(|size| size <= Self::MAX_UNIT_SIZE)
        };
        let Some(unit_clusters) = unit_clusters.filter(is_known) else {
            let expected = "compression units of at most 1 MiB";
            let found = format!("2^{exponent} clusters of {}", stored.cluster_size());
            return Err(Error::malformed(expected, found).at(stored.place_of(0)));
        };
        Ok(CompressedStream {
            allowance: stored.allowance(),
            stored,
            unit_clusters,
            units: RecentlyUsed::new(Self::KEPT_UNITS),
        })
    }

    pub(super) fn size(&self) -> u64 {
        self.stored.size()
    }

    /// The value as it is stored.
    pub(super) fn stored(&self) -> &AttributeStream {
        &self.stored
    }

    /// Fills `bytes` from `offset` on, which the caller keeps within the size.
    pub(super) fn read_at(&self, mut offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let written = self.stored.initialized_size().saturating_sub(offset);
        let written = usize::try_from(written).unwrap_or(usize::MAX);
        let (mut rest, zeros) = bytes.split_at_mut(written.min(bytes.len()));
        zeros.fill(0);
        let unit_size = self.unit_clusters * self.stored.cluster_size();
        while !rest.is_empty() {
            let number = offset / unit_size;
            let unit = self.units.get_or_read(number, || self.unit(number))?;
            let from = &unit[(offset % unit_size) as usize..];
            let length = from.len().min(rest.len());
            let (now, later) = rest.split_at_mut(length);
            now.copy_from_slice(&from[..length]);
            rest = later;
            offset += length as u64;
        }
        Ok(())
    }

    /// Where the unit starts on the volume that a byte of the data lies in.
    pub(super) fn place_of(&self, offset: u64) -> Position {
        let unit_size = self.unit_clusters * self.stored.cluster_size();
        self.stored.place_of(offset - offset % unit_size)
    }

    fn unit(&self, number: u64) -> Result<Rc<[u8]>, Error> {
        let cluster_size = self.stored.cluster_size();
        let mut unit = vec![0; (self.unit_clusters * cluster_size) as usize];
        let first_vcn = number * self.unit_clusters;
        let (stored, has_hole) = self.stored_clusters(first_vcn)?;
        let start = first_vcn * cluster_size;
        let length = (stored * cluster_size) as usize;
        if stored == 0 {
            return Ok(unit.into());
        }
        self.stored.read_stored(start, &mut unit[..length])?;
        if !has_hole {
            return Ok(unit.into());
        }
        self.allowance.decompress(unit.len())?;
        let mut data = vec![0; unit.len()];
        let left = self.size().saturating_sub(start);
        match lznt1::decompress(&unit[..length], &mut data) {
            // In the last unit, data that fill their clusters may be stored as they are, with a hole behind.
            Ok(held) if length as u64 == left && (held as u64) < left => Ok(unit.into()),
            Err(_) if length as u64 == left => Ok(unit.into()),
            Ok(_) => Ok(data.into()),
            Err(error) => Err(self.stored.placed(error, start)),
        }
    }

    /// How many clusters of a unit are stored, and whether others of it are not, which means that it is compressed. The
    /// last unit may end without a hole.
    fn stored_clusters(&self, first_vcn: u64) -> Result<(u64, bool), Error> {
        let end = first_vcn + self.unit_clusters;
        let mut vcn = first_vcn;
        while vcn < end {
            let run = match vcn == first_vcn || self.stored.has_cluster(vcn)? {
                true => self.stored.run(vcn)?,
                false => return Ok((vcn - first_vcn, false)),
            };
            if run.lcn.is_none() {
                return Ok((vcn - first_vcn, true));
            }
            vcn = run.end();
        }
        Ok((self.unit_clusters, false))
    }
}
