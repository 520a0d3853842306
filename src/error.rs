//! Why evidence could not be read: where, what was expected and what was found instead.

use std::borrow::Cow;
use std::fmt;
use std::io;

/// A place in a piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Position {
    /// Offset in bytes from the start of a binary file.
    Byte(u64),
    /// A line of a text file, counted from 1, and the offset in bytes of the line's first byte.
    Line {
        /// Line number, counted from 1.
        line: u64,
        /// Offset in bytes of the line's first byte.
        byte: u64,
    },
}

impl Position {
    /// Offset in bytes from the start of the evidence.
    pub fn byte(self) -> u64 {
        match self {
            Position::Byte(byte) | Position::Line { byte, .. } => byte,
        }
    }

    /// Line number counted from 1, for text evidence.
    pub fn line(self) -> Option<u64> {
        match self {
            Position::Byte(_) => None,
            Position::Line { line, .. } => Some(line),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Byte(byte) => write!(f, "byte {byte:#x}"),
            Position::Line { line, byte } => write!(f, "line {line} (byte {byte})"),
        }
    }
}

/// Why a piece of evidence could not be read.
///
/// The type is opaque so that it can grow; the accessors tell its parts. Two errors are equal when they say the same. What a
/// caller could not read itself becomes one by `std::io::Error::other("why").into()`.
///
/// What is quoted of the evidence stands in the text as recorded, terminal escapes too: it is shown through
/// [`visible`](crate::visible::visible()).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    evidence: Option<String>,
    position: Option<Position>,
    kind: Kind,
    remedy: Option<Cow<'static, str>>,
    holds_no_capture: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("expected {expected}, found {found}")]
    Malformed {
        expected: Cow<'static, str>,
        found: Cow<'static, str>,
    },
    #[error("{what} is not supported")]
    Unsupported { what: Cow<'static, str> },
    #[error("cannot read: {message}")]
    Io {
        kind: io::ErrorKind,
        message: String,
    },
}

impl Error {
    fn new(kind: Kind) -> Self {
        Error(Box::new(Inner {
            evidence: None,
            position: None,
            kind,
            remedy: None,
            holds_no_capture: false,
        }))
    }

    /// The bytes are not what the format demands.
    pub(crate) fn malformed(
        expected: impl Into<Cow<'static, str>>,
        found: impl Into<Cow<'static, str>>,
    ) -> Self {
        Error::new(Kind::Malformed {
            expected: expected.into(),
            found: found.into(),
        })
    }

    /// The evidence was read as far as needed, and there is nothing in it to judge.
    pub(crate) fn no_capture(
        expected: impl Into<Cow<'static, str>>,
        found: impl Into<Cow<'static, str>>,
    ) -> Self {
        let mut error = Error::malformed(expected, found);
        error.0.holds_no_capture = true;
        error
    }

    /// The evidence is understood for what it is, and is not read; `remedy` says what to do instead.
    pub(crate) fn unsupported(
        what: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Self {
        Error::new(Kind::Unsupported { what: what.into() }).or_remedy(remedy)
    }

    /// The operating system could not deliver the bytes, or a reader below that had an error of ours.
    pub(crate) fn io(error: &io::Error) -> Self {
        if let Some(ours) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return Self::clone(ours);
        }
        Error::new(Kind::Io {
            kind: error.kind(),
            message: error.to_string(),
        })
    }

    /// Adds the place, unless one is known already.
    #[must_use]
    pub(crate) fn at(mut self, position: Position) -> Self {
        self.0.position.get_or_insert(position);
        self
    }

    /// Tells the place in a whole where it was known in a part that stands at `base`.
    #[cfg(any(feature = "captured-wim", feature = "disk-image"))]
    #[must_use]
    pub(crate) fn moved_by(mut self, base: u64) -> Self {
        if let Some(Position::Byte(byte)) = &mut self.0.position {
            *byte = byte.saturating_add(base);
        }
        self
    }

    /// Tells the place in a whole instead of that in a part, whose bytes may lie apart.
    #[cfg(feature = "disk-image")]
    #[must_use]
    pub(crate) fn moved_to(mut self, position: Position) -> Self {
        self.0.position = Some(position);
        self
    }

