//! The scanner that policies ask for.

use std::collections::BTreeMap;

use nemoclaw_policy::class::Class;
use nemoclaw_policy::detector;
use nemoclaw_policy::policy::{Policy, Privacy};
use nemoclaw_privacy::own::Pattern;
use nemoclaw_privacy::{Scanner, Setup};

use crate::fault::Fault;

/// What finds all that some layer of the policy looks for; without a policy, or where it says nothing of privacy, what
/// finds all that ships.
pub fn of(policy: Option<&Policy>) -> Result<Scanner, Fault> {
    let layers: Vec<&Privacy> = layers(policy).collect();
    let mut setup = Setup {
        classes: classes(&layers),
        ..Setup::default()
    };
    for pattern in layers.iter().flat_map(|layer| &layer.patterns) {
        let made = Pattern::new(&pattern.name, pattern.class, &pattern.regex);
        setup.patterns.push(made.map_err(|error| {
            Fault::new(format!("a pattern cannot be searched for ({})", pattern.at)).because(error)
        })?);
    }
    Scanner::new(&setup)
        .map_err(|error| Fault::new("the detectors cannot be set up").because(error))
}

/// Names of the operator's lists that the policy has looked for: they are not searched here.
pub fn lists(policy: Option<&Policy>) -> Vec<String> {
    let mut names: Vec<String> = layers(policy)
        .flat_map(|layer| &layer.lists)
        .map(ToString::to_string)
        .collect();
    names.sort();
    names.dedup();
    names
}

fn layers(policy: Option<&Policy>) -> impl Iterator<Item = &Privacy> {
    policy
        .into_iter()
        .flat_map(|policy| &policy.models)
        .filter_map(|layer| layer.privacy.as_ref())
}

/// The highest class that a layer gives to what a detector finds.
fn classes(layers: &[&Privacy]) -> BTreeMap<String, Option<Class>> {
    let named = layers.iter().flat_map(|layer| layer.detectors.keys());
    named
        .map(|name| {
            let usual = detector::named(name).map(|known| known.class);
            let class = layers
                .iter()
                .map(|layer| layer.detectors.get(name).copied().unwrap_or(usual))
                .max();
            (name.clone(), class.unwrap_or(usual))
        })
        .collect()
}
