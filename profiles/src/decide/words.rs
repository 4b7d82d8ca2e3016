//! What a refusal says: which rule, which host, method and path, and the line that would grant it.

use super::layer::{Message, Seen};
use super::{Flow, Grant, GraphqlOperation, HttpRequest, RpcCall, Verdict};
use crate::index::Candidate;
use crate::policy::{NetworkLayer, RuleRef};
use crate::source::Location;

impl NetworkLayer {
    pub(super) fn uncovered(&self, flow: &Flow<'_>) -> Verdict {
        let Flow { host, port, .. } = flow;
        let mut other: Vec<u16> = Vec::new();
        let mut programs: Vec<&str> = Vec::new();
        for (entry, endpoint) in self.index.covering(&self.entries, host, |_| true) {
            if endpoint.ports.contains(port) {
                programs.extend(entry.binaries.iter().map(|glob| glob.as_str()));
            } else {
                other.extend(&endpoint.ports);
            }
        }
        let reason = if !programs.is_empty() {
            let program = match flow.program {
                Some(program) => format!("not for `{}`", clip(&program.exe)),
                None => "and which program asks is not known".to_owned(),
            };
            format!(
                "policy `{}` covers host `{host}`, port {port} for {} only, {program}",
                self.policy,
                programs.join(", ")
            )
        } else if other.is_empty() {
            format!(
                "no entry of policy `{}` covers host `{host}`, port {port}",
                self.policy
            )
        } else {
            let ports: Vec<String> = other.iter().map(u16::to_string).collect();
            format!(
                "policy `{}` covers host `{host}` on port {} only, not on {port}",
                self.policy,
                ports.join(", ")
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
        seen: &Seen<'_>,
        candidate: Option<&Candidate<'_>>,
    ) -> Verdict {
        let what = seen_words(flow, seen);
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
            rule: candidate.map(|(_, endpoint)| endpoint.at.clone()),
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

/// The request, and which of its messages.
fn seen_words(flow: &Flow<'_>, seen: &Seen<'_>) -> String {
    let request = request_words(flow, seen.http);
    match seen.message {
        Message::Whole | Message::Stream => request,
        Message::Unreadable => {
            format!("{request} whose body cannot be read as its endpoint's protocol")
        }
        Message::Graphql(GraphqlOperation::Stored { .. }) => {
            format!("{request} a stored GraphQL document,")
        }
        Message::Graphql(GraphqlOperation::Document { kind, fields, .. }) => format!(
            "{request} GraphQL {} of {},",
            kind.word(),
            clip(&fields.join(", "))
        ),
        Message::Rpc(RpcCall::Answer) => format!("{request} an answer to the server,"),
        Message::Rpc(RpcCall::Method { method, name }) => match name {
            Some(name) => format!("{request} {} `{}`,", clip(method), clip(name)),
            None => format!("{request} {},", clip(method)),
        },
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
    // A program chooses its own name, and may choose one that a terminal obeys.
    let plain = |text: &str| text.replace(char::is_control, "\u{fffd}");
    match path.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", plain(&path[..end])),
        None => plain(path),
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
        grant: Grant::default(),
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
