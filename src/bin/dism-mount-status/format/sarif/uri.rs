//! Paths as URIs: RFC 3986.

/// A path of this host: a `file` URI where it is absolute, else a reference relative to wherever the paths start.
pub(super) fn uri(path: &str) -> String {
    match cfg!(windows) {
        true => windows_uri(path),
        false => unix_uri(path),
    }
}

fn unix_uri(path: &str) -> String {
    match path.starts_with('/') {
        true => format!("file://{}", encoded(path)),
        false => encoded(path),
    }
}

fn windows_uri(path: &str) -> String {
    let path = path.replace('\\', "/");
    match path.as_bytes() {
        [b'/', b'/', ..] => format!("file:{}", encoded(&path)),
        [letter, b':', b'/', ..] if letter.is_ascii_alphabetic() => {
            format!("file:///{}:{}", char::from(*letter), encoded(&path[2..]))
        }
        _ => encoded(&path),
    }
}

/// Everything but RFC 3986's unreserved characters and slashes as `%XX`. A colon, too: it would end a scheme.
fn encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_stay_relative() {
        assert_eq!(unix_uri("a b/c:d#e%.reg"), "a%20b/c%3Ad%23e%25.reg");
        assert_eq!(unix_uri("../größe\\x"), "../gr%C3%B6%C3%9Fe%5Cx");
        assert_eq!(unix_uri("-"), "-");
        assert_eq!(windows_uri(r"hives\SOFTWARE"), "hives/SOFTWARE");
    }

    #[test]
    fn absolute_paths_become_file_uris() {
        assert_eq!(unix_uri("/mnt/my disk"), "file:///mnt/my%20disk");
        assert_eq!(windows_uri(r"C:\my hives\a"), "file:///C:/my%20hives/a");
        assert_eq!(windows_uri(r"\\server\share\a"), "file://server/share/a");
    }
}
