//! A tracer that kills a command, or a process that it makes, exactly at its N-th stop: before or after a system call.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use nemoclaw_runtime::state::ProcessId;
use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Whom to kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// The command itself.
    Command,
    /// Whichever of its processes, or of those that it was told of, makes the N-th stop.
    Other,
}

/// What became of a traced command.
#[derive(Debug)]
pub struct Traced {
    /// Its stops.
    pub own: usize,
    /// Those of all others.
    pub others: usize,
    /// Its exit code, unless it was killed.
    pub code: Option<i32>,
    /// Who was killed.
    pub killed: Option<Pid>,
    /// Everyone that it made.
    pub made: Vec<ProcessId>,
}

/// One trace.
struct Trace {
    command: Pid,
    victim: Option<(Victim, usize)>,
    living: BTreeSet<Pid>,
    /// Whether the command's program runs already: before, the stops are the shell's.
    begun: bool,
    result: Traced,
}

/// Run `command` to its end, or to the kill; also follow `strangers`, which are not its children. Afterwards nobody is
/// traced any more.
#[allow(clippy::zombie_processes)] // the trace waits for it
pub fn run(command: &Command, strangers: &[Pid], victim: Option<(Victim, usize)>) -> Traced {
    // The shell waits for a line, so that it is held before the program begins.
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "read -r line; exec \"$@\" < /dev/null", "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = shell.spawn().expect("a shell");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("pid"));
    let mut trace = Trace {
        command: pid,
        victim,
        living: BTreeSet::new(),
        begun: false,
        result: Traced {
            own: 0,
            others: 0,
            code: None,
            killed: None,
            made: Vec::new(),
        },
    };
    trace.seize(pid);
    strangers.iter().for_each(|stranger| trace.seize(*stranger));
    let mut line = child.stdin.take().expect("a pipe");
    line.write_all(b"go\n").expect("written");
    trace.follow();
    trace.let_go();
    trace.result
}

impl Trace {
    fn seize(&mut self, pid: Pid) {
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEEXEC;
        ptrace::seize(pid, options).expect("seized");
        // It goes on from the stop that this makes, to its next system call.
        ptrace::interrupt(pid).expect("interrupted");
        self.living.insert(pid);
    }

    /// Until the command has ended.
    fn follow(&mut self) {
        while self.living.contains(&self.command) {
            match next().expect("the command is there") {
                WaitStatus::PtraceSyscall(pid) => self.at_call(pid),
                WaitStatus::PtraceEvent(pid, _, event) => {
                    self.note(pid, event);
                    if event == libc::PTRACE_EVENT_EXEC && pid == self.command {
                        self.begun = true;
                    }
                    resume(pid, None);
                }
                WaitStatus::Stopped(pid, signal) => resume(pid, Some(signal)),
                other => self.ended(other),
            }
        }
    }

    /// Stop everyone who is left once more, and trace them no longer.
    fn let_go(&mut self) {
        for pid in &self.living {
            // One that has ended is reaped below.
            ptrace::interrupt(*pid).ok();
        }
        while let Some(status) = next() {
            let (pid, signal) = match status {
                WaitStatus::PtraceEvent(pid, _, event) => {
                    self.note(pid, event);
                    (pid, None)
                }
                WaitStatus::PtraceSyscall(pid) => (pid, None),
                // Its signal must not be lost.
                WaitStatus::Stopped(pid, signal) => (pid, Some(signal)),
                other => {
                    self.ended(other);
                    continue;
                }
            };
            // It may have been killed meanwhile.
            ptrace::detach(pid, signal).ok();
        }
    }

    fn at_call(&mut self, pid: Pid) {
        if !self.begun {
            return resume(pid, None);
        }
        let (who, count) = if pid == self.command {
            (Victim::Command, &mut self.result.own)
        } else {
            (Victim::Other, &mut self.result.others)
        };
        *count += 1;
        if self.result.killed.is_none() && self.victim == Some((who, *count)) {
            kill(pid, Signal::SIGKILL).expect("killed");
            self.result.killed = Some(pid);
        } else {
            resume(pid, None);
        }
    }

    /// A process that was made is known by its own first stop, or by that of its maker, whichever is seen first.
    fn note(&mut self, pid: Pid, event: i32) {
        let born = match event {
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                ptrace::getevent(pid).map_or(pid, |number| {
                    Pid::from_raw(i32::try_from(number).expect("pid"))
                })
            }
            _ => pid,
        };
        if self.living.insert(born)
            && let Some(process) = ProcessId::of(born.as_raw())
        {
            self.result.made.push(process);
        }
    }

    fn ended(&mut self, status: WaitStatus) {
        match status {
            WaitStatus::Exited(pid, code) => {
                self.living.remove(&pid);
                if pid == self.command {
                    self.result.code = Some(code);
                }
            }
            WaitStatus::Signaled(pid, ..) => drop(self.living.remove(&pid)),
            other => panic!("an unexpected stop: {other:?}"),
        }
    }
}

fn resume(pid: Pid, signal: Option<Signal>) {
    match ptrace::syscall(pid, signal) {
        // It was killed meanwhile; its end is heard of next.
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => panic!("cannot resume {pid}: {error}"),
    }
}

/// The next stop or end of a process that this thread traces; `None` when there is none left.
fn next() -> Option<WaitStatus> {
    loop {
        match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
            Ok(status) => return Some(status),
            Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) => return None,
            Err(error) => panic!("cannot wait: {error}"),
        }
    }
}
