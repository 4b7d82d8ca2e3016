//! May a request pass? Its head is checked, its body read where a rule asks for it, and the policy in force decides.

use std::sync::Arc;
use std::time::Instant;

use http::request::Parts;
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;
use nemoclaw_api::audit::Event;
use nemoclaw_policy::Policy;
use nemoclaw_policy::decide::{Grant, RuleRef, Verdict};
use nemoclaw_policy::path::{normalise_path, normalise_path_with_slashes};

use super::approve;
use super::body::{Body, Source};
use super::budget::Exceeded;
use super::credentials::{Carried, Misuse};
use super::denial::{Denial, Tongue};
use super::event::{denied, rule_text, short_path};
use super::framing::Fault;
use super::http::Inspected;
use super::inspect::{self, Messages};
use super::policy::Compiled;
use super::request::{Improper, Target, asked};
use super::wanted::Wanted;
use crate::limits;

/// A request that may pass.
pub struct Allowed {
    /// What was decided on; path and query are the ones that are sent.
    pub wanted: Wanted,
    /// Whose credentials it may carry.
    pub grant: Grant,
    /// What it carries of them.
    pub carried: Carried,
    /// What is recorded when it ends.
    pub event: Event,
}

/// A request that does not pass.
pub struct Refusal {
    /// For the log.
    pub event: Event,
    status: StatusCode,
    path: String,
    rule: Option<String>,
    proposal: Option<String>,
    spent: Option<Exceeded>,
    hint: String,
    tongue: Tongue,
}

/// What does not pass, with what is left of its body.
type Refused = (Box<Refusal>, Option<Incoming>);

/// Decide one request on `connection`.
///
/// # Errors
/// It does not pass.
pub async fn judge(
    connection: &Arc<Inspected>,
    head: &Parts,
    body: Incoming,
) -> Result<(Allowed, Source), Refused> {
    let policy = connection.sandbox.policy.snapshot();
    let (mut wanted, event) = match wanted(connection, &policy, head) {
        Ok(found) => found,
        Err(refusal) => return Err((refusal, Some(body))),
    };
    let inspection = policy.policy.inspection(&wanted.flow());
    let body = if inspection.is_needed() {
        match inspect::read(head, body, inspection).await {
            Ok((messages, bytes)) => {
                wanted.messages = messages;
                Source::whole(bytes)
            }
            Err(unread) => {
                let mut refusal = unreadable(event, &wanted.path, &unread);
                refusal.tongue = Tongue::of(&wanted.messages, inspection);
                return Err((refusal, None));
            }
        }
    } else {
        Source::Stream(body)
    };
    let tongue = Tongue::of(&wanted.messages, inspection);
    let unclear = wanted.messages.unclear();
    let begun = Instant::now();
    let decided = decide(&policy, wanted, event);
    connection.sandbox.node.meters.decided(begun.elapsed());
    let judged = match decided {
        Decided::Passes(allowed) => Ok((*allowed, body)),
        Decided::Refused(refusal) => Err((refusal, body.into_stream())),
        Decided::Asked(asked) => approved(connection, *asked, body).await,
    };
    judged.map_err(|(mut refusal, rest)| {
        refusal.tongue = tongue;
        if let (Some(why), Some(reason)) = (unclear, &mut refusal.event.reason) {
            reason.push_str(&format!(": {why}"));
        }
        (refusal, rest)
    })
}

/// A request about which a person is asked.
struct Asked {
    wanted: Wanted,
    rule: RuleRef,
    event: Event,
}

