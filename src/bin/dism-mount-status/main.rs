//! The command line: takes evidence, prints what an inspection of it found.
//!
//! One file per concern: what is asked for in `arguments`, the output formats in `format`, where the output goes in `output`,
//! what is said beside it in `messages`, how far it has come in `progress`, how it all ends in `exit`.

mod arguments;
mod exit;
mod format;
mod generate;
mod layout;
mod messages;
mod output;
mod progress;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use dism_mount_status::{Capture, InspectOptions, Report, inspect, inspect_stream};

use crate::arguments::Arguments;
use crate::exit::Outcome;
use crate::output::Destination;

fn main() -> ExitCode {
    let arguments = Arguments::checked();
    arguments.colors().write_global();
    let outcome = run(&arguments).unwrap_or_else(|error| {
        messages::error(&error.to_string());
        Outcome::Failed
    });
    outcome.into()
}

fn run(arguments: &Arguments) -> io::Result<Outcome> {
    let destination = Destination::new(arguments.output.as_deref());
    if let Some(what) = arguments.generate {
        destination.write(|out| generate::write(what, out))?;
        return Ok(Outcome::Clear);
    }
    let report = report(&arguments.evidence, &arguments.options());
    progress::end();
    destination.write(|out| {
        let mut writer = format::writer(arguments, destination.layout());
        format::write(&report, writer.as_mut(), out)
    })?;
    messages::about(&report, arguments, &destination);
    Ok(Outcome::of(&report, arguments.fail_on))
}

/// Inspects one piece of evidence after the other. One that cannot be read does not hide the others.
fn report(evidence: &[impl AsRef<Path>], options: &InspectOptions) -> Report {
    let captures = evidence.iter().flat_map(|evidence| {
        let path = evidence.as_ref();
        let inspected = match arguments::is_standard_input(path) {
            true => inspect_stream("-", io::stdin().lock(), options),
            false => inspect(path, options),
        };
        inspected.map_or_else(
            |error| vec![Capture::unreadable(path.display().to_string(), &error)],
            |report| report.captures,
        )
    });
    Report::new(captures.collect())
}
