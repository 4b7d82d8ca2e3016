//! `register` and `unregister`: an engine, its file, and runtimes with a policy each.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args as Arguments, Subcommand, ValueEnum};

/// Engines to register with.
#[derive(Debug, Subcommand)]
pub enum Register {
    /// Docker: `runtimes` in daemon.json.
    #[command(after_help = "Examples:
  nemoclaw register docker --dry-run
  nemoclaw register docker --config /etc/docker/daemon.json
  nemoclaw register docker --runtime nemoclaw --runtime nemoclaw-strict=strict")]
    Docker(Registration),
    /// containerd: runtimes of its CRI plugin in config.toml (version 1, 2 or 3), for Kubernetes and crictl.
    #[command(after_help = "Examples:
  nemoclaw register containerd --dry-run
  nemoclaw register containerd --runtime nemoclaw --runtime nemoclaw-strict=strict

containerd gives a runtime no arguments: a policy is in the name of a link beside the program, which is made too.")]
    Containerd(Registration),
    /// Podman: `[engine.runtimes]` in containers.conf.
    #[command(after_help = "Examples:
  nemoclaw register podman --dry-run
  nemoclaw register podman --runtime nemoclaw-offline=offline

A policy is in the name of a link beside the program, which is made too.")]
    Podman(Registration),
    /// CRI-O: `[crio.runtime.runtimes]` in a file of crio.conf.d, or in crio.conf.
    #[command(after_help = "Examples:
  nemoclaw register crio --dry-run
  nemoclaw register crio --config /etc/crio/crio.conf --runtime nemoclaw-strict=strict

A policy is in the name of a link beside the program, which is made too.")]
    Crio(Registration),
    /// Kubernetes: print a RuntimeClass for each runtime, and a DaemonSet that installs them on every node.
    #[command(after_help = "Examples:
  nemoclaw register kubernetes
  nemoclaw register kubernetes --image nemoclaw:0.1.0 --runtime nemoclaw --runtime nemoclaw-strict=strict
  nemoclaw register kubernetes --image nemoclaw:0.1.0 --engine crio --directory deploy")]
    Kubernetes(Cluster),
}

/// Engines to unregister from.
#[derive(Debug, Subcommand)]
pub enum Unregister {
    /// Docker.
    #[command(after_help = "Examples:
  nemoclaw unregister docker
  nemoclaw unregister docker --runtime nemoclaw-strict")]
    Docker(Removal),
    /// containerd.
    #[command(after_help = "Examples:
  nemoclaw unregister containerd --dry-run")]
    Containerd(Removal),
    /// Podman.
    #[command(after_help = "Examples:
  nemoclaw unregister podman --dry-run")]
    Podman(Removal),
    /// CRI-O.
    #[command(after_help = "Examples:
  nemoclaw unregister crio --dry-run")]
    Crio(Removal),
    /// Kubernetes: print a DaemonSet that takes them out on every node again.
    #[command(after_help = "Examples:
  nemoclaw unregister kubernetes --directory undeploy")]
    Kubernetes(Cluster),
}

/// `register ENGINE`.
#[derive(Debug, Arguments)]
pub struct Registration {
    /// The engine's configuration (default: the engine's usual file).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A runtime's name in the engine, and the policy of its sandboxes (else the node's default); may be repeated.
    #[arg(
        long = "runtime",
        value_name = "NAME[=POLICY]",
        default_value = "nemoclaw"
    )]
    pub runtimes: Vec<Named>,
    /// Show what would change, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// `unregister ENGINE`.
#[derive(Debug, Arguments)]
pub struct Removal {
    /// The engine's configuration (default: the engine's usual file).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only this runtime; may be repeated. All whose program is ours when omitted.
    #[arg(long = "runtime", value_name = "NAME")]
    pub runtimes: Vec<String>,
    /// Show what would change, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// `register kubernetes`, `unregister kubernetes`.
#[derive(Debug, Arguments)]
pub struct Cluster {
    /// The image with our programs (built by integration/kubernetes/image/build.sh).
    #[arg(long, value_name = "IMAGE", default_value = concat!("nemoclaw:", env!("CARGO_PKG_VERSION")))]
    pub image: String,
    /// The nodes' engine.
    #[arg(long, value_enum, default_value = "containerd")]
    pub engine: ClusterEngine,
    /// A RuntimeClass and the policy of its sandboxes; may be repeated.
    #[arg(
        long = "runtime",
        value_name = "NAME[=POLICY]",
        default_value = "nemoclaw"
    )]
    pub runtimes: Vec<Named>,
    /// Write a directory for `kubectl apply -k` instead of printing.
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

/// Engines of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClusterEngine {
    /// containerd.
    Containerd,
    /// CRI-O.
    Crio,
}

/// `NAME[=POLICY]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The runtime.
    pub name: String,
    /// Its policy.
    pub policy: Option<String>,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, policy) = match text.split_once('=') {
            Some((name, policy)) => (name, Some(policy)),
            None => (text, None),
        };
        // What Kubernetes takes as a handler, which every engine takes too.
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let sound = !name.is_empty()
            && name.len() <= 63
            && name.bytes().all(|byte| letters(byte) || byte == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-');
        if !sound {
            return Err(format!(
                "`{name}` is no runtime's name: small letters, digits and `-` only, at most 63"
            ));
        }
        if policy == Some("") {
            return Err("the policy after `=` is missing".to_owned());
        }
        Ok(Self {
            name: name.to_owned(),
            policy: policy.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Named;

    #[test]
    fn a_name_may_have_a_policy() {
        let named = |text: &str| {
            text.parse::<Named>()
                .map(|named| (named.name, named.policy))
        };
        assert_eq!(named("nemoclaw"), Ok(("nemoclaw".to_owned(), None)));
        assert_eq!(
            named("strict-one=strict"),
            Ok(("strict-one".to_owned(), Some("strict".to_owned())))
        );
        for text in ["", "=strict", "Name", "a_b", "-a", "a-", "a=", "a b"] {
            assert!(named(text).is_err(), "{text}");
        }
    }
}
