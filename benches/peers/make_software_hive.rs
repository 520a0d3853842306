//! Writes a SOFTWARE hive for measurements: `make_software_hive FILE MEGABYTES`, with three mount registrations.

#[path = "../../tests/support/hive_writer.rs"]
mod hive_writer;
#[path = "../../tests/support/software_hive.rs"]
mod software_hive;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: make_software_hive FILE MEGABYTES";
    let file = arguments.next().ok_or(usage)?;
    let megabytes: usize = arguments.next().ok_or(usage)?.parse()?;
    std::fs::write(file, software_hive::software_hive(megabytes << 20, 3))?;
    Ok(())
}
