//! Path globs, compiled once when a policy is loaded.
//!
//! `*` and `**` cover any characters, `/` too; `?` covers one; `[a-z]`, `[!a-z]` one of a class. All else stands for
//! itself. Percent escapes in the pattern and in the path are decoded before they are compared, so `/caf%C3%A9` and
//! `/café` are one pattern.

use crate::automaton::{ByteSet, Line};
use crate::path::escape;

/// The longest pattern, in bytes; matching costs at most its product with the path's length.
const MAX_PATTERN: usize = 1024;

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    tokens: Vec<Token>,
    /// The bytes before the first wildcard: most paths that are not covered differ here already.
    prefix: Box<[u8]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    One,
    Many,
    Class {
        negated: bool,
        ranges: Vec<(u8, u8)>,
    },
}

impl Token {
    fn covers(&self, byte: u8) -> bool {
        match self {
            Token::Byte(own) => *own == byte,
            Token::One => true,
            Token::Many => false,
            Token::Class { negated, ranges } => {
                ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&byte))
                    != *negated
            }
        }
    }
}

impl Glob {
    /// Compile; `Err` is a message without a place.
    pub fn new(pattern: &str) -> Result<Glob, String> {
        if pattern.len() > MAX_PATTERN {
            return Err(format!(
                "the path pattern is longer than {MAX_PATTERN} bytes"
            ));
        }
        if !pattern.starts_with(['/', '*']) {
            return Err(format!(
                "the path pattern `{pattern}` must begin with `/` or `*`"
            ));
        }
        check_segments(pattern)?;
        let mut tokens = Vec::with_capacity(pattern.len());
        let mut rest = pattern.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'*' if tokens.last() == Some(&Token::Many) => {}
                b'*' => tokens.push(Token::Many),
                b'?' => tokens.push(Token::One),
                b'[' => {
                    let (negated, ranges, after) =
                        class(rest).ok_or_else(|| format!("`[` is not closed in `{pattern}`"))?;
                    tokens.push(Token::Class { negated, ranges });
                    rest = after;
                }
                b'%' => {
                    let (value, after) = escape(rest).ok_or_else(|| {
                        format!("`%` is not followed by two hex digits in `{pattern}`")
                    })?;
                    tokens.push(literal(value, true, pattern)?);
                    rest = after;
                }
                _ => tokens.push(literal(byte, false, pattern)?),
            }
        }
        let prefix = tokens
            .iter()
            .map_while(|token| match token {
                Token::Byte(byte) => Some(*byte),
                Token::One | Token::Many | Token::Class { .. } => None,
            })
            .collect();
        Ok(Glob { tokens, prefix })
    }

    /// An endpoint's `path`: as [`Glob::new`], and `/x/**` covers `/x` as well.
    pub fn covers_tree(&self, path: &[u8]) -> bool {
        if self.matches(path) {
            return true;
        }
        match self.tokens.as_slice() {
            [head @ .., Token::Byte(b'/'), Token::Many] => matches(head, path),
            _ => false,
        }
    }

    /// Whether the whole of `path` (decoded bytes) is covered.
    pub fn matches(&self, path: &[u8]) -> bool {
        path.strip_prefix(&*self.prefix)
            .is_some_and(|rest| matches(&self.tokens[self.prefix.len()..], rest))
    }

    /// In the form in which patterns are compared.
    pub fn line(&self) -> Line {
        let mut line = Line::new();
        for token in &self.tokens {
            match token {
                Token::Many => line.star(ByteSet::ALL),
                one => line.one(ByteSet::that(|byte| one.covers(byte))),
            }
        }
        line
    }

    /// The same as an endpoint's `path`.
    pub fn tree_line(&self) -> Line {
        let mut line = self.line();
        if let [.., Token::Byte(b'/'), Token::Many] = self.tokens.as_slice() {
            line.end_early(2);
        }
        line
    }

    /// How much a pattern says: one without wildcards says more than any with, then the more literal one.
    pub fn specificity(&self) -> (bool, usize) {
        let literal = self
            .tokens
            .iter()
            .filter(|token| matches!(token, Token::Byte(_)))
            .count();
        (literal == self.tokens.len(), literal)
    }
}

