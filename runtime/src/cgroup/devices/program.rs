//! Device rules for version 2: a program that the kernel runs at every use of a device by a process of the cgroup.
//!
//! It is told kind, numbers and what is to be done, and keeps what no rule has decided on yet. From the last rule to the
//! first: one that refuses any of it ends the program with no, one that allows takes its part away, and once nothing is
//! left the answer is yes. At the end it is no.

use super::{Kind, Rule};

/// What the program works on.
const CONTEXT: u8 = 1;
/// Kind: [`BLOCK`] or [`CHAR`].
const KIND: u8 = 2;
/// What is to be done and not decided on.
const OPEN: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const ANSWER: u8 = 0;

const BLOCK: i32 = 1;
const CHAR: i32 = 2;
/// Of the context's first word: the kind below, what is done above.
const KIND_MASK: i32 = 0xffff;
const ACCESS_SHIFT: i32 = 16;

/// The kernel's codes of the instructions.
mod code {
    pub const LOAD_WORD: u8 = 0x61;
    pub const MOVE: u8 = 0xbf;
    pub const MOVE_NUMBER: u8 = 0xb7;
    pub const AND_NUMBER: u8 = 0x54;
    pub const SHIFT_RIGHT: u8 = 0x74;
    /// Compares 32 bits: the numbers of devices have so many.
    pub const JUMP_UNLESS: u8 = 0x56;
    pub const JUMP_IF_ANY: u8 = 0x46;
    pub const JUMP: u8 = 0x05;
    pub const EXIT: u8 = 0x95;
}

/// An instruction: code, registers to and from, distance of a jump or offset, number.
fn word(code: u8, to: u8, from: u8, offset: i16, number: i32) -> u64 {
    let [low, high] = offset.to_le_bytes();
    let [a, b, c, d] = number.to_le_bytes();
    u64::from_le_bytes([code, from << 4 | to, low, high, a, b, c, d])
}

