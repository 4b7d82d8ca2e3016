//! The worker's loop: it does what the warden says and tells how many connections are open.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{TcpListener as StdListener, UdpSocket as StdUdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nemoclaw_api::ModelSpend;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::inbox::{Command, NewBox};
use super::sandbox::{Node, Parts, Sandbox};
use super::{answer, listen, metrics};
use crate::limits;
use crate::link::FromWorker;

/// The worker with its sandboxes.
pub struct Worker {
    node: Arc<Node>,
    boxes: HashMap<String, Arc<Sandbox>>,
    told: BTreeMap<String, u64>,
    spends: HashMap<String, ModelSpend>,
}

impl Worker {
    /// Without sandboxes.
    #[must_use]
    pub fn new(node: Arc<Node>) -> Worker {
        Worker {
            node,
            boxes: HashMap::new(),
            told: BTreeMap::new(),
            spends: HashMap::new(),
        }
    }

    /// Serve until the warden says so or is gone.
    pub async fn run(mut self, mut inbox: UnboundedReceiver<Command>) {
        let mut gauge = interval(limits::GAUGE_TIME);
        gauge.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(Command::Drain) => return self.drain().await,
                    Some(command) => self.obey(command),
                    None => return,
                },
                _ = gauge.tick() => {
                    self.tell_connections();
                    self.tell_spends();
                    self.tell_measured();
                }
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Register(new) => self.register(*new),
            Command::Reject { sandbox, message } => self
                .node
                .sink
                .send(FromWorker::Rejected { sandbox, message }),
            Command::Policies {
                sandbox,
                sequence,
                texts,
                policy,
            } => {
                let Some(known) = self.boxes.get(&sandbox) else {
                    return;
                };
                self.node.sink.send(match policy {
                    Ok(policy) => {
                        let generation = known.follow(*policy, texts);
                        FromWorker::Accepted {
                            sandbox,
                            sequence,
                            generation,
                        }
                    }
                    Err(fault) => FromWorker::Refused {
                        sandbox,
                        sequence,
                        fault,
                    },
                });
            }
            Command::Providers(vault) => {
                let known = |name: &str| vault.named(name).is_some();
                self.node.breakers.keep(known);
                self.node.vault.store(Arc::from(vault));
            }
            Command::Resolvers(addresses) => self
                .node
                .dialer
                .resolver
                .set_servers(super::servers(&addresses)),
            Command::Program { id, found } => {
                if let Some(asker) = self.node.questions.take(id) {
                    // The connection may have ended meanwhile.
                    let _ = asker.send(found);
                }
            }
            Command::Recording(can) => self.node.recorded.store(can, Ordering::Relaxed),
            Command::Answer(ticket, answer) => {
                if let Some(waiter) = self.node.waiting.get(ticket) {
                    // Whoever waited may have gone this very moment.
                    let _ = waiter.send(answer);
                }
            }
            Command::Release(sandbox) => {
                if let Some(gone) = self.boxes.remove(&sandbox) {
                    gone.tasks.end();
                }
                self.told.remove(&sandbox);
                self.spends.remove(&sandbox);
            }
            Command::ServeMetrics(port) => {
                tokio::spawn(metrics::serve(self.node.clone(), port));
            }
            Command::Metrics(page) => self.node.board.put(page),
            Command::Drain => {}
        }
    }

    fn register(&mut self, new: NewBox) {
        let sandbox = new.sandbox.clone();
        let message = match self.serve(new) {
            Ok(served) => FromWorker::Registered {
                sandbox,
                ca: served.authority.saved(),
            },
            Err(error) => FromWorker::Rejected {
                sandbox,
                message: format!("the sandbox's sockets cannot be used: {error}"),
            },
        };
        self.node.sink.send(message);
    }

    fn serve(&mut self, new: NewBox) -> io::Result<Arc<Sandbox>> {
        let listener = StdListener::from(new.listener);
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let dns = StdUdpSocket::from(new.dns);
        dns.set_nonblocking(true)?;
        let dns = UdpSocket::from_std(dns)?;
        let parts = Parts {
            name: Arc::from(new.sandbox.as_str()),
            met: new.met,
            texts: new.texts,
            generation: new.generation,
            authority: new.authority,
            names: new.names,
            budget: new.budget,
            models: new.models,
        };
        let sandbox = Sandbox::new(parts, self.node.clone());
        sandbox
            .tasks
            .spawn(listen::serve(sandbox.clone(), listener));
        sandbox.tasks.spawn(answer::serve(sandbox.clone(), dns));
        if let Some(before) = self.boxes.insert(new.sandbox, sandbox.clone()) {
            before.tasks.end();
        }
        Ok(sandbox)
    }

    fn tell_measured(&self) {
        if let Some(measured) = self.node.meters.take() {
            self.node.sink.send(FromWorker::Measured(measured));
        }
    }

    fn tell_connections(&mut self) {
        let now: BTreeMap<String, u64> = self
            .boxes
            .iter()
            .map(|(name, known)| (name.clone(), known.open()))
            .collect();
        let changed: Vec<(String, u64)> = now
            .iter()
            .filter(|(name, open)| self.told.get(*name) != Some(*open))
            .map(|(name, open)| (name.clone(), *open))
            .collect();
        if !changed.is_empty() {
            self.node.sink.send(FromWorker::Connections(changed));
        }
        self.told = now;
    }

    /// Of sandboxes that may ask a model.
    fn tell_spends(&mut self) {
        let mut changed = Vec::new();
        for (name, known) in &self.boxes {
            let Some(now) = known.spend() else { continue };
            if self.spends.get(name) != Some(&now) {
                self.spends.insert(name.clone(), now);
                changed.push((name.clone(), now));
            }
        }
        if !changed.is_empty() {
            self.node.sink.send(FromWorker::Spends(changed));
        }
    }

    /// No new connections; those open may end, for a while.
    async fn drain(self) {
        self.node.draining.send_replace(true);
        let end = Instant::now() + limits::DRAIN;
        while Instant::now() < end && self.boxes.values().any(|known| known.open() > 0) {
            tokio::time::sleep(limits::GAUGE_TIME / 4).await;
        }
        for known in self.boxes.values() {
            known.tasks.end();
        }
        self.tell_measured();
        // The last records are on their way once this one is.
        tokio::task::yield_now().await;
        let last = self
            .node
            .sink
            .delivered(FromWorker::Connections(Vec::new()));
        if tokio::time::timeout(limits::DRAIN, last).await.is_err() {
            super::log("the last audit events were not taken");
        }
    }
}
