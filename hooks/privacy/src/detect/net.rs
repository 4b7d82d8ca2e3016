//! Addresses of networks: IPv4, IPv6 and MAC.

use std::net::Ipv6Addr;

use super::Known;
use super::bytes::{ALNUM, DIGIT, HEX, LETTER, before, has, is, run, run_back};
use super::near::{self, Cue};
use crate::finding::Finding;

/// How near before a version its word stands.
const VERSION_REACH: usize = 20;

/// Notes an IPv6 or MAC address around the `:` at `at`; where to go on behind it.
pub(super) fn at_colon(text: &str, at: usize, found: &mut Vec<Finding>) -> Option<usize> {
    let bytes = text.as_bytes();
    if !has(bytes, at + 1, HEX) && bytes.get(at + 1) != Some(&b':') {
        return None;
    }
    let of = |byte: u8| is(byte, HEX) || byte == b':';
    let least = at.saturating_sub(6);
    let mut start = at;
    while start > least && of(bytes[start - 1]) {
        start -= 1;
    }
    if before(bytes, start, ALNUM)
        || (start > 0 && matches!(bytes[start - 1], b'_' | b'.' | b':' | b'-' | b'$' | b'\\'))
    {
        return None;
    }
    let mut end = at;
    let most = bytes.len().min(start + 64);
    while end < most && (of(bytes[end]) || (bytes[end] == b'.' && has(bytes, end + 1, DIGIT))) {
        end += 1;
    }
    while end > start && bytes[end - 1] == b':' && !(end - start >= 2 && bytes[end - 2] == b':') {
        end -= 1;
    }
    if has(bytes, end, ALNUM) || bytes.get(end) == Some(&b'_') || end - start < 4 {
        return None;
    }
    let known = match is_mac(&bytes[start..end], b':') {
        true => Known::MacAddress,
        false if is_ipv6(&text[start..end]) && !is_block(bytes, start, end) => Known::IpAddress,
        false => return None,
    };
    found.push(known.at(start..end));
    Some(end)
}

/// Notes a MAC address that is written with dashes, around the first dash at `at`; where to go on behind it.
pub(super) fn at_dash(text: &str, at: usize, found: &mut Vec<Finding>) -> Option<usize> {
    let bytes = text.as_bytes();
    let start = at.checked_sub(2)?;
    if bytes.get(at + 3) != Some(&b'-') || !is(bytes[start], HEX) || before(bytes, start, ALNUM) {
        return None;
    }
    let end = start + 17;
    let run = bytes.get(start..end)?;
    let ends = !has(bytes, end, ALNUM) && bytes.get(end) != Some(&b'-');
    if ends && (start == 0 || bytes[start - 1] != b'-') && is_mac(run, b'-') {
        found.push(Known::MacAddress.at(start..end));
        return Some(end);
    }
    None
}

/// Notes a MAC address of three groups of four (`0a1b.2c3d.4e5f`), in whose first group the digit at `at` stands.
pub(super) fn cisco(bytes: &[u8], at: usize, found: &mut Vec<Finding>) -> Option<usize> {
    let start = run_back(bytes, at, HEX, 3);
    if bytes.get(start + 4) != Some(&b'.') || bytes.get(start + 9) != Some(&b'.') {
        return None;
    }
    let end = start + 14;
    let run = bytes.get(start..end)?;
    let shaped = run.iter().enumerate().all(|(index, byte)| match index {
        4 | 9 => *byte == b'.',
        _ => is(*byte, HEX),
    });
    let letters = run
        .split(|byte| *byte == b'.')
        .filter(|group| group.iter().any(|byte| is(*byte, LETTER)))
        .count()
        >= 2;
    let apart = !before(bytes, start, ALNUM)
        && (start == 0 || bytes[start - 1] != b'.')
        && !has(bytes, end, ALNUM)
        && !(bytes.get(end) == Some(&b'.') && has(bytes, end + 1, ALNUM));
    if shaped && apart && (letters || near::before_only(bytes, start).has(Cue::Mac)) {
        found.push(Known::MacAddress.at(start..end));
        return Some(end);
    }
    None
}

/// Six pairs of one kind of separator, not all zero and not all ones.
fn is_mac(run: &[u8], separator: u8) -> bool {
    run.len() == 17
        && run.iter().enumerate().all(|(index, byte)| match index % 3 {
            2 => *byte == separator,
            _ => is(*byte, HEX),
        })
        && !run
            .iter()
            .all(|byte| matches!(byte, b'0') || *byte == separator)
        && !run
            .iter()
            .all(|byte| matches!(byte, b'f' | b'F') || *byte == separator)
}

/// Whether `fe80::/10` and the like follow: the name of a block.
fn is_block(bytes: &[u8], start: usize, end: usize) -> bool {
    end - start <= 11 && bytes[..end].ends_with(b"::") && bytes.get(end) == Some(&b'/')
}

