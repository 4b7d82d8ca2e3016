//! The runtimes that a check can be tried on, each try in mount, UTS and IPC namespaces of its own.
//!
//! The mount namespace holds a tmpfs with bundle and state, so that nothing of a try, not even of a failed one, stays on the machine.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nemoclaw_tests::world::dist_dir;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::check::Outcome;

/// Where bundles, state and volumes lie; in every try another tmpfs.
pub const PLACE: &str = "/var/tmp/nemoclaw-conformance";

const BUSYBOX: &str = "/bin/busybox";

/// Whose runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `nemoclaw-runtime --policy unconfined`.
    Ours,
    /// Debian's runc.
    Runc,
    /// Debian's crun.
    Crun,
}

/// A runtime in a fresh place.
#[derive(Debug)]
pub struct Runtime {
    /// Whose it is.
    pub kind: Kind,
    ids: RefCell<Vec<String>>,
}

impl Runtime {
    /// `Err` says why this machine cannot try it.
    pub fn available(kind: Kind) -> Outcome {
        let missing = |what: &str| Err(format!("{what} is missing"));
        if !nix::unistd::geteuid().is_root() {
            return missing("root");
        }
        if !Path::new(BUSYBOX).exists() {
            return missing("busybox-static");
        }
        let program = kind.program();
        if program.components().count() > 1 {
            if program.exists() {
                Ok(())
            } else {
                missing(&program.display().to_string())
            }
        } else if ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/sbin", "/bin"]
            .iter()
            .any(|dir| Path::new(dir).join(&program).exists())
        {
            Ok(())
        } else {
            missing(&program.display().to_string())
        }
    }

    /// Tries a check, in a thread with a mount namespace of its own.
    pub fn try_on(kind: Kind, check: fn(&Runtime) -> Outcome) -> Outcome {
        let tried = std::thread::spawn(move || {
            place(kind)?;
            let runtime = Runtime {
                kind,
                ids: RefCell::default(),
            };
            let outcome = check(&runtime).and_then(|()| runtime.nothing_left());
            runtime.clear();
            outcome
        });
        tried.join().unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            Err(format!(
                "the check itself failed: {}",
                text.unwrap_or_default()
            ))
        })
    }

    /// A command line up to the verb.
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.kind.program());
        command.env_remove("RUST_BACKTRACE").stdin(Stdio::null());
        command.args(["--root", &self.root().to_string_lossy()]);
        if self.kind == Kind::Ours {
            command.args([
                "--config",
                &format!("{PLACE}/node.yaml"),
                "--policy",
                "unconfined",
            ]);
        }
        command
    }

    /// The state's directory.
    pub fn root(&self) -> PathBuf {
        Path::new(PLACE).join("root")
    }

    /// An id that no other try uses.
    pub fn id(&self) -> String {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("ncc-{}-{next}", std::process::id());
        self.ids.borrow_mut().push(id.clone());
        id
    }

    /// Ends and removes what a failed try left in the cgroups, the one place that its namespace does not hold.
    fn clear(&self) {
        for _ in 0..50 {
            let left: Vec<PathBuf> = self
                .ids
                .borrow()
                .iter()
                .flat_map(|id| cgroups(id))
                .collect();
            if left.is_empty() {
                return;
            }
            left.iter().for_each(|path| sweep(path));
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// No cgroup and no state of any id of this try.
    fn nothing_left(&self) -> Outcome {
        for id in self.ids.borrow().iter() {
            if self.root().join(id).exists() {
                return Err(format!("the state of {id} is left"));
            }
            // The tmpfs over `unified` and crun's idea of systemd's hierarchy are no business of a check.
            let left = cgroups(id).into_iter().find(|path| {
                self.kind != Kind::Crun
                    || !["unified", "systemd"]
                        .iter()
                        .any(|name| path.iter().any(|part| part == *name))
            });
            if let Some(left) = left {
                return Err(format!("the cgroup {} is left", left.display()));
            }
        }
        Ok(())
    }
}

impl Kind {
    fn program(self) -> PathBuf {
        match self {
            Kind::Ours => dist_dir().join("nemoclaw-runtime"),
            Kind::Runc => PathBuf::from("runc"),
            Kind::Crun => PathBuf::from("crun"),
        }
    }
}

/// The cgroup of `id` below our parent, in every hierarchy.
pub fn cgroups(id: &str) -> Vec<PathBuf> {
    let hierarchies = fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten();
    hierarchies
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path().join("ncc").join(id))
        .filter(|path| path.exists())
        .collect()
}

/// Ends the processes of a cgroup and of those below it, and removes them when they are empty.
fn sweep(path: &Path) {
    let below = fs::read_dir(path).into_iter().flatten().flatten();
    below
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .for_each(|path| sweep(&path));
    let pids = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    for pid in pids.lines().filter_map(|line| line.parse().ok()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let _ = fs::remove_dir(path);
}

/// Gives this thread its mount namespace and the place in it.
fn place(kind: Kind) -> Outcome {
    let told = |what: &'static str| move |error: nix::Error| format!("{what}: {error}");
    fs::create_dir_all(PLACE).map_err(|error| format!("{PLACE}: {error}"))?;
    // Its own names and message queues too: a runtime at fault must not rename the machine.
    let own = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC;
    unshare(own).map_err(told("unshare"))?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(told("make private"))?;
    mount(
        Some("tmpfs"),
        PLACE,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=755"),
    )
    .map_err(told("tmpfs"))?;
    if kind == Kind::Crun {
        // It refuses a tree with both versions of cgroups.
        let unified = "/sys/fs/cgroup/unified";
        umount2(unified, MntFlags::MNT_DETACH).map_err(told("unmount unified"))?;
        mount(
            Some("tmpfs"),
            unified,
            Some("tmpfs"),
            MsFlags::empty(),
            none,
        )
        .map_err(told("hide unified"))?;
    }
    if kind == Kind::Ours {
        let text = format!(
            "version: 1\nselectable: [{{name: unconfined, widens: true}}]\nstate_dir: {PLACE}/state\ndata_dir: {PLACE}/data\n"
        );
        fs::write(format!("{PLACE}/node.yaml"), text).map_err(|error| error.to_string())?;
    }
    Ok(())
}
