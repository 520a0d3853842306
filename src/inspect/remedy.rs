//! What to do about a file that is no evidence, or none that this build reads.

use crate::error::{Error, Position};

/// What to do where a file is no evidence.
const EXPORT: &str = r"make an export on the machine with `reg export HKLM\SOFTWARE\Microsoft\WIMMount wimmount.reg`";

/// Says what a file could have been, and what to do where it is nothing of that: that shows in its first lines.
pub(super) fn no_evidence(error: Error) -> Error {
    if error.position().and_then(Position::line).is_none() {
        return error;
    }
    let mut kinds = vec![
        "a registry export (first line `Windows Registry Editor Version 5.00` or `REGEDIT4`)",
        "a hive",
    ];
    #[cfg(feature = "captured-wim")]
    kinds.push("a WIM file");
    #[cfg(feature = "disk-image")]
    kinds.push("a disk image");
    #[cfg(feature = "collection")]
    kinds.push("an archive (zip, tar)");
    let last = kinds.pop().unwrap_or_default();
    let found = error.found().unwrap_or_default();
    let remedy = match found.ends_with("archive") {
        true => "unpack it, and name what comes out",
        false => EXPORT,
    };
    let kinds = format!("{} or {last}", kinds.join(", "));
    with_feature(error).expecting(kinds).or_remedy(remedy)
}

/// Says which feature would read the evidence, where this build does without.
pub(super) fn with_feature(error: Error) -> Error {
    match error.found().and_then(feature_for) {
        Some(feature) => error.or_remedy(format!(
            "enable the feature `{feature}`, without which it is not read"
        )),
        None => error,
    }
}

/// The feature that reads what was found, where this build does without.
fn feature_for(found: &str) -> Option<&'static str> {
    const ARCHIVES: [&str; 6] = ["zip", "tar", "gzip", "xz", "zstd", "bzip2"];
    let is_archive = ARCHIVES
        .iter()
        .any(|kind| found.ends_with(&format!(" {kind} archive")));
    let features = [
        (
            "captured-wim",
            cfg!(feature = "captured-wim"),
            found.ends_with("WIM file"),
        ),
        (
            "disk-image",
            cfg!(feature = "disk-image"),
            found.ends_with("disk image"),
        ),
        ("collection", cfg!(feature = "collection"), is_archive),
    ];
    let missing = features
        .into_iter()
        .find(|(_, is_enabled, is_it)| *is_it && !is_enabled);
    missing.map(|(feature, ..)| feature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_that_this_build_does_not_read_is_told_with_the_feature_that_does() {
        for (found, is_enabled, feature) in [
            ("a WIM file", cfg!(feature = "captured-wim"), "captured-wim"),
            (
                "a VHDX disk image",
                cfg!(feature = "disk-image"),
                "disk-image",
            ),
            ("a zip archive", cfg!(feature = "collection"), "collection"),
        ] {
            assert_eq!(feature_for(found), (!is_enabled).then_some(feature));
        }
        for never_read in ["a 7z archive", "an SQLite database", "`text`"] {
            assert_eq!(feature_for(never_read), None);
        }
    }
}
