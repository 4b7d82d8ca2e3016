//! From the tree to a checked [`Policy`]: the top level, `landlock`, `process` and `box`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::{
    Budgets, Filesystem, Identity, Landlock, Mode, NetworkLayer, Places, Policy, Process,
    Resources, budgets, filesystem, models, network, options, resources,
};
use crate::device::{DevicePattern, Devices};
use crate::source::{Diagnostic, Source};
use crate::yaml::{self, Fields, View};

type Fault = Box<Diagnostic>;

const KNOWN: &[&str] = &[
    "version",
    "filesystem_policy",
    "landlock",
    "process",
    "devices",
    "network_policies",
    "include",
    "resolve",
    "resources",
    "budgets",
    "ports",
    "inference",
    "privacy",
    "box",
];
/// Keys that later versions enforce.
const LATER: &[&str] = &["agents"];
/// Keys that this schema has elsewhere and that no version honours.
const MIDDLEWARES: &str = "network_middlewares";
/// Ports in `ports`.
const MAX_PORTS: usize = 1024;
/// Names in `resolve`, and addresses of one.
const MAX_RESOLVE: usize = 256;
/// Capabilities that no policy gives: each of them opens a way around the router or out of the box.
pub const NEVER: &[&str] = &[
    "NET_RAW",
    "NET_ADMIN",
    "SYS_ADMIN",
    "SYS_PTRACE",
    "MKNOD",
    "BPF",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_BOOT",
    "SYS_TIME",
    "PERFMON",
    "CHECKPOINT_RESTORE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "SYSLOG",
    "SYS_TTY_CONFIG",
    "SYS_PACCT",
    "LINUX_IMMUTABLE",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "NET_BROADCAST",
    "IPC_OWNER",
    "LEASE",
    "SYS_RESOURCE",
    "SYS_NICE",
    "SYS_CHROOT",
];
/// Capabilities that a relaxed box may keep: what package managers and compilers run as root need.
pub const GRANTABLE: &[&str] = &[
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "SETFCAP",
    "KILL",
    "NET_BIND_SERVICE",
    "IPC_LOCK",
    "AUDIT_WRITE",
];
/// Kernel ABIs of Landlock end far below; a greater number is a slip.
const MAX_ABI: u32 = 16;
/// More entries are a slip.
const MAX_DEVICES: usize = 256;
/// The last user id: 2^32-1 means «no change» to the kernel.
const MAX_ID: u32 = u32::MAX - 1;

/// What the author of a text may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// Embedded text, or a root-owned file in the node's `policy_dir`: may relax the box.
    Operator,
    /// Any other file: may only describe a confined or an offline box.
    User,
}

pub(super) fn load(
    source: &Source,
    authority: Authority,
) -> Result<(Policy, Vec<Diagnostic>), Fault> {
    let file: Arc<str> = source.name.as_str().into();
    let tree = yaml::parse(source)?;
    let root = View::root(source, &file, &tree);
    if let Some(at) = root.key(MIDDLEWARES) {
        return Err(source
            .fault(
                at,
                "`network_middlewares`: no middleware runs in this router",
            )
            .with_hint("the Privacy Router redacts and pseudonymises by the key `privacy`"));
    }
    let fields = root.fields(KNOWN, LATER)?;
    fields.need("version")?.number(1, 1)?;
    let (mode, capabilities) = box_key(&fields, authority)?;
    let mut warnings = Vec::new();
    refuse_what_would_be_ignored(&fields, mode)?;
    let name = source
        .name
        .strip_prefix(crate::source::BUILTIN_PREFIX)
        .unwrap_or(&source.name)
        .to_owned();
    let policy = if mode == Mode::Unconfined {
        unconfined(name, Places::of(&root))
    } else {
        let mut entries = match fields.get("network_policies") {
            Some(view) => network::entries(&view, &mut warnings)?,
            None => Vec::new(),
        };
        if let Some(view) = fields.get("include") {
            entries.extend(network::included(&view, &entries)?);
        }
        let fixed = fields
            .get("resolve")
            .map_or(Ok(BTreeMap::new()), |view| resolve(&view))?;
        Policy {
            mode,
            filesystem: filesystem::load(fields.get("filesystem_policy"), mode)?,
            landlock: landlock(fields.get("landlock"))?,
            process: process(fields.get("process"), capabilities)?,
            devices: fields
                .get("devices")
                .map_or(Ok(Devices::default()), |view| devices(&view))?,
            resources: resources::load(fields.get("resources"))?,
            budgets: budgets::load(fields.get("budgets"))?,
            ports: fields.get("ports").map(|view| ports(&view)).transpose()?,
            network: vec![NetworkLayer::new(name.clone(), entries, fixed)],
            models: vec![models::load(&name, &fields)?],
            places: Places::of(&root),
            name,
        }
    };
    Ok((policy, warnings))
}

