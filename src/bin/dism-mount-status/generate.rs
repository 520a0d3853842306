//! `--generate`: what the program can print about itself.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use dism_mount_status::Report;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use crate::arguments::{Arguments, EXAMPLES, EXIT_CODES, Generate};
use crate::format::JsonLine;

/// Writes what was asked for.
pub(crate) fn write(what: Generate, out: &mut dyn Write) -> io::Result<()> {
    match what {
        Generate::Man => manual_page(out),
        Generate::CompleteBash => completions(Shell::Bash, out),
        Generate::CompleteZsh => completions(Shell::Zsh, out),
        Generate::CompleteFish => completions(Shell::Fish, out),
        Generate::CompletePowershell => completions(Shell::PowerShell, out),
        Generate::JsonSchema => json_schema::<Report>(out),
        Generate::JsonlSchema => json_schema::<JsonLine<'_>>(out),
    }
}

/// clap's sections, and sections of our own for what it would set as running text.
fn manual_page(out: &mut dyn Write) -> io::Result<()> {
    let man = Man::new(Arguments::command());
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    preformatted("EXIT STATUS", EXIT_CODES, out)?;
    preformatted("EXAMPLES", EXAMPLES, out)
}

/// A section whose lines stay as they are; none of them begins with a control character of roff.
fn preformatted(title: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    write!(out, ".SH \"{title}\"\n.nf\n{text}\n.fi\n")
}

fn completions(shell: Shell, out: &mut dyn Write) -> io::Result<()> {
    // clap_complete panics where it cannot write, as to a closed pipe: it writes to memory.
    let mut script = Vec::new();
    let name = env!("CARGO_BIN_NAME");
    clap_complete::generate(shell, &mut Arguments::command(), name, &mut script);
    out.write_all(&script)
}

fn json_schema<T: JsonSchema>(out: &mut dyn Write) -> io::Result<()> {
    let generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    serde_json::to_writer_pretty(&mut *out, &generator.into_root_schema_for::<T>())?;
    writeln!(out)
}
