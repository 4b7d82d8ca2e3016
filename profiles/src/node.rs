//! The node's configuration: `/etc/nemoclaw/config.yaml`, read strictly. A missing file means all defaults.
//!
//! Whoever writes this file rules the node's boxes, so it must belong to root or to the caller, and nobody else may
//! write it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::handover::Capture;
use crate::policy::HostPattern;
use crate::source::{Diagnostic, Source};
use crate::trust::{self, TrustError};
use crate::yaml::{self, View};

mod audit;
mod cdi;
mod metrics;
mod privacy;
mod proxy;
mod selectable;

pub use audit::AuditConfig;
pub use cdi::CdiConfig;
pub use privacy::{DocumentSet, NerService, PrivacyConfig, WordList};
pub use proxy::UpstreamProxy;
pub use selectable::Selectable;

/// Where the file is looked for when neither `--config` nor `NEMOCLAW_CONFIG` names one.
pub const DEFAULT_PATH: &str = "/etc/nemoclaw/config.yaml";
/// The environment variable that names the file.
pub const ENVIRONMENT: &str = "NEMOCLAW_CONFIG";

/// The whole file (keys as the fields; `version: 1` is required in a file).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// `default_policy`: a name or an absolute path; `default` when omitted.
    pub default_policy: String,
    /// `selectable`: names that an annotation or the environment may choose; [`DEFAULT_SELECTABLE`] when omitted.
    pub selectable: Vec<Selectable>,
    /// `policy_dir`: files `NAME.yaml` here go before embedded policies of that name; `/etc/nemoclaw/policies`.
    pub policy_dir: PathBuf,
    /// `state_dir`; `/run/nemoclaw`.
    pub state_dir: PathBuf,
    /// `data_dir`; `/var/lib/nemoclaw`.
    pub data_dir: PathBuf,
    /// `egress_hook`: path of `nemoclaw-egress`; beside the running binary when omitted.
    pub egress_hook: Option<PathBuf>,
    /// `capture`.
    pub capture: Capture,
    /// `router`.
    pub router: RouterConfig,
    /// `audit`.
    pub audit: AuditConfig,
    /// `providers`: the file with the node's provider entries; [`crate::provider::DEFAULT_PATH`].
    pub providers: PathBuf,
    /// `cdi_dirs`, `cdi_devices`, `cdi_hooks`, `cdi_nvidia_variable`.
    pub cdi: CdiConfig,
    /// `privacy`: word lists, document sets and services that policies name.
    pub privacy: PrivacyConfig,
    /// The file it came from; `None` = defaults.
    pub path: Option<PathBuf>,
}

/// `router:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterConfig {
    /// `socket`; `<state_dir>/router.sock`.
    pub socket: PathBuf,
    /// `user`: the worker's account, a name or a number; `nobody` when omitted.
    pub user: String,
    /// `resolvers`: DNS servers; the host's `/etc/resolv.conf` when empty.
    pub resolvers: Vec<IpAddr>,
    /// `hosts`: fixed addresses of names, before any resolver.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// `extra_ca`: PEM files trusted beside the host's own roots when dialling out.
    pub extra_ca: Vec<PathBuf>,
    /// `upstream_proxy`, with `upstream_proxy_credentials` and `no_proxy`; the outside is dialled directly when omitted.
    pub upstream_proxy: Option<UpstreamProxy>,
    /// `metrics`: the loopback address and port where numbers about the router are served; none when omitted.
    pub metrics: Option<SocketAddr>,
}

/// What may be selected on a node whose configuration does not say: none of these widens, since all are met with the
/// handler's policy.
pub const DEFAULT_SELECTABLE: &[&str] = &["default", "strict", "offline", "dev"];

impl Default for NodeConfig {
    fn default() -> Self {
        let state_dir = PathBuf::from("/run/nemoclaw");
        NodeConfig {
            default_policy: "default".into(),
            selectable: DEFAULT_SELECTABLE
                .iter()
                .map(|name| Selectable::everywhere(name))
                .collect(),
            policy_dir: "/etc/nemoclaw/policies".into(),
            data_dir: "/var/lib/nemoclaw".into(),
            egress_hook: None,
            capture: Capture::Auto,
            router: RouterConfig::below(&state_dir),
            audit: AuditConfig::default(),
            providers: crate::provider::DEFAULT_PATH.into(),
            cdi: CdiConfig::default(),
            privacy: PrivacyConfig::default(),
            state_dir,
            path: None,
        }
    }
}

