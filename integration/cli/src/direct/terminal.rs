//! The terminal of `-t`: the runtime sends us the master over a socket, and we carry bytes between it and ours.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::termios::{self, SetArg, Termios};

use crate::fault::Fault;
use crate::node::Node;
use crate::sys;

/// What ends the input of a terminal: Ctrl-D.
const END_OF_INPUT: u8 = 4;

/// The socket on which the runtime sends the master; removed when dropped.
#[derive(Debug)]
pub struct ConsoleSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ConsoleSocket {
    /// Listen, in the state directory because a socket's path must be short.
    pub fn bind(node: &Node) -> anyhow::Result<Self> {
        let directory = &node.config.state_dir;
        std::fs::create_dir_all(directory)?;
        let path = directory.join(format!("console-{}.sock", std::process::id()));
        if path.exists() {
            std::fs::remove_file(&path)?;
        }
        let listener = UnixListener::bind(&path).map_err(|error| {
            Fault::new(format!("cannot listen on `{}`", path.display())).because(error)
        })?;
        Ok(Self { listener, path })
    }

    /// Where.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The master. The runtime has sent it before its verb returned, so nothing here waits.
    pub fn receive(self) -> anyhow::Result<OwnedFd> {
        self.listener.set_nonblocking(true)?;
        let missing = || Fault::new("the runtime sent no terminal");
        let (stream, _) = self
            .listener
            .accept()
            .map_err(|error| missing().because(error))?;
        stream.set_nonblocking(true)?;
        let master = sys::receive_fd(&stream)
            .map_err(|error| missing().because(error))?
            .ok_or_else(missing)?;
        fcntl(master.as_raw_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(master)
    }
}

impl Drop for ConsoleSocket {
    fn drop(&mut self) {
        // A file that is left is replaced by the next one of this pid; nobody can be told in a drop.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Our own terminal in raw mode; as it was when dropped.
#[derive(Debug)]
struct Raw {
    before: Termios,
}

impl Raw {
    fn enter() -> nix::Result<Self> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(io::stdin(), SetArg::TCSANOW, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Nothing more can be done for a terminal that is gone.
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSANOW, &self.before);
    }
}

/// Master and own terminal, with what is still to be written to the master.
#[derive(Debug)]
pub struct Terminal {
    master: OwnedFd,
    raw: Option<Raw>,
    input_open: bool,
    output_open: bool,
    pending: Vec<u8>,
}

impl Terminal {
    /// Join the master with this process's input and output; input that is no terminal is passed as it is.
    pub fn attach(master: OwnedFd) -> anyhow::Result<Self> {
        let raw = if nix::unistd::isatty(io::stdin().as_raw_fd())? {
            Some(Raw::enter()?)
        } else {
            None
        };
        let terminal = Self {
            master,
            raw,
            input_open: true,
            output_open: true,
            pending: Vec::new(),
        };
        terminal.resize();
        Ok(terminal)
    }

    /// Take over the size of our own terminal.
    pub fn resize(&self) {
        if self.raw.is_some()
            && let Ok(size) = sys::window_size(io::stdin())
        {
            // A master whose command has ended keeps its size; that is no loss.
            let _ = sys::set_window_size(&self.master, &size);
        }
    }

    /// The master, while it may give output.
    pub fn master(&self) -> Option<BorrowedFd<'_>> {
        self.output_open.then(|| self.master.as_fd())
    }

    /// Whether more input may be taken.
    pub fn wants_input(&self) -> bool {
        self.input_open && self.pending.is_empty()
    }

    /// Whether input waits for the master.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Take input that is there.
    pub fn take_input(&mut self) {
        let mut buffer = [0_u8; 4096];
        match nix::unistd::read(io::stdin().as_raw_fd(), &mut buffer) {
            Ok(0) | Err(nix::errno::Errno::EIO) => {
                self.input_open = false;
                self.pending.push(END_OF_INPUT);
            }
            Ok(count) => self.pending.extend_from_slice(&buffer[..count]),
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
            Err(_) => self.input_open = false,
        }
        self.give_input();
    }

    /// Give the master what it takes.
    pub fn give_input(&mut self) {
        match nix::unistd::write(&self.master, &self.pending) {
            Ok(count) => drop(self.pending.drain(..count)),
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
            // The other side is closed: nobody reads it any more.
            Err(_) => self.pending.clear(),
        }
    }

    /// Output that is there; empty when there is none now.
    pub fn take_output(&mut self) -> Vec<u8> {
        let mut buffer = vec![0_u8; 16 * 1024];
        match nix::unistd::read(self.master.as_raw_fd(), &mut buffer) {
            Ok(count) if count > 0 => {
                buffer.truncate(count);
                return buffer;
            }
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
            // EIO: every process has closed its side.
            Ok(_) | Err(_) => self.output_open = false,
        }
        Vec::new()
    }
}
