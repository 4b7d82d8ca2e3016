//! Manifests for a cluster: the files of `integration/kubernetes`, with an image, an engine and runtimes put in.
//!
//! The files there are what `register kubernetes` gives when nothing is asked for, so that both ways lead to the same.

use crate::args::{Cluster, ClusterEngine, Named};

/// A manifest and its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The file's name.
    pub file: &'static str,
    /// Its text.
    pub text: String,
    /// People edit it: one that is there is not overwritten.
    pub edited: bool,
}

/// What stands in the files for what can be chosen.
const IMAGE: &str = concat!("image: nemoclaw:", env!("CARGO_PKG_VERSION"), "\n");
const RUNTIMES: &str = "              value: nemoclaw\n";
const ENGINE: &str = "              value: containerd\n";
const ENGINE_DIRECTORY: &str = "/etc/containerd";

/// What installs.
pub fn install(cluster: &Cluster) -> Vec<Manifest> {
    let runtimes: Vec<String> = cluster.runtimes.iter().map(written).collect();
    let daemons = adapted(include_str!("../../kubernetes/daemonset.yaml"), cluster);
    let daemons = daemons.replace(
        RUNTIMES,
        &format!("              value: {}\n", runtimes.join(" ")),
    );
    vec![
        fixed(
            "kustomization.yaml",
            include_str!("../../kubernetes/kustomization.yaml"),
        ),
        fixed(
            "namespace.yaml",
            include_str!("../../kubernetes/namespace.yaml"),
        ),
        edited("config.yaml", include_str!("../../kubernetes/config.yaml")),
        edited(
            "policies.yaml",
            include_str!("../../kubernetes/policies.yaml"),
        ),
        fixed("runtimeclasses.yaml", &classes(&cluster.runtimes)),
        fixed("daemonset.yaml", &daemons),
    ]
}

/// What takes everything out again.
pub fn uninstall(cluster: &Cluster) -> Vec<Manifest> {
    vec![
        fixed(
            "kustomization.yaml",
            include_str!("../../kubernetes/uninstall/kustomization.yaml"),
        ),
        fixed(
            "namespace.yaml",
            include_str!("../../kubernetes/uninstall/namespace.yaml"),
        ),
        fixed(
            "daemonset.yaml",
            &adapted(
                include_str!("../../kubernetes/uninstall/daemonset.yaml"),
                cluster,
            ),
        ),
    ]
}

/// All manifests as one text, for `kubectl apply -f -`; kustomize's own file is none.
pub fn stream(manifests: &[Manifest]) -> String {
    let texts: Vec<&str> = manifests
        .iter()
        .filter(|manifest| manifest.file != "kustomization.yaml")
        .map(|manifest| manifest.text.trim_end())
        .collect();
    texts.join("\n---\n")
}

/// A RuntimeClass for each runtime; all but the names is as in the first.
fn classes(runtimes: &[Named]) -> String {
    let whole = include_str!("../../kubernetes/runtimeclasses.yaml");
    let class = |runtime: &Named| {
        whole
            .replace(
                "runtimeClassName: nemoclaw`",
                &format!("runtimeClassName: {}`", runtime.name),
            )
            .replace(
                "\n  name: nemoclaw\n",
                &format!("\n  name: {}\n", runtime.name),
            )
            .replace(
                "handler: nemoclaw\n",
                &format!("handler: {}\n", runtime.name),
            )
    };
    let texts: Vec<String> = runtimes.iter().map(class).collect();
    texts.join("---\n")
}

fn adapted(text: &str, cluster: &Cluster) -> String {
    let text = text.replace(IMAGE, &format!("image: {}\n", cluster.image));
    match cluster.engine {
        ClusterEngine::Containerd => text,
        ClusterEngine::Crio => text
            .replace(ENGINE, "              value: crio\n")
            .replace(ENGINE_DIRECTORY, "/etc/crio"),
    }
}

fn written(named: &Named) -> String {
    match &named.policy {
        Some(policy) => format!("{}={policy}", named.name),
        None => named.name.clone(),
    }
}

fn fixed(file: &'static str, text: &str) -> Manifest {
    Manifest {
        file,
        text: text.to_owned(),
        edited: false,
    }
}

fn edited(file: &'static str, text: &str) -> Manifest {
    Manifest {
        edited: true,
        ..fixed(file, text)
    }
}
