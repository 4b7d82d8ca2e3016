//! `inference set`: another `inference` in the policy file of a running sandbox.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use nemoclaw_policy::policy::{Inference, Route};
use nemoclaw_policy::{Source, edit};

use crate::args::Change;
use crate::fault::Fault;
use crate::node::{Node, require_root};
use crate::printer::Printer;
use crate::verbs::policy::change::Target;

/// As a route has it that does not say.
const TIMEOUT: Duration = Duration::from_secs(60);
const RETRIES: u32 = 1;

/// Run it.
pub fn run(config: Option<&Path>, args: &Change, printer: Printer) -> anyhow::Result<ExitCode> {
    require_root("inference set")?;
    let target = Target::of(&Node::load(config)?, &args.sandbox)?;
    let now = target.check(&target.source)?;
    let now = now
        .models
        .first()
        .and_then(|layer| layer.inference.as_ref());
    let values = values(args, now)?;
    if values.is_empty() {
        return Err(Fault::new("what is to change?")
            .hint("give --route, --provider, --residency, --host, --tokens, --requests or --cost")
            .exit(2)
            .into());
    }
    let mut source = target.source.clone();
    for (key, value) in values {
        let text = edit::inference(&source, key, &value).map_err(|error| {
            let fault = Fault::new(error.to_string());
            error.hint().into_iter().fold(fault, Fault::hint)
        })?;
        source = Source {
            text: text.into(),
            ..source
        };
    }
    target.apply(&source.text, args.dry_run, printer)
}

/// The keys that change with their values.
fn values(args: &Change, now: Option<&Inference>) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut values = Vec::new();
    for (key, list) in [
        ("hosts", &args.hosts),
        ("providers", &args.providers),
        ("residency", &args.residency),
    ] {
        if !list.is_empty() {
            values.push((key, serde_json::to_string(list)?));
        }
    }
    if !args.routes.is_empty() {
        let known = now.map_or(&[][..], |now| &now.routes);
        let mut text = String::new();
        for given in &args.routes {
            text.push_str("\n  - ");
            text.push_str(&route(given, known)?);
        }
        values.push(("routes", text));
    }
    if let Some(budgets) = budgets(args, now)? {
        values.push(("budgets", budgets));
    }
    Ok(values)
}

/// A route as one line.
fn route(given: &str, known: &[Route]) -> anyhow::Result<String> {
    let (models, to) = given
        .split_once('=')
        .filter(|(models, to)| !models.is_empty() && !to.is_empty())
        .ok_or_else(|| {
            Fault::new(format!(
                "`{given}` is no route: write MODEL=PROVIDER[/MODEL],…, such as 'claude-*=hosted,own'"
            ))
            .exit(2)
        })?;
    let parts = |text: &str| -> Vec<String> { text.split(',').map(str::to_owned).collect() };
    let models = parts(models);
    let mut line = format!(
        "{{ models: {}, to: {}",
        serde_json::to_string(&models)?,
        serde_json::to_string(&parts(to))?
    );
    let same = known.iter().find(|route| {
        let patterns = route.models.iter().map(|pattern| pattern.as_str());
        patterns.eq(models.iter().map(String::as_str))
    });
    if let Some(route) = same {
        line.push_str(&settings(route));
    }
    line.push_str(" }");
    Ok(line)
}

/// What a route says beside its chain.
fn settings(route: &Route) -> String {
    let mut text = String::new();
    if route.cheapest {
        text.push_str(", prefer: cheapest");
    }
    if route.timeout != TIMEOUT {
        text.push_str(&format!(", timeout: {}s", route.timeout.as_secs()));
    }
    if route.retries != RETRIES {
        text.push_str(&format!(", retries: {}", route.retries));
    }
    if let Some(most) = route.concurrent {
        text.push_str(&format!(", concurrent: {most}"));
    }
    text
}

/// The budgets with those that are given; `None` where none is.
fn budgets(args: &Change, now: Option<&Inference>) -> anyhow::Result<Option<String>> {
    if args.tokens.is_none() && args.requests.is_none() && args.cost.is_none() {
        return Ok(None);
    }
    let now = now.map(|now| now.budgets).unwrap_or_default();
    let mut words = Vec::new();
    if let Some(number) = args.tokens.or(now.tokens) {
        words.push(format!("tokens: {number}"));
    }
    if let Some(number) = args.requests.or(now.requests) {
        words.push(format!("requests: {number}"));
    }
    let cost = match (args.cost, now.cost) {
        (Some(cost), _) => Some(serde_json::to_string(&cost)?),
        (None, now) => now.map(crate::models::money::words),
    };
    words.extend(cost.map(|cost| format!("cost: {cost}")));
    Ok(Some(format!("{{ {} }}", words.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nemoclaw_policy::Policy;

    #[test]
    fn a_route_keeps_what_it_said_beside_its_chain() {
        let text = "version: 1\ninference:\n  routes:\n    - { models: [\"a-*\", b], to: [x], timeout: 90, retries: 3 }\n";
        let policy = Policy::load(&Source::text("./p.yaml", text)).expect("a policy");
        let known = &policy.models[0]
            .inference
            .as_ref()
            .expect("inference")
            .routes;
        assert_eq!(
            route("a-*,b=y/m,x", known).expect("a route"),
            r#"{ models: ["a-*","b"], to: ["y/m","x"], timeout: 90s, retries: 3 }"#
        );
        assert_eq!(
            route("*=y", known).expect("a route"),
            r#"{ models: ["*"], to: ["y"] }"#
        );
        for wrong in ["x", "=x", "x="] {
            assert!(route(wrong, known).is_err(), "{wrong}");
        }
    }
}