/// The program for rules whose last match decides.
pub(super) fn compile(rules: &[Rule]) -> Vec<u64> {
    let mut program = vec![
        word(code::LOAD_WORD, KIND, CONTEXT, 0, 0),
        word(code::MOVE, OPEN, KIND, 0, 0),
        word(code::AND_NUMBER, KIND, 0, 0, KIND_MASK),
        word(code::SHIFT_RIGHT, OPEN, 0, 0, ACCESS_SHIFT),
        word(code::LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        word(code::LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in rules.iter().rev() {
        program.extend(block(rule));
    }
    program.extend(answer(false));
    program
}

fn answer(yes: bool) -> [u64; 2] {
    [
        word(code::MOVE_NUMBER, ANSWER, 0, 0, i32::from(yes)),
        word(code::EXIT, 0, 0, 0, 0),
    ]
}

/// A rule: jumps over itself for another device.
fn block(rule: &Rule) -> Vec<u64> {
    let kind = rule.pattern.kind.map(|kind| match kind {
        Kind::Block => BLOCK,
        Kind::Char => CHAR,
    });
    let access = i32::from(rule.access);
    let mut body = match rule.allow {
        // Over the answer where something is left.
        true => vec![
            word(code::AND_NUMBER, OPEN, 0, 0, !access),
            word(code::JUMP_UNLESS, OPEN, 0, 2, 0),
        ],
        // To the answer where any of it is refused, else over it.
        false => vec![
            word(code::JUMP_IF_ANY, OPEN, 0, 1, access),
            word(code::JUMP, 0, 0, 2, 0),
        ],
    };
    body.extend(answer(rule.allow));
    let numbers = |number: Option<u32>| number.map(u32::cast_signed);
    let tests = [
        (KIND, kind),
        (MAJOR, numbers(rule.pattern.major)),
        (MINOR, numbers(rule.pattern.minor)),
    ];
    for (register, number) in tests.into_iter().rev() {
        if let Some(number) = number {
            // A block is a few instructions long.
            let over = i16::try_from(body.len()).unwrap_or(i16::MAX);
            body.insert(0, word(code::JUMP_UNLESS, register, 0, over, number));
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::super::{ALL, MKNOD, Pattern, READ, WRITE};
    use super::*;

    /// Runs a program as the kernel would; panics on what the kernel's verifier would refuse.
    fn run(program: &[u64], kind: i32, access: u8, major: u32, minor: u32) -> bool {
        let context = [
            u32::from(access) << ACCESS_SHIFT | kind.cast_unsigned(),
            major,
            minor,
        ];
        let mut registers: [Option<u64>; 11] = [None; 11];
        let mut next = 0_usize;
        loop {
            let [code, registers_used, low, high, a, b, c, d] = program[next].to_le_bytes();
            let (to, from) = (
                usize::from(registers_used & 15),
                usize::from(registers_used >> 4),
            );
            let offset = i16::from_le_bytes([low, high]);
            let number = i32::from_le_bytes([a, b, c, d]);
            let short = |register: usize| {
                u32::try_from(registers[register].expect("set") & 0xffff_ffff).expect("masked")
            };
            next += 1;
            let mut jump = false;
            match code {
                code::LOAD_WORD => {
                    assert_eq!((from, offset % 4), (usize::from(CONTEXT), 0));
                    let index = usize::try_from(offset / 4).expect("positive");
                    registers[to] = Some(u64::from(context[index]));
                }
                code::MOVE => registers[to] = Some(registers[from].expect("set")),
                code::MOVE_NUMBER => {
                    registers[to] = Some(i64::from(number).cast_unsigned());
                }
                code::AND_NUMBER => {
                    registers[to] = Some(u64::from(short(to) & number.cast_unsigned()));
                }
                code::SHIFT_RIGHT => registers[to] = Some(u64::from(short(to) >> number)),
                code::JUMP_UNLESS => jump = short(to) != number.cast_unsigned(),
                code::JUMP_IF_ANY => jump = short(to) & number.cast_unsigned() != 0,
                code::JUMP => jump = true,
                code::EXIT => return registers[usize::from(ANSWER)].expect("set") == 1,
                other => panic!("no instruction of ours: {other:#x}"),
            }
            if jump {
                // Forward only: so it ends.
                next += usize::try_from(offset).expect("forward");
            }
        }
    }

    /// The meaning of rules, written once more: each bit is decided by the last rule that names it.
    fn allowed(rules: &[Rule], kind: Kind, access: u8, major: u32, minor: u32) -> bool {
        let asked = Pattern {
            kind: Some(kind),
            major: Some(major),
            minor: Some(minor),
        };
        [MKNOD, READ, WRITE]
            .into_iter()
            .filter(|bit| access & bit != 0)
            .all(|bit| {
                let last = rules
                    .iter()
                    .rev()
                    .find(|rule| rule.access & bit != 0 && rule.pattern.covers(&asked));
                last.is_some_and(|rule| rule.allow)
            })
    }

    fn agree(rules: &[Rule]) {
        let program = compile(rules);
        for (kind, number) in [(Kind::Block, BLOCK), (Kind::Char, CHAR)] {
            for access in 1..=ALL {
                for major in [0, 1, 2, 0x8000_0000, u32::MAX] {
                    for minor in [0, 3, 4, 0xffff_fff8] {
                        assert_eq!(
                            run(&program, number, access, major, minor),
                            allowed(rules, kind, access, major, minor),
                            "{rules:?}: {kind:?} {major}:{minor} {access}"
                        );
                    }
                }
            }
        }
    }

    fn every_rule() -> Vec<Rule> {
        let mut all = Vec::new();
        for allow in [true, false] {
            for kind in [None, Some(Kind::Block), Some(Kind::Char)] {
                for (major, minor) in [
                    (None, None),
                    (Some(1), None),
                    (None, Some(3)),
                    (Some(1), Some(3)),
                    (Some(u32::MAX), Some(0xffff_fff8)),
                ] {
                    for access in [MKNOD, READ | WRITE, ALL] {
                        let pattern = Pattern { kind, major, minor };
                        all.push(Rule {
                            allow,
                            pattern,
                            access,
                        });
                    }
                }
            }
        }
        all
    }

    #[test]
    fn without_rules_nothing_is_allowed() {
        agree(&[]);
        assert!(!run(&compile(&[]), CHAR, READ, 1, 3));
    }

    #[test]
    fn every_pair_of_rules_means_what_the_rules_say() {
        let all = every_rule();
        for first in &all {
            agree(&[*first]);
            for second in &all {
                agree(&[*first, *second]);
            }
        }
    }

    #[test]
    fn what_docker_asks_for_and_the_devices_of_every_box() {
        let given = serde_json::from_str::<Vec<_>>(
            "[{\"allow\":false,\"access\":\"rwm\"},\
             {\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":200,\"access\":\"rw\"},\
             {\"allow\":false,\"type\":\"c\",\"major\":10,\"minor\":200,\"access\":\"w\"}]",
        )
        .unwrap();
        let rules = super::super::rules(&given).unwrap();
        agree(&rules);
        let program = compile(&rules);
        assert!(run(&program, CHAR, READ | WRITE, 1, 3));
        assert!(run(&program, CHAR, READ, 10, 200));
        assert!(!run(&program, CHAR, READ | WRITE, 10, 200));
        assert!(run(&program, BLOCK, MKNOD, 8, 0));
        assert!(!run(&program, BLOCK, READ, 8, 0));
        assert!(!run(&program, BLOCK, READ | MKNOD, 8, 0));
    }
}
