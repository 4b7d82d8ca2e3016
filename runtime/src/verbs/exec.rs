//! `exec`: another program in a box.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use oci_spec::runtime::{Process, User};

use crate::cli::Exec;
use crate::enforce::capabilities;
use crate::input;
use crate::lifecycle::build::write_pid;
use crate::lifecycle::console::Listening;
use crate::lifecycle::context::Context;
use crate::lifecycle::foreground::Foreground;
use crate::lifecycle::handle::Handle;
use crate::lifecycle::tenant::{self, Request};
use crate::raise::labels;
use crate::state::Repeated;
use crate::sys::pidfd::PidFd;

/// Run the verb; the program's exit code.
pub fn run(context: &Context, args: &Exec) -> Result<u8> {
    let store = context.store()?;
    let state = store.load(&args.id)?;
    let repeated = store.load_repeated(&args.id)?;
    let process = match &args.process {
        Some(path) => read(path)?,
        None => from_arguments(&repeated, args)?,
    };
    refuse_unsupported(args)?;
    let terminal = process.terminal().unwrap_or(false);
    if terminal && args.detach && args.console_socket.is_none() {
        bail!("cannot give a detached process a terminal without --console-socket");
    }
    let own_console = terminal && args.console_socket.is_none();
    let listening = own_console
        .then(|| Listening::new(&store.directory(&args.id)?))
        .transpose()?;
    let request = Request {
        process: &process,
        console_socket: listening
            .as_ref()
            .map(Listening::path)
            .or(args.console_socket.as_deref()),
        preserve_fds: args.preserve_fds,
        ignore_paused: args.ignore_paused,
    };
    labels::check(&process)?;
    let handle = Handle::connect(args.pidfd_socket.as_deref())?;
    let child = tenant::start(context, &store, &state, &repeated, &request)?;
    if let Some(handle) = handle {
        // It is our child and not reaped, so its number names it even when it has ended.
        let held = PidFd::open(child).context("the process is gone")?;
        if let Err(error) = handle.send(&held, "setns") {
            // The caller could not follow it; it may have ended on its own.
            held.send(libc::SIGKILL).ok();
            return Err(error);
        }
    }
    write_pid(args.pid_file.as_deref(), child.as_raw())?;
    if args.detach {
        return Ok(0);
    }
    let console = listening.map(Listening::accept).transpose()?;
    Foreground::new()?.wait(child, console.as_ref())
}

/// Options of runc's that would change where or as what the process runs.
fn refuse_unsupported(args: &Exec) -> Result<()> {
    if args.process_label.is_some() {
        bail!("cannot give a process an SELinux label: leave out --process-label");
    }
    if args.cgroup.is_some() {
        bail!("a process runs in its container's own cgroup: leave out --cgroup");
    }
    Ok(())
}

fn read(path: &Path) -> Result<Process> {
    let bytes = std::fs::File::open(path)
        .and_then(|file| input::stream(file, input::LONGEST_CONFIG))
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    serde_json::from_slice(&bytes)
        .with_context(|| format!("invalid process in `{}`", path.display()))
}

/// init's process with what the arguments change.
fn from_arguments(repeated: &Repeated, args: &Exec) -> Result<Process> {
    if args.args.is_empty() {
        bail!("exec needs a program: pass it after the container's id, or give --process");
    }
    let mut process = repeated
        .process
        .clone()
        .context("the container has not been created yet")?;
    process
        .set_args(Some(args.args.clone()))
        .set_terminal(Some(args.tty));
    if let Some(cwd) = &args.cwd {
        process.set_cwd(cwd.clone());
    }
    if let Some(profile) = &args.apparmor {
        process.set_apparmor_profile(Some(profile.clone()));
    }
    if args.no_new_privs {
        process.set_no_new_privileges(Some(true));
    }
    let mut variables = process.env().clone().unwrap_or_default();
    variables.extend(args.env.iter().cloned());
    process.set_env(Some(last_of_each(variables)));
    process.set_user(user(process.user(), args)?);
    for name in &args.cap {
        let capability =
            capabilities::named(name).with_context(|| format!("unknown capability \"{name}\""))?;
        let mut sets = process
            .capabilities()
            .clone()
            .unwrap_or_else(|| capabilities::none_but(&[]));
        capabilities::add(&mut sets, capability);
        process.set_capabilities(Some(sets));
    }
    Ok(process)
}

fn user(init: &User, args: &Exec) -> Result<User> {
    let mut user = init.clone();
    if let Some(text) = &args.user {
        let (uid, gid) = text
            .split_once(':')
            .map_or((text.as_str(), None), |(uid, gid)| (uid, Some(gid)));
        user.set_uid(
            uid.parse()
                .with_context(|| format!("\"{uid}\" is no user number"))?,
        );
        if let Some(gid) = gid {
            user.set_gid(
                gid.parse()
                    .with_context(|| format!("\"{gid}\" is no group number"))?,
            );
        }
    }
    if !args.additional_gids.is_empty() {
        user.set_additional_gids(Some(args.additional_gids.clone()));
    }
    Ok(user)
}

/// The last value of each variable, in the order in which the names first came.
fn last_of_each(variables: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for entry in variables {
        let name = entry.split('=').next().unwrap_or_default().to_owned();
        match kept
            .iter_mut()
            .find(|old| old.split('=').next() == Some(&name))
        {
            Some(old) => *old = entry,
            None => kept.push(entry),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_given_again_replaces_the_first() {
        let given = ["A=1", "B=2", "A=3"].map(str::to_owned).to_vec();
        assert_eq!(last_of_each(given), ["A=3", "B=2"]);
    }
}
