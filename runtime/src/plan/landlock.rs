//! Landlock rules from the policy's paths.
//!
//! Grants are a union: a rule can never take away what another gives. What a policy takes away below a writable path is
//! a read-only mount's work ([`super::Walls`]).

use std::path::{Path, PathBuf};

use nemoclaw_policy::policy::Policy;

use super::paths::{PathRules, SANDBOX, TMP};
use super::{Grant, HostFacts, LandlockPlan, LandlockRule, Refusal};

/// Device nodes that every program may expect.
const DEVICES: [&str; 8] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/console",
    "/dev/ptmx",
];

/// The first ABI with scopes.
const SCOPES_ABI: u32 = 6;

/// What the rules are made from.
pub struct Ground<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// Its path rules for this box.
    pub rules: &'a PathRules,
    /// This machine.
    pub host: &'a HostFacts,
    /// Device nodes that the engine adds.
    pub devices: &'a [PathBuf],
    /// Our own files, readable whatever the policy lists.
    pub ours: &'a [PathBuf],
    /// The network or process-id namespace is shared with another sandbox.
    pub shared: bool,
}

/// The planned rules, most general first.
pub fn planned(ground: &Ground<'_>, remarks: &mut Vec<String>) -> Result<LandlockPlan, Refusal> {
    let wanted = ground.policy.landlock;
    if ground.host.landlock_abi < wanted.minimum_abi {
        if !wanted.best_effort {
            return Err(Refusal::Landlock {
                policy: ground.policy.name.clone(),
                needed: wanted.minimum_abi,
                found: ground.host.landlock_abi,
            });
        }
        remarks.push(format!(
            "degraded: the policy asks for Landlock ABI {}, this kernel has {}",
            wanted.minimum_abi, ground.host.landlock_abi
        ));
    }
    if ground.shared && ground.host.landlock_abi < SCOPES_ABI {
        remarks.push(format!(
            "degraded: signals and abstract sockets of the sandboxes that share a namespace are not kept apart, \
             which needs Landlock ABI {SCOPES_ABI}"
        ));
    }
    let mut rules: Vec<LandlockRule> = Vec::new();
    for path in &ground.rules.read_only {
        rules.push(rule(
            path,
            if is_proc(path) {
                Grant::ReadWriteFiles
            } else {
                Grant::Read
            },
        ));
    }
    // A policy that lets `/` be read means /proc too, and programs write their own files there.
    if ground
        .rules
        .read_only
        .iter()
        .any(|path| path == Path::new("/"))
    {
        rules.push(rule(Path::new("/proc"), Grant::ReadWriteFiles));
    }
    for path in &ground.rules.read_write {
        rules.push(writable(path, remarks));
    }
    rules.extend(
        DEVICES
            .iter()
            .map(|path| rule(Path::new(path), Grant::Device)),
    );
    rules.push(rule(Path::new("/dev/pts"), Grant::Device));
    rules.extend(ground.devices.iter().map(|path| rule(path, Grant::Device)));
    rules.extend(
        ["/dev/shm", "/dev/mqueue"]
            .iter()
            .map(|path| rule(Path::new(path), Grant::WriteNoExecute)),
    );
    rules.extend(ground.ours.iter().map(|path| rule(path, Grant::Read)));
    rules.sort_by(|a, b| {
        a.path
            .components()
            .count()
            .cmp(&b.path.components().count())
            .then(a.path.cmp(&b.path))
    });
    rules.dedup_by(|a, b| a.path == b.path && a.grant == b.grant);
    Ok(LandlockPlan {
        minimum_abi: wanted.minimum_abi,
        best_effort: wanted.best_effort,
        rules,
        scoped: ground.shared,
    })
}

