//! The laws of meeting two policies: commutative and idempotent in effect, never wider than either.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::path::{Path, PathBuf};

use nemoclaw_policy::device::{DeviceName, DevicePattern, Devices};
use nemoclaw_policy::narrow::{identity_conflict, meet};
use nemoclaw_policy::policy::{Filesystem, Level, Mode};
use nemoclaw_policy::{Flow, HttpRequest, Policy, Source, Verdict, builtin};
use proptest::prelude::*;

/// A small world, so that paths and hosts often coincide.
const PATHS: &[&str] = &["/", "/a", "/a/b", "/a/b/c", "/ab", "/d", "/d/e"];
const PROBES: &[&str] = &[
    "/", "/a", "/a/x", "/a/b", "/a/b/x", "/a/b/c", "/a/b/c/x", "/ab", "/ab/c", "/d", "/d/e/f", "/z",
];
const HOSTS: &[&str] = &[
    "a.example.com",
    "b.example.com",
    "\"*.example.com\"",
    "\"**.example.com\"",
];
const RULES: &[&str] = &[
    "",
    ", protocol: rest, access: full",
    ", access: read-only",
    ", access: read-write",
    ", access: read-only, path: /x/**",
    ", access: full, deny_rules: [{method: GET, path: /x/*}]",
    ", rules: [{allow: {method: POST, path: \"/*/y\"}}]",
    ", access: read-only, enforcement: audit",
];

/// Entries of `devices`, and names to ask about.
const DEVICES: &[&str] = &["v.com/d=0", "v.com/d=1", "v.com/d=*", "w.com/e=0"];
const NAMES: &[&str] = &[
    "v.com/d=0",
    "v.com/d=1",
    "v.com/d=2",
    "w.com/e=0",
    "w.com/e=1",
];

/// The level of a path by the plainest reading of the rule: walk upwards, the first listed path decides.
fn naive(filesystem: &Filesystem, path: &Path) -> Level {
    for above in path.ancestors() {
        if filesystem.read_write.iter().any(|listed| listed == above) {
            return Level::Write;
        }
        if filesystem.read_only.iter().any(|listed| listed == above) {
            return Level::Read;
        }
    }
    Level::None
}

fn filesystems() -> impl Strategy<Value = Filesystem> {
    (prop::collection::vec(0u8..3, PATHS.len()), any::<bool>()).prop_map(
        |(levels, include_workdir)| {
            let pick = |wanted: u8| {
                PATHS
                    .iter()
                    .zip(&levels)
                    .filter(|(_, level)| **level == wanted)
                    .map(|(path, _)| PathBuf::from(path))
                    .collect()
            };
            Filesystem {
                read_only: pick(1),
                read_write: pick(2),
                include_workdir,
            }
        },
    )
}

fn networks() -> impl Strategy<Value = String> {
    prop::collection::vec((0..HOSTS.len(), 0..RULES.len(), prop::bool::ANY), 0..5).prop_map(|endpoints| {
        let mut text = String::from("version: 1\nnetwork_policies:\n  none:\n    endpoints: [{host: never.invalid, port: 1}]\n");
        for (i, (host, rule, tls)) in endpoints.into_iter().enumerate() {
            let port = if tls { 443 } else { 80 };
            text.push_str(&format!("  e{i}:\n    endpoints: [{{host: {}, port: {port}{}}}]\n", HOSTS[host], RULES[rule]));
        }
        text
    })
}

/// A policy's word on devices, or none.
fn devices() -> impl Strategy<Value = Devices> {
    prop::option::of(prop::sample::subsequence(DEVICES, 0..=DEVICES.len())).prop_map(|entries| {
        let entry = |text: &&str| DevicePattern::parse(text).unwrap();
        entries.map_or_else(Devices::default, |entries| {
            Devices::listed(entries.iter().map(entry).collect())
        })
    })
}

/// Which devices may be there and which are given.
fn given(devices: &Devices) -> Vec<(bool, bool)> {
    let name = |text: &&str| DeviceName::parse(text).unwrap();
    NAMES
        .iter()
        .map(name)
        .map(|name| (devices.allow(&name), devices.requested().contains(&name)))
        .collect()
}

fn policies() -> impl Strategy<Value = Policy> {
    let modes = prop::sample::select(vec![Mode::Offline, Mode::Confined, Mode::Relaxed]);
    let landlock = (any::<bool>(), 1u32..8);
    (filesystems(), networks(), modes, landlock, devices()).prop_map(
        |(filesystem, text, mode, (best_effort, abi), devices)| {
            let mut policy =
                Policy::load(&Source::text(format!("/p{}.yaml", text.len()), &text)).unwrap();
            policy.filesystem = filesystem;
            policy.mode = mode;
            policy.devices = devices;
            policy.landlock.best_effort = best_effort;
            policy.landlock.minimum_abi = abi;
            if mode == Mode::Relaxed {
                policy.process.capabilities = vec!["CHOWN".into(), "KILL".into()];
            }
            policy
        },
    )
}