    /// Adds the name of the evidence, unless one is known already.
    #[must_use]
    pub(crate) fn in_evidence(mut self, evidence: impl Into<String>) -> Self {
        self.0.evidence.get_or_insert_with(|| evidence.into());
        self
    }

    /// Says what to do about it, unless that is said already.
    #[must_use]
    pub(crate) fn or_remedy(mut self, remedy: impl Into<Cow<'static, str>>) -> Self {
        self.0.remedy.get_or_insert_with(|| remedy.into());
        self
    }

    /// Says what to do about evidence that cannot be read, where nothing better is known.
    #[must_use]
    pub(crate) fn or_usual_remedy(self) -> Self {
        use io::ErrorKind::{
            InvalidData, InvalidFilename, NotADirectory, NotFound, PermissionDenied,
        };
        let remedy = match &self.0.kind {
            Kind::Io { kind, .. } => match kind {
                NotFound | NotADirectory | InvalidFilename => "check the path",
                // It says itself what was expected.
                InvalidData => return self,
                PermissionDenied => {
                    "run this as a user who may read it, or take a copy that you may read"
                }
                _ => "copy it to another disk first, and read the copy",
            },
            Kind::Malformed { .. } => "if its origin is whole, copy it from there again",
            Kind::Unsupported { .. } => return self,
        };
        self.or_remedy(remedy)
    }

    /// Tells what the evidence could have been as well.
    #[must_use]
    pub(crate) fn expecting(mut self, evidence: impl Into<Cow<'static, str>>) -> Self {
        if let Kind::Malformed { expected, .. } = &mut self.0.kind {
            *expected = evidence.into();
        }
        self
    }

    /// The piece of evidence that could not be read, as it was named by the caller.
    pub fn evidence(&self) -> Option<&str> {
        self.0.evidence.as_deref()
    }

    /// Where in the evidence the error lies.
    pub fn position(&self) -> Option<Position> {
        self.0.position
    }

    /// What is wrong and what to do about it, without evidence and place.
    pub(crate) fn without_position(&self) -> String {
        Text(&self.0).to_string()
    }

    /// What to do about it, in words for whoever handed over the evidence; `None` where nothing is known to help.
    pub fn remedy(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }

    /// What the format demands at that place.
    pub fn expected(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Malformed { expected, .. } => Some(expected),
            _ => None,
        }
    }

    /// What stands there instead.
    pub fn found(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Malformed { found, .. } => Some(found),
            Kind::Unsupported { what } => Some(what),
            Kind::Io { .. } => None,
        }
    }

    /// The operating system's kind of error, when it could not deliver the bytes.
    pub fn io_error_kind(&self) -> Option<io::ErrorKind> {
        match &self.0.kind {
            Kind::Io { kind, .. } => Some(*kind),
            _ => None,
        }
    }

    /// Whether the evidence could be read and holds nothing to judge: an archive, a WIM file or a disk image without a
    /// Windows and without a registry export. What could not be looked into may hold one, and is another error.
    pub fn holds_no_capture(&self) -> bool {
        self.0.holds_no_capture
    }

    /// Whether the evidence was recognised as something this version does not read.
    pub fn is_unsupported(&self) -> bool {
        matches!(self.0.kind, Kind::Unsupported { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(evidence) = &self.0.evidence {
            write!(f, "{evidence}: ")?;
        }
        if let Some(position) = self.0.position {
            write!(f, "{position}: ")?;
        }
        Text(&self.0).fmt(f)
    }
}

/// What is wrong and what to do about it.
struct Text<'a>(&'a Inner);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.kind.fmt(f)?;
        match (&self.0.remedy, &self.0.kind) {
            (Some(remedy), Kind::Unsupported { .. }) => write!(f, ": {remedy}"),
            (Some(remedy), _) => write!(f, "; {remedy}"),
            (None, _) => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::io(&error)
    }
}

impl From<Error> for io::Error {
    /// For readers that are `Read` themselves: what reads from them has the error back as it was.
    fn from(error: Error) -> Self {
        let kind = error.io_error_kind().unwrap_or(io::ErrorKind::InvalidData);
        io::Error::new(kind, error)
    }
}
