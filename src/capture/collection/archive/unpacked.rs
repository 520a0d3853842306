//! Members that are compressed, read from any place as if they were not.
//!
//! A member is unpacked only as far as it is asked for, and what came out is kept: hives are read here and there, mostly
//! near their front. What is kept lies in memory, and in a temporary file without a name where that would be too much.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::rc::Rc;

use super::compression::Decompressed;
use crate::allowance::Allowance;
use crate::capture::read_at::ReadAt;
use crate::error::Error;
use crate::warning::{Warning, WarningCode, Warnings};

/// How much of the members of one archive is kept in memory, all together, in bytes. SOFTWARE hives have 100 to 200 MB.
const MEMORY: usize = 256 << 20;
/// How much of one member is kept at all: a hive cannot have more than 4 GiB.
const MAX_KEPT: u64 = 4 << 30;
/// How much of all members of one archive is kept in files.
const MAX_KEPT_OF_ALL: u64 = 16 << 30;
/// How much may come out of an archive in all, besides what its size allows for: a hostile one has its members unpacked again
/// and again.
const FREE_OF_ALL: u64 = 32 << 30;
/// What is unpacked at once.
const CHUNK_LENGTH: usize = 64 << 10;
/// A WIM of more than that is not kept: only its header and the data at its end are ever read.
const MAX_KEPT_WIM: u64 = 16 << 20;
/// How often such a member is unpacked from its start again.
const MAX_PASSES: u32 = 8;
const WIM_SIGNATURES: [&[u8]; 2] = [b"MSWIM\0\0\0", b"WLPWM\0\0\0"];

/// What the members of one archive have in common while they are read.
#[derive(Debug)]
pub(super) struct Shared {
    /// How many bytes may come out of all of it, however often members are unpacked.
    pub(super) allowance: Rc<Allowance>,
    /// Bytes kept in memory.
    in_memory: Cell<usize>,
    /// Bytes kept in files so far.
    in_files: Cell<u64>,
    warnings: RefCell<Warnings>,
}

impl Shared {
    /// For an archive of this size.
    pub(super) fn new(size: u64) -> Self {
        let whole = size.saturating_mul(Decompressed::MAX_RATIO);
        Shared {
            allowance: Rc::new(Allowance::new(whole.saturating_add(FREE_OF_ALL))),
            in_memory: Cell::new(0),
            in_files: Cell::new(0),
            warnings: RefCell::default(),
        }
    }

    /// Counts bytes that are kept in a file.
    fn count_in_files(&self, length: u64) -> Result<(), Error> {
        let in_files = self.in_files.get() + length;
        if in_files > MAX_KEPT_OF_ALL {
            return Err(Error::malformed(
                format!("members of at most {MAX_KEPT_OF_ALL} bytes all together"),
                "larger ones: unpack the archive and inspect what comes out",
            ));
        }
        self.in_files.set(in_files);
        Ok(())
    }

    /// What was found out so far by reading members.
    pub(super) fn take_warnings(&self) -> Warnings {
        self.warnings.take()
    }

    fn warn(&self, warning: Warning) {
        self.warnings.borrow_mut().push(warning);
    }
}

/// What is known about a member before it is unpacked.
#[derive(Debug, Clone)]
pub(super) struct MemberData {
    pub(super) name: String,
    /// What the archive says, whatever is there.
    pub(super) size: u64,
    /// At most how many bytes there can be.
    pub(super) most: u64,
    pub(super) crc32: Option<u32>,
}

/// Starts to unpack a member.
pub(super) type Start = Box<dyn Fn() -> Result<Decompressed, Error>>;

/// A member that is unpacked as far as it is asked for.
pub(super) struct Unpacked {
    member: MemberData,
    start: Start,
    shared: Rc<Shared>,
    state: RefCell<State>,
}

