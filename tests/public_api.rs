//! The public types can grow: each is `non_exhaustive`, or keeps its fields to itself, or is listed here with the reason why it
//! stays as it is. Whoever adds one has to decide.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use walkdir::WalkDir;

/// What stands for numbers and names of Windows' own, of which there will be no more.
const VOCABULARY: &str = "a closed vocabulary";
/// What has the fields of a layout that is laid down.
const LAYOUT: &str = "a fixed layout";
/// A number or a text under a name of its own.
const NEWTYPE: &str = "one value";

/// Types that may be matched and built without a rest, by the file in which they stand.
const EXHAUSTIVE: [(&str, &str, &str); 26] = [
    ("capture/collection/member_name.rs", "Spelling", VOCABULARY),
    (
        "capture/disk_image/ntfs/file_name.rs",
        "Namespace",
        VOCABULARY,
    ),
    ("capture/mod.rs", "Scope", VOCABULARY),
    ("evidence.rs", "Liveness", VOCABULARY),
    ("finding.rs", "Basis", VOCABULARY),
    ("finding.rs", "Severity", VOCABULARY),
    ("mount_point/reparse_point.rs", "ReparsePoint", LAYOUT),
    ("mount_point/reparse_point.rs", "ReparseTag", NEWTYPE),
    ("mount_point/reparse_point.rs", "SymbolicLink", LAYOUT),
    ("mount_point/reparse_point.rs", "WimReparseData", LAYOUT),
    ("mount_point/wim_mount_data.rs", "MountDataRecord", LAYOUT),
    ("observation.rs", "Observation", VOCABULARY),
    ("registry/mod.rs", "ValueType", NEWTYPE),
    ("status.rs", "DismMountMode", VOCABULARY),
    ("status.rs", "DismMountStatus", VOCABULARY),
    ("wim/directory_entry.rs", "DirectoryEntry", LAYOUT),
    ("wim/directory_entry.rs", "StreamEntry", LAYOUT),
    ("wim/header.rs", "ResourceHeader", LAYOUT),
    ("wim/header.rs", "WimHeader", LAYOUT),
    ("wim/integrity.rs", "Integrity", VOCABULARY),
    ("wim/integrity.rs", "IntegrityTable", LAYOUT),
    ("wim/resource.rs", "Resource", LAYOUT),
    ("wim/xml.rs", "Architecture", NEWTYPE),
    ("wim/xml.rs", "ImageVersion", LAYOUT),
    ("windows_path.rs", "PathComponent", NEWTYPE),
    ("windows_path.rs", "WindowsPath", "a root and names"),
];

/// A public type in a source file. What stands `pub` there is public: `unreachable_pub` is denied.
struct Type {
    name: String,
    is_non_exhaustive: bool,
    /// Whether it is an enum, or has a field that is public.
    is_open: bool,
}

fn types(source: &str) -> Vec<Type> {
    let lines: Vec<&str> = source.lines().collect();
    let mut types = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let is_enum = line.starts_with("pub enum ");
        let Some(rest) = line
            .strip_prefix("pub enum ")
            .or_else(|| line.strip_prefix("pub struct "))
        else {
            continue;
        };
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
        let above = lines[..number].iter().rev();
        let mut attributes = above.take_while(|line| !line.is_empty() && **line != "}");
        let fields = lines[number + 1..].iter().take_while(|line| **line != "}");
        let has_fields =
            line.ends_with('{') && fields.clone().any(|line| line.starts_with("    pub "));
        types.push(Type {
            is_non_exhaustive: attributes.any(|line| line.contains("non_exhaustive")),
            is_open: is_enum || has_fields || rest.contains("(pub "),
            name,
        });
    }
    types
}

#[test]
fn every_public_type_can_grow_or_says_why_not() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut closed = BTreeSet::new();
    let mut count = 0;
    for entry in WalkDir::new(&source).sort_by_file_name() {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(&source).unwrap();
        let name = name.to_str().unwrap().replace('\\', "/");
        if !name.ends_with(".rs") || name.starts_with("bin/") {
            continue;
        }
        for found in types(&fs::read_to_string(entry.path()).unwrap()) {
            count += 1;
            if found.is_open && !found.is_non_exhaustive {
                closed.insert((name.clone(), found.name));
            }
        }
    }
    assert!(count > 90, "{count}");
    let known: BTreeSet<_> = EXHAUSTIVE
        .iter()
        .map(|(file, name, _)| ((*file).to_owned(), (*name).to_owned()))
        .collect();
    let unknown: Vec<_> = closed.difference(&known).collect();
    assert!(
        unknown.is_empty(),
        "neither non_exhaustive nor listed: {unknown:#?}"
    );
    let gone: Vec<_> = known.difference(&closed).collect();
    assert!(
        gone.is_empty(),
        "listed, but not there or not exhaustive: {gone:#?}"
    );
}
