//! Prints the mount registrations of a SOFTWARE hive, for measurements: `registrations HIVE [LOG...]`.

use std::fs::File;
use std::io;

use dism_mount_status::registry::hive::Hive;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = std::env::args().skip(1);
    let hive = File::open(paths.next().ok_or("usage: registrations HIVE [LOG...]")?)?;
    let logs = paths
        .map(|path| File::open(&path).map(|file| (path, file)))
        .collect::<io::Result<Vec<_>>>()?;
    let mut hive = Hive::open_with_logs(hive, logs)?;
    let Some(images) = hive.find(&["Microsoft", "WIMMount", "Mounted Images"])? else {
        return Ok(());
    };
    for key in hive.subkeys(&images)? {
        println!("{} {}", key.name(), key.last_written());
        for value in hive.values(&key)? {
            println!("  {} {} {:02x?}", value.name, value.value_type, value.data?);
        }
    }
    Ok(())
}
