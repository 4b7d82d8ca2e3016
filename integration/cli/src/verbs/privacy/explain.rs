//! `privacy explain`: what would become of a request to a model. Nothing is sent.

use std::path::Path;
use std::process::ExitCode;

use nemoclaw_policy::choose::{Call, Found, Moment, choose};
use nemoclaw_policy::{Class, provider};
use serde::Serialize;

use super::outcome::Outcome;
use super::{CANNOT_TELL, words};
use crate::args::Explain;
use crate::models::request::{Request, opaque};
use crate::models::scanner;
use crate::node::Node;
use crate::printer::Printer;
use crate::verbs::policy::check::nothing;
use crate::verbs::policy::find::{Subject, met};

/// Nobody may answer.
const REFUSED: u8 = 1;

/// What is asked.
pub struct Question {
    /// The request.
    pub request: Request,
    /// What a model had seen when it gave the answers in it.
    pub conversation: Class,
}

impl Question {
    /// The highest class in it.
    pub fn label(&self, found: &[Found]) -> Class {
        found
            .iter()
            .map(|kind| kind.class)
            .fold(self.conversation, Class::max)
    }
}

/// Run it.
pub fn run(config: Option<&Path>, args: &Explain, printer: Printer) -> anyhow::Result<ExitCode> {
    let node = Node::load(config)?;
    let subject = Subject::find(config, &args.policy)?;
    let layers = subject.layers()?;
    let names = subject.names();
    let policy = met(&layers).ok_or_else(nothing)?;
    let providers = provider::load(&node.config.providers)?.1;
    let scanner = scanner::of(&policy, &node.config.privacy)?;
    let bytes = super::read(&args.request)?;
    let request = Request::read(&bytes, args.api.map(Into::into), &scanner)
        .map_err(|fault| fault.exit(CANNOT_TELL))?;
    let question = Question {
        request,
        conversation: args.conversation,
    };
    let found = question.request.kinds.found();
    let now = Moment::at(jiff::Timestamp::now().as_second().unsigned_abs());
    let sandbox = match (&args.sandbox, &subject) {
        (Some(name), _) => name.as_str(),
        (None, Subject::Sandbox(held)) => held.name.as_str(),
        (None, Subject::Policy(_)) => "",
    };
    let decided = choose(
        &policy,
        &providers,
        &Call {
            model: &question.request.model,
            tokens: question.request.tokens,
            tools: question.request.tools,
            images: question.request.images,
            sandbox,
            policies: &names,
            day: now.day,
            minute: now.minute,
            session: args.session,
            conversation: args.conversation,
            found,
        },
    );
    let outcome = Outcome::of(
        decided,
        &question.request,
        policy.privacy_layers().next().is_some(),
    );
    if args.json {
        printer.json(&document(&question, found, &outcome))?;
    } else {
        printer.data(words::all(&question, found, &outcome))?;
    }
    super::tell_of_services(&policy, printer);
    Ok(code(&outcome))
}

fn code(outcome: &Outcome) -> ExitCode {
    if outcome.chain.is_empty() {
        return ExitCode::from(REFUSED);
    }
    if outcome.chain.iter().all(|one| one.ask.is_some()) {
        return ExitCode::from(CANNOT_TELL);
    }
    ExitCode::SUCCESS
}

/// The JSON output.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    api: &'static str,
    model: &'a str,
    tokens: u64,
    tools: bool,
    images: bool,
    opaque: Vec<&'static str>,
    found: Vec<Place<'a>>,
    label: Class,
    chain: Vec<Link<'a>>,
    withheld: Vec<Kept<'a>>,
    /// The first that is asked, `PROVIDER/MODEL`.
    route: Option<String>,
    refused: Option<&'a str>,
    refused_class: Option<Class>,
}

#[derive(Serialize)]
struct Place<'a> {
    path: &'a str,
    class: Class,
    detector: &'a str,
    start: usize,
    end: usize,
}

#[derive(Serialize)]
struct Link<'a> {
    provider: &'a str,
    model: &'a str,
    sees: Class,
    actions: Vec<Action<'a>>,
    ask: Option<String>,
    rules: Vec<String>,
}

#[derive(Serialize)]
struct Action<'a> {
    detector: &'a str,
    class: Class,
    action: &'static str,
}

#[derive(Serialize)]
struct Kept<'a> {
    provider: &'a str,
    class: Option<Class>,
    reason: &'a str,
    rule: Option<String>,
}

fn document<'a>(question: &'a Question, found: &'a [Found], outcome: &'a Outcome) -> Document<'a> {
    let request = &question.request;
    Document {
        version: 1,
        api: request.api.word(),
        model: &request.model,
        tokens: request.tokens,
        tools: request.tools,
        images: request.images,
        opaque: request.opaque.iter().copied().map(opaque).collect(),
        found: request
            .found
            .iter()
            .map(|located| Place {
                path: &located.path,
                class: located.finding.class,
                detector: located.finding.detector.name(),
                start: located.finding.start,
                end: located.finding.end,
            })
            .collect(),
        label: question.label(found),
        chain: outcome
            .chain
            .iter()
            .map(|candidate| Link {
                provider: &candidate.provider,
                model: &candidate.model,
                sees: candidate.sees,
                actions: found
                    .iter()
                    .zip(&candidate.how)
                    .map(|(kind, how)| Action {
                        detector: &kind.detector,
                        class: kind.class,
                        action: words::word(*how),
                    })
                    .collect(),
                ask: candidate.ask.as_ref().map(ToString::to_string),
                rules: candidate.by.iter().map(ToString::to_string).collect(),
            })
            .collect(),
        withheld: outcome
            .withheld
            .iter()
            .map(|one| Kept {
                provider: &one.provider,
                class: one.class,
                reason: &one.reason,
                rule: one.rule.as_ref().map(ToString::to_string),
            })
            .collect(),
        route: outcome
            .chain
            .first()
            .map(|first| format!("{}/{}", first.provider, first.model)),
        refused: outcome.refused.as_deref(),
        refused_class: outcome.class,
    }
}
