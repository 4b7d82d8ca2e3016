//! `provider`: credentials that stay outside.

use std::path::PathBuf;

use clap::{Args as Arguments, Subcommand};

use super::Format;

/// `provider`.
#[derive(Debug, Subcommand)]
pub enum Provider {
    /// Keep a credential, and say where it may be sent.
    #[command(after_help = "Examples:
  nemoclaw provider set github --type github --from-env GITHUB_TOKEN
  pass show tracker | nemoclaw provider set tracker --type generic --host api.example.com --port 443 --path '/v1/**' --env TRACKER_KEY --stdin
  nemoclaw provider set github --from-file /root/new-token
  nemoclaw provider set ollama --type ollama --model qwen3:8b
  nemoclaw provider set hosted --type openai --model small --price small=0.15/0.6 --clearance internal --from-env OPENAI_API_KEY

Sandboxes whose policy has `credential_binding: { provider: NAME }` get a placeholder in the variable; the router puts the
credential in its place. Without --type and the like a known provider gets a new credential and stays as it is.
A model server on this machine, or with --local, needs none; policies with `inference` may ask it.")]
    Set(Box<Set>),
    /// List the providers.
    #[command(after_help = "Examples:
  nemoclaw provider list
  nemoclaw provider list --output json")]
    List {
        /// How to print.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        output: Format,
    },
    /// Show where a credential may be sent, by whom, and where it lies; never the credential.
    #[command(after_help = "Examples:
  nemoclaw provider show github")]
    Show {
        /// The provider.
        name: String,
    },
    /// Forget a provider, and erase its credential where `set` has written it.
    #[command(after_help = "Examples:
  nemoclaw provider rm github")]
    Rm {
        /// The provider.
        name: String,
    },
    /// Check that the credential can be read and that the router holds it; a model server is asked for its models.
    #[command(after_help = "Examples:
  nemoclaw provider test github
  nemoclaw provider test ollama

Only a model server is sent anything: one GET below its base URL, with its credential.
Exit code 1: it cannot be used.")]
    Test {
        /// The provider.
        name: String,
    },
    /// Find model servers that run on this machine, and print the commands that make providers of them.
    #[command(after_help = "Examples:
  nemoclaw provider detect
  nemoclaw provider detect --port 8001 --json

Only loopback addresses are dialled.")]
    Detect(Detect),
}

/// `provider detect`.
#[derive(Debug, Arguments)]
pub struct Detect {
    /// A port to look at; 8000, 11434, 8080 and 1234 when omitted.
    #[arg(long = "port", value_name = "PORT")]
    pub ports: Vec<u16>,
    /// One JSON document, with stable keys and a `version`.
    #[arg(long)]
    pub json: bool,
}

/// `provider set`.
#[derive(Debug, Arguments)]
pub struct Set {
    /// The provider.
    pub name: String,
    /// Its type, such as `github`, `ollama` or `generic`.
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// A host that may be sent the credential; given again for more.
    #[arg(long = "host", value_name = "HOST")]
    pub hosts: Vec<String>,
    /// A port of it.
    #[arg(long = "port", value_name = "PORT")]
    pub ports: Vec<u16>,
    /// A path there.
    #[arg(long = "path", value_name = "GLOB")]
    pub paths: Vec<String>,
    /// A variable that gets the placeholder.
    #[arg(long = "env", value_name = "KEY")]
    pub env: Vec<String>,
    /// A sandbox that may use it, or a pattern; all when omitted.
    #[arg(long = "sandbox", value_name = "NAME")]
    pub sandboxes: Vec<String>,
    /// A policy whose sandboxes may use it; all when omitted.
    #[arg(long = "policy", value_name = "NAME")]
    pub policies: Vec<String>,
    /// A model server: where its API begins, such as `https://HOST/v1`; that of its type when omitted.
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// What it speaks, where that is not what its type speaks.
    #[arg(long, value_name = "openai|anthropic")]
    pub protocol: Option<String>,
    /// A model that it has; the first is the usual one, none means any.
    #[arg(long = "model", value_name = "NAME")]
    pub models: Vec<String>,
    /// What a million tokens of a model cost, sent and received.
    #[arg(long = "price", value_name = "MODEL=INPUT/OUTPUT")]
    pub prices: Vec<String>,
    /// The most sensitive class that it may see: public, internal, personal, secret or regulated.
    #[arg(long, value_name = "CLASS")]
    pub clearance: Option<String>,
    /// Where it processes what it gets, such as `eu`.
    #[arg(long, value_name = "WORD")]
    pub residency: Option<String>,
    /// It is your own, and so is the way to it.
    #[arg(long)]
    pub local: bool,
    /// Take the credential from this variable of the command's own environment.
    #[arg(long, value_name = "VAR", group = "source")]
    pub from_env: Option<String>,
    /// Take it from a file.
    #[arg(long, value_name = "FILE", group = "source")]
    pub from_file: Option<PathBuf>,
    /// Take it from standard input.
    #[arg(long, group = "source")]
    pub stdin: bool,
    /// It is a credential that systemd gives to the router's unit (`LoadCredential=`).
    #[arg(long, value_name = "CREDENTIAL", group = "source")]
    pub systemd: Option<String>,
    /// Refused: every user of the machine can read command lines.
    #[arg(long, hide = true, aliases = ["token", "key", "value", "password", "api-key"], num_args = 0..=1)]
    pub secret: Option<Option<String>>,
    /// Refused for the same reason.
    #[arg(hide = true)]
    pub rest: Vec<String>,
}

impl Set {
    /// Whether anything but the credential is said.
    #[must_use]
    pub fn describes(&self) -> bool {
        let lists = [
            &self.hosts,
            &self.paths,
            &self.env,
            &self.sandboxes,
            &self.policies,
            &self.models,
            &self.prices,
        ];
        let texts = [
            &self.kind,
            &self.systemd,
            &self.base_url,
            &self.protocol,
            &self.clearance,
            &self.residency,
        ];
        self.local
            || texts.iter().any(|text| text.is_some())
            || !self.ports.is_empty()
            || lists.iter().any(|list| !list.is_empty())
    }
    /// Whether it is said where the credential comes from.
    #[must_use]
    pub fn brings_secret(&self) -> bool {
        self.from_env.is_some() || self.from_file.is_some() || self.stdin || self.systemd.is_some()
    }
}
