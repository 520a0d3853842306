//! Writes small NTFS volumes: of any cluster size, in one piece or many.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::attributes::{
    ATTRIBUTE_LIST, Attribute, BITMAP, COMPRESSED, DATA, ENCRYPTED, FILE_NAME, INDEX_ALLOCATION,
    INDEX_ROOT, Part, REPARSE_POINT, Run, SPARSE, STANDARD_INFORMATION, VOLUME_INFORMATION,
    VOLUME_NAME, Value, attribute_list, lznt1, protect, record, room, utf16le,
};

use super::index::{Entry, index_header, names, reference, sequence_number, size_of};
use super::layout::{File, Journal, Layout, Storage, Stream, units};

const IN_USE: u16 = 1;
const DIRECTORY: u16 = 2;
const TABLE: u64 = 0;
const TABLE_MIRROR: u64 = 1;
const JOURNAL: u64 = 2;
const VOLUME: u64 = 3;
const ROOT: u64 = 5;
const UPCASE: u64 = 10;
/// Where the further parts of the table's own runs are told.
const FIRST_TABLE_EXTENSION: u64 = 12;
/// The first record of a file that is none of the system's.
const FIRST_FILE: u64 = 24;
const INDEX_NAME: &str = "$I30";

/// The bytes of a volume with the files in its root directory.
pub(crate) fn write_volume(layout: &Layout, files: &[File]) -> Vec<u8> {
    let mut writer = Writer {
        layout,
        bytes: Vec::new(),
        records: BTreeMap::new(),
        next_record: FIRST_FILE,
    };
    // The boot sector takes 8 KiB on a real volume.
    writer.allocate(1024_u64.div_ceil(layout.cluster_size));
    writer.system_files();
    writer.directory(ROOT, ROOT, &File::directory(".", files.to_vec()));
    writer.finish()
}
struct Writer<'a> {
    layout: &'a Layout,
    bytes: Vec<u8>,
    records: BTreeMap<u64, Vec<u8>>,
    next_record: u64,
}

