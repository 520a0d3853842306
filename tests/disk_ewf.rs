//! Disks come out of E01s as they were packed in.
#![cfg(feature = "disk-image")]

#[path = "support/disk_image_files.rs"]
mod disk_image_files;
#[path = "support/ewf_writer.rs"]
mod ewf_writer;

use dism_mount_status::WarningCode;
use dism_mount_status::capture::disk_image::{ContainerFormat, Disk};
use dism_mount_status::capture::read_at::ReadAt;
use proptest::prelude::*;

use disk_image_files::{
    codes, contents, disks, is_noticed_or_the_same, open, open_sound, refusal, try_all,
};
use ewf_writer::{Ewf, seal};

type Files = Vec<(&'static str, Vec<u8>)>;

/// Chunks of 1 KiB, half of them compressed; three tables of five chunks in a segment.
fn ewf(disk: &[u8]) -> Files {
    let segments = Ewf {
        disk,
        sectors_per_chunk: 2,
        chunks_per_table: 5,
        tables_per_segment: 3,
        is_compressed: &|index| index % 2 == 0,
    }
    .to_segments();
    const NAMES: [&str; 4] = ["a.E01", "a.E02", "a.E03", "a.E04"];
    assert!(segments.len() <= NAMES.len());
    NAMES.into_iter().zip(segments).collect()
}

/// Four segments, and a last chunk of half the size.
fn long_disk() -> Vec<u8> {
    (0..55 * 1024 + 512)
        .map(|index| (index / 7 % 251) as u8)
        .collect()
}

#[test]
fn an_e01_is_put_together_from_its_segments() {
    let data = long_disk();
    let files = ewf(&data);
    assert_eq!(files.len(), 4);
    assert!(Disk::is_disk_image(&files[0].1).unwrap());
    let disk = open_sound(&files);
    assert_eq!(
        (disk.format(), disk.variant(), disk.sector_size()),
        (ContainerFormat::Ewf, "", Some(512))
    );
    assert!(contents(&disk) == data);
    let error = refusal(&files[1..]);
    assert!(
        error.is_unsupported() && error.to_string().contains("a.E01"),
        "{error}"
    );
}

#[test]
fn what_lies_in_the_segments_that_are_there_is_read() {
    let data = long_disk();
    let mut files = ewf(&data);
    files.remove(2);
    let (disk, warnings) = open(&files).unwrap();
    assert_eq!(codes(&warnings), [WarningCode::PartMissing; 2]);
    assert!(
        warnings.as_slice()[0]
            .message()
            .contains("put a.E03 into the same folder")
    );
    assert_eq!(disk.size(), data.len() as u64);
    let mut start = vec![0; 30 * 1024];
    disk.read_exact_at(0, &mut start).unwrap();
    assert!(start == data[..start.len()]);
    assert!(disk.read_exact_at(30 * 1024, &mut [0]).is_err());
    // Without a name to go by, nothing is looked for.
    files[0].0 = "evidence";
    let (_, warnings) = open(&files).unwrap();
    assert_eq!(codes(&warnings), [WarningCode::PartMissing; 2]);
    // Another image's segment.
    let other = files[0].1.clone();
    let error = refusal(&[("a.E01", other.clone()), ("a.E02", other)]);
    assert_eq!(error.evidence(), Some("a.E02"));
    assert_eq!(error.found(), Some("segment 1"));
}

/// Where a section's data stand in a file.
fn section(file: &[u8], kind: &str) -> usize {
    let mut name = [0; 16];
    name[..kind.len()].copy_from_slice(kind.as_bytes());
    file.windows(16).position(|bytes| bytes == name).unwrap() + 76
}

#[test]
fn a_damaged_table_is_read_from_its_copy() {
    let data = long_disk();
    let mut files = ewf(&data);
    let table = section(&files[0].1, "table");
    files[0].1[table + 30] ^= 1;
    assert!(contents(&open_sound(&files)) == data);
    let copy = section(&files[0].1, "table2");
    files[0].1[copy + 30] ^= 1;
    let (disk, _) = open(&files).unwrap();
    let error = disk.read_exact_at(0, &mut [0]).unwrap_err();
    assert!(error.to_string().contains("table of chunks"), "{error}");
    disk.read_exact_at(5 * 1024, &mut [0]).unwrap();
}

#[test]
fn a_damaged_chunk_is_an_error_and_the_others_are_read() {
    let data = long_disk();
    let sectors = section(&ewf(&data)[0].1, "sectors");
    // The first chunk is compressed, the second is not.
    for at in [sectors + 20, section(&ewf(&data)[0].1, "table") - 76 - 900] {
        let mut files = ewf(&data);
        files[0].1[at] ^= 1;
        let (disk, _) = open(&files).unwrap();
        let failures = (0..55).filter(|chunk| {
            let read = disk.read_exact_at(chunk * 1024, &mut [0; 1024]);
            read.is_err_and(|error| error.to_string().contains("chunk"))
        });
        assert_eq!(failures.count(), 1);
    }
}

#[test]
fn a_broken_chain_of_sections_is_noticed() {
    let data = long_disk();
    let whole = ewf(&data);
    let done = whole[3].1.len() - 76;
    let mut files = whole.clone();
    files[3].1[done] ^= 1;
    let (disk, warnings) = open(&files).unwrap();
    assert_eq!(codes(&warnings), [WarningCode::ContainerDamaged]);
    assert!(contents(&disk) == data);
    files[3].1.truncate(done);
    assert_eq!(codes(&open(&files).unwrap().1), [WarningCode::Truncated]);
    // Chunks are missing, too.
    files[3].1.truncate(done - 2000);
    let (_, warnings) = open(&files).unwrap();
    assert_eq!(codes(&warnings), [WarningCode::Truncated; 2]);
    // A section that points back.
    let mut files = whole.clone();
    let table = section(&files[0].1, "table2") - 76;
    files[0].1[table + 16..table + 24].copy_from_slice(&13_u64.to_le_bytes());
    seal(&mut files[0].1[table..table + 76]);
    let (_, warnings) = open(&files).unwrap();
    assert_eq!(
        codes(&warnings),
        [WarningCode::ContainerDamaged, WarningCode::Truncated]
    );
    let mut files = whole;
    let volume = section(&files[0].1, "volume");
    files[0].1[volume + 8] = 3;
    assert!(refusal(&files).expected().unwrap().contains("checksum"));
    // Chunks of 64 GiB.
    files[0].1[volume + 11] = 8;
    seal(&mut files[0].1[volume..volume + 1052]);
    assert!(refusal(&files).expected().unwrap().contains("16 MiB"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_packed_into_an_e01_comes_out(disk in disks(110)) {
        prop_assert_eq!(contents(&open_sound(&ewf(&disk))), disk);
    }

    #[test]
    fn a_damaged_e01_is_noticed(
        disk in disks(30),
        place in any::<prop::sample::Index>(),
        bit in 0..8_u32,
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = ewf(&disk);
        let mut files = whole.clone();
        let at = place.index(files[0].1.len());
        files[0].1[at] ^= 1 << bit;
        prop_assert!(is_noticed_or_the_same(&files, &disk));
        files[0].1.truncate(cut.index(at.max(1)));
        try_all(&files);
        let mut files = whole;
        let cut = cut.index(files[0].1.len());
        files[0].1.truncate(cut);
        prop_assert!(is_noticed_or_the_same(&files, &disk));
    }
}
