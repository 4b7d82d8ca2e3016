//! `network_policies` and `include`: entries and their endpoints.

use super::endpoint::{Endpoint, Enforcement, HostPattern, NetworkEntry, PathChoice, Protocol};
use super::options;
use super::request::{self, Access, Rules};
use super::rule::RuleRef;
use crate::builtin;
use crate::glob::Glob;
use crate::segments::SegmentGlob;
use crate::source::{Diagnostic, Source};
use crate::yaml::{Fields, View};

type Fault = Box<Diagnostic>;

const ENDPOINT: &[&str] = &[
    "host",
    "port",
    "ports",
    "protocol",
    "access",
    "rules",
    "deny_rules",
    "enforcement",
    "tls",
    "path",
    "allowed_ips",
    "allow_encoded_slash",
    "credential_binding",
    "request_body_credential_rewrite",
    "websocket_credential_rewrite",
    "allow_uninspected_credentials",
    "mcp",
    "json_rpc",
    "persisted_queries",
    "graphql_persisted_queries",
    "graphql_max_body_bytes",
];
/// Keys that this schema has elsewhere and that we do not honour: request signing needs the credential in the box's
/// stead, and is not built.
const ENDPOINT_REFUSED: &[&str] = &[
    "credential_signing",
    "signing_service",
    "signing_region",
    "signing_name",
];
/// Entries of one policy.
const MAX_ENTRIES: usize = 10_000;
/// Characters in an entry's key or name.
const MAX_KEY: usize = 128;
/// Endpoints of one entry, ports of one endpoint.
const MAX_ITEMS: usize = 1024;

