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