/// Greedy match with one point to fall back to: the last `*`.
fn matches(tokens: &[Token], path: &[u8]) -> bool {
    let (mut t, mut p) = (0, 0);
    let mut fallback: Option<(usize, usize)> = None;
    while p < path.len() {
        match tokens.get(t) {
            Some(Token::Many) => {
                t += 1;
                fallback = Some((t, p));
            }
            Some(token) if token.covers(path[p]) => {
                t += 1;
                p += 1;
            }
            _ => {
                let Some((star, from)) = fallback else {
                    return false;
                };
                t = star;
                p = from + 1;
                fallback = Some((star, p));
            }
        }
    }
    tokens[t..].iter().all(|token| *token == Token::Many)
}

/// Segments that no normalised path has would make a rule that never holds.
fn check_segments(pattern: &str) -> Result<(), String> {
    let parts: Vec<&str> = pattern.split('/').collect();
    let last = parts.len() - 1;
    for (i, part) in parts.iter().enumerate() {
        if matches!(*part, "." | "..") || (part.is_empty() && i != 0 && i != last) {
            return Err(format!(
                "the path pattern `{pattern}` holds `//`, `.` or `..`, which no request has after it is normalised"
            ));
        }
    }
    Ok(())
}

fn literal(byte: u8, encoded: bool, pattern: &str) -> Result<Token, String> {
    match byte {
        b'/' if encoded => Err(format!(
            "`{pattern}` holds an encoded slash, which is refused in every request"
        )),
        b'\\' => Err(format!(
            "`{pattern}` holds a backslash, which is refused in every request"
        )),
        0..=0x1f | 0x7f => Err("the path pattern holds a control character".into()),
        b'#' | b'{' | b'}' if !encoded => Err(format!(
            "`{}` is not supported in the path pattern `{pattern}`",
            char::from(byte)
        )),
        _ => Ok(Token::Byte(byte)),
    }
}

/// Whether a class is negated, its ranges, and what follows its `]`.
type Class<'a> = (bool, Vec<(u8, u8)>, &'a [u8]);

/// The class whose `[` was just read.
pub(crate) fn class(text: &[u8]) -> Option<Class<'_>> {
    let (negated, body) = match text.first()? {
        b'!' | b'^' => (true, &text[1..]),
        _ => (false, text),
    };
    // A `]` right at the beginning stands for itself.
    let end = body.iter().skip(1).position(|byte| *byte == b']')? + 1;
    let (mut set, rest) = (&body[..end], &body[end + 1..]);
    let mut ranges = Vec::new();
    while let Some((&low, after)) = set.split_first() {
        match after {
            [b'-', high, tail @ ..] if low <= *high => {
                ranges.push((low, *high));
                set = tail;
            }
            [b'-', _, ..] => return None,
            _ => {
                ranges.push((low, low));
                set = after;
            }
        }
    }
    Some((negated, ranges, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, path: &str) -> bool {
        Glob::new(pattern).unwrap().matches(path.as_bytes())
    }

    #[test]
    fn stars_cross_slashes_and_the_rest_is_literal() {
        assert!(covers("/repos/*/issues", "/repos/a/b/issues"));
        assert!(covers("/repos/**", "/repos/"));
        assert!(!covers("/repos/**", "/repos"));
        assert!(covers("**", "/anything/at/all"));
        assert!(covers("/v?/x", "/v1/x") && !covers("/v?/x", "/v12/x"));
        assert!(covers("/[a-c]x[!0-9]", "/bxz") && !covers("/[a-c]x[!0-9]", "/bx7"));
        assert!(covers("/a%20b", "/a b"));
        assert!(covers("/*a*b*c", "/xaxbxbxc") && !covers("/*a*b*c", "/xaxbx"));
        assert!(covers("*.git/info/refs", "/o/r.git/info/refs"));
    }

    #[test]
    fn a_pattern_that_could_never_hold_is_refused() {
        for pattern in [
            "", "x", "/a//b", "/a/../b", "/./a", "/a%2Fb", "/a\\b", "/[a", "/a%zz", "/{a,b}",
            "/[z-a]", "/a\n",
        ] {
            assert!(Glob::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn an_endpoint_path_covers_its_own_root() {
        let glob = Glob::new("/mcp/**").unwrap();
        assert!(
            glob.covers_tree(b"/mcp") && glob.covers_tree(b"/mcp/x") && !glob.covers_tree(b"/mcpx")
        );
        assert!(Glob::new("/mcp/x").unwrap().specificity() > glob.specificity());
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_its_product() {
        let pattern = format!("/{}b", "*a".repeat(400));
        assert!(!covers(&pattern, &format!("/{}", "a".repeat(16_000))));
    }
}
