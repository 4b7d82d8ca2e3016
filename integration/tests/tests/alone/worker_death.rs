//! The router's worker is killed under load: nothing leaks, connections wait or fail, service is back within a second.

use std::fs;
use std::io::Write;
use std::time::Duration;

use nemoclaw_tests::alone;
use nemoclaw_tests::container::Container;
use nemoclaw_tests::engine::add_runtime;
use nemoclaw_tests::packets::{Seen, Watch};
use nemoclaw_tests::router::{Router, cli, worker_of};

const LOAD: &str = "import http.client\n\
while True:\n\
\x20   try:\n\
\x20       c = http.client.HTTPSConnection('www.example.com', timeout=3); c.request('GET', '/load'); c.getresponse().read(); c.close()\n\
\x20   except Exception: pass\n";

/// Asks every 5 ms on a new connection and prints when each answered request had begun and ended.
const ASKER: &str = "import http.client, time\n\
while True:\n\
\x20   begun = time.time()\n\
\x20   try:\n\
\x20       c = http.client.HTTPSConnection('api.example.com', timeout=2); c.request('GET', '/asker'); c.getresponse().read(); c.close()\n\
\x20       print('%.6f %.6f' % (begun, time.time()), flush=True)\n\
\x20   except Exception: pass\n\
\x20   time.sleep(0.005)\n";

fn now() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("clock").as_secs_f64()
}

/// When the first request that ended after `killed` and began after it was answered.
fn back_after(container: &Container<'_>, killed: f64) -> f64 {
    nemoclaw_tests::shell::wait_for("service after the kill", Duration::from_secs(10), || {
        let logs = container.verb(&["logs", "--tail", "400"]);
        let times = logs.stdout.lines().filter_map(|line| line.split_once(' '));
        let times = times.filter_map(|(begun, ended)| {
            Some((begun.parse::<f64>().ok()?, ended.parse::<f64>().ok()?))
        });
        times
            .filter(|(begun, _)| *begun > killed)
            .map(|(_, ended)| ended - killed)
            .reduce(f64::min)
    })
}

#[test]
fn a_killed_worker_is_back_within_a_second_and_nothing_leaks() {
    let world = alone!();
    let _turn = crate::turn();
    let router = Router::start(world, "death");
    add_runtime(world, "nemoclaw-death", "death", "test");
    let container = Container::start(
        world,
        "nemoclaw-death",
        &[],
        &["nct/debian", "python3", "-u", "-c", ASKER],
    );
    for _ in 0..3 {
        container.exec_with(&["-d"], &["python3", "-c", LOAD]).ok();
    }
    // Attackers run through the gap: by address and by UDP.
    let target = "198.51.100.241";
    let attack = format!(
        "while :; do nemoclaw-probe tcp_direct udp_send udp_bind_device target={target} >/dev/null; done"
    );
    container.exec_with(&["-d"], &["bash", "-c", &attack]).ok();
    container
        .exec(&["curl", "-sS", "-m", "5", "https://api.example.com/before"])
        .ok();
    let watch = Watch::start();
    let mut worst = Duration::ZERO;
    for _ in 0..3 {
        let worker = router.worker();
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(worker),
            nix::sys::signal::Signal::SIGKILL,
        )
        .expect("kill");
        let killed = now();
        nemoclaw_tests::shell::wait_for("another worker", Duration::from_secs(3), || {
            worker_of(router.pid()).filter(|pid| *pid != worker)
        });
        worst = worst.max(Duration::from_secs_f64(back_after(&container, killed)));
        container
            .exec(&[
                "curl",
                "-sS",
                "-m",
                "3",
                "-X",
                "POST",
                "https://api.example.com/after",
            ])
            .ok()
            .says("\"rule\"");
    }
    let seen = watch.finish();
    let _ = writeln!(
        std::io::stderr(),
        "killed worker: service again after {worst:?} at worst (promise: 1 s)"
    );
    assert!(worst < Duration::from_secs(1), "{worst:?}");
    Seen::none(&seen.to(target), "while the worker was dead");
    Seen::none(
        &seen.from_box(&container.mac()),
        "while the worker was dead",
    );
    let status = cli(world, "death", &["status", &container.id()[..16]]).ok();
    assert!(status.stdout.contains("test"), "{status:?}");
}

#[test]
fn without_its_router_a_box_is_refused_at_once_and_nothing_leaks() {
    let world = alone!();
    let _turn = crate::turn();
    let router = Router::start(world, "ended");
    add_runtime(world, "nemoclaw-ended", "ended", "test");
    let container = Container::start(
        world,
        "nemoclaw-ended",
        &[],
        &["nct/debian", "sleep", "600"],
    );
    container
        .exec(&["curl", "-sS", "-m", "5", "https://api.example.com/before"])
        .ok();
    let warden = router.pid();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(warden),
        nix::sys::signal::Signal::SIGKILL,
    )
    .expect("kill");
    std::thread::sleep(Duration::from_millis(200));
    assert!(fs::metadata(format!("/proc/{warden}")).is_err() || worker_of(warden).is_none());
    let target = "198.51.100.242";
    let watch = Watch::start();
    let got = container.exec(&["curl", "-sS", "-m", "5", &format!("http://{target}/")]);
    container.exec(&[
        "/usr/bin/nemoclaw-probe",
        "tcp_direct",
        "udp_send",
        "udp_pktinfo",
        "udp_bind_device",
        "tcp_bind_device",
        &format!("target={target}"),
    ]);
    let seen = watch.finish();
    assert!(got.code != 0, "{got:?}");
    Seen::none(&seen.to(target), "without a router");
    Seen::none(&seen.from_box(&container.mac()), "without a router");
}
