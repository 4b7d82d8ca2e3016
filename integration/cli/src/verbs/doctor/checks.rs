//! The checks. Each looks at the machine itself, and not at a version number where the thing can be asked.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nemoclaw_api::client::ClientError;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

use super::{Check, Level};
use crate::engines::{Engine, NAME};
use crate::node::{ENVIRONMENT_ROUTER, ENVIRONMENT_RUNTIME, Node, binary};
use crate::sys;
use crate::verbs::router;

/// Landlock's truncate right came with this ABI; below it the default policy leans on read-only mounts alone.
const GOOD_LANDLOCK: u32 = 3;
/// Capabilities (by number) that the runtime and the hook use as root.
const NEEDED: [(u32, &str); 10] = [
    (0, "CHOWN"),
    (1, "DAC_OVERRIDE"),
    (5, "KILL"),
    (6, "SETGID"),
    (7, "SETUID"),
    (8, "SETPCAP"),
    (12, "NET_ADMIN"),
    (18, "SYS_CHROOT"),
    (21, "SYS_ADMIN"),
    (27, "MKNOD"),
];
/// CAP_SYS_RESOURCE.
const SYS_RESOURCE: u32 = 24;

/// All of them, in the order of the way up: kernel, rights, our parts, engines.
pub fn all(config: Option<&Path>) -> Vec<Check> {
    let mut checks: Vec<Check> = super::wsl::check().into_iter().collect();
    checks.extend([
        kernel(),
        rights(),
        landlock(),
        seccomp(),
        cgroups(),
        nf_tables(),
        bpf(),
    ]);
    checks.extend(
        [
            ("runtime", "nemoclaw-runtime", ENVIRONMENT_RUNTIME),
            ("egress", "nemoclaw-egress", "NEMOCLAW_EGRESS"),
        ]
        .map(|(key, name, variable)| program(key, name, variable)),
    );
    match Node::load(config) {
        Err(error) => checks.push(Check::failed(
            "config",
            format!("{error:#}"),
            "correct the file",
        )),
        Ok(node) => {
            let from = node
                .config
                .path
                .as_ref()
                .map_or_else(|| "built in".to_owned(), |path| path.display().to_string());
            checks.push(Check::ok(
                "config",
                format!("{from}, default policy `{}`", node.config.default_policy),
            ));
            checks.push(running_router(&node));
        }
    }
    checks.push(engine());
    checks
}

fn kernel() -> Check {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let (major, minor) = version(release);
    if (major, minor) >= (5, 17) {
        Check::ok("kernel", release)
    } else if (major, minor) >= (5, 13) {
        Check::warning(
            "kernel",
            format!("{release}: below 5.17 traffic is captured by tproxy"),
            "nothing to do; a newer kernel is faster",
        )
    } else {
        Check::failed(
            "kernel",
            release,
            "install a kernel of 5.13 or newer (Landlock)",
        )
    }
}

fn version(release: &str) -> (u32, u32) {
    let mut numbers = release
        .split(|one: char| !one.is_ascii_digit())
        .map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn rights() -> Check {
    if !nix::unistd::geteuid().is_root() {
        return Check::warning(
            "rights",
            "not root: some checks below say less",
            "run `sudo nemoclaw doctor`",
        );
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let held = held
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(bit, _)| held >> bit & 1 == 0)
        .map(|(_, name)| *name)
        .collect();
    if !missing.is_empty() {
        let found = format!("root without {}", missing.join(", "));
        return Check::failed(
            "rights",
            found,
            "run it on the machine itself, not in a container",
        );
    }
    if held >> SYS_RESOURCE & 1 == 0 {
        let found = "root without SYS_RESOURCE: limits cannot be raised above this shell's";
        return Check::warning("rights", found, "ask for limits within `ulimit -H -a`");
    }
    Check::ok("rights", "root")
}

fn landlock() -> Check {
    match sys::landlock_abi() {
        Ok(abi) if abi >= GOOD_LANDLOCK => Check::ok("landlock", format!("ABI {abi}")),
        Ok(abi) => Check::warning(
            "landlock",
            format!("ABI {abi}: policy `strict` needs 6"),
            "install a newer kernel",
        ),
        Err(Errno::EOPNOTSUPP) => Check::failed(
            "landlock",
            "built in, but switched off",
            "boot with `lsm=landlock,…` in the kernel's command line",
        ),
        Err(error) => Check::failed(
            "landlock",
            error.desc(),
            "install a kernel of 5.13 or newer with Landlock",
        ),
    }
}

fn seccomp() -> Check {
    let actions =
        std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    if actions.split_whitespace().any(|action| action == "errno") {
        Check::ok("seccomp", actions.trim())
    } else {
        Check::failed(
            "seccomp",
            "the kernel has no filters",
            "use a kernel with CONFIG_SECCOMP_FILTER",
        )
    }
}

fn cgroups() -> Check {
    let root = Path::new("/sys/fs/cgroup");
    if let Ok(controllers) = std::fs::read_to_string(root.join("cgroup.controllers")) {
        return need_pids(
            "v2",
            controllers.split_whitespace().any(|one| one == "pids"),
        );
    }
    need_pids("v1", root.join("pids").is_dir())
}

fn need_pids(kind: &str, pids: bool) -> Check {
    if pids {
        Check::ok("cgroups", kind)
    } else {
        Check::failed(
            "cgroups",
            format!("{kind} without the controller `pids`"),
            "mount cgroups at /sys/fs/cgroup",
        )
    }
}

/// Ask nf_tables for its generation: one netlink message, answered by every kernel that has it.
fn nf_tables() -> Check {
    match ask_nf_tables() {
        Ok(()) => Check::ok("nf_tables", "answers"),
        Err(Errno::EPERM) => Check::warning(
            "nf_tables",
            "only root may ask",
            "run `sudo nemoclaw doctor`",
        ),
        Err(error) => Check::failed("nf_tables", error.desc(), "run `modprobe nf_tables`"),
    }
}

fn ask_nf_tables() -> Result<(), Errno> {
    /// NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN.
    const GETGEN: u16 = 10 << 8 | 16;
    /// NLMSG_ERROR.
    const ERROR: u16 = 2;
    /// NLM_F_REQUEST.
    const REQUEST: u16 = 1;
    let netlink = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkNetFilter,
    )?;
    let mut message = Vec::with_capacity(20);
    message.extend_from_slice(&20_u32.to_ne_bytes());
    message.extend_from_slice(&GETGEN.to_ne_bytes());
    message.extend_from_slice(&REQUEST.to_ne_bytes());
    // Sequence, port; then the family (unspecified), version 0 and resource 0.
    message.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    sendto(
        netlink.as_raw_fd(),
        &message,
        &NetlinkAddr::new(0, 0),
        MsgFlags::empty(),
    )?;
    let mut answer = [0_u8; 4096];
    let count = recv(netlink.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT)?;
    if count >= 20 && u16::from_ne_bytes([answer[4], answer[5]]) == ERROR {
        let code = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
        return Err(Errno::from_raw(-code));
    }
    Ok(())
}