/// A unicast or multicast IPv6 address that is given out, not `::`, `::1` or a path of names.
fn is_ipv6(run: &str) -> bool {
    let Ok(address) = run.parse::<Ipv6Addr>() else {
        return false;
    };
    let first = address.segments()[0];
    let mapped = address
        .to_ipv4_mapped()
        .is_some_and(|v4| !v4.is_loopback() && !v4.is_unspecified());
    let given = matches!(first, 0x2000..=0x3FFF | 0xFC00..=0xFFFF)
        && run.split(':').next().is_some_and(|group| group.len() == 4);
    // Written out in full, or nearly, it is no path of names.
    let full = run.len() >= 20 && address.segments()[..4] != [0, 0, 0, 0];
    given
        || full
        || (first == 0x64 && address.segments()[1] == 0xFF9B)
        || (mapped && run.contains('.'))
}

/// Notes an IPv4 address that begins at `at`, which is a digit; where to go on behind it.
pub(super) fn dotted(bytes: &[u8], at: usize, found: &mut Vec<Finding>) -> Option<usize> {
    let mut octets = [0_u16; 4];
    let mut here = at;
    for (index, octet) in octets.iter_mut().enumerate() {
        let end = run(bytes, here, DIGIT, 4);
        let digits = &bytes[here..end];
        if digits.is_empty() || digits.len() > 3 || (digits.len() > 1 && digits[0] == b'0') {
            return None;
        }
        *octet = digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        if *octet > 255 {
            return None;
        }
        here = end;
        if index < 3 {
            if bytes.get(here) != Some(&b'.') {
                return None;
            }
            here += 1;
        }
    }
    if !stands_alone(bytes, at, here)
        || !is_told(octets, bytes, here)
        || is_version(bytes, at, here, octets)
    {
        return None;
    }
    found.push(Known::IpAddress.at(at..here));
    Some(here)
}

fn stands_alone(bytes: &[u8], start: usize, end: usize) -> bool {
    let dotted_on = bytes.get(end) == Some(&b'.') && has(bytes, end + 1, ALNUM);
    let after = has(bytes, end, ALNUM)
        || bytes.get(end) == Some(&b'_')
        || dotted_on
        || (bytes.get(end) == Some(&b'-')
            && has(bytes, end + 1, LETTER)
            && !has(bytes, end + 2, super::bytes::BLANK));
    let product = start > 0
        && ((bytes[start - 1] == b'/'
            && before(bytes, start - 1, LETTER)
            && !is_path_of_scheme(bytes, start - 1))
            || matches!(bytes[start - 1], b'.' | b'_' | b'^' | b'~' | b'+')
            || (bytes[start - 1] == b'-' && before(bytes, start - 1, ALNUM)));
    !after && !product
}

/// `inet/10.0.0.1` is no product, `Chrome/1.2.3.4` is.
fn is_path_of_scheme(bytes: &[u8], slash: usize) -> bool {
    bytes[..slash].ends_with(b"inet") || bytes[..slash].ends_with(b"ip")
}

/// Whether an address says something: not this host, not a mask, not reserved, not the name of a whole block.
fn is_told(octets: [u16; 4], bytes: &[u8], end: usize) -> bool {
    let product = octets[0] < 10 && octets[1..] == [0, 0, 0];
    let block = bytes.get(end) == Some(&b'/')
        && matches!(
            octets,
            [10, 0, 0, 0]
                | [172, 16, 0, 0]
                | [192, 168, 0, 0]
                | [169, 254, 0, 0]
                | [100, 64, 0, 0]
                | [198, 18, 0, 0]
                | [192, 0, 2, 0]
                | [198, 51, 100, 0]
                | [203, 0, 113, 0]
                | [224, 0, 0, 0]
        );
    !product && !block && !matches!(octets[0], 0 | 127 | 240..)
}

/// Whether words or signs before it say that it is a version, or nothing says that numbers this small are no chapter.
fn is_version(bytes: &[u8], at: usize, end: usize, octets: [u16; 4]) -> bool {
    let cues = near::before_only(bytes, at);
    if is_private(octets) {
        return cues.is_near(Cue::Version, VERSION_REACH / 2);
    }
    let small =
        octets.iter().all(|octet| *octet < 16) && octets.iter().any(|octet| *octet != octets[0]);
    let known = matches!(octets, [8, 8, 4, 4] | [1, 0, 0, 1]);
    cues.is_near(Cue::Version, VERSION_REACH)
        || (small && !known && !cues.has(Cue::Net) && bytes.get(end) != Some(&b':'))
}

fn is_private(octets: [u16; 4]) -> bool {
    matches!(octets, [10, ..] | [192, 168, ..] | [172, 16..=31, ..])
}
