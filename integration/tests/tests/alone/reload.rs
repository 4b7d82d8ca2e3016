//! The policy file changes while the agent runs: the next request follows it within 100 ms, the agent is not touched.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nemoclaw_tests::container::Container;
use nemoclaw_tests::engine::add_runtime;
use nemoclaw_tests::router::{TEST_POLICY, cli};
use nemoclaw_tests::{World, alone};

/// The promise.
const LIMIT: Duration = Duration::from_millis(100);

fn policy_file(world: &World, name: &str) -> PathBuf {
    let path = world.path("node/policies").join(format!("{name}.yaml"));
    fs::write(&path, TEST_POLICY).expect("policy");
    add_runtime(world, &format!("nemoclaw-{name}"), "config", name);
    path
}

/// Editors write a new file and rename it; others write in place. Both must be seen.
fn replace(path: &PathBuf, text: &str, in_place: bool) {
    if in_place {
        fs::write(path, text).expect("policy");
    } else {
        let next = path.with_extension("next");
        fs::write(&next, text).expect("policy");
        fs::rename(next, path).expect("policy");
    }
}

/// An agent that asks every 2 ms over one kept connection and prints `TIME CODE` at each change.
const AGENT: &str = r"
import http.client, ssl, time, sys
c = http.client.HTTPSConnection('api.example.com', timeout=5)
last = None
while True:
    try:
        c.request('POST', '/reload', b'x'); r = c.getresponse(); r.read(); code = r.status
    except Exception as e:
        c.close(); c = http.client.HTTPSConnection('api.example.com', timeout=5); continue
    if code != last:
        print('%.6f %d' % (time.time(), code), flush=True); last = code
    time.sleep(0.002)
";

fn codes(container: &Container<'_>) -> Vec<(f64, u16)> {
    let logs = container.verb(&["logs"]);
    let lines = logs.stdout.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter_map(|(time, code)| Some((time.parse().ok()?, code.parse().ok()?)))
        .collect()
}

fn wait_for_change(container: &Container<'_>, count: usize) -> (f64, u16) {
    nemoclaw_tests::shell::wait_for("the agent's next code", Duration::from_secs(10), || {
        codes(container).get(count).copied()
    })
}

fn start_time(pid: i32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    stat.rsplit_once(')')
        .expect("stat")
        .1
        .split_whitespace()
        .nth(19)
        .expect("start time")
        .to_owned()
}

#[test]
fn an_edit_is_followed_within_100_ms_by_an_untouched_agent() {
    let world = alone!();
    let _turn = crate::turn();
    let path = policy_file(world, "reload");
    let wider = TEST_POLICY.replace(
        "ports: [443, 80], protocol: rest, access: read-only",
        "ports: [443, 80], protocol: rest, access: read-write",
    );
    assert_ne!(wider, TEST_POLICY);
    let container = Container::start(
        world,
        "nemoclaw-reload",
        &[],
        &["nct/debian", "python3", "-u", "-c", AGENT],
    );
    let (pid, since) = (container.pid(), start_time(container.pid()));
    assert_eq!(wait_for_change(&container, 0).1, 403);
    let mut times = Vec::new();
    for round in 0..10 {
        std::thread::sleep(Duration::from_millis(300));
        let widen = round % 2 == 0;
        let before = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("clock")
            .as_secs_f64();
        replace(
            &path,
            if widen { &wider } else { TEST_POLICY },
            round % 4 < 2,
        );
        let (at, code) = wait_for_change(&container, round + 1);
        assert_eq!(code, if widen { 200 } else { 403 });
        times.push(Duration::from_secs_f64((at - before).max(0.0)));
    }
    times.sort();
    let (median, worst) = (times[5], times[9]);
    let _ = writeln!(
        std::io::stderr(),
        "policy edit to enforcement, 10 edits: median {median:?}, worst {worst:?} (promise: {LIMIT:?})"
    );
    // One edit may meet a machine that was busy elsewhere; two may not.
    assert!(times[8] < LIMIT, "{times:?}");
    assert_eq!(
        (container.pid(), start_time(pid)),
        (pid, since),
        "the agent's process must be untouched"
    );
}

