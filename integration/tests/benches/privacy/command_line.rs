//! What was asked for.

use std::path::PathBuf;

use nemoclaw_tests::bench::{flags, list, number};
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
        let known = ["--rounds", "--seed", "--requests", "--only", "--json"];
        flags(words, &known, |flag, value| {
            match flag {
                "--rounds" => wish.rounds = number(value)?,
                "--seed" => wish.seed = number(value)?,
                "--requests" => wish.requests = number(value)?,
                "--only" => wish.only = list(value),
                "--json" => wish.json = PathBuf::from(value),
                other => return Err(format!("nobody reads `{other}`")),
            }
            Ok(())
        })?;
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
