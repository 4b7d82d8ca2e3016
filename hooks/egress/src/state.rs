//! What the hook is told: the OCI state on standard input, and the hand-over in the directory that it names.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use nemoclaw_policy::handover::{self, Handover};
use serde::Deserialize;

use crate::error::HookError;

/// An OCI state is a few hundred bytes; annotations may make it longer, but not this long.
const MAX_STATE: u64 = 1 << 20;
/// What nf_tables keep with a table is 256 bytes at most.
const MAX_NAME: usize = 200;

/// The parts of an OCI state that matter here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct State {
    /// Container id.
    pub id: String,
    /// The first process; 0 or absent after its end.
    #[serde(default)]
    pid: i32,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl State {
    /// Read it.
    ///
    /// # Errors
    /// It cannot be read, or is no state.
    pub fn read(input: impl Read) -> Result<State, HookError> {
        let mut bytes = Vec::new();
        input
            .take(MAX_STATE)
            .read_to_end(&mut bytes)
            .map_err(HookError::Input)?;
        serde_json::from_slice(&bytes).map_err(HookError::State)
    }

    /// The first process's pid.
    ///
    /// # Errors
    /// There is none, or none any more.
    pub fn process(&self) -> Result<i32, HookError> {
        (self.pid > 0)
            .then_some(self.pid)
            .ok_or(HookError::NoProcess)
    }

    /// The sandbox's directory.
    ///
    /// # Errors
    /// It is not named.
    pub fn directory(&self) -> Result<PathBuf, HookError> {
        let named = self
            .annotations
            .as_ref()
            .and_then(|all| all.get(handover::STATE_ANNOTATION))
            .map(PathBuf::from);
        named
            .filter(|path| path.is_absolute())
            .ok_or(HookError::NoAnnotation)
    }

    /// The hand-over in `directory`.
    ///
    /// # Errors
    /// It is missing, of another version, or for another container.
    pub fn handover(&self, directory: &Path) -> Result<Handover, HookError> {
        let path = directory.join(handover::FILE);
        let text = std::fs::read(&path).map_err(|source| HookError::Handover {
            path: path.clone(),
            source,
        })?;
        let told: Handover =
            serde_json::from_slice(&text).map_err(|source| HookError::Form { path, source })?;
        if told.version != 1 {
            return Err(HookError::Version {
                version: told.version,
            });
        }
        if told.sandbox != self.id {
            return Err(HookError::OtherSandbox {
                container: self.id.clone(),
                sandbox: told.sandbox,
            });
        }
        match told.sandbox.len() {
            0..=MAX_NAME => Ok(told),
            length => Err(HookError::LongName { length }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_without_our_annotation_is_refused() {
        for text in [
            r#"{"id":"a","pid":1}"#,
            r#"{"id":"a","annotations":{"nemoclaw.dev/state":"relative"}}"#,
        ] {
            let state = State::read(text.as_bytes()).unwrap();
            assert!(matches!(state.directory(), Err(HookError::NoAnnotation)));
        }
        assert!(matches!(State::read(&b"no"[..]), Err(HookError::State(_))));
    }
}
