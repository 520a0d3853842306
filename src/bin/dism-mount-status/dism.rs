//! `--format dism`: as `dism /English /Get-MountedImageInfo` prints it, for scripts that read that.

use std::io::{self, Write};

use dism_mount_status::{DismMountMode, Report, WideString};

use dism_mount_status::visible::visible_wide;

/// What stands for a value that the evidence does not hold; DISM itself never lacks one.
const UNKNOWN: &str = "Unknown";

/// Writes one listing of the mounted images of all captures.
pub(crate) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Deployment Image Servicing and Management tool")?;
    writeln!(out, "Version: {}", report.tool.version)?;
    // Where something could not be read, neither "none" nor "successfully" would be true.
    let is_complete = report
        .captures
        .iter()
        .all(|capture| capture.error.is_none());
    if report.mounted_images().next().is_some() {
        writeln!(out, "\nMounted images:")?;
    } else if is_complete {
        writeln!(out, "\nNo mounted images found.")?;
    }
    for image in report.mounted_images() {
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
    if is_complete {
        writeln!(out, "\nThe operation completed successfully.")?;
    }
    Ok(())
}
