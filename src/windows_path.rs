//! Paths as Windows spells them, brought to one form. Nothing here touches a file system.

use std::fmt;
use std::hash::{Hash, Hasher};

use uuid::Uuid;

use crate::wide_string::WideString;

/// A Windows path, taken apart: two spellings of one path are equal, and so are two that differ in letter case.
///
/// Separators may be `\` or `/`, repeated and trailing; `.` and `..` are resolved, and `..` never leaves the root.
/// The same holds behind `\\?\`, where Windows takes names as they are: no name on NTFS is `.` or `..`, or holds a
/// separator. Dots and blanks at the end of a name, which Windows drops, are kept; short names (`PROGRA~1`) too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WindowsPath {
    /// Where the path starts.
    pub root: PathRoot,
    /// The names from there on. Only a relative path starts with `..`.
    pub components: Vec<PathComponent>,
}

/// Where a path starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathRoot {
    /// The root of a drive, by its letter in upper case: `C:\`, `\\?\C:\`, `\\.\C:\`, `\??\C:\`.
    Drive(char),
    /// A network share: `\\server\share`, `\\?\UNC\server\share`, `\Device\Mup\server\share`.
    Share {
        /// The server's name.
        server: PathComponent,
        /// The share's name; empty when the path ends before it.
        share: PathComponent,
    },
    /// A volume by its GUID: `\\?\Volume{...}\`.
    Volume(Uuid),
    /// Any other device: `\Device\HarddiskVolume3`, `\\.\HarddiskVolume3`, `\\?\GLOBALROOT\Device\HarddiskVolume3`.
    Device(PathComponent),
    /// The current directory of a drive: `C:x`.
    DriveDirectory(char),
    /// The root of the current drive: `\x`.
    CurrentDrive,
    /// The current directory: `x`.
    CurrentDirectory,
}

/// One name of a path. Names that differ in letter case only are equal, as on NTFS.
#[derive(Debug, Clone, Eq)]
pub struct PathComponent(pub WideString);

impl PathComponent {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_case(&name.into())
    }
}

impl PartialEq for PathComponent {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_case(&other.0)
    }
}

impl Hash for PathComponent {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_upcase().hash(state);
    }
}

impl From<&str> for PathComponent {
    fn from(name: &str) -> Self {
        PathComponent(name.into())
    }
}

impl fmt::Display for PathComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl WindowsPath {
    /// Takes a path apart. Every text is some path.
    pub fn parse(text: &WideString) -> WindowsPath {
        let units = text.as_units();
        let leading_separators = units.iter().take_while(|&&unit| is_separator(unit)).count();
        let names: Vec<PathComponent> = units
            .split(|&unit| is_separator(unit))
            .filter(|name| !name.is_empty())
            .map(|name| PathComponent(WideString::from_units(name.to_vec())))
            .collect();
        let (root, rest) = match (leading_separators, names.split_first()) {
            (0, _) => return without_leading_separator(units, &names),
            (1, Some((first, rest))) if is_object_directory(first) => object(rest),
            (1, Some((first, rest))) if first.is("Device") => device(rest),
            (1, _) => (PathRoot::CurrentDrive, &names[..]),
            (_, Some((first, rest))) if first.is("?") || first.is(".") => object(rest),
            (_, _) => share(&names),
        };
        WindowsPath::resolved(root, rest)
    }

    /// Puts the values of `%NAME%`s into a text of type `REG_EXPAND_SZ`.
    ///
    /// A name that `value_of` does not know stays as it is, as Windows leaves it. Values are not expanded again.
    pub fn expand(
        text: &WideString,
        value_of: impl Fn(&WideString) -> Option<WideString>,
    ) -> WideString {
        let mut expanded = Vec::new();
        let mut rest = text.as_units();
        while let Some(start) = rest.iter().position(|&unit| unit == PERCENT) {
            let (before, from_start) = rest.split_at(start);
            expanded.extend(before);
            let name_length = from_start[1..].iter().position(|&unit| unit == PERCENT);
            let value = name_length.and_then(|length| {
                let name = WideString::from_units(from_start[1..=length].to_vec());
                Some((value_of(&name)?, &from_start[length + 2..]))
            });
            rest = match value {
                Some((value, after)) => {
                    expanded.extend(value.as_units());
                    after
                }
                None => {
                    expanded.push(PERCENT);
                    &from_start[1..]
                }
            };
        }
        expanded.extend(rest);
        WideString::from_units(expanded)
    }

    /// The path in its plainest spelling, names with lone surrogates as they are.
    pub(crate) fn to_wide_string(&self) -> WideString {
        let root = WindowsPath {
            root: self.root.clone(),
            components: Vec::new(),
        };
        let mut units: Vec<u16> = root.to_string().encode_utf16().collect();
        for (index, component) in self.components.iter().enumerate() {
            if index > 0 {
                units.push(b'\\'.into());
            }
            units.extend(component.0.as_units());
        }
        WideString::from_units(units)
    }

