//! Approvals: questions from the worker, answers from people.

use nemoclaw_api::Response;
use nemoclaw_api::approvals::{Decision, Question, Scope};

use super::State;
use crate::clock;
use crate::link::{Answer, ToWorker};
use crate::warden::approvals::Asked;
use crate::warden::socket::Reply;
use crate::worker::event::{blank, denied, short_path};

impl State {
    pub(super) fn ask(&mut self, sandbox: &str, ticket: u64, question: Question, rule: String) {
        if !self.boxes.contains_key(sandbox) {
            return;
        }
        let asked = Asked {
            ticket,
            question: question.clone(),
            rule: rule.clone(),
            now: clock::unix_seconds(),
            since: clock::now(),
        };
        let answer = self.approvals.ask(sandbox, asked);
        let told = match &answer {
            Answer::Waiting(id) => format!("proposal {id} waits for a person, asked by {rule}"),
            Answer::Allowed(id) => format!("allowed by the standing approval {id}"),
            Answer::Refused(_) | Answer::Crowded => "too many proposals wait already".to_owned(),
        };
        self.note_approval(sandbox, &question, told, !matches!(answer, Answer::Crowded));
        if matches!(answer, Answer::Allowed(_)) {
            self.keep_or_log(sandbox);
        }
        self.tell(&ToWorker::Answer { ticket, answer });
    }

    pub(super) fn decide(&mut self, id: &str, decision: Decision, reply: Reply) {
        let by = match reply.uid() {
            Some(uid) => format!("user {uid}"),
            None => "an unknown user".to_owned(),
        };
        let decided = match self.approvals.decide(id, decision, clock::unix_seconds()) {
            Ok(decided) => decided,
            Err(error) => return reply.refuse(error.to_string()),
        };
        let (what, allowed) = match decision {
            Decision::Allow(Scope::Once) => ("allowed once".to_owned(), true),
            Decision::Allow(Scope::For(seconds)) => (format!("allowed for {seconds} s"), true),
            Decision::Allow(Scope::Always) => ("allowed for the sandbox's life".to_owned(), true),
            Decision::Deny => ("denied".to_owned(), false),
            Decision::Revoke => ("revoked".to_owned(), false),
        };
        self.note_approval(
            &decided.sandbox,
            &decided.question,
            format!("proposal {id} was {what} by {by}"),
            allowed,
        );
        self.keep_or_log(&decided.sandbox);
        for (ticket, answer) in decided.answers {
            self.tell(&ToWorker::Answer { ticket, answer });
        }
        reply.give(&Response::Done);
    }

    fn note_approval(&mut self, sandbox: &str, question: &Question, told: String, passes: bool) {
        let generation = self.boxes.get(sandbox).map_or(0, |held| held.generation);
        let mut event = blank(
            sandbox,
            "approval",
            &question.host,
            question.port,
            generation,
        );
        event.method = Some(question.method.clone());
        event.path = Some(short_path(&question.path));
        if passes {
            event.reason = Some(told);
        } else {
            event = denied(event, told, None);
        }
        self.write(sandbox, &event);
    }
}
