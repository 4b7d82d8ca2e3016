//! What waits for a person and what a person has said. Pure: time comes in, answers go out.
//!
//! An approval is bound to one sandbox and to what was asked; for one time also to query and body. It is used up where
//! it is given, or kept for the next request that is the same.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use nemoclaw_api::approvals::{Approval, Decision, Proposal, Question, Scope};

use crate::limits;
use crate::link::Answer;

/// Digits of an id.
const ID_DIGITS: usize = 10;

/// A proposal with those who wait for it.
struct Open {
    proposal: Proposal,
    tickets: Vec<u64>,
    asked: u64,
}

/// A question as it comes in.
pub struct Asked {
    /// By which its answer is known.
    pub ticket: u64,
    /// What is asked.
    pub question: Question,
    /// The endpoint that asks, with its place.
    pub rule: String,
    /// The time, seconds since 1970.
    pub now: u64,
    /// The time, RFC 3339.
    pub since: String,
}

/// All sandboxes' proposals and approvals.
#[derive(Default)]
pub struct Approvals {
    open: Vec<Open>,
    standing: Vec<Approval>,
}

/// There is no proposal and no approval of this id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no proposal and no approval has this id: run `nemoclaw approvals list`")]
pub struct UnknownId;

/// What a decision changes.
#[derive(Debug, PartialEq, Eq)]
pub struct Decided {
    /// What was decided on.
    pub sandbox: String,
    /// The question.
    pub question: Question,
    /// Answers for those who wait.
    pub answers: Vec<(u64, Answer)>,
}

impl Approvals {
    /// A request of `sandbox` asks.
    pub fn ask(&mut self, sandbox: &str, asked: Asked) -> Answer {
        let Asked {
            ticket,
            question,
            rule,
            now,
            since,
        } = asked;
        self.expire(now);
        if let Some(id) = self.use_standing(sandbox, &question) {
            return Answer::Allowed(id);
        }
        let known = self
            .open
            .iter_mut()
            .find(|open| open.proposal.sandbox == sandbox && open.proposal.question == question);
        if let Some(open) = known {
            open.tickets.push(ticket);
            open.proposal.waiting = open.tickets.len() as u64;
            open.asked = now;
            return Answer::Waiting(open.proposal.id.clone());
        }
        if !self.make_room(sandbox) {
            return Answer::Crowded;
        }
        let id = new_id();
        self.open.push(Open {
            proposal: Proposal {
                id: id.clone(),
                sandbox: sandbox.to_owned(),
                question,
                rule,
                since,
                waiting: 1,
            },
            tickets: vec![ticket],
            asked: now,
        });
        Answer::Waiting(id)
    }

    /// The approval that covers a question; one for one time is used up.
    fn use_standing(&mut self, sandbox: &str, question: &Question) -> Option<String> {
        let index = self.standing.iter().position(|approval| {
            approval.sandbox == sandbox
                && match approval.scope {
                    Scope::Once => approval.question == *question,
                    Scope::For(_) | Scope::Always => approval.question.covers(question),
                }
        })?;
        if self.standing[index].scope == Scope::Once {
            return Some(self.standing.remove(index).id);
        }
        Some(self.standing[index].id.clone())
    }

    /// Room for another proposal of `sandbox`: the oldest that nobody waits for goes.
    fn make_room(&mut self, sandbox: &str) -> bool {
        let own = |open: &Open| open.proposal.sandbox == sandbox;
        if self.open.iter().filter(|open| own(open)).count() < limits::PROPOSALS_PER_BOX {
            return true;
        }
        match self
            .open
            .iter()
            .position(|open| own(open) && open.tickets.is_empty())
        {
            Some(oldest) => {
                self.open.remove(oldest);
                true
            }
            None => false,
        }
    }

    /// Nobody waits under `ticket` any more; the proposal stays for a while.
    pub fn withdraw(&mut self, ticket: u64) {
        for open in &mut self.open {
            open.tickets.retain(|known| *known != ticket);
            open.proposal.waiting = open.tickets.len() as u64;
        }
    }

    /// The worker is gone with all who waited.
    pub fn nobody_waits(&mut self) {
        for open in &mut self.open {
            open.tickets.clear();
            open.proposal.waiting = 0;
        }
    }

