//! The node's provider entries, `/etc/nemoclaw/providers.yaml`: whose credentials there are, where each may be sent, and
//! by which names sandboxes ask for it.
//!
//! A secret is never in this file; it lies where the entry says. Sandboxes hold placeholders ([`placeholder`]), which the
//! router replaces on the way out, at the hosts, ports and paths of the entry only. A policy binds an endpoint to a
//! provider and so narrows that further; its author cannot send a credential to a host of his own.

mod base;
mod kind;
mod load;
pub mod placeholder;
mod read;
mod secret;
mod serving;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use base::BaseUrl;
pub use kind::{Kind, kinds};
pub use load::{ProviderError, load};
pub use secret::{SecretError, Unread, check_secret, line_of, read_secret};
pub use serving::{Auth, Dialect, Model, Price, Serving};
pub(crate) use serving::{is_model_name, price, residency};

use crate::decide::Readings;
use crate::glob::Glob;
use crate::policy::{Binding, HostPattern, Policy};
use crate::segments::SegmentGlob;
use crate::source::Location;

/// Where the file is looked for when the node's configuration does not name another.
pub const DEFAULT_PATH: &str = "/etc/nemoclaw/providers.yaml";
/// The longest secret, in bytes: what fits into a header field beside others.
pub const MAX_SECRET: usize = 8 * 1024;
/// The shortest: answers are searched for it.
pub const MIN_SECRET: usize = 8;
/// The longest name of a variable.
pub const MAX_KEY: usize = 128;

/// Whether `text` may name a provider.
#[must_use]
pub fn is_name(text: &str) -> bool {
    crate::policy::is_provider_name(text)
}

/// Whether `text` may name a variable.
#[must_use]
pub fn is_key(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= MAX_KEY
        && text.bytes().all(plain)
        && text
            .bytes()
            .next()
            .is_some_and(|first| !first.is_ascii_digit())
}

/// All entries, in file order.
#[derive(Debug, Clone, Default)]
pub struct Providers {
    /// The entries.
    pub entries: Vec<Provider>,
}

/// One entry. Equality ignores its place.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its key, by which policies bind to it.
    pub name: Arc<str>,
    /// `type`.
    pub kind: &'static Kind,
    /// `hosts`: where the credential may be sent.
    pub hosts: Vec<HostPattern>,
    /// `ports`.
    pub ports: Vec<u16>,
    /// `paths`: globs.
    pub paths: Vec<PathGlob>,
    /// `cleartext`: it may be sent without TLS.
    pub cleartext: bool,
    /// `headers`: the fields that may carry it, lower case; `None` means any.
    pub headers: Option<Vec<String>>,
    /// `also_in`: the other places that may carry it.
    pub also_in: Vec<Place>,
    /// `env`: the variables whose placeholders stand for it.
    pub env: Vec<String>,
    /// `sandboxes`: patterns of names of sandboxes that may use it; `None` means all.
    pub sandboxes: Option<Vec<SegmentGlob>>,
    /// `policies`: a sandbox with one of these policies may use it; `None` means all.
    pub policies: Option<Vec<String>>,
    /// `file` or `systemd`; only a model server may do without.
    pub secret: Option<SecretSource>,
    /// `base_url` and what stands beside it: the models that it serves, where it is a model server.
    pub serving: Option<Serving>,
    /// Where its key stands.
    pub at: Location,
}

impl PartialEq for Provider {
    fn eq(&self, other: &Self) -> bool {
        let axes = |entry: &Provider| {
            (
                (entry.name.clone(), entry.kind, entry.hosts.clone()),
                (entry.ports.clone(), entry.paths.clone(), entry.cleartext),
                (entry.headers.clone(), entry.also_in.clone()),
                (entry.env.clone(), entry.sandboxes.clone()),
                (entry.policies.clone(), entry.secret.clone()),
                entry.serving.clone(),
            )
        };
        axes(self) == axes(other)
    }
}

/// A path glob with its text.
#[derive(Debug, Clone, PartialEq)]
pub struct PathGlob {
    /// As written.
    pub text: String,
    pub(crate) glob: Glob,
}

