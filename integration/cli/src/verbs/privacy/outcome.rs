//! What is decided on a request, with what the router holds against it beside the policy.

use nemoclaw_policy::Class;
use nemoclaw_policy::choose::{Candidate, Choice, Refused, Withheld};

use crate::models::request::{Request, opaque};

/// Who may answer, and who not.
#[derive(Default)]
pub struct Outcome {
    /// Who may, in order.
    pub chain: Vec<Candidate>,
    /// Who may not.
    pub withheld: Vec<Withheld>,
    /// Why nobody may; a sentence.
    pub refused: Option<String>,
    /// The class for which nobody may.
    pub class: Option<Class>,
}

impl Outcome {
    /// Of a decision on a request; `looks` where some policy looks into requests at all.
    pub fn of(decided: Result<Choice, Refused>, request: &Request, looks: bool) -> Outcome {
        if let Some(kind) = request.opaque.iter().find(|kind| looks && kind.is_closed()) {
            return Outcome {
                refused: Some(format!(
                    "the request holds {}, in which nobody can look for anything",
                    opaque(*kind)
                )),
                ..Outcome::default()
            };
        }
        let Choice {
            mut chain,
            mut withheld,
        } = match decided {
            Ok(choice) => choice,
            Err(refused) => return Outcome::nobody(refused),
        };
        chain.retain(|candidate| match request.kinds.stuck(&candidate.how) {
            Some(kind) => {
                withheld.push(Withheld {
                    provider: candidate.provider.clone(),
                    class: Some(kind.class),
                    reason: format!(
                        "{} stands where nothing can take its place, in a key or a name",
                        kind.detector
                    ),
                    rule: None,
                });
                false
            }
            None => true,
        });
        if chain.is_empty() {
            return Outcome::nobody(Refused::Withheld(withheld));
        }
        Outcome {
            chain,
            withheld,
            ..Outcome::default()
        }
    }

    fn nobody(refused: Refused) -> Outcome {
        Outcome {
            refused: Some(refused.to_string()),
            class: refused.class(),
            withheld: match refused {
                Refused::Withheld(all) => all,
                _ => Vec::new(),
            },
            ..Outcome::default()
        }
    }
}
