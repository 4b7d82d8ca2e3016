//! One sandbox as the worker holds it, and the node that all share.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use nemoclaw_api::ModelSpend;
use nemoclaw_api::audit::Event;
use nemoclaw_policy::choose;
use nemoclaw_policy::decide::NameVerdict;
use nemoclaw_policy::handover::PolicyText;
use nemoclaw_policy::policy::LOCAL_NAME;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::approve::Waiting;
use super::authority::Authority;
use super::budget::Budget;
use super::credentials::Vault;
use super::dial::Dialer;
use super::dns::Answer;
use super::event;
use super::inference::State;
use super::inference::breaker::Breakers;
use super::metrics::Board;
use super::names::{Names, NoAddress};
use super::policy::{InForce, Met};
use super::pool::{Pool, Rule};
use super::program::Questions;
use super::sink::Sink;
use super::tasks::Tasks;
use crate::link::{FromWorker, SavedName};
use crate::meters::Meters;
use crate::{clock, limits};

/// What all sandboxes share.
pub struct Node {
    /// The way out.
    pub dialer: Dialer,
    /// The way to the warden.
    pub sink: Sink,
    /// Providers and their credentials.
    pub vault: ArcSwap<Vault>,
    /// Room for connections of all sandboxes.
    pub connections: Arc<Semaphore>,
    /// Room for requests of all sandboxes.
    pub requests: Arc<Semaphore>,
    /// Room for pipes that carry bulk.
    pub pipes: Semaphore,
    /// Room for the bodies of calls to models.
    pub model_bytes: Arc<Semaphore>,
    /// Which providers of models fail.
    pub breakers: Arc<Breakers>,
    /// Requests that wait for a person.
    pub waiting: Waiting,
    /// Whether the warden can write decisions to disk.
    pub recorded: AtomicBool,
    /// Questions for programs.
    pub questions: Questions,
    /// How long things take.
    pub meters: Meters,
    /// The page of metrics.
    pub board: Board,
    /// True once the router is about to end.
    pub draining: watch::Sender<bool>,
}

impl Node {
    /// Whether decisions can be written down: while they cannot, none is taken.
    #[must_use]
    pub fn recording(&self) -> bool {
        self.recorded.load(Ordering::Relaxed)
    }
}

/// A sandbox.
pub struct Sandbox {
    /// Its name.
    pub name: Arc<str>,
    /// Its policy.
    pub policy: Arc<InForce>,
    /// Its CA.
    pub authority: Authority,
    /// What it shares.
    pub node: Arc<Node>,
    /// Its connections and whatever they start.
    pub tasks: Tasks,
    /// Its upstream connections.
    pub pool: ArcSwap<Pool>,
    /// What it has spent.
    pub budget: Budget,
    /// What it keeps between its calls to models.
    pub models: State,
    /// Room for the bodies of its calls to models.
    pub model_bytes: Arc<Semaphore>,
    /// Its connections to the operator's own models.
    pub near: Pool,
    /// Its connections to other models.
    pub far: Pool,
    /// Room for requests that wait for a person.
    pub asking: Semaphore,
    /// Room for questions for programs.
    pub questions: Semaphore,
    names: Mutex<Names>,
    room: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    /// Room for the texts of its WebSockets, bytes.
    pub texts: Arc<Semaphore>,
    open: AtomicU64,
}

/// How a name question ends.
pub struct Named {
    /// The answer.
    pub answer: Answer,
    /// A new name: to be told to the warden before the answer leaves.
    pub new: Option<SavedName>,
    /// Why it does not exist, where a limit and not the policy says so.
    pub limit: Option<NoAddress>,
}

