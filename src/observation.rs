//! Whether a thing is there, and the three ways in which it is not.

use crate::error::Error;

/// What looking for a thing in the evidence led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation<T> {
    /// It is there.
    Present(T),
    /// The evidence covers the place, and nothing is there.
    Absent,
    /// The evidence does not cover the place: nothing is known.
    NotCaptured(NotCaptured),
    /// Something is there, and cannot be read.
    Unreadable(Error),
}

/// Why nothing is known about a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotCaptured {
    /// The evidence holds nothing of this kind at all: a registry export has no files.
    KindOfEvidence,
    /// The volume or share is not in the capture.
    Volume,
    /// The volume is there, but the capture is partial and need not hold this path.
    Path,
    /// The capture keeps files, but not their streams.
    Streams,
    /// Which place the path means cannot be told: it is relative, or has a short name in it (`PROGRA~1`) that the
    /// capture does not keep.
    UnresolvedPath,
}

impl<T> Observation<T> {
    /// The thing, where it is there.
    pub fn present(&self) -> Option<&T> {
        match self {
            Observation::Present(thing) => Some(thing),
            _ => None,
        }
    }

    /// Looks on from the thing, where it is there.
    pub(crate) fn and_then<U>(self, look: impl FnOnce(T) -> Observation<U>) -> Observation<U> {
        match self {
            Observation::Present(thing) => look(thing),
            Observation::Absent => Observation::Absent,
            Observation::NotCaptured(reason) => Observation::NotCaptured(reason),
            Observation::Unreadable(error) => Observation::Unreadable(error),
        }
    }

    /// Whether it is there.
    pub fn is_present(&self) -> bool {
        self.present().is_some()
    }
}
