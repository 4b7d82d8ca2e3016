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
                "--only" => wish.only = value()?.split(',').map(str::to_owned).collect(),
                "--before" => wish.before = Some(PathBuf::from(value()?)),
                "--output" => wish.output = PathBuf::from(value()?),
                // cargo says so to every bench.
                "--bench" => {}
                _ => {
                    return Err(format!(
                        "unknown flag `{word}`: there are --rounds, --seed, --only, --before and --output"
                    ));
                }
            }
        }
        if wish.rounds == 0 {
            return Err("`--rounds` must be 1 or more".to_owned());
        }
        Ok(wish)
    }
}
