//! `create`: build a box; its program waits for `start`.

use anyhow::Result;

use crate::cli::Create;
use crate::lifecycle::build::{self, Request};
use crate::lifecycle::context::Context;

/// Run the verb.
pub fn run(context: &Context, args: &Create) -> Result<()> {
    build::build(context, &request(args)).map(drop)
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
