//! Documents that are confidential: a text that holds a paragraph of one is known by it, also reflowed and in another case.
//!
//! A document is cut into all runs of eight words. Of every four neighbours the one with the least hash is kept (winnowing), so
//! that a copy of fifteen words or more shares at least two with its source wherever it begins, and less than half of the
//! document is remembered: as hashes, never as text. Two that share are needed: one run of eight words may be a phrase.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nemoclaw_policy::Class;

use super::Owner;
use crate::finding::Finding;

/// So many words has a shingle.
const SHINGLE: usize = 8;
/// Of so many shingles side by side one is kept.
const WINDOW: usize = 4;
/// So many shared shingles make a finding.
const ENOUGH: usize = 2;
/// Shingles that begin at most so many words apart belong to one finding.
const NEAR: usize = SHINGLE + 2 * WINDOW;
/// So large may a document be.
const MOST_BYTES: u64 = 16 << 20;
/// So many files may a directory have, below it included.
const MOST_FILES: usize = 20_000;
/// So deep are directories read.
const DEEPEST: usize = 16;

/// Why documents cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentsError {
    /// A file or directory could not be read.
    #[error("cannot read the document `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A document is too large.
    #[error("the document `{}` is larger than {MOST_BYTES} bytes: split it", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// The directory has too many files or is too deep.
    #[error("`{}` has more than {MOST_FILES} files, or directories more than {DEEPEST} deep: name a smaller directory", path.display())]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
    /// Nothing in it is long enough to be known by.
    #[error(
        "documents `{name}` have no text of {SHINGLE} words: only texts are read, no archives and no images"
    )]
    Empty {
        /// The documents' name.
        name: String,
    },
}

/// What is remembered of documents.
#[derive(Clone)]
pub struct Documents {
    owner: Owner,
    shingles: Arc<HashSet<u64>>,
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documents")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

impl Documents {
    /// Remembers these texts.
    ///
    /// # Errors
    /// None of them has as many words as a shingle.
    pub fn of<T: AsRef<str>>(
        name: &str,
        class: Class,
        texts: impl IntoIterator<Item = T>,
    ) -> Result<Documents, DocumentsError> {
        let mut shingles = HashSet::new();
        for text in texts {
            remember(text.as_ref(), &mut shingles);
        }
        Documents::with(name, class, shingles)
    }

    /// Remembers the texts of a directory, and of those in it. Files that are no text are left out; links are not followed.
    ///
    /// # Errors
    /// Something cannot be read, is too large, or no file is a text.
    pub fn read(name: &str, class: Class, directory: &Path) -> Result<Documents, DocumentsError> {
        let mut files = Vec::new();
        walk(directory, directory, 0, &mut files)?;
        let mut shingles = HashSet::new();
        for path in files {
            if let Some(text) = text_of(&path)? {
                remember(&text, &mut shingles);
            }
        }
        Documents::with(name, class, shingles)
    }

    fn with(name: &str, class: Class, shingles: HashSet<u64>) -> Result<Documents, DocumentsError> {
        if shingles.is_empty() {
            return Err(DocumentsError::Empty {
                name: name.to_owned(),
            });
        }
        Ok(Documents {
            owner: Owner::new(name, class),
            shingles: Arc::new(shingles),
        })
    }

