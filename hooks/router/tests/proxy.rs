//! The node's HTTP proxy: everything that leaves goes through it, but what the operator excepted.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use std::os::unix::fs::PermissionsExt;

use common::proxy::{PROXY, Proxy};
use common::{Rig, Sandbox, able};

/// The names that the upstream has certificates for; none has a fixed address.
const HOSTS: &[&str] = &["api.test", "raw.test", "forbidden.test", "inside.test"];

const POLICY: &str = "version: 1
network_policies:
  all:
    endpoints:
      - { host: api.test, ports: [443, 80], protocol: rest, access: read-only }
      - { host: forbidden.test, port: 443, protocol: rest, access: full }
      - { host: inside.test, port: 443, protocol: rest, access: full }
      - { host: localhost, port: 443, protocol: rest, access: full }
      - { host: raw.test, ports: [443, 2222] }
";

fn keys(more: &str) -> String {
    format!("  upstream_proxy: http://{PROXY}:3128\n{more}")
}

#[test]
fn inspected_plain_and_passed_through_connections_lead_through_the_proxy_and_decisions_stay() {
    if !able() {
        return;
    }
    let rig = Rig::start_behind(HOSTS, &keys(""));
    let proxy = Proxy::start(&rig.outside, None);
    let secure = Sandbox::new(&rig, "a", 443, POLICY);
    let answer = secure.curl("api.test", &["https://api.test/x"]);
    assert_eq!((answer.status, &answer.json()["path"]), (200, &"/x".into()));
    let denied = secure.curl("api.test", &["-d", "x", "https://api.test/x"]);
    assert_eq!(denied.status, 403, "the policy decides as without a proxy");
    let ca = rig.directory.path().join("upstream-ca.pem");
    let raw = ["--cacert", ca.to_str().expect("path"), "https://raw.test/"];
    assert_eq!(secure.curl("raw.test", &raw).status, 200);
    let plain = Sandbox::new(&rig, "b", 80, POLICY);
    assert_eq!(plain.curl("api.test", &["http://api.test/y"]).status, 200);
    let asked: Vec<String> = proxy
        .asked()
        .iter()
        .map(|head| head.lines().next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        asked,
        [
            "CONNECT api.test:443 HTTP/1.1",
            "CONNECT raw.test:443 HTTP/1.1",
            "CONNECT api.test:80 HTTP/1.1"
        ]
    );
}

#[test]
fn what_a_server_says_first_is_not_lost_behind_the_proxys_answer() {
    if !able() {
        return;
    }
    let rig = Rig::start_behind(HOSTS, &keys(""));
    let _proxy = Proxy::start(&rig.outside, None);
    let sandbox = Sandbox::new(&rig, "a", 2222, POLICY);
    assert_eq!(sandbox.greeted("raw.test"), (*b"HELLO\n", *b"echo"));
}

#[test]
fn a_refusal_of_the_proxy_and_a_name_of_its_own_machine_are_a_502_that_says_so() {
    if !able() {
        return;
    }
    let rig = Rig::start_behind(HOSTS, &keys(""));
    let proxy = Proxy::start(&rig.outside, None);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    for (host, why) in [
        (
            "forbidden.test",
            "refused `forbidden.test:443` with status 403",
        ),
        ("localhost", "would lead into the proxy's own network"),
    ] {
        let answer = sandbox.curl(host, &[&format!("https://{host}/")]);
        assert_eq!(answer.status, 502, "{answer:?}");
        let body = answer.json();
        assert!(
            body["error"]
                .as_str()
                .is_some_and(|error| error.contains(why)),
            "{body}"
        );
        assert!(!answer.body.contains(PROXY), "{}", answer.body);
    }
    assert_eq!(proxy.asked().len(), 1, "`localhost` was never asked for");
}

#[test]
fn exceptions_and_fixed_hosts_are_dialled_without_the_proxy() {
    if !able() {
        return;
    }
    let more = "  no_proxy: [inside.test]\n  hosts: { api.test: [203.0.113.10] }\n";
    let rig = Rig::start_behind(HOSTS, &keys(more));
    let proxy = Proxy::start(&rig.outside, None);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    assert_eq!(sandbox.curl("api.test", &["https://api.test/"]).status, 200);
    let inside = sandbox.curl("inside.test", &["https://inside.test/"]);
    assert_eq!(
        inside.status, 403,
        "looked up here, where it leads to the metadata service: {inside:?}"
    );
    assert_eq!(proxy.asked(), Vec::<String>::new());
}

#[test]
fn the_proxys_password_comes_from_a_file_and_is_nowhere_else() {
    if !able() {
        return;
    }
    let file = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(file.path(), "me:s3cret\n").expect("write");
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(file.path(), mode).expect("mode");
    let more = format!("  upstream_proxy_credentials: {}\n", file.path().display());
    let rig = Rig::start_behind(HOSTS, &keys(&more));
    let proxy = Proxy::start(&rig.outside, Some("Basic bWU6czNjcmV0"));
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    assert_eq!(sandbox.curl("api.test", &["https://api.test/"]).status, 200);
    assert!(
        proxy.asked()[0]
            .to_ascii_lowercase()
            .contains("proxy-authorization: basic bwu6cznjcmv0")
    );
    drop(sandbox);
    let said = rig.log() + &format!("{:?}", rig.audit("a"));
    assert!(!said.contains("s3cret") && !said.contains("bWU6"), "{said}");

    let other = Rig::start_behind(HOSTS, &keys(""));
    let _proxy = Proxy::start(&other.outside, Some("Basic bWU6czNjcmV0"));
    let sandbox = Sandbox::new(&other, "a", 443, POLICY);
    let refused = sandbox.curl("api.test", &["https://api.test/"]);
    assert_eq!(refused.status, 502, "{refused:?}");
    assert!(refused.body.contains("wants a user and a password"));
}

#[test]
fn a_proxy_that_is_not_there_is_a_502() {
    if !able() {
        return;
    }
    let rig = Rig::start_behind(HOSTS, "  upstream_proxy: http://203.0.113.10:3129\n");
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    let answer = sandbox.curl("api.test", &["https://api.test/"]);
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(answer.body.contains("cannot be reached"), "{answer:?}");
}
