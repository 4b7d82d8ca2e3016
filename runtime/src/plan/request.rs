//! What the spec asks about its policy.

use std::path::{Path, PathBuf};

use libcontainer::oci_spec::runtime::Spec;
use nemoclaw_policy::handover::{POLICY_ANNOTATION, POLICY_ENVIRONMENT};
use nemoclaw_policy::resolve::Request;

use super::mounts;

/// Collects the policy's names from the annotation and the environment, and the host directories the box could write.
pub fn policy_request(spec: &Spec, handler: Option<String>) -> Request {
    let annotation = spec
        .annotations()
        .as_ref()
        .and_then(|all| all.get(POLICY_ANNOTATION))
        .cloned();
    let prefix = format!("{POLICY_ENVIRONMENT}=");
    let environment = spec
        .process()
        .as_ref()
        .and_then(|process| process.env().as_ref())
        .and_then(|env| {
            env.iter()
                .rev()
                .find_map(|entry| entry.strip_prefix(&prefix))
        })
        .filter(|name| !name.is_empty())
        .map(str::to_owned);
    Request {
        handler,
        annotation,
        environment,
        writable_mounts: sources(spec),
    }
}

/// Sources of bind mounts that are not asked to be read-only.
fn sources(spec: &Spec) -> Vec<PathBuf> {
    spec.mounts()
        .iter()
        .flatten()
        .filter(|mount| mounts::is_bind(mount) && !mounts::asks_readonly(mount))
        .filter_map(|mount| mount.source().as_deref())
        .filter(|source| source.is_absolute())
        .map(Path::to_path_buf)
        .collect()
}
