//! `policy validate`, `policy check` and `policy schema`: what a file says, what it decides, what one may say.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nemoclaw_policy::decide::{Handling, NameVerdict, RuleRef};
use nemoclaw_policy::{Flow, HttpRequest, Policy, Source, Verdict, builtin};

use crate::args::{self, Check};
use crate::fault::Fault;
use crate::node::Node;
use crate::printer::{Printer, Tone};

/// Exit code of a refusal.
const DENIED: u8 = 1;
/// Exit code when the question cannot be answered.
pub const CANNOT_TELL: u8 = 2;

/// Run it.
pub fn run(
    config: Option<&Path>,
    verb: &args::Policy,
    printer: Printer,
) -> anyhow::Result<ExitCode> {
    match verb {
        args::Policy::Validate { policy } => {
            let loaded = load(config, policy)?;
            let entries: usize = loaded.network.iter().map(|layer| layer.entries.len()).sum();
            printer.labelled(
                Tone::Good,
                "valid",
                format_args!("policy `{policy}`, {entries} network entries"),
            );
            Ok(ExitCode::SUCCESS)
        }
        args::Policy::Check(check) => decide(&load(config, &check.policy)?, check, printer),
        args::Policy::Schema => {
            printer.data(nemoclaw_policy::schema::TEXT.trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Read a file, else a policy of that name: the node's own, then an embedded one.
fn load(config: Option<&Path>, given: &str) -> anyhow::Result<Policy> {
    let source = source(config, given)?;
    Policy::load(&source).map_err(|fault| {
        let hint = fault.hint.clone();
        let error = Fault::new(fault.to_string());
        hint.into_iter().fold(error, Fault::hint).into()
    })
}

fn source(config: Option<&Path>, given: &str) -> anyhow::Result<Source> {
    let file = PathBuf::from(given);
    let named = given.contains('/') || file.exists() || file.extension().is_some();
    let path = if named {
        file
    } else {
        Node::load(config)?
            .config
            .policy_dir
            .join(format!("{given}.yaml"))
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Source {
            name: with_slash(&path),
            path: Some(path),
            text: text.into(),
        }),
        Err(error) => match builtin::policy(given) {
            Some(text) if !named => Ok(Source {
                name: format!("builtin:{given}"),
                path: None,
                text: text.into(),
            }),
            _ if named => Err(Fault::new(format!("cannot read policy `{given}`"))
                .because(error)
                .into()),
            _ => {
                let names = builtin::policy_names().join(", ");
                Err(Fault::new(format!("there is no policy `{given}`"))
                    .hint(format!("give a file, or one of: {names}"))
                    .into())
            }
        },
    }
}

/// A file's name always has a slash, by which messages tell it from a policy's name.
fn with_slash(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains('/') {
        text
    } else {
        format!("./{text}")
    }
}

fn decide(policy: &Policy, check: &Check, printer: Printer) -> anyhow::Result<ExitCode> {
    let host = check.host.trim_end_matches('.').to_ascii_lowercase();
    let method = check.method.as_deref().map(str::to_ascii_uppercase);
    let where_to = format!("{host}:{}", check.port);
    if policy.name_verdict(&host) != NameVerdict::Unknown
        && policy.handling(&Flow::to(&host, check.port)) == Handling::InspectHttp
        && (method.is_none() || check.path.is_none())
    {
        printer.data(format_args!(
            "cannot tell: {where_to} is decided request by request"
        ))?;
        printer.labelled(Tone::Hint, "hint", "give --method and --path");
        return Ok(ExitCode::from(CANNOT_TELL));
    }
    let http = match (&method, &check.path) {
        (Some(method), Some(path)) => Some(HttpRequest::new(method, path)),
        _ => None,
    };
    let flow = Flow::to(&host, check.port);
    let http = http.filter(|_| policy.handling(&flow) != Handling::PassL4);
    match policy.decide(&Flow { http, ..flow }) {
        Verdict::Ask { rule, .. } => {
            printer.data(format_args!("asked: {where_to} by {}", place(&rule)))?;
            Ok(ExitCode::from(CANNOT_TELL))
        }
        Verdict::Allow {
            rule, audit_only, ..
        } => {
            let how = if audit_only {
                "allowed, and recorded as outside the rules"
            } else {
                "allowed"
            };
            printer.data(format_args!("{how}: {where_to} by {}", place(&rule)))?;
            Ok(ExitCode::SUCCESS)
        }
        Verdict::Deny { reason, rule, hint } => {
            let by = rule
                .map(|rule| format!(" by {}", place(&rule)))
                .unwrap_or_default();
            printer.data(format_args!("denied: {where_to}{by}: {reason}"))?;
            printer.labelled(Tone::Hint, "hint", hint);
            Ok(ExitCode::from(DENIED))
        }
    }
}

fn place(rule: &RuleRef) -> String {
    format!("`{}` ({})", rule.name, rule.at)
}
