//! `--format dism`: as `dism /English /Get-MountedImageInfo` prints it, for scripts that read that.

use std::io::{self, Write};

use dism_mount_status::visible::visible_wide;
use dism_mount_status::{Capture, DismMountMode, Report, WideString};

use super::{ReportWriter, wording};

/// What stands for a value that the evidence does not hold; DISM itself never lacks one.
const UNKNOWN: &str = "Unknown";

/// One listing of the mounted images of all captures.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    has_images: bool,
    /// Where something could not be read, or does not tell, neither "none" nor "successfully" would be true.
    is_incomplete: bool,
}

impl ReportWriter for Listing {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Deployment Image Servicing and Management tool")?;
        // DISM's versions have four numbers.
        writeln!(out, "Version: {}.0", Report::new(Vec::new()).tool.version)
    }

    fn capture(&mut self, capture: &Capture, out: &mut dyn Write) -> io::Result<()> {
        let is_empty = capture.error.is_none() && capture.mounted_images.is_empty();
        self.is_incomplete |= capture.error.is_some();
        self.is_incomplete |= is_empty && !wording::nothing_mounted(capture).is_certain;
        for image in &capture.mounted_images {
            if !self.has_images {
                writeln!(out, "\nMounted images:")?;
                self.has_images = true;
            }
            let text =
                |text: &Option<WideString>| text.as_ref().map_or(UNKNOWN.to_owned(), visible_wide);
            let index = image
                .image_index
                .map_or(UNKNOWN.to_owned(), |index| index.to_string());
            let mode = image.mount_mode.map_or(UNKNOWN, DismMountMode::dism_text);
            writeln!(out, "\nMount Dir : {}", text(&image.mount_path))?;
            writeln!(out, "Image File : {}", text(&image.image_file_path))?;
            writeln!(out, "Image Index : {index}")?;
            writeln!(out, "Mounted Read/Write : {mode}")?;
            writeln!(out, "Status : {}", image.mount_status.dism_text())?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.is_incomplete {
            return Ok(());
        }
        if !self.has_images {
            writeln!(out, "\nNo mounted images found.")?;
        }
        writeln!(out, "\nThe operation completed successfully.")
    }
}
