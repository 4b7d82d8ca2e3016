//! An operator's list of words: names of projects, customers, hosts that nobody outside should read.
//!
//! A word is found exactly, at the boundaries of words: `Heron` is not in `Herons`. All words are looked for at once.

use std::fmt;
use std::path::{Path, PathBuf};

use aho_corasick::{AhoCorasick, Anchored, Input, MatchKind};
use nemoclaw_policy::Class;
use zeroize::Zeroizing;

use super::Owner;
use crate::finding::Finding;

/// So many bytes may the words of a list have together: some hundred thousand names; the automaton takes about fifty times that.
const MOST_BYTES: usize = 2 << 20;

/// So many bytes may its file have, comments too.
const MOST_FILE: u64 = 16 << 20;

/// Whether capitals matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// `Heron` is not `heron`.
    Exact,
    /// `Heron`, `heron` and `HERON` are one.
    Any,
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// A list with nothing in it finds nothing.
    #[error("list `{name}` has no words: write one a line, or remove the list")]
    Empty {
        /// The list.
        name: String,
    },
    /// More than we hold in memory.
    #[error(
        "list `{name}` has {bytes} bytes of words, more than {MOST_BYTES}: split it, or use documents"
    )]
    TooLarge {
        /// The list.
        name: String,
        /// What it has.
        bytes: usize,
    },
    /// Its file cannot be read.
    #[error("the list `{name}` cannot be read from `{}`", path.display())]
    Read {
        /// The list.
        name: String,
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its file is no list that somebody wrote.
    #[error("the list `{name}` in `{}` is larger than {} MiB", path.display(), MOST_FILE >> 20)]
    FileTooLarge {
        /// The list.
        name: String,
        /// Its file.
        path: PathBuf,
    },
    /// The automaton could not be built.
    #[error("list `{name}` cannot be searched for")]
    Build {
        /// The list.
        name: String,
        /// Why.
        #[source]
        source: Box<aho_corasick::BuildError>,
    },
}

/// A list that can be looked for.
#[derive(Clone)]
pub struct List {
    owner: Owner,
    words: AhoCorasick,
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

impl List {
    /// A list of these words. Empty lines and the space around words do not count.
    ///
    /// # Errors
    /// No words, or too many.
    pub fn new<'w>(
        name: &str,
        class: Class,
        words: impl IntoIterator<Item = &'w str>,
        case: Case,
    ) -> Result<List, ListError> {
        let mut all: Vec<String> = Vec::new();
        for word in words
            .into_iter()
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            all.push(word.to_owned());
            if case == Case::Any && !word.is_ascii() {
                all.extend([word.to_lowercase(), word.to_uppercase(), titled(word)]);
            }
        }
        let bytes = all.iter().map(String::len).sum();
        if bytes == 0 {
            return Err(ListError::Empty {
                name: name.to_owned(),
            });
        }
        if bytes > MOST_BYTES {
            return Err(ListError::TooLarge {
                name: name.to_owned(),
                bytes,
            });
        }
        let words = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .start_kind(aho_corasick::StartKind::Both)
            .ascii_case_insensitive(case == Case::Any)
            .build(&all)
            .map_err(|source| ListError::Build {
                name: name.to_owned(),
                source: Box::new(source),
            })?;
        Ok(List {
            owner: Owner::new(name, class),
            words,
        })
    }

    /// The list in a file: a word or phrase a line; lines that begin with `#` are comments.
    ///
    /// # Errors
    /// It cannot be read, or as for [`List::new`].
    pub fn read(name: &str, class: Class, path: &Path, case: Case) -> Result<List, ListError> {
        let failed = |source| ListError::Read {
            name: name.to_owned(),
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).map_err(failed)?.len() > MOST_FILE {
            return Err(ListError::FileTooLarge {
                name: name.to_owned(),
                path: path.to_owned(),
            });
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
        let words = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        List::new(name, class, words, case)
    }

    /// Adds where its words stand in a text.
    pub(crate) fn find(&self, text: &str, found: &mut Vec<Finding>) {
        let mut at = 0;
        while let Some(word) = self.words.find(Input::new(text).range(at..)) {
            let end = if bounded(text, word.start(), word.end()) {
                Some(word.end())
            } else {
                self.shorter(text, word.start(), word.end())
            };
            at = match end {
                Some(end) => {
                    found.push(self.owner.finding(word.start(), end));
                    end
                }
                None => text[word.start()..]
                    .chars()
                    .next()
                    .map_or(text.len(), |first| word.start() + first.len_utf8()),
            };
        }
    }

    /// The longest word that begins here, ends before `end`, and stands alone: `Heron` of `Heron Projects`, where
    /// `Heron Project` is in the list too.
    fn shorter(&self, text: &str, start: usize, end: usize) -> Option<usize> {
        let mut end = end;
        loop {
            let before = text[start..end].chars().next_back()?.len_utf8();
            end -= before;
            let word = self
                .words
                .find(Input::new(text).range(start..end).anchored(Anchored::Yes))?;
            if bounded(text, start, word.end()) {
                return Some(word.end());
            }
            end = word.end();
        }
    }
}

