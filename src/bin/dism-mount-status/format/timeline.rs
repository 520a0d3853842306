//! `--format timeline`: an event a line, as Timesketch imports them (`message`, `datetime`, `timestamp_desc`, fields of our own).

use std::io::{self, Write};

use dism_mount_status::{Capture, DismMountStatus, FileTime, MountedImage};
use serde::Serialize;
use uuid::Uuid;

use super::json::write_line;
use super::{ReportWriter, wording};

/// Every time that the evidence tells, as it is recorded; who reads a timeline sorts it.
#[derive(Debug)]
pub(crate) struct Timeline;

/// An event.
#[derive(Serialize)]
struct Event<'a> {
    message: String,
    timestamp_desc: &'static str,
    datetime: String,
    data_type: &'static str,
    evidence: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<&'a str>,
    #[serde(flatten)]
    mount: Option<Mount>,
}

/// The mount that an event belongs to. Lone surrogates, which Timesketch's database refuses, are replaced.
#[derive(Serialize, Clone)]
struct Mount {
    mount_id: Option<Uuid>,
    registry_key: String,
    mount_path: Option<String>,
    image_file_path: Option<String>,
    image_index: Option<u32>,
    mount_status: DismMountStatus,
    possible_statuses: Vec<DismMountStatus>,
}

impl ReportWriter for Timeline {
    fn capture(&mut self, capture: &Capture, out: &mut dyn Write) -> io::Result<()> {
        if let Some(time) = capture.last_shutdown {
            let message = "Last clean shutdown of the machine".to_owned();
            let what = ("Last Shutdown Time", "windows:registry:shutdown");
            write_event(capture, None, what, time, message, out)?;
        }
        for image in &capture.mounted_images {
            write_image(capture, image, out)?;
        }
        Ok(())
    }
}

fn write_image(capture: &Capture, image: &MountedImage, out: &mut dyn Write) -> io::Result<()> {
    let directory = wording::recorded(image.mount_path.as_ref());
    let file = wording::recorded(image.image_file_path.as_ref());
    let index = wording::index(image);
    let description = image.image.as_ref();
    let name = description
        .and_then(wording::image_description)
        .map_or(String::new(), |name| format!(" ({name})"));
    let status = wording::either(&wording::statuses(image));
    let events = [
        (
            image.registered_at,
            (
                "Mount Registration Last Written",
                "windows:wimmount:registration",
            ),
            format!(
                "Mount registration last written: {directory}, image {index} of {file}; status {status}"
            ),
        ),
        (
            image.image_file_modified,
            ("Content Modification Time", "windows:wimmount:image_file"),
            format!("Image file last written: {file}, mounted at {directory}"),
        ),
        (
            description.and_then(|image| image.created),
            ("WIM Image Creation Time", "windows:wim:image"),
            format!("Image {index}{name} of {file} captured"),
        ),
        (
            description.and_then(|image| image.modified),
            ("WIM Image Last Modification Time", "windows:wim:image"),
            format!("Image {index}{name} of {file} last changed"),
        ),
    ];
    let mount = Mount {
        mount_id: image.mount_id,
        registry_key: image.registry_key.to_string_lossy(),
        mount_path: image.mount_path.as_ref().map(|path| path.to_string_lossy()),
        image_file_path: image
            .image_file_path
            .as_ref()
            .map(|path| path.to_string_lossy()),
        image_index: image.image_index,
        mount_status: image.mount_status,
        possible_statuses: image.possible_statuses.clone(),
    };
    for (time, what, message) in events {
        if let Some(time) = time {
            write_event(capture, Some(mount.clone()), what, time, message, out)?;
        }
    }
    Ok(())
}

fn write_event(
    capture: &Capture,
    mount: Option<Mount>,
    (timestamp_desc, data_type): (&'static str, &'static str),
    time: FileTime,
    message: String,
    out: &mut dyn Write,
) -> io::Result<()> {
    // What lies beyond the year 9999 is no time, and Timesketch could not take it.
    let Some(datetime) = datetime(time) else {
        return Ok(());
    };
    let event = Event {
        message,
        datetime,
        timestamp_desc,
        data_type,
        evidence: &capture.evidence,
        part: capture.part.as_deref(),
        mount,
    };
    write_line(&event, out)
}

/// ISO 8601 in UTC with microseconds, in the form that Timesketch's documentation has.
fn datetime(time: FileTime) -> Option<String> {
    let text = time.to_rfc3339()?;
    let text = text.strip_suffix('Z')?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    Some(format!("{seconds}.{fraction:0<6.6}+00:00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_microseconds_and_an_offset() {
        for (ticks, text) in [
            (0, "1601-01-01T00:00:00.000000+00:00"),
            (133_798_695_401_234_567, "2024-12-28T14:25:40.123456+00:00"),
            (133_798_695_405_000_000, "2024-12-28T14:25:40.500000+00:00"),
        ] {
            let time = FileTime::from_ticks(ticks);
            assert_eq!(datetime(time).as_deref(), Some(text));
        }
        assert_eq!(datetime(FileTime::from_ticks(u64::MAX)), None);
    }
}
