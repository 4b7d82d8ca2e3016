//! One attack on one network: the baseline must get packets outside, the box none.

use nemoclaw_tests::container::Container;
use nemoclaw_tests::packets::{Seen, Watch};
use nemoclaw_tests::probe::{Attempt, parse};
use nemoclaw_tests::{World, sh};

/// An address in `nct-srv` that only this call attacks, whichever process asks.
pub fn target() -> String {
    let world = World::get().expect("the caller has a world");
    let _lock = world.lock("target");
    let file = world.path("run/target");
    let last: u32 = std::fs::read_to_string(&file)
        .unwrap_or_default()
        .parse()
        .unwrap_or(0);
    let next = last % 240 + 1;
    std::fs::write(file, next.to_string()).expect("target");
    format!("198.51.100.{next}")
}

/// The IPv6 partner of an IPv4 target.
pub fn target6(target: &str) -> String {
    format!(
        "2001:db8:9::{}",
        target.rsplit('.').next().expect("last number")
    )
}

/// A network of Docker's, made when missing.
pub fn network(world: &World, name: &str) {
    if matches!(name, "bridge" | "none") {
        return;
    }
    let _lock = world.lock("network");
    if world.docker(&["network", "inspect", name]).code == 0 {
        return;
    }
    let mut args = vec!["network", "create"];
    if name == "nct-six" {
        args.extend(["--ipv6", "--subnet", "2001:db8:6::/64"]);
    }
    args.push(name);
    world.docker(&args).ok();
}

/// Where the probe stands and what it attacks.
pub struct Stage<'w> {
    pub container: Container<'w>,
    pub network: &'static str,
    pub target: String,
}

impl<'w> Stage<'w> {
    /// A sleeping box on `network`.
    pub fn set(world: &'w World, runtime: &str, network_name: &'static str) -> Stage<'w> {
        network(world, network_name);
        let mut options = vec!["--network", network_name];
        if runtime == "runc" {
            options.extend([
                "--cap-add",
                "NET_ADMIN",
                "--security-opt",
                "seccomp=unconfined",
            ]);
        }
        let container =
            Container::start(world, runtime, &options, &["nct/busybox", "sleep", "600"]);
        // Routers solicitations and address checks of a new IPv6 interface are the kernel's: let them pass.
        if network_name == "nct-six" {
            std::thread::sleep(std::time::Duration::from_secs(3));
        }
        Stage {
            container,
            network: network_name,
            target: target(),
        }
    }

    /// Runs one attempt and gives its outcome and what was seen outside.
    pub fn attack(&self, attempt: &str) -> (Attempt, Seen) {
        let six = target6(&self.target);
        let words = [
            "/usr/bin/nemoclaw-probe".to_owned(),
            attempt.to_owned(),
            format!("target={}", self.target),
            format!("target6={six}"),
            format!("source={}", self.source()),
        ];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let watch = Watch::start();
        let output = self.container.exec(&words);
        let seen = watch.finish();
        (
            parse(output).remove(attempt).expect("the attempt's line"),
            seen,
        )
    }

    fn source(&self) -> String {
        if self.network == "none" {
            "127.0.0.1".into()
        } else {
            self.container.ip()
        }
    }

    /// Packets of this box outside.
    pub fn outside<'s>(&self, seen: &'s Seen) -> Vec<&'s nemoclaw_tests::packets::Packet> {
        let mut packets = seen.to(&self.target);
        packets.extend(seen.to(&target6(&self.target)));
        if self.network != "none" {
            packets.extend(seen.from_box(&self.container.mac()));
        }
        packets
    }
}

/// The baseline: without the box each attempt puts packets outside.
#[track_caller]
pub fn leak_without_the_box(world: &World, network: &'static str, attempts: &[&str]) {
    let stage = Stage::set(world, "runc", network);
    let mut silent = Vec::new();
    for name in attempts {
        let (attempt, seen) = stage.attack(name);
        if stage.outside(&seen).is_empty() {
            silent.push(format!("{attempt:?}"));
        }
    }
    assert!(
        silent.is_empty(),
        "the baseline must put packets outside:\n{}",
        silent.join("\n")
    );
}

/// In the box each attempt fails and puts no packet outside.
#[track_caller]
pub fn nothing_leaves(world: &World, runtime: &str, network: &'static str, attempts: &[&str]) {
    let stage = Stage::set(world, runtime, network);
    let mut faults = Vec::new();
    for name in attempts {
        let (attempt, seen) = stage.attack(name);
        let packets = stage.outside(&seen);
        if !packets.is_empty() {
            faults.push(format!(
                "{runtime} on {network}: {name} put {} packets outside: {:?}\n  {attempt:?}",
                packets.len(),
                packets[0]
            ));
        } else if attempt.worked() && !attempt.detail.starts_with("sent") && *name != "igmp_join" {
            faults.push(format!(
                "{runtime} on {network}: {name} got an answer: {attempt:?}"
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Every kind of network under both capture back-ends.
#[track_caller]
pub fn nothing_leaves_anywhere(world: &World, attempts: &[&str]) {
    for runtime in ["nemoclaw-test", "nemoclaw-tproxy"] {
        for network in ["none", "bridge", "nct-own", "nct-six"] {
            nothing_leaves(world, runtime, network, attempts);
        }
    }
}

/// Whether this machine's kernel has a module or protocol at all.
#[allow(dead_code, reason = "used where a kernel lacks SCTP")]
pub fn kernel_has(word: &str) -> bool {
    sh(&format!("zgrep -q '^CONFIG_{word}=[ym]' /proc/config.gz")).code == 0
}
