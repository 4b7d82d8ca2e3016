//! Who may answer once more, straight from the description: no chain, no order, one provider and one model at a time.

use nemoclaw_policy::choose::{Call, Transform};
use nemoclaw_policy::policy::{
    Action, Images, Inference, ModelLayer, Policy, Privacy, PrivacyRule, Sticky, Via,
};
use nemoclaw_policy::provider::{Provider, Serving};
use nemoclaw_policy::{Class, detector};

/// What becomes of the findings, and whether a person is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    pub how: Vec<Transform>,
    pub ask: bool,
}

impl Said {
    /// The stricter of both.
    pub fn and(self, other: &Said) -> Said {
        let pairs = self.how.iter().zip(&other.how);
        Said {
            how: pairs.map(|(a, b)| *a.max(b)).collect(),
            ask: self.ask || other.ask,
        }
    }
}

/// What a policy says of a provider that is asked for `model`; `None` keeps it out.
pub fn says(policy: &Policy, provider: &Provider, model: &str, call: &Call<'_>) -> Option<Said> {
    if policy.models.is_empty()
        || !policy
            .models
            .iter()
            .all(|layer| admits(layer, provider, model, call))
    {
        return None;
    }
    let mut said = Said {
        how: vec![Transform::Keep; call.found.len()],
        ask: false,
    };
    for privacy in policy
        .models
        .iter()
        .filter_map(|layer| layer.privacy.as_ref())
    {
        said = sees(privacy, provider, call)?.and(&said);
    }
    Some(said)
}

/// Whether a policy would come to that provider with that model by itself.
pub fn comes_to(policy: &Policy, provider: &Provider, model: &str, call: &Call<'_>) -> bool {
    let named: Vec<&ModelLayer> = policy
        .models
        .iter()
        .filter(|layer| has_chain(layer, call))
        .collect();
    match named.is_empty() {
        true => model == call.model,
        false => named
            .iter()
            .all(|layer| admits(layer, provider, model, call)),
    }
}

pub fn has_chain(layer: &ModelLayer, call: &Call<'_>) -> bool {
    let inference = layer.inference.as_ref();
    inference
        .and_then(|own| route(own, call))
        .is_some_and(|at| !layer.inference.as_ref().unwrap().routes[at].to.is_empty())
}

fn star(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => {
            text.len() >= head.len() + tail.len() && text.starts_with(head) && text.ends_with(tail)
        }
    }
}

fn route(inference: &Inference, call: &Call<'_>) -> Option<usize> {
    inference.routes.iter().position(|route| {
        route
            .models
            .iter()
            .any(|own| star(own.as_str(), call.model))
    })
}

fn lists(serving: &Serving, model: &str) -> bool {
    serving.models.is_empty() || serving.models.iter().any(|own| &*own.name == model)
}

fn admits(layer: &ModelLayer, provider: &Provider, model: &str, call: &Call<'_>) -> bool {
    let Some(inference) = &layer.inference else {
        return false;
    };
    let Some(serving) = &provider.serving else {
        return false;
    };
    if inference
        .providers
        .as_ref()
        .is_some_and(|names| !names.contains(&provider.name))
    {
        return false;
    }
    if let Some(places) = &inference.residency {
        match &serving.residency {
            Some(place) if !places.contains(place) => return false,
            None if !serving.local => return false,
            _ => {}
        }
    }
    if &*provider.name == "mine" && !call.sandbox.starts_with("a-") {
        return false;
    }
    if !lists(serving, model) {
        return false;
    }
    if inference.routes.is_empty() {
        return true;
    }
    let Some(at) = route(inference, call) else {
        return false;
    };
    let to = &inference.routes[at].to;
    to.is_empty()
        || to.iter().any(|target| {
            let usual = match serving.models.first() {
                Some(first) if !lists(serving, call.model) => first.name.to_string(),
                _ => call.model.to_owned(),
            };
            target.provider == provider.name
                && target.model.as_ref().map_or(usual, ToString::to_string) == model
        })
}

#[derive(Clone, Copy)]
enum About<'a> {
    Request,
    Label(Class),
    Found(&'a str, Class),
}

