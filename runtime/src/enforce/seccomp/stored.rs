//! How instructions stand in the state: hexadecimal digits, sixteen an instruction, big end first.
//!
//! They are read at every exec, so both ways are a table and no formatting.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;

use crate::sys::seccomp::Instruction;

const DIGITS: &[u8; 16] = b"0123456789abcdef";
/// Digits of one instruction: code, jt, jf, k.
const LENGTH: usize = 16;

/// Write.
pub(super) fn serialize<S: Serializer>(
    code: &[Instruction],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut text = String::with_capacity(code.len() * LENGTH);
    for step in code {
        let word = (u64::from(step.code) << 48)
            | (u64::from(step.jt) << 40)
            | (u64::from(step.jf) << 32)
            | u64::from(step.k);
        for byte in word.to_be_bytes() {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    serializer.serialize_str(&text)
}

/// Read.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Instruction>, D::Error> {
    deserializer.deserialize_str(Digits)
}

struct Digits;

impl Visitor<'_> for Digits {
    type Value = Vec<Instruction>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the hexadecimal digits of a system-call filter")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let digits = text.as_bytes();
        let whole = !digits.is_empty() && digits.len().is_multiple_of(LENGTH);
        let code: Option<Vec<Instruction>> = digits.chunks_exact(LENGTH).map(instruction).collect();
        code.filter(|_| whole)
            .ok_or_else(|| E::custom("the stored seccomp filter is damaged"))
    }
}

fn instruction(digits: &[u8]) -> Option<Instruction> {
    let mut word = 0_u64;
    for digit in digits {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        word = (word << 4) | u64::from(value);
    }
    let [code_high, code_low, jt, jf, k @ ..] = word.to_be_bytes();
    Some(Instruction {
        code: u16::from_be_bytes([code_high, code_low]),
        jt,
        jf,
        k: u32::from_be_bytes(k),
    })
}
