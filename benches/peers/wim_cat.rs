//! Writes a file of a WIM's first image to the standard output, and holds it against its SHA-1: `wim_cat WIM NAME`, where
//! the file lies in the root.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

use dism_mount_status::PathComponent;
use dism_mount_status::wim::{CapturedWim, StreamKind};
use sha1::{Digest, Sha1};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: wim_cat WIM NAME";
    let file = arguments.next().ok_or(usage)?;
    let name = arguments.next().ok_or(usage)?;
    let (wim, _) = CapturedWim::open(Arc::new(File::open(file)?))?;
    let (image, _) = wim.image(1)?;
    let entry = image.find(&[PathComponent::from(name.as_str())])?;
    let entry = entry.ok_or("there is no such file")?;
    let mut streams = entry.streams.iter();
    let stream = streams
        .find(|stream| stream.kind == StreamKind::Data && stream.name.is_empty())
        .ok_or("the file has no data")?;
    let mut reader = wim.open_stream(stream)?.ok_or("the data are not here")?;
    let mut out = io::stdout().lock();
    let mut hash = Sha1::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        out.write_all(&buffer[..read])?;
    }
    match stream.sha1 == Some(hash.finalize().into()) {
        true => Ok(()),
        false => Err("the data do not have their SHA-1".into()),
    }
}
