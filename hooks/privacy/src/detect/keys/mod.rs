//! Keys of clouds and vendors: each by the prefix and form that its issuer gives it.

use std::ops::Range;
use std::sync::LazyLock;

use super::Known;
use super::bytes::{self, JOIN, is};
use crate::finding::Finding;
use rules::{RULES, Rule};

mod parts;
mod rules;

/// How far into a token a prefix is looked for, behind `_` and `-`.
const DEEPEST: usize = 48;

/// The rules by the first byte of their prefix.
static BY_FIRST: LazyLock<Vec<Vec<&'static Rule>>> = LazyLock::new(|| {
    let mut by_first = vec![Vec::new(); 256];
    for rule in RULES {
        if let Some(first) = rule.prefix.bytes().next() {
            by_first[first as usize].push(rule);
        }
    }
    for rules in &mut by_first {
        rules.sort_by_key(|rule: &&Rule| std::cmp::Reverse(rule.prefix.len()));
    }
    by_first
});

/// Builds the table.
pub(super) fn prepare() {
    LazyLock::force(&BY_FIRST);
}

/// Whether a word may be the first letters of a key's prefix: whoever sees only the beginning of a text must wait for more.
pub(crate) fn may_begin(word: &str) -> bool {
    let first = word.as_bytes().first();
    first.is_some_and(|first| {
        BY_FIRST[*first as usize]
            .iter()
            .any(|rule| rule.prefix.starts_with(word))
    })
}

/// Notes the key in or around the long token `token`; where to go on behind it.
pub(super) fn at_token(text: &str, token: Range<usize>, found: &mut Vec<Finding>) -> Option<usize> {
    let bytes = text.as_bytes();
    let span = prefixed(bytes, &token).or_else(|| parts::around(text, &token))?;
    let end = span.end;
    found.push(Known::ApiKey.at(span));
    Some(end)
}

fn prefixed(bytes: &[u8], token: &Range<usize>) -> Option<Range<usize>> {
    let deepest = token.end.min(token.start + DEEPEST);
    (token.start..deepest)
        .filter(|at| {
            *at == token.start || is(bytes[at - 1], JOIN) || bytes::behind_escape(bytes, *at)
        })
        .find_map(|at| {
            BY_FIRST[bytes[at] as usize]
                .iter()
                .filter(|rule| at == token.start || rule.prefix.len() >= 4 || bytes[at - 1] == b'n')
                .find_map(|rule| rule.matches(bytes, at))
                .map(|end| at..end)
        })
}

impl Rule {
    /// The end of the key that begins at `at`.
    fn matches(&self, bytes: &[u8], at: usize) -> Option<usize> {
        if !bytes[at..].starts_with(self.prefix.as_bytes()) {
            return None;
        }
        let body = at + self.prefix.len();
        let mut end = body;
        while end < bytes.len() && end - body <= self.most && self.takes(bytes[end]) {
            end += 1;
        }
        while end > body && bytes[end - 1] == b'.' {
            end -= 1;
        }
        let length = end - body;
        let apart = bytes
            .get(end)
            .is_none_or(|byte| !is(*byte, bytes::ALNUM) && *byte != b'_');
        let fits = (self.least..=self.most).contains(&length) && apart;
        (fits && is_varied(&bytes[body..end])).then_some(end)
    }

    fn takes(&self, byte: u8) -> bool {
        is(byte, self.of) || self.also.as_bytes().contains(&byte)
    }
}

/// Whether a key's body is more than `xxxx…`, a word, a row or a name of words.
pub(super) fn is_varied(body: &[u8]) -> bool {
    let mut seen = [false; 256];
    let mut distinct = 0;
    let (mut digits, mut capitals, mut small) = (0, 0, 0);
    for byte in body {
        if !std::mem::replace(&mut seen[*byte as usize], true) {
            distinct += 1;
        }
        digits += usize::from(byte.is_ascii_digit());
        capitals += usize::from(byte.is_ascii_uppercase());
        small += usize::from(byte.is_ascii_lowercase());
    }
    let random = digits > 0
        || (small == 0 && capitals == body.len() && capitals <= 17)
        || (capitals * 8 >= body.len() && small * 8 >= body.len());
    distinct >= 7.min(body.len() / 2) && random
}
