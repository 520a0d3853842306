//! The translation of addresses in x86 code that LZMS does before all else, taken back.
//!
//! It has no switch: it guesses by itself where there is code, by two instructions that lead to one address.

/// How far behind an instruction that is believed the next ones are believed, too, in bytes.
const BELIEVED: i64 = 1023;
/// The same for calls, which are the easiest to take something else for.
const BELIEVED_CALL: i64 = BELIEVED / 2;
/// How far apart two instructions that lead to one address may be, in bytes.
const ADDRESS_WINDOW: i64 = 0xFFFF;
/// Bytes at the chunk's end in which no instruction starts.
const TAIL: usize = 16;

/// What the bytes at a place may be.
enum Instruction {
    /// It has this many bytes in front of the four of its address.
    Relative { size: usize, believed: i64 },
    /// The bytes to go on behind.
    Other(usize),
}

/// Takes the translation of a whole chunk back.
pub(super) fn undo(out: &mut [u8]) {
    let Some(end) = out.len().checked_sub(TAIL) else {
        return;
    };
    let mut filter = Filter {
        last_code: -BELIEVED - 1,
        last_uses: vec![-(ADDRESS_WINDOW as i32) - 1; 1 << 16],
    };
    // The first byte is never looked at.
    let mut at = 1;
    while at < end {
        let opcode = out[at..end]
            .iter()
            .position(|&byte| MAY_START[usize::from(byte)]);
        let Some(skipped) = opcode else { break };
        at += skipped;
        at += match instruction(&out[at..]) {
            Instruction::Relative { size, believed } => {
                filter.instruction(out, at, size, believed);
                size + 4
            }
            Instruction::Other(size) => size,
        };
    }
}

/// Whether an instruction of interest may start with a byte.
static MAY_START: [bool; 256] = {
    let mut may_start = [false; 256];
    let mut i = 0;
    while i < OPCODES.len() {
        may_start[OPCODES[i] as usize] = true;
        i += 1;
    }
    may_start
};
const REX_W: u8 = 0x48;
const REX_WR: u8 = 0x4C;
const CALL: u8 = 0xE8;
const JUMP: u8 = 0xE9;
const LOCK: u8 = 0xF0;
const GROUP_5: u8 = 0xFF;
const OPCODES: [u8; 6] = [REX_W, REX_WR, CALL, JUMP, LOCK, GROUP_5];

fn instruction(bytes: &[u8]) -> Instruction {
    const MOV: u8 = 0x8B;
    const LEA: u8 = 0x8D;
    let relative = |size| Instruction::Relative {
        size,
        believed: BELIEVED,
    };
    match *bytes {
        [CALL, ..] => Instruction::Relative {
            size: 1,
            believed: BELIEVED_CALL,
        },
        // Jumps are not translated, and what looks like an instruction in their address is none.
        [JUMP, ..] => Instruction::Other(5),
        [GROUP_5, 0x15, ..] => relative(2),
        [LOCK, 0x83, 0x05, ..] => relative(3),
        [REX_W | REX_WR, LEA, operands, ..] if operands & 7 == 5 => relative(3),
        [REX_W, MOV, operands, ..] if operands & 0xF7 == 5 => relative(3),
        _ => Instruction::Other(1),
    }
}

struct Filter {
    /// Where the last instruction that is believed ends.
    last_code: i64,
    /// By the low half of an address: where the last instruction ends that leads to it.
    last_uses: Vec<i32>,
}

impl Filter {
    /// An instruction whose address stands `size` bytes behind its start.
    fn instruction(&mut self, out: &mut [u8], start: usize, size: usize, believed: i64) {
        let Some(address) = out[start + size..].first_chunk_mut::<4>() else {
            return;
        };
        if start as i64 - self.last_code <= believed {
            let absolute = u32::from_le_bytes(*address);
            *address = absolute.wrapping_sub(start as u32).to_le_bytes();
        }
        let target = u16::from_le_bytes([address[0], address[1]]).wrapping_add(start as u16);
        let last_byte = (start + size + 3) as i64;
        let last_use = &mut self.last_uses[usize::from(target)];
        if last_byte - i64::from(*last_use) <= ADDRESS_WINDOW {
            self.last_code = last_byte;
        }
        *last_use = last_byte as i32;
    }
}
