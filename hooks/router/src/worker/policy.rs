//! A sandbox's policy in force: swapped whole, read without a lock, its changes heard by every open flow.

use std::sync::Arc;

use arc_swap::ArcSwap;
use nemoclaw_policy::handover::PolicyText;
use nemoclaw_policy::policy::Mode;
use nemoclaw_policy::{Policy, Source, narrow};
use nemoclaw_privacy::Scanner;
use tokio::sync::watch;

use super::inference::Words;
use super::inference::ner::Service;

/// A policy with its number.
#[derive(Debug)]
pub struct Compiled {
    /// What is allowed.
    pub policy: Policy,
    /// What looks for what is sensitive in calls to models; `None` where the policy does not ask for it.
    pub scanner: Option<Arc<Scanner>>,
    /// The operator's services that look for names.
    pub entities: Vec<Arc<Service>>,
    /// From 1; one more with every accepted change.
    pub generation: u64,
    texts: Vec<PolicyText>,
}

impl Compiled {
    fn new(met: Met, texts: Vec<PolicyText>, generation: u64) -> Compiled {
        Compiled {
            policy: met.policy,
            scanner: met.scanner,
            entities: met.entities,
            generation,
            texts,
        }
    }

    /// The names of the policies that are met.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.texts.iter().map(|text| text.name.clone()).collect()
    }
}

/// A policy that was read, and what it needs.
pub struct Met {
    /// The policy.
    pub policy: Policy,
    /// As [`Compiled::scanner`].
    pub scanner: Option<Arc<Scanner>>,
    /// As [`Compiled::entities`].
    pub entities: Vec<Arc<Service>>,
}

/// Read the texts, meet them, and make what they need of the operator's words. Pure.
///
/// # Errors
/// The first fault, with its caret.
pub fn compile(texts: &[PolicyText], words: &Words) -> Result<Met, String> {
    let policy = meet(texts)?;
    let scanner = words.scanner(&policy)?;
    let entities = words.services(&policy)?;
    Ok(Met {
        policy,
        scanner,
        entities,
    })
}

fn meet(texts: &[PolicyText]) -> Result<Policy, String> {
    let mut met: Option<Policy> = None;
    for text in texts {
        let policy = Policy::load(&source(text)).map_err(|fault| fault.to_string())?;
        if policy.mode == Mode::Unconfined {
            return Err(format!(
                "policy `{}` is unconfined: it has no place in the router",
                text.name
            ));
        }
        met = Some(match met {
            None => policy,
            Some(before) => narrow::meet(&before, &policy),
        });
    }
    met.ok_or_else(|| "no policy was given".to_owned())
}

fn source(text: &PolicyText) -> Source {
    Source {
        name: match &text.path {
            Some(path) => path.display().to_string(),
            None => format!("builtin:{}", text.name),
        },
        path: text.path.clone(),
        text: Arc::from(text.text.as_str()),
    }
}

/// The policy in force.
pub struct InForce {
    current: ArcSwap<Compiled>,
    changed: watch::Sender<u64>,
}

impl InForce {
    /// Begin with `policy`.
    #[must_use]
    pub fn new(met: Met, texts: Vec<PolicyText>, generation: u64) -> InForce {
        InForce {
            current: ArcSwap::from_pointee(Compiled::new(met, texts, generation)),
            changed: watch::Sender::new(generation),
        }
    }

    /// The policy as it is now; a request keeps its snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Compiled> {
        self.current.load_full()
    }

    /// Its number as it is now.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.current.load().generation
    }

    /// Hears of every later change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Put another policy in force; the same texts again are no change. Gives the generation.
    pub fn replace(&self, met: Met, texts: Vec<PolicyText>) -> u64 {
        let now = self.current.load();
        if now.texts == texts {
            return now.generation;
        }
        let generation = now.generation + 1;
        let next = Compiled::new(met, texts, generation);
        self.current.store(Arc::new(next));
        self.changed.send_replace(generation);
        generation
    }

    /// Ends when a later policy no longer allows what `still` asks.
    pub async fn revoked(&self, still: impl Fn(&Policy) -> bool) {
        let mut changes = self.changes();
        loop {
            if !still(&self.snapshot().policy) {
                return;
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}