impl RouterConfig {
    fn below(state_dir: &Path) -> RouterConfig {
        RouterConfig {
            socket: state_dir.join("router.sock"),
            user: "nobody".into(),
            resolvers: Vec::new(),
            hosts: BTreeMap::new(),
            extra_ca: Vec::new(),
            upstream_proxy: None,
            metrics: None,
        }
    }
}

impl NodeConfig {
    /// Read `explicit`, else `NEMOCLAW_CONFIG`, else [`DEFAULT_PATH`] if it is there, else defaults.
    ///
    /// # Errors
    /// A named file that cannot be read, a fault in it, or a file that others than root or the caller may write.
    pub fn load(explicit: Option<&Path>) -> Result<NodeConfig, NodeError> {
        let named = match explicit {
            Some(path) => Some(path.to_owned()),
            None => std::env::var_os(ENVIRONMENT)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from),
        };
        let path = match named {
            Some(path) => path,
            None if Path::new(DEFAULT_PATH).exists() => PathBuf::from(DEFAULT_PATH),
            None => return Ok(NodeConfig::default()),
        };
        let trusted =
            trust::read(&path, &[]).map_err(|error| NodeError::from_trust(error, &path))?;
        let mut config = NodeConfig::parse(&trusted.source).map_err(NodeError::Fault)?;
        config.path = Some(path);
        Ok(config)
    }

    /// Check a text.
    ///
    /// # Errors
    /// The first fault in it.
    pub fn parse(source: &Source) -> Result<NodeConfig, Box<Diagnostic>> {
        let file: Arc<str> = source.name.as_str().into();
        let tree = yaml::parse(source)?;
        let known = [
            "version",
            "default_policy",
            "selectable",
            "policy_dir",
            "state_dir",
            "data_dir",
            "egress_hook",
            "capture",
            "router",
            "audit",
            "providers",
            "privacy",
        ];
        let known = [known.as_slice(), &cdi::KEYS].concat();
        let fields = View::root(source, &file, &tree).fields(&known, &["namespaces", "ceiling"])?;
        fields.need("version")?.number(1, 1)?;
        let mut config = NodeConfig::default();
        if let Some(view) = fields.get("default_policy") {
            config.default_policy = policy_choice(&view)?;
        }
        if let Some(view) = fields.get("selectable") {
            config.selectable = view
                .list()?
                .iter()
                .map(Selectable::read)
                .collect::<Result<_, _>>()?;
        }
        for (key, slot) in [
            ("policy_dir", &mut config.policy_dir),
            ("state_dir", &mut config.state_dir),
            ("data_dir", &mut config.data_dir),
            ("providers", &mut config.providers),
        ] {
            if let Some(view) = fields.get(key) {
                *slot = absolute(&view)?;
            }
        }
        config.egress_hook = fields
            .get("egress_hook")
            .map(|view| absolute(&view))
            .transpose()?;
        if let Some(view) = fields.get("capture") {
            let words = [
                ("auto", Capture::Auto),
                ("sk_lookup", Capture::SkLookup),
                ("tproxy", Capture::Tproxy),
            ];
            config.capture = view.word(&words)?;
        }
        config.router = RouterConfig::below(&config.state_dir);
        if let Some(view) = fields.get("router") {
            router(&view, &mut config.router)?;
        }
        if let Some(view) = fields.get("audit") {
            config.audit = audit::read(&view)?;
        }
        config.cdi = cdi::read(&fields)?;
        if let Some(view) = fields.get("privacy") {
            config.privacy = privacy::read(&view)?;
        }
        Ok(config)
    }

    /// `ceiling.yaml` beside the configuration: met with every policy of the node when it is there.
    pub fn ceiling_path(&self) -> PathBuf {
        let config = self.path.as_deref().unwrap_or(Path::new(DEFAULT_PATH));
        config
            .parent()
            .unwrap_or(Path::new("/"))
            .join("ceiling.yaml")
    }
}

/// Whether `name` can name a policy: it becomes a file name in `policy_dir`.
pub(crate) fn is_policy_name(name: &str) -> bool {
    const MAX: usize = 64;
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    plain && (1..=MAX).contains(&name.len()) && !name.starts_with(['.', '-'])
}

fn policy_choice(view: &View<'_>) -> Result<String, Box<Diagnostic>> {
    let text = view.text()?;
    if is_policy_name(text) || text.starts_with('/') {
        return Ok(text.to_owned());
    }
    Err(view.fault(format!(
        "`{text}` is neither a policy's name nor an absolute path"
    )))
}

