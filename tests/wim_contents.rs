//! Looking into WIM files: resources, lookup table, trees of files.
#![cfg(feature = "captured-wim")]

#[path = "support/wim_compressor.rs"]
#[allow(
    dead_code,
    reason = "chunks are compressed by the writer's storage only"
)]
mod wim_compressor;
#[path = "support/wim_file.rs"]
#[allow(dead_code, reason = "only headers are written")]
mod wim_file;
#[path = "support/wim_lzms.rs"]
#[allow(
    dead_code,
    reason = "chunks are compressed by the writer's storage only"
)]
mod wim_lzms;
#[path = "support/wim_writer.rs"]
mod wim_writer;

use std::cell::Cell;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::rc::Rc;

use dism_mount_status::mount_point::{ReparseData, ReparsePoint, ReparseTag};
use dism_mount_status::wim::{
    CapturedWim, Compression, ImageMetadata, LookupEntry, LookupTable, Resource, ResourceHeader,
    ResourceReader, StreamEntry, StreamKind,
};
use dism_mount_status::{PathComponent, WarningCode, WideString};
use proptest::prelude::*;

use wim_file::warning_codes;
use wim_writer::{File, Storage, WimWriter, write_metadata};

const NONE: Storage = Storage::new(Compression::None, 0x8000);
const XPRESS: Storage = Storage::new(Compression::Xpress, 0x1000);
const LZX: Storage = Storage::new(Compression::Lzx, 0x8000);
const LARGE_LZX: Storage = Storage::new(Compression::Lzx, 0x10000);
const PIPABLE: Storage = Storage {
    is_pipable: true,
    ..XPRESS
};
const LZMS: Storage = Storage::new(Compression::Lzms, 0x8000);
const PIPABLE_LZMS: Storage = Storage {
    is_pipable: true,
    ..LZMS
};
const STORAGES: [Storage; 7] = [NONE, XPRESS, LZX, LARGE_LZX, LZMS, PIPABLE, PIPABLE_LZMS];
/// What solid resources are made of.
const SOLID_STORAGES: [Storage; 3] = [XPRESS, LZX, LZMS];

/// Data with runs, text and noise.
fn data(size: usize) -> Vec<u8> {
    (0..size)
        .map(|i| match i / 3000 % 3 {
            0 => b"all work and no play "[i % 21],
            1 => ((i * i) >> 7) as u8,
            _ => 0,
        })
        .collect()
}

fn path(text: &str) -> Vec<PathComponent> {
    let names = text.split('\\').filter(|name| !name.is_empty());
    names.map(PathComponent::from).collect()
}

fn open(bytes: &[u8]) -> CapturedWim<Cursor<&[u8]>> {
    let (wim, _warnings) = CapturedWim::open(Cursor::new(bytes)).unwrap();
    wim
}

fn stream(sha1: [u8; 20]) -> StreamEntry {
    StreamEntry {
        kind: StreamKind::Data,
        name: WideString::default(),
        sha1: Some(sha1),
    }
}

fn image(root: &File) -> ImageMetadata {
    ImageMetadata::parse(write_metadata(root)).unwrap()
}

/// The paths that a walk comes to, and the codes of its warnings.
fn walk(image: &ImageMetadata) -> (Vec<String>, Vec<WarningCode>) {
    let mut walk = image.walk();
    let mut paths = Vec::new();
    while walk.next().is_some() {
        let names: Vec<_> = walk.path().iter().map(|name| name.0.to_string()).collect();
        paths.push(names.join("\\"));
    }
    (paths, warning_codes(walk.warnings()))
}

fn tree() -> File {
    let mut program_files = File::directory("Program Files", vec![File::plain("a.txt", [1; 20])]);
    program_files.dos_name = "PROGRA~1";
    let mut mount = File::directory("mount", vec![]);
    mount.streams = vec![("", [0; 20]), ("$WIMMOUNTDATA", [2; 20])];
    File::directory(
        "",
        vec![program_files, mount, File::plain("b.txt", [3; 20])],
    )
}

