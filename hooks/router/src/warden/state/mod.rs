//! The warden's state and what each happening does to it. One thread, one happening at a time.

mod approving;
mod auditing;
mod ends;
mod lifecycle;
mod numbers;
mod policies;
mod programs;
mod providers;
mod registration;
mod said;

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use nemoclaw_api::wire::WireError;
use nemoclaw_api::{Request, Response, RouterStatus};
use nemoclaw_policy::node::NodeConfig;

use super::approvals::Approvals;
use super::audit::AuditLog;
use super::boxes::{Claim, Held};
use super::child::Worker;
use super::keep::Keep;
use super::providers::Held as Providers;
use super::settings::RESOLV_CONF;
use super::socket::Reply;
use super::watch::Watch;
use super::{Happening, Post, WardenError, log};
use crate::link::{FromWorker, Settings, ToWorker};
use crate::meters::{ANSWER, Counts, DECISION};
use crate::worker::event::told;
use crate::{clock, limits};
use numbers::Port;

/// What the warden writes.
pub struct Disk {
    /// Decisions.
    pub audit: AuditLog,
    /// Sandboxes that outlive the router.
    pub keep: Keep,
}

/// The warden's state.
pub struct State {
    settings: Settings,
    follow_resolv_conf: bool,
    disk: Disk,
    watch: Watch,
    providers: Providers,
    post: Post,
    boxes: BTreeMap<String, Held>,
    approvals: Approvals,
    worker: Option<Worker>,
    born: Instant,
    numbers: u64,
    incarnations: u64,
    restarts: u64,
    retry: Option<Instant>,
    audit_retry: Option<Instant>,
    pause: Duration,
    ending: Option<Instant>,
    departed: VecDeque<String>,
    stoppers: Vec<Reply>,
    since: String,
    started: f64,
    decisions: Counts,
    answers: Counts,
    port: Port,
}

impl State {
    /// Without worker and sandboxes.
    #[must_use]
    pub fn new(
        node: &NodeConfig,
        settings: Settings,
        disk: Disk,
        watch: Watch,
        post: Post,
    ) -> State {
        State {
            settings,
            follow_resolv_conf: node.router.resolvers.is_empty(),
            disk,
            watch,
            providers: Providers::new(node.providers.clone()),
            post,
            boxes: BTreeMap::new(),
            approvals: Approvals::default(),
            worker: None,
            born: Instant::now(),
            numbers: 0,
            incarnations: 0,
            restarts: 0,
            retry: None,
            audit_retry: None,
            pause: Duration::ZERO,
            ending: None,
            departed: VecDeque::new(),
            stoppers: Vec::new(),
            since: clock::now(),
            started: clock::unix_seconds() as f64,
            decisions: Counts::new(DECISION),
            answers: Counts::new(ANSWER),
            port: None,
        }
    }

