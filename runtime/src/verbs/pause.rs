//! `pause`: freeze everyone in a box.

use anyhow::{Result, bail};

use crate::cgroup::Cgroup;
use crate::lifecycle::context::Context;
use crate::state::Status;

/// Run the verb.
pub fn run(context: &Context, id: &str) -> Result<()> {
    let store = context.store()?;
    let mut state = store.load(id)?;
    match state.status() {
        Status::Running => {}
        Status::Stopped => bail!("container not running"),
        other => bail!("cannot pause container \"{id}\": it is {other}"),
    }
    Cgroup::of(&state)?.freeze()?;
    state.paused = true;
    Ok(store.save(&state)?)
}
