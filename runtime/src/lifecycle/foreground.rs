//! Waiting for a child of ours: by its pidfd, so that a fast exit is never missed, with signals passed on to it.

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use anyhow::{Context as _, Result, anyhow};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, read};

use super::console::Console;
use crate::sys::pidfd::PidFd;

/// Added to a signal's number for the exit code.
const SIGNALLED: i32 = 128;

/// Signals that arrive from now on wait for [`Foreground::wait`], which passes them to the child.
pub struct Foreground {
    signals: SignalFd,
}

/// Signals that are not the caller's word to the child.
const NOT_PASSED: [Signal; 6] = [
    Signal::SIGCHLD,
    Signal::SIGURG,
    Signal::SIGPIPE,
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGFPE,
];

impl Foreground {
    /// Block and collect signals. After the fork: a child would inherit the mask.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn new() -> Result<Foreground> {
        let mut mask = SigSet::all();
        NOT_PASSED
            .into_iter()
            .for_each(|signal| mask.remove(signal));
        mask.thread_block().context("cannot block signals")?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .context("cannot collect signals")?;
        Ok(Foreground { signals })
    }

    /// Wait for `child` and give its exit code, 128+n after a signal.
    ///
    /// # Errors
    /// It is no child of ours.
    pub fn wait(&self, child: Pid, console: Option<&Console>) -> Result<u8> {
        let held = PidFd::open(child).context("cannot wait for the process")?;
        let mut input_open = console.is_some();
        loop {
            let stdin = std::io::stdin();
            let master = console.map(|console| console.master.as_fd());
            let mut fds = vec![
                PollFd::new(held.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            fds.extend(master.map(|master| PollFd::new(master, PollFlags::POLLIN)));
            if input_open {
                fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
            }
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error).context("cannot wait for the process"),
            }
            let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
            if ready[1] {
                self.pass_on(&held, console)?;
            }
            if let Some(master) = master {
                if ready[2] {
                    // The last program in the box closing its terminal is no error.
                    copy(master, std::io::stdout().as_fd()).ok();
                }
                if input_open && ready[3] {
                    input_open = copy(stdin.as_fd(), master).unwrap_or(false);
                }
            }
            if ready[0] {
                while master
                    .is_some_and(|master| copy(master, std::io::stdout().as_fd()).unwrap_or(false))
                {
                }
                std::io::stdout().flush().ok();
                return exit_code(child);
            }
        }
    }

    fn pass_on(&self, child: &PidFd, console: Option<&Console>) -> Result<()> {
        while let Some(info) = self.signals.read_signal().context("cannot read a signal")? {
            let number = i32::try_from(info.ssi_signo).unwrap_or(libc::SIGTERM);
            match (number, console) {
                (libc::SIGWINCH, Some(console)) => console.follow_size(),
                _ => match child.send(number) {
                    Ok(()) | Err(Errno::ESRCH) => {}
                    Err(error) => return Err(error).context("cannot pass a signal on"),
                },
            }
        }
        Ok(())
    }
}

/// Copy what is there; false at the end.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<bool, Errno> {
    let mut fds = [PollFd::new(from, PollFlags::POLLIN)];
    if poll(&mut fds, PollTimeout::ZERO)? == 0 {
        return Ok(false);
    }
    let mut buffer = [0_u8; 4096];
    let length = match read(from.as_raw_fd(), &mut buffer) {
        // A master answers EIO when nobody holds the other side.
        Ok(0) | Err(Errno::EIO) => return Ok(false),
        other => other?,
    };
    let mut rest = &buffer[..length];
    while !rest.is_empty() {
        match nix::unistd::write(to, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn exit_code(child: Pid) -> Result<u8> {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => {
                return Ok(u8::try_from(code & 0xff).unwrap_or(u8::MAX));
            }
            Ok(WaitStatus::Signaled(_, signal, _)) => {
                return Ok(u8::try_from(SIGNALLED + signal as i32).unwrap_or(u8::MAX));
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                return Err(anyhow!(
                    "cannot read how the process ended: {}",
                    error.desc()
                ));
            }
        }
    }
}