/// The rule of a writable path. The kernel's own file systems give less than a policy may write.
fn writable(path: &Path, remarks: &mut Vec<String>) -> LandlockRule {
    if is_proc(path) {
        return rule(path, Grant::ReadWriteFiles);
    }
    if path.starts_with("/sys") {
        remarks.push(format!(
            "`{}` stays read-only: /sys is the host's",
            path.display()
        ));
        return rule(path, Grant::Read);
    }
    if path.starts_with("/dev") {
        return rule(path, Grant::Device);
    }
    let required = path == Path::new(SANDBOX) || path == Path::new(TMP);
    LandlockRule {
        required,
        ..rule(path, Grant::Write)
    }
}

fn is_proc(path: &Path) -> bool {
    path.starts_with("/proc")
}

fn rule(path: &Path, grant: Grant) -> LandlockRule {
    LandlockRule {
        path: path.to_path_buf(),
        grant,
        required: false,
        identity: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nemoclaw_policy::policy::{Filesystem, Landlock, Mode, Process};

    fn planned_for(
        read_only: &[&str],
        read_write: &[&str],
        devices: &[&str],
    ) -> Vec<(String, Grant)> {
        let list = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        let filesystem = Filesystem {
            read_only: list(read_only),
            read_write: list(read_write),
            include_workdir: false,
        };
        let policy = Policy {
            name: "p".to_owned(),
            mode: Mode::Confined,
            filesystem: filesystem.clone(),
            landlock: Landlock {
                best_effort: false,
                minimum_abi: 1,
            },
            process: Process::default(),
            devices: nemoclaw_policy::device::Devices::default(),
            network: Vec::new(),
            ..Policy::load(&nemoclaw_policy::Source::text("p", "version: 1\n")).unwrap()
        };
        let rules = PathRules::new(&filesystem, Path::new("/"));
        let host = HostFacts {
            landlock_abi: 7,
            ..HostFacts::default()
        };
        let devices = list(devices);
        let ground = Ground {
            policy: &policy,
            rules: &rules,
            host: &host,
            devices: &devices,
            ours: &[],
            shared: false,
        };
        let plan = planned(&ground, &mut Vec::new()).unwrap();
        plan.rules
            .into_iter()
            .map(|rule| (rule.path.display().to_string(), rule.grant))
            .collect()
    }

    fn has(rules: &[(String, Grant)], path: &str, grant: Grant) -> bool {
        rules
            .iter()
            .any(|(at, given)| at == path && *given == grant)
    }

    #[test]
    fn an_unlisted_proc_is_not_granted() {
        let rules = planned_for(&["/usr"], &["/sandbox"], &[]);
        assert!(!rules.iter().any(|(path, _)| path.starts_with("/proc")));
        assert!(has(
            &planned_for(&["/"], &[], &[]),
            "/proc",
            Grant::ReadWriteFiles
        ));
        assert!(has(
            &planned_for(&["/proc"], &[], &[]),
            "/proc",
            Grant::ReadWriteFiles
        ));
    }

    #[test]
    fn the_kernels_own_places_never_become_ordinary_writable_ones() {
        let rules = planned_for(&["/usr"], &["/dev/null", "/sys/fs", "/proc/self"], &[]);
        assert!(has(&rules, "/sys/fs", Grant::Read));
        assert!(has(&rules, "/proc/self", Grant::ReadWriteFiles));
        assert_eq!(
            rules.iter().filter(|(path, _)| path == "/dev/null").count(),
            1
        );
        assert!(rules.iter().all(|(_, grant)| *grant != Grant::Write));
    }

    #[test]
    fn an_engines_device_gets_a_rule_of_its_own() {
        assert!(has(
            &planned_for(&["/"], &[], &["/dev/vendor0"]),
            "/dev/vendor0",
            Grant::Device
        ));
    }

    #[test]
    fn general_rules_come_before_special_ones() {
        let rules = planned_for(&["/", "/usr/share/x"], &["/sandbox"], &[]);
        let depth = |path: &String| Path::new(path).components().count();
        assert!(
            rules
                .windows(2)
                .all(|pair| depth(&pair[0].0) <= depth(&pair[1].0))
        );
    }
}
