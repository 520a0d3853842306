//! What a report says about one mounted image, one orphaned mount directory, or a capture that has neither.

use std::fmt::Write as _;

use dism_mount_status::{
    Capture, DismMountStatus, Finding, MountedImage, NextStep, OrphanedMount, Severity,
};

use super::markup::{evidence, message, recorded, text};
use crate::format::wording;
use crate::layout::MOST;

/// A row of the table, and what it sums up.
pub(super) struct Entry {
    /// What the filter can ask for: statuses, `orphaned`, `nothing`, `unreadable`.
    pub(super) kinds: Vec<&'static str>,
    /// The statuses, or what stands in their place.
    pub(super) pills: String,
    /// Mount directory, image file and its index.
    pub(super) cells: [String; 3],
    /// All there is to say.
    pub(super) body: String,
    /// Classes of the card.
    pub(super) class: &'static str,
}

/// A mounted image, the number-th of its capture.
pub(super) fn image(image: &MountedImage, number: usize) -> Entry {
    let statuses = wording::statuses(image);
    let pills = statuses.iter().enumerate().map(|(number, status)| {
        let pill = status_pill(*status);
        match number {
            0 => pill,
            _ => format!(" <span class=\"or\">or {pill}</span>"),
        }
    });
    let pills = pills.collect::<String>();
    let directory = recorded(image.mount_path.as_ref());
    let file = recorded(image.image_file_path.as_ref());
    let index = image
        .image_index
        .map_or(String::new(), |index| index.to_string());
    let mut body = format!(
        "<div class=\"head\"><span class=\"number\">{number}.</span>{pills}<h3>{directory}</h3></div>\n<dl>\n"
    );
    for (name, value) in fields(image) {
        let _ = writeln!(body, "<dt>{name}</dt><dd>{value}</dd>");
    }
    body.push_str("</dl>\n<h4>Why</h4>\n<ul class=\"reasons\">\n");
    for finding in &image.findings {
        body.push_str(&reason(finding));
    }
    if image.findings.is_empty() {
        let why = message(wording::NO_FINDINGS);
        let _ = writeln!(
            body,
            "<li><span class=\"pill\">Note</span><p>{why}</p></li>"
        );
    }
    body.push_str("</ul>\n");
    if let Some(step) = &image.next_step {
        body.push_str(&next_step(step));
    }
    Entry {
        kinds: statuses.into_iter().map(status_kind).collect(),
        pills,
        cells: [directory, file, index],
        body,
        class: "card",
    }
}

/// The facts about an image.
fn fields(image: &MountedImage) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("Image file", recorded(image.image_file_path.as_ref())),
        ("Image index", text(&wording::index(image))),
    ];
    if let Some(description) = image.image.as_ref().and_then(wording::image_description) {
        fields.push(("Image", text(&description)));
    }
    fields.push(("Mode", text(wording::mode(image))));
    if let Some(id) = image.mount_id {
        fields.push(("Mount id", evidence(&id.to_string())));
    }
    fields.push(("Registry key", recorded(Some(&image.registry_key))));
    let description = image.image.as_ref();
    for (name, time) in [
        ("Key written", image.registered_at),
        ("Image file written", image.image_file_modified),
        (
            "Image captured",
            description.and_then(|image| image.created),
        ),
        (
            "Image changed",
            description.and_then(|image| image.modified),
        ),
    ] {
        if let Some(time) = time {
            fields.push((name, text(&time.to_string())));
        }
    }
    if let Some(progress) = image.progress_value {
        fields.push(("<code>Status</code> value", progress.to_string()));
    }
    let flags: Vec<&str> = image.mount_flags.names().collect();
    fields.push(("Mount flags", text(&flags.join(", "))));
    for value in image.other_values.iter().take(MOST) {
        fields.push(("Other value", evidence(&wording::other_value(value))));
    }
    if let Some(more) = image
        .other_values
        .len()
        .checked_sub(MOST)
        .filter(|n| *n > 0)
    {
        fields.push(("Other value", format!("and {more} more")));
    }
    fields
}

fn reason(finding: &Finding) -> String {
    let (class, severity) = match finding.severity {
        Severity::Error => ("pill error", "Error"),
        Severity::Warning => ("pill warning", "Warning"),
        Severity::Note => ("pill", "Note"),
    };
    format!(
        "<li><span class=\"{class}\">{severity}</span><p>{} <small>{}, <code>{}</code></small></p></li>\n",
        message(&finding.message),
        wording::basis(finding.basis),
        finding.code
    )
}

fn next_step(step: &NextStep) -> String {
    let warning = match step.destroys_changes {
        true => format!("<p class=\"destroys\">{}</p>\n", wording::DESTROYS_CHANGES),
        false => String::new(),
    };
    format!(
        "<h4>Next step</h4>\n<pre class=\"command\">{}</pre>\n{warning}<p>{}</p>\n",
        text(&step.command),
        message(&step.note)
    )
}

/// A mount directory that no registration names.
pub(super) fn orphan(orphan: &OrphanedMount) -> Entry {
    let directory = recorded(Some(&orphan.mount_path));
    let pills = pill("orphaned", "Orphaned");
    let mut body = format!("<div class=\"head\">{pills}<h3>{directory}</h3></div>\n<dl>\n");
    let file = match &orphan.image_file_path {
        Some(file) => recorded(Some(file)),
        None => String::new(),
    };
    if !file.is_empty() {
        let _ = writeln!(body, "<dt>Image file</dt><dd>{file}</dd>");
    }
    if let Some(id) = orphan.mount_id {
        let id = evidence(&id.to_string());
        let _ = writeln!(body, "<dt>Mount id</dt><dd>{id}</dd>");
    }
    let why = message(wording::orphaned(orphan));
    let basis = wording::basis(orphan.basis);
    let _ = writeln!(
        body,
        "</dl>\n<h4>Why</h4>\n<ul class=\"reasons\"><li><span class=\"pill warning\">Warning</span><p>{why} <small>{basis}</small></p></li></ul>"
    );
    body.push_str(&next_step(&orphan.next_step));
    Entry {
        kinds: vec!["orphaned"],
        pills,
        cells: [directory, file, String::new()],
        body,
        class: "card",
    }
}

/// A capture in which nothing is mounted, as far as it tells.
pub(super) fn nothing(capture: &Capture) -> Entry {
    let nothing = wording::nothing_mounted(capture);
    let (class, short) = match nothing.is_certain {
        true => ("ok", "Nothing mounted"),
        false => ("warning", "Nothing found"),
    };
    Entry {
        kinds: vec!["nothing"],
        pills: pill(class, short),
        cells: Default::default(),
        body: format!("<p>{} {}</p>\n", text(nothing.what), message(&nothing.why)),
        class: "card",
    }
}

/// A capture that could not be read, for this reason.
pub(super) fn unreadable(reason: &str) -> Entry {
    Entry {
        kinds: vec!["unreadable"],
        pills: pill("unreadable", "Not readable"),
        cells: Default::default(),
        body: format!("<p>Could not be read: {}</p>\n", message(reason)),
        class: "card unreadable",
    }
}

fn status_pill(status: DismMountStatus) -> String {
    pill(status_kind(status), status.powershell_text())
}

fn pill(class: &str, label: &str) -> String {
    format!("<span class=\"pill {class}\">{label}</span>")
}

/// The class of a status, and its name for the filter.
pub(super) fn status_kind(status: DismMountStatus) -> &'static str {
    match status {
        DismMountStatus::Ok => "ok",
        DismMountStatus::NeedsRemount => "needs-remount",
        DismMountStatus::Invalid => "invalid",
    }
}
