//! Requests that wait for a person: the rest of the sandbox goes on meanwhile.

use http::StatusCode;
use nemoclaw_api::approvals::Question;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use super::event::short_path;
use super::sandbox::Sandbox;
use super::tickets::{Ticket, Tickets};
use crate::limits;
use crate::link::{Answer, FromWorker};

/// Who waits for which answer; a person's comes after the warden's own.
pub type Waiting = Tickets<UnboundedSender<Answer>>;

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
struct Asking<'a> {
    sandbox: &'a Sandbox,
    ticket: Ticket<'a, UnboundedSender<Answer>>,
    answered: bool,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.answered {
            let ticket = self.ticket.number;
            self.sandbox.node.sink.send(FromWorker::Withdraw { ticket });
        }
    }
}

/// A request that a person is asked about.
pub struct Asked<'a> {
    /// Its host.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// Its method.
    pub method: &'a str,
    /// Its path.
    pub path: &'a str,
    /// Its query.
    pub query: Option<&'a str>,
    /// Its body.
    pub body: &'a [u8],
}

/// What a person is shown of a request, and what an approval is bound to.
#[must_use]
pub fn question(asked: &Asked<'_>) -> Question {
    let mut digest = Sha256::new();
    let query = asked.query.unwrap_or_default();
    // The length parts query and body.
    digest.update((query.len() as u64).to_le_bytes());
    digest.update(query);
    digest.update(asked.body);
    Question {
        host: asked.host.to_owned(),
        port: asked.port,
        method: short_path(asked.method),
        path: asked.path.to_owned(),
        digest: format!("{:x}", digest.finalize()),
        length: asked.body.len() as u64,
    }
}

/// Ask, and wait until a person has said, a policy is in force that no longer asks (`asks`), or time is up. `Ok` is the
/// proposal's id, `None` where nobody is asked any more. `rule` is the one that asks, with its place.
///
/// # Errors
/// It may not pass now.
pub async fn ask(
    sandbox: &Sandbox,
    question: Question,
    rule: String,
    asks: impl Fn(&nemoclaw_policy::Policy) -> bool,
) -> Result<Option<String>, NotApproved> {
    let Ok(_room) = sandbox.asking.try_acquire() else {
        return Err(crowded());
    };
    let (sender, mut answers) = unbounded_channel();
    let mut asking = Asking {
        sandbox,
        ticket: sandbox.node.waiting.open(sender),
        answered: false,
    };
    sandbox.node.sink.send(FromWorker::Ask {
        sandbox: sandbox.name.to_string(),
        ticket: asking.ticket.number,
        question,
        rule,
    });
    let end = Instant::now() + limits::ASK_TIME;
    let mut proposal = None;
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
                asking.answered = true;
                return Ok(Some(id));
            }
            Ok(Some(Answer::Refused(id))) => {
                asking.answered = true;
                return Err(NotApproved {
                    reason: format!("a person has denied proposal {id}"),
                    proposal: Some(id),
                    status: StatusCode::FORBIDDEN,
                });
            }
            Ok(Some(Answer::Crowded)) => {
                asking.answered = true;
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
