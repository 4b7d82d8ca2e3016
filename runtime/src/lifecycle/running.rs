//! Telling libcontainer that a box runs: it lets exec into a running container only, and looks at its own file.

use std::path::Path;

use anyhow::{Context as _, Result};
use libcontainer::container::{Container, ContainerStatus};

/// libcontainer's file in its directory of a container.
const STATE: &str = "state.json";

/// Write «running» into libcontainer's file in `directory`, whole at once: its own way leaves an empty file when the
/// verb is killed meanwhile.
///
/// # Errors
/// The file cannot be read or written.
pub fn mark(directory: &Path) -> Result<()> {
    let mut container = Container::load(directory.to_path_buf())?;
    container.set_status(ContainerStatus::Running);
    let draft = directory.join(format!("{STATE}.{}", std::process::id()));
    let text = serde_json::to_vec(&container.state)?;
    std::fs::write(&draft, text)
        .and_then(|()| std::fs::rename(&draft, directory.join(STATE)))
        .context("cannot write libcontainer's state of the container")
}
