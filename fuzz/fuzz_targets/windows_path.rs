//! Any code units as a path: what an absolute one shows is the same path, and expanding variables ends.
#![no_main]

use dism_mount_status::{PathRoot, WideString, WindowsPath};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = WideString::from_utf16le(bytes);
    let path = WindowsPath::parse(&text);
    let namespaces: [WideString; 2] = ["?".into(), ".".into()];
    let shown_as_namespace =
        matches!(&path.root, PathRoot::Share { server, .. } if namespaces.contains(&server.0));
    if text.to_utf8().is_some() && path.is_absolute() && !shown_as_namespace {
        assert_eq!(WindowsPath::from(&*path.to_string()), path);
    }
    let same = WindowsPath::expand(&text, |_| None);
    assert_eq!(same, text);
    WindowsPath::expand(&text, |name| Some(name.clone()));
});
