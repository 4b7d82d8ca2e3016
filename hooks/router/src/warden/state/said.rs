//! What the worker says, and what it changes. A sandbox it names is looked up; it names no file and no process.

use nemoclaw_api::Response;
use nemoclaw_api::audit::OPEN;

use super::State;
use super::registration::refuse_box;
use crate::link::{FromWorker, SavedCa, SavedName, ToWorker};
use crate::warden::log;

impl State {
    pub(super) fn said(&mut self, message: FromWorker) {
        match message {
            FromWorker::Ready => {}
            FromWorker::Unfit(sentence) => log(&format!("the worker cannot serve: {sentence}")),
            FromWorker::Audit(events) => self.record(&events),
            FromWorker::Registered { sandbox, ca } => self.serving(&sandbox, ca),
            FromWorker::Rejected { sandbox, message } => self.rejected(&sandbox, &message),
            FromWorker::Accepted {
                sandbox,
                sequence,
                generation,
            } => {
                if self
                    .boxes
                    .get_mut(&sandbox)
                    .is_some_and(|held| held.accepted(sequence, generation))
                {
                    self.keep_or_log(&sandbox);
                    self.note(
                        &sandbox,
                        Ok(format!("policy generation {generation} is in force")),
                    );
                }
            }
            FromWorker::Refused {
                sandbox,
                sequence,
                fault,
            } => {
                let news = self
                    .boxes
                    .get_mut(&sandbox)
                    .is_some_and(|held| held.refused(sequence, fault.clone()));
                if news {
                    self.note(&sandbox, Err(fault));
                }
            }
            FromWorker::Named { sandbox, entry } => self.named(&sandbox, entry),
            FromWorker::Ask {
                sandbox,
                ticket,
                question,
                rule,
            } => self.ask(&sandbox, ticket, question, rule),
            FromWorker::Withdraw { ticket } => self.approvals.withdraw(ticket),
            FromWorker::WhoIs {
                sandbox,
                id,
                client,
                local,
            } => self.who_is(&sandbox, id, client, local),
            FromWorker::Measured(measured) => {
                self.decisions.add(&measured.decisions);
                self.answers.add(&measured.answers);
            }
            FromWorker::MetricsAsked => {
                let page = self.metrics();
                self.tell(&ToWorker::Metrics(page));
            }
            FromWorker::Spends(spends) => {
                for (sandbox, spend) in spends {
                    if let Some(held) = self.boxes.get_mut(&sandbox) {
                        held.models = Some(spend);
                    }
                }
            }
            FromWorker::Connections(open) => {
                for (sandbox, number) in open {
                    if let Some(held) = self.boxes.get_mut(&sandbox) {
                        held.set_connections(number);
                    }
                }
            }
        }
    }

    fn serving(&mut self, sandbox: &str, ca: SavedCa) {
        let Some(held) = self.boxes.get_mut(sandbox) else {
            return;
        };
        let certificate = ca.certificate.clone();
        held.saved.ca.get_or_insert(ca);
        if held.waiting.is_some() {
            self.registered(sandbox, certificate);
        }
    }

    fn rejected(&mut self, sandbox: &str, message: &str) {
        log(&format!("sandbox {sandbox} is not served: {message}"));
        if self
            .boxes
            .get(sandbox)
            .is_some_and(|held| held.waiting.is_some())
            && let Some(held) = self.boxes.remove(sandbox)
        {
            refuse_box(held, message);
        }
    }

    fn named(&mut self, sandbox: &str, entry: SavedName) {
        match self.boxes.get_mut(sandbox).map(|held| held.named(entry)) {
            Some(true) => self.keep_or_log(sandbox),
            Some(false) => log(&format!(
                "sandbox {sandbox} has more names than it may have"
            )),
            None => {}
        }
    }

    /// The worker serves a sandbox: what the next router needs is kept before anyone is told.
    fn registered(&mut self, sandbox: &str, ca_pem: String) {
        let kept = self.keep(sandbox);
        let Some(held) = self.boxes.get_mut(sandbox) else {
            return;
        };
        let (generation, resumed) = (held.generation, held.resumed);
        let Some(reply) = held.waiting.take() else {
            return;
        };
        if let Err(sentence) = kept {
            reply.refuse(sentence);
            return self.release(sandbox);
        }
        reply.give(&Response::Registered { generation, ca_pem });
        let began = if resumed {
            "the router was started again"
        } else {
            "the sandbox is served"
        };
        self.happened(sandbox, Some(OPEN), began);
        self.watch_files(sandbox);
    }

    /// What a worker that is gone had still sent: its decisions and names hold.
    pub(super) fn said_late(&mut self, message: FromWorker) {
        match message {
            FromWorker::Audit(_) | FromWorker::Named { .. } | FromWorker::Measured(_) => {
                self.said(message);
            }
            _ => {}
        }
    }
}