    /// Start the first worker and wait until it serves.
    ///
    /// # Errors
    /// It cannot be started, or cannot confine itself.
    pub fn begin(&mut self, happenings: &Receiver<Happening>) -> Result<(), WardenError> {
        if self.follow_resolv_conf
            && let Err(error) = self.watch.add(Path::new(RESOLV_CONF))
        {
            log(&format!(
                "changes of {RESOLV_CONF} are not followed: {error}"
            ));
        }
        self.numbers += 1;
        self.worker = Some(
            Worker::start(self.numbers, &self.settings, &self.post).map_err(WardenError::Spawn)?,
        );
        self.lend_port();
        self.born = Instant::now();
        let end = self.born + limits::START_TIME;
        loop {
            match happenings.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Happening::Said {
                    message: FromWorker::Ready,
                    ..
                }) => {
                    self.look_at_providers();
                    return Ok(());
                }
                Ok(Happening::Said {
                    message: FromWorker::Unfit(sentence),
                    ..
                }) => {
                    return Err(WardenError::Unfit(sentence));
                }
                Ok(Happening::WorkerGone { .. }) => {
                    return Err(WardenError::Unfit("it ended at once".into()));
                }
                Ok(Happening::Signal) => {
                    return Err(WardenError::Unfit("the router was told to end".into()));
                }
                Ok(_) => {}
                Err(_) => {
                    return Err(WardenError::Unfit(
                        "it did not confine itself in time".into(),
                    ));
                }
            }
        }
    }

    /// Treat happenings until the router is told to end.
    pub fn run(&mut self, happenings: &Receiver<Happening>) {
        loop {
            let audit = self.disk.audit.due();
            let next = [self.retry, self.audit_retry, self.ending, audit]
                .into_iter()
                .flatten()
                .min();
            let happening = match next {
                None => happenings
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => happenings.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match happening {
                Ok(happening) => self.treat(happening),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.due();
            self.retry_audit();
            self.work_on_logs();
            if self
                .ending
                .is_some_and(|end| self.worker.is_none() || end <= Instant::now())
            {
                return self.finish();
            }
        }
    }

    fn treat(&mut self, happening: Happening) {
        match happening {
            Happening::Asked {
                request,
                descriptors,
                reply,
            } => self.asked(request, descriptors, reply),
            Happening::Said { worker, message } => {
                if self
                    .worker
                    .as_ref()
                    .is_some_and(|current| current.number == worker)
                {
                    self.said(message);
                } else {
                    self.said_late(message);
                }
            }
            Happening::WorkerGone { worker } => {
                if self
                    .worker
                    .as_ref()
                    .is_some_and(|current| current.number == worker)
                {
                    self.worker_gone("it ended");
                }
            }
            Happening::Files(touched) => self.files(touched.as_ref()),
            Happening::Ended {
                sandbox,
                incarnation,
            } => {
                if self
                    .boxes
                    .get(&sandbox)
                    .is_some_and(|held| held.incarnation == incarnation)
                {
                    self.release(&sandbox);
                }
            }
            Happening::Unserved { sandbox, sentence } => self.unserved(&sandbox, &sentence),
            Happening::Missed { sandbox } => {
                if !self.boxes.contains_key(&sandbox) {
                    self.disk.keep.forget(&sandbox);
                }
            }
            Happening::Found { question, answer } => self.found(question, answer),
            Happening::Signal => self.drain(),
        }
    }

    fn asked(&mut self, request: Request, descriptors: Vec<OwnedFd>, reply: Reply) {
        match request {
            Request::Register {
                handover,
                pid,
                netns_cookie,
                capture,
            } => {
                let claim = Claim {
                    handover,
                    pid,
                    netns_cookie,
                    capture,
                };
                self.register(claim, descriptors, reply);
            }
            Request::Release { sandbox } => {
                self.release(&sandbox);
                reply.give(&Response::Done);
            }
            Request::List => {
                let boxes = self
                    .boxes
                    .iter()
                    .map(|(name, held)| held.status(name))
                    .collect();
                reply.give(&Response::Boxes { boxes });
            }
            Request::Approvals { sandbox } => reply.give(&Response::Approvals {
                proposals: self.approvals.proposals(sandbox.as_deref()),
                approvals: self.approvals.standing(sandbox.as_deref()),
            }),
            Request::Decide { id, decision } => self.decide(&id, decision, reply),
            Request::Metrics => reply.give(&Response::Metrics {
                text: self.metrics(),
            }),
            Request::Status => reply.give(&Response::Router(self.status())),
            Request::Seal => {
                self.seal();
                reply.give(&match self.disk.audit.fault() {
                    None => Response::Done,
                    Some(fault) => Response::Error {
                        message: fault.to_owned(),
                    },
                });
            }
            Request::Stop => {
                self.stoppers.push(reply);
                self.drain();
            }
        }
    }

    fn status(&self) -> RouterStatus {
        RouterStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            warden_pid: i32::try_from(std::process::id()).unwrap_or_default(),
            worker_pid: self.worker.as_ref().map(Worker::pid),
            restarts: self.restarts,
            boxes: self.boxes.len() as u64,
            since: self.since.clone(),
            audit_dir: self.disk.audit.directory().to_owned(),
            audit_fault: self.disk.audit.fault().map(str::to_owned),
            providers: self.providers.names(),
            providers_fault: self.providers.fault(),
        }
    }

    fn tell(&mut self, message: &ToWorker) {
        if let Some(worker) = &self.worker
            && let Err(error) = worker.send(message, &[])
        {
            if unsendable(&error) {
                return log(&format!(
                    "the worker is not told something: {}",
                    told(&error)
                ));
            }
            self.worker_gone(&told(&error));
        }
    }

    fn drain(&mut self) {
        if self.ending.is_some() {
            return;
        }
        log("draining");
        self.retry = None;
        self.ending = Some(Instant::now() + limits::DRAIN + limits::DRAIN / 4);
        self.tell(&ToWorker::Drain);
    }

    fn finish(&mut self) {
        if let Some(worker) = self.worker.take()
            && let Err(error) = worker.end()
        {
            log(&format!("the worker cannot be ended: {error}"));
        }
        self.disk.audit.close_all();
        for reply in self.stoppers.drain(..) {
            reply.give(&Response::Done);
        }
        log("ended");
    }
}

/// Nothing was sent, and no other worker could be told either.
fn unsendable(error: &WireError) -> bool {
    matches!(error, WireError::TooLong { .. } | WireError::Form(_))
}
