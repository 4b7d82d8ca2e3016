//! What an endpoint asks about waits for a person, bound to exactly what was asked, while the rest goes on.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use std::time::Duration;

use common::{Rig, Sandbox, able};
use nemoclaw_api::approvals::{Decision, Proposal, Scope};

const HOSTS: &[&str] = &["api.test", "other.test"];
const POLICY: &str = "version: 1
network_policies:
  api:
    endpoints:
      - host: api.test
        port: 443
        enforcement: ask
        rules: [{ allow: { method: GET, path: /free } }]
        deny_rules: [{ method: '*', path: /never }]
      - { host: other.test, port: 443, enforcement: ask, protocol: rest }
";

/// The only proposal, once it is there.
fn proposal(rig: &Rig) -> Proposal {
    let mut found = None;
    rig.wait_until("a proposal", || {
        let (proposals, _) = rig.client().approvals(None).expect("approvals");
        found = proposals.into_iter().next();
        found.is_some()
    });
    found.expect("found")
}

fn post(sandbox: &Sandbox, path: &str, body: &str, patience: &str) -> common::Answer {
    let url = format!("https://api.test{path}");
    sandbox.curl("api.test", &["--max-time", patience, "-d", body, &url])
}

#[test]
fn a_held_request_passes_when_it_is_allowed_and_the_rest_goes_on_meanwhile() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| post(&sandbox, "/x", "body", "20"));
        let asked = proposal(&rig);
        assert_eq!(
            (asked.sandbox.as_str(), asked.question.path.as_str()),
            ("a", "/x")
        );
        assert_eq!((asked.waiting, asked.question.length), (1, 4));
        assert_eq!(
            sandbox.curl("api.test", &["https://api.test/free"]).status,
            200
        );
        assert_eq!(
            sandbox.curl("api.test", &["https://api.test/never"]).status,
            403
        );
        let once = Decision::Allow(Scope::Once);
        rig.client().decide(&asked.id, once).expect("decided");
        assert_eq!(held.join().expect("answer").status, 200);
        let event = rig.audited("a", |event| {
            event.kind == "http" && event.path.as_deref() == Some("/x")
        });
        assert!(event.reason.unwrap_or_default().contains(&asked.id));
        assert!(rig.client().decide(&asked.id, once).is_err(), "used up");
    });
    let again = post(&sandbox, "/x", "body", "2");
    assert_ne!(again.status, 200, "once was used twice");
}

#[test]
fn an_approval_given_late_holds_for_the_same_request_only() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    let second = Sandbox::new(&rig, "b", 443, POLICY);
    post(&sandbox, "/x", "body", "1");
    let asked = proposal(&rig);
    rig.wait_until("the client gave up", || proposal(&rig).waiting == 0);
    rig.client()
        .decide(&asked.id, Decision::Allow(Scope::Once))
        .expect("decided");
    for (sandbox, path, body) in [
        (&second, "/x", "body"),
        (&sandbox, "/x", "other"),
        (&sandbox, "/x?q=1", "body"),
        (&sandbox, "/y", "body"),
    ] {
        assert_ne!(post(sandbox, path, body, "1").status, 200, "{path} {body}");
    }
    assert_eq!(post(&sandbox, "/x", "body", "5").status, 200);
    assert_ne!(post(&sandbox, "/x", "body", "1").status, 200);
}

#[test]
fn a_time_covers_every_body_until_it_is_revoked_and_outlives_worker_and_router() {
    if !able() {
        return;
    }
    let mut rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    post(&sandbox, "/x", "1", "1");
    let asked = proposal(&rig);
    rig.client()
        .decide(&asked.id, Decision::Allow(Scope::For(3600)))
        .expect("decided");
    assert_eq!(post(&sandbox, "/x", "2", "5").status, 200);
    assert_ne!(post(&sandbox, "/y", "2", "1").status, 200);
    rig.kill_and_start();
    sandbox.register_again(&rig);
    assert_eq!(post(&sandbox, "/x", "3", "5").status, 200);
    rig.client()
        .decide(&asked.id, Decision::Revoke)
        .expect("revoked");
    assert_ne!(post(&sandbox, "/x", "4", "1").status, 200);
}

#[test]
fn a_denied_request_gets_a_403_with_its_proposal() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| post(&sandbox, "/x", "body", "20"));
        let asked = proposal(&rig);
        rig.client()
            .decide(&asked.id, Decision::Deny)
            .expect("decided");
        let answer = held.join().expect("answer");
        assert_eq!(answer.status, 403);
        assert_eq!(answer.json()["proposal"], asked.id.as_str());
    });
    rig.audited("a", |event| {
        event.kind == "approval"
            && event
                .reason
                .as_deref()
                .is_some_and(|r| r.contains("denied by user 0"))
    });
}

#[test]
fn a_policy_that_changes_answers_in_a_persons_place() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    let open = POLICY.replace("method: GET, path: /free", "method: '*', path: '**'");
    assert_ne!(open, POLICY);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| post(&sandbox, "/x", "body", "20"));
        proposal(&rig);
        sandbox.edit(&open);
        assert_eq!(held.join().expect("answer").status, 200);
        sandbox.edit(POLICY);
        rig.wait_until("the old policy", || rig.boxed("a").generation == 3);
        let held = scope.spawn(|| post(&sandbox, "/z", "body", "20"));
        rig.wait_until("a second proposal", || {
            let (proposals, _) = rig.client().approvals(None).expect("approvals");
            proposals
                .iter()
                .any(|one| one.question.path == "/z" && one.waiting == 1)
        });
        sandbox.edit(
            "version: 1\nnetwork_policies: { api: { endpoints: [{ host: api.test, port: 443, access: read-only }] } }\n",
        );
        assert_eq!(held.join().expect("answer").status, 403);
    });
}

#[test]
fn what_waits_is_bounded_per_sandbox_and_another_sandbox_is_not_touched() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    let second = Sandbox::new(&rig, "b", 443, POLICY);
    let begin = std::time::Instant::now();
    std::thread::scope(|scope| {
        let held: Vec<_> = (0..33)
            .map(|number| {
                let sandbox = &sandbox;
                scope.spawn(move || post(sandbox, &format!("/{number}"), "x", "8"))
            })
            .collect();
        rig.wait_until("32 wait", || {
            let (proposals, _) = rig.client().approvals(Some("a")).expect("approvals");
            proposals.iter().map(|one| one.waiting).sum::<u64>() == 32
        });
        assert_eq!(
            second.curl("api.test", &["https://api.test/free"]).status,
            200
        );
        let refused = held
            .into_iter()
            .map(|one| one.join().expect("answer").status)
            .filter(|status| *status == 403)
            .count();
        assert_eq!(refused, 1, "one too many is told at once");
    });
    assert!(begin.elapsed() < Duration::from_secs(30));
}