/// `ÉCLAIR` as `Éclair`.
fn titled(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first
            .to_uppercase()
            .chain(letters.flat_map(char::to_lowercase))
            .collect()
    })
}

/// Whether no letter or digit goes on at either end.
fn bounded(text: &str, start: usize, end: usize) -> bool {
    let part = |letter: Option<char>| {
        letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    };
    let word = &text[start..end];
    let before = part(text[..start].chars().next_back()) && part(word.chars().next());
    let behind = part(text[end..].chars().next()) && part(word.chars().next_back());
    !before && !behind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(words: &[&str], case: Case, text: &str) -> Vec<String> {
        let list = List::new("projects", Class::Internal, words.iter().copied(), case).unwrap();
        let mut found = Vec::new();
        list.find(text, &mut found);
        found
            .iter()
            .map(|one| text[one.start..one.end].to_owned())
            .collect()
    }

    #[test]
    fn a_word_is_found_only_where_it_stands_alone() {
        let text = "Heron, Herons, preHeron, Heron_2, (Heron) heron";
        assert_eq!(spans(&["Heron"], Case::Exact, text), ["Heron", "Heron"]);
        assert_eq!(
            spans(&["Heron"], Case::Any, text),
            ["Heron", "Heron", "heron"]
        );
    }

    #[test]
    fn of_two_words_the_longer_that_stands_alone_is_found() {
        let words = ["Heron", "Heron Project", "Blue Heron"];
        assert_eq!(
            spans(&words, Case::Exact, "the Heron Project"),
            ["Heron Project"]
        );
        assert_eq!(spans(&words, Case::Exact, "the Heron Projects"), ["Heron"]);
        assert_eq!(spans(&words, Case::Exact, "a xBlue Heron"), ["Heron"]);
    }

    #[test]
    fn letters_of_every_alphabet_bound_words_and_lose_their_case() {
        assert_eq!(
            spans(&["Süd"], Case::Any, "SÜD süd Süden südö Süd."),
            ["SÜD", "süd", "Süd"]
        );
        assert_eq!(spans(&["計画"], Case::Exact, "機密計画書 計画 "), ["計画"]);
        assert_eq!(
            spans(&["#42-x"], Case::Exact, "see#42-x, #42-xy"),
            ["#42-x"]
        );
    }

    #[test]
    fn a_list_with_nothing_or_too_much_in_it_is_refused_with_a_sentence() {
        let empty = List::new("projects", Class::Internal, [" ", ""], Case::Any).unwrap_err();
        assert_eq!(
            empty.to_string(),
            "list `projects` has no words: write one a line, or remove the list"
        );
        let word = "x".repeat(MOST_BYTES + 1);
        let large = List::new("projects", Class::Internal, [word.as_str()], Case::Any).unwrap_err();
        assert!(large.to_string().contains("more than 2097152"), "{large}");
    }
}