fn bpf() -> Check {
    match sys::bpf_usable() {
        Ok(()) => Check::ok("bpf", "usable"),
        Err(Errno::EPERM) if !nix::unistd::geteuid().is_root() => {
            Check::warning("bpf", "only root may ask", "run `sudo nemoclaw doctor`")
        }
        Err(error) => Check::warning(
            "bpf",
            format!("{}: traffic is captured by tproxy", error.desc()),
            "nothing to do",
        ),
    }
}

fn program(key: &'static str, name: &str, variable: &str) -> Check {
    match binary(name, variable) {
        Ok(path) => Check::ok(key, path.display().to_string()),
        Err(error) => Check::failed(key, error.to_string(), "run `make install`"),
    }
}

fn running_router(node: &Node) -> Check {
    let found = binary("nemoclaw-router", ENVIRONMENT_ROUTER);
    match (router::status(node), found) {
        (Ok(status), _) if status.worker_pid.is_none() => Check::warning(
            "router",
            "its worker is being started again",
            "read the router's log",
        ),
        (Ok(status), _) => Check::ok(
            "router",
            format!("pid {}, {} sandboxes", status.warden_pid, status.boxes),
        ),
        (Err(_), Err(error)) => Check::failed("router", error.to_string(), "run `make install`"),
        (Err(ClientError::Absent { .. }), Ok(_)) => Check::warning(
            "router",
            "not running",
            "run `nemoclaw router start` (`nemoclaw run` does it too)",
        ),
        (Err(ClientError::Forbidden { .. }), Ok(_)) => {
            Check::warning("router", "only root may ask", "run `sudo nemoclaw doctor`")
        }
        (Err(error), Ok(_)) => {
            Check::failed("router", error.to_string(), "run `nemoclaw router start`")
        }
    }
}

/// Docker is no condition: the direct engine needs none.
fn engine() -> Check {
    let places = [
        "/usr/bin/dockerd",
        "/usr/sbin/dockerd",
        "/usr/local/bin/dockerd",
    ];
    let daemon = places
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists());
    let Some(daemon) = daemon else {
        return Check::ok("engine", "direct; no Docker daemon on this machine");
    };
    let text = std::fs::read_to_string(Engine::Docker.usual_file()).unwrap_or_default();
    // A file that cannot be read is Docker's own complaint, and `register` names the place.
    let ours = Engine::Docker.ours(&text).unwrap_or_default();
    match ours.iter().find(|runtime| runtime.name == NAME) {
        Some(runtime) if runtime.program.exists() => Check::ok(
            "engine",
            format!("direct, and Docker with `{}`", runtime.program.display()),
        ),
        Some(runtime) => Check {
            name: "engine",
            level: Level::Warning,
            found: format!(
                "Docker is told of `{}`, which is not there",
                runtime.program.display()
            ),
            help: Some("run `nemoclaw register docker`".to_owned()),
        },
        None => Check {
            name: "engine",
            level: Level::Ok,
            found: format!("direct; `{}` does not know the runtime", daemon.display()),
            help: Some("run `nemoclaw register docker` to use it with Docker".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn a_release_gives_two_numbers() {
        assert_eq!(version("6.1.0-18-amd64"), (6, 1));
        assert_eq!(version("5.15"), (5, 15));
        assert_eq!(version(""), (0, 0));
    }
}