struct State {
    stream: Option<Decompressed>,
    /// How far the stream has come.
    position: u64,
    passes: u32,
    crc32: flate2::Crc,
    kept: Kept,
    failure: Option<Error>,
}

impl fmt::Debug for Unpacked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.member.fmt(f)
    }
}

impl Unpacked {
    pub(super) fn new(member: MemberData, start: Start, shared: Rc<Shared>) -> Self {
        let state = State {
            stream: None,
            position: 0,
            passes: 0,
            crc32: flate2::Crc::new(),
            kept: Kept::Memory(Chunks::new(Rc::clone(&shared))),
            failure: None,
        };
        Unpacked {
            member,
            start,
            shared,
            state: RefCell::new(state),
        }
    }

    /// A member of which everything was unpacked already.
    pub(super) fn complete(member: MemberData, kept: KeptMember, shared: Rc<Shared>) -> Self {
        let start: Start = Box::new(|| Err(Error::malformed("an unpacked member", "a packed one")));
        let unpacked = Unpacked::new(member, start, shared);
        {
            let mut state = unpacked.state.borrow_mut();
            state.position = kept.length;
            state.kept = kept.kept;
            state.failure = kept.failure;
        }
        unpacked
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        let mut state = self.state.borrow_mut();
        let end = offset + buffer.len() as u64;
        if !state.kept.has(offset, state.position) {
            self.restart(&mut state)?;
        }
        // What is not kept has to be copied while it is there.
        state.kept.copy_passing(offset, buffer);
        while state.position < end {
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            if let Err(error) = self.advance(&mut state) {
                let error = error.in_evidence(&*self.member.name);
                state.failure = Some(error.clone());
                return Err(error);
            }
            state.kept.copy_passing(offset, buffer);
        }
        Ok(state.kept.copy(offset, buffer)?)
    }

    /// Unpacks the next bytes.
    fn advance(&self, state: &mut State) -> Result<(), Error> {
        if state.stream.is_none() {
            state.passes += 1;
            state.stream = Some((self.start)()?);
        }
        let Some(stream) = &mut state.stream else {
            return Ok(());
        };
        let left = self.member.size - state.position;
        let mut chunk = vec![0; CHUNK_LENGTH.min(usize::try_from(left).unwrap_or(CHUNK_LENGTH))];
        let mut length = 0;
        let mut error = None;
        while length < chunk.len() {
            match stream.read(&mut chunk[length..]) {
                Ok(0) => {
                    error = Some(Error::malformed(
                        format!("{} bytes of data", self.member.size),
                        format!("the end after {}", state.position + length as u64),
                    ));
                    break;
                }
                Ok(read) => length += read,
                Err(failure) if failure.kind() == io::ErrorKind::Interrupted => {}
                Err(failure) => {
                    error = Some(Error::io(&failure));
                    break;
                }
            }
        }
        chunk.truncate(length);
        if state.position == 0 {
            let is_wim = WIM_SIGNATURES.iter().any(|start| chunk.starts_with(start));
            if is_wim && self.member.size > MAX_KEPT_WIM {
                state.kept = Kept::Window(Window::default());
            }
        }
        if state.passes == 1 {
            state.crc32.update(&chunk);
        }
        state.kept.push(state.position, chunk, &self.shared)?;
        state.position += length as u64;
        if let Some(error) = error {
            return Err(error);
        }
        if state.position == self.member.size {
            self.finish(state);
        }
        Ok(())
    }

    /// Everything was unpacked: it should be what the archive tells.
    fn finish(&self, state: &mut State) {
        let warn = |code, expected: String, found: String| {
            let text = format!("expected {expected}, found {found}");
            self.shared
                .warn(Warning::new(code, text).in_evidence(&*self.member.name));
        };
        let Some(mut stream) = state.stream.take().filter(|_| state.passes == 1) else {
            return;
        };
        if let Some(expected) = self.member.crc32
            && expected != state.crc32.sum()
        {
            warn(
                WarningCode::ChecksumMismatch,
                format!("data with the CRC-32 {expected:#010x}"),
                format!("{:#010x}", state.crc32.sum()),
            );
        }
        // Of a tar file, other members follow.
        if self.member.crc32.is_some() && !matches!(stream.read(&mut [0]), Ok(0)) {
            warn(
                WarningCode::TrailingBytes,
                format!("{} bytes of data", self.member.size),
                "more".to_owned(),
            );
        }
    }

