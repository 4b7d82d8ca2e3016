//! `features`: what this runtime supports, in the OCI's form. Engines refuse what is not named here, so nothing is named
//! that a box would not get.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::{Value, json};

use super::printer;
use super::state::OCI_VERSION;
use crate::raise::{labels, options};
use crate::sys::landlock;

/// The version of policies that this runtime reads.
const POLICY_VERSION: &str = "1";
/// What `SECCOMP_FILTER_FLAG_*` a profile may ask for.
const SECCOMP_FLAGS: [&str; 4] = [
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];

/// Run the verb.
pub fn run() -> Result<()> {
    printer::json(&features(landlock::kernel_abi(), labels::has_apparmor()))
}

fn features(landlock_abi: u32, apparmor: bool) -> Value {
    json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": OCI_VERSION,
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
        "mountOptions": options::known(),
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "capabilities": caps::all().into_iter().map(|one| one.to_string()).collect::<BTreeSet<_>>(),
            "cgroup": { "v1": true, "v2": true, "systemd": true, "systemdUser": false, "rdma": true },
            "seccomp": seccomp(),
            "apparmor": { "enabled": apparmor },
            "selinux": { "enabled": labels::has_selinux() },
            "intelRdt": { "enabled": true, "schemata": true, "monitoring": true },
            "memoryPolicy": {
                "modes": [
                    "MPOL_DEFAULT", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED",
                    "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE"
                ],
                "flags": ["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"]
            },
            "mountExtensions": { "idmap": { "enabled": true } },
            // Moved under the policy `unconfined` only; a sandbox's way out is the router.
            "netDevices": { "enabled": true }
        },
        "annotations": {
            "nemoclaw.dev/version": env!("CARGO_PKG_VERSION"),
            "nemoclaw.dev/commit": env!("NEMOCLAW_COMMIT"),
            "nemoclaw.dev/landlock-abi": landlock_abi.to_string(),
            "nemoclaw.dev/policy-version": POLICY_VERSION
        },
        "potentiallyUnsafeConfigAnnotations": [nemoclaw_policy::handover::POLICY_ANNOTATION]
    })
}

fn seccomp() -> Value {
    json!({
        "enabled": true,
        "actions": [
            "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
            "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"
        ],
        "operators": [
            "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
            "SCMP_CMP_NE"
        ],
        "archs": crate::enforce::seccomp::architectures(),
        "knownFlags": SECCOMP_FLAGS,
        "supportedFlags": SECCOMP_FLAGS
    })
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::Features;

    use super::*;

    const NATIVE: &str = if cfg!(target_arch = "aarch64") {
        "SCMP_ARCH_AARCH64"
    } else {
        "SCMP_ARCH_X86_64"
    };

    #[test]
    fn it_reads_as_the_ocis_features_and_says_nothing_it_leaves_out() {
        let text = features(7, false);
        let read: Features = serde_json::from_value(text.clone()).unwrap();
        let linux = read.linux().clone().unwrap();
        assert_eq!(linux.namespaces().as_ref().map(Vec::len), Some(8));
        assert_eq!(text["linux"]["apparmor"]["enabled"], false);
        assert_eq!(text["linux"]["selinux"]["enabled"], false);
        assert_eq!(text["annotations"]["nemoclaw.dev/landlock-abi"], "7");
        let seccomp = &text["linux"]["seccomp"];
        assert_eq!(seccomp["actions"].as_array().map(Vec::len), Some(9));
        assert_eq!(seccomp["archs"][0], NATIVE);
    }
}