    /// Whether the path is the root of a drive, a volume, a device or a share, and not something on it.
    pub fn is_volume_root(&self) -> bool {
        self.components.is_empty() && self.is_absolute()
    }

    /// Whether the path means the same wherever it is used.
    pub fn is_absolute(&self) -> bool {
        match self.root {
            PathRoot::Drive(_)
            | PathRoot::Share { .. }
            | PathRoot::Volume(_)
            | PathRoot::Device(_) => true,
            PathRoot::DriveDirectory(_) | PathRoot::CurrentDrive | PathRoot::CurrentDirectory => {
                false
            }
        }
    }

    /// Resolves `.` and `..` among the names below a root.
    fn resolved(root: PathRoot, names: &[PathComponent]) -> WindowsPath {
        // A root directory is its own parent; the parent of a current directory is not known.
        let keeps_parents = matches!(
            root,
            PathRoot::DriveDirectory(_) | PathRoot::CurrentDirectory
        );
        let mut components: Vec<PathComponent> = Vec::new();
        for name in names {
            if name.is(".") {
                continue;
            }
            if !name.is("..") {
                components.push(name.clone());
            } else if components.last().is_some_and(|last| !last.is("..")) {
                components.pop();
            } else if keeps_parents {
                components.push(name.clone());
            }
        }
        WindowsPath { root, components }
    }
}

impl From<&str> for WindowsPath {
    fn from(text: &str) -> Self {
        WindowsPath::parse(&text.into())
    }
}

/// The path in its plainest spelling: `C:\x`, `\\server\share\x`, `\\?\Volume{...}\x`, `\Device\HarddiskVolume3\x`.
impl fmt::Display for WindowsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            PathRoot::Drive(letter) => write!(f, r"{letter}:\")?,
            PathRoot::Share { server, share } => write!(f, r"\\{server}\{share}\")?,
            PathRoot::Volume(id) => write!(f, r"\\?\Volume{{{id}}}\")?,
            PathRoot::Device(name) => write!(f, r"\Device\{name}\")?,
            PathRoot::DriveDirectory(letter) => write!(f, "{letter}:")?,
            PathRoot::CurrentDrive => f.write_str(r"\")?,
            PathRoot::CurrentDirectory => {}
        }
        for (index, component) in self.components.iter().enumerate() {
            if index > 0 {
                f.write_str(r"\")?;
            }
            component.fmt(f)?;
        }
        Ok(())
    }
}

const PERCENT: u16 = b'%' as u16;
const COLON: u16 = b':' as u16;

/// A root, and the names that follow it.
type Rooted<'a> = (PathRoot, &'a [PathComponent]);

fn is_separator(unit: u16) -> bool {
    unit == u16::from(b'\\') || unit == u16::from(b'/')
}

/// Whether the name is that of the object manager's directory behind `\\?\` and `\\.\`.
fn is_object_directory(name: &PathComponent) -> bool {
    name.is("??") || name.is("GLOBAL??") || name.is("DosDevices")
}

/// `C:\x`, `C:x` or `x`.
fn without_leading_separator(units: &[u16], names: &[PathComponent]) -> WindowsPath {
    let (Some(letter), Some((first, rest))) = (drive_letter(units), names.split_first()) else {
        return WindowsPath::resolved(PathRoot::CurrentDirectory, names);
    };
    if units.get(2).is_some_and(|&unit| is_separator(unit)) {
        return WindowsPath::resolved(PathRoot::Drive(letter), rest);
    }
    let mut names = names.to_vec();
    names[0] = PathComponent(WideString::from_units(first.0.as_units()[2..].to_vec()));
    if names[0].0.is_empty() {
        names.remove(0);
    }
    WindowsPath::resolved(PathRoot::DriveDirectory(letter), &names)
}

/// The letter, in upper case, of a text that starts with a letter and a colon.
fn drive_letter(units: &[u16]) -> Option<char> {
    let [letter, COLON, ..] = *units else {
        return None;
    };
    let letter = char::from_u32(letter.into())?;
    letter
        .is_ascii_alphabetic()
        .then(|| letter.to_ascii_uppercase())
}

/// What follows `\\?\`, `\\.\` or `\??\`.
fn object(names: &[PathComponent]) -> Rooted<'_> {
    let Some((first, rest)) = names.split_first() else {
        return device(names);
    };
    if let (2, Some(letter)) = (first.0.as_units().len(), drive_letter(first.0.as_units())) {
        (PathRoot::Drive(letter), rest)
    } else if first.is("UNC") {
        share(rest)
    } else if let Some(id) = volume_id(first) {
        (PathRoot::Volume(id), rest)
    } else if let (true, [directory, rest @ ..]) = (first.is("GLOBALROOT"), rest)
        && directory.is("Device")
    {
        device(rest)
    } else {
        device(names)
    }
}

/// What follows `\Device\`.
fn device(names: &[PathComponent]) -> Rooted<'_> {
    match names.split_first() {
        Some((name, rest)) if name.is("Mup") => share(rest),
        Some((name, rest)) => (PathRoot::Device(name.clone()), rest),
        None => (PathRoot::Device("".into()), names),
    }
}