#[test]
fn data_are_read_from_resources_of_every_kind() {
    for storage in STORAGES {
        for size in [1, 0xFFF, 0x1000, 0x1001, 0x8000, 70_000] {
            let data = data(size);
            let mut writer = WimWriter::new(storage);
            let (_, sha1) = writer.add_data(&data);
            let bytes = writer.finish();
            let wim = open(&bytes);
            let mut warnings = Default::default();
            let read = wim
                .read_stream(&stream(sha1), 1 << 20, &mut warnings)
                .unwrap();
            assert!(read == Some(data), "{size} bytes in {storage:?}");
            assert_eq!(warning_codes(&warnings), []);
        }
    }
}

#[test]
fn data_that_are_larger_than_the_limit_are_an_error() {
    let mut writer = WimWriter::new(XPRESS);
    let (_, sha1) = writer.add_data(&data(5001));
    let bytes = writer.finish();
    let mut warnings = Default::default();
    let error = open(&bytes)
        .read_stream(&stream(sha1), 5000, &mut warnings)
        .unwrap_err();
    assert_eq!(error.found(), Some("one of 5001 bytes"));
}

/// Counts the bytes that are read.
#[derive(Clone)]
struct Counting<'a> {
    source: Cursor<&'a [u8]>,
    count: Rc<Cell<u64>>,
}

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

impl Seek for Counting<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.source.seek(to)
    }
}

#[test]
fn only_the_chunks_that_are_asked_for_are_read() {
    let noise: Vec<u8> = (0..200_000_u32)
        .map(|i| (i.wrapping_mul(0x9E37_79B1) >> 13) as u8)
        .collect();
    let mut writer = WimWriter::new(XPRESS);
    let (_, sha1) = writer.add_data(&noise);
    let bytes = writer.finish();
    let count = Rc::new(Cell::new(0));
    let source = Counting {
        source: Cursor::new(&bytes),
        count: Rc::clone(&count),
    };
    let (wim, _) = CapturedWim::open(source).unwrap();
    let mut reader = wim.open_stream(&stream(sha1)).unwrap().unwrap();
    let opened = count.get();
    let mut range = [0; 100];
    for _ in 0..10 {
        reader.seek(SeekFrom::Start(100_000)).unwrap();
        reader.read_exact(&mut range).unwrap();
        assert_eq!(range[..], noise[100_000..100_100]);
    }
    // One chunk of 4 KiB and the chunk table of 48 entries.
    assert!(
        count.get() - opened <= 0x1000 + 4 * 48,
        "{} bytes",
        count.get() - opened
    );
}

#[test]
fn a_resource_of_more_than_four_gigabytes_has_long_table_entries() {
    let storage = Storage::new(Compression::Xpress, 0x10000);
    let last = data(5000);
    let chunk = storage.chunk(&last);
    let original_size = (1 << 32) + last.len() as u64;
    let mut bytes = vec![0; 8 * 0x10000];
    let first_size = 1000_u64;
    let last_entry = bytes.len() - 8;
    bytes[last_entry..].copy_from_slice(&first_size.to_le_bytes());
    bytes.extend(vec![0; first_size as usize]);
    bytes.extend(&chunk);
    let resource = Resource {
        header: ResourceHeader {
            size: bytes.len() as u64,
            flags: ResourceHeader::COMPRESSED,
            offset: 0,
            original_size,
        },
        compression: Compression::Xpress,
        chunk_size: 0x10000,
        is_pipable: false,
    };
    let mut reader = ResourceReader::new(Cursor::new(&bytes), resource).unwrap();
    reader.seek(SeekFrom::End(-5000)).unwrap();
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert!(read == last);
}

#[test]
fn a_resource_that_cannot_be_is_an_error() {
    let resource = |compression, chunk_size, size, flags| Resource {
        header: ResourceHeader {
            size,
            flags,
            offset: 0x1234,
            original_size: 1 << 40,
        },
        compression,
        chunk_size,
        is_pipable: false,
    };
    let compressed = ResourceHeader::COMPRESSED;
    let large = 1 << 39;
    for (resource, expected) in [
        (
            resource(Compression::Lzx, 0x1000, large, compressed),
            "a chunk size",
        ),
        (
            resource(Compression::Xpress, 0x20000, large, compressed),
            "a chunk size",
        ),
        (
            resource(Compression::Xpress, 0, large, compressed),
            "a chunk size",
        ),
        (
            resource(Compression::None, 0x8000, large, compressed),
            "a compression format",
        ),
        (
            resource(Compression::Lzms, 1 << 27, large, compressed),
            "a chunk size of 32768 to 67108864",
        ),
        (
            resource(Compression::Lzms, 1 << 26, 100, ResourceHeader::SOLID),
            "chunks and their table",
        ),
        (
            resource(Compression::Xpress, 0x8000, 100, compressed),
            "chunks and their table",
        ),
        (
            resource(Compression::Xpress, 0x8000, 100, 0),
            "uncompressed data",
        ),
    ] {
        let error = ResourceReader::new(io::empty(), resource).unwrap_err();
        assert!(error.expected().unwrap().contains(expected), "{error}");
        assert_eq!(error.position().unwrap().byte(), 0x1234);
    }
    let pipable = Resource {
        is_pipable: true,
        ..resource(Compression::Lzms, 0x8000, large, ResourceHeader::SOLID)
    };
    let error = ResourceReader::new(io::empty(), pipable).unwrap_err();
    assert!(error.is_unsupported());
}

