//! Verdicts: who passes, who does not, and what is said.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use nemoclaw_policy::decide::{Handling, NameVerdict};
use nemoclaw_policy::narrow::meet;
use nemoclaw_policy::{Flow, HttpRequest, Policy, Source, Verdict, builtin};

fn policy(entries: &str) -> Policy {
    let text = format!("version: 1\nnetwork_policies:\n{entries}");
    Policy::load(&Source::text("/p.yaml", &text)).unwrap_or_else(|fault| panic!("{fault}"))
}

fn shipped(name: &str) -> Policy {
    Policy::load(&Source::builtin(name, builtin::policy(name).unwrap())).unwrap()
}

fn ask(policy: &Policy, host: &str, port: u16, request: &str) -> Verdict {
    let (method, path) = request.split_once(' ').unwrap();
    policy.decide(&Flow::to(host, port).with(HttpRequest::new(method, path)))
}

fn passes(policy: &Policy, host: &str, request: &str) -> bool {
    matches!(
        ask(policy, host, 443, request),
        Verdict::Allow {
            audit_only: false,
            ..
        }
    )
}

#[test]
fn a_deny_rule_also_refuses_the_path_that_servers_see_without_its_parameters() {
    let policy = policy(
        "  e:\n    endpoints:\n      - { host: a.b, port: 443, access: full, deny_rules: [{ method: \"*\", path: \"/admin/**\" }] }\n",
    );
    for path in ["/admin/x", "/admin;v=1/x", "/;/admin/x", "/;x=1/admin/x;y"] {
        assert!(!passes(&policy, "a.b", &format!("GET {path}")), "{path}");
    }
    assert!(passes(&policy, "a.b", "GET /a;b=c/admin/x"));
}

#[test]
fn access_sets_hold_exactly_their_methods() {
    let policy = policy(
        "  e:\n    endpoints:\n      - { host: r.example.com, port: 443, access: read-only }\n      - { host: w.example.com, port: 443, access: read-write }\n      - { host: f.example.com, port: 443, protocol: rest, access: full }\n",
    );
    for method in [
        "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND",
    ] {
        let read = matches!(method, "GET" | "HEAD" | "OPTIONS");
        let write = read || matches!(method, "POST" | "PUT" | "PATCH");
        assert_eq!(
            passes(&policy, "r.example.com", &format!("{method} /x")),
            read,
            "{method}"
        );
        assert_eq!(
            passes(&policy, "w.example.com", &format!("{method} /x")),
            write,
            "{method}"
        );
        assert!(
            passes(&policy, "f.example.com", &format!("{method} /x")),
            "{method}"
        );
    }
}

#[test]
fn any_entry_may_admit_and_a_deny_rule_beats_them_all() {
    let policy = policy(
        "  read:\n    endpoints:\n      - { host: a.example.com, port: 443, access: read-only }\n  write:\n    endpoints:\n      - host: \"*.example.com\"\n        port: 443\n        rules: [{ allow: { method: POST, path: /ok/* } }]\n        deny_rules: [{ method: \"*\", path: \"/secret/**\" }]\n",
    );
    assert!(passes(&policy, "a.example.com", "GET /x"));
    assert!(passes(&policy, "a.example.com", "POST /ok/a/b"));
    assert!(!passes(&policy, "a.example.com", "POST /no"));
    assert!(!passes(&policy, "a.example.com", "GET /secret/x"));
    let Verdict::Deny {
        reason,
        rule: Some(rule),
        hint,
    } = ask(&policy, "a.example.com", 443, "GET /secret/x")
    else {
        panic!("must be denied by a rule");
    };
    assert_eq!(rule.to_string(), "write / * /secret/** (/p.yaml:11:22)");
    assert_eq!(
        reason,
        "GET /secret/x on host `a.example.com`, port 443, is refused by the deny rule `write / * /secret/**` of policy `/p.yaml`"
    );
    assert_eq!(
        hint,
        "remove the deny rule at /p.yaml:11:22 if the agent may do this"
    );
}

