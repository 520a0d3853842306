//! `--generate`: what the program can print about itself.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use dism_mount_status::Report;
use schemars::generate::SchemaSettings;

use crate::arguments::{Arguments, Generate};

/// Writes what was asked for.
pub(crate) fn write(what: Generate, out: &mut dyn Write) -> io::Result<()> {
    match what {
        Generate::Man => Man::new(Arguments::command()).render(out),
        Generate::CompleteBash => completions(Shell::Bash, out),
        Generate::CompleteZsh => completions(Shell::Zsh, out),
        Generate::CompleteFish => completions(Shell::Fish, out),
        Generate::CompletePowershell => completions(Shell::PowerShell, out),
        Generate::JsonSchema => json_schema(out),
    }
}

fn completions(shell: Shell, out: &mut dyn Write) -> io::Result<()> {
    // clap_complete panics where it cannot write, as to a closed pipe: it writes to memory.
    let mut script = Vec::new();
    let name = env!("CARGO_BIN_NAME");
    clap_complete::generate(shell, &mut Arguments::command(), name, &mut script);
    out.write_all(&script)
}

fn json_schema(out: &mut dyn Write) -> io::Result<()> {
    let generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    serde_json::to_writer_pretty(&mut *out, &generator.into_root_schema_for::<Report>())?;
    writeln!(out)
}
