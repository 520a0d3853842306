//! What a volume for the tests holds, and how it is laid out.

/// How a volume is laid out.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) sector_size: u64,
    pub(crate) cluster_size: u64,
    pub(crate) record_size: u64,
    pub(crate) index_block_size: u64,
    /// In how many pieces values lie, which go backwards on the volume.
    pub(crate) pieces: u64,
    /// In how many pieces the master file table lies.
    pub(crate) table_pieces: u64,
    /// How many clusters it claims besides, which lie behind the volume's end.
    pub(crate) table_behind_end: u64,
    /// Whether all but the first of them are told in other records.
    pub(crate) has_table_list: bool,
    /// The most runs that one part of an attribute tells of.
    pub(crate) runs_in_part: usize,
    /// The most names in a node of an index.
    pub(crate) names_in_node: usize,
    pub(crate) upcase: fn(u16) -> u16,
    /// How many code units of the table for that are stored.
    pub(crate) stored_upcase: usize,
    pub(crate) journal: Journal,
    pub(crate) is_dirty: bool,
}

/// What the journal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Journal {
    Empty,
    Closed,
    Open,
}

impl Default for Layout {
    fn default() -> Self {
        Layout {
            sector_size: 512,
            cluster_size: 512,
            record_size: 1024,
            index_block_size: 4096,
            pieces: 1,
            table_pieces: 1,
            table_behind_end: 0,
            has_table_list: false,
            runs_in_part: 1000,
            names_in_node: 1000,
            upcase: usual_upcase,
            stored_upcase: 0x1_0000,
            journal: Journal::Empty,
            is_dirty: false,
        }
    }
}

/// The upper case of a code unit, where it is one too.
pub(crate) fn usual_upcase(unit: u16) -> u16 {
    let mut upper = char::from_u32(unit.into())
        .into_iter()
        .flat_map(char::to_uppercase);
    match (upper.next(), upper.next()) {
        (Some(upper), None) => u16::try_from(u32::from(upper)).unwrap_or(unit),
        _ => unit,
    }
}

/// A file or directory.
#[derive(Debug, Clone, Default)]
pub(crate) struct File {
    pub(crate) name: Vec<u16>,
    pub(crate) dos_name: Option<Vec<u16>>,
    /// What is in a directory.
    pub(crate) children: Option<Vec<File>>,
    pub(crate) is_case_sensitive: bool,
    pub(crate) streams: Vec<Stream>,
    /// The reparse buffer.
    pub(crate) reparse_data: Option<Vec<u8>>,
    /// Whether the attributes stand in other records even where there is room for them.
    pub(crate) has_list: bool,
    /// Whether the attribute list lies in clusters.
    pub(crate) has_list_in_clusters: bool,
    /// How often the attribute list tells of the name again, in turn as itself and as a further part of it.
    pub(crate) repeated_names: u64,
    /// When the data were last written.
    pub(crate) modified: u64,
    /// Whether it was deleted: its record is still there, in no index.
    pub(crate) is_deleted: bool,
}

/// A stream of a file; the one without a name is its data.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) name: Vec<u16>,
    pub(crate) data: Vec<u8>,
    pub(crate) storage: Storage,
    /// How much of the data was written; the rest reads as zeros, whatever is stored.
    pub(crate) initialized_size: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// In the record, where there is room.
    Resident,
    Clusters,
    /// Clusters of zeros are not stored.
    Sparse,
    /// By LZNT1, where clusters have at most 4 KiB.
    Compressed,
    Encrypted,
}

impl File {
    pub(crate) fn new(name: &str) -> File {
        File {
            name: units(name),
            ..File::default()
        }
    }

    pub(crate) fn directory(name: &str, children: Vec<File>) -> File {
        File {
            children: Some(children),
            ..File::new(name)
        }
    }

    pub(crate) fn with_data(name: &str, data: &[u8], storage: Storage) -> File {
        File::new(name).and_stream("", data, storage)
    }

    pub(crate) fn and_stream(mut self, name: &str, data: &[u8], storage: Storage) -> File {
        self.streams.push(Stream {
            name: units(name),
            data: data.to_vec(),
            storage,
            initialized_size: data.len() as u64,
        });
        self
    }

    pub(crate) fn and_reparse_data(mut self, reparse_data: Vec<u8>) -> File {
        self.reparse_data = Some(reparse_data);
        self
    }

    pub(crate) fn and_dos_name(mut self, name: &str) -> File {
        self.dos_name = Some(units(name));
        self
    }

    pub(crate) fn and_list(mut self) -> File {
        self.has_list = true;
        self
    }
}

pub(crate) fn units(name: &str) -> Vec<u16> {
    name.encode_utf16().collect()
}
