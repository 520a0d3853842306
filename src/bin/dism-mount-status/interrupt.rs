//! Ctrl-C: ends at once, with what was written so far whole.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use crate::{output, progress};

/// 128 and the number of SIGINT, as shells tell it.
const EXIT_CODE: i32 = 130;
/// How long a capture that is being written may take to be whole: nobody may be reading.
const PATIENCE: Duration = Duration::from_secs(1);

static WRITING: Mutex<()> = Mutex::new(());

/// Makes Ctrl-C end the program.
pub(crate) fn heed() {
    // Where there is no such thing, Ctrl-C does what it does by itself.
    let _ = ctrlc::set_handler(|| {
        let start = Instant::now();
        let _whole = loop {
            match WRITING.try_lock() {
                Ok(guard) => break Some(guard),
                Err(TryLockError::Poisoned(guard)) => break Some(guard.into_inner()),
                Err(TryLockError::WouldBlock) if start.elapsed() > PATIENCE => break None,
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(5)),
            }
        };
        progress::end();
        output::discard();
        std::process::exit(EXIT_CODE);
    });
}

/// Until this is dropped, something is being written that is to be whole.
pub(crate) fn writing() -> MutexGuard<'static, ()> {
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}
