//! A second machine for engines that read fixed paths: a mount namespace with `/etc`, `/var/lib`, `/run` and `/dev/shm` of
//! its own over the real ones.
//!
//! containerd and CRI-O pass a runtime no arguments, so that it reads `/etc/nemoclaw/config.yaml`; CNI and Podman keep
//! namespaces, leases and locks in `/run`, `/var/lib/cni` and `/dev/shm`. Whatever is written there goes with the namespace.
//! Its network is `nct-eng`, as Docker's. With `NEMOCLAW_TEST_TREE` its root is that tree, and Docker stands on it too.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::netns;
use crate::router::config_path;
use crate::shell::wait_for;
use crate::world::{World, alive, dist_dir, end, tree};

/// Policies that have a name of the runtime: the symlink `nemoclaw-runtime.NAME` is what an engine is told to call.
pub const POLICIES: [&str; 7] = [
    "default",
    "device",
    "given",
    "offline",
    "strict",
    "test",
    "unconfined",
];

/// Brings the machine up, where it is not. Call it under a lock.
///
/// # Panics
/// When its mount namespace cannot be made.
pub fn up(world: &World) {
    let dir = world.path("machine");
    for folder in ["bin", "over", "root"] {
        fs::create_dir_all(dir.join(folder)).expect("machine directory");
    }
    for policy in POLICIES {
        let link = runtime(world, policy);
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(dist_dir().join("nemoclaw-runtime"), link).expect("symlink");
    }
    let script = match tree() {
        Some(tree) => newer(world, &dir, &tree),
        None => beside(world, &dir),
    };
    mounts(&dir, &script);
}

/// This machine's own programs.
fn beside(world: &World, dir: &Path) -> String {
    format!(
        "set -e
        mount -t tmpfs tmpfs {0}/over
        for path in etc var/lib; do
          mkdir -p {0}/over/$path.up {0}/over/$path.work
          mount -t overlay -o lowerdir=/$path,upperdir={0}/over/$path.up,workdir={0}/over/$path.work overlay /$path
        done
        mount -t tmpfs tmpfs /dev/shm
        mount -t tmpfs -o mode=755 tmpfs /run
        mkdir -p /run/lock /etc/nemoclaw
        cp {1} /etc/nemoclaw/config.yaml",
        dir.display(),
        config_path(world, "config").display(),
    )
}

/// The programs of a tree, which becomes the real root, so that runtimes can leave it in their turn. Writes go over it,
/// and `nobody` has a range of ids for user namespaces.
fn newer(world: &World, dir: &Path, tree: &Path) -> String {
    format!(
        "set -e
        mount -t tmpfs tmpfs {dir}/over
        mkdir {dir}/over/up {dir}/over/work
        mount -t overlay -o lowerdir={tree},upperdir={dir}/over/up,workdir={dir}/over/work overlay {dir}/root
        cd {dir}/root
        for path in proc sys dev; do mount --rbind /$path ./$path; done
        mount -t tmpfs tmpfs ./dev/shm
        mount -t tmpfs -o mode=755 tmpfs ./run
        for path in {world} {dist} /tmp; do mkdir -p .$path; mount --bind $path .$path; done
        mkdir -p run/lock etc/nemoclaw .old
        cp {config} etc/nemoclaw/config.yaml
        echo nobody:200000:65536 >etc/subuid
        for name in nobody nogroup; do echo $name:200000:65536; done >etc/subgid
        pivot_root . .old
        cd /
        umount -l /.old",
        dir = dir.display(),
        tree = tree.display(),
        world = world.dir.display(),
        dist = dist_dir().display(),
        config = config_path(world, "config").display(),
    )
}

/// Ends it. What ran in it has to be ended before.
pub fn down(world: &World) {
    end(&world.path("machine/holder.pid"), 1);
    // Engines make these for their containers and leave them; one that somebody else uses is not empty.
    for hierarchy in fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten()
    {
        for parent in ["nct", "nct-pods", "libpod_parent/conmon", "libpod_parent"] {
            let _ = fs::remove_dir(hierarchy.path().join(parent));
        }
    }
}

/// The path of a runtime whose policy is in its name.
pub fn runtime(world: &World, policy: &str) -> PathBuf {
    world
        .path("machine/bin")
        .join(format!("nemoclaw-runtime.{policy}"))
}

/// The same as text.
pub fn runtime_text(world: &World, policy: &str) -> String {
    runtime(world, policy).display().to_string()
}

/// A command on that machine. Its pid is the program's own.
///
/// # Panics
/// When the machine is not up.
pub fn command(world: &World, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--mount={}", namespace(world).display()))
        .arg(format!("--net={}", netns::path(netns::ENGINE).display()))
        .arg("--")
        .arg(program)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env_remove("RUST_BACKTRACE")
        .env_remove("XDG_RUNTIME_DIR");
    command
}

/// Its mount namespace.
///
/// # Panics
/// When the machine is not up.
pub fn namespace(world: &World) -> PathBuf {
    let holder = alive(&world.path("machine/holder.pid")).expect("the machine must be up");
    PathBuf::from(format!("/proc/{holder}/ns/mnt"))
}

/// The mount namespace that `holder.pid` in `dir` holds, made by `script` where it is not there yet.
///
/// # Panics
/// When the script fails.
pub fn mounts(dir: &Path, script: &str) -> PathBuf {
    let holder = dir.join("holder.pid");
    if alive(&holder).is_none() {
        let ready = dir.join("ready");
        let _ = fs::remove_file(&ready);
        let log = fs::File::create(dir.join("holder.log")).expect("log");
        let script = format!("{script}\ntouch {}; exec sleep 100000", ready.display());
        let child = Command::new("setsid")
            .args(["unshare", "--mount", "--propagation", "private", "sh", "-c"])
            .arg(script)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("mount namespace");
        fs::write(&holder, child.id().to_string()).expect("pid file");
        wait_for(
            &format!("the mount namespace ({}/holder.log)", dir.display()),
            Duration::from_secs(5),
            || ready.exists().then_some(()),
        );
    }
    PathBuf::from(format!("/proc/{}/ns/mnt", alive(&holder).expect("holder")))
}
