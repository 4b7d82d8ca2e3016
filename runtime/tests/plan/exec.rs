//! `exec`: an exec'ed process is confined exactly as init is, whatever its process.json asks for.

use nemoclaw_policy::{Policy, Source, provider::Providers};
use nemoclaw_runtime::plan::{Confinement, exec_process};
use oci_spec::runtime::{PosixRlimitType, Process};
use serde_json::json;

use super::{World, sample};

fn docker_exec() -> Process {
    let mut given = sample("docker20-exec-tty-process");
    given["noNewPrivileges"] = json!(false);
    given["apparmorProfile"] = json!("docker-default");
    given["env"]
        .as_array_mut()
        .unwrap()
        .push(json!("SSL_CERT_FILE=/tmp/mine"));
    serde_json::from_value(given).unwrap()
}

#[test]
fn an_exec_gets_inits_capabilities_variables_and_limits() {
    let confinement = World::of("docker20-bridge").plan().unwrap().confinement;
    let process = exec_process(&docker_exec(), &confinement);
    let sets = process.capabilities().as_ref().unwrap();
    for set in [
        sets.bounding(),
        sets.effective(),
        sets.permitted(),
        sets.inheritable(),
        sets.ambient(),
    ] {
        assert_eq!(set.as_ref().map(|set| set.len()), Some(0));
    }
    assert_eq!(process.no_new_privileges(), Some(true));
    let env = process.env().clone().unwrap();
    assert!(env.contains(&"X=1".to_owned()) && env.contains(&"HOME=/sandbox".to_owned()));
    let bundles: Vec<_> = env
        .iter()
        .filter(|entry| entry.starts_with("SSL_CERT_FILE="))
        .collect();
    assert_eq!(
        bundles,
        ["SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"]
    );
    let limits = process.rlimits().clone().unwrap();
    let core = limits
        .iter()
        .find(|limit| limit.typ() == PosixRlimitType::RlimitCore);
    assert_eq!(core.map(|limit| (limit.soft(), limit.hard())), Some((0, 0)));
}

#[test]
fn what_is_no_matter_of_confinement_stays() {
    let confinement = World::of("docker20-bridge").plan().unwrap().confinement;
    let given = docker_exec();
    let process = exec_process(&given, &confinement);
    assert_eq!(process.args(), given.args());
    assert_eq!(process.cwd(), given.cwd());
    assert_eq!(process.user(), given.user());
    assert_eq!(process.terminal(), given.terminal());
    assert_eq!(process.apparmor_profile(), given.apparmor_profile());
}

#[test]
fn a_forced_user_is_forced_on_an_exec_too() {
    let confinement = Confinement {
        user: Some((998, 997)),
        ..Confinement::default()
    };
    let user = exec_process(&docker_exec(), &confinement).user().clone();
    assert_eq!(
        (user.uid(), user.gid(), user.additional_gids().clone()),
        (998, 997, None)
    );
}

#[test]
fn an_unconfined_exec_is_as_given() {
    let given = docker_exec();
    let process = exec_process(&given, &Confinement::default());
    assert_eq!(process.capabilities(), given.capabilities());
    assert_eq!(process.no_new_privileges(), Some(false));
    assert_eq!(process.env(), given.env());
}

#[test]
fn a_confinement_survives_the_state_file() {
    let confinement = World::of("docker20-bridge").plan().unwrap().confinement;
    let text = serde_json::to_string(&confinement).unwrap();
    let back: Confinement = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
}

#[test]
fn a_bound_provider_gives_placeholders_and_what_the_engine_sets_stays() {
    let mut world = World::of("docker20-bridge");
    let text = "version: 1\nproviders:\n  hub: { type: github, file: /a }\n  lab: { type: gitlab, file: /b }\n";
    world.providers = Providers::parse(&Source::text("providers.yaml", text)).unwrap();
    let env = world.config["process"]["env"].as_array_mut().unwrap();
    env.push("GH_TOKEN=the-engines-own".into());
    let none = world.plan().unwrap();
    assert!(none.confinement.placeholders.is_empty());

    let text = "version: 1\nnetwork_policies:\n  a:\n    endpoints:\n      - { host: api.github.com, port: 443, protocol: rest, access: full, credential_binding: { provider: hub } }\n";
    world.policy.network = Policy::load(&Source::text("p.yaml", text)).unwrap().network;
    let plan = world.plan().unwrap();
    let of = |process: &Process| -> Vec<String> {
        let env = process.env().clone().unwrap();
        env.into_iter()
            .filter(|entry| entry.contains("TOKEN="))
            .collect()
    };
    let init = plan.spec.process().as_ref().unwrap();
    assert_eq!(
        of(init),
        [
            "GH_TOKEN=the-engines-own",
            "GITHUB_TOKEN=nemoclaw:resolve:env:GITHUB_TOKEN"
        ]
    );
    assert!(
        plan.remarks
            .iter()
            .any(|remark| remark.contains("`GH_TOKEN`")),
        "{:?}",
        plan.remarks
    );
    let exec = exec_process(&docker_exec(), &plan.confinement);
    assert_eq!(
        of(&exec),
        [
            "GITHUB_TOKEN=nemoclaw:resolve:env:GITHUB_TOKEN",
            "GH_TOKEN=nemoclaw:resolve:env:GH_TOKEN"
        ]
    );
}