/// What a policy lets pass: 0 refused, 1 recorded and passed, 2 passed.
fn effect(policy: &Policy) -> Vec<u8> {
    let mut effect = Vec::new();
    for host in [
        "a.example.com",
        "b.example.com",
        "c.d.example.com",
        "never.invalid",
        "other.org",
    ] {
        for port in [80, 443] {
            for (method, path) in [
                ("", ""),
                ("GET", "/"),
                ("GET", "/x/y"),
                ("POST", "/x/y"),
                ("DELETE", "/q"),
                ("PUT", "/x"),
            ] {
                let flow = Flow {
                    http: (!method.is_empty()).then(|| HttpRequest::new(method, path)),
                    ..Flow::to(host, port)
                };
                effect.push(match policy.decide(&flow) {
                    Verdict::Deny { .. } | Verdict::Ask { .. } => 0,
                    Verdict::Allow {
                        audit_only: true, ..
                    } => 1,
                    Verdict::Allow { .. } => 2,
                });
            }
        }
    }
    effect
}

fn levels(filesystem: &Filesystem) -> Vec<Level> {
    PROBES
        .iter()
        .map(|path| filesystem.level(Path::new(path)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_level_is_the_deepest_listed_path_above(filesystem in filesystems()) {
        for path in PROBES {
            prop_assert_eq!(filesystem.level(Path::new(path)), naive(&filesystem, Path::new(path)));
        }
    }

    #[test]
    fn paths_meet_at_the_lesser_level_everywhere(a in policies(), b in policies()) {
        let met = meet(&a, &b).filesystem;
        for path in PROBES.iter().map(Path::new) {
            prop_assert_eq!(naive(&met, path), naive(&a.filesystem, path).min(naive(&b.filesystem, path)));
        }
        prop_assert_eq!(met.include_workdir, a.filesystem.include_workdir && b.filesystem.include_workdir);
    }

    #[test]
    fn meeting_is_commutative_idempotent_and_never_wider(a in policies(), b in policies()) {
        let (ab, ba, aa) = (meet(&a, &b), meet(&b, &a), meet(&a, &a));
        prop_assert_eq!(effect(&ab), effect(&ba));
        prop_assert_eq!(levels(&ab.filesystem), levels(&ba.filesystem));
        prop_assert_eq!((ab.mode, ab.landlock), (ba.mode, ba.landlock));
        prop_assert_eq!(&ab.process, &ba.process);
        prop_assert_eq!(given(&ab.devices), given(&ba.devices));
        prop_assert_eq!(given(&aa.devices), given(&a.devices));
        prop_assert_eq!(effect(&aa), effect(&a));
        prop_assert_eq!(levels(&aa.filesystem), levels(&a.filesystem));
        prop_assert_eq!((aa.mode, aa.landlock, &aa.process, &aa.name), (a.mode, a.landlock, &a.process, &a.name));
        for one in [&a, &b] {
            prop_assert!(effect(&ab).iter().zip(effect(one)).all(|(met, own)| *met <= own));
            prop_assert!(ab.mode <= one.mode && ab.landlock.minimum_abi >= one.landlock.minimum_abi);
            let wider = |(met, own): (&(bool, bool), &(bool, bool))| met.0 && !own.0;
            prop_assert!(!given(&ab.devices).iter().zip(&given(&one.devices)).any(wider));
            prop_assert!(one.devices.ceiling().is_some() || ab.devices.requested().is_empty());
            prop_assert!(one.landlock.best_effort || !ab.landlock.best_effort);
            prop_assert!(ab.process.capabilities.iter().all(|name| one.process.capabilities.contains(name)));
        }
    }

    #[test]
    fn meeting_is_associative(a in policies(), b in policies(), c in policies()) {
        let (left, right) = (meet(&meet(&a, &b), &c), meet(&a, &meet(&b, &c)));
        prop_assert_eq!(effect(&left), effect(&right));
        prop_assert_eq!(levels(&left.filesystem), levels(&right.filesystem));
        prop_assert_eq!(given(&left.devices), given(&right.devices));
        prop_assert_eq!(left.network.len(), right.network.len());
    }
}

fn shipped(name: &str) -> Policy {
    Policy::load(&Source::builtin(name, builtin::policy(name).unwrap())).unwrap()
}

#[test]
fn unconfined_is_the_neutral_policy() {
    for name in ["default", "strict", "offline", "dev", "gpu"] {
        let own = shipped(name);
        let met = meet(&shipped("unconfined"), &own);
        assert_eq!(
            (met.mode, &met.network, &met.landlock.minimum_abi),
            (own.mode, &own.network, &own.landlock.minimum_abi)
        );
        assert_eq!(met.filesystem.read_write, own.filesystem.read_write);
        assert!(
            met.process.capabilities.is_empty(),
            "no capability comes from a policy that lists none"
        );
    }
}

#[test]
fn two_accounts_have_nothing_in_common() {
    let user = |id: &str| {
        Policy::load(&Source::text(
            "p",
            &format!("version: 1\nprocess: {{run_as_user: {id}}}\n"),
        ))
        .unwrap()
    };
    assert_eq!(
        identity_conflict(&user("5"), &user("6")),
        Some("run_as_user")
    );
    assert_eq!(
        identity_conflict(&user("5"), &user("sandbox")),
        Some("run_as_user")
    );
    assert_eq!(identity_conflict(&user("5"), &user("5")), None);
    assert_eq!(identity_conflict(&user("5"), &shipped("default")), None);
    assert_eq!(
        meet(&user("5"), &shipped("default")).process.run_as_user,
        user("5").process.run_as_user
    );
}
