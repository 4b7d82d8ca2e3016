//! Docker's options: terminals, users, volumes, ports, read-only roots, tmpfs, an init.

use std::time::Duration;

use nemoclaw_tests::container::{Container, run};
use nemoclaw_tests::probe::parse_state;
use nemoclaw_tests::shell::{finish, wait_for};
use nemoclaw_tests::{nemoclaw, netns};

#[test]
fn a_terminal_is_given() {
    let world = nemoclaw!();
    let socket = format!("DOCKER_HOST=unix://{}", world.text("eng/docker.sock"));
    // script(1) is the person's terminal.
    let line = format!(
        "{socket} docker run --rm -it --runtime nemoclaw nct/busybox sh -c 'tty; stty size; test -t 0 && echo a terminal'"
    );
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &line, "/dev/null"]);
    finish(command, Some(b""), Duration::from_secs(40))
        .ok()
        .says("a terminal")
        .says("/dev/pts/");
}

#[test]
fn exec_with_a_terminal_works() {
    let world = nemoclaw!();
    let container = Container::start(world, "nemoclaw", &[], &["nct/busybox", "sleep", "300"]);
    let line = format!(
        "DOCKER_HOST=unix://{} docker exec -it {} sh -c 'test -t 1 && echo a terminal'",
        world.text("eng/docker.sock"),
        container.name
    );
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &line, "/dev/null"]);
    finish(command, Some(b""), Duration::from_secs(40))
        .ok()
        .says("a terminal");
}

#[test]
fn a_user_is_taken_over() {
    let world = nemoclaw!();
    let state = parse_state(run(
        world,
        "nemoclaw",
        &["-u", "1000:1000"],
        &["nct/busybox", "/usr/bin/nemoclaw-probe", "state"],
    ));
    assert_eq!(state.uid, "1000 1000 1000 1000");
    run(
        world,
        "nemoclaw",
        &["-u", "1000"],
        &[
            "nct/bare",
            "sh",
            "-c",
            "echo x >/sandbox/f && echo y >/tmp/f && ls -n /sandbox",
        ],
    )
    .ok()
    .says("1000");
}

#[test]
fn a_read_only_volume_is_readable_only() {
    let world = nemoclaw!();
    let data = nemoclaw_tests::probe::data_dir(world);
    let mount = format!("{}:/data:ro", data.path().display());
    run(
        world,
        "nemoclaw",
        &["-v", &mount],
        &[
            "nct/busybox",
            "sh",
            "-c",
            "cat /data/file; echo x >/data/new || echo refused",
        ],
    )
    .ok()
    .says("untouched")
    .says("refused");
}

#[test]
fn a_volume_below_sandbox_is_writable() {
    let world = nemoclaw!();
    let data = nemoclaw_tests::probe::data_dir(world);
    let mount = format!("{}:/sandbox/work", data.path().display());
    run(
        world,
        "nemoclaw",
        &["-v", &mount],
        &[
            "nct/busybox",
            "sh",
            "-c",
            "echo written >/sandbox/work/file",
        ],
    )
    .ok();
    assert_eq!(
        std::fs::read_to_string(data.path().join("file")).expect("file"),
        "written\n"
    );
}

#[test]
fn a_published_port_is_reached_from_outside() {
    let world = nemoclaw!();
    for runtime in ["nemoclaw-test", "nemoclaw-tproxy"] {
        let container = Container::start(
            world,
            runtime,
            &["-p", "18080:8080"],
            &["nct/busybox", "httpd", "-f", "-p", "8080", "-h", "/etc"],
        );
        // From another namespace, over the wire: the server side dials the engine's outer address.
        let url = "http://203.0.113.1:18080/passwd";
        let got = wait_for("the published port", Duration::from_secs(8), || {
            let got = netns::script(netns::SERVERS, &format!("curl -sS -m 3 {url}"));
            (got.code == 0).then_some(got)
        });
        got.says("root:");
        netns::script(netns::ENGINE, "curl -sS -m 3 http://127.0.0.1:18080/passwd")
            .ok()
            .says("root:");
        drop(container);
    }
}

#[test]
fn a_read_only_root_still_has_what_the_engine_mounts() {
    let world = nemoclaw!();
    let script = "echo x >/etc/x || echo etc refused; echo x >/usr/x || echo usr refused; echo x >/tmp/x && echo tmp written";
    run(
        world,
        "nemoclaw",
        &["--read-only", "--tmpfs", "/tmp"],
        &["nct/busybox", "sh", "-c", script],
    )
    .ok()
    .says("etc refused")
    .says("usr refused")
    .says("tmp written");
}

#[test]
fn a_tmpfs_is_writable_where_the_policy_writes() {
    let world = nemoclaw!();
    let script = "echo x >/sandbox/scratch/x && echo written; grep ' /sandbox/scratch ' /proc/mounts; echo x >/opt/x || echo opt refused";
    run(
        world,
        "nemoclaw",
        &["--tmpfs", "/sandbox/scratch", "--tmpfs", "/opt"],
        &["nct/busybox", "sh", "-c", script],
    )
    .ok()
    .says("written")
    .says("tmpfs")
    .says("opt refused");
}

#[test]
fn an_init_reaps() {
    let world = nemoclaw!();
    if !std::path::Path::new("/usr/bin/docker-init").exists()
        && nemoclaw_tests::sh("command -v docker-init").code != 0
    {
        nemoclaw_tests::skip!("docker-init is not installed");
    }
    run(
        world,
        "nemoclaw",
        &["--init"],
        &["nct/busybox", "sh", "-c", "echo pid $$; cat /proc/1/comm"],
    )
    .ok()
    .says("init")
    .never_says("pid 1\n");
}

#[test]
fn memory_pids_and_cpu_limits_hold() {
    let world = nemoclaw!();
    let script = "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/memory/memory.limit_in_bytes";
    let limits = run(
        world,
        "nemoclaw",
        &["-m", "64m", "--pids-limit", "77"],
        &["nct/busybox", "sh", "-c", script],
    )
    .ok();
    assert_eq!(limits.text(), format!("77\n{}", 64 << 20), "{limits:?}");
}
