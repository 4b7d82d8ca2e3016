//! `checkpoint` and `restore`: refused. criu would put a program's memory back, but not the walls it stood in: the read-only
//! mounts, Landlock and the filters of a new box are made by steps that a restored process does not go through. A
//! checkpoint that cannot be restored would end a program for nothing, so that is refused too.

use anyhow::{Context as _, Result, bail};

use crate::cli::Image;
use crate::lifecycle::context::Context;
use crate::state::{Status, check_id};

/// Run `checkpoint`. The container goes on.
pub fn checkpoint(context: &Context, args: &Image) -> Result<()> {
    let id = args.id().context("checkpoint needs a container's id")?;
    let state = context.store()?.load(id)?;
    if state.status() == Status::Stopped {
        bail!("container not running");
    }
    bail!(
        "cannot checkpoint container \"{id}\": this runtime cannot put its walls back at a restore, so it is left as it is"
    )
}

/// Run `restore`. Nothing is made.
pub fn restore(args: &Image) -> Result<()> {
    let id = check_id(args.id().context("restore needs a container's id")?)?;
    bail!(
        "cannot restore container \"{id}\": this runtime cannot put a checkpointed program back behind its walls; start it anew"
    )
}
