//! `privacy explain`: what would become of a request to a model. Nothing is sent.

use std::path::Path;
use std::process::ExitCode;

use nemoclaw_policy::choose::{Call, Choice, Found, Refused, choose};
use nemoclaw_policy::{Class, provider};
use serde::Serialize;

use super::{CANNOT_TELL, words};
use crate::args::Explain;
use crate::models::moment::Moment;
use crate::models::request::{self, Request};
use crate::models::scanner;
use crate::node::Node;
use crate::printer::{Printer, Tone};
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

/// Run it.
pub fn run(config: Option<&Path>, args: &Explain, printer: Printer) -> anyhow::Result<ExitCode> {
    let node = Node::load(config)?;
    let subject = Subject::find(config, &args.policy)?;
    let layers = subject.layers()?;
    let names = subject.names();
    let policy = met(&layers).ok_or_else(nothing)?;
    let providers = provider::load(&node.config.providers)?.1;
    let scanner = scanner::of(Some(&policy))?;
    let bytes = super::read(&args.request)?;
    let request = Request::read(&bytes, args.api.map(Into::into), &scanner)
        .map_err(|fault| fault.exit(CANNOT_TELL))?;
    let question = Question {
        request,
        conversation: args.conversation,
    };
    let found = question.request.kinds();
    let now = Moment::now();
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
            found: &found,
        },
    );
    if args.json {
        printer.json(&document(&question, &found, &decided))?;
    } else {
        printer.data(words::all(&question, &found, &decided))?;
    }
    warn(&scanner::lists(Some(&policy)), &question, printer);
    Ok(code(&decided))
}

fn warn(lists: &[String], question: &Question, printer: Printer) {
    if !lists.is_empty() {
        let lists = lists.join(", ");
        printer.labelled(
            Tone::Warning,
            "warning",
            format_args!("the lists {lists} are not searched here"),
        );
    }
    if !question.request.opaque.is_empty() {
        printer.labelled(
            Tone::Warning,
            "warning",
            "a part of the request is no text: under `privacy` the router refuses what it cannot look into",
        );
    }
}

fn code(decided: &Result<Choice, Refused>) -> ExitCode {
    match decided {
        Ok(choice) if choice.chain.iter().any(|one| one.ask.is_none()) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(CANNOT_TELL),
        Err(_) => ExitCode::from(REFUSED),
    }
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
    opaque: &'a [&'static str],
    found: Vec<Place<'a>>,
    label: Class,
    chain: Vec<Link<'a>>,
    withheld: Vec<Kept<'a>>,
    /// The first that is asked, `PROVIDER/MODEL`.
    route: Option<String>,
    refused: Option<String>,
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

fn document<'a>(
    question: &'a Question,
    found: &'a [Found],
    decided: &'a Result<Choice, Refused>,
) -> Document<'a> {
    let request = &question.request;
    let (chain, withheld) = match decided {
        Ok(choice) => (choice.chain.as_slice(), choice.withheld.as_slice()),
        Err(Refused::Withheld(all)) => (&[][..], all.as_slice()),
        Err(_) => (&[][..], &[][..]),
    };
    let label = found
        .iter()
        .map(|kind| kind.class)
        .max()
        .unwrap_or_default();
    Document {
        version: 1,
        api: request::word(request.api),
        model: &request.model,
        tokens: request.tokens,
        tools: request.tools,
        images: request.images,
        opaque: &request.opaque,
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
        label: label.max(question.conversation),
        chain: chain
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
        withheld: withheld
            .iter()
            .map(|one| Kept {
                provider: &one.provider,
                class: one.class,
                reason: &one.reason,
                rule: one.rule.as_ref().map(ToString::to_string),
            })
            .collect(),
        route: chain
            .first()
            .map(|first| format!("{}/{}", first.provider, first.model)),
        refused: decided.as_ref().err().map(ToString::to_string),
        refused_class: decided.as_ref().err().and_then(Refused::class),
    }
}
