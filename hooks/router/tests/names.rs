//! Names: how many may be asked for, and where they may lead.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use common::{Rig, Sandbox, able};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

const HOSTS: &[&str] = &["api.test"];

#[test]
fn names_under_a_wildcard_have_a_budget() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let policy = "version: 1
network_policies:
  wild:
    endpoints:
      - { host: \"*.wild.test\", port: 443, protocol: rest, access: full }
      - { host: gone.test, port: 443, protocol: rest, access: full }
";
    let sandbox = Sandbox::new(&rig, "a", 443, policy);
    let there = (0..80)
        .filter(|number| {
            let name = format!("data{number}.wild.test");
            sandbox.ask(&name, RecordType::A).0 == ResponseCode::NoError
        })
        .count();
    assert_eq!(there, 64, "the budget of names under wildcards");
    assert_eq!(
        sandbox.ask("data3.wild.test", RecordType::A).0,
        ResponseCode::NoError,
        "a known name is free"
    );
}

#[test]
fn a_name_that_leads_inside_is_refused_and_one_that_leads_nowhere_is_a_bad_gateway() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let policy = "version: 1
network_policies:
  any:
    endpoints:
      - { host: gone.test, port: 443, protocol: rest, access: full }
      - { host: rebind.test, port: 443, protocol: rest, access: full }
";
    let sandbox = Sandbox::new(&rig, "a", 443, policy);
    let gone = sandbox.curl("gone.test", &["https://gone.test/"]);
    assert_eq!(gone.status, 502, "{gone:?}");
    assert!(
        gone.json()["error"]
            .as_str()
            .is_some_and(|error| error.contains("gone.test"))
    );
    let inside = sandbox.curl("rebind.test", &["https://rebind.test/latest/meta-data"]);
    assert_eq!(inside.status, 403, "{inside:?}");
    assert!(
        inside.json()["error"]
            .as_str()
            .is_some_and(|error| error.contains("169.254.169.254"))
    );
    rig.audited("a", |event| {
        event.host == "rebind.test" && event.kind == "http" && event.verdict == "deny"
    });
}
