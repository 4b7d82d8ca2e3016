//! `nemoclaw register docker` with a real Docker: it takes the file, runs a sandbox by it, and forgets it again.

use std::time::Duration;

use nemoclaw_tests::container::run;
use nemoclaw_tests::nemoclaw;
use nemoclaw_tests::router::cli;
use nemoclaw_tests::shell::wait_for;
use nemoclaw_tests::world::alive;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const NAME: &str = "nct-registered";

#[test]
fn docker_runs_a_registered_runtime_and_forgets_an_unregistered_one() {
    let world = nemoclaw!();
    let _lock = world.lock("runtimes");
    let file = world.path("eng/daemon.json");
    let path = file.display().to_string();
    let before = std::fs::read(&file).expect("daemon.json");
    let reload = |known: bool| {
        let pid = alive(&world.path("eng/docker.pid")).expect("dockerd");
        kill(Pid::from_raw(pid), Signal::SIGHUP).expect("SIGHUP");
        wait_for("dockerd to take notice", Duration::from_secs(10), || {
            let info = world.docker(&["info", "--format", "{{json .Runtimes}}"]);
            (info.stdout.contains(&format!("\"{NAME}\"")) == known).then_some(())
        });
    };
    let named = format!("{NAME}=offline");
    cli(
        world,
        "config",
        &["register", "docker", "--config", &path, "--runtime", &named],
    )
    .ok()
    .says("kill -HUP");
    reload(true);
    let ran = run(
        world,
        NAME,
        &["--network", "none"],
        &[
            "nct/busybox",
            "sh",
            "-c",
            "grep NoNewPrivs: /proc/self/status",
        ],
    );
    // Before anything is asserted: the engine is everybody's.
    cli(
        world,
        "config",
        &["unregister", "docker", "--config", &path, "--runtime", NAME],
    )
    .ok();
    reload(false);
    assert_eq!(std::fs::read(&file).expect("daemon.json"), before);
    // Docker alone sets none.
    ran.ok().says("NoNewPrivs:\t1");
}
