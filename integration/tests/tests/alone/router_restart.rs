//! The whole router ends and is started again while a box lives: the box is fenced meanwhile, and served again as it was.

use std::io::Write;
use std::time::{Duration, Instant};

use nemoclaw_tests::alone;
use nemoclaw_tests::container::Container;
use nemoclaw_tests::engine::add_runtime;
use nemoclaw_tests::packets::{Seen, Watch};
use nemoclaw_tests::router::{Router, cli, worker_of};
use nemoclaw_tests::shell::{Output, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const TARGET: &str = "198.51.100.243";

fn get(container: &Container<'_>) -> Output {
    container.exec(&["curl", "-sS", "-m", "5", "https://api.example.com/restart"])
}

/// What must not change: the certificates it trusts, and the address that is the name.
fn identity(container: &Container<'_>) -> String {
    let bundle = "sha256sum </etc/ssl/certs/ca-certificates.crt && getent ahostsv4 api.example.com";
    container.exec(&["bash", "-c", bundle]).ok().stdout
}

/// Both ends of a router: killed with its worker, and told to stop.
fn end(router: Router<'_>, round: usize) {
    let warden = router.pid();
    if round == 0 {
        kill(Pid::from_raw(warden), Signal::SIGKILL).expect("kill");
        wait_for("the worker's end", Duration::from_secs(3), || {
            worker_of(warden).is_none().then_some(())
        });
    }
    drop(router);
}

#[test]
fn a_box_outlives_its_router_fenced_and_is_served_again_as_it_was() {
    let world = alone!();
    let _turn = crate::turn();
    let mut router = Router::start(world, "restart");
    add_runtime(world, "nemoclaw-restart", "restart", "test");
    let container = Container::start(
        world,
        "nemoclaw-restart",
        &[],
        &["nct/debian", "sleep", "600"],
    );
    get(&container).ok();
    let before = identity(&container);
    let attack = format!(
        "while :; do nemoclaw-probe tcp_direct udp_send udp_bind_device target={TARGET} >/dev/null; done"
    );
    container.exec_with(&["-d"], &["bash", "-c", &attack]).ok();
    let watch = Watch::start();
    let mut worst = Duration::ZERO;
    for round in 0..2 {
        end(router, round);
        let begin = Instant::now();
        let refused = container.exec(&["curl", "-sS", "-m", "5", &format!("http://{TARGET}/")]);
        assert_eq!(
            refused.code, 7,
            "refused at once, round {round}: {refused:?}"
        );
        assert!(
            begin.elapsed() < Duration::from_secs(3),
            "{:?}",
            begin.elapsed()
        );
        router = Router::start(world, "restart");
        let begin = Instant::now();
        wait_for("service after the restart", Duration::from_secs(10), || {
            (get(&container).code == 0).then_some(())
        });
        worst = worst.max(begin.elapsed());
        assert_eq!(identity(&container), before, "round {round}");
        let post = [
            "curl",
            "-sS",
            "-m",
            "5",
            "-X",
            "POST",
            "https://api.example.com/after",
        ];
        container.exec(&post).ok().says("\"rule\"");
    }
    let seen = watch.finish();
    let _ = writeln!(
        std::io::stderr(),
        "restarted router: service again {worst:?} after it answered, at worst"
    );
    Seen::none(&seen.to(TARGET), "between two routers");
    Seen::none(&seen.from_box(&container.mac()), "between two routers");
    let status = cli(world, "restart", &["status", &container.id()[..16]]).ok();
    assert!(status.stdout.contains("test"), "{status:?}");
}
