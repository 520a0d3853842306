//! What lies at the paths of a registration.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};

use super::drives::{Drives, Located, unreadable_reparse_point};
use super::volume::{FileKind, MOUNT_DATA, ReadSeek, streams_not_captured};
use crate::error::Error;
use crate::evidence::{Evidence, ImageFile, MountDirectory};
use crate::mount_point::WimMountData;
use crate::observation::{NotCaptured, Observation};
use crate::registry::MountRegistration;
use crate::warning::Warnings;
use crate::wide_string::WideString;
use crate::wim::Wim;
use crate::windows_path::WindowsPath;

impl Drives {
    /// Finds out whether the capture keeps streams: whether it shows that of any of these mounts, or where one of them has
    /// none and files were collected into a folder, any at all.
    ///
    /// To be called once before [`observe`](Self::observe): a capture that keeps one stream shows by it that another
    /// one is absent.
    pub fn look_for_streams(&self, registrations: &[MountRegistration]) {
        let mut is_any_not_shown = false;
        let paths = registrations.iter().filter_map(|r| r.mount_path.present());
        for path in paths.filter(|path| !path.is_blank()) {
            if self.all_have_shown_streams() {
                return;
            }
            let stream = self.mount_data(path);
            is_any_not_shown |= matches!(
                stream,
                Observation::Present(Observation::NotCaptured(NotCaptured::Streams))
            );
        }
        if is_any_not_shown {
            self.search_for_any_stream();
        }
    }

    /// Adds to the evidence what lies at the registration's mount path and image path.
    pub fn observe(&self, evidence: &mut Evidence, warnings: &mut Warnings) {
        let registration = &evidence.registration;
        evidence.mount_directory = at_recorded(&registration.mount_path, |path| {
            self.mount_directory(path, warnings)
        });
        evidence.image_file = at_recorded(&registration.image_file_path, |path| {
            self.image_file(path, warnings)
        });
    }

    /// The mount directory at a path as the registry records it.
    ///
    /// A directory that is not there itself counts as there where its stream was collected.
    pub fn mount_directory(
        &self,
        path: &WideString,
        warnings: &mut Warnings,
    ) -> Observation<MountDirectory> {
        self.mount_data(path).and_then(|stream| {
            let mount_data = stream.and_then(|stream| {
                let parsed = WimMountData::parse(&stream);
                parsed.map_or_else(Observation::Unreadable, |(mount_data, found)| {
                    let name = format!("{path}:{MOUNT_DATA}");
                    warnings.extend_from(found, &name);
                    Observation::Present(mount_data)
                })
            });
            Observation::Present(MountDirectory { mount_data })
        })
    }

    /// The image file at a path as the registry records it. Of its data only header and XML are read.
    pub fn image_file(&self, path: &WideString, warnings: &mut Warnings) -> Observation<ImageFile> {
        let located = self.locate(&self.recorded_path(path));
        located.and_then(|located| {
            let allowance = self.xml_allowance.get();
            let opened = open_file(&located).map(|file| Wim::open_within(file, allowance));
            let wim = match opened {
                Ok(Err(error)) if error.io_error_kind().is_none() => Err(error),
                Ok(Ok((wim, found))) => {
                    let left = allowance.checked_sub(wim.header.xml_data.size);
                    self.xml_allowance.set(left.unwrap_or(allowance));
                    warnings.extend_from(found, &path.to_string_lossy());
                    Ok(wim)
                }
                Ok(Err(error)) | Err(error) => return Observation::Unreadable(error),
            };
            let modified = located.file.modified();
            Observation::Present(ImageFile { modified, wim })
        })
    }

    /// Whether a mount directory is there, and its stream.
    fn mount_data(&self, path: &WideString) -> Observation<Observation<Vec<u8>>> {
        let path = self.recorded_path(path);
        match self.locate(&path) {
            Observation::Present(located) => match located.kind {
                FileKind::Directory | FileKind::ReparsePoint(_) => {
                    Observation::Present(self.stream(&located))
                }
                // Something else has its name now.
                FileKind::File => Observation::Absent,
                kind => Observation::Unreadable(Error::malformed("a directory", kind.name())),
            },
            Observation::Unreadable(error) => Observation::Unreadable(error),
            missing => match self.stream_of_missing(&path) {
                Ok(Some(stream)) => Observation::Present(Observation::Present(stream)),
                Ok(None) => missing.and_then(|_| Observation::Absent),
                Err(error) => Observation::Present(Observation::Unreadable(error)),
            },
        }
    }

    /// The stream of a directory that was not collected itself: collectors make files of streams, and make only the
    /// directories that files lie in.
    fn stream_of_missing(&self, path: &WindowsPath) -> Result<Option<Vec<u8>>, Error> {
        let mut parent = path.clone();
        let Some(name) = parent.components.pop() else {
            return Ok(None);
        };
        match self.locate(&parent) {
            Observation::Present(parent) if matches!(parent.kind, FileKind::Directory) => {
                let stream = parent.file.mount_data_of(&name.0)?;
                if stream.is_some() {
                    self.stream_was_shown(&parent.path);
                }
                Ok(stream)
            }
            _ => Ok(None),
        }
    }

    fn stream(&self, located: &Located) -> Observation<Vec<u8>> {
        if matches!(located.kind, FileKind::ReparsePoint(_)) {
            // The host shows a link, and links have no streams.
            return streams_not_captured();
        }
        match located.file.mount_data() {
            Observation::NotCaptured(_) if self.keeps_streams(&located.path) => Observation::Absent,
            Observation::Present(stream) => {
                self.stream_was_shown(&located.path);
                Observation::Present(stream)
            }
            other => other,
        }
    }

    fn keeps_streams(&self, path: &WindowsPath) -> bool {
        self.has_shown_stream(path).is_some_and(Cell::get)
    }

    fn stream_was_shown(&self, path: &WindowsPath) {
        if let Some(has_shown_stream) = self.has_shown_stream(path) {
            has_shown_stream.set(true);
        }
    }
}

/// Looks at a recorded path; where none is recorded there is nothing to look at.
fn at_recorded<T>(
    path: &Observation<WideString>,
    look: impl FnOnce(&WideString) -> Observation<T>,
) -> Observation<T> {
    match path.present().filter(|path| !path.is_blank()) {
        Some(path) => look(path),
        None => Observation::NotCaptured(NotCaptured::KindOfEvidence),
    }
}

/// Opens a regular file: a pipe would never end.
fn open_file(located: &Located) -> Result<CapturedData, Error> {
    match &located.kind {
        FileKind::File => located.file.open().map(CapturedData),
        FileKind::ReparsePoint(tag) => Err(unreadable_reparse_point(*tag)),
        kind => Err(Error::malformed("a file", kind.name())),
    }
}

/// Data of a captured file. Damage of what carries them is no damage of the file: it stays an error of reading.
struct CapturedData(Box<dyn ReadSeek>);

impl Read for CapturedData {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer);
        read.map_err(|error| io::Error::new(error.kind(), error.to_string()))
    }
}

impl Seek for CapturedData {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}
