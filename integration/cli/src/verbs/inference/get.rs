//! `inference get`: what is in force, and in which state the providers are.

use std::process::ExitCode;

use nemoclaw_api::{BoxStatus, ModelSpend};
use nemoclaw_policy::policy::{
    Images, Inference, LOCAL_NAME, ModelLayer, Policy, Privacy, Route, Sticky, Target,
};
use nemoclaw_policy::provider::{Providers, load};
use serde::Serialize;

use crate::args::Format;
use crate::direct::names;
use crate::models::spend;
use crate::node::{Node, require_root};
use crate::printer::{Printer, plain, table};
use crate::verbs::policy::find::{held, sandboxes};
use crate::verbs::router;

/// The JSON output.
#[derive(Serialize)]
struct Document {
    version: u32,
    sandbox: String,
    generation: Option<u64>,
    /// One for each policy that is met; all of them hold.
    policies: Vec<Layer>,
    spend: Option<ModelSpend>,
}

/// What one policy says.
#[derive(Serialize)]
struct Layer {
    policy: String,
    /// `null` where it asks no model.
    inference: Option<Asks>,
    privacy: Option<Looks>,
}

#[derive(Serialize)]
struct Asks {
    hosts: Vec<String>,
    providers: Option<Vec<String>>,
    residency: Option<Vec<String>>,
    routes: Vec<Way>,
}

#[derive(Serialize)]
struct Way {
    models: Vec<String>,
    /// In order; empty is every provider that has the model.
    to: Vec<Link>,
    prefer: &'static str,
    timeout_s: u64,
    retries: u32,
    concurrent: Option<u32>,
}

#[derive(Serialize)]
struct Link {
    provider: String,
    model: Option<String>,
    state: &'static str,
    clearance: Option<&'static str>,
}

#[derive(Serialize)]
struct Looks {
    images: &'static str,
    sticky: &'static str,
    answers: Option<&'static str>,
    off: Vec<String>,
    patterns: usize,
    lists: usize,
    rules: usize,
}

/// Run it.
pub fn run(
    node: &Node,
    wanted: Option<&str>,
    output: Format,
    printer: Printer,
) -> anyhow::Result<ExitCode> {
    require_root("inference get")?;
    let known = sandboxes(node)?;
    let held = held(node, names::find(wanted, &known)?)?;
    let boxes = router::boxes(node).unwrap_or_default();
    let routed = boxes.iter().find(|one| one.sandbox == held.name);
    let view = View {
        sandbox: &held.name,
        policies: held.texts.iter().map(|text| text.name.clone()).collect(),
        providers: load(&node.config.providers)?.1,
        held: router::status(node).ok().map(|status| status.providers),
    };
    let layers: Vec<Layer> = held
        .layers()?
        .iter()
        .flat_map(|policy: &Policy| &policy.models)
        .map(|layer| view.layer(layer))
        .collect();
    let document = Document {
        version: 1,
        sandbox: held.name.clone(),
        generation: routed.map(|one| one.generation),
        policies: layers,
        spend: routed.and_then(|one| one.models),
    };
    match output {
        Format::Json => printer.json(&document)?,
        Format::Text => printer.data(text(&document, routed))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What is looked at while the document is made.
struct View<'a> {
    sandbox: &'a str,
    policies: Vec<String>,
    providers: Providers,
    /// Whose credentials the router holds; `None` where it does not run.
    held: Option<Vec<String>>,
}

impl View<'_> {
    fn layer(&self, layer: &ModelLayer) -> Layer {
        Layer {
            policy: layer.policy.clone(),
            inference: layer.inference.as_ref().map(|asks| self.asks(asks)),
            privacy: layer.privacy.as_ref().map(looks),
        }
    }

    fn asks(&self, asks: &Inference) -> Asks {
        let hosts = asks.hosts.iter().map(ToString::to_string);
        Asks {
            hosts: std::iter::once(LOCAL_NAME.to_owned())
                .chain(hosts)
                .collect(),
            providers: asks
                .providers
                .as_ref()
                .map(|names| names.iter().map(ToString::to_string).collect()),
            residency: asks.residency.clone(),
            routes: asks.routes.iter().map(|route| self.way(route)).collect(),
        }
    }

    fn way(&self, route: &Route) -> Way {
        Way {
            models: route
                .models
                .iter()
                .map(|pattern| pattern.as_str().to_owned())
                .collect(),
            to: route.to.iter().map(|target| self.link(target)).collect(),
            prefer: if route.cheapest { "cheapest" } else { "order" },
            timeout_s: route.timeout.as_secs(),
            retries: route.retries,
            concurrent: route.concurrent,
        }
    }

    fn link(&self, target: &Target) -> Link {
        let entry = self.providers.named(&target.provider);
        let serving = entry.and_then(|entry| entry.serving.as_ref());
        Link {
            provider: target.provider.to_string(),
            model: target.model.as_ref().map(ToString::to_string),
            state: self.state(target),
            clearance: serving.map(|serving| serving.clearance.word()),
        }
    }

    fn state(&self, target: &Target) -> &'static str {
        let Some(entry) = self.providers.named(&target.provider) else {
            return "no such provider";
        };
        let policies = self.policies.iter().map(String::as_str);
        match (&entry.serving, &entry.secret, &self.held) {
            (None, ..) => "no model server",
            _ if !entry.serves(self.sandbox, policies) => "not for this sandbox",
            (_, None, _) => "needs no credential",
            (.., None) => "router is down",
            (_, _, Some(held)) if held.iter().any(|name| **name == *entry.name) => "held",
            _ => "credential missing",
        }
    }
}

