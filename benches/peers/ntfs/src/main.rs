//! Reads files of an NTFS volume through the crate ntfs, for comparisons: `peer-ntfs VOLUME`, the numbers of their records on the
//! standard input. Of each it prints, by tabs: the number, `stream` or `reparse`, the name's units in hexadecimal, the size, the SHA-1, and
//! what the crate is known to read wrongly: `compressed` data, `listed` attributes. Of a record that it cannot read: the number, `error`,
//! the message, and `listed` or nothing.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};

use ntfs::{Ntfs, NtfsAttributeFlags, NtfsAttributeType, NtfsReadSeek};
use sha1::{Digest, Sha1};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os()
        .nth(1)
        .ok_or("usage: peer-ntfs VOLUME")?;
    let mut volume = BufReader::new(File::open(path)?);
    let ntfs = Ntfs::new(&mut volume)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    for number in io::stdin().lock().lines() {
        let number = number?.parse()?;
        let mut is_listed = false;
        match attributes(&ntfs, &mut volume, number, &mut is_listed) {
            Ok(lines) => out.write_all(lines.as_bytes())?,
            Err(error) => writeln!(
                out,
                "{number}\terror\t{error}\t{}",
                if is_listed { "listed" } else { "" }
            )?,
        }
    }
    Ok(out.flush()?)
}

fn attributes(
    ntfs: &Ntfs,
    volume: &mut BufReader<File>,
    number: u64,
    is_listed: &mut bool,
) -> Result<String, Box<dyn Error>> {
    let file = ntfs.file(volume, number)?;
    let mut lines = String::new();
    for attribute in file.attributes_raw() {
        *is_listed |= attribute?.ty()? == NtfsAttributeType::AttributeList;
    }
    let mut attributes = file.attributes();
    while let Some(item) = attributes.next(volume) {
        let item = item?;
        let attribute = item.to_attribute()?;
        let kind = match attribute.ty()? {
            NtfsAttributeType::Data => "stream",
            NtfsAttributeType::ReparsePoint => "reparse",
            _ => continue,
        };
        let name: String = attribute
            .name()?
            .u16_iter()
            .map(|unit| format!("{unit:04x}"))
            .collect();
        let mut value = attribute.value(volume)?;
        let (mut hash, mut size, mut buffer) = (Sha1::new(), 0, vec![0; 1 << 16]);
        loop {
            let read = value.read(volume, &mut buffer)?;
            if read == 0 {
                break;
            }
            size += read;
            hash.update(&buffer[..read]);
        }
        let is_compressed = attribute.flags().contains(NtfsAttributeFlags::COMPRESSED);
        let known = [(is_compressed, "compressed"), (*is_listed, "listed")];
        let known: Vec<_> = known
            .iter()
            .filter(|(is_so, _)| *is_so)
            .map(|(_, what)| *what)
            .collect();
        lines += &format!(
            "{number}\t{kind}\t{name}\t{size}\t{:x}\t{}\n",
            hash.finalize(),
            known.join(" ")
        );
    }
    Ok(lines)
}
