//! The numbers of this moment, for whoever asks on the router's socket or, by way of the worker, on its port.

use std::net::TcpListener;
use std::os::fd::AsFd;

use super::State;
use crate::link::ToWorker;
use crate::warden::log;
use crate::warden::metrics::{Numbers, SandboxNumbers, render};
use crate::worker::event::told;

impl State {
    /// The page.
    pub(super) fn metrics(&self) -> String {
        render(Numbers {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            worker: self.worker.is_some(),
            restarts: self.restarts,
            audit: self.disk.audit.numbers(),
            decisions: self.decisions.clone(),
            answers: self.answers.clone(),
            sandboxes: self
                .boxes
                .iter()
                .map(|(name, held)| held.numbers(name))
                .collect::<Vec<SandboxNumbers>>(),
        })
    }

    /// Use a port for metrics.
    pub fn set_port(&mut self, port: Port) {
        self.port = port;
    }

    /// Let the worker serve the page: it alone reads what comes from a network, also from this machine's.
    pub(super) fn lend_port(&mut self) {
        let (Some(port), Some(worker)) = (&self.port, &self.worker) else {
            return;
        };
        if let Err(error) = worker.send(&ToWorker::ServeMetrics, &[port.as_fd()]) {
            log(&format!(
                "the port for metrics is not served: {}",
                told(&error)
            ));
        }
    }
}

/// The port for metrics, bound before there is a worker.
pub type Port = Option<TcpListener>;
