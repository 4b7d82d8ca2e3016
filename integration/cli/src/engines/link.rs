//! Links that carry a policy in their name, for engines that give a runtime no arguments: `nemoclaw-runtime.strict`.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::{Engine, PROGRAM};

/// A link beside the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it stands.
    pub path: PathBuf,
    /// What it leads to: the program's own name, so that both can be moved together.
    pub target: PathBuf,
}

/// What stands at a link's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// The link.
    It,
    /// Something else.
    Other,
}

impl Link {
    /// The link of `program` for `policy`.
    pub fn new(program: &Path, policy: &str) -> Self {
        Self {
            path: program.with_file_name(format!("{PROGRAM}.{policy}")),
            target: program.file_name().unwrap_or_default().into(),
        }
    }

    /// The link at a path that an engine's file names, if it is one.
    pub fn at(path: &Path) -> Option<Self> {
        let target = std::fs::read_link(path).ok()?;
        let is_ours = target == Path::new(PROGRAM);
        is_ours.then(|| Self {
            path: path.to_owned(),
            target,
        })
    }

    /// Look.
    pub fn look(&self) -> Found {
        match std::fs::read_link(&self.path) {
            Ok(target) if target == self.target => Found::It,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Nothing,
            _ => Found::Other,
        }
    }

    /// Make it.
    pub fn make(&self) -> io::Result<()> {
        symlink(&self.target, &self.path)
    }

    /// Remove it.
    pub fn remove(&self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }

    /// Whether the usual file of an engine, other than `edited`, names it.
    pub fn is_needed_elsewhere(&self, edited: &Path) -> bool {
        let others = Engine::ALL.map(Engine::usual_file);
        others.iter().filter(|file| **file != edited).any(|file| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            self.path.to_str().is_some_and(|path| text.contains(path))
        })
    }
}
