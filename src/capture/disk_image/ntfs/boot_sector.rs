//! The boot sector: how the volume is laid out, and where its master file table starts.
//!
//! Layout: `BIOS_PARAMETER_BLOCK` and `NTFS_BOOT_SECTOR` of the Linux-NTFS project's `layout.h`.

use nom::bytes::complete::take;
use nom::number::complete::{le_u8, le_u16, le_u64};
use nom::{IResult, Parser};

use crate::binary::{byte_array, structure};
use crate::error::{Error, Position};

/// What the boot sector says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BootSector {
    /// Size of a sector in bytes, 512 to 4,096.
    pub sector_size: u32,
    /// Size of a cluster in bytes, 512 B to 2 MiB.
    pub cluster_size: u32,
    /// Sectors of the volume, without the one that holds the backup of the boot sector.
    pub sector_count: u64,
    /// Cluster at which the master file table starts.
    pub mft_cluster: u64,
    /// Cluster at which the copy of the table's first records starts.
    pub mft_mirror_cluster: u64,
    /// Size of a record of the master file table, in bytes.
    pub record_size: u32,
    /// Size of a block of a directory's index, in bytes.
    pub index_block_size: u32,
    /// The volume's serial number, of which Windows shows the lower half.
    pub serial_number: u64,
}

impl BootSector {
    /// What is read of a boot sector, in bytes, whatever a sector's size.
    pub const SIZE: usize = 512;
    /// Sizes of sectors that are read, in bytes.
    pub const SECTOR_SIZES: [u32; 4] = [512, 1024, 2048, 4096];

    const OEM_ID: &'static [u8; 8] = b"NTFS    ";
    const OEM_ID_OFFSET: u64 = 3;
    const SECTOR_SIZE_OFFSET: u64 = 0x0B;
    const CLUSTER_SIZE_OFFSET: u64 = 0x0D;
    const MFT_CLUSTER_OFFSET: u64 = 0x30;
    const RECORD_SIZE_OFFSET: u64 = 0x40;
    const INDEX_BLOCK_SIZE_OFFSET: u64 = 0x44;
    const END_MARKER: [u8; 2] = [0x55, 0xAA];
    const END_MARKER_OFFSET: u64 = 0x1FE;
    const MAX_CLUSTER_SIZE: u32 = 2 << 20;
    /// An update sequence array lies within the first 512 bytes, which limits what it can cover.
    const MAX_RECORD_SIZE: u32 = 64 << 10;

    /// Reads a boot sector that stands at `position` of the volume.
    ///
    /// # Errors
    ///
    /// It is not one of NTFS, or has sizes that NTFS does not have.
    pub fn parse(bytes: &[u8; Self::SIZE], position: u64) -> Result<BootSector, Error> {
        let (_, fields) = structure("a boot sector", position, bytes, fields)?;
        let at = |offset| Position::Byte(position.saturating_add(offset));
        if &fields.oem_id != Self::OEM_ID {
            let found = format!("{:?}", String::from_utf8_lossy(&fields.oem_id));
            return Err(Error::malformed("\"NTFS    \"", found).at(at(Self::OEM_ID_OFFSET)));
        }
        if fields.end_marker != Self::END_MARKER {
            let found = format!("{:02x?}", fields.end_marker);
            return Err(Error::malformed("[55, aa]", found).at(at(Self::END_MARKER_OFFSET)));
        }
        let sector_size = u32::from(fields.sector_size);
        if !Self::SECTOR_SIZES.contains(&sector_size) {
            let expected = "a sector size of 512, 1024, 2048 or 4096";
            return Err(Error::malformed(expected, sector_size.to_string())
                .at(at(Self::SECTOR_SIZE_OFFSET)));
        }
        let cluster_size = cluster_size(sector_size, fields.sectors_per_cluster)
            .filter(|&size| size <= Self::MAX_CLUSTER_SIZE)
            .ok_or_else(|| {
                let found = format!("{:#04x}", fields.sectors_per_cluster);
                let expected = "sectors per cluster that make at most 2 MiB";
                Error::malformed(expected, found).at(at(Self::CLUSTER_SIZE_OFFSET))
            })?;
        let size = |field: u8, offset| {
            record_size(cluster_size, field.cast_signed())
                .filter(|size| (512..=Self::MAX_RECORD_SIZE).contains(size))
                .ok_or_else(|| {
                    let expected = "a record size of 512 B to 64 KiB";
                    Error::malformed(expected, format!("{field:#04x}")).at(at(offset))
                })
        };
        let cluster_count = fields.sector_count / u64::from(cluster_size / sector_size);
        if fields.mft_cluster == 0 || fields.mft_cluster > cluster_count {
            let expected = format!("a master file table in one of {cluster_count} clusters");
            let found = format!("cluster {}", fields.mft_cluster);
            return Err(Error::malformed(expected, found).at(at(Self::MFT_CLUSTER_OFFSET)));
        }
        Ok(BootSector {
            sector_size,
            cluster_size,
            sector_count: fields.sector_count,
            mft_cluster: fields.mft_cluster,
            mft_mirror_cluster: fields.mft_mirror_cluster,
            record_size: size(fields.record_size, Self::RECORD_SIZE_OFFSET)?,
            index_block_size: size(fields.index_block_size, Self::INDEX_BLOCK_SIZE_OFFSET)?,
            serial_number: fields.serial_number,
        })
    }

