//! A sandbox as the warden holds it: everything that must outlive a worker.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nemoclaw_api::audit::{CLOSE, Event};
use nemoclaw_api::{Backend, BoxStatus, ModelSpend, RegisterFds};
use nemoclaw_policy::handover::{Capture, Handover, PolicyText};

use super::files::{self, FileError};
use super::keep::{Identity, Kept, Process};
use super::metrics::{SandboxNumbers, Tally};
use super::program::Finder;
use super::socket::Reply;
use crate::clock;
use crate::limits;
use crate::link::{Saved, SavedName, ToWorker};

/// The longest name; a container's id has 64 characters.
const NAME_LENGTH: usize = 128;

/// A sandbox.
pub struct Held {
    /// Host pid of its first process.
    pub pid: i32,
    /// Tells this sandbox from an earlier one of the same name.
    pub incarnation: u64,
    /// Its sockets and what keeps its capture alive.
    pub descriptors: RegisterFds,
    /// Cookie of its network namespace.
    pub netns_cookie: u64,
    /// CA and names.
    pub saved: Saved,
    /// Policies in force.
    pub in_force: Vec<PolicyText>,
    /// Their generation.
    pub generation: u64,
    /// Policies that the worker looks at now.
    pub pending: Option<(u64, Vec<PolicyText>)>,
    /// Why the file on disk is not in force.
    pub fault: Option<String>,
    /// Directories that are watched for it.
    pub watched: BTreeSet<PathBuf>,
    /// It outlived an earlier router.
    pub resumed: bool,
    /// Who waits for the registration.
    pub waiting: Option<Reply>,
    /// What it has spent on models, where its policy asks any.
    pub models: Option<ModelSpend>,
    /// Finds the programs behind its connections, once one was asked for.
    pub finder: Option<Finder>,
    /// The memory in which the worker keeps the sandbox's pseudonyms: never a file, and gone with the sandbox.
    session: OwnedFd,
    sequence: u64,
    owners: BTreeMap<PathBuf, u32>,
    told: Handover,
    process: Option<Process>,
    capture: Backend,
    allowed: u64,
    denied: u64,
    connections: u64,
    last_denial: Option<Event>,
    tally: Tally,
    since: String,
}

/// What a registration says beside the descriptors.
pub struct Claim {
    /// From the runtime.
    pub handover: Handover,
    /// Host pid of the first process.
    pub pid: i32,
    /// Cookie of the network namespace.
    pub netns_cookie: u64,
    /// Back-end.
    pub capture: Backend,
}

/// Whether `name` may name a sandbox, and so a file.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    name.len() <= NAME_LENGTH
        && name.bytes().all(plain)
        && name
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
}

/// What a look at the files on disk shows.
pub enum OnDisk {
    /// The same as is in force.
    Same,
    /// The same as the worker looks at.
    Pending,
    /// Something new: to be sent.
    New(ToWorker),
    /// Not to be read.
    Faulty(FileError),
}

impl Held {
    /// Take a sandbox, whose pseudonyms are kept in `session`.
    #[must_use]
    pub fn new(
        claim: Claim,
        descriptors: RegisterFds,
        session: OwnedFd,
        incarnation: u64,
        reply: Reply,
    ) -> Held {
        let mut told = claim.handover;
        let texts = std::mem::take(&mut told.policies);
        let owners = texts
            .iter()
            .filter_map(|text| text.path.clone())
            .filter_map(|path| Some((path.clone(), files::owner(&path)?)))
            .collect();
        Held {
            pid: claim.pid,
            incarnation,
            netns_cookie: claim.netns_cookie,
            saved: Saved::default(),
            in_force: texts,
            generation: 1,
            pending: None,
            fault: None,
            watched: BTreeSet::new(),
            resumed: false,
            waiting: Some(reply),
            models: None,
            finder: None,
            told,
            process: Process::behind(&descriptors.pidfd),
            descriptors,
            session,
            sequence: 0,
            owners,
            capture: claim.capture,
            allowed: 0,
            denied: 0,
            connections: 0,
            last_denial: None,
            tally: Tally::default(),
            since: clock::now(),
        }
    }

    /// Be what an earlier router kept, if that was this sandbox and no earlier one of its name.
    pub fn restore(&mut self, identity: Identity) {
        if self.process != Some(identity.process) || self.netns_cookie != identity.netns_cookie {
            return;
        }
        self.saved = identity.saved;
        self.generation = identity.generation;
        self.owners.extend(identity.owners);
        self.resumed = true;
    }

    /// Whether it can be kept for the next router.
    #[must_use]
    pub fn lasting(&self) -> bool {
        self.process.is_some()
    }

    /// What the next router needs. The capture is the one in use, so that the fence fits it.
    #[must_use]
    pub fn kept(&self) -> Option<Kept> {
        let mut handover = self.told.clone();
        handover.policies.clone_from(&self.in_force);
        handover.capture = match self.capture {
            Backend::SkLookup => Capture::SkLookup,
            Backend::Tproxy => Capture::Tproxy,
        };
        Some(Kept {
            handover,
            identity: Identity {
                process: self.process?,
                netns_cookie: self.netns_cookie,
                generation: self.generation,
                owners: self.owners.clone(),
                saved: self.saved.clone(),
                approvals: Vec::new(),
            },
        })
    }

