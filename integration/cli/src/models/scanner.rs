//! The scanner that policies ask for, as the router makes it: what ships, the policies' patterns, and the lists and
//! documents of the node's configuration that they name.

use std::collections::BTreeMap;

use nemoclaw_policy::class::Class;
use nemoclaw_policy::detector;
use nemoclaw_policy::node::{PrivacyConfig, WordList};
use nemoclaw_policy::policy::{Policy, Privacy};
use nemoclaw_privacy::own::{Case, Documents, List, Pattern};
use nemoclaw_privacy::{Scanner, Setup};
use zeroize::Zeroizing;

use crate::fault::Fault;

/// What finds all that ships.
pub fn usual() -> Result<Scanner, Fault> {
    made(&Setup::default())
}

/// What finds all that some layer of the policy looks for; where none says anything of privacy, what finds all that ships.
pub fn of(policy: &Policy, own: &PrivacyConfig) -> Result<Scanner, Fault> {
    let layers: Vec<&Privacy> = layers(policy).collect();
    let mut setup = Setup {
        classes: classes(&layers),
        ..Setup::default()
    };
    for privacy in layers {
        for pattern in &privacy.patterns {
            let made = Pattern::new(&pattern.name, pattern.class, &pattern.regex);
            setup.patterns.push(made.map_err(|error| {
                Fault::new(format!("a pattern cannot be searched for ({})", pattern.at))
                    .because(error)
            })?);
        }
        for name in &privacy.lists {
            add(name, own, &mut setup)?;
        }
    }
    made(&setup)
}

/// Services that the policy has find names: they are not asked here.
pub fn services(policy: &Policy) -> Vec<String> {
    let mut names: Vec<String> = layers(policy)
        .filter_map(|layer| layer.ner.as_ref())
        .map(ToString::to_string)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Whether some layer looks at anything.
pub fn looks(policy: &Policy) -> bool {
    layers(policy).next().is_some()
}

fn made(setup: &Setup) -> Result<Scanner, Fault> {
    Scanner::new(setup).map_err(|error| Fault::new("the detectors cannot be set up").because(error))
}

fn layers(policy: &Policy) -> impl Iterator<Item = &Privacy> {
    policy
        .models
        .iter()
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

/// A list or a set of documents of the node's.
fn add(name: &str, own: &PrivacyConfig, setup: &mut Setup) -> Result<(), Fault> {
    if let Some(list) = own.lists.get(name) {
        setup.lists.push(read(name, list)?);
        return Ok(());
    }
    let Some(set) = own.documents.get(name) else {
        return Err(Fault::new(format!(
            "the policy names the list `{name}`, which the node's configuration does not have under `privacy`"
        )));
    };
    let documents = Documents::read(name, set.class, &set.directory).map_err(|error| {
        Fault::new(format!("the documents `{name}` cannot be read")).because(error)
    })?;
    setup.documents.push(documents);
    Ok(())
}

/// One word or phrase a line; lines that begin with `#` are comments.
fn read(name: &str, list: &WordList) -> Result<List, Fault> {
    let unread = |error: Box<dyn std::error::Error + Send + Sync>| {
        Fault::new(format!(
            "the list `{name}` in `{}` cannot be used",
            list.file.display()
        ))
        .because(error)
    };
    let text = Zeroizing::new(std::fs::read_to_string(&list.file).map_err(|e| unread(e.into()))?);
    let words = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let case = if list.ignore_case {
        Case::Any
    } else {
        Case::Exact
    };
    List::new(name, list.class, words, case).map_err(|error| unread(error.into()))
}