impl Writer<'_> {
    fn allocate(&mut self, clusters: u64) -> u64 {
        let lcn = self.bytes.len() as u64 / self.layout.cluster_size;
        let size = (lcn + clusters) * self.layout.cluster_size;
        self.bytes.resize(size as usize, 0);
        lcn
    }

    fn write_at(&mut self, lcn: u64, bytes: &[u8]) {
        let start = (lcn * self.layout.cluster_size) as usize;
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// Places clusters one after the other in pieces, and leaves one free behind each.
    fn place(&mut self, clusters: &[Option<Vec<u8>>]) -> Vec<Run> {
        let mut runs = Vec::new();
        for group in clusters.chunk_by(|a, b| a.is_some() == b.is_some()) {
            let length = group.len() as u64;
            if group[0].is_none() {
                runs.push(Run { length, lcn: None });
                continue;
            }
            let pieces = group.chunks(length.div_ceil(self.layout.pieces) as usize);
            let mut placed = Vec::new();
            for piece in pieces.rev() {
                let length = piece.len() as u64;
                let lcn = self.allocate(length);
                for (number, cluster) in (0..).zip(piece) {
                    self.write_at(lcn + number, cluster.as_deref().unwrap());
                }
                if self.layout.pieces > 1 {
                    self.allocate(1);
                }
                let lcn = Some(lcn);
                placed.push(Run { length, lcn });
            }
            runs.extend(placed.into_iter().rev());
        }
        runs
    }

    fn clusters(&self, data: &[u8]) -> Vec<Option<Vec<u8>>> {
        let size = self.layout.cluster_size as usize;
        data.chunks(size)
            .map(|cluster| Some(cluster.to_vec()))
            .collect()
    }

    fn stream(&mut self, kind: u32, stream: &Stream) -> Attribute {
        const UNIT_EXPONENT: u16 = 4;
        let cluster_size = self.layout.cluster_size;
        let data = &stream.data;
        let storage = match stream.storage {
            Storage::Resident if data.len() > 300 => Storage::Clusters,
            Storage::Compressed if cluster_size > 4096 => Storage::Clusters,
            storage => storage,
        };
        let mut clusters = self.clusters(data);
        let mut compression_unit = 0;
        let flags = match storage {
            Storage::Resident => return Attribute::resident(kind, &stream.name, data.clone()),
            Storage::Clusters => 0,
            Storage::Encrypted => ENCRYPTED,
            Storage::Sparse => {
                let is_zero = |c: &Vec<u8>| c.iter().all(|&byte| byte == 0);
                clusters
                    .iter_mut()
                    .for_each(|c| *c = c.take().filter(|c| !is_zero(c)));
                SPARSE
            }
            Storage::Compressed => {
                compression_unit = UNIT_EXPONENT;
                let in_unit = 1 << UNIT_EXPONENT;
                let units = data.chunks(in_unit * cluster_size as usize);
                clusters = units
                    .flat_map(|unit| self.compressed_unit(unit, in_unit))
                    .collect();
                COMPRESSED
            }
        };
        Attribute {
            kind,
            name: stream.name.clone(),
            flags,
            value: Value::Clusters {
                runs: self.place(&clusters),
                cluster_size,
                size: data.len() as u64,
                initialized_size: stream.initialized_size,
                compression_unit,
            },
        }
    }

    fn compressed_unit(&self, unit: &[u8], in_unit: usize) -> Vec<Option<Vec<u8>>> {
        if unit.iter().all(|&byte| byte == 0) {
            return vec![None; in_unit];
        }
        let mut clusters = self.clusters(&lznt1(unit));
        if clusters.len() >= in_unit {
            return self.clusters(unit);
        }
        clusters.resize(in_unit, None);
        clusters
    }

    fn in_clusters(&mut self, kind: u32, name: &[u16], value: &[u8]) -> Attribute {
        let stream = Stream {
            name: name.to_vec(),
            data: value.to_vec(),
            storage: Storage::Clusters,
            initialized_size: value.len() as u64,
        };
        self.stream(kind, &stream)
    }

    /// Writes the records of a file that has these attributes.
    fn file(&mut self, number: u64, flags: u16, file: &File, mut attributes: Vec<Attribute>) {
        attributes.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        let record_size = self.layout.record_size as usize;
        let parts = |most_runs| -> Vec<Part> {
            attributes.iter().flat_map(|a| a.parts(most_runs)).collect()
        };
        let all = parts(1000);
        let size: usize = all.iter().map(|part| part.bytes.len()).sum();
        if size <= room(record_size) && !file.has_list {
            let bytes = record(record_size, number, sequence_number(number), flags, 0, &all);
            self.records.insert(number, bytes);
            return;
        }
        let (own, others): (Vec<_>, Vec<_>) = parts(self.layout.runs_in_part)
            .into_iter()
            .partition(|part| part.kind == STANDARD_INFORMATION);
        let mut entries: Vec<_> = own
            .iter()
            .map(|p| (p.clone(), reference(number), 0))
            .collect();
        let mut others = others.as_slice();
        while !others.is_empty() {
            let mut left = room(record_size);
            let fitting = others.iter().take_while(|part| {
                let is_fitting = part.bytes.len() <= left;
                left = left.saturating_sub(part.bytes.len());
                is_fitting
            });
            let count = fitting.count().min(3);
            assert!(count > 0, "an attribute is too large for a record");
            let extension = self.next_record();
            let parts = &others[..count];
            entries.extend(
                (0..)
                    .zip(parts)
                    .map(|(id, part)| (part.clone(), reference(extension), id)),
            );
            let sequence_number = sequence_number(extension);
            let base = reference(number);
            let flags = flags & IN_USE;
            let bytes = record(record_size, extension, sequence_number, flags, base, parts);
            self.records.insert(extension, bytes);
            others = &others[count..];
        }
        let name = entries.iter().find(|(part, ..)| part.kind == FILE_NAME);
        let repeated = name.cloned().into_iter().flat_map(|(part, record, id)| {
            (0..file.repeated_names).map(move |number| {
                let first_vcn = number * (number % 2);
                (
                    Part {
                        first_vcn,
                        ..part.clone()
                    },
                    record,
                    id,
                )
            })
        });
        entries.extend(repeated.collect::<Vec<_>>());
        let list = attribute_list(&entries);
        let is_large = list.len() + 200 > room(record_size);
        let list = match is_large || file.has_list_in_clusters {
            true => self.in_clusters(ATTRIBUTE_LIST, &[], &list),
            false => Attribute::resident(ATTRIBUTE_LIST, &[], list),
        };
        let parts = [own, list.parts(1000)].concat();
        let bytes = record(
            record_size,
            number,
            sequence_number(number),
            flags,
            0,
            &parts,
        );
        self.records.insert(number, bytes);
    }

    fn next_record(&mut self) -> u64 {
        self.next_record += 1;
        self.next_record - 1
    }

    /// The attributes that every file has.
    fn own_attributes(&mut self, parent: u64, file: &File) -> Vec<Attribute> {
        let mut information = Vec::new();
        for time in [
            file.modified + 1,
            file.modified,
            file.modified + 2,
            file.modified + 3,
        ] {
            information.extend(time.to_le_bytes());
        }
        information.extend(0x20_u32.to_le_bytes());
        information.extend(
            [0, u32::from(file.is_case_sensitive), 0]
                .map(u32::to_le_bytes)
                .concat(),
        );
        information.resize(72, 0);
        let mut attributes = vec![Attribute::resident(STANDARD_INFORMATION, &[], information)];
        for key in names(parent, file) {
            attributes.push(Attribute::resident(FILE_NAME, &[], key));
        }
        for stream in &file.streams {
            attributes.push(self.stream(DATA, stream));
        }
        if let Some(data) = &file.reparse_data {
            attributes.push(match data.len() > 300 {
                true => self.in_clusters(REPARSE_POINT, &[], data),
                false => Attribute::resident(REPARSE_POINT, &[], data.clone()),
            });
        }
        attributes
    }

    fn directory(&mut self, number: u64, parent: u64, directory: &File) {
        let mut entries = Vec::new();
        for file in directory.children.iter().flatten() {
            let child = self.next_record();
            if !file.is_deleted {
                let keys = names(number, file).into_iter();
                entries.extend(keys.map(|key| Entry {
                    reference: reference(child),
                    key,
                    child: None,
                }));
            }
            match file.children {
                Some(_) => self.directory(child, number, file),
                None => {
                    let attributes = self.own_attributes(number, file);
                    let flags = if file.is_deleted { 0 } else { IN_USE };
                    self.file(child, flags, file, attributes);
                }
            }
        }
        entries.sort_by(|a, b| self.compare(&a.name(), &b.name()));
        let mut attributes = self.own_attributes(parent, directory);
        attributes.extend(self.index(entries));
        let in_use = if directory.is_deleted { 0 } else { IN_USE };
        self.file(number, in_use | DIRECTORY, directory, attributes);
    }

    fn compare(&self, a: &[u16], b: &[u16]) -> Ordering {
        let upper = |units: &[u16]| -> Vec<u16> {
            units
                .iter()
                .map(|&unit| (self.layout.upcase)(unit))
                .collect()
        };
        upper(a).cmp(&upper(b)).then_with(|| a.cmp(b))
    }

    /// A B tree of the entries: as many levels as it takes until the uppermost is small enough for the record.
    fn index(&mut self, mut entries: Vec<Entry>) -> Vec<Attribute> {
        const ROOT_ROOM: usize = 250;
        let layout = self.layout;
        let vcn_size = match layout.cluster_size <= layout.index_block_size {
            true => layout.cluster_size,
            false => 512,
        };
        let vcns = layout.index_block_size / vcn_size;
        let mut blocks: Vec<Vec<u8>> = Vec::new();
        let mut last_child = None;
        while entries.len() > layout.names_in_node || size_of(&entries) > ROOT_ROOM {
            let mut above = Vec::new();
            let mut rest = entries.into_iter().peekable();
            loop {
                let mut node = Vec::new();
                while node.len() < layout.names_in_node
                    && rest.peek().is_some_and(|next| {
                        size_of(&node) + next.size() + 24 <= layout.index_block_size as usize - 0x70
                    })
                {
                    node.extend(rest.next());
                }
                let separator = rest.next();
                // The last node below hangs on what ends this one.
                let end = match &separator {
                    Some(separator) => separator.child,
                    None => last_child,
                };
                let vcn = blocks.len() as u64 * vcns;
                blocks.push(self.index_block(vcn, &node, end));
                let Some(mut separator) = separator else {
                    last_child = Some(vcn);
                    break;
                };
                separator.child = Some(vcn);
                above.push(separator);
            }
            entries = above;
        }
        let name = units(INDEX_NAME);
        let header = index_header(&entries, last_child, 0x10, None);
        let mut root = [FILE_NAME, 1, layout.index_block_size as u32]
            .map(u32::to_le_bytes)
            .concat();
        root.extend([vcns as u8, 0, 0, 0]);
        root.extend(header);
        let mut attributes = vec![Attribute::resident(INDEX_ROOT, &name, root)];
        if !blocks.is_empty() {
            attributes.push(self.in_clusters(INDEX_ALLOCATION, &name, &blocks.concat()));
            let bitmap = vec![0xFF; blocks.len().div_ceil(64) * 8];
            attributes.push(Attribute::resident(BITMAP, &name, bitmap));
        }
        attributes
    }

    fn index_block(&self, vcn: u64, entries: &[Entry], last_child: Option<u64>) -> Vec<u8> {
        let size = self.layout.index_block_size as usize;
        let count = size / 512 + 1;
        let mut block = b"INDX\x28\0".to_vec();
        block.extend((count as u16).to_le_bytes());
        block.extend([0; 8]);
        block.extend(vcn.to_le_bytes());
        let start = (0x28 + 2 * count).next_multiple_of(8) - 0x18;
        block.extend(index_header(entries, last_child, start, Some(size - 0x18)));
        assert!(
            block.len() <= size,
            "{} bytes in an index block",
            block.len()
        );
        block.resize(size, 0);
        protect(&mut block, vcn as u16 + 1);
        block
    }

    fn system_files(&mut self) {
        let layout = self.layout;
        let journal = self.in_clusters(DATA, &[], &journal(layout.journal));
        self.system_file(JOURNAL, "$LogFile", vec![journal]);
        let mut information = vec![0; 8];
        information.extend([3, 1]);
        information.extend(u16::from(layout.is_dirty).to_le_bytes());
        let volume = vec![
            Attribute::resident(VOLUME_NAME, &[], utf16le(&units("Synthetic"))),
            Attribute::resident(VOLUME_INFORMATION, &[], information),
        ];
        self.system_file(VOLUME, "$Volume", volume);
        let table = (0..=u16::MAX).map(|unit| match usize::from(unit) < layout.stored_upcase {
            true => (layout.upcase)(unit),
            false => 0,
        });
        let upcase = Stream {
            name: Vec::new(),
            data: utf16le(&table.collect::<Vec<_>>()),
            storage: Storage::Sparse,
            initialized_size: 0x2_0000,
        };
        let upcase = self.stream(DATA, &upcase);
        self.system_file(UPCASE, "$UpCase", vec![upcase]);
    }

    fn system_file(&mut self, number: u64, name: &str, attributes: Vec<Attribute>) {
        let file = File::new(name);
        let attributes = [self.own_attributes(ROOT, &file), attributes].concat();
        self.file(number, IN_USE, &file, attributes);
    }

    /// Writes the table itself, its copy, and the boot sectors.
    fn finish(mut self) -> Vec<u8> {
        let Layout {
            sector_size,
            cluster_size,
            record_size,
            ..
        } = *self.layout;
        let mirror = self.allocate((4 * record_size).div_ceil(cluster_size));
        let mirrored = Run {
            length: (4 * record_size).div_ceil(cluster_size),
            lcn: Some(mirror),
        };
        let size = self.next_record * record_size;
        let runs = self.allocate_table(size);
        let table = |runs: Vec<Run>, size| Attribute {
            kind: DATA,
            name: Vec::new(),
            flags: 0,
            value: Value::Clusters {
                runs,
                cluster_size,
                size,
                initialized_size: size,
                compression_unit: 0,
            },
        };
        self.system_file(
            TABLE_MIRROR,
            "$MFTMirr",
            vec![table(vec![mirrored], 4 * record_size)],
        );
        let behind = Run {
            length: self.layout.table_behind_end,
            lcn: Some(self.bytes.len() as u64 / cluster_size + 1),
        };
        let claimed = size.next_multiple_of(cluster_size) + behind.length * cluster_size;
        match behind.length {
            0 => self.table_record(table(runs.clone(), size)),
            _ => self.table_record(table([&runs[..], &[behind]].concat(), claimed)),
        }
        let mut bytes = vec![0; size as usize];
        for (&number, record) in &self.records {
            let mut record = record.clone();
            protect(&mut record, number as u16 + 100);
            let start = (number * record_size) as usize;
            bytes[start..start + record.len()].copy_from_slice(&record);
        }
        let mut at = 0;
        for run in &runs {
            let end = (at + (run.length * cluster_size) as usize).min(bytes.len());
            self.write_at(run.lcn.unwrap(), &bytes[at..end]);
            at = end;
        }
        self.write_at(mirror, &bytes[..4 * record_size as usize]);
        let boot = self.boot_sector(runs[0].lcn.unwrap(), mirror);
        self.write_at(0, &boot);
        // The last sector holds the backup, and is no part of a cluster.
        let end = self.bytes.len();
        self.bytes.resize(end + sector_size as usize, 0);
        self.bytes[end..end + boot.len()].copy_from_slice(&boot);
        self.bytes
    }

    /// The first piece has the records of the system, the others lie in turn.
    fn allocate_table(&mut self, size: u64) -> Vec<Run> {
        let cluster_size = self.layout.cluster_size;
        let clusters = size.div_ceil(cluster_size);
        if self.layout.table_pieces <= 1 {
            let lcn = Some(self.allocate(clusters));
            return vec![Run {
                length: clusters,
                lcn,
            }];
        }
        let first = (FIRST_FILE * self.layout.record_size).div_ceil(cluster_size) + 1;
        let first = first.min(clusters);
        let mut lengths = vec![first];
        let mut left = clusters - first;
        // Odd lengths, so that a record may lie in two pieces.
        let length = left.div_ceil(self.layout.table_pieces - 1) | 1;
        while left > 0 {
            lengths.push(length.min(left));
            left -= length.min(left);
        }
        let mut runs: Vec<_> = lengths
            .into_iter()
            .rev()
            .map(|length| {
                let lcn = Some(self.allocate(length));
                self.allocate(1);
                Run { length, lcn }
            })
            .collect();
        runs.reverse();
        runs
    }

    fn table_record(&mut self, data: Attribute) {
        let file = File::new("$MFT");
        let mut attributes = self.own_attributes(ROOT, &file);
        let record_size = self.layout.record_size as usize;
        if !self.layout.has_table_list {
            attributes.push(data);
            self.file(TABLE, IN_USE, &file, attributes);
            return;
        }
        let parts = data.parts(1);
        let mut own: Vec<Part> = attributes.iter().flat_map(|a| a.parts(1)).collect();
        let mut entries: Vec<_> = (0..)
            .zip(&own)
            .map(|(id, p)| (p.clone(), reference(TABLE), id))
            .collect();
        entries[1].2 = 2;
        entries.push((parts[0].clone(), reference(TABLE), 3));
        for (number, part) in (FIRST_TABLE_EXTENSION..FIRST_FILE).zip(&parts[1..]) {
            entries.push((part.clone(), reference(number), 0));
            let bytes = record(
                record_size,
                number,
                sequence_number(number),
                IN_USE,
                reference(TABLE),
                std::slice::from_ref(part),
            );
            self.records.insert(number, bytes);
        }
        let list = Attribute::resident(ATTRIBUTE_LIST, &[], attribute_list(&entries));
        own.splice(1..1, list.parts(1));
        own.push(parts[0].clone());
        let bytes = record(record_size, TABLE, sequence_number(TABLE), IN_USE, 0, &own);
        self.records.insert(TABLE, bytes);
    }

    fn boot_sector(&self, table: u64, mirror: u64) -> Vec<u8> {
        let layout = self.layout;
        let sectors_per_cluster = layout.cluster_size / layout.sector_size;
        let mut boot = b"\xEB\x52\x90NTFS    ".to_vec();
        boot.extend((layout.sector_size as u16).to_le_bytes());
        boot.push(match sectors_per_cluster {
            ..=128 => sectors_per_cluster as u8,
            more => (256 - more.trailing_zeros()) as u8,
        });
        boot.resize(0x28, 0);
        boot.extend((self.bytes.len() as u64 / layout.sector_size).to_le_bytes());
        boot.extend(table.to_le_bytes());
        boot.extend(mirror.to_le_bytes());
        for size in [layout.record_size, layout.index_block_size] {
            boot.push(match size / layout.cluster_size {
                0 => (256 - size.trailing_zeros()) as u8,
                clusters => clusters as u8,
            });
            boot.extend([0; 3]);
        }
        boot.extend(0x1234_5678_9abc_def0_u64.to_le_bytes());
        boot.resize(510, 0);
        boot.extend([0x55, 0xAA]);
        boot
    }
}

/// A journal of two restart pages.
fn journal(journal: Journal) -> Vec<u8> {
    const PAGE_SIZE: usize = 4096;
    if journal == Journal::Empty {
        return vec![0xFF; 2 * PAGE_SIZE];
    }
    let page = |number: u64| {
        let mut page = b"RSTR\x1E\0\x09\0".to_vec();
        page.extend([0; 8]);
        page.extend(
            [PAGE_SIZE as u32, PAGE_SIZE as u32]
                .map(u32::to_le_bytes)
                .concat(),
        );
        page.extend(0x30_u16.to_le_bytes());
        page.resize(0x30, 0);
        page.extend(number.to_le_bytes());
        // One client, none free; in use or not.
        let in_use: u16 = if journal == Journal::Open { 0 } else { 0xFFFF };
        page.extend([1, 0xFFFF, in_use, 0].map(u16::to_le_bytes).concat());
        page.resize(PAGE_SIZE, 0);
        protect(&mut page, 1);
        page
    };
    [page(7), page(8)].concat()
}
