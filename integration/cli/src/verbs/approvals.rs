//! `approvals list|allow|deny|revoke`: what waits for a person, and the person's answer.

use std::process::ExitCode;

use jiff::SignedDuration;
use nemoclaw_api::approvals::{Approval, Decision, Proposal, Question, Scope};
use nemoclaw_api::client::Client;
use serde::Serialize;

use crate::args::{Allow, Approvals, Format};
use crate::fault::Fault;
use crate::node::Node;
use crate::printer::{Printer, Tone, plain, table};

/// The JSON output.
#[derive(Debug, Serialize)]
struct Document {
    version: u32,
    proposals: Vec<Proposal>,
    approvals: Vec<Approval>,
}

/// Run it.
pub fn run(node: &Node, verb: &Approvals, printer: Printer) -> anyhow::Result<ExitCode> {
    let (id, decision, done) = match verb {
        Approvals::List { sandbox, output } => {
            return list(node, sandbox.as_deref(), *output, printer);
        }
        Approvals::Allow(allow) => (&allow.id, Decision::Allow(scope(allow)?), "allowed"),
        Approvals::Deny { id } => (id, Decision::Deny, "denied"),
        Approvals::Revoke { id } => (id, Decision::Revoke, "revoked"),
    };
    client(node)?.decide(id, decision)?;
    printer.labelled(Tone::Good, done, format_args!("proposal {id}"));
    Ok(ExitCode::SUCCESS)
}

fn client(node: &Node) -> anyhow::Result<Client> {
    Ok(Client::connect(&node.config.router.socket)?)
}

fn scope(allow: &Allow) -> anyhow::Result<Scope> {
    if allow.always {
        return Ok(Scope::Always);
    }
    let Some(text) = &allow.duration else {
        return Ok(Scope::Once);
    };
    let seconds = text
        .parse::<SignedDuration>()
        .ok()
        .and_then(|time| u64::try_from(time.as_secs()).ok())
        .filter(|seconds| *seconds > 0);
    match seconds {
        Some(seconds) => Ok(Scope::For(seconds)),
        None => Err(Fault::new(format!("`{text}` is no length of time"))
            .hint("write `--for 30m` or `--for 1h`")
            .into()),
    }
}

fn list(
    node: &Node,
    sandbox: Option<&str>,
    output: Format,
    printer: Printer,
) -> anyhow::Result<ExitCode> {
    let (proposals, approvals) = client(node)?.approvals(sandbox)?;
    match output {
        Format::Json => printer.json(&Document {
            version: 1,
            proposals,
            approvals,
        })?,
        Format::Text if proposals.is_empty() && approvals.is_empty() => {
            printer.note("nothing waits for an answer, and nothing stands");
        }
        Format::Text => printer.data(text(&proposals, &approvals))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text(proposals: &[Proposal], approvals: &[Approval]) -> String {
    let header = ["ID", "SANDBOX", "STATE", "REQUEST", "BODY", "ASKED BY"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for proposal in proposals {
        let state = match proposal.waiting {
            0 => "given up".to_owned(),
            waiting => format!("{waiting} waiting"),
        };
        rows.push(row(
            &proposal.id,
            &proposal.sandbox,
            state,
            &proposal.question,
            &proposal.rule,
        ));
    }
    for approval in approvals {
        let state = match approval.scope {
            Scope::Once => "allowed once".to_owned(),
            Scope::For(seconds) => format!("allowed for {seconds} s"),
            Scope::Always => "allowed".to_owned(),
        };
        rows.push(row(
            &approval.id,
            &approval.sandbox,
            state,
            &approval.question,
            "-",
        ));
    }
    table(&rows)
}

fn row(id: &str, sandbox: &str, state: String, question: &Question, rule: &str) -> Vec<String> {
    let Question {
        host,
        port,
        method,
        path,
        length,
        ..
    } = question;
    vec![
        plain(id),
        plain(sandbox),
        state,
        plain(&format!("{method} {host}:{port}{path}")),
        format!("{length} bytes"),
        plain(rule),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(duration: Option<&str>, always: bool) -> anyhow::Result<Scope> {
        scope(&Allow {
            id: "x".into(),
            once: false,
            duration: duration.map(str::to_owned),
            always,
        })
    }

    #[test]
    fn a_length_of_time_is_read_as_people_write_it() {
        assert_eq!(allow(None, false).unwrap(), Scope::Once);
        assert_eq!(allow(Some("1h"), false).unwrap(), Scope::For(3600));
        assert_eq!(allow(Some("1h 30m"), false).unwrap(), Scope::For(5400));
        assert_eq!(allow(None, true).unwrap(), Scope::Always);
        for wrong in ["", "0s", "-1h", "soon"] {
            assert!(allow(Some(wrong), false).is_err(), "{wrong}");
        }
    }
}
