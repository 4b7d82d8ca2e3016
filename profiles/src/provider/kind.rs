//! Types of providers: where the credentials of well-known services may go. What an entry spells out goes before these.

use super::Place;
use super::serving::{Auth, Dialect};

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
    /// What it speaks, where it is a model server.
    pub serving: Option<KindServing>,
}

/// What a type of model server speaks.
#[derive(Debug, PartialEq, Eq)]
pub struct KindServing {
    /// Its protocol.
    pub dialect: Dialect,
    /// Where its API begins; an entry must say it where there is none.
    pub base_url: Option<&'static str>,
    /// The field with its credential.
    pub auth: Auth,
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
    serving: None,
};

/// A model server of OpenAI's shape.
const fn openai(base_url: Option<&'static str>) -> Option<KindServing> {
    Some(KindServing {
        dialect: Dialect::OpenAi,
        base_url,
        auth: Auth::Bearer,
    })
}

/// Headers only, where a service knows them: what stands in an address or a body may become public there, such as in a gist.
static KINDS: [Kind; 19] = [
    Kind {
        name: "generic",
        hosts: &[],
        ports: &[],
        paths: &[],
        env: &[],
        headers: None,
        also_in: &Place::ALL,
        serving: None,
    },
    Kind {
        name: "anthropic",
        hosts: &["api.anthropic.com"],
        paths: &["/v1/**"],
        env: &["ANTHROPIC_API_KEY"],
        headers: Some(&["x-api-key", "authorization"]),
        serving: Some(KindServing {
            dialect: Dialect::Anthropic,
            base_url: Some("https://api.anthropic.com/v1"),
            auth: Auth::Field("x-api-key"),
        }),
        ..PLAIN
    },
    Kind {
        name: "openai",
        hosts: &["api.openai.com"],
        paths: &["/v1/**"],
        env: &["OPENAI_API_KEY"],
        serving: openai(Some("https://api.openai.com/v1")),
        ..PLAIN
    },
    Kind {
        name: "nvidia",
        hosts: &["integrate.api.nvidia.com", "inference-api.nvidia.com"],
        paths: &["/v1/**"],
        env: &["NVIDIA_API_KEY"],
        serving: openai(Some("https://integrate.api.nvidia.com/v1")),
        ..PLAIN
    },
    Kind {
        name: "openrouter",
        hosts: &["openrouter.ai"],
        paths: &["/api/v1/**"],
        env: &["OPENROUTER_API_KEY"],
        serving: openai(Some("https://openrouter.ai/api/v1")),
        ..PLAIN
    },
    Kind {
        name: "gemini",
        hosts: &["generativelanguage.googleapis.com"],
        paths: &["/v1beta/openai/**"],
        env: &["GEMINI_API_KEY"],
        serving: openai(Some(
            "https://generativelanguage.googleapis.com/v1beta/openai",
        )),
        ..PLAIN
    },
    // Its host is the customer's own: `https://NAME.openai.azure.com/openai/v1`.
    Kind {
        name: "azure-openai",
        headers: Some(&["api-key"]),
        env: &["AZURE_OPENAI_API_KEY"],
        serving: Some(KindServing {
            dialect: Dialect::OpenAi,
            base_url: None,
            auth: Auth::Field("api-key"),
        }),
        ..PLAIN
    },
    Kind {
        name: "nim",
        serving: openai(Some("http://127.0.0.1:8000/v1")),
        ..PLAIN
    },
    Kind {
        name: "vllm",
        serving: openai(Some("http://127.0.0.1:8000/v1")),
        ..PLAIN
    },
    Kind {
        name: "ollama",
        serving: openai(Some("http://127.0.0.1:11434/v1")),
        ..PLAIN
    },
    Kind {
        name: "llama.cpp",
        serving: openai(Some("http://127.0.0.1:8080/v1")),
        ..PLAIN
    },
    Kind {
        name: "lmstudio",
        serving: openai(Some("http://127.0.0.1:1234/v1")),
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
