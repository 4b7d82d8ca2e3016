//! Which program is behind a connection: from the addresses to the socket, from the socket to the processes that hold it,
//! from a process to executable, script and ancestors.
//!
//! This is attribution and no boundary. It says which program began a connection, as far as the kernel and the program
//! itself tell. A program can be made to act for another (`LD_PRELOAD`, a debugger, a plug-in, a descriptor that it is
//! given or gives away), and it can write over its own arguments, by which scripts are known.
//!
//! Each sandbox that is asked about has a thread for it, in the sandbox's network namespace, from the first question to
//! the sandbox's end: the warden's own thread never waits, and no sandbox waits for another. A question is bounded in
//! time, processes and bytes; where a bound is met, or anything changes under the search, there is no answer.

mod describe;
mod handle;
mod interpreter;
mod pins;
mod root;
mod socket;
mod territory;

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use rustix::time::{ClockId, clock_gettime};

use super::keep::Process;
use crate::limits;
use crate::link::{Program, Unknown};
use describe::Describer;
use handle::Handle;
use pins::Pins;
use socket::Sockets;
use territory::Territory;

/// A question, which comes back with its answer.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// The worker that asks.
    pub worker: u64,
    /// Its number for the question.
    pub id: u64,
    /// Where the connection comes from.
    pub client: SocketAddr,
    /// Where it goes to.
    pub local: SocketAddr,
}

/// What was found: every process that holds the connection, at least one.
pub type Answer = Result<Vec<Program>, Unknown>;

/// Asks for the programs of one sandbox. Its thread ends with it.
pub struct Finder(SyncSender<(Question, Instant)>);

impl Finder {
    /// For the sandbox in the network namespace `netns` with the first process behind `pidfd`. Answers go to `answer`.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn start(
        netns: OwnedFd,
        pidfd: OwnedFd,
        answer: impl Fn(Question, Answer) + Send + 'static,
    ) -> io::Result<Finder> {
        let (queue, questions) = sync_channel(limits::PROGRAM_QUESTIONS);
        std::thread::Builder::new()
            .name("programs".into())
            .stack_size(256 * 1024)
            .spawn(move || match Search::enter(netns, &pidfd) {
                Ok(search) => serve(search, &questions, &answer),
                Err(unknown) => questions
                    .iter()
                    .for_each(|(question, _)| answer(question, Err(unknown.clone()))),
            })?;
        Ok(Finder(queue))
    }

    /// Ask.
    ///
    /// # Errors
    /// Too many questions wait already.
    pub fn ask(&self, question: Question) -> Result<(), Unknown> {
        self.0
            .try_send((question, Instant::now()))
            .map_err(|_| Unknown::Busy)
    }
}

fn serve(
    mut search: Search,
    questions: &Receiver<(Question, Instant)>,
    answer: &impl Fn(Question, Answer),
) {
    for (question, asked) in questions {
        if asked.elapsed() > limits::PROGRAM_TIME {
            answer(question, Err(Unknown::Late));
            continue;
        }
        let begin = worked();
        answer(question, search.find(question.client, question.local));
        let spent = worked().saturating_sub(begin);
        if spent > limits::PROGRAM_REST {
            std::thread::sleep(spent.min(limits::PROGRAM_TIME));
        }
    }
}

/// Processor time that this thread has had.
fn worked() -> Duration {
    let had = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(had).unwrap_or_default()
}

/// The search in one sandbox.
struct Search {
    sockets: Sockets,
    territory: Territory,
    init: Handle,
    pins: Pins,
}

impl Search {
    /// Go into the sandbox's network namespace, for good.
    fn enter(netns: OwnedFd, pidfd: &OwnedFd) -> Result<Search, Unknown> {
        let failed = |what: &str, error: io::Error| Unknown::System(format!("{what}: {error}"));
        let first = Process::behind(pidfd).ok_or(Unknown::NoHolder)?;
        let init = Handle::open(first.pid)
            .map_err(|error| failed("the sandbox's first process", error))?;
        if Process::behind(pidfd) != Some(first) {
            return Err(Unknown::NoHolder);
        }
        let territory = Territory::new(first.pid, &netns)
            .map_err(|error| failed("its network namespace", error))?;
        setns(netns, CloneFlags::CLONE_NEWNET)
            .map_err(|errno| failed("its network namespace", errno.into()))?;
        let sockets =
            Sockets::open().map_err(|errno| failed("its list of sockets", errno.into()))?;
        Ok(Search {
            sockets,
            territory,
            init,
            pins: Pins::default(),
        })
    }

    fn find(&mut self, client: SocketAddr, local: SocketAddr) -> Answer {
        let owned = self.sockets.find(client, local)?;
        let end = Instant::now() + limits::PROGRAM_SCAN;
        let holders = self.territory.holders(owned.inode, end)?;
        let mut describer = Describer::new(&mut self.pins, &self.territory, &self.init)
            .map_err(|_| Unknown::NoHolder)?;
        let mut programs = Vec::new();
        for holder in &holders {
            let found = describer.program(&holder.process, owned.uid);
            // One that has given it up meanwhile (a child between fork and exec) is not behind it.
            if holder.holds(owned.inode) {
                programs.push(found?);
            }
        }
        match programs.is_empty() {
            true => Err(Unknown::NoHolder),
            false => Ok(programs),
        }
    }
}