#[test]
fn a_hundred_mutated_files_never_change_the_generation() {
    let world = alone!();
    let _turn = crate::turn();
    let path = policy_file(world, "mutate");
    let container = Container::start(
        world,
        "nemoclaw-mutate",
        &[],
        &["nct/debian", "sleep", "600"],
    );
    let status = || {
        let said = cli(
            world,
            "config",
            &["status", &container.id()[..16], "--output", "json"],
        );
        serde_json::from_str::<serde_json::Value>(&said.stdout)
            .unwrap_or_else(|error| panic!("{error}: {said:?}"))
    };
    let generation = |value: &serde_json::Value| {
        find(value, "generation").unwrap_or_else(|| panic!("no generation in {value}"))
    };
    let first = generation(&status());
    for number in 0..100 {
        replace(&path, &mutated(number), number % 2 == 0);
        std::thread::sleep(Duration::from_millis(15));
    }
    std::thread::sleep(Duration::from_millis(300));
    let after = status();
    assert_eq!(generation(&after), first, "{after}");
    let fault = find(&after, "fault").unwrap_or_default();
    assert!(
        fault
            .as_str()
            .is_some_and(|fault| fault.contains('^') && fault.contains("mutate.yaml")),
        "status must show the fault with its caret: {after}"
    );
    container
        .exec(&["curl", "-sS", "-m", "5", "https://api.example.com/still"])
        .ok()
        .says("\"nct\": \"ok\"");
    replace(&path, TEST_POLICY, true);
}

/// The first value of `key`, at any depth.
fn find(value: &serde_json::Value, key: &str) -> Option<serde_json::Value> {
    match value {
        serde_json::Value::Object(map) => map
            .get(key)
            .cloned()
            .or_else(|| map.values().find_map(|inner| find(inner, key))),
        serde_json::Value::Array(list) => list.iter().find_map(|inner| find(inner, key)),
        _ => None,
    }
}

/// A faulty file: every number breaks the policy in another place or another way.
fn mutated(number: usize) -> String {
    let lines: Vec<&str> = TEST_POLICY.lines().collect();
    let at = 6 + number % (lines.len() - 6);
    let broken = match number % 5 {
        0 => format!("{}\nnetwrok_policies: {{}}\n", TEST_POLICY.trim_end()),
        1 => TEST_POLICY.replace("port: 443", &format!("port: {}", 70_000 + number)),
        2 => TEST_POLICY.replace("access: read-only", &format!("access: read-onyl{number}")),
        3 => TEST_POLICY.replace("/sandbox", &format!("/sandbox/../{number}")),
        _ => {
            let mut kept = lines.clone();
            kept.insert(at, "  \t: {{{ [ broken");
            kept.join("\n")
        }
    };
    assert_ne!(broken, TEST_POLICY);
    broken
}

#[test]
fn a_connection_that_is_no_longer_allowed_is_cut() {
    let world = alone!();
    let _turn = crate::turn();
    let path = policy_file(world, "cut");
    let container = Container::start(world, "nemoclaw-cut", &[], &["nct/debian", "sleep", "600"]);
    let narrower = TEST_POLICY.replace("host: www.example.com", "host: www2.example.com");
    let file = path.clone();
    let editor = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1500));
        replace(&file, &narrower, false);
    });
    let begun = Instant::now();
    let output = container.exec(&[
        "curl",
        "-sSN",
        "-m",
        "20",
        "https://www.example.com/drip/150",
    ]);
    editor.join().expect("editor");
    assert!(output.stdout.contains("drip 1"), "{output:?}");
    assert!(
        output.code != 0 && begun.elapsed() < Duration::from_secs(8),
        "the connection must be cut: {output:?}"
    );
}
