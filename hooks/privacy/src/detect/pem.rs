//! Private keys in blocks of text: PEM, OpenSSH, PGP.

use memchr::memmem;

use super::Known;
use super::bytes::{ALNUM, is};
use crate::finding::Finding;

/// The most bytes of a block.
const LONGEST: usize = 64 * 1024;
/// A block with fewer bytes of base64 holds no key: code that looks for the mark, or an example with dots.
const SHORTEST_BODY: usize = 40;

/// Notes the block whose `-----BEGIN` starts at `start`, its word at `word`; where to go on.
pub(super) fn at_begin(text: &str, start: usize, word: usize, found: &mut Vec<Finding>) -> usize {
    let bytes = text.as_bytes();
    let head_end = bytes.len().min(word + 80);
    let head = &bytes[word..head_end];
    let Some(dashes) = memmem::find(head, b"----") else {
        return word;
    };
    let label = &head[..dashes];
    // `RSA%20PRIVATE%20KEY` in a query is one too.
    let ours = memmem::find(label, b"PRIVATE")
        .is_some_and(|at| memmem::find(&label[at..], b"KEY").is_some());
    let body = word + dashes;
    if !ours || label.contains(&b'\n') {
        return body;
    }
    let most = bytes.len().min(body + LONGEST);
    let end = match memmem::find(&bytes[body..most], b"-----END") {
        Some(offset) => behind_end(bytes, body + offset),
        None => base64_ends(bytes, body, most),
    };
    if letters(&bytes[body..end]) < SHORTEST_BODY {
        return body;
    }
    found.push(Known::PrivateKey.at(start..end));
    end
}

/// Behind the line of `-----END … -----`.
fn behind_end(bytes: &[u8], at: usize) -> usize {
    let most = bytes.len().min(at + 80);
    let from = at + 8;
    match memmem::find(&bytes[from..most], b"----") {
        Some(offset) => bytes[from + offset..]
            .iter()
            .position(|byte| *byte != b'-')
            .map_or(bytes.len(), |more| from + offset + more),
        None => from,
    }
}

/// Where a block without an end stops to look like one.
fn base64_ends(bytes: &[u8], from: usize, most: usize) -> usize {
    let mut end = from;
    let mut spaces = 0;
    for (offset, byte) in bytes[from..most].iter().enumerate() {
        match byte {
            b' ' => spaces += 1,
            b'\n' => spaces = 0,
            byte if is(*byte, ALNUM)
                || matches!(
                    byte,
                    b'+' | b'/' | b'=' | b'-' | b'\\' | b'\r' | b':' | b','
                ) =>
            {
                end = from + offset + 1;
            }
            _ => break,
        }
        // Headers such as `Proc-Type: 4,ENCRYPTED` have one or two; prose has more.
        if spaces > 2 {
            break;
        }
    }
    end
}

fn letters(body: &[u8]) -> usize {
    body.iter().filter(|byte| is(**byte, ALNUM)).count()
}