#[test]
fn a_deny_rule_holds_for_every_spelling() {
    let policy = policy(
        "  e:\n    endpoints:\n      - { host: a.b, port: 443, access: full, deny_rules: [{ method: GET, path: \"/@admin/*\" }, { method: GET, path: /caf%C3%A9 }, { method: GET, path: /@s/n }] }\n",
    );
    for raw in [
        "/@admin/x",
        "/%40admin/x",
        "/%40%61dmin//x",
        "/y/../@admin/x",
        "/café",
        "/caf%c3%a9",
        "/@s%2fn",
        "/@s/n",
    ] {
        let path = nemoclaw_policy::normalise_path(raw).unwrap();
        assert!(!passes(&policy, "a.b", &format!("GET {path}")), "{raw}");
    }
    assert!(passes(&policy, "a.b", "GET /@s%2Fm"));
    assert!(
        !passes(&policy, "a.b", "GET /x/../@admin/x"),
        "a path that was not normalised is never decided on"
    );
}

#[test]
fn an_encoded_slash_passes_only_in_both_readings() {
    let policy = policy(
        "  e:\n    endpoints:\n      - { host: a.b, port: 443, rules: [{ allow: { method: GET, path: \"/@s/*\" } }, { allow: { method: GET, path: \"/@t*\" } }] }\n",
    );
    assert!(passes(&policy, "a.b", "GET /@s/n") && passes(&policy, "a.b", "GET /@t%2Fn"));
    assert!(!passes(&policy, "a.b", "GET /@s%2Fn"));
}

#[test]
fn the_most_specific_endpoint_path_decides() {
    let policy = policy(
        "  wide:\n    endpoints:\n      - { host: a.b, port: 443, protocol: rest, access: full }\n  narrow:\n    endpoints:\n      - { host: a.b, port: 443, access: read-only, path: /admin/** }\n",
    );
    assert!(passes(&policy, "a.b", "POST /x"));
    assert!(passes(&policy, "a.b", "GET /admin/x"));
    assert!(!passes(&policy, "a.b", "POST /admin/x"));
    assert!(!passes(&policy, "a.b", "POST /admin"));
    assert!(passes(&policy, "a.b", "POST /administration"));
}

#[test]
fn audit_records_and_passes() {
    let policy = policy(
        "  e:\n    endpoints:\n      - { host: a.b, port: 443, access: read-only, enforcement: audit, deny_rules: [{ method: GET, path: /no }] }\n",
    );
    let audited = |request: &str| {
        matches!(
            ask(&policy, "a.b", 443, request),
            Verdict::Allow {
                audit_only: true,
                ..
            }
        )
    };
    assert!(!audited("GET /x"));
    assert!(audited("POST /x") && audited("GET /no"));
}

#[test]
fn an_audited_deny_rule_opens_nothing_that_another_endpoint_shuts() {
    let policy = policy(
        "  a:\n    endpoints:\n      - { host: a.b, port: 443, protocol: rest, access: full, enforcement: audit, deny_rules: [{ method: POST, path: \"**\" }] }\n  b:\n    endpoints:\n      - { host: a.b, port: 443, access: read-only, path: /admin/** }\n",
    );
    assert!(matches!(
        ask(&policy, "a.b", 443, "POST /admin/x"),
        Verdict::Deny { .. }
    ));
}

#[test]
fn a_refusal_names_host_port_and_the_line_that_would_help() {
    let policy = policy(
        "  e:\n    endpoints:\n      - { host: a.example.com, port: 443, access: read-only }\n",
    );
    let deny = |host: &str, port, request: &str| match ask(&policy, host, port, request) {
        Verdict::Deny { reason, hint, .. } => (reason, hint),
        other => panic!("{other:?}"),
    };
    assert_eq!(deny("x.example.com", 443, "GET /"), (
        "no entry of policy `/p.yaml` covers host `x.example.com`, port 443".to_owned(),
        "add `{ host: x.example.com, port: 443, access: read-only }` to an entry's endpoints under network_policies of /p.yaml".to_owned(),
    ));
    assert_eq!(
        deny("a.example.com", 80, "GET /").0,
        "policy `/p.yaml` covers host `a.example.com` on port 443 only, not on 80"
    );
    assert_eq!(deny("a.example.com", 443, "POST /x"), (
        "POST /x on host `a.example.com`, port 443, is outside the rules of entry `e` in policy `/p.yaml`".to_owned(),
        "add `{ host: a.example.com, port: 443, protocol: rest, rules: [{ allow: { method: POST, path: \"/x\" } }] }` to an entry's endpoints under network_policies of /p.yaml".to_owned(),
    ));
}

