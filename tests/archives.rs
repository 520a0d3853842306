//! Zip and tar archives: what was written is read back; hostile and damaged ones give errors and warnings.
#![cfg(feature = "collection")]

#[path = "support/archive_writer.rs"]
mod archive_writer;

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::rc::Rc;

use archive_writer::{
    TarNames, TarWriter, ZipMember, crc32, deflate, gzip, local_header, pax_record, zip, zip_end,
};
use dism_mount_status::capture::collection::archive::{Archive, MemberKind};
use dism_mount_status::capture::read_at::{ReadAt, ReadAtCursor, Seekable};
use dism_mount_status::{Error, WarningCode, Warnings};
use proptest::prelude::*;

fn open(bytes: Vec<u8>) -> Result<(Archive, Warnings), Error> {
    Archive::open(Rc::new(bytes))
}

fn opened(bytes: Vec<u8>) -> Archive {
    let (archive, warnings) = open(bytes).unwrap();
    assert_eq!(warnings, Warnings::default());
    assert!(archive.is_whole());
    archive
}

fn data(archive: &Archive, index: u32) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut cursor = ReadAtCursor::new(archive.open_member(index)?);
    cursor.read_to_end(&mut bytes).map_err(Error::from)?;
    Ok(bytes)
}

fn names(archive: &Archive) -> Vec<String> {
    let names = archive.members().map(|member| member.name.to_vec());
    names.map(|name| String::from_utf8(name).unwrap()).collect()
}

fn codes(warnings: &Warnings) -> Vec<WarningCode> {
    warnings
        .as_slice()
        .iter()
        .map(|warning| warning.code())
        .collect()
}

/// Bytes that do not compress to nothing.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        // Few different values, so that they compress to about half.
        b'a' + (state >> 13) as u8 % 16
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn archives_are_known_by_their_content() {
    let tar = TarWriter::new(TarNames::Pax).file("a", b"x").finish();
    for archive in [
        zip(&[]),
        zip(&[ZipMember::stored("a", b"")]),
        gzip(&tar),
        tar,
    ] {
        assert!(Archive::is_archive(
            &archive[..archive.len().min(Archive::START)]
        ));
    }
    for other in [&b""[..], b"regf", b"MSWIM\0\0\0", &[0; 512], &[b'a'; 512]] {
        assert!(!Archive::is_archive(other));
        assert!(open(other.to_vec()).is_err());
    }
}