/// What follows the two separators of `\\server\share`.
fn share(names: &[PathComponent]) -> Rooted<'_> {
    let name = |index: usize| names.get(index).cloned().unwrap_or_else(|| "".into());
    let root = PathRoot::Share {
        server: name(0),
        share: name(1),
    };
    (root, names.get(2..).unwrap_or_default())
}

/// The GUID of `Volume{...}`.
fn volume_id(name: &PathComponent) -> Option<Uuid> {
    let text = name.0.to_utf8()?;
    let (prefix, braced) = text.split_at_checked("Volume".len())?;
    let id = braced.strip_prefix('{')?.strip_suffix('}')?;
    let id = prefix.eq_ignore_ascii_case("Volume").then_some(id)?;
    Uuid::try_parse(id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::uuid;

    fn shown(text: &str) -> String {
        WindowsPath::from(text).to_string()
    }

    #[test]
    fn every_spelling_of_a_drive_path_is_the_same_path() {
        for spelling in [
            r"C:\Images\a.wim",
            r"c:\IMAGES\A.WIM",
            "C:/Images/a.wim",
            r"C:\\Images\\\a.wim\",
            r"C:\.\Images\x\..\a.wim",
            r"C:\..\..\Images\a.wim",
            r"\\?\C:\Images\a.wim",
            r"\\.\C:\Images\a.wim",
            r"//?/C:/Images/a.wim",
            r"\??\C:\Images\a.wim",
            r"\GLOBAL??\C:\Images\a.wim",
            r"\DosDevices\C:\Images\a.wim",
        ] {
            assert_eq!(
                WindowsPath::from(spelling),
                r"C:\Images\a.wim".into(),
                "{spelling}"
            );
        }
    }

    #[test]
    fn shares_volumes_and_devices_have_roots_of_their_own() {
        let share = PathRoot::Share {
            server: "server".into(),
            share: "share".into(),
        };
        for spelling in [
            r"\\server\share\x",
            r"\\?\UNC\server\share\x",
            r"\\SERVER/share\..\x",
            r"\Device\Mup\server\share\x",
        ] {
            assert_eq!(WindowsPath::from(spelling).root, share, "{spelling}");
            assert_eq!(shown(spelling).to_lowercase(), r"\\server\share\x");
        }
        let id = uuid!("375eebaf-2adb-4f55-b0c1-b4527bfb03c0");
        let volume = WindowsPath::from(r"\\?\volume{375EEBAF-2adb-4f55-b0c1-b4527bfb03c0}\x");
        assert_eq!(volume.root, PathRoot::Volume(id));
        assert_eq!(
            volume.to_string(),
            r"\\?\Volume{375eebaf-2adb-4f55-b0c1-b4527bfb03c0}\x"
        );
        for spelling in [
            r"\Device\HarddiskVolume3\x",
            r"\\.\HarddiskVolume3\x",
            r"\\?\GLOBALROOT\Device\HarddiskVolume3\x",
        ] {
            assert_eq!(shown(spelling), r"\Device\HarddiskVolume3\x", "{spelling}");
        }
    }

    #[test]
    fn roots_are_told_from_what_lies_on_them() {
        for root in [
            r"C:\",
            r"\\?\C:",
            r"C:\x\..",
            r"\\server\share",
            r"\Device\HarddiskVolume3\",
        ] {
            assert!(WindowsPath::from(root).is_volume_root(), "{root}");
        }
        for other in [r"C:\x", r"\\server\share\x", r"\", "", "C:", "."] {
            assert!(!WindowsPath::from(other).is_volume_root(), "{other}");
        }
    }

    #[test]
    fn relative_paths_stay_relative() {
        assert_eq!(WindowsPath::from("C:").root, PathRoot::DriveDirectory('C'));
        assert_eq!(shown("C:x/./y"), r"C:x\y");
        assert_eq!(shown(r"c:..\x"), r"C:..\x");
        assert_eq!(shown(r"..\..\x\..\y\"), r"..\..\y");
        assert_eq!(shown(r"\..\x"), r"\x");
        assert_eq!(WindowsPath::from("").root, PathRoot::CurrentDirectory);
        assert_eq!(WindowsPath::from("1:\\x").root, PathRoot::CurrentDirectory);
    }

    #[test]
    fn paths_that_end_within_their_root_are_paths() {
        let share = |text| match WindowsPath::from(text).root {
            PathRoot::Share { server, share } => (server.to_string(), share.to_string()),
            root => panic!("{root:?}"),
        };
        assert_eq!(share(r"\\"), ("".into(), "".into()));
        assert_eq!(share(r"\\server"), ("server".into(), "".into()));
        for text in [r"\\?\", r"\\.", r"\Device", r"\??\", r"\\?\GLOBALROOT"] {
            assert!(
                matches!(WindowsPath::from(text).root, PathRoot::Device(_)),
                "{text}"
            );
        }
    }

    #[test]
    fn variables_are_expanded_once_and_unknown_ones_stay() {
        let value_of = |name: &WideString| {
            let known = name.eq_ignore_case(&"SystemRoot".into());
            known.then(|| r"C:\%windir%".into())
        };
        let expand = |text: &str| WindowsPath::expand(&text.into(), value_of).to_string();
        assert_eq!(expand(r"%SystemRoot%\x"), r"C:\%windir%\x");
        assert_eq!(
            expand(r"a%systemroot%%SYSTEMROOT%b"),
            r"aC:\%windir%C:\%windir%b"
        );
        assert_eq!(expand(r"%x%SystemRoot%"), r"%xC:\%windir%");
        assert_eq!(expand("100%"), "100%");
        assert_eq!(expand("%%"), "%%");
    }

    /// Names that a path may hold anywhere.
    fn names() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[a-zäß映\u{1F5BC}][a-z 0-9~.]{0,6}[a-z]", 0..5)
    }

    /// A way to write these names: other separators, more of them, and detours.
    fn spelling(names: Vec<String>) -> impl Strategy<Value = String> {
        let separator = || prop::sample::select(vec!["\\", "/", "\\\\", "\\.\\", "/x/../", "\\/"]);
        let separators = prop::collection::vec(separator(), names.len());
        (separators, any::<bool>()).prop_map(move |(separators, upper)| {
            let pairs = names.iter().zip(separators);
            let text: String = pairs.flat_map(|(name, s)| [name.as_str(), s]).collect();
            // Only ASCII: what has a longer upper case is another name.
            if upper {
                text.to_ascii_uppercase()
            } else {
                text
            }
        })
    }

    fn root_spellings() -> impl Strategy<Value = (&'static str, &'static str)> {
        let roots = [
            &[r"C:\", "c:/", r"\\?\C:\", r"\\.\c:\", r"\??\C:\", r"C:\..\"][..],
            &[r"\\s\t\", r"//S/t/", r"\\?\UNC\s\T\", r"\\s\t\..\"],
            &[r"\Device\d1\", r"\\.\D1\", r"\\?\GLOBALROOT\Device\d1\"],
        ];
        prop::sample::select(roots.to_vec())
            .prop_flat_map(|same| (prop::sample::select(same), prop::sample::select(same)))
    }

    proptest! {
        #[test]
        fn all_spellings_of_a_path_are_equal(
            (one_root, other_root) in root_spellings(),
            (one, other, names) in names().prop_flat_map(|names| {
                (spelling(names.clone()), spelling(names.clone()), Just(names))
            }),
        ) {
            let one = WindowsPath::from(&*format!("{one_root}{one}"));
            let other = WindowsPath::from(&*format!("{other_root}{other}"));
            prop_assert_eq!(&one, &other);
            prop_assert_eq!(one.components.len(), names.len());
            prop_assert_eq!(WindowsPath::from(&*one.to_string()), other);
        }

        #[test]
        fn paths_of_different_names_differ(one in names(), other in names()) {
            let path = |names: &[String]| WindowsPath::from(&*format!("C:\\{}", names.join("/")));
            prop_assert_eq!(path(&one) == path(&other), one == other);
        }

        #[test]
        fn what_a_path_shows_is_the_path(text in "[a-zA-Z:?./\\\\{}]{0,24}") {
            let path = WindowsPath::from(&*text);
            let names_a_namespace = matches!(&path.root, PathRoot::Share { server, .. } if server.is("?") || server.is("."));
            if path.is_absolute() && !names_a_namespace {
                prop_assert_eq!(WindowsPath::from(&*path.to_string()), path);
            }
        }

        #[test]
        fn every_text_is_some_path(units: Vec<u16>) {
            let path = WindowsPath::parse(&WideString::from_units(units.clone()));
            prop_assert!(path.components.len() <= units.len());
        }
    }
}
