//! An operator's pattern. It is searched for in linear time, whatever the text, and may not grow beyond a size.

use nemoclaw_policy::Class;
use regex::{Regex, RegexBuilder};

use super::Owner;
use crate::finding::Finding;

/// So long may a pattern be written.
const MOST_BYTES: usize = 4096;
/// So large may it be compiled: a few thousand repetitions, not `(\w{1000}){1000}`.
const MOST_COMPILED: usize = 1 << 20;
/// So deep may groups stand in groups.
const DEEPEST: u32 = 50;

/// Why a pattern cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It is written too long.
    #[error(
        "pattern `{name}` is {bytes} bytes long, more than {MOST_BYTES}: use a list for many words"
    )]
    TooLong {
        /// The pattern's name.
        name: String,
        /// Its length.
        bytes: usize,
    },
    /// It becomes too large.
    #[error("pattern `{name}` grows beyond {MOST_COMPILED} bytes: use smaller repetitions")]
    TooLarge {
        /// The pattern's name.
        name: String,
    },
    /// It is no regular expression.
    #[error("pattern `{name}` is no regular expression")]
    Syntax {
        /// The pattern's name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: Box<regex::Error>,
    },
    /// It matches where there is nothing.
    #[error("pattern `{name}` matches the empty text: it would be found everywhere")]
    Empty {
        /// The pattern's name.
        name: String,
    },
}

/// A pattern that can be looked for.
#[derive(Debug, Clone)]
pub struct Pattern {
    owner: Owner,
    regex: Regex,
}

impl Pattern {
    /// A pattern in the syntax of the `regex` crate: no look-around, no back-references. If it has a group `value`, that is
    /// what is found.
    ///
    /// # Errors
    /// It is too long, too large, no expression, or matches the empty text.
    pub fn new(name: &str, class: Class, regex: &str) -> Result<Pattern, PatternError> {
        let name_of = || name.to_owned();
        if regex.len() > MOST_BYTES {
            return Err(PatternError::TooLong {
                name: name_of(),
                bytes: regex.len(),
            });
        }
        let built = RegexBuilder::new(regex)
            .size_limit(MOST_COMPILED)
            .dfa_size_limit(MOST_COMPILED)
            .nest_limit(DEEPEST)
            .build();
        let regex = match built {
            Ok(regex) => regex,
            Err(regex::Error::CompiledTooBig(_)) => {
                return Err(PatternError::TooLarge { name: name_of() });
            }
            Err(source) => {
                return Err(PatternError::Syntax {
                    name: name_of(),
                    source: Box::new(source),
                });
            }
        };
        if regex.is_match("") {
            return Err(PatternError::Empty { name: name_of() });
        }
        Ok(Pattern {
            owner: Owner::new(name, class),
            regex,
        })
    }

    /// Adds where it matches.
    pub(crate) fn find(&self, text: &str, found: &mut Vec<Finding>) {
        if self
            .regex
            .capture_names()
            .flatten()
            .any(|group| group == "value")
        {
            let values = self
                .regex
                .captures_iter(text)
                .filter_map(|groups| groups.name("value").map(|value| value.range()));
            found.extend(
                values
                    .filter(|value| !value.is_empty())
                    .map(|value| self.owner.finding(value.start, value.end)),
            );
        } else {
            let all = self.regex.find_iter(text).filter(|one| !one.is_empty());
            found.extend(all.map(|one| self.owner.finding(one.start(), one.end())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(regex: &str, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        Pattern::new("ticket", Class::Internal, regex)
            .unwrap()
            .find(text, &mut found);
        found
            .iter()
            .map(|one| text[one.start..one.end].to_owned())
            .collect()
    }

    #[test]
    fn a_pattern_is_found_everywhere_and_its_value_where_it_names_one() {
        assert_eq!(
            spans(
                r"\bACME-\d{4}\b",
                "ACME-1234, ACME-12, xACME-1234 ACME-9999"
            ),
            ["ACME-1234", "ACME-9999"]
        );
        assert_eq!(
            spans(r"badge:\s*(?<value>\d+)", "badge: 4711, badge:  12"),
            ["4711", "12"]
        );
    }

    #[test]
    fn a_pattern_that_grows_too_large_is_refused_with_a_sentence() {
        let error = Pattern::new("ticket", Class::Internal, r"(\w{200}){200}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "pattern `ticket` grows beyond 1048576 bytes: use smaller repetitions"
        );
    }

    #[test]
    fn a_pattern_that_is_long_wrong_or_empty_is_refused_with_a_sentence() {
        let long = Pattern::new("t", Class::Internal, &"a".repeat(5000)).unwrap_err();
        assert!(long.to_string().contains("5000 bytes long"), "{long}");
        assert_eq!(
            Pattern::new("t", Class::Internal, "(")
                .unwrap_err()
                .to_string(),
            "pattern `t` is no regular expression"
        );
        let empty = Pattern::new("t", Class::Internal, "a*").unwrap_err();
        assert_eq!(
            empty.to_string(),
            "pattern `t` matches the empty text: it would be found everywhere"
        );
    }
}
