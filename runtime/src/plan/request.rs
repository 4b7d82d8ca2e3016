//! What the spec asks about its policy.

use std::fs;
use std::path::PathBuf;

use nemoclaw_policy::handover::{POLICY_ANNOTATION, POLICY_ENVIRONMENT};
use nemoclaw_policy::resolve::Request;
use oci_spec::runtime::Spec;

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
        namespace: namespace(spec),
        writable_mounts: sources(spec),
    }
}

/// How an engine says which Kubernetes namespace a box's pod is of. CRI-O's own word goes first: it passes on every
/// annotation of a pod, among them one that is made to look like containerd's.
const NAMESPACE_ANNOTATIONS: [&str; 2] = [
    "io.kubernetes.cri-o.Namespace",
    "io.kubernetes.cri.sandbox-namespace",
];

fn namespace(spec: &Spec) -> Option<String> {
    let annotations = spec.annotations().as_ref()?;
    let mut said = NAMESPACE_ANNOTATIONS
        .iter()
        .filter_map(|name| annotations.get(*name));
    said.next().cloned()
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
