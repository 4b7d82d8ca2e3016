//! The policy's `resources` in real boxes: what a hostile program takes with them, and without.

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};

use crate::harness::{Node, cgroups, id, node};

const MIB: u64 = 1 << 20;

/// A node whose boxes are under a policy with these resources.
fn limited(resources: &str) -> Option<Node> {
    let node = node()?;
    let policy = format!(
        "version: 1\nbox: {{ mode: offline }}\nfilesystem_policy: {{ read_only: [/], read_write: [/sandbox, /tmp] }}\n\
         resources: {resources}\n"
    );
    fs::write(node.path().join("policies/limited.yaml"), policy).expect("policy");
    Some(node.under("limited"))
}

/// A box that waits, made from a configuration changed by `change`.
fn up(node: &Node, change: impl FnOnce(&mut Value)) -> String {
    let box_id = id();
    node.config("sleep 60", change);
    node.up(&box_id);
    box_id
}

fn down(node: &Node, box_id: &str) {
    assert_eq!(node.call(&["delete", "--force", box_id]).code, 0);
    node.assert_nothing_left(box_id);
}

fn file(box_id: &str, name: &str) -> Option<String> {
    let found = cgroups(box_id)
        .into_iter()
        .find_map(|group| fs::read_to_string(group.join(name)).ok());
    found.map(|text| text.trim().to_owned())
}

fn version_1() -> bool {
    fs::exists("/sys/fs/cgroup/memory").expect("cgroups")
}

fn bind(source: &Path, destination: &str) -> impl FnOnce(&mut Value) {
    let mount = json!({ "destination": destination, "type": "bind", "source": source, "options": ["rbind", "rw"] });
    move |config| config["mounts"].as_array_mut().expect("mounts").push(mount)
}

/// The bytes that files below a directory of the host take.
fn taken(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).expect("directory").flatten();
    files.map(|file| file.metadata().expect("file").len()).sum()
}

#[test]
fn the_cgroup_has_the_lesser_and_state_tells_the_policys() {
    let resources = "{ memory: 64Mi, cpu: 0.5, pids: 40, nofile: 64 }";
    let Some(node) = limited(resources).filter(|_| version_1()) else {
        return;
    };
    let box_id = up(&node, |config| {
        config["linux"]["resources"] = json!({
            "memory": { "limit": 512 * MIB, "swap": -1 }, "pids": { "limit": 7 },
            "cpu": { "quota": -1, "period": 50000 }
        });
    });
    for (name, value) in [
        ("memory.limit_in_bytes", (64 * MIB).to_string()),
        ("memory.memsw.limit_in_bytes", (64 * MIB).to_string()),
        ("cpu.cfs_quota_us", "25000".to_owned()),
        ("pids.max", "7".to_owned()),
    ] {
        assert_eq!(file(&box_id, name), Some(value), "{name}");
    }
    let state: Value = serde_json::from_str(&node.call(&["state", &box_id]).out).expect("state");
    assert_eq!(
        state["annotations"]["nemoclaw.dev/limits"],
        "memory 64 MiB, cpu 0.5, pids 40, nofile 64"
    );
    down(&node, &box_id);
}

#[test]
fn an_update_stays_within_the_policy() {
    let resources = "{ memory: 64Mi, cpu: 0.5, pids: 40 }";
    let Some(node) = limited(resources).filter(|_| version_1()) else {
        return;
    };
    let box_id = up(&node, |_| {});
    for (flags, words) in [
        (
            "--memory 65M",
            "more memory and swap than its policy `limited` does, which is 64 MiB",
        ),
        ("--memory -1", "which is 64 MiB"),
        ("--memory-swap -1", "which is 64 MiB"),
        (
            "--cpu-quota -1",
            "more CPU time than its policy `limited` does, which is 0.5 CPUs",
        ),
        ("--cpu-period 20000", "which is 0.5 CPUs"),
        ("--cpu-burst 1000", "which is 0.5 CPUs"),
        (
            "--pids-limit 41",
            "cannot lift the limit of processes of this sandbox above 40",
        ),
    ] {
        let mut args = vec!["update"];
        args.extend(flags.split(' '));
        args.push(&box_id);
        // Engines show what is said on standard error, and do not look into the log.
        let said = node.command(&args).output().expect("the runtime runs");
        assert_eq!(said.status.code(), Some(1), "{flags}");
        let error = String::from_utf8_lossy(&said.stderr);
        assert!(error.contains(words), "{flags}: {error}");
        assert!(
            node.errors().last().expect("a line").contains(words),
            "{flags}"
        );
    }
    assert_eq!(
        file(&box_id, "memory.limit_in_bytes"),
        Some((64 * MIB).to_string())
    );
    assert_eq!(file(&box_id, "cpu.cfs_quota_us").as_deref(), Some("50000"));
    for (flags, name, value) in [
        ("--memory 32M", "memory.limit_in_bytes", 32 * MIB),
        ("--memory 64M", "memory.limit_in_bytes", 64 * MIB),
        ("--memory 32M", "memory.memsw.limit_in_bytes", 32 * MIB),
        (
            "--memory 16M --memory-swap 64M",
            "memory.memsw.limit_in_bytes",
            64 * MIB,
        ),
        ("--cpu-quota 20000", "cpu.cfs_quota_us", 20_000),
        (
            "--cpu-period 200000 --cpu-quota 100000",
            "cpu.cfs_period_us",
            200_000,
        ),
        ("--cpu-shares 99", "cpu.shares", 99),
        ("--pids-limit 40", "pids.max", 40),
    ] {
        let mut args = vec!["update"];
        args.extend(flags.split(' '));
        args.push(&box_id);
        let said = node.call(&args);
        assert_eq!(said.code, 0, "{flags}: {}", said.err);
        assert_eq!(file(&box_id, name), Some(value.to_string()), "{flags}");
    }
    down(&node, &box_id);
}