#[test]
fn archives_that_are_not_read_are_named() {
    for (start, name) in [
        (&b"7z\xBC\xAF\x27\x1C\0\x04"[..], "7z"),
        (b"Rar!\x1A\x07\x01\0", "RAR"),
    ] {
        assert!(Archive::is_archive(start));
        let error = open(start.to_vec()).err().unwrap();
        assert!(error.is_unsupported());
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn what_is_compressed_and_no_archive_is_the_only_member() {
    let export = b"Windows Registry Editor Version 5.00\r\n\r\n";
    let archive = opened(gzip(export));
    assert_eq!((archive.len(), archive.is_whole()), (1, true));
    let data = archive.open_member(0).unwrap();
    let mut bytes = vec![0; data.size() as usize];
    data.read_exact_at(0, &mut bytes).unwrap();
    assert_eq!(bytes, export);
    assert!(data.read_exact_at(1, &mut bytes).is_err());
}

#[test]
fn members_of_a_zip_archive_are_read_from_any_place() {
    let long = noise(300_000);
    let archive = opened(zip(&[
        ZipMember::stored("a/stored", b"as it is"),
        ZipMember::deflated("a/deflated", &long),
        ZipMember::stored("a/", b""),
        ZipMember {
            zip64: true,
            ..ZipMember::deflated("zip64", &long)
        },
        ZipMember::deflated("empty", b""),
    ]));
    assert_eq!(
        names(&archive),
        ["a/stored", "a/deflated", "a/", "zip64", "empty"]
    );
    assert_eq!(archive.member(2).unwrap().kind, MemberKind::Directory);
    assert_eq!(data(&archive, 0).unwrap(), b"as it is");
    assert_eq!(data(&archive, 3).unwrap(), long);
    assert_eq!(data(&archive, 4).unwrap(), b"");
    let mut cursor = ReadAtCursor::new(archive.open_member(1).unwrap());
    for place in [250_000_usize, 0, 65_530, 131_072, 299_990, 17] {
        let mut bytes = [0; 10];
        cursor.seek(SeekFrom::Start(place as u64)).unwrap();
        cursor.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, long[place..place + 10]);
    }
    assert_eq!(archive.take_warnings(), Warnings::default());
    assert!(archive.open_member(5).is_err());
}

#[test]
fn a_member_is_unpacked_only_as_far_as_it_is_read() {
    // The second half is missing.
    let long = noise(1_000_000);
    let mut packed = deflate(&long);
    let half = packed.len() / 2;
    packed.truncate(half);
    let archive = opened(zip(&[ZipMember::stored("a", &long).packed(8, packed)]));
    let member = archive.open_member(0).unwrap();
    let mut bytes = vec![0; 200_000];
    member.read_exact_at(0, &mut bytes).unwrap();
    assert_eq!(bytes, long[..200_000]);
    let error = Error::from(member.read_exact_at(800_000, &mut bytes).unwrap_err());
    assert_eq!(error.evidence(), Some("a"));
    // It stays damaged, and its start stays readable.
    assert!(member.read_exact_at(800_000, &mut bytes).is_err());
    member.read_exact_at(0, &mut bytes).unwrap();
}

#[test]
fn a_checksum_that_is_not_that_of_the_data_is_a_warning() {
    let archive = opened(zip(&[ZipMember {
        crc32: 1,
        ..ZipMember::deflated("a", b"some data")
    }]));
    assert_eq!(data(&archive, 0).unwrap(), b"some data");
    let warnings = archive.take_warnings();
    assert_eq!(codes(&warnings), [WarningCode::ChecksumMismatch]);
    assert_eq!(warnings.as_slice()[0].evidence(), Some("a"));
    assert_eq!(archive.take_warnings(), Warnings::default());
}

#[test]
fn a_member_with_more_or_fewer_data_than_told_is_warned_of_or_an_error() {
    let archive = opened(zip(&[
        ZipMember {
            size: 4,
            ..ZipMember::deflated("more", b"some data")
        },
        ZipMember {
            size: 10,
            ..ZipMember::deflated("fewer", b"some data")
        },
        ZipMember {
            size: 8,
            ..ZipMember::stored("stored", b"some data")
        },
    ]));
    assert_eq!(data(&archive, 0).unwrap(), b"some");
    let warned = codes(&archive.take_warnings());
    assert!(warned.contains(&WarningCode::TrailingBytes), "{warned:?}");
    let error = data(&archive, 1).unwrap_err();
    assert_eq!(error.expected(), Some("10 bytes of data"));
    assert!(data(&archive, 2).is_err());
}

#[test]
fn encrypted_members_and_unknown_compressions_say_what_to_do() {
    let archive = opened(zip(&[
        ZipMember {
            flags: 1,
            ..ZipMember::stored("encrypted", b"0123456789012")
        },
        ZipMember::stored("aes", b"x").packed(99, b"x".to_vec()),
        ZipMember::stored("shrunk", b"x").packed(1, b"x".to_vec()),
        ZipMember::stored("ppmd", b"x").packed(98, b"x".to_vec()),
        ZipMember::stored("plain", b"x"),
    ]));
    for (index, what) in [
        (0, "encrypted"),
        (1, "encrypted"),
        (2, "method 1"),
        (3, "method 98"),
    ] {
        let error = archive.open_member(index).err().unwrap();
        assert!(
            error.is_unsupported() && error.to_string().contains(what),
            "{error}"
        );
        assert_eq!(
            error.evidence().unwrap().as_bytes(),
            archive.member(index).unwrap().name
        );
    }
    assert_eq!(data(&archive, 4).unwrap(), b"x");
}

#[test]
fn members_that_overlap_are_not_read() {
    // A member whose data hold the local header and the data of others, as zip bombs have them.
    let kernel = ZipMember::deflated("kernel", &[0; 10_000]);
    let mut inner = Vec::new();
    local_header(&kernel, &mut inner);
    inner.extend(&kernel.data);
    let quote = ZipMember::stored("quote", &inner);
    let mut bytes = Vec::new();
    local_header(&quote, &mut bytes);
    let kernel_offset = bytes.len() as u64;
    let members = [
        ZipMember::stored("alone", b"before"),
        quote,
        ZipMember {
            data: Vec::new(),
            offset: Some(kernel_offset),
            ..kernel
        },
    ];
    let mut first = Vec::new();
    local_header(&members[0], &mut first);
    let shift = (first.len() + members[0].data.len()) as u64;
    let mut members = members.to_vec();
    members[2].offset = Some(kernel_offset + shift);
    let (archive, warnings) = open(zip(&members)).unwrap();
    assert_eq!(codes(&warnings), [WarningCode::ArchiveDamaged]);
    assert!(
        warnings.as_slice()[0].message().contains("2 members"),
        "{warnings:?}"
    );
    assert_eq!(data(&archive, 0).unwrap(), b"before");
    for index in [1, 2] {
        let error = archive.open_member(index).err().unwrap();
        assert!(error.to_string().contains("overlap"), "{error}");
    }
}

#[test]
fn names_in_the_code_page_of_dos_become_text() {
    let mut member = ZipMember::stored("x", b"");
    member.name = b"\x81ber.txt".to_vec();
    let archive = opened(zip(&[member, ZipMember::stored("mount/\u{6620}", b"")]));
    assert_eq!(names(&archive), ["über.txt", "mount/\u{6620}"]);
}

#[test]
fn times_and_links_of_zip_members_are_told() {
    let archive = opened(zip(&[
        ZipMember {
            modified: Some(1_700_000_000),
            ..ZipMember::stored("timed", b"")
        },
        ZipMember {
            mode: Some(0o120_777),
            ..ZipMember::stored("link", b"../target")
        },
        ZipMember {
            mode: Some(0o010_644),
            ..ZipMember::stored("pipe", b"")
        },
    ]));
    let modified = archive.member(0).unwrap().modified.unwrap();
    assert_eq!(modified.to_rfc3339().unwrap(), "2023-11-14T22:13:20Z");
    assert_eq!(archive.member(1).unwrap().modified, None);
    assert_eq!(archive.member(1).unwrap().kind, MemberKind::Link);
    assert_eq!(archive.link_target(1).unwrap(), b"../target");
    assert_eq!(archive.member(2).unwrap().kind, MemberKind::Special);
}

#[test]
fn a_member_that_unpacks_to_many_times_its_size_is_given_up() {
    // 3 GiB of zeros in 3 MiB, which are one block of zeros over and over.
    let zeros = vec![0; 1 << 20];
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..1200 {
        encoder.write_all(&zeros).unwrap();
    }
    let packed = encoder.finish().unwrap();
    let mut member = ZipMember::stored("SOFTWARE", b"").packed(8, packed);
    member.size = 3 << 30;
    let archive = opened(zip(&[member]));
    let member = archive.open_member(0).unwrap();
    assert_eq!(member.size(), 3 << 30);
    // No more comes out, whatever it says.
    assert_eq!(member.stored_size(), 1 << 30);
    member.read_exact_at(0, &mut [0; 4096]).unwrap();
    let error = Error::from(member.read_exact_at(1150 << 20, &mut [0; 10]).unwrap_err());
    assert!(error.to_string().contains("times as large"), "{error}");
}

#[test]
fn an_archive_of_too_many_members_is_refused_by_its_own_count() {
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.resize(100, 0);
    zip_end(10_000_000, 0, 100, true, &mut bytes);
    let error = open(bytes).unwrap_err();
    assert!(error.to_string().contains("10000000"), "{error}");
}

#[test]
fn a_million_members_are_listed() {
    let mut file = tempfile::tempfile().unwrap();
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for index in 0..1_000_000_u64 {
        let member = ZipMember::stored(&format!("C/Windows/{index}"), b"");
        archive_writer::directory_record(&member, out.len() as u64, &mut directory);
        local_header(&member, &mut out);
    }
    let start = out.len() as u64;
    zip_end(
        1_000_000,
        directory.len() as u64,
        start,
        true,
        &mut directory,
    );
    file.write_all(&out).unwrap();
    file.write_all(&directory).unwrap();
    let source = Seekable::new(file).unwrap();
    let (archive, warnings) = Archive::open(Rc::new(source)).unwrap();
    assert_eq!(warnings, Warnings::default());
    assert_eq!(archive.len(), 1_000_000);
    assert_eq!(archive.member(999_999).unwrap().name, b"C/Windows/999999");
}

#[test]
fn a_damaged_directory_tells_what_it_has() {
    let mut bytes = zip(&[ZipMember::stored("a", b"1"), ZipMember::stored("b", b"2")]);
    let record = bytes
        .windows(4)
        .rposition(|window| window == b"PK\x01\x02")
        .unwrap();
    bytes[record] = b'X';
    let (archive, warnings) = open(bytes).unwrap();
    assert_eq!(codes(&warnings), [WarningCode::ArchiveDamaged]);
    assert!(!archive.is_whole());
    assert_eq!(names(&archive), ["a"]);
    assert_eq!(data(&archive, 0).unwrap(), b"1");
}

fn tars() -> Vec<(&'static str, Vec<u8>)> {
    let long = "directory/".repeat(15) + "name";
    let write = |names| {
        TarWriter::new(names)
            .directory("C")
            .file("C/SOFTWARE", &noise(100_000))
            .file(&long, b"long")
            .file("C/\u{6620}\u{50CF}", b"")
            .link("C/link", "SOFTWARE")
            .hard_link("C/hard", "C/SOFTWARE")
            .hard_link("C/lost", "C/nowhere")
            .member("C/pipe", b'6', "", b"", 0)
            .finish()
    };
    let (pax, gnu) = (write(TarNames::Pax), write(TarNames::Gnu));
    vec![
        ("gzip", gzip(&pax)),
        (
            "two gzip members",
            [gzip(&gnu[..1000]), gzip(&gnu[1000..])].concat(),
        ),
        ("pax", pax),
        ("gnu", gnu),
    ]
}

#[test]
fn members_of_a_tar_archive_are_read_however_it_is_written() {
    let long = "directory/".repeat(15) + "name";
    for (how, bytes) in tars() {
        let archive = opened(bytes);
        assert_eq!(
            names(&archive),
            [
                "C/",
                "C/SOFTWARE",
                &long,
                "C/\u{6620}\u{50CF}",
                "C/link",
                "C/hard",
                "C/lost",
                "C/pipe"
            ],
            "{how}"
        );
        assert_eq!(archive.member(0).unwrap().kind, MemberKind::Directory);
        assert_eq!(data(&archive, 1).unwrap(), noise(100_000), "{how}");
        assert_eq!(data(&archive, 2).unwrap(), b"long", "{how}");
        assert_eq!(data(&archive, 3).unwrap(), b"");
        assert_eq!(archive.link_target(4).unwrap(), b"SOFTWARE");
        assert_eq!(data(&archive, 5).unwrap(), noise(100_000), "{how}");
        assert!(
            archive
                .open_member(6)
                .err()
                .unwrap()
                .to_string()
                .contains("hard link")
        );
        assert_eq!(archive.member(7).unwrap().kind, MemberKind::Special);
        let modified = archive.member(1).unwrap().modified.unwrap();
        assert_eq!(modified.to_rfc3339().unwrap(), "2023-11-14T22:13:20Z");
    }
}

#[test]
fn pax_headers_tell_size_and_time_over_the_header() {
    let mut tar = TarWriter::new(TarNames::Pax);
    let records = [
        pax_record("size", b"5"),
        pax_record("mtime", b"1700000000.5"),
    ]
    .concat();
    tar = tar.pax(&records);
    tar.raw(b"a", b'0', b"", b"12345", 0, 0);
    let archive = opened(tar.file("b", b"6").finish());
    assert_eq!(data(&archive, 0).unwrap(), b"12345");
    assert_eq!(data(&archive, 1).unwrap(), b"6");
    let modified = archive.member(0).unwrap().modified.unwrap();
    assert_eq!(modified.to_rfc3339().unwrap(), "2023-11-14T22:13:20.5Z");
}

#[test]
fn sparse_members_of_tar_are_refused_and_their_followers_read() {
    let pax = TarWriter::new(TarNames::Pax)
        .pax(
            &[
                pax_record("GNU.sparse.major", b"1"),
                pax_record("GNU.sparse.minor", b"0"),
            ]
            .concat(),
        )
        .file("sparse", b"1\n0\n1\n")
        .file("next", b"n")
        .finish();
    let mut tar = TarWriter::new(TarNames::Gnu);
    tar.raw(b"sparse", b'S', b"", b"", 512, 0);
    let mut old = tar.without_end();
    old[482] = 1;
    archive_writer::set_checksum(&mut old[..512]);
    // A block with more of the map, and one with data.
    old.extend([0; 512]);
    old.extend([7; 512]);
    old.extend(TarWriter::new(TarNames::Gnu).file("next", b"n").finish());
    for bytes in [pax, old] {
        let archive = opened(bytes);
        assert!(archive.open_member(0).err().unwrap().is_unsupported());
        assert_eq!(data(&archive, 1).unwrap(), b"n");
    }
}

#[test]
fn a_tar_archive_that_is_cut_off_is_not_whole() {
    let tar = TarWriter::new(TarNames::Gnu)
        .file("a", b"1")
        .file("b", &[2; 2000])
        .without_end();
    for (length, count) in [
        (tar.len(), 2),
        (tar.len() - 512, 2),
        (1024 + 100, 1),
        (1024, 1),
    ] {
        for bytes in [tar[..length].to_vec(), gzip(&tar[..length])] {
            let (archive, warnings) = open(bytes).unwrap();
            assert_eq!(codes(&warnings), [WarningCode::ArchiveDamaged], "{length}");
            assert_eq!((archive.is_whole(), archive.len()), (false, count));
            assert_eq!(data(&archive, 0).unwrap(), b"1");
        }
    }
    let packed = gzip(&tar);
    let (archive, warnings) = open(packed[..packed.len() - 12].to_vec()).unwrap();
    assert!(!archive.is_whole() && !warnings.as_slice().is_empty());
}

#[test]
fn data_behind_the_end_of_a_tar_archive_are_warned_of() {
    let mut tar = TarWriter::new(TarNames::Gnu).file("a", b"1").finish();
    tar.extend(TarWriter::new(TarNames::Gnu).file("b", b"2").finish());
    let (archive, warnings) = open(tar).unwrap();
    assert_eq!(codes(&warnings), [WarningCode::TrailingBytes]);
    assert_eq!(names(&archive), ["a"]);
}

#[test]
fn extended_headers_without_measure_are_refused() {
    let mut tar = TarWriter::new(TarNames::Gnu).file("first", b"");
    tar.raw(b"././@LongLink", b'L', b"", b"name", 1 << 40, 0);
    let (archive, warnings) = open(tar.finish()).unwrap();
    assert_eq!(names(&archive), ["first"]);
    assert!(
        warnings.as_slice()[0].message().contains("1048576"),
        "{warnings:?}"
    );
}

#[test]
fn a_large_wim_in_a_compressed_tar_is_read_in_passes_and_not_kept() {
    let mut wim = b"MSWIM\0\0\0".to_vec();
    wim.extend(noise(20 << 20));
    let tar = TarWriter::new(TarNames::Pax)
        .file("x", b"1")
        .file("install.wim", &wim)
        .finish();
    let archive = opened(gzip(&tar));
    let member = archive.open_member(1).unwrap();
    let mut bytes = [0; 200_000];
    for place in [0, wim.len() - bytes.len(), 100, 5 << 20] {
        member.read_exact_at(place as u64, &mut bytes).unwrap();
        assert!(bytes == wim[place..place + bytes.len()], "{place}");
    }
}

#[test]
fn archives_of_other_writers_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archives");
    let expected = fs::read(folder.join("expected.txt")).unwrap();
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_none_or(|extension| extension == "txt" || extension == "py")
        {
            continue;
        }
        let (archive, warnings) = Archive::open(Rc::new(Seekable::open(&path).unwrap())).unwrap();
        assert_eq!(warnings, Warnings::default(), "{path:?}");
        assert_eq!(names(&archive), ["folder/expected.txt"], "{path:?}");
        assert!(data(&archive, 0).unwrap() == expected, "{path:?}");
        assert_eq!(archive.take_warnings(), Warnings::default(), "{path:?}");
        count += 1;
    }
    assert!(count >= 10, "{count}");
}

