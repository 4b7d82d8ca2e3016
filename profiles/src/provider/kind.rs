//! Types of providers: where the credentials of well-known services may go. What an entry spells out goes before these.

use super::Place;

/// A type.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its word.
    pub name: &'static str,
    /// Hosts; an entry must give them where there are none.
    pub hosts: &'static [&'static str],
    /// Ports; an entry must give them where there are none.
    pub ports: &'static [u16],
    /// Paths; an entry must give them where there are none.
    pub paths: &'static [&'static str],
    /// Variables; an entry must give them where there are none.
    pub env: &'static [&'static str],
    /// Header fields that may carry the credential; `None` means any.
    pub headers: Option<&'static [&'static str]>,
    /// Other places that may.
    pub also_in: &'static [Place],
}

/// A service that takes a token in `Authorization`, on 443.
const PLAIN: Kind = Kind {
    name: "",
    hosts: &[],
    ports: &[443],
    paths: &["/**"],
    env: &[],
    headers: Some(&["authorization"]),
    also_in: &[],
};

/// Headers only, where a service knows them: what stands in an address or a body may become public there, such as in a gist.
static KINDS: [Kind; 11] = [
    Kind {
        name: "generic",
        hosts: &[],
        ports: &[],
        paths: &[],
        env: &[],
        headers: None,
        also_in: &Place::ALL,
    },
    Kind {
        name: "anthropic",
        hosts: &["api.anthropic.com"],
        paths: &["/v1/**"],
        env: &["ANTHROPIC_API_KEY"],
        headers: Some(&["x-api-key", "authorization"]),
        ..PLAIN
    },
    Kind {
        name: "openai",
        hosts: &["api.openai.com"],
        paths: &["/v1/**"],
        env: &["OPENAI_API_KEY"],
        ..PLAIN
    },
    Kind {
        name: "nvidia",
        hosts: &["integrate.api.nvidia.com", "inference-api.nvidia.com"],
        paths: &["/v1/**"],
        env: &["NVIDIA_API_KEY"],
        ..PLAIN
    },
    Kind {
        name: "github",
        hosts: &["api.github.com", "github.com", "uploads.github.com"],
        env: &["GITHUB_TOKEN", "GH_TOKEN"],
        ..PLAIN
    },
    Kind {
        name: "gitlab",
        hosts: &["gitlab.com"],
        env: &["GITLAB_TOKEN"],
        headers: Some(&["authorization", "private-token"]),
        ..PLAIN
    },
    Kind {
        name: "huggingface",
        hosts: &["huggingface.co"],
        env: &["HF_TOKEN"],
        ..PLAIN
    },
    Kind {
        name: "slack",
        hosts: &["slack.com"],
        paths: &["/api/**"],
        env: &["SLACK_BOT_TOKEN"],
        also_in: &[Place::Body],
        ..PLAIN
    },
    Kind {
        name: "discord",
        hosts: &["discord.com", "gateway.discord.gg"],
        paths: &["/", "/api/**"],
        env: &["DISCORD_TOKEN"],
        also_in: &[Place::Websocket],
        ..PLAIN
    },
    Kind {
        name: "telegram",
        hosts: &["api.telegram.org"],
        paths: &["/bot*/**", "/file/bot*/**"],
        env: &["TELEGRAM_BOT_TOKEN"],
        headers: Some(&[]),
        also_in: &[Place::Url],
        ..PLAIN
    },
    // Its hosts are customers' own, so none can be named here.
    Kind {
        name: "jira",
        env: &["JIRA_API_TOKEN"],
        ..PLAIN
    },
];

/// All types.
#[must_use]
pub fn kinds() -> &'static [Kind] {
    &KINDS
}