    /// Goes back to the start of a member that is not kept.
    fn restart(&self, state: &mut State) -> Result<(), Error> {
        if state.passes >= MAX_PASSES {
            let expected = format!("a member that is read in {MAX_PASSES} passes");
            return Err(
                Error::malformed(expected, "more going back").in_evidence(&*self.member.name)
            );
        }
        state.stream = None;
        state.position = 0;
        state.failure = None;
        state.kept = Kept::Window(Window::default());
        Ok(())
    }
}

impl ReadAt for Unpacked {
    fn size(&self) -> u64 {
        self.member.size
    }

    fn stored_size(&self) -> u64 {
        self.member.size.min(self.member.most)
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.member.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if buffer.is_empty() {
            return Ok(());
        }
        Ok(self.read(offset, buffer)?)
    }
}

/// A member that was unpacked on the way through a stream.
#[derive(Debug)]
pub(super) struct KeptMember {
    kept: Kept,
    length: u64,
    failure: Option<Error>,
    /// Whether the stream ended early, which is the failure then.
    is_cut_off: bool,
}

impl KeptMember {
    /// Takes all bytes of a stream; `start` are those that were read already.
    pub(super) fn take_all(start: Vec<u8>, stream: &mut impl Read, shared: &Rc<Shared>) -> Self {
        let mut member = Self::take(start, u64::MAX, stream, shared);
        if member.is_cut_off {
            member.failure = None;
        }
        member
    }

    /// Takes so many bytes of a stream; `start` are those that were read already.
    pub(super) fn take(
        start: Vec<u8>,
        length: u64,
        stream: &mut impl Read,
        shared: &Rc<Shared>,
    ) -> Self {
        let mut member = KeptMember {
            kept: Kept::Memory(Chunks::new(Rc::clone(shared))),
            length: 0,
            failure: None,
            is_cut_off: false,
        };
        let mut source = io::Cursor::new(start).chain(stream);
        while member.length < length && member.failure.is_none() {
            let mut chunk = Vec::new();
            let wanted = (length - member.length).min(CHUNK_LENGTH as u64);
            let read = source.by_ref().take(wanted).read_to_end(&mut chunk);
            let read_length = chunk.len() as u64;
            let pushed = member.kept.push(member.length, chunk, shared);
            member.length += read_length;
            member.is_cut_off = read.is_ok() && pushed.is_ok() && read_length < wanted;
            member.failure = match (read, pushed) {
                (Err(error), _) => Some(Error::io(&error)),
                (_, Err(error)) => Some(error),
                (Ok(_), Ok(())) if member.is_cut_off => Some(Error::malformed(
                    format!("{length} bytes of data"),
                    format!("the end after {}", member.length),
                )),
                _ => None,
            };
        }
        member
    }

    /// How many bytes were taken.
    pub(super) fn len(&self) -> u64 {
        self.length
    }
}

/// What is kept of a member.
#[derive(Debug)]
enum Kept {
    Memory(Chunks),
    File(RefCell<File>),
    Window(Window),
}

impl Kept {
    /// Whether the bytes from `offset` on are kept, or are yet to come.
    fn has(&self, offset: u64, position: u64) -> bool {
        match self {
            Kept::Memory(_) | Kept::File(_) => true,
            Kept::Window(window) => offset >= window.start || offset >= position,
        }
    }

