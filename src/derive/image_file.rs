//! What lies at the image file's path, and what a remount will meet in it.

use super::{Judgement, shown};
use crate::evidence::{Evidence, ImageFile};
use crate::file_time::FileTime;
use crate::finding::{Basis, FindingCode as Code, Severity};
use crate::observation::Observation;
use crate::status::WimMountFlags;
use crate::wim::{Compression, Wim, WimFlags};

/// File systems keep times as coarsely as two seconds.
const TIME_TOLERANCE: u64 = 2 * FileTime::TICKS_PER_SECOND;

impl Judgement {
    pub(super) fn image_file(&mut self, evidence: &Evidence) {
        let path = shown(&evidence.registration.image_file_path);
        match &evidence.image_file {
            Observation::Present(file) => self.image_file_contents(evidence, file, &path),
            Observation::Absent => self.invalid(
                WimMountFlags::NO_WIM,
                Code::ImageFileMissing,
                Basis::Inferred,
                format!("the image file {path} is not there: if it lay on a volume that is detached, reattach the volume first"),
            ),
            Observation::NotCaptured(reason) => self.not_captured(
                *reason,
                Code::ImageFileNotCaptured,
                &format!("the image file {path}"),
            ),
            Observation::Unreadable(error) => self.doubt(
                Code::ImageFileUnreadable,
                Basis::Inferred,
                format!("the image file {path} could not be read: {error}"),
            ),
        }
    }

    fn image_file_contents(&mut self, evidence: &Evidence, file: &ImageFile, path: &str) {
        if let (Some(modified), Some(registered)) =
            (file.modified, evidence.registration.registered_at)
            && modified.ticks() > registered.ticks().saturating_add(TIME_TOLERANCE)
        {
            self.find(
                Code::ImageModifiedSinceMount,
                Severity::Warning,
                Basis::Inferred,
                format!("{path} was written at {modified}, after the registration at {registered}: a remount may be refused (0xC1420124)"),
            );
        }
        match &file.wim {
            Ok(wim) => self.wim(evidence, wim, path),
            Err(error) => self.doubt(
                Code::ImageFileNotAWim,
                Basis::Inferred,
                format!("{path} is not a WIM that can be read: {error}"),
            ),
        }
    }

    /// What a remount will meet in the image file; DISM's status does not show it.
    fn wim(&mut self, evidence: &Evidence, wim: &Wim, path: &str) {
        let header = &wim.header;
        if wim.is_truncated() {
            let cut_off = wim.cut_off.join(", ");
            self.doubt(
                Code::ImageFileTruncated,
                Basis::Inferred,
                format!("{path} ends before its {cut_off}"),
            );
        }
        if let Some(&index) = evidence.registration.image_index.present()
            && index > header.image_count
        {
            let count = header.image_count;
            self.find(
                Code::ImageIndexOutOfRange,
                Severity::Warning,
                Basis::Documented,
                format!(
                    "the registration names image {index}, and {path} has {count} (0xC1510113)"
                ),
            );
        }
        if header.is_split() {
            let (part, parts) = (header.part_number, header.total_parts);
            self.find(
                Code::ImageFileSplit,
                Severity::Warning,
                Basis::Documented,
                format!(
                    "{path} is part {part} of {parts}: split images cannot be mounted (0xC1420130)"
                ),
            );
        }
        if header.is_solid() || header.compression() == Compression::Lzms {
            self.find(
                Code::ImageCompressionNotMountable,
                Severity::Warning,
                Basis::Claimed,
                format!(
                    "{path} is compressed as ESD files are, which cannot be mounted (0xC142013C)"
                ),
            );
        }
        if header.flags.contains(WimFlags::WRITE_IN_PROGRESS) {
            self.find(
                Code::ImageWriteInProgress,
                Severity::Warning,
                Basis::Inferred,
                format!("the header of {path} says that it is being written: a commit may have been interrupted"),
            );
        }
        if header.flags.contains(WimFlags::READONLY) {
            self.find(
                Code::ImageFileReadOnly,
                Severity::Note,
                Basis::Inferred,
                format!(
                    "the header of {path} marks it read-only: changes cannot be committed to it"
                ),
            );
        }
    }
}
