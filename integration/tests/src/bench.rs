//! What the benches share: their order, their flags' numbers, and the file of what they measured.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use serde_json::Value;

/// Numbers for an order: the same for the same seed (xorshift).
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Begin with `seed`; zero counts as one, since nothing follows from zero.
    #[must_use]
    pub fn new(seed: u64) -> Dice {
        Dice(seed.max(1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Put `list` in another order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let other = (self.next() % (last as u64 + 1)) as usize;
            list.swap(last, other);
        }
    }
}

/// Read the flags of `words`, each with its value; `take` is given those that are `known`.
///
/// # Errors
/// A flag that is not known or has no value, or what `take` says of one: one sentence.
pub fn flags(
    words: impl Iterator<Item = String>,
    known: &[&str],
    mut take: impl FnMut(&str, &str) -> Result<(), String>,
) -> Result<(), String> {
    // cargo says so to every bench.
    let mut words = words.filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        if !known.contains(&word.as_str()) {
            let all = known.join(", ");
            return Err(format!("unknown flag `{word}`: there are {all}"));
        }
        let value = words.next();
        let value = value.ok_or_else(|| format!("`{word}` needs a value"))?;
        take(&word, &value)?;
    }
    Ok(())
}

/// A flag's names, parted by commas.
#[must_use]
pub fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

/// A flag's number.
///
/// # Errors
/// It is none: one sentence.
pub fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

/// The first word of a file of the kernel's; empty where there is none.
#[must_use]
pub fn first_word(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Write all numbers to `path`, whose directory is made.
///
/// # Panics
/// It cannot be written.
pub fn keep(document: &Value, path: &Path) {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).expect("the directory of the numbers");
    }
    let text = serde_json::to_string_pretty(document).expect("JSON");
    fs::write(path, text + "\n").expect("the file of the numbers");
}