/// Where a request may carry a credential, beside header fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the path or the query.
    Url,
    /// In the body, where the policy says so too.
    Body,
    /// In the texts of a WebSocket, where the policy says so too.
    Websocket,
}

impl Place {
    /// All of them.
    pub const ALL: [Place; 3] = [Place::Url, Place::Body, Place::Websocket];

    /// The word in the file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Place::Url => "url",
            Place::Body => "body",
            Place::Websocket => "websocket",
        }
    }
}

/// Where a secret lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// `file`: a file of root's with mode 0600.
    File(PathBuf),
    /// `systemd`: a credential that systemd gives to the router's unit.
    Systemd(String),
}

impl SecretSource {
    /// The file; `None` where systemd gave this process no credentials.
    #[must_use]
    pub fn path(&self, credentials: Option<&Path>) -> Option<PathBuf> {
        match self {
            SecretSource::File(path) => Some(path.clone()),
            SecretSource::Systemd(name) => Some(credentials?.join(name)),
        }
    }
}

impl Provider {
    /// Whether the credential may be sent there. `path` is in the normal form; every reading of it must be covered.
    #[must_use]
    pub fn reaches(&self, host: &str, port: u16, path: &str) -> bool {
        self.ports.contains(&port)
            && self.hosts.iter().any(|pattern| pattern.matches(host))
            && Readings::of(path).is_some_and(|readings| {
                readings.all_and_bare(|path| {
                    self.paths
                        .iter()
                        .any(|pattern| pattern.glob.covers_tree(path))
                })
            })
    }

    /// Whether a sandbox with these policies may use it.
    #[must_use]
    pub fn serves<'a>(&self, sandbox: &str, policies: impl IntoIterator<Item = &'a str>) -> bool {
        let named = self
            .sandboxes
            .as_ref()
            .is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(sandbox)));
        let mut policies = policies.into_iter();
        named
            && self
                .policies
                .as_ref()
                .is_none_or(|known| policies.any(|policy| known.iter().any(|own| own == policy)))
    }

    /// Whether the field `name` (lower case) may carry it.
    #[must_use]
    pub fn takes_header(&self, name: &str) -> bool {
        self.headers
            .as_ref()
            .is_none_or(|known| known.iter().any(|own| own == name))
    }
}

impl Providers {
    /// The entry of a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Provider> {
        self.entries.iter().find(|entry| &*entry.name == name)
    }

    /// The entry whose placeholder has this key.
    #[must_use]
    pub fn of_key(&self, key: &str) -> Option<&Provider> {
        self.entries
            .iter()
            .find(|entry| entry.env.iter().any(|own| own == key))
    }

    /// The variables with their placeholders that a sandbox under `policy` gets.
    #[must_use]
    pub fn environment(
        &self,
        sandbox: &str,
        policy: &Policy,
        policies: &[&str],
    ) -> Vec<(String, String)> {
        let bound = bound(policy);
        self.entries
            .iter()
            .filter(|entry| bound.contains(&entry.name))
            .filter(|entry| entry.serves(sandbox, policies.iter().copied()))
            .flat_map(|entry| &entry.env)
            .map(|key| (key.clone(), placeholder::of(key)))
            .collect()
    }
}

/// The providers that some endpoint of every layer of the policy binds, by name or by `*`; one layer at least by name.
#[must_use]
pub fn bound(policy: &Policy) -> BTreeSet<Arc<str>> {
    let layers: Vec<(BTreeSet<Arc<str>>, bool)> = policy
        .network
        .iter()
        .map(|layer| {
            let bindings = || {
                layer
                    .entries
                    .iter()
                    .flat_map(|entry| &entry.endpoints)
                    .map(|endpoint| &endpoint.credentials.provider)
            };
            let names = bindings().filter_map(|binding| match binding {
                Binding::Provider(name) => Some(name.clone()),
                Binding::Nobody | Binding::Any => None,
            });
            (
                names.collect(),
                bindings().any(|binding| *binding == Binding::Any),
            )
        })
        .collect();
    let all: BTreeSet<Arc<str>> = layers
        .iter()
        .flat_map(|(names, _)| names)
        .cloned()
        .collect();
    all.into_iter()
        .filter(|name| {
            layers
                .iter()
                .all(|(names, any)| *any || names.contains(name))
        })
        .collect()
}
