//! What was asked for.

use std::path::PathBuf;

use nemoclaw_tests::bench::number;
use nemoclaw_tests::world::workspace;

/// The flags.
#[derive(Debug)]
pub struct Wish {
    /// Timed rounds; one more is run first and not counted.
    pub rounds: usize,
    /// Of the order.
    pub seed: u64,
    /// Requests of a sample; peers of which one takes a hundred times as long make a tenth.
    pub requests: usize,
    /// Subjects to leave in; all when empty.
    pub only: Vec<String>,
    /// Where the numbers go.
    pub json: PathBuf,
}

impl Wish {
    /// Reads the flags.
    pub fn read(words: impl Iterator<Item = String>) -> Result<Wish, String> {
        let mut wish = Wish {
            rounds: 7,
            seed: 1,
            requests: 400,
            only: Vec::new(),
            json: workspace().join("target/bench/privacy.json"),
        };
        let mut words = words;
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .ok_or_else(|| format!("`{word}` needs a value"))
            };
            match word.as_str() {
                "--rounds" => wish.rounds = number(&value()?)?,
                "--seed" => wish.seed = number(&value()?)?,
                "--requests" => wish.requests = number(&value()?)?,
                "--only" => wish.only = value()?.split(',').map(str::to_owned).collect(),
                "--json" => wish.json = PathBuf::from(value()?),
                // cargo says so to every bench.
                "--bench" => {}
                _ => {
                    return Err(format!(
                        "unknown flag `{word}`: there are --rounds, --seed, --requests, --only and --json"
                    ));
                }
            }
        }
        if wish.rounds == 0 || wish.requests < 20 {
            return Err("`--rounds` must be 1 or more, `--requests` 20 or more".to_owned());
        }
        Ok(wish)
    }

    /// Whether a subject is asked for.
    pub fn wants(&self, subject: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|named| named == subject)
    }
}
