//! Requests that wait for a person: the rest of the sandbox goes on meanwhile.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use nemoclaw_api::approvals::Question;
use nemoclaw_policy::decide::{RuleRef, Verdict};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use super::event::{rule_text, short_path};
use super::sandbox::Sandbox;
use super::wanted::Wanted;
use crate::limits;
use crate::link::{Answer, FromWorker};

/// Who waits for which answer.
#[derive(Default)]
pub struct Waiting {
    next: AtomicU64,
    answers: Mutex<HashMap<u64, UnboundedSender<Answer>>>,
}

impl Waiting {
    /// Pass on what the warden says.
    pub fn answered(&self, ticket: u64, answer: Answer) {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiter) = answers.get(&ticket) {
            // Whoever waited may have gone this very moment.
            let _ = waiter.send(answer);
        }
    }

    fn take(&self) -> (u64, UnboundedReceiver<Answer>) {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = unbounded_channel();
        self.answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(ticket, sender);
        (ticket, receiver)
    }

    fn give_back(&self, ticket: u64) {
        self.answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&ticket);
    }
}

/// Why a request does not pass that a person was asked about.
pub struct NotApproved {
    /// Its proposal, which may still be answered.
    pub proposal: Option<String>,
    /// Why, one sentence.
    pub reason: String,
    /// The answer's status.
    pub status: StatusCode,
}

/// Ends the question with the request.
struct Ticket<'a> {
    sandbox: &'a Sandbox,
    number: u64,
    answered: bool,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.sandbox.node.waiting.give_back(self.number);
        if !self.answered {
            let ticket = self.number;
            self.sandbox.node.sink.send(FromWorker::Withdraw { ticket });
        }
    }
}

/// What a person is shown of a request, and what an approval is bound to.
#[must_use]
pub fn question(wanted: &Wanted, body: &[u8]) -> Question {
    let mut digest = Sha256::new();
    let query = wanted.query.as_deref().unwrap_or_default();
    // The length parts query and body.
    digest.update((query.len() as u64).to_le_bytes());
    digest.update(query);
    digest.update(body);
    Question {
        host: wanted.host.to_string(),
        port: wanted.port,
        method: short_path(&wanted.method),
        path: wanted.path.clone(),
        digest: format!("{:x}", digest.finalize()),
        length: body.len() as u64,
    }
}

/// Ask, and wait until a person has said, the policy has changed, or time is up. `Ok` is the proposal's id, `None` where
/// the policy in force does not ask any more.
///
/// # Errors
/// It may not pass now.
pub async fn ask(
    sandbox: &Sandbox,
    wanted: &Wanted,
    question: Question,
    rule: &RuleRef,
) -> Result<Option<String>, NotApproved> {
    let Ok(_room) = sandbox.asking.try_acquire() else {
        return Err(crowded());
    };
    let (number, mut answers) = sandbox.node.waiting.take();
    let mut ticket = Ticket {
        sandbox,
        number,
        answered: false,
    };
    sandbox.node.sink.send(FromWorker::Ask {
        sandbox: sandbox.name.to_string(),
        ticket: number,
        question,
        rule: rule_text(rule),
    });
    let end = Instant::now() + limits::ASK_TIME;
    let mut proposal = None;
    let asks =
        |policy: &nemoclaw_policy::Policy| matches!(wanted.verdict(policy), Verdict::Ask { .. });
    let changed = sandbox.policy.revoked(asks);
    tokio::pin!(changed);
    loop {
        let answer = tokio::select! {
            answer = timeout_at(end, answers.recv()) => answer,
            () = &mut changed => return Ok(None),
        };
        match answer {
            Ok(Some(Answer::Waiting(id))) => proposal = Some(id),
            Ok(Some(Answer::Allowed(id))) => {
                ticket.answered = true;
                return Ok(Some(id));
            }
            Ok(Some(Answer::Refused(id))) => {
                ticket.answered = true;
                return Err(NotApproved {
                    reason: format!("a person has denied proposal {id}"),
                    proposal: Some(id),
                    status: StatusCode::FORBIDDEN,
                });
            }
            Ok(Some(Answer::Crowded)) => {
                ticket.answered = true;
                return Err(crowded());
            }
            Ok(None) | Err(_) => {
                return Err(NotApproved {
                    proposal,
                    reason: format!(
                        "a person must allow it, and nobody has said within {} s",
                        limits::ASK_TIME.as_secs()
                    ),
                    status: StatusCode::FORBIDDEN,
                });
            }
        }
    }
}

fn crowded() -> NotApproved {
    NotApproved {
        proposal: None,
        reason: "a person must allow it, and too many requests of this sandbox wait already".into(),
        status: StatusCode::FORBIDDEN,
    }
}
