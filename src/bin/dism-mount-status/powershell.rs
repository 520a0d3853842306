//! `--format powershell`: as `Get-WindowsImage -Mounted | Format-List` prints it.

use std::io::{self, Write};

use dism_mount_status::{DismMountMode, Report, WideString};

use dism_mount_status::visible::visible_wide;

/// What stands for a value that the evidence does not hold.
const UNKNOWN: &str = "Unknown";

/// Writes the mounted images of all captures, with a blank line between them.
pub(crate) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for (number, image) in report.mounted_images().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        let text =
            |text: &Option<WideString>| text.as_ref().map_or(UNKNOWN.to_owned(), visible_wide);
        let index = image
            .image_index
            .map_or(UNKNOWN.to_owned(), |index| index.to_string());
        let mode = image
            .mount_mode
            .map_or(UNKNOWN, DismMountMode::powershell_text);
        for (name, value) in [
            ("Path", text(&image.mount_path).as_str()),
            ("ImagePath", &text(&image.image_file_path)),
            ("ImageIndex", &index),
            ("MountMode", mode),
            ("MountStatus", image.mount_status.powershell_text()),
        ] {
            writeln!(out, "{name:<11} : {value}")?;
        }
    }
    Ok(())
}