#[test]
fn a_fork_bomb_stays_within_the_number_of_processes() {
    let Some(plain) = node() else { return };
    let sixty = "for n in $(busybox seq 60); do sleep 30 >/dev/null 2>&1 & done; echo all";
    let free = up(&plain, |_| {});
    // Without the policy's limit sixty processes are no matter.
    assert_eq!(plain.call(&["exec", &free, "sh", "-c", sixty]).out, "all\n");
    down(&plain, &free);
    let Some(node) = limited("{ pids: 40 }") else {
        return;
    };
    let box_id = up(&node, |_| {});
    let said = node.call(&["exec", &box_id, "sh", "-c", sixty]);
    assert!(said.err.contains("can't fork"), "{}{}", said.out, said.err);
    let bomb = "exec >/dev/null 2>&1; bomb() { bomb | bomb & }; bomb; sleep 1";
    node.call(&["exec", "-d", &box_id, "sh", "-c", bomb]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    let living: u32 = file(&box_id, "pids.current")
        .expect("pids")
        .parse()
        .expect("number");
    assert!(living <= 40, "{living}");
    assert!(node.call(&["state", &box_id]).out.contains("\"running\""));
    down(&node, &box_id);
}

#[test]
fn a_program_that_takes_all_memory_is_killed_and_nothing_else_is() {
    let Some(plain) = node() else { return };
    let hog = [
        "busybox",
        "dd",
        "if=/dev/zero",
        "of=/dev/null",
        "bs=96M",
        "count=1",
    ];
    let take = |node: &Node, box_id: &str| {
        node.call(&[&["exec", box_id], hog.as_slice()].concat())
            .code
    };
    let free = up(&plain, |_| {});
    assert_eq!(take(&plain, &free), 0);
    down(&plain, &free);
    let Some(node) = limited("{ memory: 32Mi }") else {
        return;
    };
    let box_id = up(&node, |_| {});
    assert_eq!(take(&node, &box_id), 137);
    assert!(node.call(&["state", &box_id]).out.contains("\"running\""));
    assert_eq!(node.call(&["exec", &box_id, "echo", "well"]).out, "well\n");
    // Files of a memory file system count as well.
    let fill = [
        "busybox",
        "dd",
        "if=/dev/zero",
        "of=/dev/shm/x",
        "bs=1M",
        "count=60",
    ];
    assert_ne!(
        node.call(&[&["exec", &box_id], fill.as_slice()].concat())
            .code,
        0
    );
    down(&node, &box_id);
}

#[test]
fn a_busy_program_gets_its_share_of_a_cpu() {
    let Some(node) = limited("{ cpu: 0.1 }").filter(|_| version_1()) else {
        return;
    };
    let box_id = up(&node, |_| {});
    let usage = || {
        let text = file(&box_id, "cpuacct.usage").expect("usage");
        text.parse::<u64>().expect("nanoseconds") / 1_000_000
    };
    let busy = "busybox timeout 2 sh -c 'while true; do true; done' & busybox timeout 2 sh -c 'while true; do true; done'";
    let before = usage();
    node.call(&["exec", &box_id, "sh", "-c", busy]);
    // 0.2 s in 2 s, and what one period may run over.
    let used = usage() - before;
    assert!(used < 450, "{used} ms");
    down(&node, &box_id);
}

#[test]
fn open_files_are_limited_in_the_first_process_and_in_every_exec() {
    let Some(node) = limited("{ nofile: 64 }") else {
        return;
    };
    let box_id = id();
    let script = "ulimit -Hn; ulimit -n 65 2>/dev/null || echo held";
    node.config(script, |config| {
        config["process"]["rlimits"] =
            json!([{ "type": "RLIMIT_NOFILE", "soft": 1024, "hard": 4096 }]);
    });
    assert_eq!(node.run(&box_id).out, "64\nheld\n");
    let box_id = up(&node, |_| {});
    assert_eq!(
        node.call(&["exec", &box_id, "sh", "-c", script]).out,
        "64\nheld\n"
    );
    let process = json!({
        "user": { "uid": 0, "gid": 0 }, "cwd": "/", "env": ["PATH=/bin"], "args": ["sh", "-c", script],
        "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 5000, "hard": 9000 }]
    });
    let path = node.path().join("process.json");
    fs::write(&path, process.to_string()).expect("process.json");
    let said = node.call(&["exec", "--process", path.to_str().expect("path"), &box_id]);
    assert_eq!(said.out, "64\nheld\n", "{}", said.err);
    down(&node, &box_id);
}

const FILL: &str =
    "busybox dd if=/dev/zero of=/tmp/x bs=64k count=64 2>&1; echo $(busybox stat -c %s /tmp/x)";

#[test]
fn a_program_that_fills_tmp_meets_its_size_and_the_host_keeps_its_disk() {
    let Some(plain) = node() else { return };
    plain.config(FILL, |_| {});
    plain.run(&id());
    assert_eq!(taken(&plain.rootfs().join("tmp")), 4 * MIB);
    let Some(node) = limited("{ disk: { /tmp: 1Mi } }") else {
        return;
    };
    node.config(FILL, |_| {});
    let said = node.run(&id());
    assert!(said.out.contains("No space left on device"), "{}", said.out);
    assert!(said.out.ends_with("1048576\n"), "{}", said.out);
    assert_eq!(taken(&node.rootfs().join("tmp")), 0);
}

/// A directory with a small tmpfs on it, in a mount namespace of this thread's own.
fn small(node: &Node) -> PathBuf {
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("private");
    let path = node.path().join("small");
    fs::create_dir(&path).expect("directory");
    mount(
        Some("small"),
        &path,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("size=1m"),
    )
    .expect("tmpfs");
    path
}

#[test]
fn a_volume_holds_the_size_of_its_file_system_or_is_refused() {
    let Some(node) = limited("{ disk: { /sandbox: 1Mi } }") else {
        return;
    };
    let fill = FILL.replace("/tmp/x", "/sandbox/x");
    let box_id = id();
    let large = node.path().join("large");
    fs::create_dir(&large).expect("directory");
    node.config(&fill, bind(&large, "/sandbox"));
    let said = node.run(&box_id);
    let words = format!(
        "limits `/sandbox` to 1 MiB, which the volume `{}` cannot hold to",
        large.display()
    );
    assert!(said.err.contains(&words), "{}", said.err);
    node.config(&fill, |_| {});
    let said = node.run(&box_id);
    assert!(
        said.err
            .contains("which the image's own directory cannot hold to"),
        "{}",
        said.err
    );
    node.assert_nothing_left(&box_id);
    let small = small(&node);
    node.config(&fill, bind(&small, "/sandbox"));
    let said = node.run(&box_id);
    assert!(
        said.out.contains("No space left on device"),
        "{}{}",
        said.out,
        said.err
    );
    assert!(taken(&small) <= MIB);
    // Whatever is mounted below comes along, and no limit counts it.
    let deeper = small.join("deeper");
    fs::remove_file(small.join("x")).expect("file");
    fs::create_dir(&deeper).expect("directory");
    mount(
        Some("deeper"),
        &deeper,
        Some("tmpfs"),
        MsFlags::empty(),
        None::<&str>,
    )
    .expect("tmpfs");
    assert!(node.run(&box_id).err.contains("cannot hold to"));
    node.config(&fill, |config| {
        config["mounts"].as_array_mut().expect("mounts").push(
            json!({ "destination": "/sandbox", "type": "tmpfs", "source": "tmpfs", "options": ["size=1g"] }),
        );
    });
    let said = node.run(&box_id);
    assert!(said.out.ends_with("1048576\n"), "{}{}", said.out, said.err);
    node.assert_nothing_left(&box_id);
}
