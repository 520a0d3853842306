//! The command line: takes evidence, prints what an inspection of it found.
//!
//! One file per concern: what is asked for in `arguments`, which evidence that is in `evidence_list`, working on many pieces
//! side by side in `batch`, the output formats in `format`, where the output goes in `output`, what is said beside it in
//! `messages`, how far it has come in `progress`, how it all ends in `exit` and `interrupt`.

mod arguments;
mod batch;
mod evidence_list;
mod exit;
mod format;
mod generate;
mod interrupt;
mod layout;
mod messages;
mod output;
mod progress;

use std::io;
use std::num::NonZero;
use std::process::ExitCode;

use dism_mount_status::{Capture, InspectOptions, inspect, inspect_stream};

use crate::arguments::Arguments;
use crate::evidence_list::{Evidence, EvidenceList};
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
    let destination = Destination::new(arguments.output_file());
    if let Some(what) = arguments.generate {
        destination.write(|out| generate::write(what, out))?;
        return Ok(Outcome::Clear);
    }
    let evidence = EvidenceList::of(arguments)?;
    interrupt::heed();
    let is_alone = evidence.known_count() == Some(1);
    if !is_alone && !arguments.quiet {
        progress::begin(evidence.known_count());
    }
    let options = arguments.options(is_alone);
    let mut outcome = None;
    let mut passed_over = 0;
    let written = destination.write(|out| {
        let mut writer = format::writer(arguments, destination.layout());
        let mut errors = 0;
        let mut has_begun = false;
        batch::run(
            evidence,
            if is_alone {
                NonZero::<usize>::MIN
            } else {
                arguments.jobs()
            },
            |evidence| captures(evidence, &options),
            defect,
            |captures| {
                let _whole = interrupt::writing();
                if let (true, false, Some(first)) = (is_alone, arguments.quiet, captures.first()) {
                    messages::about_options(first, arguments);
                }
                passed_over += u64::from(captures.is_empty());
                for capture in &captures {
                    // Counted before anything is written: the reader of the output may go away.
                    outcome = outcome.max(Some(Outcome::of(capture, arguments.fail_on)));
                    progress::suspend(|| {
                        if !std::mem::replace(&mut has_begun, true) {
                            writer.begin(out)?;
                        }
                        writer.capture(capture, out)?;
                        out.flush()?;
                        messages::about(capture, arguments, &destination);
                        io::Result::Ok(())
                    })?;
                }
                errors += u64::from(captures.iter().any(|capture| capture.error.is_some()));
                progress::inspected(errors);
                Ok(())
            },
        )?;
        if !has_begun {
            writer.begin(out)?;
        }
        writer.end(out)
    });
    progress::end();
    written?;
    if passed_over > 0 && !arguments.quiet {
        messages::passed_over(passed_over);
    }
    // An inspection of nothing is no all-clear.
    outcome.ok_or_else(|| {
        io::Error::other(match passed_over {
            0 => "there is no evidence: the list is empty; write paths into it, one a line",
            _ => "there is no evidence: there is nothing to judge in what was found; name where Windows was captured",
        })
    })
}

/// The captures in one piece of evidence. One that cannot be read does not hide the others. There are none in what was found
/// in a folder and holds none.
fn captures(evidence: &Evidence, options: &InspectOptions) -> Vec<Capture> {
    let (path, inspected) = match evidence {
        Evidence::Unreadable(path, error) => (path, Err(error.clone())),
        Evidence::At(path) if arguments::is_standard_stream(path) => {
            (path, inspect_stream("-", io::stdin().lock(), options))
        }
        Evidence::At(path) => (path, inspect(path, options)),
        Evidence::Found(path) => match inspect(path, options) {
            Err(error) if error.holds_no_capture() => return Vec::new(),
            inspected => (path, inspected),
        },
    };
    inspected.map_or_else(
        |error| vec![Capture::unreadable(path.display().to_string(), &error)],
        |report| report.captures,
    )
}

/// What is reported of evidence on which this program itself failed.
fn defect(evidence: &Evidence, message: &str) -> Vec<Capture> {
    let (Evidence::At(path) | Evidence::Found(path) | Evidence::Unreadable(path, _)) = evidence;
    let text = format!("this program failed on it, which is a defect to be reported: {message}");
    let error = io::Error::other(text).into();
    vec![Capture::unreadable(path.display().to_string(), &error)]
}
