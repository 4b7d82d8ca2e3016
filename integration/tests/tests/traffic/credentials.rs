//! A credential is used by a sandbox and found nowhere in it: not in memory, files, variables, logs or answers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nemoclaw_tests::container::{Container, unique};
use nemoclaw_tests::engine::add_runtime;
use nemoclaw_tests::router::{cli, shared_pid, state_dir, worker_of};
use nemoclaw_tests::search::{memory_holds, processes_beside};
use nemoclaw_tests::shell::{sh, wait_for};
use nemoclaw_tests::{Output, World, nemoclaw, netns, upstream};

/// The variable, and what stands in it.
const KEY: &str = "NCT_CANARY";
const PLACEHOLDER: &str = "nemoclaw:resolve:env:NCT_CANARY";

/// The author binds a host that the operator's entry does not have.
const POLICY: &str = "\
version: 1
filesystem_policy:
  read_only: [/]
  read_write: [/sandbox, /tmp]
network_policies:
  own:
    endpoints:
      - { host: api.example.com, ports: [443, 80], protocol: rest, access: full, credential_binding: { provider: canary } }
      - { host: www.example.com, port: 443, protocol: rest, access: full, credential_binding: { provider: canary } }
";

/// Asks with the variable, keeps what came, and lives on: `python3 -c AGENT SHA256`.
const AGENT: &str = r"
import os, sys, time, urllib.request
url = 'https://api.example.com/keyed/' + sys.argv[1]
ask = urllib.request.Request(url, headers={'Authorization': 'Bearer ' + os.environ['NCT_CANARY']})
answer = urllib.request.urlopen(ask, timeout=20)
kept = str(answer.headers) + answer.read().decode()
open('/sandbox/answer', 'w').write(kept)
print(answer.status, kept, flush=True)
time.sleep(600)
";

/// A provider with a secret that nobody has seen; it is forgotten at the end.
struct Canary<'w> {
    world: &'w World,
    secret: String,
    hash: String,
}

impl<'w> Canary<'w> {
    fn set(world: &'w World) -> Canary<'w> {
        let secret = format!(
            "nct-canary-{}-{:?}",
            std::process::id(),
            std::time::SystemTime::now()
        );
        let secret: String = secret
            .chars()
            .filter(|c| c.is_ascii_alphanumeric())
            .collect();
        let file = world.path("node/canary");
        fs::write(&file, &secret).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let file = file.display().to_string();
        let set = [
            "provider",
            "set",
            "canary",
            "--type",
            "generic",
            "--host",
            "api.example.com",
            "--port",
            "443",
            "--port",
            "80",
            "--path",
            "/keyed/**",
            "--env",
            KEY,
            "--from-file",
            &file,
        ];
        cli(world, "config", &set).ok().never_says(&secret);
        fs::remove_file(&file).unwrap();
        let hash = sh(&format!("printf %s {secret} | sha256sum | cut -d' ' -f1"))
            .ok()
            .text();
        wait_for("the router to hold it", Duration::from_secs(5), || {
            let tested = cli(world, "config", &["provider", "test", "canary"]);
            (tested.code == 0).then_some(())
        });
        Canary {
            world,
            secret,
            hash,
        }
    }

    fn url(&self) -> String {
        format!("https://api.example.com/keyed/{}", self.hash)
    }
}

impl Drop for Canary<'_> {
    fn drop(&mut self) {
        cli(self.world, "config", &["provider", "rm", "canary"]);
    }
}

/// Files below `paths` that hold `word`.
fn files_with(word: &str, paths: &[PathBuf]) -> Vec<String> {
    let all: Vec<String> = paths
        .iter()
        .filter(|path| path.exists())
        .map(|path| path.display().to_string())
        .collect();
    let found = sh(&format!(
        "grep -rlaF -D skip -e {word} {} 2>/dev/null",
        all.join(" ")
    ));
    found.stdout.lines().map(str::to_owned).collect()
}

/// Where a box could see it; `init` is its first process.
fn in_box(init: i32, word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for pid in processes_beside(init) {
        for name in ["environ", "cmdline"] {
            let text = fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            if text
                .windows(word.len())
                .any(|window| window == word.as_bytes())
            {
                found.push(format!("{name} of {pid}"));
            }
        }
        if memory_holds(pid, word) {
            found.push(format!("memory of {pid}"));
        }
    }
    let root = Path::new("/proc").join(init.to_string()).join("root");
    let tops = [
        "sandbox", "tmp", "etc", "run", "dev/shm", "var", "home", "root", "srv", "mnt",
    ];
    found.extend(files_with(word, &tops.map(|top| root.join(top))));
    found
}

/// Where the operator's files and words hold it, besides its own place.
fn outside(world: &World, word: &str) -> Vec<String> {
    let places = ["data", "log", "run", "node/policies", "node/providers.yaml"];
    let mut paths: Vec<PathBuf> = places.iter().map(|name| world.path(name)).collect();
    paths.push(state_dir(world, "config"));
    let mut found = files_with(word, &paths);
    for words in [
        &["status", "--output", "json"][..],
        &["list", "--output", "json"],
        &["provider", "list", "--output", "json"],
        &["provider", "show", "canary"],
        &["logs", "--denied", "--json"],
    ] {
        let said = cli(world, "config", words);
        if said.stdout.contains(word) || said.stderr.contains(word) {
            found.push(words.join(" "));
        }
    }
    found
}

