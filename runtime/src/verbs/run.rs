//! `run`: create, start and, unless detached, wait.

use anyhow::{Context as _, Result, bail};
use nix::unistd::Pid;
use oci_spec::runtime::Spec;

use super::{create, start};
use crate::cli::Run;
use crate::lifecycle::console::Listening;
use crate::lifecycle::context::Context;
use crate::lifecycle::foreground::Foreground;
use crate::lifecycle::teardown;

/// Run the verb; the program's exit code.
pub fn run(context: &Context, args: &Run) -> Result<u8> {
    let mut request = create::request(&args.create);
    let config = args.create.bundle.join("config.json");
    let spec =
        Spec::load(&config).with_context(|| format!("cannot read `{}`", config.display()))?;
    let terminal = spec
        .process()
        .as_ref()
        .and_then(|process| process.terminal())
        .unwrap_or(false);
    let own_console = terminal && !args.detach && request.console_socket.is_none();
    if terminal && args.detach && request.console_socket.is_none() {
        bail!("cannot give a detached container a terminal without --console-socket");
    }
    let store = context.store()?;
    std::fs::create_dir_all(&store.root)
        .with_context(|| format!("cannot make `{}`", store.root.display()))?;
    let listening = own_console
        .then(|| Listening::new(&store.root))
        .transpose()?;
    if let Some(listening) = &listening {
        request.console_socket = Some(listening.path());
    }
    let state = create::up(context, &args.create, &request)?;
    let outcome = (|| {
        let console = listening.map(Listening::accept).transpose()?;
        if args.detach {
            start::run(context, &args.create.id)?;
            return Ok(0);
        }
        let foreground = Foreground::new()?;
        start::run(context, &args.create.id)?;
        let init = state.init.context("the container has no first process")?;
        foreground.wait(Pid::from_raw(init.pid), console.as_ref())
    })();
    if outcome.is_err() || !(args.detach || args.keep) {
        let removed = store.load(&args.create.id).map_err(Into::into);
        let removed = removed.and_then(|state| teardown::take_down(context, &store, &state));
        return outcome.and_then(|code| removed.map(|()| code));
    }
    outcome
}
