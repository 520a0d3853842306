//! What a file is, told from its first bytes.

/// Signatures of things that are handed over by mistake, or belong to another reader.
const SIGNATURES: [(&[u8], &str); 23] = [
    (b"regf", "a registry hive"),
    (b"HvLE", "a registry transaction log without its hive"),
    (
        b"WINE REGISTRY",
        "Wine's own registry file (export it with `wine reg export`)",
    ),
    (
        b"version https://git-lfs",
        "a git-lfs pointer: the file itself was not fetched",
    ),
    (b"MSWIM\0\0\0", "a WIM file"),
    (b"WLPWM\0\0\0", "a pipable WIM file"),
    (b"vhdxfile", "a VHDX disk image"),
    (b"conectix", "a VHD disk image"),
    (b"QFI\xFB", "a QCOW2 disk image"),
    (b"KDMV", "a VMDK disk image"),
    (b"EVF\x09\x0D\x0A\xFF\0", "an E01 disk image"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1F\x8B", "a gzip archive"),
    (b"\xFD7zXZ\0", "an xz archive"),
    (b"\x28\xB5\x2F\xFD", "a zstd archive"),
    (b"BZh", "a bzip2 archive"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive"),
    (b"Rar!\x1A\x07", "a RAR archive"),
    (b"MSCF\0\0\0\0", "a cabinet archive"),
    (b"ElfFile\0", "an event log"),
    (b"MZ", "a Windows program"),
    (b"\x7FELF", "a Linux program"),
];

/// What the first bytes of a file say it is, in words for a message; `None` where they do not tell.
pub(crate) fn describe(start: &[u8]) -> Option<&'static str> {
    if start.is_empty() {
        return Some("an empty file");
    }
    if start.iter().all(|&byte| byte == 0) {
        return Some("nothing but zeros");
    }
    // The magic of a tar archive stands in its first header.
    if start.get(257..262) == Some(b"ustar") {
        return Some("a tar archive");
    }
    if let Some((_, name)) = SIGNATURES
        .iter()
        .find(|(magic, _)| start.starts_with(magic))
    {
        return Some(name);
    }
    let text = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start);
    let text = text.trim_ascii_start();
    let is_tag = |tag: &str| {
        let head = text.get(..tag.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(tag.as_bytes()))
    };
    if ["<!doctype", "<html", "<head", "<?xml"]
        .iter()
        .any(|tag| is_tag(tag))
    {
        return Some("an HTML or XML page: a download that answered with a web page?");
    }
    if text.starts_with(b"REGEDIT") && !text.starts_with(b"REGEDIT4") {
        return Some("a Windows 3.1 registration file, which holds only HKEY_CLASSES_ROOT");
    }
    None
}

/// What a file is instead of one that begins with a certain line, by its first bytes and that line (WTF-8).
pub(crate) fn instead(start: &[u8], line: &[u8]) -> String {
    match describe(start) {
        Some(name) => name.to_owned(),
        None if line.iter().any(|&byte| byte < b' ' && byte != b'\t') => {
            "data that is not text".to_owned()
        }
        None => excerpt(line),
    }
}

/// A short piece of text (WTF-8) for a message, without control characters.
pub(crate) fn excerpt(text: &[u8]) -> String {
    const MOST: usize = 40;
    if text.is_empty() {
        return "the end of the line".to_owned();
    }
    let lossy = String::from_utf8_lossy(&text[..text.len().min(4 * MOST)]);
    let mut shown: String = lossy
        .chars()
        .take(MOST)
        .collect::<String>()
        .escape_debug()
        .collect();
    if lossy.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}