    /// The volume's size in bytes, with the sector that holds the backup of the boot sector.
    pub fn volume_size(&self) -> u64 {
        let sectors = self.sector_count.saturating_add(1);
        sectors.saturating_mul(self.sector_size.into())
    }
}

struct Fields {
    oem_id: [u8; 8],
    sector_size: u16,
    sectors_per_cluster: u8,
    sector_count: u64,
    mft_cluster: u64,
    mft_mirror_cluster: u64,
    record_size: u8,
    index_block_size: u8,
    serial_number: u64,
    end_marker: [u8; 2],
}

fn fields(bytes: &[u8]) -> IResult<&[u8], Fields> {
    let (rest, (_jump, oem_id)) = (take(3_usize), byte_array).parse(bytes)?;
    let (rest, (sector_size, sectors_per_cluster)) = (le_u16, le_u8).parse(rest)?;
    let (rest, (_bios, sector_count)) = (take(26_usize), le_u64).parse(rest)?;
    let (rest, (mft_cluster, mft_mirror_cluster)) = (le_u64, le_u64).parse(rest)?;
    let (rest, (record_size, _)) = (le_u8, take(3_usize)).parse(rest)?;
    let (rest, (index_block_size, _)) = (le_u8, take(3_usize)).parse(rest)?;
    let (rest, serial_number) = le_u64(rest)?;
    let (rest, (_checksum_and_code, end_marker)) = (take(430_usize), byte_array).parse(rest)?;
    let fields = Fields {
        oem_id,
        sector_size,
        sectors_per_cluster,
        sector_count,
        mft_cluster,
        mft_mirror_cluster,
        record_size,
        index_block_size,
        serial_number,
        end_marker,
    };
    Ok((rest, fields))
}

/// A count of sectors up to 128; above, the negative of the exponent of a power of two.
fn cluster_size(sector_size: u32, sectors_per_cluster: u8) -> Option<u32> {
    let sectors = match sectors_per_cluster {
        count @ 0..=128 => u32::from(count),
        exponent => 1_u32.checked_shl(256 - u32::from(exponent))?,
    };
    let size = sector_size.checked_mul(sectors)?;
    size.is_power_of_two().then_some(size)
}

/// A count of clusters, or where negative, the exponent of a power of two in bytes.
fn record_size(cluster_size: u32, field: i8) -> Option<u32> {
    let size = match u32::try_from(field) {
        Ok(clusters) => cluster_size.checked_mul(clusters)?,
        Err(_) => 1_u32.checked_shl(field.unsigned_abs().into())?,
    };
    size.is_power_of_two().then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_counts_or_exponents() {
        assert_eq!(cluster_size(512, 8), Some(4096));
        assert_eq!(cluster_size(512, 128), Some(64 << 10));
        assert_eq!(cluster_size(512, 0xF4), Some(2 << 20));
        assert_eq!(cluster_size(4096, 0xF7), Some(2 << 20));
        assert_eq!(cluster_size(512, 3), None);
        assert_eq!(cluster_size(512, 0), None);
        assert_eq!(cluster_size(512, 0x81), None);
        assert_eq!(record_size(4096, -10), Some(1024));
        assert_eq!(record_size(512, 2), Some(1024));
        assert_eq!(record_size(4096, 0), None);
        assert_eq!(record_size(4096, -128), None);
    }
}
