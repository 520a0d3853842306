//! Prints the status of every mounted image in a piece of evidence, with the reasons: `inspect EVIDENCE`.

use std::process::ExitCode;

use dism_mount_status::visible::{visible, visible_wide};
use dism_mount_status::{InspectOptions, inspect};

fn main() -> ExitCode {
    let Some(evidence) = std::env::args_os().nth(1) else {
        eprintln!("usage: inspect EVIDENCE");
        return ExitCode::from(2);
    };
    let report = match inspect(evidence, &InspectOptions::default()) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("{}", visible(&error.to_string()));
            return ExitCode::from(2);
        }
    };
    for image in report.mounted_images() {
        let mount_path = image.mount_path.clone().unwrap_or_default();
        println!("{}: {}", visible_wide(&mount_path), image.mount_status);
        for finding in &image.findings {
            println!("  {}: {}", finding.code, visible(&finding.message));
        }
    }
    ExitCode::SUCCESS
}
