//! A text with what was found in it replaced, as the policy says.

use crate::finding::Finding;
use crate::mask::mask;
use crate::pseudonym::{self, Code};
use crate::vault::{MintError, Vault};

pub use nemoclaw_policy::choose::Transform;

/// The text with each finding replaced as `how` says; `None` where nothing changes. Findings are sorted and do not
/// overlap, as a scanner gives them; of two that overlap all the same, the second loses what the first has covered.
///
/// The session's own pseudonyms stay: they reveal nothing, and the model must go on recognising them. A new pseudonym
/// never equals something of that shape that stands in the text already, which is the user's own.
///
/// # Errors
///
/// When a value cannot get a pseudonym. Then nothing of the text may be sent.
pub fn rewrite(
    text: &str,
    findings: &[Finding],
    how: &dyn Fn(&Finding) -> Transform,
    vault: &Vault,
) -> Result<Option<String>, MintError> {
    let mut taken: Option<Vec<Code>> = None;
    let mut rewritten = String::new();
    let mut from = 0;
    for finding in vault.foreign(text, findings.to_vec()) {
        let transform = how(&finding);
        let start = finding.start.max(from);
        if transform == Transform::Keep || (finding.end <= start && finding.start <= finding.end) {
            continue;
        }
        let misplaced = || MintError::Misplaced {
            detector: finding.detector.name().to_owned(),
        };
        let value = text.get(start..finding.end).ok_or_else(misplaced)?;
        let instead = match transform {
            Transform::Pseudonymise => {
                let taken = taken.get_or_insert_with(|| pseudonym::codes(text));
                vault.pseudonym(&finding.detector, value, taken)?
            }
            Transform::Redact | Transform::Keep => mask(&finding.detector),
        };
        rewritten.push_str(&text[from..start]);
        rewritten.push_str(&instead);
        from = finding.end;
    }
    if from == 0 {
        return Ok(None);
    }
    rewritten.push_str(&text[from..]);
    Ok(Some(rewritten))
}
