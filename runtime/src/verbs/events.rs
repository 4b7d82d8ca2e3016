//! `events`: a box's numbers and the end of processes by lack of memory, one JSON object a line, until it stops.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::printer;
use crate::cgroup::Cgroup;
use crate::cgroup::stats::Event;
use crate::cli::Events;
use crate::lifecycle::context::Context;
use crate::state::{BoxState, Status};
use crate::sys::pidfd::PidFd;

/// Run the verb.
pub fn run(context: &Context, args: &Events) -> Result<()> {
    let state = context.store()?.load(&args.id)?;
    if state.status() == Status::Stopped {
        bail!("container not running");
    }
    if args.stats {
        return stats(&state);
    }
    let init = state.init.context("container not running")?;
    let held = init.hold().ok().context("container not running")?;
    follow(&state, &held, args.interval)
}

fn follow(state: &BoxState, init: &PidFd, interval: Duration) -> Result<()> {
    let mut listener = Cgroup::of(state)?.listen()?;
    let mut next = Instant::now() + interval;
    loop {
        let wait = next.saturating_duration_since(Instant::now());
        // Rounded up, or the last millisecond would be spent in a loop.
        let wait =
            PollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        let mut fds = [
            PollFd::new(init.as_fd(), PollFlags::POLLIN),
            listener.poll(),
        ];
        match poll(&mut fds, wait) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot wait for the container"),
        }
        let [ended, memory] = fds.map(|fd| fd.any().unwrap_or(false));
        if memory
            && listener
                .heard()
                .context("cannot listen to the container's memory")?
        {
            print(&Event {
                kind: "oom",
                id: &state.id,
                data: None,
            })?;
        }
        if ended {
            return Ok(());
        }
        if Instant::now() >= next {
            match stats(state) {
                Ok(()) => {}
                // The box ended meanwhile, and its cgroup with it.
                Err(_) if init.wait_end(Duration::ZERO)? => return Ok(()),
                Err(error) => return Err(error),
            }
            next = Instant::now() + interval;
        }
    }
}

fn stats(state: &BoxState) -> Result<()> {
    let numbers = Cgroup::of(state)?.stats()?;
    print(&Event {
        kind: "stats",
        id: &state.id,
        data: Some(Box::new(numbers)),
    })
}

fn print(event: &Event<'_>) -> Result<()> {
    printer::text(&serde_json::to_string(event)?)
}