#[test]
fn handling_follows_the_endpoints_of_every_layer() {
    let rest = policy(
        "  e:\n    endpoints:\n      - { host: a.b, port: 443, access: read-only }\n      - { host: t.b, port: 443 }\n",
    );
    let tcp = policy(
        "  e:\n    endpoints:\n      - { host: a.b, port: 443, tls: skip }\n      - { host: t.b, port: 443 }\n",
    );
    assert_eq!(rest.handling(&Flow::to("a.b", 443)), Handling::InspectHttp);
    assert_eq!(tcp.handling(&Flow::to("a.b", 443)), Handling::PassL4);
    assert_eq!(tcp.handling(&Flow::to("a.b", 80)), Handling::Refuse);
    let both = meet(&tcp, &rest);
    assert_eq!(both.handling(&Flow::to("a.b", 443)), Handling::InspectHttp);
    assert_eq!(both.handling(&Flow::to("t.b", 443)), Handling::PassL4);
    assert_eq!(
        shipped("offline").handling(&Flow::to("a.b", 443)),
        Handling::Refuse
    );
    assert_eq!(
        shipped("strict").handling(&Flow::to("a.b", 443)),
        Handling::Refuse
    );
    assert_eq!(
        shipped("unconfined").handling(&Flow::to("a.b", 443)),
        Handling::PassL4
    );
}

#[test]
fn names_are_known_exactly_by_wildcard_or_not_at_all() {
    let policy = policy(
        "  e:\n    endpoints:\n      - { host: \"*.example.com\", port: 443 }\n      - { host: a.example.com, port: 443 }\n",
    );
    assert_eq!(policy.name_verdict("a.example.com"), NameVerdict::Exact);
    assert_eq!(policy.name_verdict("b.example.com"), NameVerdict::Wildcard);
    assert_eq!(policy.name_verdict("a.b.example.com"), NameVerdict::Unknown);
    assert_eq!(
        meet(&policy, &shipped("strict")).name_verdict("a.example.com"),
        NameVerdict::Unknown
    );
}

#[test]
fn the_default_lets_an_agent_read_and_clone_and_write_nowhere() {
    let policy = shipped("default");
    for (host, request) in [
        ("pypi.org", "GET /simple/requests/"),
        ("files.pythonhosted.org", "GET /packages/x.whl"),
        ("registry.npmjs.org", "GET /@babel%2Fcore"),
        ("registry.npmjs.org", "GET /left-pad"),
        ("static.crates.io", "GET /crates/serde/1.0.0/download"),
        ("github.com", "GET /o/r.git/info/refs"),
        ("github.com", "POST /o/r.git/git-upload-pack"),
        ("github.com", "POST /o/r/git-upload-pack"),
        ("api.github.com", "GET /repos/o/r/issues"),
    ] {
        assert!(passes(&policy, host, request), "{host} {request}");
    }
    for (host, request) in [
        ("pypi.org", "POST /legacy/"),
        ("registry.npmjs.org", "PUT /left-pad"),
        ("crates.io", "PUT /api/v1/crates/new"),
        ("github.com", "POST /o/r.git/git-receive-pack"),
        ("github.com", "POST /o/r/issues"),
        ("api.github.com", "POST /graphql"),
        ("api.github.com", "DELETE /repos/o/r"),
        ("example.com", "GET /"),
    ] {
        assert!(!passes(&policy, host, request), "{host} {request}");
    }
}

#[test]
fn ten_thousand_entries_are_not_walked() {
    let entry = |i: u32| {
        format!("  e{i}:\n    endpoints:\n      - {{ host: h{i}.example.com, port: 443 }}\n")
    };
    let text: String = (0..9_000).map(entry).collect();
    let policy = policy(&text);
    let begin = std::time::Instant::now();
    for i in 0..9_000 {
        assert_eq!(
            policy.handling(&Flow::to(&format!("h{i}.example.com"), 443)),
            Handling::PassL4
        );
    }
    assert!(
        begin.elapsed() < std::time::Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
}
