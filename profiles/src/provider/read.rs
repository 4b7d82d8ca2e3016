//! Reads the file strictly: every key is known, every value checked, and each name of a variable belongs to one entry.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::sync::Arc;

use super::kind::{Kind, kinds};
use super::serving::{self, Serving};
use super::{PathGlob, Place, Provider, Providers, SecretSource, is_key, is_name};
use crate::glob::Glob;
use crate::policy::HostPattern;
use crate::segments::SegmentGlob;
use crate::source::{Diagnostic, Source};
use crate::yaml::{self, Fields, View};

type Fault = Box<Diagnostic>;

/// Most entries of a node.
const MAX_PROVIDERS: usize = 256;
/// Most values of one list.
const MAX_VALUES: usize = 64;
/// The keys of an entry, beside those of a model server.
const KEYS: [&str; 12] = [
    "type",
    "hosts",
    "ports",
    "paths",
    "cleartext",
    "headers",
    "also_in",
    "env",
    "sandboxes",
    "policies",
    "file",
    "systemd",
];
/// Keys under which people would write the secret itself.
const SECRETS: [&str; 5] = ["secret", "token", "key", "api_key", "password"];
/// Variables that programs obey, so that no placeholder may take their place.
const TAKEN: [&str; 7] = ["PATH", "HOME", "SHELL", "USER", "TERM", "IFS", "ENV"];

impl Providers {
    /// Check a text.
    ///
    /// # Errors
    /// The first fault in it.
    pub fn parse(source: &Source) -> Result<Providers, Fault> {
        let file: Arc<str> = source.name.as_str().into();
        let tree = yaml::parse(source)?;
        let fields = View::root(source, &file, &tree).fields(&["version", "providers"], &[])?;
        fields.need("version")?.number(1, 1)?;
        let mut providers = Providers::default();
        let Some(view) = fields.get("providers") else {
            return Ok(providers);
        };
        let entries = view.entries()?;
        if entries.len() > MAX_PROVIDERS {
            return Err(view.fault(format!("more than {MAX_PROVIDERS} providers")));
        }
        let mut owners: BTreeMap<String, Arc<str>> = BTreeMap::new();
        for (key, view) in entries {
            let mut entry = entry(&view)?;
            (entry.at.line, entry.at.column) = (key.line, key.column);
            for key in &entry.env {
                if let Some(other) = owners.insert(key.clone(), entry.name.clone()) {
                    return Err(view
                        .child("env")
                        .unwrap_or(view)
                        .fault(format!(
                            "the variable `{key}` is given by `{other}` already"
                        ))
                        .with_hint("give this entry other names under `env`"));
                }
            }
            providers.entries.push(entry);
        }
        Ok(providers)
    }
}

fn entry(view: &View<'_>) -> Result<Provider, Fault> {
    if !is_name(view.name) {
        return Err(view.fault(format!(
            "`{}` is no provider's name: letters, digits, `-` and `_`, at most 64",
            view.name
        )));
    }
    if let Some(view) = SECRETS.iter().find_map(|key| view.child(key)) {
        return Err(view
            .fault("a secret does not belong into this file")
            .with_hint("run `nemoclaw provider set NAME --stdin`, or name a file under `file`"));
    }
    let keys = [KEYS.as_slice(), &serving::KEYS].concat();
    let fields = view.fields(&keys, &[])?;
    let kind = kind(&fields)?;
    let serving = serving::read(&fields, kind)?;
    let place = place_of(&fields, kind, serving.as_ref())?;
    let headers = match fields.get("headers") {
        Some(view) => Some(values(&view, header)?),
        None => kind
            .headers
            .map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
    };
    let cleartext = match fields.get("cleartext") {
        Some(view) => view.boolean()?,
        None => false,
    };
    let silent = serving.is_some() && kind.env.is_empty() && fields.get("env").is_none();
    let mut provider = Provider {
        name: Arc::from(view.name),
        kind,
        hosts: place.hosts,
        ports: place.ports,
        paths: place.paths,
        cleartext,
        headers,
        also_in: match fields.get("also_in") {
            Some(view) => values(&view, place_word)?,
            None => kind.also_in.to_vec(),
        },
        env: match silent {
            true => Vec::new(),
            false => or_kinds(&fields, "env", kind.env, key, |name| Ok(name.to_owned()))?,
        },
        sandboxes: optional(&fields, "sandboxes", |view| {
            SegmentGlob::value(view.text()?).map_err(|message| view.fault(message))
        })?,
        policies: optional(&fields, "policies", |view| view.text().map(str::to_owned))?,
        secret: secret(view, &fields, serving.as_ref())?,
        serving: None,
        at: view.at(),
    };
    provider.serving = within(&fields, &provider, serving)?;
    Ok(provider)
}