fn policy_name(view: &View<'_>) -> Result<String, Box<Diagnostic>> {
    let text = view.text()?;
    if is_policy_name(text) {
        return Ok(text.to_owned());
    }
    Err(view.fault(format!(
        "`{text}` is no policy name: letters, digits, `-`, `_` and `.` only, at most 64"
    )))
}

fn absolute(view: &View<'_>) -> Result<PathBuf, Box<Diagnostic>> {
    let text = view.text()?;
    let odd = text.split('/').any(|part| part == "..") || text.contains(char::is_control);
    if !text.starts_with('/') || odd {
        return Err(view.fault(format!(
            "`{}` must be an absolute path without `..`",
            view.name
        )));
    }
    Ok(PathBuf::from(text))
}

fn router(view: &View<'_>, router: &mut RouterConfig) -> Result<(), Box<Diagnostic>> {
    let known = ["socket", "user", "resolvers", "hosts", "extra_ca"];
    let known = [known.as_slice(), &proxy::KEYS, &[metrics::KEY]].concat();
    let fields = view.fields(&known, &["limits", "listen"])?;
    if let Some(view) = fields.get("socket") {
        router.socket = absolute(&view)?;
    }
    if let Some(view) = fields.get("user") {
        router.user = account(&view)?;
    }
    if let Some(view) = fields.get("resolvers") {
        router.resolvers = view.list()?.iter().map(address).collect::<Result<_, _>>()?;
    }
    if let Some(view) = fields.get("hosts") {
        for (key, view) in view.entries()? {
            let host = HostPattern::parse(&key.text).map_err(|message| view.fault(message))?;
            if host.is_wildcard() {
                return Err(view.fault(format!(
                    "`{}` is a pattern; `hosts` names single hosts",
                    key.text
                )));
            }
            let addresses = match view.node.value {
                yaml::Value::Text(_) => vec![address(&view)?],
                _ => view
                    .some_list()?
                    .iter()
                    .map(address)
                    .collect::<Result<_, _>>()?,
            };
            if router
                .hosts
                .insert(host.as_str().to_owned(), addresses)
                .is_some()
            {
                return Err(view.fault(format!("the host `{}` stands twice", host.as_str())));
            }
        }
    }
    if let Some(view) = fields.get("extra_ca") {
        router.extra_ca = view
            .list()?
            .iter()
            .map(absolute)
            .collect::<Result<_, _>>()?;
    }
    router.upstream_proxy = proxy::read(&fields)?;
    router.metrics = metrics::read(&fields)?;
    Ok(())
}

/// An account's name, or a number that is not root's.
fn account(view: &View<'_>) -> Result<String, Box<Diagnostic>> {
    let text = match &view.node.value {
        yaml::Value::Int(number) if *number > 0 && *number < i128::from(u32::MAX) => {
            number.to_string()
        }
        yaml::Value::Int(_) => {
            return Err(view.fault("`user` must be a number from 1 to 4294967294 or a name"));
        }
        _ => view.text()?.to_owned(),
    };
    if text.is_empty()
        || text == "root"
        || text == "0"
        || text.contains(|c: char| c.is_control() || c == ':')
    {
        return Err(
            view.fault("`user` must be an account other than root: the worker reads hostile bytes")
        );
    }
    Ok(text)
}

fn address(view: &View<'_>) -> Result<IpAddr, Box<Diagnostic>> {
    let text = view.text()?;
    text.parse()
        .map_err(|_| view.fault(format!("`{text}` is no IP address")))
}

/// Why the node's configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// Cannot be read.
    #[error("cannot read the node configuration `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// A fault in the text; the full diagnostic has the caret.
    #[error("the node configuration cannot be used: {}", .0.one_line())]
    Fault(Box<Diagnostic>),
    /// Writable by others.
    #[error("the file `{}` can be written by others: run `chmod go-w {}` and make root its owner", path.display(), path.display())]
    Writable {
        /// The file.
        path: PathBuf,
    },
    /// Not to be believed for another reason.
    #[error("the node configuration cannot be believed")]
    Untrusted(#[source] TrustError),
}

impl NodeError {
    fn from_trust(error: TrustError, path: &Path) -> NodeError {
        let path = path.to_owned();
        match error {
            TrustError::Read { source, .. } => NodeError::Read { path, source },
            TrustError::Writable { .. } => NodeError::Writable { path },
            other => NodeError::Untrusted(other),
        }
    }
}