/// No wall of ours: everything readable and writable, no layer of network rules.
fn unconfined(name: String, places: Places) -> Policy {
    Policy {
        name,
        mode: Mode::Unconfined,
        filesystem: Filesystem {
            read_only: Vec::new(),
            read_write: vec!["/".into()],
            include_workdir: true,
        },
        landlock: Landlock {
            best_effort: true,
            minimum_abi: 1,
        },
        process: Process::default(),
        devices: Devices::default(),
        resources: Resources::default(),
        budgets: Budgets::default(),
        ports: None,
        network: Vec::new(),
        models: Vec::new(),
        places,
    }
}

/// `ports`: what may be reached from outside.
fn ports(view: &View<'_>) -> Result<Vec<u16>, Fault> {
    let items = view.list()?;
    if items.len() > MAX_PORTS {
        return Err(view.fault(format!("`ports` has more than {MAX_PORTS} items")));
    }
    let mut ports = items
        .iter()
        .map(network::port)
        .collect::<Result<Vec<u16>, _>>()?;
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

/// `resolve: {name: address, or [addresses]}`.
fn resolve(view: &View<'_>) -> Result<BTreeMap<String, Vec<IpAddr>>, Fault> {
    let pairs = view.entries()?;
    if pairs.len() > MAX_RESOLVE {
        return Err(view.fault(format!("`resolve` has more than {MAX_RESOLVE} names")));
    }
    let mut fixed = BTreeMap::new();
    for (key, view) in pairs {
        let host = super::HostPattern::parse(&key.text).map_err(|message| view.fault(message))?;
        if host.is_wildcard() || host.as_str().parse::<IpAddr>().is_ok() {
            return Err(view.fault(format!("`{}` is no single name", key.text)));
        }
        let addresses = match view.node.value {
            yaml::Value::Text(_) => vec![options::address(&view)?],
            _ => view
                .some_list()?
                .iter()
                .take(MAX_RESOLVE)
                .map(options::address)
                .collect::<Result<_, _>>()?,
        };
        fixed.insert(host.as_str().to_owned(), addresses);
    }
    Ok(fixed)
}

/// A key that this kind of box cannot honour is a fault: it would be ignored.
fn refuse_what_would_be_ignored(fields: &Fields<'_>, mode: Mode) -> Result<(), Fault> {
    let idle: &[&str] = match mode {
        Mode::Unconfined => &[
            "filesystem_policy",
            "landlock",
            "process",
            "devices",
            "network_policies",
            "include",
            "resolve",
            "resources",
            "budgets",
            "ports",
            "inference",
            "privacy",
        ],
        Mode::Offline => &[
            "network_policies",
            "include",
            "resolve",
            "budgets",
            "ports",
            "inference",
            "privacy",
        ],
        Mode::Confined | Mode::Relaxed => &[],
    };
    match idle.iter().find_map(|key| fields.get(key)) {
        Some(view) => Err(view.fault(format!(
            "`{}` means nothing in a box of mode `{}`",
            view.name,
            mode.word()
        ))),
        None => Ok(()),
    }
}

impl Mode {
    /// The word in a policy's `box: {mode: …}`.
    pub fn word(self) -> &'static str {
        match self {
            Mode::Offline => "offline",
            Mode::Confined => "confined",
            Mode::Relaxed => "relaxed",
            Mode::Unconfined => "unconfined",
        }
    }
}

/// `box: {mode, capabilities}`: relaxing words only from an operator.
fn box_key(fields: &Fields<'_>, authority: Authority) -> Result<(Mode, Vec<String>), Fault> {
    let Some(view) = fields.get("box") else {
        return Ok((Mode::Confined, Vec::new()));
    };
    let keys = view.fields(&["mode", "capabilities"], &[])?;
    let modes = [
        Mode::Offline,
        Mode::Confined,
        Mode::Relaxed,
        Mode::Unconfined,
    ]
    .map(|mode| (mode.word(), mode));
    let mode = match keys.get("mode") {
        Some(view) => {
            let mode = view.word(&modes)?;
            if mode > Mode::Confined && authority == Authority::User {
                return Err(view
                    .fault(format!("`mode: {}` may not stand in this file", mode.word()))
                    .with_hint("only an embedded policy or a file of root's in the node's policy_dir may relax a box"));
            }
            mode
        }
        None => Mode::Confined,
    };
    let capabilities = match keys.get("capabilities") {
        Some(view) if mode != Mode::Relaxed => {
            return Err(view.fault("`capabilities` may only stand beside `mode: relaxed`"));
        }
        Some(view) => capabilities(&view)?,
        None => Vec::new(),
    };
    Ok((mode, capabilities))
}

