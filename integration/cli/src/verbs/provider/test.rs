//! `provider test`: whether a credential can be used, and whether a model server answers. The credential goes to the
//! provider's own base URL and nowhere else.

use std::process::ExitCode;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use nemoclaw_policy::node::RouterConfig;
use nemoclaw_policy::provider::{Auth, Dialect, Provider, SecretSource, Serving, read_secret};
use zeroize::Zeroizing;

use super::{entries, find, hosts};
use crate::fault::Fault;
use crate::models::http::{Answer, Client, GetError};
use crate::models::servers::{base_words, listed};
use crate::node::Node;
use crate::printer::{Printer, Tone, plain};
use crate::verbs::router;

/// How long a server has.
const PATIENCE: Duration = Duration::from_secs(10);
/// The version of Anthropic's API that is asked.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// Run it.
pub fn run(node: &Node, name: &str, printer: Printer) -> anyhow::Result<ExitCode> {
    let entry = find(&entries(node)?, name)?;
    let secret = match &entry.secret {
        Some(SecretSource::File(path)) => Some(read_secret(path)?),
        _ => None,
    };
    if let Some(serving) = &entry.serving {
        if matches!(entry.secret, Some(SecretSource::Systemd(_))) {
            printer.note(format_args!(
                "the credential of `{name}` is systemd's, so its server is not asked from here"
            ));
        } else {
            models(node, &entry, serving, secret, printer)?;
        }
    }
    if entry.secret.is_some() {
        held(node, &entry, printer)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the router has the credential.
fn held(node: &Node, entry: &Provider, printer: Printer) -> anyhow::Result<()> {
    let status = router::status(node)?;
    if !status.providers.iter().any(|held| **held == *entry.name) {
        let mut fault = Fault::new(format!(
            "the router does not hold the credential of `{}`",
            entry.name
        ));
        if let Some(why) = status.providers_fault {
            fault = fault.hint(why);
        }
        return Err(fault.into());
    }
    printer.labelled(
        Tone::Good,
        "held",
        format_args!("the credential of `{}`, for {}", entry.name, hosts(entry)),
    );
    Ok(())
}

/// Ask for the models.
fn models(
    node: &Node,
    entry: &Provider,
    serving: &Serving,
    secret: Option<Zeroizing<String>>,
    printer: Printer,
) -> anyhow::Result<()> {
    let place = base_words(&serving.base);
    if behind_proxy(&node.config.router, serving) {
        printer.note(format_args!(
            "`{place}` is reached through the node's proxy, which this command does not use: its server is not asked"
        ));
        return Ok(());
    }
    let fields = fields(serving, secret.as_deref().map(String::as_str))?;
    let client = Client::new(&node.config.router, PATIENCE);
    let path = format!("{}/models", serving.base.path);
    let answer = super::block_on(client.get(&serving.base, &path, &fields))?
        .map_err(|error| unreached(entry, serving, error))?;
    refused(entry, &place, &answer)?;
    let known = serde_json::from_slice(&answer.body).ok();
    let Some(known) = known.as_ref().and_then(listed) else {
        return Err(Fault::new(format!("what answers at {place} lists no models"))
            .hint("its base URL ends where `/models` and `/chat/completions` begin, such as https://HOST/v1")
            .into());
    };
    printer.data(format_args!(
        "{}: {} model{} at {place}, answered in {:.1} ms",
        entry.name,
        known.len(),
        if known.len() == 1 { "" } else { "s" },
        answer.time.as_secs_f64() * 1000.0
    ))?;
    for model in &known {
        printer.data(format_args!("  {}", plain(&model.name)))?;
    }
    let missing = serving
        .models
        .iter()
        .filter(|own| known.iter().all(|model| *model.name != *own.name));
    for model in missing {
        printer.labelled(
            Tone::Warning,
            "warning",
            format_args!("it does not list `{}`, which the entry has", model.name),
        );
    }
    Ok(())
}

/// Whether the router would take the node's proxy.
fn behind_proxy(router: &RouterConfig, serving: &Serving) -> bool {
    let host = &serving.base.host;
    let direct = |names: &[String]| {
        names.iter().any(|name| {
            host.strip_suffix(name.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    };
    router.upstream_proxy.as_ref().is_some_and(|proxy| {
        !serving.base.is_loopback() && !router.hosts.contains_key(host) && !direct(&proxy.direct)
    })
}

fn fields(
    serving: &Serving,
    secret: Option<&str>,
) -> anyhow::Result<Vec<(HeaderName, HeaderValue)>> {
    let mut fields = Vec::new();
    if let Some(secret) = secret {
        let (name, text) = match &serving.auth {
            Auth::Bearer => (AUTHORIZATION, Zeroizing::new(format!("Bearer {secret}"))),
            Auth::Field(name) => (
                HeaderName::from_static(name),
                Zeroizing::new(secret.to_owned()),
            ),
        };
        let mut value = HeaderValue::from_str(&text)?;
        value.set_sensitive(true);
        fields.push((name, value));
    }
    if serving.dialect == Dialect::Anthropic {
        fields.push((
            HeaderName::from_static("anthropic-version"),
            HeaderValue::from_static(ANTHROPIC_VERSION),
        ));
    }
    Ok(fields)
}

/// Why nothing came.
fn unreached(entry: &Provider, serving: &Serving, error: GetError) -> Fault {
    let hint = match &error {
        GetError::Connect { .. } if serving.base.is_loopback() => {
            Some("start the server, or run `nemoclaw provider detect` to see where others listen")
        }
        GetError::Tls { .. } => Some(
            "an authority of your own belongs under `router.extra_ca` in the node's configuration",
        ),
        GetError::Http(_) if !serving.base.tls => Some("does it speak TLS? then write https://"),
        _ => None,
    };
    let fault = Fault::new(format!(
        "the model server of `{}` at {} cannot be asked",
        entry.name,
        base_words(&serving.base)
    ))
    .because(error);
    hint.into_iter().fold(fault, Fault::hint)
}

/// What an answer other than a list means.
fn refused(entry: &Provider, place: &str, answer: &Answer) -> Result<(), Fault> {
    let name = &entry.name;
    let status = answer.status.as_u16();
    let fault = match answer.status {
        status if status.is_success() => return Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if entry.secret.is_none() => {
            Fault::new(format!("{place} wants a credential, and `{name}` has none ({status})"))
                .hint(format!("run `nemoclaw provider set {name} … --stdin` with one"))
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Fault::new(format!("{place} refuses the credential of `{name}` ({status})"))
                .hint(format!("run `nemoclaw provider set {name} --stdin` with another"))
        }
        StatusCode::NOT_FOUND => {
            Fault::new(format!("there is no list of models at {place}/models ({status})")).hint(
                "its base URL ends where `/models` and `/chat/completions` begin, such as https://HOST/v1",
            )
        }
        StatusCode::TOO_MANY_REQUESTS => {
            Fault::new(format!("{place} has had too many requests of `{name}` ({status})"))
        }
        found if found.is_redirection() => Fault::new(format!(
            "{place} leads elsewhere ({status}), and a credential is not sent after it"
        )),
        _ => Fault::new(format!("{place} answers with {status} and no list of models")),
    };
    Err(fault)
}
