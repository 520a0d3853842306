//! The readers of what a mount directory says about itself.

use std::fs;
use std::path::Path;

use dism_mount_status::mount_point::{
    MountDataRecord, ReparseData, ReparsePoint, ReparseTag, SymbolicLink, WimMountData,
    WimReparseData, WofProvider,
};
use dism_mount_status::{Position, WarningCode, WideString};
use proptest::prelude::*;
use uuid::{Uuid, uuid};

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new("fixtures").join(name)).unwrap()
}

const SAMPLE_MOUNT_ID: Uuid = uuid!("e242237c-66ed-4958-b9ec-c49b07eaeeb5");

/// Writes a stream as the published sample is laid out.
fn write_mount_data(data: &WimMountData) -> Vec<u8> {
    let mut stream = vec![0; 4];
    stream.extend(data.unknown_04);
    stream.extend(data.mount_id.to_bytes_le());
    stream.extend(data.unknown_20);
    for record in &data.records {
        stream.extend(record.id.to_le_bytes());
        stream.extend((record.payload.len() as u32).to_le_bytes());
        stream.extend(&record.payload);
        stream.resize(stream.len().next_multiple_of(8), 0);
    }
    let length = stream.len() as u32;
    stream[..4].copy_from_slice(&length.to_le_bytes());
    stream
}

/// Mount data with these records, their offsets set to where the writer puts them.
fn mount_data(mount_id: Uuid, records: Vec<(u32, Vec<u8>)>) -> WimMountData {
    let text = |id: u32, start: usize| {
        let (_, payload) = records.iter().find(|(found, _)| *found == id)?;
        payload.get(start..).map(WideString::from_utf16le_until_nul)
    };
    let mut offset = 0x28;
    let mut mount_data = WimMountData::new(mount_id);
    mount_data.wim_path = text(1, 0);
    mount_data.mount_path = text(2, 0);
    mount_data.temp_path = text(3, 0);
    mount_data.log_path = text(5, 12);
    mount_data.unknown_04 = [0xA4; 12];
    mount_data.unknown_20 = [0x20; 8];
    let records = records.into_iter().map(|(id, payload)| {
        let record = MountDataRecord {
            id,
            offset,
            payload,
        };
        offset += (8 + record.payload.len() as u64).next_multiple_of(8);
        record
    });
    mount_data.records = records.collect();
    mount_data
}

fn path_payload(path: &str) -> Vec<u8> {
    let mut payload = WideString::from(path).to_utf16le();
    payload.extend([0, 0]);
    payload
}