fn looks(privacy: &Privacy) -> Looks {
    Looks {
        images: match privacy.images {
            Images::Allow => "allow",
            Images::Local => "local",
            Images::Block => "block",
        },
        sticky: match privacy.sticky {
            Sticky::Off => "off",
            Sticky::Conversation => "conversation",
            Sticky::Sandbox => "sandbox",
        },
        answers: privacy.answers.map(|class| class.word()),
        off: privacy
            .detectors
            .iter()
            .filter(|(_, class)| class.is_none())
            .map(|(name, _)| name.clone())
            .collect(),
        patterns: privacy.patterns.len(),
        lists: privacy.lists.len(),
        rules: privacy.rules.len(),
    }
}

fn text(document: &Document, routed: Option<&BoxStatus>) -> String {
    let generation = document
        .generation
        .map(|number| format!(", generation {number}"))
        .unwrap_or_default();
    let mut lines = vec![format!("sandbox {}{generation}", plain(&document.sandbox))];
    for layer in &document.policies {
        lines.push(format!("policy {}", plain(&layer.policy)));
        let Some(asks) = &layer.inference else {
            lines.push("  asks no model".to_owned());
            continue;
        };
        lines.push(table(&rows(asks)));
        lines.extend(routes(asks));
        lines.push(privacy(layer.privacy.as_ref()));
    }
    if let Some(spent) = routed.and_then(|one| one.models) {
        lines.push(format!("spent in 24 h: {}", spend::words(&spent)));
    }
    lines.join("\n")
}

fn rows(asks: &Asks) -> Vec<Vec<String>> {
    let row = |label: &str, text: String| vec![format!("  {label}"), plain(&text)];
    let mut rows = vec![row("hosts", asks.hosts.join(", "))];
    rows.push(row(
        "providers",
        match &asks.providers {
            Some(names) => names.join(", "),
            None => "any that serves this sandbox".to_owned(),
        },
    ));
    if let Some(places) = &asks.residency {
        rows.push(row("residency", places.join(", ")));
    }
    rows
}

fn routes(asks: &Asks) -> Vec<String> {
    if asks.routes.is_empty() {
        return vec!["  any model goes to the cheapest provider that has it".to_owned()];
    }
    let mut lines = Vec::new();
    for (number, way) in (1..).zip(&asks.routes) {
        let most = way
            .concurrent
            .map(|most| format!(", {most} at once"))
            .unwrap_or_default();
        lines.push(format!(
            "  {number}. {}: {} s for an answer's head, asked again {} times{most}{}",
            plain(&way.models.join(", ")),
            way.timeout_s,
            way.retries,
            if way.prefer == "cheapest" {
                ", the cheapest first"
            } else {
                ""
            },
        ));
        if way.to.is_empty() {
            lines.push("     every provider that has the model".to_owned());
        }
        let cells: Vec<Vec<String>> = way.to.iter().map(cells).collect();
        if !cells.is_empty() {
            lines.push(table(&cells));
        }
    }
    lines
}

fn cells(link: &Link) -> Vec<String> {
    let name = match &link.model {
        Some(model) => format!("{}/{model}", link.provider),
        None => link.provider.clone(),
    };
    let clearance = link
        .clearance
        .map(|class| format!("may see what is {class}"))
        .unwrap_or_default();
    vec![
        format!("     {}", plain(&name)),
        link.state.to_owned(),
        clearance,
    ]
}

fn privacy(looks: Option<&Looks>) -> String {
    let Some(looks) = looks else {
        return "  privacy: nothing is looked at".to_owned();
    };
    let answers = match looks.answers {
        Some(class) => format!("answers masked from {class} on"),
        None => "answers as they come".to_owned(),
    };
    let off = match looks.off.is_empty() {
        true => String::new(),
        false => format!(", off: {}", looks.off.join(", ")),
    };
    format!(
        "  privacy: pictures {}, labels stick to {}, {answers}, {} rules, {} patterns, {} lists{off}",
        looks.images,
        match looks.sticky {
            "off" => "nothing",
            sticky => sticky,
        },
        looks.rules,
        looks.patterns,
        looks.lists,
    )
}