/// Ask a person; what was allowed is decided once more by the policy in force then.
async fn approved(
    connection: &Arc<Inspected>,
    asked: Asked,
    body: Source,
) -> Result<(Allowed, Source), Refused> {
    let Asked {
        mut wanted,
        rule,
        event,
    } = asked;
    let bytes = match inspect::whole(body, limits::ASK_BODY).await {
        Ok(bytes) => bytes,
        Err(unread) => return Err((unreadable(event, &wanted.path, &unread), None)),
    };
    let question = approve::question(&approve::Asked {
        host: &wanted.host,
        port: wanted.port,
        method: &wanted.method,
        path: &wanted.path,
        query: wanted.query.as_deref(),
        body: &bytes,
    });
    let sandbox = &connection.sandbox;
    let asks = |policy: &Policy| matches!(wanted.verdict(policy), Verdict::Ask { .. });
    let proposal = match approve::ask(sandbox, question, rule_text(&rule), asks).await {
        Ok(proposal) => proposal,
        Err(not) => {
            let hint = match &not.proposal {
                Some(id) => format!("run `nemoclaw approvals allow {id}`, then send it again"),
                None => "let some of them be answered first: `nemoclaw approvals list`".to_owned(),
            };
            let mut refusal = refusal(event, &wanted.path, not.reason, Some(&rule), hint);
            refusal.status = not.status;
            refusal.proposal = not.proposal;
            return Err((refusal, None));
        }
    };
    wanted.approved = proposal.is_some();
    let policy = sandbox.policy.snapshot();
    match decide(&policy, wanted, event) {
        Decided::Passes(mut allowed) => {
            if let Some(id) = proposal {
                allowed.event.reason = Some(format!("a person allowed proposal {id}"));
            }
            Ok((*allowed, Source::whole(bytes)))
        }
        Decided::Refused(refusal) => Err((refusal, None)),
        Decided::Asked(asked) => {
            let Asked {
                wanted,
                rule,
                event,
            } = *asked;
            let reason = "the policy changed while a person was asked".to_owned();
            let hint = "send it again".to_owned();
            Err((
                refusal(event, &wanted.path, reason, Some(&rule), hint),
                None,
            ))
        }
    }
}

/// What a request asks for, once its head is in order.
fn wanted(
    connection: &Inspected,
    policy: &Compiled,
    head: &Parts,
) -> Result<(Wanted, Event), Box<Refusal>> {
    let target = Target {
        host: &connection.host,
        port: connection.port,
        scheme: connection.scheme,
    };
    let raw = head.uri.path();
    let mut event = blank(connection, head);
    event.generation = policy.generation;
    let asked = match asked(head, target) {
        Ok(asked) => asked,
        Err(improper) => return Err(malformed(event, raw, &improper)),
    };
    let slashes = policy
        .policy
        .encoded_slash(&connection.host, connection.port);
    let path = if slashes {
        normalise_path_with_slashes(&asked.path)
    } else {
        normalise_path(&asked.path)
    };
    let path = match path {
        Ok(path) => path,
        Err(fault) => {
            let hint = "send a plain path".into();
            return Err(refusal(event, raw, fault.to_string(), None, hint));
        }
    };
    event.path = Some(short_path(&path));
    let wanted = Wanted {
        host: connection.host.clone(),
        port: connection.port,
        program: connection.behind.program.clone(),
        method: head.method.as_str().to_owned(),
        other_methods: asked.other_methods,
        path,
        query: asked.query,
        upgrade: asked.websocket,
        messages: Messages::Unread,
        approved: false,
    };
    Ok((wanted, event))
}

/// What the policy says of a request.
enum Decided {
    Passes(Box<Allowed>),
    Asked(Box<Asked>),
    Refused(Box<Refusal>),
}

fn decide(policy: &Compiled, wanted: Wanted, mut event: Event) -> Decided {
    let (rule, audit_only, grant) = match wanted.verdict(&policy.policy) {
        Verdict::Allow {
            rule,
            audit_only,
            grant,
        } => (rule, audit_only, grant),
        Verdict::Ask { rule, grant } if wanted.approved => (rule, false, grant),
        Verdict::Ask { rule, .. } => {
            return Decided::Asked(Box::new(Asked {
                wanted,
                rule,
                event,
            }));
        }
        Verdict::Deny { reason, rule, hint } => {
            let refusal = refusal(event, &wanted.path, reason, rule.as_ref(), hint);
            return Decided::Refused(refusal);
        }
    };
    event.generation = policy.generation;
    event.rule = Some(rule_text(&rule));
    if audit_only {
        event.verdict = "audit".into();
    }
    Decided::Passes(Box::new(Allowed {
        wanted,
        grant,
        carried: Carried::default(),
        event,
    }))
}