/// Where a credential may go.
struct Where {
    hosts: Vec<HostPattern>,
    ports: Vec<u16>,
    paths: Vec<PathGlob>,
}

/// What the entry says, else its own address, else its type's.
fn place_of(
    fields: &Fields<'_>,
    kind: &'static Kind,
    serving: Option<&Serving>,
) -> Result<Where, Fault> {
    let own = fields.get("base_url").is_some() || kind.hosts.is_empty();
    let base = serving.map(|serving| &serving.base).filter(|_| own);
    let unless = |key: &str| base.filter(|_| fields.get(key).is_none());
    Ok(Where {
        hosts: match unless("hosts") {
            // No sandbox can dial one, so no placeholder of one is replaced there.
            Some(base) if base.host.parse::<Ipv6Addr>().is_ok() => Vec::new(),
            Some(base) => {
                vec![HostPattern::parse(&base.host).map_err(|message| fields.fault(message))?]
            }
            None => or_kinds(fields, "hosts", kind.hosts, host, HostPattern::parse)?,
        },
        ports: match unless("ports") {
            Some(base) => vec![base.port],
            None => ports(fields, kind)?,
        },
        paths: match unless("paths") {
            Some(base) => {
                let tree = format!("{}/**", base.path);
                vec![path_glob(&tree).map_err(|message| fields.fault(message))?]
            }
            None => or_kinds(fields, "paths", kind.paths, path, path_glob)?,
        },
    })
}

/// The model server, where its address lies within what the entry says of hosts, ports and paths: its credential goes
/// nowhere else. An entry that leads its type's credential elsewhere, and says nothing of models, has none.
fn within(
    fields: &Fields<'_>,
    provider: &Provider,
    serving: Option<Serving>,
) -> Result<Option<Serving>, Fault> {
    let Some(serving) = serving else {
        return Ok(None);
    };
    let base = &serving.base;
    let keys = ["hosts", "ports", "paths"];
    let Some(view) = keys.iter().find_map(|key| fields.get(key)) else {
        return Ok(Some(serving));
    };
    let path = if base.path.is_empty() {
        "/"
    } else {
        &base.path
    };
    if provider.reaches(&base.host, base.port, path) {
        return Ok(Some(serving));
    }
    let quiet = serving::KEYS.iter().all(|key| fields.get(key).is_none());
    if quiet && !provider.kind.hosts.is_empty() {
        return Ok(None);
    }
    Err(view
        .fault(format!(
            "the model server at `{}` lies outside `{}`",
            base.host, view.name
        ))
        .with_hint(format!(
            "write its address under `base_url`, and leave `{}` out",
            view.name
        )))
}

