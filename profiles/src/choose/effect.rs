//! What the rules of every layer mean for one call and one provider.

use super::{Call, Found, Transform, Withheld};
use crate::class::Class;
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
    for privacy in policy.privacy_layers() {
        let scale = Scale {
            privacy,
            call,
            provider,
            serving,
        };
        scale.images()?;
        scale.decide(Subject::Request, &mut effect)?;
        let label = scale.label();
        if label > Class::Public {
            scale.decide(Subject::Label(label), &mut effect)?;
        }
        for (index, found) in call.found.iter().enumerate() {
            let Some(class) = privacy.class_of(&found.detector, found.class) else {
                continue;
            };
            let how = scale.decide(Subject::Found(class, found), &mut effect)?;
            effect.how[index] = effect.how[index].max(how);
        }
    }
    Ok(effect)
}

/// The highest class of what stays, as any layer has it, and of what the conversation held before.
pub(super) fn seen(policy: &Policy, call: &Call<'_>, how: &[Transform]) -> Class {
    let kept = call
        .found
        .iter()
        .zip(how)
        .filter(|(_, how)| **how == Transform::Keep);
    kept.flat_map(|(found, _)| {
        let layers = policy.privacy_layers();
        layers.filter_map(|privacy| privacy.class_of(&found.detector, found.class))
    })
    .fold(call.conversation, Class::max)
}

/// What is decided on.
#[derive(Clone, Copy)]
enum Subject<'a> {
    /// The request as such.
    Request,
    /// What a model had seen when it gave an answer that the request repeats. It cannot be found there again, so nothing
    /// can take its place.
    Label(Class),
    /// A finding, with its class.
    Found(Class, &'a Found),
}

impl Subject<'_> {
    fn class(self) -> Option<Class> {
        match self {
            Subject::Request => None,
            Subject::Label(class) | Subject::Found(class, _) => Some(class),
        }
    }

    /// What refusals call it; never what was found.
    fn words(self) -> String {
        match self {
            Subject::Request => "the request".to_owned(),
            Subject::Label(class) => {
                format!("an earlier answer of a model that saw what is {class}")
            }
            Subject::Found(class, found) => format!("{} ({class})", found.detector),
        }
    }
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

    /// What earlier answers may hold, as far as this policy thinks of them.
    fn label(&self) -> Class {
        match self.privacy.sticky {
            Sticky::Off => Class::Public,
            Sticky::Conversation => self.call.conversation,
            Sticky::Sandbox => self.call.session.max(self.call.conversation),
        }
    }

    /// Whether a class may be seen without a rule that says so.
    fn covers(&self, class: Class) -> bool {
        class <= self.serving.clearance && (class < Class::Regulated || self.serving.local)
    }

    /// What the first rule that fits says; a `route` that is kept leaves it to those behind it.
    fn decide(&self, subject: Subject<'_>, effect: &mut Effect) -> Result<Transform, Withheld> {
        for rule in self
            .privacy
            .rules
            .iter()
            .filter(|rule| self.fits(rule, subject))
        {
            if !effect.by.contains(&rule.at) {
                effect.by.push(rule.at.clone());
            }
            return match &rule.action {
                Action::Route(via) if self.is(via) => continue,
                Action::Allow => Ok(Transform::Keep),
                Action::Ask => {
                    effect.ask.get_or_insert_with(|| rule.at.clone());
                    Ok(Transform::Keep)
                }
                Action::Pseudonymise => self.instead(subject, Transform::Pseudonymise, Some(rule)),
                Action::Redact => self.instead(subject, Transform::Redact, Some(rule)),
                Action::Route(_) | Action::Block => {
                    let reason = format!("a rule keeps {} from it", subject.words());
                    Err(self.withheld(subject.class(), reason, Some(rule.at.clone())))
                }
            };
        }
        self.usual(subject)
    }

    /// Where no rule fits.
    fn usual(&self, subject: Subject<'_>) -> Result<Transform, Withheld> {
        let Some(class) = subject.class().filter(|class| !self.covers(*class)) else {
            return Ok(Transform::Keep);
        };
        if class < Class::Secret {
            return self.instead(subject, Transform::Pseudonymise, None);
        }
        let reason = if class == Class::Regulated && !self.serving.local {
            format!("{} stays on local models", subject.words())
        } else {
            let clearance = self.serving.clearance;
            format!(
                "{} is above its clearance, which is {clearance}",
                subject.words()
            )
        };
        Err(self.withheld(Some(class), reason, None))
    }

    /// Something takes a finding's place; nothing can take that of a label.
    fn instead(
        &self,
        subject: Subject<'_>,
        how: Transform,
        rule: Option<&PrivacyRule>,
    ) -> Result<Transform, Withheld> {
        match subject {
            Subject::Request | Subject::Found(..) => Ok(how),
            Subject::Label(class) => {
                let reason = format!("it may not see {}", subject.words());
                Err(self.withheld(Some(class), reason, rule.map(|rule| rule.at.clone())))
            }
        }
    }

    fn is(&self, via: &Via) -> bool {
        match via {
            Via::Local => self.serving.local,
            Via::Provider(name) => *name == self.provider.name,
        }
    }

    fn fits(&self, rule: &PrivacyRule, subject: Subject<'_>) -> bool {
        let class = |class| rule.classes.is_empty() || rule.classes.contains(&class);
        let about = match subject {
            Subject::Request => rule.is_of_request(),
            Subject::Label(label) => rule.classes.contains(&label) && rule.detectors.is_empty(),
            Subject::Found(of, found) => {
                !rule.is_of_request()
                    && class(of)
                    && (rule.detectors.is_empty()
                        || rule.detectors.iter().any(|name| **name == *found.detector))
            }
        };
        about && self.reaches(&rule.to) && self.holds(&rule.when)
    }

    fn reaches(&self, to: &To) -> bool {
        let place = to.local.is_some_and(|local| local == self.serving.local);
        let any = to.local.is_none() && to.providers.is_empty();
        (any || place || to.providers.contains(&self.provider.name))
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
