//! `start`: let init become its program, and say so when it cannot.

use anyhow::{Context as _, Result, bail};

use crate::enforce::report;
use crate::lifecycle::context::Context;
use crate::lifecycle::hooks;
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
    let answer = report::connect(&store.directory(id)?)
        .context("the container's first process does not wait for a start")?;
    if let Some(sentence) =
        report::outcome(answer).context("the container's first process gave no answer")?
    {
        bail!(sentence);
    }
    state.phase = Phase::Running;
    // That it runs is seen also where this cannot be written; a start that fails would have to end it.
    if let Err(error) = store.save(&state).map_err(anyhow::Error::from) {
        context.log.warning(&format!("{error:#}"));
    }
    hooks::poststart(context, &state);
    Ok(())
}
