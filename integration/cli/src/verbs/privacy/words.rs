//! What was decided on a request, in sentences.

use nemoclaw_policy::choose::{Candidate, Choice, Found, Refused, Transform, Withheld};

use super::explain::Question;
use crate::models::request;
use crate::printer::{plain, table};

/// All of it.
pub fn all(question: &Question, found: &[Found], decided: &Result<Choice, Refused>) -> String {
    let mut lines = vec![head(question)];
    lines.extend(
        question
            .request
            .opaque
            .iter()
            .map(|what| format!("  it brings {what}, which nobody can look into")),
    );
    lines.push(places(question));
    let label = found
        .iter()
        .map(|kind| kind.class)
        .max()
        .unwrap_or_default();
    lines.push(format!("label: {}", label.max(question.conversation)));
    let (chain, withheld) = match decided {
        Ok(choice) => (choice.chain.as_slice(), choice.withheld.as_slice()),
        Err(Refused::Withheld(all)) => (&[][..], all.as_slice()),
        Err(_) => (&[][..], &[][..]),
    };
    if !chain.is_empty() {
        lines.push("who may answer:".to_owned());
        for (number, candidate) in (1..).zip(chain) {
            lines.extend(candidate_lines(number, candidate, found));
        }
    }
    if !withheld.is_empty() {
        lines.push("who may not:".to_owned());
        lines.extend(withheld.iter().map(withheld_line));
    }
    lines.push(match decided {
        Ok(choice) => format!("route: {}", route(choice)),
        Err(refused) => format!("refused: {}", plain(&refused.to_string())),
    });
    lines.join("\n")
}

fn head(question: &Question) -> String {
    let request = &question.request;
    let with = |there, what| if there { what } else { "" };
    format!(
        "request: {}, model `{}`, about {} tokens{}{}",
        request::word(request.api),
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
pub fn route(choice: &Choice) -> String {
    let names: Vec<String> = choice
        .chain
        .iter()
        .map(|candidate| plain(&format!("{}/{}", candidate.provider, candidate.model)))
        .collect();
    names.join(", else ")
}
