//! `uploads.json`, in which Velociraptor tells what it took: JSON lines with the names on the way to each file, how long it
//! was, and how much of it was taken.

use std::io::{BufRead, BufReader, Read};

use serde::Deserialize;

use super::archive::MemberKind;
use super::member_name::divided;
use super::members::Members;
use super::wanted::{UPLOAD_LIST, has_wanted_name};
use crate::capture::read_at::ReadAtCursor;
use crate::error::Error;
use crate::warning::{Warning, WarningCode, Warnings};

/// The most bytes of one list that are read: a line has a few hundred, and a list as many lines as there are files.
const MAX_LENGTH: u64 = 256 << 20;
/// The most bytes of one line.
const MAX_LINE_LENGTH: u64 = 1 << 20;
/// How many lists are read: there is one for each host.
const MAX_LISTS: usize = 1000;

/// A line of the list. Other fields are not used.
#[derive(Debug, Deserialize)]
struct Upload {
    #[serde(rename = "_Components", default)]
    components: Vec<String>,
    #[serde(default)]
    file_size: u64,
    #[serde(default)]
    uploaded_size: u64,
}

/// Warns of evidence that was not taken to its end.
pub(super) fn check(members: &Members, warnings: &mut Warnings) {
    let lists = members.iter().filter(|(_, member)| {
        let (_, name) = divided(member.name);
        member.kind == MemberKind::File && name == UPLOAD_LIST.as_bytes()
    });
    for (index, list) in lists.take(MAX_LISTS) {
        let checked = members
            .open(index)
            .and_then(|data| read(ReadAtCursor::new(data), warnings));
        if let Err(error) = checked {
            let warning = Warning::new(WarningCode::FileUnreadable, error.to_string());
            warnings.push(warning.in_evidence(list.display_name()));
        }
    }
}

fn read(list: impl Read, warnings: &mut Warnings) -> Result<(), Error> {
    let mut list = BufReader::new(list.take(MAX_LENGTH));
    let mut line = Vec::new();
    let mut not_understood = 0_u64;
    loop {
        line.clear();
        let length = list
            .by_ref()
            .take(MAX_LINE_LENGTH)
            .read_until(b'\n', &mut line)?;
        if length == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice::<Upload>(&line) {
            Ok(upload) => upload.check(warnings),
            Err(_) => not_understood += 1,
        }
    }
    if not_understood > 0 {
        let text = format!("{not_understood} lines are no JSON object of an upload");
        warnings.push(Warning::new(WarningCode::LineNotUnderstood, text).in_evidence(UPLOAD_LIST));
    }
    Ok(())
}

impl Upload {
    fn check(&self, warnings: &mut Warnings) {
        let name = self.components.last();
        let is_evidence = || name.is_some_and(|name| has_wanted_name(name.as_bytes()));
        if self.uploaded_size < self.file_size && is_evidence() {
            let text = format!(
                "of {} bytes, {} were collected",
                self.file_size, self.uploaded_size
            );
            let warning = Warning::new(WarningCode::Truncated, text);
            warnings.push(warning.in_evidence(self.components.join("/")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_that_was_not_taken_to_its_end_is_a_warning() {
        let list = br#"{"_Components":["uploads","ntfs","\\\\.\\C:","Windows","System32","config","SOFTWARE"],"file_size":90,"uploaded_size":70}
{"_Components":["uploads","auto","C:","x"],"file_size":9,"uploaded_size":7}
{"_Components":["uploads","auto","C:","SYSTEM"],"file_size":9,"uploaded_size":9,"other":1}

no JSON
"#;
        let mut warnings = Warnings::default();
        read(&list[..], &mut warnings).unwrap();
        let messages: Vec<_> = warnings.as_slice().iter().map(|w| w.message()).collect();
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(
            messages[0].contains("of 90 bytes, 70 were collected"),
            "{messages:?}"
        );
        assert!(messages[0].contains(r"\\.\C:/Windows"), "{messages:?}");
        assert!(messages[1].contains("1 lines"), "{messages:?}");
    }
}
