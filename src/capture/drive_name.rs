//! What a drive is called.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::error::Error;
use crate::windows_path::{PathRoot, WindowsPath};

/// The name of a drive of the captured machine: a letter or a share, also a volume's GUID or a device.
///
/// It is written as Windows writes it: `C`, `C:`, `\\server\share`, `\\?\Volume{...}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DriveName(PathRoot);

impl DriveName {
    /// The drive with this letter; `None` for what is no letter of the English alphabet.
    pub fn letter(letter: char) -> Option<DriveName> {
        letter
            .is_ascii_alphabetic()
            .then(|| DriveName(PathRoot::Drive(letter.to_ascii_uppercase())))
    }

    /// A volume by its GUID: `\\?\Volume{...}`.
    pub fn volume(guid: Uuid) -> DriveName {
        DriveName(PathRoot::Volume(guid))
    }

    /// The letter, in upper case, of a drive that has one.
    pub fn as_letter(&self) -> Option<char> {
        match self.0 {
            PathRoot::Drive(letter) => Some(letter),
            _ => None,
        }
    }

    /// Where paths on this drive start.
    pub fn root(&self) -> &PathRoot {
        &self.0
    }

    /// The path of the drive's root directory.
    pub(crate) fn root_path(&self) -> WindowsPath {
        WindowsPath {
            root: self.0.clone(),
            components: Vec::new(),
        }
    }

    /// The drive on which a path lies; `None` for a relative one.
    pub fn of(path: &WindowsPath) -> Option<DriveName> {
        path.is_absolute().then(|| DriveName(path.root.clone()))
    }
}

impl FromStr for DriveName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut letters = text.strip_suffix(':').unwrap_or(text).chars();
        if let (Some(letter), None) = (letters.next(), letters.next())
            && let Some(drive) = DriveName::letter(letter)
        {
            return Ok(drive);
        }
        let path = WindowsPath::from(text);
        let is_drive = match &path.root {
            PathRoot::Share { server, share } => !server.0.is_empty() && !share.0.is_empty(),
            PathRoot::Device(name) => !name.0.is_empty(),
            _ => true,
        };
        match DriveName::of(&path) {
            Some(drive) if is_drive && path.components.is_empty() => Ok(drive),
            _ => Err(Error::malformed(
                r"a drive letter or \\server\share",
                text.to_owned(),
            )),
        }
    }
}

impl fmt::Display for DriveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.root_path().to_string();
        f.pad(path.strip_suffix('\\').unwrap_or(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_is_named_as_windows_names_it() {
        for (text, shown) in [
            ("c", "C:"),
            ("D:", "D:"),
            (r"E:\", "E:"),
            (r"\\?\f:", "F:"),
            (r"\\server\share", r"\\server\share"),
            ("//server/share/", r"\\server\share"),
        ] {
            assert_eq!(text.parse::<DriveName>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_drive_is_refused() {
        for text in [
            "",
            "CC",
            "1",
            "ä",
            r"C:\x",
            r"\\server",
            r"\x",
            r"\\",
            "C:x",
        ] {
            let error = text.parse::<DriveName>().unwrap_err();
            assert_eq!(error.found(), Some(text));
        }
    }
}
