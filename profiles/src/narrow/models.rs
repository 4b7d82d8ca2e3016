//! Models: what a child asks of them that its parent does not.
//!
//! Every layer must allow a call, so a child is within a parent where each of the parent's layers has one of the child's
//! that is no wider. Rules of privacy decide in order; a child's are taken for no wider where they are the parent's, with
//! rules before them that only keep providers out.
//!
//! A host that the parent's router answers itself must be answered by the child's too, or not be reached: else calls to
//! it would pass beside all rules.

use super::axis::{Axis, Widening};
use crate::choose;
use crate::policy::{
    Action, HostPattern, Inference, Mode, ModelLayer, NetworkLayer, Policy, Privacy, PrivacyRule,
    Route, Sticky,
};

/// What `child` asks for and `parent` does not have: for each layer of the parent what the nearest of the child's has more.
pub(super) fn widenings(child: &Policy, parent: &Policy) -> Vec<Widening> {
    let layers = parent.models.iter().flat_map(|has| {
        let each = child.models.iter().map(|asked| layer(asked, has));
        let least = each.min_by_key(Vec::len);
        least.unwrap_or_else(|| vec![more(Axis::Models, "inference", "any model", "a policy")])
    });
    layers
        .chain(hosts(child, parent))
        .map(|more| Widening {
            axis: more.axis,
            asked: more.asked,
            has: more.has,
            place: child.places.find(more.key, &child.name),
        })
        .collect()
}

fn hosts(child: &Policy, parent: &Policy) -> Vec<More> {
    let served = parent.inference_layers();
    served
        .flat_map(|inference| &inference.hosts)
        .map(HostPattern::as_str)
        .filter(|host| !choose::serves(child, host) && reaches(child, host))
        .map(|host| {
            let asked = format!("to reach {host} itself");
            more(
                Axis::ModelHosts,
                "inference.hosts",
                asked,
                "the router answer there",
            )
        })
        .collect()
}

/// Whether something may pass to where the router would answer.
fn reaches(child: &Policy, host: &str) -> bool {
    let known = |layer: &NetworkLayer| {
        let mut endpoints = layer.entries.iter().flat_map(|entry| &entry.endpoints);
        endpoints.any(|one| one.ports.contains(&choose::PORT) && one.host.matches(host))
    };
    child.mode != Mode::Offline && child.network.iter().all(known)
}

struct More {
    axis: Axis,
    key: &'static str,
    asked: String,
    has: String,
}

fn more(axis: Axis, key: &'static str, asked: impl ToString, has: impl ToString) -> More {
    More {
        axis,
        key,
        asked: asked.to_string(),
        has: has.to_string(),
    }
}

fn layer(asked: &ModelLayer, has: &ModelLayer) -> Vec<More> {
    let mut found = match (&asked.inference, &has.inference) {
        (None, _) => Vec::new(),
        (Some(_), None) => vec![more(Axis::Models, "inference", "models", "none")],
        (Some(asked), Some(has)) => inference(asked, has),
    };
    // Who asks no model has nothing to keep from one.
    if let (Some(_), Some(has)) = (&asked.inference, &has.privacy) {
        match &asked.privacy {
            None => found.push(more(Axis::Privacy, "privacy", "no rules", "rules")),
            Some(asked) => found.extend(privacy(asked, has)),
        }
    }
    found
}

fn inference(asked: &Inference, has: &Inference) -> Vec<More> {
    let Inference {
        // They are looked at together: see `hosts`.
        hosts: _,
        providers,
        residency,
        routes,
        budgets,
    } = asked;
    let mut found = Vec::new();
    if let Some(extra) = beyond(providers.as_deref(), has.providers.as_deref()) {
        found.push(more(
            Axis::ModelProviders,
            "inference.providers",
            extra,
            "other providers",
        ));
    }
    if let Some(extra) = beyond(residency.as_deref(), has.residency.as_deref()) {
        found.push(more(
            Axis::Residency,
            "inference.residency",
            extra,
            "other places",
        ));
    }
    if !routes_within(routes, &has.routes) {
        found.push(more(
            Axis::Models,
            "inference.routes",
            "other routes",
            "its own",
        ));
    }
    for (axis, key, asked, has) in [
        (
            Axis::ModelTokens,
            "inference.budgets.tokens",
            budgets.tokens,
            has.budgets.tokens,
        ),
        (
            Axis::ModelRequests,
            "inference.budgets.requests",
            budgets.requests,
            has.budgets.requests,
        ),
        (
            Axis::ModelCost,
            "inference.budgets.cost",
            budgets.cost,
            has.budgets.cost,
        ),
    ] {
        match (asked, has) {
            (Some(asked), Some(has)) if asked > has => found.push(more(axis, key, asked, has)),
            (None, Some(has)) => found.push(more(axis, key, "no limit", has)),
            _ => {}
        }
    }
    found
}

/// The first of `asked` that is not in `has`; no list is all there are.
fn beyond<T: AsRef<str>>(asked: Option<&[T]>, has: Option<&[T]>) -> Option<String> {
    let has = has?;
    match asked {
        None => Some("any".to_owned()),
        Some(asked) => asked
            .iter()
            .map(AsRef::as_ref)
            .find(|name| !has.iter().any(|own| own.as_ref() == *name))
            .map(str::to_owned),
    }
}

/// Whether each route is the parent's at its place, with part of its chain.
fn routes_within(asked: &[Route], has: &[Route]) -> bool {
    if has.is_empty() {
        return true;
    }
    !asked.is_empty()
        && asked.len() <= has.len()
        && asked.iter().zip(has).all(|(asked, has)| {
            let chain = has.to.is_empty()
                || (!asked.to.is_empty() && asked.to.iter().all(|one| has.to.contains(one)));
            let room = match (asked.concurrent, has.concurrent) {
                (_, None) => true,
                (asked, Some(has)) => asked.is_some_and(|asked| asked <= has),
            };
            asked.models == has.models && chain && room
        })
}

fn privacy(asked: &Privacy, has: &Privacy) -> Vec<More> {
    let Privacy {
        images,
        sticky,
        restore,
        answers,
        detectors,
        lists,
        patterns,
        ner,
        rules,
    } = asked;
    let mut found = Vec::new();
    let mut unless = |fine: bool, key| {
        if !fine {
            found.push(more(Axis::Privacy, key, "less is kept back", "more"));
        }
    };
    unless(*images >= has.images, "privacy.images");
    // A higher label meets other rules, which may let it pass.
    unless(
        has.sticky == Sticky::Off || *sticky == has.sticky,
        "privacy.sticky",
    );
    unless(restore.text <= has.restore.text, "privacy.restore.text");
    unless(
        restore.tool_calls <= has.restore.tool_calls,
        "privacy.restore.tool_calls",
    );
    unless(
        has.answers
            .is_none_or(|has| answers.is_some_and(|own| own <= has)),
        "privacy.answers",
    );
    unless(*detectors == has.detectors, "privacy.detectors");
    unless(
        has.lists.iter().all(|name| lists.contains(name)),
        "privacy.lists",
    );
    unless(
        has.patterns
            .iter()
            .all(|pattern| patterns.contains(pattern)),
        "privacy.patterns",
    );
    unless(has.ner.is_none() || *ner == has.ner, "privacy.ner");
    let own = rules.len().checked_sub(has.rules.len());
    let fine =
        own.is_some_and(|own| rules[own..] == has.rules && rules[..own].iter().all(only_keeps_out));
    unless(fine, "privacy.rules");
    found
}

fn only_keeps_out(rule: &PrivacyRule) -> bool {
    matches!(rule.action, Action::Block | Action::Route(_))
}