    /// Adds the parts of a text that come from the documents.
    pub(crate) fn find(&self, text: &str, found: &mut Vec<Finding>) {
        let mut places: Vec<(usize, usize)> = Vec::new();
        let mut rolling = Rolling::default();
        let mut open: Option<Shared> = None;
        let mut done: Vec<Shared> = Vec::new();
        for word in Words::new(text) {
            places.push((word.start, word.end));
            let Some(shingle) = rolling.push(word.hash) else {
                continue;
            };
            if !self.shingles.contains(&shingle) {
                continue;
            }
            let first = places.len() - SHINGLE;
            match &mut open {
                Some(shared) if first - shared.latest <= NEAR => {
                    shared.count += usize::from(first > shared.latest);
                    shared.latest = first;
                }
                _ => done.extend(open.replace(Shared {
                    first,
                    latest: first,
                    count: 1,
                })),
            }
        }
        done.extend(open);
        found.extend(
            done.iter()
                .filter(|shared| shared.count >= ENOUGH)
                .map(|shared| {
                    let first = shared.first.saturating_sub(WINDOW - 1);
                    let last = (shared.latest + SHINGLE - 1 + WINDOW - 1).min(places.len() - 1);
                    self.owner.finding(places[first].0, places[last].1)
                }),
        );
    }
}

/// Shingles of a text that documents share, side by side: by the places of their first words.
struct Shared {
    first: usize,
    latest: usize,
    count: usize,
}

/// The hash of the last words.
#[derive(Default)]
struct Rolling {
    last: VecDeque<u64>,
    sum: u64,
}

impl Rolling {
    const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

    /// The hash of the shingle that this word completes.
    fn push(&mut self, word: u64) -> Option<u64> {
        if self.last.len() == SHINGLE {
            let oldest = self.last.pop_front().unwrap_or_default();
            let weight = (1..SHINGLE).fold(1_u64, |weight, _| weight.wrapping_mul(Self::BASE));
            self.sum = self.sum.wrapping_sub(oldest.wrapping_mul(weight));
        }
        self.sum = self.sum.wrapping_mul(Self::BASE).wrapping_add(word);
        self.last.push_back(word);
        (self.last.len() == SHINGLE).then(|| mix(self.sum))
    }
}

fn mix(mut value: u64) -> u64 {
    value ^= value >> 33;
    value = value.wrapping_mul(0xff51_afd7_ed55_8ccd);
    value ^ (value >> 33)
}

/// Keeps the least of every few shingles of a text.
fn remember(text: &str, shingles: &mut HashSet<u64>) {
    let mut rolling = Rolling::default();
    let mut window: VecDeque<u64> = VecDeque::with_capacity(WINDOW);
    let mut any = false;
    for shingle in Words::new(text).filter_map(|word| rolling.push(word.hash)) {
        if window.len() == WINDOW {
            window.pop_front();
        }
        window.push_back(shingle);
        if window.len() == WINDOW {
            any = true;
            shingles.extend(window.iter().min());
        }
    }
    if !any {
        // Too short for a window: all that there is, so that a short notice is known too.
        shingles.extend(window);
    }
}

/// A word of a text: its letters and digits in lower case, hyphens at the ends of lines taken out.
struct Normal {
    hash: u64,
    start: usize,
    end: usize,
}

struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Words<'a> {
        Words { text, at: 0 }
    }
}

impl Iterator for Words<'_> {
    type Item = Normal;

    fn next(&mut self) -> Option<Normal> {
        let rest = &self.text[self.at..];
        let start = self.at + rest.find(char::is_alphanumeric)?;
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut end = start;
        let mut letters = self.text[start..].char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            if letter.is_alphanumeric() {
                for lower in letter.to_lowercase() {
                    hash = (hash ^ u64::from(lower)).wrapping_mul(0x100_0000_01b3);
                }
                end = start + at + letter.len_utf8();
            } else if letter == '\u{ad}' {
                continue;
            } else if letter == '-' && broken(&self.text[start + at..]) {
                while letters
                    .next_if(|(_, blank)| blank.is_whitespace())
                    .is_some()
                {}
            } else {
                break;
            }
        }
        self.at = end;
        Some(Normal {
            hash: mix(hash),
            start,
            end,
        })
    }
}

/// Whether a hyphen stands at the end of a line and the word goes on in the next.
fn broken(text: &str) -> bool {
    let behind = text[1..].trim_start_matches([' ', '\r']);
    behind.strip_prefix('\n').is_some_and(|next| {
        next.trim_start_matches([' ', '\t', '>'])
            .starts_with(char::is_lowercase)
    })
}

