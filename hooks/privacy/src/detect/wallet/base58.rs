//! Base 58 with a check sum: Bitcoin and those that took its form.

use ring::digest::{SHA256, digest};

use crate::detect::Known;

const BITCOIN: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const RIPPLE: &[u8; 58] = b"rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz";

/// The most bytes that an address or key decodes to: an extended key has 82.
const MOST: usize = 96;

/// What the token is, when its check sum holds and its first bytes are those of a network.
pub(super) fn address(body: &[u8]) -> Option<Known> {
    let signs = match body.first()? {
        b'1' | b'3' | b'L' | b'M' | b'D' | b'X' | b'T' | b't' | b'5' | b'K' | b'x' | b'y'
        | b'z' | b'm' | b'n' | b'2' | b'c' | b'9' | b'A' => BITCOIN,
        b'r' => RIPPLE,
        _ => return None,
    };
    if !(25..=36).contains(&body.len()) && !(51..=52).contains(&body.len()) && body.len() != 111 {
        return None;
    }
    let mut room = [0_u8; MOST];
    let decoded = decode(body, signs, &mut room)?;
    if decoded.len() < 25 {
        return None;
    }
    let known = kind(decoded)?;
    let (payload, check) = decoded.split_at(decoded.len() - 4);
    let sum = digest(&SHA256, digest(&SHA256, payload).as_ref());
    (sum.as_ref()[..4] == *check).then_some(known)
}

fn kind(decoded: &[u8]) -> Option<Known> {
    match (decoded.len(), decoded[0]) {
        // Bitcoin, Litecoin, Dogecoin, Dash, Tron, test networks; XRP's first byte is zero.
        (25, 0x00 | 0x05 | 0x30 | 0x32 | 0x1E | 0x16 | 0x4C | 0x10 | 0x41 | 0x6F | 0xC4 | 0x17) => {
            Some(Known::CryptoWallet)
        }
        // Zcash; Tezos.
        (26, 0x1C) | (27, 0x06 | 0x02) => Some(Known::CryptoWallet),
        // Keys in the wallet's own form, and extended ones.
        (37 | 38, 0x80 | 0xB0 | 0xEF | 0x9E) => Some(Known::PrivateKey),
        (82, 0x04) if decoded[1..4] == [0x88, 0xAD, 0xE4] => Some(Known::PrivateKey),
        (82, 0x04) => Some(Known::CryptoWallet),
        _ => None,
    }
}

/// How many bytes the token decodes to.
pub(super) fn decoded_length(body: &[u8]) -> Option<usize> {
    let mut room = [0_u8; MOST];
    decode(body, BITCOIN, &mut room).map(<[u8]>::len)
}

/// Whether every sign is one of base 58.
pub(super) fn all(body: &[u8]) -> bool {
    body.iter().all(|byte| BITCOIN.contains(byte))
}

/// The bytes that `body` stands for, at the end of `room`.
fn decode<'r>(body: &[u8], signs: &[u8; 58], room: &'r mut [u8; MOST]) -> Option<&'r [u8]> {
    let mut used = 0;
    for byte in body {
        let value = signs.iter().position(|sign| sign == byte)?;
        let mut carry = value as u32;
        for slot in room.iter_mut().rev().take(used) {
            carry += u32::from(*slot) * 58;
            *slot = carry as u8;
            carry >>= 8;
        }
        while carry > 0 {
            used += 1;
            *room.get_mut(MOST.checked_sub(used)?)? = carry as u8;
            carry >>= 8;
        }
    }
    let zeros = body.iter().take_while(|byte| **byte == signs[0]).count();
    let from = MOST.checked_sub(used + zeros)?;
    Some(&room[from..])
}
