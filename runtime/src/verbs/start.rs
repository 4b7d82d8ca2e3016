//! `start`: let init become its program, and say so when it cannot.

use anyhow::{Context as _, Result, bail};
use libcontainer::notify_socket::{NOTIFY_FILE, NotifySocket};

use crate::enforce::report;
use crate::lifecycle::context::Context;
use crate::lifecycle::{hooks, running};
use crate::state::{Phase, Status};

/// Run the verb.
pub fn run(context: &Context, id: &str) -> Result<()> {
    let store = context.store()?;
    let mut state = store.load(id)?;
    match state.status() {
        Status::Created => {}
        Status::Stopped => bail!("cannot start a container that has stopped"),
        other => bail!("cannot start container \"{id}\": it is {other}"),
    }
    let box_dir = store.directory(id)?;
    let directory = store.libcontainer_directory(id)?;
    let answer = report::connect(&box_dir)
        .context("the container's first process does not wait for a start")?;
    NotifySocket::new(directory.join(NOTIFY_FILE)).notify_container_start()?;
    if let Some(sentence) =
        report::outcome(answer).context("the container's first process gave no answer")?
    {
        bail!(sentence);
    }
    running::mark(&directory)?;
    state.phase = Phase::Running;
    store.save(&state)?;
    hooks::poststart(&state, &box_dir)
}
