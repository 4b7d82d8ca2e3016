//! The numbers that the router tells: in a form that every scraper takes, moving with what happens, to this machine alone.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use common::openmetrics::Page;
use common::{Rig, Sandbox, able};
use hickory_proto::rr::RecordType;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const HOSTS: &[&str] = &["api.test"];
const POLICY: &str = "version: 1\nnetwork_policies:\n  api:\n    endpoints:\n      - { host: api.test, port: 80, protocol: rest, access: read-only }\n";

fn page(rig: &Rig) -> Page {
    Page::read(&rig.client().metrics().expect("metrics"))
}

#[test]
fn counters_move_with_what_a_sandbox_does_and_survive_the_worker() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 80, POLICY);
    let decisions = |page: &Page, kind: &str, verdict: &str| {
        let labels = [("sandbox", "a"), ("kind", kind), ("verdict", verdict)];
        page.value("nemoclaw_decisions_total", &labels)
            .unwrap_or(0.0)
    };
    let before = page(&rig);
    assert_eq!(decisions(&before, "http", "allow"), 0.0);
    assert_eq!(before.value("nemoclaw_sandboxes", &[]), Some(1.0));
    assert_eq!(
        before.value("nemoclaw_policy_generation", &[("sandbox", "a")]),
        Some(1.0)
    );
    for _ in 0..3 {
        assert_eq!(sandbox.curl("api.test", &["http://api.test/"]).status, 200);
    }
    assert_eq!(
        sandbox
            .curl("api.test", &["-d", "x", "http://api.test/"])
            .status,
        403
    );
    assert!(sandbox.ask("evil.test", RecordType::A).1.is_empty());
    rig.wait_until("all is counted", || {
        let page = page(&rig);
        let count = page.value("nemoclaw_upstream_answer_seconds_count", &[]);
        let decided = page.value("nemoclaw_decision_seconds_count", &[]);
        decisions(&page, "http", "allow") == 3.0 && count == Some(3.0) && decided == Some(4.0)
    });
    let after = page(&rig);
    assert_eq!(decisions(&after, "http", "deny"), 1.0);
    assert_eq!(decisions(&after, "dns", "deny"), 1.0);
    let bytes = [("sandbox", "a"), ("direction", "in")];
    assert!(after.value("nemoclaw_traffic_bytes_total", &bytes).unwrap() > 0.0);
    let records = after.value("nemoclaw_audit_records_total", &[]).unwrap();
    assert!(records > before.value("nemoclaw_audit_records_total", &[]).unwrap());

    sandbox.edit(&POLICY.replace("read-only", "full"));
    let reloads = |outcome: &str| {
        let labels = [("sandbox", "a"), ("outcome", outcome)];
        page(&rig).value("nemoclaw_policy_reloads_total", &labels)
    };
    rig.wait_until("the edit is counted", || reloads("accepted") == Some(1.0));
    sandbox.edit("version: nonsense\n");
    rig.wait_until("the fault is counted", || reloads("refused") >= Some(1.0));
    let faulty = page(&rig).value("nemoclaw_policy_faulty", &[("sandbox", "a")]);
    assert_eq!(faulty, Some(1.0));

    let worker = rig.status().worker_pid.expect("a worker");
    kill(Pid::from_raw(worker), Signal::SIGKILL).expect("kill");
    rig.wait_until("another worker", || {
        page(&rig).value("nemoclaw_router_worker_restarts_total", &[]) == Some(1.0)
    });
    let last = page(&rig);
    assert_eq!(decisions(&last, "http", "allow"), 3.0);
    assert_eq!(
        last.value("nemoclaw_decision_seconds_count", &[]),
        Some(4.0)
    );
}

/// One request to the port, as a scraper in the router's own namespace sends it.
fn scrape(rig: &Rig, head: &str) -> Result<(String, String), std::io::Error> {
    let head = head.to_owned();
    rig.outside.within(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", 9464))?;
        stream.write_all(head.as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
        Ok((head.to_owned(), body.to_owned()))
    })
}

