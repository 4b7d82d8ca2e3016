//! Globs over values that are made of segments: paths of programs (`/`), names and query values (`.`).
//!
//! `*` covers any characters inside a segment, `**` as a whole segment covers one segment or more, `?` covers one
//! character of a segment, `[a-z]` and `[!a-z]` one of a class. All else stands for itself. A value without
//! separators is one segment.

use crate::automaton::{ByteSet, Line};

/// The longest pattern, in bytes; matching costs at most its product with the value's length.
const MAX_PATTERN: usize = 1024;

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentGlob {
    text: Box<str>,
    separator: u8,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    One,
    Many,
    Everything,
    Class {
        negated: bool,
        ranges: Vec<(u8, u8)>,
    },
}

impl SegmentGlob {
    /// A pattern for a program's path: segments are parted by `/`.
    ///
    /// # Errors
    /// One sentence without a place.
    pub fn path(text: &str) -> Result<SegmentGlob, String> {
        if !text.starts_with('/') {
            return Err(format!("the program `{text}` must be an absolute path"));
        }
        if text
            .split('/')
            .skip(1)
            .any(|part| matches!(part, "" | "." | ".."))
        {
            return Err(format!(
                "the program `{text}` holds `//`, `.` or `..`, which no path of a program has"
            ));
        }
        SegmentGlob::new(text, b'/')
    }

    /// A pattern for a name or a value: segments are parted by `.`.
    ///
    /// # Errors
    /// One sentence without a place.
    pub fn value(text: &str) -> Result<SegmentGlob, String> {
        SegmentGlob::new(text, b'.')
    }

    fn new(text: &str, separator: u8) -> Result<SegmentGlob, String> {
        if text.len() > MAX_PATTERN {
            return Err(format!("the pattern is longer than {MAX_PATTERN} bytes"));
        }
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err("the pattern holds a control character".into());
        }
        let mut tokens = Vec::with_capacity(text.len());
        for (i, segment) in text.as_bytes().split(|byte| *byte == separator).enumerate() {
            if i > 0 {
                tokens.push(Token::Byte(separator));
            }
            if segment == b"**" {
                tokens.push(Token::Everything);
            } else {
                push_segment(segment, text, &mut tokens)?;
            }
        }
        Ok(SegmentGlob {
            text: text.into(),
            separator,
            tokens,
        })
    }

    /// A pattern for a name in which no character parts anything, such as a model's: `*` covers any characters.
    ///
    /// # Errors
    /// One sentence without a place.
    pub fn name(text: &str) -> Result<SegmentGlob, String> {
        SegmentGlob::new(text, 0)
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it stands for one value only, which is its text.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.tokens
            .iter()
            .all(|token| matches!(token, Token::Byte(_)))
    }

    /// Whether it covers every value that is not empty.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.tokens == [Token::Everything]
    }

    /// In the form in which patterns are compared.
    pub(crate) fn line(&self) -> Line {
        let mut line = Line::new();
        for token in &self.tokens {
            match token {
                Token::Many => line.star(ByteSet::but(self.separator)),
                Token::Everything => {
                    line.one(ByteSet::ALL);
                    line.star(ByteSet::ALL);
                }
                one => line.one(ByteSet::that(|byte| one.covers(byte, self.separator))),
            }
        }
        line
    }

    /// Whether the whole of `value` is covered.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let value = value.as_bytes();
        let (mut t, mut v) = (0, 0);
        // Where to go on after a mismatch: behind the last `*`, and behind the last `**`.
        let mut inside: Option<(usize, usize)> = None;
        let mut across: Option<(usize, usize)> = None;
        while v < value.len() {
            match self.tokens.get(t) {
                Some(Token::Many) => {
                    t += 1;
                    inside = Some((t, v));
                    continue;
                }
                Some(Token::Everything) => {
                    // At least one character; whole segments follow from the separators around it.
                    t += 1;
                    v += 1;
                    (across, inside) = (Some((t, v)), None);
                    continue;
                }
                Some(token) if token.covers(value[v], self.separator) => {
                    t += 1;
                    v += 1;
                    continue;
                }
                _ => {}
            }
            if let Some((token, from)) = inside.filter(|(_, from)| value[*from] != self.separator) {
                (t, v) = (token, from + 1);
                inside = Some((t, v)).filter(|(_, from)| *from < value.len());
            } else if let Some((token, from)) = across {
                (t, v) = (token, from + 1);
                (across, inside) = (Some((t, v)), None);
            } else {
                return false;
            }
        }
        self.tokens[t..].iter().all(|token| *token == Token::Many)
    }
}

