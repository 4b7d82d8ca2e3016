//! A process that a verb makes and hears of: the clone, its users, and its end when something fails.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2};

use crate::enforce::report::in_directory;
use crate::raise::channel::{Channel, Word};
use crate::raise::error::RaiseError;
use crate::sys::clone::{self, Cloned, Parent, leave};

/// A new process.
pub struct Made {
    /// Its number on the host.
    pub pid: Pid,
    /// This end of the channel to it.
    pub channel: Channel,
}

impl Made {
    /// Clone a process that lives `life`, in `namespaces`; in the user namespace `users`, where one is to be joined.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn new(
        namespaces: u64,
        cgroup: Option<BorrowedFd<'_>>,
        users: Option<&OwnedFd>,
        life: impl FnOnce(Channel),
    ) -> Result<Made> {
        let (channel, theirs) = Channel::pair().context("cannot make a socket")?;
        let Some(users) = users else {
            return match clone::clone(namespaces, cgroup, Parent::Caller).map_err(refused)? {
                Cloned::Child => {
                    drop(channel);
                    life(theirs);
                    leave(1)
                }
                Cloned::Parent { pid, .. } => Ok(Made { pid, channel }),
            };
        };
        let number = in_users(users, namespaces, cgroup, || life(theirs))?;
        Ok(Made {
            pid: Pid::from_raw(number),
            channel,
        })
    }

    /// Say a word to it.
    ///
    /// # Errors
    /// It is gone; then what it said last.
    pub fn tell(&self, word: &Word) -> Result<()> {
        match self.channel.say(word) {
            Ok(()) => Ok(()),
            Err(_) => match self.channel.hear(Some(Duration::ZERO)) {
                Ok(Some(Word::Failed(sentence))) => bail!(sentence),
                _ => Err(self.ended()),
            },
        }
    }

    /// The next word of it.
    ///
    /// # Errors
    /// Its sentence when it failed, how it ended when it said nothing, or that `limit` passed.
    pub fn hear(&self, limit: Option<Duration>) -> Result<Word> {
        match self.channel.hear(limit) {
            Ok(Some(Word::Failed(sentence))) => bail!(sentence),
            Ok(Some(word)) => Ok(word),
            Ok(None) => Err(self.ended()),
            Err(error) => Err(error).context("cannot hear from the container's process"),
        }
    }

    /// How it ended without a word.
    pub fn ended(&self) -> anyhow::Error {
        match waitpid(self.pid, Some(WaitPidFlag::empty())) {
            Ok(WaitStatus::Signaled(..)) => anyhow!(
                "the process was killed before its program ran: a process of the container may have done it, or a lack of memory"
            ),
            Ok(WaitStatus::Exited(_, code)) => {
                anyhow!("the process ended with {code} before its program ran")
            }
            _ => anyhow!("the process ended before its program ran"),
        }
    }
}

/// Clone a process that lives `life` as a member of the user namespace `users`; its number. Namespaces belong to the user
/// namespace of whoever makes them: a helper enters it and makes its brother.
fn in_users(
    users: &OwnedFd,
    namespaces: u64,
    cgroup: Option<BorrowedFd<'_>>,
    life: impl FnOnce(),
) -> Result<i32> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).context("cannot make a pipe")?;
    match clone::clone(0, None, Parent::Caller).map_err(refused)? {
        Cloned::Child => {
            let entered = nix::sched::setns(users, nix::sched::CloneFlags::CLONE_NEWUSER);
            let answer =
                match entered.and_then(|()| clone::clone(namespaces, cgroup, Parent::Callers)) {
                    Ok(Cloned::Child) => {
                        // The verb reads until nobody holds it any more.
                        drop(writer);
                        life();
                        leave(1)
                    }
                    Ok(Cloned::Parent { pid, .. }) => pid.as_raw(),
                    Err(error) => -(error as i32),
                };
            let sent = File::from(writer).write_all(answer.to_string().as_bytes());
            leave(i32::from(sent.is_err()))
        }
        Cloned::Parent { pid, .. } => {
            drop(writer);
            let mut answer = String::new();
            let read = File::from(reader).read_to_string(&mut answer);
            waitpid(pid, None).context("cannot wait for a helper process")?;
            read.context("cannot read from a helper process")?;
            match answer.parse() {
                Ok(number) if number > 0 => Ok(number),
                Ok(error) => Err(refused(Errno::from_raw(-error))),
                Err(_) => bail!("a helper process ended without an answer"),
            }
        }
    }
}

fn refused(error: Errno) -> anyhow::Error {
    let hint = match error {
        Errno::EPERM => ": creating namespaces needs root (CAP_SYS_ADMIN)",
        Errno::ENOSPC => ": a limit of /proc/sys/user is reached",
        Errno::EAGAIN => ": the limit of processes is reached",
        _ => "",
    };
    anyhow!(
        "cannot make the container's process and its namespaces ({}){hint}",
        error.desc()
    )
}

/// Connect to an engine's socket, whose path may be longer than an address holds.
///
/// # Errors
/// Nobody listens there.
pub fn connect(path: &Path, what: &str) -> Result<OwnedFd> {
    let connected = match (
        path.parent(),
        path.file_name().and_then(|name| name.to_str()),
    ) {
        (Some(parent), Some(name)) if path.is_absolute() => {
            in_directory(parent, name, |short| UnixStream::connect(short))
        }
        _ => UnixStream::connect(path),
    };
    connected
        .map(OwnedFd::from)
        .with_context(|| format!("cannot connect to the {what} `{}`", path.display()))
}

/// The sentence of a failed step, with its causes.
pub fn plain(error: RaiseError) -> anyhow::Error {
    anyhow!(crate::enforce::last::sentence(&error))
}
