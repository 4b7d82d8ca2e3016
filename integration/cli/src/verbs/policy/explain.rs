//! `policy explain`: the deciding rule, what each policy of the chain says, and what would change the verdict.

use std::path::Path;
use std::process::ExitCode;

use nemoclaw_policy::{Flow, Policy, Verdict};

use super::check::{Question, code, nothing, rule_words};
use super::find::{Subject, met};
use crate::args::Ask;
use crate::printer::{Printer, plain, table};

/// Run it.
pub fn run(config: Option<&Path>, ask: &Ask, printer: Printer) -> anyhow::Result<ExitCode> {
    let subject = Subject::find(config, &ask.policy)?;
    let layers = subject.layers()?;
    let policy = met(&layers).ok_or_else(nothing)?;
    let question = Question::of(ask, &policy)?;
    if let Some(open) = question.open(&policy) {
        return open.tell(&question, printer);
    }
    let flow = question.flow(&policy);
    let verdict = policy.decide(&flow);
    let mut lines = vec![
        format!(
            "{}: {} under {}",
            word(&verdict),
            question.words(),
            subject.title()
        ),
        format!("  rule: {}", rule(&verdict)),
    ];
    if let Verdict::Deny { reason, .. } = &verdict {
        lines.push(format!("  because: {}", plain(reason)));
    }
    lines.push("chain:".to_owned());
    lines.push(chain(&layers, &flow));
    lines.push("what would change it:".to_owned());
    lines.extend(changes(&layers, &flow, &verdict));
    if let (Subject::Sandbox(held), Verdict::Deny { .. }) = (&subject, &verdict) {
        lines.push(format!(
            "  `nemoclaw policy edit {}` opens the policy that it was started with",
            held.name
        ));
    }
    if let Some(hint) = question.program_hint(&policy, &verdict) {
        lines.push(format!("  {hint}"));
    }
    printer.data(lines.join("\n"))?;
    Ok(code(&verdict))
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Deny { .. } => "denied",
        Verdict::Ask { .. } => "a person is asked",
        Verdict::Allow {
            audit_only: true, ..
        } => "allowed, and recorded as outside the rules",
        Verdict::Allow { .. } => "allowed",
    }
}

fn rule(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow { rule, .. } | Verdict::Ask { rule, .. } => rule_words(rule),
        Verdict::Deny {
            rule: Some(rule), ..
        } => rule_words(rule),
        Verdict::Deny { rule: None, .. } => "none covers it".to_owned(),
    }
}

/// A line for each policy.
fn chain(layers: &[Policy], flow: &Flow<'_>) -> String {
    let rows: Vec<Vec<String>> = (1..)
        .zip(layers)
        .map(|(number, layer)| {
            let verdict = layer.decide(flow);
            vec![
                format!("  {number}."),
                plain(&layer.name),
                word(&verdict).to_owned(),
                rule(&verdict),
            ]
        })
        .collect();
    table(&rows)
}

fn changes(layers: &[Policy], flow: &Flow<'_>, verdict: &Verdict) -> Vec<String> {
    match verdict {
        Verdict::Deny { .. } => layers
            .iter()
            .filter_map(|layer| match layer.decide(flow) {
                Verdict::Deny { hint, .. } => Some(format!("  {}", plain(&hint))),
                _ => None,
            })
            .collect(),
        Verdict::Ask { .. } => {
            vec!["  a person's answer: `nemoclaw approvals list` while it waits".to_owned()]
        }
        Verdict::Allow { .. } => {
            let names: Vec<String> = layers.iter().map(|layer| plain(&layer.name)).collect();
            let keep = if names.len() == 1 {
                "keeps"
            } else {
                "each keep"
            };
            vec![format!(
                "  it passes as long as {} {keep} the rule named above",
                names.join(", ")
            )]
        }
    }
}
