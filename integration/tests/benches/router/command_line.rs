//! What was asked for.

use std::path::PathBuf;

use nemoclaw_tests::bench::{flags, list, number};
use nemoclaw_tests::world::workspace;

use crate::peers::Logs;

/// The flags.
#[derive(Debug)]
pub struct Wish {
    /// Timed rounds; one more is run first and not counted.
    pub rounds: usize,
    /// Of the order.
    pub seed: u64,
    /// Requests of a sample.
    pub requests: usize,
    /// Subjects to leave in; all when empty.
    pub only: Vec<String>,
    /// Modes to leave in; all when empty.
    pub modes: Vec<String>,
    /// Parts to leave in; all when empty.
    pub parts: Vec<String>,
    /// Whether peers log.
    pub logs: Logs,
    /// A directory with another build of the router, measured too.
    pub before: Option<PathBuf>,
    /// Where the numbers go.
    pub json: PathBuf,
}

impl Wish {
    /// Reads the flags.
    pub fn read(words: impl Iterator<Item = String>) -> Result<Wish, String> {
        let mut wish = Wish {
            rounds: 7,
            seed: 1,
            requests: 4000,
            only: Vec::new(),
            modes: Vec::new(),
            parts: Vec::new(),
            logs: Logs::On,
            before: None,
            json: workspace().join("target/bench/router.json"),
        };
        let known = [
            "--rounds",
            "--seed",
            "--requests",
            "--only",
            "--modes",
            "--parts",
            "--logs",
            "--before",
            "--json",
        ];
        flags(words, &known, |flag, value| {
            match flag {
                "--rounds" => wish.rounds = number(value)?,
                "--seed" => wish.seed = number(value)?,
                "--requests" => wish.requests = number(value)?,
                "--only" => wish.only = list(value),
                "--modes" => wish.modes = list(value),
                "--parts" => wish.parts = list(value),
                "--logs" => {
                    wish.logs = match value {
                        "on" => Logs::On,
                        "off" => Logs::Off,
                        other => return Err(format!("`--logs {other}`: there are on and off")),
                    }
                }
                "--before" => wish.before = Some(PathBuf::from(value)),
                "--json" => wish.json = PathBuf::from(value),
                other => return Err(format!("nobody reads `{other}`")),
            }
            Ok(())
        })?;
        if wish.rounds == 0 || wish.requests < 100 {
            return Err("`--rounds` must be 1 or more, `--requests` 100 or more".to_owned());
        }
        Ok(wish)
    }

    /// Whether a part of the bench is asked for.
    pub fn has(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|named| named == part)
    }
}
