//! `FILETIME`: Windows' time stamps.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

/// Hundreds of nanoseconds since 1601-01-01 00:00 UTC, as the registry, NTFS and WIM files keep time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime(u64);

/// Seconds between 1601-01-01 and 1970-01-01.
const UNIX_EPOCH_SECONDS: i64 = 11_644_473_600;

impl FileTime {
    /// Ticks in a second.
    pub const TICKS_PER_SECOND: u64 = 10_000_000;

    /// Takes the raw count of 100 ns ticks.
    pub const fn from_ticks(ticks: u64) -> Self {
        FileTime(ticks)
    }

    /// The raw count of 100 ns ticks.
    pub const fn ticks(self) -> u64 {
        self.0
    }

    /// A time of Unix: seconds since 1970, and nanoseconds. `None` for one that a `FILETIME` cannot hold.
    #[cfg(feature = "collection")]
    pub(crate) fn from_unix(seconds: i64, nanoseconds: u32) -> Option<Self> {
        let seconds = u64::try_from(seconds.checked_add(UNIX_EPOCH_SECONDS)?).ok()?;
        let ticks = seconds.checked_mul(Self::TICKS_PER_SECOND)?;
        ticks
            .checked_add(u64::from(nanoseconds / 100))
            .map(FileTime)
    }

    /// The time as the host has it, or `None` where it cannot hold it.
    pub fn to_system_time(self) -> Option<SystemTime> {
        let seconds = self.0 / Self::TICKS_PER_SECOND;
        let nanoseconds = u32::try_from(self.0 % Self::TICKS_PER_SECOND * 100).ok()?;
        let since_1601 = Duration::new(seconds, nanoseconds);
        let epoch = Duration::from_secs(UNIX_EPOCH_SECONDS.unsigned_abs());
        match since_1601.checked_sub(epoch) {
            Some(since_1970) => SystemTime::UNIX_EPOCH.checked_add(since_1970),
            None => SystemTime::UNIX_EPOCH.checked_sub(epoch - since_1601),
        }
    }

    /// RFC 3339 in UTC with seven fractional digits at most, or `None` beyond the year 9999.
    pub fn to_rfc3339(self) -> Option<String> {
        let seconds = i64::try_from(self.0 / Self::TICKS_PER_SECOND).ok()? - UNIX_EPOCH_SECONDS;
        let nanoseconds = i32::try_from(self.0 % Self::TICKS_PER_SECOND * 100).ok()?;
        let timestamp = jiff::Timestamp::new(seconds, nanoseconds).ok()?;
        Some(timestamp.to_string())
    }
}

impl From<SystemTime> for FileTime {
    /// Times outside of what a `FILETIME` can hold become the nearest one.
    fn from(time: SystemTime) -> Self {
        let epoch = UNIX_EPOCH_SECONDS.unsigned_abs() * FileTime::TICKS_PER_SECOND;
        let ticks =
            |duration: Duration| u64::try_from(duration.as_nanos() / 100).unwrap_or(u64::MAX);
        FileTime(match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => epoch.saturating_add(ticks(since)),
            Err(before) => epoch.saturating_sub(ticks(before.duration())),
        })
    }
}

impl fmt::Display for FileTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_rfc3339() {
            Some(text) => f.pad(&text),
            None => write!(f, "FILETIME {:#x}", self.0),
        }
    }
}

impl Serialize for FileTime {
    /// As RFC 3339, or null beyond the year 9999.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_rfc3339().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_read_as_windows_shows_them() {
        let unix_epoch = FileTime::from_ticks(116_444_736_000_000_000);
        assert_eq!(unix_epoch.to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(FileTime::from_ticks(0).to_string(), "1601-01-01T00:00:00Z");
        assert_eq!(
            FileTime::from_ticks(133_798_695_401_234_567).to_string(),
            "2024-12-28T14:25:40.1234567Z"
        );
    }

    #[test]
    fn host_times_are_counted_from_1601() {
        let second = Duration::from_nanos(1_000_000_100);
        let ticks = |time: SystemTime| FileTime::from(time).ticks();
        let epoch = 116_444_736_000_000_000;
        assert_eq!(ticks(SystemTime::UNIX_EPOCH + second), epoch + 10_000_001);
        assert_eq!(ticks(SystemTime::UNIX_EPOCH - second), epoch - 10_000_001);
        for time in [epoch - 10_000_001, epoch, epoch + 10_000_001] {
            let host_time = FileTime::from_ticks(time).to_system_time();
            assert_eq!(host_time.map(ticks), Some(time));
        }
    }

    #[test]
    fn times_beyond_the_calendar_are_shown_raw() {
        assert_eq!(FileTime::from_ticks(u64::MAX).to_rfc3339(), None);
        assert!(
            FileTime::from_ticks(u64::MAX)
                .to_string()
                .starts_with("FILETIME 0x")
        );
    }
}
