//! A volume with one of everything.

use super::layout::{File, Layout, Storage};
use super::wim_compressor::{LzxBlock, lzx, xpress};

const WOF_STREAM: &str = "WofCompressedData";
pub(crate) const MOUNT_DATA: &str = "$WIMMOUNTDATA";
const WIM: u32 = 0x8000_0008;
const WOF: u32 = 0x8000_0017;

/// Data with text, noise and zeros.
pub(crate) fn data(size: usize, seed: usize) -> Vec<u8> {
    (0..size)
        .map(|i| match (i / 3000 + seed) % 3 {
            0 => b"all work and no play "[(i + seed) % 21],
            1 => ((i * i + seed) >> 7) as u8,
            _ => 0,
        })
        .collect()
}

/// Noise, which no method makes smaller.
pub(crate) fn noise(size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..size).map(next).collect()
}

pub(crate) fn reparse_data(tag: u32, data: &[u8]) -> Vec<u8> {
    let mut buffer = tag.to_le_bytes().to_vec();
    buffer.extend((data.len() as u32).to_le_bytes());
    buffer.extend(data);
    buffer
}

/// A mount directory whose list of attributes is as long as it can be, of one name.
pub(crate) fn repeated_names() -> File {
    let directory = File::directory("repeated", vec![]).and_list();
    File {
        repeated_names: 8_000,
        ..directory.and_stream(MOUNT_DATA, &data(200, 0), Storage::Resident)
    }
}

/// A file of a mounted image.
pub(crate) fn stub(name: &str) -> File {
    let mut data = [7; 36];
    data[16..].fill(0);
    let data = reparse_data(WIM, &data);
    File::with_data(name, b"", Storage::Resident).and_reparse_data(data)
}

/// A file that the Windows Overlay Filter compressed.
pub(crate) fn wof(name: &str, data: &[u8], algorithm: u32) -> File {
    let chunk_size = [4 << 10, 32 << 10, 8 << 10, 16 << 10][algorithm as usize];
    let chunks: Vec<_> = data
        .chunks(chunk_size)
        .map(|chunk| {
            let block = LzxBlock {
                kind: 1,
                size: chunk_size,
                skewed: false,
            };
            let compressed = match algorithm {
                1 => lzx(chunk, chunk_size as u32, &[block]),
                _ => xpress(chunk, false),
            };
            if compressed.len() < chunk.len() {
                compressed
            } else {
                chunk.to_vec()
            }
        })
        .collect();
    let mut stored = Vec::new();
    let mut end = 0_u32;
    for chunk in &chunks[..chunks.len().saturating_sub(1)] {
        end += chunk.len() as u32;
        stored.extend(end.to_le_bytes());
    }
    stored.extend(chunks.concat());
    let provider = [1, 2, 1, algorithm].map(u32::to_le_bytes).concat();
    File::with_data(name, data, Storage::Sparse)
        .and_stream(WOF_STREAM, &stored, Storage::Clusters)
        .and_reparse_data(reparse_data(WOF, &provider))
}

/// One of everything that NTFS has.
pub(crate) fn everything() -> Vec<File> {
    let mut many: Vec<_> = (0..40)
        .map(|i| File::new(&format!("file {i} of many")))
        .collect();
    many.push(File::with_data(
        "with data",
        &data(2000, 2),
        Storage::Clusters,
    ));
    let mut never_written = File::with_data("never written", &data(9000, 1), Storage::Clusters);
    never_written.streams[0].initialized_size = 4321;
    let mut in_clusters = File::with_data("list in clusters", &data(9000, 4), Storage::Sparse)
        .and_stream("a", &data(400, 3), Storage::Resident)
        .and_list();
    in_clusters.has_list_in_clusters = true;
    let mut deleted = File::directory("Deleted", vec![]);
    deleted.is_deleted = true;
    deleted = deleted.and_stream(MOUNT_DATA, b"was mounted", Storage::Resident);
    let mut case_sensitive = File::directory(
        "Sensitive",
        vec![File::new("Name"), File::new("NAME"), File::new("name")],
    );
    case_sensitive.is_case_sensitive = true;
    vec![
        File::directory("Many", many.clone()),
        File::directory("Listed", many).and_list(),
        case_sensitive,
        File::directory(
            "Mount",
            vec![
                stub("stub.dll"),
                File::directory("deeper", vec![stub("another.dll")]),
            ],
        )
        .and_stream(MOUNT_DATA, &data(200, 0), Storage::Resident),
        File::directory("Replaced", vec![]).and_stream(
            MOUNT_DATA,
            &data(5000, 0),
            Storage::Clusters,
        ),
        deleted,
        File::with_data("empty", b"", Storage::Resident),
        File::with_data("resident", &data(200, 0), Storage::Resident),
        File::with_data("plain", &data(20_000, 1), Storage::Clusters),
        File::with_data("sparse", &data(30_000, 1), Storage::Sparse),
        File::with_data("holes only", &[0; 9000], Storage::Sparse),
        File::with_data("compressed", &data(20_000, 1), Storage::Compressed),
        File::with_data("not compressible", &noise(9000), Storage::Compressed),
        File::with_data("secret", &data(900, 1), Storage::Encrypted),
        File::with_data("a long name.txt", b"text", Storage::Resident).and_dos_name("ALONGN~1.TXT"),
        never_written,
        in_clusters,
        wof("overlay.dll", &data(20_000, 2), 0),
    ]
}

pub(crate) fn small_layout() -> Layout {
    Layout {
        index_block_size: 1024,
        names_in_node: 3,
        pieces: 3,
        table_pieces: 4,
        has_table_list: true,
        runs_in_part: 2,
        stored_upcase: 1 << 11,
        ..Layout::default()
    }
}
