//! dockerd with `userns-remap`: the same walls, and root in the box is nobody outside.

use nemoclaw_tests::container::Container;
use nemoclaw_tests::engine::{self, Engine};
use nemoclaw_tests::probe::{parse, parse_state};
use nemoclaw_tests::{World, images, nemoclaw, world};

fn remapped(world: &World) {
    let _lock = world.lock("userns");
    engine::start(world, Engine::Remapped);
    images::small(world, Engine::Remapped, "busybox");
}

fn box_of<'w>(world: &'w World, runtime: &str) -> Container<'w> {
    Container::start_on(
        world,
        Engine::Remapped,
        runtime,
        &["--network", "none"],
        &["nct/busybox", "sleep", "300"],
    )
}

fn host_uid(pid: i32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:\t"))
        .expect("Uid")
        .split('\t')
        .next()
        .expect("uid")
        .to_owned()
}

#[test]
fn the_baseline_maps_root_away() {
    let world = world!();
    remapped(world);
    assert_eq!(host_uid(box_of(world, "runc").pid()), "200000");
}

#[test]
fn the_box_runs_remapped_with_the_same_walls() {
    let world = nemoclaw!();
    remapped(world);
    let container = box_of(world, "nemoclaw-test");
    assert_eq!(host_uid(container.pid()), "200000");
    let state = parse_state(container.exec(&["/usr/bin/nemoclaw-probe", "state"]));
    assert_eq!(
        (
            state.seccomp.as_str(),
            state.no_new_privs.as_str(),
            state.cap_eff.as_str()
        ),
        ("2", "1", "0000000000000000")
    );
    let attempts = parse(container.exec(&["/usr/bin/nemoclaw-probe", "files", "kernel"]));
    assert!(
        attempts["write_sandbox"].worked() && attempts["write_tmp"].worked(),
        "{:?}",
        attempts["write_sandbox"]
    );
    for name in [
        "write_etc",
        "write_usr",
        "mount_tmpfs",
        "unshare_user",
        "bpf_map",
        "mknod_null",
        "overwrite_resolv_conf",
    ] {
        assert!(!attempts[name].worked(), "{:?}", attempts[name]);
    }
    container
        .exec(&["cat", "/etc/resolv.conf"])
        .ok()
        .says("198.18.0.53");
}
