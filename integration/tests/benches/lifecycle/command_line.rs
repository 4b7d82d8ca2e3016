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
    /// Subjects to leave in; all when empty.
    pub only: Vec<String>,
    /// A directory with another build of ours, to compare with.
    pub before: Option<PathBuf>,
    /// Where the numbers go.
    pub output: PathBuf,
}

impl Wish {
    /// Reads the flags.
    pub fn read(words: impl Iterator<Item = String>) -> Result<Wish, String> {
        let mut wish = Wish {
            rounds: 50,
            seed: 1,
            only: Vec::new(),
            before: None,
            output: workspace().join("target/bench/lifecycle.json"),
        };
        let known = ["--rounds", "--seed", "--only", "--before", "--output"];
        flags(words, &known, |flag, value| {
            match flag {
                "--rounds" => wish.rounds = number(value)?,
                "--seed" => wish.seed = number(value)?,
                "--only" => wish.only = list(value),
                "--before" => wish.before = Some(PathBuf::from(value)),
                "--output" => wish.output = PathBuf::from(value),
                other => return Err(format!("nobody reads `{other}`")),
            }
            Ok(())
        })?;
        if wish.rounds == 0 {
            return Err("`--rounds` must be 1 or more".to_owned());
        }
        Ok(wish)
    }
}
