//! What two policies both allow.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::policy::{
    Endpoint, Filesystem, Landlock, Level, Mode, ModelLayer, NetworkEntry, NetworkLayer, Policy,
    Process, Rule,
};
use crate::source::Location;

/// What joins the names of policies that were met.
const JOINT: &str = " & ";

/// The policy that allows exactly what both allow.
///
/// Two different accounts for the first process have nothing in common: ask [`super::identity_conflict`] first and start no
/// box then. Here the greater number is kept (any of both is lawful for the router, which has no use for it).
pub fn meet(a: &Policy, b: &Policy) -> Policy {
    let mode = a.mode.min(b.mode);
    Policy {
        name: join_names(&a.name, &b.name),
        mode,
        filesystem: filesystem(&a.filesystem, &b.filesystem),
        landlock: Landlock {
            best_effort: a.landlock.best_effort && b.landlock.best_effort,
            minimum_abi: a.landlock.minimum_abi.max(b.landlock.minimum_abi),
        },
        process: process(&a.process, &b.process, mode),
        devices: a.devices.meet(&b.devices),
        resources: a.resources.meet(&b.resources),
        budgets: a.budgets.meet(&b.budgets),
        ports: ports(a.ports.as_ref(), b.ports.as_ref()),
        network: layers(&a.network, &b.network),
        models: model_layers(&a.models, &b.models),
        places: a.places.join(&b.places),
    }
}

/// Each name once, in order, so that it does not matter who was met first.
fn join_names(a: &str, b: &str) -> String {
    let names: BTreeSet<&str> = a.split(JOINT).chain(b.split(JOINT)).collect();
    names.into_iter().collect::<Vec<_>>().join(JOINT)
}

/// The level at any path is the lesser of both. The paths that either lists suffice: between two listed paths neither
/// level changes. A path whose level is its parent's is dropped, since it says nothing.
fn filesystem(a: &Filesystem, b: &Filesystem) -> Filesystem {
    let listed: BTreeSet<&PathBuf> = [&a.read_only, &a.read_write, &b.read_only, &b.read_write]
        .into_iter()
        .flatten()
        .collect();
    let mut met = Filesystem {
        read_only: Vec::new(),
        read_write: Vec::new(),
        include_workdir: a.include_workdir && b.include_workdir,
    };
    // A parent comes before its children in the set's order, so the parent's level is known.
    for path in listed {
        let level = a.level(path).min(b.level(path));
        let inherited = parent_level(&met, path);
        match level {
            _ if level == inherited => {}
            Level::Write => met.read_write.push(path.clone()),
            Level::Read => met.read_only.push(path.clone()),
            Level::None => {}
        }
    }
    met
}

fn parent_level(met: &Filesystem, path: &Path) -> Level {
    path.parent()
        .map_or(Level::None, |parent| met.level(parent))
}

fn process(a: &Process, b: &Process, mode: Mode) -> Process {
    let capabilities = match mode {
        Mode::Offline | Mode::Confined => Vec::new(),
        Mode::Relaxed | Mode::Unconfined => capabilities(a, b),
    };
    Process {
        run_as_user: a.run_as_user.max(b.run_as_user),
        run_as_group: a.run_as_group.max(b.run_as_group),
        capabilities,
    }
}

/// Ports that both open; a policy that does not say opens any.
fn ports(a: Option<&Vec<u16>>, b: Option<&Vec<u16>>) -> Option<Vec<u16>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.iter().copied().filter(|port| b.contains(port)).collect()),
        (a, b) => a.or(b).cloned(),
    }
}

fn capabilities(a: &Process, b: &Process) -> Vec<String> {
    let of =
        |process: &Process| -> BTreeSet<String> { process.capabilities.iter().cloned().collect() };
    of(a).intersection(&of(b)).cloned().collect()
}

/// Each layer once, in the order of their names; of two with one name the order of what they say.
fn layers(a: &[NetworkLayer], b: &[NetworkLayer]) -> Vec<NetworkLayer> {
    let mut layers: Vec<&NetworkLayer> = Vec::with_capacity(a.len() + b.len());
    for layer in a.iter().chain(b) {
        if !layers.contains(&layer) {
            layers.push(layer);
        }
    }
    layers.sort_by(|a, b| a.policy.cmp(&b.policy));
    if layers.windows(2).any(|two| two[0].policy == two[1].policy) {
        layers.sort_by_cached_key(|layer| (layer.policy.clone(), content(layer)));
    }
    layers.into_iter().cloned().collect()
}

/// As [`layers`].
fn model_layers(a: &[ModelLayer], b: &[ModelLayer]) -> Vec<ModelLayer> {
    let mut layers: Vec<ModelLayer> = Vec::with_capacity(a.len() + b.len());
    for layer in a.iter().chain(b) {
        if !layers.contains(layer) {
            layers.push(layer.clone());
        }
    }
    layers.sort_by_cached_key(|layer| (layer.policy.clone(), model_content(layer)));
    layers
}

/// What a layer says of models, without the places where it says so.
fn model_content(layer: &ModelLayer) -> String {
    let nowhere = Location {
        file: "".into(),
        line: 0,
        column: 0,
    };
    let mut layer = layer.clone();
    for route in layer.inference.iter_mut().flat_map(|own| &mut own.routes) {
        route.at = nowhere.clone();
    }
    if let Some(privacy) = &mut layer.privacy {
        privacy
            .rules
            .iter_mut()
            .for_each(|rule| rule.at = nowhere.clone());
        privacy
            .patterns
            .iter_mut()
            .for_each(|own| own.at = nowhere.clone());
    }
    format!("{:?}{:?}", layer.inference, layer.privacy)
}

/// What a layer says, without the places where it says so.
fn content(layer: &NetworkLayer) -> String {
    let NetworkLayer {
        policy: _,
        entries,
        resolve,
        index: _,
    } = layer;
    let mut text = format!("{resolve:?}");
    for entry in entries {
        let NetworkEntry {
            key,
            name,
            endpoints,
            binaries,
        } = entry;
        text.push_str(&format!("{key}{name:?}{binaries:?}"));
        for endpoint in endpoints {
            text.push_str(&endpoint_content(endpoint));
        }
    }
    text
}

fn endpoint_content(endpoint: &Endpoint) -> String {
    let Endpoint {
        host,
        ports,
        protocol,
        tls,
        enforcement,
        path,
        open,
        rules,
        deny_rules,
        allowed_ips,
        encoded_slash,
        credentials,
        max_body,
        mcp,
        persisted,
        at: _,
    } = endpoint;
    let matchers = |rules: &[Rule]| -> Vec<String> {
        rules
            .iter()
            .map(|rule| format!("{:?}", rule.matcher))
            .collect()
    };
    format!(
        "{host}{ports:?}{protocol:?}{tls:?}{enforcement:?}{path:?}{open}{:?}{:?}{allowed_ips:?}{encoded_slash}{credentials:?}{max_body}{mcp:?}{persisted:?}",
        matchers(rules),
        matchers(deny_rules)
    )
}