    /// The policy files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.in_force.iter().filter_map(|text| text.path.as_deref())
    }

    /// The message that gives it to a worker, with its descriptors.
    #[must_use]
    pub fn registration<'a>(
        &'a self,
        sandbox: &str,
        [spent, models]: &'a [OwnedFd; 2],
    ) -> (ToWorker, [BorrowedFd<'a>; 5]) {
        let message = ToWorker::Register {
            sandbox: sandbox.to_owned(),
            texts: self.in_force.clone(),
            generation: self.generation,
            saved: self.saved.clone(),
        };
        (
            message,
            [
                self.descriptors.listener.as_fd(),
                self.descriptors.dns.as_fd(),
                spent.as_fd(),
                models.as_fd(),
                self.session.as_fd(),
            ],
        )
    }

    /// The message that asks a new worker again what the last one did not answer.
    #[must_use]
    pub fn unanswered(&self, sandbox: &str) -> Option<ToWorker> {
        let (sequence, texts) = self.pending.clone()?;
        Some(ToWorker::Policies {
            sandbox: sandbox.to_owned(),
            sequence,
            texts,
        })
    }

    /// Whether a change in one of `touched` concerns it.
    #[must_use]
    pub fn concerned(&self, touched: &BTreeSet<PathBuf>) -> bool {
        self.files().any(|file| touched.contains(file))
            || self
                .watched
                .iter()
                .any(|directory| touched.contains(directory))
    }

    /// Look at the files on disk.
    pub fn look(&mut self, sandbox: &str) -> OnDisk {
        let mut texts = self.in_force.clone();
        for text in &mut texts {
            let Some(path) = &text.path else { continue };
            match files::read(path, self.owners.get(path).copied()) {
                Ok(now) => text.text = now,
                Err(error) => return OnDisk::Faulty(error),
            }
        }
        if texts == self.in_force {
            self.pending = None;
            return OnDisk::Same;
        }
        if self
            .pending
            .as_ref()
            .is_some_and(|(_, pending)| *pending == texts)
        {
            return OnDisk::Pending;
        }
        self.sequence += 1;
        self.pending = Some((self.sequence, texts.clone()));
        OnDisk::New(ToWorker::Policies {
            sandbox: sandbox.to_owned(),
            sequence: self.sequence,
            texts,
        })
    }

    /// The worker took the policies of `sequence`. Whether that is news.
    pub fn accepted(&mut self, sequence: u64, generation: u64) -> bool {
        match self.pending.take() {
            Some((asked, texts)) if asked == sequence => {
                let news = generation > self.generation;
                self.in_force = texts;
                self.generation = self.generation.max(generation);
                self.fault = None;
                self.tally.changed(true);
                news
            }
            // An answer to an older question: the worker went through it, the newer one is still to come.
            other => {
                self.generation = self.generation.max(generation);
                self.pending = other;
                false
            }
        }
    }

    /// The worker refused the policies of `sequence`. Whether that is news.
    pub fn refused(&mut self, sequence: u64, fault: String) -> bool {
        if self
            .pending
            .as_ref()
            .is_none_or(|(asked, _)| *asked != sequence)
        {
            return false;
        }
        self.pending = None;
        let news = self.fault.as_ref() != Some(&fault);
        self.fault = Some(fault);
        self.tally.changed(false);
        news
    }

    /// Keep a name over a crash. Whether there was room; a worker that sends too many is not in its right mind.
    pub fn named(&mut self, entry: SavedName) -> bool {
        if self
            .saved
            .names
            .iter()
            .any(|known| known.name == entry.name)
        {
            return true;
        }
        if self.saved.names.len() >= limits::NAMES_PER_BOX {
            return false;
        }
        self.saved.names.push(entry);
        true
    }

    /// Count a decision.
    pub fn count(&mut self, event: &Event) {
        self.tally.count(event);
        if event.verdict == "deny" {
            self.denied += 1;
            self.last_denial = Some(event.clone());
        } else if event.phase.as_deref() != Some(CLOSE) {
            // A flow with two lines counts once.
            self.allowed += 1;
        }
    }

    /// Set the number of open connections.
    pub fn set_connections(&mut self, open: u64) {
        self.connections = open;
    }

    /// For the metrics.
    #[must_use]
    pub fn numbers(&self, sandbox: &str) -> SandboxNumbers {
        SandboxNumbers {
            name: sandbox.to_owned(),
            connections: self.connections,
            generation: self.generation,
            faulty: self.fault.is_some(),
            tally: self.tally.clone(),
        }
    }

    /// For the status.
    #[must_use]
    pub fn status(&self, sandbox: &str) -> BoxStatus {
        BoxStatus {
            sandbox: sandbox.to_owned(),
            pid: self.pid,
            policies: self.in_force.iter().map(|text| text.name.clone()).collect(),
            files: self.files().map(Path::to_owned).collect(),
            generation: self.generation,
            fault: self.fault.clone(),
            capture: self.capture,
            allowed: self.allowed,
            denied: self.denied,
            connections: self.connections,
            bytes_out: self.tally.bytes_out,
            bytes_in: self.tally.bytes_in,
            models: self.models,
            last_denial: self.last_denial.clone(),
            since: self.since.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_name_is_never_a_way_out_of_the_audit_directory() {
        for name in ["a", "0f3b9c", "web-1_x.y"] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "-x",
            ".hidden",
            "a b",
            "ä",
            &"a".repeat(129),
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
