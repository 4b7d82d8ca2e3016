//! An engine's `config.json`: a plan or a refusal, and a plan never has what no box may have.

use std::collections::BTreeMap;
use std::path::Path;

use nemoclaw_policy::handover::PolicyText;
use nemoclaw_policy::node::NodeConfig;
use nemoclaw_policy::provider::Providers;
use nemoclaw_policy::{Policy, Source};
use nemoclaw_runtime::plan::{self, HostFacts, Inputs, RootfsFacts, SourceFacts, SourceKind};
use oci_spec::runtime::Spec;

const TEXT: &str = include_str!("../../profiles/policies/default.yaml");

/// Plan the box that `bytes` describe, under the policy `default`.
pub fn run(bytes: &[u8]) {
    let Ok(spec) = serde_json::from_slice::<Spec>(bytes) else {
        return;
    };
    let source = Source::text("default.yaml", TEXT);
    let policy = Policy::load(&source).unwrap_or_else(|fault| panic!("{fault}"));
    let texts = [PolicyText {
        name: "default".to_owned(),
        path: None,
        text: TEXT.to_owned(),
    }];
    let plan = plan::make(&Inputs {
        id: "box1",
        spec: &spec,
        policy: &policy,
        texts: &texts,
        node: &NodeConfig::default(),
        providers: &Providers::default(),
        host: &host(&spec),
        rootfs: &RootfsFacts::default(),
        bundle: Path::new("/run/engine/box1"),
        box_dir: Path::new("/run/nemoclaw/boxes/box1"),
    });
    if let Ok(plan) = plan {
        let process = plan.spec.process().as_ref();
        assert!(process.is_none_or(|process| process.no_new_privileges() == Some(true)));
    }
}

fn host(spec: &Spec) -> HostFacts {
    let mounts = spec.mounts().iter().flatten();
    let sources: BTreeMap<_, _> = mounts
        .filter_map(|mount| mount.source().clone())
        .filter(|source| source.is_absolute())
        .map(|source| (source.clone(), directory(&source)))
        .collect();
    HostFacts {
        landlock_abi: 7,
        cgroup_version: 2,
        runtime_binary: "/usr/local/bin/nemoclaw-runtime".into(),
        egress_hook: "/usr/local/bin/nemoclaw-egress".into(),
        egress_hook_present: true,
        cap_sys_resource: false,
        oom_score_adj: 0,
        hard_limits: BTreeMap::new(),
        sources,
        own_paths: vec!["/run/nemoclaw/boxes".into()],
        kernel_mounts: Vec::new(),
        joined: Vec::new(),
    }
}

fn directory(path: &Path) -> SourceFacts {
    SourceFacts {
        canonical: path.to_owned(),
        kind: SourceKind::Directory,
        uid: 0,
        gid: 0,
        mode: 0o755,
        capacity: None,
    }
}
