//! Names of files as this host spells them, and as Windows does.

use std::ffi::{OsStr, OsString};

use crate::wide_string::WideString;

/// A name of a file on this host, as Windows would spell it.
///
/// File systems that come from Windows keep lone surrogates as WTF-8; other bytes that are no text become U+FFFD.
pub(crate) fn to_windows(name: &OsStr) -> WideString {
    #[cfg(windows)]
    {
        use std::os::windows::ffi::OsStrExt;
        WideString::from_units(name.encode_wide().collect())
    }
    #[cfg(not(windows))]
    {
        WideString::from_wtf8(name.as_encoded_bytes())
    }
}

/// A Windows name as this host spells it, where it can stand for itself in a path.
///
/// `None` for what means more than a name here: another directory, a drive, a stream.
#[cfg(unix)]
pub(crate) fn from_windows(name: &WideString) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::new();
    crate::wide_string::push_wtf8(&mut bytes, name.as_units().iter().copied());
    let is_name = !matches!(&bytes[..], b"" | b"." | b"..") && !bytes.contains(&b'/');
    is_name.then(|| OsString::from_vec(bytes))
}

/// A Windows name as this host spells it: elsewhere than on Unix names are only taken from listings of directories.
#[cfg(not(unix))]
pub(crate) fn from_windows(_name: &WideString) -> Option<OsString> {
    None
}

/// A name in WTF-8, as [`to_windows`] makes it, as this host spells it; none where that cannot be told.
#[cfg(feature = "collection")]
pub(crate) fn from_wtf8(name: &[u8]) -> Option<OsString> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        Some(OsString::from_vec(name.to_vec()))
    }
    #[cfg(windows)]
    {
        use std::os::windows::ffi::OsStringExt;
        Some(OsString::from_wide(WideString::from_wtf8(name).as_units()))
    }
    #[cfg(not(any(unix, windows)))]
    {
        String::from_utf8(name.to_vec()).ok().map(OsString::from)
    }
}