    /// A person's answer at `now`.
    ///
    /// # Errors
    /// There is nothing of this id.
    pub fn decide(&mut self, id: &str, decision: Decision, now: u64) -> Result<Decided, UnknownId> {
        self.expire(now);
        if decision == Decision::Revoke {
            let index = self
                .standing
                .iter()
                .position(|approval| approval.id == id)
                .ok_or(UnknownId)?;
            let approval = self.standing.remove(index);
            return Ok(Decided {
                sandbox: approval.sandbox,
                question: approval.question,
                answers: Vec::new(),
            });
        }
        let index = self
            .open
            .iter()
            .position(|open| open.proposal.id == id)
            .ok_or(UnknownId)?;
        let Open {
            proposal, tickets, ..
        } = self.open.remove(index);
        let answer = match decision {
            Decision::Allow(scope) => {
                self.stand(&proposal, scope, tickets.is_empty(), now);
                Answer::Allowed(proposal.id)
            }
            Decision::Deny | Decision::Revoke => Answer::Refused(proposal.id),
        };
        // «Once» is one request: of several that are the same, the first.
        let once = decision == Decision::Allow(Scope::Once);
        let answers = tickets
            .into_iter()
            .enumerate()
            .map(|(index, ticket)| match &answer {
                Answer::Allowed(id) if once && index > 0 => (ticket, Answer::Refused(id.clone())),
                answer => (ticket, answer.clone()),
            })
            .collect();
        Ok(Decided {
            sandbox: proposal.sandbox,
            question: proposal.question,
            answers,
        })
    }

    fn stand(&mut self, proposal: &Proposal, scope: Scope, unheard: bool, now: u64) {
        let until = match scope {
            // Given while the request waits, it is used up at once.
            Scope::Once if !unheard => return,
            Scope::Once => Some(now.saturating_add(seconds(limits::PROPOSAL_TIME))),
            Scope::For(seconds) => Some(now.saturating_add(seconds)),
            Scope::Always => None,
        };
        self.standing.push(Approval {
            id: proposal.id.clone(),
            sandbox: proposal.sandbox.clone(),
            question: proposal.question.clone(),
            scope,
            until,
        });
    }

    fn expire(&mut self, now: u64) {
        self.standing
            .retain(|approval| approval.until.is_none_or(|until| until > now));
        let kept = seconds(limits::PROPOSAL_TIME);
        self.open
            .retain(|open| !open.tickets.is_empty() || open.asked.saturating_add(kept) > now);
    }

    /// A sandbox is gone with all that was said about it.
    pub fn forget(&mut self, sandbox: &str) {
        self.open.retain(|open| open.proposal.sandbox != sandbox);
        self.standing.retain(|approval| approval.sandbox != sandbox);
    }

    /// What an earlier router kept of a sandbox.
    pub fn restore(&mut self, approvals: Vec<Approval>) {
        self.standing.extend(approvals);
    }

    /// What stands for `sandbox`, or for all.
    #[must_use]
    pub fn standing(&self, sandbox: Option<&str>) -> Vec<Approval> {
        self.standing
            .iter()
            .filter(|approval| sandbox.is_none_or(|name| approval.sandbox == name))
            .cloned()
            .collect()
    }

    /// What is not answered for `sandbox`, or for all.
    #[must_use]
    pub fn proposals(&self, sandbox: Option<&str>) -> Vec<Proposal> {
        self.open
            .iter()
            .map(|open| &open.proposal)
            .filter(|proposal| sandbox.is_none_or(|name| proposal.sandbox == name))
            .cloned()
            .collect()
    }
}

fn seconds(time: Duration) -> u64 {
    time.as_secs()
}

