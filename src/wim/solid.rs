//! Solid resources: many data compressed as one, as in ESD files. They are described in wimlib.

use std::io::{Read, Seek};

use super::header::ResourceHeader;
use super::lookup_table::{LookupEntry, LookupTable};
use super::read_at;
use super::resource::Resource;
use crate::error::{Error, Position};
use crate::warning::{Warning, WarningCode, Warnings};

/// More solid resources of one file are not read: writers make one for each time that they add an image.
const MAX_COUNT: usize = 1 << 16;

/// The solid resources of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct SolidResources {
    /// As in the lookup table.
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Default)]
struct Run {
    /// Each with where it starts, counted through those before it.
    resources: Vec<(u64, Resource)>,
    /// Where the last of them ends.
    end: u64,
}

impl SolidResources {
    /// Reads the first bytes of each solid resource, which tell its size. One that cannot be read is a warning; what
    /// comes behind it in its run cannot be found.
    pub(super) fn open(
        mut source: impl Read + Seek,
        table: &LookupTable,
        warnings: &mut Warnings,
    ) -> SolidResources {
        let mut count = 0;
        let mut read_run = |headers: &Vec<ResourceHeader>| {
            let mut run = Run::default();
            for &header in headers {
                count += 1;
                let added = match count {
                    ..=MAX_COUNT => Resource::read_solid(&mut source, header),
                    _ => Err(Error::malformed(
                        format!("{MAX_COUNT} solid resources at most"),
                        "more",
                    )),
                }
                .and_then(|resource| run.add(resource));
                if let Err(error) = added {
                    let code = WarningCode::LookupTableMalformed;
                    let warning = Warning::new(code, error.without_position());
                    warnings.push(warning.at(Position::Byte(header.offset)));
                    break;
                }
            }
            run
        };
        let runs = table.solid_runs().iter().map(&mut read_run).collect();
        SolidResources { runs }
    }

    /// The resource in which data lie, and where they start in it.
    pub(super) fn find(&self, run: usize, entry: &LookupEntry) -> Result<(Resource, u64), Error> {
        let run = &self.runs[run];
        let (start, size) = (entry.header.offset, entry.data_size());
        let behind = run.resources.partition_point(|(first, _)| *first <= start);
        let found = behind.checked_sub(1).map(|last| run.resources[last]);
        let found = found.and_then(|(first, resource)| {
            let start = start - first;
            let end = start.checked_add(size)?;
            (end <= resource.original_size()).then_some((resource, start))
        });
        found.ok_or_else(|| {
            let expected = format!(
                "{size} bytes in one of {} bytes of solid resources",
                run.end
            );
            Error::malformed(expected, format!("an offset of {start}"))
        })
    }
}

impl Run {
    fn add(&mut self, resource: Resource) -> Result<(), Error> {
        let size = resource.original_size();
        let Some(end) = self.end.checked_add(size) else {
            let expected = "solid resources of less than 2^64 bytes";
            return Err(Error::malformed(expected, "more"));
        };
        self.resources.push((self.end, resource));
        self.end = end;
        Ok(())
    }
}

impl Resource {
    fn read_solid(
        source: &mut (impl Read + Seek),
        header: ResourceHeader,
    ) -> Result<Resource, Error> {
        let bytes = read_at(source, header.offset, Self::SOLID_HEADER_SIZE as u64)?;
        Resource::solid(header, &bytes)
    }
}
