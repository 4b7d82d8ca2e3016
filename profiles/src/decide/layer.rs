//! One layer's verdict: index, deny rules, the choice by path, then any that admits.

use super::words::closed;
use super::{Flow, HttpRequest, RuleRef, Verdict};
use crate::path;
use crate::policy::{Endpoint, Enforcement, HttpRule, NetworkEntry, NetworkLayer};

/// A path as globs see it: its reading, and the second one where a slash is encoded. What refuses looks at `bare` too:
/// the path without its segments' parameters.
struct Readings {
    all: Vec<Vec<u8>>,
    bare: Option<Vec<u8>>,
}

/// An endpoint that covers the flow, with its entry.
pub(super) type Candidate<'a> = (&'a NetworkEntry, &'a Endpoint);

impl NetworkLayer {
    pub(super) fn candidates(&self, host: &str, port: u16) -> Vec<Candidate<'_>> {
        let mut found = self.index.covering(&self.entries, host);
        found.retain(|(_, endpoint)| endpoint.ports.contains(&port));
        found
    }

    pub(super) fn decide(&self, flow: &Flow<'_>) -> Verdict {
        let found = self.candidates(flow.host, flow.port);
        let Some(first) = found.first() else {
            return self.uncovered(flow);
        };
        let Some(http) = &flow.http else {
            return Verdict::Allow {
                rule: entry_ref(first),
                audit_only: false,
            };
        };
        let Some(readings) = Readings::of(http.path) else {
            return closed(flow, "its path is not in the normal form");
        };
        let covering: Vec<Candidate<'_>> = found
            .into_iter()
            .filter(|(_, endpoint)| readings.any(|path| endpoint.covers_path(path)))
            .collect();
        let mut audited = None;
        for candidate in &covering {
            let Some(rule) = candidate
                .1
                .deny_rules
                .iter()
                .find(|rule| rule.hits(http.method, &readings))
            else {
                continue;
            };
            let refused = rule_ref(candidate, rule);
            if candidate.1.enforcement == Enforcement::Enforce {
                return self.denied(flow, refused);
            }
            audited.get_or_insert(refused);
        }
        match (
            self.admit(flow, http, &readings, &chosen(covering)),
            audited,
        ) {
            (Verdict::Allow { .. }, Some(rule)) => Verdict::Allow {
                rule,
                audit_only: true,
            },
            (verdict, _) => verdict,
        }
    }

    /// Ask the endpoints that decide.
    fn admit(
        &self,
        flow: &Flow<'_>,
        http: &HttpRequest<'_>,
        readings: &Readings,
        chosen: &[Candidate<'_>],
    ) -> Verdict {
        for candidate in chosen
            .iter()
            .filter(|(_, endpoint)| endpoint.covers_all(readings))
        {
            let endpoint = candidate.1;
            if endpoint.rules.is_empty() {
                return Verdict::Allow {
                    rule: entry_ref(candidate),
                    audit_only: false,
                };
            }
            if let Some(rule) = endpoint
                .rules
                .iter()
                .find(|rule| rule.admits(http.method, readings))
            {
                return Verdict::Allow {
                    rule: rule_ref(candidate, rule),
                    audit_only: false,
                };
            }
        }
        match chosen
            .iter()
            .find(|(_, endpoint)| endpoint.enforcement == Enforcement::Audit)
        {
            Some(candidate) => Verdict::Allow {
                rule: entry_ref(candidate),
                audit_only: true,
            },
            None => self.unmatched(flow, http, chosen.first()),
        }
    }
}

impl Endpoint {
    fn covers_path(&self, path: &[u8]) -> bool {
        self.path
            .as_ref()
            .is_none_or(|choice| choice.glob.covers_tree(path))
    }

    fn covers_all(&self, readings: &Readings) -> bool {
        readings.all.iter().all(|path| self.covers_path(path))
    }

    fn specificity(&self) -> Option<(bool, usize)> {
        self.path.as_ref().map(|choice| choice.glob.specificity())
    }
}

impl HttpRule {
    fn names(&self, method: &str) -> bool {
        self.method == "*" || self.method == method
    }

    /// An allow rule: every reading must match.
    fn admits(&self, method: &str, readings: &Readings) -> bool {
        self.names(method) && readings.all.iter().all(|path| self.glob.matches(path))
    }

    /// A deny rule: one reading is enough.
    fn hits(&self, method: &str, readings: &Readings) -> bool {
        self.names(method) && readings.any(|path| self.glob.matches(path))
    }
}

impl Readings {
    fn of(path: &str) -> Option<Readings> {
        // The caller normalises; a path that is not in its form was never checked.
        if path::normalise_path(path).as_deref() != Ok(path) {
            return None;
        }
        let (first, second) = path::readings(path)?;
        let bare = path::without_parameters(second.as_ref().unwrap_or(&first));
        Some(Readings {
            all: std::iter::once(first).chain(second).collect(),
            bare,
        })
    }

    fn any(&self, matches: impl Fn(&[u8]) -> bool) -> bool {
        self.all.iter().chain(&self.bare).any(|path| matches(path))
    }
}

/// The endpoints with the most specific `path`.
fn chosen(covering: Vec<Candidate<'_>>) -> Vec<Candidate<'_>> {
    let best = covering
        .iter()
        .map(|(_, endpoint)| endpoint.specificity())
        .max();
    covering
        .into_iter()
        .filter(|(_, endpoint)| Some(endpoint.specificity()) == best)
        .collect()
}

pub(super) fn entry_ref((entry, endpoint): &Candidate<'_>) -> RuleRef {
    RuleRef {
        name: entry.key.to_string(),
        at: endpoint.at.clone(),
    }
}

fn rule_ref((entry, _): &Candidate<'_>, rule: &HttpRule) -> RuleRef {
    RuleRef {
        name: format!("{} / {} {}", entry.key, rule.method, rule.path),
        at: rule.at.clone(),
    }
}