fn sample() -> WimMountData {
    let mut log = vec![0x55; 12];
    log.extend(path_payload(r"C:\WINDOWS\Logs\DISM\dism.log"));
    mount_data(
        SAMPLE_MOUNT_ID,
        vec![
            (1, path_payload(r"C:\foo.wim")),
            (2, path_payload(r"C:\testmountwim")),
            (3, path_payload(r"C:\Users\ADMINI~1\AppData\Local\Temp\")),
            (4, vec![0x44; 8]),
            (5, log),
        ],
    )
}

fn warning_codes(warnings: &dism_mount_status::Warnings) -> Vec<WarningCode> {
    warnings.as_slice().iter().map(|w| w.code()).collect()
}

#[test]
fn the_published_layout_reads_as_published() {
    let stream = fixture("mount-data/read-write.bin");
    assert_eq!(stream.len(), 0x128);
    let (data, warnings) = WimMountData::parse(&stream).unwrap();
    assert_eq!(warning_codes(&warnings), []);
    assert_eq!(data.mount_id, SAMPLE_MOUNT_ID);
    assert_eq!(data.wim_path.unwrap(), r"C:\foo.wim");
    assert_eq!(data.mount_path.unwrap(), r"C:\testmountwim");
    assert_eq!(
        data.temp_path.unwrap(),
        r"C:\Users\ADMINI~1\AppData\Local\Temp\"
    );
    assert_eq!(data.log_path.unwrap(), r"C:\WINDOWS\Logs\DISM\dism.log");
    let places: Vec<_> = data.records.iter().map(|r| (r.offset, r.id)).collect();
    assert_eq!(
        places,
        [(0x28, 1), (0x48, 2), (0x70, 3), (0xC8, 4), (0xD8, 5)]
    );
}

#[test]
fn the_fixture_is_what_the_writer_of_these_tests_writes() {
    assert_eq!(
        write_mount_data(&sample()),
        fixture("mount-data/read-write.bin")
    );
}

#[test]
fn one_nul_that_samba_appends_is_no_finding() {
    let stream = fixture("mount-data/samba-nul.bin");
    let (data, warnings) = WimMountData::parse(&stream).unwrap();
    assert_eq!((data, warning_codes(&warnings)), (sample(), vec![]));
}

#[test]
fn other_trailing_bytes_are_a_warning() {
    let mut stream = write_mount_data(&sample());
    stream.extend(b"xy");
    let (data, warnings) = WimMountData::parse(&stream).unwrap();
    assert_eq!(data, sample());
    assert_eq!(warning_codes(&warnings), [WarningCode::TrailingBytes]);
    assert_eq!(
        warnings.as_slice()[0].position(),
        Some(Position::Byte(0x128))
    );
}

#[test]
fn bytes_too_few_for_a_record_are_a_warning_unless_they_are_zeros() {
    for (last, codes) in [
        ([0; 4], &[][..]),
        ([0, 0, 0, 1], &[WarningCode::TrailingBytes]),
    ] {
        let mut stream = write_mount_data(&sample());
        stream.extend(last);
        let length = stream.len() as u32;
        stream[..4].copy_from_slice(&length.to_le_bytes());
        let (data, warnings) = WimMountData::parse(&stream).unwrap();
        assert_eq!((data, warning_codes(&warnings)), (sample(), codes.to_vec()));
    }
}

#[test]
fn a_total_length_beyond_the_stream_is_an_error() {
    let mut stream = write_mount_data(&sample());
    stream.pop();
    let error = WimMountData::parse(&stream).unwrap_err();
    assert_eq!(
        error.to_string(),
        "byte 0x0: expected a total length of 40 to 295 bytes, found 296"
    );
}

#[test]
fn a_total_length_shorter_than_the_header_is_an_error() {
    let error = WimMountData::parse(&[0; 0x40]).unwrap_err();
    assert_eq!(error.position(), Some(Position::Byte(0)));
    assert_eq!(error.found(), Some("0"));
}

#[test]
fn an_empty_stream_is_an_error() {
    let error = WimMountData::parse(&[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "byte 0x0: expected a $WIMMOUNTDATA header of 0x28 bytes, found the end after 0 bytes of it"
    );
}

#[test]
fn a_cut_stream_and_a_stream_of_zeros_are_errors() {
    for name in ["mount-data/cut.bin", "mount-data/zeros.bin"] {
        let error = WimMountData::parse(&fixture(name)).unwrap_err();
        assert_eq!(error.position(), Some(Position::Byte(0)), "{name}");
    }
}

#[test]
fn another_mounts_stream_names_that_mount() {
    let (data, _) = WimMountData::parse(&fixture("mount-data/other-mount.bin")).unwrap();
    assert_eq!(data.mount_id, uuid!("0b6cc4b5-ff0b-4eb8-9f53-7a36de5b6e4c"));
    assert_eq!(data.wim_path.unwrap(), r"D:\other.wim");
}

#[test]
fn a_record_length_beyond_the_stream_is_an_error() {
    let mut stream = write_mount_data(&sample());
    stream[0xDC] += 1;
    let error = WimMountData::parse(&stream).unwrap_err();
    assert_eq!(
        error.to_string(),
        "byte 0xdc: expected a record length of at most 72 bytes, found 73"
    );
}

#[test]
fn missing_records_leave_their_paths_unknown() {
    let expected = mount_data(SAMPLE_MOUNT_ID, vec![(7, vec![1, 2, 3])]);
    let (data, warnings) = WimMountData::parse(&write_mount_data(&expected)).unwrap();
    assert_eq!((data.wim_path.clone(), data.log_path.clone()), (None, None));
    assert_eq!((data, warning_codes(&warnings)), (expected, vec![]));
}

#[test]
fn of_a_record_that_comes_twice_the_first_counts() {
    let records = vec![
        (1, path_payload(r"C:\a.wim")),
        (1, path_payload(r"C:\b.wim")),
    ];
    let stream = write_mount_data(&mount_data(SAMPLE_MOUNT_ID, records));
    let (data, warnings) = WimMountData::parse(&stream).unwrap();
    assert_eq!(data.wim_path.unwrap(), r"C:\a.wim");
    assert_eq!(warning_codes(&warnings), [WarningCode::MountDataMalformed]);
    assert_eq!(data.records.len(), 2);
}

#[test]
fn a_log_record_without_room_for_a_path_is_a_warning() {
    let stream = write_mount_data(&mount_data(SAMPLE_MOUNT_ID, vec![(5, vec![0; 11])]));
    let (data, warnings) = WimMountData::parse(&stream).unwrap();
    assert_eq!(data.log_path, None);
    assert_eq!(warning_codes(&warnings), [WarningCode::MountDataMalformed]);
}

#[test]
fn a_path_of_an_odd_number_of_bytes_is_read_with_a_warning() {
    let stream = write_mount_data(&mount_data(SAMPLE_MOUNT_ID, vec![(2, b"C\0:\0x".into())]));
    let (data, warnings) = WimMountData::parse(&stream).unwrap();
    assert_eq!(data.mount_path.unwrap(), "C:");
    assert_eq!(warning_codes(&warnings), [WarningCode::MountDataMalformed]);
}

fn any_mount_data() -> impl Strategy<Value = WimMountData> {
    let payload = prop_oneof![
        any::<String>().prop_map(|path| path_payload(&path)),
        prop::collection::vec(any::<u8>(), 0..64),
    ];
    let record = (prop_oneof![1_u32..7, any::<u32>()], payload);
    let records = prop::collection::vec(record, 0..8);
    (any::<u128>(), records).prop_map(|(id, records)| mount_data(Uuid::from_u128(id), records))
}

proptest! {
    #[test]
    fn mount_data_are_read_back_as_written(expected in any_mount_data()) {
        let (data, _) = WimMountData::parse(&write_mount_data(&expected)).unwrap();
        prop_assert_eq!(data, expected);
    }

    #[test]
    fn every_truncation_of_mount_data_is_an_error_within_them(
        data in any_mount_data(), cut: prop::sample::Index,
    ) {
        let stream = write_mount_data(&data);
        let length = cut.index(stream.len());
        let error = WimMountData::parse(&stream[..length]).unwrap_err();
        prop_assert!(error.position().unwrap().byte() <= length as u64);
        prop_assert!(error.expected().is_some() && error.found().is_some());
    }

    #[test]
    fn a_changed_byte_of_mount_data_never_hides_what_stands_before_it(
        data in any_mount_data(), place: prop::sample::Index, change in 1_u8..,
    ) {
        let mut stream = write_mount_data(&data);
        let place = place.index(stream.len());
        stream[place] ^= change;
        match WimMountData::parse(&stream) {
            Ok((read, _)) => {
                let before = data.records.iter().take_while(|r| r.offset + 8 + r.payload.len() as u64 <= place as u64);
                for (record, read) in before.zip(&read.records) {
                    prop_assert_eq!(record, read);
                }
            }
            Err(error) => prop_assert!(error.position().unwrap().byte() <= stream.len() as u64),
        }
    }

    #[test]
    fn any_bytes_as_mount_data_give_a_result_or_an_error(bytes: Vec<u8>) {
        let _ = WimMountData::parse(&bytes);
    }
}

/// Writes a reparse buffer; names lie in the order of their fields, without NUL.
fn write_reparse_point(point: &ReparsePoint) -> Vec<u8> {
    let names = |substitute: &WideString, print: &WideString, flags: &[u8]| {
        let (substitute, print) = (substitute.to_utf16le(), print.to_utf16le());
        let mut data = Vec::new();
        for number in [0, substitute.len(), substitute.len(), print.len()] {
            data.extend((number as u16).to_le_bytes());
        }
        data.extend(flags);
        data.extend(substitute);
        data.extend(print);
        data
    };
    let wof = |provider: u32, provider_data: &[u8]| {
        [
            &1_u32.to_le_bytes()[..],
            &provider.to_le_bytes(),
            provider_data,
        ]
        .concat()
    };
    let data = match &point.data {
        ReparseData::Wim(wim) => {
            [&wim.inferred_mount_id.to_bytes_le()[..], &wim.inferred_sha1].concat()
        }
        ReparseData::MountPoint {
            substitute_name,
            print_name,
        } => names(substitute_name, print_name, &[]),
        ReparseData::SymbolicLink(link) => names(
            &link.substitute_name,
            &link.print_name,
            &u32::from(link.is_relative).to_le_bytes(),
        ),
        ReparseData::Wof(WofProvider::Wim(data)) => wof(1, data),
        ReparseData::Wof(WofProvider::File { algorithm }) => {
            wof(2, &[1_u32.to_le_bytes(), algorithm.to_le_bytes()].concat())
        }
        ReparseData::Wof(WofProvider::Other { provider, data }) => wof(*provider, data),
        ReparseData::Other(data) => data.clone(),
        _ => unreachable!("a kind of data that the writer does not know"),
    };
    let mut buffer = point.tag.0.to_le_bytes().to_vec();
    buffer.extend((data.len() as u16).to_le_bytes());
    buffer.extend([0, 0]);
    buffer.extend(point.owner.iter().flat_map(|owner| owner.to_bytes_le()));
    buffer.extend(data);
    buffer
}

fn read_reparse_fixture(name: &str) -> ReparsePoint {
    let (point, warnings) = ReparsePoint::parse(&fixture(name)).unwrap();
    assert_eq!(warning_codes(&warnings), []);
    point
}

#[test]
fn the_published_wim_reparse_point_reads_as_published() {
    let buffer = [
        0x08, 0x00, 0x00, 0x80, 0x24, 0x00, 0x00, 0x00, 0xAF, 0xEB, 0x5E, 0x37, 0xDB, 0x2A, 0x55,
        0x4F, 0xB0, 0xC1, 0xB4, 0x52, 0x7B, 0xFB, 0x03, 0xC0, 0xE2, 0x82, 0x1A, 0xF7, 0xBC, 0x81,
        0x78, 0x74, 0x6A, 0x5A, 0x6D, 0xDA, 0xA8, 0x38, 0x98, 0x26, 0x30, 0x5B, 0x6C, 0x9B,
    ];
    let (point, warnings) = ReparsePoint::parse(&buffer).unwrap();
    assert_eq!(warning_codes(&warnings), []);
    assert_eq!(point.tag, ReparseTag::WIM);
    assert_eq!(
        point.data,
        ReparseData::Wim(WimReparseData {
            inferred_mount_id: uuid!("375eebaf-2adb-4f55-b0c1-b4527bfb03c0"),
            inferred_sha1: [
                0xE2, 0x82, 0x1A, 0xF7, 0xBC, 0x81, 0x78, 0x74, 0x6A, 0x5A, 0x6D, 0xDA, 0xA8, 0x38,
                0x98, 0x26, 0x30, 0x5B, 0x6C, 0x9B,
            ],
        })
    );
}

#[test]
fn a_stub_of_the_sample_mount_names_it() {
    let point = read_reparse_fixture("reparse/wim-stub.bin");
    let ReparseData::Wim(stub) = point.data else {
        panic!("{point:?}");
    };
    assert_eq!(stub.inferred_mount_id, SAMPLE_MOUNT_ID);
    assert_eq!(stub.inferred_sha1[..4], [0xAA, 0xF4, 0xC6, 0x1D]);
}

#[test]
fn links_tell_their_targets() {
    assert_eq!(
        read_reparse_fixture("reparse/junction.bin").data,
        ReparseData::MountPoint {
            substitute_name: r"\??\C:\Windows".into(),
            print_name: r"C:\Windows".into(),
        }
    );
    assert_eq!(
        read_reparse_fixture("reparse/symbolic-link.bin").data,
        ReparseData::SymbolicLink(SymbolicLink {
            substitute_name: r"..\images".into(),
            print_name: r"..\images".into(),
            is_relative: true,
        })
    );
}

#[test]
fn a_compressed_file_of_compact_os_is_no_mount() {
    let point = read_reparse_fixture("reparse/wof-file.bin");
    assert_eq!(point.tag, ReparseTag::WOF);
    assert_eq!(
        point.data,
        ReparseData::Wof(WofProvider::File { algorithm: 1 })
    );
}

#[test]
fn a_tag_that_is_not_microsofts_has_an_owner() {
    let point = read_reparse_fixture("reparse/not-microsoft.bin");
    assert_eq!(point.tag.to_string(), "reparse tag 0x00000042");
    assert_eq!(
        point.owner,
        Some(uuid!("00112233-4455-6677-8899-aabbccddeeff"))
    );
    assert_eq!(point.data, ReparseData::Other(b"theirs".to_vec()));
}

#[test]
fn a_wim_reparse_point_of_another_size_keeps_its_bytes_with_a_warning() {
    for length in [0, 35, 37] {
        let point = ReparsePoint {
            tag: ReparseTag::WIM,
            owner: None,
            data: ReparseData::Other(vec![7; length]),
        };
        let (read, warnings) = ReparsePoint::parse(&write_reparse_point(&point)).unwrap();
        assert_eq!(read, point);
        assert_eq!(
            warning_codes(&warnings),
            [WarningCode::ReparseDataMalformed]
        );
    }
}

#[test]
fn a_link_whose_name_lies_outside_keeps_its_tag_with_a_warning() {
    let mut buffer = fixture("reparse/junction.bin");
    buffer[8] = 0xFF;
    let (point, warnings) = ReparsePoint::parse(&buffer).unwrap();
    assert_eq!(point.tag, ReparseTag::MOUNT_POINT);
    assert!(matches!(point.data, ReparseData::Other(_)));
    assert_eq!(warnings.as_slice()[0].position(), Some(Position::Byte(8)));
}

#[test]
fn a_print_name_outside_is_told_by_its_own_place() {
    let mut buffer = fixture("reparse/junction.bin");
    buffer[12] = 0xFF;
    let (_, warnings) = ReparsePoint::parse(&buffer).unwrap();
    assert_eq!(warnings.as_slice()[0].position(), Some(Position::Byte(12)));
}

#[test]
fn data_of_a_provider_that_end_too_early_are_told_by_their_place() {
    let point = ReparsePoint {
        tag: ReparseTag::WOF,
        owner: None,
        data: ReparseData::Other([1_u32.to_le_bytes(), 2_u32.to_le_bytes()].concat()),
    };
    let (read, warnings) = ReparsePoint::parse(&write_reparse_point(&point)).unwrap();
    assert_eq!(read, point);
    assert_eq!(warnings.as_slice()[0].position(), Some(Position::Byte(16)));
}

#[test]
fn bytes_behind_a_reparse_buffer_are_a_warning() {
    let mut buffer = fixture("reparse/junction.bin");
    let end = buffer.len() as u64;
    buffer.extend(b"xy");
    let (_, warnings) = ReparsePoint::parse(&buffer).unwrap();
    assert_eq!(warning_codes(&warnings), [WarningCode::TrailingBytes]);
    assert_eq!(warnings.as_slice()[0].position(), Some(Position::Byte(end)));
}

#[test]
fn links_stand_for_other_names_and_stubs_do_not() {
    assert!(ReparseTag::MOUNT_POINT.is_name_surrogate());
    assert!(ReparseTag::SYMLINK.is_name_surrogate());
    assert!(!ReparseTag::WIM.is_name_surrogate());
    assert!(!ReparseTag::WOF.is_name_surrogate());
}

#[test]
fn a_reparse_length_beyond_the_buffer_is_an_error() {
    let mut buffer = fixture("reparse/junction.bin");
    buffer.pop();
    let error = ReparsePoint::parse(&buffer).unwrap_err();
    assert_eq!(error.position(), Some(Position::Byte(4)));
}

fn any_reparse_point() -> impl Strategy<Value = ReparsePoint> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..64);
    let name = || any::<String>().prop_map(WideString::from);
    let microsoft = |tag, data| ReparsePoint {
        tag,
        owner: None,
        data,
    };
    prop_oneof![
        any::<(u128, [u8; 20])>().prop_map(move |(id, inferred_sha1)| microsoft(
            ReparseTag::WIM,
            ReparseData::Wim(WimReparseData {
                inferred_mount_id: Uuid::from_u128(id),
                inferred_sha1,
            })
        )),
        (name(), name()).prop_map(move |(substitute_name, print_name)| microsoft(
            ReparseTag::MOUNT_POINT,
            ReparseData::MountPoint {
                substitute_name,
                print_name
            }
        )),
        (name(), name(), any::<bool>()).prop_map(
            move |(substitute_name, print_name, is_relative)| microsoft(
                ReparseTag::SYMLINK,
                ReparseData::SymbolicLink(SymbolicLink {
                    substitute_name,
                    print_name,
                    is_relative
                })
            )
        ),
        bytes().prop_map(move |data| microsoft(
            ReparseTag::WOF,
            ReparseData::Wof(WofProvider::Wim(data))
        )),
        any::<u32>().prop_map(move |algorithm| microsoft(
            ReparseTag::WOF,
            ReparseData::Wof(WofProvider::File { algorithm })
        )),
        (3_u32.., bytes()).prop_map(move |(provider, data)| microsoft(
            ReparseTag::WOF,
            ReparseData::Wof(WofProvider::Other { provider, data })
        )),
        (0x9000_0000_u32..0x9000_1000, bytes())
            .prop_map(move |(tag, data)| microsoft(ReparseTag(tag), ReparseData::Other(data))),
        (0_u32..0x8000_0000, any::<u128>(), bytes()).prop_map(|(tag, owner, data)| ReparsePoint {
            tag: ReparseTag(tag),
            owner: Some(Uuid::from_u128(owner)),
            data: ReparseData::Other(data),
        }),
    ]
}

proptest! {
    #[test]
    fn reparse_points_are_read_back_as_written(expected in any_reparse_point()) {
        let (point, warnings) = ReparsePoint::parse(&write_reparse_point(&expected)).unwrap();
        prop_assert_eq!(point, expected);
        prop_assert_eq!(warning_codes(&warnings), []);
    }

    #[test]
    fn every_truncation_of_a_reparse_point_is_an_error_within_it(
        point in any_reparse_point(), cut: prop::sample::Index,
    ) {
        let buffer = write_reparse_point(&point);
        let length = cut.index(buffer.len());
        let error = ReparsePoint::parse(&buffer[..length]).unwrap_err();
        prop_assert!(error.position().unwrap().byte() <= length as u64);
    }

    #[test]
    fn a_changed_byte_of_a_reparse_point_gives_a_result_or_an_error(
        point in any_reparse_point(), place: prop::sample::Index, change in 1_u8..,
    ) {
        let mut buffer = write_reparse_point(&point);
        let place = place.index(buffer.len());
        buffer[place] ^= change;
        match ReparsePoint::parse(&buffer) {
            Ok((read, _)) => prop_assert!(place < 4 || read.tag == point.tag),
            Err(error) => prop_assert!(error.position().unwrap().byte() <= buffer.len() as u64),
        }
    }

    #[test]
    fn any_bytes_as_a_reparse_point_give_a_result_or_an_error(bytes: Vec<u8>) {
        let _ = ReparsePoint::parse(&bytes);
    }
}
