//! Engines' configuration files: our runtimes in them and out of them, as text in and text out.
//!
//! A file keeps all that is not ours, comments and spaces too. What is ours is told by the program's name
//! (`nemoclaw-runtime`, `nemoclaw-runtime.POLICY`), so no mark of ours is needed in the file.

pub mod containerd;
pub mod crio;
pub mod diff;
pub mod docker;
mod error;
pub mod file;
mod json;
pub mod link;
pub mod podman;
mod toml;

use std::path::{Path, PathBuf};

pub use error::EditError;

/// The usual runtime's name.
pub const NAME: &str = "nemoclaw";
/// The runtime's program.
pub const PROGRAM: &str = "nemoclaw-runtime";

/// Engines with a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// `daemon.json`.
    Docker,
    /// `config.toml`, with its CRI plugin, which is how Kubernetes gets it.
    Containerd,
    /// `containers.conf`.
    Podman,
    /// `crio.conf`, or a file beside it.
    Crio,
}

/// A runtime as it stands, or shall stand, in an engine's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// What people call it in that engine.
    pub name: String,
    /// What the engine runs.
    pub program: PathBuf,
    /// The policy that the engine gives as an argument.
    pub policy: Option<String>,
}

impl Runtime {
    /// Whether it is ours, and not another's that has our name.
    fn is_ours(&self) -> bool {
        self.name == NAME || is_our_program(&self.program)
    }
}

/// Whether a program is our runtime, or a link to it that names a policy.
fn is_our_program(program: &Path) -> bool {
    let name = program.file_name().and_then(|name| name.to_str());
    let rest = name.and_then(|name| name.strip_prefix(PROGRAM));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// A path as text.
fn text_of(path: &Path) -> Result<&str, EditError> {
    path.to_str()
        .ok_or_else(|| EditError::Path(path.to_owned()))
}

impl Engine {
    /// All of them.
    pub const ALL: [Engine; 4] = [
        Engine::Docker,
        Engine::Containerd,
        Engine::Podman,
        Engine::Crio,
    ];

    /// Where its file usually is.
    pub fn usual_file(self) -> &'static Path {
        Path::new(match self {
            Engine::Docker => "/etc/docker/daemon.json",
            Engine::Containerd => "/etc/containerd/config.toml",
            Engine::Podman => "/etc/containers/containers.conf",
            Engine::Crio => "/etc/crio/crio.conf.d/50-nemoclaw.conf",
        })
    }

    /// Whether its file can give a runtime arguments; where not, a link's name gives the policy.
    pub fn passes_arguments(self) -> bool {
        self == Engine::Docker
    }

    /// The command after which it has read its file; `None` where it reads it at each call.
    pub fn takes_notice_by(self) -> Option<&'static str> {
        match self {
            Engine::Docker => Some("kill -HUP $(pidof dockerd)"),
            Engine::Containerd => Some("systemctl restart containerd"),
            Engine::Podman => None,
            Engine::Crio => Some("systemctl restart crio"),
        }
    }

    /// Add or correct these runtimes. The same text when all is as it should be.
    pub fn register(self, text: &str, runtimes: &[Runtime]) -> Result<String, EditError> {
        for wanted in runtimes {
            let there = self.all(text)?;
            if let Some(foreign) = there
                .iter()
                .find(|have| have.name == wanted.name && !have.is_ours())
            {
                return Err(EditError::Foreign {
                    name: foreign.name.clone(),
                    program: foreign.program.clone(),
                });
            }
        }
        match self {
            Engine::Docker => docker::register(text, runtimes),
            Engine::Containerd => containerd::register(text, runtimes),
            Engine::Podman => podman::register(text, runtimes),
            Engine::Crio => crio::register(text, runtimes),
        }
    }

    /// Take runtimes of ours out by name.
    pub fn unregister(self, text: &str, names: &[String]) -> Result<String, EditError> {
        match self {
            Engine::Docker => docker::unregister(text, names),
            Engine::Containerd => containerd::unregister(text, names),
            Engine::Podman => podman::unregister(text, names),
            Engine::Crio => crio::unregister(text, names),
        }
    }

    /// Those of ours that stand in the file.
    pub fn ours(self, text: &str) -> Result<Vec<Runtime>, EditError> {
        let mut all = self.all(text)?;
        all.retain(Runtime::is_ours);
        Ok(all)
    }

    fn all(self, text: &str) -> Result<Vec<Runtime>, EditError> {
        match self {
            Engine::Docker => docker::runtimes(text),
            Engine::Containerd => containerd::runtimes(text),
            Engine::Podman => podman::runtimes(text),
            Engine::Crio => crio::runtimes(text),
        }
    }

    /// What in the file keeps the engine from using its runtimes at all.
    pub fn obstacle(self, text: &str) -> Result<Option<&'static str>, EditError> {
        match self {
            Engine::Containerd => containerd::obstacle(text),
            Engine::Docker | Engine::Podman | Engine::Crio => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
