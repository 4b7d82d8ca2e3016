//! Signals of the process that owns a sandbox: received as data, passed on to the command, children reaped.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::signal::{self, SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// What is passed on to the command.
const PASSED_ON: [Signal; 6] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// This many requests to end, and the command is killed: the first process of a pid namespace ignores every signal that
/// it has no handler for.
const PATIENCE: u32 = 3;

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// The command ended with this exit code, 128+n after a signal.
    Ended(u8),
    /// The terminal has another size.
    Resized,
}

/// The signals of this process, blocked and readable. Children start with none blocked (the standard library clears the
/// mask between fork and exec).
#[derive(Debug)]
pub struct Signals {
    descriptor: SignalFd,
    asked: u32,
}

impl Signals {
    /// Block them, and become the one to whom orphaned descendants go (the runtime leaves while its child lives on).
    pub fn take() -> anyhow::Result<Self> {
        let mut set = SigSet::empty();
        for one in PASSED_ON
            .into_iter()
            .chain([Signal::SIGCHLD, Signal::SIGWINCH])
        {
            set.add(one);
        }
        set.thread_block()?;
        nix::sys::prctl::set_child_subreaper(true)?;
        let descriptor =
            SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self {
            descriptor,
            asked: 0,
        })
    }

    /// For `poll`.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Handle all that came.
    pub fn handle(&mut self, command: Pid) -> anyhow::Result<Vec<News>> {
        let mut news = Vec::new();
        while let Some(info) = self.descriptor.read_signal()? {
            match Signal::try_from(i32::try_from(info.ssi_signo)?)? {
                // Reaped below: one SIGCHLD may stand for many children.
                Signal::SIGCHLD => {}
                Signal::SIGWINCH => news.push(News::Resized),
                other => self.pass_on(other, command)?,
            }
        }
        news.extend(reap(command)?.map(News::Ended));
        Ok(news)
    }

    fn pass_on(&mut self, one: Signal, command: Pid) -> anyhow::Result<()> {
        if matches!(one, Signal::SIGINT | Signal::SIGTERM | Signal::SIGQUIT) {
            self.asked += 1;
        }
        let sent = if self.asked >= PATIENCE {
            Signal::SIGKILL
        } else {
            one
        };
        match signal::kill(command, sent) {
            // It has just ended; its SIGCHLD follows.
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Reap every child that ended; the exit code when the command is among them.
pub fn reap(command: Pid) -> anyhow::Result<Option<u8>> {
    let mut code = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == command => {
                code = Some(u8::try_from(status & 0xff)?)
            }
            Ok(WaitStatus::Signaled(pid, by, _)) if pid == command => {
                code = Some(128 + u8::try_from(by as i32)?)
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(code),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
