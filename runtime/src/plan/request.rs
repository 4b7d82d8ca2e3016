//! What the spec asks about its policy.

use std::fs;
use std::path::PathBuf;

use oci_spec::runtime::Spec;
use nemoclaw_policy::handover::{POLICY_ANNOTATION, POLICY_ENVIRONMENT};
use nemoclaw_policy::resolve::Request;

use super::mounts::{asks_readonly, is_bind};

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

/// Sources of bind mounts that are not asked to be read-only: as given, and without symbolic links where one leads on.
fn sources(spec: &Spec) -> Vec<PathBuf> {
    let writable = spec
        .mounts()
        .iter()
        .flatten()
        .filter(|mount| is_bind(mount) && !asks_readonly(mount));
    let given = writable
        .filter_map(|mount| mount.source().clone())
        .filter(|source| source.is_absolute());
    given
        .flat_map(|source| {
            let real = fs::canonicalize(&source)
                .ok()
                .filter(|real| *real != source);
            [Some(source), real].into_iter().flatten()
        })
        .collect()
}