#[test]
fn data_are_read_from_solid_resources() {
    let parts: Vec<_> = [5000, 1, 70_000, 0x8000].map(data).into();
    let [a, b, c, d] = [&parts[0][..], &parts[1], &parts[2], &parts[3]];
    for storage in SOLID_STORAGES {
        let mut writer = WimWriter::new(LZMS);
        let (_, sha1_alone) = writer.add_data(b"alone");
        // A run of one resource, and behind other entries one of three.
        let (_, first) = writer.add_solid(storage, &[&[b, a]]);
        writer.add_image(&write_metadata(&tree()));
        let (_, second) = writer.add_solid(storage, &[&[b"x", c], &[], &[d, b"y"]]);
        let bytes = writer.finish();
        let (wim, warnings) = CapturedWim::open(Cursor::new(&bytes)).unwrap();
        assert_eq!(warning_codes(&warnings), [WarningCode::ImageXmlMalformed]);
        let hashes = [&[sha1_alone], &first[..], &second].concat();
        let expected = [b"alone", b, a, b"x", c, d, b"y"];
        for (sha1, expected) in hashes.into_iter().zip(expected) {
            let mut warnings = Default::default();
            let read = wim.read_stream(&stream(sha1), 1 << 20, &mut warnings);
            assert!(read.unwrap().unwrap() == expected, "{storage:?}");
            assert_eq!(warning_codes(&warnings), []);
            let mut reader = wim.open_stream(&stream(sha1)).unwrap().unwrap();
            assert_eq!(reader.size(), expected.len() as u64);
            let start = reader.seek(SeekFrom::End(-1)).unwrap() as usize;
            let mut rest = Vec::new();
            reader.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, expected[start..]);
        }
        assert_eq!(walk(&wim.image(1).unwrap().0).0.len(), 5);
    }
}

#[test]
fn the_readers_of_one_solid_resource_share_its_chunks() {
    let noise: Vec<u8> = (0..300_000_u32)
        .map(|i| (i.wrapping_mul(0x9E37_79B1) >> 13) as u8)
        .collect();
    let parts: Vec<&[u8]> = noise.chunks(100).collect();
    let mut writer = WimWriter::new(LZMS);
    let (_, hashes) = writer.add_solid(LZX, &[&parts]);
    let bytes = writer.finish();
    let count = Rc::new(Cell::new(0));
    let source = Counting {
        source: Cursor::new(&bytes),
        count: Rc::clone(&count),
    };
    let (wim, _) = CapturedWim::open(source).unwrap();
    let opened = count.get();
    // The data of the second chunk only.
    for (sha1, part) in hashes.iter().zip(&parts).skip(400).take(200) {
        let read = wim.read_stream(&stream(*sha1), 100, &mut Default::default());
        assert_eq!(read.unwrap().unwrap(), *part);
    }
    let read = count.get() - opened;
    // One chunk of 32 KiB, and the table of 10 entries for each reader.
    assert!(read <= 0x8000 + 200 * 40, "{read} bytes");
}

