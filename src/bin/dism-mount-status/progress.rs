//! How far a long search has come, on a terminal.

use std::sync::LazyLock;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Nothing is drawn where standard error is no terminal.
static BAR: LazyLock<ProgressBar> = LazyLock::new(|| {
    let style = "{spinner} searching for mount directories: {human_pos} files, {per_sec}";
    let bar = ProgressBar::no_length();
    bar.set_style(
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
});

/// Shows that so many files and directories were seen.
pub(crate) fn searched(seen: u64) {
    BAR.set_position(seen);
}

/// Takes the bar away, where there is one.
pub(crate) fn end() {
    if let Some(bar) = LazyLock::get(&BAR) {
        bar.finish_and_clear();
    }
}
