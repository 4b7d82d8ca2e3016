//! Edits put into a spec. Pure, and doing it twice is doing it once: what an engine has merged before us stays single.

use oci_spec::runtime::{
    Hook, Hooks, Linux, LinuxDeviceCgroup, LinuxResources, Mount, Process, Spec,
};

use super::edits::{Edits, HookPlace, Node};

/// `spec` with `edits`.
pub fn applied(mut spec: Spec, edits: &Edits) -> Spec {
    let user = spec.process().as_ref().map(|process| {
        let user = process.user();
        (user.uid(), user.gid())
    });
    if let Some(process) = spec.process_mut() {
        add_variables(process, &edits.env);
        add_groups(process, &edits.gids);
    }
    if !edits.nodes.is_empty() {
        let linux = spec.linux_mut().get_or_insert_with(Linux::default);
        for node in &edits.nodes {
            add_node(linux, node, user.unwrap_or_default());
        }
    }
    if !edits.mounts.is_empty() {
        add_mounts(spec.mounts_mut().get_or_insert_default(), &edits.mounts);
    }
    if !edits.hooks.is_empty() {
        add_hooks(spec.hooks_mut().get_or_insert_default(), edits);
    }
    if edits.rdt.is_some() {
        let linux = spec.linux_mut().get_or_insert_with(Linux::default);
        linux.set_intel_rdt(edits.rdt.clone());
    }
    spec
}

/// The same name is replaced where it stands.
fn add_variables(process: &mut Process, variables: &[(String, String)]) {
    let env = process.env_mut().get_or_insert_default();
    for (name, value) in variables {
        let entry = format!("{name}={value}");
        let same = |old: &&mut String| old.split_once('=').is_some_and(|(own, _)| own == name);
        match env.iter_mut().find(same) {
            Some(old) => *old = entry,
            None => env.push(entry),
        }
    }
}

fn add_groups(process: &mut Process, gids: &[u32]) {
    if gids.is_empty() {
        return;
    }
    let mut user = process.user().clone();
    let mut groups = user.additional_gids().clone().unwrap_or_default();
    for gid in gids {
        if !groups.contains(gid) {
            groups.push(*gid);
        }
    }
    user.set_additional_gids(Some(groups));
    process.set_user(user);
}

/// The node, in place of another at its path, and the right to use it.
fn add_node(linux: &mut Linux, node: &Node, (uid, gid): (u32, u32)) {
    let mut device = node.device.clone();
    let owner = |given: Option<u32>, users: u32| given.or((users != 0).then_some(users));
    let (uid, gid) = (owner(device.uid(), uid), owner(device.gid(), gid));
    device.set_uid(uid).set_gid(gid);
    let mut rule = LinuxDeviceCgroup::default();
    rule.set_allow(true)
        .set_typ(Some(device.typ()))
        .set_major(Some(device.major()))
        .set_minor(Some(device.minor()))
        .set_access(node.access.clone());
    let devices = linux.devices_mut().get_or_insert_default();
    devices.retain(|old| old.path() != device.path());
    devices.push(device);
    if node.access.is_none() {
        return;
    }
    let rules = linux
        .resources_mut()
        .get_or_insert_with(LinuxResources::default)
        .devices_mut()
        .get_or_insert_default();
    // The last rule about a device holds.
    rules.retain(|old| *old != rule);
    rules.push(rule);
}

/// In place of others on the same destination; then whoever lies above comes first.
fn add_mounts(all: &mut Vec<Mount>, added: &[Mount]) {
    for mount in added {
        all.retain(|old| old.destination() != mount.destination());
        all.push(mount.clone());
    }
    all.sort_by_key(|mount| mount.destination().components().count());
}

fn add_hooks(hooks: &mut Hooks, edits: &Edits) {
    for (place, hook) in &edits.hooks {
        let list = match place {
            HookPlace::CreateRuntime => hooks.create_runtime_mut(),
            HookPlace::CreateContainer => hooks.create_container_mut(),
            HookPlace::Poststop => hooks.poststop_mut(),
        }
        .get_or_insert_default();
        if !list.iter().any(|known| same_hook(known, hook)) {
            list.push(hook.clone());
        }
    }
}

/// Whether both run the same; how long they may is the engine's business, who wrote the first.
fn same_hook(known: &Hook, hook: &Hook) -> bool {
    known.path() == hook.path()
        && same_words(known.args().as_ref(), hook.args().as_ref())
        && same_words(known.env().as_ref(), hook.env().as_ref())
}

/// Whether both lists are the same; none is as good as an empty one.
pub fn same_words(one: Option<&Vec<String>>, other: Option<&Vec<String>>) -> bool {
    one.into_iter().flatten().eq(other.into_iter().flatten())
}
