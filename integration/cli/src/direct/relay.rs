//! Waiting for a command while signals, a terminal or its output are carried.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

use crate::direct::log::{Log, Stream};
use crate::direct::signals::{News, Signals};
use crate::direct::terminal::Terminal;
use crate::printer::Printer;

/// Wait for a command that has our own streams; gives its exit code.
pub fn wait(command: Pid, signals: &mut Signals) -> anyhow::Result<u8> {
    loop {
        ready(&[(signals.descriptor(), PollFlags::POLLIN)])?;
        if let Some(code) = ended(&signals.handle(command)?) {
            return Ok(code);
        }
    }
}

/// Wait for a command that has a terminal; gives its exit code.
pub fn wait_with_terminal(
    command: Pid,
    signals: &mut Signals,
    mut terminal: Terminal,
    printer: Printer,
) -> anyhow::Result<u8> {
    loop {
        let stdin = io::stdin();
        let mut wanted = vec![(signals.descriptor(), PollFlags::POLLIN)];
        if let Some(master) = terminal.master() {
            let write = if terminal.has_pending() {
                PollFlags::POLLOUT
            } else {
                PollFlags::empty()
            };
            wanted.push((master, PollFlags::POLLIN | write));
        }
        let with_input = terminal.wants_input() && terminal.master().is_some();
        if with_input {
            wanted.push((stdin.as_fd(), PollFlags::POLLIN));
        }
        let came = ready(&wanted)?;
        let input_came = with_input && came.last().is_some_and(|flags| !flags.is_empty());
        if input_came {
            terminal.take_input();
        }
        if terminal.has_pending() {
            terminal.give_input();
        }
        printer.bytes(&terminal.take_output())?;
        let news = signals.handle(command)?;
        if news.contains(&News::Resized) {
            terminal.resize();
        }
        if let Some(code) = ended(&news) {
            loop {
                let rest = terminal.take_output();
                if rest.is_empty() {
                    return Ok(code);
                }
                printer.bytes(&rest)?;
            }
        }
    }
}

/// Wait for a detached command and write what it prints to its log; gives its exit code.
pub fn wait_with_log(
    command: Pid,
    signals: &mut Signals,
    mut pipes: Vec<(Stream, OwnedFd)>,
    log: &mut Log,
) -> anyhow::Result<u8> {
    let mut code = None;
    while code.is_none() || !pipes.is_empty() {
        let mut wanted = vec![(signals.descriptor(), PollFlags::POLLIN)];
        wanted.extend(
            pipes
                .iter()
                .map(|(_, pipe)| (pipe.as_fd(), PollFlags::POLLIN)),
        );
        let came = ready(&wanted)?;
        let mut index = 0;
        let mut closed = Vec::new();
        for (stream, pipe) in &pipes {
            index += 1;
            if !came[index].is_empty() && !carry(*stream, pipe, log)? {
                closed.push(*stream);
            }
        }
        pipes.retain(|(stream, _)| !closed.contains(stream));
        code = ended(&signals.handle(command)?).or(code);
    }
    log.finish()?;
    Ok(code.unwrap_or_default())
}

/// One read of a pipe; `false` when it is closed.
fn carry(stream: Stream, pipe: &OwnedFd, log: &mut Log) -> anyhow::Result<bool> {
    let mut buffer = [0_u8; 16 * 1024];
    match nix::unistd::read(pipe.as_raw_fd(), &mut buffer) {
        // EIO is how a terminal says that every process has closed it.
        Ok(0) | Err(Errno::EIO) => Ok(false),
        Ok(count) => log.write(stream, &buffer[..count]).map(|()| true),
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn ended(news: &[News]) -> Option<u8> {
    news.iter().find_map(|one| match one {
        News::Ended(code) => Some(*code),
        News::Resized => None,
    })
}

/// Wait until one of them is ready; the flags of each.
fn ready(wanted: &[(BorrowedFd<'_>, PollFlags)]) -> anyhow::Result<Vec<PollFlags>> {
    let mut set: Vec<PollFd<'_>> = wanted
        .iter()
        .map(|(descriptor, flags)| PollFd::new(*descriptor, *flags))
        .collect();
    loop {
        match poll(&mut set, PollTimeout::NONE) {
            Ok(_) => {
                return Ok(set
                    .iter()
                    .map(|one| one.revents().unwrap_or(PollFlags::empty()))
                    .collect());
            }
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
