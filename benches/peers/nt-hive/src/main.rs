//! Prints the mount registrations of a SOFTWARE hive through nt-hive, for measurements: `peer-nt-hive HIVE`.

use nt_hive::Hive;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: peer-nt-hive HIVE")?;
    let bytes = std::fs::read(path)?;
    let hive = Hive::new(bytes.as_slice())?;
    let images = hive
        .root_key_node()?
        .subpath("Microsoft\\WIMMount\\Mounted Images")
        .ok_or("nothing is mounted")??;
    for key in images.subkeys().ok_or("nothing is mounted")?? {
        let key = key?;
        println!("{}", key.name()?.to_string_lossy());
        for value in key.values().ok_or("no values")?? {
            let value = value?;
            println!(
                "  {} {:02x?}",
                value.name()?.to_string_lossy(),
                value.data()?.into_vec()?
            );
        }
    }
    Ok(())
}
