//! `delete`: remove a box and all that was made for it.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::cli::Delete;
use crate::lifecycle::context::Context;
use crate::lifecycle::teardown;
use crate::state::{StateError, Status};

/// How long `delete` without `--force` waits for a process that is ending.
const GRACE: Duration = Duration::from_millis(100);

/// Run the verb.
pub fn run(context: &Context, args: &Delete) -> Result<()> {
    let store = context.store()?;
    // Of one that was killed, a name of nobody's may be left.
    store.sweep_drafts();
    let state = match store.load(&args.id) {
        Ok(state) => state,
        // Engines call this after a create that failed, when nothing is left.
        Err(StateError::NotFound(_)) if args.force => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if let Some(Ok(held)) = state
        .init
        .filter(|_| !args.force && state.status() != Status::Created)
        .map(|init| init.hold())
    {
        // A process that was just killed takes a moment to end.
        held.wait_end(GRACE)?;
    }
    match state.status() {
        Status::Stopped | Status::Created => {}
        _ if args.force => {}
        other => bail!(
            "cannot delete container \"{}\" that is not stopped: {other}",
            args.id
        ),
    }
    teardown::take_down(context, &store, &state)
}
