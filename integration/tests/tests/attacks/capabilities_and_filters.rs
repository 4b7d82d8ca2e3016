//! What a process keeps: capabilities, new privileges, an unfiltered system call table, descriptors, the keyring.

use nemoclaw_tests::container::{Container, run};
use nemoclaw_tests::probe::{State, parse_state};
use nemoclaw_tests::{World, nemoclaw, world};

const PROBE: &[&str] = &["/usr/bin/nemoclaw-probe", "state"];

fn first(world: &World, runtime: &str) -> State {
    parse_state(run(
        world,
        runtime,
        &[],
        &["nct/busybox", PROBE[0], PROBE[1]],
    ))
}

fn assert_walled(place: &str, state: &State) {
    assert_eq!(state.seccomp, "2", "{place}: {state:?}");
    assert_eq!(state.no_new_privs, "1", "{place}: {state:?}");
    for set in [
        &state.cap_inh,
        &state.cap_prm,
        &state.cap_eff,
        &state.cap_bnd,
        &state.cap_amb,
    ] {
        assert_eq!(
            set, "0000000000000000",
            "{place}: every capability set must be empty: {state:?}"
        );
    }
}

#[test]
fn without_the_box_capabilities_are_kept() {
    let state = first(world!(), "runc");
    assert_ne!(state.cap_eff, "0000000000000000", "{state:?}");
    assert_ne!(state.cap_bnd, "0000000000000000", "{state:?}");
    assert_eq!(state.no_new_privs, "0", "{state:?}");
}

#[test]
fn run_has_filter_no_new_privs_and_no_capability() {
    assert_walled("run", &first(nemoclaw!(), "nemoclaw"));
}

#[test]
fn exec_has_the_same_walls_as_run() {
    let world = nemoclaw!();
    let container = Container::start(world, "nemoclaw", &[], &["nct/busybox", "sleep", "300"]);
    let exec = parse_state(container.exec(PROBE));
    assert_walled("exec", &exec);
    assert_walled(
        "exec as 1000",
        &parse_state(container.exec_with(&["-u", "1000"], PROBE)),
    );
    let run = first(world, "nemoclaw");
    assert_eq!(run.seccomp, exec.seccomp);
}

#[test]
fn an_exec_that_asks_for_privileges_gets_none() {
    let world = nemoclaw!();
    let container = Container::start(world, "nemoclaw", &[], &["nct/busybox", "sleep", "300"]);
    let output = container.exec_with(&["--privileged"], PROBE);
    if output.code == 0 {
        assert_walled("exec --privileged", &parse_state(output));
    }
    let baseline = Container::start(world, "runc", &[], &["nct/busybox", "sleep", "300"]);
    let kept = baseline.exec(PROBE);
    assert_ne!(
        parse_state(kept).cap_eff,
        "0000000000000000",
        "the baseline must keep capabilities"
    );
}

#[test]
fn capabilities_added_by_the_command_line_are_not_given() {
    let world = nemoclaw!();
    let options = ["--cap-add", "NET_ADMIN", "--cap-add", "SYS_PTRACE"];
    let words = ["nct/busybox", PROBE[0], PROBE[1]];
    let baseline = parse_state(run(world, "runc", &options, &words));
    let bits = u64::from_str_radix(&baseline.cap_eff, 16).expect("hex");
    assert_ne!(
        bits & (1 << 12),
        0,
        "the baseline must have NET_ADMIN: {baseline:?}"
    );
    let output = run(world, "nemoclaw", &options, &words);
    if output.code == 0 {
        assert_walled("run --cap-add", &parse_state(output));
    }
}

#[test]
fn no_descriptor_but_the_standard_three_is_inherited() {
    let world = nemoclaw!();
    let container = Container::start(world, "nemoclaw", &[], &["nct/busybox", "sleep", "300"]);
    for (place, state) in [
        ("run", first(world, "nemoclaw")),
        ("exec", parse_state(container.exec(PROBE))),
    ] {
        let strangers: Vec<_> = state
            .fds
            .iter()
            .filter(|fd| !matches!(fd.split('=').next(), Some("0" | "1" | "2")))
            .collect();
        assert!(strangers.is_empty(), "{place}: {strangers:?}");
    }
}

#[test]
fn the_box_may_not_even_ask_for_its_keyring() {
    // That it has one of its own is counted from outside, in tests/alone/keyring.rs.
    let world = nemoclaw!();
    let words = ["nct/busybox", PROBE[0], PROBE[1]];
    let baseline = parse_state(run(
        world,
        "runc",
        &["--security-opt", "seccomp=unconfined"],
        &words,
    ));
    assert!(baseline.keyring > 0, "{baseline:?}");
    assert!(
        first(world, "nemoclaw").keyring < 0,
        "keyctl must be refused"
    );
}