#[test]
fn a_solid_resource_with_many_chunks_is_read_from_its_end() {
    // More chunks than are looked up at once, none of them compressed.
    let data = data(0x1000 * 2500 + 77);
    let mut bytes = (data.len() as u64).to_le_bytes().to_vec();
    bytes.extend(0x1000_u32.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    for chunk in data.chunks(0x1000) {
        bytes.extend((chunk.len() as u32).to_le_bytes());
    }
    bytes.extend(&data);
    let header = ResourceHeader {
        size: bytes.len() as u64,
        flags: ResourceHeader::SOLID,
        offset: 0,
        original_size: 0,
    };
    let resource = Resource::solid(header, &bytes).unwrap();
    assert_eq!(resource.original_size(), data.len() as u64);
    let mut reader = ResourceReader::new(Cursor::new(&bytes), resource).unwrap();
    for start in [
        0x1000 * 2499,
        0x1000 * 1024 - 5,
        3,
        0x1000 * 2048,
        0x1000 * 2500,
    ] {
        reader.seek(SeekFrom::Start(start as u64)).unwrap();
        let mut read = Vec::new();
        reader.by_ref().take(50).read_to_end(&mut read).unwrap();
        assert!(read == data[start..start + 50], "from {start}");
    }
}

#[test]
fn data_that_lie_in_no_solid_resource_are_an_error() {
    let mut writer = WimWriter::new(LZMS);
    let (headers, hashes) = writer.add_solid(LZMS, &[&[b"first"], &[b"second"]]);
    let entry = |size, offset| ResourceHeader {
        size,
        offset,
        flags: ResourceHeader::SOLID,
        original_size: 0,
    };
    let wrong = [(1, 11), (2, 4), (1, u64::MAX), (u64::MAX >> 8, 5)];
    for (i, (size, offset)) in (100..).zip(wrong) {
        writer.add_entry(entry(size, offset), [i; 20]);
    }
    let bytes = writer.finish();
    let wim = open(&bytes);
    for (i, _) in (100..).zip(wrong) {
        let error = wim.open_stream(&stream([i; 20])).unwrap_err();
        assert!(
            error.found().unwrap().starts_with("an offset of"),
            "{error}"
        );
    }
    // A resource that cannot be read hides what comes behind it.
    let mut damaged = bytes.clone();
    let second = headers[1].offset as usize;
    damaged[second..second + 8].fill(0xFF);
    let (wim, warnings) = CapturedWim::open(Cursor::new(&damaged)).unwrap();
    assert!(warning_codes(&warnings).contains(&WarningCode::LookupTableMalformed));
    let read = |sha1| wim.read_stream(&stream(sha1), 100, &mut Default::default());
    assert_eq!(read(hashes[0]).unwrap().unwrap(), b"first");
    assert!(read(hashes[1]).is_err());
}

#[test]
fn damaged_data_are_told_by_their_hash() {
    let mut writer = WimWriter::new(NONE);
    let (resource, sha1) = writer.add_data(&data(1000));
    let mut bytes = writer.finish();
    bytes[resource.offset as usize + 7] ^= 1;
    let mut warnings = Default::default();
    let read = open(&bytes).read_stream(&stream(sha1), 1000, &mut warnings);
    assert_eq!(read.unwrap().unwrap().len(), 1000);
    let [warning] = warnings.as_slice() else {
        panic!("{warnings:?}");
    };
    assert_eq!(warning.code(), WarningCode::ResourceDamaged);
    assert_eq!(warning.position().unwrap().byte(), resource.offset);
}

#[test]
fn an_error_in_a_chunk_tells_the_place_in_the_file() {
    let mut writer = WimWriter::new(XPRESS);
    let (resource, sha1) = writer.add_data(&data(9000));
    let mut bytes = writer.finish();
    // The codeword lengths of the second chunk.
    let table = resource.offset as usize;
    let first = u32::from_le_bytes(bytes[table..table + 4].try_into().unwrap());
    let second = table + 8 + first as usize;
    bytes[second..second + 256].fill(0x11);
    let mut reader = open(&bytes).open_stream(&stream(sha1)).unwrap().unwrap();
    let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
    let error = dism_mount_status::Error::from(error);
    assert_eq!(error.position().unwrap().byte(), second as u64);
    assert_eq!(error.expected(), Some("a Huffman code"));
}

#[test]
fn unusable_entries_of_the_lookup_table_hide_no_others() {
    let mut writer = WimWriter::new(NONE);
    let (resource, sha1) = writer.add_data(b"data");
    let free = ResourceHeader {
        flags: ResourceHeader::FREE,
        ..resource
    };
    writer.add_entry(resource, [0; 20]);
    writer.add_entry(free, [7; 20]);
    let mut again = resource;
    again.offset += 1;
    writer.add_entry(again, sha1);
    let (resource_2, sha1_2) = writer.add_data(b"other data");
    let bytes = writer.finish();
    let table = &bytes[bytes.len() - 5 * LookupEntry::SIZE..];
    let table = [table, &[0; 3]].concat();
    let (table, warnings) = LookupTable::parse(&table, 1000);
    let places: Vec<_> = warnings
        .as_slice()
        .iter()
        .map(|w| w.position().unwrap().byte())
        .collect();
    assert_eq!(places, [1050, 1250]);
    assert_eq!(table.find(&sha1).unwrap().header, resource);
    assert_eq!(table.find(&sha1_2).unwrap().header, resource_2);
    assert_eq!(table.find(&[7; 20]), None);
    assert_eq!(table.data().len(), 2);
}

#[test]
fn files_are_found_by_any_spelling_of_their_path() {
    let image = image(&tree());
    for spelling in [
        "Program Files\\a.txt",
        "PROGRAM FILES\\A.TXT",
        "progra~1\\A.txt",
    ] {
        let found = image.find(&path(spelling)).unwrap().unwrap();
        assert_eq!(found.data().unwrap().sha1, Some([1; 20]), "{spelling}");
    }
    assert_eq!(image.find(&[]).unwrap().unwrap(), *image.root());
    for absent in [
        "a.txt",
        "b.txt\\a.txt",
        "Program Files\\a.txt\\x",
        "mount\\x",
    ] {
        assert_eq!(image.find(&path(absent)).unwrap(), None, "{absent}");
    }
}

#[test]
fn of_names_that_differ_in_case_only_the_exact_one_is_found() {
    let files = ["File", "file", "FILE"].map(|name| File::plain(name, [0; 20]));
    let image = image(&File::directory("", files.to_vec()));
    for (name, expected) in [("file", "file"), ("FILE", "FILE"), ("fILE", "File")] {
        assert_eq!(image.find(&path(name)).unwrap().unwrap().name, expected);
    }
}

#[test]
fn a_walk_comes_to_every_file_with_its_path() {
    let (paths, warnings) = walk(&image(&tree()));
    let expected = [
        "",
        "Program Files",
        "Program Files\\a.txt",
        "mount",
        "b.txt",
    ];
    assert_eq!(paths, expected);
    assert_eq!(warnings, []);
}

#[test]
fn streams_and_times_of_an_entry_are_told() {
    let image = image(&tree());
    let mount = image.find(&path("mount")).unwrap().unwrap();
    let named = mount.named_stream(&"$WimMountData".into()).unwrap();
    assert_eq!(
        (named.name.to_string().as_str(), named.sha1),
        ("$WIMMOUNTDATA", Some([2; 20]))
    );
    assert_eq!(mount.data().unwrap().sha1, None);
    assert_eq!(mount.named_stream(&"other".into()), None);
    assert!(mount.is_directory());
    let times = [
        mount.creation_time,
        mount.last_access_time,
        mount.last_write_time,
    ];
    assert_eq!(times.map(|time| time.ticks()), [1, 2, 3]);
    assert_eq!(mount.security_id, -1);
}

#[test]
fn unnamed_streams_are_told_apart_by_their_order() {
    let kinds = |reparse_tag: u32, sha1, streams| {
        let file = File {
            attributes: if reparse_tag != 0 { 0x400 } else { 0x20 },
            reparse_tag,
            sha1,
            streams,
            ..File::plain("f", [0; 20])
        };
        let image = image(&File::directory("", vec![file]));
        let entry = image.find(&path("f")).unwrap().unwrap();
        let streams = entry.streams.iter();
        let kinds: Vec<_> = streams
            .map(|s| (s.kind, s.sha1.map(|sha1| sha1[0])))
            .collect();
        kinds
    };
    use StreamKind::{Data, ReparsePoint, Surplus};
    const TAG: u32 = 0xA000_000C;
    assert_eq!(kinds(0, [1; 20], vec![]), [(Data, Some(1))]);
    assert_eq!(kinds(0, [0; 20], vec![]), [(Data, None)]);
    assert_eq!(kinds(0, [0; 20], vec![("", [1; 20])]), [(Data, Some(1))]);
    assert_eq!(
        kinds(0, [1; 20], vec![("", [2; 20])]),
        [(Data, Some(1)), (Surplus, Some(2))]
    );
    assert_eq!(kinds(TAG, [1; 20], vec![]), [(ReparsePoint, Some(1))]);
    let both = [(Data, None), (ReparsePoint, Some(1))];
    assert_eq!(kinds(TAG, [0; 20], vec![("", [1; 20])]), both);
    let both = [(ReparsePoint, Some(1)), (Data, Some(2)), (Data, Some(3))];
    assert_eq!(
        kinds(
            TAG,
            [0; 20],
            vec![("", [1; 20]), ("", [2; 20]), ("n", [3; 20])]
        ),
        both
    );
}

#[test]
fn reparse_points_get_their_head_back() {
    let mut writer = WimWriter::new(LZX);
    let (_, wim_data) = writer.add_data(&[0xAB; 36]);
    let (_, owned_data) = writer.add_data(&[0xCD; 20]);
    let link = |name, reparse_tag, sha1| File {
        attributes: 0x400,
        reparse_tag,
        ..File::plain(name, sha1)
    };
    let root = File::directory(
        "",
        vec![
            link("wim", ReparseTag::WIM.0, wim_data),
            link("owned", 0x0000_1234, owned_data),
            link("elsewhere", ReparseTag::WIM.0, [9; 20]),
            File::plain("plain", wim_data),
        ],
    );
    writer.add_image(&write_metadata(&root));
    let bytes = writer.finish();
    let wim = open(&bytes);
    let (image, _) = wim.image(1).unwrap();
    let buffer = |name| {
        let entry = image.find(&path(name)).unwrap().unwrap();
        wim.read_reparse_buffer(&entry, &mut Default::default())
            .unwrap()
    };
    let (point, warnings) = ReparsePoint::parse(&buffer("wim").unwrap()).unwrap();
    assert_eq!(warning_codes(&warnings), []);
    assert!(matches!(point.data, ReparseData::Wim(_)));
    let (point, warnings) = ReparsePoint::parse(&buffer("owned").unwrap()).unwrap();
    assert_eq!(warning_codes(&warnings), []);
    assert_eq!(point.owner.unwrap().into_bytes(), [0xCD; 16]);
    assert_eq!(point.data, ReparseData::Other(vec![0xCD; 4]));
    assert_eq!(buffer("elsewhere"), None);
    assert_eq!(buffer("plain"), None);
}

#[test]
fn every_image_has_its_tree() {
    for storage in STORAGES {
        let mut writer = WimWriter::new(storage);
        writer.add_image(&write_metadata(&tree()));
        writer.add_image(&write_metadata(&File::directory("", vec![])));
        let bytes = writer.finish();
        let wim = open(&bytes);
        assert_eq!(wim.image_count(), 2);
        let found = [1, 2].map(|index| walk(&wim.image(index).unwrap().0).0.len());
        assert_eq!(found, [5, 1]);
        for index in [0, 3] {
            let error = wim.image(index).unwrap_err();
            assert_eq!(error.expected(), Some("an image index of 1 to 2"));
        }
    }
}

/// Sets a field of the entry of a file in written metadata.
fn set(metadata: &mut [u8], name: &str, field: usize, value: &[u8]) {
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let found = metadata
        .windows(name.len())
        .position(|window| window == name);
    let entry = found.unwrap() - 102;
    metadata[entry + field..][..value.len()].copy_from_slice(value);
}

const LENGTH: usize = 0;
const CHILDREN: usize = 16;
const NAME_SIZE: usize = 100;

#[test]
fn a_directory_that_holds_itself_is_walked_once() {
    let mut metadata = write_metadata(&tree());
    let (image, top) = (image(&tree()), 0x78_u64);
    assert_eq!(
        image
            .entries(image.root())
            .next()
            .unwrap()
            .unwrap()
            .position,
        top
    );
    set(&mut metadata, "Program Files", CHILDREN, &top.to_le_bytes());
    let image = ImageMetadata::parse(metadata).unwrap();
    let (paths, warnings) = walk(&image);
    assert_eq!(paths, ["", "Program Files", "mount", "b.txt"]);
    assert_eq!(warnings, [WarningCode::ImageTreeMalformed]);
    // A path may go round as often as it says.
    let round = "Program Files\\".repeat(1000) + "mount";
    assert!(image.find(&path(&round)).unwrap().is_some());
}

#[test]
fn a_walk_through_directories_that_overlap_ends() {
    // Each directory is the list of the directories behind it.
    let files = (0..2000).map(|i| File::directory(&format!("{i:04}"), vec![]));
    let mut metadata = write_metadata(&File::directory("", files.collect()));
    let size = 112_u64;
    for i in 0..1999 {
        let children = 0x78 + size * (i + 1);
        set(
            &mut metadata,
            &format!("{i:04}"),
            CHILDREN,
            &children.to_le_bytes(),
        );
    }
    let (paths, warnings) = walk(&ImageMetadata::parse(metadata).unwrap());
    assert!(paths.len() <= 2001 + 1, "{} files", paths.len());
    assert_eq!(warnings.last(), Some(&WarningCode::ImageTreeMalformed));
}

#[test]
fn names_that_no_file_can_have_are_left_out() {
    let names = ["..", ".", "a\\b", "a/b", "", "good", "good"];
    let files = names.map(|name| File::plain(name, [0; 20])).to_vec();
    let image = image(&File::directory("", files));
    let (paths, warnings) = walk(&image);
    assert_eq!(paths, ["", "good"]);
    assert_eq!(warnings, [WarningCode::ImageTreeMalformed; 6]);
    // That one of the names could be meant is not known to be wrong.
    assert!(image.find(&path("other")).is_err());
    assert!(image.find(&path("good")).unwrap().is_some());
}

#[test]
fn an_unusable_entry_hides_no_other() {
    let mut metadata = write_metadata(&tree());
    set(&mut metadata, "mount", NAME_SIZE, &11_u16.to_le_bytes());
    let image = ImageMetadata::parse(metadata.clone()).unwrap();
    let (paths, warnings) = walk(&image);
    assert_eq!(
        paths,
        ["", "Program Files", "Program Files\\a.txt", "b.txt"]
    );
    assert_eq!(warnings, [WarningCode::ImageTreeMalformed]);
    assert!(image.find(&path("b.txt")).unwrap().is_some());
    assert!(image.find(&path("mount")).is_err());
    // Where the length is damaged, what follows cannot be found.
    set(&mut metadata, "mount", LENGTH, &90_u64.to_le_bytes());
    let image = ImageMetadata::parse(metadata).unwrap();
    assert_eq!(
        walk(&image).0,
        ["", "Program Files", "Program Files\\a.txt"]
    );
    let error = image.find(&path("b.txt")).unwrap_err();
    assert!(error.expected().unwrap().starts_with("a length of 102 to"));
}

#[test]
fn a_path_that_windows_cannot_have_is_not_walked() {
    let mut root = File::directory("deepest", vec![]);
    for _ in 0..200 {
        root = File::directory(&"x".repeat(250), vec![root]);
    }
    let (paths, warnings) = walk(&image(&File::directory("", vec![root])));
    assert_eq!(warnings, [WarningCode::ImageTreeMalformed]);
    assert_eq!(paths.len(), 1 + 32_767 / 251 + 1);
}

#[test]
fn data_in_another_part_are_there_when_it_is_added() {
    let part = |number, data: &[u8]| {
        let mut writer = WimWriter::new(XPRESS);
        writer.header.part_number = number;
        writer.header.total_parts = 3;
        let (_, sha1) = writer.add_data(data);
        (writer.finish(), sha1)
    };
    let (first, in_first) = part(1, b"in the first");
    let (third, in_third) = part(3, b"in the third");
    let mut wim = open(&first);
    assert_eq!(wim.missing_parts(), [2, 3]);
    assert!(wim.open_stream(&stream(in_first)).unwrap().is_some());
    assert!(wim.open_stream(&stream(in_third)).unwrap().is_none());
    wim.add_part(Cursor::new(&third)).unwrap();
    assert_eq!(wim.missing_parts(), [2]);
    let read = wim.read_stream(&stream(in_third), 100, &mut Default::default());
    assert_eq!(read.unwrap().unwrap(), b"in the third");
    let again = wim.add_part(Cursor::new(&third)).unwrap_err();
    assert_eq!(again.expected(), Some("a part that is not there yet"));
    let mut other = third.clone();
    other[24] ^= 1;
    let stranger = wim.add_part(Cursor::new(&other)).unwrap_err();
    assert!(
        stranger
            .expected()
            .unwrap()
            .starts_with("a part of 3 of WIM")
    );
}

#[test]
fn a_stream_without_data_is_read_as_nothing() {
    let bytes = WimWriter::new(LZX).finish();
    let wim = open(&bytes);
    let nothing = StreamEntry {
        sha1: None,
        ..stream([0; 20])
    };
    let mut reader = wim.open_stream(&nothing).unwrap().unwrap();
    assert_eq!(reader.read(&mut [0; 10]).unwrap(), 0);
    let read = wim.read_stream(&nothing, 0, &mut Default::default());
    assert_eq!(read.unwrap(), Some(vec![]));
}

/// A WIM of one image with one file.
fn small_wim(storage: Storage) -> (Vec<u8>, [u8; 20], Vec<u8>) {
    let data = data(9000);
    let mut writer = WimWriter::new(storage);
    let (_, sha1) = writer.add_data(&data);
    writer.add_image(&write_metadata(&tree()));
    (writer.finish(), sha1, data)
}

/// Asks a WIM for everything; what is read without warning must be as it was.
fn read_all(bytes: &[u8], sha1: [u8; 20], expected: &[u8]) {
    let Ok((wim, _)) = CapturedWim::open(Cursor::new(bytes)) else {
        return;
    };
    let mut warnings = Default::default();
    if let Ok(Some(read)) = wim.read_stream(&stream(sha1), 1 << 20, &mut warnings) {
        assert!(read == expected || !warnings.as_slice().is_empty());
    }
    for index in 0..=wim.image_count().min(4) {
        if let Ok((image, _)) = wim.image(index) {
            walk(&image);
            let _ = image.find(&path("Program Files\\a.txt"));
        }
    }
}

fn storage() -> impl Strategy<Value = Storage> {
    prop::sample::select(STORAGES.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_range_is_read_as_it_was_written(
        storage in storage(),
        size in 0..40_000_usize,
        ranges in prop::collection::vec((any::<prop::sample::Index>(), 0..10_000_usize), 1..12),
    ) {
        let data = data(size);
        let mut writer = WimWriter::new(storage);
        let (_, sha1) = writer.add_data(&data);
        let bytes = writer.finish();
        let mut reader = open(&bytes).open_stream(&stream(sha1)).unwrap().unwrap();
        for (start, length) in ranges {
            let start = start.index(size + 1);
            reader.seek(SeekFrom::Start(start as u64)).unwrap();
            let mut read = Vec::new();
            reader.by_ref().take(length as u64).read_to_end(&mut read).unwrap();
            prop_assert!(read == data[start..size.min(start + length)]);
        }
    }

    #[test]
    fn a_damaged_wim_is_read_rightly_or_with_a_warning_or_not(
        storage in storage(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut: prop::sample::Index,
    ) {
        let (mut bytes, sha1, data) = small_wim(storage);
        read_all(&bytes[..cut.index(bytes.len())], sha1, &data);
        for (place, value) in places {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        read_all(&bytes, sha1, &data);
    }

    #[test]
    fn a_damaged_solid_wim_is_read_rightly_or_with_a_warning_or_not(
        storage in prop::sample::select(SOLID_STORAGES.to_vec()),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut: prop::sample::Index,
    ) {
        let data = data(5000);
        let mut writer = WimWriter::new(LZMS);
        let (_, hashes) = writer.add_solid(storage, &[&[b"first", &data], &[b"last"]]);
        writer.add_image(&write_metadata(&tree()));
        let mut bytes = writer.finish();
        read_all(&bytes[..cut.index(bytes.len())], hashes[1], &data);
        for (place, value) in places {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        read_all(&bytes, hashes[1], &data);
        read_all(&bytes, hashes[2], b"last");
    }

    #[test]
    fn damaged_metadata_are_walked_to_an_end(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: prop::sample::Index,
    ) {
        let mut metadata = write_metadata(&tree());
        for (place, value) in places {
            let place = place.index(metadata.len());
            metadata[place] = value;
        }
        let cut = metadata[..cut.index(metadata.len())].to_vec();
        for metadata in [metadata, cut] {
            let size = metadata.len();
            if let Ok(image) = ImageMetadata::parse(metadata) {
                prop_assert!(walk(&image).0.len() <= 2 + size / 102);
                let _ = image.find(&path("Program Files\\a.txt"));
            }
        }
    }
}