impl std::fmt::Display for SegmentGlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Token {
    fn covers(&self, byte: u8, separator: u8) -> bool {
        match self {
            Token::Byte(own) => *own == byte,
            Token::One => byte != separator,
            Token::Class { negated, ranges } => {
                byte != separator
                    && ranges
                        .iter()
                        .any(|(low, high)| (*low..=*high).contains(&byte))
                        != *negated
            }
            Token::Many | Token::Everything => false,
        }
    }
}

fn push_segment(segment: &[u8], text: &str, tokens: &mut Vec<Token>) -> Result<(), String> {
    let mut rest = segment;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'*' if tokens.last() == Some(&Token::Many) => {}
            b'*' => tokens.push(Token::Many),
            b'?' => tokens.push(Token::One),
            b'[' => {
                let (negated, ranges, after) = crate::glob::class(rest)
                    .ok_or_else(|| format!("`[` is not closed in `{text}`"))?;
                tokens.push(Token::Class { negated, ranges });
                rest = after;
            }
            b'{' | b'}' => {
                return Err(format!(
                    "`{}` is not supported in the pattern `{text}`",
                    char::from(byte)
                ));
            }
            _ => tokens.push(Token::Byte(byte)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(pattern: &str, value: &str) -> bool {
        SegmentGlob::value(pattern).unwrap().matches(value)
    }

    fn path(pattern: &str, value: &str) -> bool {
        SegmentGlob::path(pattern).unwrap().matches(value)
    }

    #[test]
    fn a_star_stays_inside_its_segment() {
        assert!(path("/usr/bin/python3*", "/usr/bin/python3.12"));
        assert!(!path("/usr/*/python3", "/usr/local/bin/python3"));
        assert!(path("/usr/*/bin/java", "/usr/jvm/bin/java"));
        assert!(!path("/usr/bin/*", "/usr/bin/a/b"));
        assert!(path("/a*c/*b", "/abc/xbb") && !path("/a*c/*b", "/abd/xb"));
        assert!(value("1.*", "1.2") && !value("1.*", "1.2.3"));
        assert!(value("linux-*", "linux-x86") && !value("linux-*", "linux-x.y"));
        assert!(value("*", "") && value("*", "abc") && !value("*", "a.b"));
        assert!(value("v?", "v1") && !value("v?", "v.") && value("[a-c]x", "bx"));
    }

    #[test]
    fn two_stars_cross_segments_and_need_one() {
        assert!(path("/opt/**", "/opt/a/b/c") && !path("/opt/**", "/opt"));
        assert!(path("/opt/**/bin/x", "/opt/a/b/bin/x") && !path("/opt/**/bin/x", "/opt/bin/x"));
        assert!(value("github.**", "github.search.code") && !value("github.**", "github"));
        assert!(value("**", "a.b.c") && value("**", "a") && !value("**", ""));
        assert!(value("**.end", "a.b.end") && !value("**.end", "end"));
        assert!(value("a.**.z*", "a.b.c.zoo") && !value("a.**.z*", "a.b.c.y"));
        assert!(SegmentGlob::value("**").unwrap().is_everything());
    }

    #[test]
    fn a_pattern_that_names_no_program_is_refused() {
        for pattern in [
            "",
            "curl",
            "/usr//bin",
            "/usr/../bin",
            "/a/./b",
            "/[a",
            "/{a,b}",
            "/a\n",
        ] {
            assert!(SegmentGlob::path(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_its_product() {
        let pattern = format!("{}b", "*a".repeat(400));
        assert!(!value(&pattern, &"a".repeat(16_000)));
        let pattern = format!("{}b", "**.".repeat(300));
        assert!(!value(&pattern, &"a.".repeat(8_000)));
    }
}
