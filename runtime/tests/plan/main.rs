//! The plan, made from configs that real engines wrote: Docker 20.10 and 26.1, Podman 4.3, containerd's CRI 1.6.
//!
//! The configs in `samples/` are as written but for shortened seccomp profiles.

#![allow(clippy::unwrap_used)] // helpers of tests

mod bundle;
mod cdi;
mod disk;
mod exec;
mod refusals;
mod resources;
mod snapshots;
mod volumes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nemoclaw_policy::handover::PolicyText;
use nemoclaw_policy::node::NodeConfig;
use nemoclaw_policy::policy::{Filesystem, Landlock, Mode, Policy, Process};
use nemoclaw_policy::provider::Providers;
use nemoclaw_runtime::plan::{
    self, HostFacts, Inputs, JoinedNamespace, PathKind, Plan, Refusal, RootfsFacts, SourceFacts,
    SourceKind,
};
use oci_spec::runtime::{LinuxNamespaceType, Spec};
use serde_json::Value;

/// A sample as JSON, to be changed before it is read as a spec.
fn sample(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/samples")
        .join(name)
        .with_extension("json");
    serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()
}

/// Everything a plan is made from, each part open to change by a test.
struct World {
    config: Value,
    policy: Policy,
    host: HostFacts,
    rootfs: RootfsFacts,
    policy_path: Option<PathBuf>,
    providers: Providers,
}

impl World {
    /// The sample `name` on an ordinary machine, with an image that has `/tmp` and a CA bundle but no `/sandbox`.
    fn of(name: &str) -> World {
        let config = sample(name);
        let spec: Spec = serde_json::from_value(config.clone()).unwrap();
        World {
            config,
            policy: policy(),
            host: host(&spec),
            rootfs: rootfs(),
            policy_path: None,
            providers: Providers::default(),
        }
    }

    fn spec(&self) -> Spec {
        serde_json::from_value(self.config.clone()).unwrap()
    }

    fn plan(&self) -> Result<Plan, Refusal> {
        let spec = self.spec();
        let texts = [PolicyText {
            name: "default".to_owned(),
            path: self.policy_path.clone(),
            text: "version: 1\n".to_owned(),
        }];
        plan::make(&Inputs {
            id: "box1",
            spec: &spec,
            policy: &self.policy,
            texts: &texts,
            node: &node(),
            providers: &self.providers,
            host: &self.host,
            rootfs: &self.rootfs,
            bundle: Path::new("/run/engine/box1"),
            box_dir: Path::new("/run/nemoclaw/boxes/box1"),
        })
    }

    /// Adds a bind mount of an ordinary host directory that root owns.
    fn mount(&mut self, source: &str, destination: &str, options: &[&str]) -> &mut SourceFacts {
        let mount = serde_json::json!({
            "destination": destination, "type": "bind", "source": source, "options": options,
        });
        self.config["mounts"].as_array_mut().unwrap().push(mount);
        self.host
            .sources
            .entry(source.into())
            .or_insert_with(|| directory(source))
    }
}

fn directory(path: &str) -> SourceFacts {
    SourceFacts {
        canonical: path.into(),
        kind: SourceKind::Directory,
        uid: 0,
        gid: 0,
        mode: 0o755,
        capacity: None,
    }
}

fn policy() -> Policy {
    Policy {
        name: "default".to_owned(),
        mode: Mode::Confined,
        filesystem: Filesystem {
            read_only: ["/", "/sandbox/.policy"].map(PathBuf::from).to_vec(),
            read_write: ["/sandbox", "/tmp"].map(PathBuf::from).to_vec(),
            include_workdir: false,
        },
        landlock: Landlock {
            best_effort: false,
            minimum_abi: 1,
        },
        process: Process::default(),
        devices: nemoclaw_policy::device::Devices::default(),
        network: Vec::new(),
        places: nemoclaw_policy::policy::Places::default(),
        ..Policy::load(&nemoclaw_policy::Source::text("p", "version: 1\n")).unwrap()
    }
}

fn host(spec: &Spec) -> HostFacts {
    let binds = spec
        .mounts()
        .iter()
        .flatten()
        .filter(|mount| mount.source().as_ref().is_some_and(|s| s.is_absolute()));
    let sources: BTreeMap<_, _> = binds
        .filter_map(|mount| mount.source().clone())
        .map(|source| (source.clone(), directory(&source.to_string_lossy())))
        .collect();
    let namespaces = spec
        .linux()
        .as_ref()
        .and_then(|linux| linux.namespaces().clone())
        .unwrap_or_default();
    let joined = namespaces.iter().filter_map(|namespace| {
        let path = namespace.path().clone()?;
        let pod = path.starts_with("/proc");
        Some(JoinedNamespace {
            kind: namespace.typ(),
            path,
            guarded_by: pod.then(|| "pod1".to_owned()),
            online: pod,
            foreign_processes: pod,
            is_host: false,
        })
    });
    HostFacts {
        landlock_abi: 7,
        cgroup_version: 1,
        runtime_binary: "/usr/local/bin/nemoclaw-runtime".into(),
        egress_hook: "/usr/local/bin/nemoclaw-egress".into(),
        egress_hook_present: true,
        cap_sys_resource: false,
        oom_score_adj: 0,
        hard_limits: [
            ("RLIMIT_NOFILE".to_owned(), 20_000),
            ("RLIMIT_NPROC".to_owned(), 96_365),
        ]
        .into(),
        sources,
        own_paths: vec![
            "/run/nemoclaw/boxes".into(),
            "/run/nemoclaw/router.sock".into(),
        ],
        kernel_mounts: Vec::new(),
        joined: joined.collect(),
    }
}

fn rootfs() -> RootfsFacts {
    RootfsFacts {
        paths: [("/tmp".into(), PathKind::Directory)].into(),
        ca_bundles: vec!["/etc/ssl/certs/ca-certificates.crt".into()],
        ..RootfsFacts::default()
    }
}

fn node() -> NodeConfig {
    NodeConfig {
        selectable: Vec::new(),
        ..NodeConfig::default()
    }
}

/// The namespace of `kind` in the plan's spec.
fn has_namespace(plan: &Plan, kind: LinuxNamespaceType) -> bool {
    let linux = plan.spec.linux().as_ref().unwrap();
    linux
        .namespaces()
        .iter()
        .flatten()
        .any(|namespace| namespace.typ() == kind)
}
