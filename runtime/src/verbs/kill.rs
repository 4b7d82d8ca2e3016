//! `kill`: a signal to init, or to everyone in the box.

use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::cgroup::Cgroup;
use crate::cli::Kill;
use crate::lifecycle::context::Context;
use crate::state::Status;

/// The first and last real-time signal as programs see them.
const REAL_TIME: (i32, i32) = (34, 64);

/// Run the verb.
pub fn run(context: &Context, args: &Kill) -> Result<()> {
    let signal =
        number(&args.signal).with_context(|| format!("unknown signal \"{}\"", args.signal))?;
    let state = context.store()?.load(&args.id)?;
    if args.all {
        // init may have ended before the others; then they are all that is left.
        return Ok(Cgroup::of(&state)?.signal_all(signal)?);
    }
    let Some(init) = state.init.filter(|_| state.status() != Status::Stopped) else {
        bail!("container not running");
    };
    match init.hold().and_then(|held| held.send(signal)) {
        Ok(()) => {}
        Err(Errno::ESRCH) => bail!("os: process already finished"),
        Err(error) => bail!(
            "cannot send the signal to process {}: {}",
            init.pid,
            error.desc()
        ),
    }
    if state.paused && signal == libc::SIGKILL {
        // A frozen process ends when it may run again.
        Cgroup::of(&state)?.thaw()?;
    }
    Ok(())
}

/// `9`, `KILL`, `SIGKILL`, `RTMIN+1`.
fn number(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (0..=REAL_TIME.1).contains(&number).then_some(number);
    }
    let name = text.to_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let offset = |rest: &str| {
        if rest.is_empty() {
            Some(0)
        } else {
            rest.parse::<i32>().ok()
        }
    };
    let real_time = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => Some(REAL_TIME.0 + offset(rest)?),
        (_, Some(rest)) => Some(REAL_TIME.1 + offset(rest)?),
        _ => None,
    };
    match real_time {
        Some(number) => (REAL_TIME.0..=REAL_TIME.1)
            .contains(&number)
            .then_some(number),
        None => Signal::from_str(&format!("SIG{name}"))
            .ok()
            .map(|signal| signal as i32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_a_number_or_a_name_with_or_without_its_prefix() {
        for (text, expected) in [
            ("9", 9),
            ("KILL", 9),
            ("SIGKILL", 9),
            ("term", 15),
            ("RTMIN+3", 37),
            ("SIGRTMAX-1", 63),
        ] {
            assert_eq!(number(text), Some(expected), "{text}");
        }
        for text in ["", "NOPE", "65", "-1", "RTMIN+40", "RTMAX+1"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
