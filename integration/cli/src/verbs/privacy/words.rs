//! What was decided on a request, in sentences.

use nemoclaw_policy::choose::{Candidate, Found, Transform, Withheld};

use super::explain::Question;
use super::outcome::Outcome;
use crate::models::request::opaque;
use crate::printer::{plain, table};

/// All of it.
pub fn all(question: &Question, found: &[Found], outcome: &Outcome) -> String {
    let mut lines = vec![head(question)];
    lines.extend(
        question
            .request
            .opaque
            .iter()
            .map(|kind| format!("  it brings {}, which nobody can look into", opaque(*kind))),
    );
    lines.push(places(question));
    lines.push(format!("label: {}", question.label(found)));
    if !outcome.chain.is_empty() {
        lines.push("who may answer:".to_owned());
        for (number, candidate) in (1..).zip(&outcome.chain) {
            lines.extend(candidate_lines(number, candidate, found));
        }
    }
    if !outcome.withheld.is_empty() {
        lines.push("who may not:".to_owned());
        lines.extend(outcome.withheld.iter().map(withheld_line));
    }
    lines.push(match &outcome.refused {
        None => format!("route: {}", route(&outcome.chain)),
        Some(refused) => format!("refused: {}", plain(refused)),
    });
    lines.join("\n")
}

fn head(question: &Question) -> String {
    let request = &question.request;
    let with = |there, what| if there { what } else { "" };
    format!(
        "request: {}, model `{}`, about {} tokens{}{}",
        request.api.word(),
        plain(&request.model),
        request.tokens,
        with(request.tools, ", with tools"),
        with(request.images, ", with pictures"),
    )
}

fn places(question: &Question) -> String {
    let found = &question.request.found;
    if found.is_empty() {
        return "found: nothing".to_owned();
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|located| {
            let finding = &located.finding;
            vec![
                format!("  {}", plain(&located.path)),
                format!("{}..{}", finding.start, finding.end),
                plain(finding.detector.name()),
                finding.class.to_string(),
            ]
        })
        .collect();
    format!("found:\n{}", table(&rows))
}

/// What becomes of a finding, as a word.
pub fn word(transform: Transform) -> &'static str {
    match transform {
        Transform::Keep => "kept",
        Transform::Pseudonymise => "pseudonymised",
        Transform::Redact => "redacted",
    }
}

fn candidate_lines(number: usize, candidate: &Candidate, found: &[Found]) -> Vec<String> {
    let mut lines = vec![format!(
        "  {number}. {} with model `{}`: sees what is {} at most",
        plain(&candidate.provider),
        plain(&candidate.model),
        candidate.sees
    )];
    let kinds = found.iter().zip(&candidate.how);
    lines.extend(kinds.map(|(kind, how)| {
        format!(
            "     {} ({}) is {}",
            plain(&kind.detector),
            kind.class,
            word(*how)
        )
    }));
    if let Some(at) = &candidate.ask {
        lines.push(format!(
            "     a person is asked first, by {}",
            plain(&at.to_string())
        ));
    }
    if candidate.by.is_empty() {
        lines.push("     no rule fits: what its clearance says".to_owned());
    }
    let by = candidate
        .by
        .iter()
        .map(|at| format!("     by the rule at {}", plain(&at.to_string())));
    lines.extend(by);
    lines
}

fn withheld_line(withheld: &Withheld) -> String {
    let rule = withheld
        .rule
        .as_ref()
        .map(|at| format!(" ({})", plain(&at.to_string())))
        .unwrap_or_default();
    format!(
        "  {}: {}{rule}",
        plain(&withheld.provider),
        plain(&withheld.reason)
    )
}

/// The chain in one line.
fn route(chain: &[Candidate]) -> String {
    let names: Vec<String> = chain
        .iter()
        .map(|candidate| plain(&format!("{}/{}", candidate.provider, candidate.model)))
        .collect();
    names.join(", else ")
}