fn kind(fields: &Fields<'_>) -> Result<&'static Kind, Fault> {
    let words: Vec<(&str, &'static Kind)> = kinds().iter().map(|kind| (kind.name, kind)).collect();
    fields.need("type")?.word(&words)
}

/// The entry's own values, else those of its type; there must be some.
fn or_kinds<T, K: Copy>(
    fields: &Fields<'_>,
    key: &str,
    usual: &'static [K],
    read: impl Fn(&View<'_>) -> Result<T, Fault>,
    make: impl Fn(K) -> Result<T, String>,
) -> Result<Vec<T>, Fault> {
    if usual.is_empty() || fields.get(key).is_some() {
        let view = fields.need(key)?;
        view.some_list()?;
        return values(&view, read);
    }
    let fault = |message| fields.fault(message);
    usual
        .iter()
        .map(|value| make(*value).map_err(fault))
        .collect()
}

fn optional<T>(
    fields: &Fields<'_>,
    key: &str,
    read: impl Fn(&View<'_>) -> Result<T, Fault>,
) -> Result<Option<Vec<T>>, Fault> {
    let Some(view) = fields.get(key) else {
        return Ok(None);
    };
    view.some_list()?;
    values(&view, read).map(Some)
}

fn values<T>(
    view: &View<'_>,
    read: impl Fn(&View<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let list = view.list()?;
    if list.len() > MAX_VALUES {
        return Err(view.fault(format!("`{}` has more than {MAX_VALUES} values", view.name)));
    }
    list.iter().map(read).collect()
}

fn ports(fields: &Fields<'_>, kind: &'static Kind) -> Result<Vec<u16>, Fault> {
    let port = |view: &View<'_>| {
        let number = view.number(1, u32::from(u16::MAX))?;
        u16::try_from(number).map_err(|_| view.fault("no port"))
    };
    or_kinds(fields, "ports", kind.ports, port, Ok)
}

fn host(view: &View<'_>) -> Result<HostPattern, Fault> {
    HostPattern::parse(view.text()?).map_err(|message| view.fault(message))
}

fn path(view: &View<'_>) -> Result<PathGlob, Fault> {
    path_glob(view.text()?).map_err(|message| view.fault(message))
}

fn path_glob(text: &str) -> Result<PathGlob, String> {
    Ok(PathGlob {
        glob: Glob::new(text)?,
        text: text.to_owned(),
    })
}

pub(super) fn header(view: &View<'_>) -> Result<String, Fault> {
    let text = view.text()?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.is_empty() || !text.bytes().all(token) {
        return Err(view.fault(format!("`{text}` is no name of a header field")));
    }
    Ok(text.to_ascii_lowercase())
}

fn place_word(view: &View<'_>) -> Result<Place, Fault> {
    view.word(&Place::ALL.map(|place| (place.word(), place)))
}

fn key(view: &View<'_>) -> Result<String, Fault> {
    let text = view.text()?;
    if !is_key(text) {
        return Err(view.fault(format!(
            "`{text}` is no name of a variable: letters, digits and `_`, not a digit first"
        )));
    }
    if TAKEN.contains(&text) || text.starts_with("LD_") || text.starts_with("NEMOCLAW_") {
        return Err(view.fault(format!(
            "programs obey the variable `{text}`: it cannot hold a placeholder"
        )));
    }
    Ok(text.to_owned())
}

fn secret(
    view: &View<'_>,
    fields: &Fields<'_>,
    serving: Option<&Serving>,
) -> Result<Option<SecretSource>, Fault> {
    match (fields.get("file"), fields.get("systemd")) {
        (Some(view), None) => {
            let text = view.text()?;
            let odd = text.split('/').any(|part| part == "..") || text.contains(char::is_control);
            if !text.starts_with('/') || odd {
                return Err(view.fault("`file` must be an absolute path without `..`"));
            }
            Ok(Some(SecretSource::File(PathBuf::from(text))))
        }
        (None, Some(view)) => {
            let text = view.text()?;
            let plain =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            if text.is_empty() || text.starts_with('.') || !text.bytes().all(plain) {
                return Err(view.fault(format!("`{text}` is no name of a systemd credential")));
            }
            Ok(Some(SecretSource::Systemd(text.to_owned())))
        }
        (Some(_), Some(view)) => {
            Err(view.fault("`file` and `systemd` both stand here: a provider has one secret"))
        }
        (None, None) if serving.is_some_and(|serving| serving.local) => Ok(None),
        (None, None) => Err(view
            .fault(format!("`{}` names no secret", view.name))
            .with_hint("add `file: /etc/nemoclaw/credentials/NAME`, or `systemd: NAME`")),
    }
}
