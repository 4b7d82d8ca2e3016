//! What stands in a sandbox where a credential is meant: `nemoclaw:resolve:env:KEY`.

use std::ops::Range;

use super::MAX_KEY;

/// What our placeholders begin with.
pub const PREFIX: &str = "nemoclaw:resolve:env:";
/// What both kinds have behind their first word; OpenShell's placeholders mean the same.
pub const MIDDLE: &str = ":resolve:env:";
const WORDS: [&str; 2] = ["nemoclaw", "openshell"];

/// The placeholder of a key.
#[must_use]
pub fn of(key: &str) -> String {
    format!("{PREFIX}{key}")
}

/// A placeholder in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// Where.
    pub range: Range<usize>,
    /// Its key; cut to the longest that a key may be, so that a longer one is nobody's.
    pub key: &'a str,
}

/// The first placeholder in `text`.
#[must_use]
pub fn find(text: &str) -> Option<Found<'_>> {
    let mut from = 0;
    while let Some(middle) = text[from..].find(MIDDLE).map(|at| from + at) {
        let behind = middle + MIDDLE.len();
        let length = text[behind..]
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            .take(MAX_KEY + 1)
            .count();
        let word = WORDS.iter().find(|word| text[..middle].ends_with(*word));
        if let (Some(word), true) = (word, length > 0) {
            return Some(Found {
                range: middle - word.len()..behind + length,
                key: &text[behind..behind + length],
            });
        }
        from = behind;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_found_wherever_they_stand() {
        for (text, range, key) in [
            ("nemoclaw:resolve:env:A_1", 0..24, "A_1"),
            ("Bearer openshell:resolve:env:KEY ", 7..32, "KEY"),
            ("xnemoclaw:resolve:env:K-x", 1..23, "K"),
            (
                ":resolve:env:x nemoclaw:resolve:env: openshell:resolve:env:Z",
                37..60,
                "Z",
            ),
        ] {
            let found = find(text).unwrap();
            assert_eq!((found.range, found.key), (range, key), "{text}");
        }
        for text in [
            "",
            "nemoclaw:resolve:env:",
            "nemo:resolve:env:KEY",
            "NEMOCLAW:RESOLVE:ENV:KEY",
        ] {
            assert_eq!(find(text), None, "{text}");
        }
    }

    #[test]
    fn a_placeholder_is_what_is_found() {
        assert_eq!(find(&of("KEY")).unwrap().key, "KEY");
        let long = of(&"K".repeat(10_000));
        assert_eq!(find(&long).unwrap().key.len(), MAX_KEY + 1);
    }
}