    fn push(&mut self, position: u64, chunk: Vec<u8>, shared: &Shared) -> Result<(), Error> {
        if let Kept::Memory(chunks) = self
            && shared.in_memory.get() + chunk.len() > MEMORY
        {
            shared.count_in_files(position)?;
            let mut file = tempfile::tempfile()?;
            for chunk in &chunks.chunks {
                file.write_all(chunk)?;
            }
            *self = Kept::File(RefCell::new(file));
        }
        match self {
            Kept::Window(window) => window.push(position, chunk),
            _ if position + chunk.len() as u64 > MAX_KEPT => {
                return Err(Error::malformed(
                    format!("a member of at most {MAX_KEPT} bytes"),
                    "a larger one: unpack the archive and inspect what comes out",
                ));
            }
            Kept::Memory(chunks) => chunks.push(chunk),
            Kept::File(file) => {
                shared.count_in_files(chunk.len() as u64)?;
                file.get_mut().write_all(&chunk)?;
            }
        }
        Ok(())
    }

    /// Copies what is about to be forgotten.
    fn copy_passing(&self, offset: u64, buffer: &mut [u8]) {
        if let Kept::Window(window) = self {
            window.copy(offset, buffer);
        }
    }

    /// Copies bytes that were unpacked.
    fn copy(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match self {
            Kept::Memory(chunks) => chunks.copy(offset, buffer),
            Kept::File(file) => {
                let mut file = file.borrow_mut();
                file.seek(SeekFrom::Start(offset))?;
                let read = file.read_exact(buffer);
                file.seek(SeekFrom::End(0))?;
                return read;
            }
            Kept::Window(window) => window.copy(offset, buffer),
        }
        Ok(())
    }
}

/// Bytes in memory, all chunks but the last of full length.
#[derive(Debug)]
struct Chunks {
    chunks: Vec<Vec<u8>>,
    shared: Rc<Shared>,
}

impl Chunks {
    fn new(shared: Rc<Shared>) -> Self {
        Chunks {
            chunks: Vec::new(),
            shared,
        }
    }

    fn push(&mut self, chunk: Vec<u8>) {
        let in_memory = &self.shared.in_memory;
        in_memory.set(in_memory.get() + chunk.len());
        self.chunks.push(chunk);
    }

    fn copy(&self, offset: u64, buffer: &mut [u8]) {
        let length = CHUNK_LENGTH as u64;
        let mut within = (offset % length) as usize;
        let mut rest = buffer;
        for chunk in self.chunks.iter().skip((offset / length) as usize) {
            let chunk = chunk.get(within..).unwrap_or_default();
            let (now, later) = rest.split_at_mut(chunk.len().min(rest.len()));
            now.copy_from_slice(&chunk[..now.len()]);
            rest = later;
            within = 0;
            if rest.is_empty() {
                break;
            }
        }
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        let length: usize = self.chunks.iter().map(Vec::len).sum();
        let in_memory = &self.shared.in_memory;
        in_memory.set(in_memory.get() - length);
    }
}

/// The last two chunks of a member that is not kept.
#[derive(Debug, Default)]
struct Window {
    start: u64,
    chunks: [Vec<u8>; 2],
}

impl Window {
    fn push(&mut self, position: u64, chunk: Vec<u8>) {
        let [first, last] = std::mem::take(&mut self.chunks);
        drop(first);
        self.start = position - last.len() as u64;
        self.chunks = [last, chunk];
    }

    /// Copies what there is of the bytes from `offset` on to their places in the buffer.
    fn copy(&self, offset: u64, buffer: &mut [u8]) {
        let mut start = self.start;
        for chunk in &self.chunks {
            let end = start + chunk.len() as u64;
            let from = start.max(offset);
            let to = end.min(offset + buffer.len() as u64);
            if from < to {
                let source = (from - start) as usize..(to - start) as usize;
                let target = (from - offset) as usize..(to - offset) as usize;
                buffer[target].copy_from_slice(&chunk[source]);
            }
            start = end;
        }
    }
}
