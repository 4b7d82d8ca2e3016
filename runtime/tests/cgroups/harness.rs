//! A cgroup of a test's own, which ends with the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nemoclaw_runtime::cgroup::{Cgroup, CgroupPlace};
use nemoclaw_runtime::sys::fork;
use nix::unistd::Pid;
use oci_spec::runtime::LinuxResources;

static NEXT: AtomicU32 = AtomicU32::new(0);
const ROOT: &str = "/sys/fs/cgroup";

/// A cgroup that is removed at the end, with all in it and what was made above it.
pub struct Group {
    pub cgroup: Cgroup,
    pub name: String,
    parent: Cgroup,
}

/// A cgroup that was made and has no limits, or `None` (and said) where there can be none.
pub fn group() -> Option<Group> {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: this test needs root");
        return None;
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("nemoclaw-test-{}-{number}", std::process::id());
    let group = Group {
        cgroup: at(&format!("/{name}/box")),
        parent: at(&format!("/{name}")),
        name,
    };
    group.cgroup.make().expect("made");
    Some(group)
}

/// The cgroup at a path.
pub fn at(path: &str) -> Cgroup {
    let place = CgroupPlace::new(path.into(), false).expect("a place");
    Cgroup::at("a", &place).expect("cgroups")
}

/// Whether version 2 is alone here.
pub fn version_2() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

pub fn resources(value: serde_json::Value) -> LinuxResources {
    serde_json::from_value(value).expect("resources")
}

impl Group {
    /// Its directory in every hierarchy where it is.
    pub fn directories(&self) -> Vec<PathBuf> {
        let root = Path::new(ROOT);
        let entries = fs::read_dir(root).expect("cgroups").flatten();
        let mounts = entries.map(|entry| entry.path());
        let all = mounts
            .chain([root.to_path_buf()])
            .map(|mount| mount.join(&self.name).join("box"));
        all.filter(|path| path.exists()).collect()
    }

    /// The text of one of its files, in whichever hierarchy has it.
    pub fn file(&self, name: &str) -> String {
        let found = self
            .directories()
            .into_iter()
            .find_map(|directory| fs::read_to_string(directory.join(name)).ok());
        let text = found.unwrap_or_else(|| panic!("no file {name}"));
        text.trim().to_owned()
    }

    pub fn limit(&self, value: serde_json::Value) {
        self.cgroup.limit(&resources(value)).expect("limited");
    }

    /// The sentence of a limit that is refused.
    pub fn refused(&self, value: serde_json::Value) -> String {
        let error = self.cgroup.limit(&resources(value)).expect_err("a refusal");
        error.to_string()
    }

    /// A process in it that waits for its end.
    pub fn sleeper(&self) -> Child {
        let child = command("exec sleep 60");
        self.cgroup
            .join(Pid::from_raw(pid(&child)))
            .expect("joined");
        child
    }

    /// What `work` says in a process that has entered the cgroup by itself.
    pub fn inside(&self, work: impl FnOnce() -> String) -> String {
        let entry = self.cgroup.entry().expect("opened").expect("an entry");
        let answer = fork::answer_of(|| match entry.enter() {
            Ok(()) => work().into_bytes(),
            Err(error) => error.to_string().into_bytes(),
        });
        String::from_utf8(answer.expect("an answer")).expect("text")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.cgroup.empty().expect("emptied");
        self.cgroup.remove().expect("removed");
        self.parent.remove().expect("the parent removed");
        let left = self.directories();
        assert!(left.is_empty(), "left: {left:?}");
    }
}

pub fn command(script: &str) -> Child {
    Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::null())
        .spawn()
        .expect("sh runs")
}

pub fn pid(child: &Child) -> i32 {
    i32::try_from(child.id()).expect("a pid")
}
