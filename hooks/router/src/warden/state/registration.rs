//! Sandboxes come and go: registered, handed to the worker, kept for the next router, released.

use rustix::fs::{MemfdFlags, memfd_create};
use std::os::fd::OwnedFd;

use nemoclaw_api::RegisterFds;
use nemoclaw_api::audit::{CLOSE, ROUTER};

use super::ends::{ended, wait_for};
use super::{State, unsendable};
use crate::limits;
use crate::link::ToWorker;
use crate::warden::boxes::{Claim, Held, is_name};
use crate::warden::keep::Kept;
use crate::warden::log;
use crate::warden::socket::Reply;
use crate::worker::event::{blank, denied, told};

impl State {
    pub(super) fn register(&mut self, claim: Claim, descriptors: Vec<OwnedFd>, reply: Reply) {
        let name = claim.handover.sandbox.clone();
        let descriptors = match RegisterFds::from_wire(claim.capture, descriptors) {
            Ok(descriptors) => descriptors,
            Err(error) => return reply.refuse(told(&error)),
        };
        if !is_name(&name) {
            return reply.refuse(format!("`{name}` is no name for a sandbox"));
        }
        if self.ending.is_some() {
            return reply
                .refuse("the router is about to end: start it again with `nemoclaw router start`");
        }
        if let Some(held) = self.boxes.get(&name) {
            if !ended(&held.descriptors.pidfd) {
                return reply.refuse(format!("the sandbox `{name}` is registered already"));
            }
            self.release(&name);
        }
        let cookie = claim.netns_cookie;
        let sharer = self
            .boxes
            .iter()
            .find(|(_, held)| held.netns_cookie == cookie && !ended(&held.descriptors.pidfd));
        if let Some((other, _)) = sharer {
            return reply.refuse(format!(
                "the network namespace of `{name}` is guarded for the sandbox `{other}` already"
            ));
        }
        if let Err(fault) = self.disk.audit.prepare(&name) {
            return reply.refuse(fault);
        }
        // The worker alone writes it, and it is gone with the sandbox.
        let session = match memfd_create("nemoclaw-session", MemfdFlags::CLOEXEC) {
            Ok(session) => session,
            Err(error) => {
                return reply.refuse(format!(
                    "there is no memory for `{name}`'s pseudonyms: {error}"
                ));
            }
        };
        self.incarnations += 1;
        let mut held = Held::new(claim, descriptors, session, self.incarnations, reply);
        self.restore(&mut held, &name);
        if !held.lasting() {
            log(&format!(
                "sandbox {name} will not outlive this router: its first process cannot be told by its descriptor"
            ));
        }
        if let Err(error) = wait_for(&held, &name, &self.post) {
            return refuse_box(
                held,
                &format!("the end of the sandbox `{name}` cannot be watched: {error}"),
            );
        }
        self.boxes.insert(name.clone(), held);
        self.hand_over(&name);
    }

    /// A sandbox that outlived the last router is what it was.
    fn restore(&mut self, held: &mut Held, name: &str) {
        match self.disk.keep.load(name) {
            Ok(Some(Kept { mut identity, .. })) => {
                let approvals = std::mem::take(&mut identity.approvals);
                held.restore(identity);
                if held.resumed {
                    self.approvals.restore(approvals);
                }
            }
            Ok(None) => {}
            Err(error) => log(&format!("what was kept of sandbox {name} is lost: {error}")),
        }
    }

    /// Keep a sandbox for the next router.
    pub(super) fn keep(&self, name: &str) -> Result<(), String> {
        let Some(mut kept) = self.boxes.get(name).and_then(Held::kept) else {
            return Ok(());
        };
        kept.identity.approvals = self.approvals.standing(Some(name));
        self.disk.keep.store(&kept).map_err(|error| {
            format!("the sandbox `{name}` cannot be kept for a restart of the router: {error}")
        })
    }

    /// The same, where nobody waits for an answer.
    pub(super) fn keep_or_log(&self, name: &str) {
        if let Err(sentence) = self.keep(name) {
            log(&sentence);
        }
    }

    pub(super) fn unserved(&mut self, name: &str, sentence: &str) {
        if self.boxes.contains_key(name) {
            return;
        }
        log(&format!("sandbox {name} is not served: {sentence}"));
        let event = denied(blank(name, ROUTER, "", 0, 0), sentence, None);
        self.write(name, &event);
        self.close_log(name);
    }

    /// Give a sandbox to the worker. Without one it waits for the next.
    pub(super) fn hand_over(&mut self, name: &str) {
        let (Some(worker), Some(held)) = (&self.worker, self.boxes.get(name)) else {
            return;
        };
        let spent = match self.disk.keep.spent(name) {
            Ok(spent) => spent,
            Err(error) => {
                let sentence = format!("what sandbox {name} has spent cannot be kept: {error}");
                log(&sentence);
                if let Some(held) = self.boxes.remove(name) {
                    refuse_box(held, &sentence);
                }
                return;
            }
        };
        let (message, descriptors) = held.registration(name, &spent);
        let mut sent = worker.send(&message, &descriptors);
        if let (Ok(()), Some(question)) = (&sent, held.unanswered(name)) {
            sent = worker.send(&question, &[]);
        }
        match sent {
            Ok(()) => {}
            Err(error) if unsendable(&error) => {
                let sentence = format!("sandbox {name} cannot be handed over: {}", told(&error));
                log(&sentence);
                if let Some(held) = self.boxes.remove(name) {
                    refuse_box(held, &sentence);
                }
            }
            Err(error) => self.worker_gone(&told(&error)),
        }
    }

    pub(super) fn release(&mut self, name: &str) {
        self.disk.keep.forget(name);
        self.approvals.forget(name);
        if !self.boxes.contains_key(name) {
            return;
        }
        self.happened(name, Some(CLOSE), "the sandbox has ended");
        let Some(held) = self.boxes.remove(name) else {
            return;
        };
        self.watch.remove(&held.watched);
        self.tell(&ToWorker::Release {
            sandbox: name.to_owned(),
        });
        self.close_log(name);
        // Flows that end with it have their last lines on the way.
        self.departed.retain(|departed| departed != name);
        self.departed.push_back(name.to_owned());
        if self.departed.len() > limits::DEPARTED {
            self.departed.pop_front();
        }
        if held.waiting.is_some() {
            refuse_box(
                held,
                &format!("the sandbox `{name}` ended while it was being registered"),
            );
        }
    }
}

pub(super) fn refuse_box(held: Held, message: &str) {
    if let Some(reply) = held.waiting {
        reply.refuse(message);
    }
}
