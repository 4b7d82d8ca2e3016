//! The worker asks which program is behind a connection. It names a sandbox and two addresses; all else is looked up, on
//! a thread of the sandbox's.

use std::io;
use std::net::SocketAddr;

use super::State;
use crate::link::{ToWorker, Unknown};
use crate::warden::boxes::Held;
use crate::warden::program::{Answer, Finder, Question};
use crate::warden::{Happening, Post};

impl State {
    pub(super) fn who_is(&mut self, sandbox: &str, id: u64, client: SocketAddr, local: SocketAddr) {
        let Some(worker) = self.worker.as_ref().map(|worker| worker.number) else {
            return;
        };
        let question = Question {
            worker,
            id,
            client,
            local,
        };
        let asked = match self.boxes.get_mut(sandbox) {
            Some(held) => ask(held, question, &self.post),
            None => Err(Unknown::Closed),
        };
        if let Err(unknown) = asked {
            self.found(question, Err(unknown));
        }
    }

    /// Hand an answer to the worker that asked, if it still runs.
    pub(super) fn found(&mut self, question: Question, answer: Answer) {
        let asker = |worker| worker == question.worker;
        if self
            .worker
            .as_ref()
            .map(|worker| worker.number)
            .is_some_and(asker)
        {
            self.tell(&ToWorker::Program {
                id: question.id,
                found: answer,
            });
        }
    }
}

fn ask(held: &mut Held, question: Question, post: &Post) -> Result<(), Unknown> {
    let finder = match held.finder.take() {
        Some(finder) => finder,
        None => start(held, post).map_err(|error| Unknown::System(error.to_string()))?,
    };
    held.finder.insert(finder).ask(question)
}

fn start(held: &Held, post: &Post) -> io::Result<Finder> {
    let netns = held.descriptors.netns.try_clone()?;
    let pidfd = held.descriptors.pidfd.try_clone()?;
    let post = post.clone();
    Finder::start(netns, pidfd, move |question, answer| {
        // When the warden ends first, nobody waits for it.
        let _ = post.send(Happening::Found { question, answer });
    })
}
