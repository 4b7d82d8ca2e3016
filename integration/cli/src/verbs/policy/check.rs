//! `policy check`: what is decided on one request.

use std::path::Path;
use std::process::ExitCode;

use nemoclaw_policy::decide::{Handling, NameVerdict, RuleRef};
use nemoclaw_policy::path::normalise_path_with_slashes;
use nemoclaw_policy::{Flow, HttpRequest, Policy, Program, Verdict, normalise_path};

use super::find::{Subject, met};
use crate::args::Ask;
use crate::fault::Fault;
use crate::printer::{Printer, Tone, plain};

/// Exit code of a refusal.
const DENIED: u8 = 1;
/// Exit code when the question cannot be answered, or a person must.
pub const CANNOT_TELL: u8 = 2;

/// Run it.
pub fn run(config: Option<&Path>, ask: &Ask, printer: Printer) -> anyhow::Result<ExitCode> {
    let layers = Subject::find(config, &ask.policy)?.layers()?;
    let policy = met(&layers).ok_or_else(nothing)?;
    let question = Question::of(ask, &policy)?;
    if let Some(open) = question.open(&policy) {
        return open.tell(&question, printer);
    }
    let verdict = policy.decide(&question.flow(&policy));
    printer.data(sentence(&question, &verdict))?;
    match &verdict {
        Verdict::Deny { hint, .. } => printer.labelled(Tone::Hint, "hint", plain(hint)),
        Verdict::Ask { .. } => {
            printer.labelled(
                Tone::Hint,
                "hint",
                "a person answers by `nemoclaw approvals`",
            );
        }
        Verdict::Allow { .. } => {}
    }
    if let Some(hint) = question.program_hint(&policy, &verdict) {
        printer.labelled(Tone::Hint, "hint", hint);
    }
    Ok(code(&verdict))
}

/// No sandbox has none; only a broken hand-over could.
pub fn nothing() -> Fault {
    Fault::new("no policy is in force there")
}

/// The exit code of a verdict.
pub fn code(verdict: &Verdict) -> ExitCode {
    match verdict {
        Verdict::Allow { .. } => ExitCode::SUCCESS,
        Verdict::Ask { .. } => ExitCode::from(CANNOT_TELL),
        Verdict::Deny { .. } => ExitCode::from(DENIED),
    }
}

/// A question as the router would put it.
pub struct Question {
    host: String,
    port: u16,
    method: Option<String>,
    path: Option<String>,
    query: Option<String>,
    program: Option<Program>,
    upgrade: bool,
}

/// Why a question has no answer yet.
pub struct Open {
    why: &'static str,
    hint: &'static str,
}

impl Open {
    /// Say so.
    pub fn tell(&self, question: &Question, printer: Printer) -> anyhow::Result<ExitCode> {
        printer.data(format_args!(
            "cannot tell: {} {}",
            question.place(),
            self.why
        ))?;
        printer.labelled(Tone::Hint, "hint", self.hint);
        Ok(ExitCode::from(CANNOT_TELL))
    }
}

impl Question {
    /// From the command line.
    pub fn of(ask: &Ask, policy: &Policy) -> anyhow::Result<Question> {
        let host = ask.host.trim_end_matches('.').to_ascii_lowercase();
        let (path, inner) = match ask.path.as_deref().map(|path| path.split_once('?')) {
            Some(Some((path, query))) => (Some(path), Some(query)),
            Some(None) => (ask.path.as_deref(), None),
            None => (None, None),
        };
        let normal = |path: &str| {
            let normal = match policy.encoded_slash(&host, ask.port) {
                true => normalise_path_with_slashes(path),
                false => normalise_path(path),
            };
            normal.map_err(|fault| Fault::new(format!("no rule is asked: {fault}")).exit(DENIED))
        };
        let method = match (&ask.method, ask.upgrade) {
            (Some(method), _) => Some(method.to_ascii_uppercase()),
            (None, true) => Some("GET".to_owned()),
            (None, false) => None,
        };
        Ok(Question {
            path: path.map(normal).transpose()?,
            query: ask.query.clone().or(inner.map(str::to_owned)),
            program: ask.program.as_ref().map(|path| Program {
                exe: path.clone(),
                ..Program::default()
            }),
            host,
            port: ask.port,
            method,
            upgrade: ask.upgrade,
        })
    }