fn sees(privacy: &Privacy, provider: &Provider, call: &Call<'_>) -> Option<Said> {
    let serving = provider.serving.as_ref()?;
    if call.images
        && (privacy.images == Images::Block || (privacy.images == Images::Local && !serving.local))
    {
        return None;
    }
    let mut said = Said {
        how: Vec::new(),
        ask: false,
    };
    rule(privacy, provider, call, About::Request, &mut said.ask)?;
    let label = match privacy.sticky {
        Sticky::Off => Class::Public,
        Sticky::Conversation => call.conversation,
        Sticky::Sandbox => call.session.max(call.conversation),
    };
    if label != Class::Public
        && rule(privacy, provider, call, About::Label(label), &mut said.ask)? != Transform::Keep
    {
        return None;
    }
    for found in call.found {
        let name = &*found.detector;
        let class = match (privacy.detectors.get(name), detector::named(name)) {
            (Some(None), _) => {
                said.how.push(Transform::Keep);
                continue;
            }
            (Some(Some(class)), _) => *class,
            (None, Some(known)) => known.class,
            (None, None) => {
                let own = privacy.patterns.iter().find(|own| own.name == name);
                own.map_or(found.class, |own| own.class.max(found.class))
            }
        };
        let how = rule(
            privacy,
            provider,
            call,
            About::Found(name, class),
            &mut said.ask,
        )?;
        said.how.push(how);
    }
    Some(said)
}

fn rule(
    privacy: &Privacy,
    provider: &Provider,
    call: &Call<'_>,
    about: About<'_>,
    ask: &mut bool,
) -> Option<Transform> {
    let serving = provider.serving.as_ref()?;
    for rule in &privacy.rules {
        if !is_about(rule, about) || !is_for(rule, provider, serving) || !holds(rule, call) {
            continue;
        }
        match &rule.action {
            Action::Allow => return Some(Transform::Keep),
            Action::Pseudonymise => return Some(Transform::Pseudonymise),
            Action::Redact => return Some(Transform::Redact),
            Action::Block => return None,
            Action::Ask => {
                *ask = true;
                return Some(Transform::Keep);
            }
            Action::Route(Via::Local) if serving.local => {}
            Action::Route(Via::Provider(name)) if *name == provider.name => {}
            Action::Route(_) => return None,
        }
    }
    let class = match about {
        About::Request => return Some(Transform::Keep),
        About::Label(class) | About::Found(_, class) => class,
    };
    let enough = serving.clearance >= class && (serving.local || class != Class::Regulated);
    match class {
        _ if enough => Some(Transform::Keep),
        Class::Secret | Class::Regulated => None,
        _ => Some(Transform::Pseudonymise),
    }
}

fn is_about(rule: &PrivacyRule, about: About<'_>) -> bool {
    let none = rule.classes.is_empty() && rule.detectors.is_empty();
    match about {
        About::Request => none,
        About::Label(class) => rule.detectors.is_empty() && rule.classes.contains(&class),
        About::Found(name, class) => {
            !none
                && (rule.classes.is_empty() || rule.classes.contains(&class))
                && (rule.detectors.is_empty() || rule.detectors.iter().any(|own| own == name))
        }
    }
}

fn is_for(rule: &PrivacyRule, provider: &Provider, serving: &Serving) -> bool {
    let listed = match (rule.to.local, rule.to.providers.is_empty()) {
        (None, true) => true,
        (local, _) => local == Some(serving.local) || rule.to.providers.contains(&provider.name),
    };
    listed
        && rule
            .to
            .clearance_below
            .is_none_or(|class| serving.clearance < class)
}

fn holds(rule: &PrivacyRule, call: &Call<'_>) -> bool {
    let when = &rule.when;
    let window = when.window.is_none_or(|window| {
        let days = |day: u8| window.days & (1 << day) != 0;
        match window.from < window.until {
            true => days(call.day) && window.from <= call.minute && call.minute < window.until,
            false => {
                (days(call.day) && call.minute >= window.from)
                    || (days((call.day + 6) % 7) && call.minute < window.until)
            }
        }
    });
    window
        && (when.models.is_empty() || when.models.iter().any(|own| star(own.as_str(), call.model)))
        && (when.sandboxes.is_empty()
            || when
                .sandboxes
                .iter()
                .any(|own| star(own.as_str(), call.sandbox)))
        && when.tokens_over.is_none_or(|most| call.tokens > most)
        && when.tools.is_none_or(|tools| call.tools == tools)
        && when.session.is_none_or(|class| call.session >= class)
}