/// An id that nobody can guess from another.
fn new_id() -> String {
    let random = RandomState::new().hash_one(std::process::id());
    let mut id = format!("{random:016x}");
    id.truncate(ID_DIGITS);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(path: &str, digest: &str) -> Question {
        Question {
            host: "api.test".into(),
            port: 443,
            method: "POST".into(),
            path: path.into(),
            digest: digest.into(),
            length: 1,
        }
    }

    fn asked(ticket: u64, path: &str, digest: &str, now: u64) -> Asked {
        Asked {
            ticket,
            question: question(path, digest),
            rule: "rule".into(),
            now,
            since: "now".into(),
        }
    }

    fn ask(
        approvals: &mut Approvals,
        sandbox: &str,
        ticket: u64,
        path: &str,
        digest: &str,
    ) -> Answer {
        approvals.ask(sandbox, asked(ticket, path, digest, 1000))
    }

    fn waiting(answer: &Answer) -> String {
        match answer {
            Answer::Waiting(id) => id.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn once_lets_one_request_with_this_body_pass_and_no_other() {
        let mut approvals = Approvals::default();
        let id = waiting(&ask(&mut approvals, "a", 1, "/x", "body"));
        assert_eq!(waiting(&ask(&mut approvals, "a", 2, "/x", "body")), id);
        let decided = approvals
            .decide(&id, Decision::Allow(Scope::Once), 1001)
            .unwrap();
        assert_eq!(
            decided.answers,
            [
                (1, Answer::Allowed(id.clone())),
                (2, Answer::Refused(id.clone()))
            ]
        );
        assert_ne!(
            waiting(&ask(&mut approvals, "a", 3, "/x", "body")),
            id,
            "a replay"
        );
        assert_eq!(
            approvals.decide(&id, Decision::Allow(Scope::Once), 1001),
            Err(UnknownId)
        );
    }

    #[test]
    fn once_given_too_late_waits_for_the_same_request() {
        let mut approvals = Approvals::default();
        let id = waiting(&ask(&mut approvals, "a", 1, "/x", "body"));
        approvals.withdraw(1);
        approvals
            .decide(&id, Decision::Allow(Scope::Once), 1001)
            .unwrap();
        waiting(&ask(&mut approvals, "b", 2, "/x", "body"));
        waiting(&ask(&mut approvals, "a", 3, "/x", "other body"));
        assert_eq!(
            ask(&mut approvals, "a", 4, "/x", "body"),
            Answer::Allowed(id)
        );
        waiting(&ask(&mut approvals, "a", 5, "/x", "body"));
    }

    #[test]
    fn a_time_ends_and_always_ends_with_the_sandbox() {
        let mut approvals = Approvals::default();
        let id = waiting(&ask(&mut approvals, "a", 1, "/x", "1"));
        approvals
            .decide(&id, Decision::Allow(Scope::For(10)), 1000)
            .unwrap();
        assert_eq!(ask(&mut approvals, "a", 2, "/x", "2"), Answer::Allowed(id));
        waiting(&ask(&mut approvals, "a", 3, "/y", "2"));
        let answer = approvals.ask("a", asked(4, "/x", "2", 1010));
        let id = waiting(&answer);
        approvals
            .decide(&id, Decision::Allow(Scope::Always), 1010)
            .unwrap();
        assert_eq!(approvals.standing(Some("a")).len(), 1);
        approvals.forget("a");
        assert!(approvals.standing(None).is_empty() && approvals.proposals(None).is_empty());
    }

    #[test]
    fn an_approval_is_revoked_by_its_id() {
        let mut approvals = Approvals::default();
        let id = waiting(&ask(&mut approvals, "a", 1, "/x", "1"));
        approvals
            .decide(&id, Decision::Allow(Scope::Always), 1000)
            .unwrap();
        approvals.decide(&id, Decision::Revoke, 1000).unwrap();
        waiting(&ask(&mut approvals, "a", 2, "/x", "1"));
    }

    #[test]
    fn proposals_of_one_sandbox_are_bounded_and_those_that_wait_stay() {
        let mut approvals = Approvals::default();
        for number in 0..limits::PROPOSALS_PER_BOX as u64 {
            waiting(&ask(
                &mut approvals,
                "a",
                number,
                &format!("/{number}"),
                "1",
            ));
        }
        assert_eq!(
            ask(&mut approvals, "a", 1000, "/more", "1"),
            Answer::Crowded
        );
        waiting(&ask(&mut approvals, "b", 1001, "/other", "1"));
        approvals.withdraw(0);
        waiting(&ask(&mut approvals, "a", 1002, "/more", "1"));
    }
}
