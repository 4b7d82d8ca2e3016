//! Namespaces: new ones, those of others by path, their mappings and offsets.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::runtime::{PLACE, Runtime};
use crate::said::{holds, same};

checks![
    each_new_namespace_is_new,
    each_namespace_that_is_not_named_is_the_runtimes,
    each_namespace_is_joined_by_its_path,
    a_namespace_of_another_kind_at_a_path_fails_the_create,
    a_missing_path_of_a_namespace_fails_the_create,
    an_unknown_namespace_is_refused,
    a_namespace_named_twice_is_refused,
    the_host_has_the_configs_name,
    a_name_without_a_namespace_for_it_is_refused,
    the_domain_has_the_configs_name,
    a_new_network_has_loopback_up,
    without_a_pid_namespace_the_hosts_processes_are_seen,
    a_cgroup_namespace_hides_the_path,
    #[beyond "time namespaces came with runc 1.2 and crun 1.9"]
    clocks_are_set_off,
    #[beyond "time namespaces came with runc 1.2 and crun 1.9"]
    a_time_namespace_without_offsets_is_new,
    a_user_namespace_has_its_mappings,
    a_user_namespace_with_everything_works,
    root_of_a_user_namespace_owns_its_root,
    files_of_a_user_namespace_belong_to_the_hosts_user,
    another_user_in_a_user_namespace_works,
    groups_in_a_user_namespace_are_mapped,
    a_user_that_is_not_mapped_is_refused,
    a_user_namespace_without_mappings_is_refused,
    a_user_namespace_is_joined_by_its_path,
    capabilities_in_a_user_namespace_are_the_configs,
    exec_in_a_user_namespace_is_in_it,
    exec_is_in_every_namespace,
    the_bundle_of_a_user_namespace_may_be_private_to_root,
];

const NAMES: [(&str, &str); 6] = [
    ("mount", "mnt"),
    ("network", "net"),
    ("uts", "uts"),
    ("ipc", "ipc"),
    ("pid", "pid"),
    ("cgroup", "cgroup"),
];

fn link(pid: &str, name: &str) -> String {
    fs::read_link(format!("/proc/{pid}/ns/{name}"))
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn each_new_namespace_is_new(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt).push("/linux/namespaces", json!({ "type": "cgroup" }));
    bundle.up()?;
    let pid = bundle.pid()?.to_string();
    for (_, name) in NAMES {
        holds(link(&pid, name) != link("thread-self", name), || {
            format!("{name} is the runtime's")
        })?;
    }
    Ok(())
}

fn each_namespace_that_is_not_named_is_the_runtimes(rt: &Runtime) -> Outcome {
    for (kind, name) in NAMES {
        if ["mount", "cgroup"].contains(&kind) {
            continue;
        }
        let mut bundle = Bundle::sleeping(rt).without_namespace(kind);
        if kind == "uts" {
            bundle
                .spec
                .as_object_mut()
                .map(|spec| spec.remove("hostname"));
        }
        bundle.up().map_err(|fault| format!("{kind}: {fault}"))?;
        same(
            name,
            link(&bundle.pid()?.to_string(), name),
            link("thread-self", name),
        )?;
    }
    Ok(())
}

fn each_namespace_is_joined_by_its_path(rt: &Runtime) -> Outcome {
    let first = Bundle::sleeping(rt);
    first.up()?;
    let pid = first.pid()?.to_string();
    for (kind, name) in [
        ("network", "net"),
        ("uts", "uts"),
        ("ipc", "ipc"),
        ("pid", "pid"),
    ] {
        let bundle = Bundle::sleeping(rt).without_namespace(kind);
        let bundle = bundle.push(
            "/linux/namespaces",
            json!({ "type": kind, "path": format!("/proc/{pid}/ns/{name}") }),
        );
        bundle.up().map_err(|fault| format!("{kind}: {fault}"))?;
        same(
            name,
            link(&bundle.pid()?.to_string(), name),
            link(&pid, name),
        )?;
        bundle.exec(&["true"])?.ok()?;
    }
    Ok(())
}

fn a_namespace_of_another_kind_at_a_path_fails_the_create(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt).without_namespace("network");
    bundle
        .push(
            "/linux/namespaces",
            json!({ "type": "network", "path": "/proc/1/ns/uts" }),
        )
        .create()?
        .fails()
        .map(drop)
}

fn a_missing_path_of_a_namespace_fails_the_create(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt).without_namespace("network");
    bundle
        .push(
            "/linux/namespaces",
            json!({ "type": "network", "path": "/nowhere/net" }),
        )
        .create()?
        .fails()
        .map(drop)
}

fn an_unknown_namespace_is_refused(rt: &Runtime) -> Outcome {
    Bundle::sleeping(rt)
        .push("/linux/namespaces", json!({ "type": "nonsense" }))
        .create()?
        .fails()
        .map(drop)
}

