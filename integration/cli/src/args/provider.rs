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

Sandboxes whose policy has `credential_binding: { provider: NAME }` get a placeholder in the variable; the router puts the
credential in its place. Without --type and the like a known provider gets a new credential and stays as it is.")]
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
    /// Check that the credential can be read and that the router holds it; nothing is sent anywhere.
    #[command(after_help = "Examples:
  nemoclaw provider test github

Exit code 1: it cannot be used.")]
    Test {
        /// The provider.
        name: String,
    },
}

/// `provider set`.
#[derive(Debug, Arguments)]
pub struct Set {
    /// The provider.
    pub name: String,
    /// Its type, such as `github` or `generic`.
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
        ];
        self.kind.is_some()
            || self.systemd.is_some()
            || !self.ports.is_empty()
            || lists.iter().any(|list| !list.is_empty())
    }
}