fn capabilities(view: &View<'_>) -> Result<Vec<String>, Fault> {
    let mut names = Vec::new();
    for item in view.list()? {
        let name = item.text()?;
        if NEVER.contains(&name) {
            return Err(item.fault(format!("no policy may give the capability `{name}`")));
        }
        let known: Vec<(&str, &str)> = GRANTABLE.iter().map(|name| (*name, *name)).collect();
        item.word(&known)?;
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn landlock(view: Option<View<'_>>) -> Result<Landlock, Fault> {
    let mut landlock = Landlock {
        best_effort: false,
        minimum_abi: 1,
    };
    let Some(view) = view else {
        return Ok(landlock);
    };
    let keys = view.fields(&["compatibility", "minimum_abi"], &[])?;
    if let Some(view) = keys.get("compatibility") {
        landlock.best_effort = view.word(&[("best_effort", true), ("hard_requirement", false)])?;
    }
    if let Some(view) = keys.get("minimum_abi") {
        landlock.minimum_abi = view.number(1, MAX_ABI)?;
    }
    Ok(landlock)
}

fn process(view: Option<View<'_>>, capabilities: Vec<String>) -> Result<Process, Fault> {
    let mut process = Process {
        run_as_user: None,
        run_as_group: None,
        capabilities,
    };
    if let Some(view) = view {
        let keys = view.fields(&["run_as_user", "run_as_group"], &[])?;
        process.run_as_user = keys
            .get("run_as_user")
            .map(|view| identity(&view))
            .transpose()?;
        process.run_as_group = keys
            .get("run_as_group")
            .map(|view| identity(&view))
            .transpose()?;
    }
    Ok(process)
}

/// `devices`: names are given to the box, a star only lets others give them.
fn devices(view: &View<'_>) -> Result<Devices, Fault> {
    let items = view.list()?;
    if items.len() > MAX_DEVICES {
        return Err(view.fault(format!(
            "`devices` has {} entries, at most {MAX_DEVICES} are allowed",
            items.len()
        )));
    }
    let mut entries: Vec<DevicePattern> = Vec::with_capacity(items.len());
    for item in items {
        let entry = device(&item)?;
        if entries.contains(&entry) {
            return Err(item.fault(format!("`{entry}` stands twice")));
        }
        entries.push(entry);
    }
    Ok(Devices::listed(entries))
}

/// An entry of a list of devices.
pub(crate) fn device(view: &View<'_>) -> Result<DevicePattern, Fault> {
    let text = view.text()?;
    DevicePattern::parse(text).ok_or_else(|| {
        view.fault(format!("`{text}` is no CDI device"))
            .with_hint("write `vendor.com/class=name`, or `vendor.com/class=*` for all of a kind")
    })
}

/// `sandbox`, or a number, also in quotes, that is not root's.
fn identity(view: &View<'_>) -> Result<Identity, Fault> {
    const WORDS: &str = "must be `sandbox` or a number from 1 to 4294967294";
    let number = match &view.node.value {
        yaml::Value::Int(number) => *number,
        yaml::Value::Text(text) if text == "sandbox" => return Ok(Identity::Sandbox),
        yaml::Value::Text(text)
            if !text.is_empty() && text.len() <= 10 && text.bytes().all(|b| b.is_ascii_digit()) =>
        {
            text.parse()
                .map_err(|_| view.fault(format!("`{}` {WORDS}", view.name)))?
        }
        yaml::Value::Text(text) if text == "root" => 0,
        _ => return Err(view.fault(format!("`{}` {WORDS}", view.name))),
    };
    match u32::try_from(number) {
        Ok(0) => Err(view.fault(format!("`{}` is root, which no agent may be", view.name))),
        Ok(id) if id <= MAX_ID => Ok(Identity::Id(id)),
        _ => Err(view.fault(format!("`{}` {WORDS}", view.name))),
    }
}
