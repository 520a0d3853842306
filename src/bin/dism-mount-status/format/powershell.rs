//! `--format powershell`: as `Get-WindowsImage -Mounted | Format-List` prints it.

use std::io::{self, Write};

use dism_mount_status::visible::visible_wide;
use dism_mount_status::{Capture, DismMountMode, WideString};

use super::ReportWriter;

/// What stands for a value that the evidence does not hold.
const UNKNOWN: &str = "Unknown";

/// The mounted images of all captures, with a blank line between them.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    has_images: bool,
}

impl ReportWriter for Listing {
    fn capture(&mut self, capture: &Capture, out: &mut dyn Write) -> io::Result<()> {
        for image in &capture.mounted_images {
            if self.has_images {
                writeln!(out)?;
            }
            self.has_images = true;
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
}
