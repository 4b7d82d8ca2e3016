//! An exec that cannot hang: what happens while a process joins a box, where the box's root may stop or kill it.
//!
//! libcontainer waits without a limit, and threads would break the changes of user in its forks. So a child watches.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use procfs::process::{Process, all_processes};

use crate::enforce::executor::WAITING_NAME;
use crate::enforce::report::{self, Report};
use crate::sys::fork::Beside;
use crate::sys::pidfd::PidFd;

/// How long a process may take from the fork to its program.
const JOIN_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks for processes that were forked meanwhile.
const AGAIN: Duration = Duration::from_millis(50);
/// How long a process that has closed its descriptors may take to be seen as ended, and the pause between two looks.
const END_LIMIT: Duration = Duration::from_millis(500);
const END_PAUSE: Duration = Duration::from_millis(2);

/// Watch this process's children until [`Beside::end`]; after the limit, say so and kill them.
///
/// # Errors
/// The kernel's error.
pub fn start(report: &Report) -> std::io::Result<Beside> {
    let verb = Pid::this();
    let writer = report.writer.try_clone()?;
    Ok(Beside::new(|stop| watch(verb, &writer, &stop))?)
}

fn watch(verb: Pid, writer: &OwnedFd, stop: &OwnedFd) {
    if hung_up(stop, JOIN_LIMIT) {
        return;
    }
    let seconds = JOIN_LIMIT.as_secs();
    report::tell(
        writer,
        &format!(
            "the process did not reach its program within {seconds} s and was killed: a process of the container may have stopped it"
        ),
    );
    while !hung_up(stop, AGAIN) {
        kill_children(verb);
    }
}

/// Wait until the other end is closed; false when `limit` passed first.
fn hung_up(stop: &OwnedFd, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(0) => return false,
            Err(Errno::EINTR) => {}
            // Without a working poll there is nothing to wait with.
            Ok(_) | Err(_) => return true,
        }
    }
}

/// Kill every child of the verb but this one.
fn kill_children(verb: Pid) {
    let own = Pid::this();
    for process in all_processes().into_iter().flatten().flatten() {
        let pid = Pid::from_raw(process.pid());
        if pid == own || !is_child(pid, verb) {
            continue;
        }
        // Held first and asked again: it is a child of the verb that is killed, not one that has its pid now.
        if let Ok(held) = PidFd::open(pid)
            && is_child(pid, verb)
        {
            // One that has ended meanwhile needs no signal.
            held.send(libc::SIGKILL).ok();
        }
    }
}

fn is_child(pid: Pid, parent: Pid) -> bool {
    let stat = Process::new(pid.as_raw()).and_then(|process| process.stat());
    stat.is_ok_and(|stat| stat.ppid == parent.as_raw())
}

/// Whether the child, whose descriptors are closed, has ended and never became its program; it is reaped then.
#[must_use]
pub fn ended_waiting(child: Pid) -> bool {
    // Descriptors close a moment before a program has its name, and before an end is seen.
    until(|| {
        let stat = Process::new(child.as_raw()).and_then(|process| process.stat());
        match stat {
            Ok(stat) if stat.comm.as_bytes() != WAITING_NAME.to_bytes() => Some(false),
            Ok(stat) if stat.state != 'Z' => None,
            Ok(_) => Some(waitpid(child, Some(WaitPidFlag::WNOHANG)).is_ok()),
            Err(_) => Some(false),
        }
    })
}

/// Whether a child of this process was killed by a signal; ended children are reaped.
#[must_use]
pub fn any_killed() -> bool {
    until(|| match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) => None,
        Ok(WaitStatus::Signaled(..)) => Some(true),
        Ok(_) => None,
        Err(_) => Some(false),
    })
}

/// Ask until there is an answer; false when there is none in the time that an end may take.
fn until(answer: impl Fn() -> Option<bool>) -> bool {
    let end = Instant::now() + END_LIMIT;
    loop {
        match answer() {
            Some(answer) => return answer,
            None if Instant::now() > end => return false,
            None => std::thread::sleep(END_PAUSE),
        }
    }
}
