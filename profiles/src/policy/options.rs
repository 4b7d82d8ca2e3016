//! An endpoint's options beside its rules: TLS, addresses, credentials, and what one protocol alone has.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::endpoint::{
    Binding, Credentials, McpOptions, PersistedQueries, Protocol, Registered, Tls,
};
use super::rule::OperationKind;
use crate::source::Diagnostic;
use crate::yaml::{Fields, Value, View};

type Fault = Box<Diagnostic>;

/// The longest body that is read to decide, where the endpoint says nothing.
pub const DEFAULT_BODY: u32 = 64 * 1024;
/// The most that an endpoint may say.
const MAX_BODY: u32 = 8 * 1024 * 1024;
/// Entries of `allowed_ips`.
const MAX_NETS: usize = 256;
/// Registered GraphQL documents.
const MAX_REGISTERED: usize = 4096;
/// Characters of a provider's name.
const MAX_NAME: usize = 64;

/// `tls`; the old words are read as their successors, with a warning.
pub(super) fn tls(
    keys: &Fields<'_>,
    protocol: Protocol,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Tls, Fault> {
    let Some(view) = keys.get("tls") else {
        return Ok(Tls::Auto);
    };
    let word = match view.node.value {
        Value::Text(ref text) => text.as_str(),
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
    if tls == Tls::Skip && protocol != Protocol::Tcp {
        return Err(view
            .fault("`tls: skip` leaves the connection closed, so that no request can be looked at")
            .with_hint(
                "drop `tls`, or drop `protocol` with `access`, `rules`, `deny_rules` and `path`",
            ));
    }
    Ok(tls)
}

/// `allowed_ips`: addresses and CIDR ranges.
pub(super) fn allowed_ips(keys: &Fields<'_>) -> Result<Vec<IpNet>, Fault> {
    let Some(view) = keys.get("allowed_ips") else {
        return Ok(Vec::new());
    };
    let items = view.some_list()?;
    if items.len() > MAX_NETS {
        return Err(view.fault(format!("`allowed_ips` has more than {MAX_NETS} items")));
    }
    items.iter().map(net).collect()
}

fn net(view: &View<'_>) -> Result<IpNet, Fault> {
    let text = view.text()?;
    let net = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            view.fault(format!("`{text}` is no address and no CIDR range"))
                .with_hint("write `10.20.0.0/16` or `10.20.0.5`")
        })?;
    if net.trunc() != net {
        return Err(view
            .fault(format!("`{text}` has bits set behind its prefix"))
            .with_hint(format!("write `{}`", net.trunc())));
    }
    match never(net) {
        Some(what) => Err(view.fault(format!(
            "`{text}` covers {what} addresses, which no policy opens"
        ))),
        None => Ok(net),
    }
}

/// An address that a policy may name.
pub(super) fn address(view: &View<'_>) -> Result<IpAddr, Fault> {
    let text = view.text()?;
    let address: IpAddr = text
        .parse()
        .map_err(|_| view.fault(format!("`{text}` is no IP address")))?;
    match never(address.into()) {
        Some(what) => Err(view.fault(format!(
            "`{text}` is a {what} address, which no policy opens"
        ))),
        None => Ok(address),
    }
}