impl Refusal {
    /// What the client is told.
    pub fn answer(&self, connection: &Inspected, method: &Method) -> Response<Body> {
        let reason = self.event.reason.as_deref().unwrap_or("not allowed");
        Denial {
            error: format!("refused by the sandbox's policy: {reason}"),
            sandbox: &connection.sandbox.name,
            host: &connection.host,
            method: method.as_str(),
            path: &self.path,
            rule: self.rule.clone(),
            proposal: self.proposal.clone(),
            budget: self.spent,
            hint: self.hint.clone(),
        }
        .answer_in(&self.tongue, self.status)
    }
}

fn blank(connection: &Inspected, head: &Parts) -> Event {
    let mut event = connection.event("http");
    event.method = Some(short_path(head.method.as_str()));
    event.path = Some(short_path(head.uri.path()));
    event
}

/// A request of which it is not certain where it ends.
#[must_use]
pub fn unframed(connection: &Inspected, head: &Parts, fault: Fault) -> Box<Refusal> {
    malformed(blank(connection, head), head.uri.path(), &fault.into())
}

fn malformed(event: Event, path: &str, improper: &Improper) -> Box<Refusal> {
    let hint = "send the request to the host that was looked up, in plain form".to_owned();
    let status = match improper {
        Improper::Framing(_) | Improper::HostForm | Improper::HostCount => StatusCode::BAD_REQUEST,
        _ => StatusCode::FORBIDDEN,
    };
    let mut refusal = refusal(event, path, improper.to_string(), None, hint);
    refusal.status = status;
    refusal
}

fn unreadable(event: Event, path: &str, unread: &inspect::Unread) -> Box<Refusal> {
    let hint = "send a smaller body, or raise the endpoint's limit".to_owned();
    let mut refusal = refusal(event, path, unread.to_string(), None, hint);
    refusal.status = match unread {
        inspect::Unread::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        inspect::Unread::Slow => StatusCode::REQUEST_TIMEOUT,
        inspect::Unread::Broken(_) => StatusCode::BAD_REQUEST,
    };
    refusal
}

/// A request with a placeholder that must not pass.
#[must_use]
pub fn misused(allowed: Allowed, misuse: &Misuse) -> Box<Refusal> {
    let reason = format!("credential: {misuse}");
    let mut refusal = refusal(
        allowed.event,
        &allowed.wanted.path,
        reason,
        None,
        misuse.hint(),
    );
    refusal.status = misuse.status();
    refusal.event.finding = misuse.finding();
    refusal
}

/// A request for which a budget has nothing left.
#[must_use]
pub fn spent(allowed: Allowed, exceeded: Exceeded) -> Box<Refusal> {
    let hint = format!("try again in {} s", exceeded.again);
    let reason = exceeded.to_string();
    let mut refusal = refusal(allowed.event, &allowed.wanted.path, reason, None, hint);
    refusal.status = StatusCode::TOO_MANY_REQUESTS;
    refusal.spent = Some(exceeded);
    refusal
}

/// A request for which there is no room.
#[must_use]
pub fn crowded(allowed: Allowed) -> Box<Refusal> {
    let reason = format!(
        "{} requests of this sandbox are under way already, or too many of all sandboxes",
        limits::REQUESTS_PER_BOX
    );
    let hint = "let some of them end first".to_owned();
    let mut refusal = refusal(allowed.event, &allowed.wanted.path, reason, None, hint);
    refusal.status = StatusCode::SERVICE_UNAVAILABLE;
    refusal
}

fn refusal(
    event: Event,
    path: &str,
    reason: String,
    rule: Option<&RuleRef>,
    hint: String,
) -> Box<Refusal> {
    Box::new(Refusal {
        event: denied(event, reason, rule),
        status: StatusCode::FORBIDDEN,
        path: path.to_owned(),
        rule: rule.map(|rule| rule.name.to_string()),
        proposal: None,
        spent: None,
        hint,
        tongue: Tongue::Http,
    })
}
