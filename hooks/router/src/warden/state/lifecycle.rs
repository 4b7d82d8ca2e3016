//! A worker that ends is followed by another with the same sockets.

use std::time::{Duration, Instant};

use super::State;
use crate::limits;
use crate::link::ToWorker;
use crate::warden::child::Worker;
use crate::warden::log;

impl State {
    /// A worker ended: the next one is started at once, or after a pause when it died young.
    pub(super) fn worker_gone(&mut self, why: &str) {
        let Some(worker) = self.worker.take() else {
            return;
        };
        let pid = worker.pid();
        match worker.end() {
            Ok(status) => log(&format!("worker {pid}: {why}, {status}")),
            Err(error) => log(&format!(
                "worker {pid}: {why}, and cannot be waited for: {error}"
            )),
        }
        self.approvals.nobody_waits();
        for held in self.boxes.values_mut() {
            held.set_connections(0);
        }
        if self.ending.is_some() {
            return;
        }
        self.pause = if self.born.elapsed() >= limits::RESTART_GROWN {
            Duration::ZERO
        } else {
            (self.pause * 2).clamp(limits::RESTART_PAUSE, limits::RESTART_PAUSE_MOST)
        };
        self.retry = Some(Instant::now() + self.pause);
    }

    pub(super) fn due(&mut self) {
        if self.retry.is_none_or(|at| at > Instant::now()) {
            return;
        }
        self.retry = None;
        self.numbers += 1;
        self.restarts += 1;
        self.born = Instant::now();
        match Worker::start(self.numbers, &self.settings, &self.post) {
            Ok(worker) => {
                log(&format!("worker {} started in its place", worker.pid()));
                self.worker = Some(worker);
                self.lend_port();
            }
            Err(error) => {
                log(&format!("the worker cannot be started: {error}"));
                self.pause =
                    (self.pause * 2).clamp(limits::RESTART_PAUSE, limits::RESTART_PAUSE_MOST);
                self.retry = Some(Instant::now() + self.pause);
                return;
            }
        }
        if self.disk.audit.fault().is_some() {
            self.tell(&ToWorker::Recording(false));
        }
        self.tell_providers();
        let names: Vec<String> = self.boxes.keys().cloned().collect();
        for name in names {
            self.hand_over(&name);
            self.happened(&name, None, "the router's worker was started again");
        }
    }
}
