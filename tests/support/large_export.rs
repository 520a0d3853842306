//! A registry export of any size, made while it is read, with mount registrations near its end; for tests and measurements.
#![allow(dead_code, unreachable_pub)]

use std::io::{self, Cursor, Read};

/// How many mount registrations are in every export.
pub const REGISTRATIONS: usize = 3;

/// Keys and values like those of COM classes, which make most of a real export, are written over and over in stretches of
/// about this many letters: nothing that reads an export remembers what it has read.
const STRETCH: usize = 256 << 10;

/// An export of about `len` bytes of UTF-16LE, as regedit writes it.
pub fn utf16le_export(len: usize) -> impl Read {
    export(len, |text| {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    })
}

/// The same with a byte for each letter.
pub fn utf8_export(len: usize) -> impl Read {
    export(len, |text| text.as_bytes().to_vec())
}

fn export(len: usize, encode: fn(&str) -> Vec<u8>) -> impl Read {
    let head = "\u{feff}Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE]\r\n\r\n";
    let mut stretch = String::new();
    let mut number = 0;
    while stretch.len() < STRETCH {
        stretch += &class(number);
        number += 1;
    }
    let tail: String = (0..REGISTRATIONS).map(registration).collect();
    let stretch = encode(&stretch);
    let stretches = Stretches {
        left: len / stretch.len() * stretch.len(),
        stretch,
    };
    Cursor::new(encode(head))
        .chain(stretches)
        .chain(Cursor::new(encode(&(tail + &class(number)))))
}

/// One stretch of bytes over and over.
struct Stretches {
    stretch: Vec<u8>,
    left: usize,
}

impl Read for Stretches {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.left.next_multiple_of(self.stretch.len()) - self.left;
        let read = (&self.stretch[at..]).take(self.left as u64).read(buffer)?;
        self.left -= read;
        Ok(read)
    }
}

/// A key with four values: about 500 letters.
fn class(number: u32) -> String {
    let mixed = number.wrapping_mul(0x9E37_79B9);
    let row = |row: u32| {
        let bytes = (0..25).map(|i| mixed.rotate_left(row + i) as u8);
        bytes
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    format!(
        "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Classes\\CLSID\\{{{mixed:08X}-66ED-4958-B9EC-{number:012X}}}\\InprocServer32]\r\n\
         @=\"C:\\\\Windows\\\\System32\\\\Component{number}.dll\"\r\n\
         \"ThreadingModel\"=\"Both\"\r\n\
         \"Version\"=dword:{mixed:08x}\r\n\
         \"Settings\"=hex:{},\\\r\n  {},\\\r\n  {}\r\n\r\n",
        row(0),
        row(7),
        row(14),
    )
}

fn registration(number: usize) -> String {
    format!(
        "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\WIMMount\\Mounted Images\\{{{number:08x}-66ed-4958-b9ec-c49b07eaeeb5}}]\r\n\
         \"WIM Path\"=\"D:\\\\images\\\\install{number}.wim\"\r\n\
         \"Mount Path\"=\"C:\\\\mount\\\\{number}\"\r\n\
         \"Image Index\"=dword:00000001\r\n\
         \"Status\"=dword:00000002\r\n\r\n"
    )
}