fn a_namespace_named_twice_is_refused(rt: &Runtime) -> Outcome {
    Bundle::sleeping(rt)
        .push("/linux/namespaces", json!({ "type": "uts" }))
        .create()?
        .fails()
        .map(drop)
}

fn the_host_has_the_configs_name(rt: &Runtime) -> Outcome {
    Bundle::program(rt, &["hostname"])
        .set("/hostname", json!("a-name"))
        .run()?
        .prints("a-name")
}

fn a_name_without_a_namespace_for_it_is_refused(rt: &Runtime) -> Outcome {
    Bundle::sleeping(rt)
        .without_namespace("uts")
        .create()?
        .fails()
        .map(drop)
}

fn the_domain_has_the_configs_name(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["cat", "/proc/sys/kernel/domainname"]);
    bundle
        .set("/domainname", json!("a.domain"))
        .run()?
        .prints("a.domain")
}

fn a_new_network_has_loopback_up(rt: &Runtime) -> Outcome {
    let script =
        "cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '; cat /sys/class/net/lo/flags";
    let bundle = Bundle::script(rt, script).mount("/sys", "sysfs", "sysfs", &["ro"]);
    bundle.run()?.prints("lo\n0x9")
}

fn without_a_pid_namespace_the_hosts_processes_are_seen(rt: &Runtime) -> Outcome {
    let own = std::process::id();
    Bundle::script(rt, &format!("ls -d /proc/{own}; [ $$ != 1 ] && echo other"))
        .without_namespace("pid")
        .run()?
        .prints(&format!("/proc/{own}\nother"))
}

fn a_cgroup_namespace_hides_the_path(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(
        rt,
        "grep -E ':(memory|pids):' /proc/self/cgroup | cut -d: -f3 | sort -u",
    );
    bundle
        .push("/linux/namespaces", json!({ "type": "cgroup" }))
        .run()?
        .prints("/")
}

fn clocks_are_set_off(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(
        rt,
        "awk '{print $1, $2}' /proc/self/timens_offsets; awk '{print ($1 > 90000) ? \"late\" : \"early\"}' /proc/uptime",
    );
    let offsets =
        json!({ "monotonic": { "secs": 7777, "nanosecs": 5 }, "boottime": { "secs": 99999 } });
    let bundle = bundle
        .push("/linux/namespaces", json!({ "type": "time" }))
        .set("/linux/timeOffsets", offsets);
    bundle.run()?.prints("monotonic 7777\nboottime 99999\nlate")
}

fn a_time_namespace_without_offsets_is_new(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt).push("/linux/namespaces", json!({ "type": "time" }));
    bundle.up()?;
    holds(
        link(&bundle.pid()?.to_string(), "time") != link("thread-self", "time"),
        || "it is the runtime's".into(),
    )
}

/// The bundle in a user namespace where 0 is the host's 100000, its files given to that user.
pub fn in_user_namespace(bundle: Bundle) -> Bundle {
    give(&bundle.rootfs());
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    let bundle = bundle.push("/linux/namespaces", json!({ "type": "user" }));
    bundle
        .set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map)
}

/// Gives a tree to the host's user 100000.
fn give(path: &Path) {
    std::os::unix::fs::lchown(path, Some(100_000), Some(100_000)).expect("owner");
    if path.is_dir() && !path.is_symlink() {
        fs::read_dir(path)
            .expect("directory")
            .flatten()
            .for_each(|entry| give(&entry.path()));
    }
}

fn a_user_namespace_has_its_mappings(rt: &Runtime) -> Outcome {
    let bundle = in_user_namespace(Bundle::script(
        rt,
        "cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '; id -u",
    ));
    bundle.run()?.prints("0 100000 65536\n 0 100000 65536\n0")
}

fn a_user_namespace_with_everything_works(rt: &Runtime) -> Outcome {
    let bundle = in_user_namespace(Bundle::script(
        rt,
        "hostname; touch /dev/shm/x && ls /dev/shm; readlink /proc/1/exe",
    ));
    let bundle = bundle.push("/linux/namespaces", json!({ "type": "cgroup" }));
    let bundle = bundle.mount(
        "/sys",
        "sysfs",
        "sysfs",
        &["nosuid", "noexec", "nodev", "ro"],
    );
    let bundle = bundle.mount(
        "/dev/mqueue",
        "mqueue",
        "mqueue",
        &["nosuid", "noexec", "nodev"],
    );
    let bundle = bundle.set(
        "/linux/maskedPaths",
        json!(["/proc/kcore", "/proc/keys", "/sys/firmware"]),
    );
    let bundle = bundle.set("/linux/readonlyPaths", json!(["/proc/bus", "/proc/sys"]));
    bundle
        .set("/linux/sysctl", json!({ "net.ipv4.ip_forward": "1" }))
        .run()?
        .prints("conformance\nx\n/bin/busybox")
}

