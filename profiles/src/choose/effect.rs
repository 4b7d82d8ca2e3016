//! What the rules of every layer mean for one call and one provider.

use super::{Call, Found, Transform, Withheld};
use crate::class::Class;
use crate::detector;
use crate::policy::{Action, Conditions, Images, Policy, Privacy, PrivacyRule, Sticky, To, Via};
use crate::provider::{Provider, Serving};
use crate::source::Location;

/// What becomes of a call on its way to one provider.
pub(super) struct Effect {
    /// Of each finding.
    pub how: Vec<Transform>,
    /// The rule for which a person must be asked.
    pub ask: Option<Location>,
    /// The rules that decided.
    pub by: Vec<Location>,
}

pub(super) fn of(
    policy: &Policy,
    call: &Call<'_>,
    provider: &Provider,
    serving: &Serving,
) -> Result<Effect, Withheld> {
    let mut effect = Effect {
        how: vec![Transform::Keep; call.found.len()],
        ask: None,
        by: Vec::new(),
    };
    for privacy in policy
        .models
        .iter()
        .filter_map(|layer| layer.privacy.as_ref())
    {
        let scale = Scale {
            privacy,
            call,
            provider,
            serving,
        };
        scale.images()?;
        scale.label()?;
        scale.apply(None, None, &mut effect)?;
        for (index, found) in call.found.iter().enumerate() {
            if let Some(class) = class_in(privacy, found) {
                scale.apply(Some((class, found)), Some(index), &mut effect)?;
            }
        }
    }
    Ok(effect)
}

/// The class of a finding as this layer has it; `None` where it does not look for it.
fn class_in(privacy: &Privacy, found: &Found) -> Option<Class> {
    let name = &*found.detector;
    if let Some(own) = privacy.detectors.get(name) {
        return *own;
    }
    if let Some(known) = detector::named(name) {
        return Some(known.class);
    }
    if let Some(pattern) = privacy.patterns.iter().find(|own| own.name == name) {
        return Some(pattern.class);
    }
    privacy
        .lists
        .iter()
        .any(|own| **own == *name)
        .then_some(found.class)
}

struct Scale<'a> {
    privacy: &'a Privacy,
    call: &'a Call<'a>,
    provider: &'a Provider,
    serving: &'a Serving,
}

impl Scale<'_> {
    fn withheld(&self, class: Option<Class>, reason: String, rule: Option<Location>) -> Withheld {
        Withheld {
            provider: self.provider.name.clone(),
            class,
            reason,
            rule,
        }
    }

    fn images(&self) -> Result<(), Withheld> {
        let why = match self.privacy.images {
            _ if !self.call.images => return Ok(()),
            Images::Allow => return Ok(()),
            Images::Local if self.serving.local => return Ok(()),
            Images::Local => "pictures stay on local models",
            Images::Block => "pictures are blocked",
        };
        Err(self.withheld(None, why.to_owned(), None))
    }

    /// What a model saw before cannot be found again in what it said, so nothing takes its place.
    fn label(&self) -> Result<(), Withheld> {
        let label = match self.privacy.sticky {
            Sticky::Off => Class::Public,
            Sticky::Conversation => self.call.conversation,
            Sticky::Sandbox => self.call.session.max(self.call.conversation),
        };
        if self.covers(label) {
            return Ok(());
        }
        let reason = format!(
            "earlier answers in it come from a model that saw what is {label}, and its clearance is {}",
            self.serving.clearance
        );
        Err(self.withheld(Some(label), reason, None))
    }

    /// Whether a class may be seen without a rule that says so.
    fn covers(&self, class: Class) -> bool {
        class <= self.serving.clearance && (class < Class::Regulated || self.serving.local)
    }

    /// What the first rule that fits says of a finding, or of the request as such.
    fn apply(
        &self,
        found: Option<(Class, &Found)>,
        index: Option<usize>,
        effect: &mut Effect,
    ) -> Result<(), Withheld> {
        let rule = self
            .privacy
            .rules
            .iter()
            .find(|rule| self.fits(rule, found));
        let Some(rule) = rule else {
            return match (found, index) {
                (Some((class, _)), Some(index)) => self.usual(class, &mut effect.how[index]),
                _ => Ok(()),
            };
        };
        if !effect.by.contains(&rule.at) {
            effect.by.push(rule.at.clone());
        }
        let mut raise = |transform: Transform| {
            if let Some(index) = index {
                effect.how[index] = effect.how[index].max(transform);
            }
        };
        match &rule.action {
            Action::Allow => {}
            Action::Pseudonymise => raise(Transform::Pseudonymise),
            Action::Redact => raise(Transform::Redact),
            Action::Ask => effect.ask = Some(rule.at.clone()),
            Action::Route(Via::Local) if self.serving.local => {}
            Action::Route(Via::Provider(name)) if *name == self.provider.name => {}
            Action::Route(_) | Action::Block => {
                let what = found.map_or("the request".to_owned(), |(class, found)| {
                    format!("{} ({class})", found.detector)
                });
                let reason = format!("a rule keeps {what} from it");
                let class = found.map(|(class, _)| class);
                return Err(self.withheld(class, reason, Some(rule.at.clone())));
            }
        }
        Ok(())
    }

    /// Where no rule fits.
    fn usual(&self, class: Class, how: &mut Transform) -> Result<(), Withheld> {
        if self.covers(class) {
            return Ok(());
        }
        if class >= Class::Secret {
            let reason = if class == Class::Regulated {
                "what is regulated stays on local models with that clearance".to_owned()
            } else {
                format!("its clearance is {}", self.serving.clearance)
            };
            return Err(self.withheld(Some(class), reason, None));
        }
        *how = (*how).max(Transform::Pseudonymise);
        Ok(())
    }

    fn fits(&self, rule: &PrivacyRule, found: Option<(Class, &Found)>) -> bool {
        let about = match found {
            None => rule.classes.is_empty() && rule.detectors.is_empty(),
            Some((class, found)) => {
                (rule.classes.is_empty() || rule.classes.contains(&class))
                    && (rule.detectors.is_empty()
                        || rule.detectors.iter().any(|name| **name == *found.detector))
            }
        };
        about && self.reaches(&rule.to) && self.holds(&rule.when)
    }

    fn reaches(&self, to: &To) -> bool {
        to.local.is_none_or(|local| local == self.serving.local)
            && (to.providers.is_empty() || to.providers.contains(&self.provider.name))
            && to
                .clearance_below
                .is_none_or(|class| self.serving.clearance < class)
    }

    fn holds(&self, when: &Conditions) -> bool {
        let call = self.call;
        let any = |patterns: &[crate::segments::SegmentGlob], name: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name))
        };
        any(&when.models, call.model)
            && any(&when.sandboxes, call.sandbox)
            && when.tokens_over.is_none_or(|limit| call.tokens > limit)
            && when.tools.is_none_or(|tools| tools == call.tools)
            && when
                .window
                .is_none_or(|window| window.holds(call.day, call.minute))
            && when.session.is_none_or(|class| call.session >= class)
    }
}