pub(super) fn entries(
    view: &View<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Vec<NetworkEntry>, Fault> {
    let pairs = view.entries()?;
    if pairs.len() > MAX_ENTRIES {
        return Err(view.fault(format!(
            "`network_policies` has more than {MAX_ENTRIES} entries"
        )));
    }
    pairs
        .into_iter()
        .map(|(key, view)| entry(&key.text, &view, warnings))
        .collect()
}

fn entry(
    key: &str,
    view: &View<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<NetworkEntry, Fault> {
    printable(view, key)?;
    let keys = view.fields(&["name", "endpoints", "binaries"], &[])?;
    let name = match keys.get("name") {
        Some(view) => {
            printable(&view, view.text()?)?;
            Some(view.text()?.to_owned())
        }
        None => None,
    };
    let list = keys.need("endpoints")?;
    let items = list.some_list()?;
    if items.len() > MAX_ITEMS {
        return Err(list.fault(format!("`endpoints` has more than {MAX_ITEMS} items")));
    }
    let endpoints = items
        .iter()
        .map(|item| endpoint(key, item, warnings))
        .collect::<Result<_, _>>()?;
    Ok(NetworkEntry {
        key: key.into(),
        name,
        endpoints,
        binaries: binaries(&keys)?,
    })
}

/// `binaries: [{path}]`: programs by exact path or glob.
fn binaries(keys: &Fields<'_>) -> Result<Vec<SegmentGlob>, Fault> {
    let Some(view) = keys.get("binaries") else {
        return Ok(Vec::new());
    };
    let items = view.list()?;
    if items.is_empty() {
        return Err(view
            .fault("`binaries` is an empty list, which no program is on")
            .with_hint("drop `binaries` to let every program of the sandbox through"));
    }
    if items.len() > MAX_ITEMS {
        return Err(view.fault(format!("`binaries` has more than {MAX_ITEMS} items")));
    }
    items
        .iter()
        .map(|item| {
            let path = item.fields(&["path"], &[])?.need("path")?;
            SegmentGlob::path(path.text()?).map_err(|message| path.fault(message))
        })
        .collect()
}

/// `include: [PRESET]`: the entries of shipped presets, as if they stood in this file.
pub(super) fn included(view: &View<'_>, own: &[NetworkEntry]) -> Result<Vec<NetworkEntry>, Fault> {
    let mut entries: Vec<NetworkEntry> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for item in view.list()? {
        let name = item.text()?;
        if names.contains(&name) {
            return Err(item.fault(format!("the preset `{name}` is included twice")));
        }
        names.push(name);
        let Some(text) = builtin::preset(name) else {
            let known = builtin::preset_names();
            let fault = item.fault(format!("there is no preset `{name}`"));
            return Err(match crate::suggest::nearest(name, known) {
                Some(word) => fault.with_hint(format!("did you mean `{word}`?")),
                None => fault.with_hint(format!("known presets: {}", known.join(", "))),
            });
        };
        let preset = super::Policy::load(&Source::builtin(name, text))?;
        for entry in preset.network.into_iter().flat_map(|layer| layer.entries) {
            if own
                .iter()
                .chain(&entries)
                .any(|known| known.key == entry.key)
            {
                return Err(item.fault(format!(
                    "the entry `{}` of the preset `{name}` stands in this policy already",
                    entry.key
                )));
            }
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// Keys and names stand in logs and verdicts.
fn printable(view: &View<'_>, text: &str) -> Result<(), Fault> {
    if text.is_empty() || text.chars().count() > MAX_KEY || text.chars().any(char::is_control) {
        return Err(view.fault(format!(
            "an entry's key and name have 1 to {MAX_KEY} printable characters"
        )));
    }
    Ok(())
}

fn endpoint(key: &str, view: &View<'_>, warnings: &mut Vec<Diagnostic>) -> Result<Endpoint, Fault> {
    for name in ENDPOINT_REFUSED {
        if let Some(at) = view.key(name) {
            return Err(view
                .source
                .fault(
                    at,
                    format!("`{name}`: requests are not signed (AWS SigV4) here"),
                )
                .with_hint(
                    "use a provider whose credential is a header, or sign inside the sandbox",
                ));
        }
    }
    let keys = view.fields(ENDPOINT, &[])?;
    let host = keys.need("host")?;
    let host = HostPattern::parse(host.text()?).map_err(|message| host.fault(message))?;
    let at = RuleRef {
        name: key.into(),
        at: view.at(),
    };
    let protocol = protocol(&keys)?;
    let enforcement = enforcement(&keys)?;
    let Rules { open, allow, deny } = request::rules(key, view, &keys, protocol, enforcement)?;
    let path = match keys.get("path") {
        Some(view) => {
            let text = view.text()?.to_owned();
            let glob = Glob::new(&text).map_err(|message| view.fault(message))?;
            Some(PathChoice { text, glob })
        }
        None => None,
    };
    let tls = options::tls(&keys, protocol, warnings)?;
    Ok(Endpoint {
        ports: ports(view, &keys, warnings)?,
        protocol,
        tls,
        enforcement,
        path,
        open,
        rules: allow,
        deny_rules: deny,
        allowed_ips: options::allowed_ips(&keys)?,
        encoded_slash: options::flag(&keys, "allow_encoded_slash", protocol)?,
        credentials: options::credentials(&keys, protocol)?,
        max_body: options::max_body(&keys, protocol)?,
        mcp: options::mcp(&keys, protocol)?,
        persisted: options::persisted(&keys, protocol)?,
        host,
        at,
    })
}

/// `enforcement`; omitted it is `enforce`.
fn enforcement(keys: &Fields<'_>) -> Result<Enforcement, Fault> {
    match keys.get("enforcement") {
        Some(view) => view.word(&[
            ("enforce", Enforcement::Enforce),
            ("audit", Enforcement::Audit),
            ("ask", Enforcement::Ask),
        ]),
        None => Ok(Enforcement::Enforce),
    }
}

/// `ports`, else `port`; where both stand, `ports` wins, and a `port` outside it is told.
fn ports(
    view: &View<'_>,
    keys: &Fields<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Vec<u16>, Fault> {
    let one = keys
        .get("port")
        .map(|view| port(&view).map(|port| (view, port)))
        .transpose()?;
    let Some(list) = keys.get("ports") else {
        return match one {
            Some((_, port)) => Ok(vec![port]),
            None => Err(view
                .fault("the endpoint lacks `port`")
                .with_hint("add `port: 443`")),
        };
    };
    let items = list.some_list()?;
    if items.len() > MAX_ITEMS {
        return Err(list.fault(format!("`ports` has more than {MAX_ITEMS} items")));
    }
    let mut ports = items.iter().map(port).collect::<Result<Vec<_>, _>>()?;
    ports.sort_unstable();
    ports.dedup();
    if let Some((view, port)) = one.filter(|(_, port)| !ports.contains(port)) {
        warnings.push(*view.fault(format!("`ports` wins over `port`: {port} is not open")));
    }
    Ok(ports)
}

pub(super) fn port(view: &View<'_>) -> Result<u16, Fault> {
    let number = view.number(1, u16::MAX.into())?;
    u16::try_from(number).map_err(|_| view.fault("the port is out of range"))
}

/// `protocol`; omitted it is `rest` as soon as something about requests is said, since nothing else could hold it.
fn protocol(keys: &Fields<'_>) -> Result<Protocol, Fault> {
    let Some(view) = keys.get("protocol") else {
        let narrow = match keys.get("access") {
            Some(view) => Access::load(&view)? != Access::Full,
            None => false,
        };
        let speaks_http = narrow
            || ["rules", "deny_rules", "path"]
                .iter()
                .any(|key| keys.get(key).is_some());
        return Ok(if speaks_http {
            Protocol::Rest
        } else {
            Protocol::Tcp
        });
    };
    view.word(&Protocol::ALL.map(|protocol| (protocol.word(), protocol)))
}
