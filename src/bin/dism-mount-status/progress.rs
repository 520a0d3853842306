//! How far a long run has come, on a terminal.

use std::sync::OnceLock;
use std::time::Duration;

use dism_mount_status::wim::VerificationProgress;
use indicatif::{ProgressBar, ProgressStyle};

static BAR: OnceLock<ProgressBar> = OnceLock::new();

/// Shows how many of so many captures were inspected; how many there are need not be known.
pub(crate) fn begin(count: Option<u64>) {
    let (bar, style) = match count {
        Some(count) => (
            ProgressBar::new(count),
            "{bar:24} {human_pos} of {human_len} captures, {per_sec}, {eta} left{msg}",
        ),
        None => (
            ProgressBar::no_length(),
            "{spinner} {human_pos} captures, {per_sec}{msg}",
        ),
    };
    show(bar, style);
}

/// Shows that so many files and directories of one capture were searched.
pub(crate) fn searched(seen: u64) {
    let style = "{spinner} searching for mount directories: {human_pos} files, {per_sec}";
    let bar = BAR.get_or_init(|| styled(ProgressBar::no_length(), style));
    bar.set_position(seen);
}

/// Shows how many bytes of a WIM file were verified.
pub(crate) fn verified(progress: VerificationProgress) {
    let VerificationProgress {
        verified: bytes,
        total,
        ..
    } = progress;
    let style = "{bar:24} verified {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left";
    let bar = BAR.get_or_init(|| styled(ProgressBar::new(total), style));
    bar.set_length(total);
    bar.set_position(bytes);
}

/// Another capture was inspected; `errors` could not be read so far.
pub(crate) fn inspected(errors: u64) {
    if let Some(bar) = BAR.get() {
        bar.inc(1);
        if errors > 0 {
            bar.set_message(format!(", {errors} not readable"));
        }
    }
}

/// Takes the bar away while something is written, where it would stand in between.
pub(crate) fn suspend<T>(write: impl FnOnce() -> T) -> T {
    match BAR.get() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Takes the bar away for good.
pub(crate) fn end() {
    if let Some(bar) = BAR.get() {
        bar.finish_and_clear();
    }
}

fn show(bar: ProgressBar, style: &str) {
    let _ = BAR.set(styled(bar, style));
}

/// Nothing is drawn where standard error is no terminal.
fn styled(bar: ProgressBar, style: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(style);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
