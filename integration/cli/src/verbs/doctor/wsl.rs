//! Whether this is Windows' subsystem for Linux, and what of it matters to sandboxes: its kernel is Microsoft's, and
//! what is set in files elsewhere is set in `.wslconfig` and `wsl.conf` here.

use std::path::Path;

use nix::errno::Errno;

use super::Check;
use crate::sys;

/// What tells.
#[derive(Debug, Clone)]
struct Facts {
    /// `/proc/version`.
    version: String,
    /// Windows programs can be started by their name.
    interop: bool,
    landlock: Result<u32, Errno>,
    /// All controllers are in one hierarchy.
    unified: bool,
    systemd: bool,
}

/// The check; `None` where this is no subsystem of Windows.
pub fn check() -> Option<Check> {
    let interop = ["WSLInterop", "WSLInterop-late"];
    judge(&Facts {
        version: std::fs::read_to_string("/proc/version").unwrap_or_default(),
        interop: interop
            .iter()
            .any(|name| Path::new("/proc/sys/fs/binfmt_misc").join(name).exists()),
        landlock: sys::landlock_abi(),
        unified: Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
        systemd: Path::new("/run/systemd/system").exists(),
    })
}

fn judge(facts: &Facts) -> Option<Check> {
    let is_microsoft_s = facts.version.to_lowercase().contains("microsoft");
    if !is_microsoft_s && !facts.interop {
        return None;
    }
    // The first generation translates system calls and says it is this kernel.
    if facts.version.starts_with("Linux version 4.4.0-") {
        let help = "run `wsl --set-version DISTRIBUTION 2` in Windows";
        return Some(Check::failed(
            "wsl",
            "WSL 1, which has no Linux kernel",
            help,
        ));
    }
    let release = facts.version.split_whitespace().nth(2).unwrap_or("?");
    let (landlock, landlock_help) = match facts.landlock {
        Ok(abi) => (format!("Landlock ABI {abi}"), None),
        Err(_) => (
            "no Landlock".to_owned(),
            Some("run `wsl --update` and `wsl --shutdown` in Windows for a kernel with Landlock"),
        ),
    };
    let (cgroups, cgroups_help) = if facts.unified {
        ("cgroup v2", None)
    } else {
        (
            "cgroup v1",
            Some(
                "put `kernelCommandLine = cgroup_no_v1=all` below `[wsl2]` in .wslconfig for cgroup v2",
            ),
        )
    };
    let (systemd, systemd_help) = if facts.systemd {
        ("systemd", None)
    } else {
        (
            "no systemd",
            Some(
                "put `systemd=true` below `[boot]` in /etc/wsl.conf, so that engines and the router can be services",
            ),
        )
    };
    let (interop, interop_help) = if facts.interop {
        (
            "Windows programs can be started",
            Some(
                "put `enabled=false` below `[interop]` in /etc/wsl.conf where agents are not to be trusted",
            ),
        )
    } else {
        ("no Windows programs", None)
    };
    let found = format!("WSL 2, kernel {release}: {landlock}, {cgroups}, {systemd}, {interop}");
    let help: Vec<&str> = [landlock_help, cgroups_help, systemd_help, interop_help]
        .into_iter()
        .flatten()
        .collect();
    Some(if help.is_empty() {
        Check::ok("wsl", found)
    } else {
        Check::warning("wsl", found, help.join("; "))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn facts(version: &str) -> Facts {
        Facts {
            version: version.to_owned(),
            interop: true,
            landlock: Ok(4),
            unified: true,
            systemd: true,
        }
    }

    const SECOND: &str =
        "Linux version 6.6.87.2-microsoft-standard-WSL2 (root@1) (gcc 11) #1 SMP\n";
    const FIRST: &str =
        "Linux version 4.4.0-19041-Microsoft (Microsoft@Microsoft.com) (gcc version 5.4.0) #1\n";

    #[test]
    fn an_ordinary_machine_is_none() {
        let plain = Facts {
            interop: false,
            ..facts("Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)\n")
        };
        assert!(judge(&plain).is_none());
    }

    #[test]
    fn the_first_generation_cannot_run_sandboxes() {
        let check = judge(&facts(FIRST)).unwrap();
        assert_eq!(check.level, Level::Failed);
        assert!(check.help.unwrap().contains("wsl --set-version"));
    }

    #[test]
    fn the_second_is_told_with_what_it_lacks_and_what_helps() {
        let all = Facts {
            interop: false,
            ..facts(SECOND)
        };
        let check = judge(&all).unwrap();
        assert_eq!(check.level, Level::Ok);
        assert_eq!(
            check.found,
            "WSL 2, kernel 6.6.87.2-microsoft-standard-WSL2: Landlock ABI 4, cgroup v2, systemd, no Windows programs"
        );
        for (lacking, found, help) in [
            (
                Facts {
                    landlock: Err(Errno::ENOSYS),
                    ..all.clone()
                },
                "no Landlock",
                "wsl --update",
            ),
            (
                Facts {
                    unified: false,
                    ..all.clone()
                },
                "cgroup v1",
                "cgroup_no_v1=all",
            ),
            (
                Facts {
                    systemd: false,
                    ..all.clone()
                },
                "no systemd",
                "systemd=true",
            ),
            (
                facts(SECOND),
                "Windows programs can be started",
                "[interop]",
            ),
        ] {
            let check = judge(&lacking).unwrap();
            assert_eq!(check.level, Level::Warning);
            assert!(check.found.contains(found), "{}", check.found);
            assert!(check.help.unwrap().contains(help));
        }
    }

    #[test]
    fn a_kernel_of_one_s_own_is_known_by_its_interpreter() {
        let own = facts("Linux version 6.12.1 (me@home)\n");
        assert!(
            judge(&own)
                .unwrap()
                .found
                .starts_with("WSL 2, kernel 6.12.1:")
        );
    }
}
