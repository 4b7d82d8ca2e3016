//! The direct engine: `nemoclaw run` and its verbs, without Docker or containerd.

use nemoclaw_tests::container::unique;
use nemoclaw_tests::router::cli;
use nemoclaw_tests::{Output, World, nemoclaw};

fn nemo(world: &World, words: &[&str]) -> Output {
    cli(world, "config", words)
}

#[test]
fn a_program_of_the_host_runs_behind_the_walls() {
    let world = nemoclaw!();
    let script = "grep -E 'Seccomp:|NoNewPrivs|CapEff' /proc/self/status; echo x >/sandbox/x && echo written; echo x >/etc/x || echo refused";
    let said = nemo(
        world,
        &["run", "--policy", "test", "--", "sh", "-c", script],
    )
    .ok();
    for word in [
        "Seccomp:\t2",
        "NoNewPrivs:\t1",
        "CapEff:\t0000000000000000",
        "written",
        "refused",
    ] {
        assert!(said.stdout.contains(word), "{word:?}: {said:?}");
    }
}

#[test]
fn it_reaches_allowed_names_and_is_told_of_denials() {
    let world = nemoclaw!();
    nemo(
        world,
        &[
            "run",
            "--policy",
            "test",
            "--",
            "curl",
            "-sS",
            "-m",
            "10",
            "https://api.example.com/direct",
        ],
    )
    .ok()
    .says("\"nct\": \"ok\"");
    nemo(
        world,
        &[
            "run",
            "--policy",
            "test",
            "--",
            "curl",
            "-sS",
            "-m",
            "10",
            "-X",
            "POST",
            "https://api.example.com/direct",
        ],
    )
    .ok()
    .says("\"rule\"");
    assert_ne!(
        nemo(
            world,
            &[
                "run",
                "--policy",
                "test",
                "--",
                "curl",
                "-sS",
                "-m",
                "5",
                "https://other.example.com/"
            ]
        )
        .code,
        0
    );
}

#[test]
fn exit_codes_are_the_programs() {
    let world = nemoclaw!();
    nemo(
        world,
        &["run", "--policy", "test", "--", "sh", "-c", "exit 42"],
    )
    .exits(42);
    nemo(world, &["run", "--policy", "test", "--", "no-such-program"]).exits(127);
    nemo(world, &["run", "--policy", "test", "--", "/etc/passwd"]).exits(126);
    nemo(world, &["run", "--policy", "no-such-policy", "--", "true"]).exits(125);
}

#[test]
fn a_detached_sandbox_lives_through_its_verbs() {
    let world = nemoclaw!();
    let name = unique("direct");
    let script = "echo started; curl -sS -m 5 -X POST https://api.example.com/verbs >/dev/null; exec sleep 300";
    nemo(
        world,
        &[
            "run", "-d", "--name", &name, "--policy", "test", "--", "sh", "-c", script,
        ],
    )
    .ok();
    nemo(
        world,
        &["exec", &name, "--", "sh", "-c", "echo inside; exit 5"],
    )
    .exits(5)
    .says("inside");
    let listed = nemo(world, &["list", "--output", "json"]).ok();
    assert!(
        serde_json::from_str::<serde_json::Value>(&listed.stdout).is_ok()
            && listed.stdout.contains(&name),
        "{listed:?}"
    );
    nemo(world, &["status", &name]).ok().says("running");
    nemo(world, &["logs", &name]).ok().says("started");
    nemoclaw_tests::shell::wait_for(
        "the denial in the log",
        std::time::Duration::from_secs(5),
        || {
            nemo(world, &["logs", &name, "--denied"])
                .stdout
                .contains("POST")
                .then_some(())
        },
    );
    // Not in `run`: the first process of a pid namespace cannot kill itself.
    nemo(world, &["exec", &name, "--", "sh", "-c", "kill -9 $$"]).exits(137);
    nemo(world, &["stop", &name]).ok();
    nemo(world, &["rm", &name]).ok();
    assert!(!nemo(world, &["list"]).ok().stdout.contains(&name));
}

#[test]
fn doctor_and_policy_check_answer() {
    let world = nemoclaw!();
    let said = nemo(world, &["doctor", "--output", "json"]);
    assert!(
        serde_json::from_str::<serde_json::Value>(&said.stdout).is_ok(),
        "{said:?}"
    );
    let file = world.text("node/policies/test.yaml");
    nemo(world, &["policy", "validate", &file]).ok();
    let check = |words: &[&str]| nemo(world, &[&["policy", "check", &file], words].concat());
    check(&[
        "--host",
        "api.example.com",
        "--method",
        "GET",
        "--path",
        "/x",
    ])
    .exits(0)
    .says("test.yaml:");
    check(&[
        "--host",
        "api.example.com",
        "--method",
        "POST",
        "--path",
        "/x",
    ])
    .exits(1);
    check(&["--host", "other.example.com"]).exits(1);
    check(&["--host", "api.example.com"]).exits(2);
}