/// Ranges that lead back into the node, to cloud metadata, or nowhere.
const NEVER: &[(&str, &str)] = &[
    ("0.0.0.0/8", "unspecified"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("168.63.129.16/32", "cloud metadata"),
    ("198.18.0.0/15", "the sandboxes' own"),
    ("224.0.0.0/3", "multicast or reserved"),
    ("::/127", "unspecified or loopback"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("fe80::/10", "link-local"),
    ("ff00::/8", "multicast"),
];

fn never(net: IpNet) -> Option<&'static str> {
    NEVER.iter().find_map(|(range, what)| {
        let range: IpNet = range.parse().ok()?;
        (range.contains(&net) || net.contains(&range)).then_some(*what)
    })
}

/// A flag that only opened connections can have.
pub(super) fn flag(keys: &Fields<'_>, key: &str, protocol: Protocol) -> Result<bool, Fault> {
    match keys.get(key) {
        None => Ok(false),
        Some(view) if protocol == Protocol::Tcp => Err(idle(&view, protocol)),
        Some(view) => view.boolean(),
    }
}

/// A key that means nothing with this protocol.
fn idle(view: &View<'_>, protocol: Protocol) -> Fault {
    view.fault(format!(
        "`{}` has no meaning with `protocol: {}`",
        view.name,
        protocol.word()
    ))
}

/// `credential_binding` and its companions.
pub(super) fn credentials(keys: &Fields<'_>, protocol: Protocol) -> Result<Credentials, Fault> {
    let mut credentials = Credentials::default();
    let uninspected = keys.get("allow_uninspected_credentials");
    if let Some(view) = &uninspected {
        credentials.uninspected = view.boolean()?;
    }
    let Some(binding) = keys.get("credential_binding") else {
        let idle = [
            "request_body_credential_rewrite",
            "websocket_credential_rewrite",
        ]
        .iter()
        .find_map(|key| keys.get(key));
        return match idle {
            Some(view) if view.boolean()? => Err(view
                .fault(format!(
                    "`{}` is on, but the endpoint is bound to no provider",
                    view.name
                ))
                .with_hint("add `credential_binding: { provider: NAME }`")),
            _ => Ok(credentials),
        };
    };
    let name = binding.fields(&["provider"], &[])?.need("provider")?;
    credentials.provider = match name.text()? {
        "*" => Binding::Any,
        text if is_provider_name(text) => Binding::Provider(Arc::from(text)),
        text => {
            return Err(name.fault(format!(
                "`{text}` is no provider's name: letters, digits, `-` and `_`, at most {MAX_NAME}"
            )));
        }
    };
    if protocol == Protocol::Tcp && !credentials.uninspected {
        return Err(binding
            .fault("no placeholder is resolved in a connection that is not opened")
            .with_hint("write `protocol: rest`, or `allow_uninspected_credentials: true` to let the provider's host be reached without its credential"));
    }
    credentials.body = flag(keys, "request_body_credential_rewrite", protocol)?;
    credentials.websocket = flag(keys, "websocket_credential_rewrite", protocol)?;
    if let Some(view) = keys.get("websocket_credential_rewrite")
        && credentials.websocket
        && protocol != Protocol::Websocket
    {
        return Err(idle(&view, protocol));
    }
    Ok(credentials)
}

/// Whether `text` may name a provider.
#[must_use]
pub fn is_provider_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_NAME
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The longest body that is read to decide; 0 where none is.
pub(super) fn max_body(keys: &Fields<'_>, protocol: Protocol) -> Result<u32, Fault> {
    let graphql = keys.get("graphql_max_body_bytes");
    let json_rpc = keys.get("json_rpc");
    if let Some(view) = graphql
        .as_ref()
        .filter(|_| !matches!(protocol, Protocol::Graphql | Protocol::Websocket))
        .or(json_rpc.as_ref().filter(|_| protocol != Protocol::JsonRpc))
    {
        return Err(idle(view, protocol));
    }
    let said = match protocol {
        Protocol::Tcp | Protocol::Rest => return Ok(0),
        Protocol::Graphql | Protocol::Websocket => graphql,
        Protocol::Mcp => keys.get("mcp").and_then(|mcp| mcp.child("max_body_bytes")),
        Protocol::JsonRpc => match json_rpc {
            Some(view) => view.fields(&["max_body_bytes"], &[])?.get("max_body_bytes"),
            None => None,
        },
    };
    said.map_or(Ok(DEFAULT_BODY), |view| view.number(1, MAX_BODY))
}

/// `mcp:`.
pub(super) fn mcp(keys: &Fields<'_>, protocol: Protocol) -> Result<McpOptions, Fault> {
    let mut options = McpOptions::default();
    let Some(view) = keys.get("mcp") else {
        return Ok(options);
    };
    if protocol != Protocol::Mcp {
        return Err(idle(&view, protocol));
    }
    let keys = view.fields(
        &[
            "max_body_bytes",
            "strict_tool_names",
            "allow_all_known_mcp_methods",
        ],
        &[],
    )?;
    if let Some(view) = keys.get("strict_tool_names") {
        options.strict_tool_names = view.boolean()?;
    }
    if let Some(view) = keys.get("allow_all_known_mcp_methods") {
        options.all_known_methods = view.boolean()?;
    }
    Ok(options)
}

/// `persisted_queries` and `graphql_persisted_queries`.
pub(super) fn persisted(keys: &Fields<'_>, protocol: Protocol) -> Result<PersistedQueries, Fault> {
    let word = keys.get("persisted_queries");
    let registry = keys.get("graphql_persisted_queries");
    let speaks = matches!(protocol, Protocol::Graphql | Protocol::Websocket);
    if let Some(view) = word.as_ref().or(registry.as_ref()).filter(|_| !speaks) {
        return Err(idle(view, protocol));
    }
    let allowed = match &word {
        Some(view) => view.word(&[("deny", false), ("allow_registered", true)])?,
        None => false,
    };
    match (allowed, registry) {
        (false, Some(view)) => Err(view
            .fault("documents are registered, but `persisted_queries` denies them all")
            .with_hint("add `persisted_queries: allow_registered`")),
        (false, None) => Ok(PersistedQueries::Deny),
        (true, None) => Ok(PersistedQueries::Registered(BTreeMap::new())),
        (true, Some(view)) => {
            let pairs = view.entries()?;
            if pairs.len() > MAX_REGISTERED {
                return Err(view.fault(format!("more than {MAX_REGISTERED} registered documents")));
            }
            let registered = pairs
                .into_iter()
                .map(|(key, view)| Ok((key.text.clone(), registered(&view)?)))
                .collect::<Result<_, Fault>>()?;
            Ok(PersistedQueries::Registered(registered))
        }
    }
}

fn registered(view: &View<'_>) -> Result<Registered, Fault> {
    let keys = view.fields(&["operation_type", "operation_name", "fields"], &[])?;
    let kinds = OperationKind::ALL.map(|kind| (kind.word(), kind));
    Ok(Registered {
        kind: keys.need("operation_type")?.word(&kinds)?,
        name: keys
            .get("operation_name")
            .map(|view| view.text().map(str::to_owned))
            .transpose()?,
        fields: keys
            .need("fields")?
            .some_list()?
            .iter()
            .map(|view| view.text().map(str::to_owned))
            .collect::<Result<_, _>>()?,
    })
}
