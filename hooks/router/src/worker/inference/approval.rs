//! A person is asked whether a call may go to a provider.

use http::StatusCode;
use nemoclaw_policy::choose::Candidate;
use nemoclaw_policy::source::Location;

use super::glance::Glance;
use super::refuse::Refused;
use crate::worker::approve::{self, Asked};
use crate::worker::http::Inspected;
use crate::worker::policy::Compiled;

/// Wait for a person's word; what the log says of it.
///
/// # Errors
/// It may not go there now.
pub async fn ask(
    connection: &Inspected,
    policy: &Compiled,
    glance: &Glance,
    candidate: &Candidate,
    rule: &Location,
) -> Result<String, Refused> {
    let place = format!("{}/{}", candidate.provider, candidate.model);
    let question = approve::question(&Asked {
        host: &connection.host,
        port: connection.port,
        method: "POST",
        path: &format!("{} → {place}", glance.api.path()),
        query: None,
        body: &glance.bytes,
    });
    let generation = policy.generation;
    let sandbox = &connection.sandbox;
    let same = |_: &nemoclaw_policy::Policy| sandbox.policy.generation() == generation;
    let rule = format!("privacy ({rule})");
    match approve::ask(sandbox, question, rule, same).await {
        Ok(Some(id)) => Ok(format!("a person allowed proposal {id}")),
        Ok(None) => Err(Refused::new(
            StatusCode::FORBIDDEN,
            "policy_changed",
            "the policy changed while a person was asked: send it again",
        )),
        Err(not) => {
            let mut refused = Refused::new(not.status, "not_approved", not.reason);
            refused.extra = Box::new(serde_json::json!({
                "proposal": not.proposal,
                "hint": not.proposal.as_ref().map(|id| format!("run `nemoclaw approvals allow {id}`, then send it again")),
            }));
            Err(refused)
        }
    }
}
