//! Prints the status of every mounted image in a piece of evidence, with the reasons: `inspect EVIDENCE`.

use dism_mount_status::visible::{visible, visible_wide};
use dism_mount_status::{InspectOptions, inspect};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let evidence = std::env::args_os()
        .nth(1)
        .ok_or("usage: inspect EVIDENCE")?;
    for image in inspect(evidence, &InspectOptions::default())?.mounted_images() {
        let mount_path = image.mount_path.clone().unwrap_or_default();
        println!("{}: {}", visible_wide(&mount_path), image.mount_status);
        for finding in &image.findings {
            println!("  {}: {}", finding.code, visible(&finding.message));
        }
    }
    Ok(())
}
