//! A `/sandbox` of limited size: an ext4 file system in a file of the sandbox's directory.
//!
//! It is mounted in a mount namespace of one thread's own, only while the runtime makes the box. From then on the box alone
//! holds it: nothing is mounted on the host, and the kernel lets go of the loop device when the box ends, however that
//! comes about. The file stays until `nemoclaw rm`; it is sparse, so it takes what is in it and never more than the limit.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nemoclaw_policy::policy::size_words;
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, unshare};

use crate::direct::boxes::Sandbox;
use crate::direct::user::User;
use crate::fault::Fault;

/// The file.
const IMAGE: &str = "sandbox.ext4";
/// The least unit of a file system.
const BLOCK: u64 = 1024;
/// Where system programs are, whatever `PATH` says.
const SYSTEM: &str = "/usr/sbin:/sbin:/usr/bin:/bin";
/// Made when it is mounted with `loop`, and gone when that is unmounted.
const LOOP: &str = "/dev/loop-control";
/// Freed blocks go back to the host, and the kernel writes no empty tables in the background.
const OPTIONS: &str = "loop,nosuid,nodev,discard,noinit_itable";

/// The directory that the file system is mounted on, and the source of the box's `/sandbox`.
pub fn point(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("sandbox")
}

/// Make the file system, `bytes` large, with a root directory of the user's.
pub fn make(sandbox: &Sandbox, bytes: u64, user: User) -> anyhow::Result<()> {
    let image = sandbox.path(IMAGE);
    let fault = || Fault::new(format!("cannot limit `/sandbox` to {}", size_words(bytes)));
    let lacks = |what: &str, helps: &str| {
        let fault = fault().because(format!("this machine has no {what}"));
        fault.hint(format!(
            "{helps}, or leave `resources.disk` out of the policy"
        ))
    };
    let path = std::env::var("PATH").unwrap_or_default();
    let Some(mkfs) = program("mkfs.ext4", &path) else {
        return Err(lacks("`mkfs.ext4`", "install the package `e2fsprogs`").into());
    };
    if program("mount", &path).is_none() {
        return Err(lacks("`mount`", "install the package `mount`").into());
    }
    if !Path::new(LOOP).exists() {
        return Err(lacks("loop devices", "run `modprobe loop` (package `kmod`)").into());
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
        .open(&image)
        .and_then(|file| file.set_len(bytes - bytes % BLOCK))
        .map_err(|error| fault().because(error))?;
    let owner = format!("root_owner={}:{},lazy_itable_init=1", user.uid, user.gid);
    let mut command = Command::new(mkfs);
    command
        .args(["-q", "-F", "-m", "0", "-E", &owner])
        .arg(&image);
    succeed(&mut command).map_err(|said| fault().because(said))?;
    std::fs::create_dir(point(sandbox))?;
    Ok(())
}

/// Do the work where the sandbox's file system is mounted, if it has one.
pub fn beside<T: Send>(
    sandbox: &Sandbox,
    work: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    if !sandbox.path(IMAGE).exists() {
        return work();
    }
    std::thread::scope(|scope| {
        let alone = scope.spawn(|| {
            mount(sandbox)?;
            work()
        });
        alone.join().unwrap_or_else(|_| {
            let name = &sandbox.name;
            Err(Fault::new(format!("the making of sandbox `{name}` broke off")).into())
        })
    })
}

/// Mount it, seen by this thread and its children only.
fn mount(sandbox: &Sandbox) -> anyhow::Result<()> {
    let fault = || Fault::new("cannot mount the `/sandbox` of limited size");
    let slave = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| nix::mount::mount(None::<&str>, "/", None::<&str>, slave, None::<&str>))
        .map_err(|error| fault().because(error))?;
    let path = std::env::var("PATH").unwrap_or_default();
    let mount = program("mount", &path).ok_or_else(|| fault().because("`mount` is gone"))?;
    let mut command = Command::new(mount);
    command
        .args(["-n", "-t", "ext4", "-o", OPTIONS])
        .args([sandbox.path(IMAGE), point(sandbox)]);
    succeed(&mut command).map_err(|said| fault().because(said))?;
    // The agent's directory is empty at first, and a check after a crash makes it again.
    std::fs::remove_dir(point(sandbox).join("lost+found")).ok();
    Ok(())
}

/// The program in the directories of `path`, or where system programs are.
fn program(name: &str, path: &str) -> Option<PathBuf> {
    let all = std::env::split_paths(path).chain(std::env::split_paths(SYSTEM));
    let files = all.map(|directory| directory.join(name));
    files.into_iter().find(|file| file.is_file())
}

/// Run it; what it said last where it failed.
fn succeed(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{name}` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let said = text.lines().find(|line| !line.trim().is_empty());
    Err(said.map_or_else(
        || format!("`{name}` ended with {}", output.status),
        |line| line.trim().to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_programs_are_found_without_their_directory_in_the_path() {
        assert!(program("mount", "/nonexistent").is_some());
        assert_eq!(program("no-such-program", "/usr/bin"), None);
    }

    #[test]
    fn a_failing_program_is_told_by_its_first_line() {
        let said =
            succeed(Command::new("sh").args(["-c", "echo; echo why >&2; echo more >&2; exit 3"]));
        assert_eq!(said, Err("why".to_owned()));
        let silent = succeed(Command::new("sh").args(["-c", "exit 3"]));
        assert_eq!(silent, Err("`sh` ended with exit status: 3".to_owned()));
    }
}