/// The first process works with the credential; then nothing of it may be found.
fn check(canary: &Canary<'_>, init: i32, exec: impl Fn(&[&str]) -> Output, logs: &Output) {
    logs.clone()
        .says("200")
        .says("\"fits\": true")
        .never_says(&canary.secret);
    exec(&["printenv", KEY]).ok().says(PLACEHOLDER);
    let field = format!("Authorization: Bearer {PLACEHOLDER}");
    let ask = |url: &str| exec(&["curl", "-sSi", "-m", "10", "-H", &field, url]).ok();
    ask(&canary.url())
        .says("\"fits\": true")
        .says(&format!("x-echo: Bearer {PLACEHOLDER}"))
        .never_says(&canary.secret);
    for (url, why) in [
        (
            canary.url().replace("api.", "www."),
            "other hosts, ports or paths",
        ),
        (
            canary.url().replace("/keyed/", "/other/"),
            "other hosts, ports or paths",
        ),
        (canary.url().replace("https:", "http:"), "without TLS"),
    ] {
        ask(&url).says(" 403").says(why).never_says(&canary.secret);
    }
    // What is looked for can be found: the placeholder is in the first process, and in its file.
    let control = in_box(init, PLACEHOLDER);
    for place in ["environ of", "memory of", "/sandbox/answer"] {
        assert!(
            control.iter().any(|found| found.contains(place)),
            "{place}: {control:?}"
        );
    }
    assert_eq!(
        in_box(init, &canary.secret),
        Vec::<String>::new(),
        "in the box"
    );
    assert_eq!(
        outside(canary.world, &canary.secret),
        Vec::<String>::new(),
        "outside"
    );
}

/// Refusals are recorded with their reason.
fn recorded(world: &World, sandbox: &str) {
    let path = world.path("data/audit").join(format!("{sandbox}.jsonl"));
    let text = fs::read_to_string(&path).unwrap();
    for why in ["other hosts, ports or paths", "without TLS"] {
        let line = text.lines().find(|line| line.contains(why));
        let line = line.unwrap_or_else(|| panic!("{why}: {text}"));
        assert!(line.contains("credential: "), "{line}");
    }
}

#[test]
fn a_canary_is_used_by_sandboxes_and_found_nowhere_in_them() {
    let world = nemoclaw!();
    fs::write(world.path("node/policies/keyed.yaml"), POLICY).unwrap();
    add_runtime(world, "nemoclaw-keyed", "config", "keyed");
    let canary = Canary::set(world);

    let baseline = sh(&format!(
        "nsenter --net={} curl -sS -m 10 --cacert {} --resolve api.example.com:443:203.0.113.10 -H 'Authorization: Bearer {PLACEHOLDER}' -w ' %{{http_code}}' {}",
        netns::path(netns::ENGINE).display(),
        upstream::ca(world).display(),
        canary.url()
    ));
    baseline.ok().says(" 401").says("\"fits\": false");

    let container = Container::start(
        world,
        "nemoclaw-keyed",
        &[],
        &["nct/debian", "python3", "-u", "-c", AGENT, &canary.hash],
    );
    let logs = wait_for("the agent's answer", Duration::from_secs(20), || {
        let logs = container.verb(&["logs"]);
        logs.stdout.contains("fits").then_some(logs)
    });
    check(
        &canary,
        container.pid(),
        |words| container.exec(words),
        &logs,
    );
    recorded(world, &container.id());
    container.verb(&["inspect"]).ok().never_says(&canary.secret);
    let given = container.exec_with(&["-e", "NCT_CANARY=own"], &["printenv", KEY]);
    assert_eq!(given.ok().text(), "own", "what somebody sets stays");

    let name = unique("canary");
    let run = [
        "run",
        "-d",
        "--name",
        &name,
        "--policy",
        "keyed",
        "--",
        "python3",
        "-u",
        "-c",
        AGENT,
        &canary.hash,
    ];
    cli(world, "config", &run).ok();
    let direct = Direct { world, name: &name };
    let logs = wait_for("the agent's answer", Duration::from_secs(20), || {
        let logs = cli(world, "config", &["logs", &name]);
        logs.stdout.contains("fits").then_some(logs)
    });
    check(&canary, direct.pid(), |words| direct.exec(words), &logs);
    recorded(world, &name);

    let warden = shared_pid(world).expect("the router");
    for pid in [warden, worker_of(warden).expect("a worker")] {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        let core: Vec<&str> = core.unwrap().split_whitespace().collect();
        assert_eq!((core[4], core[5]), ("0", "0"), "core files of {pid}");
    }
}

/// A box of the direct engine.
struct Direct<'w> {
    world: &'w World,
    name: &'w str,
}

impl Direct<'_> {
    fn exec(&self, words: &[&str]) -> Output {
        let all = [&["exec", self.name, "--"], words].concat();
        cli(self.world, "config", &all)
    }

    fn pid(&self) -> i32 {
        let told = cli(
            self.world,
            "config",
            &["status", self.name, "--output", "json"],
        )
        .ok();
        let told: serde_json::Value = serde_json::from_str(&told.stdout).expect("JSON");
        let pid = told["sandboxes"][0]["pid"].as_i64().expect("a pid");
        i32::try_from(pid).expect("a pid")
    }
}

impl Drop for Direct<'_> {
    fn drop(&mut self) {
        cli(self.world, "config", &["rm", "-f", self.name]);
    }
}
