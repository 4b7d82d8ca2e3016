//! A terminal for a foreground `run -t` or `exec -t`: init hands its master to a socket, so we listen.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use crate::enforce::report;
use crate::sys::terminal;

/// The listening end, before the box is built.
pub struct Listening {
    listener: UnixListener,
    path: PathBuf,
}

/// The caller's terminal in raw mode; put back when dropped.
pub struct Console {
    /// The box's terminal.
    pub master: OwnedFd,
    saved: Option<Termios>,
}

impl Listening {
    /// Listen in `directory`.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn new(directory: &Path) -> Result<Listening> {
        let name = format!("console-{}.sock", std::process::id());
        let listener = report::in_directory(directory, &name, |path| UnixListener::bind(path))
            .context("cannot make the console socket")?;
        Ok(Listening {
            listener,
            path: directory.join(name),
        })
    }

    /// For init.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Take the master that init sent, and make the caller's terminal raw.
    ///
    /// # Errors
    /// No descriptor came.
    pub fn accept(self) -> Result<Console> {
        let (stream, _) = self
            .listener
            .accept()
            .context("no terminal came from the box")?;
        let master = terminal::receive_descriptor(stream.as_fd())
            .context("no terminal came from the box")?;
        std::fs::remove_file(&self.path).context("cannot remove the console socket")?;
        let stdin = std::io::stdin();
        let saved = tcgetattr(&stdin).ok();
        if let Some(before) = &saved {
            let mut raw = before.clone();
            cfmakeraw(&mut raw);
            tcsetattr(&stdin, SetArg::TCSANOW, &raw).context("cannot make the terminal raw")?;
        }
        let console = Console { master, saved };
        console.follow_size();
        Ok(console)
    }
}

impl Console {
    /// Give the box's terminal the caller's window size; a caller without a terminal has none.
    pub fn follow_size(&self) {
        terminal::copy_size(std::io::stdin().as_fd(), self.master.as_fd()).ok();
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Some(saved) = &self.saved {
            // The terminal may be gone; then there is nothing to put back.
            tcsetattr(std::io::stdin(), SetArg::TCSANOW, saved).ok();
        }
    }
}
