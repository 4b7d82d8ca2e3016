//! Rules that can never decide anything are faults: whoever wrote one believes that it does.

use super::{Action, Conditions, Privacy, PrivacyRule, To, Via};
use crate::class::Class;
use crate::detector;
use crate::source::Diagnostic;
use crate::yaml::View;

type Fault = Box<Diagnostic>;

/// `views` are the rules where they stand.
pub(super) fn check(privacy: &Privacy, views: &[View<'_>]) -> Result<(), Fault> {
    for (index, (rule, view)) in privacy.rules.iter().zip(views).enumerate() {
        if let Some(why) = idle(privacy, rule) {
            return Err(view.fault(why));
        }
        let earlier = &privacy.rules[..index];
        if let Some(other) = earlier.iter().find(|other| takes_all(other, rule)) {
            return Err(view
                .fault(format!(
                    "this rule decides nothing: the one in line {} takes all that it is about",
                    other.at.line
                ))
                .with_hint("rules are tried in order: put the narrower one first"));
        }
    }
    Ok(())
}

/// Why a rule decides nothing wherever it stands.
fn idle(privacy: &Privacy, rule: &PrivacyRule) -> Option<String> {
    if rule.is_of_request() {
        let word = match rule.action {
            Action::Redact => "redact",
            Action::Pseudonymise => "pseudonymise",
            _ => return idle_route(rule),
        };
        return Some(format!(
            "`do: {word}` needs a `class` or a `detector`: what shall it take out?"
        ));
    }
    let mut some = rule.detectors.is_empty();
    for name in &rule.detectors {
        let class = match privacy.detectors.get(name) {
            Some(None) => return Some(format!("the detector `{name}` is off in this policy")),
            Some(Some(class)) => Some(*class),
            None => known_class(privacy, name),
        };
        some |= class.is_none_or(|class| rule.classes.is_empty() || rule.classes.contains(&class));
    }
    if !some {
        return Some(
            "this rule never fits: none of its detectors finds something of its classes".into(),
        );
    }
    idle_route(rule)
}

/// The class that this policy knows for a detector; the node knows those of lists and services.
fn known_class(privacy: &Privacy, name: &str) -> Option<Class> {
    let pattern = privacy.patterns.iter().find(|own| own.name == name);
    detector::named(name)
        .map(|known| known.class)
        .or(pattern.map(|pattern| pattern.class))
}

fn idle_route(rule: &PrivacyRule) -> Option<String> {
    let To {
        local, providers, ..
    } = &rule.to;
    let same = match &rule.action {
        Action::Route(Via::Local) => *local == Some(true) && providers.is_empty(),
        Action::Route(Via::Provider(name)) => local.is_none() && **providers == [name.clone()],
        _ => false,
    };
    same.then(|| "this rule keeps nobody out: `to` and `via` are the same".to_owned())
}

/// Whether all that `rule` is about is decided by `other`, which stands before it.
fn takes_all(other: &PrivacyRule, rule: &PrivacyRule) -> bool {
    let ends = !matches!(other.action, Action::Route(_));
    let about = other.is_of_request() == rule.is_of_request()
        && within(&rule.classes, &other.classes)
        && within(&rule.detectors, &other.detectors);
    let when = other.when == Conditions::default() || other.when == rule.when;
    ends && about && when && reaches_all(&other.to, &rule.to)
}

/// Whether `all` covers `some`; an empty list is everything.
fn within<T: PartialEq>(some: &[T], all: &[T]) -> bool {
    all.is_empty() || (!some.is_empty() && some.iter().all(|one| all.contains(one)))
}

fn reaches_all(all: &To, some: &To) -> bool {
    let any = |to: &To| to.local.is_none() && to.providers.is_empty();
    let place = some.local.is_none() || some.local == all.local;
    let names = some
        .providers
        .iter()
        .all(|name| all.providers.contains(name));
    let who = any(all) || (!any(some) && place && names);
    let clearance = match (all.clearance_below, some.clearance_below) {
        (None, _) => true,
        (Some(all), Some(some)) => some <= all,
        (Some(_), None) => false,
    };
    who && clearance
}
