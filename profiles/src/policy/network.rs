//! `network_policies`: entries and their endpoints.

use super::request::{Access, allow_rules, deny_rules};
use super::{
    Endpoint, Enforcement, HostPattern, HttpRule, NetworkEntry, PathChoice, Protocol, Tls,
};
use crate::glob::Glob;
use crate::source::Diagnostic;
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
];
/// Keys of the full schema that later versions enforce.
const ENDPOINT_LATER: &[&str] = &[
    "binaries",
    "allowed_ips",
    "allow_encoded_slash",
    "credential_binding",
    "request_body_credential_rewrite",
    "websocket_credential_rewrite",
    "allow_uninspected_credentials",
    "credential_signing",
    "signing_service",
    "signing_region",
    "signing_name",
    "network_middlewares",
    "middlewares",
    "mcp",
    "json_rpc",
    "json-rpc",
    "graphql",
    "websocket",
    "persisted_queries",
    "graphql_persisted_queries",
    "graphql_max_body_bytes",
    "query",
];
const ENTRY_LATER: &[&str] = &[
    "binaries",
    "network_middlewares",
    "middlewares",
    "budgets",
    "inference",
    "privacy",
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
    let keys = view.fields(&["name", "endpoints"], ENTRY_LATER)?;
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
        .map(|item| endpoint(item, warnings))
        .collect::<Result<_, _>>()?;
    Ok(NetworkEntry {
        key: key.into(),
        name,
        endpoints,
    })
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

fn endpoint(view: &View<'_>, warnings: &mut Vec<Diagnostic>) -> Result<Endpoint, Fault> {
    let keys = view.fields(ENDPOINT, ENDPOINT_LATER)?;
    let host = keys.need("host")?;
    let host = HostPattern::parse(host.text()?).map_err(|message| host.fault(message))?;
    let ports = ports(view, &keys, warnings)?;
    let protocol = protocol(&keys)?;
    let (rules, deny_rules) = requests(view, &keys, protocol)?;
    let enforcement = match keys.get("enforcement") {
        Some(view) => view.word(&[
            ("enforce", Enforcement::Enforce),
            ("audit", Enforcement::Audit),
        ])?,
        None => Enforcement::Enforce,
    };
    let path = match keys.get("path") {
        Some(view) => {
            let text = view.text()?.to_owned();
            let glob = Glob::new(&text).map_err(|message| view.fault(message))?;
            Some(PathChoice { text, glob })
        }
        None => None,
    };
    let tls = tls(&keys, protocol, warnings)?;
    Ok(Endpoint {
        host,
        ports,
        protocol,
        tls,
        enforcement,
        path,
        rules,
        deny_rules,
        at: view.at(),
    })
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

fn port(view: &View<'_>) -> Result<u16, Fault> {
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
    let text = view.text()?;
    if ["websocket", "graphql", "mcp", "json-rpc", "sql"].contains(&text) {
        return Err(view.fault(format!("`protocol: {text}` is not supported yet")));
    }
    view.word(&[("tcp", Protocol::Tcp), ("rest", Protocol::Rest)])
}

/// The allow and deny rules, none with `protocol: tcp`.
fn requests(
    view: &View<'_>,
    keys: &Fields<'_>,
    protocol: Protocol,
) -> Result<(Vec<HttpRule>, Vec<HttpRule>), Fault> {
    let access = keys
        .get("access")
        .map(|view| Access::load(&view).map(|access| (view, access)))
        .transpose()?;
    if protocol == Protocol::Tcp {
        let idle = ["rules", "deny_rules", "path"]
            .iter()
            .find_map(|key| keys.get(key));
        let idle = idle.or(access
            .filter(|(_, access)| *access != Access::Full)
            .map(|(view, _)| view));
        return match idle {
            Some(idle) => Err(idle
                .fault(format!(
                    "`{}` looks at requests, which `protocol: tcp` does not open",
                    idle.name
                ))
                .with_hint("write `protocol: rest`")),
            None => Ok((Vec::new(), Vec::new())),
        };
    }
    let rules = match (access, keys.get("rules")) {
        (Some(_), Some(rules)) => {
            return Err(rules.fault("`rules` and `access` exclude each other"));
        }
        (Some((view, access)), None) => access.rules(&view)?,
        (None, Some(rules)) => allow_rules(&rules)?,
        (None, None) => {
            return Err(view
                .fault("the endpoint allows no request: it has neither `access` nor `rules`")
                .with_hint("add `access: read-only`"));
        }
    };
    let deny = keys
        .get("deny_rules")
        .map(|view| deny_rules(&view))
        .transpose()?
        .unwrap_or_default();
    Ok((rules, deny))
}

/// `tls`; the old words are read as their successors, with a warning.
fn tls(
    keys: &Fields<'_>,
    protocol: Protocol,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Tls, Fault> {
    let Some(view) = keys.get("tls") else {
        return Ok(Tls::Auto);
    };
    let word = match view.node.value {
        crate::yaml::Value::Text(ref text) => text.as_str(),
        _ => "",
    };
    let tls = match word {
        "terminate" => {
            warnings.push(*view.fault("`tls: terminate` is an old word, read as `auto`"));
            Tls::Auto
        }
        "passthrough" => {
            warnings.push(*view.fault("`tls: passthrough` is an old word, read as `skip`"));
            Tls::Skip
        }
        _ => view.word(&[("auto", Tls::Auto), ("skip", Tls::Skip)])?,
    };
    if tls == Tls::Skip && protocol == Protocol::Rest {
        return Err(view
            .fault("`tls: skip` leaves the connection closed, so that no request can be looked at")
            .with_hint("drop `tls`, or drop `protocol: rest` with `access`, `rules`, `deny_rules` and `path`"));
    }
    Ok(tls)
}
