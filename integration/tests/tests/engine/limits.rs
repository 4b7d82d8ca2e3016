//! The policy's `resources` and `ports` under Docker, which asks for more.

use std::time::Duration;

use nemoclaw_tests::container::{Container, run, unique};
use nemoclaw_tests::engine::add_runtime;
use nemoclaw_tests::shell::wait_for;
use nemoclaw_tests::{World, nemoclaw, netns};

/// A runtime under a policy of this test's own; its name.
fn runtime(world: &World, name: &str, keys: &str) -> String {
    let text = format!(
        "version: 1\nfilesystem_policy: {{ read_only: [/], read_write: [/sandbox, /tmp] }}\n{keys}\n"
    );
    std::fs::write(world.path(&format!("node/policies/{name}.yaml")), text).expect("policy");
    let runtime = format!("nemoclaw-{name}");
    add_runtime(world, &runtime, "config", name);
    runtime
}

#[test]
fn a_box_has_the_lesser_of_dockers_and_the_policys_limits() {
    let world = nemoclaw!();
    let keys = "resources: { memory: 64Mi, cpu: 0.5, pids: 60, nofile: 128 }";
    let runtime = runtime(world, "few", keys);
    let asked = [
        "-m",
        "512m",
        "--cpus",
        "1.5",
        "--pids-limit",
        "500",
        "--ulimit",
        "nofile=4096:8192",
    ];
    let container = Container::start(world, &runtime, &asked, &["nct/busybox", "sleep", "300"]);
    let look = "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes cpu/cpu.cfs_quota_us \
                pids/pids.max 2>/dev/null; ulimit -Hn";
    let seen = container.exec(&["sh", "-c", look]).ok();
    if std::path::Path::new("/sys/fs/cgroup/memory").exists() {
        assert_eq!(seen.stdout, "67108864\n67108864\n50000\n60\n128\n");
    }
    let beyond = ["update", "--memory", "128m", "--memory-swap", "128m"];
    container
        .verb(&beyond)
        .fails_saying("more memory and swap than its policy `few` does, which is 64 MiB");
    container
        .verb(&["update", "--cpus", "1"])
        .fails_saying("which is 0.5 CPUs");
    container
        .verb(&["update", "--pids-limit", "100"])
        .fails_saying("above 60");
    container
        .verb(&[
            "update",
            "--memory",
            "32m",
            "--memory-swap",
            "48m",
            "--cpus",
            "0.25",
            "--pids-limit",
            "50",
        ])
        .ok();
    let less = ["-m", "16m", "--memory-swap", "16m", "--pids-limit", "20"];
    let look = "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max 2>/dev/null";
    let seen = run(world, &runtime, &less, &["nct/busybox", "sh", "-c", look]).ok();
    if std::path::Path::new("/sys/fs/cgroup/memory").exists() {
        assert_eq!(seen.stdout, "16777216\n20\n");
    }
}

#[test]
fn a_fork_bomb_and_a_program_that_takes_all_memory_harm_only_themselves() {
    let world = nemoclaw!();
    let runtime = runtime(world, "tight", "resources: { memory: 32Mi, pids: 40 }");
    let hog = ["dd", "if=/dev/zero", "of=/dev/null", "bs=96M", "count=1"];
    let free = Container::start(
        world,
        "nemoclaw-test",
        &[],
        &["nct/busybox", "sleep", "300"],
    );
    free.exec(&hog).ok();
    let container = Container::start(world, &runtime, &[], &["nct/busybox", "sleep", "300"]);
    container.exec(&hog).exits(137);
    container.exec(&["echo", "well"]).ok().says("well");
    let bomb = "bomb() { bomb | bomb & }; bomb; sleep 1";
    container.exec_with(&["-d"], &["sh", "-c", bomb]);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(container.inspect("{{.State.Running}}"), "true");
    container.verb(&["rm", "-f"]).ok();
}

const FILL: &str = "for d in /sandbox /tmp; do dd if=/dev/zero of=$d/x bs=64k count=64 2>&1; stat -c %s $d/x; done";

#[test]
fn a_full_disk_is_the_boxs_own() {
    let world = nemoclaw!();
    let runtime = runtime(
        world,
        "small",
        "resources: { disk: { /sandbox: 1Mi, /tmp: 1Mi } }",
    );
    let fill = ["nct/busybox", "sh", "-c", FILL];
    run(world, "nemoclaw-test", &[], &fill)
        .ok()
        .says("4194304\n")
        .never_says("No space left");
    // The image's own directory, and a volume on the machine's disk, have no size.
    run(world, &runtime, &[], &fill)
        .fails_saying("limits `/sandbox` to 1 MiB, which the image's own directory cannot hold to");
    let data = nemoclaw_tests::probe::data_dir(world);
    let mount = format!("{}:/sandbox", data.path().display());
    run(world, &runtime, &["-v", &mount], &fill)
        .fails_saying("cannot hold to: mount a file system of at most that size");
    let volume = unique("small");
    world
        .docker(&[
            "volume",
            "create",
            "-o",
            "type=tmpfs",
            "-o",
            "device=tmpfs",
            "-o",
            "o=size=1m",
            &volume,
        ])
        .ok();
    let named = format!("{volume}:/sandbox");
    for options in [
        ["--tmpfs", "/sandbox:size=1g"],
        ["--tmpfs", "/sandbox:size=1048576"],
        ["-v", &named],
    ] {
        let got = run(world, &runtime, &options, &fill);
        assert_eq!(
            got.stdout.matches("No space left on device").count(),
            2,
            "{options:?}: {got:?}"
        );
        assert_eq!(
            got.stdout.matches("\n1048576\n").count(),
            2,
            "{options:?}: {got:?}"
        );
    }
    world.docker(&["volume", "rm", &volume]).ok();
}

/// Whether a server on the published port answers from outside.
fn answers(port: u16) -> bool {
    let url = format!("http://203.0.113.1:{port}/passwd");
    let got = netns::script(netns::SERVERS, &format!("curl -sS -m 3 {url}"));
    got.code == 0 && got.stdout.contains("root:")
}

#[test]
fn only_listed_ports_are_reached_from_outside() {
    let world = nemoclaw!();
    let one = runtime(world, "port", "ports: [8080]");
    let none = runtime(world, "portless", "ports: []");
    let serve = "httpd -p 8081 -h /etc; httpd -f -p 8080 -h /etc";
    let words = ["nct/busybox", "sh", "-c", serve];
    for (runtime, listed, other) in [
        ("nemoclaw-test", true, true),
        (one.as_str(), true, false),
        (none.as_str(), false, false),
    ] {
        let options = ["-p", "18090:8080", "-p", "18091:8081"];
        let container = Container::start(world, runtime, &options, &words);
        wait_for("both servers", Duration::from_secs(8), || {
            let both =
                "wget -qO- http://127.0.0.1:8080/passwd && wget -qO- http://127.0.0.1:8081/passwd";
            (container.exec(&["sh", "-c", both]).code == 0).then_some(())
        });
        assert_eq!(
            (answers(18_090), answers(18_091)),
            (listed, other),
            "{runtime}"
        );
        container.verb(&["rm", "-f"]).ok();
    }
}
