//! The kernel's machine for filters, as far as filters of ours use it.

use crate::enforce::seccomp::Program;

/// What a filter is shown.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub number: u32,
    pub audit: u32,
    pub arguments: [u64; 6],
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    pub answer: u32,
    /// Instructions that were run.
    pub steps: usize,
    /// Whether arguments were looked at: then the kernel cannot know the answer in advance.
    pub looked: bool,
}

/// Run `program` on `call`. Panics where the kernel would refuse the program.
pub fn run(program: &Program, call: &Call) -> Outcome {
    let (mut at, mut register, mut steps, mut looked) = (0, 0_u32, 0, false);
    loop {
        let step = program.code[at];
        steps += 1;
        at += 1;
        let mut branch = |holds: bool| at += usize::from(if holds { step.jt } else { step.jf });
        match step.code {
            0x20 => {
                looked |= step.k >= 16;
                register = word(call, step.k);
            }
            0x54 => register &= step.k,
            0x05 => at += usize::try_from(step.k).expect("fits"),
            0x15 => branch(register == step.k),
            0x25 => branch(register > step.k),
            0x35 => branch(register >= step.k),
            0x06 => {
                return Outcome {
                    answer: step.k,
                    steps,
                    looked,
                };
            }
            other => panic!("no such instruction: {other:#x}"),
        }
    }
}

fn word(call: &Call, offset: u32) -> u32 {
    match offset {
        0 => call.number,
        4 => call.audit,
        16..64 if offset.is_multiple_of(4) => {
            let argument = call.arguments[usize::try_from((offset - 16) / 8).expect("fits")];
            let half = if offset.is_multiple_of(8) {
                argument
            } else {
                argument >> 32
            };
            u32::try_from(half & 0xffff_ffff).expect("masked")
        }
        other => panic!("nothing of ours is at {other}"),
    }
}