/// Room for one connection.
pub struct Permit {
    _box: OwnedSemaphorePermit,
    _node: OwnedSemaphorePermit,
    sandbox: Arc<Sandbox>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.sandbox.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Room for one request, from its decision to the end of its last byte.
pub struct RequestRoom {
    _box: OwnedSemaphorePermit,
    _node: OwnedSemaphorePermit,
}

/// What makes a sandbox.
pub struct Parts {
    /// Its name.
    pub name: Arc<str>,
    /// Its policy.
    pub met: Met,
    /// The policy's texts.
    pub texts: Vec<PolicyText>,
    /// The policy's generation.
    pub generation: u64,
    /// Its CA.
    pub authority: Authority,
    /// Names it has.
    pub names: Names,
    /// What it has spent.
    pub budget: Budget,
    /// What it keeps between its calls to models.
    pub models: State,
}

impl Sandbox {
    /// A sandbox on `node`.
    #[must_use]
    pub fn new(parts: Parts, node: Arc<Node>) -> Arc<Sandbox> {
        let tasks = Tasks::default();
        let policy = Arc::new(InForce::new(parts.met, parts.texts, parts.generation));
        Arc::new(Sandbox {
            name: parts.name,
            authority: parts.authority,
            pool: ArcSwap::from_pointee(Pool::new(&node, Rule::Policy(policy.clone()), &tasks)),
            policy,
            questions: Semaphore::new(limits::PROGRAM_QUESTIONS),
            names: Mutex::new(parts.names),
            budget: parts.budget,
            models: parts.models,
            model_bytes: Arc::new(Semaphore::new(limits::MODEL_BYTES_PER_BOX)),
            near: Pool::new(&node, Rule::Operator { local: true }, &tasks),
            far: Pool::new(&node, Rule::Operator { local: false }, &tasks),
            asking: Semaphore::new(limits::ASKING_PER_BOX),
            room: Arc::new(Semaphore::new(limits::CONNECTIONS_PER_BOX)),
            requests: Arc::new(Semaphore::new(limits::REQUESTS_PER_BOX)),
            texts: Arc::new(Semaphore::new(limits::WEBSOCKET_TEXTS)),
            tasks,
            open: AtomicU64::new(0),
            node,
        })
    }

    /// Put another policy in force; gives its generation. Idle upstream connections go: they may lead to addresses that
    /// it no longer lists.
    pub fn follow(&self, met: Met, texts: Vec<PolicyText>) -> u64 {
        let before = self.policy.snapshot().generation;
        let generation = self.policy.replace(met, texts);
        if generation != before {
            let pool = Pool::new(&self.node, Rule::Policy(self.policy.clone()), &self.tasks);
            self.pool.store(Arc::new(pool));
        }
        generation
    }

    /// Room for a connection, if there is any.
    #[must_use]
    pub fn admit(self: &Arc<Self>) -> Option<Permit> {
        let own = self.room.clone().try_acquire_owned().ok()?;
        let shared = self.node.connections.clone().try_acquire_owned().ok()?;
        self.open.fetch_add(1, Ordering::Relaxed);
        Some(Permit {
            _box: own,
            _node: shared,
            sandbox: self.clone(),
        })
    }

    /// Room for a request, if there is any.
    #[must_use]
    pub fn begin(&self) -> Option<RequestRoom> {
        Some(RequestRoom {
            _box: self.requests.clone().try_acquire_owned().ok()?,
            _node: self.node.requests.clone().try_acquire_owned().ok()?,
        })
    }

    /// What it has spent on models; `None` where its policy asks none.
    #[must_use]
    pub fn spend(&self) -> Option<ModelSpend> {
        let policy = self.policy.snapshot();
        choose::serves(&policy.policy, LOCAL_NAME)
            .then(|| self.models.ledger.spend_of(&policy.policy))
    }

    /// Open connections.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// The name behind a virtual address.
    #[must_use]
    pub fn name_of(&self, address: Ipv4Addr) -> Option<Arc<str>> {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .name(address)
    }

    /// Answer a question about `name`; `address` asks for one.
    #[must_use]
    pub fn answer(&self, verdict: NameVerdict, name: &str, address: bool) -> Named {
        let plain = |answer| Named {
            answer,
            new: None,
            limit: None,
        };
        if verdict == NameVerdict::Unknown {
            return plain(Answer::Unknown);
        }
        if !address {
            return plain(Answer::Nothing);
        }
        let policy = self.policy.snapshot();
        let budget = policy.policy.budgets.wildcard_names.unwrap_or(u64::MAX);
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.address(name) {
            return plain(Answer::Address(known));
        }
        match names.assign(
            &self.name,
            name,
            (verdict == NameVerdict::Wildcard).then_some(budget),
            clock::unix_seconds(),
        ) {
            Ok(entry) => Named {
                answer: Answer::Address(entry.address),
                new: Some(entry),
                limit: None,
            },
            Err(limit) => Named {
                answer: Answer::Unknown,
                new: None,
                limit: Some(limit),
            },
        }
    }

    /// The message that keeps a new name over a crash.
    #[must_use]
    pub fn naming(&self, entry: SavedName) -> FromWorker {
        FromWorker::Named {
            sandbox: self.name.to_string(),
            entry,
        }
    }

    /// An audit event of this sandbox under the policy in force.
    #[must_use]
    pub fn event(&self, kind: &str, host: &str, port: u16) -> Event {
        event::blank(
            &self.name,
            kind,
            host,
            port,
            self.policy.snapshot().generation,
        )
    }
}
