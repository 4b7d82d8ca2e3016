//! Counting what a failed or ended box may leave: processes, cgroups, namespaces, mounts, sockets, state.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::world::{World, alive};

/// A picture of the machine; two of them can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    cgroups: BTreeSet<String>,
    netns: BTreeSet<String>,
    mounts: BTreeSet<String>,
    state: BTreeSet<String>,
    unix_sockets: BTreeSet<String>,
    processes: BTreeSet<String>,
    router_descriptors: usize,
}

impl Picture {
    /// Takes it. `router` is the pid of the router's warden, if one runs.
    pub fn take(world: &World, state_dir: &Path, router: Option<i32>) -> Picture {
        Picture {
            cgroups: cgroups(),
            netns: namespaces(world),
            mounts: mounts(world),
            state: files(state_dir),
            unix_sockets: unix_sockets(world),
            processes: processes(world),
            router_descriptors: router.map_or(0, |pid| {
                fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
            }),
        }
    }

    /// What is in `self` and was not in `before`, one line each.
    pub fn new_since(&self, before: &Picture) -> Vec<String> {
        let mut lines = Vec::new();
        for (what, now, then) in [
            ("cgroup", &self.cgroups, &before.cgroups),
            ("network namespace", &self.netns, &before.netns),
            ("mount", &self.mounts, &before.mounts),
            ("state", &self.state, &before.state),
            ("unix socket", &self.unix_sockets, &before.unix_sockets),
            ("process", &self.processes, &before.processes),
        ] {
            lines.extend(now.difference(then).map(|item| format!("{what}: {item}")));
        }
        if self.router_descriptors > before.router_descriptors {
            lines.push(format!(
                "router descriptors: {} -> {}",
                before.router_descriptors, self.router_descriptors
            ));
        }
        lines
    }
}

fn cgroups() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(Path::new("/sys/fs/cgroup"), 5, &mut found);
    found
}

fn walk(dir: &Path, depth: usize, found: &mut BTreeSet<String>) {
    if depth == 0 {
        return;
    }
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let path = entry.path().display().to_string();
            // Engines' containers, and those that tests name themselves.
            if path.contains("/docker/") || path.contains("nct-") || path.contains("/libpod-") {
                found.insert(path);
            }
            walk(&entry.path(), depth - 1, found);
        }
    }
}

/// Network namespaces of boxes: of processes with mounts of their own whose root comes from this world. A box of anybody
/// else that is being built sees a copy of all the host's mounts, but not as its root.
fn namespaces(world: &World) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let ours = world.dir.display().to_string();
    let host = fs::read_link("/proc/self/ns/mnt").ok();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let process = entry.path();
        let mounts = fs::read_to_string(process.join("mountinfo")).unwrap_or_default();
        let root_is_ours = |line: &str| line.split(' ').nth(4) == Some("/") && line.contains(&ours);
        if fs::read_link(process.join("ns/mnt")).ok() == host || !mounts.lines().any(root_is_ours) {
            continue;
        }
        if let Ok(link) = fs::read_link(process.join("ns/net")) {
            found.insert(link.display().to_string());
        }
    }
    found
}

/// Mount points of this world: here, and all of the second machine's, where network namespaces are mounts too.
fn mounts(world: &World) -> BTreeSet<String> {
    let ours = world.dir.display().to_string();
    let points = |path: String| -> Vec<String> {
        let text = fs::read_to_string(path).unwrap_or_default();
        let second = |line: &str| line.split(' ').nth(1).map(str::to_owned);
        text.lines().filter_map(second).collect()
    };
    let machine = alive(&world.path("machine/holder.pid"));
    let there = machine.map(|holder| points(format!("/proc/{holder}/mounts")));
    points("/proc/self/mounts".to_owned())
        .into_iter()
        .filter(|point| point.starts_with(&ours) || point.contains("nemoclaw"))
        .chain(there.into_iter().flatten())
        .collect()
}

fn files(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        found.insert(entry.path().display().to_string());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files(&entry.path()));
        }
    }
    found
}

/// Sockets of the router and of waiting boxes, by inode and path, where engines and so runtimes are: `nct-eng`. Not
/// Docker's own: each call of its command is one more, and they end when dockerd has time for it.
fn unix_sockets(world: &World) -> BTreeSet<String> {
    let Some(engine) = alive(&world.path("eng/docker.pid")) else {
        return BTreeSet::new();
    };
    let text = fs::read_to_string(format!("/proc/{engine}/net/unix")).unwrap_or_default();
    let state = world.text("state");
    let ours = |path: &str| {
        path.starts_with(&state) || path.ends_with("/start.sock") || path == "notify.sock"
    };
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(6);
            let (inode, path) = (words.next()?, words.next()?);
            ours(path).then(|| format!("{inode} {path}"))
        })
        .collect()
}

/// Processes of our own programs and of shims that were started with this world's files, by pid and name.
fn processes(world: &World) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(name) = fs::read_to_string(entry.path().join("comm")) else {
            continue;
        };
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if !String::from_utf8_lossy(&words).contains(&world.dir.display().to_string()) {
            continue;
        }
        let name = name.trim();
        if name.starts_with("nemoclaw")
            || name.starts_with("youki")
            || name.starts_with("containerd-shim")
            || name == "conmon"
        {
            found.insert(format!("{pid} {name}"));
        }
    }
    found
}