/// Names that archives may hold, data that may be long, and whether it is compressed.
fn members() -> impl Strategy<Value = Vec<(String, Vec<u8>, bool)>> {
    let name = "[a-zA-Z%$ \u{6620}./\\\\]{1,120}";
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..600),
        (1usize..200_000).prop_map(noise),
    ];
    prop::collection::vec((name, bytes, any::<bool>()), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_written_to_a_zip_archive_is_read_back(members in members(), zip64: bool) {
        let written: Vec<ZipMember> = members.iter().map(|(name, data, is_deflated)| ZipMember {
            zip64,
            ..if *is_deflated { ZipMember::deflated(name, data) } else { ZipMember::stored(name, data) }
        }).collect();
        let archive = opened(zip(&written));
        for (index, (name, bytes, _)) in members.iter().enumerate() {
            let member = archive.member(index as u32).unwrap();
            prop_assert_eq!(member.name, name.as_bytes());
            prop_assert_eq!(member.size, bytes.len() as u64);
            prop_assert!(data(&archive, index as u32).unwrap() == *bytes);
        }
        prop_assert_eq!(archive.take_warnings(), Warnings::default());
    }

    #[test]
    fn what_was_written_to_a_tar_archive_is_read_back(members in members(), gnu: bool, packed: bool) {
        let mut tar = TarWriter::new(if gnu { TarNames::Gnu } else { TarNames::Pax });
        for (name, bytes, _) in &members {
            tar = tar.file(name, bytes);
        }
        let tar = tar.finish();
        let archive = opened(if packed { gzip(&tar) } else { tar });
        for (index, (name, bytes, _)) in members.iter().enumerate() {
            let member = archive.member(index as u32).unwrap();
            prop_assert_eq!(member.name, name.as_bytes());
            prop_assert!(data(&archive, index as u32).unwrap() == *bytes);
        }
    }

    #[test]
    fn damaged_archives_never_panic(
        which in 0usize..5,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let archives = [
            zip(&[
                ZipMember::stored("stored", b"data"),
                ZipMember { zip64: true, ..ZipMember::deflated("deflated", &noise(3000)) },
            ]),
            TarWriter::new(TarNames::Pax)
                .file(&"long/".repeat(40), b"1")
                .hard_link("hard", "b")
                .file("b", &noise(600))
                .finish()[..5120].to_vec(),
            TarWriter::new(TarNames::Gnu).file(&"long/".repeat(40), b"1").file("SOFTWARE", &noise(600)).finish()[..5120].to_vec(),
            gzip(&TarWriter::new(TarNames::Gnu).file("SYSTEM", &noise(600)).file("b", b"2").finish()),
            fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archives/tar.xz")).unwrap(),
        ];
        let mut bytes = archives[which].clone();
        for (place, byte) in flips {
            let length = bytes.len();
            bytes[place.index(length)] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok((archive, _)) = open(bytes) {
            for index in 0..archive.len().min(20) {
                let _ = archive.link_target(index);
                if archive.member(index).unwrap().size < 1 << 24 {
                    let _ = data(&archive, index);
                }
            }
        }
    }
}

#[test]
fn the_writer_tells_checksums_as_zip_has_them() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}
