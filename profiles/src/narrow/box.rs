//! What the box asks for beside its traffic: mode, paths, accounts, devices, limits.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::PathBuf;

use super::axis::{Axis, Widening};
use crate::device::Devices;
use crate::policy::{
    Budgets, Disk, Filesystem, Identity, Landlock, Level, Policy, Process, Resources,
};

/// Compares a child with its parent and takes down what the child has more.
struct Scale<'a> {
    child: &'a Policy,
    found: Vec<Widening>,
}

impl Scale<'_> {
    fn add(&mut self, axis: Axis, key: &str, asked: impl Display, has: impl Display) {
        self.found.push(Widening {
            axis,
            asked: asked.to_string(),
            has: has.to_string(),
            place: self.child.places.find(key, &self.child.name),
        });
    }

    /// A limit: none is more than any.
    fn limit<T: Ord + Copy + Display>(&mut self, axis: Axis, child: Option<T>, parent: Option<T>) {
        let Some(parent) = parent else { return };
        match child {
            Some(child) if child <= parent => {}
            Some(child) => self.add(axis, axis.key(), child, parent),
            None => self.add(axis, axis.key(), "no limit", parent),
        }
    }

    /// An account that the parent names must be the child's.
    fn account(&mut self, axis: Axis, child: Option<Identity>, parent: Option<Identity>) {
        let word = |identity: Identity| match identity {
            Identity::Sandbox => "sandbox".to_owned(),
            Identity::Id(id) => id.to_string(),
        };
        match (child, parent) {
            (_, None) => {}
            (Some(child), Some(parent)) if child == parent => {}
            (Some(child), Some(parent)) => self.add(axis, axis.key(), word(child), word(parent)),
            (None, Some(parent)) => self.add(axis, axis.key(), "any account", word(parent)),
        }
    }
}

/// What `child` asks for and `parent` does not have.
pub(super) fn widenings(child: &Policy, parent: &Policy) -> Vec<Widening> {
    let mut scale = Scale {
        child,
        found: Vec::new(),
    };
    let Policy {
        name: _,
        mode,
        filesystem,
        landlock,
        process,
        devices,
        resources,
        budgets,
        ports,
        network: _,
        models: _,
        places: _,
    } = child;
    if *mode > parent.mode {
        scale.add(Axis::Mode, "box.mode", mode.word(), parent.mode.word());
    }
    paths(&mut scale, filesystem, &parent.filesystem);
    kernel(&mut scale, landlock, &parent.landlock);
    accounts(&mut scale, process, &parent.process);
    given(&mut scale, devices, &parent.devices);
    limits(&mut scale, resources, &parent.resources);
    traffic(&mut scale, budgets, &parent.budgets);
    inbound(&mut scale, ports.as_deref(), parent.ports.as_deref());
    scale.found
}

fn paths(scale: &mut Scale<'_>, child: &Filesystem, parent: &Filesystem) {
    let Filesystem {
        read_only,
        read_write,
        include_workdir,
    } = child;
    let word = |level: Level| match level {
        Level::None => "no access",
        Level::Read => "read access",
        Level::Write => "write access",
    };
    // Between two listed paths neither level changes.
    let listed: BTreeSet<&PathBuf> = [read_only, read_write, &parent.read_only, &parent.read_write]
        .into_iter()
        .flatten()
        .collect();
    for path in listed {
        let (asked, has) = (child.level(path), parent.level(path));
        if asked > has {
            let list = match asked {
                Level::Write => "read_write",
                _ => "read_only",
            };
            let key = format!("filesystem_policy.{list}.{}", path.display());
            let asked = format!("{} to {}", word(asked), path.display());
            scale.add(Axis::Filesystem, &key, asked, word(has));
        }
    }
    if *include_workdir && !parent.include_workdir {
        let key = Axis::Workdir.key();
        scale.add(Axis::Workdir, key, "the working directory", "not writable");
    }
}

