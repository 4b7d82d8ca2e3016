//! `create`: build a box; its program waits for `start`.

use anyhow::{Context as _, Result};

use crate::cli::Create;
use crate::lifecycle::build::{self, Request};
use crate::lifecycle::context::Context;
use crate::lifecycle::handle::Handle;
use crate::lifecycle::teardown;
use crate::state::BoxState;

/// Run the verb.
pub fn run(context: &Context, args: &Create) -> Result<()> {
    up(context, args, &request(args)).map(drop)
}

/// Build the box and hand its first process's descriptor out; `run` does the same.
pub fn up(context: &Context, args: &Create, request: &Request<'_>) -> Result<BoxState> {
    let handle = Handle::connect(args.pidfd_socket.as_deref())?;
    let state = build::build(context, request)?;
    let sent = match (&handle, state.init) {
        (Some(handle), Some(init)) => init
            .hold()
            .context("the first process ended before its descriptor was sent")
            .and_then(|held| handle.send(&held, "standard")),
        _ => Ok(()),
    };
    if let Err(error) = sent {
        if let Err(left) = teardown::take_down(context, &context.store()?, &state) {
            context.log.warning(&format!("{left:#}"));
        }
        return Err(error);
    }
    Ok(state)
}

/// The arguments as a request.
pub fn request(args: &Create) -> Request<'_> {
    Request {
        id: &args.id,
        bundle: &args.bundle,
        pid_file: args.pid_file.as_deref(),
        console_socket: args.console_socket.as_deref(),
        no_pivot: args.no_pivot,
        no_new_keyring: args.no_new_keyring,
        preserve_fds: args.preserve_fds,
    }
}
