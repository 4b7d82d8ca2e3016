//! From tables to one program of classic BPF.
//!
//! The program looks at the door first, then finds the number's span by halves. A call that is answered without a look
//! at its arguments stays in the part of BPF that the kernel can work out in advance, so that it is not run per call.

use super::SeccompError;
use super::action::Action;
use super::rules::{Operator, Test, Width};
use super::table::{Case, Decision, Door, Span};
use crate::sys::seccomp::Instruction;

/// The kernel's limit for one program.
const LONGEST: usize = 4096;
/// Where `struct seccomp_data` has the call's number, its door and its arguments.
const NUMBER: u32 = 0;
const AUDIT: u32 = 4;
const ARGUMENTS: u32 = 16;
/// Opcodes.
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_GREATER: u16 = 0x25;
const IF_NOT_LESS: u16 = 0x35;
const RETURN: u16 = 0x06;

/// The program for all doors; a call through another gets `foreign`.
pub(super) fn program(
    doors: &[Door<'_>],
    foreign: Action,
) -> Result<Vec<Instruction>, SeccompError> {
    let mut code = Code {
        steps: vec![step(LOAD, AUDIT)],
        exits: Vec::new(),
    };
    for door in doors {
        code.branch(IF_EQUAL, door.audit, Side::Holds, |code| {
            code.steps.push(step(LOAD, NUMBER));
            code.find(door, &door.spans)
        })?;
    }
    code.steps.push(step(RETURN, foreign.code()));
    if code.steps.len() > LONGEST {
        return Err(SeccompError::TooLong(code.steps.len()));
    }
    Ok(code.steps)
}

fn step(code: u16, k: u32) -> Instruction {
    Instruction {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

/// Which outcome of a test goes on with the next instruction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Holds,
    Fails,
}

/// A program under construction.
struct Code {
    steps: Vec<Instruction>,
    /// The tests of the case that is being written.
    exits: Vec<Exit>,
}

impl Code {
    /// A test, and behind it what `inner` writes for the outcome `side`; the other outcome skips that.
    fn branch(
        &mut self,
        test: u16,
        k: u32,
        side: Side,
        inner: impl FnOnce(&mut Code) -> Result<(), SeccompError>,
    ) -> Result<(), SeccompError> {
        let at = self.steps.len();
        self.steps.push(step(test, k));
        inner(self)?;
        let length = self.steps.len() - at - 1;
        let (mut stay, mut skip) = (0, u8::try_from(length).unwrap_or(0));
        if length > usize::from(u8::MAX) {
            // Too far for a test's own jump: one instruction behind it jumps for the other outcome.
            let far = u32::try_from(length).map_err(|_| SeccompError::TooLong(length))?;
            self.steps.insert(at + 1, step(JUMP, far));
            (stay, skip) = (1, 0);
        }
        (self.steps[at].jt, self.steps[at].jf) = match side {
            Side::Holds => (stay, skip),
            Side::Fails => (skip, stay),
        };
        Ok(())
    }

    /// Find the number's span by halves.
    fn find(&mut self, door: &Door<'_>, spans: &[Span<'_>]) -> Result<(), SeccompError> {
        match spans {
            [] => Ok(()),
            [span] => {
                let short = door.short_from.is_some_and(|from| span.first >= from);
                self.decide(&span.decision, short)
            }
            spans => {
                let (low, high) = spans.split_at(spans.len() / 2);
                self.branch(IF_NOT_LESS, high[0].first, Side::Fails, |code| {
                    code.find(door, low)
                })?;
                self.find(door, high)
            }
        }
    }

    fn decide(&mut self, decision: &Decision<'_>, short: bool) -> Result<(), SeccompError> {
        for case in &decision.cases {
            self.case(case, short)?;
        }
        self.steps.push(step(RETURN, decision.otherwise.code()));
        Ok(())
    }

    /// The tests, each of which skips the answer when it fails, and the answer.
    fn case(&mut self, case: &Case<'_>, short: bool) -> Result<(), SeccompError> {
        for test in case.tests.iter() {
            let low = ARGUMENTS + 8 * u32::from(test.index);
            if short || test.width == Width::Low {
                self.half(test, low);
            } else {
                self.whole(test, low);
            }
        }
        self.steps.push(step(RETURN, case.action.code()));
        let end = self.steps.len();
        for exit in self.exits.drain(..) {
            let length = u8::try_from(end - exit.at - 1).map_err(|_| SeccompError::TooLong(end))?;
            match exit.side {
                Side::Holds => self.steps[exit.at].jt = length,
                Side::Fails => self.steps[exit.at].jf = length,
            }
        }
        Ok(())
    }

    /// Test the low half of an argument only.
    fn half(&mut self, test: &Test, low: u32) {
        let value = low_half(test.value);
        match test.operator {
            Operator::Masked(mask) => self.masked(low, low_half(mask), value),
            Operator::Eq => self.last(low, IF_EQUAL, value, Side::Fails),
            Operator::Ne => self.last(low, IF_EQUAL, value, Side::Holds),
            Operator::Ge => self.last(low, IF_NOT_LESS, value, Side::Fails),
            Operator::Lt => self.last(low, IF_NOT_LESS, value, Side::Holds),
            Operator::Gt => self.last(low, IF_GREATER, value, Side::Fails),
            Operator::Le => self.last(low, IF_GREATER, value, Side::Holds),
        }
    }

    /// Test both halves, the high one first: often it alone decides.
    fn whole(&mut self, test: &Test, low: u32) {
        let value = high_half(test.value);
        let high = low + 4;
        match test.operator {
            Operator::Masked(mask) => self.masked(high, high_half(mask), value),
            Operator::Eq => self.last(high, IF_EQUAL, value, Side::Fails),
            Operator::Ne => {
                self.steps.push(step(LOAD, high));
                self.pass(IF_EQUAL, value, Side::Fails);
            }
            Operator::Ge | Operator::Gt => {
                self.last(high, IF_NOT_LESS, value, Side::Fails);
                self.pass(IF_GREATER, value, Side::Holds);
            }
            Operator::Lt | Operator::Le => {
                self.last(high, IF_GREATER, value, Side::Holds);
                self.pass(IF_NOT_LESS, value, Side::Fails);
            }
        }
        self.half(test, low);
    }

    /// The argument's half under `mask` is `value`.
    fn masked(&mut self, half: u32, mask: u32, value: u32) {
        if mask == 0 && value == 0 {
            return;
        }
        self.steps.push(step(LOAD, half));
        if mask != u32::MAX {
            self.steps.push(step(AND, mask));
        }
        self.exit(IF_EQUAL, value, Side::Fails);
    }

    /// Load a half and leave when `test` comes out as `side`.
    fn last(&mut self, half: u32, test: u16, value: u32, side: Side) {
        self.steps.push(step(LOAD, half));
        self.exit(test, value, side);
    }

    fn exit(&mut self, test: u16, value: u32, side: Side) {
        let at = self.steps.len();
        self.exits.push(Exit { at, side });
        self.steps.push(step(test, value));
    }

    /// When `test` comes out as `side` the low half needs no look: skip its two instructions.
    fn pass(&mut self, test: u16, value: u32, side: Side) {
        let mut jump = step(test, value);
        match side {
            Side::Holds => jump.jt = 2,
            Side::Fails => jump.jf = 2,
        }
        self.steps.push(jump);
    }
}

/// A test whose outcome `side` skips to the end of its case.
struct Exit {
    at: usize,
    side: Side,
}

fn low_half(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).unwrap_or_default()
}

fn high_half(value: u64) -> u32 {
    u32::try_from(value >> 32).unwrap_or_default()
}