fn kernel(scale: &mut Scale<'_>, child: &Landlock, parent: &Landlock) {
    let Landlock {
        best_effort,
        minimum_abi,
    } = child;
    if *best_effort && !parent.best_effort {
        let axis = Axis::LandlockCompatibility;
        scale.add(axis, axis.key(), "best_effort", "hard_requirement");
    }
    if *minimum_abi < parent.minimum_abi {
        let axis = Axis::LandlockAbi;
        scale.add(axis, axis.key(), minimum_abi, parent.minimum_abi);
    }
}

fn accounts(scale: &mut Scale<'_>, child: &Process, parent: &Process) {
    let Process {
        run_as_user,
        run_as_group,
        capabilities,
    } = child;
    scale.account(Axis::User, *run_as_user, parent.run_as_user);
    scale.account(Axis::Group, *run_as_group, parent.run_as_group);
    for name in capabilities {
        if !parent.capabilities.contains(name) {
            let key = format!("box.capabilities.{name}");
            let has = match parent.capabilities.is_empty() {
                true => "none".to_owned(),
                false => parent.capabilities.join(", "),
            };
            scale.add(Axis::Capabilities, &key, name, has);
        }
    }
}

fn given(scale: &mut Scale<'_>, child: &Devices, parent: &Devices) {
    for device in child.requested() {
        let key = format!("devices.{device}");
        if !parent.gives() {
            scale.add(Axis::DevicesGiven, &key, device, "a list without it");
        } else if !parent.allow(device) {
            scale.add(Axis::DevicesGiven, &key, device, listed(parent));
        }
    }
    let Some(has) = parent.ceiling() else { return };
    let Some(asked) = child.ceiling() else {
        let axis = Axis::DevicesAllowed;
        scale.add(axis, "devices", "whatever an engine brings", listed(parent));
        return;
    };
    for entry in asked {
        if !has
            .iter()
            .any(|other| entry.meet(other).as_ref() == Some(entry))
        {
            let key = format!("devices.{entry}");
            scale.add(Axis::DevicesAllowed, &key, entry, listed(parent));
        }
    }
}

fn listed(devices: &Devices) -> String {
    let names: Vec<String> = devices
        .ceiling()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

fn limits(scale: &mut Scale<'_>, child: &Resources, parent: &Resources) {
    let Resources {
        memory,
        cpu_milli,
        pids,
        nofile,
        disk: Disk { sandbox, tmp },
    } = child;
    let cpus = |milli: Option<u32>| milli.map(Milli);
    scale.limit(Axis::Memory, *memory, parent.memory);
    scale.limit(Axis::Cpu, cpus(*cpu_milli), cpus(parent.cpu_milli));
    scale.limit(Axis::Pids, *pids, parent.pids);
    scale.limit(Axis::OpenFiles, *nofile, parent.nofile);
    scale.limit(Axis::DiskSandbox, *sandbox, parent.disk.sandbox);
    scale.limit(Axis::DiskTmp, *tmp, parent.disk.tmp);
}

/// Thousandths of a CPU, shown as CPUs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Milli(u32);

impl Display for Milli {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

fn traffic(scale: &mut Scale<'_>, child: &Budgets, parent: &Budgets) {
    let Budgets {
        requests,
        bytes_out,
        connections,
        wildcard_names,
    } = child;
    scale.limit(Axis::Requests, *requests, parent.requests);
    scale.limit(Axis::BytesOut, *bytes_out, parent.bytes_out);
    scale.limit(Axis::Connections, *connections, parent.connections);
    scale.limit(Axis::WildcardNames, *wildcard_names, parent.wildcard_names);
}

fn inbound(scale: &mut Scale<'_>, child: Option<&[u16]>, parent: Option<&[u16]>) {
    let Some(parent) = parent else { return };
    let has = match parent.is_empty() {
        true => "none".to_owned(),
        false => numbers(parent),
    };
    let Some(child) = child else {
        scale.add(Axis::Inbound, "ports", "any port", has);
        return;
    };
    for port in child.iter().filter(|port| !parent.contains(port)) {
        scale.add(Axis::Inbound, &format!("ports.{port}"), port, &has);
    }
}

/// Ports with commas between them.
pub(super) fn numbers(ports: &[u16]) -> String {
    let words: Vec<String> = ports.iter().map(u16::to_string).collect();
    words.join(", ")
}
