//! What a refusal says: which rule, which host, method and path, and the line that would grant it.

use super::layer::{Candidate, entry_ref};
use super::{Flow, HttpRequest, RuleRef, Verdict};
use crate::policy::NetworkLayer;
use crate::source::Location;

impl NetworkLayer {
    pub(super) fn uncovered(&self, flow: &Flow<'_>) -> Verdict {
        let Flow { host, port, .. } = flow;
        let other: Vec<String> = self
            .index
            .covering(&self.entries, host)
            .iter()
            .flat_map(|(_, endpoint)| endpoint.ports.iter().map(u16::to_string))
            .collect();
        let reason = if other.is_empty() {
            format!(
                "no entry of policy `{}` covers host `{host}`, port {port}",
                self.policy
            )
        } else {
            format!(
                "policy `{}` covers host `{host}` on port {} only, not on {port}",
                self.policy,
                other.join(", ")
            )
        };
        Verdict::Deny {
            reason,
            rule: None,
            hint: self.hint(flow),
        }
    }

    pub(super) fn unmatched(
        &self,
        flow: &Flow<'_>,
        http: &HttpRequest<'_>,
        candidate: Option<&Candidate<'_>>,
    ) -> Verdict {
        let what = request_words(flow, http);
        let reason = match candidate {
            Some((entry, _)) => format!(
                "{what} is outside the rules of entry `{}` in policy `{}`",
                entry.key, self.policy
            ),
            None => format!(
                "{what} is outside every endpoint path of policy `{}`",
                self.policy
            ),
        };
        Verdict::Deny {
            reason,
            rule: candidate.map(entry_ref),
            hint: self.hint(flow),
        }
    }

    pub(super) fn denied(&self, flow: &Flow<'_>, rule: RuleRef) -> Verdict {
        let what = match &flow.http {
            Some(http) => request_words(flow, http),
            None => format!("a connection to host `{}`, port {}", flow.host, flow.port),
        };
        Verdict::Deny {
            reason: format!(
                "{what} is refused by the deny rule `{}` of policy `{}`",
                rule.name, self.policy
            ),
            hint: format!(
                "remove the deny rule at {} if the agent may do this",
                rule.at
            ),
            rule: Some(rule),
        }
    }

    /// The line that would allow this flow and no more, and where it belongs.
    fn hint(&self, flow: &Flow<'_>) -> String {
        let (host, port) = (flow.host, flow.port);
        let grant = match &flow.http {
            Some(http) if !["GET", "HEAD", "OPTIONS"].contains(&http.method) => {
                let (method, path) = (http.method, clip(http.path));
                format!(
                    "{{ host: {host}, port: {port}, protocol: rest, rules: [{{ allow: {{ method: {method}, path: \"{path}\" }} }}] }}"
                )
            }
            _ => format!("{{ host: {host}, port: {port}, access: read-only }}"),
        };
        if self.policy.contains('/') {
            format!(
                "add `{grant}` to an entry's endpoints under network_policies of {}",
                self.policy
            )
        } else {
            format!(
                "policy `{}` is named, not a file of yours: put `{grant}` into an entry's endpoints under network_policies of a policy file and start the sandbox with `--policy FILE`",
                self.policy
            )
        }
    }
}

fn request_words(flow: &Flow<'_>, http: &HttpRequest<'_>) -> String {
    format!(
        "{} {} on host `{}`, port {},",
        http.method,
        clip(http.path),
        flow.host,
        flow.port
    )
}

/// A path as far as a message needs it.
fn clip(path: &str) -> String {
    const SHOWN: usize = 200;
    match path.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &path[..end]),
        None => path.to_owned(),
    }
}

pub(super) fn unconfined(name: &str) -> Verdict {
    let at = Location {
        file: name.into(),
        line: 1,
        column: 1,
    };
    Verdict::Allow {
        rule: RuleRef {
            name: "unconfined".into(),
            at,
        },
        audit_only: false,
    }
}

pub(super) fn closed(flow: &Flow<'_>, why: &str) -> Verdict {
    Verdict::Deny {
        reason: format!("host `{}`, port {} is refused: {why}", flow.host, flow.port),
        rule: None,
        hint:
            "start the sandbox with a policy that has network_policies, such as `--policy default`"
                .into(),
    }
}
