//! What cannot be a box is refused with one sentence that `docker run` shows, and that says what to do.

use nemoclaw_tests::container::run;
use nemoclaw_tests::{World, nemoclaw};
use serde_json::json;

const TRUE: &[&str] = &["nct/busybox", "true"];

/// The sentence after Docker's own words: one line, and it holds every given word.
#[track_caller]
fn refused(world: &World, runtime: &str, options: &[&str], words: &[&str]) {
    let output = run(world, runtime, options, TRUE);
    assert!(
        output.code == 125 || output.code == 127 || output.code == 126,
        "must be refused:\n{output:?}"
    );
    let sentence = output
        .stderr
        .lines()
        .find(|line| line.contains("Error response from daemon"))
        .unwrap_or_default();
    for word in words {
        assert!(
            sentence.to_lowercase().contains(word),
            "the sentence must hold {word:?}:\n{output:?}"
        );
    }
    for noise in ["panicked", "Os {", "Error(", "kind:", "backtrace"] {
        assert!(
            !sentence.contains(noise),
            "the sentence must be for people, not hold {noise:?}:\n{output:?}"
        );
    }
}

#[test]
fn privileged_is_refused() {
    refused(nemoclaw!(), "nemoclaw", &["--privileged"], &["privileged"]);
}

#[test]
fn host_namespaces_are_refused() {
    let world = nemoclaw!();
    refused(world, "nemoclaw", &["--network", "host"], &["network"]);
    refused(world, "nemoclaw", &["--pid", "host"], &["pid"]);
    refused(world, "nemoclaw", &["--ipc", "host"], &["ipc"]);
    refused(world, "nemoclaw", &["--uts", "host"], &["uts"]);
}

#[test]
fn an_unknown_policy_is_refused() {
    refused(
        nemoclaw!(),
        "nemoclaw-unknown",
        &[],
        &["no-such-policy", "policy"],
    );
}

#[test]
fn a_policy_that_needs_a_newer_kernel_is_refused() {
    let world = nemoclaw!();
    let policy = "version: 1\nlandlock: {minimum_abi: 16}\n";
    std::fs::write(world.path("node/policies/newer.yaml"), policy).expect("policy");
    nemoclaw_tests::engine::add_runtime(world, "nemoclaw-newer", "config", "newer");
    refused(
        world,
        "nemoclaw-newer",
        &[],
        &[
            "`newer` needs landlock abi 16",
            "use a newer kernel",
            "best_effort",
        ],
    );
}

#[test]
fn a_profile_that_cannot_be_loaded_is_refused() {
    let world = nemoclaw!();
    let file = world.path("data/seccomp.json");
    let refused_for = |profile: serde_json::Value, word: &str| {
        std::fs::write(&file, profile.to_string()).expect("profile");
        let option = format!("seccomp={}", file.display());
        refused(
            world,
            "nemoclaw",
            &["--security-opt", &option],
            &["seccomp profile", word],
        );
    };
    let rule = |value: u32| {
        json!({ "names": ["personality"], "action": "SCMP_ACT_ERRNO",
                "args": [{ "index": 0, "value": value, "op": "SCMP_CMP_EQ" }] })
    };
    let rules: Vec<_> = (0..1500).map(rule).collect();
    refused_for(
        json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules }),
        "4096",
    );
    let notify = json!([{ "names": ["mkdir"], "action": "SCMP_ACT_NOTIFY" }]);
    refused_for(
        json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": notify }),
        "scmp_act_notify",
    );
}

#[test]
fn an_egress_hook_that_fails_silently_is_named_with_its_last_words() {
    refused(
        nemoclaw!(),
        "nemoclaw-badhook",
        &[],
        &[
            "node/bad-hook` failed",
            "nct: this hook fails on purpose",
            "`egress_hook`",
        ],
    );
}

#[test]
fn an_absent_router_is_refused_with_the_command_that_helps() {
    refused(
        nemoclaw!(),
        "nemoclaw-absent",
        &[],
        &["router", "nemoclaw router start"],
    );
}

#[test]
fn dangerous_mount_sources_are_refused() {
    let world = nemoclaw!();
    for source in ["/", "/proc", "/sys", "/dev", "/run"] {
        refused(
            world,
            "nemoclaw",
            &["-v", &format!("{source}:/data")],
            &["mount"],
        );
    }
}

#[test]
fn a_docker_socket_is_refused() {
    let world = nemoclaw!();
    let socket = format!("{}:/var/run/docker.sock", world.text("eng/docker.sock"));
    run(
        world,
        "runc",
        &["-v", &socket],
        &["nct/busybox", "test", "-S", "/var/run/docker.sock"],
    )
    .ok();
    refused(world, "nemoclaw", &["-v", &socket], &["socket"]);
}

#[test]
fn network_sysctls_of_the_fence_are_refused() {
    let world = nemoclaw!();
    run(world, "runc", &["--sysctl", "net.ipv4.ip_forward=1"], TRUE).ok();
    refused(
        world,
        "nemoclaw",
        &["--sysctl", "net.ipv4.conf.all.src_valid_mark=0"],
        &["sysctl"],
    );
}

#[test]
fn unconfined_runs_only_where_the_node_lists_it() {
    let world = nemoclaw!();
    let words = ["nct/busybox", "/usr/bin/nemoclaw-probe", "state"];
    let state = nemoclaw_tests::probe::parse_state(run(world, "nemoclaw-unconfined", &[], &words));
    assert_ne!(
        state.cap_eff, "0000000000000000",
        "unconfined is a plain runtime: {state:?}"
    );
    // Without the entry: refused.
    let path = nemoclaw_tests::router::config_path(world, "bare-node");
    std::fs::write(
        &path,
        format!("version: 1\nstate_dir: {}\n", world.text("state")),
    )
    .expect("config");
    nemoclaw_tests::engine::add_runtime(world, "nemoclaw-unlisted", "bare-node", "unconfined");
    refused(
        world,
        "nemoclaw-unlisted",
        &[],
        &["unconfined", "selectable"],
    );
}