    /// `host:port`.
    fn place(&self) -> String {
        format!("{}:{}", plain(&self.host), self.port)
    }

    /// The request in one word, as far as it was given.
    pub fn words(&self) -> String {
        let method = self.method.as_deref().map(|method| format!("{method} "));
        let query = self.query.as_deref().map(|query| format!("?{query}"));
        plain(&format!(
            "{}{}{}{}",
            method.unwrap_or_default(),
            self.place(),
            self.path.as_deref().unwrap_or_default(),
            query.unwrap_or_default()
        ))
    }

    fn connection(&self) -> Flow<'_> {
        Flow::to(&self.host, self.port).of(self.program.as_ref())
    }

    /// The flow that `policy` sees: without a request where none is looked at.
    pub fn flow(&self, policy: &Policy) -> Flow<'_> {
        let flow = self.connection();
        match (&self.method, &self.path) {
            (Some(method), Some(path)) if policy.handling(&flow) != Handling::PassL4 => {
                flow.with(HttpRequest {
                    query: self.query.as_deref(),
                    upgrade: self.upgrade,
                    ..HttpRequest::new(method, path)
                })
            }
            _ => flow,
        }
    }

    /// What is missing to decide.
    pub fn open(&self, policy: &Policy) -> Option<Open> {
        let inspected = policy.name_verdict(&self.host) != NameVerdict::Unknown
            && policy.handling(&self.connection()) == Handling::InspectHttp;
        if inspected && (self.method.is_none() || self.path.is_none()) {
            return Some(Open {
                why: "is decided request by request",
                hint: "give --method and --path",
            });
        }
        let flow = self.flow(policy);
        let wanted = policy.inspection(&flow);
        let by_body = wanted.graphql.is_some() || wanted.rpc.is_some();
        // A deny rule may refuse it before anybody looks into the body.
        (by_body && !refused_by_rule(policy, &policy.decide(&flow))).then_some(Open {
            why: "is decided by what the body says (GraphQL, MCP or JSON-RPC)",
            hint: "ask from inside a sandbox, and look at `nemoclaw logs SANDBOX --denied`",
        })
    }

    /// What to say where the program decides and none was given.
    pub fn program_hint(&self, policy: &Policy, verdict: &Verdict) -> Option<&'static str> {
        let open = matches!(verdict, Verdict::Deny { rule: None, .. })
            && self.program.is_none()
            && policy.needs_program(&self.host, self.port);
        open.then_some("some of it is for certain programs only: give --program PATH")
    }
}

/// Whether a deny rule refused it, and not the lack of an allow rule.
pub fn refused_by_rule(policy: &Policy, verdict: &Verdict) -> bool {
    let Verdict::Deny {
        rule: Some(rule), ..
    } = verdict
    else {
        return false;
    };
    let entries = policy.network.iter().flat_map(|layer| &layer.entries);
    entries
        .flat_map(|entry| &entry.endpoints)
        .flat_map(|endpoint| &endpoint.deny_rules)
        .any(|deny| deny.name == *rule)
}

fn sentence(question: &Question, verdict: &Verdict) -> String {
    let place = question.place();
    match verdict {
        Verdict::Ask { rule, .. } => {
            format!("asked: a person must allow {place} by {}", rule_words(rule))
        }
        Verdict::Allow {
            rule,
            audit_only: true,
            ..
        } => format!(
            "allowed, and recorded as outside the rules: {place} by {}",
            rule_words(rule)
        ),
        Verdict::Allow { rule, .. } => format!("allowed: {place} by {}", rule_words(rule)),
        Verdict::Deny { reason, rule, .. } => {
            let by = rule
                .as_ref()
                .map(|rule| format!(" by {}", rule_words(rule)));
            format!(
                "denied: {place}{}: {}",
                by.unwrap_or_default(),
                plain(reason)
            )
        }
    }
}

/// A rule with its place.
pub fn rule_words(rule: &RuleRef) -> String {
    plain(&format!("`{}` ({})", rule.name, rule.at))
}