#[test]
fn the_port_serves_the_same_page_to_this_machine_and_outlives_the_worker() {
    if !able() {
        return;
    }
    let rig = Rig::start_behind(HOSTS, "  metrics: 127.0.0.1:9464\n");
    let sandbox = Sandbox::new(&rig, "a", 80, POLICY);
    let get = |path: &str, host: &str| {
        scrape(
            &rig,
            &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        )
        .expect("an answer")
    };
    let (head, body) = get("/metrics", "127.0.0.1:9464");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        head.to_lowercase()
            .contains("content-type: application/openmetrics-text; version=1.0.0")
    );
    assert_eq!(Page::read(&body).names(), page(&rig).names());
    for (path, host, status) in [
        ("/", "localhost:9464", "404"),
        ("/metrics", "evil.test:9464", "403"),
        ("/metrics", "198.51.100.7", "403"),
        ("/metrics", "[::1]:9464", "200"),
    ] {
        let (head, _) = get(path, host);
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}")),
            "{path} {host}: {head}"
        );
    }
    let nonsense = scrape(&rig, "nonsense\r\n\r\n").expect("an answer").0;
    assert!(nonsense.starts_with("HTTP/1.1 400"), "{nonsense}");
    let idle: Vec<TcpStream> = rig.outside.within(|| {
        let connect = |_| TcpStream::connect(("127.0.0.1", 9464)).expect("connect");
        (0..7).map(connect).collect()
    });
    assert!(
        get("/metrics", "localhost").0.starts_with("HTTP/1.1 200"),
        "idle clients take the port"
    );
    drop(idle);
    let worker = rig.status().worker_pid.expect("a worker");
    kill(Pid::from_raw(worker), Signal::SIGKILL).expect("kill");
    rig.wait_until("the next worker serves the port", || {
        let again = scrape(&rig, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
        again.is_ok_and(|(head, body)| {
            head.starts_with("HTTP/1.1 200")
                && body.contains("nemoclaw_router_worker_restarts_total 1\n")
        })
    });
    let inside = sandbox
        .netns
        .within(|| TcpStream::connect(("127.0.0.1", 9464)).is_err());
    assert!(inside, "a sandbox reaches the port");
}

#[test]
fn a_port_that_is_taken_is_named_when_the_router_starts() {
    if !able() {
        return;
    }
    let outside = common::Netns::new("taken");
    let directory = tempfile::tempdir().expect("directory");
    let config = format!(
        "version: 1\nstate_dir: {0}/state\ndata_dir: {0}/data\nrouter: {{ user: nobody, metrics: '127.0.0.1:9464' }}\n",
        directory.path().display()
    );
    std::fs::write(directory.path().join("config.yaml"), config).expect("config");
    let taken = outside.within(|| std::net::TcpListener::bind(("127.0.0.1", 9464)).expect("bind"));
    let ran = std::process::Command::new("ip")
        .args([
            "netns",
            "exec",
            &outside.name,
            env!("CARGO_BIN_EXE_nemoclaw-router"),
            "run",
            "--config",
        ])
        .arg(directory.path().join("config.yaml"))
        .output()
        .expect("router");
    drop(taken);
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(!ran.status.success());
    assert!(
        said.contains("127.0.0.1:9464: change or leave out `router.metrics`"),
        "{said}"
    );
}

/// Every text under the key `expr`, at any depth.
fn queries(value: &serde_json::Value, into: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                match value
                    .as_str()
                    .filter(|text| key == "expr" || text.starts_with("label_values("))
                {
                    Some(text) => into.push(text.to_owned()),
                    None => queries(value, into),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| queries(item, into)),
        _ => {}
    }
}

#[test]
fn every_query_of_the_dashboard_asks_for_numbers_that_there_are() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let known = page(&rig).names();
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../integration/observability/grafana.json");
    let text = std::fs::read_to_string(path).expect("the dashboard");
    let mut all = Vec::new();
    queries(&serde_json::from_str(&text).expect("JSON"), &mut all);
    let word = |letter: char| !(letter.is_ascii_alphanumeric() || letter == '_');
    let mut asked = 0;
    for query in &all {
        let names = query
            .split(word)
            .filter(|word| word.starts_with("nemoclaw_"));
        for name in names.clone() {
            assert!(known.contains(name), "{name} in `{query}`");
            asked += 1;
        }
        assert!(names.count() > 0, "`{query}` asks for nothing of ours");
    }
    assert!(asked >= 12, "{all:?}");
}
