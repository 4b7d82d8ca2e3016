//! `delete`: remove a box and all that was made for it.

use anyhow::{Result, bail};

use crate::cli::Delete;
use crate::lifecycle::context::Context;
use crate::lifecycle::teardown;
use crate::state::{StateError, Status};

/// Run the verb.
pub fn run(context: &Context, args: &Delete) -> Result<()> {
    let store = context.store()?;
    let state = match store.load(&args.id) {
        Ok(state) => state,
        // Engines call this after a create that failed, when nothing is left.
        Err(StateError::NotFound(_)) if args.force => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match state.status() {
        Status::Stopped | Status::Created => {}
        _ if args.force => {}
        other => bail!("cannot delete container \"{}\" that is not stopped: {other}", args.id),
    }
    teardown::take_down(context, &store, &state)
}