/// All files below a directory, not through links.
fn walk(
    top: &Path,
    directory: &Path,
    depth: usize,
    files: &mut Vec<PathBuf>,
) -> Result<(), DocumentsError> {
    let failed = |source| DocumentsError::Read {
        path: directory.to_owned(),
        source,
    };
    if depth > DEEPEST {
        return Err(DocumentsError::TooMany {
            path: top.to_owned(),
        });
    }
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            walk(top, &entry.path(), depth + 1, files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
        if files.len() > MOST_FILES {
            return Err(DocumentsError::TooMany {
                path: top.to_owned(),
            });
        }
    }
    Ok(())
}

/// The text of a file, if it is one.
fn text_of(path: &Path) -> Result<Option<String>, DocumentsError> {
    let failed = |source| DocumentsError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(DocumentsError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(String::from_utf8(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "The board has resolved to close the plant in Lindau by the end of March and to move the production of \
        the smaller pumps to the new hall near Brescia, where the lease runs until the autumn of next year. Nothing of this may \
        be said to the works council before the notary has signed, and the bank has asked for silence until then as well.";

    fn spans<'t>(text: &'t str, documents: &[&str]) -> Vec<&'t str> {
        let documents = Documents::of("board", Class::Secret, documents).unwrap();
        let mut found = Vec::new();
        documents.find(text, &mut found);
        found.iter().map(|one| &text[one.start..one.end]).collect()
    }

    #[test]
    fn a_sentence_that_was_copied_is_found_reflowed_and_in_another_case() {
        let copy = PAGE[..200]
            .to_uppercase()
            .replace(' ', "\n   > ")
            .replace(',', " -- ");
        let text =
            format!("Could you shorten this for me?\n{copy}\nThank you, and have a good evening.");
        let found = spans(&text, &[PAGE]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("RESOLVED") && found[0].contains("BRESCIA"),
            "{found:?}"
        );
        assert!(!found[0].contains("shorten"));
    }

    #[test]
    fn every_run_of_fifteen_words_is_found_wherever_it_begins() {
        let words: Vec<&str> = PAGE.split_whitespace().collect();
        for run in words.windows(15) {
            let text = format!("please look at this: {} and tell me", run.join(" "));
            assert_eq!(spans(&text, &[PAGE]).len(), 1, "{text}");
        }
    }

    #[test]
    fn a_word_broken_at_the_end_of_a_line_is_one_word() {
        let text = PAGE.replacen("production", "produc-\n tion", 1).replacen(
            "smaller",
            "smal\u{ad}ler",
            1,
        );
        assert!(spans(&text, &[PAGE]).concat().contains("produc-\n tion"));
    }

    #[test]
    fn text_of_another_origin_and_a_single_phrase_are_not_found() {
        let other = "The board of the school has resolved to close the plant sale by the end of the day, and the new hall is open.";
        assert!(spans(other, &[PAGE]).is_empty());
        assert!(
            spans(
                "He said: close the plant in Lindau by the end. No more.",
                &[PAGE]
            )
            .is_empty()
        );
    }

    #[test]
    fn a_directory_is_read_with_what_is_below_it_and_without_links_or_images() {
        let directory =
            std::env::temp_dir().join(format!("nemoclaw-documents-{}", std::process::id()));
        fs::create_dir_all(directory.join("deep")).unwrap();
        fs::write(directory.join("deep/page.txt"), PAGE).unwrap();
        fs::write(directory.join("image"), [0xff, 0xd8, 0xff, 0xe0]).unwrap();
        let documents = Documents::read("board", Class::Secret, &directory);
        fs::remove_dir_all(&directory).unwrap();
        let mut found = Vec::new();
        documents.unwrap().find(PAGE, &mut found);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn documents_without_text_or_that_are_missing_are_refused_with_a_sentence() {
        let empty = Documents::of("board", Class::Secret, ["too short"]).unwrap_err();
        assert!(
            empty
                .to_string()
                .starts_with("documents `board` have no text of 8 words"),
            "{empty}"
        );
        let missing =
            Documents::read("board", Class::Secret, Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "cannot read the document `/nowhere/at/all`"
        );
    }
}
