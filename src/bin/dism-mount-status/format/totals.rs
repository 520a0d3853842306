//! What all captures come to.

use std::collections::BTreeMap;

use dism_mount_status::{Capture, DismMountStatus};

use super::wording::likely_first;

/// A status, and all that the evidence leaves possible.
type Statuses = (DismMountStatus, Vec<DismMountStatus>);

/// Counts over captures.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// All captures, those that could not be read included.
    pub(crate) captures: usize,
    /// Captures that could not be read.
    pub(crate) unread: usize,
    /// Warnings of all captures.
    pub(crate) warnings: usize,
    /// Mount directories that no registration names.
    pub(crate) orphans: usize,
    images: BTreeMap<Statuses, usize>,
}

impl Totals {
    /// Counts one capture more.
    pub(crate) fn add(&mut self, capture: &Capture) {
        self.captures += 1;
        self.unread += usize::from(capture.error.is_some());
        self.warnings += capture.warnings.len();
        self.orphans += capture.orphaned_mounts.len();
        for image in &capture.mounted_images {
            let statuses = (image.mount_status, image.possible_statuses.clone());
            *self.images.entry(statuses).or_default() += 1;
        }
    }

    /// The mounted images of all captures.
    pub(crate) fn images(&self) -> usize {
        self.images.values().sum()
    }

    /// How many images have which status, from good to bad: the status itself first, then what else it may be.
    pub(crate) fn images_by_status(
        &self,
    ) -> impl Iterator<Item = (Vec<DismMountStatus>, usize)> + '_ {
        self.images
            .iter()
            .map(|((status, possible), count)| (likely_first(*status, possible), *count))
    }
}