fn root_of_a_user_namespace_owns_its_root(rt: &Runtime) -> Outcome {
    in_user_namespace(Bundle::script(rt, "stat -c '%u %g' / /bin/busybox"))
        .run()?
        .prints("0 0\n0 0")
}

fn files_of_a_user_namespace_belong_to_the_hosts_user(rt: &Runtime) -> Outcome {
    use std::os::unix::fs::MetadataExt;
    let bundle = in_user_namespace(Bundle::script(rt, "touch /made"));
    bundle.run()?.ok()?;
    let made = fs::metadata(bundle.rootfs().join("made")).map_err(|error| error.to_string())?;
    same("owner", (made.uid(), made.gid()), (100_000, 100_000))
}

fn another_user_in_a_user_namespace_works(rt: &Runtime) -> Outcome {
    let bundle = in_user_namespace(Bundle::script(rt, "id -u; id -g"));
    bundle
        .set("/process/user", json!({ "uid": 1000, "gid": 2000 }))
        .run()?
        .prints("1000\n2000")
}

fn groups_in_a_user_namespace_are_mapped(rt: &Runtime) -> Outcome {
    let bundle = in_user_namespace(Bundle::script(
        rt,
        "grep Groups /proc/self/status | tr -s '\\t ' ' '",
    ));
    bundle
        .set(
            "/process/user",
            json!({ "uid": 1, "gid": 2, "additionalGids": [5, 6] }),
        )
        .run()?
        .prints("Groups: 5 6")
}

fn a_user_that_is_not_mapped_is_refused(rt: &Runtime) -> Outcome {
    in_user_namespace(Bundle::sleeping(rt))
        .set("/process/user", json!({ "uid": 70_000, "gid": 0 }))
        .create()?
        .fails()
        .map(drop)
}

fn a_user_namespace_without_mappings_is_refused(rt: &Runtime) -> Outcome {
    Bundle::sleeping(rt)
        .push("/linux/namespaces", json!({ "type": "user" }))
        .create()?
        .fails()
        .map(drop)
}

fn a_user_namespace_is_joined_by_its_path(rt: &Runtime) -> Outcome {
    let first = in_user_namespace(Bundle::sleeping(rt));
    first.up()?;
    let pid = first.pid()?.to_string();
    let bundle = Bundle::sleeping(rt);
    give(&bundle.rootfs());
    let bundle = bundle.push(
        "/linux/namespaces",
        json!({ "type": "user", "path": format!("/proc/{pid}/ns/user") }),
    );
    bundle.up()?;
    same(
        "user namespace",
        link(&bundle.pid()?.to_string(), "user"),
        link(&pid, "user"),
    )
}

fn capabilities_in_a_user_namespace_are_the_configs(rt: &Runtime) -> Outcome {
    let bundle = in_user_namespace(Bundle::script(rt, "grep CapEff /proc/self/status"));
    bundle
        .capabilities(&["CAP_CHOWN", "CAP_SYS_ADMIN"])
        .run()?
        .prints("CapEff:\t0000000000200001")
}

fn exec_in_a_user_namespace_is_in_it(rt: &Runtime) -> Outcome {
    let bundle = in_user_namespace(Bundle::sleeping(rt));
    bundle.up()?;
    bundle
        .exec(&[
            "sh",
            "-c",
            "cat /proc/self/uid_map | tr -s ' '; stat -c %u /",
        ])?
        .prints("0 100000 65536\n0")
}

fn exec_is_in_every_namespace(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt).push("/linux/namespaces", json!({ "type": "cgroup" }));
    bundle.up()?;
    let script = "for n in mnt net uts ipc pid cgroup; do [ $(readlink /proc/self/ns/$n) = $(readlink /proc/1/ns/$n) ] || echo $n differs; done";
    // The links of another process are for those who may trace it.
    let process = json!({ "args": ["sh", "-c", script], "env": ["PATH=/bin"], "cwd": "/", "user": { "uid": 0, "gid": 0 }, "capabilities": sets(&["CAP_SYS_PTRACE"]) });
    bundle.exec_process(&process)?.prints("")
}

fn sets(names: &[&str]) -> Value {
    json!({ "bounding": names, "effective": names, "permitted": names })
}

fn the_bundle_of_a_user_namespace_may_be_private_to_root(rt: &Runtime) -> Outcome {
    let bundle = in_user_namespace(Bundle::script(rt, "echo fine; touch /made"));
    let closed = PathBuf::from(PLACE).join("closed");
    fs::create_dir(&closed).expect("directory");
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o711))
        .expect("mode");
    let root = closed.join("rootfs");
    fs::rename(bundle.rootfs(), &root).expect("rename");
    bundle.set("/root/path", json!(root)).run()?.prints("fine")
}
