//! Where the bench happens: a mount namespace of its own, a tmpfs in it, a router; and that nothing of it is left.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use nemoclaw_tests::shell::wait_for;
use nemoclaw_tests::world::dist_dir;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::bundle;
use crate::stopwatch::{self, Stopwatch};

const CGROUPS: &str = "/sys/fs/cgroup";
/// crun refuses to work where this is mounted beside cgroup v1.
const UNIFIED: &str = "/sys/fs/cgroup/unified";

/// The stage; dropping it clears it.
#[derive(Debug)]
pub struct Stage {
    /// The tmpfs.
    pub dir: PathBuf,
    /// Runs programs and times them.
    pub stopwatch: Stopwatch,
    /// The sandbox of the direct engine that `nemoclaw exec` enters.
    pub sandbox: String,
    router: Option<Child>,
}

impl Stage {
    /// Makes the namespace, the tmpfs, the bundle, the tools and the node's configurations.
    pub fn set() -> Stage {
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
            .expect("private mounts");
        let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
        if mounts.contains(&format!(" {UNIFIED} cgroup2 ")) {
            umount2(UNIFIED, MntFlags::MNT_DETACH).expect("without the unified hierarchy");
        }
        // Boxes become children of this process when the runtime that made them has ended, as under an engine.
        nix::sys::prctl::set_child_subreaper(true).expect("subreaper");
        let dir = PathBuf::from(format!("/run/nemoclaw-bench-{}", std::process::id()));
        fs::create_dir(&dir).expect("directory");
        mount(
            Some("tmpfs"),
            &dir,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("mode=0711"),
        )
        .expect("tmpfs");
        remove_cgroups();
        bundle::write(&dir);
        let stage = Stage {
            stopwatch: stopwatch::build(&dir),
            dir,
            // Its own name: cgroups are named after sandboxes.
            sandbox: format!("bench-{}", std::process::id()),
            router: None,
        };
        stage.write_node("node", &dist_dir().join("nemoclaw-egress"));
        stage.write_node("hookless", &stage.stopwatch.nothing());
        stage
    }

    /// A node's configuration; each has its state on the tmpfs.
    pub fn node(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.yaml"))
    }

    fn write_node(&self, name: &str, hook: &Path) {
        let at = self.dir.display();
        let text = format!(
            "version: 1\nselectable: [{{ name: unconfined, widens: true }}]\nstate_dir: {at}/{name}-state\n\
             data_dir: {at}/{name}-data\negress_hook: {}\n",
            hook.display()
        );
        fs::write(self.node(name), text).expect("the node's configuration");
    }

    /// Starts the router of the node `node`, and the sandbox that is entered.
    pub fn start_router(&mut self) {
        let log = fs::File::create(self.dir.join("router.log")).expect("log");
        // When the bench is killed, so is its router.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM"])
            .arg(dist_dir().join("nemoclaw-router"))
            .args(["run", "--config"])
            .arg(self.node("node"))
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .expect("the router");
        self.router = Some(child);
        let socket = self.dir.join("node-state/router.sock");
        wait_for("the router's socket", Duration::from_secs(15), || {
            socket.exists().then_some(())
        });
        let begun = self.call(&["run", "-d", "--name", &self.sandbox, "--", "sleep", "3600"]);
        assert!(
            begun.status.success(),
            "the sandbox for `nemoclaw exec` must start: {}",
            String::from_utf8_lossy(&begun.stderr)
        );
    }

    /// A call of the user's command.
    fn call(&self, words: &[&str]) -> Output {
        Command::new(dist_dir().join("nemoclaw"))
            .args(words)
            .env("NEMOCLAW_CONFIG", self.node("node"))
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .output()
            .expect("nemoclaw")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(mut router) = self.router.take() {
            let removed = self.call(&["rm", "-f", &self.sandbox]);
            if !removed.status.success() {
                println!("{}", String::from_utf8_lossy(&removed.stderr));
            }
            if let Ok(pid) = i32::try_from(router.id()) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
            let _ = router.wait();
        }
        // In this mount namespace alone, so that nobody else's work can be in the way.
        let _ = umount2(&self.dir, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(&self.dir);
        remove_cgroups();
    }
}

/// The bench's cgroups in every hierarchy, of this run or of one that was interrupted, with what a failed step left in them.
fn remove_cgroups() {
    let hierarchies = fs::read_dir(CGROUPS).into_iter().flatten().flatten();
    let roots = hierarchies
        .map(|entry| entry.path())
        .chain([PathBuf::from(CGROUPS)]);
    for parent in roots.map(|root| root.join(bundle::CGROUP)) {
        for inner in fs::read_dir(&parent).into_iter().flatten().flatten() {
            empty(&inner.path());
            let _ = fs::remove_dir(inner.path());
        }
        let _ = fs::remove_dir(&parent);
    }
}

/// Kills all processes of a cgroup and waits until they are gone.
fn empty(cgroup: &Path) {
    for _ in 0..200 {
        let list = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
        let pids: Vec<Pid> = list
            .lines()
            .filter_map(|line| line.parse().ok().map(Pid::from_raw))
            .collect();
        if pids.is_empty() {
            return;
        }
        for pid in pids {
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
