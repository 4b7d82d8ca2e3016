//! Addresses of crypto wallets, by their check sums; Ethereum's and Solana's also by a word near them.

use std::ops::Range;

use super::Known;
use super::bytes::{ALNUM, HEX, is};
use super::near::{self, Cue};
use crate::finding::Finding;

mod base58;
mod bech32;
mod eip55;

/// Notes the address in the long token `token`; whether it is one.
pub(super) fn at_token(text: &str, token: Range<usize>, found: &mut Vec<Finding>) -> bool {
    let bytes = text.as_bytes();
    let body = &bytes[token.clone()];
    if body.len() > 120 || body.contains(&b'_') || body.contains(&b'-') {
        return false;
    }
    let known = match address(bytes, &token, body) {
        Some(known) => known,
        None => return false,
    };
    // An assignment such as `bitcoin:bc1…` keeps its word.
    found.push(known.at(token));
    true
}

fn address(bytes: &[u8], token: &Range<usize>, body: &[u8]) -> Option<Known> {
    if body.len() == 42 && body.starts_with(b"0x") {
        return ethereum(bytes, token, &body[2..]).then_some(Known::CryptoWallet);
    }
    if let Some(known) = base58::address(body) {
        return Some(known);
    }
    if bech32::address(body) || cash(bytes, token, body) || stellar(body) {
        return Some(Known::CryptoWallet);
    }
    let solana = (32..=44).contains(&body.len())
        && base58::decoded_length(body) == Some(32)
        && mixed(body)
        && near::before_only(bytes, token.start).has(Cue::Wallet);
    let polkadot = (46..=48).contains(&body.len())
        && base58::decoded_length(body) == Some(35)
        && near::before_only(bytes, token.start).has(Cue::Wallet);
    let monero = matches!(body.len(), 95 | 106)
        && matches!(body[0], b'4' | b'8')
        && base58::all(body)
        && mixed(body);
    (solana || polkadot || monero).then_some(Known::CryptoWallet)
}

/// `0x` and forty hex digits: mixed case must be the check of EIP-55; one case needs a word.
fn ethereum(bytes: &[u8], token: &Range<usize>, digits: &[u8]) -> bool {
    if !digits.iter().all(|byte| is(*byte, HEX)) || digits.iter().all(|byte| *byte == digits[0]) {
        return false;
    }
    let capitals = digits.iter().any(u8::is_ascii_uppercase);
    let small = digits.iter().any(u8::is_ascii_lowercase);
    if capitals && small {
        return eip55::holds(digits);
    }
    near::around(bytes, token.start, token.end).has(Cue::Wallet)
}

/// Bitcoin Cash behind its own word: `bitcoincash:q…`.
fn cash(bytes: &[u8], token: &Range<usize>, body: &[u8]) -> bool {
    body.len() == 42
        && matches!(body[0], b'q' | b'p')
        && bytes[..token.start].ends_with(b"bitcoincash:")
        && body.iter().all(|byte| bech32::value(*byte).is_some())
}

/// Stellar: `G`, fifty-six signs in base 32, of which the last two bytes are a CRC.
fn stellar(body: &[u8]) -> bool {
    if body.len() != 56 || body[0] != b'G' {
        return false;
    }
    let mut decoded = [0_u8; 35];
    let mut bits = 0_u32;
    let mut held = 0;
    let mut count = 0;
    for byte in body {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return false,
        };
        bits = bits << 5 | u32::from(value);
        held += 5;
        if held >= 8 {
            held -= 8;
            decoded[count] = (bits >> held) as u8;
            count += 1;
        }
    }
    let crc = decoded[..33].iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => crc << 1 ^ 0x1021,
        })
    });
    crc.to_le_bytes() == decoded[33..]
}

fn mixed(body: &[u8]) -> bool {
    body.iter().any(u8::is_ascii_uppercase)
        && body.iter().any(u8::is_ascii_lowercase)
        && body.iter().any(u8::is_ascii_digit)
        && body.iter().all(|byte| is(*byte, ALNUM))
}
