//! `resume`: thaw a frozen box.

use anyhow::{Result, bail};

use crate::cgroup::Cgroup;
use crate::lifecycle::context::Context;
use crate::state::Status;

/// Run the verb.
pub fn run(context: &Context, id: &str) -> Result<()> {
    let store = context.store()?;
    let mut state = store.load(id)?;
    match state.status() {
        Status::Paused => {}
        Status::Stopped => bail!("container not running"),
        other => bail!("cannot resume container \"{id}\": it is {other}, not paused"),
    }
    Cgroup::of(&state)?.thaw()?;
    state.paused = false;
    Ok(store.save(&state)?)
}
